"""Requests by REST are turned away at the venue's door with HTTP 429, and who insists is banned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.commands import Request, Route
from domain.events import Feed, Reason, Replied
from domain.units import Ns, seconds
from sim.envelope import Envelope, LinkName, Parcel, kind_of
from sim.faults.base import Injected, Range, prepare, tamper
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

    def install(self, world: World, session: Session) -> Injected:
        """Counts requests that were `refused`, and `bans`."""
        injected = prepare(self, world, session, "refused")
        dice, env = injected.dice(world, "refused"), world.env
        in_a_strike = 0
        banned_until = Ns(-1)

        def is_banned() -> bool:
            return env.now < banned_until

        def answer(request: Request) -> None:
            sender = Sender(session, request.request_id, None, session.life, kind_of(request))
            reply = Replied(request.request_id, Ns(0), (texts.IP_WEIGHT,))
            env.call_in(session.links[LinkName.ORDER_REST].latency(env.now), session.reply, sender, reply)

        def ban() -> None:
            nonlocal banned_until
            injected.counts["bans"] += 1
            banned_until = Ns(env.now + seconds(self.ban_s))
            session.links[LinkName.ORDER_REST].tampers.append(refuse)
            for feed in Feed:
                session.hold(feed)
                session.cut(feed, Reason.CLOSED_BY_VENUE)
            env.call_at(banned_until, lift)

        def lift() -> None:
            session.links[LinkName.ORDER_REST].tampers.remove(refuse)
            for feed in Feed:
                session.release(feed)

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            nonlocal in_a_strike
            if envelope.channel is not Route.REST or is_banned() or dice() >= self.share:
                return None
            in_a_strike += 1
            if in_a_strike == self.ban_after:
                in_a_strike = 0
                ban()
            return refuse(envelope)

        def refuse(envelope: Envelope) -> tuple[Parcel, ...] | None:
            if not isinstance(envelope.payload, Request):
                return None
            injected.counts["refused"] += 1
            answer(envelope.payload)
            return ()

        injected.linger(is_banned)
        return tamper(injected, world, session, (LinkName.ORDER_REST,), judge, self.when)
