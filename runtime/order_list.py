"""The orders of a journal, a line each: where to find the id of the one whose story is wanted.

It repeats what the journal says and judges nothing; `runtime.story` tells one order in full.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from domain.commands import AnyCommand, Cancel, Modify, Place, Request
from domain.events import (
    SAYS_NOTHING_OF_ORDERS,
    AnyEvent,
    AnyResult,
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
from domain.instrument import Instrument
from domain.orders import OrderState
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, Oid, RequestId, Side, Tid
from runtime.journal_format import Opened, Record, Took
from runtime.own_orders import spread

_ENDS = {
    OrderStatus.FILLED: OrderState.FILLED,
    OrderStatus.CANCELED: OrderState.CANCELLED,
    OrderStatus.REJECTED: OrderState.REJECTED,
}
_SHORTEST = 8
"""Characters of a client id that are shown at least, ``0x`` included."""


@dataclass(slots=True)
class ListedOrder:
    """One order, which is one generation of a chain; sizes in lots, prices in ticks."""

    at: Ns
    """When it was decided; of an order that the journal does not see placed, when it was first heard of."""
    instrument: InstrumentId
    side: Side
    px: int
    sz: int
    cloid: Cloid | None = None
    oid: Oid | None = None
    filled: int = 0
    ended: str = "no answer"
    """How it ended, or how it stood at the end of the journal."""
    is_over: bool = False
    state: OrderState = OrderState.PENDING_NEW
    """Where in the lifecycle the journal leaves it, by what the venue said."""


def orders_in(records: Iterable[Record]) -> tuple[list[ListedOrder], dict[InstrumentId, Instrument]]:
    """Return every order of a journal in the order of time, and the instruments that its headers describe."""
    clerk = _Clerk()
    for record in records:
        clerk.take(record)
    return clerk.listed(), clerk.instruments


def order_lines(records: Iterable[Record], *, with_fills: bool = False, state: OrderState | None = None) -> list[str]:
    """Return a head and a line for each order.

    ``with_fills``: only those that traded; ``state``: only those that the journal leaves in it.
    Client ids are cut to what `makerlab story` needs to tell them apart. Nothing listed is no lines.
    """
    orders, instruments = orders_in(records)
    length = _distinct_length([order.cloid for order in orders if order.cloid is not None])
    head = ("time", "order", "how it ended", "filled", "client id", "oid")
    shown = [order for order in orders if (order.filled or not with_fills) and state in (None, order.state)]
    rows = [_row(order, instruments, length) for order in shown]
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in (head, *rows)]


def _row(order: ListedOrder, instruments: dict[InstrumentId, Instrument], length: int) -> tuple[str, ...]:
    instrument = instruments.get(order.instrument)
    size, filled, price = f"{order.sz} lots", f"{order.filled} lots", f"{order.px} ticks"
    if instrument is not None:
        size, filled = instrument.format_size(order.sz), instrument.format_size(order.filled)
        price = instrument.format_price(order.px)
    side = "buy" if order.side is Side.BUY else "sell"
    return (
        f"{order.at / NS_PER_S:.3f} s",
        f"{side} {size} {order.instrument} @ {price}",
        order.ended,
        filled if order.filled else "",
        (order.cloid or "")[:length],
        "" if order.oid is None else str(order.oid),
    )


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Times to the right, words to the left."""
    time, *words = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    return [time.rstrip().rjust(widths[0]), *words]


def _distinct_length(cloids: list[Cloid]) -> int:
    shared = (_shared(one, other) for one, other in pairwise(sorted(cloids)))
    return max(max(shared, default=0) + 1, _SHORTEST)


