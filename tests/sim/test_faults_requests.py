"""Requests and answers: lost on either way, spoilt, made up, out of date, in pages."""

import pytest

from domain.commands import Cancel, Place, QueryFills, QueryOpenOrders, QueryOrder, QueryPositions, Request, Route
from domain.events import (
    Cancelled,
    Feed,
    Fill,
    FillsReport,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Resting,
)
from domain.units import NS_PER_S, Cloid, Ns, Px, RequestId, Side, Sz, Tif, seconds
from sim.envelope import RequestKind
from sim.faults import (
    ClockSkew,
    ErrorAlthoughApplied,
    MessageLoss,
    Paging,
    ReplyLost,
    RequestLost,
    StaleQueries,
    SuccessAlthoughNotApplied,
)
from sim.faults.clock_skew import ClockShape
from sim.faults.error_although_applied import Left
from sim.world import ETH
from tests.sim.fault_trader import ME, Trader


def resting(trader):
    return trader.world.venue.resting(ME)


@pytest.mark.parametrize("route", Route)
def test_a_lost_answer_hides_what_was_done(route):
    """Protects ambiguity: the order rests, its status is told, and the answer never comes, whatever its way."""
    trader = Trader(ReplyLost(share=1.0, requests=(RequestKind.PLACE,), duration_s=20))
    px = trader.world.liquidity[ETH.id].best_bid()
    place = Place(ETH.id, Cloid("0x1"), Side.BUY, px, Sz(1_000), Tif.ALO)
    request = Request(RequestId(1), route, trader.session.epoch(Feed.USER), None, (place,))
    trader.adapter.submit(request)
    trader.wait(2)
    assert [order.cloid for order in resting(trader)] == ["0x1"]
    assert [update.status for update in trader.of(OrderUpdate)] == [OrderStatus.OPEN]
    assert trader.of(Replied) == []
    assert trader.cancel(resting(trader)[0]) == (Cancelled(),)
    assert trader.injected[0].counts == {"lost": 1, "place": 1}


def test_after_its_window_nothing_is_lost():
    """Protects healing: the same order, later, is answered; nothing is left on the links."""
    trader = Trader(ReplyLost(share=1.0, duration_s=5), RequestLost(share=1.0, duration_s=5))
    trader.until(15.1)
    order = trader.quote()
    assert isinstance(trader.last_reply().results[0], Resting)
    assert trader.cancel(order) == (Cancelled(),)
    assert all(link.tampers == [] for link in trader.session.links.values())
    assert all(injected.counts == {} for injected in trader.injected)


@pytest.mark.parametrize("route", Route)
def test_a_lost_request_changes_nothing(route):
    """Protects the twin of the lost answer: the same silence, and at the venue nothing happened, whatever the way."""
    trader = Trader(RequestLost(share=1.0, requests=(RequestKind.PLACE,), duration_s=20))
    place = Place(ETH.id, Cloid("0x1"), Side.BUY, Px(trader.world.liquidity[ETH.id].best_bid()), Sz(1_000), Tif.ALO)
    trader.adapter.submit(Request(RequestId(1), route, trader.session.epoch(Feed.USER), None, (place,)))
    trader.number = 1
    trader.wait(2)
    assert resting(trader) == ()
    assert trader.of(Replied) == []
    assert trader.ask(QueryOpenOrders())[0].orders == ()
    assert trader.injected[0].counts == {"lost": 1, "place": 1}


def test_an_error_page_is_no_refusal():
    """Protects S14: the answer comes, holds nothing, and the order rests."""
    trader = Trader(ErrorAlthoughApplied(share=1.0, duration_s=20))
    order = trader.quote()
    assert order is not None
    assert trader.last_reply().results == ()
    assert trader.cancel(order) == ()
    assert resting(trader) == ()
    assert trader.injected[0].counts == {"spoilt": 2, "place": 1, "cancel": 1}


def test_half_an_answer_keeps_the_first_results():
    """Protects batches: fewer results than actions, in order; a single result has no half."""
    trader = Trader(ErrorAlthoughApplied(share=1.0, left=Left.FIRST_HALF, duration_s=20))
    px = trader.world.liquidity[ETH.id].best_bid() // 100 * 100
    places = [Place(ETH.id, Cloid(f"0xa{i}"), Side.BUY, Px(px - 100 * i), Sz(1_000), Tif.ALO) for i in range(1, 5)]
    trader.request(*places)
    trader.wait(1)
    assert [result.cloid for result in trader.last_reply().results] == ["0xa1", "0xa2"]
    assert len(resting(trader)) == 4
    trader.rest()
    assert len(trader.last_reply().results) == 1
    assert trader.injected[0].injected == 1


