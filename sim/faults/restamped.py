"""Market data with the wrong time on them: old ones as new, new ones as old, or from the future."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from msgspec.structs import replace

from domain.events import AnyEvent, BboChanged, BookReported, Channel, TradesPrinted
from domain.units import NS_PER_S, Ns
from sim.envelope import Envelope, LinkName, Parcel
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class Stamp(StrEnum):
    """What is wrong with the time."""

    FROZEN = "frozen"
    """Books and tops are those of the begin, sent again and again with fresh times; trades go on."""
    PAST = "past"
    """Times are `by_s` too early."""
    FUTURE = "future"
    """Times are `by_s` too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restamped:
    """The venue's times of market data cannot be believed."""

    kind: Literal["restamped"] = "restamped"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    stamp: Stamp = Stamp.FROZEN
    """What is wrong."""
    by_s: Annotated[float, Interval(gt=0, le=3_600)] = 5.0
    """By how much the times are wrong with `past` and `future`, in seconds."""

    ranges: ClassVar[Mapping[str, Range]] = {"by_s": Range(0.1, 120.0), "duration_s": Range(1.0, 120.0)}
    figures: ClassVar[tuple[str, ...]] = ("messages",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `messages` with wrong times."""
        injected = prepare(self, world, session, "messages")
        held: dict[Channel, AnyEvent] = {}
        link = session.links[LinkName.MARKET_DATA]

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            channel, events = envelope.channel, envelope.payload
            if not isinstance(channel, Channel) or not isinstance(events, tuple | list):
                return None
            changed = tuple(self._restamp(event, channel, held) for event in events)
            if changed == tuple(events):
                return None
            injected.counts["messages"] += 1
            return (Parcel(Ns(0), changed),)

        def begin(_: Injected) -> None:
            held.clear()
            link.tampers.append(judge)

        def end(_: Injected) -> None:
            link.tampers.remove(judge)

        return launch(injected, world, begin, end, session=session, when=self.when)

    def _restamp(self, event: AnyEvent, channel: Channel, held: dict[Channel, AnyEvent]) -> AnyEvent:
        if self.stamp is Stamp.FROZEN:
            if not isinstance(event, BboChanged | BookReported):
                return event
            return replace(held.setdefault(channel, event), exch_time=event.exch_time)
        if not isinstance(event, BboChanged | BookReported | TradesPrinted):
            return event
        sign = -1 if self.stamp is Stamp.PAST else 1
        return replace(event, exch_time=Ns(event.exch_time + sign * round(self.by_s * NS_PER_S)))
