"""Replay: the recorded inputs through a fresh core must give the recorded decisions, byte for byte.

Works on several lives and on a journal whose tail was lost. What the safety net did after a failure
is not replayed: the core was out by then. That the core fails again at the same place is checked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from domain.commands import Alert, AnyCommand
from domain.errors import JournalError, ReplayMismatch
from domain.events import AnyEvent
from domain.units import NS_PER_S, Ns
from runtime.driver import CORE_FAILED, Trader
from runtime.journal_format import Decided, Header, Opened, Record, Rescued

CoreOf = Callable[[Header], Trader]
"""Builds the core of a life from its header, as the driver did."""

_encode = msgspec.msgpack.Encoder().encode
_SHOWN = 5
"""Commands shown of each side of a mismatch."""


@dataclass(slots=True)
class Replayed:
    """What was compared, and found equal."""

    lives: int = 0
    events: int = 0
    decisions: int = 0
    commands: int = 0
    failures: list[str] = field(default_factory=list)
    """Failures of the core that were recorded and happened again."""
    undecided: int = 0
    """Events at the end whose decision was not recorded any more."""


def replay(records: Iterable[Record], core_of: CoreOf) -> Replayed:
    """Replay every life; raises ReplayMismatch at the first difference, JournalError where no life begins."""
    run = _Replay(core_of)
    for index, record in enumerate(records):
        run.take(index, record)
    return run.finish()


class _Replay:
    def __init__(self, core_of: CoreOf) -> None:
        self._core_of = core_of
        self._core: Trader | None = None
        self._batch: list[AnyEvent] = []
        self.done = Replayed()

    def take(self, index: int, record: Record) -> None:
        if isinstance(record, Opened):
            self._core = self._core_of(record.header)
            self._batch = []
            self.done.lives += 1
        elif self._core is None:
            if not self.done.lives:
                raise JournalError(f"record {index} stands before any header: nothing to rebuild the core from")
        elif isinstance(record, Rescued):
            self._rescued(self._core, index, record)
        elif isinstance(record, Decided):
            self._decided(self._core, index, record)
        else:
            self._batch.append(record.event)

    def finish(self) -> Replayed:
        self.done.undecided = len(self._batch)
        return self.done

    def _decided(self, core: Trader, index: int, record: Decided) -> None:
        try:
            decided = self._feed(core, record.now)
        except Exception as error:
            raise ReplayMismatch(
                f"{_where(index, record.now)}: the core decided {_list(record.commands)}; "
                f"replayed, it fails with {error!r}"
            ) from error
        if _encode(tuple(decided)) != _encode(record.commands):
            raise ReplayMismatch(_difference(index, record, decided))
        self.done.decisions += 1
        self.done.commands += len(decided)

    def _rescued(self, core: Trader, index: int, record: Rescued) -> None:
        """The core's life ends here. If it failed by itself, it must fail again."""
        self._core = None
        why = record.commands[0] if record.commands else None
        if not (isinstance(why, Alert) and why.name == CORE_FAILED):
            self._batch = []
            return
        try:
            self._feed(core, record.now)
        except Exception as error:  # noqa: BLE001 - whatever it was, it was recorded
            self.done.failures.append(f"{type(error).__name__}: {error}")
        else:
            raise ReplayMismatch(f"{_where(index, record.now)}: the core failed ({why.text}); replayed, it does not")

    def _feed(self, core: Trader, now: Ns) -> Sequence[AnyCommand]:
        batch, self._batch = self._batch, []
        for event in batch:
            core.apply(event, now)
        self.done.events += len(batch)
        return core.decide(now)


def _where(index: int, now: Ns) -> str:
    return f"record {index} at {now / NS_PER_S:.9f} s"


def _difference(index: int, record: Decided, decided: Sequence[AnyCommand]) -> str:
    recorded = record.commands
    first = next(
        (i for i, (a, b) in enumerate(zip(recorded, decided, strict=False)) if _encode(a) != _encode(b)),
        min(len(recorded), len(decided)),
    )
    return (
        f"{_where(index, record.now)}: decisions differ from command {first} on\n"
        f"  recorded {_list(recorded[first:])}\n"
        f"  replayed {_list(decided[first:])}"
    )


def _list(commands: Sequence[AnyCommand]) -> str:
    if not commands:
        return "nothing"
    shown = "; ".join(map(repr, commands[:_SHOWN]))
    return shown + (f"; and {len(commands) - _SHOWN} more" if len(commands) > _SHOWN else "")
