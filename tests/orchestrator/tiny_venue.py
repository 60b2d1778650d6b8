"""A small real venue for tests of the core: own orders, scripted takers, scripted market, links with faults.

It matches: an order rests until a scripted taker or the scripted market reaches it, cancels race fills,
replies and channels travel apart and may be late, lost or repeated. It knows the domain's messages and
nothing of the trader. `Stage` (below) drives one trader against it in virtual time and checks, at every step,
what must hold whatever the venue does.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random

from domain.commands import (
    Alert,
    AnyAction,
    AnyCommand,
    Cancel,
    Connect,
    Disconnect,
    Modify,
    Place,
    QueryFills,
    QueryLimits,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    QueryQuota,
    RecordAdjustments,
    RecordForgiven,
    Request,
    Route,
    ScheduleCancel,
    Subscribe,
)
from domain.events import (
    AccountMargin,
    AnyEvent,
    BboChanged,
    BookReported,
    Cancelled,
    Channel,
    ChannelKind,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    FillsReport,
    InstrumentLimits,
    LimitsReport,
    NotSent,
    OpenOrder,
    OpenOrdersReport,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    PositionsReported,
    PublicTrade,
    QuotaReport,
    Reason,
    Refused,
    Replied,
    Resting,
    Restored,
    Result,
    Scheduled,
    StopRequested,
    Subscribed,
    TradesPrinted,
    Woke,
)
from domain.instrument import Instrument
from domain.units import Cloid, Epoch, InstrumentId, Ns, Oid, Pos, Px, Side, Sz, Tid, Tif, Usd, fee_of
from orchestrator.config import TraderConfig
from orchestrator.core import Orchestrator
from orchestrator.desk.desk import DeskConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import ETH, MID, TICK, ms, s


@dataclass
class VenueOrder:
    """The venue's own record of one of our orders."""

    oid: Oid
    place: Place
    placed_at: Ns
    filled: int = 0
    status: OrderStatus = OrderStatus.OPEN
    reason: Reason | None = None
    is_stray: bool = False
    """Not placed by the life under test, which cannot have reckoned with it."""

    @property
    def remaining(self) -> Sz:
        return Sz(self.place.sz - self.filled)


Fate = Callable[[Request], str | None]
"""What becomes of a request: None (nothing special), "lost" (never arrives), "mute" (its reply is lost) or
"empty" (the reply holds no result)."""


@dataclass
class Faults:
    """What goes wrong; a test or a seed sets it, at any time."""

    fate: Fate = lambda request: None
    delay: Callable[[AnyEvent | Request], int] = lambda message: 0
    """Added to the way of each message: makes channels overtake each other."""
    drops: Callable[[AnyEvent], bool] = lambda event: False
    """Messages of the user channels that never arrive."""
    doubles: Callable[[AnyEvent], bool] = lambda event: False
    refuses_connections: set[Feed] = field(default_factory=set)
    answers: Callable[[AnyAction], Result | None] = lambda action: None
    """An answer in place of the venue's own."""


