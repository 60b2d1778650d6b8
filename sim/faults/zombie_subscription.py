"""A subscription is acknowledged, and nothing ever comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.events import Channel, ChannelKind, Reason, Subscribed
from domain.units import Epoch, Ns
from sim.envelope import Envelope, Parcel
from sim.faults.base import DATA_LINKS, Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ZombieSubscription:
    """The connections are closed; subscriptions of the next ones are acknowledged, and some of them stay silent.

    Such a subscription stays silent as long as its connection lasts, also after this fault: only who
    notices and connects anew gets data again.
    """

    kind: Literal["zombie_subscription"] = "zombie_subscription"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 10.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    channels: Annotated[tuple[ChannelKind, ...], MinLen(1)] = (ChannelKind.BBO, ChannelKind.BOOK, ChannelKind.TRADES)
    """Subscriptions that stay silent if they are made during a strike; their feeds are closed at its begin."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 60.0)}
    figures: ClassVar[tuple[str, ...]] = ("subscriptions", "lost")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `subscriptions` that stayed silent, and `lost`, their messages."""
        injected = prepare(self, world, session, "subscriptions")
        silent: dict[Channel, Epoch] = {}

        def begin(_: Injected) -> None:
            for feed in sorted({kind.feed for kind in self.channels}):
                session.cut(feed, Reason.CLOSED_BY_VENUE)

        def lingers() -> bool:
            return any(holds(channel) for channel in silent)

        def holds(channel: Channel) -> bool:
            feed = channel.kind.feed
            return silent[channel] == session.epoch(feed) and session.is_up(feed)

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            channel, events = envelope.channel, envelope.payload
            if not isinstance(channel, Channel) or not isinstance(events, tuple | list):
                return None
            if isinstance(events[0], Subscribed):
                if not injected.is_striking or channel.kind not in self.channels:
                    return None
                silent[channel] = session.epoch(channel.kind.feed)
                injected.counts["subscriptions"] += 1
                return (Parcel(Ns(0), events[:1]),)
            if channel not in silent or not holds(channel):
                return None
            injected.counts["lost"] += 1
            return ()

        for name in DATA_LINKS:
            session.links[name].tampers.append(judge)
        injected.linger(lingers)
        return launch(injected, world, begin, lambda _: None, session=session, when=self.when)
