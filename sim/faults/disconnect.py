"""Feeds are cut and cannot be connected again for a while; what happens meanwhile is never told.

With a Poisson timing it is a storm: many short cuts, some of all connections, some of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.events import AnyEvent, Feed, FeedDown, Reason
from domain.units import Ns, millis
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """The transport of some feeds ends, and every attempt to connect fails until the fault does.

    REST works throughout. For `notice_ms` the socket is half open: the trader believes in it, and what it
    sends is lost without a word.
    """

    kind: Literal["disconnect"] = "disconnect"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """Seconds from the cut until attempts to connect can succeed again."""
    when: Timing = THROUGHOUT
    """When it strikes in that time; attempts to connect fail for as long as a strike lasts."""
    feeds: Annotated[tuple[Feed, ...], MinLen(1)] = (Feed.MARKET, Feed.USER)
    """Connections that are cut: `market` (public data), `user` (own orders and fills, requests by socket), or both."""
    notice_ms: Annotated[float, Interval(ge=0, le=60_000)] = 0.0
    """From the cut to FeedDown."""
    requests_land: bool = False
    """Whether requests under way at the cut reach the venue; their answers are lost in any case."""

    together: Annotated[float, Interval(ge=0, le=1)] = 1.0
    """Share of the strikes that hit all of these feeds; each of the others hits one, drawn."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "duration_s": Range(0.1, 60.0),
        "notice_ms": Range(1.0, 30_000.0),
        "together": Range(0.0, 1.0, is_log=False),
    }
    figures: ClassVar[tuple[str, ...]] = ("cuts", "failed_attempts", "lost")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `cuts`, `failed_attempts`, and `lost`: messages that would have arrived before its end."""
        injected = prepare(self, world, session, "cuts")
        together, which = injected.dice(world, "together"), injected.dice(world, "which")
        injected.follow("lost", lambda: session.lost)
        held: list[Feed] = []

        def begin(_: Injected) -> None:
            held.extend(self.feeds if together() < self.together else [self.feeds[which.below(len(self.feeds))]])
            for feed in held:
                injected.counts["cuts"] += session.feeds[feed].is_wired
                session.hold(feed)
                session.cut(
                    feed,
                    Reason.CLOSED_BY_VENUE,
                    notice_after=millis(self.notice_ms),
                    requests_land=self.requests_land,
                )

        def end(_: Injected) -> None:
            for feed in held:
                session.release(feed)
            held.clear()

        def count_attempt(event: AnyEvent, _now: Ns) -> None:
            if injected.is_striking and isinstance(event, FeedDown) and event.feed in self.feeds:
                injected.counts["failed_attempts"] += event.reason is Reason.CONNECT_FAILED

        session.on_deliver.append(count_attempt)
        return launch(injected, world, begin, end, session=session, when=self.when)
