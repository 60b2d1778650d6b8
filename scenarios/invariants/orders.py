"""Orders: legal lives, no release before the fills are in, nothing resting that we do not know (S8, S10, S11)."""

from collections import OrderedDict

from domain.events import OrderStatus
from domain.orders import TERMINAL, TRANSITIONS, OrderState, TrackedOrder
from domain.units import Cloid, Ns, Oid, Sz
from scenarios.invariants.base import Block, Invariant, Scope, Step

ENDED_KEPT = 5_000
"""Ended orders remembered, so that one that comes back to life is seen."""


def _reachable() -> dict[OrderState, frozenset[OrderState]]:
    """States that a life may have reached by the next look: one event may take several legal steps."""
    out = {}
    for start in OrderState:
        found, border = {start}, [start]
        while border:
            for following in TRANSITIONS[border.pop()]:
                if following not in found:
                    found.add(following)
                    border.append(following)
        out[start] = frozenset(found)
    return out


REACHABLE = _reachable()


class Lifecycle(Invariant):
    """S8: legal steps only, an end is an end, the filled size grows and never above the order's."""

    id = "S8"
    rule = "orders take legal steps only; ended orders stay ended; filled grows up to the size"

    def __init__(self, scope: Scope) -> None:
        """Remember each order as last seen."""
        super().__init__(scope)
        self.seen: dict[Cloid, tuple[OrderState, Sz]] = {}
        self.released: list[TrackedOrder] = []
        """Orders that left the live ones in the latest step."""
        self._ended: OrderedDict[Cloid, None] = OrderedDict()

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - every event may have touched it
        """Compare every live order with what it was; follow those that left."""
        seen = self.seen
        if self.released:
            self.released = []
        n_live = 0
        for desk in self.scope.belief.desks.values():
            orders = desk.tracker.orders
            n_live += len(orders)
            for cloid, order in orders.items():
                last = seen.get(cloid)
                if last is None:
                    self._begin(cloid, order)
                elif order.state is not last[0] or order.filled != last[1]:
                    self._move(cloid, order, last)
        if n_live != len(seen):
            self._follow_ended()

    def _begin(self, cloid: Cloid, order: TrackedOrder) -> None:
        if cloid in self._ended:
            self.fail(f"{order} had ended and is live again", cloid)
        self._check_filled(cloid, order)
        self.seen[cloid] = (order.state, order.filled)

    def _move(self, cloid: Cloid, order: TrackedOrder, last: tuple[OrderState, Sz]) -> None:
        state, filled = last
        if order.state not in REACHABLE[state]:
            self.fail(f"{order} was {state}: not a legal step", cloid)
        if order.filled < filled:
            self.fail(f"{order} had {filled} lots filled before", cloid)
        self._check_filled(cloid, order)
        self.seen[cloid] = (order.state, order.filled)

    def _check_filled(self, cloid: Cloid, order: TrackedOrder) -> None:
        if not 0 <= order.filled <= order.sz:
            self.fail(f"{order}: filled {order.filled} of {order.sz}", cloid)

    def _follow_ended(self) -> None:
        desks = self.scope.belief.desks.values()
        for cloid in [c for c in self.seen if not any(c in desk.tracker.orders for desk in desks)]:
            last = self.seen[cloid]
            for desk in desks:
                order = desk.tracker.completed.get(cloid)
                if order is not None:
                    self._move(cloid, order, last)
                    self.released.append(order)
                    if order.state not in TERMINAL:
                        self.fail(f"{order} was let go before it ended", cloid)
            del self.seen[cloid]
            self._ended[cloid] = None
            if len(self._ended) > ENDED_KEPT:
                self._ended.popitem(last=False)


class SettleBeforeRelease(Invariant):
    """S10: exposure is let go only when our fills equal the final filled size at the venue."""

    id = "S10"
    rule = "an order is let go only when it ended at the venue and all its fills are applied"

    def __init__(self, scope: Scope, lives: Lifecycle) -> None:
        """Look at what S8 saw leave."""
        super().__init__(scope)
        self._lives = lives

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - every event may have released one
        """Check what left the live orders with this event."""
        for order in self._lives.released:
            self._check(order)

    def _check(self, order: TrackedOrder) -> None:
        truth = self.scope.truth.order_of(order.cloid)
        if truth is None:
            if order.filled:
                self.fail(f"{order} has fills, but the venue never had it", order.cloid)
            return
        if truth.status is OrderStatus.OPEN:
            self.fail(f"{order} was let go, but it rests at the venue with {truth.sz - truth.filled} left", order.cloid)
        elif truth.filled != order.filled:
            self.fail(f"{order} was let go with {order.filled} filled, the venue filled {truth.filled}", order.cloid)


class NoUnknownOrders(Invariant):
    """S11: whatever rests at the venue for us is alive in our books."""

    id = "S11"
    rule = "every resting order of ours is known and not believed to have ended"

    def __init__(self, scope: Scope) -> None:
        """Note since when an order has been unknown."""
        super().__init__(scope)
        self._since: dict[Oid, Ns] = {}

    def on_block(self, block: Block) -> None:
        """Look every resting order up."""
        desks = self.scope.belief.desks
        for oid, truth in block.resting.items():
            desk = desks.get(truth.instrument)
            order = desk.tracker.find(truth.cloid, oid) if desk is not None else None
            if order is not None and order.state not in TERMINAL:
                if self._since:
                    self._since.pop(oid, None)
                continue
            if order is not None:
                self.fail(f"{order} rests at the venue", order.cloid)
                continue
            since = self._since.setdefault(oid, block.now)
            if block.now - since > self.scope.bounds.in_flight:
                self.fail(f"order {oid} ({truth.cloid}) rests at the venue and we do not know it", truth.cloid or "")
        if self._since:
            self._since = {oid: since for oid, since in self._since.items() if oid in block.resting}
