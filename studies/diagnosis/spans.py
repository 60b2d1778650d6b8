"""Stretches of time with a reason: kept while a journal is read, asked when it is over."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from domain.units import NS_PER_S, Ns


@dataclass(frozen=True, slots=True)
class Span:
    """For so long something was so, for one reason."""

    who: str
    """An instrument, or one side of it."""
    why: str
    first: int
    """Record with which it began."""
    begin: Ns
    end: Ns

    @property
    def seconds(self) -> float:
        """How long."""
        return (self.end - self.begin) / NS_PER_S


class Spans:
    """Of each `who` the reason that holds, and those that held."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.over: list[Span] = []
        self._open: dict[str, tuple[str, int, Ns]] = {}

    def note(self, who: str, why: str | None, record: int, now: Ns) -> None:
        """From now on this is the reason; None: none is."""
        known = self._open.get(who)
        if (None if known is None else known[0]) == why:
            return
        if known is not None:
            self._close(who, now)
        if why is not None:
            self._open[who] = (why, record, now)

    def close(self, now: Ns) -> None:
        """Nothing more will be told."""
        for who in list(self._open):
            self._close(who, now)

    def of(self, has: Callable[[str], bool]) -> list[Span]:
        """Those with such a reason, in the order of their end."""
        return [span for span in self.over if has(span.why)]

    def _close(self, who: str, now: Ns) -> None:
        why, record, begin = self._open.pop(who)
        if now > begin:
            self.over.append(Span(who, why, record, begin, now))


def total(spans: Iterable[Span]) -> float:
    """Seconds of the one who has most of them: what is so for all at a time counts once."""
    sums: dict[str, float] = {}
    for span in spans:
        sums[span.who] = sums.get(span.who, 0.0) + span.seconds
    return max(sums.values(), default=0.0)
