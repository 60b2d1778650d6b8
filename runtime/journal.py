"""The write-ahead log of a trader: every input, and every decision before it is carried out.

Several lives may follow each other in one journal; each begins with a header and ``Restored``.
"""

from collections.abc import Sequence
from hashlib import blake2b

from domain.alerts import KILL
from domain.commands import Alert, AnyCommand, Connect, Modify, Place, Request
from domain.errors import JournalError
from domain.events import AnyEvent
from domain.units import Ns
from runtime.journal_format import MAGIC, MAX_RECORD, Decided, Header, Opened, Rescued, Took, encode
from runtime.journal_reader import Reader
from runtime.log import Log

_DIGEST_CHUNK = 1 << 16


class Journal:
    """Writes records to a log. On a log with content it goes on behind the last whole record."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._hash = blake2b(digest_size=16)
        self._unhashed = bytearray()
        self.count = 0
        """Records in the journal, those of earlier lives included."""
        self.reopen()

    def reopen(self) -> None:
        """Begin anew with what the log holds now: a crash may have taken the end of what was written."""
        self._hash = blake2b(digest_size=16)
        self._unhashed.clear()
        self.count = 0
        reader = Reader(self._log.read())
        for record in reader:
            self.count += 1
            if not isinstance(record, Opened):
                self._digest(reader.frame)
        if reader.end.torn:
            self._log.truncate(reader.end.offset)
        if not reader.end.offset:
            self._log.append(MAGIC)

    # --- writing --------------------------------------------------------------------------------

    def begin(self, header: Header) -> None:
        """A life begins."""
        self._log.append(encode(Opened(header)))
        self.count += 1

    def took(self, now: Ns, event: AnyEvent) -> None:
        """The core is about to take in an event."""
        self._append(encode(Took(now, event)))

    def decided(self, now: Ns, commands: Sequence[AnyCommand]) -> None:
        """The core decided this; also when it is nothing, since deciding may change its state."""
        self._append(encode(Decided(now, tuple(commands))))

    def rescued(self, now: Ns, commands: Sequence[AnyCommand]) -> None:
        """The safety net decided this in the core's place."""
        self._append(encode(Rescued(now, tuple(commands))))

    def sync(self) -> None:
        """Return when everything written will survive."""
        self._log.sync()

    def _append(self, data: bytes) -> None:
        if len(data) > MAX_RECORD:
            raise JournalError(f"a record of {len(data)} bytes is too long for a journal")
        self._log.append(data)
        self._digest(data)
        self.count += 1

    # --- reading --------------------------------------------------------------------------------

    def records(self) -> Reader:
        """Every record so far."""
        return Reader(self._log.read())

    def digest(self) -> str:
        """Hash of the body so far: equal digests mean equal inputs and equal decisions."""
        self._hash.update(self._unhashed)
        self._unhashed.clear()
        return self._hash.hexdigest()

    def _digest(self, data: bytes) -> None:
        self._unhashed += data
        if len(self._unhashed) > _DIGEST_CHUNK:
            self.digest()


def must_survive(commands: Sequence[AnyCommand]) -> bool:
    """Whether the record of these must be durable before they are carried out.

    True for what places, modifies or latches, and for attempts to connect, which the venue counts over lives (S26). A
    cancel may be forgotten: it is decided again.
    """
    return any(map(_commits, commands))


def _commits(command: AnyCommand) -> bool:
    if isinstance(command, Request):
        return any(isinstance(action, Place | Modify) for action in command.actions)
    return isinstance(command, Connect) or (isinstance(command, Alert) and command.name == KILL)
