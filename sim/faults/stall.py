"""The trader's process stands still: a collection of garbage, a machine that is moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import Ns
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import NOW_AND_THEN, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """During a strike the process does nothing; then everything that came meanwhile is there at once.

    Timers fire late, and commands that were decided on leave late.
    """

    kind: Literal["stall"] = "stall"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = NOW_AND_THEN
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(10.0, 300.0)}
    figures: ClassVar[tuple[str, ...]] = ("stalls",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `stalls`; a process that is down is not stalled."""
        injected = prepare(self, world, session, "stalls")

        def begin(_: Injected) -> None:
            process = session.process
            if process is not None and process.is_running:
                process.stall(Ns(injected.strike_ends_at - world.env.now))
                injected.counts["stalls"] += 1

        return launch(injected, world, begin, lambda _: None, session=session, when=self.when)
