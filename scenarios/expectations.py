"""What a scenario expects of its run: one named bound each, measured from the figures.

To add one: a field in ``Expect``, a line in ``KINDS``. A field that is None is not asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Annotated, Any

from annotated_types import Interval

from domain.events import Reason
from scenarios import figures_by_path
from scenarios.probes import NOT_HELD
from scenarios.result import Ended, Metrics, Outcome, RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """Bounds. The invariants and the agreement of both views at the end are always expected."""

    halted: bool = False
    """The trader's kill switch must (true) or must not (false) end the run."""
    adjustments_left: bool = False
    """Whether corrections of the position that no fill has explained may be left at the end."""
    trials_left_out: bool = False
    """Whether trials of `probes` may be left out, because the trader is in no state for them."""
    alerted: tuple[str, ...] = ()
    """Alerts that the trader must have raised, by their names."""
    two_sided_of_fresh_pct_min: Annotated[float, Interval(ge=0, le=100)] | None = None
    """Share of the time with fresh market data in which a bid and an ask of ours rest."""
    fresh_s_min: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """Seconds with fresh market data: that there was something to quote on."""
    fills_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Fills of our orders: that the market traded with us at all."""
    fills_recovered_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Fills that we learned of by query or snapshot, their own message being lost or late."""
    position_wrong_s_max: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """After a fill the trader's position is the venue's again within this, whether or not the fill was told."""
    cancels_resent_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Cancels without effect that an audit of the trader sent once more: that there were some."""
    races_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Cancels and modifies that a fill overtook on their way: that the race was met."""
    feed_losses_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Established connections that were lost while the trader quoted: that the fault struck."""
    requoted_after_s_max: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """After each lost connection came back, both sides rest again within this."""
    injected_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """What the fault that struck least often injected, by the count that it is about: that all of them struck."""
    healed_after_s_max: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """From each fault's end on, both sides are never away for longer than this."""
    resting_while_down_s_max: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """After each death of the trader's process nothing of ours rests for longer than this: the venue cancelled it."""
    pnl_usd_min: Annotated[float, Interval(ge=-1e9, le=1e9)] | None = None
    """What the account won in all, in USD, fees paid and positions valued at the mid; negative allows a loss."""
    inventory_of_limit_pct_max: Annotated[float, Interval(ge=0, le=1e6)] | None = None
    """Largest position of any instrument in percent of its hard limit; 100 is the limit."""
    requests_per_minute_max: Annotated[float, Interval(ge=0, le=1e6)] | None = None
    """Requests that left the trader (orders, cancels, queries), per simulated minute."""
    at_floor_pct_max: Annotated[float, Interval(ge=0, le=100)] | None = None
    """Share of quotes whose half-spread was only the least one (of the worst instrument): that the formula quoted."""
    margin_refusals_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Orders refused because the account's money did not carry them: that the money was short."""
    refused_for_margin_max: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """The same, that sizes were kept to what the money carries."""
    recovery_iocs_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Orders that took to shrink a position whose reducing quotes were refused: that it was stuck."""
    over_limit_s_max: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """Longest time for which the position of any instrument was at its limit or beyond, at the venue."""
    short_of_margin_s_max: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """Longest time in which positions tied up more initial margin than the account was worth, at the venue."""
    gross_usd_max: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """Largest value of all positions together, long and short added up, at the marks, in USD."""
    forced_fills_min: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Fills by which the venue closed a position for lack of margin: that there was a liquidation."""
    rejected_pct_max: Annotated[float, Interval(ge=0, le=100)] | None = None
    """Refused placements and modifies as a share of those sent. A modify of an order that was gone already is none of
    the refused ones: it lost a race, as a cancel does."""
    least: dict[str, float] = field(default_factory=dict)
    """Any other figure of the result that must not be smaller, by its path: `"orders.modified" = 20`. Counts of faults
    are `faults.KIND.COUNT`, over all faults of that kind; `injected` is the count that a fault is about."""
    most: dict[str, float] = field(default_factory=dict)
    """The same for figures that must not be larger. Not for counts by names of which nobody knows all, such as gates: a
    mistyped one would hold for ever."""
    mismatches_max: Annotated[int, Interval(ge=0, le=10**9)] | None = None
    """Differences from the record, for a check against recorded blocks."""


