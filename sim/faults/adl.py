"""Auto-deleveraging: the loss of somebody else has no other taker, and our position is closed against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import InstrumentId
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import AFTER_FILLS, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Adl:
    """A share of each position is closed at the mark, without fees, by a fill that says so; only of those in profit."""

    kind: Literal["adl"] = "adl"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = AFTER_FILLS
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of each position that is closed, rounded up to a whole lot."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.1, 1.0, is_log=False)}
    figures: ClassVar[tuple[str, ...]] = ("closed",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `closed` positions, wholly or in part."""
        injected = prepare(self, world, session, "closed")
        hands = world.venue.hands
        names = self.instruments or tuple(world.instruments)

        def close() -> None:
            closed = sum(bool(hands.deleverage(session.account, name, self.share)) for name in names)
            injected.counts["closed"] += closed
            if not closed and injected.is_striking:
                hands.soon(close)  # nobody who has not gained is chosen: it waits for a better price

        def begin(_: Injected) -> None:
            hands.soon(close)

        return launch(injected, world, begin, lambda _: None, session=session, when=self.when)
