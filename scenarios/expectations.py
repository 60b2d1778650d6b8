"""What a scenario expects of its run: one named bound each, measured from the figures.

To add one: a field in ``Expect``, a line in ``KINDS``. A field that is None is not asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Annotated, Any

from annotated_types import Ge, Interval

from scenarios.result import Ended, Metrics, Outcome, RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """Bounds. The invariants and the agreement of both views at the end are always expected."""

    halted: bool = False
    """The trader's kill switch must (true) or must not (false) end the run."""
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
    pnl_usd_min: float | None = None
    """What the account won in all, in USD, fees paid and positions valued at the mid; negative allows a loss."""
    inventory_of_limit_pct_max: Annotated[float, Ge(0)] | None = None
    """Largest position of any instrument in percent of its hard limit; 100 is the limit."""
    requests_per_minute_max: Annotated[float, Ge(0)] | None = None
    """Requests that left the trader (orders, cancels, queries), per simulated minute."""
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


KINDS = (
    Kind("two_sided_of_fresh_pct_min", Sense.AT_LEAST, lambda m: m.quoting.two_sided_of_fresh_pct),
    Kind("fresh_s_min", Sense.AT_LEAST, lambda m: m.quoting.fresh_s),
    Kind("fills_min", Sense.AT_LEAST, lambda m: m.fills),
    Kind("fills_recovered_min", Sense.AT_LEAST, lambda m: m.fills_recovered),
    Kind("races_min", Sense.AT_LEAST, lambda m: m.races),
    Kind("feed_losses_min", Sense.AT_LEAST, lambda m: m.feed_losses),
    Kind("requoted_after_s_max", Sense.AT_MOST, lambda m: m.requoted_after_s),
    Kind("pnl_usd_min", Sense.AT_LEAST, lambda m: m.pnl_usd.total),
    Kind("inventory_of_limit_pct_max", Sense.AT_MOST, _inventory_pct),
    Kind("requests_per_minute_max", Sense.AT_MOST, lambda m: m.requests_per_minute),
    Kind("rejected_pct_max", Sense.AT_MOST, _rejected_pct),
    Kind("mismatches_max", Sense.AT_MOST, lambda m: m["mismatches"] if isinstance(m, dict) else None),
)
"""Everything that has a bound; `halted` and the standing expectations are below."""

_SUFFIXES = ("_min", "_max")


def evaluate(expect: Expect, result: RunResult) -> list[Outcome]:
    """Return what was expected of a run and whether it holds, the standing expectations first."""
    outcomes = list(_standing(expect, result))
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
    return [
        ended,
        Outcome("invariants", "0 violations", float(result.n_violations), result.n_violations == 0),
        Outcome("position_and_cash", "equal to the venue's", "different" if differs else "equal", not differs),
        Outcome("orders_left", "0 resting or unknown", float(orphans), orphans == 0),
    ]


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


def unused_fields() -> set[str]:
    """Fields of ``Expect`` that nothing measures; a test keeps this empty."""
    return {field.name for field in fields(Expect)} - {kind.field for kind in KINDS} - {"halted"}
