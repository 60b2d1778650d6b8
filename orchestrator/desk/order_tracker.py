"""Our orders of one instrument: what we believe rests, what may still fill, what is unclear.

Facts come on channels that promise no order between each other, so every handler accepts the others
not having run yet. Filled sizes come from fills alone; statuses only end orders and say how much
the venue filled in the end.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, Cancel, Modify, Place, Severity
from domain.errors import IllegalTransition
from domain.events import (
    Cancelled,
    Executed,
    Fill,
    OrderStatus,
    OrderUpdate,
    Reason,
    Refused,
    Resting,
    Result,
)
from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import NS_PER_S, Cloid, Ns, Oid, Pos, Px, Side, Sz, Tif, Usd, millis, seconds
from orchestrator.desk.early_fills import EarlyFills

MAX_IN_VAIN = 3
FUTILE = seconds(60)
"""After so many cancels of an order in a row that the venue found nothing for, the next one leaves later than this
after it said so last (S25)."""
STUCK_BURST = seconds(60)
"""Placements that are stuck with no longer pauses than this are one burst: one alert."""
_S = OrderState
_STATUS_OF_CANCELLING = (_S.CANCEL_PENDING, _S.CANCEL_CONFIRMED)
_REJECTABLE = (_S.PENDING_NEW, _S.CANCEL_PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Bounds and patience of the tracker."""

    completed_kept: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 1_000
    """Ended orders kept, so that late facts find their order (OL-04)."""
    stuck_ms: Annotated[float, Interval(gt=0, le=1e9)] = 5_000.0
    """A placement unacknowledged for longer is asked after (OL-05)."""
    settle_ms: Annotated[float, Interval(gt=0, le=1e9)] = 2_000.0
    """An ended order that lacks its final size or fills for longer is asked after."""
    fill_window_ms: Annotated[float, Interval(gt=0, le=1e9)] = 5_000.0
    """How long a confirmed cancel without a final size waits for fills (C-03)."""
    stale_fills_ms: Annotated[float, Interval(gt=0, le=1e9)] = 600_000.0
    """A resting order without a fill for longer is counted as stale (OL-26)."""


@dataclass(slots=True)
class TrackerCounters:
    """Plain counters, read by snapshots."""

    placed: int = 0
    modified: int = 0
    cancels_sent: int = 0
    cancelled: int = 0
    rejected: int = 0
    expired: int = 0
    """Orders that came to the venue too late to be taken."""
    filled: int = 0
    races: int = 0
    """Fills of orders whose cancel or modify was under way."""
    late_fills: int = 0
    """Fills beyond the final size with which their order ended, or later than the fill window after its end."""
    late_events: int = 0
    """Statuses that came after the end, or about another generation's oid: no-ops."""
    foreign: int = 0
    """Facts about orders that we do not know."""
    overfilled: int = 0
    stuck: int = 0
    """Placements that stayed unacknowledged for too long."""
    modify_fallback: int = 0
    """Refused modifies that became a cancel and a placement."""
    illegal: int = 0
    """Steps that the lifecycle does not have: ours raise, those of the venue are doubted."""


