"""Who goes first of those that are due at the same nanosecond: first come, by chance, or by a priority that changes.

Nothing says in which order two machines do what they do at one time; a simulation that always takes the same order
tries one of many. What has an order of its own keeps it: the messages of one channel of a link, what one actor put off
(its timers, the end of its thinking), and simpy's own events, each among themselves.

After random walks and PCT (Burckhardt et al., ASPLOS 2010): each line of things has a priority that is drawn once, and
at a few moments one of them falls behind all others. A bug that needs one thing to be late again and again is met by
that, and hardly by chance alone.

Every rank is a hash of the seed, of a name and of the time, so that what else happens shifts nothing: a run that is
shrunk keeps the order of what is left. Whatever has no line (a request by REST, a function inside another one) is named
by its function, and counted among what that function schedules for the same time. Which line falls is a hash of the
seed, the change and the names of the lines: one that is left out leaves its own falls to another one, and no more.
A name is that of a class: what two actors of one class put off first for a time is never turned round (two sessions
of one world, say), under priorities nothing of theirs is.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from heapq import heappush
from math import log1p
from typing import Annotated, Literal, Protocol

from annotated_types import Interval
from simpy.events import NORMAL, Event, EventPriority

from domain.ids import uniform
from domain.units import NS_PER_S
from sim.environment import Call, Environment

TOP = 1 << 30
"""Ranks that are drawn are below."""
SWEEP_AT_LEAST = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstComeTies:
    """In the order in which they were scheduled."""

    kind: Literal["fifo"] = "fifo"
    """Names this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTies:
    """By chance, each time anew."""

    kind: Literal["random"] = "random"
    """Names this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityTies:
    """By priorities that are drawn once and change at a few moments (PCT)."""

    kind: Literal["priorities"] = "priorities"
    """Names this order."""
    changes_per_minute: Annotated[float, Interval(ge=0, le=6_000)] = 3.0
    """How often, on average, one line falls behind all others for good."""


Ties = FirstComeTies | RandomTies | PriorityTies

FIRST_COME = FirstComeTies()


def environment_of(ties: Ties, seed: int) -> Environment:
    """Time with an order of ties; that of the default has nothing on top."""
    match ties:
        case FirstComeTies():
            return Environment()
        case RandomTies():
            return ShuffledEnvironment(ByChance(seed))
        case PriorityTies():
            return ShuffledEnvironment(ByPriority(seed, ties.changes_per_minute))


class Ranks(Protocol):
    """Gives whatever is scheduled a rank: at one time lower ones go first."""

    def rank(self, now: int, time: int, line: Hashable, site: str) -> int:
        """Of something that is scheduled now for a time; not below those of its line for that time before it.

        ``line`` is None for what has no order; ``site`` is its name in draws.
        """
        ...


class ByChance:
    """A rank for each thing."""

    def __init__(self, seed: int) -> None:
        """Nothing was ranked."""
        self._seed = seed
        self._counts: Counter[tuple[str, int]] = Counter()
        """Of what has no line, by name and time that is still to come."""
        self._last: dict[tuple[Hashable, int], int] = {}
        """The rank of the latest of a line for a time that is still to come."""
        self._sweep_above = SWEEP_AT_LEAST

    def rank(self, now: int, time: int, line: Hashable, site: str) -> int:
        """Drawn above the last one of its line."""
        if len(self._last) + len(self._counts) >= self._sweep_above:
            self._sweep(now)
        if line is None:
            count = self._counts[site, time] = self._counts[site, time] + 1
            return int(uniform(self._seed, f"ties/{site}/{count}", time) * TOP)
        last = self._last.get((line, time), 0)
        rank = last + int(uniform(self._seed, f"ties/{site}", time) * (TOP - last))
        self._last[line, time] = rank
        return rank

    def _sweep(self, now: int) -> None:
        """Forget what is over."""
        self._last = {key: rank for key, rank in self._last.items() if key[1] >= now}
        self._counts = Counter({key: count for key, count in self._counts.items() if key[1] >= now})
        self._sweep_above = max(SWEEP_AT_LEAST, 2 * (len(self._last) + len(self._counts)))


class ByPriority:
    """A rank for each line, which only ever falls."""

    def __init__(self, seed: int, changes_per_minute: float) -> None:
        """Nobody has fallen."""
        self._seed = seed
        self._ranks: dict[str, int] = {}
        self._mean = 60 * NS_PER_S / changes_per_minute if changes_per_minute else None
        self._changes = 0
        self._changes_at = self._next_change(0)

    def rank(self, now: int, time: int, line: Hashable, site: str) -> int:  # noqa: ARG002 - lines of a name are alike
        """That of its line."""
        while self._changes_at is not None and now >= self._changes_at:
            self._change(self._changes_at)
        if site not in self._ranks:
            self._ranks[site] = int(uniform(self._seed, f"ties/{site}", 0) * TOP)
        return self._ranks[site]

    def _change(self, due: int) -> None:
        """One of the lines so far falls; the next time counts from when this one was due, not from when it is seen."""
        change = self._changes = self._changes + 1
        self._changes_at = self._next_change(due)
        if self._ranks:
            falls = max(self._ranks, key=lambda site: uniform(self._seed, f"ties/falls/{site}", change))
            self._ranks[falls] = TOP + change

    def _next_change(self, after: int) -> int | None:
        if self._mean is None:
            return None
        return after + max(1, int(-self._mean * log1p(-uniform(self._seed, "ties/change", self._changes))))


class Owner:
    """Stands for the object that put something off: by what it is, not by what it is equal to."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Owner) and other.of is self.of


