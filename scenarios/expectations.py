"""What a scenario expects of its run: one named bound each, measured from the figures.

To add one: a field in ``Expect``, a line in ``KINDS``. A field that is None is not asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from annotated_types import Ge, Interval

from domain.events import Reason
from scenarios.result import Ended, Metrics, Outcome, RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """Bounds. The invariants and the agreement of both views at the end are always expected."""

    halted: bool = False
    """The trader's kill switch must (true) or must not (false) end the run."""
    adjustments_left: bool = False
    """Whether corrections of the position that no fill has explained may be left at the end."""
    alerted: tuple[str, ...] = ()
    """Alerts that the trader must have raised, by their names."""
    two_sided_of_fresh_pct_min: Annotated[float, Interval(ge=0, le=100)] | None = None
    """Share of the time with fresh market data in which a bid and an ask of ours rest."""
    fresh_s_min: Annotated[float, Ge(0)] | None = None
    """Seconds with fresh market data: that there was something to quote on."""
    fills_min: Annotated[int, Ge(0)] | None = None
    """Fills of our orders: that the market traded with us at all."""
    fills_recovered_min: Annotated[int, Ge(0)] | None = None
    """Fills that we learned of by query or snapshot, their own message being lost or late."""
    races_min: Annotated[int, Ge(0)] | None = None
    """Cancels and modifies that a fill overtook on their way: that the race was met."""
    feed_losses_min: Annotated[int, Ge(0)] | None = None
    """Established connections that were lost while the trader quoted: that the fault struck."""
    requoted_after_s_max: Annotated[float, Ge(0)] | None = None
    """After each lost connection came back, both sides rest again within this."""
    injected_min: Annotated[int, Ge(0)] | None = None
    """What the fault that struck least often injected, by the count that it is about: that all of them struck."""
    healed_after_s_max: Annotated[float, Ge(0)] | None = None
    """From each fault's end on, both sides are never away for longer than this."""
    resting_while_down_s_max: Annotated[float, Ge(0)] | None = None
    """After each death of the trader's process nothing of ours rests for longer than this: the venue cancelled it."""
    pnl_usd_min: float | None = None
    """What the account won in all, in USD, fees paid and positions valued at the mid; negative allows a loss."""
    inventory_of_limit_pct_max: Annotated[float, Ge(0)] | None = None
    """Largest position of any instrument in percent of its hard limit; 100 is the limit."""
    requests_per_minute_max: Annotated[float, Ge(0)] | None = None
    """Requests that left the trader (orders, cancels, queries), per simulated minute."""
    at_floor_pct_max: Annotated[float, Interval(ge=0, le=100)] | None = None
    """Share of quotes whose half-spread was only the least one (of the worst instrument): that the formula quoted."""
    margin_refusals_min: Annotated[int, Ge(0)] | None = None
    """Orders refused because the account's money did not carry them: that the money was short."""
    forced_fills_min: Annotated[int, Ge(0)] | None = None
    """Fills by which the venue closed a position for lack of margin: that there was a liquidation."""
    rejected_pct_max: Annotated[float, Interval(ge=0, le=100)] | None = None
    """Refused placements and modifies as a share of those sent."""
    mismatches_max: Annotated[int, Ge(0)] | None = None
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
    sent = metrics.orders.placed + metrics.orders.modified
    return 100.0 * metrics.orders.rejected / sent if sent else None


def _inventory_pct(metrics: Metrics) -> float | None:
    return max((market.inventory.max_of_limit_pct for market in metrics.markets.values()), default=None)


def _at_floor_pct(metrics: Metrics) -> float | None:
    shares = [market.belief.at_floor_pct for market in metrics.markets.values() if market.belief is not None]
    return max((share for share in shares if share is not None), default=None)


KINDS = (
    Kind("two_sided_of_fresh_pct_min", Sense.AT_LEAST, lambda m: m.quoting.two_sided_of_fresh_pct),
    Kind("fresh_s_min", Sense.AT_LEAST, lambda m: m.quoting.fresh_s),
    Kind("fills_min", Sense.AT_LEAST, lambda m: m.fills),
    Kind("fills_recovered_min", Sense.AT_LEAST, lambda m: m.fills_recovered),
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
    Kind("forced_fills_min", Sense.AT_LEAST, lambda m: m.forced_fills),
    Kind("rejected_pct_max", Sense.AT_MOST, _rejected_pct),
    Kind("mismatches_max", Sense.AT_MOST, lambda m: m["mismatches"] if isinstance(m, dict) else None),
)
"""Everything that has a bound; `halted` and the standing expectations are below."""

_SUFFIXES = ("_min", "_max")


def evaluate(expect: Expect, result: RunResult) -> list[Outcome]:
    """Return what was expected of a run and whether it holds, the standing expectations first."""
    outcomes = list(_standing(expect, result))
    if expect.alerted:
        outcomes.append(_alerted(expect.alerted, result))
    for kind in KINDS:
        bound = getattr(expect, kind.field)
        if bound is not None:
            outcomes.append(_compare(kind, bound, result))
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
    lost = trader.actions_generated - trader.actions_sent - sum(trader.actions_gated.values())
    return [
        ended,
        Outcome("invariants", "0 violations", float(result.n_violations), result.n_violations == 0),
        Outcome("position_and_cash", "equal to the venue's", "different" if differs else "equal", not differs),
        Outcome("orders_left", "0 resting or unknown", float(orphans), orphans == 0),
        _adjustments(expect, metrics),
        Outcome("actions_lost", "0 neither sent nor gated", float(lost), lost == 0),
    ]


def _adjustments(expect: Expect, metrics: Metrics) -> Outcome:
    """A correction stands for a fill that we never heard of: at the end all of them are explained."""
    left = ", ".join(f"{size:+g} {name}" for name, size in metrics.adjustments_left.items())
    bound = "any" if expect.adjustments_left else "none"
    return Outcome("adjustments_left", bound, left or "none", expect.adjustments_left or not left)


def _alerted(wanted: tuple[str, ...], result: RunResult) -> Outcome:
    raised = result.metrics.alerts if isinstance(result.metrics, Metrics) else {}
    missing = [name for name in wanted if name not in raised]
    return Outcome("alerted", ", ".join(wanted), f"without {', '.join(missing)}" if missing else "all", not missing)


def _compare(kind: Kind, bound: float, result: RunResult) -> Outcome:
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
    name = kind.field
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return Outcome(name, f"{kind.sense.value} {bound:g}", measured, holds)
