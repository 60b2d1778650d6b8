"""The price jumps, here and everywhere else: news, a flash crash, somebody's liquidation."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log1p
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import Fill
from domain.units import AccountId, Frac, InstrumentId, to_bps
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.flow.synthetic import SyntheticFlow
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceShock:
    """The fair price of a synthetic market jumps at the begin of a strike. A record can not be moved."""

    kind: Literal["price_shock"] = "price_shock"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    move_bps: Annotated[float, Interval(ge=-5_000, le=5_000)] = -200.0
    """By how much; below zero it falls."""
    returns: Annotated[float, Interval(ge=0, le=1)] = 0.0
    """Share of the jump that is taken back at the end of the strike: 1 is a flash crash."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "duration_s": Range(0.2, 60.0),
        "move_bps": Range(-300.0, 300.0, is_log=False),
        "returns": Range(0.0, 1.0, is_log=False),
    }
    figures: ClassVar[tuple[str, ...]] = ("jumps", "liquidated")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts `jumps` of an instrument, and forced fills of the account (`liquidated`) from then on."""
        injected = prepare(self, world, session, "jumps")
        names = self.instruments or tuple(world.instruments)
        there = to_bps(Frac(log1p(self.move_bps * 1e-4)))

        def move(bps: float) -> int:
            flows = [flow for name in names if isinstance(flow := world.flows.get(name), SyntheticFlow)]
            for flow in flows:
                flow.jump(bps)
            return len(flows)

        def begin(_: Injected) -> None:
            injected.counts["jumps"] += move(there)

        def end(_: Injected) -> None:
            move(-there * self.returns)

        def count(account: AccountId, fill: Fill) -> None:
            injected.counts["liquidated"] += account == session.account and fill.liquidation is not None

        world.venue.taps.on_fill.append(count)
        return launch(injected, world, begin, end, session=session, when=self.when)
