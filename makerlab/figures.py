"""The tables of a result: one list of rows for the terminal and the page alike."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from domain.alerts import STOPPED
from scenarios.figures import SPLIT_HORIZON_S, Belief, Growth, Markout, TimelineRow, TraderFigures
from scenarios.result import Metrics, Outcome, RunResult

_SHOWN = 5
"""Reasons named in a line; the result file holds all."""


class Row(NamedTuple):
    """One line: what, how much, and anything worth adding."""

    name: str
    value: str
    note: str = ""


class Section(NamedTuple):
    """One table."""

    title: str
    rows: list[Row]


def sections(result: RunResult) -> list[Section]:
    """Return the figures of a run as tables, the most wanted first."""
    metrics = result.metrics
    body = _record_check(metrics) if isinstance(metrics, dict) else _trader(metrics, result.wall.resident_mb)
    return [*body, _run(result)]


def usd(value: float) -> str:
    """Money with a sign, to the cent or finer where it is small."""
    text = f"{value:+,.4f}" if 0 < abs(value) < 1 else f"{value:+,.2f}"
    return "0.00" if not value else text


def counted(count: int, noun: str) -> str:
    """Write a number of things, in the plural where it is not one."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def bound_of(outcome: Outcome) -> str:
    """Return the bound of an expectation as people write it."""
    return outcome.bound if isinstance(outcome.bound, str) else f"{outcome.bound:g}"


def measured_of(outcome: Outcome) -> str:
    """Return what was measured as people write it."""
    measured = outcome.measured
    if measured is None:
        return "nothing"
    return measured if isinstance(measured, str) else f"{measured:,.6g}"


# --- a run with a trader ------------------------------------------------------------------------


def _trader(metrics: Metrics, resident: Growth | None) -> list[Section]:
    return [
        Section("P&L, USD", list(_pnl(metrics))),
        Section("Fills and inventory", list(_fills(metrics))),
        Section("Orders", list(_orders(metrics))),
        Section("Churn", list(_churn(metrics))),
        Section("Quoting", list(_quoting(metrics))),
        Section("The trader's decisions", list(_decisions(metrics))),
        *([Section("Faults", list(_faults(metrics)))] if metrics.faults else []),
        *([Section("Endurance", list(_endurance(metrics, resident)))] if metrics.endurance is not None else []),
        *([Section("Trials at the end", list(_trials(metrics)))] if metrics.probes else []),
        Section("Truth and belief after the shutdown", list(_agreement(metrics))),
    ]


def _pnl(metrics: Metrics) -> Iterable[Row]:
    pnl = metrics.pnl_usd
    volume = metrics.volume_usd
    if not metrics.fills and not pnl.total:
        yield Row("total", usd(0.0), "no fills")
        return

    def bps(value: float) -> str:
        return f"{value / volume * 1e4:+.3f} bps of volume" if volume else ""

    yield Row("total", usd(pnl.total), bps(pnl.total))
    yield Row("  spread captured", usd(pnl.spread), bps(pnl.spread))
    for markout in metrics.markouts_usd:
        if markout.horizon_s == SPLIT_HORIZON_S:
            note = f"{bps(pnl.markout)}; net {_against(markout)}"
            yield Row("  markout, 1 s after the fill", usd(pnl.markout), note)
    yield Row("  inventory after that", usd(pnl.inventory), bps(pnl.inventory))
    yield Row("  fees", usd(-pnl.fees), "; ".join(part for part in (bps(-pnl.fees), _tier(metrics)) if part))
    if pnl.transfers:
        yield Row("  funding and liquidations", usd(pnl.transfers), bps(pnl.transfers))
    for markout in metrics.markouts_usd:
        if markout.horizon_s != SPLIT_HORIZON_S:
            yield Row(
                f"markout at {markout.horizon_s:g} s, gross",
                usd(markout.gross),
                f"net of the spread {_against(markout)}",
            )


def _tier(metrics: Metrics) -> str:
    """The rates of the account, which are the same in every instrument."""
    for market in metrics.markets.values():
        return f"maker {market.maker_fee_pct:g} %, taker {market.taker_fee_pct:g} %"
    return ""


def _against(markout: Markout) -> str:
    return f"{usd(markout.net)}; {markout.adverse_pct:.0f} % of fills adverse"