def test_a_lie_names_an_order_that_does_not_exist():
    """Protects phantom orders: the id is nobody's, no status comes, the venue has nothing."""
    trader = Trader(SuccessAlthoughNotApplied(share=1.0, requests=(RequestKind.PLACE,), duration_s=20))
    assert trader.quote() is None
    trader.wait(1)
    (result,) = trader.last_reply().results
    assert isinstance(result, Resting)
    assert trader.world.venue.order(ME, result.oid) is None
    assert trader.of(OrderUpdate) == []
    assert trader.injected[0].counts == {"forgotten": 1, "place": 1}


@pytest.mark.parametrize("route", Route)
def test_a_cancel_that_never_happened_is_confirmed(route):
    """Protects S9: "cancelled" although the order rests on; the answer takes the way of the request."""
    trader = Trader(SuccessAlthoughNotApplied(share=1.0, requests=(RequestKind.CANCEL,), duration_s=20))
    order = trader.quote()
    epoch = trader.session.epoch(Feed.USER)
    cancel = Request(RequestId(9), route, epoch, None, (Cancel(ETH.id, oid=order.oid),))
    trader.adapter.submit(cancel)
    trader.wait(0.15)
    assert trader.last_reply().results != (Cancelled(),)
    trader.wait(1)
    assert trader.last_reply().results == (Cancelled(),)
    assert [o.oid for o in resting(trader)] == [order.oid]


def test_a_stale_answer_shows_the_past():
    """Protects read-your-writes: what was placed since is unknown, what ended since is open, with its old stamp."""
    trader = Trader(StaleQueries(at_s=12, share=1.0, lag_s=2.0, duration_s=200))
    trader.until(15)
    seen = set()
    for _ in range(40):
        order = trader.rest()
        (report,) = trader.ask(QueryOrder(order.cloid))
        (listed,) = trader.ask(QueryOpenOrders())
        now = trader.world.env.now
        assert now - seconds(3) <= report.as_of < now
        expected = order.placed_at <= report.as_of
        assert (report.update is not None) == expected
        seen.add(expected)
        assert (order.oid in {o.oid for o in listed.orders}) == (order.placed_at <= listed.as_of)
        trader.cancel(order)
    assert seen == {True, False}
    counts = trader.injected[0].counts
    assert counts["stale"] == 80
    assert 10 < counts["different"] < 80


def test_a_stale_answer_hides_fills_and_positions():
    """Protects accounting: the fill is missing from the list, and the position is the one before it."""
    trader = Trader(StaleQueries(at_s=10, share=1.0, lag_s=60.0, is_stamped=False, duration_s=200))
    trader.until(12)
    order = trader.quote()
    trader.hit(order)
    stated, listed, ages = set(), set(), []
    for _ in range(20):
        (positions,) = trader.ask(QueryPositions())
        (fills,) = trader.ask(QueryFills(Ns(0)))
        stated.add(bool(positions.positions))
        listed.add(bool(fills.fills))
        ages.append(trader.world.env.now - fills.as_of)
    assert stated == listed == {True, False}
    assert max(ages) < 0.6 * NS_PER_S  # it claims to be of now
    assert trader.of(Fill)  # the stream is not touched
    trader.until(215)
    assert trader.fills().fills
    assert trader.ask(QueryPositions())[0].positions


def test_pages_overlap_and_make_progress():
    """Protects paging: page by page every fill comes, rows of before are repeated, and the last page says so."""
    trader = Trader(Paging(page=3, overlap=2, duration_s=200))
    for _ in range(8):
        trader.hit(trader.rest())
        trader.wait(0.5)
    truth = trader.world.venue.fills(ME)
    since, pages, got = 0, [], []
    while True:
        report = trader.fills(since)
        assert isinstance(report, FillsReport)
        pages.append(report)
        got += [fill.tid for fill in report.fills]
        if report.is_complete:
            break
        since = report.fills[-1].exch_time
    assert list(dict.fromkeys(got)) == [fill.tid for fill in truth]
    assert len(pages) > 2
    assert all(len(page.fills) <= 5 for page in pages)
    before = [fill.exch_time for fill in pages[-1].fills if fill.exch_time < since]
    assert len(before) == 2
    assert trader.injected[0].counts["cut"] == len(pages) - 1
    asked_again = len(pages) - 1  # each page but the first asks for the last row of the one before
    assert trader.injected[0].counts["repeated"] == len(got) - len(truth) - asked_again


