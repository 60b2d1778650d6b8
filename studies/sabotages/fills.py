"""Fills and positions: the ledger without one of its guards."""

from collections.abc import Callable, Iterable, Mapping
from zlib import crc32

from msgspec import structs

from domain.events import Fill, FillsReport, OrderStatus, OrderUpdate, PositionEntry, PositionsReport
from domain.orders import TERMINAL, OrderState, TrackedOrder
from domain.transfers import TransferBook
from domain.units import InstrumentId, Ns, Pos, Sz, Tid, Usd, seconds
from orchestrator.connectivity.requests import Pending
from orchestrator.core import Orchestrator
from orchestrator.desk.desk import Desk
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.fills import FillDeduplicator, FillProcessor
from orchestrator.sync import position_reconciler as reconciler_module
from orchestrator.sync import resync as resync_module
from orchestrator.sync.position_reconciler import PositionReconciler, ReconciliationTrigger
from orchestrator.sync.resync import Resync, ResyncState
from orchestrator.sync.startup import StartUp
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


# --- which fills are new ------------------------------------------------------------------------


def _known_by_looks(original: Callable[..., bool]) -> Callable[..., bool]:
    def process(self: FillProcessor, fill: Fill, now: Ns) -> bool:
        looks = f"{fill.oid} {fill.px} {fill.sz} {fill.exch_time}"
        return original(self, structs.replace(fill, tid=Tid(crc32(looks.encode()))), now)

    return process


KNOWN_BY_LOOKS = sabotage(
    "fills of one order, price, size and moment count as one",
    Patch(FillProcessor, "process", _known_by_looks),
)

FEW_KEPT = 10


def _keeps_few(self: FillDeduplicator, tid: Tid, exch_time: Ns) -> None:
    self._seen[tid] = exch_time
    if len(self._seen) > FEW_KEPT:
        self._seen.popitem(last=False)


FORGETFUL = sabotage(
    f"only the last {FEW_KEPT} fills are recognised, and older ones count as new",
    Patch(FillDeduplicator, "_keep", instead(_keeps_few)),
)


def _without(drops: Callable[[TrackedOrder | None], bool]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def make(original: Callable[..., None]) -> Callable[..., None]:
        def on_fill(self: Orchestrator, event: Fill, now: Ns) -> None:
            desk = self.desks.get(event.instrument)
            if desk is None or not drops(desk.tracker.find(event.cloid, event.oid)):
                original(self, event, now)

        return on_fill

    return make


def _is_unacknowledged(order: TrackedOrder | None) -> bool:
    return order is not None and order.state is OrderState.PENDING_NEW


def _has_ended(order: TrackedOrder | None) -> bool:
    return order is not None and order.is_terminal


def _is_unknown(order: TrackedOrder | None) -> bool:
    return order is None


EARLY_FILLS_DROPPED = sabotage(
    "a fill that comes before the acknowledgement of its order is thrown away",
    Patch(Orchestrator, "_on_fill", _without(_is_unacknowledged)),
)

LATE_FILLS_DROPPED = sabotage(
    "a fill that comes after the end of its order is thrown away",
    Patch(Orchestrator, "_on_fill", _without(_has_ended)),
)

UNKNOWN_FILLS_DROPPED = sabotage(
    "a fill of an order that we do not know is thrown away",
    Patch(Orchestrator, "_on_fill", _without(_is_unknown)),
)


def _only_when_live(original: Callable[..., None]) -> Callable[..., None]:
    def on_fill(self: Orchestrator, event: Fill, now: Ns) -> None:
        if self.user_feed.is_live and not self.resync.gates_quotes:
            original(self, event, now)

    return on_fill


SNAPSHOT_IGNORED = sabotage(
    "the fills with which a new connection begins are thrown away",
    Patch(Orchestrator, "_on_fill", _only_when_live),
)

# --- what is asked for --------------------------------------------------------------------------


def _from_our_clock(original: Callable[..., None]) -> Callable[..., None]:
    def request(self: Resync, now: Ns, *, gap: bool, failures: int = 0, by: str = "order_in_doubt") -> None:
        self._began_at = now
        original(self, now, gap=gap, failures=failures, by=by)

    return request


def _begins_now(self: Resync) -> Ns:
    return Ns(max((self._began_at or 0) - seconds(self.config.overlap_s), 0))


CURSOR_OF_OUR_CLOCK = sabotage(
    "fills are asked for from the time of asking on, not from that of the last one booked",
    Patch(Resync, "request", _from_our_clock),
    Patch(Resync, "_begin_of_search", instead(_begins_now)),
)


def _one_page(original: Callable[..., None]) -> Callable[..., None]:
    def on_fills(self: Resync, report: FillsReport, now: Ns) -> None:
        original(self, structs.replace(report, is_complete=True), now)

    return on_fills


def _one_page_at_start(original: Callable[..., None]) -> Callable[..., None]:
    def on_fills(self: StartUp, report: FillsReport, now: Ns) -> None:
        original(self, structs.replace(report, is_complete=True), now)

    return on_fills


ONE_PAGE = sabotage(
    "the first page of an answer is taken for all of it",
    Patch(Resync, "_on_fills", _one_page),
    Patch(StartUp, "_on_fills", _one_page_at_start),
)

# --- what a statement does not say --------------------------------------------------------------

Differing = Callable[..., dict[InstrumentId, Pos] | None]


def _named_only(original: Differing) -> Differing:
    def differing(
        desks: Mapping[InstrumentId, Desk], fills: FillProcessor, positions: Iterable[PositionEntry], as_of: Ns
    ) -> dict[InstrumentId, Pos] | None:
        stated = list(positions)
        named = {entry.instrument for entry in stated}
        return original({name: desk for name, desk in desks.items() if name in named}, fills, stated, as_of)

    return differing


ABSENT_IS_UNCHANGED = sabotage(
    "an instrument that a statement of all positions does not name keeps the position that we had",
    Patch(resync_module, "differing", _named_only),
    Patch(reconciler_module, "differing", _named_only),
)


def _silent_resync(original: Callable[..., None]) -> Callable[..., None]:
    def on_silence(self: Resync, pending: Pending, now: Ns) -> None:
        is_position = pending is self._asked and self.state is ResyncState.POSITION
        original(self, pending, now)
        if is_position:
            self._on_position(PositionsReport(now, (), Usd(0)), now)

    return on_silence


def _silent_reconciler(original: Callable[..., None]) -> Callable[..., None]:
    def on_silence(self: PositionReconciler, pending: Pending, now: Ns) -> None:
        original(self, pending, now)
        self._take((), now, now, ReconciliationTrigger.TIMER)

    return on_silence


SILENCE_IS_FLAT = sabotage(
    "a question after the positions that nobody answers counts as the answer that there are none",
    Patch(Resync, "on_silence", _silent_resync),
    Patch(PositionReconciler, "on_silence", _silent_reconciler),
)
