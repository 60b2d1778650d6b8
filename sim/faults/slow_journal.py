"""The disk of the trader's journal is slow: a decision waits until its record is safe, and the trader with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import millis
from sim.disk import Disk
from sim.faults.base import Injected, Range, prepare, trouble_disk
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowJournal:
    """During a strike each sync of the journal takes this much longer."""

    kind: Literal["slow_journal"] = "slow_journal"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    sync_ms: Annotated[float, Interval(gt=0, le=60_000)] = 100.0
    """How much longer."""

    ranges: ClassVar[Mapping[str, Range]] = {"sync_ms": Range(1.0, 5_000.0)}
    figures: ClassVar[tuple[str, ...]] = ("slow", "restarts")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `slow` syncs, and `restarts` of a process that ended meanwhile."""
        injected = prepare(self, world, session, "slow")
        longer = millis(self.sync_ms)

        def begin(disk: Disk) -> None:
            disk.sync_times.append(longer)

        def end(disk: Disk) -> None:
            disk.sync_times.remove(longer)

        return trouble_disk(injected, world, session, self.when, counts="slow", begin=begin, end=end)
