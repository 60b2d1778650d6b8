"""A small but whole trader, and a small but whole venue: for tests of what stands between the two.

Both are real (no mocks): the trader quotes one order a side and follows the market by modifies, or by
cancel and place; the venue rests orders, fills them, answers queries, and can lose messages.
"""

from dataclasses import dataclass, field
from itertools import count

from domain.commands import (
    Alert,
    Cancel,
    Connect,
    Disconnect,
    Modify,
    Place,
    QueryFills,
    QueryOpenOrders,
    QueryOrder,
    Request,
    Route,
    Severity,
    Subscribe,
)
from domain.events import (
    BboChanged,
    Cancelled,
    Channel,
    ChannelKind,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    FillsReport,
    NotSent,
    OpenOrder,
    OpenOrdersReport,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Resting,
    Restored,
    StopRequested,
    Subscribed,
)
from domain.ids import cloid_of, draw
from domain.instrument import Instrument
from domain.units import (
    NS_PER_MS,
    NS_PER_S,
    Epoch,
    InstrumentId,
    Ns,
    Oid,
    Px,
    RequestId,
    Side,
    Sz,
    Tid,
    Tif,
    Usd,
)
from exchange_adapters.base import Capabilities
from runtime.journal import Journal
from runtime.journal_format import Header
from runtime.log import MemoryLog
from runtime.thinking import ThinkingConfig
from runtime.virtual import DriverConfig, VirtualDriver
from sim.environment import Environment

BTC = InstrumentId("BTC")
INSTRUMENT = Instrument(id=BTC, sz_decimals=3)
LOTS = Sz(10)
HEARTBEAT = Ns(500 * NS_PER_MS)
EXPIRY = Ns(2 * NS_PER_S)


@dataclass
class ToyOrder:
    place: Place
    oid: Oid | None = None
    filled: int = 0
    is_cancelling: bool = False


