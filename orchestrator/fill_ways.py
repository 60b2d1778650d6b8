"""Where a fill goes, whatever way it came: position and money, its order, the quotes, those that only look on."""

from collections.abc import Mapping

from domain.events import Fill
from domain.units import InstrumentId, Ns, Usd
from orchestrator.budget.proactive import ProactiveRateTracker
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor, Priority
from orchestrator.risk.watch import RiskWatch
from orchestrator.sync.foreign import ForeignHand
from orchestrator.sync.startup import StartUp
from orchestrator.sync.strangers import Strangers
from orchestrator.sync.watch import SyncWatch


class FillWays:
    """The consumers of one account's fills, in the order of their priorities."""

    def __init__(
        self,
        fills: FillProcessor,
        desks: Mapping[InstrumentId, Desk],
        budget: ProactiveRateTracker | None,
        risk: RiskWatch,
        start_up: StartUp,
        sync: SyncWatch,
        foreign: ForeignHand | None,
    ) -> None:
        """Subscribe to all fills behind the deduplicator."""
        self.unmatched = 0
        """Fills of no order of ours."""
        self._desks = desks
        self._budget = budget
        self._risk = risk
        self._start_up = start_up
        self._sync = sync
        self._foreign = foreign
        self.strangers = Strangers(desks, self._on_stranger)
        fills.subscribe(self._to_position, Priority.POSITION)
        fills.subscribe(self._to_order, Priority.ORDERS)
        fills.subscribe(self._to_quotes, Priority.QUOTES)
        fills.subscribe(self._to_stats, Priority.ANALYTICS)
        fills.subscribe_before_opening(self._before_opening)

    def _to_position(self, fill: Fill, now: Ns) -> None:
        self._desks[fill.instrument].inventory.apply(fill)
        if self._budget is not None:
            self._budget.on_traded(Usd(fill.px * fill.sz), now)

    def _to_order(self, fill: Fill, now: Ns) -> None:
        if self._desks[fill.instrument].tracker.on_fill(fill, now) is None:
            self.strangers.on_unmatched(fill, now)

    def _on_stranger(self, fill: Fill, now: Ns) -> None:
        self.unmatched += 1
        if self._foreign is not None:
            self._foreign.on_unmatched_fill(fill, self._desks[fill.instrument].instrument, now)
        if self._start_up.is_done:
            self._sync.on_unmatched_fill(now)

    def _to_quotes(self, fill: Fill, now: Ns) -> None:
        self._risk.on_fill(fill)
        self._desks[fill.instrument].on_fill(fill, now)
        self._sync.on_fill(fill, now)

    def _to_stats(self, fill: Fill, now: Ns) -> None:
        del now
        desk = self._desks[fill.instrument]
        desk.fill_tracker.on_fill(fill, desk.tracker.counters.placed)

    def _before_opening(self, fill: Fill, now: Ns) -> None:
        """In the position already; its order must learn of it, or it never settles."""
        self._desks[fill.instrument].tracker.on_fill(fill, now)
