"""The figures of a run, on a few blocks that can be worked out by hand."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from domain.commands import Cancel, Modify, Place, Request, Route
from domain.events import (
    BboChanged,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    LiquidationMark,
    LiquidationMethod,
    OpenOrder,
    OrderStatus,
    Reason,
    Refused,
    Replied,
    Resting,
)
from domain.instrument import Instrument
from domain.units import InstrumentId, Ns, Side, Tif, seconds
from scenarios.invariants.base import Block
from scenarios.observer import Observer
from scenarios.trace import Trace

ETH = InstrumentId("ETH")
MID = 300_000
USD = 1e6


class Truth:
    """A venue whose top and account are set by hand."""

    def __init__(self):
        self.top = (MID - 50, MID + 50)
        self.lots = 0
        self.money = 0
        self.moved = 0

    def cash(self):
        return self.money

    def transfers(self):
        return self.moved

    def position(self, instrument):
        return self.lots

    def best(self, instrument):
        return self.top


class Bench:
    def __init__(self, duration_s=100):
        self.truth = Truth()
        self.trace = Trace("x", 0, duration_s)
        self.observer = Observer(
            self.trace, {ETH: Instrument(ETH, 4)}, self.truth, duration=seconds(duration_s), stale_after=seconds(15)
        )
        self.observer.on_gate(None, lambda: {ETH: 20_000}, Ns(0))

    def block(self, t, *, mid=MID, fills=(), resting=()):
        self.truth.top = (mid - 50, mid + 50)
        after = {
            number: OpenOrder(ETH, number, None, side, MID, 1, 1, Tif.ALO, False, Ns(0))
            for number, side in enumerate(resting)
        }
        updates = () if resting is None else (object(),)
        self.observer.on_block(Block(seconds(t), updates, fills, {}, {}, after))

    def fill(self, t, side, px, sz, *, cloid="c1"):
        self.truth.lots += side * sz
        self.truth.money -= side * sz * px
        return Fill(ETH, seconds(t), Ns(0), 1, 1, cloid, side, px, sz, 0, False, 0, 0)

    def data(self, t):
        self.observer.on_event(BboChanged(ETH, seconds(t), seconds(t), None, None), seconds(t), ())

    def finish(self, t):
        return self.observer.finish(seconds(t))


@pytest.fixture
def bench():
    return Bench()


def test_a_fill_is_measured_against_the_mid_before_it(bench):
    """Bought 100 lots 30 ticks under the mid; a second later the mid is 20 lower, at the end 50 lower."""
    bench.block(1)
    bench.block(2, mid=MID - 10, fills=[bench.fill(2, Side.BUY, MID - 30, 100)])
    bench.block(3, mid=MID - 20)
    bench.block(60, mid=MID - 50)
    pnl = bench.finish(60).pnl_usd
    assert pnl.spread == pytest.approx(100 * 30 / USD)
    assert pnl.markout == pytest.approx(100 * -20 / USD)
    assert pnl.inventory == pytest.approx(100 * -30 / USD)
    assert pnl.total == pytest.approx(100 * (-50 + 30) / USD)


def test_transfers_are_a_part_of_the_total_and_of_nothing_else(bench):
    """Funding of two dollars paid is no inventory profit; and a fill by force is counted."""
    forced = LiquidationMark(LiquidationMethod.MARKET, MID)
    bench.block(1)
    bench.block(2, fills=[replace(bench.fill(2, Side.BUY, MID, 100), liquidation=forced)])
    bench.truth.money -= 2_000_000
    bench.truth.moved -= 2_000_000
    bench.block(60, mid=MID - 50)
    metrics = bench.finish(60)
    pnl = metrics.pnl_usd
    assert pnl.transfers == pytest.approx(-2)
    assert pnl.inventory == pytest.approx(100 * -50 / USD)
    assert pnl.total == pytest.approx(pnl.inventory - 2)
    assert (metrics.forced_fills, metrics.fills) == (1, 1)


def test_markouts_have_their_own_horizon(bench):
    """Sold 10; the mid rises one tick a second: gross -h, net 30 - h for each horizon h."""
    bench.block(0.5)
    bench.block(1, fills=[bench.fill(1, Side.SELL, MID + 30, 10)])
    for half_seconds in range(3, 20):
        bench.block(half_seconds / 2, mid=MID + half_seconds / 2 - 1)
    markouts = bench.finish(10).markouts_usd
    assert [m.horizon_s for m in markouts] == [0.5, 1.0, 2.0, 5.0]
    assert [m.gross * USD / 10 for m in markouts] == pytest.approx([-0.5, -1, -2, -5])
    assert [m.net * USD / 10 for m in markouts] == pytest.approx([29.5, 29, 28, 25])
    assert [m.adverse_pct for m in markouts] == [100.0] * 4


def test_two_sided_counts_only_with_both_sides_and_apart_for_fresh_data(bench):
    """10 s with both sides; data is fresh for 15 s after its last message."""
    bench.data(0)
    bench.block(10, resting=(Side.BUY, Side.SELL))
    bench.block(20, resting=(Side.BUY,))
    bench.block(30)
    quoting = bench.finish(30).quoting
    assert quoting.fresh_s == 15
    assert quoting.two_sided_s == 10
    assert quoting.two_sided_of_fresh_pct == pytest.approx(100 * 5 / 15)


def test_a_race_is_a_fill_after_the_cancel_was_sent(bench):
    """One order hit twice is one race; a fill before the cancel left is none; a refused cancel ends it."""
    place = Place(ETH, "c1", Side.BUY, MID, 2, Tif.ALO)
    bench.observer.on_sent(Request(1, Route.SOCKET, 1, None, (place,)), seconds(1))
    bench.block(2, fills=[bench.fill(2, Side.BUY, MID, 1)])
    bench.observer.on_sent(Request(2, Route.SOCKET, 1, None, (Cancel(ETH, "c1"),)), seconds(3))
    bench.observer.on_end(
        SimpleNamespace(cloid="c1", placed_at=Ns(0), updated_at=seconds(4), status=OrderStatus.FILLED)
    )
    bench.block(4, fills=[bench.fill(4, Side.BUY, MID, 1), bench.fill(4, Side.BUY, MID, 1)])
    refused = Refused(Reason.NOT_OPEN, "")
    bench.observer.on_event(Replied(2, seconds(5), (refused,)), seconds(5), ())
    bench.block(6, fills=[bench.fill(6, Side.BUY, MID, 1)])
    metrics = bench.finish(10)
    assert (metrics.races, metrics.race_fills) == (1, 2)
    assert metrics.orders.cancels_refused == 1
    assert (metrics.orders.placed, metrics.orders.cancelled, metrics.requests) == (1, 1, 2)


def test_refusals_are_counted_by_reason(bench):
    """One refusal for a whole payload stands for each of its actions."""
    places = tuple(Place(ETH, f"c{i}", Side.BUY, MID, 1, Tif.ALO) for i in range(3))
    bench.observer.on_sent(Request(1, Route.SOCKET, 1, None, places), Ns(0))
    bench.observer.on_event(Replied(1, Ns(1), (Refused(Reason.INVALID_PRICE, ""),)), Ns(1), ())
    orders = bench.finish(1).orders
    assert (orders.rejected, orders.rejected_by_reason) == (3, {"invalid_price": 3})


def test_a_refusal_of_one_order_is_one_refusal(bench):
    """A reply that is cut short says nothing of the other orders: only a refusal of the payload is meant for all."""
    places = tuple(Place(ETH, f"c{i}", Side.BUY, MID, 1, Tif.ALO) for i in range(3))
    bench.observer.on_sent(Request(1, Route.SOCKET, 1, None, places), Ns(0))
    bench.observer.on_event(Replied(1, Ns(1), (Refused(Reason.POST_ONLY_WOULD_CROSS, ""),)), Ns(1), ())
    orders = bench.finish(1).orders
    assert (orders.rejected, orders.rejected_by_reason) == (1, {"post_only_would_cross": 1})


def test_a_lost_connection_and_what_it_hid(bench):
    """Failed attempts are no losses; a fill of the gap counts as recovered, a live one does not."""
    observer = bench.observer
    for feed in Feed:
        observer.on_event(FeedUp(feed, 1, Ns(0)), Ns(0), ())
    live, hidden = (bench.fill(t, Side.BUY, MID, 1) for t in (1, 3))
    observer.on_event(live, seconds(1.1), (live,))
    for t in (2, 4):
        observer.on_event(FeedDown(Feed.USER, 1, Reason.CONNECT_FAILED, Ns(0)), seconds(t), ())
    observer.on_event(FeedUp(Feed.USER, 2, Ns(0)), seconds(5), ())
    again = Fill(ETH, seconds(3), Ns(0), 2, 1, None, Side.BUY, MID, 1, 0, False, 0, 0)
    observer.on_event(again, seconds(5.1), (again,))
    bench.block(7, resting=(Side.BUY, Side.SELL))
    metrics = bench.finish(10)
    assert hidden.exch_time == again.exch_time
    assert metrics.feed_losses == 1
    assert metrics.fills_recovered == 1
    assert metrics.requoted_after_s == 2


def test_gates_become_spans_of_the_figures(bench):
    """A stretch without quoting has a begin, an end and a name."""
    bench.observer.on_gate("stale_data", dict, seconds(10))
    bench.observer.on_gate(None, dict, seconds(12))
    bench.observer.on_gate("kill", dict, seconds(50))
    bench.finish(60)
    assert [(span.start, span.end, span.name) for span in bench.trace.gates] == [
        (10, 12, "stale_data"),
        (50, 60, "kill"),
    ]


def test_a_run_that_stops_early_is_measured_over_its_own_time(bench):
    """Protects the rates of a halted run: 30 s of 100 have passed, the shutdown after them does not count."""
    bench.data(0)
    bench.observer.on_sent(Request(1, Route.SOCKET, 1, None, (Cancel(ETH, "c1"),)), seconds(1))
    bench.block(15, fills=[bench.fill(15, Side.BUY, MID, 10_000)], resting=(Side.BUY, Side.SELL))
    bench.block(30)
    bench.observer.on_stop(seconds(30))
    bench.block(35)
    metrics = bench.finish(35)
    assert metrics.duration_s == 30
    assert (metrics.quoting.observed_s, metrics.quoting.fresh_s, metrics.quoting.two_sided_pct) == (30, 15, 50)
    assert (metrics.requests_per_minute, metrics.actions_per_minute) == (2, 2)
    assert metrics.markets["ETH"].inventory.mean_abs_usd == pytest.approx(10_000 * MID / USD / 2)


def test_inventory_is_weighted_by_time(bench):
    """1 ETH for half of the observed time."""
    bench.block(50, fills=[bench.fill(50, Side.BUY, MID, 10_000)])
    bench.block(100)
    inventory = bench.finish(100).markets["ETH"].inventory
    assert inventory.mean_abs_usd == pytest.approx(10_000 * MID / USD / 2)
    assert inventory.max_abs_usd == pytest.approx(10_000 * MID / USD)
    assert inventory.max_of_limit_pct == 50
    assert inventory.end_size == 1.0


def test_how_long_orders_rest_after_the_death_of_the_trader():
    """From the death to the last block with an order of ours; the longest of all deaths; the end of the run is none."""
    bench = Bench()
    for t in (1, 2):
        bench.observer.on_life(seconds(t), is_running=True)
        bench.block(t, resting=[Side.BUY])
    assert bench.observer._healing.resting_while_down is None
    for t, resting in ((3, True), (7, True), (9, False), (11, False)):
        bench.observer.on_life(seconds(t), is_running=False)
        bench.block(t, resting=[Side.BUY] if resting else [])
    for t, is_running in ((12, True), (13, False), (15, False)):
        bench.observer.on_life(seconds(t), is_running=is_running)
        bench.block(t, resting=[Side.SELL])
    bench.observer.on_stop(seconds(16))
    bench.observer.on_life(seconds(40), is_running=False)
    bench.block(40, resting=[Side.SELL])
    assert bench.observer.finish(seconds(41)).resting_while_down_s == 4.0


def test_an_order_of_a_refused_cancel_is_in_no_race():
    """Protects the count of races: after the answer no cancel is under way, and the order still rests."""
    bench = Bench()
    bench.observer.on_sent(Request(1, Route.SOCKET, 1, None, (Cancel(ETH, "c1"),)), seconds(1))
    refused = Refused(Reason.RATE_LIMITED, "")
    bench.observer.on_event(Replied(1, seconds(2), (refused,)), seconds(2), ())
    bench.block(3, fills=[bench.fill(3, Side.BUY, MID, 1)])
    assert bench.finish(10).races == 0


def test_the_largest_position_is_not_the_latest(bench):
    """Protects the maximum: what is sold again was held all the same."""
    bench.block(10, fills=[bench.fill(10, Side.BUY, MID, 10_000)])
    bench.block(20, fills=[bench.fill(20, Side.SELL, MID, 9_000)])
    bench.block(30)
    inventory = bench.finish(30).markets["ETH"].inventory
    assert inventory.max_abs_usd == pytest.approx(10_000 * MID / USD)
    assert inventory.max_of_limit_pct == 50


def test_old_data_in_a_gap_does_not_end_it(bench):
    """Protects the longest gap: data that is too old when it comes is no end of the time without any."""
    bench.data(0)
    bench.observer.on_event(BboChanged(ETH, seconds(3), seconds(20), None, None), seconds(20), ())
    bench.data(30)
    bench.data(50)
    metrics = bench.finish(60)
    assert (metrics.data_gaps, metrics.longest_data_gap_s) == (2, 30)


def test_time_is_measured_between_blocks_too():
    """Protects the shares: a block counts from the end of the start-up, and the time after the last one does."""
    bench = Bench()
    bench.observer = Observer(
        bench.trace, {ETH: Instrument(ETH, 4)}, bench.truth, duration=seconds(100), stale_after=seconds(15)
    )
    bench.block(5, resting=(Side.BUY, Side.SELL))
    bench.observer.on_gate(None, lambda: {ETH: 20_000}, seconds(7))
    for t in (8, 16, 24):
        bench.data(t)
        bench.block(t, resting=(Side.BUY, Side.SELL))
    bench.observer.on_stop(seconds(24.5))
    bench.block(30)
    quoting = bench.finish(30).quoting
    assert quoting.observed_s == 17.5
    assert (quoting.fresh_s, quoting.two_sided_s) == (17.5, 17.5)
    assert (quoting.two_sided_pct, quoting.two_sided_of_fresh_pct) == (100, 100)


def test_what_was_sent_and_what_became_of_it(bench):
    """Protects "cancelled" and "modified" from being what was only asked for; a refused modify replaces nothing."""
    places = tuple(Place(ETH, f"n{i}", Side.BUY, MID, 1, Tif.ALO) for i in range(2))
    modifies = tuple(Modify(f"c{i}", i, place) for i, place in enumerate(places))
    observer = bench.observer
    observer.on_sent(Request(1, Route.SOCKET, 1, None, modifies), seconds(1))
    observer.on_sent(Request(2, Route.SOCKET, 1, None, (Cancel(ETH, "c2"),)), seconds(1))
    refused = Refused(Reason.CANNOT_MODIFY, "")
    observer.on_event(Replied(1, seconds(2), (Resting(7, "n0"), refused)), seconds(2), ())
    observer.on_event(Replied(2, seconds(2), (Refused(Reason.NOT_OPEN, ""),)), seconds(2), ())
    for cloid in ("c0", "c1"):
        observer.on_end(SimpleNamespace(cloid=cloid, placed_at=Ns(0), updated_at=Ns(1), status=OrderStatus.CANCELED))
    bench.block(3)
    orders = bench.finish(10).orders
    assert (orders.modified, orders.modifies_refused, orders.ended_modified) == (2, 1, 1)
    assert (orders.cancelled, orders.cancels_refused, orders.ended_cancelled) == (1, 1, 1)
    assert [life.outcome for life in bench.trace.lifetimes] == ["modified", "cancelled"]


def test_rates_leave_the_shutdown_out(bench):
    """Protects the rates from requests that were sent outside of the time that they are divided by."""
    cancel = Request(1, Route.SOCKET, 1, None, (Cancel(ETH, "c1"),))
    bench.observer.on_sent(cancel, seconds(1))
    bench.observer.on_stop(seconds(60))
    bench.observer.on_sent(replace(cancel, request_id=2), seconds(61))
    metrics = bench.finish(65)
    assert (metrics.requests, metrics.requests_per_minute, metrics.actions_per_minute) == (2, 1, 1)
