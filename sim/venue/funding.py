"""Funding: what longs pay shorts so that the perpetual stays near its oracle.

A premium is sampled from the book, averaged over the interval, and made a rate. What is paid is
position x oracle x rate, in whole micro-USD cut toward zero, and the crowd is the other side of it all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Interval, Le

from domain.events import Level
from domain.units import NS_PER_S, USD, InstrumentId, Ns, Pos, Px, Side, Usd
from sim.liquidity.base import Liquidity
from sim.venue.layers import Layers

HOUR = Ns(3_600 * NS_PER_S)
RATE_SCALE = 10_000_000_000
"""Rates are whole numbers of 10^-10, as the venue prints them."""
_LEVELS = 64
_MOST_LEVELS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingConfig:
    """How funding is computed and when it is paid; every default is documented."""

    interval: Annotated[Ns, Interval(ge=1, le=10**15)] = HOUR
    """Time between two payments. A shorter one pays its share of the hourly rate."""
    sample_every: Annotated[Ns, Interval(ge=1, le=10**15)] = Ns(5 * NS_PER_S)
    """Time between two samples of the premium."""
    interest: Annotated[float, Interval(ge=-1, le=1)] = 0.0001
    """Interest of eight hours that the premium is pulled to, as a fraction: 0.01 %."""
    clamp: Annotated[float, Interval(ge=0, le=1)] = 0.0005
    """Most that interest less premium may add or take off, as a fraction of eight hours."""
    cap_per_hour: Annotated[float, Gt(0), Le(1)] = 0.04
    """Largest rate of an hour, either sign."""
    impact_usd: Annotated[Usd, Interval(gt=0, le=10**18)] = Usd(6_000 * USD)
    """Value, in micro-USD, whose average execution price is the impact price."""
    major_impact_usd: Annotated[Usd, Interval(gt=0, le=10**18)] = Usd(20_000 * USD)
    """The same for `majors`."""
    majors: tuple[str, ...] = ("BTC", "ETH")
    """Instruments whose impact price is that of a larger order."""

    def impact_of(self, instrument: InstrumentId) -> Usd:
        """Value of the order whose average price is this instrument's impact price."""
        return self.major_impact_usd if instrument in self.majors else self.impact_usd


def impact_price(levels: Sequence[Level], value: Usd) -> float | None:
    """Average price of an order of that value that walks these levels; None where they do not hold it."""
    left, lots = float(value), 0.0
    for px, sz, _ in levels:
        taken = min(left, px * sz)
        lots += taken / px
        left -= taken
        if left <= 0:
            return value / lots
    return None


def premium(impact_bid: float, impact_ask: float, oracle: Px) -> float:
    """How far the book is beyond the oracle, as a fraction of it; zero while it lies inside the book."""
    return (max(impact_bid - oracle, 0.0) - max(oracle - impact_ask, 0.0)) / oracle


def rate_of_eight_hours(average_premium: float, config: FundingConfig) -> float:
    """F = P + clamp(interest - P): what eight hours cost, as a fraction."""
    pull = config.interest - average_premium
    return average_premium + min(max(pull, -config.clamp), config.clamp)


def rate_of_hour(average_premium: float, config: FundingConfig) -> float:
    """An eighth of it, capped."""
    hourly = rate_of_eight_hours(average_premium, config) / 8
    return min(max(hourly, -config.cap_per_hour), config.cap_per_hour)


def payment(position: Pos, oracle: Px, rate: int) -> Usd:
    """What a position receives at a rate in 10^-10: a long pays a positive one. Cut toward zero."""
    owed = position * oracle * rate
    paid = abs(owed) // RATE_SCALE
    return Usd(-paid if owed > 0 else paid)


class FundingMeter:
    """The premium of one instrument since the last payment."""

    def __init__(self, config: FundingConfig, instrument: InstrumentId) -> None:
        self.config = config
        self.n_samples = 0
        self.dictated: Layers[float | None] = Layers(None)
        """Rate of an hour that a fault dictates, as a fraction; None: it follows the samples."""
        self._impact = config.impact_of(instrument)
        self._sum = 0.0
        self._sampled_at: Ns | None = None
        self._paid_at = Ns(0)

    def watch(self, liquidity: Liquidity, oracle: Px | None, now: Ns) -> None:
        """Sample the premium, where that is due and both sides of the book hold enough."""
        every = self.config.sample_every
        if oracle is None or (self._sampled_at is not None and now // every <= self._sampled_at // every):
            return
        self._sampled_at = now
        bid, ask = self._impact_of(liquidity, Side.BUY), self._impact_of(liquidity, Side.SELL)
        if bid is not None and ask is not None:
            self._sum += premium(bid, ask, oracle)
            self.n_samples += 1

    def _impact_of(self, liquidity: Liquidity, side: Side) -> float | None:
        price = impact_price(liquidity.levels(side, _LEVELS), self._impact)
        return impact_price(liquidity.levels(side, _MOST_LEVELS), self._impact) if price is None else price

    @property
    def hourly(self) -> float:
        """Rate of an hour that the samples so far amount to; that of the interest alone without any."""
        dictated = self.dictated.top
        if dictated is not None:
            cap = self.config.cap_per_hour
            return min(max(dictated, -cap), cap)
        average = self._sum / self.n_samples if self.n_samples else 0.0
        return rate_of_hour(average, self.config)

    def take_due(self, now: Ns) -> int | None:
        """The rate of the interval in 10^-10, where its end has come; then the next one begins."""
        interval = self.config.interval
        if now // interval <= self._paid_at // interval:
            return None
        rate = round(self.hourly * interval / HOUR * RATE_SCALE)
        self._paid_at, self._sum, self.n_samples = now, 0.0, 0
        return rate
