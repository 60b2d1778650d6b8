"""A small exchange for stories: one instrument, short verbs, what was said by whom."""

from domain.commands import Cancel, Modify, Place, Request, Route
from domain.events import Replied
from domain.instrument import Instrument
from domain.units import AccountId, Cloid, Epoch, InstrumentId, Ns, Oid, Px, RequestId, Side, Sz, Tif, Usd
from sim.liquidity.base import OpKind
from sim.liquidity.book import Book
from sim.venue.config import ClassOrder, VenueConfig
from sim.venue.front import Venue

ANN, BOB, CROWD = AccountId("ann"), AccountId("bob"), AccountId("crowd of others")
COIN = Instrument(InstrumentId("COIN"), sz_decimals=0, asset=7, min_notional=Usd(0))
BUY, SELL = Side.BUY, Side.SELL
GTC, IOC, ALO = Tif.GTC, Tif.IOC, Tif.ALO
BLOCK = 1_000


def cloid(n):
    return Cloid(f"0x{n:032x}")


def place(side, px, sz, tif=ALO, *, n=0, reduce_only=False, instrument=COIN.id):
    return Place(instrument, cloid(n), side, Px(px), Sz(sz), tif, reduce_only)


def cancel(oid=None, *, n=None, instrument=COIN.id):
    return Cancel(instrument, None if n is None else cloid(n), None if oid is None else Oid(oid))


def modify(oid, side, px, sz, tif=ALO, *, n=0, reduce_only=False):
    return Modify(cloid(0), Oid(oid), place(side, px, sz, tif, n=n, reduce_only=reduce_only))


class Exchange:
    def __init__(self, *instruments, config=None, limits=None, class_order=ClassOrder.VENUE, **settings):
        instruments = instruments or (COIN,)
        self.books = {i.id: Book() for i in instruments}
        config = config or VenueConfig(**settings)
        self.venue = Venue(instruments, config, self.books, limits, class_order=class_order)
        self.updates, self.fills, self.ends = [], [], []
        self.published = []
        for account in (ANN, BOB):
            self.venue.open_account(account, Usd(0))
        self.venue.taps.on_update.append(self._update)
        self.venue.taps.on_fill.append(lambda account, fill: self.fills.append((account, fill)))
        self.venue.taps.on_terminal.append(lambda order: self.ends.append(order.oid))
        self.requests = 0
        self.flow_oid = 1_000_000

    def _update(self, account, u):
        self.updates.append((account, u.oid, u.status.value, u.remaining, u.reason and u.reason.value))

    @property
    def book(self):
        return self.books[COIN.id]

    @property
    def now(self):
        return self.venue.time

    def send(self, account, *actions, after=1, expires_at=None, expires_in=None):
        """Let a request arrive so long after the last block; its number."""
        self.requests += 1
        request = self.request(self.requests, *actions, expires_in=expires_in)
        self.venue.submit(account, request, Ns(self.now + after), expires_at)
        return self.requests

    @staticmethod
    def request(number, *actions, expires_in=None, route=Route.SOCKET):
        return Request(RequestId(number), route, Epoch(1), expires_in, actions)

    def flow(self, *orders):
        """Operations of the crowd: (side, px, sz, tif), or an order id to cancel."""
        ops = []
        for order in orders:
            self.flow_oid += 1
            if isinstance(order, tuple):
                side, px, sz, tif = order
                ops.append((OpKind.PLACE, Oid(self.flow_oid), CROWD, side, Px(px), Sz(sz), tif))
            else:
                ops.append((OpKind.CANCEL, Oid(order), CROWD, BUY, Px(0), Sz(0), ALO))
        return ops

    def block(self, *flow, n_batches=None):
        """Run the next block; what was published in it."""
        ops = {COIN.id: self.flow(*flow)} if flow else {}
        self.venue.run_block(Ns(self.now + BLOCK), ops, n_batches)
        self.venue.check()
        for book in self.books.values():
            book.validate()
        published = self.venue.drain()
        self.published += published
        return published

    def run(self, account, *actions, **when):
        """Send a request, run a block; its results."""
        number = self.send(account, *actions, **when)
        return self.results(self.block(), number)

    @staticmethod
    def results(published, number):
        for publication in published:
            for event in publication.events:
                if isinstance(event, Replied) and event.request_id == number:
                    return event.results
        return None

    def ask(self, account, query, *, route=Route.SOCKET, ip=None):
        """The answer to a query, which comes at once."""
        self.requests += 1
        request = Request(RequestId(self.requests), route, Epoch(1), None, (query,))
        self.venue.submit(account, request, Ns(self.now + 1), ip=ip)
        (result,) = self.results(self.venue.drain(), self.requests)
        return result

    def endow(self, account, position, px=100):
        self.venue.endow(account, COIN.id, position, Px(px))

    def position(self, account):
        return self.venue.accounts[account].position(COIN.id)

    def resting(self, account):
        """(oid, lots on the book) of each open order, oldest first."""
        return [(order.oid, order.remaining) for order in self.venue.resting(account)]

    def queue(self, side, px):
        return [(order.account, order.sz) for order in self.book.orders_at(side, Px(px))]

    def said(self, since=0):
        """Statuses since then: (account, oid, status, remaining, reason)."""
        return self.updates[since:]
