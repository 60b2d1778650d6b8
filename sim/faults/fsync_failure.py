"""The disk of the trader's journal takes what is written and cannot promise to keep it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from sim.disk import Disk
from sim.faults.base import Injected, Range, prepare, trouble_disk
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class FsyncFailure:
    """During a strike every sync of the journal fails; a process that ended over it is started at the end."""

    kind: Literal["fsync_failure"] = "fsync_failure"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(0.1, 300.0)}
    figures: ClassVar[tuple[str, ...]] = ("failed", "restarts")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `failed` syncs, and `restarts` after one."""
        injected = prepare(self, world, session, "failed")

        def begin(disk: Disk) -> None:
            disk.sync_failures += 1

        def end(disk: Disk) -> None:
            disk.sync_failures -= 1

        return trouble_disk(injected, world, session, self.when, counts="sync_failed", begin=begin, end=end)
