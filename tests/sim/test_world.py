"""The world: deterministic, runs without traders, and gives each session what it is owed."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from domain.commands import Cancel, Connect, Disconnect, Place, QueryPositions, Request, Route, Subscribe
from domain.events import (
    BboChanged,
    BookReported,
    Channel,
    ChannelKind,
    ClockSync,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    OrderUpdate,
    Reason,
    Replied,
    Resting,
    TradesPrinted,
)
from domain.units import NS_PER_S, AccountId, Cloid, Epoch, InstrumentId, Ns, Px, RequestId, Side, Sz, Tif, millis
from exchange_adapters.simulated import SimulatedAdapter
from sim.envelope import LinkName
from sim.feed import Session
from sim.flow.synthetic import PROFILES
from sim.latency import Constant
from sim.links import LinksConfig, constant_links
from sim.liquidity.base import OpKind
from sim.world import ETH, MarketConfig, World, WorldConfig

QUIET = WorldConfig(markets=(MarketConfig(flow=PROFILES["eth-quiet"]),))
ME = AccountId("me")


class Trader:
    """Everything that reached a session, and short ways to send."""

    def __init__(self, world, account=ME, links=None):
        self.world = world
        self.session = world.attach(account, links or constant_links(20.0))
        self.adapter = SimulatedAdapter(self.session)
        self.events = []
        self.adapter.start(self.events.append)
        self.number = 0

    def up(self, kinds=tuple(ChannelKind)):
        for feed in Feed:
            self.adapter.submit(Connect(feed))
        self.wait(1.0)
        for kind in kinds:
            self.adapter.submit(Subscribe(Channel(kind, ETH.id if kind.feed is Feed.MARKET else None)))
        self.wait(0.5)
        return self

    def request(self, *actions, route=Route.SOCKET):
        self.number += 1
        self.adapter.submit(Request(RequestId(self.number), route, self.session.epoch(Feed.USER), None, actions))
        return self.number

    def place(self, ticks_from_mid=-50, sz=1_000, tif=Tif.ALO, side=Side.BUY):
        book = self.world.liquidity[ETH.id]
        px = Px((book.best_bid() + book.best_ask()) // 20 * 10 + 10 * ticks_from_mid)
        action = Place(ETH.id, Cloid(f"0x{self.number:032x}"), side, px, Sz(sz), tif)
        self.request(action)
        return action

    def wait(self, duration):
        self.world.run(Ns(self.world.env.now + round(duration * NS_PER_S)))

    def of(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]


def played(seed, *, trades=True):
    """A short run with a trader; what it heard and the venue's digest."""
    world = World(QUIET, seed)
    trader = Trader(world, links=LinksConfig()).up()
    for i in range(10):
        if trades:
            trader.place(ticks_from_mid=-i, tif=Tif.GTC)
        trader.wait(0.5)
    return trader.events, world.venue.world_digest


def test_a_seed_decides_everything():
    """Protects reproduction: the same config and seed give the same events and the same venue, to the last."""
    assert played(3) == played(3)
    assert played(3)[1] != played(4)[1]


def test_the_flow_beside_a_trader_has_the_same_draws():
    """Protects paired studies: blocks and fair price do not depend on what a trader does."""
    paths = []
    for trades in (False, True):
        world = World(QUIET, 5)
        trader = Trader(world).up()
        path = []
        world.on_block.append(lambda number, now, p=path, w=world: p.append((number, now, w.flows[ETH.id].fair)))
        for i in range(30):
            if trades:
                trader.place(ticks_from_mid=30, tif=Tif.IOC, sz=500_000, side=Side.BUY if i % 2 else Side.SELL)
            trader.wait(0.5)
        assert len(trader.of(Fill)) > 20 or not trades
        paths.append(path)
    assert paths[0] == paths[1]


