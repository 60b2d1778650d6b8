"""A recorded market drives a world: blocks at exchange times, news at receive times, fills through the front."""

import pytest

from domain.commands import Cancel, Place, Request, Route
from domain.events import (
    BboChanged,
    BookReported,
    Channel,
    ChannelKind,
    Feed,
    Fill,
    OrderUpdate,
    PublicTrade,
    TradesPrinted,
)
from domain.instrument import Instrument
from domain.units import AccountId, Cloid, InstrumentId, Ns, Px, RequestId, Side, Sz, Tid, Tif, millis
from runtime.recordings import FOLDER, load_l2_trades
from sim.latency import Constant
from sim.links import constant_links
from sim.recorded import Gap, RecordedTrade, Recording
from sim.replay_feed import ReplayConfig, ReplayFeed, next_wake
from sim.world import MarketConfig, World, WorldConfig

COIN = Instrument(InstrumentId("COIN"), sz_decimals=2)
ME = AccountId("me")
BID, ASK = 200_000, 200_100
SIZE = 1_000
RECORDER = millis(400)
"""How long the recorder's messages took."""


def levels(px, sz=SIZE, step=0):
    return tuple((Px(px + k * step), Sz(sz), 0) for k in range(3 if step else 1))


def book(ms, bid=BID, ask=ASK):
    return BookReported(COIN.id, millis(ms), Ns(millis(ms) + RECORDER), levels(bid, step=-10), levels(ask, step=10))


def top(ms, bid=BID, ask=ASK, size=SIZE):
    return BboChanged(COIN.id, millis(ms), Ns(millis(ms) + RECORDER), levels(bid, size)[0], levels(ask, size)[0])


def trade(ms, side, px, sz, tid):
    return RecordedTrade(
        PublicTrade(side, Px(px), Sz(sz), Tid(tid), millis(ms)), Ns(millis(ms) + RECORDER), is_replayed=False
    )


def recording(*records, gaps=()):
    trades = tuple(each for each in records if isinstance(each, RecordedTrade))
    return Recording(
        name="COIN_20250101",
        instrument=COIN,
        began_at=Ns(0),
        books=(book(0), *(each for each in records if isinstance(each, BookReported))),
        tops=tuple(each for each in records if isinstance(each, BboChanged)),
        frames=tuple(TradesPrinted(COIN.id, each.trade.exch_time, each.recv_time, (each.trade,)) for each in trades),
        trades=trades,
        repeated_trades=0,
        gaps=gaps,
    )


