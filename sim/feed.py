"""One trader's connections to the venue: feeds and their epochs, subscriptions, requests under way.

Two views of a feed are kept apart. The trader believes it `is_up` from FeedUp to FeedDown; the
transport is `is_wired` until something cuts it. In between, what the trader sends leaves and is lost,
which is how a half-open socket behaves. What is on its way when the transport ends is lost, too.

Rules of the venue that live here: a subscription is acknowledged before its first data; FILLS,
POSITIONS and OPEN_ORDERS send their state after every subscribe, TRADES replays the last thirty, the
others begin with the next publication. There are no gap markers, and no sequence numbers unless the links say so.

Policy (when to connect, what to resend) is the trader's; nothing is retried here.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from domain.commands import AnyCommand, Connect, Disconnect, Request, Route, Subscribe
from domain.events import (
    AnyEvent,
    BboChanged,
    BookReported,
    Channel,
    ChannelKind,
    Feed,
    FeedDown,
    FeedUp,
    NotSent,
    Reason,
    Replied,
    Subscribed,
    TradesPrinted,
)
from domain.instrument import Instrument
from domain.units import AccountId, Epoch, InstrumentId, Ns, RequestId, millis
from sim.disk import Disk
from sim.envelope import Envelope, LinkName, RequestKind, kind_of
from sim.environment import Call, Environment
from sim.links import Link, LinksConfig
from sim.points import Died, Point
from sim.rng import Streams
from sim.venue.meters import ConnectionMeter
from sim.venue.signers import address_of

SNAPSHOTS = frozenset((ChannelKind.FILLS, ChannelKind.POSITIONS, ChannelKind.OPEN_ORDERS))
"""Channels whose state follows every subscribe, however often. The replayed trades are history, not state."""

_AT_RECEPTION = Ns(0)
_DATA_LINKS = {Feed.MARKET: LinkName.MARKET_DATA, Feed.USER: LinkName.USER_DATA}


class FeedState:
    """One feed of one session."""

    __slots__ = (
        "attempt",
        "channels",
        "epoch",
        "feed",
        "handshake",
        "holds",
        "is_deaf",
        "is_up",
        "is_wired",
        "lands_after_cut",
    )

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.epoch = Epoch(0)
        self.is_up = False
        """What the trader believes."""
        self.is_wired = False
        """Whether a message that arrives now passes."""
        self.lands_after_cut = False
        """Whether what is sent on the transport that was cut still reaches the venue."""
        self.is_deaf = False
        """Whether nothing that is sent on this connection reaches the venue, although data come from it."""
        self.attempt: Call | None = None
        self.handshake = Handshake(Ns(0), Ns(0), Ns(0))
        """Of the latest attempt to connect."""
        self.holds = 0
        """Faults that make every attempt to connect fail."""
        self.channels: dict[Channel, None] = {}
        """What the venue sends on it."""

    def carries(self, epoch: Epoch) -> bool:
        """Whether a message of that epoch still arrives at the trader."""
        return self.is_wired and self.epoch == epoch

    def lands(self, epoch: Epoch) -> bool:
        """Whether a message of that epoch still arrives at the venue."""
        return self.epoch == epoch and not self.is_deaf and (self.is_wired or self.lands_after_cut)


class Handshake(NamedTuple):
    """The stamps of a connection that came up."""

    sent_at: Ns
    """When we began, by our clock."""
    venue_time: Ns
    """When what we sent reached the venue, by its clock."""
    done_at: Ns
    """When its answer was here, by our clock."""


class Sender(NamedTuple):
    """Whom an answer is for."""

    session: "Session"
    request_id: RequestId
    epoch: Epoch | None
    """Connection on which the request came; None: REST."""
    life: int
    kind: RequestKind
    """What was asked."""
    nonce: int | None = None
    """What it was signed with; None: nothing was signed."""


class Process(Protocol):
    """The process that sits on a session, as far as faults can hurt it."""

    slowdowns: list[float]
    """Factors by which its thinking takes longer now; faults append theirs and remove it."""
    disk: Disk | None
    """What its journal stands on; None where that cannot fail."""

    def stall(self, duration: Ns) -> None:
        """Let it stand still: events wait, timers and commands come late."""
        ...

    def kill_trader(self) -> None:
        """Let it die here: what it knew and had not written down is lost."""
        ...

    def start_trader(self) -> None:
        """Begin a new life, with what the one before wrote down."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether there is a life to hurt."""
        ...

    @property
    def has_lost_journal(self) -> bool:
        """Whether it ends because its journal could not be written; when it has, somebody has to start it again."""
        ...


