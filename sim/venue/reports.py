"""What comes about at the venue is written down here once: for its client, the digest and the taps."""

from collections.abc import Callable

from domain.events import AnyResult, Fill, OrderStatus, OrderUpdate, Reason
from domain.limits import VenueLimits
from domain.units import AccountId, Ns, RequestId, Sz
from sim.venue.accounts import Account
from sim.venue.dead_man import DeadMan
from sim.venue.meters import AddressMeter, OpenOrderCap
from sim.venue.orders import AccountOrders, OwnOrder
from sim.venue.publications import News
from sim.venue.signers import Signature


class Client:
    """A watched account: its money, its orders, its fills, and what it has not been told yet."""

    __slots__ = ("account", "actions", "dead_man", "fills", "news", "order_cap", "orders")

    def __init__(self, account: Account, orders_kept: int, limits: VenueLimits, actions_used: int = 0) -> None:
        self.account = account
        self.actions = AddressMeter(limits.address, actions_used)
        self.order_cap = OpenOrderCap(limits.open_orders)
        self.dead_man = DeadMan(limits.schedule)
        self.orders = AccountOrders(orders_kept)
        self.fills: list[Fill] = []
        """Oldest first, as far as they are kept."""
        self.news = News()


class Taps:
    """Callbacks for those who watch the truth: checks, invariants, tables. They must not change it."""

    def __init__(self) -> None:
        self.on_update: list[Callable[[AccountId, OrderUpdate], None]] = []
        """Every status of every order of a watched account, in the order in which they come about."""
        self.on_fill: list[Callable[[AccountId, Fill], None]] = []
        """Every fill, at its match."""
        self.on_run: list[Callable[[AccountId, Signature | None, Ns | None], None]] = []
        """Every trading request that is carried out, with its signature and its expiry."""
        self.on_terminal: list[Callable[[OwnOrder], None]] = []
        """Every order at its one end."""


class Reports:
    """The statuses, fills and answers of a block, as they come about."""

    def __init__(self, fills_kept: int) -> None:
        self.taps = Taps()
        self.statuses: list[OrderUpdate] = []
        self.fills: list[Fill] = []
        self.told: dict[AccountId, Client] = {}
        """Clients with news, in the order in which they came by it."""
        self._fills_kept = fills_kept

    def accepted(self, client: Client, order: OwnOrder, now: Ns) -> None:
        """An order is open; nothing of it has traded yet, as the log tells it (recorded)."""
        order.open(now)
        self._status(client, order, order.sz)

    def shrunk(self, client: Client, order: OwnOrder, now: Ns) -> None:
        """An order is open with less."""
        order.open(now)
        self._status(client, order)

    def ended(self, client: Client, order: OwnOrder, status: OrderStatus, reason: Reason | None, now: Ns) -> None:
        """An order has its terminal status."""
        order.end(status, reason, now)
        client.orders.ended(order)
        self._status(client, order)
        for tap in self.taps.on_terminal:
            tap(order)

    def listing_changed(self, client: Client) -> None:
        """Another order rests, or one rests with another size, or no longer."""
        client.news.has_orders_changed = True
        self.told[client.account.id] = client

    def cash_moved(self, client: Client) -> None:
        """Money came or went without a fill."""
        client.news.has_cash_moved = True
        self.told[client.account.id] = client

    def filled(self, client: Client, fill: Fill) -> None:
        """One match of one order."""
        self.fills.append(fill)
        client.news.fills.append(fill)
        client.fills.append(fill)
        if len(client.fills) >= 2 * self._fills_kept:
            del client.fills[: -self._fills_kept]
        self.told[client.account.id] = client
        for tap in self.taps.on_fill:
            tap(client.account.id, fill)

    def replied(self, client: Client, request: RequestId, results: tuple[AnyResult, ...]) -> None:
        """A request has its answer."""
        client.news.replies.append((request, results))
        self.told[client.account.id] = client

    def clear(self) -> None:
        """The block is over and told."""
        self.statuses.clear()
        self.fills.clear()
        self.told.clear()

    def _status(self, client: Client, order: OwnOrder, remaining: Sz | None = None) -> None:
        update = order.update(remaining)
        self.statuses.append(update)
        client.news.updates.append(update)
        self.told[client.account.id] = client
        for tap in self.taps.on_update:
            tap(client.account.id, update)
