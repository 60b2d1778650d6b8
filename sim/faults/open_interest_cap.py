"""The open interest of an instrument is at its cap: nobody may add to a position in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import Reason
from domain.units import InstrumentId
from sim.faults.base import Injected, Range, prepare, throw_switch
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInterestCap:
    """Orders that would add are rejected, those that reduce go; what rests already may trade."""

    kind: Literal["open_interest_cap"] = "open_interest_cap"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 1_800.0)}
    figures: ClassVar[tuple[str, ...]] = ("caps", "refused")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `caps` of an instrument, and orders of the trader `refused` for them."""
        injected = prepare(self, world, session, "caps")
        capped, names = world.venue.switches.capped, self.instruments or tuple(world.instruments)

        def hold(more: int) -> None:
            for name in names:
                capped[name] += more

        reason = Reason.OPEN_INTEREST
        return throw_switch(injected, world, session, self.when, hold=hold, reason=reason, names=names)
