"""The one gate through which every fill passes, whatever way it came (FL-01..09).

Stream, snapshot after a subscribe, and queries repeat each other. The deduplicator is the single
source of truth; behind it consumers are called in the order of their priority.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from domain.events import Fill, FillsReport
from domain.units import NS_PER_MS, InstrumentId, Ns, Pos, Tid

Consumer = Callable[[Fill, Ns], None]

RECENT = 512
"""Fills kept to compare a stated position, which is of a moment, with ours, which is of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillsConfig:
    """Bounds of the deduplicator."""

    capacity: Annotated[int, Ge(1)] = 10_000
    """Trade ids remembered; a fill older than those forgotten counts as a repetition. Five pages of a query."""


def next_page(report: FillsReport, since: Ns) -> Ns:
    """Where to go on after a page that ended early.

    Its last moment is asked for again, for what did not fit. A page that is full of one moment can
    only be left behind, by the venue's millisecond: what it hides shows in the position.
    """
    last = report.fills[-1].exch_time
    return last if last > since else Ns(since + NS_PER_MS)


class FillDeduplicator:
    """Fixed-size set of trade ids with first-in-first-out eviction and a watermark.

    A fill older than everything that was evicted is refused: it can only be a repetition (FL-04).
    """

    def __init__(self, capacity: int) -> None:
        """Keep at most ``capacity`` ids."""
        self.capacity = capacity
        self.watermark = Ns(-1)
        """Latest exchange time of an evicted fill."""
        self._seen: OrderedDict[Tid, Ns] = OrderedDict()

    def is_duplicate(self, tid: Tid, exch_time: Ns) -> bool:
        """Whether this fill was processed, or is too old to know; changes nothing."""
        return tid in self._seen or exch_time <= self.watermark

    def mark_processed(self, tid: Tid, exch_time: Ns) -> bool:
        """Remember a fill; False if it was known."""
        if self.is_duplicate(tid, exch_time):
            return False
        self._seen[tid] = exch_time
        if len(self._seen) > self.capacity:
            _, evicted_time = self._seen.popitem(last=False)
            self.watermark = max(self.watermark, evicted_time)
        return True

    def remember(self, tid: Tid) -> None:
        """A trade id of an earlier life: its fill is booked already."""
        self._seen[tid] = Ns(-1)
        if len(self._seen) > self.capacity:
            self._seen.popitem(last=False)

    def __len__(self) -> int:
        """Number of ids held."""
        return len(self._seen)


class FillProcessor:
    """Deduplicate, then tell every consumer once."""

    def __init__(self, config: FillsConfig) -> None:
        """Start without consumers."""
        self.dedup = FillDeduplicator(config.capacity)
        self.applied = 0
        self.duplicates = 0
        self.before_opening = 0
        """Fills that the opening position already contains."""
        self.cursor = Ns(0)
        """Exchange time of the latest fill booked."""
        self.opening_as_of = Ns(-1)
        """Fills up to this exchange time are part of the position that the venue stated."""
        self.is_holding = False
        """Before the first stated position nobody can tell new fills from history: they wait."""
        self._held: list[Fill] = []
        self._recent: deque[tuple[Ns, InstrumentId, int]] = deque(maxlen=RECENT)
        self._consumers: list[tuple[int, int, Consumer]] = []
        self._before_opening: list[Consumer] = []

    def subscribe(self, consumer: Consumer, priority: int = 100) -> None:
        """Lower priorities hear of a fill first; position is 0, P&L 10 (FL-06)."""
        self._consumers.append((priority, len(self._consumers), consumer))
        self._consumers.sort(key=lambda entry: entry[:2])

    def subscribe_before_opening(self, consumer: Consumer) -> None:
        """Hear of new fills that the opening position contains: their orders must still learn of them."""
        self._before_opening.append(consumer)

    def process(self, fill: Fill, now: Ns) -> bool:
        """Book a fill unless it is known; True if it was new."""
        if self.is_holding:
            self._held.append(fill)
            return False
        if not self.dedup.mark_processed(fill.tid, fill.exch_time):
            self.duplicates += 1
            return False
        self.cursor = max(self.cursor, fill.exch_time)
        if fill.exch_time <= self.opening_as_of:
            self.before_opening += 1
            for consumer in self._before_opening:
                consumer(fill, now)
            return False
        self.applied += 1
        self._recent.append((fill.exch_time, fill.instrument, fill.side * fill.sz))
        for _, _, consumer in self._consumers:
            consumer(fill, now)
        return True

    def moved_since(self, instrument: InstrumentId, as_of: Ns) -> Pos:
        """What the fills booked so far add to a position that was stated as of a moment."""
        return Pos(sum(signed for at, name, signed in self._recent if at > as_of and name == instrument))

    def open(self, as_of: Ns, now: Ns) -> None:
        """The venue stated the position as of ``as_of``: fills from then on count on top of it."""
        self.opening_as_of = max(self.opening_as_of, as_of)
        self.is_holding = False
        held, self._held = self._held, []
        for fill in held:
            self.process(fill, now)
