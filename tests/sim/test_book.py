"""The book, in small stories: who trades with whom, what a taker leaves behind, and where background flow must stop."""

import copy
import pickle

import pytest

from domain.errors import InvariantViolation
from domain.units import AccountId, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import Liquidity, OpKind, Reject, StopReason
from sim.liquidity.book import Book, Discipline

BUY, SELL = Side.BUY, Side.SELL


def book_of(*orders, **how):
    """A book with orders (oid, account, side, px, sz)."""
    book = Book(**how)
    for order in orders:
        book.add(*order)
    return book


def place(oid, side, px, sz, account="crowd", tif=Tif.GTC):
    return (OpKind.PLACE, Oid(oid), AccountId(account), side, Px(px), Sz(sz), tif)


def cancel(oid, account="crowd"):
    return (OpKind.CANCEL, Oid(oid), AccountId(account), BUY, Px(0), Sz(0), Tif.GTC)


def fills(result):
    return [(maker.oid, px, sz) for maker, px, sz in result.executions]


def resting(book):
    return [(order.oid, order.px, order.sz) for side in (BUY, SELL) for order in book.orders(side)]


def test_price_then_time():
    """The better price first; at one price whoever came first; at the resting order's price."""
    book = book_of((1, "a", SELL, 102, 5), (2, "a", SELL, 101, 5), (3, "b", SELL, 101, 5))
    result = book.match(BUY, Px(102), Sz(12))
    assert fills(result) == [(2, 101, 5), (3, 101, 5), (1, 102, 2)]
    assert result.remaining == 0
    assert resting(book) == [(1, 102, 3)]


def test_a_taker_goes_no_further_than_its_limit():
    """What remains is returned, not rested: that is for the caller to decide."""
    book = book_of((1, "a", BUY, 100, 5), (2, "a", BUY, 99, 5))
    result = book.match(SELL, Px(100), Sz(12))
    assert (fills(result), result.remaining) == ([(1, 100, 5)], 7)
    assert fills(book.match(SELL, None, Sz(7))) == [(2, 99, 5)]
    assert len(book) == 0


def test_a_partial_fill_and_a_reduction_keep_the_place():
    """Only a modify, which is a cancel and a place, goes to the back of the queue."""
    book = book_of((1, "a", BUY, 100, 5), (2, "b", BUY, 100, 5), (3, "c", BUY, 100, 5))
    book.match(SELL, Px(100), Sz(2))
    book.reduce(Oid(1), Sz(1))
    assert [(order.oid, order.sz) for order in book.orders_at(BUY, Px(100))] == [(1, 2), (2, 5), (3, 5)]
    book.remove(Oid(1))
    book.add(Oid(4), AccountId("a"), BUY, Px(100), Sz(2))
    assert [order.oid for order in book.orders_at(BUY, Px(100))] == [2, 3, 4]
    assert book.depth_ahead(Oid(4)) == 10
    assert book.levels(BUY, 5) == [(100, 12, 3)]


def test_an_own_order_in_the_way_expires():
    """Self-trade prevention takes the resting order out, without a fill, and the taker goes on behind it."""
    book = book_of((1, "b", SELL, 100, 1), (2, "a", SELL, 100, 5), (3, "b", SELL, 101, 5), (4, "a", SELL, 102, 5))
    result = book.match(BUY, Px(101), Sz(4), AccountId("a"))
    assert fills(result) == [(1, 100, 1), (3, 101, 3)]
    assert [(order.oid, order.sz) for order in result.expired] == [(2, 5)]
    assert resting(book) == [(3, 101, 2), (4, 102, 5)]


def test_an_own_order_behind_the_last_fill_stays():
    """Only what the taker actually meets expires."""
    book = book_of((1, "b", SELL, 100, 4), (2, "a", SELL, 100, 5))
    result = book.match(BUY, Px(100), Sz(4), AccountId("a"))
    assert not result.expired
    assert resting(book) == [(2, 100, 5)]


