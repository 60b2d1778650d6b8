"""Which market data can be true: signs, order, distance from the mid, jumps, frozen books, numbers (DQ-02..08).

What cannot be true is counted (`anomalies`) and not used, so that it keeps nothing fresh: ten such messages in a row
act like silence. A price far from the one before may be true: it is held back until others say the same (C-06).
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.events import ChannelKind, Level, PublicTrade
from domain.units import Ns, Px, millis
from orchestrator.desk.anomalies import Anomalies, Anomaly

AGREE = 0.02
"""Prices within this share of each other say the same."""

Levels = tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataQualityConfig:
    """What market data is believed. How old it may be is the ladder's business (`risk.staleness`)."""

    max_future_ms: Annotated[float, Interval(ge=0, le=1e9)] = 5_000.0
    """Data stamped further in the future than this beyond the error of the clocks, in ms, is not used. It makes room
    for clocks that drift from one connection to the next: 50 ppm are 4.3 s a day."""
    max_jump: Annotated[float, Interval(gt=0, lt=1)] | None = 0.1
    """A mid further than this share from the one before is held back, and nothing is quoted, until `confirm_messages`
    in a row or the two newest frames of trades say the same."""
    confirm_messages: Annotated[int, Interval(ge=2, le=1_000_000_000)] = 3
    """Tops and books in a row that make a jump true without trades."""
    confirm_trades_ms: Annotated[float, Interval(gt=0, le=1e9)] = 5_000.0
    """Older trades confirm nothing, in ms."""
    max_deviation: Annotated[float, Interval(gt=0, lt=1)] | None = 0.2
    """A side of the top further than this share from the middle of both, or a trade from the mid, is not used."""
    max_sequence_gap: Annotated[int, Interval(ge=0, le=1_000_000_000)] | None = 10
    """With more numbers missing than this a gap is an anomaly; only where the venue numbers its messages."""
    frozen_ms: Annotated[float, Interval(gt=0, le=1e9)] | None = 3_000.0
    """A top that has not changed for so long, in ms, while `frozen_trades` printed, is an old one with new stamps:
    every trade takes from the top."""
    frozen_trades: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 3
    """Messages with new trades, without any change of the top, that make it frozen."""


