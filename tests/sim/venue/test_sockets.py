"""Limits on the way to the venue: what an adapter makes of connections, messages and posts that are too many."""

from dataclasses import replace

import pytest

from domain.commands import (
    Connect,
    Disconnect,
    Place,
    QueryPositions,
    QueryQuota,
    Request,
    Route,
    ScheduleCancel,
    Subscribe,
)
from domain.events import (
    Channel,
    ChannelKind,
    Feed,
    FeedDown,
    FeedUp,
    OrderStatus,
    OrderUpdate,
    PositionsReport,
    QuotaReport,
    Reason,
    Replied,
    Resting,
    Scheduled,
    Subscribed,
)
from domain.limits import IpLimits, ScheduleLimits, SocketLimits, VenueLimits
from domain.units import NS_PER_S, USD, AccountId, Cloid, Epoch, Ns, Px, RequestId, Side, Sz, Tif, Usd, seconds
from exchange_adapters.simulated import SimulatedAdapter
from sim.latency import Constant
from sim.links import constant_links
from sim.world import ETH, MarketConfig, World, WorldConfig

ME, OTHER = AccountId("me"), AccountId("other")
ORDER_UPDATES, FILLS = Channel(ChannelKind.ORDER_UPDATES), Channel(ChannelKind.FILLS)
BBO = Channel(ChannelKind.BBO, ETH.id)


def world_with(**limits):
    config = WorldConfig(
        markets=(MarketConfig(flow=None),),
        block_gap=Constant(ms=50.0),
        two_batches=0.0,
        limits=VenueLimits(**limits),
        traded=Usd(2_000_000 * USD),
        actions_used=7,
    )
    return World(config, seed=1)


class Trader:
    """Sends, waits, remembers."""

    def __init__(self, world, account=ME, ip="10.0.0.1"):
        self.world, self.events, self.ids = world, [], 0
        self.session = world.attach(account, constant_links(20.0), ip)
        self.adapter = SimulatedAdapter(self.session)
        self.adapter.start(self.events.append)

    def wait(self, duration):
        self.world.run(Ns(self.world.env.now + seconds(duration)))

    def up(self, *channels):
        for feed in Feed:
            self.adapter.submit(Connect(feed))
        self.wait(1)
        for channel in channels:
            self.adapter.submit(Subscribe(channel))
        self.wait(1)
        return self

    def send(self, *actions, route=Route.SOCKET):
        self.ids += 1
        epoch = Epoch(max([event.epoch for event in self.of(FeedUp) if event.feed is Feed.USER], default=1))
        self.adapter.submit(Request(RequestId(self.ids), route, epoch, None, actions))
        return self.ids

    def ask(self, *actions, route=Route.SOCKET):
        number = self.send(*actions, route=route)
        self.wait(0.5)
        return next((reply.results for reply in self.of(Replied) if reply.request_id == number), None)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def order(n=1):
    return Place(ETH.id, Cloid(f"0x{n:032x}"), Side.BUY, Px(299_900), Sz(10_000), Tif.ALO)


def test_a_connection_too_many_fails_like_any_other():
    """Protects the limit of connections: the third trader behind an address has to wait for a place."""
    world = world_with(socket=SocketLimits(connections=5))
    first, second, third = (Trader(world, AccountId(name)) for name in ("a", "b", "c"))
    for trader in (first, second, third):
        trader.up()
    assert [len(trader.of(FeedUp)) for trader in (first, second, third)] == [2, 2, 1]
    assert [event.reason for event in third.of(FeedDown)] == [Reason.CONNECT_FAILED]
    first.adapter.submit(Disconnect(Feed.MARKET))
    third.adapter.submit(Connect(third.of(FeedDown)[0].feed))
    third.wait(1)
    assert len(third.of(FeedUp)) == 2
    assert world.venue.usage(first.session.account, "10.0.0.1").refused == {"connections": 1}
    assert Trader(world, AccountId("d"), ip="10.0.0.2").up().of(FeedDown) == []


@pytest.mark.parametrize("how", ["cut", "closed by us", "a new life"])
def test_whatever_ends_a_connection_frees_its_places(how):
    """Protects the counts from leaking: connections and subscriptions end together, whoever ends them."""
    world = world_with()
    trader = Trader(world).up(ORDER_UPDATES, FILLS, BBO)
    sockets = world.venue.wire("10.0.0.1").sockets
    assert (sockets.connections, sockets.subscriptions) == (2, 3)
    if how == "cut":
        trader.session.cut(Feed.USER, Reason.CLOSED_BY_VENUE)
        trader.session.cut(Feed.USER, Reason.CLOSED_BY_VENUE)
    elif how == "closed by us":
        trader.adapter.submit(Disconnect(Feed.USER))
        trader.adapter.submit(Disconnect(Feed.USER))
    else:
        trader.adapter.stop()
        trader.adapter.start(trader.events.append)
    trader.wait(1)
    left = (0, 0) if how == "a new life" else (1, 1)
    assert (sockets.connections, sockets.subscriptions) == left
    trader.up(ORDER_UPDATES, FILLS, BBO)
    assert (sockets.connections, sockets.subscriptions) == (2, 3)


