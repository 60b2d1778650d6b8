"""Figures of a result by their path, such as `orders.modified` or `faults.cancel_race.partly_filled`.

So a scenario can ask for any figure without a name of its own for it.
"""

from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from scenarios.result import FaultFigures, Metrics

FAULTS = "faults"
"""Below it come the kind of a fault and the name of one of its counts; faults of a kind are added up."""

_INJECTED = "injected"


def measure(metrics: Metrics, path: str) -> float | None:
    """The figure; a count that nothing was counted for is 0. None: nothing to measure, or no such path."""
    first, *rest = path.split(".")
    if first == FAULTS:
        return _of_faults(metrics.faults, rest)
    value: Any = getattr(metrics, first, None)
    for step in rest:
        value = value.get(step, 0) if isinstance(value, dict) else getattr(value, step, None)
    return value if isinstance(value, int | float) else None


def wrong_step(path: str, kinds: set[str]) -> str | None:
    """What of a path can be no figure of a run with faults of these kinds, and what could stand there; None: fine."""
    first, *rest = path.split(".")
    if first == FAULTS:
        return _wrong_fault(rest, kinds)
    at: Any = Metrics
    for step in (first, *rest):
        if get_origin(at) is dict:
            at = _solid(get_args(at)[1])
        elif is_dataclass(at):
            names = [field.name for field in fields(at)]
            if step not in names:
                return f"{step}: none of {', '.join(names)}"
            at = _solid(get_type_hints(at)[step])
        else:
            return f"{step}: nothing is below {path.partition('.' + step)[0]}"
    return None if at in (int, float) else f"{path}: no number, but what is below it"


def _of_faults(figures: list[FaultFigures], rest: list[str]) -> float | None:
    kind, count = rest
    of_kind = [each for each in figures if each.kind == kind]
    if not of_kind:
        return None
    return sum(each.injected if count == _INJECTED else each.counts.get(count, 0) for each in of_kind)


def _wrong_fault(rest: list[str], kinds: set[str]) -> str | None:
    if len(rest) != 2:  # noqa: PLR2004 - a kind and a count
        return f"{FAULTS}: a kind of fault and one of its counts"
    return None if rest[0] in kinds else f"{rest[0]}: no fault of the scenario ({', '.join(sorted(kinds)) or 'none'})"


def _solid(hint: Any) -> Any:  # noqa: ANN401 - a type as it is annotated
    """The type without None."""
    if get_origin(hint) is UnionType:
        return next(member for member in get_args(hint) if member is not NoneType)
    return hint