class Sanity:
    """What one instrument's messages are judged by."""

    __slots__ = (
        "_changed_at",
        "_changed_stamp",
        "_confirm_within",
        "_deviation",
        "_frozen",
        "_held_mid2",
        "_holds",
        "_jump",
        "_max_gap",
        "_mid2",
        "_numbers",
        "_prints",
        "_stamps",
        "_tops",
        "_trades_since",
        "anomalies",
        "config",
        "streak",
    )

    def __init__(self, config: DataQualityConfig) -> None:
        """Nothing was seen."""
        self.config = config
        self.anomalies = Anomalies()
        self.streak = 0
        """Messages in a row that could not be true."""
        self._jump, self._deviation, self._max_gap = config.max_jump, config.max_deviation, config.max_sequence_gap
        self._frozen = None if config.frozen_ms is None else millis(config.frozen_ms)
        self._confirm_within = millis(config.confirm_trades_ms)
        self._mid2: int | None = None
        """Of the last top that was believed; a lost connection does not forget it."""
        self._held_mid2 = 0
        self._holds = 0
        """Messages in a row that say the held price; 0: nothing is held."""
        self._prints: tuple[tuple[Px, Ns], ...] = ()
        """Last price and receipt of the two newest frames of trades."""
        self._tops: dict[ChannelKind, tuple[Level | None, Level | None]] = {}
        """What each channel said last: they are not equally fast, so only each with itself can be compared."""
        self._changed_at = Ns(0)
        self._changed_stamp = Ns(-1)
        self._trades_since = 0
        self._stamps: dict[ChannelKind, Ns] = {}
        self._numbers: dict[ChannelKind, int] = {}

    @property
    def is_holding(self) -> bool:
        """Whether the newest price is too far from the one before to be believed yet."""
        return self._holds > 0

    def forget(self) -> None:
        """A connection was lost: stamps and numbers begin anew, and the top may be what it likes."""
        self._stamps.clear()
        self._numbers.clear()
        self._trades_since = 0
        self._holds = 0

    # --- tops and books -------------------------------------------------------------------------

    def is_late(self, channel: ChannelKind, exch_time: Ns) -> bool:
        """Whether an earlier message of the same channel has a later stamp (DQ-07); counts it."""
        if exch_time < self._stamps.get(channel, exch_time):
            self.reject(channel, Anomaly.TIMESTAMP_REGRESSION)
            return True
        self._stamps[channel] = exch_time
        return False

    def believes(
        self, channel: ChannelKind, bid: Level | None, ask: Level | None, exch_time: Ns, recv_time: Ns
    ) -> bool:
        """Whether this top can be true; counts why not."""
        wrong = self._wrong(channel, bid, ask, recv_time)
        if wrong is not None:
            self.reject(channel, wrong)
            return False
        self.streak = 0
        top = (bid, ask)
        if self._tops.get(channel) != top:
            self._tops[channel] = top
            self._changed_at, self._changed_stamp, self._trades_since = recv_time, exch_time, 0
        return True

    def reject(self, channel: ChannelKind, kind: Anomaly) -> None:
        """A message is not used."""
        self.anomalies.note(channel, kind)
        self.streak += 1

    def _wrong(self, channel: ChannelKind, bid: Level | None, ask: Level | None, recv_time: Ns) -> Anomaly | None:
        for level in (bid, ask):
            if level is not None and level[0] <= 0:
                return Anomaly.INVALID_PRICE
            if level is not None and level[1] <= 0:
                return Anomaly.INVALID_SIZE
        if bid is None or ask is None:
            return None
        if bid[0] >= ask[0]:
            self.anomalies.note(channel, Anomaly.CROSSED_BOOK)  # used all the same: it closes the gate at once
            return None
        return self._wrong_mid(bid[0] + ask[0], ask[0] - bid[0], recv_time)

    def _wrong_mid(self, mid2: int, spread: int, recv_time: Ns) -> Anomaly | None:
        if self._deviation is not None and spread > self._deviation * mid2:
            return Anomaly.INVALID_PRICE
        known = self._mid2
        if self._jump is not None and known is not None and abs(mid2 - known) > self._jump * known:
            again = self._holds and abs(mid2 - self._held_mid2) <= AGREE * self._held_mid2
            self._holds = self._holds + 1 if again else 1
            self._held_mid2 = mid2
            if self._holds < self.config.confirm_messages and not self._trades_agree(mid2, recv_time):
                return Anomaly.PRICE_JUMP
        self._holds = 0
        self._mid2 = mid2
        return None

    def _trades_agree(self, mid2: int, recv_time: Ns) -> bool:
        return len(self._prints) > 1 and all(
            abs(2 * px - mid2) <= AGREE * mid2 and recv_time - at <= self._confirm_within for px, at in self._prints
        )

    def is_in_order(self, bids: Levels, asks: Levels) -> bool:
        """Whether the levels of a book run away from its top (DQ-05); counts it where they do not."""
        px = None
        for level in bids:
            if px is not None and level[0] >= px:
                break
            px = level[0]
        else:
            px = None
            for level in asks:
                if px is not None and level[0] <= px:
                    break
                px = level[0]
            else:
                return True
        self.reject(ChannelKind.BOOK, Anomaly.CROSSED_BOOK)
        return False

    # --- trades ---------------------------------------------------------------------------------

    def believes_trade(self, trade: PublicTrade) -> bool:
        """Whether this trade can be true; counts why not."""
        mid2 = self._mid2
        if trade.px <= 0:
            wrong = Anomaly.INVALID_PRICE
        elif trade.sz <= 0:
            wrong = Anomaly.INVALID_SIZE
        elif self._deviation is not None and mid2 is not None and abs(2 * trade.px - mid2) > self._deviation * mid2:
            wrong = Anomaly.INVALID_PRICE
        else:
            return True
        self.anomalies.note(ChannelKind.TRADES, wrong)
        return False

    def on_frame(self, last: PublicTrade, recv_time: Ns, fresh: list[PublicTrade]) -> None:
        """A message with trades; ``last`` counts however far from the mid: it is what else a jump is compared with."""
        if last.px > 0:
            self._prints = (*self._prints[-1:], (last.px, recv_time))
        self._trades_since += bool(fresh) and fresh[-1].exch_time > self._changed_stamp

    # --- numbers and freezing -------------------------------------------------------------------

    def number(self, channel: ChannelKind, seq: int) -> None:
        """A numbered message arrived (DQ-06)."""
        last = self._numbers.get(channel)
        if last is not None and seq <= last:
            self.anomalies.n_duplicate += seq == last
            self.anomalies.n_reordered += seq < last
            return
        self._numbers[channel] = seq
        missing = 0 if last is None else seq - last - 1
        self.anomalies.largest_gap = max(self.anomalies.largest_gap, missing)
        if self._max_gap is not None and missing > self._max_gap:
            self.anomalies.note(channel, Anomaly.SEQUENCE_GAP)

    def frozen_since(self, now: Ns) -> Ns | None:
        """When the top changed last, where it should have changed since."""
        if self._frozen is None or self._trades_since < self.config.frozen_trades:
            return None
        return self._changed_at if now - self._changed_at > self._frozen else None
