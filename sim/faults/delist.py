"""Instruments are delisted: orders are cancelled, positions closed at the mark, and nothing trades any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import InstrumentId
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Delist:
    """At the end of a strike they are listed again, so that the market can heal. Not for recorded markets."""

    kind: Literal["delist"] = "delist"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 600.0)}
    figures: ClassVar[tuple[str, ...]] = ("delisted", "settled")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts `delisted` instruments, and positions of all accounts that were `settled`."""
        injected = prepare(self, world, session, "delisted")
        venue, names = world.venue, self.instruments or tuple(world.instruments)

        def settle() -> None:
            for name in names:
                injected.counts["settled"] += venue.hands.settle(name)

        def begin(_: Injected) -> None:
            for name in names:
                venue.halt(name)
                injected.counts["delisted"] += 1
            venue.hands.soon(settle)

        def end(_: Injected) -> None:
            for name in names:
                venue.resume(name)

        return launch(injected, world, begin, end, session=session, when=self.when)
