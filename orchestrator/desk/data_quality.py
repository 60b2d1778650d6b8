"""Whether the market data of a desk may be quoted on (QE-18, DQ-11..14).

Data is stale by the age of the newer of top of book and snapshot. The finer ladder of staleness and
the anomaly counters are a later room of this file.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Gt

from domain.units import NS_PER_MS, Ns, millis
from orchestrator.desk.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class DataQualityConfig:
    """When data is too old."""

    stale_gate_ms: Annotated[float, Gt(0)] = 15_000.0
    """Without a book or a top of the book for longer than this, in ms, the desk cancels and does not quote."""


class QuoteGateReason(StrEnum):
    """Why market data forbids quoting."""

    NO_DATA_RECEIVED = "no_data"
    STALE_DATA = "stale_data"
    CROSSED_BOOK = "crossed_book"
    EMPTY_BOOK = "empty_book"


@dataclass(frozen=True, slots=True)
class QuoteGate:
    """A closed gate and the numbers behind it."""

    reason: QuoteGateReason
    age_ms: float | None = None
    threshold_ms: float | None = None
    best_bid: int | None = None
    best_ask: int | None = None


class DataQuality:
    """The gate of one desk; holds no state but its config."""

    def __init__(self, config: DataQualityConfig) -> None:
        """Convert the config once."""
        self.config = config
        self._limit = millis(config.stale_gate_ms)

    def should_gate_quotes(self, market: Market, now: Ns) -> QuoteGate | None:
        """The gate that is closed, or None."""
        if market.recv_time is None:
            return QuoteGate(QuoteGateReason.NO_DATA_RECEIVED)
        age = now - market.recv_time
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
        return None if market.recv_time is None else Ns(market.recv_time + self._limit + 1)
