"""The venue makes its ticks or lots wider, and nobody has told us."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import OrderUpdate, Reason
from domain.units import AccountId, InstrumentId
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class TickChange:
    """Prices between two of the wider ticks are rejected one by one, sizes between two lots as whole requests."""

    kind: Literal["tick_change"] = "tick_change"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    px_step: Annotated[int, Interval(ge=1, le=1_000)] = 10
    """Ticks of the price grid of which prices must be a multiple from then on."""
    sz_step: Annotated[int, Interval(ge=1, le=1_000)] = 1
    """The same for sizes, in lots."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "px_step": Range(2, 100),
        "sz_step": Range(1, 100),
        "duration_s": Range(2.0, 600.0),
    }
    figures: ClassVar[tuple[str, ...]] = ("changes", "refused")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `changes` of an instrument, and orders `refused` for their price."""
        injected = prepare(self, world, session, "changes")
        hands, names = world.venue.hands, self.instruments or tuple(world.instruments)

        def begin(_: Injected) -> None:
            for name in names:
                hands.widen(name, self.px_step, self.sz_step)
                injected.counts["changes"] += 1

        def end(_: Injected) -> None:
            for name in names:
                hands.narrow(name, self.px_step, self.sz_step)

        def count(account: AccountId, update: OrderUpdate) -> None:
            if injected.is_striking and account == session.account and update.instrument in names:
                injected.counts["refused"] += update.reason is Reason.OFF_TICK

        world.venue.taps.on_update.append(count)
        return launch(injected, world, begin, end, session=session, when=self.when)
