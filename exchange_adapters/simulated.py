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
    Request,
    Route,
    Subscribe,
)
from domain.events import Channel, ChannelKind
from domain.units import InstrumentId
from exchange_adapters.base import Capabilities, Sink
from sim.feed import SNAPSHOTS, Session

_PUBLIC = frozenset((ChannelKind.BBO, ChannelKind.BOOK, ChannelKind.TRADES))

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

    @property
    def capabilities(self) -> Capabilities:
        """What this venue can do."""
        return CAPABILITIES

    def start(self, sink: Sink) -> None:
        """Begin to deliver events to ``sink``; nothing is connected yet. After `stop` a new life begins."""
        self.session.open(sink)

    def submit(self, command: AnyCommand) -> None:
        """Carry out a command; the events that answer it come later, if they come."""
        match command:
            case Request():
                check_request(command, CAPABILITIES)
                self.session.request(command)
            case Subscribe(channel):
                check_channel(channel, self.session.world.instruments)
                self.session.subscribe(channel)
            case Connect(feed):
                self.session.connect(feed)
            case Disconnect(feed):
                self.session.disconnect(feed)
            case Alert():
                raise ValueError("alerts are for people: the driver keeps them")

    def stop(self) -> None:
        """Drop every connection and deliver nothing more."""
        self.session.close()


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
    most = capabilities.max_actions if isinstance(actions[0], TRADING) else 1
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
