"""What can happen: every fact that reaches the trader, as a frozen message.

Events are past tense. ``exch_time`` is the venue's clock, ``recv_time`` the moment at which the
message reached this process. A venue's trouble is an event with a reason, never an exception.
Channels promise no order between each other: a fill may come before the order it belongs to is
known, a cancel may be confirmed before the fill that preceded it.
"""

from enum import StrEnum

import msgspec

from domain.units import (
    Cloid,
    Epoch,
    InstrumentId,
    Ns,
    Oid,
    Pos,
    Px,
    RequestId,
    Side,
    Sz,
    Tid,
    Tif,
    Usd,
)

Level = tuple[Px, Sz, int]
"""One price level: price, total size, number of orders."""


class Feed(StrEnum):
    """A connection to the venue. Posts of the SOCKET route travel on USER."""

    MARKET = "market"
    USER = "user"


class ChannelKind(StrEnum):
    """What can be subscribed to."""

    BBO = "bbo"
    BOOK = "book"
    TRADES = "trades"
    ORDER_UPDATES = "order_updates"
    FILLS = "fills"
    POSITIONS = "positions"
    OPEN_ORDERS = "open_orders"

    @property
    def feed(self) -> Feed:
        """The feed that carries this channel."""
        market = (ChannelKind.BBO, ChannelKind.BOOK, ChannelKind.TRADES)
        return Feed.MARKET if self in market else Feed.USER


class OrderStatus(StrEnum):
    """What the venue says of an order. There is no partially-filled and no modified status."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why the venue, or the way to it, refused or ended something."""

    # rejected at placement
    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    IOC_NO_MATCH = "ioc_no_match"
    OFF_TICK = "off_tick"
    MIN_NOTIONAL = "min_notional"
    MARGIN = "margin"
    REDUCE_ONLY_WOULD_INCREASE = "reduce_only_would_increase"
    # the payload itself is wrong: one error for the whole batch
    EMPTY_BATCH = "empty_batch"
    ZERO_SIZE = "zero_size"
    INVALID_SIZE = "invalid_size"
    INVALID_PRICE = "invalid_price"
    PRICE_TOO_FAR = "price_too_far"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    EXPIRED = "expired"
    # cancel and modify
    NOT_OPEN = "not_open"
    """Never placed, already cancelled, or filled: the venue does not say which."""
    CANNOT_MODIFY = "cannot_modify"
    MODIFY_NEW_LEG = "modify_new_leg"
    """The new leg of a modify was refused; the old order is gone."""
    # ended by the venue
    SELF_TRADE = "self_trade"
    REDUCE_ONLY_TRIMMED = "reduce_only_trimmed"
    REQUESTED = "requested"
    """Cancelled because we asked."""
    # the way to the venue
    FEED_DOWN = "feed_down"
    STALE_EPOCH = "stale_epoch"
    CONNECT_FAILED = "connect_failed"
    CLOSED_BY_VENUE = "closed_by_venue"
    CLOSED_BY_US = "closed_by_us"
    OTHER = "other"


PAYLOAD_REASONS = frozenset(
    (
        Reason.EMPTY_BATCH,
        Reason.ZERO_SIZE,
        Reason.INVALID_SIZE,
        Reason.INVALID_PRICE,
        Reason.PRICE_TOO_FAR,
        Reason.UNKNOWN_INSTRUMENT,
        Reason.EXPIRED,
    )
)
"""Refusals of a whole payload: the venue gives one of these for all its actions."""


