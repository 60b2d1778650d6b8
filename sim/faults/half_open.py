"""A connection dies and nobody says so: it takes what is sent, or brings what comes, but not both."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.events import Feed, Reason
from domain.units import Epoch, seconds
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class Dead(StrEnum):
    """Which ways of a connection are dead."""

    BOTH = "both"
    """Nothing comes, and what is sent is lost."""
    TO_US = "to_us"
    """Nothing comes; what is sent arrives, and is carried out."""
    TO_VENUE = "to_venue"
    """Data come; what is sent is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen:
    """Connections go dead without a close. Only who notices and connects anew gets out of it.

    It begins with a strike and does not end with it: the connection stays dead until the trader closes it, or
    until `given_up_after_s`. New ones work at any time.
    """

    kind: Literal["half_open"] = "half_open"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 1.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    feeds: Annotated[tuple[Feed, ...], MinLen(1)] = (Feed.USER,)
    """Connections that die: `market` (public data), `user` (own orders and fills, requests by socket), or both."""
    dead: Dead = Dead.BOTH
    """Which way: `both`, `to_us`, `to_venue`."""
    given_up_after_s: Annotated[float, Interval(gt=0, le=3_600)] | None = None
    """The operating system closes a dead connection after this; without it never."""

    ranges: ClassVar[Mapping[str, Range]] = {"given_up_after_s": Range(30.0, 1_800.0)}
    figures: ClassVar[tuple[str, ...]] = ("connections",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `connections` that died."""
        injected = prepare(self, world, session, "connections")
        given_up = None if self.given_up_after_s is None else seconds(self.given_up_after_s)
        dead: dict[Feed, Epoch] = {}

        def begin(_: Injected) -> None:
            for feed in self.feeds:
                state = session.feeds[feed]
                if not state.is_wired or state.is_deaf:
                    continue
                injected.counts["connections"] += 1
                dead[feed] = state.epoch
                if self.dead is Dead.TO_VENUE:
                    session.deafen(feed)
                    if given_up is not None:
                        world.env.call_in(given_up, give_up, feed, state.epoch)
                else:
                    session.cut(
                        feed,
                        Reason.CLOSED_BY_VENUE,
                        notice_after=given_up,
                        requests_land=self.dead is Dead.TO_US,
                    )

        def give_up(feed: Feed, epoch: Epoch) -> None:
            if session.epoch(feed) == epoch:
                session.cut(feed, Reason.CLOSED_BY_VENUE)

        def lingers() -> bool:
            return any(session.is_up(feed) and session.epoch(feed) == epoch for feed, epoch in dead.items())

        injected.linger(lingers)
        return launch(injected, world, begin, lambda _: None, session=session, when=self.when)
