"""What the venue tells: public frames of a block, an account's news, first frames of subscriptions, queries."""

from itertools import pairwise

import pytest

from domain.commands import QueryFills, QueryLimits, QueryOpenOrders, QueryOrder, QueryPositions
from domain.events import (
    BboChanged,
    BookReported,
    Channel,
    ChannelKind,
    ContextReported,
    Fill,
    FillsReport,
    InstrumentLimits,
    LimitsReport,
    OpenOrder,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatus,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    PositionsReported,
    PublicTrade,
    Reason,
    Refused,
    Replied,
    TradesPrinted,
)
from domain.limits import VenueLimits
from domain.units import InstrumentId, Ns, Usd
from sim.liquidity.book import Book
from sim.venue.accounts import NO_LIMIT
from sim.venue.config import VenueConfig
from sim.venue.front import Venue
from sim.venue.market import trade_id
from tests.sim.venue.exchange import ALO, ANN, BLOCK, BOB, BUY, COIN, GTC, IOC, SELL, Exchange, cancel, cloid, place

HALF_SECOND = 500_000_000


def public(published):
    """What everybody hears of the book and the trades; the prices of the venue have a rhythm of their own."""
    events = [event for p in published if p.account is None for event in p.events]
    return [event for event in events if not isinstance(event, ContextReported)]


def told(published, account):
    return [(p.channel and p.channel.kind.value, p.events) for p in published if p.account == account]


# --- public -------------------------------------------------------------------------------------


def test_the_top_is_published_when_a_block_changed_it():
    """Protects bbo: once a block, sizes and counts included, silence where nothing changed."""
    ex = Exchange()
    first = [e for e in public(ex.block((BUY, 99, 5, ALO), (SELL, 101, 3, ALO))) if isinstance(e, BboChanged)]
    assert first == [BboChanged(COIN.id, BLOCK, 0, (99, 5, 1), (101, 3, 1))]
    assert public(ex.block()) == []
    assert public(ex.block((BUY, 98, 5, ALO))) == []
    assert public(ex.block((BUY, 99, 2, ALO))) == [BboChanged(COIN.id, 4 * BLOCK, 0, (99, 7, 2), (101, 3, 1))]
    emptied = public(ex.block((SELL, 99, 7, IOC), (SELL, 98, 5, IOC)))
    assert emptied[0] == BboChanged(COIN.id, 5 * BLOCK, 0, None, (101, 3, 1))


def test_the_book_is_published_at_most_twice_a_second_changed_or_not():
    """Protects l2Book: its cadence is a sign of life, its depth is bounded."""
    venue = Venue([COIN], VenueConfig(), {COIN.id: Book()}, VenueLimits(book_levels=2))
    ex = Exchange()
    ops = ex.flow(*[(BUY, px, 1, ALO) for px in (95, 96, 97)])
    books = []
    for block in range(1, 40):
        venue.run_block(Ns(block * 70_000_000), {COIN.id: ops} if block == 1 else {})
        books += [event for event in public(venue.drain()) if isinstance(event, BookReported)]
    assert all(b.exch_time - a.exch_time >= HALF_SECOND for a, b in pairwise(books))
    assert [book.bids for book in books] == [((97, 1, 1), (96, 1, 1))] * 5


def test_the_trades_of_a_block_come_in_one_frame():
    """Protects the tape: oldest first, the taker's side, ids from both order ids."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 101, 2))
    published = ex.block((SELL, 102, 3, ALO), (BUY, 102, 4, IOC))
    (frame,) = [e for e in public(published) if isinstance(e, TradesPrinted)]
    taker = ex.flow_oid
    assert frame.trades == (
        PublicTrade(BUY, 101, 2, trade_id(taker, 1), 2 * BLOCK),
        PublicTrade(BUY, 102, 2, trade_id(taker, taker - 1), 2 * BLOCK),
    )


# --- an account's news --------------------------------------------------------------------------


def test_what_an_account_hears_of_a_block():
    """Protects the whole set of an account's frames: statuses, fills, positions, open orders, reply."""
    ex = Exchange()
    ex.block((SELL, 101, 2, ALO))
    number = ex.send(ANN, place(BUY, 101, 3, GTC, n=1))
    heard = told(ex.block(), ANN)
    now = 2 * BLOCK
    fill = Fill(COIN.id, now, 0, trade_id(1, ex.flow_oid), 1, cloid(1), BUY, 101, 2, 0, True, 0, 0)
    line = OpenOrder(COIN.id, 1, cloid(1), BUY, 101, 3, 1, GTC, False, now)
    assert heard == [
        (
            "order_updates",
            (
                OrderUpdate(COIN.id, now, 0, 1, cloid(1), BUY, 101, 3, 3, OrderStatus.OPEN),
                OrderUpdate(COIN.id, now, 0, 1, cloid(1), BUY, 101, 3, 1, OrderStatus.OPEN),
            ),
        ),
        ("fills", (fill,)),
        ("positions", (PositionsReported(now, 0, (PositionEntry(COIN.id, 2),), Usd(-202)),)),
        ("open_orders", (OpenOrdersReported(now, 0, (line,)),)),
        (None, (Replied(number, 0, ex.results(ex.published, number)),)),
    ]
    assert told(ex.block(), ANN) == []
    assert told(ex.published, BOB) == []


def test_publications_to_an_account_are_numbered_without_a_gap():
    """Protects the source's own count: whatever a trader misses was lost on the way."""
    ex = Exchange()
    for n in range(5):
        ex.run(ANN, place(BUY, 99, 1, n=n))
        ex.ask(ANN, QueryPositions())
        ex.block((SELL, 99, 1, IOC))
    numbers = [p.number for p in ex.published if p.account == ANN]
    assert len(set(numbers)) == len(numbers)
    asked = set(range(1, ex.venue.publications_of(ANN) + 1)) - set(numbers)
    assert len(asked) == 5, "only the answers to the five queries were drained elsewhere"


