"""Fills and positions: the ledger without one of its guards."""

from collections.abc import Callable

from domain.events import Fill, OrderStatus, OrderUpdate
from domain.orders import TERMINAL, OrderState, TrackedOrder
from domain.transfers import TransferBook
from domain.units import Ns, Sz
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.fills import FillDeduplicator
from studies.sabotage import Patch, does_nothing, instead, sabotage, says_no

NO_DEDUPLICATION = sabotage(
    "every fill that is told counts, however often it is told",
    Patch(FillDeduplicator, "is_duplicate", says_no),
)

NO_MEMORY_OF_FILLS = sabotage(
    "a new life does not know which fills are booked already",
    Patch(FillDeduplicator, "remember", does_nothing),
)


def _settled_by_status(self: TrackedOrder) -> bool:
    return self.state in TERMINAL


def _nothing_after_the_end(original: property) -> property:
    def fillable(self: TrackedOrder) -> Sz:
        return Sz(0) if self.state in TERMINAL else Sz(original.__get__(self))

    return property(fillable)


NO_SETTLEMENT = sabotage(
    "an order is let go when its status says so, whatever fills are still to come",
    Patch(TrackedOrder, "is_settled", instead(property(_settled_by_status))),
    Patch(TrackedOrder, "fillable", _nothing_after_the_end),
)


def _filled_by_status(original: Callable[..., bool]) -> Callable[..., bool]:
    def on_update(self: OrderTracker, update: OrderUpdate, now: Ns, *, is_answer: bool = False) -> bool:
        order = self.find(update.cloid, update.oid)
        if order is not None and update.status is not OrderStatus.REJECTED:
            order.filled = max(order.filled, Sz(update.sz - update.remaining))
        return original(self, update, now, is_answer=is_answer)

    return on_update


FILLED_BY_STATUS = sabotage(
    "the filled size is taken from statuses, and fills are added on top of it",
    Patch(OrderTracker, "on_update", _filled_by_status),
)


def _only_acknowledged(original: Callable[..., TrackedOrder | None]) -> Callable[..., TrackedOrder | None]:
    def on_fill(self: OrderTracker, fill: Fill, now: Ns) -> TrackedOrder | None:
        order = self.find(fill.cloid, fill.oid)
        if order is not None and order.state is OrderState.PENDING_NEW:
            return order
        return original(self, fill, now)

    return on_fill


NO_FILL_BEFORE_ACK = sabotage(
    "a fill of an order that nobody has acknowledged yet is not booked to it",
    Patch(OrderTracker, "on_fill", _only_acknowledged),
)


NO_UNDOING = sabotage(
    "a late fill counts on top of the correction that stood for it",
    Patch(Inventory, "_explained_by", does_nothing),
)


NO_TRANSFERS = sabotage(
    "funding and what liquidations took is not booked",
    Patch(TransferBook, "take", does_nothing),
)