class ToyCore:
    """Keeps one bid and one ask half a spread from the mid; every third move by cancel and place."""

    def __init__(self, fail_at: int | None = None, fail_in_decide: bool = False, half_spread: int = 50):
        self.fail_at = fail_at
        self.fail_in_decide = fail_in_decide
        self.half_spread = half_spread
        self.n_events = 0
        self.orders: dict[str, ToyOrder] = {}
        self.adopted: list[str] = []
        self.position = 0
        self.tids: set[int] = set()
        self.mid: int | None = None
        self.is_up: set[Feed] = set()
        self.sent: dict[RequestId, tuple] = {}
        self.asked: set[str] = set()
        self.epoch = Epoch(0)
        self.life_seed = 0
        self.kill: str | None = None
        self.n_cloids = self.n_requests = self.n_moves = 0
        self.heartbeat: Ns | None = None
        self.stop_reason: str | None = None
        self.is_stopped = False

    # --- the calls --------------------------------------------------------------------------------

    def apply(self, event, now):
        self.n_events += 1
        if self.n_events == self.fail_at and not self.fail_in_decide:
            raise RuntimeError(f"planted at event {self.n_events}")
        match event:
            case Restored():
                self.life_seed = event.life_seed
                self.adopted = [order.cloid for order in event.orders]
                self.position = sum(ledger.position for ledger in event.ledgers)
                self.tids = set(event.tids)
                self.kill = event.kill
                self.heartbeat = now
            case FeedUp(feed=feed, epoch=epoch):
                self.is_up.add(feed)
                if feed is Feed.USER:
                    self.epoch = epoch
            case FeedDown(feed=feed):
                self.is_up.discard(feed)
                self.asked.discard(feed)
            case BboChanged(bid=(bid, _, _), ask=(ask, _, _)):
                self.mid = (bid + ask) // 2
            case StopRequested(reason=reason):
                self.stop_reason = reason
            case Replied(request_id=request_id, results=results):
                self._replied(self.sent.pop(request_id), results)
            case OrderUpdate():
                self._update(event)
            case Fill():
                self._fill(event)

    def decide(self, now):
        if self.fail_in_decide and self.n_events >= self.fail_at:
            raise RuntimeError(f"planted after event {self.n_events}")
        out = []
        if self.stop_reason is not None:
            self._stop(out, now)
            return out
        for feed in Feed:
            if feed not in self.is_up and feed not in self.asked:
                self.asked.add(feed)
                out.append(Connect(feed))
        if Feed.USER in self.is_up and "fills" not in self.asked:
            self.asked.add("fills")
            out.append(Subscribe(Channel(ChannelKind.FILLS)))
        if self.heartbeat is not None and now >= self.heartbeat:
            self.heartbeat = Ns(now + HEARTBEAT)
            if Feed.USER in self.is_up:
                out.append(self._request(QueryFills(Ns(0))))
        if self.adopted and Feed.USER in self.is_up:
            out.append(self._request(*(Cancel(BTC, cloid) for cloid in self.adopted)))
            self.adopted = []
        if self.mid is not None and Feed.USER in self.is_up and self.kill is None:
            self._quote(out)
        return out

    def next_deadline(self):
        return None if self.is_stopped else self.heartbeat

    # --- quoting ----------------------------------------------------------------------------------

    def _quote(self, out):
        for side in Side:
            px = Px((self.mid - side * self.half_spread) // 10 * 10)
            mine = [o for o in self.orders.values() if o.place.side is side]
            if not mine:
                out.append(self._request(self._place(side, px), expires_in=EXPIRY))
            elif len(mine) == 1 and mine[0].oid and mine[0].place.px != px and not mine[0].is_cancelling:
                old = mine[0]
                old.is_cancelling = True
                self.n_moves += 1
                if self.n_moves % 3:
                    new = self._place(side, px)
                    out.append(self._request(Modify(old.place.cloid, old.oid, new), expires_in=EXPIRY))
                else:
                    out.append(self._request(Cancel(BTC, old.place.cloid, old.oid)))

    def _stop(self, out, now):
        if self.is_stopped:
            return
        if now >= self.heartbeat:
            self.heartbeat = Ns(now + HEARTBEAT)
            for order in self.orders.values():
                order.is_cancelling = False
        if not self.orders:
            self.is_stopped = True
            out.append(Alert(Severity.INFO, "stopped", self.stop_reason))
            return
        todo = [o for o in self.orders.values() if not o.is_cancelling]
        for order in todo:
            order.is_cancelling = True
        if todo:
            out.append(self._request(*(Cancel(BTC, order.place.cloid, order.oid) for order in todo)))

    def _place(self, side, px):
        place = Place(BTC, cloid_of(self.life_seed, self.n_cloids), side, px, LOTS, Tif.ALO)
        self.n_cloids += 1
        self.orders[place.cloid] = ToyOrder(place)
        return place

    def _request(self, *actions, expires_in=None):
        self.n_requests += 1
        self.sent[RequestId(self.n_requests)] = actions
        route = Route.SOCKET if Feed.USER in self.is_up else Route.REST
        return Request(RequestId(self.n_requests), route, self.epoch, expires_in, actions)

    # --- facts ------------------------------------------------------------------------------------

    def _replied(self, actions, results):
        for action, result in zip(actions, results, strict=True):
            match action, result:
                case Place(cloid=cloid) | Modify(place=Place(cloid=cloid)), Refused():
                    self.orders.pop(cloid, None)
                case QueryFills(), FillsReport(fills=fills):
                    for fill in fills:
                        self._fill(fill)

    def _update(self, update):
        order = self.orders.get(update.cloid)
        if order is None:
            return
        order.oid = update.oid
        if update.status is not OrderStatus.OPEN:
            del self.orders[update.cloid]

    def _fill(self, fill):
        if fill.tid not in self.tids:
            self.tids.add(fill.tid)
            self.position += fill.side * fill.sz
            if self.position > 10_000 and self.kill is None:
                self.kill = "too long"


@dataclass
class VenueOrder:
    place: Place
    oid: Oid
    remaining: int
    status: OrderStatus = OrderStatus.OPEN


@dataclass
class ToyVenue:
    """An account at a venue that answers after ``latency``; what it holds outlives every trader."""

    env: Environment
    latency: Ns = Ns(20 * NS_PER_MS)
    loses_replies: bool = False
    rejects_sockets: bool = False
    place_delay: Ns = Ns(0)
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    received: list = field(default_factory=list)
    position: int = 0

    capabilities = Capabilities(
        name="toy",
        routes=frozenset(Route),
        channels=frozenset(ChannelKind),
        snapshots=frozenset((ChannelKind.FILLS,)),
        max_actions=2,
    )

    def __post_init__(self):
        self._oids, self._tids, self._epochs = count(1), count(1), count(1)
        self._sink = None
        self._connection = 0
        self.up: set[Feed] = set()

    # --- the port ---------------------------------------------------------------------------------

    def reserve_nonces(self):
        return 0

    def confirm_nonces(self, below):
        """There are none."""

    def start(self, sink, nonces_from=0):
        self._sink = sink
        self._connection += 1

    def stop(self):
        self._sink = None
        self._connection += 1
        self.up.clear()

    def submit(self, command):
        self.received.append((self.env.now, command))
        match command:
            case Request(actions=()):
                raise ValueError("an empty request")
            case Request(route=Route.SOCKET) if Feed.USER not in self.up or self.rejects_sockets:
                self._tell(NotSent(command.request_id, Reason.FEED_DOWN, Ns(0)))
            case Request():
                delay = self.place_delay if isinstance(command.actions[0], Place) else 0
                at = self.env.now + self.latency + delay
                self.env.call_at(at, self._execute, command, self.env.now)
            case Connect(feed=feed):
                self.env.call_at(self.env.now + self.latency, self._up, feed, self._connection)
            case Disconnect(feed=feed):
                self.cut(feed)
            case Subscribe(channel=channel):
                self._tell(Subscribed(channel, Epoch(0), True, Ns(0)))
                for fill in self.fills:
                    self._tell(fill)
            case Alert():
                raise ValueError("alerts are for people")

    # --- what happens -----------------------------------------------------------------------------

    def resting(self):
        return [order for order in self.orders.values() if order.status is OrderStatus.OPEN]

    def quote(self, mid):
        if Feed.MARKET in self.up:
            self._tell(
                BboChanged(BTC, self.env.now, Ns(0), (Px(mid - 10), Sz(1), 1), (Px(mid + 10), Sz(1), 1)), at_once=True
            )

    def trade(self, order, sz):
        sz = min(sz, order.remaining)
        order.remaining -= sz
        place = order.place
        tid = Tid(next(self._tids))
        start, self.position = self.position, self.position + place.side * sz
        fee = Usd(place.px * sz * 15 // 100_000)
        fill = Fill(
            BTC,
            self.env.now,
            Ns(0),
            tid,
            order.oid,
            place.cloid,
            place.side,
            place.px,
            Sz(sz),
            fee,
            False,
            start,
            Usd(0),
        )
        self.fills.append(fill)
        if not order.remaining:
            order.status = OrderStatus.FILLED
        if draw(1, "fill first", tid) % 2:
            self._tell_user(fill)
            self._tell_user(self._status(order))
        else:
            self._tell_user(self._status(order))
            self._tell_user(fill)

    def cut(self, feed):
        if feed in self.up:
            self.up.discard(feed)
            self._connection += 1
            self._tell(FeedDown(feed, Epoch(0), Reason.CLOSED_BY_VENUE, Ns(0)), at_once=True)

    def _up(self, feed, connection):
        if self._sink is not None and connection == self._connection:
            self.up.add(feed)
            self._tell(FeedUp(feed, Epoch(next(self._epochs)), Ns(0)), at_once=True)

    def _execute(self, request, sent_at):
        if request.expires_in is not None and self.env.now > sent_at + request.expires_in:
            self._reply(request, (Refused(Reason.EXPIRED, "expired"),))
        else:
            self._reply(request, tuple(self._act(action) for action in request.actions))

    def _act(self, action):  # noqa: PLR0911 - a table of actions
        match action:
            case Place():
                return self._rest(action)
            case Cancel(cloid=cloid, oid=oid):
                order = self.orders.get(cloid) or next((o for o in self.resting() if o.oid == oid), None)
                if order is None or order.status is not OrderStatus.OPEN:
                    return Refused(Reason.NOT_OPEN, "never placed, canceled or filled")
                self._end(order)
                return Cancelled()
            case Modify(cloid=cloid, place=place):
                order = self.orders.get(cloid)
                if order is None or order.status is not OrderStatus.OPEN:
                    return Refused(Reason.CANNOT_MODIFY, "cannot modify")
                self._end(order)
                return self._rest(place)
            case QueryOpenOrders():
                return OpenOrdersReport(self.env.now, tuple(map(self._listed, self.resting())))
            case QueryFills(since=since):
                return FillsReport(self.env.now, tuple(f for f in self.fills if f.exch_time >= since), True)
            case QueryOrder(cloid=cloid):
                order = self.orders.get(cloid)
                return OrderStatusReport(self.env.now, None if order is None else self._status(order))

    def _rest(self, place):
        order = VenueOrder(place, Oid(next(self._oids)), place.sz)
        self.orders[place.cloid] = order
        self._tell_user(self._status(order))
        return Resting(order.oid, place.cloid)

    def _end(self, order):
        order.status = OrderStatus.CANCELED
        self._tell_user(self._status(order))

    def _status(self, order):
        place = order.place
        return OrderUpdate(
            BTC,
            self.env.now,
            Ns(0),
            order.oid,
            place.cloid,
            place.side,
            place.px,
            place.sz,
            Sz(order.remaining),
            order.status,
        )

    def _listed(self, order):
        place = order.place
        return OpenOrder(
            BTC, order.oid, place.cloid, place.side, place.px, place.sz, Sz(order.remaining), place.tif, False, Ns(0)
        )

    def _tell_user(self, event):
        if Feed.USER in self.up:
            self._tell(event)

    def _reply(self, request, results):
        if not self.loses_replies:
            self._tell(Replied(request.request_id, Ns(0), results))

    def _tell(self, event, at_once=False):
        connection = self._connection
        at = self.env.now + (0 if at_once else self.latency)

        def arrive():
            if self._sink is not None and connection == self._connection:
                self._sink(event)

        self.env.call_at(at, arrive)


class ToyRun:
    """A trader at a venue in a market that walks; the seed decides everything."""

    def __init__(self, seed=1, core=ToyCore, log=None, venue=None, **driver_config):
        self.env = Environment()
        self.seed = seed
        self.venue = venue or ToyVenue(self.env)
        self.venue.env = self.env
        self.journal = Journal(log if log is not None else MemoryLog())
        self.cores: list[ToyCore] = []
        self.alerts: list[Alert] = []
        config = DriverConfig(**{"thinking": ThinkingConfig(median_us=500.0, sigma=0.5), **driver_config})
        self.driver = VirtualDriver(
            self.env,
            self.venue,
            lambda: self.cores.append(core()) or self.cores[-1],
            self.journal,
            Header(seed=seed, scenario="toy", instruments=(INSTRUMENT,)),
            config,
            on_alert=lambda now, alert: self.alerts.append(alert),
        )
        self.env.call_at(0, self._tick, 0, 1_000_000)

    def _tick(self, n, mid):
        """Every 37 ms the market moves; now and then somebody trades with us."""
        u = draw(self.seed, "walk", n)
        mid += (u % 7 - 3) * 10
        self.venue.quote(mid)
        resting = self.venue.resting()
        if resting and u % 5 == 0:
            self.venue.trade(resting[u // 7 % len(resting)], 1 + u // 49 % 10)
        self.env.call_at(self.env.now + 37 * NS_PER_MS, self._tick, n + 1, mid)

    def run(self, until_s):
        self.env.run(until=round(until_s * NS_PER_S))
        return self

    def start(self):
        self.driver.start_trader()
        return self

    def records(self):
        return list(self.journal.records())
