"""Published messages arrive twice, the second time out of order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.events import ChannelKind
from domain.units import Ns, seconds
from sim.envelope import Envelope, Parcel
from sim.faults.base import DATA_LINKS, Injected, Range, is_chosen, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A copy of a message comes again, by when the world may have moved on: an `open` after the end of its order."""

    kind: Literal["duplicate"] = "duplicate"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    channels: Annotated[tuple[ChannelKind, ...], MinLen(1)] = (
        ChannelKind.ORDER_UPDATES,
        ChannelKind.FILLS,
        ChannelKind.POSITIONS,
    )
    """Which channels repeat messages."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of their messages that comes twice."""
    mean_s: Annotated[float, Interval(gt=0, le=10)] = 1.0
    """Mean time from a message to its copy, exponential."""
    max_s: Annotated[float, Interval(gt=0, le=60)] = 5.0
    """No copy comes later than this after its message."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.01, 0.5), "mean_s": Range(0.05, 2.0)}
    figures: ClassVar[tuple[str, ...]] = ("copies", *ChannelKind)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `copies` in all, and each channel's part by its name."""
        injected = prepare(self, world, session, "copies")
        dice = injected.dice(world, "copies")
        delays = injected.dice(world, "delay")

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            if not is_chosen(envelope, self.channels, dice, self.share, injected.counts, "copies"):
                return None
            delay = seconds(min(delays.exponential(self.mean_s), self.max_s))
            return Parcel(Ns(0), envelope.payload), Parcel(delay, envelope.payload, keeps_order=False)

        return tamper(injected, world, session, DATA_LINKS, judge, self.when)
