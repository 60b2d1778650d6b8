"""A sum over the latest stretch of time."""

from collections import deque

from domain.units import Ns


class SlidingSum:
    """A sum over the latest stretch of time, exact to the nanosecond."""

    __slots__ = ("_entries", "_length", "_sum")

    def __init__(self, length: Ns) -> None:
        """Empty."""
        self._length = length
        self._entries: deque[tuple[Ns, int]] = deque()
        self._sum = 0

    def add(self, amount: int, now: Ns) -> None:
        """Count something that happens now, and forget what is too old: nobody may ask for a long time."""
        self.used(now)
        self._entries.append((now, amount))
        self._sum += amount

    def used(self, now: Ns) -> int:
        """What is younger than the stretch."""
        entries = self._entries
        while entries and now - entries[0][0] >= self._length:
            self._sum -= entries.popleft()[1]
        return self._sum

    def fits_at(self, room: int, now: Ns) -> Ns:
        """When no more than ``room`` of it will be left, if nothing is added."""
        left = self.used(now)
        for time, amount in self._entries:
            if left <= room:
                break
            left -= amount
            now = Ns(time + self._length)
        return now