class OrderTracker:
    """All orders of one instrument that are live or not settled, by client id."""

    def __init__(self, config: TrackerConfig) -> None:
        """Start empty."""
        self.config = config
        self.orders: dict[Cloid, TrackedOrder] = {}
        self.completed: OrderedDict[Cloid, TrackedOrder] = OrderedDict()
        self.counters = TrackerCounters()
        self.revision = 0
        """Grows with every fact about an order: lets others skip a look when nothing changed."""
        self.alarms: list[Alert] = []
        """What people should hear; whoever owns the tracker empties it."""
        self._by_oid: dict[Oid, Cloid] = {}
        self._early = EarlyFills()
        self._caught_up: list[TrackedOrder] = []
        """Orders that fills of before their venue id was known were booked to."""
        self._stuck = millis(config.stuck_ms)
        self._stuck_until = Ns(-1)
        self._window = millis(config.fill_window_ms)
        self._settle = millis(config.settle_ms)

    # --- looking up -----------------------------------------------------------------------------

    def find(self, cloid: Cloid | None, oid: Oid | None) -> TrackedOrder | None:
        """The order with this client id or venue id, live or recently ended."""
        if cloid is None and oid is not None:
            cloid = self._by_oid.get(oid)
        if cloid is None:
            return None
        return self.orders.get(cloid) or self.completed.get(cloid)

    def may_be_ours(self, fill: Fill, heard_at: Ns) -> bool:
        """Whether a fill that names no order may be of a placement whose venue id is not known."""
        return fill.cloid is None and any(
            order.oid is None
            and not order.is_terminal
            and order.placed_at <= heard_at
            and order.side is fill.side
            and order.side * (order.px - fill.px) >= 0
            and order.remaining >= fill.sz
            for order in self.orders.values()
        )

    def take_caught_up(self) -> list[TrackedOrder]:
        """Orders that were found to have traded earlier than we knew of them, since this was last asked."""
        found, self._caught_up = self._caught_up, []
        return found

    def active_orders(self) -> list[TrackedOrder]:
        """Orders whose lifecycle has not ended (OL-04)."""
        return [order for order in self.orders.values() if not order.is_terminal]

    def stale_orders(self, now: Ns) -> list[TrackedOrder]:
        """Resting orders without a recent fill (OL-26)."""
        limit = millis(self.config.stale_fills_ms)
        return [order for order in self.orders.values() if order.is_resting and _quiet_for(order, now) > limit]

    # --- exposure (C-15) ------------------------------------------------------------------------

    def pending_exposure(self) -> tuple[Sz, Sz]:
        """(bid, ask) remaining lots of confirmed resting orders (OL-17)."""
        bid = ask = 0
        for order in self.orders.values():
            if order.is_resting:
                if order.side is Side.BUY:
                    bid += order.remaining
                else:
                    ask += order.remaining
        return Sz(bid), Sz(ask)

    def fillable_exposure(self) -> tuple[Sz, Sz]:
        """(bid, ask) lots that may still change the position, in flight and unknown included."""
        bid = ask = 0
        for order in self.orders.values():
            if order.side is Side.BUY:
                bid += order.fillable
            else:
                ask += order.fillable
        return Sz(bid), Sz(ask)

    def leaving_exposure(self) -> tuple[Sz, Sz]:
        """(bid, ask) lots that may still fill although no quote counts on them: being cancelled, or ended unsettled."""
        bid = ask = 0
        for order in self.orders.values():
            if order.state in _STATUS_OF_CANCELLING or order.is_terminal:
                if order.side is Side.BUY:
                    bid += order.fillable
                else:
                    ask += order.fillable
        return Sz(bid), Sz(ask)

    def net_pending_change(self) -> Pos:
        """Resting bids minus resting asks (OL-18)."""
        bid, ask = self.pending_exposure()
        return Pos(bid - ask)

    def worst_case_positions(self, position: Pos) -> tuple[Pos, Pos]:
        """(min, max) position if all fillable asks or all fillable bids fill (OL-19)."""
        bid, ask = self.fillable_exposure()
        return Pos(position - ask), Pos(position + bid)

    def resting_notional(self) -> tuple[Usd, Usd]:
        """(bid, ask) value of confirmed resting orders (OL-20)."""
        bid = ask = 0
        for order in self.orders.values():
            if order.is_resting:
                value = order.px * order.remaining
                if order.side is Side.BUY:
                    bid += value
                else:
                    ask += value
        return Usd(bid), Usd(ask)

    def inner_px(self, side: Side) -> Px | None:
        """Price nearest the market among the orders of a side that may still fill."""
        prices = [o.px for o in self.orders.values() if o.side is side and o.fillable]
        if not prices:
            return None
        return max(prices) if side is Side.BUY else min(prices)

    # --- what we send ---------------------------------------------------------------------------

    def on_place_sent(
        self, place: Place, now: Ns, chain: Cloid | None = None, expires_at: Ns | None = None
    ) -> TrackedOrder:
        """An order exists for us from the moment at which we decide to send it."""
        self.revision += 1
        order = TrackedOrder(
            place.instrument,
            place.cloid,
            place.side,
            place.px,
            place.sz,
            place.tif,
            now,
            reduce_only=place.reduce_only,
            chain=chain,
        )
        order.expires_at = expires_at
        self.orders[place.cloid] = order
        return order

    def on_cancel_sent(self, order: TrackedOrder, now: Ns) -> None:
        """A sent cancel is not a cancelled order; a repeated one changes nothing."""
        self.revision += 1
        if order.state is not _S.CANCEL_PENDING:
            self._advance(order, _S.CANCEL_PENDING, now)
        order.is_cancel_blind = order.oid is None
        order.in_flight = InFlight.CANCEL
        order.cancel_sent_at = now
        self.counters.cancels_sent += 1

    def on_modify_sent(self, order: TrackedOrder, modify: Modify, now: Ns, expires_at: Ns | None = None) -> None:
        """Both generations count until the venue has said which of them lives."""
        self.revision += 1
        successor = self.on_place_sent(modify.place, now, order.chain, expires_at)
        order.in_flight = InFlight.MODIFY
        order.cancel_sent_at = now
        order.successor = successor.cloid
        self.counters.modified += 1

    # --- results of our requests ----------------------------------------------------------------

    def on_place_result(self, cloid: Cloid, result: Result, now: Ns) -> None:
        """The venue answered a placement."""
        self.revision += 1
        order = self.orders.get(cloid)
        if order is None:
            return
        order.in_flight = _cleared(order, InFlight.PLACE)
        match result:
            case Resting(oid=oid):
                self._bind(order, oid)
                self._acknowledge(order, now)
            case Executed(oid=oid, filled=filled):
                self._bind(order, oid)
                self._acknowledge(order, now)
                if order.tif is Tif.IOC and not order.is_terminal:
                    self._end(order, min(filled, order.sz), now, is_full=filled >= order.sz)
            case Refused(reason=reason):
                self._reject(order, now, reason)
            case _ if not order.is_terminal:
                order.certainty = Certainty.UNKNOWN
        self._catch_up(order, now)
        self._retire(order)

    def on_cancel_result(self, order: TrackedOrder, result: Result, now: Ns) -> None:
        """The venue answered a cancel. NOT_OPEN does not say why, so it is not an end."""
        self.revision += 1
        order.in_flight = _cleared(order, InFlight.CANCEL)
        if order.is_terminal:
            self._retire(order)
            return
        match result:
            case Cancelled():
                self._confirm_cancel(order, now)
            case _:
                if isinstance(result, Refused) and result.reason is Reason.NOT_OPEN:
                    order.cancels_in_vain += 1
                    order.cancel_refused_at = now
                order.certainty = Certainty.UNKNOWN

    def on_modify_result(self, order: TrackedOrder, successor: Cloid, result: Result, now: Ns) -> None:
        """The venue answered the modify of ``order`` (the generation that goes) into ``successor``.

        A late answer may be to an earlier modify than the one under way: it says nothing of that one.
        """
        self.revision += 1
        is_current = self._modify_answered(order, successor)
        new = self.orders.get(successor)
        match result:
            case Resting() | Executed():
                self._confirm_cancel(order, now)
                self.on_place_result(successor, result, now)
            case Refused(reason=Reason.CANNOT_MODIFY):
                # The old order was filled or cancelled; which of them only a query tells (T-24).
                self._discard(new, now)
                if is_current and not order.is_terminal:
                    order.certainty = Certainty.UNKNOWN
            case Refused(reason=Reason.MODIFY_NEW_LEG):
                self._discard(new, now)
                self._confirm_cancel(order, now)
            case Refused(reason=Reason.NOT_OPEN):
                # It cannot be modified, and we believe that it rests: cancel it, then place anew (OL-09).
                self._discard(new, now)
                self.counters.modify_fallback += not order.is_unmodifiable
                order.is_unmodifiable = True
            case Refused(reason=reason):
                # The payload itself was refused: nothing happened.
                self._discard(new, now, reason)
            case _:
                self.on_modify_silence(order, successor)
        self._retire(order)

    def on_place_not_sent(self, cloid: Cloid, now: Ns) -> None:
        """No byte left: the order never existed."""
        self.revision += 1
        self._discard(self.orders.get(cloid), now)

    def on_cancel_not_sent(self, order: TrackedOrder, now: Ns) -> None:
        """No byte left: the order rests on, or is as unacknowledged as before."""
        self.revision += 1
        order.in_flight = _cleared(order, InFlight.CANCEL)
        if order.state is _S.CANCEL_PENDING and order.oid is not None:
            self._advance(order, _S.PARTIALLY_FILLED if order.filled else _S.OPEN, now)
        elif order.state is _S.CANCEL_PENDING:
            order.certainty = Certainty.UNKNOWN

    def on_modify_not_sent(self, order: TrackedOrder, successor: Cloid, now: Ns) -> None:
        """No byte left: the old generation rests on."""
        self.revision += 1
        self._modify_answered(order, successor)
        self._discard(self.orders.get(successor), now)

    def on_place_silence(self, cloid: Cloid) -> None:
        """No answer in time. If a channel has confirmed the order meanwhile, nothing is unclear."""
        self.revision += 1
        order = self.orders.get(cloid)
        if order is not None:
            order.in_flight = _cleared(order, InFlight.PLACE)
            if order.state is _S.PENDING_NEW:
                order.certainty = Certainty.UNKNOWN

    def on_cancel_silence(self, order: TrackedOrder) -> None:
        """No answer in time: the order may be gone, may rest, may have filled."""
        self.revision += 1
        order.in_flight = _cleared(order, InFlight.CANCEL)
        if not order.is_terminal:
            order.certainty = Certainty.UNKNOWN

    def on_modify_silence(self, order: TrackedOrder, successor: Cloid) -> None:
        """No answer in time: either generation may be the live one."""
        self.revision += 1
        if self._modify_answered(order, successor) and not order.is_terminal:
            order.certainty = Certainty.UNKNOWN
        self.on_place_silence(successor)

    # --- facts from the venue -------------------------------------------------------------------

    def on_update(self, update: OrderUpdate, now: Ns, *, is_answer: bool = False) -> bool:
        """Take in a status; False if we do not know the order.

        ``is_answer``: it answers a query that we sent after the order became unclear, so `open`
        proves that the order rests.
        """
        self.revision += 1
        order = self.find(update.cloid, update.oid)
        if order is None:
            self.counters.foreign += 1
            return False
        is_wrongly_gone = order.is_presumed_gone or order.oid is None
        if order.is_terminal and is_wrongly_gone and update.status is OrderStatus.OPEN:
            # We took it for gone or never placed, and it rests: whoever asks has to cancel it.
            self.counters.foreign += 1
            return False
        if is_answer and not order.is_terminal:
            self._correct(order, update.oid)
        if order.is_terminal or (order.oid is not None and order.oid != update.oid):
            self.counters.late_events += 1
            return True
        self._bind(order, update.oid)
        match update.status:
            case OrderStatus.OPEN:
                self._acknowledge(order, now)
                if is_answer:
                    self._still_open(order, now)
            case OrderStatus.REJECTED if order.state in _REJECTABLE:
                self._reject(order, now)
            case OrderStatus.REJECTED if order.state is _S.CANCEL_CONFIRMED and not order.filled:
                # The venue confirmed the cancel of what it had refused: either way nothing is left, and nothing filled.
                self._end(order, Sz(0), now, is_full=False)
            case OrderStatus.REJECTED:
                self._doubt_step(order, _S.REJECTED)
            case OrderStatus.FILLED | OrderStatus.CANCELED:
                self._end(order, Sz(update.sz - update.remaining), now, is_full=update.status is OrderStatus.FILLED)
        self._catch_up(order, now)
        self._retire(order)
        return True

    def on_fill(self, fill: Fill, now: Ns) -> TrackedOrder | None:
        """Book a fill (already deduplicated) to its order; None if we do not know the order, or do not yet."""
        self.revision += 1
        order = self.find(fill.cloid, fill.oid)
        if order is None:
            self.counters.foreign += 1
            if fill.cloid is None:
                self._early.keep(fill)
            return None
        self._book(order, fill, now)
        self._catch_up(order, now)
        self._retire(order)
        return order

    def mark_unknown(self, order: TrackedOrder) -> None:
        """The venue's list does not show an order that should be there: ask about it."""
        self.revision += 1
        order.certainty = Certainty.UNKNOWN

    def give_up(self, order: TrackedOrder, now: Ns) -> None:
        """Conclude an order with what we have; the caller holds the evidence that nothing comes."""
        self.revision += 1
        order.is_presumed_gone = True
        order.conclude(order.filled)
        if order.state is _S.PENDING_NEW:
            self._finish(order, _S.CANCELLED if order.filled else _S.REJECTED, now)
        else:
            self._confirm_cancel(order, now)
            self._finish(order, _S.CANCELLED, now)
        self._retire(order)

    def flag_stuck(self, now: Ns) -> None:
        """Count each placement that is unacknowledged for too long, and tell once of a burst of them (OL-05)."""
        late = [o for o in self.orders.values() if (at := self.stuck_at(o)) is not None and at <= now]
        if not late:
            return
        for order in late:
            order.is_stuck = True
        self.revision += 1
        self.counters.stuck += len(late)
        if now > self._stuck_until:
            text = f"{len(late)} unacknowledged for {self.config.stuck_ms / 1e3:g} s ({self.counters.stuck} so far)"
            self.alarms.append(Alert(Severity.WARNING, "order_stuck", f"{text}, the first: {late[0]!r}"))
        self._stuck_until = Ns(now + STUCK_BURST)

    def stuck_at(self, order: TrackedOrder) -> Ns | None:
        """When a placement has to be flagged; None if it is acknowledged, or flagged already."""
        if order.is_stuck or order.oid is not None or order.state not in _REJECTABLE:
            return None
        return Ns(order.placed_at + self._stuck)

    def unclear_at(self, order: TrackedOrder) -> Ns | None:
        """When an order becomes one to ask about; None while all is well with it."""
        if order.certainty is Certainty.UNKNOWN and order.in_flight is InFlight.NONE:
            return order.state_changed_at
        if order.state is _S.PENDING_NEW:
            return Ns(order.placed_at + self._stuck)
        if order.tif is Tif.IOC and order.is_resting:  # it cannot: what was said of its end is lost
            return Ns(order.state_changed_at + self._settle)
        if order.state is _S.CANCEL_CONFIRMED or (order.is_terminal and not order.is_settled):
            return Ns(order.state_changed_at + self._settle)
        return None

    # --- inside ---------------------------------------------------------------------------------

    def _advance(self, order: TrackedOrder, to: OrderState, now: Ns) -> None:
        try:
            order.advance(to, now)
        except IllegalTransition:
            self.counters.illegal += 1
            raise

    def _book(self, order: TrackedOrder, fill: Fill, now: Ns) -> None:
        if not order.record_fill_with_price(fill.tid, fill.sz, fill.px, now):
            return
        self._bind(order, fill.oid)
        counters = self.counters
        if self._is_late(order, now):
            counters.late_fills += 1
            text = f"fill {fill.tid} of {order!r} came {_seconds_since(order, now)} s after the order's end"
            self.alarms.append(Alert(Severity.WARNING, "late_fill", text))
        counters.races += order.in_flight in (InFlight.CANCEL, InFlight.MODIFY) or order.state in _STATUS_OF_CANCELLING
        counters.overfilled += order.filled > order.sz
        self._acknowledge(order, now)
        if order.is_filled and not order.is_terminal:
            order.conclude(order.sz)
            cancelling = order.state in _STATUS_OF_CANCELLING
            self._finish(order, _S.FILLED_DURING_CANCEL if cancelling else _S.FILLED, now)
        elif order.state is _S.OPEN:
            # Where the order is in doubt it stays so: the fill may be from before the doubt.
            self._advance(order, _S.PARTIALLY_FILLED, now)

    def _catch_up(self, order: TrackedOrder, now: Ns) -> None:
        """Once an order's venue id is known: the fills that came before, as if they came now."""
        early = () if order.oid is None else self._early.take(order.oid)
        for fill in early:
            self._book(order, fill, now)
        if early:
            self._caught_up.append(order)

    def _bind(self, order: TrackedOrder, oid: Oid) -> None:
        if order.oid is None:
            order.oid = oid
            order.cancels_in_vain = 0
            self._by_oid[oid] = order.cloid

    def _correct(self, order: TrackedOrder, oid: Oid) -> None:
        """The venue was asked about the client id, and this is its order's id: one that was given before was none."""
        if order.oid not in (None, oid):
            self._by_oid.pop(order.oid, None)
            order.oid = None
        self._bind(order, oid)

    def _is_late(self, order: TrackedOrder, now: Ns) -> bool:
        """Whether a fill of this order was not to be expected any more (OL-03)."""
        if not order.is_terminal and order.state is not _S.CANCEL_CONFIRMED:
            return False
        is_beyond = order.is_terminal and order.filled > (order.final_filled or 0)
        return is_beyond or now - order.state_changed_at > self._window

    def _doubt_step(self, order: TrackedOrder, to: OrderState) -> None:
        """The venue states what cannot follow: the fact is kept, people are told, the order is asked about."""
        self.counters.illegal += 1
        order.certainty = Certainty.UNKNOWN
        text = f"the venue says {to} of {order!r}"
        self.alarms.append(Alert(Severity.WARNING, "illegal_transition", text))

    def _acknowledge(self, order: TrackedOrder, now: Ns) -> None:
        if order.state is _S.PENDING_NEW:
            self._advance(order, _S.PARTIALLY_FILLED if order.filled else _S.OPEN, now)
            order.in_flight = _cleared(order, InFlight.PLACE)
            order.certainty = Certainty.KNOWN
            self.counters.placed += 1

    def _still_open(self, order: TrackedOrder, now: Ns) -> None:
        if order.in_flight is not InFlight.NONE:
            return
        order.certainty = Certainty.KNOWN
        order.cancels_in_vain = 0
        if order.state is _S.CANCEL_PENDING:
            self._advance(order, _S.PARTIALLY_FILLED if order.filled else _S.OPEN, now)

    def _confirm_cancel(self, order: TrackedOrder, now: Ns) -> None:
        if order.state in (_S.PENDING_NEW, _S.OPEN, _S.PARTIALLY_FILLED):
            self._advance(order, _S.CANCEL_PENDING, now)
        if order.state is _S.CANCEL_PENDING:
            self._advance(order, _S.CANCEL_CONFIRMED, now)
        order.certainty = Certainty.KNOWN

    def _end(self, order: TrackedOrder, final: Sz, now: Ns, *, is_full: bool) -> None:
        """The venue says that it is over, and how much of it was filled; ``is_full``: that it was for that."""
        order.conclude(final)
        cancelling = order.state in _STATUS_OF_CANCELLING
        if is_full:
            self._finish(order, _S.FILLED_DURING_CANCEL if cancelling else _S.FILLED, now)
            return
        if order.state is _S.CANCEL_PENDING:
            self._advance(order, _S.CANCEL_CONFIRMED, now)
        self._finish(order, _S.CANCELLED, now)

    def _reject(self, order: TrackedOrder, now: Ns, reason: Reason | None = None) -> None:
        if order.state in _REJECTABLE:
            order.conclude(Sz(0))
            self._finish(order, _S.EXPIRED if reason is Reason.EXPIRED else _S.REJECTED, now)

    def _discard(self, order: TrackedOrder | None, now: Ns, reason: Reason | None = None) -> None:
        if order is not None and not order.is_terminal:
            order.in_flight = InFlight.NONE
            self._reject(order, now, reason)
            self._retire(order)

    def _finish(self, order: TrackedOrder, state: OrderState, now: Ns) -> None:
        self._advance(order, state, now)
        order.certainty = Certainty.KNOWN
        counters = self.counters
        if state is _S.CANCELLED:
            counters.cancelled += 1
        elif state is _S.REJECTED:
            counters.rejected += 1
        elif state is _S.EXPIRED:
            counters.expired += 1
        else:
            counters.filled += 1

    def _modify_answered(self, order: TrackedOrder, successor: Cloid) -> bool:
        """End the wait for this modify; False where a later one of the same order has taken its place."""
        if order.successor != successor:
            return False
        order.in_flight = _cleared(order, InFlight.MODIFY)
        return True

    def _retire(self, order: TrackedOrder) -> None:
        if not order.is_settled or self.orders.pop(order.cloid, None) is None:
            return
        self.completed[order.cloid] = order
        if len(self.completed) > self.config.completed_kept:
            _, oldest = self.completed.popitem(last=False)
            if oldest.oid is not None:
                self._by_oid.pop(oldest.oid, None)


def _quiet_for(order: TrackedOrder, now: Ns) -> Ns:
    """How long ago an order last traded; one that never did, how long ago it was placed."""
    since = order.time_since_last_fill(now)
    return order.age(now) if since is None else since


def _seconds_since(order: TrackedOrder, now: Ns) -> str:
    """How long ago an order took its last step."""
    return f"{(now - order.state_changed_at) / NS_PER_S:.3f}"


def _cleared(order: TrackedOrder, kind: InFlight) -> InFlight:
    return InFlight.NONE if order.in_flight is kind else order.in_flight


def cancel_of(order: TrackedOrder) -> Cancel:
    """The action that cancels an order: by client id, which works before its oid is known."""
    return Cancel(order.instrument, order.cloid, order.oid)


def is_cancel_futile(order: TrackedOrder, now: Ns) -> bool:
    """Whether to leave it alone: the venue has found nothing to cancel so often, and so lately. A query tells more."""
    told = order.cancel_refused_at
    return order.cancels_in_vain >= MAX_IN_VAIN and told is not None and now - told <= FUTILE