@pytest.mark.parametrize(("step_s", "is_refused"), [(-3.0, True), (3.0, False), (-0.5, False)])
def test_a_clock_that_is_behind_makes_orders_expire(step_s, is_refused):
    """Protects expiry: by a clock of the past the order is too old when it arrives; healing sets the clock right."""
    trader = Trader(ClockSkew(step_s=step_s, duration_s=5))

    def place():
        px = trader.world.liquidity[ETH.id].best_bid()
        trader.number += 1
        action = Place(ETH.id, Cloid(f"0xc{trader.number}"), Side.BUY, Px(px - 50), Sz(1_000), Tif.ALO)
        epoch = trader.session.epoch(Feed.USER)
        trader.adapter.submit(Request(RequestId(trader.number), Route.SOCKET, epoch, Ns(2 * NS_PER_S), (action,)))
        trader.wait(0.5)
        return trader.last_reply().results[0]

    result = place()
    assert (isinstance(result, Refused) and result.reason is Reason.EXPIRED) == is_refused
    assert trader.injected[0].counts == {"expiring": 1}
    trader.until(16)
    assert isinstance(place(), Resting)
    assert trader.session.skew == 0


def test_a_clock_may_drift():
    """Protects slow trouble: 100 ms per second are 2 s after twenty."""
    trader = Trader(ClockSkew(step_s=0.0, drift_ppm=-100_000.0, duration_s=30))
    trader.until(30)
    place = Place(ETH.id, Cloid("0xd"), Side.BUY, Px(100), Sz(1), Tif.ALO)
    trader.adapter.submit(Request(RequestId(1), Route.REST, trader.session.epoch(Feed.USER), Ns(1), (place,)))
    assert trader.session.skew == -2 * NS_PER_S


@pytest.mark.parametrize(
    ("shape", "step_s", "offsets"),
    [
        (ClockShape.STEP, 2.0, [2, 2, 2, 2]),
        (ClockShape.STROBE, 2.0, [2, -2, 2, -2]),
        (ClockShape.BACKWARDS, 2.0, [-2, -4, -6, -8]),
        (ClockShape.BACKWARDS, -2.0, [-2, -4, -6, -8]),
    ],
)
def test_the_shapes_of_a_wrong_clock(shape, step_s, offsets):
    """Protects the four ways in which clocks go wrong (the fourth is drift): what each shows every five seconds."""
    trader = Trader(ClockSkew(step_s=step_s, shape=shape, every_s=5.0, duration_s=20))
    found = []
    for n in range(4):
        trader.until(12 + 5 * n)
        found.append(trader.session.skew // NS_PER_S)
        assert trader.session.wall_clock == trader.world.env.now + trader.session.skew
    assert found == offsets
    trader.until(31)
    assert trader.session.skew == 0


def test_a_share_is_drawn_for_each_fault_alone():
    """Protects shrinking: which answers are lost is the same without the other fault, and twins differ."""

    def lost(*faults):
        trader = Trader(*faults)
        for _ in range(20):
            trader.ask(QueryPositions(), wait=0.3)
        return [reply.request_id for reply in trader.of(Replied)], [dict(i.counts) for i in trader.injected]

    loss = ReplyLost(share=0.5, duration_s=60)
    alone = lost(loss)
    assert 3 < len(alone[0]) < 17
    assert lost(MessageLoss(share=0.5, duration_s=60), loss)[0] == alone[0]
    twins, counts = lost(loss, loss)
    assert set(twins) < set(alone[0])
    assert counts[0]["lost"] + counts[1]["lost"] == 20 - len(twins)


def test_queries_keep_their_statuses():
    """Protects the oracle of the tests above: without a fault the answer is of now."""
    trader = Trader()
    order = trader.quote()
    (report,) = trader.ask(QueryOrder(order.cloid))
    assert isinstance(report, OrderStatusReport)
    assert report.update.oid == order.oid
