"""The log below the journal: bytes go in at the end and stay in order. It knows no records.

``append`` may be lost by a crash until ``sync`` has returned. A kill of the *process* loses nothing
that ``sync`` or the operating system has; what a power cut may lose depends on ``durable``.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from domain.errors import JournalError

try:
    import fcntl
except ImportError:  # pragma: no cover - not on POSIX: no lock
    fcntl = None  # type: ignore[assignment]

_BUFFER = 1 << 16


class Log(Protocol):
    """Where a journal's bytes live."""

    def append(self, data: bytes) -> None:
        """Add bytes at the end; they are durable only after ``sync``."""
        ...

    def sync(self) -> None:
        """Return when everything appended so far will survive."""
        ...

    def read(self) -> bytes:
        """Everything appended so far."""
        ...

    def truncate(self, size: int) -> None:
        """Cut off a torn tail, before the first append of a new writer."""
        ...


class MemoryLog:
    """A log in memory, for simulation and tests."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)
        self.syncs = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._data += data

    def sync(self) -> None:
        """Count; memory survives as long as the process does."""
        self.syncs += 1

    def read(self) -> bytes:
        """Everything appended so far."""
        return bytes(self._data)

    def truncate(self, size: int) -> None:
        """Cut off what is beyond ``size`` bytes."""
        del self._data[size:]


class FileLog:
    """A log in a file that one process at a time may write.

    ``durable``: ``sync`` waits for the disk (live). Without it ``sync`` hands the bytes to the
    operating system, which survives the death of the process but not of the machine (simulation).
    """

    def __init__(self, path: Path | str, *, durable: bool = False) -> None:
        self.path = Path(path)
        self._durable = durable
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "ab", buffering=_BUFFER)
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._file.close()
                raise JournalError(f"{self.path} is being written by another process") from error
        if durable:
            _sync_folder(self.path.parent)

    def append(self, data: bytes) -> None:
        """Add bytes at the end; buffered here until ``sync``."""
        self._file.write(data)

    def sync(self) -> None:
        """Hand everything to the operating system and, if durable, to the disk."""
        self._file.flush()
        if self._durable:
            os.fsync(self._file.fileno())

    def read(self) -> bytes:
        """Everything appended so far."""
        self._file.flush()
        return self.path.read_bytes()

    def truncate(self, size: int) -> None:
        """Cut off what is beyond ``size`` bytes, durably."""
        self._file.flush()
        self._file.truncate(size)
        self.sync()

    def close(self) -> None:
        """Sync and give up the lock."""
        if not self._file.closed:
            try:
                self.sync()
            finally:
                with suppress(OSError):  # on a full disk it flushes and fails once more
                    self._file.close()


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file durable too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