class ShuffledEnvironment(Environment):
    """Time in which ranks decide who goes first; among equal ranks first come, first served."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks
        self._scheduled = 0
        self._latest = (-1, 0)
        """The time of what ran last, and the largest number of anything that ran at it."""

    def call_at(self, time: int, fn: Callable[..., object], *args: object) -> Call:
        """Call ``fn(*args)`` at a time, after what its owner scheduled for that time before."""
        owner = getattr(fn, "__self__", None)
        if owner is None:
            return self._put(time, None, fn.__qualname__, fn, args)
        return self._put(time, Owner(owner), type(owner).__qualname__, fn, args)

    def call_in(self, delay: int, fn: Callable[..., object], *args: object) -> Call:
        """Call ``fn(*args)`` after a delay."""
        if delay < 0:
            raise ValueError(f"a delay cannot be negative: {delay}")
        return self.call_at(self._now + delay, fn, *args)

    def call_in_line(self, line: Hashable, time: int, fn: Callable[..., object], *args: object) -> Call:
        """Call ``fn(*args)`` at a time, after what was scheduled for that time in this line before."""
        return self._put(time, line, fn.__qualname__ if line is None else str(line), fn, args)

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: float = 0) -> None:
        """Schedule a simpy event; they keep their order among themselves."""
        if type(delay) is not int:
            raise TypeError(f"time is integer nanoseconds, got a delay of {delay!r}")
        time = self._now + delay
        heappush(self._heap, (time, priority, self._number_of(time, "simpy", "simpy"), event))

    def _wanted(self, call: Call) -> Callable[..., object] | None:
        """What somebody wanted to be called: it stands among the arguments."""
        if call.fn != self._run:
            return call.fn
        wanted: Callable[..., object] = call.args[1]
        return wanted

    def _put(self, time: int, line: Hashable, site: str, fn: Callable[..., object], args: tuple[object, ...]) -> Call:
        if time < self._now:
            raise ValueError(f"cannot call at {time}: it is {self._now} already")
        call = Call()
        number = self._number_of(time, line, site)
        call.fn, call.args = self._run, (self._scheduled, fn, args)
        heappush(self._heap, (time, NORMAL, number, call))
        if len(self._heap) > self._sweep_above:
            self._sweep()
        return call

    def _number_of(self, time: int, line: Hashable, site: str) -> int:
        """What the heap sorts by: the rank, then who came first."""
        self._scheduled += 1
        return self._ranks.rank(self._now, time, line, site) << 64 | self._scheduled

    def _run(self, number: int, fn: Callable[..., object], args: tuple[object, ...]) -> None:
        """Let a call happen; count it if one that was scheduled after it went before it."""
        time, largest = self._latest
        if time != self._now:
            self._latest = self._now, number
        elif number > largest:
            self._latest = time, number
        else:
            self.reordered += 1
        fn(*args)
