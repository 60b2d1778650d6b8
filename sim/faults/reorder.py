"""Channels overtake each other: what is published together arrives apart, in any order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.events import ChannelKind
from domain.units import seconds
from sim.envelope import Envelope, LinkName, Parcel
from sim.faults.base import DATA_LINKS, Injected, Range, is_chosen, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder:
    """Messages are held up by chance, each channel for itself.

    A channel keeps its own order, as a socket does: what comes behind a message that is held waits with it. Answers by
    REST have none to keep: one that is held is overtaken by those to later questions.
    """

    kind: Literal["reorder"] = "reorder"
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
    """Which channels are held up."""
    replies: bool = True
    """Whether answers are, too."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of the messages that are held."""
    mean_s: Annotated[float, Interval(gt=0, le=10)] = 0.5
    """Mean time for which one is held, exponential."""
    max_s: Annotated[float, Interval(gt=0, le=60)] = 5.0
    """None is held longer than this."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.01, 0.5), "mean_s": Range(0.05, 2.0)}
    figures: ClassVar[tuple[str, ...]] = ("held", "replies", *ChannelKind)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `held` in all, `replies` of them, and each channel's part by its name."""
        injected = prepare(self, world, session, "held")
        dice = injected.dice(world, "held")
        delays = injected.dice(world, "delay")

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            if not is_chosen(envelope, self.channels, dice, self.share, injected.counts, "held"):
                return None
            return (Parcel(seconds(min(delays.exponential(self.mean_s), self.max_s)), envelope.payload),)

        links = (*DATA_LINKS, LinkName.REPLY) if self.replies else DATA_LINKS
        return tamper(injected, world, session, links, judge, self.when)
