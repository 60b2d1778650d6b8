"""Evidence: nothing is over before it is, nothing is concluded from silence, every doubt ends (S9, S14, L6)."""

from collections import OrderedDict
from collections.abc import Sequence

from domain.commands import AnyAction, Cancel, Modify, Place, QueryOrder, Request
from domain.events import (
    SAYS_NOTHING_OF_ORDERS,
    AnyEvent,
    AnyResult,
    Fill,
    FillsReport,
    NotSent,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Refused,
    Replied,
    Restored,
)
from domain.expiry import cannot_arrive
from domain.orders import TERMINAL, Certainty, OrderState, TrackedOrder
from domain.units import NS_PER_S, Cloid, Ns, RequestId
from runtime.own_orders import spread
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.invariants.orders import Lifecycle
from scenarios.memory import keep

KEPT = 20_000

WITHOUT = frozenset((OrderState.PENDING_NEW, OrderState.CANCEL_PENDING))
"""States that need no evidence: they say what we have asked for."""


class NoFalseEnd(Invariant):
    """S9: what the trader takes for ended has ended at the venue, or never came there and never will."""

    id = "S9"
    rule = "an order believed to have ended has ended at the venue, or never arrives there"

    def __init__(self, scope: Scope, lives: Lifecycle) -> None:
        """Look at what S8 sees end."""
        super().__init__(scope)
        lives.on_end.append(self.on_end)
        self._never_came: OrderedDict[Cloid, None] = OrderedDict()

    def on_end(self, order: TrackedOrder) -> None:
        """Compare with the venue's record, at that event."""
        self.compared += 1
        truth = self.scope.truth.order_of(order.cloid)
        if truth is None:
            keep(self._never_came, order.cloid, None, KEPT)
        elif truth.status is OrderStatus.OPEN:
            self.fail(f"{order}: it rests at the venue with {truth.sz - truth.filled} left", order.cloid)

    def on_ours(self, block: Block) -> None:
        """What was written off without ever having come does not come later."""
        never = self._never_came
        if never:
            for update in block.updates:
                self.compared += 1
                if update.status is OrderStatus.OPEN and update.cloid in never:
                    self.fail(f"order {update.oid} came to the venue after it had been written off", update.cloid or "")


class Ambiguity(Invariant):
    """S14: silence, lost connections and deadlines make an order unknown; anything else takes the venue's word on it.

    An event is a word on an order if it names it, if it answers an action that named it, or if it lists all that rest.
    Concluded without the venue's word on the order itself may be one thing: that a placement which had expired, or an
    order that no answer knows any more, is gone; that, too, takes an answer.
    """

    id = "S14"
    rule = "orders leave their pending states, and end, only by an event that says something of them"

    def __init__(self, scope: Scope, lives: Lifecycle) -> None:
        """Look at what S8 sees move; it looks in the same step."""
        super().__init__(scope)
        lives.on_move.append(self.on_move)
        self._asked: OrderedDict[RequestId, tuple[AnyAction, ...]] = OrderedDict()

    def on_life(self) -> None:
        """Requests are numbered anew."""
        self._asked.clear()

    def on_commands(self, step: Step) -> None:
        """Note what is asked, and of which orders."""
        for command in step.commands:
            if type(command) is Request:
                keep(self._asked, command.request_id, command.actions, KEPT)

    def on_move(self, order: TrackedOrder, before: OrderState, step: Step | None) -> None:
        """Judge a new state by the event that brought it."""
        if step is None or order.state is before or order.state in WITHOUT:
            return
        self.compared += 1
        event = step.event
        if event is not None and self._speaks_of(event, order):
            self._judge_absence(order, before, step.now)
            return
        what = "a decision" if event is None else type(event).__name__
        self.fail(f"{order} was {before} and became {order.state} by {what}, which says nothing of it", order.cloid)

    def _speaks_of(self, event: AnyEvent, order: TrackedOrder) -> bool:
        """Whether an event says something of an order."""
        match event:
            case OrderUpdate() | Fill():
                return _is_it(event, order)
            case Replied(request_id=request_id, results=results):
                return any(_tells_of(each, order) for each in results) or self._answers_for(request_id, results, order)
            case NotSent(request_id=request_id):
                return any(_names(action, order) for action in self._asked.get(request_id, ()))
            case OpenOrdersReported():
                return True
            case Restored(orders=orders):
                return any(each.cloid == order.cloid for each in orders)
            case _:
                return False

    def _answers_for(self, request_id: RequestId, results: Sequence[AnyResult], order: TrackedOrder) -> bool:
        """Whether something was asked about the order, and this is the answer to it."""
        actions = self._asked.get(request_id, ())
        return any(
            _names(action, order) and not (isinstance(result, Refused) and result.reason in SAYS_NOTHING_OF_ORDERS)
            for action, result in zip(actions, spread(results, len(actions)), strict=False)
        )

    def _judge_absence(self, order: TrackedOrder, before: OrderState, now: Ns) -> None:
        """A placement that is taken for never arrived must have expired, whoever was asked."""
        if order.is_presumed_gone and order.oid is None and before in WITHOUT:
            self.compared += 1
            if not cannot_arrive(order.expires_at, now):
                self.fail(f"{order} was given up at {now} ns and may arrive until {order.expires_at} ns", order.cloid)


def _is_it(one: OrderUpdate | Fill, order: TrackedOrder) -> bool:
    """Whether the venue means our order, by either id."""
    return one.cloid == order.cloid or (order.oid is not None and one.oid == order.oid)


def _tells_of(result: AnyResult, order: TrackedOrder) -> bool:
    """Whether a result of a query speaks of an order: by its name, or as a list of all that rest."""
    match result:
        case OpenOrdersReport():
            return True
        case FillsReport(fills=fills):
            return any(_is_it(fill, order) for fill in fills)
        case OrderStatusReport(update=OrderUpdate() as update):
            return _is_it(update, order)
        case _:
            return False


def _names(action: AnyAction, order: TrackedOrder) -> bool:
    """Whether an action is about an order."""
    match action:
        case Place(cloid=cloid) | QueryOrder(cloid=cloid):
            return cloid == order.cloid
        case Cancel(cloid=cloid, oid=oid):
            return cloid == order.cloid or (oid is not None and oid == order.oid)
        case Modify(cloid=cloid, place=place):
            return order.cloid in (cloid, place.cloid)
        case _:
            return False


class DoubtsEnd(Invariant):
    """L6: no order stays of unknown fate: while nothing is wrong any more each doubt is settled, and by evidence."""

    id = "L6"
    rule = "while no fault is at work, no order is of unknown fate for longer than `checks.limbo_ms`"

    def __init__(self, scope: Scope, lives: Lifecycle) -> None:
        """Note since when an order has been in doubt."""
        super().__init__(scope)
        self._live = lives.seen
        self._since: dict[Cloid, Ns] = {}

    def on_life(self) -> None:
        """The doubts of another life."""
        self._since.clear()

    def on_second(self, now: Ns) -> None:
        """Look at every order that the trader has."""
        since, unknown = self._since, {}
        for cloid, watched in self._live.items():
            self.compared += 1
            if watched.order.certainty is Certainty.UNKNOWN and watched.order.state not in TERMINAL:
                unknown[cloid] = since.get(cloid, now)
        self._since = unknown
        calm = self.scope.calm_since
        if calm is None or self.scope.run is None or not self.scope.run.is_running:
            return
        for cloid, began in unknown.items():
            waited = now - max(began, calm)
            if waited > self.scope.bounds.limbo:
                self.fail(f"{self._live[cloid].order} has been unknown for {waited / NS_PER_S:.0f} s", cloid)
