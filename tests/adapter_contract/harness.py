"""What the contract suite needs besides the adapter: time, the other side of the market, and trouble.

An adapter enters the suite with one class that offers `Harness` and its name in `HARNESSES`. All of them
play the same small market: the crowd bids 2999.0 and offers 3001.0, ten ETH each, and does nothing else.
"""

from dataclasses import replace
from itertools import count, pairwise
from typing import Protocol

from domain.commands import Connect, Request, Route, Subscribe
from domain.events import AnyEvent, Channel, ChannelKind, Feed, FeedUp, Reason, Replied, Subscribed
from domain.units import USD, AccountId, Cloid, Epoch, InstrumentId, Ns, Oid, Px, RequestId, Side, Sz, Tif, Usd, seconds
from exchange_adapters.base import ExchangeAdapter
from exchange_adapters.simulated import SimulatedAdapter
from sim.latency import Constant
from sim.links import constant_links
from sim.liquidity.base import OpKind
from sim.world import ETH, MarketConfig, World, WorldConfig

BID, ASK = Px(299_900), Px(300_100)
CROWD_SZ = Sz(100_000)
ME, OTHER = AccountId("me"), AccountId("other")


class Harness(Protocol):
    """One adapter under test in its market. Durations are in seconds."""

    adapter: ExchangeAdapter
    instrument: InstrumentId
    until_executed: float
    """After that a request has been carried out at the venue, and its answer is still under way."""
    until_answered: float
    """After that whatever follows from a command has arrived."""
    until_missed: float
    """After that the adapter has noticed that a connection is dead."""
    clock_offset: Ns
    """The truth: the venue's clock minus that of the adapter's events."""
    nonces: list[int]
    """With what the adapter has signed, in the order of sending."""

    def now(self) -> Ns:
        """The time that the adapter's events carry."""

    def advance(self, duration: float) -> None:
        """Let time pass."""

    def set_clock(self, seconds_ahead: float) -> None:
        """Let the wall clock that nonces and expiries are made with be wrong."""

    def trade(self, side: Side, px: Px, sz: Sz) -> None:
        """Another party takes up to `sz` at `px` or better, in the next block."""

    def cut(self, feed: Feed) -> None:
        """The connection breaks now, and the adapter notices."""

    def go_silent(self, feed: Feed) -> None:
        """The connection dies now, and nobody says so: nothing comes, and what is sent is lost."""

    def refuse_connections(self, feed: Feed, *, refuse: bool) -> None:
        """Let every attempt to connect fail from now on, or succeed again."""

    def resting(self) -> dict[Oid, Sz]:
        """The truth: remaining size of each of our resting orders."""


class SimulatedHarness:
    """The domain-level adapter over a world with constant latencies: 20 ms up, 100 ms down, blocks every 50 ms."""

    def __init__(self):
        gap = Constant(ms=50.0)
        config = WorldConfig(
            markets=(MarketConfig(flow=None),),
            block_gap=gap,
            two_batches=0.0,
            cash=Usd(10**6 * USD),
            traded=Usd(10**6 * USD),
        )
        self.world = World(config, seed=1)
        self.instrument = ETH.id
        book = self.world.liquidity[ETH.id]
        for oid, (side, px) in enumerate(((Side.BUY, BID), (Side.SELL, ASK)), start=1 << 40):
            book.execute([(OpKind.PLACE, Oid(oid), AccountId("crowd"), side, px, CROWD_SZ, Tif.ALO)])
        down = constant_links(100.0)
        links = replace(constant_links(20.0), market_data=down.market_data, user_data=down.user_data, reply=down.reply)
        self.session = self.world.attach(ME, links)
        self.until_executed, self.until_answered = 0.075, 0.3
        self.until_missed = 20.5
        self.clock_offset = Ns(0)
        self.adapter = SimulatedAdapter(self.session)
        self.nonces = []
        self.session.on_sign.append(lambda nonce, _: self.nonces.append(nonce))
        self.world.run(Ns(1))

    def now(self):
        return self.world.env.now

    def advance(self, duration):
        self.world.run(Ns(self.now() + seconds(duration)))

    def trade(self, side, px, sz):
        op = lambda oid, account: (OpKind.PLACE, oid, account, side, px, sz, Tif.IOC)  # noqa: E731
        self.world.inject(ETH.id, op)

    def cut(self, feed):
        self.session.cut(feed, Reason.CLOSED_BY_VENUE)

    def set_clock(self, seconds_ahead):
        self.session.skews[:] = [lambda _: seconds(seconds_ahead)]

    def go_silent(self, feed):
        self.session.cut(feed, Reason.CLOSED_BY_VENUE, notice_after=None)

    def refuse_connections(self, feed, *, refuse):
        (self.session.hold if refuse else self.session.release)(feed)

    def resting(self):
        return {order.oid: order.remaining for order in self.world.venue.resting(ME)}


HARNESSES = {"simulated": SimulatedHarness}
"""Every adapter that must keep the contract."""


class Trader:
    """A sink that remembers, and short ways to send."""

    def __init__(self, harness: Harness):
        self.harness = harness
        self.adapter = harness.adapter
        self.events: list[AnyEvent] = []
        self.is_submitting = False
        self._ids = count(1)
        self._cloids = count(1)

    def start(self, *, subscribe=()):
        """Deliver here; with channels, connect everything and subscribe to them first."""
        self.adapter.start(self.take)
        if subscribe:
            self.up(*Feed)
            for kind in subscribe:
                self.submit(Subscribe(self.channel(kind)))
            self.harness.advance(self.harness.until_answered)
            assert len(self.of(Subscribed)) == len(subscribe)
            self.events.clear()
        return self

    def take(self, event):
        assert not self.is_submitting, "the sink was called inside submit"
        self.events.append(event)

    def submit(self, command):
        self.is_submitting = True
        try:
            self.adapter.submit(command)
        finally:
            self.is_submitting = False

    def up(self, *feeds):
        """Connect and wait until each feed is up."""
        seen = len(self.of(FeedUp))
        for feed in feeds:
            self.submit(Connect(feed))
        for _ in range(100):
            if len(self.of(FeedUp)) == seen + len(feeds):
                return
            self.harness.advance(0.1)
        raise AssertionError(f"{feeds} did not come up: {self.events}")

    def request(self, *actions, route=Route.SOCKET, epoch=None, expires_in=None):
        """Send and do not wait; the request's id."""
        ups = [event.epoch for event in self.of(FeedUp) if event.feed is Feed.USER]
        request_id = RequestId(next(self._ids))
        epoch = Epoch(max([self.epoch, *ups])) if epoch is None else epoch
        self.submit(Request(request_id, route, epoch, expires_in, actions))
        return request_id

    epoch = Epoch(1)
    """Latest epoch of the USER feed, for traders that have forgotten its FeedUp."""

    def ask(self, *actions, **how):
        """Send, wait, and return the results."""
        request_id = self.request(*actions, **how)
        self.harness.advance(self.harness.until_answered)
        (reply,) = [event for event in self.of(Replied) if event.request_id == request_id]
        return reply.results

    def of(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]

    def cloid(self):
        return Cloid(f"0x{next(self._cloids):032x}")

    def channel(self, kind: ChannelKind):
        return Channel(kind, self.harness.instrument if kind.feed is Feed.MARKET else None)


def is_sorted(values, *, strictly=False):
    return all(a < b if strictly else a <= b for a, b in pairwise(values))
