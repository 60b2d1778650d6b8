"""Orders: what is concluded too early, or not at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import structs

from domain.commands import AnyAction, AnyCommand, Cancel, Modify, Request
from domain.events import (
    OpenOrdersReport,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Result,
)
from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Cloid, InstrumentId, Ns, Oid, Px, Side, Sz
from orchestrator.connectivity.requests import Owner, Pending, RequestLedger, first_result
from orchestrator.core import Orchestrator
from orchestrator.desk import planning
from orchestrator.desk.desk import Desk
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.desk.outcomes import Outcomes
from orchestrator.reconcile.band import Band, Claim
from orchestrator.reconcile.base import NO_BANDS, NO_CLAIMS, Plan
from orchestrator.reconcile.table import Rules
from orchestrator.risk.position_limit import PositionLimit
from orchestrator.sync import resolver as resolver_module
from orchestrator.sync.listing import OpenOrdersList
from orchestrator.sync.resolver import Resolver
from strategy.ladder import LadderLevel
from studies.sabotage import Patch, does_nothing, instead, sabotage, says_yes


def _silence_is_no(self: OrderTracker, cloid: Cloid) -> None:
    order = self.orders.get(cloid)
    if order is not None and order.state is OrderState.PENDING_NEW:
        self.on_place_not_sent(cloid, order.placed_at)


SILENCE_IS_A_NO = sabotage(
    "a placement that nobody answers in time counts as refused",
    Patch(OrderTracker, "on_place_silence", instead(_silence_is_no)),
)


def _silent_cancel_is_done(self: OrderTracker, order: TrackedOrder) -> None:
    order.in_flight = InFlight.NONE
    if not order.is_terminal:
        self.give_up(order, order.state_changed_at)


SILENT_CANCEL_IS_DONE = sabotage(
    "a cancel that nobody answers in time counts as done",
    Patch(OrderTracker, "on_cancel_silence", instead(_silent_cancel_is_done)),
)


def _not_open_is_cancelled(original: Callable[..., None]) -> Callable[..., None]:
    def on_cancel_result(self: OrderTracker, order: TrackedOrder, result: Result, now: Ns) -> None:
        if isinstance(result, Refused) and not order.is_terminal:
            order.in_flight = InFlight.NONE
            self.give_up(order, now)
        else:
            original(self, order, result, now)

    return on_cancel_result


NOT_OPEN_IS_CANCELLED = sabotage(
    "an order that the venue cannot cancel, since it does not rest, counts as cancelled",
    Patch(OrderTracker, "on_cancel_result", _not_open_is_cancelled),
)


def _garbled_is_no(original: Callable[..., None]) -> Callable[..., None]:
    def on_reply(self: Outcomes, pending: Pending, event: Replied, now: Ns) -> None:
        missing = len(pending.request.actions) - len(event.results)
        refusals = (Refused(Reason.OTHER, "garbled"),) * missing
        original(self, pending, structs.replace(event, results=(*event.results, *refusals)), now)

    return on_reply


GARBLED_IS_A_NO = sabotage(
    "an answer that says nothing of an action counts as its refusal",
    Patch(Outcomes, "on_reply", _garbled_is_no),
)


def _sent_is_done(original: Callable[..., None]) -> Callable[..., None]:
    def on_cancel_sent(self: OrderTracker, order: TrackedOrder, now: Ns) -> None:
        original(self, order, now)
        order.in_flight = InFlight.NONE
        self.give_up(order, now)

    return on_cancel_sent


SENT_CANCEL_IS_DONE = sabotage(
    "an order is forgotten when its cancel is sent",
    Patch(OrderTracker, "on_cancel_sent", _sent_is_done),
)


def _revives(original: Callable[..., bool]) -> Callable[..., bool]:
    def on_update(self: OrderTracker, update: OrderUpdate, now: Ns, *, is_answer: bool = False) -> bool:
        order = self.find(update.cloid, update.oid)
        if order is not None and order.is_terminal and update.status is OrderStatus.OPEN:
            order.state = OrderState.OPEN
            self.completed.pop(order.cloid, None)
            self.orders[order.cloid] = order
        return original(self, update, now, is_answer=is_answer)

    return on_update


LATE_OPEN_REVIVES = sabotage(
    "a late word that an order rests brings an ended one back to life",
    Patch(OrderTracker, "on_update", _revives),
)

NO_QUESTIONS = sabotage(
    "nobody asks what became of an order whose fate is unclear",
    Patch(Resolver, "decide", does_nothing),
    Patch(Resolver, "deadline", does_nothing),
)

NOT_FOUND_IS_GONE = sabotage(
    "an order that the venue does not know at once counts as never placed",
    Patch(resolver_module, "cannot_arrive", says_yes),
    Patch(Resolver, "_is_vanished", says_yes),
)


def _never_expires(original: Callable[..., Pending]) -> Callable[..., Pending]:
    def send(self: RequestLedger, actions: tuple[AnyAction, ...], owner: Owner, now: Ns) -> Pending:
        pending = original(self, actions, owner, now)
        if self.outbox and self.outbox[-1] is pending.request:
            self.outbox[-1] = structs.replace(pending.request, expires_in=None)
        return pending

    return send


NO_EXPIRY = sabotage(
    "placements may arrive however late",
    Patch(RequestLedger, "send", _never_expires),
)


def _believes_the_cancel(original: Callable[..., None]) -> Callable[..., None]:
    def on_reply(self: Resolver, pending: Pending, event: Replied, now: Ns) -> None:
        found, told = self._order_of(pending), first_result(event)
        rests = (
            isinstance(told, OrderStatusReport) and told.update is not None and told.update.status is OrderStatus.OPEN
        )
        if found is not None and found[1].state is OrderState.CANCEL_CONFIRMED and rests:
            found[2].is_waiting = False
        else:
            original(self, pending, event, now)

    return on_reply


CONFIRMED_IS_CANCELLED = sabotage(
    "an order whose cancel was confirmed and that rests all the same is not cancelled again",
    Patch(Resolver, "on_reply", _believes_the_cancel),
)

NO_OWN_CROSS_CHECK = sabotage(
    "an order is sent without a look at our own orders of the other side",
    Patch(OrderTracker, "inner_px", does_nothing),
)

NO_WORST_CASE = sabotage(
    "orders are sent whatever the position could become",
    Patch(PositionLimit, "admits", says_yes),
)


def _only_resting(self: OrderTracker) -> tuple[Sz, Sz]:
    return self.pending_exposure()


ONLY_RESTING_COUNTS = sabotage(
    "orders in flight, being cancelled or of unknown fate do not count for the limit",
    Patch(OrderTracker, "fillable_exposure", instead(_only_resting)),
)


def _old_one_is_forgotten(original: Callable[..., None]) -> Callable[..., None]:
    def on_modify_sent(
        self: OrderTracker, order: TrackedOrder, modify: Modify, now: Ns, expires_at: Ns | None = None
    ) -> None:
        original(self, order, modify, now, expires_at)
        self.give_up(order, now)

    return on_modify_sent


MODIFY_FORGETS_THE_OLD = sabotage(
    "an order is forgotten when its modify is sent",
    Patch(OrderTracker, "on_modify_sent", _old_one_is_forgotten),
)


def _nothing_happened(self: OrderTracker, order: TrackedOrder, successor: Cloid, *_: object) -> None:
    order.in_flight = InFlight.NONE
    self.on_place_not_sent(successor, order.state_changed_at)


SILENT_MODIFY_DID_NOTHING = sabotage(
    "a modify that nobody answers in time counts as not done",
    Patch(OrderTracker, "on_modify_silence", instead(_nothing_happened)),
)


def _is_cancel(command: AnyCommand) -> bool:
    return isinstance(command, Request) and isinstance(command.actions[0], Cancel)


def _cancels_last(original: Callable[..., list[AnyCommand]]) -> Callable[..., list[AnyCommand]]:
    def decide(self: Orchestrator, now: Ns) -> list[AnyCommand]:
        return sorted(original(self, now), key=_is_cancel)

    return decide


CANCELS_LAST = sabotage(
    "what is placed leaves before what is cancelled",
    Patch(Orchestrator, "decide", _cancels_last),
)


# --- a doubt that is none -----------------------------------------------------------------------


def _doubts_hold_nothing(original: Callable[..., None]) -> Callable[..., None]:
    def reconcile(  # noqa: PLR0913 - everything that a pure decision reads
        targets: Sequence[LadderLevel],
        orders: Iterable[TrackedOrder],
        side: Side,
        plan: Plan,
        rules: Rules,
        now: Ns,
        bands: Mapping[Px, Band] = NO_BANDS,
        claims: Mapping[Cloid, Claim] = NO_CLAIMS,
        *,
        reduce_only: bool = False,
    ) -> None:
        known = [order for order in orders if order.certainty is Certainty.KNOWN]
        original(targets, known, side, plan, rules, now, bands, claims, reduce_only=reduce_only)

    return reconcile


TRIED_AGAIN = sabotage(
    "what nobody answered is placed again under another name",
    Patch(planning, "reconcile", _doubts_hold_nothing),
)


def _list_is_right(original: Callable[..., None]) -> Callable[..., None]:
    def compare(
        self: OpenOrdersList,
        name: InstrumentId,
        desk: Desk,
        report: OpenOrdersReport,
        until: Ns,
        listed: set[Oid],
        now: Ns,
    ) -> None:
        original(self, name, desk, report, until, listed, now)
        for order in list(desk.tracker.orders.values()):
            if order.is_resting and order.oid not in listed:
                desk.tracker.give_up(order, now)

    return compare


LIST_IS_RIGHT = sabotage(
    "an order that a list of open orders does not show is gone, however old the list is",
    Patch(OpenOrdersList, "_compare", _list_is_right),
)


def _refused_cancel_changes_nothing(original: Callable[..., None]) -> Callable[..., None]:
    def on_cancel_result(self: OrderTracker, order: TrackedOrder, result: Result, now: Ns) -> None:
        if isinstance(result, Refused) and not order.is_terminal:
            self.on_cancel_not_sent(order, now)
        else:
            original(self, order, result, now)

    return on_cancel_result


REFUSED_CANCEL_RESTS = sabotage(
    "an order that the venue could not cancel rests on, and nobody asks why",
    Patch(OrderTracker, "on_cancel_result", _refused_cancel_changes_nothing),
)


def _known_only(self: OrderTracker) -> tuple[Sz, Sz]:
    known = [order for order in self.orders.values() if order.certainty is Certainty.KNOWN]
    bid = sum(order.fillable for order in known if order.side is Side.BUY)
    return Sz(bid), Sz(sum(order.fillable for order in known) - bid)


DOUBTS_DO_NOT_COUNT = sabotage(
    "orders of unknown fate do not count for the limit",
    Patch(OrderTracker, "fillable_exposure", instead(_known_only)),
)
