"""The middle of several seeds, and how sure a difference between two arms is."""

from collections.abc import Sequence
from math import isinf
from statistics import median
from typing import NamedTuple

import numpy as np

from scenarios.medians import numbers_of
from studies.churn.rows import Row

CONFIDENCE = 0.95
RESAMPLES = 2_000
LEAST = 3
"""Differences below this number have no interval."""


class Spread(NamedTuple):
    """A figure over the seeds of an arm: its quartiles."""

    low: float
    middle: float
    high: float


class Difference(NamedTuple):
    """Between two arms, seed by seed: the median, and where it may lie."""

    middle: float
    low: float | None
    high: float | None

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves no doubt about the sign."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def values_of(rows: Sequence[Row], name: str) -> list[float]:
    """A figure of each row that has it; a ratio to no fill is infinite, as in the medians of `makerlab run`."""
    return [float(value) for value in numbers_of(name, (getattr(row, name) for row in rows))]


def spread_of(values: Sequence[float]) -> Spread | None:
    """Quartiles, each of them a value that occurs; the median may lie between two. None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    low, high = (ranked[round(share * (len(ranked) - 1))] for share in (0.25, 0.75))
    return Spread(low, median(ranked), high)


def difference_of(before: Sequence[Row], after: Sequence[Row], name: str) -> Difference | None:
    """By how much a figure is larger in ``after``, over the seeds that have it in both; None without any.

    The interval is that of a bootstrap over the pairs. It is the same in every call: what is drawn depends on nothing.
    """
    pairs = _pairs(before, after, name)
    if not pairs:
        return None
    differences = [late - early for early, late in pairs]
    middle = median(differences)
    if len(differences) < LEAST or min(differences) == max(differences):
        return Difference(middle, None, None) if len(differences) < LEAST else Difference(middle, middle, middle)
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.array(differences),),
        np.median,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Difference(middle, float(found.low), float(found.high))


def _pairs(before: Sequence[Row], after: Sequence[Row], name: str) -> list[tuple[float, float]]:
    early = {row.seed: getattr(row, name) for row in before}
    late = {row.seed: getattr(row, name) for row in after}
    pairs = ((early[seed], late[seed]) for seed in early if seed in late)
    return [(float(one), float(other)) for one, other in pairs if one is not None and other is not None]


def written(value: float | None, digits: int = 2) -> str:
    """A number as people write it."""
    if value is None:
        return "-"
    if isinf(value):
        return "inf"
    return f"{value:,.{digits}f}"
