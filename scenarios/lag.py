"""How far resting orders lag behind what the strategy wants, and whether they keep their places.

Measured from outside: prices are those that the venue holds, what was sent is what left the trader, and the mid is not
smoothed. Only what the strategy wanted, and how far it let an order lag, is the trader's own word.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple, Protocol

from domain.commands import AnyAction, AnyCommand, Cancel, Modify, Request
from domain.events import Level
from domain.instrument import Instrument
from domain.orders import Certainty, InFlight, TrackedOrder
from domain.units import Bps, Cloid, InstrumentId, Ns, Oid, Px, Side, Sz, Tif
from strategy.ladder import LadderLevel

BPS = 1e4
BASELINE_LATCH = Bps(1.0)
"""The plain rule replaces an order that is further than this from every target of its side."""
PLACES_KEPT = 50_000
"""Most errors of places that are looked at."""


class BandView(Protocol):
    """How far an order may stay from its target, in bps."""

    @property
    def away(self) -> Bps:
        """Away from the market."""
        ...

    @property
    def toward(self) -> Bps:
        """Toward the market."""
        ...


class TargetsView(Protocol):
    """What a desk wants to have on the book."""

    @property
    def raws(self) -> Mapping[Px, float]:
        """What each level stands for, before grid and tick."""
        ...

    def of(self, side: Side) -> Sequence[LadderLevel]:
        """The levels of one side, best first."""
        ...


class PlacesView(Protocol):
    """Where a desk takes its orders to stand in their queues."""

    def of(self, cloid: Cloid) -> tuple[Sz, Sz] | None:
        """Lots ahead and lots of the level; None where that is not known."""
        ...


class PlannerView(Protocol):
    """The part of a desk that decides which orders stay."""

    @property
    def places(self) -> PlacesView | None:
        """None where nothing depends on them."""
        ...

    def latch_of(self, side: Side, px: Px) -> BandView:
        """How far an order might stay from the target at a price in the latest cycle."""
        ...


class OrdersView(Protocol):
    """A desk's orders."""

    @property
    def orders(self) -> Mapping[Cloid, TrackedOrder]:
        """Live or unsettled."""
        ...


class TopView(Protocol):
    """The market as the desk has it."""

    bid: Level | None
    ask: Level | None


class CycledDesk(Protocol):
    """One instrument of the trader, after a quote cycle."""

    @property
    def targets(self) -> TargetsView | None:
        """What it wants; None: nothing."""
        ...

    @property
    def planner(self) -> PlannerView:
        """What decided which orders stay."""
        ...

    @property
    def tracker(self) -> OrdersView:
        """Its orders."""
        ...

    @property
    def market(self) -> TopView:
        """Its market."""
        ...


class RestingOrder(Protocol):
    """What of ours the venue holds."""

    @property
    def instrument(self) -> InstrumentId:
        """Where it rests."""
        ...

    @property
    def side(self) -> Side:
        """On which side."""
        ...

    @property
    def px(self) -> Px:
        """At which price."""
        ...


class PlaceTruth(Protocol):
    """The venue's queues."""

    def place_of(self, instrument: InstrumentId, oid: Oid) -> tuple[Sz, Sz] | None:
        """Lots ahead of an order of ours and lots of its level; None where it does not rest."""
        ...


@dataclass(slots=True)
class LagFigures:
    """What `Metrics` says of it under the same names."""

    quote_error_bps: float | None
    quote_error_beyond_bps: float | None
    queue_kept_share: float | None
    edge_least_bps: float | None
    queue_place_error: float | None
    queue_place_unknown_share: float | None


class _Level(NamedTuple):
    """What one target stands for."""

    raw: float
    """Its price before grid and tick, in ticks."""
    latch: BandView
    """How far an order might stay from it."""

    def error_of(self, side: Side, px: Px) -> tuple[float, float]:
        """How far a price is from it, in bps, and what of that exceeds the latch of that direction."""
        toward = side * (px - self.raw) / self.raw * BPS
        off, latch = (toward, self.latch.toward) if toward > 0 else (-toward, self.latch.away)
        return off, max(off - latch, 0.0)


