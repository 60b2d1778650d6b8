"""Requests by REST are turned away at the venue's door with HTTP 429, and who insists is banned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.commands import Request, Route
from domain.events import Feed, Reason, Replied
from domain.units import Ns, seconds
from sim.envelope import Envelope, LinkName, Parcel, kind_of
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Sender, Session
from sim.venue import texts
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit429:
    """Nothing of the answer says how long to wait. While an address is banned it has no connections either.

    What is turned away certainly did not happen, and is not counted against any allowance.
    """

    kind: Literal["limit_429"] = "limit_429"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of the requests by REST that are turned away."""
    ban_after: Annotated[int, Interval(ge=1, le=10_000)] | None = None
    """So many of them since the begin of a strike bring the ban; off: none comes."""
    ban_s: Annotated[float, Interval(gt=0, le=3_600)] = 30.0
    """How long a ban lasts, in seconds; it may outlast the strike."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "share": Range(0.1, 1.0),
        "ban_after": Range(3, 100),
        "ban_s": Range(10.0, 600.0),
    }
    figures: ClassVar[tuple[str, ...]] = ("refused", "bans")

    def install(self, world: World, session: Session) -> Injected:
        """Counts requests that were `refused`, and `bans`."""
        injected = prepare(self, world, session, "refused")
        door, link = _Door(self, world, session, injected), session.links[LinkName.ORDER_REST]

        def begin(_: Injected) -> None:
            door.refused = 0
            link.tampers.append(door.judge)

        def end(_: Injected) -> None:
            link.tampers.remove(door.judge)

        injected.linger(door.is_banned)
        return launch(injected, world, begin, end, session=session, when=self.when)


class _Door:
    """Where the requests of one session by REST come in, or do not."""

    def __init__(self, config: Limit429, world: World, session: Session, injected: Injected) -> None:
        self.refused = 0
        """How many were turned away in this strike, since the last ban in it."""
        self._config = config
        self._env = world.env
        self._session = session
        self._link = session.links[LinkName.ORDER_REST]
        self._injected = injected
        self._dice = injected.dice(world, "refused")
        self._banned_until = Ns(-1)

    def is_banned(self) -> bool:
        return self._env.now < self._banned_until

    def judge(self, envelope: Envelope) -> tuple[Parcel, ...] | None:
        """Turn a share away, and ban who insists."""
        if envelope.channel is not Route.REST or self.is_banned() or self._dice() >= self._config.share:
            return None
        self.refused += 1
        if self.refused == self._config.ban_after:
            self.refused = 0
            self._ban()
        return self._refuse(envelope)

    def _refuse(self, envelope: Envelope) -> tuple[Parcel, ...] | None:
        request = envelope.payload
        if not isinstance(request, Request):
            return None
        self._injected.counts["refused"] += 1
        session = self._session
        sender = Sender(session, request.request_id, None, session.life, kind_of(request))
        reply = Replied(request.request_id, Ns(0), (texts.IP_WEIGHT,))
        self._env.call_in(self._link.latency(self._env.now), session.reply, sender, reply)
        return ()

    def _ban(self) -> None:
        self._injected.counts["bans"] += 1
        self._banned_until = Ns(self._env.now + seconds(self._config.ban_s))
        self._link.tampers.append(self._refuse)
        for feed in Feed:
            self._session.hold(feed)
            self._session.cut(feed, Reason.CLOSED_BY_VENUE)
        self._env.call_at(self._banned_until, self._lift)

    def _lift(self) -> None:
        self._link.tampers.remove(self._refuse)
        for feed in Feed:
            self._session.release(feed)