# --- first frames -------------------------------------------------------------------------------


def test_first_frames_of_subscriptions():
    """Protects snapshots: state channels show their state, fills and trades their past, order updates nothing."""
    ex = Exchange()
    ex.block((SELL, 101, 5, ALO))
    ex.run(ANN, place(BUY, 101, 2, GTC, n=1), place(BUY, 99, 1, n=2))
    now = Ns(ex.now + 5)

    def frame(kind, instrument=None):
        return ex.venue.snapshot(ANN, Channel(kind, instrument), now)

    assert frame(ChannelKind.ORDER_UPDATES) == ()
    assert frame(ChannelKind.FILLS) == tuple(fill for _, fill in ex.fills)
    assert frame(ChannelKind.POSITIONS) == (PositionsReported(now, 0, (PositionEntry(COIN.id, 2),), Usd(-202)),)
    assert frame(ChannelKind.OPEN_ORDERS) == (OpenOrdersReported(now, 0, ex.venue.resting(ANN)),)
    assert frame(ChannelKind.BBO, COIN.id) == (BboChanged(COIN.id, now, 0, (99, 1, 1), (101, 3, 1)),)
    assert frame(ChannelKind.BOOK, COIN.id) == (BookReported(COIN.id, now, 0, ((99, 1, 1),), ((101, 3, 1),)),)
    (trades,) = frame(ChannelKind.TRADES, COIN.id)
    assert [(t.px, t.sz) for t in trades.trades] == [(101, 2)]
    with pytest.raises(ValueError, match="not a channel of an instrument"):
        frame(ChannelKind.FILLS, COIN.id)


def test_the_replayed_trades_are_the_last_thirty():
    """Protects the replay after a subscription to trades."""
    ex = Exchange()
    for _ in range(35):
        ex.block((SELL, 101, 1, ALO), (BUY, 101, 1, IOC))
    (frame,) = ex.venue.snapshot(ANN, Channel(ChannelKind.TRADES, COIN.id), ex.now)
    assert [t.exch_time for t in frame.trades] == [n * BLOCK for n in range(6, 36)]


# --- queries ------------------------------------------------------------------------------------


def test_queries_are_answered_at_once_from_the_truth():
    """Protects each query: no block is needed, and the answer says as of when."""
    ex = Exchange()
    ex.block((SELL, 101, 5, ALO))
    ex.run(ANN, place(BUY, 101, 2, GTC, n=1), place(BUY, 99, 1, n=2))
    as_of = ex.now + 1
    assert ex.ask(ANN, QueryOpenOrders()) == OpenOrdersReport(as_of, ex.venue.resting(ANN))
    assert ex.ask(ANN, QueryPositions()) == PositionsReport(as_of, (PositionEntry(COIN.id, 2),), Usd(-202))
    limits = InstrumentLimits(COIN.id, 0, Usd(0), 20, NO_LIMIT)
    assert ex.ask(ANN, QueryLimits((COIN.id,))) == LimitsReport(as_of, (limits,))
    unknown = ex.ask(ANN, QueryLimits((COIN.id, InstrumentId("NONE"))))
    assert unknown == Refused(Reason.UNKNOWN_INSTRUMENT, "Unknown asset NONE")


def test_the_status_of_an_order_before_during_and_after():
    """Protects order status: unknown until its block, then what it is, also after its end; rejected ones, too."""
    ex = Exchange()
    ex.send(ANN, place(BUY, 99, 4, n=1))
    assert ex.ask(ANN, QueryOrder(cloid(1))).update is None
    ex.block()
    assert ex.ask(ANN, QueryOrder(cloid(1))).update.status is OrderStatus.OPEN
    ex.block((SELL, 99, 1, IOC))
    ex.run(ANN, cancel(n=1))
    update = ex.ask(ANN, QueryOrder(cloid(1))).update
    assert (update.status, update.remaining, update.exch_time) == (OrderStatus.CANCELED, 3, ex.now)
    ex.run(ANN, place(BUY, 99, 1, IOC, n=2))
    assert ex.ask(ANN, QueryOrder(cloid(2))).update.reason is Reason.IOC_NO_MATCH
    assert ex.ask(BOB, QueryOrder(cloid(1))).update is None


def test_fills_since_a_moment_come_in_pages():
    """Protects backfill: inclusive start, oldest first, a page that ends early says so, a bound on what is kept."""
    limits = VenueLimits(fills_page=2)
    venue = Venue([COIN], VenueConfig(fills_kept=4), {COIN.id: Book()}, limits)
    ex = Exchange()
    ex.venue = venue
    venue.open_account(ANN, Usd(0))
    for n in range(3):
        ex.run(ANN, place(BUY, 99, 1, n=n))
        ex.venue.run_block(Ns(ex.now + BLOCK), {COIN.id: ex.flow((SELL, 99, 1, IOC))})
    times = [fill.exch_time for fill in venue.fills(ANN)]

    def page(since):
        report = ex.ask(ANN, QueryFills(Ns(since)))
        assert isinstance(report, FillsReport)
        return [fill.exch_time for fill in report.fills], report.is_complete

    assert page(0) == (times[:2], False)
    assert page(times[1]) == (times[1:], True)
    assert page(times[2] + 1) == ([], True)
    for n in range(20):
        ex.run(ANN, place(BUY, 99, 1, n=n))
        ex.venue.run_block(Ns(ex.now + BLOCK), {COIN.id: ex.flow((SELL, 99, 1, IOC))})
    assert 4 <= len(venue.fills(ANN)) < 8
