"""The venue refuses what should reduce a position by resting, as if it would add to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import Reason
from sim.faults.base import Injected, Range, prepare, throw_switch
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceRefused:
    """Reduce-only orders that would rest are turned away; those that take are not (as reported of several venues)."""

    kind: Literal["reduce_refused"] = "reduce_refused"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 600.0)}
    figures: ClassVar[tuple[str, ...]] = ("windows", "refused")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `windows`, and orders of the trader `refused` in them."""
        injected = prepare(self, world, session, "windows")
        switches = world.venue.switches

        def hold(more: int) -> None:
            switches.no_reduce_only += more

        return throw_switch(injected, world, session, self.when, hold=hold, reason=Reason.REDUCE_ONLY_WOULD_INCREASE)
