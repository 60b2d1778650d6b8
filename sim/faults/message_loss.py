"""Messages of some channels are lost while the connection looks sound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.events import ChannelKind
from sim.envelope import Envelope, Parcel
from sim.faults.base import DATA_LINKS, Injected, Range, is_chosen, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLoss:
    """Published data vanish: there is no gap marker and no sequence number, so only their effects can tell.

    With market channels and a share of 1 it is a gap in the data, or a frozen book; with user channels, fills and
    statuses that nobody hears of.
    """

    kind: Literal["message_loss"] = "message_loss"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    channels: Annotated[tuple[ChannelKind, ...], MinLen(1)] = (ChannelKind.ORDER_UPDATES, ChannelKind.FILLS)
    """Which channels lose messages."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of their messages that is lost."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.005, 1.0)}
    figures: ClassVar[tuple[str, ...]] = ("lost", *ChannelKind)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `lost` in all, and each channel's part by its name."""
        injected = prepare(self, world, session, "lost")
        dice = injected.dice(world, "lost")

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            if not is_chosen(envelope, self.channels, dice, self.share, injected.counts, "lost"):
                return None
            return ()

        return tamper(injected, world, session, DATA_LINKS, judge, self.when)
