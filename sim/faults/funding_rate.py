"""Funding goes to an extreme: longs pay shorts, or the other way round, as much as the venue allows."""

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
class FundingRate:
    """The rate that accrues is dictated while it strikes; it is paid where an interval ends in that time."""

    kind: Literal["funding_rate"] = "funding_rate"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    per_hour_pct: Annotated[float, Interval(ge=-4, le=4)] = 4.0
    """Rate of an hour in percent; below zero shorts pay. The venue's cap is 4."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "per_hour_pct": Range(-4.0, 4.0, is_log=False),
        "duration_s": Range(60.0, 3_600.0),
    }
    figures: ClassVar[tuple[str, ...]] = ("rates", "payments")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `rates` that were dictated, and `payments` to or from the account."""
        injected = prepare(self, world, session, "rates")
        venue, names = world.venue, self.instruments or tuple(world.instruments)
        rate = self.per_hour_pct / 100
        account = venue.accounts[session.account]
        before: dict[InstrumentId, int] = {}

        def begin(_: Injected) -> None:
            before.update(account.transfers)
            for name in names:
                injected.counts["rates"] += venue.hands.dictate_funding(name, rate, injected)

        def end(_: Injected) -> None:
            for name in names:
                venue.hands.free_funding(name, injected)

        def count(_block: int, _now: int) -> None:
            if injected.is_striking and account.transfers != before:
                injected.counts["payments"] += 1
                before.update(account.transfers)

        world.on_block.append(count)
        return launch(injected, world, begin, end, session=session, when=self.when)
