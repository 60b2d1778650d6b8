"""Whether the market data of a desk may be quoted on (QE-18, DQ-11..14).

Data is stale by the age of the newer of top of book and snapshot: by the venue's stamp where its clock is known,
else by its receipt. What wider and smaller quotes older data means is risk's (`orchestrator.risk.monitors.staleness`),
which data is believed at all that of `sanity`.
"""

from dataclasses import dataclass
from enum import StrEnum

from domain.events import ChannelKind
from domain.instrument import Instrument
from domain.units import NS_PER_MS, Ns, Px, seconds
from orchestrator.desk.anomalies import HINTS, Anomaly
from orchestrator.desk.market import Market
from orchestrator.risk.ladder import StalenessConfig


class QuoteGateReason(StrEnum):
    """Why market data forbids quoting."""

    NO_DATA_RECEIVED = "no_data"
    STALE_DATA = "stale_data"
    CROSSED_BOOK = "crossed_book"
    EMPTY_BOOK = "empty_book"
    PRICE_JUMP = "price_jump"
    """The newest price is far from the one before, and nobody else says so yet."""
    FROZEN_BOOK = "frozen_book"
    """The same top goes on with newer stamps, while trades print."""


SHAPES = frozenset((QuoteGateReason.CROSSED_BOOK, QuoteGateReason.EMPTY_BOOK))
"""What is wrong with the book itself."""
HINT_OF = {
    QuoteGateReason.STALE_DATA: Anomaly.STALE_DATA,
    QuoteGateReason.CROSSED_BOOK: Anomaly.CROSSED_BOOK,
    QuoteGateReason.PRICE_JUMP: Anomaly.PRICE_JUMP,
    QuoteGateReason.FROZEN_BOOK: Anomaly.FROZEN_BOOK,
}
"""What to do about it stands with the anomaly behind it."""


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
        """For people: the reason with its numbers, in the instrument's units, and what to do about it."""
        anomaly = HINT_OF.get(self.reason)
        hint = "" if anomaly is None else f"; {HINTS[anomaly]}"
        if self.age_ms is not None and self.threshold_ms is not None:
            text = f"market data is {self.age_ms:,.0f} ms old, {self.threshold_ms:,.0f} ms are allowed"
            return f"{instrument.id}: {text}{hint}"
        bid, ask = ("none" if px is None else instrument.format_price(px) for px in (self.best_bid, self.best_ask))
        what = "a price in doubt" if self.reason is QuoteGateReason.PRICE_JUMP else "no sound mid"
        return f"{instrument.id}: the book has {what}: best bid {bid}, best ask {ask}{hint}"


class DataQuality:
    """The gate of one desk; its only memory is which stale and frozen data it has counted."""

    def __init__(self, ladder: StalenessConfig | None) -> None:
        """Convert the rungs once; without a ladder data is never too old."""
        gate, last = (None, None) if ladder is None else (ladder.gate_s, ladder.halt_s)
        self._limit = None if gate is None else seconds(gate)
        self._last = None if last is None else seconds(last)
        self._counted: Ns | None = None
        self._frozen: Ns | None = None

    def should_gate_quotes(self, market: Market, now: Ns) -> QuoteGate | None:
        """The gate that is closed, or None."""
        age = market.age(now)
        if age is None:
            return QuoteGate(QuoteGateReason.NO_DATA_RECEIVED)
        if self._limit is not None and age > self._limit:
            return QuoteGate(QuoteGateReason.STALE_DATA, age / NS_PER_MS, self._limit / NS_PER_MS)
        bid, ask = market.best(bid=True), market.best(bid=False)
        if market.mid2 is None:
            crossed = QuoteGateReason.CROSSED_BOOK
            reason = crossed if market.is_crossed else QuoteGateReason.EMPTY_BOOK
            return QuoteGate(reason, best_bid=bid, best_ask=ask)
        sanity = market.sanity
        if sanity.is_holding:
            return QuoteGate(QuoteGateReason.PRICE_JUMP, best_bid=bid, best_ask=ask)
        frozen = sanity.frozen_since(now)
        if frozen is not None:
            threshold = sanity.config.frozen_ms
            return QuoteGate(QuoteGateReason.FROZEN_BOOK, (now - frozen) / NS_PER_MS, threshold, bid, ask)
        return None

    def count_old(self, market: Market, now: Ns) -> None:
        """Data older than the last rung is an anomaly, once (DQ-01); so is a book that is frozen."""
        anomalies, frozen = market.sanity.anomalies, market.sanity.frozen_since(now)
        if frozen is not None and frozen != self._frozen:
            self._frozen = frozen
            anomalies.note(ChannelKind.BOOK, Anomaly.FROZEN_BOOK)
        age, known_at = market.ladder_age(now), market.known_at
        if self._last is not None and age is not None and age > self._last and known_at != self._counted:
            self._counted = known_at
            anomalies.note(ChannelKind.BOOK, Anomaly.STALE_DATA)

    def stale_at(self, market: Market) -> Ns | None:
        """First moment at which the data we have is stale."""
        received = market.recv_time
        if received is None or self._limit is None:
            return None
        return Ns(received - market.delay + self._limit + 1)
