"""Somebody else holds the trader's journal for a while: a backup, a scanner, another process of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import Ns
from sim.disk import Disk
from sim.faults.base import Injected, Range, prepare, trouble_disk
from sim.faults.timing import NOW_AND_THEN, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLocked:
    """Whatever is written to the journal during a strike is done when the strike ends, and the trader waits for it."""

    kind: Literal["journal_locked"] = "journal_locked"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = NOW_AND_THEN
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(1.0, 300.0)}
    figures: ClassVar[tuple[str, ...]] = ("waits", "restarts")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `waits` for the lock, and `restarts` after one that was too long."""
        injected = prepare(self, world, session, "waits")

        def begin(disk: Disk) -> None:
            disk.locked_until = Ns(max(disk.locked_until, injected.strike_ends_at))

        return trouble_disk(injected, world, session, self.when, counts="locked", begin=begin, end=lambda _: None)