def test_the_check_at_the_match_decides_maker_by_maker():
    """Refused wholly or in part, a maker leaves with the rest of its size; the check sees the fills before it."""
    book = book_of((1, "a", SELL, 100, 5), (2, "b", SELL, 100, 5), (3, "a", SELL, 100, 5), (4, "b", SELL, 101, 9))
    room = {"a": 7, "b": 9}

    def admit(maker, px, lots):
        assert px == maker.px
        assert book.get(maker.oid) is maker
        admitted = min(lots, room[maker.account])
        room[maker.account] -= admitted
        return admitted

    result = book.match(BUY, None, Sz(17), admit=admit)
    assert fills(result) == [(1, 100, 5), (2, 100, 5), (3, 100, 2), (4, 101, 4)]
    assert [(order.oid, order.sz) for order in result.refused] == [(3, 3), (4, 5)]
    assert result.remaining == 1
    assert len(book) == 0


@pytest.mark.parametrize("answer", [-1, 6])
def test_a_check_cannot_admit_more_than_asked(answer):
    """Such an answer is a bug of the caller, found at once."""
    book = book_of((1, "a", SELL, 100, 5))
    with pytest.raises(ValueError, match="asked to admit 5 lots"):
        book.match(BUY, None, Sz(9), admit=lambda *_: answer)


def test_lifo_is_the_other_way_round():
    """The switch that lets a replay prove it would notice."""
    book = book_of((1, "a", SELL, 100, 5), (2, "b", SELL, 100, 5), discipline=Discipline.LIFO)
    assert book.depth_ahead(Oid(1)) == 5
    assert fills(book.match(BUY, None, Sz(6))) == [(2, 100, 5), (1, 100, 1)]


# Background flow.


def test_background_stops_before_it_touches_a_watched_account():
    """The operation that would is not begun; the front does it and goes on with the next."""
    book = book_of((1, "crowd", SELL, 100, 5), (2, "us", SELL, 100, 5), (3, "crowd", SELL, 100, 5), watched=["us"])
    ops = [place(10, BUY, 100, 5), place(11, BUY, 100, 1), cancel(3), cancel(2, "us")]
    first = book.execute(ops)
    assert (first.i, first.reason) == (1, StopReason.WATCHED_MAKER)
    assert list(first.trades) == [(0, 1, 100, 5)]
    assert resting(book) == [(2, 100, 5), (3, 100, 5)]
    second = book.execute(ops, 2)
    assert (second.i, second.reason) == (3, StopReason.WATCHED_ACCOUNT)
    assert resting(book) == [(2, 100, 5)]
    assert book.execute(ops, 4).reason is StopReason.DONE


def test_background_does_not_stop_for_a_watched_order_out_of_its_reach():
    """Behind in the queue, deeper than the size reaches, or beyond the limit: no call of the front is needed."""
    book = book_of((1, "crowd", SELL, 100, 5), (2, "us", SELL, 100, 5), (3, "crowd", BUY, 99, 5), watched=["us"])
    ops = [place(10, BUY, 100, 4), place(11, BUY, 99, 4), place(12, BUY, 100, 1, tif=Tif.ALO), place(13, SELL, 99, 4)]
    stop = book.execute(ops)
    assert stop.reason is StopReason.DONE
    assert list(stop.trades) == [(0, 1, 100, 4), (3, 3, 99, 4)]
    assert list(stop.rejects) == [(2, Reject.WOULD_CROSS)]


def test_watching_includes_what_already_rests():
    """An account that turns out to matter is protected from that moment on."""
    book = book_of((1, "late", SELL, 100, 5))
    book.watch(AccountId("late"))
    assert book.watched == {"late"}
    assert book.execute([place(10, BUY, 100, 1)]).reason is StopReason.WATCHED_MAKER
    book.remove(Oid(1))
    assert book.execute([place(10, BUY, 100, 1)]).reason is StopReason.DONE
    book.validate()


def test_a_crowd_trades_with_itself():
    """An unwatched account stands for many traders: expiring its orders would empty the market."""
    stop = book_of((1, "crowd", SELL, 100, 5)).execute([place(10, BUY, 100, 5)])
    assert list(stop.trades) == [(0, 1, 100, 5)]


def test_background_rejects_are_counted_by_reason():
    """Nothing is dropped silently: an operation that does nothing says why."""
    book = book_of((1, "crowd", SELL, 100, 5))
    ops = [place(10, BUY, 99, 1, tif=Tif.IOC), cancel(7), cancel(1, "other"), place(11, BUY, 100, 1, tif=Tif.ALO)]
    ops.append((OpKind.REDUCE, Oid(1), AccountId("crowd"), SELL, Px(100), Sz(9), Tif.GTC))
    assert list(book.execute(ops).rejects) == [
        (0, Reject.NO_MATCH),
        (1, Reject.UNKNOWN_ORDER),
        (2, Reject.UNKNOWN_ORDER),
        (3, Reject.WOULD_CROSS),
    ]
    assert len(book) == 0


