"""The venue itself: what an exchange must never do, so that the rules which watch it are seen to work."""

from collections.abc import Callable, Iterable

from msgspec import structs

from domain.commands import AnyAction, Place
from domain.events import (
    AnyResult,
    Executed,
    Fill,
    OrderStatus,
    PositionsReport,
    Reason,
    Refused,
    Resting,
)
from domain.instrument import Instrument
from domain.units import AccountId, Ns, Oid, Px, Side, Sz, Tif, Usd
from sim.liquidity.base import NOBODY, Admit, MatchResult, Trade
from sim.liquidity.book import Book, Discipline
from sim.venue import checks as checks_module
from sim.venue import front as front_module
from sim.venue import queries as queries_module
from sim.venue.accounts import Account, Ledger
from sim.venue.clearing import Clearing
from sim.venue.engine import Engine
from sim.venue.margin import Margins
from sim.venue.market import Market
from sim.venue.orders import AccountOrders, OwnOrder
from sim.venue.publications import FILLS, POSITIONS, News, Publication
from sim.venue.reports import Client, Reports
from sim.venue.signers import Nonces
from studies.sabotage import Patch, does_nothing, instead, sabotage, says_no

# --- queues and prices --------------------------------------------------------------------------


def _partial_goes_last(original: Callable[..., MatchResult]) -> Callable[..., MatchResult]:
    def match(
        self: Book,
        side: Side,
        px_limit: Px | None,
        sz: Sz,
        taker_account: AccountId = NOBODY,
        admit: Admit | None = None,
    ) -> MatchResult:
        found = original(self, side, px_limit, sz, taker_account, admit)
        last = found.executions[-1][0] if found.executions else None
        if last is not None and last.oid in self:
            queue = self._level_of(last).orders
            queue[last.oid] = queue.pop(last.oid)
        return found

    return match


def _partial_of_flow_goes_last(original: Callable[..., Sz]) -> Callable[..., Sz]:
    def take(self: Book, side: Side, limit: int, sz: Sz, n: int, trades: list[Trade]) -> Sz:
        left = original(self, side, limit, sz, n, trades)
        last = self.get(trades[-1][1]) if trades else None
        if last is not None:
            queue = self._level_of(last).orders
            queue[last.oid] = queue.pop(last.oid)
        return left

    return take


PARTIAL_FILL_GOES_LAST = sabotage(
    "an order that was filled in part goes to the end of its queue",
    Patch(Book, "match", _partial_goes_last),
    Patch(Book, "_take", _partial_of_flow_goes_last),
)

Placed = Callable[[Engine, Client, Place], Resting | Executed | Refused]


def _takes(original: Placed) -> Placed:
    def place(self: Engine, client: Client, place: Place) -> Resting | Executed | Refused:
        market = self.markets[place.instrument]
        if place.tif is Tif.ALO and market.liquidity.would_cross(place.side, place.px):
            return self._take(client, market, self._new_order(client, place), place.sz)
        return original(self, client, place)

    return place


POST_ONLY_TAKES = sabotage(
    "a post-only order that would cross takes",
    Patch(Engine, "place", _takes),
)


def _inside_the_limit(original: Callable[..., None]) -> Callable[..., None]:
    def match(
        self: Clearing,
        market: Market,
        side: Side,
        px: Px,
        sz: Sz,
        taker: OwnOrder | Oid,
        maker: OwnOrder | Oid,
        now: Ns,
    ) -> None:
        tick = market.instrument.tick_at(px)
        original(self, market, side, Px(px - side * tick), sz, taker, maker, now)

    return match


TRADE_THROUGH = sabotage(
    "a match is booked a tick beyond the limit of the order that rested",
    Patch(Clearing, "match", _inside_the_limit),
)

RESTS_CROSSED = sabotage(
    "an order that would cross comes to rest",
    Patch(Book, "would_cross", says_no),
)

# --- reports ------------------------------------------------------------------------------------

ONE_IN = 5


def _loses_some(original: Callable[..., None]) -> Callable[..., None]:
    def ended(
        self: Reports, client: Client, order: OwnOrder, status: OrderStatus, reason: Reason | None, now: Ns
    ) -> None:
        original(self, client, order, status, reason, now)
        if order.oid % ONE_IN == 0:
            client.news.updates.pop()

    return ended


LOST_END = sabotage(
    f"the end of one order in {ONE_IN} is not reported",
    Patch(Reports, "ended", _loses_some),
)

Publish = Callable[[Account, AccountOrders, Margins, News, Ns, list[Publication]], None]


