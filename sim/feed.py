"""One trader's connections to the venue: feeds and their epochs, subscriptions, requests under way.

Two views of a feed are kept apart. The trader believes it `is_up` from FeedUp to FeedDown; the
transport is `is_wired` until something cuts it. In between, what the trader sends leaves and is lost,
which is how a half-open socket behaves. What is on its way when the transport ends is lost, too.

Rules of the venue that live here: a subscription is acknowledged before its first data; FILLS,
POSITIONS and OPEN_ORDERS send their state after every subscribe, TRADES replays the last thirty, the
others begin with the next publication. There are no sequence numbers and no gap markers.

Policy (when to connect, what to resend) is the trader's; nothing is retried here.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from domain.commands import AnyCommand, Connect, Disconnect, Request, Route, Subscribe
from domain.events import (
    AnyEvent,
    Channel,
    ChannelKind,
    Feed,
    FeedDown,
    FeedUp,
    NotSent,
    Reason,
    Replied,
    Subscribed,
)
from domain.instrument import Instrument
from domain.units import AccountId, Epoch, InstrumentId, Ns, RequestId, millis
from sim.environment import Call, Environment
from sim.links import Link, LinkName, LinksConfig
from sim.rng import Streams

SNAPSHOTS = frozenset((ChannelKind.FILLS, ChannelKind.POSITIONS, ChannelKind.OPEN_ORDERS))
"""Channels whose state follows every subscribe, however often. The replayed trades are history, not state."""

_AT_RECEPTION = Ns(0)
_DATA_LINKS = {Feed.MARKET: LinkName.MARKET_DATA, Feed.USER: LinkName.USER_DATA}


class FeedState:
    """One feed of one session."""

    __slots__ = ("attempt", "channels", "epoch", "feed", "holds", "is_up", "is_wired", "lands_after_cut")

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.epoch = Epoch(0)
        self.is_up = False
        """What the trader believes."""
        self.is_wired = False
        """Whether a message that arrives now passes."""
        self.lands_after_cut = False
        """Whether requests that were under way at the cut still reach the venue."""
        self.attempt: Call | None = None
        self.holds = 0
        """Faults that make every attempt to connect fail."""
        self.channels: dict[Channel, None] = {}
        """What the venue sends on it."""

    def carries(self, epoch: Epoch) -> bool:
        """Whether a message of that epoch still arrives at the trader."""
        return self.is_wired and self.epoch == epoch

    def lands(self, epoch: Epoch) -> bool:
        """Whether a message of that epoch still arrives at the venue."""
        return self.epoch == epoch and (self.is_wired or self.lands_after_cut)


class Sender(NamedTuple):
    """Whom an answer is for."""

    session: "Session"
    request_id: RequestId
    epoch: Epoch | None
    """Connection on which the request came; None: REST."""
    life: int


class Beyond(Protocol):
    """What a session needs of the world around it."""

    env: Environment
    streams: Streams
    instruments: dict[InstrumentId, Instrument]

    def accept(self, request: Request, sender: Sender, expires_at: Ns | None) -> None:
        """Take a request that has arrived at the venue."""
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
        self.sink: Callable[[AnyEvent], None] | None = None
        self.feeds = {feed: FeedState(feed) for feed in Feed}
        self.links = {link: Link(world.env, world.streams, f"{name}/{link}", links.of(link)) for link in LinkName}
        self.on_send: list[Callable[[AnyCommand, Ns], None]] = []
        """Taps: every command, at the moment at which it leaves the trader."""
        self.on_deliver: list[Callable[[AnyEvent, Ns], None]] = []
        """Taps: every event, just before the trader gets it."""
        self.counts: Counter[str] = Counter()
        """Messages that never arrived, and commands without effect, by reason."""
        self.life = 0
        """Counts `open`: what was asked in one life of the trader is not answered in the next."""
        self._handshake = millis(links.handshake_ms)

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
        self.links[LinkName.ORDER_SOCKET].send(state.feed, self._subscribe_at_venue, state, state.epoch, channel)

    def request(self, request: Request) -> None:
        """Send a request; what becomes of it is an event, or silence."""
        self._tap(request)
        now = self.world.env.now
        if request.route is Route.REST:
            self.links[LinkName.ORDER_REST].send(Route.REST, self._arrive, request, None, now, self.life)
            return
        state = self.feeds[Feed.USER]
        if not state.is_up:
            self._soon(NotSent(request.request_id, Reason.FEED_DOWN, _AT_RECEPTION))
        elif request.epoch != state.epoch:
            self._soon(NotSent(request.request_id, Reason.STALE_EPOCH, _AT_RECEPTION))
        else:
            self.links[LinkName.ORDER_SOCKET].send(Feed.USER, self._arrive, request, state.epoch, now, self.life)

    # --- the faults' side -----------------------------------------------------------------------

    def cut(self, feed: Feed, reason: Reason, *, notice_after: Ns = Ns(0), requests_land: bool = False) -> None:
        """Break the transport now; the trader is told after `notice_after`.

        Everything under way to the trader is lost, and so are requests under way to the venue unless
        `requests_land`. A feed that is down or connecting is left alone (see `hold`).
        """
        state = self.feeds[feed]
        if not state.is_wired:
            return
        state.is_wired = False
        state.lands_after_cut = requests_land
        state.channels.clear()
        self.world.env.call_in(notice_after, self._notice, state, state.epoch, reason)

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
        link = self.links[LinkName.REPLY]
        if sender.epoch is None:
            link.send(Route.REST, self._deliver_rest, sender.life, reply)
        else:
            link.send(Route.SOCKET, self._deliver, self.feeds[Feed.USER], sender.epoch, (reply,))

    # --- inside ---------------------------------------------------------------------------------

    def _shake_hands(self, state: FeedState) -> None:
        state.attempt = None
        if state.holds:
            self._hand_over(FeedDown(state.feed, state.epoch, Reason.CONNECT_FAILED, _AT_RECEPTION))
            return
        state.epoch = Epoch(state.epoch + 1)
        state.is_up = state.is_wired = True
        state.lands_after_cut = False
        self._hand_over(FeedUp(state.feed, state.epoch, _AT_RECEPTION))

    def _close(self, state: FeedState) -> None:
        self._unwire(state)
        state.is_up = False
        self._soon(FeedDown(state.feed, state.epoch, Reason.CLOSED_BY_US, _AT_RECEPTION))

    @staticmethod
    def _unwire(state: FeedState) -> None:
        if state.attempt is not None:
            state.attempt.cancel()
            state.attempt = None
        if state.is_wired:  # an orderly close: what was sent before it arrives
            state.lands_after_cut = True
        state.is_wired = False
        state.channels.clear()

    def _notice(self, state: FeedState, epoch: Epoch, reason: Reason) -> None:
        if state.is_up and state.epoch == epoch:
            state.is_up = False
            self._hand_over(FeedDown(state.feed, epoch, reason, _AT_RECEPTION))

    def _subscribe_at_venue(self, state: FeedState, epoch: Epoch, channel: Channel) -> None:
        if not state.carries(epoch):
            self.counts["subscribe_lost"] += 1
            return
        is_new = channel not in state.channels
        state.channels[channel] = None
        has_snapshot = is_new and channel.kind in SNAPSHOTS
        snapshot = self.world.snapshot(self.account, channel) if is_new else ()
        self._carry(state, channel, (Subscribed(channel, epoch, has_snapshot, _AT_RECEPTION), *snapshot))

    def _arrive(self, request: Request, epoch: Epoch | None, sent_at: Ns, life: int) -> None:
        if epoch is not None and not self.feeds[Feed.USER].lands(epoch):
            self.counts["request_lost"] += 1
            return
        expires_at = None if request.expires_in is None else Ns(sent_at + request.expires_in)
        self.world.accept(request, Sender(self, request.request_id, epoch, life), expires_at)

    def _carry(self, state: FeedState, channel: Channel, events: Sequence[AnyEvent]) -> None:
        self.links[_DATA_LINKS[state.feed]].send(channel, self._deliver, state, state.epoch, events)

    def _deliver(self, state: FeedState, epoch: Epoch, events: Sequence[AnyEvent]) -> None:
        for event in events:  # the trader may close the feed over the first one
            if not state.carries(epoch):
                self.counts["event_lost"] += 1
                continue
            self._hand_over(event)

    def _deliver_rest(self, life: int, event: Replied) -> None:
        if life != self.life or self.sink is None:
            self.counts["event_lost"] += 1
            return
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
        sink(event)

    def _tap(self, command: AnyCommand) -> None:
        now = self.world.env.now
        for tap in self.on_send:
            tap(command, now)