class Sense(Enum):
    """Which side of its bound a figure must be on."""

    AT_LEAST = ">="
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Kind:
    """How one expectation is measured; None: there is nothing to measure, and it does not hold."""

    field: str
    sense: Sense
    measure: Callable[[Any], float | None]


def _rejected_pct(metrics: Metrics) -> float | None:
    orders = metrics.orders
    sent = orders.placed + orders.modified
    refused = orders.rejected - orders.rejected_by_reason.get(Reason.CANNOT_MODIFY, 0)
    return 100.0 * refused / sent if sent else None


def _inventory_pct(metrics: Metrics) -> float | None:
    return max((market.inventory.max_of_limit_pct for market in metrics.markets.values()), default=None)


def _over_limit_s(metrics: Metrics) -> float | None:
    return max((market.inventory.over_limit_s for market in metrics.markets.values()), default=None)


def _at_floor_pct(metrics: Metrics) -> float | None:
    shares = [market.belief.at_floor_pct for market in metrics.markets.values() if market.belief is not None]
    return max((share for share in shares if share is not None), default=None)


KINDS = (
    Kind("two_sided_of_fresh_pct_min", Sense.AT_LEAST, lambda m: m.quoting.two_sided_of_fresh_pct),
    Kind("fresh_s_min", Sense.AT_LEAST, lambda m: m.quoting.fresh_s),
    Kind("fills_min", Sense.AT_LEAST, lambda m: m.fills),
    Kind("fills_recovered_min", Sense.AT_LEAST, lambda m: m.fills_recovered),
    Kind("position_wrong_s_max", Sense.AT_MOST, lambda m: m.position_wrong_s),
    Kind("cancels_resent_min", Sense.AT_LEAST, lambda m: m.trader.cancels_resent),
    Kind("races_min", Sense.AT_LEAST, lambda m: m.races),
    Kind("feed_losses_min", Sense.AT_LEAST, lambda m: m.feed_losses),
    Kind("requoted_after_s_max", Sense.AT_MOST, lambda m: m.requoted_after_s),
    Kind("injected_min", Sense.AT_LEAST, lambda m: min((fault.injected for fault in m.faults), default=None)),
    Kind("healed_after_s_max", Sense.AT_MOST, lambda m: m.healed_after_s),
    Kind("resting_while_down_s_max", Sense.AT_MOST, lambda m: m.resting_while_down_s),
    Kind("pnl_usd_min", Sense.AT_LEAST, lambda m: m.pnl_usd.total),
    Kind("inventory_of_limit_pct_max", Sense.AT_MOST, _inventory_pct),
    Kind("requests_per_minute_max", Sense.AT_MOST, lambda m: m.requests_per_minute),
    Kind("at_floor_pct_max", Sense.AT_MOST, _at_floor_pct),
    Kind("margin_refusals_min", Sense.AT_LEAST, lambda m: m.orders.rejected_by_reason.get(Reason.MARGIN, 0)),
    Kind("refused_for_margin_max", Sense.AT_MOST, lambda m: m.orders.rejected_by_reason.get(Reason.MARGIN, 0)),
    Kind("recovery_iocs_min", Sense.AT_LEAST, lambda m: m.trader.recovery_iocs),
    Kind("over_limit_s_max", Sense.AT_MOST, _over_limit_s),
    Kind("short_of_margin_s_max", Sense.AT_MOST, lambda m: m.short_of_margin_s),
    Kind("gross_usd_max", Sense.AT_MOST, lambda m: m.gross_usd_max),
    Kind("forced_fills_min", Sense.AT_LEAST, lambda m: m.forced_fills),
    Kind("rejected_pct_max", Sense.AT_MOST, _rejected_pct),
    Kind("mismatches_max", Sense.AT_MOST, lambda m: m["mismatches"] if isinstance(m, dict) else None),
)
"""Everything that has a bound; `halted` and the standing expectations are below."""


