"""Maintenance: for a while the venue takes cancels and nothing else."""

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
class CancelOnly:
    """No order is taken from anybody, so nothing trades; a modify loses its old order and gets no new one."""

    kind: Literal["cancel_only"] = "cancel_only"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 1_800.0)}
    figures: ClassVar[tuple[str, ...]] = ("windows", "refused")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts `windows`, and orders of the trader `refused` in them."""
        injected = prepare(self, world, session, "windows")
        switches = world.venue.switches

        def hold(more: int) -> None:
            switches.cancel_only += more

        return throw_switch(injected, world, session, self.when, hold=hold, reason=Reason.CANCEL_ONLY)