def _fills(metrics: Metrics) -> Iterable[Row]:
    yield Row("fills", f"{metrics.fills:,}", f"{metrics.taker_fills} as taker")
    if not metrics.fills:
        return
    yield Row("volume", f"{metrics.volume_usd:,.0f} USD")
    for name, market in metrics.markets.items():
        stats = market.inventory
        prefix = f"{name} " if len(metrics.markets) > 1 else ""
        if prefix:
            yield Row(f"{name} fills", f"{market.fills:,}", f"volume {market.volume_usd:,.0f} USD")
        yield Row(f"{prefix}inventory, mean of |position|", f"{stats.mean_abs_usd:,.0f} USD")
        largest = f"{stats.max_of_limit_pct:.0f} % of the limit"
        yield Row(f"{prefix}inventory, largest", f"{stats.max_abs_usd:,.0f} USD", largest)
        yield Row(f"{prefix}inventory, after the shutdown", f"{stats.end_size:g}", f"{stats.end_usd:+,.0f} USD")


def _orders(metrics: Metrics) -> Iterable[Row]:
    orders = metrics.orders
    reasons = ", ".join(f"{count} {reason}" for reason, count in orders.rejected_by_reason.items())
    yield Row("placed", f"{orders.placed:,}")
    yield Row("modified", f"{orders.ended_modified:,}", _sent("modifies", orders.modified, orders.modifies_refused))
    yield Row("cancelled", f"{orders.ended_cancelled:,}", _sent("cancels", orders.cancelled, orders.cancels_refused))
    yield Row("filled", f"{orders.ended_filled:,}")
    yield Row("rejected", f"{orders.rejected:,}", reasons)
    if orders.unended:
        when = ", when the trials began: these figures end there" if metrics.probes else ""
        under_way = max(orders.unended - orders.resting, 0)
        note = f"{orders.resting:,} rested, {under_way:,} under way or lost{when}"
        yield Row("without an end", f"{orders.unended:,}", note)
    races = f"{counted(metrics.race_fills, 'fill')} between the sending of a cancel and its effect"
    yield Row("races", f"{metrics.races:,}", races if metrics.races else "")
    upto = "up to the first trial" if metrics.probes else "the shutdown's included"
    yield Row("requests per minute", f"{metrics.requests_per_minute:,.1f}", f"{metrics.requests:,} in all, {upto}")
    yield Row("actions per minute", f"{metrics.actions_per_minute:,.1f}")
    used = metrics.allowances
    yield Row("actions allowed", f"{used.actions_cap:,}", f"{used.actions_used:,} used")
    if used.refused:
        refused = ", ".join(f"{count} {limit}" for limit, count in used.refused.items())
        yield Row("turned away by limits", f"{sum(used.refused.values()):,}", refused)
    off = ", ".join(f"{count:+,} {name}" for name, count in used.prediction_off.items())
    yield Row("counted by the trader", "otherwise" if off else "the same", off and f"{off} against the venue's meters")


def _trials(metrics: Metrics) -> Iterable[Row]:
    for name, became in metrics.probes.items():
        what, _, why = became.partition(": ")
        yield Row(name.replace("_", " "), what, why)


def _sent(what: str, sent: int, refused: int) -> str:
    """What was sent for an outcome: the venue ends orders on its own, too, and refuses what comes too late."""
    return f"{what} sent {sent:,}, {refused:,} refused" if sent else ""


