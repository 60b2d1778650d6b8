"""The middle of several runs of a scenario, figure by figure, in the shape of the figures of one run."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from math import inf, isinf
from statistics import median
from typing import Any

RATIOS_TO_FILLS = frozenset(("cancel_fill_ratio", "calls_per_fill"))
"""Figures that are as large as you like without any fill."""
_MISSING = object()
"""What a shorter list does not have."""


def numbers_of(name: str, values: Iterable[float | None]) -> list[float]:
    """What counts toward the middle of a figure: of a ratio to fills None is infinite, elsewhere it is left out."""
    if name in RATIOS_TO_FILLS:
        return [inf if value is None else value for value in values]
    return [value for value in values if value is not None]


def medians(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each number's median over the runs' figures, given as plain JSON data.

    A run in which there was nothing to measure (null) says nothing of that figure; null is the median of none. Of a
    ratio to fills null is more than every number, for it is as large as you like without any: half of the runs may
    lack fills before the median is null. A name that nothing was counted for is 0 in that run. Of lists the rows of one
    place belong together, such as those of one minute; of a run that ended early the later ones are missing. A text
    stays where it is the same in all runs.
    """
    return {name: _middle(name, [run.get(name, 0) for run in runs]) for name in _names(runs)}


def _middle(name: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON data
    """Of the values that stand under one name, in the order of the runs."""
    tables = [value for value in values if isinstance(value, Mapping)]
    if tables:
        return {
            each: _middle(each, [_under(value, each) for value in values if value is not None])
            for each in _names(tables)
        }
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        rows = zip_longest(*lists, fillvalue=_MISSING)
        return [_middle(name, [value for value in row if value is not _MISSING]) for row in rows]
    if all(value is None or isinstance(value, int | float) for value in values):
        numbers = numbers_of(name, values)
        middle = median(numbers) if numbers else inf
        return None if isinf(middle) else middle
    return values[0] if all(value == values[0] for value in values) else None


def _under(value: Any, name: str) -> Any:  # noqa: ANN401 - JSON data
    """What a table has under a name; of one that is not there nothing was counted."""
    return value.get(name, 0) if isinstance(value, Mapping) else 0


def _names(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of all of them, in the order in which they are met."""
    return list(dict.fromkeys(name for table in tables for name in table))