class Beyond(Protocol):
    """What a session needs of the world around it."""

    env: Environment
    streams: Streams
    instruments: dict[InstrumentId, Instrument]

    def accept(self, request: Request, sender: Sender, sent_at: Ns) -> None:
        """Take a request that has arrived at the venue."""
        ...

    def sockets(self, ip: str) -> ConnectionMeter:
        """What counts the sockets of an IP address."""
        ...

    def snapshot(self, account: AccountId, channel: Channel) -> tuple[AnyEvent, ...]:
        """What follows the acknowledgement of a subscription."""
        ...


class Session:
    """What an adapter sits on, and what faults act on. Made by `World.attach`."""

    def __init__(self, world: Beyond, account: AccountId, links: LinksConfig, ip: str, name: str) -> None:
        self.world = world
        self.account = account
        self.ip = ip
        self.name = name
        """Unique in the world; the name of this session's random streams."""
        self.sockets = world.sockets(ip)
        self.sink: Callable[[AnyEvent], None] | None = None
        self.feeds = {feed: FeedState(feed) for feed in Feed}
        self.links = {link: Link(world.env, world.streams, f"{name}/{link}", links.of(link)) for link in LinkName}
        self.on_send: list[Callable[[AnyCommand, Ns], None]] = []
        """Taps: every command, at the moment at which it leaves the trader."""
        self.on_deliver: list[Callable[[AnyEvent, Ns], None]] = []
        """Taps: every event, just before the trader gets it."""
        self.on_point: list[Callable[[Point, int], None]] = []
        """Taps: each point at which the trader's process can die, and how many of that kind there have been."""
        self.points: Counter[Point] = Counter()
        """Those so far, over all lives."""
        self.on_strike: list[Callable[[object], None]] = []
        """Taps: a fault strikes this session; it says which."""
        self.fault_sites: Counter[str] = Counter()
        """How often each name of a fault is in use, so that twins draw different numbers."""
        self.skews: list[Callable[[Ns], Ns]] = []
        """What faults do to our wall clock, as a function of the time; it makes expiries and nonces."""
        self.process: Process | None = None
        """Who sits on this session; None where nobody can be stalled or killed."""
        self.counts: Counter[str] = Counter()
        """Messages that never arrived, and commands without effect, by reason."""
        self.signer = address_of(name)
        """Address of the agent that signs for this session: one a process, as the venue advises."""
        self.on_sign: list[Callable[[int, Ns], None]] = []
        """Taps: the nonce of every signed request, at the moment at which it leaves the trader."""
        self.life = 0
        """Counts `open`: what was asked in one life of the trader is not answered in the next."""
        self._numbered = links.numbered
        self._numbers: dict[Channel, tuple[Epoch, int]] = {}
        """The last number on each channel, and of which connection."""
        self._handshake = millis(links.handshake_ms)
        self.ping_every = None if links.ping_every_ms is None else millis(links.ping_every_ms)
        """How often the adapter pings; None: never."""
        self.pong_within = millis(links.pong_within_ms)
        """How long it waits for the answer."""

    def is_up(self, feed: Feed) -> bool:
        """Whether the trader was told that this feed is up, and not yet that it is down."""
        return self.feeds[feed].is_up

    @property
    def lost(self) -> int:
        """Messages that were sent, either way, and did not arrive; counted when they would have."""
        counts = self.counts
        return counts["event_lost"] + counts["request_lost"] + counts["subscribe_lost"]

    def epoch(self, feed: Feed) -> Epoch:
        """Number of the latest connection of this feed; 0 before the first."""
        return self.feeds[feed].epoch

    # --- the trader's side ----------------------------------------------------------------------

    def open(self, sink: Callable[[AnyEvent], None]) -> None:
        """Begin to deliver events; nothing is connected. After `close` it is a new life of the trader."""
        if self.sink is not None:
            raise ValueError(f"{self.name} is in use: attach another session")
        self.life += 1
        self.sink = sink

    def close(self) -> None:
        """The trader is gone: nothing is delivered any more. What it sent stays sent."""
        self.sink = None
        for state in self.feeds.values():
            self._unwire(state)
            state.is_up = False

    def connect(self, feed: Feed) -> None:
        """Begin a handshake. One under way goes on; a connection that is up is closed first."""
        self._tap(Connect(feed))
        state = self.feeds[feed]
        if state.is_up:
            self._close(state)
        if state.attempt is None:
            now = self.world.env.now
            way = min(self.links[LinkName.ORDER_SOCKET].latency(now), self._handshake)
            state.handshake = Handshake(now, Ns(now + way), Ns(now + self._handshake))
            state.attempt = self.world.env.call_in(self._handshake, self._shake_hands, state)

    def disconnect(self, feed: Feed) -> None:
        """Close the feed, or give up the handshake; answered by FeedDown in any case."""
        self._tap(Disconnect(feed))
        self._close(self.feeds[feed])

    def subscribe(self, channel: Channel) -> None:
        """Ask for a channel on the feed that carries it. On a dead feed nothing happens."""
        self._tap(Subscribe(channel))
        state = self.feeds[channel.kind.feed]
        if not state.is_up:
            self.counts["subscribe_on_dead_feed"] += 1
            return
        self._send(LinkName.ORDER_SOCKET, state.feed, None, self._subscribe_at_venue, state, state.epoch, channel)

    @property
    def skew(self) -> Ns:
        """How far our wall clock is ahead of what the last handshake showed."""
        now = self.world.env.now
        return Ns(sum(skew(now) for skew in self.skews))

    @property
    def wall_clock(self) -> Ns:
        """The time as our own clock shows it, which may be wrong."""
        return Ns(self.world.env.now + self.skew)

    def request(self, request: Request, nonce: int | None = None) -> None:
        """Send a request, signed with a nonce unless it is a query; what becomes of it is an event, or silence."""
        self._tap(request)
        sent_at, kind = self.wall_clock, kind_of(request)
        if nonce is not None:
            for tap in self.on_sign:
                tap(nonce, self.world.env.now)
        if request.route is Route.REST:
            self._send(LinkName.ORDER_REST, Route.REST, kind, self._arrive, None, sent_at, self.life, nonce, request)
            return
        state = self.feeds[Feed.USER]
        if not state.is_up:
            self._soon(NotSent(request.request_id, Reason.FEED_DOWN, _AT_RECEPTION))
        elif request.epoch != state.epoch:
            self._soon(NotSent(request.request_id, Reason.STALE_EPOCH, _AT_RECEPTION))
        else:
            way = (state.epoch, sent_at, self.life, nonce)
            self._send(LinkName.ORDER_SOCKET, Feed.USER, kind, self._arrive, *way, request)

    def ping(self, feed: Feed, on_pong: Callable[[], None]) -> None:
        """Ask whether a connection lives; `on_pong` is called when the venue's answer is here, if it comes.

        It meets the latency of the moment and draws no numbers, so that no other message notices it. Faults that
        lose or delay single messages leave it alone; a connection that is dead one way answers none.
        """
        state, way = self.feeds[feed], self.links[LinkName.ORDER_SOCKET]
        self.world.env.call_in(way.latency(self.world.env.now), self._ping_at_venue, state, state.epoch, on_pong)

    def give_up(self, feed: Feed, reason: Reason) -> None:
        """The trader's end takes the connection for dead: it is closed, and the trader is told."""
        state = self.feeds[feed]
        if state.is_wired:
            self._hang_up(state)
            state.lands_after_cut = False
        self._notice(state, state.epoch, reason)

    def reach(self, point: Point) -> None:
        """The trader's process gets to a point at which it can die; raises `Died` if it does, and does not go on."""
        if self.sink is None:
            return
        self.points[point] += 1
        for tap in self.on_point:
            tap(point, self.points[point])
        if self.sink is None:
            raise Died

    # --- the faults' side -----------------------------------------------------------------------

    def cut(self, feed: Feed, reason: Reason, *, notice_after: Ns | None = Ns(0), requests_land: bool = False) -> None:
        """Break the transport now; the trader is told after `notice_after`, or never.

        Everything under way to the trader is lost, and so is what is under way to the venue, or sent before the
        trader knows, unless `requests_land`. A feed that is down or connecting is left alone (see `hold`).
        """
        state = self.feeds[feed]
        if not state.is_wired:
            return
        self._hang_up(state)
        state.lands_after_cut = requests_land
        if notice_after is not None:
            self.world.env.call_in(notice_after, self._notice, state, state.epoch, reason)

    def deafen(self, feed: Feed) -> None:
        """Let nothing that is sent on this connection reach the venue any more; data still come."""
        self.feeds[feed].is_deaf = True

    def hold(self, feed: Feed) -> None:
        """Let every attempt to connect fail until `release`; holds add up."""
        self.feeds[feed].holds += 1

    def release(self, feed: Feed) -> None:
        """Undo one `hold`."""
        self.feeds[feed].holds -= 1

    # --- the venue's side -----------------------------------------------------------------------

    def publish(self, channel: Channel, events: Sequence[AnyEvent]) -> None:
        """Carry a publication to the trader, if it is subscribed."""
        state = self.feeds[channel.kind.feed]
        if channel in state.channels:
            self._carry(state, channel, events)

    def reply(self, sender: Sender, reply: Replied) -> None:
        """Carry the answer to a request back by the route on which it came."""
        reply = replace(reply, request_id=sender.request_id)
        if sender.epoch is None:
            self._send(LinkName.REPLY, Route.REST, sender.kind, self._deliver_rest, sender.life, (reply,))
        else:
            state = self.feeds[Feed.USER]
            self._send(LinkName.REPLY, Route.SOCKET, sender.kind, self._deliver, state, sender.epoch, (reply,))

    # --- inside ---------------------------------------------------------------------------------

    def _send(
        self,
        name: LinkName,
        channel: Hashable,
        kind: RequestKind | None,
        fn: Callable[..., object],
        *args: object,
    ) -> None:
        """Send by a link; the last argument is the payload, and goes into an envelope where a fault wants to see it."""
        link = self.links[name]
        if link.tampers:
            link.send_enveloped(Envelope(name, channel, kind, self.account, args[-1]), fn, *args[:-1])
        else:
            link.send(channel, fn, *args)

    def _shake_hands(self, state: FeedState) -> None:
        state.attempt = None
        if state.holds or not self.sockets.connect(self.world.env.now):
            self._hand_over(FeedDown(state.feed, state.epoch, Reason.CONNECT_FAILED, _AT_RECEPTION))
            return
        state.epoch = Epoch(state.epoch + 1)
        state.is_up = state.is_wired = True
        state.lands_after_cut = state.is_deaf = False
        self._hand_over(FeedUp(state.feed, state.epoch, _AT_RECEPTION))

    def _close(self, state: FeedState) -> None:
        self._unwire(state)
        state.is_up = False
        self._soon(FeedDown(state.feed, state.epoch, Reason.CLOSED_BY_US, _AT_RECEPTION))

    def _unwire(self, state: FeedState) -> None:
        if state.attempt is not None:
            state.attempt.cancel()
            state.attempt = None
        if state.is_wired:  # an orderly close: what was sent before it arrives
            state.lands_after_cut = True
            self._hang_up(state)

    def _hang_up(self, state: FeedState) -> None:
        """The venue no longer holds the connection, nor what was subscribed to on it."""
        state.is_wired = False
        self.sockets.disconnect()
        for channel in state.channels:
            self.sockets.unsubscribe(self._user_of(channel))
        state.channels.clear()

    def _user_of(self, channel: Channel) -> AccountId | None:
        return self.account if channel.instrument is None else None

    def _notice(self, state: FeedState, epoch: Epoch, reason: Reason) -> None:
        if state.is_up and state.epoch == epoch:
            state.is_up = False
            self._hand_over(FeedDown(state.feed, epoch, reason, _AT_RECEPTION))

    def _subscribe_at_venue(self, state: FeedState, epoch: Epoch, channel: Channel) -> None:
        if not state.carries(epoch) or not state.lands(epoch):
            self.counts["subscribe_lost"] += 1
            return
        if not self.sockets.message(self.world.env.now):
            self.counts["message_refused"] += 1
            return
        is_new = channel not in state.channels
        if is_new and not self.sockets.subscribe(self._user_of(channel)):
            self.counts["subscription_refused"] += 1
            return
        state.channels[channel] = None
        has_snapshot = is_new and channel.kind in SNAPSHOTS
        snapshot = self.world.snapshot(self.account, channel) if is_new else ()
        self._carry(state, channel, (Subscribed(channel, epoch, has_snapshot, _AT_RECEPTION), *snapshot))

    def _ping_at_venue(self, state: FeedState, epoch: Epoch, on_pong: Callable[[], None]) -> None:
        if state.lands(epoch):
            way = self.links[_DATA_LINKS[state.feed]]
            self.world.env.call_in(way.latency(self.world.env.now), self._pong, state, epoch, on_pong)

    def _pong(self, state: FeedState, epoch: Epoch, on_pong: Callable[[], None]) -> None:
        if state.carries(epoch):
            on_pong()

    def _arrive(self, epoch: Epoch | None, sent_at: Ns, life: int, nonce: int | None, request: Request) -> None:
        if epoch is not None and not self.feeds[Feed.USER].lands(epoch):
            self.counts["request_lost"] += 1
            return
        if epoch is not None and not self.sockets.message(self.world.env.now):
            self.counts["message_refused"] += 1
            return
        sender = Sender(self, request.request_id, epoch, life, kind_of(request), nonce)
        self.world.accept(request, sender, sent_at)

    def _carry(self, state: FeedState, channel: Channel, events: Sequence[AnyEvent]) -> None:
        if self._numbered and channel.kind.feed is Feed.MARKET:
            events = tuple(self._number(state.epoch, channel, event) for event in events)
        self._send(_DATA_LINKS[state.feed], channel, None, self._deliver, state, state.epoch, events)

    def _number(self, epoch: Epoch, channel: Channel, event: AnyEvent) -> AnyEvent:
        if not isinstance(event, BookReported | BboChanged | TradesPrinted):
            return event
        last_epoch, last = self._numbers.get(channel, (epoch, 0))
        number = last + 1 if last_epoch == epoch else 1
        self._numbers[channel] = epoch, number
        return replace(event, seq=number)

    def _deliver(self, state: FeedState, epoch: Epoch, events: Sequence[AnyEvent]) -> None:
        for event in events:  # the trader may close the feed over the first one
            if not state.carries(epoch):
                self.counts["event_lost"] += 1
                continue
            self._hand_over(event)

    def _deliver_rest(self, life: int, events: Sequence[AnyEvent]) -> None:
        for event in events:
            if life != self.life or self.sink is None:
                self.counts["event_lost"] += 1
                continue
            self._hand_over(event)

    def _soon(self, event: AnyEvent) -> None:
        """Hand over at this same time, but not before the trader's call has returned."""
        self.world.env.call_in(0, self._hand_over_in, self.life, event)

    def _hand_over_in(self, life: int, event: AnyEvent) -> None:
        if life == self.life:
            self._hand_over(event)

    def _hand_over(self, event: AnyEvent) -> None:
        sink = self.sink
        if sink is None:
            return
        now = self.world.env.now
        event = replace(event, recv_time=now)
        for tap in self.on_deliver:
            tap(event, now)
        with suppress(Died):
            self.reach(Point.TOLD)
            sink(event)

    def _tap(self, command: AnyCommand) -> None:
        self.reach(Point.SENDING)
        now = self.world.env.now
        for tap in self.on_send:
            tap(command, now)
