"""The middle of several runs of a scenario, figure by figure, in the shape of the figures of one run."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from math import inf, isinf
from statistics import median
from typing import Any

_MISSING = object()
"""What a shorter list does not have."""


def medians(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each number's median over the runs' figures, given as plain JSON data.

    Null is more than every number: a ratio to fills is as large as you like without any. So half of the runs may lack a
    number before the median does. A name that nothing was counted for is 0 in that run. Of lists the rows of one place
    belong together, such as those of one minute; of a run that ended early the later ones are missing. A text stays
    where it is the same in all runs.
    """
    return {name: _middle([run.get(name, 0) for run in runs]) for name in _names(runs)}


def _middle(values: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON data
    tables = [value for value in values if isinstance(value, Mapping)]
    if tables:
        return {
            name: _middle([value.get(name, 0) if isinstance(value, Mapping) else None for value in values])
            for name in _names(tables)
        }
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        rows = zip_longest(*lists, fillvalue=_MISSING)
        return [_middle([value for value in row if value is not _MISSING]) for row in rows]
    if all(value is None or isinstance(value, int | float) for value in values):
        middle = median(inf if value is None else value for value in values)
        return None if isinf(middle) else middle
    return values[0] if all(value == values[0] for value in values) else None


def _names(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of all of them, in the order in which they are met."""
    return list(dict.fromkeys(name for table in tables for name in table))
