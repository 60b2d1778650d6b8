"""The disk of the trader's journal is full; then somebody makes room."""

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
class JournalFull:
    """During a strike only so many bytes more fit on the disk; a process that ended over it is started at the end."""

    kind: Literal["journal_full"] = "journal_full"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    room_kb: Annotated[float, Interval(ge=0, le=1e6)] = 10.0
    """What still fits when a strike begins, in thousands of bytes."""

    ranges: ClassVar[Mapping[str, Range]] = {"room_kb": Range(0.001, 1_000.0), "duration_s": Range(1.0, 300.0)}
    figures: ClassVar[tuple[str, ...]] = ("refused", "restarts")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `refused` writes, and `restarts` after one."""
        injected = prepare(self, world, session, "refused")
        is_ours = False

        def begin(disk: Disk) -> None:
            nonlocal is_ours
            is_ours = disk.room is None
            if is_ours:
                disk.room = round(self.room_kb * 1_000)

        def end(disk: Disk) -> None:
            if is_ours:
                disk.room = None

        return trouble_disk(injected, world, session, self.when, counts="full", begin=begin, end=end)
