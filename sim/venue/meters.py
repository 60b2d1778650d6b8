"""Counts what is limited, and says whether one more goes: small machines that know nothing but numbers and `now`.

What was refused is not counted, except by `refused`; whether the venue counts it is not documented. A fault may
leave an IP address or an account less than its limits: `shares`, `ceilings`.
"""

from collections import deque
from dataclasses import dataclass, field

from domain.limits import AddressLimits, IpLimits, OpenOrderLimits, SocketLimits, VenueLimits
from domain.units import AccountId, Ns, Usd

MANY = 1 << 62
"""More than any count."""


class Window:
    """A sum over the latest stretch of time, to the nanosecond: what is as old as the window no longer counts."""

    def __init__(self, length: Ns) -> None:
        self.peak = 0
        """Largest sum so far."""
        self.total = 0
        """All that was ever counted."""
        self._length = length
        self._entries: deque[tuple[Ns, int]] = deque()
        self._sum = 0

    def used(self, now: Ns) -> int:
        """The sum at that time."""
        entries, since = self._entries, now - self._length
        while entries and entries[0][0] <= since:
            self._sum -= entries.popleft()[1]
        return self._sum

    def add(self, amount: int, now: Ns) -> None:
        """Count something that happens now."""
        self._entries.append((now, amount))
        self._sum += amount
        self.total += amount
        self.peak = max(self.peak, self.used(now))


class IpMeter:
    """Weight of the REST requests of one IP address."""

    def __init__(self, limits: IpLimits) -> None:
        self.limits = limits
        self.window = Window(limits.window)
        self.refused = 0
        self.shares: list[float] = []
        """What others behind the same address leave of the weight; the least counts."""

    @property
    def weight(self) -> int:
        """Weight allowed within the window."""
        return int(self.limits.weight * min(self.shares, default=1.0))

    def admits(self, weight: int, now: Ns) -> bool:
        """Count a request that fits, refuse one that does not."""
        if self.window.used(now) + weight > self.weight:
            self.refused += 1
            return False
        self.window.add(weight, now)
        return True

    def charge(self, weight: int, now: Ns) -> None:
        """Count what an answer weighs on top; it is given by then, so it may exceed the limit."""
        if weight:
            self.window.add(weight, now)


class ConnectionMeter:
    """The sockets of one IP address: connections, subscriptions, messages, requests under way."""

    def __init__(self, limits: SocketLimits) -> None:
        self.limits = limits
        self.connections = 0
        self.subscriptions = 0
        self.in_flight = 0
        self.in_flight_peak = 0
        self.opened = Window(limits.window)
        self.messages = Window(limits.window)
        self.shares: list[float] = []
        """What others behind the same address leave of the messages; the least counts."""
        self.refused_connections = 0
        self.refused_subscriptions = 0
        self.refused_messages = 0
        self.refused_posts = 0
        self._users: dict[AccountId, int] = {}

    def connect(self, now: Ns) -> bool:
        """Whether another connection is accepted; it counts from now on."""
        limits = self.limits
        if self.connections >= limits.connections or self.opened.used(now) >= limits.new_connections:
            self.refused_connections += 1
            return False
        self.opened.add(1, now)
        self.connections += 1
        return True

    def disconnect(self) -> None:
        """A connection is gone."""
        self.connections -= 1

    def subscribe(self, user: AccountId | None) -> bool:
        """Whether another subscription is accepted, to a channel of that account or to a public one."""
        users = self._users
        is_new_user = user is not None and user not in users
        if self.subscriptions >= self.limits.subscriptions or (is_new_user and len(users) >= self.limits.users):
            self.refused_subscriptions += 1
            return False
        self.subscriptions += 1
        if user is not None:
            users[user] = users.get(user, 0) + 1
        return True

    def unsubscribe(self, user: AccountId | None) -> None:
        """A subscription is gone, as with its connection."""
        self.subscriptions -= 1
        if user is not None:
            self._users[user] -= 1
            if not self._users[user]:
                del self._users[user]

    def message(self, now: Ns) -> bool:
        """Whether a message is taken in."""
        if self.messages.used(now) >= int(self.limits.messages * min(self.shares, default=1.0)):
            self.refused_messages += 1
            return False
        self.messages.add(1, now)
        return True

    def post(self) -> bool:
        """Whether a request is taken in; it is in flight until `answered`."""
        if self.in_flight >= self.limits.posts_in_flight:
            self.refused_posts += 1
            return False
        self.in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)
        return True

    def answered(self) -> None:
        """A request has its answer."""
        self.in_flight -= 1


