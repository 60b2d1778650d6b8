"""Children of this process, each a copy of it as it stands, that go on by themselves and say how it went.

A simulated world cannot be copied (its agents are generators), but a process that holds one can: `fork` returns twice,
once in each. So many ends can be tried from one moment without coming there again from the start.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from select import select
from types import TracebackType
from typing import Never, Self

from domain.errors import ConfigError, Problem

LIMIT_S = 300.0
"""A child that is not done after so many seconds of a processor is ended: it counts as dead. One that has to wait for a
processor, or stands still with the whole machine, has time."""

_CHUNK = 1 << 16
_HELD = (signal.SIGINT, signal.SIGTERM)
"""What must not come between the birth of a child and our note of it."""


@dataclass(slots=True)
class _Child:
    key: int
    pid: int
    word: bytearray = field(default_factory=bytearray)


class Brood:
    """At most so many children at a time; on leaving, none is left.

    ``on_word`` hears of each child by the key of its fork: its last word, or what ended it without one.
    """

    def __init__(self, most: int, on_word: Callable[[int, bytes | str], None]) -> None:
        if not hasattr(os, "fork"):
            want = "a system on which a process can be forked: Linux or macOS"
            raise ConfigError([Problem("crashes", f"{os.name}, which has no fork", want)])
        self._most = most
        self._on_word = on_word
        self._children: dict[int, _Child] = {}
        """By the end of a pipe from which we read."""
        self._way_out: int | None = None
        """In a child: where its word goes."""

    @property
    def is_child(self) -> bool:
        """Whether this is a copy: it must end with `hand_in`, and touch nothing that it shares."""
        return self._way_out is not None

    def fork(self, key: int) -> bool:
        """Copy this process; returns True in the child. Waits as long as there are too many of them."""
        while len(self._children) >= self._most:
            self._listen()
        reads, writes = os.pipe()
        with _held():
            pid = os.fork()
            if pid:
                self._children[reads] = _Child(key, pid)
            else:
                self._become_child(reads, writes)
        if pid:
            os.close(writes)
        return pid == 0

    def hand_in(self, word: bytes) -> Never:
        """In a child: say the last word and end, without any of the clean-up that is the parent's."""
        assert self._way_out is not None  # noqa: S101 - by the caller
        try:
            left = memoryview(word)
            while left:
                left = left[os.write(self._way_out, left) :]
        finally:
            os._exit(0)

    def gather(self) -> None:
        """Wait until every child has said its word."""
        while self._children:
            self._listen()

    def __enter__(self) -> Self:
        """Nothing to begin with."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End every child that is left; a child that gets here has failed, and ends as well."""
        if self.is_child:
            os._exit(1)
        with _held():
            for child in self._children.values():
                os.kill(child.pid, signal.SIGKILL)
            for reads, child in self._children.items():
                os.waitpid(child.pid, 0)
                os.close(reads)
            self._children.clear()

    # --- inside ---------------------------------------------------------------------------------

    def _become_child(self, reads: int, writes: int) -> None:
        """Let go of what is the parent's: its children, its terminal, its way of being interrupted."""
        self._way_out = writes
        for end in (reads, *self._children):
            os.close(end)
        self._children.clear()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's to end us
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", errors="replace")
        for stream in range(3):
            os.dup2(nowhere.fileno(), stream)
        sys.stdout = sys.stderr = nowhere

    def _listen(self) -> None:
        """Wait until some child says something; who has nothing more to say has ended."""
        ready, _, _ = select(list(self._children), (), ())
        for end in ready:
            child = self._children[end]
            if heard := os.read(end, _CHUNK):
                child.word += heard
                continue
            with _held():
                _, status = os.waitpid(child.pid, 0)
                del self._children[end]
                os.close(end)
            self._on_word(child.key, bytes(child.word) if status == 0 else _how(status))


@contextmanager
def _held() -> Iterator[None]:
    """Keep an interrupt waiting until what goes together is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how(status: int) -> str:
    """What ended a child that did not say a word."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}: not done after {LIMIT_S:g} s of a processor" if name == "SIGPROF" else name
