"""Step 6 of the quote cycle: which actions make the orders of both sides serve their targets (QE-06)."""

from collections.abc import Mapping, Sequence

from domain.units import Ns, Px, Side, to_bps
from orchestrator.budget.tiers import QuotaAwareConfig, band_factor
from orchestrator.desk.accumulator import ReconcileScope
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.desk.quote_engine import Targets
from orchestrator.reconcile.band import FULL, Band, ToleranceConfig, bands_of
from orchestrator.reconcile.base import NO_BANDS, Plan, reconcile
from orchestrator.reconcile.table import Rules
from orchestrator.risk.position_limit import PositionLimit
from strategy.ladder import LadderLevel

NO_TARGETS: Sequence[LadderLevel] = ()


class Bands:
    """How far orders may stay from their targets in the market and with the allowance as they are."""

    def __init__(self, config: ToleranceConfig | None, quota: QuotaAwareConfig | None, market: Market) -> None:
        """Without ``config`` no level has a band of its own; ``quota``: how they widen as the allowance shrinks."""
        self._config = config
        self._quota = quota
        self._market = market

    def of(self, targets: Targets, side: Side, headroom: float) -> Mapping[Px, Band]:
        """Those of the targets of a side, by price; ``headroom``: share of the allowance that is left."""
        mid = self._market.mid
        if self._config is None or mid is None:
            return NO_BANDS
        half, fee = to_bps(targets.quote.half_spread), to_bps(targets.quote.fee)
        factor = FULL if self._quota is None else band_factor(headroom, self._quota)
        return bands_of(targets.of(side), side, mid, half, fee, self._config, factor)


class Planner:
    """Asks the reconciler about each side of one desk, and remembers what has to wait."""

    def __init__(self, rules: Rules, bands: Bands, tracker: OrderTracker, limit: PositionLimit) -> None:
        """Nothing waits."""
        self.retry_at: Ns | None = None
        """When the first modify may go that came too soon after the one before."""
        self._rules = rules
        self._bands = bands
        self._tracker = tracker
        self._limit = limit

    def plan(self, targets: Targets | None, scope: ReconcileScope, now: Ns, headroom: float) -> Plan:
        """A cycle that withdraws (no targets) touches both sides, whatever its scope."""
        plan = Plan()
        orders, reduces = self._tracker.orders.values(), self._limit.reduce_only
        for side in Side:
            if targets is None:
                reconcile(NO_TARGETS, orders, side, plan, self._rules, now, reduce_only=reduces)
            elif scope.includes(side):
                bands = self._bands.of(targets, side, headroom)
                reconcile(targets.of(side), orders, side, plan, self._rules, now, bands, reduce_only=reduces)
        if scope.is_full or self.retry_at is None:
            self.retry_at = plan.retry_at
        return plan

    def take_retry(self, now: Ns) -> bool:
        """Whether a modify that had to wait may go now; said once."""
        if self.retry_at is None or now < self.retry_at:
            return False
        self.retry_at = None
        return True