def evaluate(expect: Expect, result: RunResult) -> list[Outcome]:
    """Return what was expected of a run and whether it holds, the standing expectations first."""
    outcomes = list(_standing(expect, result))
    if isinstance(result.metrics, Metrics) and result.metrics.probes:
        outcomes.append(_trials(expect, result.metrics.probes))
    if expect.alerted:
        outcomes.append(_alerted(expect.alerted, result))
    for kind in KINDS:
        bound = getattr(expect, kind.field)
        if bound is not None:
            name = kind.field.removesuffix("_min").removesuffix("_max")
            outcomes.append(_compare(kind, name, bound, result))
    for paths, sense in ((expect.least, Sense.AT_LEAST), (expect.most, Sense.AT_MOST)):
        for path, bound in paths.items():
            figure = Kind(path, sense, partial(figures_by_path.measure, path=path))
            outcomes.append(_compare(figure, path, bound, result))
    return outcomes


def _standing(expect: Expect, result: RunResult) -> list[Outcome]:
    wanted = Ended.HALTED if expect.halted else Ended.COMPLETED
    ended = Outcome("ended", str(wanted), str(result.ended), result.ended is wanted)
    metrics = result.metrics
    if isinstance(metrics, dict):
        return [ended]
    differs = metrics.position_difference or metrics.pnl_difference_usd
    orphans = metrics.resting_orders_at_end + metrics.unknown_orders_at_end
    trader = metrics.trader
    kept = trader.actions_latched + sum(trader.actions_gated.values())
    lost = trader.actions_generated - trader.actions_sent - kept
    return [
        ended,
        Outcome("invariants", "0 violations", float(result.n_violations), result.n_violations == 0),
        Outcome("position_and_cash", "equal to the venue's", "different" if differs else "equal", not differs),
        Outcome("orders_left", "0 resting or unknown", float(orphans), orphans == 0),
        _adjustments(expect, metrics),
        Outcome("actions_lost", "0 neither sent nor kept back", float(lost), lost == 0),
    ]


def _adjustments(expect: Expect, metrics: Metrics) -> Outcome:
    """A correction stands for a fill that we never heard of: at the end all of them are explained."""
    left = ", ".join(f"{size:+g} {name}" for name, size in metrics.adjustments_left.items())
    bound = "any" if expect.adjustments_left else "none"
    return Outcome("adjustments_left", bound, left or "none", expect.adjustments_left or not left)


def _trials(expect: Expect, became: dict[str, str]) -> Outcome:
    """Whoever asks for a trial wants it held; what a trial finds is told by the rules."""
    left_out = [name for name, how in became.items() if how.startswith(NOT_HELD)]
    bound = "any" if expect.trials_left_out else "each held"
    measured = f"without {', '.join(left_out)}" if left_out else "all"
    return Outcome("trials", bound, measured, expect.trials_left_out or not left_out)


def _alerted(wanted: tuple[str, ...], result: RunResult) -> Outcome:
    raised = result.metrics.alerts if isinstance(result.metrics, Metrics) else {}
    missing = [name for name in wanted if name not in raised]
    return Outcome("alerted", ", ".join(wanted), f"without {', '.join(missing)}" if missing else "all", not missing)


def _compare(kind: Kind, name: str, bound: float, result: RunResult) -> Outcome:
    try:
        measured = kind.measure(result.metrics)
    except (AttributeError, KeyError):
        measured = None
    if measured is None:
        holds = False
    elif kind.sense is Sense.AT_LEAST:
        holds = measured >= bound
    else:
        holds = measured <= bound
    return Outcome(name, f"{kind.sense.value} {bound:g}", measured, holds)
