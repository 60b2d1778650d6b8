"""Oracle and mark price of one instrument: what money at risk is valued by.

The oracle comes from the outside, where there is one; an instrument that trades nowhere else has the middle of
its own book. The mark is the median of three: the oracle with the usual distance of the book from it, the book
itself, and perpetuals elsewhere. Nothing here knows accounts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Annotated

from annotated_types import Interval

from domain.units import NS_PER_S, Ns, Px
from sim.liquidity.base import Liquidity


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkConfig:
    """How prices come about; every default is documented."""

    interval: Annotated[Ns, Interval(ge=1, le=10**15)] = Ns(3 * NS_PER_S)
    """Time between two updates of oracle and mark; the first block after it makes the next one."""
    basis_window_s: Annotated[float, Interval(gt=0, le=1e6)] = 150.0
    """Time constant of the average distance of the middle of the book from the oracle, in seconds."""
    local_window_s: Annotated[float, Interval(gt=0, le=1e6)] = 30.0
    """Time constant of the average of the book's own price, the third of the three where one is missing."""
    external_perps: bool = True
    """Whether perpetuals elsewhere trade at the outside price; without an outside there are none."""


class Average:
    """An exponential average of samples in uneven distances: num and den decay by exp(-t/tau) and gain t."""

    def __init__(self, tau_s: float) -> None:
        self.value = 0.0
        """The average so far; zero before the first sample."""
        self._tau_s = tau_s
        self._num = 0.0
        self._den = 0.0

    def add(self, sample: float, gap_s: float) -> float:
        """Take in a sample that stands for the time since the one before; the average."""
        decay = exp(-gap_s / self._tau_s)
        self._num = self._num * decay + sample * gap_s
        self._den = self._den * decay + gap_s
        self.value = self._num / self._den
        return self.value


def median(values: Sequence[float]) -> float:
    """The middle value; of an even number the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


class Prices:
    """Oracle and mark of one instrument, in whole base ticks; None before there was any price."""

    def __init__(self, config: MarkConfig) -> None:
        self.config = config
        self.oracle: Px | None = None
        self.mark: Px | None = None
        self.last_mark: Px | None = None
        """The mark before this one."""
        self.updated_at: Ns | None = None
        """When they were made."""
        self._basis = Average(config.basis_window_s)
        self._local = Average(config.local_window_s)

    def is_due(self, now: Ns) -> bool:
        """Whether it is time for new prices: at multiples of the interval, the first at once."""
        interval = self.config.interval
        return self.updated_at is None or now // interval > self.updated_at // interval

    def update(self, outside: float | None, liquidity: Liquidity, last_px: Px | None, now: Ns) -> bool:
        """Make new prices of what the book shows and of the price outside; False where there is neither."""
        bid, ask = liquidity.best_bid(), liquidity.best_ask()
        book = [px for px in (bid, ask, last_px) if px is not None]
        mid = last_px if bid is None or ask is None else (bid + ask) / 2
        spot = mid if outside is None else outside
        if spot is None:
            return False
        interval = self.config.interval
        gap_s = (interval if self.updated_at is None else now - self.updated_at) / NS_PER_S
        self.updated_at = now
        if mid is not None:
            self._basis.add(mid - spot, gap_s)
        found = [spot + self._basis.value]
        smooth = None
        if book:
            found.append(median(book))
            smooth = self._local.add(found[-1], gap_s)
        if outside is not None and self.config.external_perps:
            found.append(outside)
        if len(found) == 2 and smooth is not None:  # noqa: PLR2004 - two of three
            found.append(smooth)
        self.oracle = _whole(spot)
        self.last_mark = self.mark
        self.mark = _whole(median(found))
        return True


def _whole(price: float) -> Px:
    return Px(max(round(price), 1))
