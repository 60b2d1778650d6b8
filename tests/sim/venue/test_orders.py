"""Orders and their ends, told as short stories: post-only, IOC, GTC, sweeps, self-trades, cancels, modifies."""

import pytest

from domain.errors import IllegalTransition
from domain.events import Cancelled, Executed, OrderStatus, Reason, Refused, Resting
from domain.units import Ns, Oid
from sim.venue.config import ModifyPlace
from sim.venue.orders import OwnOrder
from tests.sim.venue.exchange import ALO, ANN, BOB, BUY, CROWD, GTC, IOC, SELL, Exchange, cancel, cloid, modify, place


def test_a_post_only_order_rests_or_is_rejected_as_a_whole():
    """Protects ALO: never re-priced, never partly executed; the text shows the top of the book."""
    ex = Exchange()
    ex.block((BUY, 99, 5, ALO), (SELL, 101, 5, ALO))
    assert ex.run(ANN, place(BUY, 100, 9, n=1), place(BUY, 101, 9, n=2)) == (
        Resting(1, cloid(1)),
        Refused(
            Reason.POST_ONLY_WOULD_CROSS,
            "Post only order would have immediately matched, bbo was 0.0001@0.000101. asset=7",
        ),
    )
    assert ex.said() == [(ANN, 1, "open", 9, None), (ANN, 2, "rejected", 9, "post_only_would_cross")]
    assert ex.fills == []


def test_an_ioc_takes_what_there_is_and_drops_the_rest():
    """Protects IOC: partly filled it is told as filled with its rest; unfilled it is rejected."""
    ex = Exchange()
    ex.block((SELL, 101, 3, ALO), (SELL, 102, 4, ALO))
    assert ex.run(ANN, place(BUY, 101, 5, IOC, n=1)) == (Executed(1, cloid(1), 3, 101.0),)
    assert ex.said() == [(ANN, 1, "open", 5, None), (ANN, 1, "filled", 2, None)]
    (refused,) = ex.run(ANN, place(BUY, 101, 5, IOC, n=2))
    assert refused.text == "Order could not immediately match against any resting orders. asset=7"
    assert ex.said(2) == [(ANN, 2, "rejected", 5, "ioc_no_match")]
    assert ex.resting(ANN) == []


def test_a_gtc_matches_what_crosses_and_rests_the_remainder():
    """Protects GTC: the reply tells what matched at once although the rest stays under the same id."""
    ex = Exchange()
    ex.block((SELL, 101, 3, ALO))
    assert ex.run(ANN, place(BUY, 101, 5, GTC, n=1)) == (Executed(1, cloid(1), 3, 101.0),)
    assert ex.said() == [(ANN, 1, "open", 5, None), (ANN, 1, "open", 2, None)]
    assert ex.resting(ANN) == [(1, 2)]


def test_a_sweep_gives_one_fill_for_each_maker_at_the_makers_price():
    """Protects sweeps: price, then time; average price over all makers; a fill for each pair, shared tid."""
    ex = Exchange()
    ex.run(BOB, place(SELL, 102, 1), place(SELL, 101, 2), place(SELL, 101, 3))
    assert ex.run(ANN, place(BUY, 102, 6, GTC, n=9)) == (Executed(4, cloid(9), 6, 607 / 6),)
    told = [(account, f.oid, f.px, f.sz, f.is_taker) for account, f in ex.fills]
    assert told == [
        (ANN, 4, 101, 2, True),
        (BOB, 2, 101, 2, False),
        (ANN, 4, 101, 3, True),
        (BOB, 3, 101, 3, False),
        (ANN, 4, 102, 1, True),
        (BOB, 1, 102, 1, False),
    ]
    tids = [f.tid for _, f in ex.fills]
    assert tids[0::2] == tids[1::2]
    assert len(set(tids)) == 3
    assert all(tid < 2**50 for tid in tids)


