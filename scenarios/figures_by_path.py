"""Figures of a result by their path, such as `orders.modified` or `faults.cancel_race.partly_filled`.

So a scenario can ask for any figure without a name of its own for it.
"""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from domain.events import Reason
from scenarios.alert_names import ALERT_NAMES
from scenarios.endurance import SIZES
from scenarios.figures import FaultFigures
from scenarios.invariants import INVARIANTS
from scenarios.result import Metrics

FAULTS = "faults"
"""Below it come the kind of a fault and the name of one of its counts; faults of a kind are added up."""

_INJECTED = "injected"

NAMES: Mapping[str, Collection[str]] = {
    "alerts": ALERT_NAMES,
    "checks": frozenset(rule.id for rule in INVARIANTS),
    "endurance.sizes": SIZES,
    "orders.rejected_by_reason": frozenset(Reason),
    "trader.actions_refused": frozenset(Reason),
}
"""What can be counted where figures have names of their own. Of other such figures nobody knows all the names."""

BY_INSTRUMENT = frozenset(("adjustments_left", "markets", "position_difference"))


def measure(metrics: Metrics, path: str) -> float | None:
    """The figure; a count that nothing was counted for is 0. None: nothing to measure, or no such path."""
    first, *rest = path.split(".")
    if first == FAULTS:
        return _of_faults(metrics.faults, rest)
    value: Any = getattr(metrics, first, None)
    for step in rest:
        value = value.get(step, 0) if isinstance(value, dict) else getattr(value, step, None)
    return value if isinstance(value, int | float) else None


def wrong_step(
    path: str,
    faults: Mapping[str, Collection[str]],
    instruments: Collection[str] | None = None,
    *,
    is_most: bool = False,
) -> str | None:
    """What of a path can be no figure of such a run, and what could stand there; None: fine.

    ``faults``: the counts of each kind of fault in it. ``instruments``: its markets, where they are known. ``is_most``:
    a bound from above, which a count that does not exist would never break.
    """
    first, *rest = path.split(".")
    if first == FAULTS:
        return _wrong_fault(rest, faults)
    at: Any = Metrics
    above = ""
    for step in (first, *rest):
        if get_origin(at) is dict:
            wrong = _wrong_name(step, instruments if above in BY_INSTRUMENT else NAMES.get(above), is_most=is_most)
            if wrong is not None:
                return wrong
            at = _solid(get_args(at)[1])
        elif is_dataclass(at):
            names = [field.name for field in fields(at)]
            if step not in names:
                return f"{step}: none of {', '.join(names)}"
            at = _solid(get_type_hints(at)[step])
        else:
            return f"{step}: nothing is below {above}"
        above = f"{above}.{step}" if above else step
    return None if at in (int, float) else f"{path}: no number, but what is below it"


def _of_faults(figures: list[FaultFigures], rest: list[str]) -> float | None:
    kind, count = rest
    of_kind = [each for each in figures if each.kind == kind]
    if not of_kind:
        return None
    return sum(each.injected if count == _INJECTED else each.counts.get(count, 0) for each in of_kind)


def _wrong_fault(rest: list[str], faults: Mapping[str, Collection[str]]) -> str | None:
    if len(rest) != 2:  # noqa: PLR2004 - a kind and a count
        return f"{FAULTS}: a kind of fault and one of its counts"
    kind, count = rest
    if kind not in faults:
        return f"{kind}: no fault of the scenario ({', '.join(sorted(faults)) or 'none'})"
    return _wrong_name(count, (_INJECTED, *faults[kind]), is_most=True)


def _wrong_name(name: str, known: Collection[str] | None, *, is_most: bool) -> str | None:
    """Whether a name of a figure that is counted by name is none."""
    if known is None:
        return f"{name}: no bound from above where nobody knows all the names" if is_most else None
    return None if name in known else f"{name}: none of {', '.join(sorted(known))}"


def _solid(hint: Any) -> Any:  # noqa: ANN401 - a type as it is annotated
    """The type without None."""
    if get_origin(hint) is UnionType:
        return next(member for member in get_args(hint) if member is not NoneType)
    return hint