class Trader:
    """A session over a recorded world, every way to the venue 50 ms."""

    def __init__(self, played, config=None):
        self.feed = ReplayFeed(played, config)
        market = MarketConfig(instrument=COIN, flow=None)
        world_config = WorldConfig(markets=(market,), block_gap=Constant(ms=70.0), two_batches=0.0)
        self.world = World(world_config, 1, replays={COIN.id: self.feed})
        self.session = self.world.attach(ME, constant_links(50.0))
        self.seen = []
        self.session.sink = lambda event: self.seen.append((self.world.env.now, event))
        for feed in Feed:
            self.session.connect(feed)
        self.wait(200)
        for kind in ChannelKind:
            self.session.subscribe(Channel(kind, COIN.id if kind.feed is Feed.MARKET else None))
        self.n = 0

    def wait(self, until_ms):
        self.world.run(millis(until_ms))

    def send(self, action):
        self.n += 1
        self.session.request(Request(RequestId(self.n), Route.SOCKET, self.session.epoch(Feed.USER), None, (action,)))

    def place(self, side, px, sz, tif=Tif.ALO):
        self.send(Place(COIN.id, Cloid(f"0x{self.n:032x}"), side, Px(px), Sz(sz), tif))
        return Cloid(f"0x{self.n - 1:032x}")

    def fills(self):
        return [
            (each.exch_time // millis(1), each.side, each.px, each.sz, each.is_taker)
            for each in self.world.venue.fills(ME)
        ]

    def of(self, *kinds):
        return [(now, event) for now, event in self.seen if isinstance(event, kinds)]


def test_the_record_arrives_when_the_recorder_had_it():
    """Neither earlier, nor by a latency model; the venue's own view of the market is not published at all."""
    played = recording(top(500), trade(700, Side.SELL, BID, 10, 1), top(700, size=SIZE - 10), book(1_000))
    trader = Trader(played)
    trader.wait(3_000)
    expected = {(each.recv_time, each) for each in (*played.tops, *played.books, *played.frames)}
    seen = trader.of(BboChanged, BookReported, TradesPrinted)
    assert set(seen) == expected
    assert len(seen) == len(expected)
    assert all(now == event.recv_time for now, event in trader.seen if event.recv_time)


def test_extra_latency_is_laid_on_top():
    """For the question what a slower feed would have cost."""
    trader = Trader(recording(top(500)), ReplayConfig(extra_latency_ms=30.0))
    trader.wait(2_000)
    (now, event), *_ = trader.of(BboChanged)
    assert now == event.recv_time == millis(530) + RECORDER


def test_a_resting_order_is_filled_by_recorded_trades_through_the_front():
    """Queue first, then us, with fee, position and statuses: booked like any other maker fill."""
    trader = Trader(recording(trade(700, Side.SELL, BID, SIZE, 1), trade(900, Side.SELL, BID, 60, 2), top(1_200)))
    trader.wait(400)
    trader.place(Side.BUY, BID, 100)
    trader.wait(2_000)
    assert trader.fills() == [(900, Side.BUY, BID, 60, False)]
    assert trader.world.venue.accounts[ME].position(COIN.id) == 60
    assert [event.remaining for _, event in trader.of(OrderUpdate)] == [100, 40]
    assert [event.sz for _, event in trader.of(Fill)] == [60]
    trader.world.venue.check()


def test_a_cancel_in_the_block_of_the_trade_comes_first():
    """The venue sorts a block: cancels before takers. Without this every maker back-test is too dark."""
    for sent_at, fills in ((640, []), (660, [(700, Side.BUY, BID, 100, False)])):
        trader = Trader(recording(trade(700, Side.SELL, BID, SIZE + 100, 1)))
        trader.wait(400)
        cloid = trader.place(Side.BUY, BID, 100)
        trader.wait(sent_at)
        trader.send(Cancel(COIN.id, cloid))
        trader.wait(2_000)
        assert trader.fills() == fills, sent_at


def test_an_order_placed_in_the_block_of_the_trade_can_be_hit_by_it():
    """Post-only orders come before takers, too: that is adverse selection at its purest."""
    trader = Trader(recording(trade(700, Side.SELL, BID - 100, 500, 1)))
    trader.wait(600)
    trader.place(Side.BUY, BID, 100)
    trader.wait(2_000)
    assert trader.fills() == [(700, Side.BUY, BID, 100, False)]


def test_a_market_that_jumps_over_us_fills_us():
    """The recorded ask comes to rest below our bid without a trade: filled in the block that shows it."""
    trader = Trader(recording(top(700, BID - 300, BID - 200)))
    trader.wait(400)
    trader.place(Side.BUY, BID, 100)
    trader.wait(2_000)
    assert trader.fills() == [(700, Side.BUY, BID, 100, False)]
    trader.world.venue.check()


def test_there_is_a_block_for_us_when_the_record_is_silent():
    """An order does not wait for the next recorded block, which may be minutes away; nobody else gets a block."""
    trader = Trader(recording(top(5_000)))
    trader.wait(1_000)
    assert trader.world.block == 0
    trader.place(Side.BUY, ASK, 100, Tif.IOC)
    trader.wait(1_300)
    assert trader.fills() == [(1_120, Side.BUY, ASK, 100, True)]
    assert trader.world.block == 1


def test_nothing_executes_in_a_gap_of_the_record():
    """The record is blind there. The trader sees silence and must not be paid for what nobody saw."""
    played = recording(top(5_000), trade(2_000, Side.SELL, BID - 500, 900, 1), gaps=(Gap(Ns(0), millis(5_000)),))
    trader = Trader(played)
    trader.wait(400)
    trader.place(Side.BUY, BID, 100)
    trader.place(Side.BUY, ASK, 100, Tif.IOC)
    trader.wait(4_900)
    assert trader.fills() == []
    assert trader.of(BboChanged) == []


@pytest.mark.parametrize(
    ("following", "wake"),
    [(None, 1_070), (1_050, 1_050), (1_105, 1_105), (1_106, 1_070), (9_000, 1_070)],
)
def test_blocks_keep_their_distance(following, wake):
    """A recorded block that is near is waited for; else a regular gap passes."""
    assert next_wake(Ns(1_000), None if following is None else Ns(following), Ns(70)) == wake


def test_a_subscription_replays_what_the_recorder_had():
    """As the venue does, and nothing from the future."""
    feed = ReplayFeed(recording(*(trade(100 * k, Side.BUY, ASK, 1, k + 1) for k in range(10))))
    assert [each.tid for each in feed.past_trades(millis(900), 3).trades] == [4, 5, 6]


def test_a_recorded_world_is_recorded_as_a_whole():
    """A synthetic market beside a recorded one would run on another clock of blocks."""
    with pytest.raises(ValueError, match="recorded world"):
        World(
            WorldConfig(markets=(MarketConfig(instrument=COIN, flow=None), MarketConfig())),
            1,
            replays={COIN.id: ReplayFeed(recording())},
        )


def quoting(played, seconds):
    """Both sides at the touch, replaced every two seconds."""
    feed = ReplayFeed(played)
    name = played.instrument.id
    world = World(
        WorldConfig(markets=(MarketConfig(instrument=played.instrument, flow=None),)), 7, replays={name: feed}
    )
    session = world.attach(ME)
    tops = []
    session.sink = lambda event: tops.append(event) if isinstance(event, BboChanged) else None
    session.connect(Feed.USER)
    session.connect(Feed.MARKET)
    world.run(millis(1_000))
    session.subscribe(Channel(ChannelKind.BBO, name))
    for n in range(seconds // 2):
        world.run(Ns(millis(3_000) + n * millis(2_000)))
        actions = [Cancel(name, oid=order.oid) for order in world.venue.resting(ME)]
        if actions:
            session.request(Request(RequestId(2 * n), Route.SOCKET, session.epoch(Feed.USER), None, tuple(actions)))
        sides = ((Side.BUY, tops[-1].bid), (Side.SELL, tops[-1].ask))
        places = tuple(
            Place(name, Cloid(f"0x{2 * n + (side > 0):032x}"), side, level[0], Sz(2 * 10**7 // level[0] + 1), Tif.ALO)
            for side, level in sides
        )
        session.request(Request(RequestId(2 * n + 1), Route.SOCKET, session.epoch(Feed.USER), None, places))
    world.venue.check()
    return world


def test_a_real_record_runs_and_runs_the_same_again(data_dir):
    """A minute of ETH with a maker in it: money adds up, something fills, and the same twice."""
    if not (data_dir / FOLDER).is_dir():
        pytest.skip(f"no {data_dir / FOLDER} (MAKERLAB_DATA names another folder)")
    played = load_l2_trades(data_dir / FOLDER, "ETH_20251210")
    first, second = quoting(played, 60), quoting(played, 60)
    assert len(first.venue.fills(ME)) > 5
    assert first.venue.world_digest == second.venue.world_digest
    assert first.block > 600, "a block at every recorded time"
