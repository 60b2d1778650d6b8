"""The venue's limits and habits in one dated, overridable description.

The venue enforces them, the trader reads the same object: no number of it is written twice.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from domain.units import NS_PER_MS, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """Documented and recorded figures of the venue, as of a date."""

    as_of: str = "2026-08-22"
    """Day on which the figures were looked up (year-month-day)."""
    book_levels: Annotated[int, Ge(1)] = 20
    """Levels a side in a book snapshot."""
    book_interval: Annotated[Ns, Ge(0)] = Ns(500 * NS_PER_MS)
    """Least time between two book snapshots of a channel."""
    trades_replayed: Annotated[int, Ge(0)] = 30
    """Past trades replayed by the first frame after a subscribe to trades."""
    fills_page: Annotated[int, Ge(1)] = 2_000
    """Most fills that one query answers."""
    price_band: Annotated[float, Gt(0)] = 0.95
    """Largest distance of an order price from the reference price, as a fraction of it."""
