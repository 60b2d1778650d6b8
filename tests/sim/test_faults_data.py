"""Market data that lie: wrong times, impossible books, impossible numbers. At the venue all is well."""

import pytest

from domain.events import BboChanged, BookReported, TradesPrinted
from domain.units import NS_PER_S
from sim.faults import CrossedBook, GarbageData, Restamped
from sim.faults.crossed_book import Shape
from sim.faults.garbage_data import Garbage
from sim.faults.restamped import Stamp
from tests.sim.fault_trader import Trader


def inside(trader, *kinds):
    """What was published in the first twenty seconds of a fault that began at 10 s, by when it arrived."""
    return [event for event in trader.of(*kinds) if 10.2 < event.recv_time / NS_PER_S < 30]


def clean(*kinds, seconds=60):
    trader = Trader()
    trader.until(seconds)
    return trader.of(*kinds)


@pytest.mark.parametrize(("stamp", "by_s"), [(Stamp.PAST, -5), (Stamp.FUTURE, 5)])
def test_stamps_are_wrong_by_so_much(stamp, by_s):
    """Protects ages: content and order are right, the venue's time is not, and afterwards it is again."""
    trader = Trader(Restamped(stamp=stamp, by_s=5.0, duration_s=25))
    trader.until(60)
    for kind in (BboChanged, BookReported, TradesPrinted):
        ages = {round((e.recv_time - e.exch_time) / NS_PER_S, 1) for e in inside(trader, kind)}
        assert ages == {0.1 - by_s}
        later = {round((e.recv_time - e.exch_time) / NS_PER_S, 1) for e in trader.of(kind) if e.recv_time > 36e9}
        assert later == {0.1}
    count = trader.injected[0].counts["messages"]
    assert len(inside(trader, BboChanged, BookReported, TradesPrinted)) <= count


def test_a_frozen_book_has_fresh_times():
    """Protects S20: the same content again and again, each time with the time of the message it replaces."""
    trader = Trader(Restamped(stamp=Stamp.FROZEN, duration_s=25))
    trader.until(60)
    frozen = inside(trader, BboChanged)
    assert len({(event.bid, event.ask) for event in frozen}) == 1
    assert [e.exch_time for e in frozen] == [e.exch_time for e in clean(BboChanged) if _in_window(e)]
    assert len({event.bids for event in inside(trader, BookReported)}) == 1
    assert inside(trader, TradesPrinted) == [e for e in clean(TradesPrinted) if _in_window(e)]
    assert trader.of(BboChanged)[-5:] == clean(BboChanged)[-5:]


def _in_window(event):
    return 10.2 < event.recv_time / NS_PER_S < 30


SHAPES = {
    Shape.CROSSED: lambda e: e.bid[0] > e.ask[0],
    Shape.LOCKED: lambda e: e.bid[0] == e.ask[0],
    Shape.NO_BIDS: lambda e: e.bid is None and e.ask is not None,
    Shape.NO_ASKS: lambda e: e.ask is None and e.bid is not None,
    Shape.EMPTY: lambda e: e.bid is None and e.ask is None,
}


@pytest.mark.parametrize("shape", Shape)
def test_a_book_has_the_wrong_shape(shape):
    """Protects S21: tops and snapshots alike, and only for as long as it lasts."""
    trader = Trader(CrossedBook(shape=shape, share=1.0, duration_s=25))
    trader.until(60)
    tops = inside(trader, BboChanged)
    assert len(tops) > 30
    assert all(SHAPES[shape](event) for event in tops)
    for book in inside(trader, BookReported):
        bid, ask = next(iter(book.bids), None), next(iter(book.asks), None)
        assert SHAPES[shape](BboChanged(book.instrument, book.exch_time, book.recv_time, bid, ask))
    assert trader.of(BboChanged)[-5:] == clean(BboChanged)[-5:]
    everything = [event for event in trader.of(BboChanged, BookReported) if 10 < (event.exch_time / NS_PER_S) < 35]
    assert trader.injected[0].counts == {"messages": len(everything)}


GARBAGE = {
    Garbage.NO_PRICE: lambda level, true: level == (0, *true[1:]),
    Garbage.NEGATIVE_SIZE: lambda level, true: level == (true[0], -true[1], true[2]),
    Garbage.ABSURD_PRICE: lambda level, true: level == (true[0] * 10, *true[1:]),
    Garbage.ABSURD_SIZE: lambda level, true: level == (true[0], true[1] * 10, true[2]),
}


@pytest.mark.parametrize("garbage", Garbage)
def test_numbers_cannot_be(garbage):
    """Protects decoders and estimators: what is wrong is wrong on both sides, in tops, books and trades."""
    trader = Trader(GarbageData(garbage=garbage, share=1.0, duration_s=25))
    trader.until(60)
    fits = GARBAGE[garbage]
    true = {event.exch_time: event for event in clean(BboChanged)}
    tops = inside(trader, BboChanged)
    assert len(tops) > 30
    for event in tops:
        assert fits(event.bid, true[event.exch_time].bid)
        assert fits(event.ask, true[event.exch_time].ask)
    books = {event.exch_time: event for event in clean(BookReported)}
    for book in inside(trader, BookReported):
        assert all(fits(level, was) for level, was in zip(book.bids, books[book.exch_time].bids, strict=True))
    trades = {event.exch_time: event for event in clean(TradesPrinted)}
    for event in inside(trader, TradesPrinted):
        for trade, was in zip(event.trades, trades[event.exch_time].trades, strict=True):
            assert fits((trade.px, trade.sz, 0), (was.px, was.sz, 0))
    assert trader.of(BboChanged)[-5:] == clean(BboChanged)[-5:]


def test_only_a_share_is_garbage():
    """Protects mixtures: good and bad messages alternate by chance, the same in each run."""

    def bad():
        trader = Trader(GarbageData(garbage=Garbage.NO_PRICE, share=0.2, duration_s=25))
        trader.until(40)
        return [event.exch_time for event in inside(trader, BboChanged) if event.bid[0] == 0]

    first = bad()
    assert first == bad()
    assert 0.05 < len(first) / len([e for e in clean(BboChanged) if _in_window(e)]) < 0.4