def test_a_partly_filled_maker_keeps_its_place_and_says_what_remains():
    """Protects time priority of a partly filled order."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 100, 5))
    ex.block((BUY, 100, 7, ALO))
    ex.block((SELL, 100, 2, IOC))
    assert ex.queue(BUY, 100) == [(ANN, 3), (CROWD, 7)]
    assert ex.said(1) == [(ANN, 1, "open", 3, None)]


def test_an_own_resting_order_in_the_way_expires():
    """Protects self-trade prevention: the maker goes, no fill and no trade, the taker goes on behind it."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 5))
    ex.block((SELL, 100, 2, ALO))
    published = ex.send(ANN, place(BUY, 100, 3, GTC, n=2)) and ex.block()
    assert ex.said(1) == [
        (ANN, 1, "canceled", 5, "self_trade"),
        (ANN, 2, "open", 3, None),
        (ANN, 2, "open", 1, None),
    ]
    assert [(f.oid, f.sz) for _, f in ex.fills] == [(2, 2)]
    trades = [t for p in published for e in p.events if type(e).__name__ == "TradesPrinted" for t in e.trades]
    assert [(t.px, t.sz) for t in trades] == [(100, 2)]


def test_an_ioc_that_meets_only_own_orders_is_rejected_after_they_expired():
    """Protects a corner of self-trade prevention: nothing was matched, so it is no execution."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 5))
    ex.run(ANN, place(BUY, 100, 3, IOC))
    assert ex.said(1) == [(ANN, 1, "canceled", 5, "self_trade"), (ANN, 2, "rejected", 3, "ioc_no_match")]
    assert len(ex.book) == 0


def test_rejected_orders_take_an_id_and_a_bad_payload_takes_none():
    """Protects the one counter of ids, shared by all instruments."""
    ex = Exchange()
    ex.block((SELL, 101, 3, ALO))
    ex.run(ANN, place(BUY, 101, 1))
    ex.run(ANN, place(BUY, 100, 0), place(BUY, 100, 1))
    assert ex.venue.next_oid == 2
    assert ex.run(ANN, place(BUY, 100, 1)) == (Resting(2, cloid(0)),)


def test_a_cancel_by_either_id_and_what_is_not_open():
    """Protects cancels: by the venue's id, by client id, only one's own, only once."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 99, 1, n=1), place(BUY, 98, 2, n=2))
    assert ex.run(ANN, cancel(1), cancel(n=2)) == (Cancelled(), Cancelled())
    (refused,) = ex.run(ANN, cancel(1))
    assert refused == Refused(Reason.NOT_OPEN, "Order was never placed, already canceled, or filled. asset=7")
    ex.run(BOB, place(BUY, 99, 1, n=1))
    results = ex.run(ANN, cancel(3), cancel(n=1), cancel())
    assert [r.reason for r in results] == [Reason.NOT_OPEN] * 3
    assert ex.resting(BOB) == [(3, 1)]


def test_a_cancel_with_both_ids_goes_by_the_client_id():
    """Protects who was told a wrong id: the order that was named at its placement is the one that goes."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 99, 1, n=1), place(BUY, 98, 2, n=2))
    assert ex.run(ANN, cancel(2, n=1), cancel(77, n=2)) == (Cancelled(), Cancelled())
    assert ex.resting(ANN) == []


def test_a_client_id_that_is_open_twice_means_the_younger_order():
    """Protects our decision on a case that the venue does not document: both stand, a cancel takes the younger."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 99, 1, n=5), place(BUY, 98, 2, n=5))
    ex.run(ANN, cancel(n=5))
    assert ex.resting(ANN) == [(1, 1)]
    ex.run(ANN, cancel(n=5))
    assert ex.resting(ANN) == []


# --- modify -------------------------------------------------------------------------------------


def test_a_modify_is_a_new_order_at_the_back_of_its_queue():
    """Protects modifies: new id, queue place lost even for a smaller size; the new `open` comes first."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 100, 5, n=1))
    ex.block((BUY, 100, 7, ALO))
    assert ex.run(ANN, modify(1, BUY, 100, 4, n=2)) == (Resting(2, cloid(2)),)
    assert ex.said(1) == [(ANN, 2, "open", 4, None), (ANN, 1, "canceled", 5, "requested")]
    assert ex.queue(BUY, 100) == [(CROWD, 7), (ANN, 4)]


def test_the_size_of_a_modify_is_absolute():
    """Protects the overfill race: what the old order traded is not deducted from the new one."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 100, 5))
    ex.block((SELL, 100, 2, IOC))
    ex.run(ANN, modify(1, BUY, 100, 5))
    assert ex.resting(ANN) == [(2, 5)]
    assert ex.said()[-1] == (ANN, 1, "canceled", 3, "requested")


