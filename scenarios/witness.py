"""Watches one run and counts what it meets on its way: the facts below the situations of `scenarios.sometimes`.

It looks at what went into the trader and came out of it, and at the ways between: what was decided and never left, what
had arrived and was never taken in. It changes nothing, and knows no rule that anything would have to keep.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from types import UnionType

from domain.alerts import KILL
from domain.commands import Alert, AnyAction, AnyCommand, Cancel, Modify, Place, QueryFills, QueryOrder, Request
from domain.events import (
    PAYLOAD_REASONS,
    SAYS_NOTHING_OF_ORDERS,
    AnyEvent,
    Cancelled,
    Executed,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    FillsReport,
    LimitsReport,
    LiquidationMethod,
    NotSent,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Resting,
    Restored,
)
from domain.units import NS_PER_MS, NS_PER_S, Cloid, InstrumentId, Ns, Oid, RequestId, Side, Tid
from runtime.own_orders import fills_in
from scenarios.assemble import Running
from scenarios.memory import keep

KEPT = 20_000
"""Orders, trade ids and requests that are remembered: what is older is not heard of again."""
SILENT_AFTER = Ns(30 * NS_PER_S)
"""A request without an answer for so long has lost it."""


class _Order:
    """What was heard of one order."""

    __slots__ = ("cancel_asked", "filled", "is_acked", "is_open", "is_over", "is_unanswered", "sz")

    def __init__(self, sz: int) -> None:
        self.sz = sz
        self.filled = 0
        self.is_acked = False
        """Anything was heard of it but fills."""
        self.is_unanswered = False
        """What came as the answer says nothing of it."""
        self.is_open = False
        self.is_over = False
        self.cancel_asked = False


class _Asked:
    """A request under way."""

    __slots__ = ("actions", "at", "has_left")

    def __init__(self, actions: tuple[AnyAction, ...], at: Ns) -> None:
        self.actions = actions
        self.at = at
        self.has_left = False


class Witness:
    """Listens to a run from before its start; ``met`` counts by the name of the fact."""

    def __init__(self, running: Running) -> None:
        """Begin to listen."""
        self.met: Counter[str] = Counter()
        self._running = running
        self._orders: OrderedDict[Cloid, _Order] = OrderedDict()
        self._by_oid: OrderedDict[Oid, _Order] = OrderedDict()
        self._asked: OrderedDict[RequestId, _Asked] = OrderedDict()
        self._tids: OrderedDict[Tid, None] = OrderedDict()
        self._positions: dict[InstrumentId, int] = {}
        self._signs: dict[InstrumentId, int] = {}
        """Of the last position that was not flat."""
        self._down: tuple[Ns, Ns] | None = None
        """The latest stretch without a trader."""
        self._user_up_at: Ns | None = None
        """Since when the connection of the account stands."""
        self._arrived: dict[tuple[str, int], None] = {}
        """Answers and fills that were delivered to the process and not taken in yet."""
        self._handlers: dict[type, Callable[..., None]] = {
            Restored: self._restored,
            OrderUpdate: self._update,
            Fill: self._fill,
            Replied: self._replied,
            NotSent: self._not_sent,
            FeedUp: self._feed_up,
            FeedDown: self._feed_down,
        }
        session = running.session
        running.driver.taps.append(self.step)
        session.on_send.append(self._on_send)
        session.on_sign.append(self._on_sign)
        session.on_deliver.append(self._on_deliver)

    def step(self, now: Ns, events: tuple[AnyEvent, ...], commands: tuple[AnyCommand, ...]) -> None:
        """The trader took something in and decided."""
        handlers = self._handlers
        for event in events:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event, now)
        for command in commands:
            if isinstance(command, Request):
                self._decided(command, now)
            elif isinstance(command, Alert):
                self.met[f"alert_{command.name}"] += 1
                self.met["kill_in_flight"] += command.name == KILL and any(self._under_way(now, Place | Modify))

    # --- the ways -------------------------------------------------------------------------------

    def _on_send(self, command: AnyCommand, now: Ns) -> None:
        if not isinstance(command, Request):
            return
        asked = self._asked.get(command.request_id)
        if asked is not None:
            asked.has_left = True
        trader = self._running.trader
        if isinstance(command.actions[0], Cancel) and trader is not None:
            opens = (desk.execution.budget_opens_at for desk in trader.core.desks.values())
            self.met["cancel_past_budget"] += any(at is not None and at > now for at in opens)

    def _on_sign(self, nonce: int, _now: Ns) -> None:
        self.met["nonce_beside_clock"] += nonce != self._running.session.wall_clock // NS_PER_MS

    def _on_deliver(self, event: AnyEvent, _now: Ns) -> None:
        if isinstance(event, Replied):
            self._arrived["reply", event.request_id] = None
        elif isinstance(event, Fill):
            self._arrived["fill", event.tid] = None

    # --- lives ----------------------------------------------------------------------------------

    def _restored(self, event: Restored, now: Ns) -> None:
        """Another life: what was asked before is answered to nobody."""
        ends = self._running.driver.ends
        if event.life > 1 and ends:
            self._down = (ends[-1].at, now)
            self.met["restart_with_orders"] += bool(event.orders)
            self.met["restart_with_partial_fills"] += any(order.fills for order in event.orders)
            died = ends[-1].at
            self.met["restart_in_recovery"] += any(self._under_way(died, QueryFills))
            waiting = list(self._under_way(died, Place | Modify))
            self.met["crash_before_send"] += any(not asked.has_left for asked in waiting)
            self.met["crash_before_ack"] += any(asked.has_left for asked in waiting)
            kinds = {kind for kind, _ in self._arrived}
            self.met["crash_before_ack_kept"] += "reply" in kinds
            self.met["crash_before_fill_kept"] += "fill" in kinds
            self._close_requests(now, SILENT_AFTER)
        self._asked.clear()
        self._arrived.clear()
        self._user_up_at = None

    def finish(self) -> None:
        """The run is over: what was not answered for long is lost."""
        self._close_requests(self._running.world.env.now, SILENT_AFTER)

    def _under_way(self, now: Ns, kind: type | UnionType) -> Iterator[_Asked]:
        """Requests of a kind that an answer is still waited for."""
        young = (asked for asked in self._asked.values() if now - asked.at <= SILENT_AFTER)
        return (asked for asked in young if any(isinstance(action, kind) for action in asked.actions))

    def _close_requests(self, now: Ns, after: Ns) -> None:
        for asked in self._asked.values():
            if asked.has_left and now - asked.at > after:
                self._answer_lost(asked)

    def _answer_lost(self, asked: _Asked) -> None:
        """Its orders may rest all the same."""
        for action in asked.actions:
            if isinstance(action, Place | Modify):
                order = self._orders.get((action.place if isinstance(action, Modify) else action).cloid)
                self.met["ack_lost_and_resting"] += order is not None and order.is_open

    # --- what is asked ---------------------------------------------------------------------------

    def _decided(self, request: Request, now: Ns) -> None:
        if len(self._asked) >= KEPT:
            self._answer_lost(self._asked.popitem(last=False)[1])
        self._asked[request.request_id] = _Asked(request.actions, now)
        for action in request.actions:
            match action:
                case Place() | Modify():
                    place = action.place if isinstance(action, Modify) else action
                    keep(self._orders, place.cloid, _Order(place.sz), KEPT)
                    self.met["reduce_only_placed"] += place.reduce_only
                    if isinstance(action, Modify):
                        self._ask_to_cancel(action.cloid, action.oid)
                case Cancel(_, cloid, oid):
                    self._ask_to_cancel(cloid, oid)

    def _ask_to_cancel(self, cloid: Cloid | None, oid: Oid | None) -> None:
        order = self._find(cloid, oid)
        if order is not None:
            order.cancel_asked = True

    def _find(self, cloid: Cloid | None, oid: Oid | None) -> _Order | None:
        order = self._orders.get(cloid) if cloid is not None else None
        return order if order is not None else self._by_oid.get(oid) if oid is not None else None

    # --- what is told ----------------------------------------------------------------------------

    def _update(self, event: OrderUpdate, _now: Ns) -> None:
        order = self._find(event.cloid, event.oid)
        self.met["reduce_only_trimmed"] += event.reason is Reason.REDUCE_ONLY_TRIMMED
        self.met["ended_by_schedule"] += event.reason is Reason.SCHEDULED
        if order is None:
            return
        keep(self._by_oid, event.oid, order, KEPT)
        if event.status is OrderStatus.OPEN:
            if order.is_over:
                self.met["late_open"] += 1
            elif order.is_unanswered and not order.is_open:
                self.met["error_and_resting"] += 1
            order.is_open = True
        elif not order.is_over:
            order.is_over = True
            if event.status is OrderStatus.CANCELED and 0 < order.filled < order.sz:
                self.met["partial_then_cancelled"] += 1
            if event.status is OrderStatus.FILLED and order.filled < order.sz:
                self.met["terminal_before_fill"] += 1
        order.is_acked = True

    def _fill(self, event: Fill, _now: Ns) -> None:
        """A fill by its own message: of the stream, or of the snapshot that a new connection begins with."""
        self._arrived.pop(("fill", event.tid), None)
        if event.tid in self._tids:
            self.met["duplicate_fill"] += 1
            return
        up_at = self._user_up_at
        self.met["fill_by_snapshot"] += up_at is not None and event.exch_time < up_at
        self._book(event)

    def _book(self, event: Fill) -> None:
        """A fill that was not heard of before."""
        keep(self._tids, event.tid, None, KEPT)
        self._move(event)
        if event.liquidation is not None:
            self.met["adl_fill" if event.liquidation.method is LiquidationMethod.ADL else "forced_fill"] += 1
        if self._down is not None and self._down[0] < event.exch_time < self._down[1]:
            self.met["fill_while_down"] += 1
        order = self._find(event.cloid, event.oid)
        if order is None:
            self.met["fill_of_unknown"] += 1
            return
        order.filled += event.sz
        self.met["fill_before_ack"] += not order.is_acked
        self.met["fill_after_end"] += order.is_over
        self.met["fill_during_cancel"] += order.cancel_asked and not order.is_over

    def _move(self, event: Fill) -> None:
        name = event.instrument
        before = self._positions.get(name, event.start_position)
        after = before + (event.sz if event.side is Side.BUY else -event.sz)
        self._positions[name] = after
        sign = (after > 0) - (after < 0)
        if sign:
            self.met["position_flipped"] += self._signs.get(name, sign) != sign
            self._signs[name] = sign
        self._look_at_limit(name, after)

    def _look_at_limit(self, name: InstrumentId, position: int) -> None:
        """Whether the position leaves no room for the least order of the side that would add to it."""
        trader = self._running.trader
        if trader is None or not position:
            return
        desk, mark = trader.core.desks[name], self._running.truth.mark(name)
        side = Side.BUY if position > 0 else Side.SELL
        least = 1 if not mark else -(-desk.instrument.min_notional // mark)
        if not desk.limit.reduce_only and desk.limit.capacity(side, desk.inventory.position) < 2 * least:
            self.met["limit_long" if position > 0 else "limit_short"] += 1

    def _replied(self, event: Replied, _now: Ns) -> None:
        self._arrived.pop(("reply", event.request_id), None)
        asked = self._asked.pop(event.request_id, None)
        actions = asked.actions if asked is not None else ()
        for fill in fills_in(event):
            if fill.tid not in self._tids:
                self.met["fill_by_query"] += 1
                self._book(fill)
        for result in event.results:
            if isinstance(result, LimitsReport):
                self.met["grid_changed"] += any(each.px_step > 1 or each.sz_step > 1 for each in result.limits)
            elif isinstance(result, FillsReport):
                self.met["page_ended_early"] += not result.is_complete
        for action, result in zip(actions, event.results, strict=False):
            self._answered(action, result)
        if not _is_refusal_of_all(event):
            self._left_open(actions[len(event.results) :])

    def _left_open(self, actions: tuple[AnyAction, ...]) -> None:
        """What an answer has no result for: an error page, or half of an answer."""
        self.met["answer_with_holes"] += bool(actions)
        for action in actions:
            if isinstance(action, Place | Modify):
                self._doubt((action.place if isinstance(action, Modify) else action).cloid)

    def _doubt(self, cloid: Cloid) -> None:
        order = self._orders.get(cloid)
        if order is not None:
            order.is_unanswered = True
            self.met["error_and_resting"] += order.is_open

    def _answered(self, action: AnyAction, result: object) -> None:
        if isinstance(result, Refused):
            self.met[f"refused_{result.reason.value}"] += 1
        match action, result:
            case Cancel(_, cloid, oid), Refused(Reason.NOT_OPEN):
                order = self._find(cloid, oid)
                self.met["cancel_of_filled"] += order is not None and order.filled >= order.sz
            case ((Place() | Modify()), (Resting() | Executed() | Cancelled() | Refused())):
                place = action.place if isinstance(action, Modify) else action
                order = self._orders.get(place.cloid)
                if order is None:
                    return
                if not isinstance(result, Refused):
                    order.is_acked = True
                elif result.reason in SAYS_NOTHING_OF_ORDERS or result.reason is Reason.OTHER:
                    self._doubt(place.cloid)
            case QueryOrder(cloid), OrderStatusReport(_, update):
                self._status_told(cloid, update)

    def _status_told(self, cloid: Cloid, update: OrderUpdate | None) -> None:
        order = self._orders.get(cloid)
        self.met[f"doubt_{'never_arrived' if update is None else update.status.value}"] += 1
        if update is None:
            return
        self.met["ended_by_schedule"] += update.reason is Reason.SCHEDULED
        if order is not None:
            self.met["fill_by_status"] += update.sz - update.remaining > order.filled

    def _not_sent(self, event: NotSent, _now: Ns) -> None:
        self._asked.pop(event.request_id, None)

    def _feed_up(self, event: FeedUp, now: Ns) -> None:
        if event.feed is Feed.USER:
            self._user_up_at = now

    def _feed_down(self, event: FeedDown, now: Ns) -> None:
        self.met["lost_in_recovery"] += event.feed is Feed.USER and any(self._under_way(now, QueryFills))
        self.met["no_pong"] += event.reason is Reason.NO_PONG
        if event.feed is Feed.USER:
            self._user_up_at = None


def _is_refusal_of_all(event: Replied) -> bool:
    """Whether one reason was given for the whole request."""
    if len(event.results) != 1:
        return False
    only = event.results[0]
    return isinstance(only, Refused) and only.reason in PAYLOAD_REASONS