def test_a_world_needs_no_trader():
    """Protects calibration runs: blocks come at the recorded pace and the venue's books balance."""
    world = World(QUIET, 1)
    times = []
    world.on_block.append(lambda _, now: times.append(now))
    world.run(Ns(60 * NS_PER_S))
    gaps = [(b - a) / 1e6 for a, b in pairwise(times)]
    assert 55 <= min(gaps) <= max(gaps) <= 77
    assert world.block == world.venue.block == len(times)
    assert sum(gaps) / len(gaps) == pytest.approx(67.8, abs=1)
    world.venue.check()


def test_two_runs_are_one_run():
    """Protects drivers that move the world in steps: where it is stopped leaves no trace."""
    whole, stepped = World(QUIET, 2), World(QUIET, 2)
    whole.run(Ns(10 * NS_PER_S))
    for at in range(1, 101):
        stepped.run(Ns(at * NS_PER_S // 10))
    assert whole.venue.world_digest == stepped.venue.world_digest


def test_two_batches_come_as_often_as_recorded(monkeypatch):
    """Protects the block structure: three blocks of eighteen hold two consensus batches."""
    world, seen = World(QUIET, 1), []
    run_block = world.venue.run_block
    monkeypatch.setattr(world.venue, "run_block", lambda now, ops, n: (seen.append(n), run_block(now, ops, n)))
    world.run(Ns(120 * NS_PER_S))
    assert seen.count(2) / len(seen) == pytest.approx(3 / 18, abs=0.03)
    assert set(seen) == {None, 2}


def test_public_channels_come_at_their_pace():
    """Protects data quality rules of a trader: tops when they change, books half a second apart."""
    trader = Trader(World(QUIET, 1)).up()
    trader.wait(60)
    books = [event.exch_time for event in trader.of(BookReported)]
    assert all(500 <= (b - a) / 1e6 < 600 for a, b in pairwise(books))
    tops = [(event.bid, event.ask) for event in trader.of(BboChanged)]
    assert all(a != b for a, b in pairwise(tops))
    assert all(len(event.bids) == len(event.asks) == 20 for event in trader.of(BookReported))


def test_sessions_are_separate():
    """Protects two traders in one world: private channels, request ids and epochs do not mix."""
    world = World(QUIET, 1)
    first, second, third = Trader(world).up(), Trader(world).up(), Trader(world, AccountId("other")).up()
    first.adapter.submit(Disconnect(Feed.USER))
    first.wait(0.5)
    first.adapter.submit(Connect(Feed.USER))
    first.wait(1)
    for trader in (first, second, third):
        trader.events.clear()
    # The same request id from all of them at once; the first session has a new epoch and no subscription.
    placed = {trader: trader.place(ticks_from_mid=-50 - i) for i, trader in enumerate((first, second, third))}
    first.wait(1)
    assert first.number == second.number == third.number == 1
    for trader, action in placed.items():
        (reply,) = trader.of(Replied)
        (result,) = reply.results
        assert isinstance(result, Resting)
        own = world.venue.order(trader.session.account, result.oid)
        assert (reply.request_id, own.px) == (1, action.px)
    assert [len(trader.of(OrderUpdate)) for trader in (first, second, third)] == [0, 2, 1]


def test_a_half_open_socket_swallows_what_is_sent():
    """Protects the state UNKNOWN: until the trader is told, its requests leave and are lost without a word."""
    trader = Trader(World(QUIET, 1)).up()
    trader.session.cut(Feed.USER, Reason.CLOSED_BY_VENUE, notice_after=millis(500))
    trader.events.clear()
    trader.place()
    trader.wait(0.4)
    assert trader.of(FeedDown, Replied) == []
    assert trader.session.is_up(Feed.USER)
    trader.wait(60)
    assert len(trader.of(FeedDown)) == 1
    assert trader.of(Replied, OrderUpdate) == []
    assert trader.world.venue.resting(ME) == ()
    assert trader.session.counts["request_lost"] == 1


def test_who_closes_a_cut_connection_waits_for_no_news_of_it():
    """S27 (drawn world 43): what would have told of each cut minutes later waited on, cut after cut."""
    trader = Trader(World(QUIET, 1)).up()
    before = trader.world.env.owners()[Session]
    for cut in range(20):
        trader.session.cut(Feed.USER, Reason.CLOSED_BY_VENUE, notice_after=millis(900_000))
        trader.session.give_up(Feed.USER, Reason.NO_PONG) if cut % 2 else trader.session.disconnect(Feed.USER)
        trader.session.connect(Feed.USER)
        trader.wait(5)
        assert trader.session.is_up(Feed.USER)
    assert trader.world.env.owners()[Session] <= before + 1


@pytest.mark.parametrize("lands", [False, True])
def test_requests_under_way_at_a_cut_land_or_do_not(lands):
    """Protects both ambiguities: after the same silence the order may be there or not."""
    trader = Trader(World(QUIET, 1)).up()
    trader.place()
    trader.wait(0.01)
    trader.session.cut(Feed.USER, Reason.CLOSED_BY_VENUE, requests_land=lands)
    trader.wait(60)
    assert trader.of(Replied) == []
    assert len(trader.world.venue.resting(ME)) == lands


def test_what_was_sent_before_an_orderly_close_arrives():
    """Protects shutdown: cancels sent just before Disconnect are carried out."""
    trader = Trader(World(QUIET, 1)).up()
    action = trader.place()
    trader.wait(0.5)
    trader.request(Cancel(ETH.id, cloid=action.cloid))
    trader.adapter.submit(Disconnect(Feed.USER))
    trader.wait(1)
    assert trader.world.venue.resting(ME) == ()


def test_a_new_life_is_not_told_what_the_last_one_asked():
    """Protects crash tests: answers of the old process do not reach the new one, on either route."""
    trader = Trader(World(QUIET, 1)).up()
    trader.request(QueryPositions(), route=Route.REST)
    trader.place()
    trader.adapter.submit(Disconnect(Feed.MARKET))
    trader.adapter.stop()
    born = []
    trader.adapter.start(born.append)
    for feed in Feed:
        trader.adapter.submit(Connect(feed))
    trader.wait(60)
    assert Counter(type(event).__name__ for event in born) == {"FeedUp": 2, "ClockSync": 2}
    assert {event.epoch for event in born if isinstance(event, FeedUp)} == {2}
    assert len(trader.world.venue.resting(ME)) == 1


def test_nothing_of_an_old_connection_arrives_on_the_new_one():
    """Protects resync: a message that was under way at the cut is lost, even when the feed is back before it."""
    links = replace(constant_links(20.0, handshake_ms=50.0), market_data=constant_links(3_000.0).market_data)
    trader = Trader(World(QUIET, 1), links=links).up()
    trader.wait(10)
    trader.session.cut(Feed.MARKET, Reason.CLOSED_BY_VENUE)
    trader.wait(0.1)
    trader.adapter.submit(Connect(Feed.MARKET))
    trader.events.clear()
    trader.wait(10)
    assert {type(event).__name__ for event in trader.events} == {"FeedUp", "ClockSync"}
    assert trader.session.counts["event_lost"] > 10


def test_a_session_has_one_trader_at_a_time():
    """Protects against two cores on one connection."""
    trader = Trader(World(QUIET, 1))
    with pytest.raises(ValueError, match="in use"):
        trader.adapter.start(print)


def test_connect_on_a_live_feed_is_a_reconnect():
    """Protects a trader that is in doubt: it gets a new connection, and hears of the end of the old one."""
    trader = Trader(World(QUIET, 1)).up(kinds=())
    trader.events.clear()
    trader.adapter.submit(Connect(Feed.MARKET))
    trader.adapter.submit(Connect(Feed.MARKET))
    trader.wait(1)
    ends = [event for event in trader.events if not isinstance(event, ClockSync)]
    assert [(type(e).__name__, e.epoch) for e in ends] == [("FeedDown", 1), ("FeedUp", 2)]


def test_channels_of_one_block_arrive_in_any_order():
    """Protects against a trader that relies on the order of channels: a fill may come before its order."""
    links = constant_links(20.0)
    links = replace(links, user_data=replace(links.user_data, jitter_ms=10.0))
    trader = Trader(World(QUIET, 1), links=links).up()
    for _ in range(40):
        trader.place(ticks_from_mid=30, tif=Tif.IOC)
        trader.wait(0.3)
    first = {}
    for event in trader.of(Fill, OrderUpdate):
        first.setdefault(event.oid, type(event).__name__)
    assert set(first.values()) == {"Fill", "OrderUpdate"}
    assert len(first) == 40


def test_channels_that_do_not_exist_raise():
    """Protects against a subscription that would stay silent for ever."""
    trader = Trader(World(QUIET, 1)).up(kinds=())
    for channel in (
        Channel(ChannelKind.BBO),
        Channel(ChannelKind.BOOK, InstrumentId("NOPE")),
        Channel(ChannelKind.FILLS, ETH.id),
    ):
        with pytest.raises(ValueError, match=r"no instrument|whole account"):
            trader.adapter.submit(Subscribe(channel))


def test_several_markets_live_side_by_side():
    """Protects traders of several instruments: each has its own flow, ids and channels."""
    btc = replace_instrument("BTC", sz_decimals=5, asset=0)
    markets = (
        MarketConfig(flow=PROFILES["eth-quiet"]),
        MarketConfig(instrument=btc, flow=replace(PROFILES["eth-quiet"], fair_price=90_000.0)),
    )
    world = World(WorldConfig(markets=markets), 1)
    trader = Trader(world).up(kinds=())
    for name in (ETH.id, btc.id):
        trader.adapter.submit(Subscribe(Channel(ChannelKind.TRADES, name)))
    trader.wait(60)
    by_market = {
        name: [t for e in trader.of(TradesPrinted) if e.instrument == name for t in e.trades]
        for name in (ETH.id, btc.id)
    }
    assert all(len(trades) > 50 for trades in by_market.values())
    assert {trade.tid for trade in by_market[ETH.id]}.isdisjoint(trade.tid for trade in by_market[btc.id])
    alone = World(WorldConfig(markets=markets[:1]), 1)
    alone.run(Ns(world.env.now))
    assert alone.flows[ETH.id].fair == world.flows[ETH.id].fair


def replace_instrument(name, **fields):
    return type(ETH)(id=InstrumentId(name), **fields)


def test_an_injected_taker_is_in_the_next_block():
    """Protects faults and the contract suite: what they inject is carried out once, in the next block."""
    trader = Trader(World(WorldConfig(markets=(MarketConfig(flow=None),), block_gap=Constant(ms=50.0)), 1)).up()
    action = Place(ETH.id, Cloid("0x1"), Side.BUY, Px(300_000), Sz(1_000), Tif.ALO)
    trader.request(action)
    trader.wait(0.5)
    now = trader.world.env.now
    trader.world.inject(
        ETH.id, lambda oid, account: (OpKind.PLACE, oid, account, Side.SELL, Px(300_000), Sz(400), Tif.IOC)
    )
    trader.wait(1)
    (fill,) = trader.of(Fill)
    assert (fill.sz, fill.px) == (400, 300_000)
    assert 0 <= fill.exch_time - now <= millis(50)


def test_no_time_passes_between_sending_and_the_link():
    """Protects latency figures: a request reaches the venue when its link says, by its own route."""
    links = constant_links(20.0, rest_ms=130.0)
    trader = Trader(World(QUIET, 1), links=links).up()
    sent = trader.world.env.now
    for route, arrival in ((Route.SOCKET, 20), (Route.REST, 130)):
        trader.events.clear()
        sent = trader.world.env.now
        trader.request(QueryPositions(), route=route)
        trader.wait(0.5)
        (reply,) = trader.of(Replied)
        assert reply.results[0].as_of == sent + millis(arrival)
        assert reply.recv_time == sent + millis(arrival + 20)
    assert trader.session.links[LinkName.ORDER_REST].sent == 1
    assert trader.session.epoch(Feed.USER) == Epoch(1)
