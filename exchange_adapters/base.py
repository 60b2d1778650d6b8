"""The port: what the orchestrator's driver needs of a venue, and what a venue may promise.

An adapter owns mechanics (handshake, correlation, decoding, ids of requests, absolute times) and no
policy: it never retries, reconnects, resends or queues by itself. The venue's trouble comes as
events, never as exceptions; only our own bugs raise.

Wall clocks live here. After each FeedUp the adapter tells by ClockSync how the venue's clock stands to ours, as far
as the handshake shows it; it may do so again at any time, and which of them to believe is the trader's business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from domain.commands import AnyCommand, Route
from domain.events import AnyEvent, ChannelKind, ClockSync
from domain.units import Ns


def clock_sync(sent_at: Ns, venue_time: Ns, received_at: Ns) -> ClockSync:
    """Compare the clocks as NTP does, from one exchange: ours at sending and receiving, the venue's in between.

    The offset is the venue's clock minus ours. Nobody knows how the round trip is shared between the two ways, so
    half of it is the error. Halves of a nanosecond go to the error.
    """
    trip = received_at - sent_at
    half = (trip + 1) // 2
    return ClockSync(Ns(venue_time - sent_at - half), Ns(half))


Sink = Callable[[AnyEvent], None]
"""Where an adapter delivers events, one at a time, in the order in which they arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What differs between venues and the contract suite must know."""

    name: str
    routes: frozenset[Route]
    channels: frozenset[ChannelKind]
    snapshots: frozenset[ChannelKind]
    """Channels whose state is sent again after every subscribe."""
    max_actions: int
    """Most actions in one request."""


class ExchangeAdapter(Protocol):
    """One account at one venue."""

    @property
    def capabilities(self) -> Capabilities:
        """What this venue can do."""
        ...

    def start(self, sink: Sink, nonces_from: int = 0) -> None:
        """Begin to deliver events to ``sink``; nothing is connected yet.

        ``nonces_from``: where the lives before have ended; no nonce of this one is smaller.
        """
        ...

    def reserve_nonces(self) -> int:
        """A bound: nothing that is submitted now uses a nonce from there on. 0 where the venue knows no nonces.

        The driver writes it down before it submits, and the next life begins there. Asking changes nothing.
        """
        ...

    def confirm_nonces(self, below: int) -> None:
        """That bound is written down. Until a new one is, nonces stay below the last one, while any is left there."""
        ...

    def submit(self, command: AnyCommand) -> None:
        """Carry out a command. Returns at once and never calls the sink before it returns.

        Raises ValueError for a command that no correct trader makes (an empty or mixed request).
        """
        ...

    def stop(self) -> None:
        """Drop every connection and deliver nothing more."""
        ...
