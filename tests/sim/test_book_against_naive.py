"""The book against its naive twin: random streams of everything it can do, whole outputs compared after each step.

A stream is drawn as bytes, six for a step, which Hypothesis makes many times faster than lists of tuples. It
has a least length because Hypothesis draws most of them near it; steps shrink to nothing all the same. Prices,
sizes and accounts are few, so that queues form and meet.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.units import AccountId, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import NOBODY, OpKind
from sim.liquidity.book import Book, Discipline
from tests.sim.naive_book import NaiveBook

ACCOUNTS = ["ann", "bob", "cid", NOBODY]
TIFS = [Tif.GTC, Tif.IOC, Tif.ALO, Tif.GTC]
STREAMS = st.binary(min_size=6 * 12, max_size=6 * 40)
BOTH = pytest.mark.parametrize("discipline", list(Discipline), ids=lambda d: d.name)


def steps_of(stream):
    """Six bytes a step: what, side and account, price, size, pick, answer of the check; none where `what` is zero."""
    return [tuple(stream[i : i + 6]) for i in range(0, len(stream) - 5, 6) if stream[i]]


def dump(book):
    return [(o.side, o.px, o.oid, o.account, o.sz) for side in (Side.BUY, Side.SELL) for o in book.orders(side)]


def plain(result):
    """A MatchResult as the twin tells it."""
    return (
        result.remaining,
        [(maker.oid, px, sz) for maker, px, sz in result.executions],
        [(order.oid, order.sz) for order in result.expired],
        [(order.oid, order.sz) for order in result.refused],
    )


def assert_same(book, twin):
    book.validate()
    assert dump(book) == twin.dump()
    assert len(book) == len(twin.resting)
    for side in Side:
        levels = twin.levels(side)
        assert book.levels(side, 100) == levels
        assert book.levels(side, 2) == levels[:2]
        assert book.best(side) == (levels[0][0] if levels else None)
        for px, total, n in levels:
            assert book.level(side, px) == (total, n)
            assert [order.oid for order in book.orders_at(side, px)] == [
                order["oid"] for order in twin.queue(side) if order["px"] == px
            ]


def both_match(book, twin, side, limit, sz, account, answer):
    """One matching walk in each; `answer` above 99 turns the check at the match on."""
    if answer < 100:
        ours = book.match(side, limit, sz, account)
        theirs = twin.match(side, limit, sz, account)
    else:
        asked = ([], [])

        def admitted(oid, lots):
            return [lots, lots // 2, 0, min(lots, 3)][(oid + answer) % 4]

        def admit(maker, px, lots):
            assert px == maker.px
            asked[0].append((maker.oid, lots))
            return admitted(maker.oid, lots)

        def twin_admit(oid, lots):
            asked[1].append((oid, lots))
            return admitted(oid, lots)

        ours = book.match(side, limit, sz, account, admit)
        theirs = twin.match(side, limit, sz, account, twin_admit)
        assert asked[0] == asked[1], "the checks were asked different questions"
    assert plain(ours) == theirs
    return ours.remaining


def place(book, twin, oid, account, side, px, sz, tif, *, answer=0):
    """The times in force, as a venue's front puts them together."""
    crosses = book.would_cross(side, px)
    assert crosses == bool(twin.reachable(side, px))
    if crosses and tif is Tif.ALO:
        return
    left = both_match(book, twin, side, px, sz, account, answer)
    if left and tif is not Tif.IOC:
        book.add(oid, account, side, px, left)
        twin.add(oid, account, side, px, left)


@BOTH
@settings(max_examples=5_000)
@given(stream=STREAMS)
def test_every_step_gives_the_twins_answer(discipline, stream):
    """The specification itself: sweeps, IOC, ALO, self-trades, checks at the match, modifies and partial cancels."""
    book, twin = Book(discipline=discipline), NaiveBook(lifo=discipline is Discipline.LIFO)
    for step, (what, who, where, size, pick, answer) in enumerate(steps_of(stream)):
        side, account = Side.BUY if who & 1 else Side.SELL, ACCOUNTS[who // 2 % 4]
        px, sz, tif = Px(100 + where % 7), Sz(1 + size % 9), TIFS[who // 8 % 4]
        resting = [order["oid"] for order in twin.resting]
        if what % 8 < 4 or not resting:
            place(book, twin, Oid(step), account, side, px, sz, tif, answer=answer)
        elif what % 8 == 4:
            both_match(book, twin, side, None, Sz(size % 30 + 1), account, answer)
        else:
            oid = Oid(resting[pick % len(resting)])
            order = book.get(oid)
            assert book.depth_ahead(oid) == twin.depth_ahead(oid)
            if what % 8 == 5:
                assert book.remove(oid) is order
                twin.remove(oid)
            elif what % 8 == 6:
                by = Sz(1 + size % order.sz)
                book.reduce(oid, by)
                twin.reduce(oid, by)
            else:  # a modify: the new order goes to the end of its queue
                book.remove(oid)
                twin.remove(oid)
                place(book, twin, Oid(step), order.account, order.side, px, sz, tif, answer=answer)
            assert (oid in book) == (twin.find(oid) is not None)
        assert_same(book, twin)


@BOTH
@settings(max_examples=2_500)
@given(stream=STREAMS)
def test_background_flow_stops_where_the_twin_stops(discipline, stream):
    """`execute` is the fast path round `match`: same trades, and no watched order traded behind the front's back."""
    book = Book(discipline=discipline, watched=["cid"])
    twin = NaiveBook(lifo=discipline is Discipline.LIFO, watched=["cid"])
    ops = [
        (
            OpKind([0, 0, 0, 0, 1, 2][what % 6]),
            Oid(step if what % 6 < 4 else pick % (step + 1)),
            AccountId(ACCOUNTS[min(who // 2 % 8, 2)] if what % 6 < 4 else ACCOUNTS[pick % 2]),
            Side.BUY if who & 1 else Side.SELL,
            Px(100 + where % 7),
            Sz(1 + size % 9),
            TIFS[answer % 4],
        )
        for step, (what, who, where, size, pick, answer) in enumerate(steps_of(stream))
    ]
    i = 0
    while True:
        stop = book.execute(ops, i)
        found = (stop.i, stop.reason.value, list(stop.trades), [(n, why.value) for n, why in stop.rejects])
        assert found == twin.execute(ops, i)
        assert_same(book, twin)
        if stop.i == len(ops):
            break
        _, oid, account, side, px, sz, tif = ops[stop.i]
        place(book, twin, oid, account if account == "cid" else NOBODY, side, px, sz, tif)
        i = stop.i + 1


@settings(max_examples=500)
@given(stream=STREAMS)
def test_fifo_and_lifo_are_not_the_same(stream):
    """The switch matters for queues only: sizes per level agree for as long as nobody looks at who traded."""
    fifo, lifo = Book(), Book(discipline=Discipline.LIFO)
    for step, (_, who, where, size, _, _) in enumerate(steps_of(stream)):
        op = (
            OpKind.PLACE,
            Oid(step),
            AccountId("a"),
            Side.BUY if who & 1 else Side.SELL,
            Px(100 + where % 5),
            Sz(1 + size % 9),
            Tif.GTC,
        )
        traded = [sum(sz for *_, sz in book.execute([op]).trades) for book in (fifo, lifo)]
        assert traded[0] == traded[1]
        totals = [[(px, total) for side in Side for px, total, _ in book.levels(side, 100)] for book in (fifo, lifo)]
        assert totals[0] == totals[1]
