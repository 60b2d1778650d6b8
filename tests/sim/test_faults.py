"""Faults do what their config says, count it, heal, and leave nothing behind."""

import re
from dataclasses import fields, is_dataclass
from typing import get_type_hints

import pytest

from domain.commands import Cancel, Modify, Place, QueryOpenOrders, Request, Route
from domain.events import (
    BboChanged,
    Cancelled,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    OrderStatus,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    TradesPrinted,
)
from domain.units import NS_PER_S, Cloid, Px, RequestId, Side, Sz, Tif
from sim.envelope import LinkName
from sim.faults import FAULTS, CancelRace, Disconnect, LatencySpike, RateLimitSqueeze, SharedIp
from sim.world import ETH
from tests.sim.fault_trader import Trader


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_frozen_config_with_bounds(fault):
    """Protects scenario files and random search: every number of a fault has bounds, every fault its kind."""
    assert is_dataclass(fault)
    assert fault.__dataclass_params__.frozen
    default = fault()
    assert default.kind == fault.__module__.rpartition(".")[2]
    hints = get_type_hints(fault, include_extras=True)
    for field in fields(fault):
        if isinstance(getattr(default, field.name), float):
            assert hints[field.name].__metadata__, f"{field.name} has no bounds"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_says_first_what_it_is_for(fault):
    """Protects `injected_min` and the reference: the count that is measured is the one that is named first."""
    trader = Trader(fault())
    named = re.search("`([a-z_]+)`", fault.install.__doc__)
    assert trader.injected[0].main == named[1]


def test_a_strike_under_way_is_counted_as_far_as_it_has_come():
    """Protects the figures of a run that ends before its fault does: what was counted at the begin is no debt."""
    spike, cut = LatencySpike(at_s=20, duration_s=1_000), Disconnect(at_s=20, duration_s=1_000)
    squeeze = RateLimitSqueeze(at_s=20, duration_s=1_000, share=0.0)
    shared = SharedIp(at_s=20, duration_s=1_000, weight_per_minute=1e6)
    trader = Trader(spike, cut, squeeze, shared)
    trader.until(19.99)
    trader.request(QueryOpenOrders())
    trader.until(20.5)
    for number in range(4):
        trader.adapter.submit(Request(RequestId(100 + number), Route.REST, 0, None, (QueryOpenOrders(),)))
    trader.until(30)
    slowed, lost, *refused = (injected.tally for injected in trader.injected)
    assert slowed["messages"] == trader.injected[0].injected > 4
    assert lost["lost"] == 1
    assert [tally["refused"] for tally in refused] == [4, 4]
    trader.until(1_021)
    done, *_, refused = (injected.counts for injected in trader.injected)
    assert done["messages"] >= slowed["messages"]
    assert refused["refused"] == 4


