"""Answers to questions: from the truth, at once, outside of blocks."""

from bisect import bisect_left
from collections.abc import Mapping

from domain.commands import (
    AnyAction,
    QueryFills,
    QueryLimits,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    QueryQuota,
)
from domain.events import (
    AccountMargin,
    AnyResult,
    FillsReport,
    InstrumentLimits,
    LimitsReport,
    MarginMode,
    OpenOrdersReport,
    OrderStatusReport,
    PositionsReport,
    QuotaReport,
    Refused,
)
from domain.limits import VenueLimits
from domain.units import Cloid, InstrumentId, Ns, Usd
from sim.venue import texts
from sim.venue.accounts import Account
from sim.venue.margin import Margins, leverage_of
from sim.venue.market import Market
from sim.venue.reports import Client


def answer(
    query: AnyAction, client: Client, markets: Mapping[InstrumentId, Market], limits: VenueLimits, now: Ns
) -> AnyResult:
    """The answer to one query of an account."""
    match query:
        case QueryOpenOrders():
            return OpenOrdersReport(now, tuple([order.listed() for order in client.orders.open.values()]))
        case QueryFills(since):
            return fills_since(client, since, limits.fills_page, now)
        case QueryPositions():
            account = client.account
            return PositionsReport(now, Margins(markets).entries(account), account.cash, account.transferred())
        case QueryOrder(cloid):
            return order_status(client, cloid, now)
        case QueryLimits(instruments):
            return limits_report(client, instruments, markets, now)
        case QueryQuota():
            return quota(client, now)
        case _:
            raise TypeError(f"not a query: {query}")


def fills_since(client: Client, since: Ns, page: int, now: Ns) -> FillsReport:
    """Fills whose exchange time is not before ``since``, oldest first, at most a page of them."""
    start = bisect_left(client.fills, since, key=lambda fill: fill.exch_time)
    fills = client.fills[start : start + page]
    return FillsReport(now, tuple(fills), start + page >= len(client.fills))


def order_status(client: Client, cloid: Cloid, now: Ns) -> OrderStatusReport:
    """The present status of the youngest order of that client id."""
    order = client.orders.by_cloid(cloid)
    return OrderStatusReport(now, None if order is None else order.update())


def quota(client: Client, now: Ns) -> QuotaReport:
    """The account's actions, used and allowed."""
    traded, meter = client.account.traded, client.actions
    return QuotaReport(now, traded, meter.used, meter.cap(traded))


def limits_report(
    client: Client, instruments: tuple[InstrumentId, ...], markets: Mapping[InstrumentId, Market], now: Ns
) -> LimitsReport | Refused:
    """What the venue enforces for an account in some instruments; a refusal where it does not list one."""
    for name in instruments:
        if name not in markets:
            return texts.unknown_instrument(name)
    account = client.account
    limits = tuple(limits_of(account, markets[name]) for name in instruments)
    return LimitsReport(now, limits, margin_of(account, Margins(markets)))


def limits_of(account: Account, market: Market) -> InstrumentLimits:
    """What the venue enforces for an account in one instrument."""
    instrument = market.instrument
    return InstrumentLimits(
        instrument.id,
        instrument.sz_decimals,
        instrument.min_notional,
        instrument.max_leverage,
        account.max_position(instrument.id),
        None if account.margin is None else leverage_of(account.margin, instrument),
        MarginMode.ISOLATED if account.is_isolated(instrument.id) else MarginMode.CROSS,
        tuple((tier.lower_bound, tier.max_leverage) for tier in instrument.margin_tiers),
        px_step=market.px_step,
        sz_step=market.sz_step,
    )


def margin_of(account: Account, margins: Margins) -> AccountMargin | None:
    """What the account is worth and ties up; None where it has credit without end."""
    if account.margin is None:
        return None
    isolated = [name for name, position in account.positions.items() if position and account.is_isolated(name)]
    own = sum(margins.isolated_value(account, name) for name in isolated)
    needed = sum(margins.maintenance_of(account, name) for name in isolated)
    return AccountMargin(
        Usd(margins.value(account) + own),
        Usd(margins.initial(account) + own),
        Usd(margins.maintenance(account) + needed),
    )