class _Wanted:
    """What one desk wants, and what of ours rests there."""

    __slots__ = ("instrument", "levels", "resting")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.levels: dict[Side, list[_Level]] = {side: [] for side in Side}
        """Best first."""
        self.resting: dict[Side, list[Px]] = {side: [] for side in Side}
        """Best first."""

    def errors(self) -> tuple[int, float, float]:
        """Orders that have a target, the sum of their distances in bps, and of what exceeds the latch."""
        n, total, beyond = 0, 0.0, 0.0
        for side in Side:
            prices, levels = self.resting[side], self.levels[side]
            off, excess = _least_error(side, prices, levels)
            n, total, beyond = n + min(len(prices), len(levels)), total + off, beyond + excess
        return n, total, beyond

    def is_where_wanted(self, order: TrackedOrder) -> bool:
        """Whether the plain rule would leave an order: at a target's own legal price, or next to it."""
        snap = self.instrument.snap_down if order.side is Side.BUY else self.instrument.snap_up
        prices = [snap(level.raw) for level in self.levels[order.side]]
        return any(abs(order.px - px) <= px * BASELINE_LATCH / BPS for px in prices)


class Lag:
    """One trader's, over all its lives, up to the shutdown."""

    def __init__(self, truth: PlaceTruth, instruments: Mapping[InstrumentId, Instrument]) -> None:
        """Nothing is wanted, and nothing rests."""
        self._truth = truth
        self._wanted = {name: _Wanted(instrument) for name, instrument in instruments.items()}
        self._present = (0, 0.0, 0.0)
        """Orders that have a target, and their errors, as they stand."""
        self._measured_to = Ns(0)
        self._weight = 0
        """Orders times nanoseconds."""
        self._error = self._beyond = 0.0
        self._would_move = self._kept = 0
        self._least: float | None = None
        self._errors: list[float] = []
        self._unknown = self._asked = 0
        self._is_stopped = False

    # --- what happens ---------------------------------------------------------------------------

    def on_block(self, resting: Mapping[Oid, RestingOrder] | None, now: Ns) -> None:
        """After a block of the venue; ``resting``: all of ours, None where nothing of ours changed in it."""
        self._measure_to(now)
        if resting is None:
            return
        for name, wanted in self._wanted.items():
            for side in Side:
                prices = [order.px for order in resting.values() if order.instrument == name and order.side is side]
                wanted.resting[side] = sorted(prices, reverse=side is Side.BUY)
        self._compare()

    def on_cycle(
        self, name: InstrumentId, desk: CycledDesk, commands: Sequence[AnyCommand], now: Ns, *, is_full: bool
    ) -> None:
        """A quote cycle ran, and this is what was decided; ``is_full``: it looked at both sides."""
        if self._is_stopped:
            return
        self._measure_to(now)
        targets = desk.targets
        wanted = self._wanted[name]
        for side in Side:
            wanted.levels[side] = [] if targets is None else _levels(targets, desk.planner, side)
        self._compare()
        if targets is None or not is_full:
            return
        touched = {_old(action) for command in commands if isinstance(command, Request) for action in command.actions}
        self._look_at_orders(desk, wanted, touched)
        if desk.planner.places is not None:
            self._look_at_places(name, desk.planner.places, desk.tracker.orders)

    def on_death(self, now: Ns) -> None:
        """The trader's process is not there: nobody wants anything until the next one does."""
        self._measure_to(now)
        for wanted in self._wanted.values():
            wanted.levels = {side: [] for side in Side}
        self._compare()

    def on_stop(self, now: Ns) -> None:
        """The orderly shutdown begins."""
        if not self._is_stopped:
            self._measure_to(now)
            self._is_stopped = True

    def figures(self) -> LagFigures:
        """All of it."""
        weight = self._weight
        return LagFigures(
            quote_error_bps=self._error / weight if weight else None,
            quote_error_beyond_bps=self._beyond / weight if weight else None,
            queue_kept_share=self._kept / self._would_move if self._would_move else None,
            edge_least_bps=self._least,
            queue_place_error=median(self._errors) if self._errors else None,
            queue_place_unknown_share=self._unknown / self._asked if self._asked else None,
        )

    # --- inside ---------------------------------------------------------------------------------

    def _measure_to(self, now: Ns) -> None:
        """Sum up what stood since the last look."""
        spent, self._measured_to = now - self._measured_to, now
        if self._is_stopped or spent <= 0:
            return
        n, total, beyond = self._present
        self._weight += n * spent
        self._error += total * spent
        self._beyond += beyond * spent

    def _compare(self) -> None:
        """Something has changed."""
        n, total, beyond = 0, 0.0, 0.0
        for wanted in self._wanted.values():
            more, error, excess = wanted.errors()
            n, total, beyond = n + more, total + error, beyond + excess
        self._present = (n, total, beyond)

    def _look_at_orders(self, desk: CycledDesk, wanted: _Wanted, touched: Collection[Cloid | None]) -> None:
        bid, ask = desk.market.bid, desk.market.ask
        mid = None if bid is None or ask is None else (bid[0] + ask[0]) / 2
        for order in desk.tracker.orders.values():
            is_touched = order.cloid in touched
            if not (is_touched or is_free(order)):
                continue
            if wanted.levels[order.side] and not wanted.is_where_wanted(order):
                self._would_move += 1
                self._kept += not is_touched
            if not is_touched and mid is not None:
                edge = edge_of(order.side, order.px, mid)
                self._least = edge if self._least is None else min(self._least, edge)

    def _look_at_places(self, name: InstrumentId, places: PlacesView, orders: Mapping[Cloid, TrackedOrder]) -> None:
        for order in orders.values():
            truth = None if order.oid is None or not is_free(order) else self._truth.place_of(name, order.oid)
            if truth is None or self._asked >= PLACES_KEPT:
                continue
            self._asked += 1
            ahead, level = truth
            told = places.of(order.cloid)
            if told is None:
                self._unknown += 1
            else:
                self._errors.append(abs(told[0] - ahead) / level)