def test_a_spike_slows_its_links_and_no_other():
    """Protects latency scenarios: what is slow is what the config names, for as long as it says."""
    trader = Trader(LatencySpike(at_s=10, duration_s=5, links=(LinkName.MARKET_DATA,), factor=4.0, extra_ms=30.0))
    trader.until(40)
    took = [((e.recv_time - e.exch_time) // 10**6, e.exch_time / NS_PER_S) for e in trader.of(BboChanged)]
    assert {ms for ms, at in took if at < 10} == {100}
    assert {ms for ms, at in took if 10 < at < 15} == {430}
    assert {ms for ms, at in took if at > 15.4} == {100}
    # Behind the slow messages the first ones after the spike wait: a channel keeps its order.
    assert all(100 <= ms < 430 for ms, at in took if 15 < at < 15.33)
    (injected,) = trader.injected
    slow = [e for e in trader.of(BboChanged, TradesPrinted) if 10 < e.exch_time / NS_PER_S < 15]
    assert injected.counts["messages"] >= len(slow) > 50
    assert not trader.session.links[LinkName.MARKET_DATA].slowdowns


def test_overlapping_spikes_undo_their_own_part():
    """Protects swarms of faults: two spikes at once end one after the other, and the link is as before."""
    trader = Trader(LatencySpike(at_s=10, duration_s=10, factor=2.0), LatencySpike(at_s=15, duration_s=10, factor=3.0))
    for second, ms in ((9, 100), (12, 200), (17, 600), (22, 300), (26, 100)):
        trader.until(max(second, 10))
        if second >= 10:
            assert trader.session.links[LinkName.REPLY].latency(trader.world.env.now) == ms * 10**6


def test_a_disconnect_cuts_loses_and_heals():
    """Protects recovery scenarios: the gap is a gap, attempts fail until it ends, and then one succeeds."""
    trader = Trader(Disconnect(at_s=10, duration_s=5, feeds=(Feed.MARKET,)), start=10)
    trader.events.clear()
    trader.until(11)
    (down,) = trader.of(FeedDown)
    assert (down.feed, down.epoch, down.reason) == (Feed.MARKET, 1, Reason.CLOSED_BY_VENUE)
    trader.connect()
    trader.connect()
    assert [event.reason for event in trader.of(FeedDown) if event.feed is Feed.MARKET][1:] == [
        Reason.CONNECT_FAILED
    ] * 2
    trader.until(16)
    gap = [e for e in trader.of(BboChanged) if 9.9 < e.exch_time / NS_PER_S < 15]
    assert gap == []
    trader.connect()
    assert [event.epoch for event in trader.of(FeedUp) if event.feed is Feed.MARKET] == [2]
    trader.until(20)
    assert trader.of(BboChanged)
    (injected,) = trader.injected
    assert injected.counts["cuts"] == 1
    assert injected.counts["failed_attempts"] == 2
    assert injected.counts["lost"] >= 1
    assert not injected.is_active


def test_a_half_open_disconnect_is_noticed_late():
    """Protects the ambiguous silence: until the notice the trader's requests are lost and not refused."""
    trader = Trader(Disconnect(at_s=10, duration_s=5, notice_ms=800.0))
    trader.until(10.3)
    trader.events.clear()
    assert trader.quote() is None
    assert trader.events == []
    trader.until(12)
    assert {type(event) for event in trader.events} == {FeedDown}
    trader.until(20)
    assert trader.of(Replied) == []
    assert trader.injected[0].counts["lost"] >= 1


def test_a_raced_cancel_finds_its_order_filled():
    """Protects the race scenarios: the taker is in a block before the cancel's, so the cancel comes too late."""
    trader = Trader(CancelRace(at_s=10, duration_s=60))
    for _ in range(10):
        order = trader.quote()
        if order is None:
            continue
        trader.request(Cancel(ETH.id, oid=order.oid))
        trader.wait(1)
        update = next(u for u in reversed(trader.of(OrderUpdate)) if u.oid == order.oid)
        assert update.status is OrderStatus.FILLED
        assert isinstance(trader.of(Replied)[-1].results[0], Refused)
    (injected,) = trader.injected
    counts = injected.counts
    assert counts["cancels"] == counts["aimed"] + counts["not_resting"] >= 8
    assert counts["filled"] == counts["aimed"]
    assert counts["missed"] == counts["partly_filled"] == 0


def test_a_race_may_take_a_part():
    """Protects partial fills in flight: the rest of the order is cancelled after some of it was taken."""
    trader = Trader(CancelRace(at_s=10, duration_s=60, fill=0.3))
    for _ in range(10):
        order = trader.quote(sz=100_000)
        if order is not None:
            trader.request(Cancel(ETH.id, oid=order.oid))
            trader.wait(1)
    counts = trader.injected[0].counts
    assert counts["aimed"] >= 8
    assert counts["partly_filled"] >= 0.7 * counts["aimed"]
    assert trader.of(Fill)
    assert any(reply.results == (Cancelled(),) for reply in trader.of(Replied))


def test_a_modify_is_raced_too():
    """Protects the overfill race: the old generation fills while its successor is on the way."""
    trader = Trader(CancelRace(at_s=10, duration_s=60))
    order = trader.quote()
    successor = Place(ETH.id, Cloid("0xnew"), Side.BUY, Px(order.px - 100), Sz(10_000), Tif.ALO)
    trader.request(Modify(order.cloid, order.oid, successor))
    trader.wait(1)
    (result,) = trader.of(Replied)[-1].results
    assert result.reason is Reason.CANNOT_MODIFY
    assert trader.injected[0].counts["filled"] == 1


def test_a_cancel_that_is_faster_than_a_block_wins_and_is_counted():
    """Protects honest reports: a race that could not be won is not reported as won."""
    trader = Trader(CancelRace(at_s=10, duration_s=60), ms=0.0)
    for _ in range(10):
        order = trader.quote(sz=1_000)
        if order is not None:
            trader.request(Cancel(ETH.id, oid=order.oid))
            trader.wait(1)
    counts = trader.injected[0].counts
    assert counts["aimed"] >= 5
    assert counts["missed"] >= 0.6 * counts["aimed"]
    assert counts["missed"] + counts["filled"] + counts["partly_filled"] == counts["aimed"]


def test_outside_its_window_a_race_does_nothing():
    """Protects healing: before and after the fault cancels work as ever."""
    trader = Trader(CancelRace(at_s=12, duration_s=1))
    for second in (10, 14):
        trader.until(second)
        order = trader.quote()
        trader.request(Cancel(ETH.id, oid=order.oid))
        trader.wait(0.6)
    assert trader.injected[0].counts == {}


def test_a_share_of_the_cancels_is_drawn_from_the_seed():
    """Protects reproduction: which cancels are raced is the same in every run of a seed."""

    def aimed():
        trader = Trader(CancelRace(at_s=10, duration_s=60, share=0.5))
        for _ in range(12):
            order = trader.quote(sz=1_000)
            if order is not None:
                trader.request(Cancel(ETH.id, oid=order.oid))
                trader.wait(0.5)
        return dict(trader.injected[0].counts), trader.world.venue.world_digest

    first = aimed()
    assert first == aimed()
    assert 0 < first[0]["aimed"] < first[0]["cancels"]
