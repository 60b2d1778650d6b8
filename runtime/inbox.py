"""What has arrived and was not looked at yet, in order of arrival, with the one conflation rule.

A complete state of the market makes an earlier one that nobody has seen superfluous: a book snapshot
or top of book replaces a waiting one of the same kind and instrument. Nothing else is ever dropped.
"""

from collections import Counter

from domain.events import AnyEvent, BboChanged, BookReported
from domain.units import InstrumentId


class Inbox:
    """A queue of events."""

    __slots__ = ("_events", "_latest", "_size", "peak", "superseded")

    def __init__(self) -> None:
        self._events: list[AnyEvent | None] = []
        self._latest: dict[tuple[type, InstrumentId], int] = {}
        self._size = 0
        self.peak = 0
        """Most events that ever waited."""
        self.superseded: Counter[str] = Counter()
        """Events replaced by a newer one before anybody saw them, by kind."""

    def put(self, event: AnyEvent) -> None:
        """An event arrives."""
        if isinstance(event, BookReported | BboChanged):
            self._supersede(event)
        self._events.append(event)
        self._size += 1
        self.peak = max(self.peak, self._size)

    def take(self) -> tuple[AnyEvent, ...]:
        """Everything that waits; the inbox is empty afterwards."""
        events = tuple(event for event in self._events if event is not None)
        self._events.clear()
        self._latest.clear()
        self._size = 0
        return events

    def __len__(self) -> int:
        """Number of events that wait."""
        return self._size

    def _supersede(self, event: BookReported | BboChanged) -> None:
        key = (type(event), event.instrument)
        waiting = self._latest.get(key)
        if waiting is not None:
            older = self._events[waiting]
            # A feed that delivers old data late must be seen as it is.
            if isinstance(older, BookReported | BboChanged) and older.exch_time <= event.exch_time:
                self._events[waiting] = None
                self._size -= 1
                self.superseded[type(event).__name__] += 1
        self._latest[key] = len(self._events)
