"""The independent ledger of own orders: what ends an order, what does not, and what settles it."""

import pytest

from domain.commands import Cancel, Modify, Place, QueryFills, QueryOpenOrders, QueryOrder, Request, Route
from domain.events import (
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
from domain.units import NS_PER_S, Side, Tif
from runtime.own_orders import KEPT, OwnOrders

S = NS_PER_S
A, B = "0xa", "0xb"


def place(cloid=A, tif=Tif.ALO, sz=10):
    return Place("BTC", cloid, Side.BUY, 100, sz, tif)


def update(status, remaining=10, oid=1, cloid=A, sz=10):
    return OrderUpdate("BTC", 0, 0, oid, cloid, Side.BUY, 100, sz, remaining, status)


def fill(sz, tid=1, oid=1, cloid=A):
    return Fill("BTC", 0, 0, tid, oid, cloid, Side.BUY, 100, sz, 0, False, 0, 0)


def listed(oid=1, cloid=A):
    return OpenOrder("BTC", oid, cloid, Side.BUY, 100, 10, 10, Tif.ALO, False, 0)


class Book:
    """A ledger and the requests made so far; times in seconds."""

    def __init__(self):
        self.orders, self.n = OwnOrders(), 0

    def send(self, at, *actions, expires_in=2 * S):
        self.n += 1
        self.orders.sent(Request(self.n, Route.SOCKET, 1, expires_in, actions), at * S)
        return self.n

    def ask(self, at, *actions, reply, expires_in=2 * S):
        """Send and get the answer a tenth of a second later."""
        number = self.send(at, *actions, expires_in=expires_in)
        return self.see(at + 0.1, Replied(number, 0, (reply,) if not isinstance(reply, tuple) else reply))

    def see(self, at, event):
        self.orders.seen(event, round(at * S))
        return self

    @property
    def live(self):
        return [order.cloid or order.oid for order in self.orders.live()]

    @property
    def unsettled(self):
        return [order.cloid for order in self.orders.unsettled()]


PLACED = [
    ("nothing heard", [], True, True),
    ("resting", [Replied(1, 0, (Resting(1, A),))], True, True),
    ("refused", [Replied(1, 0, (Refused(Reason.POST_ONLY_WOULD_CROSS, ""),))], False, False),
    ("not sent", [NotSent(1, Reason.FEED_DOWN, 0)], False, False),
    ("open by the stream", [update(OrderStatus.OPEN)], True, True),
    ("rejected by the stream", [update(OrderStatus.REJECTED)], False, False),
    ("filled, fill known", [fill(10), update(OrderStatus.FILLED, 0)], False, False),
    ("filled, fill missing", [update(OrderStatus.FILLED, 0)], False, True),
    ("filled, fill later", [update(OrderStatus.FILLED, 0), fill(10)], False, False),
    ("filled by fills alone", [fill(4, 1), fill(6, 2)], False, False),
    ("partly filled", [fill(4, 1), fill(4, 1)], True, True),
    ("the same fill twice is one", [fill(5, 1), fill(5, 1)], True, True),
    ("cancelled, fill missing", [fill(3, 1), update(OrderStatus.CANCELED, 3)], False, True),
    ("cancelled, all known", [fill(3, 1), fill(4, 2), update(OrderStatus.CANCELED, 3)], False, False),
    ("executed at once, fills missing", [Replied(1, 0, (Executed(1, A, 10, 100.0),))], False, True),
    ("executed in part, rests on", [Replied(1, 0, (Executed(1, A, 4, 100.0),))], True, True),
    ("fills before the oid is known", [fill(10, 1, 1, None), Replied(1, 0, (Resting(1, A),))], False, False),
    ("no answer to this action", [Replied(1, 0, ())], True, True),
]


@pytest.mark.parametrize(("what", "events", "is_live", "is_unsettled"), PLACED, ids=[row[0] for row in PLACED])
def test_what_becomes_of_a_placement(what, events, is_live, is_unsettled):
    """Protects S9 and S10: only evidence ends an order, and only its last fill settles it."""
    book = Book()
    book.send(0, place())
    for event in events:
        book.see(0.1, event)
    assert (book.live, book.unsettled) == ([A] if is_live else [], [A] if is_unsettled else [])


def test_an_ioc_never_rests():
    """Protects the safety net from chasing what cannot be there."""
    book = Book().ask(0, place(tif=Tif.IOC), reply=Executed(1, A, 4, 100.0))
    assert (book.live, book.unsettled) == ([], [A])
    assert book.see(1, fill(4)).unsettled == []


@pytest.mark.parametrize(
    ("reply", "live"),
    [
        (Cancelled(), []),
        (Refused(Reason.NOT_OPEN, ""), []),
        (Refused(Reason.OTHER, ""), [A]),
    ],
)
def test_a_cancel_of_an_order_that_was_there(reply, live):
    """Protects against believing a sent cancel: only its answer ends the order."""
    book = Book().ask(0, place(), reply=Resting(1, A)).ask(1, Cancel("BTC", A), reply=reply)
    assert book.live == live


def test_not_open_proves_nothing_about_an_order_on_its_way():
    """Protects against the overtaking cancel: the placement may arrive after it."""
    book = Book()
    book.send(0, place())
    book.ask(1, Cancel("BTC", A), reply=Refused(Reason.NOT_OPEN, ""))
    assert book.live == [A]
    book.ask(4, Cancel("BTC", A), reply=Refused(Reason.NOT_OPEN, ""))
    assert book.live == [A], "expiry at 2 s, and 2 s for clocks that differ"
    book.ask(5, Cancel("BTC", A), reply=Refused(Reason.NOT_OPEN, ""))
    assert book.live == []


def test_not_open_proves_nothing_if_the_order_showed_only_later():
    """Protects against a race: the cancel was asked before the venue had the order."""
    book = Book()
    book.send(0, place())
    number = book.send(1, Cancel("BTC", A))
    book.see(1.5, update(OrderStatus.OPEN)).see(1.6, Replied(number, 0, (Refused(Reason.NOT_OPEN, ""),)))
    assert book.live == [A]


def test_a_placement_without_expiry_is_never_given_up():
    """Protects S9: what may land at any time is live for ever, until the venue says otherwise."""
    book = Book()
    book.send(0, place(), expires_in=None)
    book.ask(1_000, QueryOrder(A), reply=OrderStatusReport(0, None))
    book.ask(1_000, QueryOpenOrders(), reply=OpenOrdersReport(0, ()))
    assert book.live == [A]


@pytest.mark.parametrize(
    ("reply", "live"),
    [
        (Resting(2, B), [B]),
        (Executed(2, B, 10, 100.0), []),
        (Refused(Reason.CANNOT_MODIFY, ""), []),
        (Refused(Reason.MODIFY_NEW_LEG, ""), []),
        (Refused(Reason.INVALID_PRICE, ""), [A]),
    ],
)
def test_a_modify(reply, live):
    """Protects both generations: exactly those live that the venue's answer leaves possible."""
    book = Book().ask(0, place(), reply=Resting(1, A))
    number = book.send(1, Modify(A, 1, place(B)))
    assert book.live == [A, B]
    assert book.see(1.1, Replied(number, 0, (reply,))).live == live


def test_a_modify_that_was_not_sent():
    """Protects the old generation: it rests on."""
    book = Book().ask(0, place(), reply=Resting(1, A))
    number = book.send(1, Modify(A, 1, place(B)))
    assert book.see(1.1, NotSent(number, Reason.FEED_DOWN, 0)).live == [A]


def test_one_refusal_of_the_payload_refuses_every_action():
    """Protects batches: the venue's single answer to a bad payload is about all of it; any other is about one."""
    both = Book().ask(0, place(A), place(B), reply=Refused(Reason.EXPIRED, ""))
    first = Book().ask(0, place(A), place(B), reply=Refused(Reason.MARGIN, ""))
    assert (both.live, first.live) == ([], [B])


def test_the_list_of_open_orders_ends_what_it_lacks():
    """Protects the end of a shutdown: what was there when we asked and is not listed is gone."""
    book = Book().ask(0, place(A), reply=Resting(1, A)).ask(0, place(B), reply=Resting(2, B))
    book.ask(1, QueryOpenOrders(), reply=OpenOrdersReport(0, (listed(2, B),)))
    assert book.live == [B]
    assert book.unsettled == [A, B], "its final size is not known"
    book.see(2, update(OrderStatus.CANCELED, 10))
    assert book.unsettled == [B]


def test_an_order_that_is_listed_under_another_id_rests():
    """Protects the safety net: an answer gave an id that no order has, the list has the order with its true one."""
    book = Book().ask(0, place(A), reply=Resting(7, A)).see(1, fill(4, 1, oid=1, cloid=None))
    book.ask(2, QueryOpenOrders(), reply=OpenOrdersReport(0, (listed(1, A),)))
    assert [(order.oid, order.filled) for order in book.orders.live()] == [(1, 4)]
    book.see(3, update(OrderStatus.CANCELED, 6, cloid=None))
    assert book.unsettled == []


@pytest.mark.parametrize("is_late", [True, False])
def test_a_list_from_before_the_order_says_nothing_of_it(is_late):
    """Protects the next life (S30, seed 884): a server that lags behind listed what was open before the placement."""
    book = Book().see(0, ClockSync(100 * S, S // 10)).ask(1, place(A), reply=Resting(1, A))
    as_of = 101 * S if is_late else 103 * S
    book.ask(3, QueryOpenOrders(), reply=OpenOrdersReport(as_of, ()))
    assert book.live == [A] * is_late
    book.ask(3, QueryOrder(A), reply=OrderStatusReport(as_of, None))
    assert book.unsettled == [A] * is_late


def test_an_order_on_its_way_is_not_refuted_by_an_older_answer():
    """Its expiry is over, and the answer is from before that: the order may rest since."""
    book = Book().see(0, ClockSync(0, 0))
    book.send(0, place())
    assert book.ask(5, QueryOrder(A), reply=OrderStatusReport(S, None)).unsettled == [A]
    assert book.ask(6, QueryOrder(A), reply=OrderStatusReport(5 * S, None)).unsettled == []


def test_a_status_query():
    """Protects recovery: evidence ends an order; not being known ends it only after its expiry."""
    book = Book()
    book.send(0, place())
    assert book.ask(4, QueryOrder(A), reply=OrderStatusReport(0, None)).live == [A]
    assert book.ask(5, QueryOrder(A), reply=OrderStatusReport(0, None)).unsettled == []
    book = Book()
    book.send(0, place())
    assert book.ask(1, QueryOrder(A), reply=OrderStatusReport(0, update(OrderStatus.CANCELED))).unsettled == []


def test_a_cancelled_order_that_the_venue_forgot_is_settled_as_it_is():
    """Protects the fold from an order that stays open for ever."""
    book = Book().ask(0, place(), reply=Resting(1, A)).ask(1, Cancel("BTC", A), reply=Cancelled())
    assert book.unsettled == [A]
    assert book.ask(2, QueryOrder(A), reply=OrderStatusReport(0, None)).unsettled == []


def test_fills_by_query_count_like_fills_by_stream():
    """Protects recovery after a gap: the same trade by two ways is one."""
    book = Book().ask(0, place(), reply=Resting(1, A)).see(1, fill(4, 1))
    book.ask(2, QueryFills(0), reply=FillsReport(0, (fill(4, 1), fill(6, 2)), True))
    assert book.unsettled == []


def test_orders_that_nobody_asked_for_are_watched_but_are_no_intents():
    """Protects the safety net: an order of the account counts even if the journal never knew it."""
    book = Book().see(0, update(OrderStatus.OPEN, cloid=None)).see(0, OpenOrdersReported(0, 0, (listed(2, B),)))
    assert (book.live, book.unsettled) == ([1, B], [])
    book.see(1, update(OrderStatus.CANCELED, cloid=None)).see(1, update(OrderStatus.CANCELED, oid=2, cloid=B))
    assert book.live == []
    book.see(2, update(OrderStatus.OPEN, cloid=None)).see(2, OpenOrdersReported(0, 0, (listed(2, B),)))
    assert book.live == [], "what has ended does not come back by a late or repeated message"


def test_a_new_life_inherits_what_is_open():
    """Protects restarts: the intents in Restored are ours, those not in it are settled, old replies are lost."""
    book = Book()
    number = book.send(0, place(A))
    book.send(0, place(B))
    book.see(1, Restored(2, 0, (RestoredOrder("BTC", A, Side.BUY, 100, 10), RestoredOrder("BTC", "0xc", -1, 7, 8))))
    assert book.live == book.unsettled == [A, "0xc"]
    book.see(2, Replied(number, 0, (Refused(Reason.MARGIN, ""),)))
    assert book.live == [A, "0xc"], "request numbers start over in a new life"


def test_what_counts_is_when_we_asked():
    """Protects S9: an answer that comes after the expiry may tell of the time before it."""
    book = Book()
    book.send(0, place())
    number = book.send(3, QueryOrder(A))
    book.see(60, Replied(number, 0, (OrderStatusReport(0, None),)))
    assert book.live == [A]


@pytest.mark.parametrize("is_known", [True, False])
def test_an_inherited_intent_may_still_arrive_in_the_time_of_the_new_life(is_known):
    """Protects S9 over a restart: the new life's time starts anew, and so does what is left of the expiry."""
    book = Book()
    if is_known:
        book.send(1_000, place())
    book.see(0, Restored(2, 0, (RestoredOrder("BTC", A, Side.BUY, 100, 10, 6 * S),)))
    assert book.ask(8, QueryOrder(A), reply=OrderStatusReport(0, None)).live == [A]
    assert book.ask(9, QueryOrder(A), reply=OrderStatusReport(0, None)).live == []


def test_an_inherited_order_that_was_acknowledged_is_gone_when_it_is_not_listed():
    """Protects a restart after which time begins at zero: what the venue had once, it had before we ask now."""
    book = Book().ask(1_000, place(), reply=Resting(1, A))
    book.see(0, Restored(2, 0, (RestoredOrder("BTC", A, Side.BUY, 100, 10, None),)))
    assert book.ask(1, QueryOpenOrders(), reply=OpenOrdersReport(0, ())).live == []


def test_memories_are_bounded():
    """Protects a process that runs for months: nothing grows with the number of orders that are over."""
    book = Book()
    for i in range(KEPT + 10):
        book.send(i, place(f"0x{i}"))
        book.see(i, update(OrderStatus.CANCELED, oid=i, cloid=f"0x{i}"))
        book.see(i, fill(1, tid=i, oid=10**9 + i, cloid=None))
    orders = book.orders
    assert [len(m) for m in (orders._orders, orders._by_cloid, orders._by_oid)] == [0, 0, 0]
    assert [len(m) for m in (orders._requests, orders._over, orders._early)] == [KEPT] * 3