def _positions_first(original: Publish) -> Publish:
    def publish(
        account: Account, orders: AccountOrders, margins: Margins, news: News, now: Ns, outbox: list[Publication]
    ) -> None:
        told: list[Publication] = []
        original(account, orders, margins, news, now, told)
        rank = {POSITIONS: 0, FILLS: 1}
        ordered = sorted(told, key=lambda each: rank.get(each.channel, 2) if each.channel in rank else 2)
        numbers = sorted(each.number for each in told)
        outbox += [each._replace(number=number) for each, number in zip(ordered, numbers, strict=True)]

    return publish


POSITIONS_BEFORE_FILLS = sabotage(
    "the position of a block is told before the fills that made it",
    Patch(front_module, "publish_account", _positions_first),
)

BEHIND = Ns(2_000_000_000)


def _stamped_before(original: Callable[..., AnyResult]) -> Callable[..., AnyResult]:
    def answer(query: AnyAction, *args: object) -> AnyResult:
        found = original(query, *args)
        if isinstance(found, PositionsReport):
            return structs.replace(found, as_of=Ns(found.as_of - BEHIND))
        return found

    return answer


STATEMENT_NEWER_THAN_ITS_STAMP = sabotage(
    "an answer holds fills that are newer than the moment that it names",
    Patch(queries_module, "answer", _stamped_before),
)

# --- requests -----------------------------------------------------------------------------------

NONCE_TAKEN_TWICE = sabotage(
    "a request that comes twice is carried out twice",
    Patch(Nonces, "error", does_nothing),
)


def _ends_twice(original: Callable[..., None]) -> Callable[..., None]:
    def ended(
        self: Reports, client: Client, order: OwnOrder, status: OrderStatus, reason: Reason | None, now: Ns
    ) -> None:
        original(self, client, order, status, reason, now)
        if status is OrderStatus.CANCELED:
            self._status(client, order)

    return ended


CANCELLED_TWICE = sabotage(
    "a cancel works twice",
    Patch(Reports, "ended", _ends_twice),
)

# --- money --------------------------------------------------------------------------------------


def _twice(original: Callable[..., None]) -> Callable[..., None]:
    def match(
        self: Clearing,
        market: Market,
        side: Side,
        px: Px,
        sz: Sz,
        taker: OwnOrder | Oid,
        maker: OwnOrder | Oid,
        now: Ns,
    ) -> None:
        original(self, market, side, px, sz, taker, maker, now)
        if isinstance(maker, OwnOrder):
            original(self, market, side, px, sz, taker, maker, now)

    return match


DOUBLE_MATCH = sabotage(
    "a match with an order of ours is booked twice",
    Patch(Clearing, "match", _twice),
)


def _moves_twice(original: Callable[..., None]) -> Callable[..., None]:
    def filled(self: Reports, client: Client, fill: Fill) -> None:
        original(self, client, fill)
        client.account.trade(fill.instrument, fill.side, fill.px, fill.sz, Usd(0))

    return filled


POSITION_MOVES_TWICE = sabotage(
    "a fill moves the position of its account twice",
    Patch(Reports, "filled", _moves_twice),
)


def _gives_back(original: Callable[..., Usd]) -> Callable[..., Usd]:
    def charge(self: Ledger, account: Account, instrument: Instrument, notional: Usd, *, is_taker: bool) -> Usd:
        return Usd(-original(self, account, instrument, notional, is_taker=is_taker))

    return charge


FEE_SIGN = sabotage(
    "a fee is paid to the account and into the pool",
    Patch(Ledger, "charge", _gives_back),
)

# --- what an order may do -----------------------------------------------------------------------


def _as_asked(place: Place, account: Account) -> Sz:
    del account
    return place.sz


def _any_reduce_only(original: Callable[..., Sz]) -> Callable[..., Sz]:
    def admitted(self: Engine, own: OwnOrder, px: Px, lots: Sz, touched: object) -> Sz:
        was, own.reduce_only = own.reduce_only, False
        try:
            return original(self, own, px, lots, touched)
        finally:
            own.reduce_only = was

    return admitted


REDUCE_ONLY_ADDS = sabotage(
    "an order that may only reduce turns the position round",
    Patch(checks_module, "allowed_size", instead(_as_asked)),
    Patch(Engine, "_admitted", _any_reduce_only),
    Patch(Engine, "_trim", does_nothing),
)


def _last_in(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Book, *, watched: Iterable[AccountId] = (), discipline: Discipline = Discipline.FIFO) -> None:
        del discipline
        original(self, watched=watched, discipline=Discipline.LIFO)

    return init


LAST_IN_FIRST_OUT = sabotage(
    "who came last trades first",
    Patch(Book, "__init__", _last_in),
)