def test_a_modify_whose_new_order_is_refused_leaves_nothing():
    """Protects the failed new leg: the old order is gone, the reply is an error, the refused one has an id."""
    ex = Exchange()
    ex.block((SELL, 101, 3, ALO))
    ex.run(ANN, place(BUY, 100, 5))
    (refused,) = ex.run(ANN, modify(1, BUY, 101, 5))
    assert refused.reason is Reason.MODIFY_NEW_LEG
    assert refused.text.startswith(
        "Error placing new order during modify: Post only order would have immediately matched"
    )
    assert ex.said(1) == [(ANN, 2, "rejected", 5, "post_only_would_cross"), (ANN, 1, "canceled", 5, "requested")]
    assert ex.resting(ANN) == []


def test_a_modify_of_what_is_gone_does_nothing_and_takes_no_id():
    """Protects CANNOT_MODIFY: filled, cancelled or somebody else's."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 100, 5))
    ex.block((SELL, 100, 5, IOC))
    (refused,) = ex.run(ANN, modify(1, BUY, 99, 5))
    assert refused == Refused(Reason.CANNOT_MODIFY, "Cannot modify canceled or filled order")
    assert ex.venue.next_oid == 2
    ex.run(ANN, place(BUY, 100, 5))
    assert ex.run(BOB, modify(2, BUY, 99, 5))[0].reason is Reason.CANNOT_MODIFY


def test_a_modify_does_not_trade_with_the_order_that_it_replaces():
    """Protects atomicity: the old order is out of the book before the new one meets it."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 5))
    assert ex.run(ANN, modify(1, BUY, 101, 5)) == (Resting(2, cloid(0)),)
    assert ex.said(1) == [(ANN, 2, "open", 5, None), (ANN, 1, "canceled", 5, "requested")]


def test_a_switch_lets_a_smaller_modify_keep_its_place():
    """Protects the switch of C-23: same price and not more lots keep the place, under a new id all the same."""
    ex = Exchange(modify_keeps_place=ModifyPlace.SIZE_DOWN)
    ex.run(ANN, place(BUY, 100, 5))
    ex.block((BUY, 100, 7, ALO))
    assert ex.run(ANN, modify(1, BUY, 100, 4)) == (Resting(2, cloid(0)),)
    assert ex.queue(BUY, 100) == [(ANN, 4), (CROWD, 7)]
    ex.block((SELL, 100, 4, IOC))
    assert [(f.oid, f.sz) for _, f in ex.fills] == [(2, 4)]
    ex.run(ANN, place(BUY, 100, 1))
    ex.run(ANN, modify(3, BUY, 100, 2))
    assert ex.queue(BUY, 100) == [(CROWD, 7), (ANN, 2)]


# --- the one end of an order --------------------------------------------------------------------


def test_an_order_ends_once():
    """Protects the terminal event: our own bug is an error, not a second end."""
    order = OwnOrder(ANN, Oid(1), place(BUY, 100, 5), Ns(0))
    order.open(Ns(1))
    order.end(OrderStatus.FILLED, None, Ns(2))
    with pytest.raises(IllegalTransition):
        order.end(OrderStatus.CANCELED, Reason.REQUESTED, Ns(3))
    with pytest.raises(IllegalTransition):
        order.open(Ns(3))
    assert (order.status, order.updated_at) == (OrderStatus.FILLED, 2)


def test_ended_orders_are_kept_up_to_a_bound():
    """Protects memory: the venue forgets the oldest ended orders, and never an open one."""
    ex = Exchange(orders_kept=3)
    ex.run(ANN, place(BUY, 100, 1, n=99))
    for n in range(5):
        ex.run(ANN, place(BUY, 90, 1, n=n))
        ex.run(ANN, cancel(n=n))
    assert [ex.venue.order(ANN, Oid(oid)) is not None for oid in range(1, 7)] == [True, False, False, True, True, True]
