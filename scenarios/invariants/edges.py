"""What an order that stays where it is still earns (S32)."""

from domain.units import InstrumentId, Ns, Side, millis
from scenarios.invariants.base import Invariant, Scope, Step
from scenarios.invariants.views import DeskView
from scenarios.lag import edge_of, is_free

RATE_OF_A_BP = 100_000
"""Fee rates are in billionths."""
ROUNDING = 1e-6
CHOSEN = ("debounce", "pacing")
"""Ways to leave an order where it is."""


class KeptEdge(Invariant):
    """S32: where bands let orders lag, a fill of one still pays (RU-12).

    Looked at after each quote cycle of both sides, against the mid that the trader saw and did not smooth. Where a gate
    kept back what it wanted to send, what stayed was not its choice; the pace of the allowance is no such gate, for it
    lets danger through. An order that was modified just now waits. The band itself is not asked.
    """

    id = "S32"
    rule = "an order that is left where it is earns fee and floor, or what its target earns"

    def __init__(self, scope: Scope) -> None:
        """Remember what each desk could not send."""
        super().__init__(scope)
        self._held_back: dict[InstrumentId, int] = {}

    def on_life(self) -> None:
        """A new life counts from zero."""
        self._held_back.clear()

    def on_decision(self, step: Step) -> None:
        """Look at the orders of each desk that has just looked at both of its sides."""
        for name in step.cycled:
            desk = self.scope.belief.desks[name]
            done = desk.execution
            chosen = done.actions_latched + sum(done.actions_gated.get(reason, 0) for reason in CHOSEN)
            unsent = done.actions_generated - done.actions_sent - chosen
            was, self._held_back[name] = self._held_back.get(name, 0), unsent
            if unsent == was:
                self._look_at(name, desk, step.now)

    def _look_at(self, name: InstrumentId, desk: DeskView, now: Ns) -> None:
        tolerance, targets, market = desk.config.reconcile.tolerance, desk.targets, desk.market
        if tolerance is None or targets is None or market.bid is None or market.ask is None:
            return
        first = desk.config.reconcile.modify_first
        pause = millis(0.0 if first is None else first.interval_ms)
        mid = (market.bid[0] + market.ask[0]) / 2
        floor = self.scope.instruments[name].maker_fee / RATE_OF_A_BP + tolerance.adverse_floor_bps
        least = {side: min([floor, *(edge_of(side, level.px, mid) for level in targets.of(side))]) for side in Side}
        for order in desk.tracker.orders.values():
            last = order.modified_at
            if not is_free(order) or (last is not None and now - last < pause):
                continue
            self.compared += 1
            edge = edge_of(order.side, order.px, mid)
            if edge < least[order.side] - ROUNDING:
                at, wants = self.price(name, order.px), least[order.side]
                self.fail(f"{order} at {at} was left where a fill earns {edge:.2f} bps, not {wants:.2f}", order.cloid)
