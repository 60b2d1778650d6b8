"""When a fault strikes inside its window: all the time, by chance, or at the worst moment.

Every strike ends with the window at the latest, so that each scenario has a time in which all is well again.
Chance is counted by site: each decision of each fault has numbers of its own, and a fault more or less
shifts nobody else's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import log1p
from typing import Annotated, Literal

from annotated_types import Interval

from domain.commands import AnyCommand, Request
from domain.events import AnyEvent, FeedUp, Fill
from domain.ids import uniform
from domain.units import AccountId, Ns, seconds
from sim.envelope import RequestKind, kind_of
from sim.feed import Session
from sim.points import Point
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughout:
    """From the begin of the window to its end."""

    kind: Literal["throughout"] = "throughout"
    """Names this timing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """By chance: the time from the end of a strike to the next one is exponential."""

    kind: Literal["poisson"] = "poisson"
    """Names this timing."""
    per_minute: Annotated[float, Interval(ge=0.001, le=600)] = 3.0
    """Strikes per minute of the time in which none is going on."""
    for_s: Annotated[float, Interval(ge=0.001, le=600)] = 3.0
    """How long each lasts."""


class Moment(StrEnum):
    """What a session can see of the worst moments, knowing no trader."""

    PLACEMENT_SENT = "placement_sent"
    """A placement leaves."""
    CANCEL_SENT = "cancel_sent"
    """A cancel or a modify leaves."""
    QUERY_SENT = "query_sent"
    """A question leaves: somebody recovers, or settles a doubt."""
    CONNECTED = "connected"
    """A feed has come up: somebody recovers from a gap."""
    FILLED = "filled"
    """An order of the account trades; the news of it has not left yet."""
    OTHER_FAULT = "other_fault"
    """Another fault strikes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """At a moment: what makes it one (a cancel that leaves, say) is hit already."""

    kind: Literal["aimed"] = "aimed"
    """Names this timing."""
    at: Moment = Moment.CANCEL_SENT
    """The moment aimed at."""
    for_s: Annotated[float, Interval(ge=0.001, le=600)] = 1.0
    """How long each strike lasts."""
    share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of those moments that are hit."""
    within_s: Annotated[float, Interval(ge=0, le=60)] = 0.0
    """The strike comes up to this much later, evenly drawn; 0 is at once."""
    rest_s: Annotated[float, Interval(ge=0, le=600)] = 5.0
    """Least time from the end of a strike to the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtPoint:
    """Once, at one point of what the trader's process does: also between two things that it does at one time."""

    kind: Literal["at_point"] = "at_point"
    """Names this timing."""
    point: Point = Point.TOLD
    """What it has just done, or is about to do."""
    number: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 1
    """Which of those, counted from the begin of the run over all lives."""
    for_s: Annotated[float, Interval(ge=0.001, le=600)] = 1.0
    """How long the strike lasts."""


Timing = Throughout | Poisson | Aimed | AtPoint

THROUGHOUT = Throughout()
NOW_AND_THEN = Poisson()
AFTER_FILLS = Aimed(at=Moment.FILLED, for_s=10.0, rest_s=20.0)


class Dice:
    """The draws of one site: number after number, from the seed and the name alone."""

    def __init__(self, seed: int, site: str) -> None:
        self._seed = seed
        self._site = site
        self._count = 0

    def __call__(self) -> float:
        """The next number in [0, 1)."""
        self._count += 1
        return uniform(self._seed, self._site, self._count)

    def exponential(self, mean: float) -> float:
        """The next number of an exponential distribution."""
        return -mean * log1p(-self())

    def below(self, n: int) -> int:
        """The next whole number from 0 to n - 1."""
        return int(self() * n)


class Schedule:
    """Calls ``begin`` and ``end`` of a fault's strikes, as its timing says, between two moments."""

    def __init__(
        self,
        timing: Timing,
        world: World,
        dice: Dice,
        window: tuple[Ns, Ns],
        begin: Callable[[Ns], None],
        end: Callable[[], None],
    ) -> None:
        """``begin`` gets the time at which the strike will end."""
        self._timing = timing
        self._world = world
        self._dice = dice
        self._opens_at, self._closes_at = window
        self._begin = begin
        self._end = end
        self._is_open = False
        self._is_striking = False
        self._rests_until = Ns(0)
        world.env.call_at(self._opens_at, self._open)

    def _open(self) -> None:
        match self._timing:
            case Throughout():
                self._strike(Ns(self._closes_at - self._opens_at))
            case Poisson():
                self._wait()
            case Aimed() | AtPoint():
                self._is_open = True

    def strike_now(self) -> None:
        """The point at which it is to strike is reached, or somebody says so."""
        assert isinstance(self._timing, AtPoint)  # noqa: S101 - by the caller
        if self._is_open and not self._is_striking:
            self._strike(seconds(self._timing.for_s))

    def _wait(self) -> None:
        assert isinstance(self._timing, Poisson)  # noqa: S101 - by the caller
        at = Ns(self._world.env.now + seconds(self._dice.exponential(60 / self._timing.per_minute)))
        if at < self._closes_at:
            self._world.env.call_at(at, self._strike, seconds(self._timing.for_s))

    def on_moment(self) -> None:
        """What an aimed fault waits for happens."""
        timing, now = self._timing, self._world.env.now
        assert isinstance(timing, Aimed)  # noqa: S101 - nobody else listens
        if not self._is_open or now >= self._closes_at or self._is_striking or now < self._rests_until:
            return
        if self._dice() >= timing.share:
            return
        delay = seconds(timing.within_s * self._dice()) if timing.within_s else Ns(0)
        self._rests_until = Ns(now + delay)
        if delay:
            self._world.env.call_in(delay, self._strike, seconds(timing.for_s))
        else:
            self._strike(seconds(timing.for_s))

    def _strike(self, length: Ns) -> None:
        now = self._world.env.now
        ends_at = Ns(min(now + length, self._closes_at))
        if ends_at <= now:
            return
        self._is_striking = True
        self._begin(ends_at)
        self._world.env.call_at(ends_at, self._rest)

    def _rest(self) -> None:
        self._is_striking = False
        self._end()
        if isinstance(self._timing, Poisson):
            self._wait()
        elif isinstance(self._timing, Aimed):
            self._rests_until = Ns(self._world.env.now + seconds(self._timing.rest_s))


def listen(schedule: Schedule, moment: Moment, session: Session, world: World, ourselves: object) -> None:
    """Let a schedule hear of a moment; ``ourselves`` is what the session's `on_strike` says of our own strikes."""

    def on_send(command: AnyCommand, _now: Ns) -> None:
        if isinstance(command, Request) and kind_of(command) in _SENT[moment]:
            schedule.on_moment()

    def on_deliver(event: AnyEvent, _now: Ns) -> None:
        if isinstance(event, FeedUp):
            schedule.on_moment()

    def on_fill(account: AccountId, _fill: Fill) -> None:
        if account == session.account:
            schedule.on_moment()

    def on_strike(striker: object) -> None:
        if striker is not ourselves:
            schedule.on_moment()

    match moment:
        case Moment.CONNECTED:
            session.on_deliver.append(on_deliver)
        case Moment.FILLED:
            world.venue.taps.on_fill.append(on_fill)
        case Moment.OTHER_FAULT:
            session.on_strike.append(on_strike)
        case _:
            session.on_send.append(on_send)


_SENT = {
    Moment.PLACEMENT_SENT: (RequestKind.PLACE,),
    Moment.CANCEL_SENT: (RequestKind.CANCEL, RequestKind.MODIFY),
    Moment.QUERY_SENT: (RequestKind.QUERY,),
}
