"""What the venue says: a queue of publications that the world carries over the links.

Nothing here promises an order between channels: inside a block the links decide who hears what first.
"""

from collections.abc import Iterable
from typing import NamedTuple

from domain.events import (
    AnyEvent,
    AnyResult,
    Channel,
    ChannelKind,
    Fill,
    OpenOrdersReported,
    OrderUpdate,
    PositionsReported,
    Replied,
)
from domain.units import AccountId, InstrumentId, Ns, RequestId
from sim.venue.accounts import Account, Ledger
from sim.venue.margin import Margins
from sim.venue.market import Market
from sim.venue.orders import NO_TIME, AccountOrders

ORDER_UPDATES = Channel(ChannelKind.ORDER_UPDATES)
FILLS = Channel(ChannelKind.FILLS)
POSITIONS = Channel(ChannelKind.POSITIONS)
OPEN_ORDERS = Channel(ChannelKind.OPEN_ORDERS)


class Publication(NamedTuple):
    """Something that leaves the venue: public (no account), on a channel, or a reply (no channel)."""

    account: AccountId | None
    channel: Channel | None
    events: tuple[AnyEvent, ...]
    number: int = 0
    """Counts what is addressed to an account, without a gap: whatever is missing was lost on the way."""


class News:
    """What happened to one account in this block, and has not been told."""

    __slots__ = ("fills", "has_cash_moved", "has_orders_changed", "replies", "told", "updates")

    def __init__(self) -> None:
        self.updates: list[OrderUpdate] = []
        self.fills: list[Fill] = []
        self.replies: list[tuple[RequestId, tuple[AnyResult, ...]]] = []
        self.has_orders_changed = False
        self.has_cash_moved = False
        """Funding, or what a liquidation took."""
        self.told = 0
        """Publications addressed to this account so far."""

    def publication(self, account: AccountId, channel: Channel | None, events: Iterable[AnyEvent]) -> Publication:
        """The next publication for this account."""
        self.told += 1
        return Publication(account, channel, tuple(events), self.told)

    def reply(self, account: AccountId, request: RequestId, results: tuple[AnyResult, ...]) -> Publication:
        """The answer to a request."""
        return self.publication(account, None, (Replied(request, NO_TIME, results),))


def positions_of(account: Account, margins: Margins, now: Ns) -> PositionsReported:
    """Every open position and the cash of an account."""
    return PositionsReported(now, NO_TIME, margins.entries(account), account.cash, account.transferred())


def open_orders_of(orders: AccountOrders, now: Ns) -> OpenOrdersReported:
    """Every resting order of an account, oldest first."""
    return OpenOrdersReported(now, NO_TIME, tuple([order.listed() for order in orders.open.values()]))


def account_frame(
    account: Account, orders: AccountOrders, margins: Margins, kind: ChannelKind, now: Ns
) -> tuple[AnyEvent, ...]:
    """What a subscription to an account's state shows first; order updates show nothing."""
    if kind is ChannelKind.POSITIONS:
        return (positions_of(account, margins, now),)
    return (open_orders_of(orders, now),) if kind is ChannelKind.OPEN_ORDERS else ()


def market_frame(market: Market, kind: ChannelKind, now: Ns) -> AnyEvent:
    """What a subscription to an instrument shows first."""
    if kind is ChannelKind.BBO:
        return market.bbo(now)
    if kind is ChannelKind.BOOK:
        return market.book(now)
    if kind is ChannelKind.TRADES:
        return market.replayed_trades(now)
    raise ValueError(f"{kind} is not a channel of an instrument")


def publish_account(
    account: Account, orders: AccountOrders, margins: Margins, news: News, now: Ns, outbox: list[Publication]
) -> None:
    """Tell an account its news of a block."""
    if news.updates:
        outbox.append(news.publication(account.id, ORDER_UPDATES, news.updates))
        news.updates.clear()
    if news.fills:
        outbox.append(news.publication(account.id, FILLS, news.fills))
    if news.fills or news.has_cash_moved:
        outbox.append(news.publication(account.id, POSITIONS, (positions_of(account, margins, now),)))
        news.fills.clear()
        news.has_cash_moved = False
    if news.has_orders_changed:
        outbox.append(news.publication(account.id, OPEN_ORDERS, (open_orders_of(orders, now),)))
        news.has_orders_changed = False
    for request, results in news.replies:
        outbox.append(news.reply(account.id, request, results))
    news.replies.clear()


class PublicChannels:
    """The public channels of one instrument."""

    def __init__(self, instrument: InstrumentId) -> None:
        self.bbo = Channel(ChannelKind.BBO, instrument)
        self.trades = Channel(ChannelKind.TRADES, instrument)
        self.book = Channel(ChannelKind.BOOK, instrument)
        self.context = Channel(ChannelKind.CONTEXT, instrument)

    def publish(self, market: Market, ledger: Ledger, now: Ns, outbox: list[Publication]) -> None:
        """Tell everybody what a block did to a market."""
        if market.prices.updated_at == now:
            context = market.context(ledger.open_interest(market.instrument.id), now)
            outbox.append(Publication(None, self.context, (context,)))
        if market.is_touched:
            market.is_touched = False
            if (bbo := market.changed_bbo(now)) is not None:
                outbox.append(Publication(None, self.bbo, (bbo,)))
            if (trades := market.trades(now)) is not None:
                outbox.append(Publication(None, self.trades, (trades,)))
        if (book := market.due_book(now)) is not None:
            outbox.append(Publication(None, self.book, (book,)))
