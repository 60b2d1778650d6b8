"""Reads a journal once, with a trader beside it that is fed the same: what was asked and told, and what it knew.

Where that trader decides otherwise than the journal says, its state is not what the trader had: from there to the end
of that life only the record itself speaks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from domain.commands import Alert, AnyCommand
from domain.errors import JournalError
from domain.events import AnyEvent, BboChanged, BookReported, StopRequested
from domain.units import NS_PER_S, Ns
from orchestrator.core import Orchestrator
from runtime.journal_format import Decided, Header, Opened, Record, Rescued
from studies.diagnosis.accounts import Accounts
from studies.diagnosis.fills import FillsHeard
from studies.diagnosis.quoting import Quoting
from studies.diagnosis.requests import Requests

CoreOf = Callable[[Header], Orchestrator]
"""Builds the core of a life from its header."""


@dataclass(slots=True)
class Recorded:
    """Everything that steps ask about."""

    records: int = 0
    lives: int = 0
    events: int = 0
    decisions: int = 0
    end: Ns = Ns(0)
    """Time of the last record."""
    parted: str | None = None
    """From where on, and why, the state of the trader is not told; None: it is told for all of the journal."""
    parted_at: int | None = None
    """The record from which on it is not told."""
    instruments: list[str] = field(default_factory=list)
    quoting: Quoting = field(default_factory=Quoting)
    requests: Requests = field(default_factory=Requests)
    fills: FillsHeard = field(default_factory=FillsHeard)
    accounts: Accounts = field(default_factory=Accounts)
    alerts: dict[str, list[tuple[int, Ns, str]]] = field(default_factory=dict)
    """What people were told, by name: record, time, text."""


def read(records: Iterable[Record], core_of: CoreOf) -> Recorded:
    """Read all of it; raises JournalError where no life begins, or a market is told of that no header names."""
    reading = _Reading(core_of)
    for index, record in enumerate(records):
        reading.take(index, record)
    return reading.finish()


class _Reading:
    def __init__(self, core_of: CoreOf) -> None:
        self._core_of = core_of
        self._core: Orchestrator | None = None
        self._batch: list[tuple[int, AnyEvent]] = []
        self._is_stopping = False
        self._names: frozenset[str] = frozenset()
        self.found = Recorded()

    def take(self, index: int, record: Record) -> None:
        found = self.found
        found.records += 1
        if isinstance(record, Opened):
            self._begin(record.header)
            return
        if not found.lives:
            raise JournalError(f"record {index} stands before any header: nothing to rebuild the trader from")
        found.end = record.now
        if isinstance(record, Rescued):
            if not self._is_stopping:  # at the end it only looks after what is left
                self._part(index, record.now, "the safety net acts in the trader's place")
            self._heard(index, record.now, record.commands)
        elif isinstance(record, Decided):
            self._decided(index, record)
        else:
            found.events += 1
            self._batch.append((index, record.event))
            self._check(index, record.event)

    def finish(self) -> Recorded:
        self._close(self.found.end)
        return self.found

    def _begin(self, header: Header) -> None:
        found = self.found
        if not header.instruments:
            raise JournalError("its header names no instrument: there is nothing to diagnose")
        self._close(found.end)
        found.lives += 1
        found.instruments = [instrument.id for instrument in header.instruments]
        self._names = frozenset(found.instruments)
        self._core, self._batch, self._is_stopping = self._core_of(header), [], False
        found.quoting.begin(self._core)
        found.accounts.begin()
        found.fills.begin()
        found.requests.begin()

    def _check(self, index: int, event: AnyEvent) -> None:
        self._is_stopping = self._is_stopping or isinstance(event, StopRequested)
        if isinstance(event, BookReported | BboChanged) and event.instrument not in self._names:
            raise JournalError(
                f"record {index} is market data of {event.instrument}, which its header does not name"
                f" (it names {', '.join(sorted(self._names))})"
            )

    def _decided(self, index: int, record: Decided) -> None:
        now, found, core = record.now, self.found, self._core
        found.decisions += 1
        batch, self._batch = self._batch, []
        try:
            for number, event in batch:
                found.requests.take(number, now, event)
                found.fills.before(core)
                if core is not None:
                    core.apply(event, now)
                found.fills.take(number, now, event, core)
                found.accounts.take(number, now, event, core)
            decided = () if core is None else tuple(core.decide(now))
        except Exception as error:  # noqa: BLE001 - of whatever trader
            self._part(index, now, f"replayed, the trader fails with {type(error).__name__}: {error}")
            decided, core = (), None
        if core is not None and decided != record.commands:
            self._part(index, now, "the trader of this makerlab decides otherwise than the journal says")
            core = None
        self._heard(index, now, record.commands)
        if core is not None and not self._is_stopping:
            found.quoting.look(index, now, core)
            found.accounts.look(index, now, core)
        else:
            self._close(now)

    def _close(self, now: Ns) -> None:
        self.found.quoting.close(now)
        self.found.accounts.close(now)

    def _part(self, index: int, now: Ns, why: str) -> None:
        self._core = None
        self._close(now)
        if self.found.parted is None:
            self.found.parted_at = index
            self.found.parted = f"from record {index} at {now / NS_PER_S:.3f} s on: {why}"

    def _heard(self, index: int, now: Ns, commands: tuple[AnyCommand, ...]) -> None:
        for command in commands:
            if isinstance(command, Alert):
                self.found.alerts.setdefault(command.name, []).append((index, now, command.text))
            else:
                self.found.requests.sent(index, now, command)
