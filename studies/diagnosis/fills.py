"""Every fill that the journal tells of: by which way it came first, how often, and how often it was booked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.events import AnyEvent, Fill, FillsReport, Replied
from domain.units import Cloid, Ns, Tid, millis
from orchestrator.core import Orchestrator
from studies.diagnosis.requests import Ending

LATE_FILL = millis(500.0)
"""A fill that comes so long after the word that its order is over is late: ways of different speed explain less."""
TOLD_AGAIN = millis(10_000.0)
"""One that comes later than this was lost, and is told by a new connection."""


@dataclass(slots=True)
class FillHeard:
    """One fill."""

    fill: Fill
    record: int
    at: Ns
    by_query: bool
    """It came first as the answer to a question, not by its channel."""
    streamed: list[tuple[int, Ns]] = field(default_factory=list)
    """Each time that it came by its channel."""
    booked: list[tuple[int, Ns]] = field(default_factory=list)
    """Each time that it moved our position."""
    is_unmatched: bool = False
    """It was booked, and no order of ours is its."""


@dataclass(slots=True)
class FillsHeard:
    """All of them, by trade id."""

    all: dict[Tid, FillHeard] = field(default_factory=dict)
    _applied: int = 0
    _unmatched: int = 0

    def begin(self) -> None:
        """A new life counts anew."""
        self._applied = self._unmatched = 0

    def before(self, core: Orchestrator | None) -> None:
        """An event is about to go in."""
        if core is not None:
            self._applied, self._unmatched = core.fills.applied, core.fill_ways.unmatched

    def take(self, record: int, now: Ns, event: AnyEvent, core: Orchestrator | None) -> None:
        """It went in."""
        if isinstance(event, Fill):
            self._hear(event, record, now, by_query=False)
            told: tuple[Fill, ...] = (event,)
        elif isinstance(event, Replied):
            told = tuple(fill for each in event.results if isinstance(each, FillsReport) for fill in each.fills)
            for fill in told:
                self._hear(fill, record, now, by_query=True)
        else:
            return
        if told and core is not None:
            self._book(told, record, now, core)

    def twice(self) -> list[FillHeard]:
        """Those that were booked more than once."""
        return [each for each in self.all.values() if len(each.booked) > 1]

    def repeated(self) -> list[FillHeard]:
        """Those that came more than once by their channel."""
        return [each for each in self.all.values() if len(each.streamed) > 1]

    def lost(self) -> list[FillHeard]:
        """Those that were booked by the answer to a question, and never came by their channel."""
        return [each for each in self.all.values() if each.by_query and not each.streamed and each.booked]

    def unmatched(self) -> list[FillHeard]:
        """Those that were booked without an order."""
        return [each for each in self.all.values() if each.is_unmatched]

    def late(self, ended: Mapping[Cloid, Ending]) -> list[tuple[FillHeard, Ending]]:
        """Those that came by their channel long after we were told that their order is over, with that word."""
        found = []
        for each in self.all.values():
            cloid = each.fill.cloid
            over = None if cloid is None else ended.get(cloid)
            if over is not None and each.streamed and LATE_FILL < each.streamed[0][1] - over.at <= TOLD_AGAIN:
                found.append((each, over))
        return found

    # --- inside ---------------------------------------------------------------------------------

    def _hear(self, fill: Fill, record: int, now: Ns, *, by_query: bool) -> None:
        known = self.all.get(fill.tid)
        if known is None:
            known = self.all[fill.tid] = FillHeard(fill, record, now, by_query)
        if not by_query:
            known.streamed.append((record, now))

    def _book(self, told: tuple[Fill, ...], record: int, now: Ns, core: Orchestrator) -> None:
        """Which of them moved the position: all that were new, unless more did than were new."""
        applied = core.fills.applied - self._applied
        heard = [self.all[fill.tid] for fill in told if fill.exch_time > core.fills.opening_as_of]
        fresh = [each for each in heard if not each.booked]
        for each in fresh[:applied]:
            each.booked.append((record, now))
            each.is_unmatched = core.fill_ways.unmatched > self._unmatched and len(told) == 1
        for each in [each for each in heard if each.booked[:1] != [(record, now)]][: max(applied - len(fresh), 0)]:
            each.booked.append((record, now))
