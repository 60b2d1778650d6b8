"""Step 6 of the quote cycle: which actions make the orders of both sides serve their targets (QE-06)."""

from collections.abc import Iterable, Mapping, Sequence

from domain.instrument import Instrument
from domain.orders import InFlight, TrackedOrder
from domain.units import Cloid, Ns, Px, Side, to_bps
from orchestrator.budget.tiers import QuotaAwareConfig, band_factor
from orchestrator.desk.accumulator import ReconcileScope
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.desk.queue_places import QueuePlaces
from orchestrator.desk.quote_engine import Targets
from orchestrator.reconcile.band import (
    FULL,
    NO_BAND,
    Band,
    Claim,
    bands_of,
    claim_of,
    wider_latch,
)
from orchestrator.reconcile.base import NO_BANDS, NO_CLAIMS, Plan, is_served, reconcile
from orchestrator.reconcile.table import ReconcileConfig, Rules
from orchestrator.risk.position_limit import PositionLimit
from strategy.ladder import LadderLevel

NO_TARGETS: Sequence[LadderLevel] = ()


class Bands:
    """How far orders may stay from their targets in the market and with the allowance as they are."""

    def __init__(self, config: ReconcileConfig, quota: QuotaAwareConfig | None, market: Market) -> None:
        """Bands of each level where there are any, or the plain latch; ``quota``: how they widen as it shrinks."""
        tolerance = config.tolerance
        self.places = None if tolerance is None or not tolerance.asks_for_places else QueuePlaces()
        """Where our orders stand in their queues; None where nothing depends on it."""
        self._tolerance = tolerance
        self._latch = config.latch
        self._quota = quota
        self._market = market

    def of(self, targets: Targets, side: Side, headroom: float, widened: float = FULL) -> Mapping[Px, Band]:
        """Those of the targets of a side, by price, unless each has the plain latch as it is.

        ``headroom``: share of the allowance that is left; ``widened``: by how much risk has the half-spread wider.
        """
        mid, fee = self._market.mid, to_bps(targets.quote.fee)
        factor = FULL if self._quota is None else band_factor(headroom, self._quota)
        if mid is None:
            return NO_BANDS
        if self._tolerance is not None:
            half = to_bps(targets.quote.half_spread)
            return bands_of(targets.of(side), side, mid, half, fee, self._tolerance, factor, widened)
        if factor == FULL or self._latch == NO_BAND:
            return NO_BANDS
        return wider_latch(targets.of(side), side, mid, fee, self._latch, factor)

    def claims_of(self, targets: Targets, orders: Iterable[TrackedOrder]) -> Mapping[Cloid, Claim]:
        """What the places of our orders speak for; an order without a place that is known has no claim."""
        config, places = self._tolerance, self.places
        if config is None or places is None:
            return NO_CLAIMS
        half, mean_trade, claims = to_bps(targets.quote.half_spread), places.mean_trade, {}
        for order in orders:
            standing = places.of(order.cloid)
            if standing is not None:
                claims[order.cloid] = claim_of(*standing, mean_trade, half, config)
        return claims


class GridWatch:
    """Counts what the grid spares (CH-18, CH-34)."""

    def __init__(self, instrument: Instrument) -> None:
        """Nothing was wanted yet."""
        self.preserved = 0
        """Orders that stayed on their point while the formula's price went on to another legal one, over all cycles."""
        self._instrument = instrument
        self._wanted: dict[Side, Mapping[Px, Px]] = {side: {} for side in Side}
        """The legal price of the formula, by the point that stands for it."""

    def look(self, targets: Targets, side: Side, orders: Iterable[TrackedOrder]) -> None:
        """A side has new targets."""
        snap = self._instrument.snap_down if side is Side.BUY else self._instrument.snap_up
        before = self._wanted[side]
        self._wanted[side] = wanted = {level.px: snap(targets.raws[level.px]) for level in targets.of(side)}
        moved = {px for px, legal in wanted.items() if before.get(px, legal) != legal}
        if moved:
            resting = [o for o in orders if o.side is side and o.is_resting and o.in_flight is InFlight.NONE]
            self.preserved += sum(order.px in moved for order in resting)


class Planner:
    """Asks the reconciler about each side of one desk, and remembers what has to wait."""

    def __init__(
        self, rules: Rules, bands: Bands, tracker: OrderTracker, limit: PositionLimit, grid: GridWatch | None = None
    ) -> None:
        """Nothing waits; ``grid`` counts what a grid spares, where there is one."""
        self.retry_at: Ns | None = None
        """When the first modify may go that came too soon after the one before."""
        self._rules = rules
        self._bands = bands
        self._tracker = tracker
        self._limit = limit
        self.places = bands.places
        """Where our orders stand in their queues; None where nothing depends on it."""
        self.grid = grid
        self.untouched = 0
        """Cycles of both sides in which every order stood exactly at its target: nothing was compared (CH-16)."""
        self._latest = dict.fromkeys(Side, NO_BANDS)

    def latch_of(self, side: Side, px: Px) -> Band:
        """How far an order might stay from the target at a price in the latest cycle, whatever its place in a queue."""
        return self._latest[side].get(px, self._rules.latch)

    def plan(
        self, targets: Targets | None, scope: ReconcileScope, now: Ns, headroom: float, widened: float = FULL
    ) -> Plan:
        """A cycle that withdraws (no targets) touches both sides, whatever its scope; ``widened``: by risk."""
        plan = Plan()
        orders, reduces = self._tracker.orders.values(), self._limit.reduce_only
        if targets is None:
            for side in Side:
                reconcile(NO_TARGETS, orders, side, plan, self._rules, now, reduce_only=reduces)
        else:
            self._compare(targets, scope, plan, now, headroom, widened)
        if scope.is_full or self.retry_at is None:
            self.retry_at = plan.retry_at
        return plan

    def _compare(
        self, targets: Targets, scope: ReconcileScope, plan: Plan, now: Ns, headroom: float, widened: float
    ) -> None:
        orders, reduces, rules = self._tracker.orders.values(), self._limit.reduce_only, self._rules
        claims = None
        for side in Side:
            if not scope.includes(side):
                continue
            wanted = targets.of(side)
            self._latest[side] = bands = self._bands.of(targets, side, headroom, widened)
            if self.grid is not None:
                self.grid.look(targets, side, orders)
            if is_served(wanted, orders, side, rules, reduce_only=reduces):
                plan.kept += len(wanted)
                continue
            if claims is None:
                claims = self._bands.claims_of(targets, orders)
            reconcile(wanted, orders, side, plan, rules, now, bands, claims, reduce_only=reduces)
        self.untouched += scope.is_full and plan.kept > 0 and claims is None

    def take_retry(self, now: Ns) -> bool:
        """Whether a modify that had to wait may go now; said once."""
        if self.retry_at is None or now < self.retry_at:
            return False
        self.retry_at = None
        return True