def _churn(metrics: Metrics) -> Iterable[Row]:
    """How much of what was sent only replaced something."""
    if metrics.calls_per_min is None:
        yield Row("calls per minute", "0", "nothing was placed")
        return
    yield Row("calls per minute", f"{metrics.calls_per_min:,.1f}", "placements, modifies and cancels since the first")
    if metrics.zero_action_share is not None:
        yield Row("cycles that sent nothing", f"{100 * metrics.zero_action_share:.1f} %", "while quotes were allowed")
    if metrics.modify_share is not None:
        yield Row(
            "replaced by a modify", f"{100 * metrics.modify_share:.1f} %", "the others by a cancel and a placement"
        )
    if metrics.cancel_fill_ratio is not None and metrics.calls_per_fill is not None:
        yield Row("cancels per fill", f"{metrics.cancel_fill_ratio:,.2f}", f"{metrics.calls_per_fill:,.2f} calls")
    else:
        yield Row("cancels per fill", "no fills")
    if metrics.quote_error_bps is not None:
        beyond = f"{metrics.quote_error_beyond_bps or 0.0:,.2f} bps of it beyond the latch"
        yield Row("from order to target", f"{metrics.quote_error_bps:,.2f} bps", beyond)
    if metrics.queue_kept_share is not None:
        share = f"{100 * metrics.queue_kept_share:.1f} %"
        yield Row("places kept", share, "of orders that a latch of 1 bp would have replaced")
    if metrics.edge_least_bps is not None:
        yield Row("least edge kept", f"{metrics.edge_least_bps:,.2f} bps", "from the mid, fee not taken off")
    if metrics.queue_place_unknown_share is not None:
        known = metrics.queue_place_error
        error = "" if known is None else f"the others {100 * known:.1f} % of their level off"
        yield Row("places unknown", f"{100 * metrics.queue_place_unknown_share:.1f} %", error)
    kept = metrics.trader.kept_by_layer
    if any(kept.values()):
        yield Row("kept still", f"{sum(kept.values()):,}", _ranked(kept))
    *before, last = metrics.timeline
    shown = before[:: max(-(-len(before) // _SHOWN), 1)]
    earlier = ", ".join(f"{_sums(row)} at {row.t_s:,.0f} s" for row in shown)
    yield Row("placed/cancelled/filled", _sums(last), earlier)


def _sums(row: TimelineRow) -> str:
    return f"{row.placed}/{row.cancelled}/{row.filled}"


def _quoting(metrics: Metrics) -> Iterable[Row]:
    quoting = metrics.quoting
    was_allowed = quoting.observed_s > 0
    note = "until the first quote was allowed" if was_allowed else "no quote was allowed in this time"
    yield Row("start-up", f"{quoting.startup_s:.2f} s", note)
    if was_allowed:
        yield Row("market data fresh", f"{quoting.fresh_s:,.1f} s", f"of {quoting.observed_s:,.1f} s")
        fresh = f"{quoting.two_sided_of_fresh_pct:.2f} % of the fresh time"
        yield Row("two-sided", f"{quoting.two_sided_s:,.1f} s", fresh)
    if was_allowed and len(metrics.markets) > 1:
        for name, market in metrics.markets.items():
            fresh = f"{market.quoting.two_sided_of_fresh_pct:.2f} % of the fresh time"
            yield Row(f"  {name} two-sided", f"{market.quoting.two_sided_s:,.1f} s", fresh)
    for reason, seconds in quoting.gated_s.items():
        yield Row("gated", f"{seconds:,.2f} s", reason)
    if not quoting.gated_s:
        yield Row("gated", "0 s")
    longest = f"longest {metrics.longest_data_gap_s:.1f} s" if metrics.data_gaps else ""
    yield Row("gaps in the market data", f"{metrics.data_gaps}", longest)
    if metrics.feed_losses:
        yield Row("connections lost", f"{metrics.feed_losses}")
        yield Row("fills learned by query or snapshot", f"{metrics.fills_recovered}")
        if metrics.requoted_after_s is not None:
            yield Row("two-sided again within", f"{metrics.requoted_after_s:.2f} s")
        if (back := metrics.recoveries) is not None:
            note = f"median {back.p50_s:.2f} s, nine in ten within {back.p90_s:.2f} s, after {back.count:,} losses"
            yield Row("from a loss to both sides", f"{back.max_s:.2f} s", note)


def _ways(trader: TraderFigures) -> Iterable[Row]:
    """Which ways requests took, and what the checks of the connections found."""
    fell_back = trader.requests_by_way.get("rest", 0) + trader.requests_by_way.get("info", 0)
    opened = sum(trader.circuits_opened.values())
    held = f", {trader.requests_held} held back" if trader.requests_held else ""
    yield Row("requests by REST", f"{fell_back:,}", f"{opened} times a circuit opened{held}" if opened or held else "")
    if trader.data_anomalies:
        found = f"{sum(trader.data_anomalies.values()):,}"
        yield Row("market data in doubt", found, _ranked(trader.data_anomalies))
    stale = {name: count for name, count in trader.supervisor_events.items() if name != "healthy"}
    if stale:
        yield Row("checks of the connections", f"{sum(trader.supervisor_events.values()):,}", _ranked(stale))


def _account_risk(metrics: Metrics) -> Iterable[Row]:
    """Positions that had to shrink and were stuck, money that was short, what the venue took by force."""
    trader = metrics.trader
    ways = {
        "reduced by taking": trader.recovery_iocs,
        "not enough": trader.recoveries_exhausted,
        "nothing could be placed": trader.recovery_escalations,
    }
    if trader.recoveries:
        yield Row("positions stuck", f"{trader.recoveries:,}", _ranked(ways))
    if metrics.short_of_margin_s:
        reports = f"at the venue, longest; {trader.margin_reports:,} answers on margin"
        yield Row("short of margin", f"{metrics.short_of_margin_s:,.1f} s", reports)
    if trader.forced_fills_seen:
        yield Row("closed by force", f"{trader.forced_fills_seen:,}", "fills, as the trader was told")


def _decisions(metrics: Metrics) -> Iterable[Row]:
    trader = metrics.trader
    yield Row("quote cycles", f"{metrics.cycles:,}", _ranked(trader.cycles_by_cause))
    yield Row("  ended early", f"{sum(trader.stops_by_reason.values()):,}", _ranked(trader.stops_by_reason))
    yield Row("held back", f"{sum(trader.actions_gated.values()):,}", _ranked(trader.actions_gated))
    if trader.actions_paced:
        yield Row("  by the pace", f"{sum(trader.actions_paced.values()):,}", _ranked(trader.actions_paced))
    unclear = f"{trader.requests_late:,} answered late, {trader.requests_not_sent:,} never left"
    patience = f"patience {trader.request_timeout_ms:,.0f} ms"
    yield Row("requests unanswered", f"{trader.requests_silent:,}", f"{unclear}; {patience}")
    yield from _ways(trader)
    found = {
        "positions differed": trader.position_drifts,
        "positions replaced": trader.restatements,
        "orphans cancelled": trader.orphans_cancelled,
        "orders vanished": trader.orders_vanished,
    }
    yield Row("resyncs", f"{trader.resyncs:,}", _ranked(found))
    yield Row("positions compared", f"{trader.position_syncs:,}", _ranked(trader.sync_triggers))
    audited = {
        "with issues": trader.audits_with_issues,
        "cancels sent again": trader.cancels_resent,
        "unsynced": trader.times_unsynced,
        "lists read": trader.order_lists_read,
    }
    yield Row("audits", f"{trader.audits:,}", _ranked(audited))
    surprises = {
        "placements stuck": trader.stuck,
        "fills of unknown orders": trader.unmatched_fills,
        "fills after the end": trader.late_fills,
        "orders overfilled": trader.overfilled,
        "fills crowded out": trader.fills_crowded_out,
        "unknown messages": trader.unknown_events,
        "illegal steps": trader.illegal_steps,
        "stale quotes": trader.stale_quote_alarms,
    }
    if any(surprises.values()):
        yield Row("surprises", f"{sum(surprises.values()):,}", _ranked(surprises))
    yield from _account_risk(metrics)
    for name, market in metrics.markets.items():
        if market.belief is not None:
            yield _belief(name, market.belief)


def _belief(name: str, belief: Belief) -> Row:
    half = "no quotes" if belief.half_spread_bps is None else f"{belief.half_spread_bps:.2f} bps"
    estimates = []
    if belief.at_floor_pct:
        estimates.append(f"at its floor in {belief.at_floor_pct:.3g} % of quotes")
    if belief.kappa_capped_pct:
        estimates.append(f"kappa at its cap in {belief.kappa_capped_pct:.3g} %")
    if belief.kappa is not None:
        estimates.append(f"kappa {belief.kappa:,.0f} ± {belief.kappa_sd:,.0f}")
    if belief.sigma_bps is not None:
        estimates.append(f"sigma {belief.sigma_bps:.2f} bps/√s")
    if belief.intensity is not None:
        estimates.append(f"{belief.intensity:.2f} ± {belief.intensity_sd or 0.0:.2f} trades/s a side")
    return Row(f"{name} half-spread at the stop", half, ", ".join(estimates))


def _ranked(counts: Mapping[str, int]) -> str:
    """The largest counts by name, in words."""
    ranked = sorted(((count, name) for name, count in counts.items() if count), key=lambda entry: (-entry[0], entry[1]))
    shown = [f"{count:,} {name.replace('_', ' ').replace(':', ': ')}" for count, name in ranked[:_SHOWN]]
    rest = sum(count for count, _ in ranked[_SHOWN:])
    return ", ".join(shown + ([counted(rest, "other")] if rest else []))


def _faults(metrics: Metrics) -> Iterable[Row]:
    for fault in metrics.faults:
        did = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in fault.counts.items() if count)
        lasts = fault.ends_at_s > metrics.duration_s
        window = f"from {fault.starts_at_s:g} s on" if lasts else f"{fault.starts_at_s:g} to {fault.ends_at_s:g} s"
        yield Row(fault.kind, window, did)


def _endurance(metrics: Metrics, resident: Growth | None) -> Iterable[Row]:
    """What the run kept: how much at most, and whether it grew from the second quarter of the time to the last."""
    sizes = dict(metrics.endurance.sizes) if metrics.endurance is not None else {}
    if resident is not None:
        sizes["memory, MB"] = resident
    for name, size in sizes.items():
        note = f"{size.early:,.0f} in the second quarter, {size.late:,.0f} in the last, {size.grown_pct:+.1f} %"
        yield Row(name.replace("_", " "), f"{size.peak:,.0f}", f"at most; {note}")


def _agreement(metrics: Metrics) -> Iterable[Row]:
    differs = ", ".join(f"{name} {value:+g}" for name, value in metrics.position_difference.items())
    yield Row("position", "differs" if differs else "equal", differs)
    cash = metrics.pnl_difference_usd
    yield Row("cash and fees", usd(cash) if cash else "equal")
    yield Row("orders left", f"{metrics.resting_orders_at_end} resting", f"{metrics.unknown_orders_at_end} unknown")
    alerts = {name: count for name, count in metrics.alerts.items() if name != STOPPED}
    if alerts:
        yield Row("alerts", f"{sum(alerts.values())}", ", ".join(f"{n} {name}" for name, n in alerts.items()))


# --- a check against a record -------------------------------------------------------------------


def _record_check(metrics: dict[str, Any]) -> list[Section]:
    flat = [Row(name.replace("_", " "), f"{value:,}") for name, value in metrics.items() if _is_number(value)]
    rest = [
        Section(name.replace("_", " "), list(_rows(table)))
        for name, table in metrics.items()
        if isinstance(table, dict | list) and table
    ]
    return [Section("Against the record", flat), *rest]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _rows(table: dict[str, Any] | list[Any]) -> Iterable[Row]:
    if isinstance(table, dict):
        return (Row(name, f"{value:,}") for name, value in table.items())
    return (Row(str(i), "", str(text)) for i, text in enumerate(table, start=1))


def _run(result: RunResult) -> Section:
    wall = result.wall
    rows = [Row("events", f"{result.events:,}", f"{wall.us_per_event:.1f} µs each")]
    if isinstance(result.metrics, Metrics):
        rows.append(Row("speed", f"{wall.speed_x:,.0f} x real time", f"{wall.run_s:.2f} s on this machine"))
    else:
        rows.append(Row("time", f"{wall.run_s:.2f} s", "on this machine"))
    if wall.cycle_us_p50 is not None and wall.cycle_us_p99 is not None:
        cycles = result.metrics.cycles if isinstance(result.metrics, Metrics) else 0
        note = f"p99 {wall.cycle_us_p99:,.0f} µs, {cycles:,} cycles"
        rows.append(Row("quote cycle, median", f"{wall.cycle_us_p50:,.0f} µs", note))
    if wall.check_us_per_event is not None:
        rows.append(Row("checks", f"{wall.check_us_per_event:.1f} µs an event"))
    if isinstance(result.metrics, Metrics) and result.metrics.checks:
        rows.append(_rules(result.metrics))
    if result.journal_digest:
        rows.append(Row("journal digest", result.journal_digest[:16]))
    if result.world_digest:
        rows.append(Row("world digest", result.world_digest[:16]))
    return Section("The run", rows)


def _rules(metrics: Metrics) -> Row:
    """Rules that had nothing to compare are named: that none of them was violated says nothing."""
    idle = [name for name, count in metrics.checks.items() if not count]
    at_work = len(metrics.checks) - len(idle)
    note = f"nothing to compare for {', '.join(idle)}" if idle else ""
    return Row("rules that compared", f"{at_work} of {len(metrics.checks)}", note)
