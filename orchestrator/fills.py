"""The one gate through which every fill passes, whatever way it came (FL-01..09).

Stream, snapshot after a subscribe, and queries repeat each other. The deduplicator is the single
source of truth; behind it consumers are called in the order of their priority. Those that trade
(position, orders, quotes) are ours to get right: their errors raise. Those that only look on are
guarded: their errors are counted and the rest still hear of the fill (FL-06, EL-14).
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, Severity
from domain.events import Fill, FillsReport, Restored
from domain.instrument import Instrument
from domain.units import NS_PER_MS, InstrumentId, Ns, Pos, Tid
from orchestrator.analytics import Analytics

Consumer = Callable[[Fill, Ns], None]


class Priority(IntEnum):
    """Who hears of a fill before whom."""

    POSITION = 0
    """Position, cash and P&L: one ledger."""
    ORDERS = 10
    """The order that traded."""
    QUOTES = 20
    """What the fill means for the quotes."""
    ANALYTICS = 100
    """Whoever only looks on."""


RECENT = 512
"""Fills kept to compare a stated position, which is of a moment, with ours, which is of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillsConfig:
    """Bounds of the deduplicator."""

    capacity: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10_000
    """Trade ids remembered; a fill older than those forgotten counts as a repetition. Five pages of a query."""
    held_max: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10_000
    """Fills that wait for the first stated position; of more, the oldest are taken for history."""


def next_page(report: FillsReport, since: Ns) -> Ns:
    """Where to go on after a page that ended early.

    Its last moment is asked for again, for what did not fit. A page that is full of one moment can
    only be left behind, by the venue's millisecond: what it hides shows in the position.
    """
    last = report.fills[-1].exch_time
    return last if last > since else Ns(since + NS_PER_MS)


def position_drift(instrument: Instrument, ours: Pos, stated: Pos, *, found_by: str, cause: str) -> Alert:
    """What people are told when the venue's position replaces ours: in the instrument's units of size (RS-07)."""
    mine, theirs = (instrument.format_size(position) for position in (ours, stated))
    text = f"{instrument.id}: ours was {mine}, the venue's is {theirs}; found_by={found_by} cause={cause}"
    return Alert(Severity.WARNING, "position_drift", text)


class FillDeduplicator:
    """Fixed-size set of trade ids with first-in-first-out eviction and a watermark.

    A fill older than everything that was evicted is refused: it can only be a repetition (FL-04).
    """

    def __init__(self, capacity: int) -> None:
        """Keep at most ``capacity`` ids."""
        self.capacity = capacity
        self.watermark = Ns(-1)
        """Latest exchange time of an evicted fill; of one of an earlier life, up to where that one knew every fill."""
        self._seen: OrderedDict[Tid, Ns] = OrderedDict()

    def is_duplicate(self, tid: Tid, exch_time: Ns) -> bool:
        """Whether this fill was processed, or is too old to know; changes nothing."""
        return tid in self._seen or exch_time <= self.watermark

    def mark_processed(self, tid: Tid, exch_time: Ns) -> bool:
        """Remember a fill; False if it was known."""
        if self.is_duplicate(tid, exch_time):
            return False
        self._keep(tid, exch_time)
        return True

    def remember(self, tid: Tid, known_until: Ns) -> None:
        """A trade id of an earlier life: its fill is booked already.

        When that was made is not told. ``known_until``: every fill up to there is booked, so once the id is forgotten
        nothing of up to there can be new.
        """
        self._keep(tid, known_until)

    def __len__(self) -> int:
        """Number of ids held."""
        return len(self._seen)

    def _keep(self, tid: Tid, exch_time: Ns) -> None:
        self._seen[tid] = exch_time
        if len(self._seen) > self.capacity:
            _, evicted_time = self._seen.popitem(last=False)
            self.watermark = max(self.watermark, evicted_time)