# Mistakes and state.


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda book: book.add(1, "a", BUY, 90, 5), "rests already"),
        (lambda book: book.add(2, "a", BUY, 90, 0), "positive price and size"),
        (lambda book: book.add(2, "a", BUY, 0, 5), "positive price and size"),
        (lambda book: book.reduce(1, 6), "cannot take 6 lots"),
        (lambda book: book.reduce(1, 0), "cannot take 0 lots"),
        (lambda book: book.match(BUY, 100, 0), "positive size"),
        (lambda book: book.execute([place(2, BUY, 100, 0)]), "positive size"),
        (lambda book: book.execute([place(1, BUY, 90, 1)]), "rests already"),
        (lambda book: book.remove(2), "2"),
        (lambda book: book.reduce(2, 1), "2"),
        (lambda book: book.depth_ahead(2), "2"),
    ],
)
def test_a_mistake_of_the_caller_raises_and_changes_nothing(wrong, text):
    """Our bug: raise, with the book as it was."""
    book = book_of((1, "a", SELL, 100, 5))
    with pytest.raises((ValueError, KeyError), match=text):
        wrong(book)
    assert resting(book) == [(1, 100, 5)]
    book.validate()


def test_a_book_can_be_copied_and_stored():
    """Plain state: a deep queue does not exhaust the stack, and the copy lives its own life."""
    book = book_of(*((i, "a", BUY, 100 + i % 3, 5) for i in range(5_000)))
    for twin in (copy.deepcopy(book), pickle.loads(pickle.dumps(book))):
        twin.validate()
        assert resting(twin) == resting(book)
        assert twin.match(SELL, None, Sz(7)).remaining == 0
    assert book.level(BUY, Px(102)) == (5 * 1_666, 1_666)


def test_the_book_is_a_liquidity():
    """The front is written against the interface; mypy checks this assignment, too."""
    liquidity: Liquidity = Book()
    assert (liquidity.best_bid(), liquidity.best_ask(), liquidity.levels(BUY, 5)) == (None, None, [])
    assert not liquidity.would_cross(BUY, Px(10))


def test_a_recorded_book_may_be_crossed_but_not_silently():
    """`add` does not judge; `validate` does."""
    book = book_of((1, "a", BUY, 100, 5), (2, "b", SELL, 100, 5))
    with pytest.raises(InvariantViolation, match="crossed at rest: bid 100, ask 100"):
        book.validate()


BREAKS = {
    "total": (lambda book: setattr(level(book), "total", 7), "BUY level 100 has total 7, its orders sum to 8"),
    "key list": (lambda book: book._bids.keys.reverse(), "BUY keys out of order"),
    "key without level": (lambda book: book._bids.keys.append(105), "BUY keys .*105.*, levels"),
    "level without key": (lambda book: book._bids.keys.pop(), "BUY keys"),
    "empty level": (lambda book: level(book).orders.clear(), "BUY level 100 is empty"),
    "size": (lambda book: setattr(book.get(1), "sz", 0), "has total 8"),
    "nothing left": (
        lambda book: (setattr(book.get(1), "sz", 0), setattr(level(book), "total", 3)),
        "holds under id 1",
    ),
    "price": (lambda book: setattr(book.get(1), "px", 101), "BUY level 100 holds under id 1"),
    "side": (lambda book: setattr(book.get(1), "side", SELL), "BUY level 100 holds under id 1"),
    "lost": (lambda book: book._orders.pop(1), "by id and in queues differ"),
    "level price": (lambda book: setattr(level(book), "px", 99), "level 99 stands under key 100"),
    "watched": (lambda book: book._watched.add("a"), "watched orders"),
}


def level(book):
    return book._bids.levels[100]


@pytest.mark.parametrize("name", BREAKS)
def test_validate_finds(name):
    """Each way in which the book can contradict itself is found, and named."""
    book = book_of((1, "a", BUY, 100, 5), (2, "b", BUY, 100, 3), (3, "a", BUY, 90, 5), (4, "b", SELL, 110, 5))
    book.validate()
    damage, text = BREAKS[name]
    damage(book)
    with pytest.raises(InvariantViolation, match=text):
        book.validate()
