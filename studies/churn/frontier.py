"""Which rules for how far an order may lag are worth a choice: those that no other one beats in calls and nearness.

One answer for table and figure alike. Knows neither.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from studies.churn.middles import spread_of, values_of
from studies.churn.rows import Row


class Point(NamedTuple):
    """Medians over the seeds of a rule: the less of both, the better."""

    calls: float
    """A minute."""
    error: float
    """From order to target, in bps."""

    def beats(self, other: "Point") -> bool:
        """Whether it is better in one and not worse in the other."""
        return self != other and self.calls <= other.calls and self.error <= other.error

    def is_best(self, points: Collection["Point"]) -> bool:
        """Whether none of them beats it."""
        return not any(other.beats(self) for other in points)


def point_of(rows: Sequence[Row]) -> Point | None:
    """Where a rule stands; None where nothing was sent or nothing rested: who does not quote is no nearer for it."""
    calls, error = (spread_of(values_of(rows, name)) for name in ("calls_per_min", "quote_error_bps"))
    if calls is None or error is None or calls.middle <= 0:
        return None
    return Point(calls.middle, error.middle)
