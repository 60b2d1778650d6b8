"""Oracle and mark: the median of three, every three seconds, in whole ticks."""

from math import exp

import pytest

from domain.events import Channel, ChannelKind, ContextReported, Resting
from domain.units import NS_PER_S, AccountId, Ns, Oid, Px, Sz
from sim.environment import Environment
from sim.flow.synthetic import SyntheticFlow
from sim.liquidity.book import Book
from sim.venue.config import Reference
from sim.venue.mark import Average, MarkConfig, Prices, median
from sim.world import World, WorldConfig
from tests.sim.venue.exchange import ALO, ANN, BOB, BUY, COIN, IOC, SELL, Exchange, place

CROWD = AccountId("crowd")
S = NS_PER_S


def book(bid=None, ask=None):
    book = Book()
    if bid is not None:
        book.add(Oid(1), CROWD, BUY, Px(bid), Sz(1))
    if ask is not None:
        book.add(Oid(2), CROWD, SELL, Px(ask), Sz(1))
    return book


def test_the_average_is_the_documented_one():
    """Protects num = num x exp(-t/tau) + sample x t, den likewise: uneven gaps weigh by their length."""
    average = Average(150.0)
    assert average.add(10.0, 3.0) == 10.0
    decay = exp(-6 / 150)
    assert average.add(20.0, 6.0) == pytest.approx((10 * 3 * decay + 20 * 6) / (3 * decay + 6), rel=1e-12)


@pytest.mark.parametrize(("values", "middle"), [((5,), 5), ((3, 1), 2), ((9, 1, 4), 4), ((4, 1, 3, 9), 3.5)])
def test_median(values, middle):
    """Protects the middle of few values, in any order."""
    assert median(values) == middle


@pytest.mark.parametrize(
    ("bid", "ask", "last", "outside", "perps", "oracle", "mark"),
    [
        # book 1000/1010, last 1004: local 1004; oracle + basis = the middle, 1005; elsewhere 1100
        (1000, 1010, 1004, 1100, True, 1100, 1005),
        # nothing elsewhere but the oracle: the smoothed local price, 1004, is the third
        (1000, 1010, 1004, 1100, False, 1100, 1004),
        # no outside at all: the middle of the own book is the oracle
        (1000, 1010, 1004, None, True, 1005, 1004),
        # a side is missing: the last trade stands for the middle; local is the mean of two
        (1000, None, 1004, 1100, True, 1100, 1004),
        # an empty book that has never traded: what there is elsewhere
        (None, None, None, 1100, True, 1100, 1100),
        # a wild last trade moves neither side of the median
        (1000, 1010, 5000, 1003, True, 1003, 1005),
    ],
)
def test_the_mark_is_the_median_of_three(bid, ask, last, outside, perps, oracle, mark):
    """Protects the three parts of the mark, and what takes the place of one that is missing."""
    prices = Prices(MarkConfig(external_perps=perps))
    assert prices.update(outside, book(bid, ask), last, Ns(0))
    assert (prices.oracle, prices.mark) == (oracle, mark)


def test_without_any_price_there_is_no_mark():
    """Protects the start of an empty market: no mark out of nothing, and the next block asks again."""
    prices = Prices(MarkConfig())
    assert not prices.update(None, book(), None, Ns(5))
    assert prices.mark is None
    assert prices.is_due(Ns(6))


def test_the_basis_is_slow():
    """Protects the 150 s: when the book jumps, the first part of the mark follows only by the average's share."""
    prices = Prices(MarkConfig(external_perps=False))
    prices.update(1000.0, book(999, 1001), None, Ns(0))
    prices.update(1000.0, book(1199, 1201), None, Ns(3 * S))
    basis = 200 * 3 / (3 * exp(-3 / 150) + 3)
    smooth = (1000 * 3 * exp(-3 / 30) + 1200 * 3) / (3 * exp(-3 / 30) + 3)
    assert prices.mark == round(sorted((1000 + basis, 1200, smooth))[1])
    assert prices.last_mark == 1000


def test_prices_come_every_three_seconds():
    """Protects the rhythm: the first block after each third second, whatever its own time is."""
    prices = Prices(MarkConfig())
    due = []
    for now in (0.1, 1.0, 2.9, 3.1, 5.9, 6.0, 6.1, 8.9, 12.5, 14.9, 15.0):
        at = Ns(round(now * S))
        if prices.is_due(at):
            due.append(now)
            prices.update(1.0, book(), None, at)
    assert due == [0.1, 3.1, 6.0, 12.5, 15.0]


def test_the_oracle_of_a_synthetic_market_is_its_fair_price():
    """Protects the way from the flow to the venue; whole ticks, and the mark near the book."""
    world = World(WorldConfig(), 3)
    name = next(iter(world.instruments))
    seen = []

    def look(_number, now):
        prices, flow = world.venue.prices(name), world.flows[name]
        assert isinstance(flow, SyntheticFlow)
        seen.append((now // (3 * S), prices.oracle, prices.mark, round(flow.fair)))

    world.on_block.append(look)
    world.run(Ns(30 * S))
    assert isinstance(world.env, Environment)
    first = {}
    for window, oracle, mark, fair in seen:
        oracle_then, mark_then, fair_then = first.setdefault(window, (oracle, mark, fair))
        assert (oracle, mark) == (oracle_then, mark_then), "prices stand still between two updates"
        assert oracle == fair_then
        assert type(mark) is int
    assert len(first) == 10
    assert len({oracle for oracle, _, _ in first.values()}) > 5
    assert all(abs(mark - oracle) < oracle * 1e-3 for oracle, mark, _ in first.values())


def test_prices_are_published_when_they_are_made():
    """Protects what everybody hears: oracle, mark, the rate that accrues, what all hold; and nothing in between."""
    ex = Exchange(mark=MarkConfig(interval=Ns(3_000)))
    ex.venue.tell_prices(lambda _: 100.0)
    ex.endow(ANN, 5)
    ex.endow(BOB, -2)
    for _ in range(6):
        ex.block()
    contexts = [event for p in ex.published for event in p.events if isinstance(event, ContextReported)]
    assert contexts == [ContextReported(COIN.id, Ns(at), Ns(0), 100, 100, 125_000, 5) for at in (1_000, 3_000, 6_000)]
    assert {p.channel for p in ex.published if isinstance(p.events[0], ContextReported)} == {
        Channel(ChannelKind.CONTEXT, COIN.id)
    }


def test_the_band_may_lie_around_the_mark():
    """Protects the reference: with a mark of 1000 a price of 1960 is too far, around the book's 2000 it is not."""
    for reference, is_taken in ((Reference.MARK, False), (Reference.MID, True)):
        ex = Exchange(mark=MarkConfig(interval=Ns(10**9)), reference=reference)
        ex.venue.tell_prices(lambda _: 1_000.0)
        ex.block((BUY, 1_990, 5, ALO), (SELL, 2_010, 5, ALO))
        (result,) = ex.run(ANN, place(BUY, 1_960, 1))
        assert isinstance(result, Resting) is is_taken


def test_the_venue_marks_by_its_own_book_where_there_is_no_outside():
    """Protects the default: nobody has to tell a venue prices."""
    ex = Exchange(mark=MarkConfig(interval=Ns(1)))
    ex.block((BUY, 98, 5, ALO), (SELL, 104, 5, ALO))
    ex.block((BUY, 104, 1, IOC))
    ex.block()
    prices = ex.venue.prices(COIN.id)
    assert (prices.oracle, prices.mark) == (101, 104)