class AddressMeter:
    """Actions of one account in all its life, and the trickle that is left beyond the allowance.

    Recorded: "(15965 > 15855)" where 15856 are allowed. So an action is refused where the count before it
    exceeds the allowance less one, and a batch that finds one left goes as a whole.
    """

    def __init__(self, limits: AddressLimits, used: int = 0) -> None:
        self.limits = limits
        self.used = used
        self.refused = 0
        self.ceilings: list[int] = []
        """No more than the least of these is allowed, whatever was earned."""
        self._free_at = Ns(0)

    def cap(self, traded: Usd) -> int:
        """Actions allowed to an account with that volume."""
        return min(self.limits.cap(traded), min(self.ceilings, default=MANY))

    def cancel_cap(self, traded: Usd) -> int:
        """The count at which cancels are stopped, too."""
        return self.limits.cancel_cap_of(self.cap(traded))

    def admits(self, n: int, traded: Usd, now: Ns, *, is_cancel: bool) -> bool:
        """Count a batch of n actions, or refuse it as a whole.

        Beyond the allowance one action goes every so often, of whatever kind; a batch of n keeps the way
        closed n times as long.
        """
        if self.used >= (self.cancel_cap(traded) if is_cancel else self.cap(traded)):
            if now < self._free_at:
                self.refused += 1
                return False
            self._free_at = Ns(now + n * self.limits.limited_interval)
        self.used += n
        return True

    def charge_stale(self, n: int) -> None:
        """A batch of n had expired when its block came: it was counted once and counts several times."""
        self.used += n * (self.limits.stale_cost - 1)


class OpenOrderCap:
    """How many orders of one account may rest."""

    def __init__(self, limits: OpenOrderLimits) -> None:
        self.limits = limits
        self.refused = 0
        self.peak = 0
        """Most that rested at once."""

    def admits(self, n_open: int, traded: Usd, *, reduce_only: bool, may_rest: bool) -> bool:
        """Whether another order is taken beside so many that rest."""
        limits = self.limits
        is_full = may_rest and n_open >= limits.cap(traded)
        if is_full or (reduce_only and n_open >= limits.reduce_only_below):
            self.refused += 1
            return False
        return True

    def note(self, n_open: int) -> None:
        """So many rest now."""
        self.peak = max(self.peak, n_open)


@dataclass(slots=True)
class Wire:
    """The meters of one IP address."""

    ip: IpMeter
    sockets: ConnectionMeter


@dataclass(slots=True)
class Wires:
    """The meters of every IP address, made when it is first seen."""

    limits: VenueLimits
    by_ip: dict[str, Wire] = field(default_factory=dict)

    def of(self, ip: str) -> Wire:
        """Those of one address."""
        if ip not in self.by_ip:
            self.by_ip[ip] = Wire(IpMeter(self.limits.ip), ConnectionMeter(self.limits.socket))
        return self.by_ip[ip]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of its allowances an account and its IP address used; for reports."""

    rest_weight: int
    """Of all requests by REST."""
    rest_weight_peak: int
    rest_weight_limit: int
    messages: int
    """All messages by socket."""
    messages_peak: int
    messages_limit: int
    posts_in_flight_peak: int
    posts_in_flight_limit: int
    actions_used: int
    actions_cap: int
    open_orders_peak: int
    open_orders_cap: int
    refused: dict[str, int]
    """What was refused, by the limit that did it."""


def usage(wire: Wire, address: AddressMeter, orders: OpenOrderCap, traded: Usd) -> Usage:
    """The figures of an account with that volume that uses one IP address."""
    ip, sockets = wire.ip, wire.sockets
    refused = {
        "ip_weight": ip.refused,
        "messages": sockets.refused_messages,
        "posts_in_flight": sockets.refused_posts,
        "connections": sockets.refused_connections,
        "subscriptions": sockets.refused_subscriptions,
        "actions": address.refused,
        "open_orders": orders.refused,
    }
    return Usage(
        rest_weight=ip.window.total,
        rest_weight_peak=ip.window.peak,
        rest_weight_limit=ip.limits.weight,
        messages=sockets.messages.total,
        messages_peak=sockets.messages.peak,
        messages_limit=sockets.limits.messages,
        posts_in_flight_peak=sockets.in_flight_peak,
        posts_in_flight_limit=sockets.limits.posts_in_flight,
        actions_used=address.used,
        actions_cap=address.cap(traded),
        open_orders_peak=orders.peak,
        open_orders_cap=orders.limits.cap(traded),
        refused={name: count for name, count in refused.items() if count},
    )
