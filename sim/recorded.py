"""A recorded market: books, tops and trades of one instrument as a subscriber received them.

It knows no file format (`runtime/recordings.py` reads those) and nobody's orders. Times are shifted
by one constant, the exchange time of the first book or top, which becomes 0: the distance between a
record's two stamps stays what was recorded. The clocks differ, so a message may seem to arrive
before it was made; nothing here repairs that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import msgspec

from domain.events import BboChanged, BookReported, PublicTrade, TradesPrinted
from domain.instrument import Instrument
from domain.units import Ns

COUNT_UNKNOWN = 0
"""Number of orders at a level of a recording that counts none."""


class Gap(msgspec.Struct, frozen=True):
    """A stretch of exchange time without any book or top: the recorder was cut off.

    ``start`` is the last stamp before it, ``end`` the first after it; both still have data.
    """

    start: Ns
    end: Ns

    @property
    def duration(self) -> Ns:
        """Its length."""
        return Ns(self.end - self.start)

    def covers(self, exch_time: int) -> bool:
        """Whether a moment lies inside, where nothing is known."""
        return self.start < exch_time < self.end


class RecordedTrade(msgspec.Struct, frozen=True):
    """A trade and how it reached the recorder."""

    trade: PublicTrade
    recv_time: Ns
    is_replayed: bool
    """Came in the frame that answers a subscription, which repeats the last trades."""


Record: TypeAlias = RecordedTrade | BboChanged | BookReported


class _Stamped(NamedTuple):
    exch_time: Ns
    rank: int
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recorded market. Every stream is sorted by its stamps."""

    name: str
    instrument: Instrument
    began_at: Ns
    """Exchange time of t = 0 in nanoseconds since 1970."""
    books: tuple[BookReported, ...]
    tops: tuple[BboChanged, ...]
    frames: tuple[TradesPrinted, ...]
    """Frames of trades exactly as they were received, with history and repetitions."""
    trades: tuple[RecordedTrade, ...]
    """Every trade once, by exchange time; times below 0 are history from before the recording."""
    repeated_trades: int
    """Rows of the file that repeat a trade id."""
    gaps: tuple[Gap, ...]

    @property
    def last_time(self) -> Ns:
        """Exchange time of the last book or top."""
        return max(stream[-1].exch_time for stream in (self.books, self.tops) if stream)

    def records(self) -> Iterator[Record]:
        """Everything from t = 0 on by exchange time; at equal stamps trades, then top, then book.

        That is the order of a block: the top and the book state what its trades left behind.
        """
        trades = (_Stamped(each.trade.exch_time, 0, each) for each in self.trades if each.trade.exch_time >= 0)
        tops = (_Stamped(each.exch_time, 1, each) for each in self.tops)
        books = (_Stamped(each.exch_time, 2, each) for each in self.books)
        for stamped in merge(trades, tops, books, key=lambda each: each[:2]):
            yield stamped.record

    def block_times(self) -> list[Ns]:
        """Distinct exchange times of the record from 0 on: the blocks that something is known of."""
        times = {each.exch_time for each in self.books}
        times.update(each.exch_time for each in self.tops)
        times.update(each.trade.exch_time for each in self.trades if each.trade.exch_time >= 0)
        return sorted(times)

    def is_dark(self, exch_time: int) -> bool:
        """Whether the moment lies inside a gap."""
        return any(gap.covers(exch_time) for gap in self.gaps)


def gaps_between(times: Sequence[int], longer_than: int) -> tuple[Gap, ...]:
    """Gaps between consecutive stamps of a sorted sequence."""
    return tuple(Gap(Ns(before), Ns(after)) for before, after in pairwise(times) if after - before > longer_than)
