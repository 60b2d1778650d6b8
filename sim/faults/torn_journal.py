"""The power fails: the process dies, and with it what its journal had not made safe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from sim.faults.base import Injected, Range, prepare
from sim.faults.crash import die_and_return
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Process, Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class TornJournal:
    """Like a crash, but the end of the journal is lost: everything since the last sync, or a part that ends anywhere.

    A record may be torn. What the process had taken in and decided since then it did for nobody; what had left by
    then has arrived.
    """

    kind: Literal["torn_journal"] = "torn_journal"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    kept_min: Annotated[float, Interval(ge=0, le=1)] = 0.0
    """Smallest share of those bytes that is found again."""
    kept_max: Annotated[float, Interval(ge=0, le=1)] = 1.0
    """Largest share of them; what it is, is evenly drawn for each strike."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "duration_s": Range(0.1, 300.0),
        "kept_max": Range(0.0, 1.0, is_log=False),
    }
    figures: ClassVar[tuple[str, ...]] = ("torn", "lost_bytes", "crashes", "resting")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `torn` journals that lost something, `lost_bytes`, `crashes`, and orders left `resting` at those."""
        injected = prepare(self, world, session, "torn")
        dice = injected.dice(world, "kept")

        def tear(process: Process) -> None:
            if process.disk is not None:
                lost = process.disk.cut_power(self.kept_min + (self.kept_max - self.kept_min) * dice())
                injected.counts["torn"] += lost > 0
                injected.counts["lost_bytes"] += lost

        return die_and_return(injected, world, session, self.when, tear)
