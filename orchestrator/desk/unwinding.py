"""What a desk does while its position may only shrink: quote one side, and take where that is stuck (RS-14, RS-19).

It stands between the quote engine and the way out. When to take is the recovery manager's affair; here is with what:
the price, our other orders that are in the way, and the one order that is sent.
"""

from dataclasses import replace

from domain.instrument import Instrument
from domain.units import Ns, Px, Side, Sz
from orchestrator.budget.rejection import RejectionRateLimiter
from orchestrator.desk.execution import Execution
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.desk.quote_engine import Step, Stop, Targets
from orchestrator.risk.recovery import RecoveryManager
from orchestrator.risk.reduce_only import NOTHING, filter_reduce_only
from orchestrator.risk.stance import Stance

GATE = "recovery"
"""Why nothing is quoted while a position is being reduced by taking."""


class Unwinding:
    """One instrument's way out of a position that is too large."""

    def __init__(
        self,
        recovery: RecoveryManager | None,
        instrument: Instrument,
        market: Market,
        inventory: Inventory,
        tracker: OrderTracker,
        execution: Execution,
        rejections: RejectionRateLimiter | None,
    ) -> None:
        """Nothing has to shrink; without ``recovery`` nothing is ever taken."""
        self.recovery = recovery
        self._instrument = instrument
        self._market = market
        self._inventory = inventory
        self._tracker = tracker
        self._execution = execution
        self._rejections = rejections

    @property
    def gate(self) -> str | None:
        """Why the normal quotes have to make way; None where they may stand."""
        return GATE if self.recovery is not None and self.recovery.skips_quoting else None

    def look(self, stance: Stance, gate: str | None, now: Ns) -> None:
        """Let time pass for the recovery; ``gate``: why nothing could be quoted until now."""
        if self.recovery is not None:
            position, is_barred = self._inventory.position, _bars(gate)
            self.recovery.check(position, now, is_reducing=stance.must_shrink, is_barred=is_barred)

    def keep(self, outcome: Targets | Stop, stance: Stance, now: Ns) -> Targets | Stop:
        """What of a quote may stand; a reducing side without any order is escalated where the position must shrink."""
        if not stance.reduce_only or (isinstance(outcome, Stop) and outcome.step is not Step.LADDER):
            return outcome
        bids, asks = (NOTHING, NOTHING) if isinstance(outcome, Stop) else (outcome.bids, outcome.asks)
        position = self._inventory.position
        reducing = Side.SELL if position > 0 else Side.BUY
        waits = self._rejections is not None and self._rejections.should_skip(reducing, now)
        orders = self._tracker.orders.values()
        resting = Sz(sum(o.remaining for o in orders if o.is_resting and o.reduce_only and o.side is reducing))
        least = Sz(1) if self.recovery is None else self.recovery.min_lots
        kept = filter_reduce_only(bids, asks, position, resting, least, waits=waits)
        if kept.needs_escalation and self.recovery is not None:
            held = self._instrument.format_size(position)
            self.recovery.escalate(f"no order can reduce the position of {held}", now)
        if isinstance(outcome, Stop):
            return outcome
        if not kept.bids and not kept.asks:
            return Stop(Step.LADDER, "nothing_to_reduce")
        return replace(outcome, bids=kept.bids, asks=kept.asks)

    def take(self, now: Ns, *, may_send: bool) -> None:
        """Send the attempt that is due, if nothing is in its way."""
        recovery = self.recovery
        if recovery is None or not recovery.skips_quoting:
            return
        position = self._inventory.position
        side = Side.SELL if position > 0 else Side.BUY
        px = self._price(side, recovery.config.slippage_bps) if may_send else None
        order = None if px is None else recovery.should_send_ioc(position, px, self._unsafe(side), now)
        if px is not None and order is not None and self._execution.take(*order, px, now):
            recovery.record_sent(now)
        else:
            recovery.hold(now)

    def deadline(self, gate: str | None = None) -> Ns | None:
        """When the recovery is due for its next step; ``gate``: why nothing can be quoted from now on."""
        return None if self.recovery is None else self.recovery.deadline(is_barred=_bars(gate))

    def _price(self, side: Side, slippage_bps: float) -> Px | None:
        """The limit of an attempt: so far beyond the best of the other side (EX-09); None without a book."""
        level = self._market.ask if side is Side.BUY else self._market.bid
        if level is None:
            return None
        limit = level[0] * (1 + side * slippage_bps * 1e-4)
        return self._instrument.snap_down(limit) if side is Side.BUY else self._instrument.snap_up(limit)

    def _unsafe(self, side: Side) -> Sz:
        """Lots of that side that may still fill: with an attempt they must not be more than the position."""
        bid, ask = self._tracker.fillable_exposure()
        return bid if side is Side.BUY else ask


def _bars(gate: str | None) -> bool:
    """Whether a gate of others keeps everything back."""
    return gate is not None and gate != GATE
