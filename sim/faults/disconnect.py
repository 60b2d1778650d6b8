"""Feeds are cut and cannot be connected again for a while; what happens meanwhile is never told."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, MinLen

from domain.events import AnyEvent, Feed, FeedDown, Reason
from domain.units import Ns, millis
from sim.faults.base import Injected, arm
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
    duration_s: Annotated[float, Interval(gt=0, le=600)] = 5.0
    """Seconds from the cut until attempts to connect can succeed again."""
    feeds: Annotated[tuple[Feed, ...], MinLen(1)] = (Feed.MARKET, Feed.USER)
    """Connections that are cut: `market` (public data), `user` (own orders and fills, requests by socket), or both."""
    notice_ms: Annotated[float, Interval(ge=0, le=60_000)] = 0.0
    """From the cut to FeedDown."""
    requests_land: bool = False
    """Whether requests under way at the cut reach the venue; their answers are lost in any case."""

    def install(self, world: World, session: Session) -> Injected:
        """Counts `cuts`, `failed_attempts`, and `lost`: messages that would have arrived before its end."""

        def begin(injected: Injected) -> None:
            injected.counts["lost"] -= session.lost
            for feed in self.feeds:
                injected.counts["cuts"] += session.feeds[feed].is_wired
                session.hold(feed)
                session.cut(
                    feed,
                    Reason.CLOSED_BY_VENUE,
                    notice_after=millis(self.notice_ms),
                    requests_land=self.requests_land,
                )

        def end(injected: Injected) -> None:
            injected.counts["lost"] += session.lost
            for feed in self.feeds:
                session.release(feed)

        injected = arm(self, world, begin, end)

        def count_attempt(event: AnyEvent, _now: Ns) -> None:
            if injected.is_active and isinstance(event, FeedDown) and event.feed in self.feeds:
                injected.counts["failed_attempts"] += event.reason is Reason.CONNECT_FAILED

        session.on_deliver.append(count_attempt)
        return injected
