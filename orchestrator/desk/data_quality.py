"""Whether the market data of a desk may be quoted on (QE-18, DQ-11..14).

Data is stale by the age of the newer of top of book and snapshot: by the venue's stamp where its clock is known,
else by its receipt. What wider and smaller quotes older data means is risk's (`orchestrator.risk.monitors.staleness`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt

from domain.instrument import Instrument
from domain.units import NS_PER_MS, Ns, Px, millis
from orchestrator.desk.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class DataQualityConfig:
    """When data is too old."""

    stale_gate_ms: Annotated[float, Gt(0)] = 15_000.0
    """Without a book or a top of the book younger than this, in ms, the desk cancels and does not quote."""
    max_future_ms: Annotated[float, Ge(0)] = 5_000.0
    """Data stamped further in the future than this beyond the error of the clocks, in ms, is not used. It makes room
    for clocks that drift from one connection to the next: 50 ppm are 4.3 s a day."""


class QuoteGateReason(StrEnum):
    """Why market data forbids quoting."""

    NO_DATA_RECEIVED = "no_data"
    STALE_DATA = "stale_data"
    CROSSED_BOOK = "crossed_book"
    EMPTY_BOOK = "empty_book"


@dataclass(frozen=True, slots=True)
class QuoteGate:
    """A closed gate and the numbers behind it (DQ-12, DQ-14)."""

    reason: QuoteGateReason
    age_ms: float | None = None
    """How old stale data is, in ms."""
    threshold_ms: float | None = None
    """How old it may be, in ms."""
    best_bid: Px | None = None
    """Of a book without a sound mid; None: it has no bid."""
    best_ask: Px | None = None

    def text(self, instrument: Instrument) -> str:
        """For people: the reason with its numbers, in the instrument's units."""
        if self.age_ms is not None and self.threshold_ms is not None:
            return f"{instrument.id}: market data is {self.age_ms:,.0f} ms old, {self.threshold_ms:,.0f} ms are allowed"
        bid, ask = ("none" if px is None else instrument.format_price(px) for px in (self.best_bid, self.best_ask))
        return f"{instrument.id}: the book has no sound mid: best bid {bid}, best ask {ask}"


class DataQuality:
    """The gate of one desk; holds no state but its config."""

    def __init__(self, config: DataQualityConfig) -> None:
        """Convert the config once."""
        self.config = config
        self._limit = millis(config.stale_gate_ms)

    def should_gate_quotes(self, market: Market, now: Ns) -> QuoteGate | None:
        """The gate that is closed, or None."""
        age = market.age(now)
        if age is None:
            return QuoteGate(QuoteGateReason.NO_DATA_RECEIVED)
        if age > self._limit:
            return QuoteGate(QuoteGateReason.STALE_DATA, age / NS_PER_MS, self._limit / NS_PER_MS)
        if market.mid2 is None:
            bid, ask = market.best(bid=True), market.best(bid=False)
            crossed = QuoteGateReason.CROSSED_BOOK
            reason = crossed if market.is_crossed else QuoteGateReason.EMPTY_BOOK
            return QuoteGate(reason, best_bid=bid, best_ask=ask)
        return None

    def stale_at(self, market: Market) -> Ns | None:
        """First moment at which the data we have is stale."""
        received = market.recv_time
        return None if received is None else Ns(received - market.delay + self._limit + 1)
