"""Somebody sets another leverage: the owner for the account, or the venue for an instrument."""

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
class LeverageChange:
    """Less of it makes the same position tie up more money; positions need margin, or nothing changes."""

    kind: Literal["leverage_change"] = "leverage_change"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    leverage: Annotated[int, Interval(ge=1, le=100)] = 2
    """What the account has from then on, in all instruments."""
    most: Annotated[int, Interval(ge=1, le=100)] | None = None
    """What the venue allows from then on at most; off: what it did."""
    instruments: tuple[InstrumentId, ...] = ()
    """Where `most` changes; in all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {"leverage": Range(1, 10), "duration_s": Range(2.0, 600.0)}
    figures: ClassVar[tuple[str, ...]] = ("changes",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `changes`, of the account's terms and of instruments."""
        injected = prepare(self, world, session, "changes")
        hands, names = world.venue.hands, self.instruments or tuple(world.instruments)

        def begin(_: Injected) -> None:
            injected.counts["changes"] += hands.choose_leverage(session.account, self.leverage, injected)
            if self.most is not None:
                for name in names:
                    hands.allow_leverage(name, self.most, injected)
                    injected.counts["changes"] += 1

        def end(_: Injected) -> None:
            hands.give_back_leverage(session.account, injected)
            if self.most is not None:
                for name in names:
                    hands.list_again(name, injected)

        return launch(injected, world, begin, end, session=session, when=self.when)
