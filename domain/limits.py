"""The venue's limits and habits in one dated, overridable description.

The venue enforces them, and no number of it is written twice. It says what
is counted and how much is allowed; who counts, and when, is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval

from domain.commands import TRADING, AnyAction, QueryOrder, QueryPositions
from domain.units import NS_PER_MS, NS_PER_S, USD, Ns, Usd

_LIGHT_QUERIES = (QueryOrder, QueryPositions)


@dataclass(frozen=True, slots=True, kw_only=True)
class IpLimits:
    """What one IP address may ask for by REST; queries and actions draw on the same weight."""

    weight: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 1_200
    """Weight of all requests within `window`. What exceeds it is answered by HTTP 429."""
    window: Annotated[Ns, Interval(gt=0, le=10**15)] = Ns(60 * NS_PER_S)
    """Over which time weight is summed. Documented is "per minute"; that the minute slides is ours."""
    actions_per_weight: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 40
    """A request of n actions weighs 1 + floor(n / this)."""
    light_query_weight: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 2
    """Of a question for one order's status, or for the positions."""
    query_weight: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 20
    """Of every other question."""
    items_per_weight: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 20
    """An answer that lists fills weighs one more for each so many of them, charged after the answer."""
    posts_weigh: bool = False
    """Whether requests by socket weigh, too. Undocumented; they count as messages in any case."""

    def weight_of(self, actions: Sequence[AnyAction]) -> int:
        """What a request weighs before it is answered."""
        if not actions or isinstance(actions[0], TRADING):
            return 1 + len(actions) // self.actions_per_weight
        return sum(
            self.light_query_weight if isinstance(query, _LIGHT_QUERIES) else self.query_weight for query in actions
        )

    def surcharge(self, n_items: int) -> int:
        """What an answer that lists so many items weighs on top."""
        return n_items // self.items_per_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What one IP address may do with sockets, over all of them. Documents before mid-2026 allow 100 connections."""

    connections: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10
    """Open at a time."""
    new_connections: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 30
    """Opened within `window`."""
    subscriptions: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 1_000
    """Held at a time; one more is refused, and the socket stays."""
    users: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10
    """Different accounts whose channels are subscribed to at a time."""
    messages: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 2_000
    """Sent to the venue within `window`: posts and subscriptions."""
    posts_in_flight: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 100
    """Requests without an answer at a time."""
    window: Annotated[Ns, Interval(gt=0, le=10**15)] = Ns(60 * NS_PER_S)
    """Over which time messages and new connections are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressLimits:
    """What one account may send in all its life; queries are free.

    Each order, cancel and modify counts one, a batch of n counts n, rejected or not. Cancels count like
    everything else and are stopped later, so that an exhausted account can still withdraw.
    """

    initial: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 10_000
    """Actions of an account that has never traded."""
    usd_per_action: Annotated[Usd, Interval(gt=0, le=10**18)] = Usd(USD)
    """Volume, in micro-USD, that earns one more action."""
    limited_interval: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(10 * NS_PER_S)
    """Beyond the allowance one action is let through in so long; a batch of n waits for n of them."""
    cancel_extra: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 100_000
    """Cancels are stopped at min(allowance + this, allowance x `cancel_factor`)."""
    cancel_factor: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 2
    """See `cancel_extra`."""
    stale_cost: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 5
    """What an action counts that reached its block after it had expired."""

    def cap(self, traded: Usd) -> int:
        """Actions allowed to an account with that volume."""
        return self.initial + traded // self.usd_per_action

    def cancel_cap(self, traded: Usd) -> int:
        """The number at which its cancels are stopped, too."""
        return self.cancel_cap_of(self.cap(traded))

    def cancel_cap_of(self, cap: int) -> int:
        """The same, for an allowance."""
        return min(cap + self.cancel_extra, cap * self.cancel_factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderLimits:
    """How many orders of one account may rest."""

    initial: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 1_000
    """Of an account that has never traded."""
    usd_per_order: Annotated[Usd, Interval(gt=0, le=10**18)] = Usd(5_000_000 * USD)
    """Volume, in micro-USD, that earns room for one more."""
    most: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 5_000
    """Whatever the volume."""
    reduce_only_below: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 1_000
    """With so many open orders a reduce-only order is refused."""

    def cap(self, traded: Usd) -> int:
        """Orders that may rest of an account with that volume."""
        return min(self.initial + traded // self.usd_per_order, self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleLimits:
    """The scheduled cancel of all orders: the venue's dead-man switch."""

    lead: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(5 * NS_PER_S)
    """Least time from now to the scheduled one."""
    triggers_per_day: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 10
    """How often it may fire in a UTC day; to set it anew is no trigger."""
    min_traded: Annotated[Usd, Interval(ge=0, le=10**18)] = Usd(1_000_000 * USD)
    """Volume, in micro-USD, before an account may set it (recorded)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceLimits:
    """Which nonces one signer may use: any that is new, above the smallest kept, and near the time of the block."""

    kept: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 100
    """The highest used ones that are remembered."""
    behind: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(2 * 86_400 * NS_PER_S)
    """As a time in milliseconds a nonce may be older than its block by less than this."""
    ahead: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(86_400 * NS_PER_S)
    """And newer by less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """Documented and recorded figures of the venue, as of a date."""

    as_of: str = "2026-08-22"
    """Day on which the figures were looked up (year-month-day)."""
    book_levels: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 20
    """Levels a side in a book snapshot."""
    book_interval: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(500 * NS_PER_MS)
    """Least time between two book snapshots of a channel."""
    trades_replayed: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 30
    """Past trades replayed by the first frame after a subscribe to trades."""
    fills_page: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 2_000
    """Most fills that one query answers."""
    price_band: Annotated[float, Interval(gt=0, le=10)] = 0.95
    """Largest distance of an order price from the reference price, as a fraction of it."""
    ip: IpLimits = field(default_factory=IpLimits)
    """Weight of REST requests of an IP address."""
    socket: SocketLimits = field(default_factory=SocketLimits)
    """Sockets of an IP address."""
    address: AddressLimits = field(default_factory=AddressLimits)
    """Actions of an account."""
    open_orders: OpenOrderLimits = field(default_factory=OpenOrderLimits)
    """Resting orders of an account."""
    schedule: ScheduleLimits = field(default_factory=ScheduleLimits)
    """The scheduled cancel."""
    nonces: NonceLimits = field(default_factory=NonceLimits)
    """What keeps an action from being carried out twice."""
