"""The whole venue is down: no blocks, no connections, no answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import Feed, Reason
from sim.envelope import Envelope, Parcel
from sim.faults.base import REQUEST_LINKS, Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueDown:
    """Orders rest as they were. What is asked meanwhile is lost, what waited for a block is done in the next one.

    When it comes back the market is elsewhere, and everybody comes back at once. Not for recorded markets.
    """

    kind: Literal["venue_down"] = "venue_down"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 30.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 1_800.0)}
    figures: ClassVar[tuple[str, ...]] = ("outages", "lost")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts `outages`, and requests that were `lost` in them."""
        injected = prepare(self, world, session, "outages")

        def judge(_envelope: Envelope) -> tuple[Parcel, ...]:
            injected.counts["lost"] += 1
            return ()

        def begin(_: Injected) -> None:
            world.down += 1
            injected.counts["outages"] += 1
            for name in REQUEST_LINKS:
                session.links[name].tampers.append(judge)
            for feed in Feed:
                session.hold(feed)
                session.cut(feed, Reason.CLOSED_BY_VENUE)

        def end(_: Injected) -> None:
            world.down -= 1
            for name in REQUEST_LINKS:
                session.links[name].tampers.remove(judge)
            for feed in Feed:
                session.release(feed)

        return launch(injected, world, begin, end, session=session, when=self.when)
