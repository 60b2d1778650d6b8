"""The list of a journal's orders: complete, one line each, with ids that a story can be asked for."""

import pytest

from domain.commands import Modify, Request, Route
from domain.events import (
    SAYS_NOTHING_OF_ORDERS,
    Fill,
    NotSent,
    OrderStatus,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Resting,
)
from domain.orders import OrderState
from domain.units import Side
from runtime.journal_format import Decided, Header, Opened, Took
from runtime.order_list import order_lines, orders_in
from runtime.story import story
from tests.runtime.test_story import ETH, MS, RECORDS, A, B, fill, place, update
from tests.runtime.toy import ToyRun

LIST = """\
   time  order                   how it ended            filled  client id  oid
0.001 s  buy 1.5 ETH @ 3000.1    canceled (requested)    1       0xaaaaaa   77
0.001 s  buy 1.5 ETH @ 3000.1    refused (min_notional)          0xcccccc
0.004 s  buy 1.5 ETH @ 3000.1    canceled                        0xbbbbbb   78
0.010 s  buy 0.0002 ETH @ 0.01  open                                       90"""


def squeezed(lines):
    """Lines without their alignment."""
    return [" ".join(line.split()) for line in lines]


def test_every_order_of_a_journal_in_a_line():
    """Protects the newcomer who has a journal and no id: what there is, how it ended, what to ask for."""
    assert squeezed(order_lines(RECORDS)) == squeezed(LIST.splitlines())


def test_only_orders_that_traded():
    """Protects the short list: a repeated fill counts once, and an order without one is left out."""
    assert squeezed(order_lines(RECORDS, with_fills=True)) == squeezed(LIST.splitlines()[:2])
    assert order_lines(RECORDS[:1]) == []


def test_only_orders_left_in_a_state():
    """Protects the question "what did the journal leave open?": by lifecycle state, ends and open ones alike."""
    found = {state: len(order_lines(RECORDS, state=state)) - 1 for state in OrderState}
    want = {OrderState.CANCELLED: 2, OrderState.REJECTED: 1, OrderState.OPEN: 1}
    assert {state: number for state, number in found.items() if number > 0} == want
    partly = [*RECORDS[:2], Took(2 * MS, fill(A, 77, 9)), Took(3 * MS, update(A, 77, OrderStatus.OPEN))]
    assert orders_in(partly)[0][0].state is OrderState.PARTIALLY_FILLED


def test_an_order_that_came_too_late_is_expired():
    """Protects the question "which came too late?" from an answer that is always empty (C-03)."""
    late = [*RECORDS[:2], Took(4 * MS, Replied(1, 0, (Refused(Reason.EXPIRED, ""),)))]
    assert {order.state for order in orders_in(late)[0]} == {OrderState.EXPIRED}
    assert len(order_lines(late, state=OrderState.EXPIRED)) > 1


def test_a_late_word_changes_no_end():
    """Protects the column "how it ended": an old status that arrives late reopens nothing."""
    late = [
        *RECORDS[:2],
        Took(2 * MS, update(A, 77, OrderStatus.FILLED, 0)),
        Took(3 * MS, update(A, 77, OrderStatus.OPEN)),
        Took(4 * MS, Replied(1, 0, (Resting(77, A), Refused(Reason.MIN_NOTIONAL, "")))),
    ]
    assert [order.ended for order in orders_in(late)[0]] == ["filled", "refused (min_notional)"]


def test_what_never_left_and_what_was_never_answered():
    """Protects orders without any word of the venue from being left out."""
    records = [
        Decided(MS, (Request(1, Route.SOCKET, 1, None, (place(A),)), Request(2, Route.SOCKET, 1, None, (place(B),)))),
        Took(2 * MS, NotSent(1, Reason.FEED_DOWN, 0)),
    ]
    assert [order.ended for order in orders_in(records)[0]] == ["not sent (feed_down)", "no answer"]
    assert "15000 lots ETH @ 300010 ticks" in order_lines(records)[1]


@pytest.mark.parametrize("reason", sorted(SAYS_NOTHING_OF_ORDERS))
def test_a_refusal_that_says_nothing_of_the_orders_ends_none(reason):
    """Protects what rests from being listed as refused (review, item 12): it may have come by the other way before."""
    records = [*RECORDS[:2], Took(2 * MS, Replied(1, 0, (Refused(reason, ""),)))]
    told = [(order.ended, order.state) for order in orders_in(records)[0]]
    assert told[0] == (f"unclear ({reason})", OrderState.PENDING_NEW)
    records += [Took(3 * MS, update(A, 77, OrderStatus.OPEN)), records[-1]]
    told = [(order.ended, order.oid, order.state) for order in orders_in(records)[0]]
    assert told[0] == ("open", 77, OrderState.OPEN)


def test_an_order_known_by_its_oid_first_is_one_order():
    """Protects against two lines for one order, whose client id only a later event gives."""
    records = [Took(MS, fill(None, 77, 501)), Took(2 * MS, update(A, 77, OrderStatus.FILLED, 0))]
    ((order,), _) = orders_in(records)
    assert (order.cloid, order.oid, order.filled, order.ended) == (A, 77, 5_000, "filled")


def test_the_shown_beginnings_name_one_order_each():
    """Protects what the list is for: each shown client id opens the story of its order, also where ids are alike."""
    twins = [f"0x{'a' * 20}{letter * 12}" for letter in "abc"]
    alike = [Opened(Header(seed=1, instruments=(ETH,)))]
    alike += [Decided(i * MS, (Request(i, Route.SOCKET, 1, None, (place(twin),)),)) for i, twin in enumerate(twins)]
    journal = ToyRun(seed=31).start().run(2).journal
    for records in (alike, list(journal.records())):
        length = len(order_lines(records)[1].split("0x")[1].split()[0]) + 2
        orders, _ = orders_in(records)
        assert orders
        for order in orders:
            told = story(records, order.cloid[:length])
            assert any(order.cloid in line for line in told)
            assert order.oid is None or any(f"oid {order.oid}" in line for line in told)


def test_both_generations_of_a_modified_order_are_listed():
    """Protects the successor, which is placed by the modify alone."""
    records = [
        Decided(MS, (Request(1, Route.SOCKET, 1, None, (place(A),)),)),
        Decided(2 * MS, (Request(2, Route.SOCKET, 1, None, (Modify(A, 77, place(B)),)),)),
        Took(3 * MS, OrderUpdate("ETH", 0, 0, 78, B, Side.BUY, 1, 2, 2, OrderStatus.OPEN)),
        Took(4 * MS, Fill("ETH", 0, 0, 1, 78, None, Side.BUY, 1, 1, 0, False, 0, 0)),
    ]
    assert [(order.cloid, order.oid, order.filled) for order in orders_in(records)[0]] == [(A, None, 0), (B, 78, 1)]
