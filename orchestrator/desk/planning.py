"""Step 6 of the quote cycle: which actions make the orders of both sides serve their targets (QE-06)."""

from collections.abc import Mapping, Sequence

from domain.units import Ns, Px, Side, to_bps
from orchestrator.desk.accumulator import ReconcileScope
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.desk.quote_engine import Targets
from orchestrator.reconcile.band import Band, bands_of
from orchestrator.reconcile.base import NO_BANDS, Plan, reconcile
from orchestrator.reconcile.table import ReconcileConfig, Rules
from orchestrator.risk.position_limit import PositionLimit
from strategy.ladder import LadderLevel

NO_TARGETS: Sequence[LadderLevel] = ()


class Planner:
    """Asks the reconciler about each side of one desk, and remembers what has to wait."""

    def __init__(
        self,
        config: ReconcileConfig,
        size_tolerance: float,
        tracker: OrderTracker,
        limit: PositionLimit,
        market: Market,
    ) -> None:
        """Nothing waits."""
        self.retry_at: Ns | None = None
        """When the first modify may go that came too soon after the one before."""
        self._rules = Rules.of(config, size_tolerance)
        self._tolerance = config.tolerance
        self._tracker = tracker
        self._market = market
        self._limit = limit

    def plan(self, targets: Targets | None, scope: ReconcileScope, now: Ns) -> Plan:
        """A cycle that withdraws (no targets) touches both sides, whatever its scope."""
        plan = Plan()
        orders, reduces = self._tracker.orders.values(), self._limit.reduce_only
        for side in Side:
            if targets is not None and not scope.includes(side):
                continue
            wanted = NO_TARGETS if targets is None else targets.of(side)
            bands = self._bands(targets, side)
            reconcile(wanted, orders, side, plan, self._rules, now, bands, reduce_only=reduces)
        if scope.is_full or self.retry_at is None:
            self.retry_at = plan.retry_at
        return plan

    def _bands(self, targets: Targets | None, side: Side) -> Mapping[Px, Band]:
        """How far orders may stay from the targets of a side, where each level has a band of its own."""
        mid = self._market.mid
        if self._tolerance is None or targets is None or mid is None:
            return NO_BANDS
        quote = targets.quote
        half, fee = to_bps(quote.half_spread), to_bps(quote.fee)
        return bands_of(targets.of(side), side, mid, half, fee, self._tolerance)

    def take_retry(self, now: Ns) -> bool:
        """Whether a modify that had to wait may go now; said once."""
        if self.retry_at is None or now < self.retry_at:
            return False
        self.retry_at = None
        return True
