"""Our own orders as they follow from what crosses the driver: commands out, events in.

It shares nothing with the core, and errs towards "may still be live". Two questions are answered:
may this order still rest at the venue (safety net), and is everything about it known (fold)?
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence

from domain.commands import AnyAction, AnyCommand, Cancel, Modify, Place, QueryOpenOrders, QueryOrder, Request
from domain.events import (
    PAYLOAD_REASONS,
    SAYS_NOTHING_OF_ORDERS,
    AnyEvent,
    AnyResult,
    Cancelled,
    ClockSync,
    Executed,
    Fill,
    FillsReport,
    NotSent,
    OpenOrder,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Resting,
    Restored,
    RestoredOrder,
)
from domain.expiry import cannot_arrive
from domain.units import Cloid, InstrumentId, Ns, Oid, Px, RequestId, Side, Sz, Tid, Tif

KEPT = 10_000
"""Bound of each memory of what is over or not ours: oldest forgotten first."""


class OwnOrder:
    """One order (one generation of a chain) that we asked for, or that the venue says is ours."""

    __slots__ = (
        "acknowledged_at",
        "cloid",
        "expires_at",
        "final",
        "instrument",
        "is_ended",
        "is_intent",
        "number",
        "oid",
        "px",
        "side",
        "sz",
        "tids",
        "tif",
    )

    def __init__(self, instrument: InstrumentId, cloid: Cloid | None, side: Side, px: Px, sz: Sz) -> None:
        self.number = 0
        self.instrument = instrument
        self.cloid = cloid
        self.side = side
        self.px = px
        self.sz = sz
        self.tif: Tif | None = None
        self.oid: Oid | None = None
        self.expires_at: Ns | None = None
        """Our time after which the venue cannot take it any more; None: never, or not known."""
        self.is_intent = True
        """Whether a command of ours asked for it."""
        self.acknowledged_at: Ns | None = None
        """Our time at which the venue first showed that it has the order."""
        self.is_ended = False
        """Whether it is certain that nothing rests any more."""
        self.final: Sz | None = None
        """Filled size at the end, where the venue has stated it."""
        self.tids: dict[Tid, Sz] = {}

    @property
    def filled(self) -> int:
        """Lots of the fills that were seen."""
        return sum(self.tids.values())

    @property
    def is_settled(self) -> bool:
        """Ended, and every fill of it was seen."""
        return self.is_ended and self.final is not None and self.filled >= self.final

    def acknowledge(self, now: Ns) -> None:
        """The venue has, or had, the order."""
        if self.acknowledged_at is None:
            self.acknowledged_at = now

    def cannot_appear_after(self, time: Ns) -> bool:
        """Whether "not open", asked at this time, proves that it is gone: it was not still on its way."""
        if self.acknowledged_at is not None and self.acknowledged_at <= time:
            return True
        return cannot_arrive(self.expires_at, time)

    def end(self, final: Sz | None = None) -> None:
        """Nothing rests any more."""
        self.is_ended = True
        if self.final is None:
            self.final = final


class OwnOrders:
    """Every order of ours that is live or not settled, in the order in which they were asked for."""

    def __init__(self, instruments: Collection[InstrumentId] | None = None) -> None:
        """``instruments``: those that are traded; orders of others on the account are not ours. None: all."""
        self._instruments = instruments
        self._orders: dict[int, OwnOrder] = {}
        self._number = 0
        self._by_cloid: dict[Cloid, int] = {}
        self._by_oid: dict[Oid, int] = {}
        self._requests: OrderedDict[RequestId, tuple[Ns, tuple[AnyAction, ...]]] = OrderedDict()
        self._over: OrderedDict[Oid, None] = OrderedDict()
        self._early: OrderedDict[Oid, dict[Tid, Sz]] = OrderedDict()
        self._clock: ClockSync | None = None

    # --- what follows ---------------------------------------------------------------------------

    def live(self) -> list[OwnOrder]:
        """Orders that may rest, now or when a message under way arrives."""
        return [order for order in self._orders.values() if not order.is_ended]

    def unsettled(self) -> list[OwnOrder]:
        """Orders that we asked for and of which not everything is known."""
        return [order for order in self._orders.values() if order.is_intent]

    # --- commands out ---------------------------------------------------------------------------

    def sent(self, command: AnyCommand, now: Ns) -> None:
        """A command of ours is about to leave."""
        if not isinstance(command, Request):
            return
        self._requests[command.request_id] = (now, command.actions)
        if len(self._requests) > KEPT:
            self._requests.popitem(last=False)
        for action in command.actions:
            place = action.place if isinstance(action, Modify) else action
            if isinstance(place, Place):
                self._asked(place, now, command.expires_in)

    def _asked(self, place: Place, now: Ns, expires_in: Ns | None) -> None:
        order = OwnOrder(place.instrument, place.cloid, place.side, place.px, place.sz)
        order.tif = place.tif
        if expires_in is not None:
            order.expires_at = Ns(now + expires_in)
        self._add(order)

    # --- events in ------------------------------------------------------------------------------

    def seen(self, event: AnyEvent, now: Ns) -> None:
        """An event has arrived. Market data and connections say nothing here."""
        match event:
            case OrderUpdate():
                self._update(event, now)
            case Fill():
                self._fill(event, now)
            case Replied():
                self._replied(event, now)
            case NotSent():
                self._not_sent(event)
            case OpenOrdersReported():
                self._listed(event.orders, now)
            case ClockSync():
                self._clock = event
            case Restored():
                self._restored(event, now)
            case _:
                pass

    def _update(self, update: OrderUpdate, now: Ns) -> None:
        order = self._find(update.cloid, update.oid)
        if order is None:
            if update.status is not OrderStatus.OPEN or update.oid in self._over or self._is_foreign(update.instrument):
                return
            order = self._adopt(update.instrument, update.cloid, update.oid, update.side, update.px, update.sz)
        self._bind(order, update.oid)
        order.acknowledge(now)
        if update.status is OrderStatus.REJECTED:
            order.end(Sz(0))
        elif update.status is not OrderStatus.OPEN:
            order.end(Sz(update.sz - update.remaining))
        self._forget_if_over(order)

    def _is_foreign(self, instrument: InstrumentId) -> bool:
        return self._instruments is not None and instrument not in self._instruments

    def _fill(self, fill: Fill, now: Ns) -> None:
        order = self._find(fill.cloid, fill.oid)
        if order is None:
            if fill.cloid is None and fill.oid not in self._over:
                self._early.setdefault(fill.oid, {})[fill.tid] = fill.sz
                if len(self._early) > KEPT:
                    self._early.popitem(last=False)
            return
        self._bind(order, fill.oid)
        order.acknowledge(now)
        order.tids[fill.tid] = fill.sz
        if order.filled >= order.sz:
            order.end(order.sz)
        self._forget_if_over(order)

    def _listed(self, orders: Sequence[OpenOrder], now: Ns) -> None:
        for entry in orders:
            order = self._find(entry.cloid, entry.oid)
            if order is None:
                if entry.oid in self._over or self._is_foreign(entry.instrument):
                    continue
                order = self._adopt(entry.instrument, entry.cloid, entry.oid, entry.side, entry.px, entry.sz)
            if order.oid not in (None, entry.oid):  # an answer gave it an id that is none
                self._by_oid.pop(order.oid, None)
                order.oid = None
            self._bind(order, entry.oid)
            order.acknowledge(now)

    def _restored(self, event: Restored, now: Ns) -> None:
        """A new life: answers to the old one's requests are lost, its intents are ours, its time is another."""
        self._requests.clear()
        self._clock = None
        listed = {order.cloid: order for order in event.orders}
        for order in self.unsettled():
            if order.cloid not in listed:
                self._remove(order)
        for restored in listed.values():
            self._inherit(restored, now)

    def _inherit(self, restored: RestoredOrder, now: Ns) -> None:
        order = self._find(restored.cloid, None)
        if order is None:
            order = OwnOrder(restored.instrument, restored.cloid, restored.side, restored.px, restored.sz)
            order.tids.update(restored.fills)
            self._add(order)
        order.expires_at = None if restored.expires_in is None else Ns(now + restored.expires_in)
        if order.acknowledged_at is not None:
            order.acknowledged_at = now

    # --- outcomes of requests -------------------------------------------------------------------

    def _not_sent(self, event: NotSent) -> None:
        _, actions = self._requests.pop(event.request_id, (Ns(0), ()))
        for action in actions:
            if isinstance(action, Place | Modify):
                self._never_placed(action)

    def _replied(self, event: Replied, now: Ns) -> None:
        sent_at, actions = self._requests.pop(event.request_id, (Ns(0), ()))
        for action, result in zip(actions, spread(event.results, len(actions)), strict=False):
            match action:
                case Place():
                    self._placed(action, result, now)
                case Modify():
                    self._modified(action, result, now)
                case Cancel():
                    self._cancelled(action, result, sent_at)
                case QueryOrder():
                    self._status(action, result, sent_at, now)
                case QueryOpenOrders() if isinstance(result, OpenOrdersReport):
                    self._listed(result.orders, now)
                    self._end_absent(result, self._made_at(result.as_of, sent_at))
                case _ if isinstance(result, FillsReport):
                    for fill in result.fills:
                        self._fill(fill, now)

    def _placed(self, place: Place, result: AnyResult, now: Ns) -> None:
        order = self._find(place.cloid, None)
        if order is None:
            return
        match result:
            case Resting(oid=oid):
                self._bind(order, oid)
                order.acknowledge(now)
            case Executed(oid=oid, filled=filled):
                self._bind(order, oid)
                order.acknowledge(now)
                if filled >= order.sz or order.tif is Tif.IOC:
                    order.end(filled)
            case Refused(reason=reason) if reason not in SAYS_NOTHING_OF_ORDERS:
                order.end(Sz(0))
            case _:
                pass
        self._forget_if_over(order)

    def _modified(self, modify: Modify, result: AnyResult, now: Ns) -> None:
        self._placed(modify.place, result, now)
        is_gone = isinstance(result, Resting | Executed) or (
            isinstance(result, Refused) and result.reason in (Reason.CANNOT_MODIFY, Reason.MODIFY_NEW_LEG)
        )
        old = self._find(modify.cloid, modify.oid)
        if is_gone and old is not None:
            old.end()
            self._forget_if_over(old)

    def _cancelled(self, cancel: Cancel, result: AnyResult, asked_at: Ns) -> None:
        order = self._find(cancel.cloid, cancel.oid)
        if order is None:
            return
        if isinstance(result, Cancelled) or (
            isinstance(result, Refused) and result.reason is Reason.NOT_OPEN and order.cannot_appear_after(asked_at)
        ):
            order.end()
            self._forget_if_over(order)

    def _made_at(self, as_of: Ns, asked_at: Ns) -> Ns:
        """Up to when, on our clock, an answer certainly knows everything: a server may lag behind."""
        clock = self._clock
        return asked_at if clock is None else min(asked_at, Ns(as_of - clock.offset - clock.error))

    def _status(self, query: QueryOrder, result: AnyResult, asked_at: Ns, now: Ns) -> None:
        if not isinstance(result, OrderStatusReport):
            return
        if result.update is not None:
            self._update(result.update, now)
            return
        order = self._find(query.cloid, None)
        if order is None:
            return
        made_at = self._made_at(result.as_of, asked_at)
        if order.is_ended and (order.acknowledged_at is None or order.acknowledged_at <= made_at):
            order.end(Sz(order.filled))
        elif order.acknowledged_at is None and order.cannot_appear_after(made_at):
            order.end(Sz(0))
        self._forget_if_over(order)

    def _end_absent(self, report: OpenOrdersReport, made_at: Ns) -> None:
        """What had appeared, or could not appear any more, when the list was made, and is not listed, is gone."""
        listed = {entry.oid for entry in report.orders}
        for order in self.live():
            if order.oid not in listed and order.cannot_appear_after(made_at):
                order.end()
                self._forget_if_over(order)

    def _never_placed(self, action: Place | Modify) -> None:
        place = action.place if isinstance(action, Modify) else action
        order = self._find(place.cloid, None)
        if order is not None and order.acknowledged_at is None:
            order.end(Sz(0))
            self._forget_if_over(order)

    # --- inside ---------------------------------------------------------------------------------

    def _find(self, cloid: Cloid | None, oid: Oid | None) -> OwnOrder | None:
        number = self._by_cloid.get(cloid) if cloid is not None else None
        if number is None and oid is not None:
            number = self._by_oid.get(oid)
        return None if number is None else self._orders[number]

    def _adopt(self, instrument: InstrumentId, cloid: Cloid | None, oid: Oid, side: Side, px: Px, sz: Sz) -> OwnOrder:
        """The account has an order that we did not ask for (a journal lost its tail, a person trades)."""
        order = OwnOrder(instrument, cloid, side, px, sz)
        order.is_intent = False
        self._add(order)
        self._bind(order, oid)
        return order

    def _add(self, order: OwnOrder) -> None:
        self._number += 1
        order.number = self._number
        self._orders[order.number] = order
        if order.cloid is not None:
            self._by_cloid[order.cloid] = order.number

    def _bind(self, order: OwnOrder, oid: Oid) -> None:
        """Learn the venue's id, and with it the fills that came before it was known."""
        if order.oid is not None:
            return
        order.oid = oid
        self._by_oid[oid] = order.number
        order.tids.update(self._early.pop(oid, {}))
        if order.filled >= order.sz:
            order.end(order.sz)

    def _forget_if_over(self, order: OwnOrder) -> None:
        if order.is_settled or (order.is_ended and not order.is_intent):
            self._remove(order)

    def _remove(self, order: OwnOrder) -> None:
        del self._orders[order.number]
        if order.cloid is not None and self._by_cloid.get(order.cloid) == order.number:
            del self._by_cloid[order.cloid]  # a name that was given twice is the younger one's
        if order.oid is not None:
            self._by_oid.pop(order.oid, None)
            self._over[order.oid] = None
            if len(self._over) > KEPT:
                self._over.popitem(last=False)


def spread(results: Sequence[AnyResult], count: int) -> Sequence[AnyResult]:
    """One result per action where the venue gave one refusal for the whole payload."""
    if len(results) == 1 < count:
        only = results[0]
        if isinstance(only, Refused) and only.reason in PAYLOAD_REASONS:
            return (only,) * count
    return results


def fills_in(event: AnyEvent) -> Iterator[Fill]:
    """Every fill that an event tells of, by stream or by query."""
    if isinstance(event, Fill):
        yield event
    elif isinstance(event, Replied):
        for result in event.results:
            if isinstance(result, FillsReport):
                yield from result.fills
