"""The trader's process is slow: everything that it does takes many times as long."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowHandler:
    """Thinking takes `factor` times as long, so that events queue and each decision is late."""

    kind: Literal["slow_handler"] = "slow_handler"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    factor: Annotated[float, Interval(ge=1, le=10_000)] = 20.0
    """What the thinking time is multiplied by."""

    ranges: ClassVar[Mapping[str, Range]] = {"factor": Range(2.0, 50.0)}
    figures: ClassVar[tuple[str, ...]] = ("windows",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `windows` in which it was slow."""
        injected = prepare(self, world, session, "windows")

        def begin(_: Injected) -> None:
            if session.process is not None:
                session.process.slowdowns.append(self.factor)
                injected.counts["windows"] += 1

        def end(_: Injected) -> None:
            if session.process is not None:
                session.process.slowdowns.remove(self.factor)

        return launch(injected, world, begin, end, session=session, when=self.when)
