"""Instruments stop trading for a while: no order is taken, nothing matches, and cancels work."""

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
class Halt:
    """Trading is halted for everybody, the crowd included. Not for recorded markets: those traded on."""

    kind: Literal["halt"] = "halt"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 30.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""
    cancels: bool = False
    """Whether the venue cancels the orders that rest, as where a market is settled."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 600.0)}
    figures: ClassVar[tuple[str, ...]] = ("halts", "refused", "cancelled")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts `halts` of an instrument, orders `refused` for it, and orders `cancelled` by the venue."""
        injected = prepare(self, world, session, "halts")
        names = self.instruments or tuple(world.instruments)

        def begin(_: Injected) -> None:
            for name in names:
                world.venue.halt(name, cancels=self.cancels)
                injected.counts["halts"] += 1

        def end(_: Injected) -> None:
            for name in names:
                world.venue.resume(name)

        def count(account: AccountId, update: OrderUpdate) -> None:
            if injected.is_striking and account == session.account and update.instrument in names:
                injected.counts["refused"] += update.reason is Reason.HALTED
                injected.counts["cancelled"] += update.reason is Reason.DELISTED

        world.venue.taps.on_update.append(count)
        return launch(injected, world, begin, end, session=session, when=self.when)
