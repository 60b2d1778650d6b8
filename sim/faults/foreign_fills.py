"""Somebody else trades on the account: its owner by hand, or another program with the same key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.commands import Place
from domain.events import Executed, Resting
from domain.units import USD, Cloid, InstrumentId, Px, Side, Sz, Tif
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import NOW_AND_THEN, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFills:
    """An order that the trader knows nothing of takes at the touch, or rests where it asks it to."""

    kind: Literal["foreign_fills"] = "foreign_fills"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = NOW_AND_THEN
    """When it strikes in that time."""
    usd: Annotated[float, Interval(gt=0, le=1e6)] = 200.0
    """Value of each order."""
    rests: bool = False
    """Whether it rests beside the touch, and the trader finds a stranger among its orders; or takes at once."""
    away_bps: Annotated[float, Interval(ge=0, le=1_000)] = 0.0
    """How far behind the touch one that rests stands, in bps."""
    instruments: tuple[InstrumentId, ...] = ()
    """Which ones; all of the scenario unless some are named."""

    ranges: ClassVar[Mapping[str, Range]] = {"usd": Range(20.0, 2_000.0)}
    figures: ClassVar[tuple[str, ...]] = ("orders", "filled")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `orders` of the other hand that were taken, and how many of them `filled` at once."""
        injected = prepare(self, world, session, "orders")
        hands, dice = world.venue.hands, injected.dice(world, "side")
        names = self.instruments or tuple(world.instruments)

        def trade() -> None:
            for name in names:
                place = self._order(world, name, Side.BUY if dice() < 0.5 else Side.SELL)  # noqa: PLR2004 - a coin
                result = None if place is None else hands.trade(session.account, place)
                injected.counts["orders"] += isinstance(result, Executed | Resting)
                injected.counts["filled"] += isinstance(result, Executed)

        def begin(_: Injected) -> None:
            hands.soon(trade)

        return launch(injected, world, begin, lambda _: None, session=session, when=self.when)

    def _order(self, world: World, name: InstrumentId, side: Side) -> Place | None:
        """An order at the far touch, or at the near one; None where the book has none."""
        book, instrument = world.liquidity[name], world.instruments[name]
        bid, ask = book.best_bid(), book.best_ask()
        if bid is None or ask is None:
            return None
        px = Px(bid if (side is Side.BUY) is self.rests else ask)
        if self.rests and self.away_bps:
            snap = instrument.snap_down if side is Side.BUY else instrument.snap_up
            px = snap(px * (1 - side * self.away_bps / 1e4))
        lots = Sz(max(round(self.usd * USD / px), -(-instrument.min_notional // px)))
        return Place(name, Cloid(""), side, px, lots, Tif.ALO if self.rests else Tif.IOC)