class FillProcessor:
    """Deduplicate, then tell every consumer once."""

    def __init__(self, config: FillsConfig, analytics: Analytics) -> None:
        """Start without consumers; ``analytics`` guards those that only look on."""
        self.config = config
        self.dedup = FillDeduplicator(config.capacity)
        self.applied = 0
        self.duplicates = 0
        self.before_opening = 0
        """Fills that the opening position already contains."""
        self.crowded_out = 0
        """Fills that waited for the first stated position longer than there was room: history."""
        self.cursor = Ns(0)
        """Exchange time of the latest fill booked."""
        self.gap_from: Ns | None = None
        """Fills later than this may be missing, for a while nobody listened; None: the stream brings every one."""
        self.opening_as_of = Ns(-1)
        """Fills up to this exchange time are part of what the account had before the first life."""
        self.is_holding = False
        """Before the first stated position nobody can tell new fills from history: they wait."""
        self._analytics = analytics
        self._held: OrderedDict[Tid, Fill] = OrderedDict()
        self._recent: deque[tuple[Ns, InstrumentId, int]] = deque()
        self._recent_from = Ns(-1)
        """Latest exchange time of a fill no longer among the recent ones, or booked by an earlier life."""
        self._consumers: list[tuple[int, int, Consumer]] = []
        self._before_opening: list[Consumer] = []

    def continue_from(self, restored: Restored) -> None:
        """Take over what earlier lives booked: which fills, up to where for certain, and how far at the latest."""
        for tid in restored.tids:
            self.dedup.remember(tid, restored.fills_since)
        self.cursor = restored.fills_since
        if not restored.is_opening:
            self.open_gap()
        self.opening_as_of = restored.opened_at
        self._recent_from = restored.fills_until

    def open_gap(self) -> None:
        """Nobody listens any more: what streams in afterwards must not move a search past what was missed."""
        if self.gap_from is None:
            self.gap_from = self.cursor

    def close_gap(self) -> None:
        """Every fill was fetched up to a moment at which the stream was running again."""
        self.gap_from = None

    def search_from(self, overlap: Ns) -> Ns:
        """Where a query for what may be missing begins: so long before the last fill after which none is."""
        return Ns(max((self.cursor if self.gap_from is None else self.gap_from) - overlap, 0))

    def subscribe(self, consumer: Consumer, priority: Priority) -> None:
        """Lower priorities hear of a fill first; of equals, who subscribed first (FL-06)."""
        self._consumers.append((priority, len(self._consumers), consumer))
        self._consumers.sort(key=lambda entry: entry[:2])

    def subscribe_before_opening(self, consumer: Consumer) -> None:
        """Hear of new fills that the opening position contains: their orders must still learn of them."""
        self._before_opening.append(consumer)

    def process(self, fill: Fill, now: Ns) -> bool:
        """Book a fill unless it is known; True if it was new."""
        if self.is_holding:
            self._hold(fill)
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
        self._remember(fill)
        for priority, _, consumer in self._consumers:
            if priority < Priority.ANALYTICS:
                consumer(fill, now)
            else:
                self._analytics.call("fill", consumer, fill, now)
        return True

    def moved_since(self, instrument: InstrumentId, as_of: Ns) -> Pos | None:
        """What the fills booked so far add to a position that was stated as of a moment.

        None: so many fills have come since that the first of them are forgotten.
        """
        if as_of < self._recent_from:
            return None
        return Pos(sum(signed for at, name, signed in self._recent if at > as_of and name == instrument))

    def open(self, as_of: Ns, now: Ns) -> None:
        """The venue stated the first position as of ``as_of``: fills from then on count on top of it."""
        self.opening_as_of = as_of
        self.is_holding = False
        held, self._held = self._held, OrderedDict()
        for fill in held.values():
            self.process(fill, now)

    def _hold(self, fill: Fill) -> None:
        self.duplicates += fill.tid in self._held
        self._held[fill.tid] = fill
        if len(self._held) > self.config.held_max:
            self._held.popitem(last=False)
            self.crowded_out += 1

    def _remember(self, fill: Fill) -> None:
        self._recent.append((fill.exch_time, fill.instrument, fill.side * fill.sz))
        if len(self._recent) > RECENT:
            self._recent_from = max(self._recent_from, self._recent.popleft()[0])