def test_a_subscription_too_many_has_no_answer():
    """Protects the limits of subscriptions and users: the venue's error names no channel, so nothing comes of it."""
    world = world_with(socket=SocketLimits(subscriptions=3, users=1))
    first = Trader(world).up(ORDER_UPDATES, FILLS)
    second = Trader(world, OTHER).up(FILLS, BBO)
    assert len(first.of(Subscribed)) == 2
    assert [event.channel for event in second.of(Subscribed)] == [BBO]
    assert second.session.counts["subscription_refused"] == 1
    first.adapter.submit(Subscribe(BBO))
    first.wait(1)
    assert len(first.of(Subscribed)) == 2
    first.adapter.submit(Subscribe(FILLS))
    first.wait(1)
    assert len(first.of(Subscribed)) == 3, "what is held already costs nothing"


def test_a_message_too_many_is_lost_without_a_word_for_us():
    """Protects the message limit: the venue's error carries no id, so the trader hears nothing, and REST works."""
    world = world_with(socket=SocketLimits(messages=3))
    trader = Trader(world).up(ORDER_UPDATES)
    assert isinstance(trader.ask(order(1))[0], Resting)
    assert isinstance(trader.ask(QueryPositions())[0], PositionsReport)
    assert trader.ask(order(2)) is None
    assert isinstance(trader.ask(order(3), route=Route.REST)[0], Resting)
    assert trader.session.counts["message_refused"] == 1
    trader.wait(60)
    assert isinstance(trader.ask(order(4))[0], Resting)
    assert [event.cloid for event in trader.of(OrderUpdate)] == [order(n).cloid for n in (1, 3, 4)]


def test_a_post_too_many_is_refused_by_its_id():
    """Protects the limit of requests without an answer: the recorded text names the request, and nothing happened."""
    world = world_with(socket=SocketLimits(posts_in_flight=2))
    trader = Trader(world).up()
    numbers = [trader.send(order(n)) for n in range(1, 5)]
    trader.wait(0.5)
    results = {reply.request_id: reply.results[0] for reply in trader.of(Replied)}
    assert [type(results[number]).__name__ for number in numbers] == ["Resting", "Resting", "Refused", "Refused"]
    refused = results[numbers[3]]
    assert (refused.reason, refused.text) == (Reason.TOO_MANY_IN_FLIGHT, "too many pending post requests id=4")
    assert len(world.venue.resting(ME)) == 2
    assert isinstance(trader.ask(order(5))[0], Resting), "answered ones make room"
    assert world.venue.usage(ME, "10.0.0.1").posts_in_flight_peak == 2


def test_a_refusal_for_the_weight_says_that_nothing_happened():
    """Protects what 429 means at the port: one refusal for the batch, and nothing of it at the venue."""
    world = world_with(ip=IpLimits(weight=1))
    trader = Trader(world)
    assert len(trader.ask(order(1), order(2), route=Route.REST)) == 2
    (refused,) = trader.ask(order(3), order(4), route=Route.REST)
    assert (refused.reason, refused.text) == (Reason.RATE_LIMITED, "HTTP 429: null")
    assert len(world.venue.resting(ME)) == 2
    assert trader.ask(order(5), route=Route.REST)[0].reason is Reason.RATE_LIMITED
    trader.wait(60)
    assert isinstance(trader.ask(order(6), route=Route.REST)[0], Resting)


def test_the_quota_is_a_question_like_others():
    """Protects the way in which a trader learns of its allowance: by request, with what it had before."""
    trader = Trader(world_with()).up()
    trader.ask(order(1))
    (report,) = trader.ask(QueryQuota())
    assert report == QuotaReport(report.as_of, Usd(2_000_000 * USD), 8, 2_010_000)


def test_a_dead_mans_orders_go_by_themselves():
    """Protects the last line: the trader is gone for good, and six seconds later nothing of it rests."""
    world = world_with()
    trader = Trader(world).up(ORDER_UPDATES)
    trader.ask(order(1))
    set_at = world.env.now
    assert trader.ask(ScheduleCancel(Ns(6 * NS_PER_S))) == (Scheduled(),)
    watcher = Trader(world).up(ORDER_UPDATES)
    trader.session.cut(Feed.USER, Reason.CLOSED_BY_VENUE)
    trader.adapter.stop()
    assert len(world.venue.resting(ME)) == 1
    watcher.wait(7)
    assert world.venue.resting(ME) == ()
    (update,) = watcher.of(OrderUpdate)
    assert (update.status, update.reason) == (OrderStatus.CANCELED, Reason.SCHEDULED)
    assert 0 <= update.exch_time - (set_at + 6 * NS_PER_S) < seconds(0.05)


def test_a_schedule_that_an_account_may_not_set_is_refused():
    """Protects the gate of volume on the whole way."""
    world = world_with(schedule=replace(ScheduleLimits(), min_traded=Usd(3_000_000 * USD)))
    (refused,) = Trader(world).up().ask(ScheduleCancel(Ns(60 * NS_PER_S)))
    assert refused.reason is Reason.SCHEDULE_NOT_ALLOWED


def test_one_schedule_a_request():
    """Protects the adapter from what no correct trader sends."""
    with pytest.raises(ValueError, match="at most 1 go"):
        Trader(world_with()).send(ScheduleCancel(None), ScheduleCancel(None), route=Route.REST)