def _shared(one: str, other: str) -> int:
    """Length of what two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


# --- reading ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Clerk:
    orders: dict[Cloid | Oid, ListedOrder] = field(default_factory=dict)
    """By client id where any record gave one, else by the venue's."""
    instruments: dict[InstrumentId, Instrument] = field(default_factory=dict)
    cloid_of: dict[Oid, Cloid] = field(default_factory=dict)
    requests: dict[RequestId, Request] = field(default_factory=dict)
    told: set[tuple[Tid, Oid]] = field(default_factory=set)
    now: Ns = Ns(0)

    def listed(self) -> list[ListedOrder]:
        return sorted(self.orders.values(), key=lambda order: order.at)

    def take(self, record: Record) -> None:
        if isinstance(record, Opened):
            self.instruments |= {instrument.id: instrument for instrument in record.header.instruments}
            return
        self.now = record.now
        if isinstance(record, Took):
            self._event(record.event)
        else:
            for command in record.commands:
                self._command(command)

    def _command(self, command: AnyCommand) -> None:
        if not isinstance(command, Request):
            return
        self.requests[command.request_id] = command
        for place in _placements(command):
            self.orders[place.cloid] = self._new(place, place.cloid)

    def _event(self, event: AnyEvent) -> None:
        match event:
            case OrderUpdate():
                self._update(event)
            case Fill():
                self._fill(event)
            case OpenOrdersReported(orders=orders):
                self._rest(orders)
            case Replied():
                self._replied(event)
            case NotSent(request_id=request_id, reason=reason):
                for place in _placements(self.requests.get(request_id)):
                    self._end(self.orders[place.cloid], f"not sent ({reason})", OrderState.REJECTED)
            case Restored(orders=restored):
                for order in restored:
                    self.orders.setdefault(order.cloid, self._new(order, order.cloid))
            case _:
                pass

    def _replied(self, event: Replied) -> None:
        request = self.requests.get(event.request_id)
        if request is None:
            return
        for action, result in zip(request.actions, spread(event.results, len(request.actions)), strict=False):
            if isinstance(action, Place | Modify):
                self._placed(self.orders[_cloid_of(action)], result)
            elif not isinstance(action, Cancel):
                self._answered(result)

    def _placed(self, order: ListedOrder, result: AnyResult) -> None:
        if isinstance(result, Refused) and result.reason in SAYS_NOTHING_OF_ORDERS:
            if order.oid is None and not order.is_over:
                order.ended = f"unclear ({result.reason})"
        elif isinstance(result, Refused):
            state = OrderState.EXPIRED if result.reason is Reason.EXPIRED else OrderState.REJECTED
            self._end(order, f"refused ({result.reason})", state)
        elif isinstance(result, Resting | Executed):
            self._know(order, result.oid)
            self._stand(order, "open" if isinstance(result, Resting) else "executed")

    def _answered(self, result: AnyResult) -> None:
        match result:
            case OrderStatusReport(update=update) if update is not None:
                self._update(update)
            case OpenOrdersReport(orders=orders):
                self._rest(orders)
            case FillsReport(fills=fills):
                for fill in fills:
                    self._fill(fill)
            case _:
                pass

    def _update(self, update: OrderUpdate) -> None:
        order = self._order(update)
        text = f"{update.status} ({update.reason})" if update.reason else str(update.status)
        if update.status is OrderStatus.OPEN:
            self._stand(order, text)
        else:
            self._end(order, text, _ENDS[update.status])

    def _rest(self, orders: Sequence[OpenOrder]) -> None:
        for order in orders:
            self._stand(self._order(order), "open")

    def _fill(self, fill: Fill) -> None:
        order = self._order(fill)
        if (fill.tid, fill.oid) not in self.told:
            self.told.add((fill.tid, fill.oid))
            order.filled += fill.sz
            self._trade(order)

    # --- finding --------------------------------------------------------------------------------

    def _order(self, event: OrderUpdate | Fill | OpenOrder) -> ListedOrder:
        """The order that an event is about, begun where nothing was said of it before."""
        cloid = self.cloid_of.get(event.oid) if event.cloid is None else event.cloid
        key: Cloid | Oid = event.oid if cloid is None else cloid
        order = self.orders.get(key)
        if order is None:
            order = self.orders.pop(event.oid, None) or self._new(event, None)
            self.orders[key] = order
        order.cloid = cloid
        self._know(order, event.oid)
        return order

    def _new(self, like: Place | RestoredOrder | OrderUpdate | Fill | OpenOrder, cloid: Cloid | None) -> ListedOrder:
        return ListedOrder(self.now, like.instrument, like.side, like.px, like.sz, cloid)

    def _know(self, order: ListedOrder, oid: Oid) -> None:
        order.oid = oid
        if order.cloid is not None:
            self.cloid_of[oid] = order.cloid

    @staticmethod
    def _stand(order: ListedOrder, text: str) -> None:
        if not order.is_over:
            order.ended = text
            order.state = OrderState.PARTIALLY_FILLED if order.filled else OrderState.OPEN

    @staticmethod
    def _trade(order: ListedOrder) -> None:
        if not order.is_over:
            order.state = OrderState.FILLED if order.filled >= order.sz else OrderState.PARTIALLY_FILLED

    @staticmethod
    def _end(order: ListedOrder, text: str, state: OrderState) -> None:
        if not order.is_over:
            order.ended, order.is_over, order.state = text, True, state


def _placements(request: Request | None) -> list[Place]:
    actions = request.actions if request is not None else ()
    return [a.place if isinstance(a, Modify) else a for a in actions if isinstance(a, Place | Modify)]


def _cloid_of(action: Place | Modify) -> Cloid:
    return action.place.cloid if isinstance(action, Modify) else action.cloid
