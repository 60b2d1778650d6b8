"""A small trader for tests of faults: it subscribes to everything, asks what it is told to, keeps what it hears."""

from dataclasses import replace

from domain.commands import Cancel, Connect, Place, QueryFills, Request, Route, Subscribe
from domain.events import Channel, ChannelKind, Feed, Replied
from domain.units import NS_PER_S, AccountId, Cloid, Ns, Px, RequestId, Side, Sz, Tif
from exchange_adapters.simulated import SimulatedAdapter
from sim.faults.aim import aim
from sim.flow.synthetic import PROFILES
from sim.links import constant_links
from sim.world import ETH, MarketConfig, World, WorldConfig

QUIET = WorldConfig(markets=(MarketConfig(flow=PROFILES["eth-quiet"]),))
ME = AccountId("me")


class Trader:
    """A subscribed session under faults; those that begin at 10 s have just begun."""

    def __init__(self, *faults, ms=100.0, start=10.001, config=QUIET):
        self.world = World(config, 1)
        links = replace(constant_links(ms), ping_every_ms=None)  # a fault is seen as it is
        self.session = self.world.attach(ME, links)
        self.injected = [fault.install(self.world, self.session) for fault in faults]
        self.adapter = SimulatedAdapter(self.session)
        self.events = []
        self.number = 0
        self.adapter.start(self.events.append)
        self.connect()
        self.until(start)

    def connect(self):
        for feed in Feed:
            self.adapter.submit(Connect(feed))
        self.wait(1)
        for kind in ChannelKind:
            if self.session.is_up(kind.feed):
                self.adapter.submit(Subscribe(Channel(kind, ETH.id if kind.feed is Feed.MARKET else None)))
        self.wait(1)

    def until(self, second):
        self.world.run(Ns(round(second * NS_PER_S)))

    def wait(self, duration):
        self.world.run(Ns(self.world.env.now + round(duration * NS_PER_S)))

    def request(self, *actions):
        self.number += 1
        epoch = self.session.epoch(Feed.USER)
        self.adapter.submit(Request(RequestId(self.number), Route.SOCKET, epoch, None, actions))

    def quote(self, sz=10_000):
        """A bid at the touch; the venue's record of it once it rests."""
        px = self.world.liquidity[ETH.id].best_bid()
        action = Place(ETH.id, Cloid(f"0x{self.number:x}"), Side.BUY, px, Sz(sz), Tif.ALO)
        self.request(action)
        self.wait(0.35)
        return next((o for o in self.world.venue.resting(ME) if o.cloid == action.cloid), None)

    def of(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]

    def rest(self, sz=1_000):
        """A bid far from the touch, which rests; the venue's record of it."""
        px = Px(self.world.liquidity[ETH.id].best_bid() // 100 * 100 - 300)
        action = Place(ETH.id, Cloid(f"0x{self.number + 1:x}"), Side.BUY, px, Sz(sz), Tif.ALO)
        self.request(action)
        self.wait(0.35)
        return next(o for o in self.world.venue.resting(ME) if o.cloid == action.cloid)

    def last_reply(self):
        return self.of(Replied)[-1]

    def ask(self, action, wait=0.5):
        """One action; the results of the answer that came meanwhile, None if none did."""
        known = len(self.of(Replied))
        self.request(action)
        self.wait(wait)
        replies = self.of(Replied)[known:]
        return replies[0].results if replies else None

    def cancel(self, order):
        return self.ask(Cancel(ETH.id, oid=order.oid))

    def hit(self, order):
        """Let takers of the crowd fill the order whole, in the next blocks."""
        while aim(self.world, self.world.venue.order(ME, order.oid), 1.0):
            self.wait(0.1)

    def fills(self, since=0):
        return self.ask(QueryFills(Ns(since)))[0]
