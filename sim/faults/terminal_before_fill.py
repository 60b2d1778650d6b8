"""An order ends before its last fills are known: the status comes first, the fill behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import Channel, ChannelKind, Fill
from domain.units import millis
from sim.envelope import Envelope, LinkName, Parcel
from sim.faults.base import Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalBeforeFill:
    """Fills that end an order are held up; its status and the new position come as fast as ever."""

    kind: Literal["terminal_before_fill"] = "terminal_before_fill"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of those messages that are held."""
    hold_ms: Annotated[float, Interval(ge=1, le=10_000)] = 1_500.0
    """For how long, in ms; fills behind them wait, too."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.05, 0.5), "hold_ms": Range(100.0, 8_000.0)}
    figures: ClassVar[tuple[str, ...]] = ("held",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `held`, messages with a fill whose order has ended."""
        injected = prepare(self, world, session, "held")
        dice = injected.dice(world, "held")
        venue, account = world.venue, session.account

        def ends_its_order(fill: object) -> bool:
            order = venue.order(account, fill.oid) if isinstance(fill, Fill) else None
            return order is not None and order.is_ended

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            channel, events = envelope.channel, envelope.payload
            if not isinstance(channel, Channel) or channel.kind is not ChannelKind.FILLS:
                return None
            if not isinstance(events, tuple | list) or not any(ends_its_order(event) for event in events):
                return None
            if dice() >= self.share:
                return None
            injected.counts["held"] += 1
            return (Parcel(millis(self.hold_ms), events),)

        return tamper(injected, world, session, (LinkName.USER_DATA,), judge, self.when)
