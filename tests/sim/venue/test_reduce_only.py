"""Reduce-only orders: they never open, never flip, and never rest for more than the position."""

from hypothesis import given
from hypothesis import strategies as st

from domain.events import Executed, Reason, Refused, Resting
from domain.units import Ns, Oid, Usd
from sim.venue.config import ReduceOnlyMinimum
from sim.venue.orders import OwnOrder
from sim.venue.reduce_only import cuts
from tests.sim.venue.exchange import ALO, ANN, BOB, BUY, COIN, CROWD, GTC, IOC, SELL, Exchange, cloid, place


def closing(side, px, sz, tif=ALO, n=0):
    return place(side, px, sz, tif, n=n, reduce_only=True)


def test_without_a_position_to_reduce_it_is_rejected():
    """Protects the first rule: flat, or on the side that would add."""
    ex = Exchange()
    ex.endow(BOB, 5)
    text = "Reduce only order would increase position. asset=7"
    refused = Refused(Reason.REDUCE_ONLY_WOULD_INCREASE, text)
    assert ex.run(ANN, closing(SELL, 101, 1)) == (refused,)
    assert ex.run(BOB, closing(BUY, 99, 1)) == (refused,)


def test_a_taker_is_clipped_to_the_position():
    """Protects the recorded behaviour: an IOC larger than the position fills the position and no more."""
    ex = Exchange()
    ex.endow(ANN, 3)
    ex.block((BUY, 99, 50, ALO))
    assert ex.run(ANN, closing(SELL, 99, 10, IOC, n=1)) == (Executed(1, cloid(1), 3, 99.0),)
    assert ex.position(ANN) == 0
    assert ex.said() == [(ANN, 1, "open", 10, None), (ANN, 1, "filled", 7, None)]


def test_a_resting_order_is_clipped_when_it_rests():
    """Protects the recorded case: the log shows the size as asked for, the book what the position allows."""
    ex = Exchange()
    ex.endow(ANN, -3)
    assert ex.run(ANN, closing(BUY, 99, 10)) == (Resting(1, cloid(0)),)
    assert ex.said() == [(ANN, 1, "open", 10, None)]
    assert ex.resting(ANN) == [(1, 3)]
    ex.block((SELL, 99, 8, IOC))
    assert ex.said(1) == [(ANN, 1, "filled", 7, None)]
    assert ex.position(ANN) == 0


def test_the_oldest_pay_for_an_excess():
    """Protects the trim at placement: the new order stands, older ones lose what is too much."""
    ex = Exchange()
    ex.endow(ANN, 10)
    ex.run(ANN, closing(SELL, 101, 4), closing(SELL, 102, 5))
    ex.run(ANN, closing(SELL, 103, 7))
    assert ex.resting(ANN) == [(2, 3), (3, 7)]
    assert ex.said(3) == [(ANN, 1, "canceled", 4, "reduce_only_trimmed")]


def test_what_was_trimmed_keeps_its_place():
    """Protects the queue place of a partly trimmed order."""
    ex = Exchange()
    ex.endow(ANN, 10)
    ex.run(ANN, closing(SELL, 101, 8))
    ex.block((SELL, 101, 1, ALO))
    ex.run(ANN, closing(SELL, 102, 5))
    assert [account for account, _ in ex.queue(SELL, 101)] == [ANN, CROWD]
    assert ex.resting(ANN) == [(1, 5), (2, 5)]


def test_a_shrinking_position_trims():
    """Protects the second trim: another order of the account closed part of the position."""
    ex = Exchange()
    ex.endow(ANN, 10)
    ex.run(ANN, closing(SELL, 105, 6), closing(SELL, 106, 4))
    ex.block((BUY, 99, 8, ALO))
    ex.run(ANN, place(SELL, 99, 7, IOC))
    assert ex.position(ANN) == 3
    assert ex.resting(ANN) == [(2, 3)]
    assert (ANN, 1, "canceled", 6, "reduce_only_trimmed") in ex.said()


def test_a_flip_cancels_them_all():
    """Protects the third trim: on the other side of zero nothing of them reduces."""
    ex = Exchange()
    ex.endow(ANN, 5)
    ex.run(ANN, closing(SELL, 105, 3), closing(SELL, 106, 2))
    ex.block((BUY, 99, 9, ALO))
    ex.run(ANN, place(SELL, 99, 9, GTC))
    assert ex.position(ANN) == -4
    assert ex.resting(ANN) == []
    assert sum(reason == "reduce_only_trimmed" for *_, reason in ex.said()) == 2


def test_inside_one_sweep_a_maker_is_checked_at_its_match():
    """Protects the check at the match: an earlier maker of the account used the position up."""
    ex = Exchange()
    ex.endow(ANN, 5)
    ex.run(ANN, place(SELL, 101, 4), closing(SELL, 102, 5))
    ex.block((SELL, 103, 9, ALO))
    ex.block((BUY, 103, 9, IOC))
    assert [(f.oid, f.sz, f.start_position) for _, f in ex.fills] == [(1, 4, 5), (2, 1, 1)]
    assert ex.said(2) == [(ANN, 1, "filled", 0, None), (ANN, 2, "canceled", 4, "reduce_only_trimmed")]
    assert ex.position(ANN) == 0
    assert sum(sz for _, sz in ex.queue(SELL, 103)) == 5


def test_below_the_least_notional_only_what_closes_is_taken():
    """Protects the switch of the minimum: three settings, a part and the whole of a small position."""
    instrument = type(COIN)(COIN.id, 0, asset=7, min_notional=Usd(1_000))
    expected = {
        ReduceOnlyMinimum.UNLESS_CLOSING: ["min_notional", None],
        ReduceOnlyMinimum.ALWAYS: ["min_notional", "min_notional"],
        ReduceOnlyMinimum.NEVER: [None, None],
    }
    for setting, reasons in expected.items():
        ex = Exchange(instrument, reduce_only_minimum=setting)
        ex.endow(ANN, 5)
        results = ex.run(ANN, closing(SELL, 101, 4)) + ex.run(ANN, closing(SELL, 101, 5))
        assert [getattr(r, "reason", None) for r in results] == reasons, setting


@given(
    position=st.integers(-12, 12),
    orders=st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 6)), max_size=6),
)
def test_after_the_cuts_the_rest_fits_the_position_and_nothing_more_was_cut(position, orders):
    """Protects the trimming rule itself: it fits, it is least, and it takes from the oldest."""
    resting = []
    for n, (side, sz) in enumerate(orders):
        order = OwnOrder(ANN, Oid(n), closing(side, 100, sz), Ns(0))
        order.rest(order.sz)
        resting.append(order)
    lost = dict.fromkeys(resting, 0) | dict(cuts(resting, position))
    left = [(o, o.resting - lost[o]) for o in resting]
    assert all(rest >= 0 for _, rest in left)
    assert all(not rest for o, rest in left if o.side * position >= 0)
    able = [(o, rest) for o, rest in left if o.side * position < 0]
    total = sum(o.resting for o, _ in able)
    assert sum(rest for _, rest in able) == min(total, abs(position))
    touched = [bool(lost[o]) for o, _ in able]
    assert touched == sorted(touched, reverse=True), "the oldest pay first"
