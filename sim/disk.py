"""The disk below a process's journal: what was written is safe only when `sync` has returned.

It keeps no bytes of its own: they stand in a store below, and it knows which of them a power cut may take. Faults
throw its switches; whoever writes sees an `OSError`, or that it took long (`free_at`).
"""

from collections import Counter
from collections.abc import Callable
from errno import EIO, ENOSPC
from typing import Protocol

from domain.units import Ns
from sim.environment import Environment
from sim.points import Point


class Store(Protocol):
    """What holds the bytes."""

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        ...

    def sync(self) -> None:
        """Return when everything appended so far will survive."""
        ...

    def read(self) -> bytes:
        """Everything appended so far."""
        ...

    def truncate(self, size: int) -> None:
        """Cut off what is beyond ``size`` bytes."""
        ...


class Disk:
    """One file on a simulated disk; itself such a store."""

    def __init__(self, env: Environment, store: Store) -> None:
        """What ``store`` holds already is safe."""
        self._env = env
        self._store = store
        self._size = self._safe = len(store.read())
        self._syncing: tuple[Ns, int] | None = None
        """A sync under way: when it will be done, and how many bytes are safe then."""
        self.room: int | None = None
        """Bytes that still fit; None: any number."""
        self.sync_failures = 0
        """Faults that let every `sync` fail now."""
        self.sync_times: list[Ns] = []
        """How much longer a `sync` takes now; faults append theirs and remove it."""
        self.locked_until = Ns(0)
        """Somebody else holds the file until then: writing waits."""
        self.free_at = Ns(0)
        """When the last operation that had to wait was done."""
        self.counts: Counter[str] = Counter()
        """Operations that failed or waited, by what it was: `full`, `sync_failed`, `slow`, `locked`."""
        self.taps: list[Callable[[Point], None]] = []
        """Called after each append and each sync that did not fail."""

    @property
    def is_safe(self) -> bool:
        """Whether a power cut could take nothing now."""
        self._settle()
        return self._safe == self._size

    # --- the writer's side ----------------------------------------------------------------------

    def append(self, data: bytes) -> None:
        """Add bytes at the end: as many as fit, and OSError where that is not all of them."""
        self._wait(Ns(0))
        fits = len(data) if self.room is None else min(self.room, len(data))
        self._store.append(data[:fits])
        self._size += fits
        if self.room is not None:
            self.room -= fits
        if fits < len(data):
            self.counts["full"] += 1
            raise OSError(ENOSPC, "No space left on device")
        for tap in self.taps:
            tap(Point.WRITTEN)

    def sync(self) -> None:
        """Make everything appended so far safe."""
        self._wait(Ns(sum(self.sync_times)))
        if self.sync_failures:
            self.counts["sync_failed"] += 1
            raise OSError(EIO, "Input/output error")
        self._store.sync()
        self._settle()
        if self.free_at > self._env.now:
            self._syncing = self.free_at, self._size
        else:
            self._safe = self._size
        for tap in self.taps:
            tap(Point.SYNCED)

    def read(self) -> bytes:
        """Everything appended so far: the machine reads what it wrote, safe or not."""
        return self._store.read()

    def truncate(self, size: int) -> None:
        """Cut off what is beyond ``size`` bytes."""
        self._settle()
        self._store.truncate(size)
        self._size = min(self._size, size)
        self._safe = min(self._safe, size)

    # --- the faults' side -----------------------------------------------------------------------

    def cut_power(self, kept: float) -> int:
        """Lose what was not safe but for a share ``kept`` of its bytes, from the first on; returns the bytes lost.

        The cut falls between any two bytes, so that a record may be torn.
        """
        self._settle()
        self._syncing = None
        self.free_at = self._env.now
        keep = self._safe + int((self._size - self._safe) * kept)
        lost = self._size - keep
        self.truncate(keep)
        self._safe = keep
        return lost

    # --- inside ---------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self._syncing is not None and self._syncing[0] <= self._env.now:
            self._safe = max(self._safe, self._syncing[1])
            self._syncing = None

    def _wait(self, longer: Ns) -> None:
        now = self._env.now
        start = max(now, self.locked_until)
        if longer:
            self.counts["slow"] += 1
        if start > now and self.free_at < start:
            self.counts["locked"] += 1
        if start + longer > now:
            self.free_at = Ns(max(self.free_at, start) + longer)
