"""The owner pays money into the account, or takes some out, while the trader trades."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import USD, Usd
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import NOW_AND_THEN, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerTransfers:
    """Money that is nobody's profit: it must not be booked as one. Out goes no more than positions leave free."""

    kind: Literal["owner_transfers"] = "owner_transfers"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = NOW_AND_THEN
    """When it strikes in that time."""
    usd: Annotated[float, Interval(ge=-1e9, le=1e9)] = -1_000.0
    """What is paid in each time; negative is taken out."""

    ranges: ClassVar[Mapping[str, Range]] = {"usd": Range(-10_000.0, 10_000.0, is_log=False)}
    figures: ClassVar[tuple[str, ...]] = ("transfers",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `transfers`, those that found nothing free not counted."""
        injected = prepare(self, world, session, "transfers")
        hands, amount = world.venue.hands, Usd(round(self.usd * USD))

        def move() -> None:
            injected.counts["transfers"] += bool(hands.deposit(session.account, amount))

        def begin(_: Injected) -> None:
            hands.soon(move)

        return launch(injected, world, begin, lambda _: None, session=session, when=self.when)