class Event(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Root of all events; the tag makes a journal of them self-describing."""


class Channel(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A subscription: account-wide kinds carry no instrument."""

    kind: ChannelKind
    instrument: InstrumentId | None = None


# --- life ---------------------------------------------------------------------------------------


class RestoredOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An intent of an earlier life whose end the journal does not show."""

    instrument: InstrumentId
    cloid: Cloid
    side: Side
    px: Px
    sz: Sz


class RestoredLedger(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the fills of earlier lives add up to for one instrument."""

    instrument: InstrumentId
    position: Pos
    cash: Usd
    fees: Usd
    opening: Pos = Pos(0)
    """Part of the position that the account had before the first life: it has no cash of ours."""


class Restored(Event, frozen=True):
    """First event of each life: the fold of the journal so far."""

    life: int
    life_seed: int
    orders: tuple[RestoredOrder, ...] = ()
    ledgers: tuple[RestoredLedger, ...] = ()
    tids: tuple[Tid, ...] = ()
    """Trade ids already applied, oldest first (bounded by the deduplicator's capacity)."""
    fills_since: Ns = Ns(0)
    """Exchange time up to which fills are known."""
    kill: str | None = None
    """Reason of a kill that a person has not reset."""
    clean_stop: bool = True


class Woke(Event, frozen=True):
    """A deadline of ours passed and nothing else happened."""


class StopRequested(Event, frozen=True):
    """A person or the run's end wants an orderly shutdown."""

    reason: str


class KillReset(Event, frozen=True):
    """A person lifted the kill switch."""

    by: str


class ClockSync(Event, frozen=True):
    """The adapter's estimate of venue clock minus our clock."""

    offset: Ns
    error: Ns


# --- market data --------------------------------------------------------------------------------


class BookReported(Event, frozen=True):
    """A complete snapshot of the best levels, best first on each side."""

    instrument: InstrumentId
    exch_time: Ns
    recv_time: Ns
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BboChanged(Event, frozen=True):
    """The top of the book after a block that changed it."""

    instrument: InstrumentId
    exch_time: Ns
    recv_time: Ns
    bid: Level | None
    ask: Level | None


class PublicTrade(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One match, seen by everybody; ``side`` is the taker's."""

    side: Side
    px: Px
    sz: Sz
    tid: Tid
    exch_time: Ns


class TradesPrinted(Event, frozen=True):
    """Trades of one block, oldest first. The first frame after a subscribe replays history."""

    instrument: InstrumentId
    exch_time: Ns
    recv_time: Ns
    trades: tuple[PublicTrade, ...]


# --- the account --------------------------------------------------------------------------------


class OrderUpdate(Event, frozen=True):
    """A status of one of our orders; ``remaining`` also after it ended (its unfilled rest)."""

    instrument: InstrumentId
    exch_time: Ns
    recv_time: Ns
    oid: Oid
    cloid: Cloid | None
    side: Side
    px: Px
    sz: Sz
    remaining: Sz
    status: OrderStatus
    reason: Reason | None = None


class Fill(Event, frozen=True):
    """One match of one of our orders. Channels and queries may repeat it: dedupe by ``tid``."""

    instrument: InstrumentId
    exch_time: Ns
    recv_time: Ns
    tid: Tid
    oid: Oid
    cloid: Cloid | None
    side: Side
    px: Px
    sz: Sz
    fee: Usd
    is_taker: bool
    start_position: Pos
    closed_pnl: Usd


class PositionEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A position as the venue states it; flat instruments are absent from a complete report."""

    instrument: InstrumentId
    position: Pos


class OpenOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A resting order as the venue lists it."""

    instrument: InstrumentId
    oid: Oid
    cloid: Cloid | None
    side: Side
    px: Px
    sz: Sz
    """Original size."""
    remaining: Sz
    tif: Tif
    reduce_only: bool
    placed_at: Ns


class PositionsReported(Event, frozen=True):
    """Pushed state of the account: every open position and the cash balance."""

    exch_time: Ns
    recv_time: Ns
    positions: tuple[PositionEntry, ...]
    cash: Usd


class OpenOrdersReported(Event, frozen=True):
    """Pushed list of all resting orders of the account."""

    exch_time: Ns
    recv_time: Ns
    orders: tuple[OpenOrder, ...]


# --- connections --------------------------------------------------------------------------------


class FeedUp(Event, frozen=True):
    """A feed is connected under a new epoch; nothing is subscribed yet."""

    feed: Feed
    epoch: Epoch
    recv_time: Ns


class Subscribed(Event, frozen=True):
    """The venue acknowledged a subscription; ``has_snapshot``: its state follows at once."""

    channel: Channel
    epoch: Epoch
    has_snapshot: bool
    recv_time: Ns


class FeedDown(Event, frozen=True):
    """A feed was lost, closed or could not be connected."""

    feed: Feed
    epoch: Epoch
    reason: Reason
    recv_time: Ns


# --- outcomes of requests -----------------------------------------------------------------------


class Result(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What became of one action of a request."""


class Resting(Result, frozen=True):
    """The order is on the book."""

    oid: Oid
    cloid: Cloid | None


class Executed(Result, frozen=True):
    """The order matched at once, wholly or in part."""

    oid: Oid
    cloid: Cloid | None
    filled: Sz
    avg_px: float
    """Average price in base ticks."""


class Cancelled(Result, frozen=True):
    """The cancel took effect; fills from before it may still be under way."""


class Refused(Result, frozen=True):
    """A structured refusal of this action; ``text`` is the venue's own."""

    reason: Reason
    text: str


class OpenOrdersReport(Result, frozen=True):
    """Answer to QueryOpenOrders: every resting order of the account."""

    as_of: Ns
    orders: tuple[OpenOrder, ...]


class FillsReport(Result, frozen=True):
    """Answer to QueryFills, oldest first; ``is_complete`` is False when a page ended early."""

    as_of: Ns
    fills: tuple[Fill, ...]
    is_complete: bool


class PositionsReport(Result, frozen=True):
    """Answer to QueryPositions: every open position and the cash balance."""

    as_of: Ns
    positions: tuple[PositionEntry, ...]
    cash: Usd


class OrderStatusReport(Result, frozen=True):
    """Answer to QueryOrder; ``update`` is None when the venue does not know the id (yet)."""

    as_of: Ns
    update: OrderUpdate | None


class InstrumentLimits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the venue enforces for one instrument and account."""

    instrument: InstrumentId
    sz_decimals: int
    min_notional: Usd
    max_leverage: int
    max_position: Sz
    """Largest absolute position the account may hold."""


class LimitsReport(Result, frozen=True):
    """Answer to QueryLimits."""

    as_of: Ns
    limits: tuple[InstrumentLimits, ...]


AnyResult = (
    Resting
    | Executed
    | Cancelled
    | Refused
    | OpenOrdersReport
    | FillsReport
    | PositionsReport
    | OrderStatusReport
    | LimitsReport
)


class Replied(Event, frozen=True):
    """The venue answered: one result per action, in order.

    A payload that fails pre-validation gets *one* Refused whatever the number of actions; fewer
    results than actions otherwise leave the rest unknown.
    """

    request_id: RequestId
    recv_time: Ns
    results: tuple[AnyResult, ...]


class NotSent(Event, frozen=True):
    """No byte of this request left: certainly nothing happened at the venue."""

    request_id: RequestId
    reason: Reason
    recv_time: Ns


AnyEvent = (
    Restored
    | Woke
    | StopRequested
    | KillReset
    | ClockSync
    | BookReported
    | BboChanged
    | TradesPrinted
    | OrderUpdate
    | Fill
    | PositionsReported
    | OpenOrdersReported
    | FeedUp
    | Subscribed
    | FeedDown
    | Replied
    | NotSent
)