def edge_of(side: Side, px: int, mid: float) -> Bps:
    """What a fill at a price earns against the mid, in bps, the fee not taken off; the trader's own formula aside."""
    return Bps(side * (mid - px) / mid * BPS)


def is_free(order: TrackedOrder) -> bool:
    """Whether it rests, as far as its trader knows, and nothing that was asked about it is open."""
    is_clear = order.in_flight is InFlight.NONE and order.certainty is Certainty.KNOWN
    return is_clear and order.is_resting and order.tif is not Tif.IOC


def _levels(targets: TargetsView, planner: PlannerView, side: Side) -> list[_Level]:
    return [_Level(targets.raws[level.px], planner.latch_of(side, level.px)) for level in targets.of(side)]


def _least_error(side: Side, prices: Sequence[Px], levels: Sequence[_Level]) -> tuple[float, float]:
    """Distances of orders from their targets, and what exceeds the latches: sums in bps, both lists best first.

    Each of the fewer ones has a partner of its own, none of them crosswise, so that all distances together are least:
    an order that is gone leaves its target without one, and not all that are further out a level off.
    """
    are_more_levels = len(levels) >= len(prices)
    few, gap = min(len(prices), len(levels)), abs(len(prices) - len(levels))
    least = [(0.0, 0.0)] * (gap + 1)
    """By how many of the longer list were passed over."""
    for i in range(few):
        for passed in range(gap + 1):
            px, level = (prices[i], levels[i + passed]) if are_more_levels else (prices[i + passed], levels[i])
            off, beyond = level.error_of(side, px)
            paired = (least[passed][0] + off, least[passed][1] + beyond)
            least[passed] = min(paired, least[passed - 1]) if passed else paired
    return least[gap]


def _old(action: AnyAction) -> Cloid | None:
    """The order that loses its place by it; None: there is none."""
    return action.cloid if isinstance(action, Cancel | Modify) else None
