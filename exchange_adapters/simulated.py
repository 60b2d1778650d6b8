"""The port over the simulated venue: domain messages straight to its front, through links.

Complete mechanics, no policy: what a trader tests against this is what it meets live. It checks what no
correct trader sends, and raises; everything else comes back as an event.
"""

from collections.abc import Collection

from domain.commands import (
    TRADING,
    Alert,
    AnyCommand,
    Connect,
    Disconnect,
    RecordAdjustments,
    RecordForgiven,
    Request,
    Route,
    ScheduleCancel,
    Subscribe,
)
from domain.events import AnyEvent, Channel, ChannelKind, Feed, FeedUp, Reason
from domain.units import NS_PER_MS, Epoch, InstrumentId, Ns
from exchange_adapters.base import Capabilities, Sink, clock_sync
from exchange_adapters.nonces import NonceSource
from sim.feed import SNAPSHOTS, Session

_PUBLIC = frozenset(kind for kind in ChannelKind if kind.feed is Feed.MARKET)

CAPABILITIES = Capabilities(
    name="simulated",
    routes=frozenset(Route),
    channels=frozenset(ChannelKind),
    snapshots=SNAPSHOTS,
    max_actions=1_000,
)


class SimulatedAdapter:
    """One account at the simulated venue; implements `exchange_adapters.base.ExchangeAdapter`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._nonces = NonceSource()

    @property
    def capabilities(self) -> Capabilities:
        """What this venue can do."""
        return CAPABILITIES

    def start(self, sink: Sink, nonces_from: int = 0) -> None:
        """Begin to deliver events to ``sink``; nothing is connected yet. After `stop` a new life begins."""
        self._nonces = NonceSource(nonces_from)

        def deliver(event: AnyEvent) -> None:
            sink(event)
            if type(event) is FeedUp and self.session.sink is not None:  # None: the trader stopped over the news
                sink(clock_sync(*self.session.feeds[event.feed].handshake))
                if self.session.ping_every is not None:
                    KeepAlive(self.session, event.feed, event.epoch, self.session.ping_every)

        self.session.open(deliver)

    def submit(self, command: AnyCommand) -> None:
        """Carry out a command; the events that answer it come later, if they come."""
        match command:
            case Request():
                check_request(command, CAPABILITIES)
                is_signed = isinstance(command.actions[0], TRADING)
                self.session.request(command, self._nonces.next(self._wall_ms) if is_signed else None)
            case Subscribe(channel):
                check_channel(channel, self.session.world.instruments)
                self.session.subscribe(channel)
            case Connect(feed):
                self.session.connect(feed)
            case Disconnect(feed):
                self.session.disconnect(feed)
            case Alert() | RecordAdjustments() | RecordForgiven():
                raise ValueError("alerts and records are not for the venue: the driver keeps them")

    def reserve_nonces(self) -> int:
        """A bound: nothing that is submitted now uses a nonce from there on."""
        return self._nonces.reserve(self._wall_ms)

    def confirm_nonces(self, below: int) -> None:
        """That bound is written down."""
        self._nonces.confirm(below)

    def stop(self) -> None:
        """Drop every connection and deliver nothing more."""
        self.session.close()

    @property
    def _wall_ms(self) -> int:
        return self.session.wall_clock // NS_PER_MS


class KeepAlive:
    """Pings one connection as long as it lasts. A pong that is overdue ends it: it is half-open."""

    def __init__(self, session: Session, feed: Feed, epoch: Epoch, every: Ns) -> None:
        self._session = session
        self._feed = feed
        self._epoch = epoch
        self._every = every
        self._env = session.world.env
        self._env.call_in(every, self._ping)

    def _ping(self) -> None:
        if self._is_over:
            return
        overdue = self._env.call_in(self._session.pong_within, self._on_overdue)
        self._session.ping(self._feed, overdue.cancel)
        self._env.call_in(self._every, self._ping)

    def _on_overdue(self) -> None:
        if not self._is_over:
            self._session.give_up(self._feed, Reason.NO_PONG)

    @property
    def _is_over(self) -> bool:
        return not self._session.is_up(self._feed) or self._session.epoch(self._feed) != self._epoch


def check_request(request: Request, capabilities: Capabilities) -> None:
    """Raise ValueError for a request that no correct trader makes."""
    actions = request.actions
    if not actions:
        raise ValueError(f"request {request.request_id} is empty")
    if request.route not in capabilities.routes:
        raise ValueError(f"request {request.request_id}: {capabilities.name} has no route {request.route}")
    kinds = {type(action) for action in actions}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"request {request.request_id} mixes {names}")
    is_batch = isinstance(actions[0], TRADING) and not isinstance(actions[0], ScheduleCancel)
    most = capabilities.max_actions if is_batch else 1
    if len(actions) > most:
        raise ValueError(f"request {request.request_id} holds {len(actions)} actions, at most {most} go")
    if request.expires_in is not None and request.expires_in <= 0:
        raise ValueError(f"request {request.request_id} has expired before it is sent")


def check_channel(channel: Channel, instruments: Collection[InstrumentId]) -> None:
    """Raise ValueError for a channel that does not exist."""
    if channel.kind in _PUBLIC:
        if channel.instrument not in instruments:
            raise ValueError(f"no instrument {channel.instrument!r} for {channel.kind}")
    elif channel.instrument is not None:
        raise ValueError(f"{channel.kind} is for the whole account, not for {channel.instrument}")