class TinyVenue:
    """One venue, one account of interest, any number of instruments."""

    def __init__(self, stage: "Stage", instruments: tuple[Instrument, ...], *, max_position: int, up: Ns, down: Ns):
        self.stage = stage
        self.instruments = {instrument.id: instrument for instrument in instruments}
        self.max_position = Sz(max_position)
        self.margin: AccountMargin | None = None
        """What the account is worth and ties up; None: it has credit."""
        self.leverage: int | None = None
        self.up, self.down = up, down
        self.faults = Faults()
        self.tops: dict[InstrumentId, tuple[int, int]] = {}
        self.orders: dict[Oid, VenueOrder] = {}
        self._open: dict[Oid, VenueOrder] = {}
        """Those that have not ended."""
        self.by_cloid: dict[Cloid, Oid] = {}
        self.positions: dict[InstrumentId, int] = {}
        self.cash = 0
        self.fills: list[Fill] = []
        self.epochs = dict.fromkeys(Feed, 0)
        self.is_connected = dict.fromkeys(Feed, False)
        self.closings = dict.fromkeys(Feed, 0)
        """A Disconnect also gives up a handshake."""
        self.channels: set[Channel] = set()
        self.log: list[AnyAction] = []
        """Every action that arrived, in order of arrival."""
        self.violations: list[str] = []
        self.is_disturbed = False
        """The position moved by what this life had no part in: it cannot answer for the exposure."""
        self.dead_man_at: Ns | None = None
        self.dead_man_fired = 0
        self.fills_page = 1_000
        self.fills_replayed = 20
        """Fills repeated after a subscribe."""
        self._oids, self._tids, self._block = count(1), count(1), 0

    # --- the market -----------------------------------------------------------------------------

    def quote(self, mid: int, *, spread: int = 10 * TICK, instrument: Instrument = ETH) -> None:
        """The rest of the market now stands here; what of ours it crosses is filled first."""
        bid, ask = mid - spread // 2, mid + spread // 2
        self.tops[instrument.id] = (bid, ask)
        for order in self._book(instrument.id, Side.BUY):
            if order.place.px >= ask:
                self._fill(order, order.remaining)
        for order in self._book(instrument.id, Side.SELL):
            if order.place.px <= bid:
                self._fill(order, order.remaining)
        now = self.stage.now
        level = ((Px(bid), Sz(1_000), 3), (Px(ask), Sz(1_000), 3))
        self._publish(
            Channel(ChannelKind.BBO, instrument.id), lambda at: BboChanged(instrument.id, now, at, level[0], level[1])
        )

    def take(self, side: Side, sz: int, *, px: int | None = None, instrument: Instrument = ETH) -> int:
        """A taker of ``side`` hits our other side, best price first, up to a limit price; lots done."""
        left = sz
        for order in self._book(instrument.id, side.opposite):
            if not left or (px is not None and side * (order.place.px - px) > 0):
                break
            done = min(left, order.remaining)
            left -= done
            self._fill(order, done)
        return sz - left

    def print_trade(self, px: int, *, instrument: Instrument = ETH) -> None:
        """A public trade between others."""
        now, tid = self.stage.now, Tid(next(self._tids))
        trade = PublicTrade(Side.BUY, Px(px), Sz(1), tid, now)
        self._publish(
            Channel(ChannelKind.TRADES, instrument.id), lambda at: TradesPrinted(instrument.id, now, at, (trade,))
        )

    def adjust(self, instrument: Instrument, lots: int) -> None:
        """The position changes by something that is no fill (a liquidation, a person)."""
        self.positions[instrument.id] = self.position(instrument) + lots
        self.is_disturbed = True
        self._publish_positions()

    def stray(self, side: Side, px: int, sz: int, instrument: Instrument = ETH, cloid: Cloid | None = None) -> Oid:
        """An order of this account that this life did not place."""
        oid = Oid(next(self._oids))
        number = cloid or Cloid(f"0x{'5' * 24}{oid:08x}")
        place = Place(instrument.id, number, side, Px(px), Sz(sz), Tif.ALO)
        order = VenueOrder(oid, place, self.stage.now, is_stray=True)
        self.orders[oid] = self._open[oid] = order
        self.by_cloid[number] = oid
        self._publish_order(order)
        return oid

    def cut(self, feed: Feed, reason: Reason = Reason.CLOSED_BY_VENUE) -> None:
        """A connection is lost; what was under way on it is too."""
        if self.is_connected[feed]:
            self.is_connected[feed] = False
            self.channels = {channel for channel in self.channels if channel.kind.feed is not feed}
            epoch = Epoch(self.epochs[feed])
            self.stage.deliver(self.down, lambda at: FeedDown(feed, epoch, reason, at))

    # --- truth ----------------------------------------------------------------------------------

    def resting(self, instrument: Instrument | None = None) -> list[VenueOrder]:
        """Our resting orders."""
        return [
            order
            for oid, order in self._open.items()
            if oid in self.orders and (instrument is None or order.place.instrument == instrument.id)
        ]

    def position(self, instrument: Instrument = ETH) -> int:
        """Our position in lots."""
        return self.positions.get(instrument.id, 0)

    def worst_case(self, instrument: Instrument = ETH) -> tuple[int, int]:
        """(min, max) position if everything of this life that rests on a side fills."""
        at = self.position(instrument)
        rest = [order for order in self.resting(instrument) if not order.is_stray]
        return (
            at - sum(order.remaining for order in rest if order.place.side is Side.SELL),
            at + sum(order.remaining for order in rest if order.place.side is Side.BUY),
        )

    # --- what the trader asks -------------------------------------------------------------------

    def submit(self, command: AnyCommand) -> None:
        """As an adapter does: returns at once, answers come later."""
        if isinstance(command, Connect):
            self.stage.later(self.up, self._connect, command.feed, self.closings[command.feed])
        elif isinstance(command, Disconnect):
            self.closings[command.feed] += 1
            self.stage.later(0, self.cut, command.feed, Reason.CLOSED_BY_US)
        elif isinstance(command, Subscribe):
            self.stage.later(self.up, self._subscribe, command.channel, self.epochs[command.channel.kind.feed])
        elif isinstance(command, Request):
            self._request(command)

    def _connect(self, feed: Feed, closings: int) -> None:
        if self.closings[feed] != closings:
            return
        if feed in self.faults.refuses_connections:
            epoch = Epoch(self.epochs[feed])
            self.stage.deliver(self.down, lambda at: FeedDown(feed, epoch, Reason.CONNECT_FAILED, at))
            return
        self.epochs[feed] += 1
        self.is_connected[feed] = True
        epoch = Epoch(self.epochs[feed])
        self.stage.deliver(self.down, lambda at: FeedUp(feed, epoch, at))

    def _subscribe(self, channel: Channel, epoch: int) -> None:
        feed = channel.kind.feed
        if not self.is_connected[feed] or self.epochs[feed] != epoch:
            return
        self.channels.add(channel)
        has_snapshot = channel.kind in (ChannelKind.FILLS, ChannelKind.POSITIONS)
        self._send(feed, lambda at: Subscribed(channel, Epoch(epoch), has_snapshot, at))
        if channel.kind is ChannelKind.FILLS:
            for fill in self.fills[max(len(self.fills) - self.fills_replayed, 0) :]:
                self._send(feed, lambda at, fill=fill: _received(fill, at))
        elif channel.kind is ChannelKind.POSITIONS:
            self._publish_positions()
        elif channel.kind is ChannelKind.BOOK and channel.instrument in self.tops:
            bids, asks = (((Px(px), Sz(1_000), 3),) for px in self.tops[channel.instrument])
            self._send(feed, lambda at: BookReported(channel.instrument, self.stage.now, at, bids, asks))
        elif channel.kind is ChannelKind.TRADES:
            self._send(feed, lambda at: TradesPrinted(channel.instrument, self.stage.now, at, ()))
        elif channel.kind is ChannelKind.BBO and channel.instrument in self.tops:
            bid, ask = self.tops[channel.instrument]
            self.quote((bid + ask) // 2, spread=ask - bid, instrument=self.instruments[channel.instrument])

    def _request(self, request: Request) -> None:
        user_up = self.is_connected[Feed.USER] and self.epochs[Feed.USER] == request.epoch
        if request.route is Route.SOCKET and not user_up:
            self.stage.deliver(1, lambda at: NotSent(request.request_id, Reason.STALE_EPOCH, at))
            return
        fate = self.faults.fate(request)
        if fate == "lost":
            return
        sent_at = self.stage.now
        self.stage.later(self.up + self.faults.delay(request), self._arrive, request, sent_at, fate)

    def _arrive(self, request: Request, sent_at: Ns, fate: str | None) -> None:
        now = self.stage.now
        self.log.extend(request.actions)
        before = {name: self.worst_case(instrument) for name, instrument in self.instruments.items()}
        if request.expires_in is not None and now > sent_at + request.expires_in:
            results: tuple[Result, ...] = (Refused(Reason.EXPIRED, "expired"),)
        else:
            results = tuple(self.faults.answers(action) or self._execute(action) for action in request.actions)
        self._check(before)
        if fate == "mute":
            return
        if fate == "empty":
            results = ()
        if request.route is Route.SOCKET:
            if self.is_connected[Feed.USER] and self.epochs[Feed.USER] == request.epoch:
                self._send(Feed.USER, lambda at: Replied(request.request_id, at, results))
        else:
            reply = Replied(request.request_id, now, results)
            self.stage.deliver(self.down + self.faults.delay(reply), lambda at: _received(reply, at))

    def _execute(self, action: AnyAction) -> Result:  # noqa: PLR0911 - one line an action
        if isinstance(action, Place):
            return self._place(action)
        if isinstance(action, Cancel):
            return self._cancel(action)
        if isinstance(action, Modify):
            return self._modify(action)
        now = self.stage.now
        if isinstance(action, QueryOpenOrders):
            return OpenOrdersReport(now, tuple(_listed(order) for order in self.resting()))
        if isinstance(action, QueryFills):
            since = [fill for fill in self.fills if fill.exch_time >= action.since]
            return FillsReport(now, tuple(since[: self.fills_page]), len(since) <= self.fills_page)
        if isinstance(action, QueryPositions):
            return PositionsReport(now, self._entries(), Usd(self.cash))
        if isinstance(action, QueryLimits):
            return LimitsReport(
                now,
                tuple(self._limits(self.instruments[name]) for name in action.instruments),
                self.margin,
            )
        if isinstance(action, QueryQuota):
            return QuotaReport(now, Usd(0), 0, 10_000)
        if isinstance(action, ScheduleCancel):
            return self._schedule(action)
        assert isinstance(action, QueryOrder)
        oid = self.by_cloid.get(action.cloid)
        return OrderStatusReport(now, None if oid is None else self._status(self.orders[oid], now))

    def _schedule(self, action: ScheduleCancel) -> Result:
        self.dead_man_at = at = None if action.after is None else Ns(self.stage.now - self.up + action.after)
        if at is not None:
            self.stage.later(at - self.stage.now, self._cancel_all, at)
        return Scheduled()

    def _cancel_all(self, at: Ns) -> None:
        if self.dead_man_at == at:
            self.dead_man_at = None
            self.dead_man_fired += 1
            for order in self.resting():
                self._end(order, OrderStatus.CANCELED, Reason.SCHEDULED)

    def _limits(self, instrument: Instrument) -> InstrumentLimits:
        enforced = (instrument.sz_decimals, instrument.min_notional, instrument.max_leverage)
        return InstrumentLimits(instrument.id, *enforced, self.max_position, self.leverage)

    # --- trading --------------------------------------------------------------------------------

    def _place(self, place: Place) -> Result:
        if place.cloid in self.by_cloid:
            self.violations.append(f"S12: client id {place.cloid} used twice")
        refusal = self._refusal(place)
        if refusal is not None:
            return Refused(refusal, "")
        order = VenueOrder(Oid(next(self._oids)), place, self.stage.now)
        self.orders[order.oid] = self._open[order.oid] = order
        self.by_cloid[place.cloid] = order.oid
        self._publish_order(order)
        return Resting(order.oid, place.cloid)

    def _refusal(self, place: Place) -> Reason | None:
        instrument = self.instruments[place.instrument]
        if not instrument.is_on_grid(place.px):
            self.violations.append(f"S18: price {place.px} is not on the grid")
            return Reason.OFF_TICK
        if instrument.notional(place.px, place.sz) < instrument.min_notional:
            self.violations.append(f"S18: {place.sz} at {place.px} is below the minimum")
            return Reason.MIN_NOTIONAL
        bid, ask = self.tops[place.instrument]
        if (place.side is Side.BUY and place.px >= ask) or (place.side is Side.SELL and place.px <= bid):
            return Reason.POST_ONLY_WOULD_CROSS
        return None

    def _cancel(self, cancel: Cancel) -> Result:
        oid = cancel.oid if cancel.oid is not None else self.by_cloid.get(cancel.cloid)
        order = None if oid is None else self.orders.get(oid)
        if order is None or order.status is not OrderStatus.OPEN:
            return Refused(Reason.NOT_OPEN, "Order was never placed, already canceled, or filled.")
        self._end(order, OrderStatus.CANCELED, Reason.REQUESTED)
        return Cancelled()

    def _modify(self, modify: Modify) -> Result:
        old = self.orders.get(modify.oid)
        if old is None or old.status is not OrderStatus.OPEN:
            return Refused(Reason.CANNOT_MODIFY, "Cannot modify canceled or filled order")
        self._end(old, OrderStatus.CANCELED, Reason.REQUESTED)
        result = self._place(modify.place)
        return Refused(Reason.MODIFY_NEW_LEG, result.text) if isinstance(result, Refused) else result

    def _fill(self, order: VenueOrder, lots: int) -> None:
        if not lots:
            return
        now, place = self.stage.now, order.place
        instrument = self.instruments[place.instrument]
        before = self.position(instrument)
        fee = fee_of(Usd(place.px * lots), instrument.maker_fee)
        order.filled += lots
        self.is_disturbed |= order.is_stray
        self.positions[place.instrument] = before + place.side * lots
        self.cash -= place.side * place.px * lots + fee
        fill = Fill(
            place.instrument, now, now, Tid(next(self._tids)), order.oid, place.cloid, place.side, place.px, Sz(lots),
            fee, False, Pos(before), Usd(0),
        )  # fmt: skip
        self.fills.append(fill)
        self._publish(Channel(ChannelKind.FILLS), lambda at: _received(fill, at))
        if not order.remaining:
            self._end(order, OrderStatus.FILLED, None)
        self._publish_positions()

    def _end(self, order: VenueOrder, status: OrderStatus, reason: Reason | None) -> None:
        order.status, order.reason = status, reason
        self._open.pop(order.oid, None)
        self._publish_order(order)

    def _book(self, instrument: InstrumentId, side: Side) -> list[VenueOrder]:
        """Our orders of a side, best first, older first."""
        mine = [o for o in self.resting() if o.place.instrument == instrument and o.place.side is side]
        return sorted(mine, key=lambda order: (-side * order.place.px, order.oid))

    def _check(self, before: dict[InstrumentId, tuple[int, int]]) -> None:
        """What no request of ours may bring about, whatever the state before it was."""
        most = self.max_position
        for name, instrument in self.instruments.items():
            (was_low, was_high), (low, high) = before[name], self.worst_case(instrument)
            if not self.is_disturbed and (high > max(most, was_high) or low < min(-most, was_low)):
                self.violations.append(f"S15: {name} may become {low}..{high}, limit {most}")
            bids, asks = ([o for o in self._book(name, side) if not o.is_stray] for side in Side)
            if bids and asks and bids[0].place.px >= asks[0].place.px:
                self.violations.append(f"S17: own bid {bids[0].place.px} meets own ask {asks[0].place.px}")

    # --- what the venue says --------------------------------------------------------------------

    def _status(self, order: VenueOrder, at: Ns) -> OrderUpdate:
        place = order.place
        return OrderUpdate(
            place.instrument, self.stage.now, at, order.oid, place.cloid, place.side, place.px, place.sz,
            order.remaining, order.status, order.reason,
        )  # fmt: skip

    def _publish_order(self, order: VenueOrder) -> None:
        told = self._status(order, self.stage.now)
        self._publish(Channel(ChannelKind.ORDER_UPDATES), lambda at: _received(told, at))

    def _publish_positions(self) -> None:
        now, entries, cash = self.stage.now, self._entries(), Usd(self.cash)
        self._publish(Channel(ChannelKind.POSITIONS), lambda at: PositionsReported(now, at, entries, cash))

    def _entries(self) -> tuple[PositionEntry, ...]:
        return tuple(PositionEntry(name, Pos(lots)) for name, lots in self.positions.items() if lots)

    def _publish(self, channel: Channel, make: Callable[[Ns], AnyEvent]) -> None:
        if channel in self.channels:
            probe = make(self.stage.now)
            if channel.kind.feed is Feed.USER and self.faults.drops(probe):
                return
            self._send(channel.kind.feed, make)
            if self.faults.doubles(probe):
                self._send(channel.kind.feed, make)

    def _send(self, feed: Feed, make: Callable[[Ns], AnyEvent]) -> None:
        """To the trader over a feed: lost if the connection is gone before it arrives."""
        epoch = self.epochs[feed]
        delay = self.down + self.faults.delay(make(self.stage.now))
        self.stage.deliver(delay, make, lambda: self.is_connected[feed] and self.epochs[feed] == epoch)


def _received(event: AnyEvent, at: Ns) -> AnyEvent:
    """The same message with its time of arrival."""
    return type(event)(
        **{name: getattr(event, name) for name in event.__struct_fields__ if name != "recv_time"}, recv_time=at
    )


def _listed(order: VenueOrder) -> OpenOrder:
    place = order.place
    return OpenOrder(
        place.instrument, order.oid, place.cloid, place.side, place.px, place.sz, order.remaining, place.tif,
        place.reduce_only, order.placed_at,
    )  # fmt: skip


# --- the trader against it ----------------------------------------------------------------------

MAX_WAKES = 20
"""Within a millisecond: one that wakes more often moves its deadline by nothing."""
QUICK = TraderConfig(desk=DeskConfig(engine=AT_ONCE))
"""Quotes as soon as it may, with the priors."""


class Stage:
    """A trader and a venue in virtual time. Checks after every step; `story` is what happened."""

    def __init__(
        self,
        config: TraderConfig = QUICK,
        *,
        instruments: tuple[Instrument, ...] = (ETH,),
        max_position: int = 400,
        up: Ns = ms(20),
        down: Ns = ms(30),
        start: Ns = Ns(0),
        beat: Ns | None = ms(500),
    ) -> None:
        """``beat``: the venue repeats the top of each book so often; None: it is silent unless a script speaks."""
        self.now = start
        self.config, self._instruments = config, instruments
        self._heap: list[tuple[Ns, int, Callable[[], None]]] = []
        self._sequence = count()
        self.venue = TinyVenue(self, instruments, max_position=max_position, up=up, down=down)
        for instrument in instruments:
            self.venue.quote(MID, instrument=instrument)
        self.core: Orchestrator = Orchestrator(config, instruments)
        self.is_alive = False
        self.story: list[tuple[Ns, AnyEvent | AnyCommand]] = []
        self.commands: list[AnyCommand] = []
        self.alerts: list[str] = []
        self._wakes: deque[Ns] = deque(maxlen=MAX_WAKES)
        self.taps: list[Callable[[AnyEvent, list[AnyCommand]], None]] = []
        """Called after each step."""
        self.mid_after: Callable[[int], int] = lambda mid: mid
        """The market's next mid after this one."""
        if beat is not None:
            self.later(beat, self._beat, beat)

    # --- lives ----------------------------------------------------------------------------------

    def begin(self, restored: Restored | None = None) -> "Stage":
        """A life begins now."""
        self.is_alive = True
        self._take(restored or Restored(1, 7))
        return self

    def crash(self) -> None:
        """The process dies: connections with it, what is under way to the venue arrives."""
        self.is_alive = False
        for feed in Feed:
            self.venue.cut(feed)
        self._heap = [entry for entry in self._heap if entry[2].__name__ != "arrive_at_trader"]
        self.core = Orchestrator(self.config, self._instruments)

    def stop(self, reason: str = "test") -> None:
        """A person asks for the end."""
        self._take(StopRequested(reason))

    # --- time -----------------------------------------------------------------------------------

    def later(self, delay: int, call: Callable[..., None], *args: object) -> None:
        """Something happens at the venue after a while."""

        def happen() -> None:
            call(*args)

        heappush(self._heap, (Ns(self.now + max(delay, 0)), next(self._sequence), happen))

    def at(self, time: int, call: Callable[..., object], *args: object, **named: object) -> None:
        """Script: something happens at a time."""
        self.later(time - self.now, lambda: call(*args, **named))

    def deliver(self, delay: int, make: Callable[[Ns], AnyEvent], still: Callable[[], bool] = lambda: True) -> None:
        """A message reaches the trader after a while, if it still can."""
        at = Ns(self.now + max(delay, 1))

        def arrive_at_trader() -> None:
            if self.is_alive and still():
                self._take(make(self.now))

        heappush(self._heap, (at, next(self._sequence), arrive_at_trader))

    def run(self, until: int) -> "Stage":
        """Go on until a time."""
        while True:
            deadline = self.core.next_deadline() if self.is_alive else None
            next_at = self._heap[0][0] if self._heap else None
            if deadline is not None and (next_at is None or deadline <= next_at):
                if deadline > until:
                    break
                self.now = max(self.now, deadline)
                self._wakes.append(self.now)
                assert len(self._wakes) < MAX_WAKES or self.now - self._wakes[0] > ms(1), "it wakes and wakes"
                self._take(Woke())
            elif next_at is not None and next_at <= until:
                self.now = next_at
                heappop(self._heap)[2]()
            else:
                break
        self.now = Ns(max(self.now, until))
        return self

    def _beat(self, beat: Ns) -> None:
        for name, (bid, ask) in list(self.venue.tops.items()):
            mid = self.mid_after((bid + ask) // 2)
            self.venue.quote(mid, spread=ask - bid, instrument=self.venue.instruments[name])
        self.later(beat, self._beat, beat)

    def run_until(self, condition: Callable[[], bool], *, within: int = s(60), step: int = ms(10)) -> "Stage":
        """Go on until something holds."""
        end = self.now + within
        while not condition():
            assert self.now < end, f"not within {within} ns"
            self.run_for(step)
        return self

    def run_for(self, duration: int) -> "Stage":
        return self.run(self.now + duration)

    # --- one step -------------------------------------------------------------------------------

    def _take(self, event: AnyEvent) -> None:
        core, now = self.core, self.now
        self.story.append((now, event))
        core.apply(event, now)
        commands = core.decide(now)
        assert core.decide(now) == [], "a second decision at the same time"
        for command in commands:
            self.story.append((now, command))
            self.commands.append(command)
            if type(command).__name__ == "Alert":
                self.alerts.append(command.name)
            elif not isinstance(command, RecordAdjustments | RecordForgiven):
                self.venue.submit(command)
        self._check()
        for tap in self.taps:
            tap(event, commands)

    def _check(self) -> None:
        """What must hold after every step, whatever the venue did."""
        core, now = self.core, self.now
        deadline = core.next_deadline()
        assert deadline is None or deadline > now, f"asks to be woken at {deadline}, it is {now}"
        for desk in core.desks.values():
            tracker = desk.tracker
            assert min(*tracker.pending_exposure(), *tracker.fillable_exposure()) >= 0
        assert self.venue.violations == []

    # --- questions ------------------------------------------------------------------------------

    @property
    def desk(self):
        """The desk of the first instrument."""
        return next(iter(self.core.desks.values()))

    def actions(self, kind: type | tuple = object, since: int = 0) -> list[AnyAction]:
        """Actions that the trader sent, in order."""
        return [
            action
            for at, entry in self.story
            if isinstance(entry, Request) and at >= since
            for action in entry.actions
            if isinstance(action, kind)
        ]

    def told(self, name: str) -> list[Alert]:
        """Alerts of a name, in order."""
        return [entry for _, entry in self.story if isinstance(entry, Alert) and entry.name == name]

    def queries(self) -> list[str]:
        """Names of requests in order, runs of the same name once."""
        names: list[str] = []
        for _, entry in self.story:
            if isinstance(entry, Request):
                name = type(entry.actions[0]).__name__
                if not names or names[-1] != name:
                    names.append(name)
        return names

    def is_agreed(self) -> bool:
        """Whether belief and truth are the same: positions, resting orders, nothing in doubt."""
        for name, desk in self.core.desks.items():
            resting = {order.place.cloid: order.remaining for order in self.venue.resting(self.venue.instruments[name])}
            believed = {o.cloid: o.remaining for o in desk.tracker.orders.values() if not o.is_terminal}
            if desk.inventory.position != self.venue.positions.get(name, 0) or resting != believed:
                return False
            if any(order.certainty == "unknown" or not order.oid for order in desk.tracker.orders.values()):
                return False
        return True

    def is_two_sided(self, instrument: Instrument = ETH) -> bool:
        """Whether both sides rest at the venue."""
        return {order.place.side for order in self.venue.resting(instrument)} == set(Side)


def quoting(**changes) -> Stage:
    """A trader that has been quoting both sides for a while, nothing under way."""
    stage = Stage(**changes).begin()
    stage.run_for(s(3))
    assert stage.is_two_sided(), stage.core.phase
    assert stage.is_agreed()
    return stage


def noisy(stage: Stage, rng: Random, *, level: float) -> None:
    """Faults drawn from a seed: lost, muted, late, reordered and repeated messages."""

    def fate(request: Request) -> str | None:
        draw = rng.random()
        return "lost" if draw < level / 2 else "mute" if draw < level else None

    faults = stage.venue.faults
    faults.fate = fate
    # Stated positions keep their order: the older of two of one moment would hide what the newer shows.
    faults.delay = lambda message: (
        0 if isinstance(message, PositionsReported) else rng.choice((0, 0, 0, ms(5), ms(40), ms(200)))
    )
    faults.doubles = lambda event: rng.random() < level


def heal(stage: Stage) -> None:
    """Everything works again."""
    stage.venue.faults = Faults()
