"""The trader's numbers at the moment that shows a cause: a line for each step, read off a trader fed up to there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields

from domain.events import AnyEvent
from domain.instrument import Instrument
from domain.units import NS_PER_MS, NS_PER_S, Ns
from orchestrator.core import Orchestrator
from orchestrator.metrics import DeskSnapshot, Snapshot
from orchestrator.sync.auditor import AuditResult
from runtime.journal_format import Decided, Header, Opened, Record, Took

CoreOf = Callable[[Header], Orchestrator]
OfDesk = Callable[[Orchestrator, DeskSnapshot], str]


def figures_at(records: Iterable[Record], core_of: CoreOf, wanted: Mapping[str, int]) -> dict[str, tuple[int, Ns, str]]:
    """Of each step its record, or the decision behind it, with time and numbers; of none that nothing decided after."""
    found: dict[str, tuple[int, Ns, str]] = {}
    core: Orchestrator | None = None
    batch: list[AnyEvent] = []
    for index, record in enumerate(records):
        if len(found) == len(wanted):
            break
        if isinstance(record, Opened):
            core, batch = core_of(record.header), []
        elif isinstance(record, Took):
            batch.append(record.event)
        elif isinstance(record, Decided) and core is not None:
            for event in batch:
                core.apply(event, record.now)
            core.decide(record.now)
            batch = []
            for step in [step for step, at in wanted.items() if at <= index and step not in found]:
                found[step] = (index, record.now, OF_STEP[step](core, core.snapshot(record.now)))
    return found


def _each(text: OfDesk) -> Callable[[Orchestrator, Snapshot], str]:
    """A line of the same numbers of each instrument."""

    def of(core: Orchestrator, numbers: Snapshot) -> str:
        return "; ".join(f"{desk.instrument}: {text(core, desk)}" for desk in numbers.desks)

    return of


def _instrument(core: Orchestrator, desk: DeskSnapshot) -> Instrument:
    return core.desks[desk.instrument].instrument


def _seconds(time: Ns | None) -> str:
    return "none" if time is None else f"{time / NS_PER_S:.1f} s"


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.0%}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"


# --- orders -------------------------------------------------------------------------------------


def _limiter(core: Orchestrator, numbers: Snapshot) -> str:
    cap = numbers.quota_used + numbers.quota_left
    left = f"quota {numbers.quota_left} of {cap} left" if cap else "no quota kept"
    sides = _each(
        lambda _, desk: f"waiting {', '.join(desk.waiting_sides) or 'none'}, gated {_counts(desk.actions_gated)}"
    )
    errors = core.risk.rate_errors.count(numbers.now)
    return f"{left}; {errors} refusals as too many of late; {sides(core, numbers)}"


def _executor(core: Orchestrator, numbers: Snapshot) -> str:
    routes, feed = core.config.requests.routes, core.user_feed
    ways = f"socket {'on' if routes.socket else 'off'}, fallback {'on' if routes.fallback else 'off'}"
    timeout = f"time-out {numbers.request_timeout / NS_PER_MS:.0f} ms"
    state = f"user feed {'live' if feed.is_live else 'down'}, {numbers.requests_in_flight} in flight"
    circuits = ", ".join(f"{way} {state}" for way, state in numbers.circuits.items())
    return f"{ways}, {timeout}; {state}, {numbers.requests_silent} silent so far; circuits: {circuits}"


def _risk(core: Orchestrator, numbers: Snapshot) -> str:
    desks = _each(
        lambda _, d: f"{d.risk_level}, gate {d.gate or 'open'}, {' and '.join(d.risk_reasons) or 'no reason'}"
    )
    return f"kill switch {numbers.kill or 'open'}; {desks(core, numbers)}"


def _lifecycle(core: Orchestrator, numbers: Snapshot) -> str:
    desks = _each(lambda _, d: f"{d.active_orders} orders, {d.unknown_orders} in doubt, {d.stuck} stuck so far")
    return f"{desks(core, numbers)}; {_audit(core, numbers)}"


def _margin(core: Orchestrator, numbers: Snapshot) -> str:
    tied = f"{_share(numbers.margin_used)} of the account's value tied up"

    def of(core: Orchestrator, desk: DeskSnapshot) -> str:
        size, told = _instrument(core, desk).format_size, core.desks[desk.instrument].terms.expected
        sides = ", ".join(f"{side} up to {size(lots)}" for side, lots in desk.reach.items())
        wanted = f"leverage {told.leverage or 'any'}, mode {told.mode or 'any'}"
        return f"{wanted} expected; own limit {size(desk.position_limit)}, {sides}"

    return f"{tied}; {_each(of)(core, numbers)}"


# --- quotes -------------------------------------------------------------------------------------


def _accumulator(core: Orchestrator, desk: DeskSnapshot) -> str:
    debounce = core.config.desk.accumulator.debounce_ms
    since = f"last cycle {_seconds(desk.since_last_cycle)} ago"
    return (
        f"{desk.events_pending} events wait, mid {desk.accumulated_bps:.1f} bps off, {since}, debounce {debounce:g} ms"
    )


def _data(core: Orchestrator, desk: DeskSnapshot) -> str:
    market, price = core.desks[desk.instrument].market, _instrument(core, desk).format_price
    bid, ask = (market.best(bid=is_bid) for is_bid in (True, False))
    top = f"{'none' if bid is None else price(bid)} / {'none' if ask is None else price(ask)}"
    return f"gate {desk.gate or 'open'}, best {top}, anomalies {_counts(desk.data_anomalies)}"


def _supervisor(core: Orchestrator, numbers: Snapshot) -> str:
    stats = numbers.connection
    feeds = ", ".join(f"{f.feed} {'live' if f.is_live else 'down'}" for f in (core.market_feed, core.user_feed))
    score = f"account {numbers.sync_state or 'not watched'}"
    if stats is None:
        return f"no supervisor; {feeds}; {score}"
    since = f"market data {_seconds(stats.since_market_data)} old, user event {_seconds(stats.since_user_event)} ago"
    more = ", reconnecting" if stats.is_reconnecting else ""
    return f"{since}; {stats.stale_readings} stale readings, last check {stats.event}{more}; {feeds}; {score}"


def _warm_up(core: Orchestrator, desk: DeskSnapshot) -> str:
    engine, market = core.desks[desk.instrument].engine, core.desks[desk.instrument].market
    config = engine.config
    books = f"{market.n_quotes + market.n_books} of {config.warmup_updates} books"
    trades = f"kappa {'ready' if engine.kappa.is_ready(config.warmup_trades) else 'not ready'}"
    sigma = f"sigma {'ready' if engine.volatility.is_ready() else 'not ready'}"
    limit = "limits known" if desk.position_limit else "limits not known"
    return f"{books}, {trades}, {sigma}, {limit}; confidence {engine.confidence(market.time):.2f}"


def _pipeline(core: Orchestrator, desk: DeskSnapshot) -> str:
    engine, market = core.desks[desk.instrument].engine, core.desks[desk.instrument].market
    kappas = f"raw kappa {engine.kappa.value(market.time):,.0f}, effective {desk.kappa or 0:,.0f}"
    return f"mid {desk.mid}, sigma {desk.sigma}, {kappas}; ended early: {_counts(desk.stops_by_reason)}"


# --- position -----------------------------------------------------------------------------------


def _audit(core: Orchestrator, numbers: Snapshot) -> str:
    del core
    audit = numbers.audit
    if audit is None:
        return "no audit yet"
    values = ((field.name, getattr(audit, field.name)) for field in fields(AuditResult) if field.name != "at")
    found = ", ".join(f"{name} {value}" for name, value in values if value)
    return f"latest audit {'in step' if audit.is_synced else 'not in step'}, {found or 'nothing found'}"


def _orphans(core: Orchestrator, numbers: Snapshot) -> str:
    desks = _each(lambda _, d: f"{d.cancels_sent} cancels sent, {d.races} fills in a race, {d.late_fills} too late")
    return f"{numbers.unmatched_fills} fills without an order; {desks(core, numbers)}"


def _dedup(core: Orchestrator, numbers: Snapshot) -> str:
    dedup = core.fills.dedup
    told = f"{numbers.fills_applied} booked, {numbers.fills_duplicate} repetitions refused"
    return f"{len(dedup)} of {dedup.capacity} trade ids remembered; {told}"


def _position(core: Orchestrator, numbers: Snapshot) -> str:
    def of(core: Orchestrator, desk: DeskSnapshot) -> str:
        size = _instrument(core, desk).format_size
        return f"position {size(desk.position)}, of it corrected {size(desk.adjusted_lots)}"

    asked = f"{numbers.position_syncs} comparisons, {numbers.position_drifts} drifts ({_counts(numbers.drift_causes)})"
    return f"{_each(of)(core, numbers)}; {asked}"


def _tracker(core: Orchestrator, desk: DeskSnapshot) -> str:
    quality, window = desk.fill_quality, core.config.desk.fill_tracker.window
    p50, p99 = (_seconds(time) for time in (quality.latency_p50, quality.latency_p99))
    rate = f"fill rate {_share(quality.fill_rate)}, adverse {_share(quality.adverse_rate)}"
    return f"{rate}, latency p50 {p50} and p99 {p99}, mids known {_share(quality.coverage)}, window {window}"


OF_STEP: Mapping[str, Callable[[Orchestrator, Snapshot], str]] = {
    "DG-07": _limiter,
    "DG-08": _executor,
    "DG-09": _risk,
    "DG-10": _lifecycle,
    "DG-11": _margin,
    "DG-12": _each(_accumulator),
    "DG-13": _each(_data),
    "DG-14": _supervisor,
    "DG-15": _each(_warm_up),
    "DG-16": _each(_pipeline),
    "DG-17": _audit,
    "DG-18": _orphans,
    "DG-19": _dedup,
    "DG-20": _position,
    "DG-21": _each(_tracker),
}
"""By the id of the step."""
