"""What can happen: every fact that reaches the trader, as a frozen message.

Events are past tense. ``exch_time`` is the venue's clock, ``recv_time`` the moment at which the
message reached this process. A venue's trouble is an event with a reason, never an exception.
Channels promise no order between each other: a fill may come before the order it belongs to is
known, a cancel may be confirmed before the fill that preceded it.
"""

from enum import StrEnum

import msgspec

from domain.expiry import UNTOLD_EXPIRY
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
    CONTEXT = "context"
    """Oracle, mark, funding rate, open interest."""
    ORDER_UPDATES = "order_updates"
    FILLS = "fills"
    POSITIONS = "positions"
    OPEN_ORDERS = "open_orders"

    @property
    def feed(self) -> Feed:
        """The feed that carries this channel."""
        market = (ChannelKind.BBO, ChannelKind.BOOK, ChannelKind.TRADES, ChannelKind.CONTEXT)
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
    """Refused: too little money for the position. Or ended by the venue, for the same reason, at its match."""
    OPEN_INTEREST = "open_interest"
    """The instrument is at its cap of open interest."""
    REDUCE_ONLY_WOULD_INCREASE = "reduce_only_would_increase"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    POST_ONLY_MODE = "post_only_mode"
    """For a while after an upgrade the venue takes nothing but post-only orders."""
    HALTED = "halted"
    """The instrument does not trade; its orders can still be cancelled."""
    CANCEL_ONLY = "cancel_only"
    """The whole venue takes cancels and nothing else."""
    # the payload itself is wrong: one error for the whole batch
    EMPTY_BATCH = "empty_batch"
    MISSING_CLOID = "missing_cloid"
    """A placement without a client id, which nobody could tell from another after a lost answer."""
    ZERO_SIZE = "zero_size"
    INVALID_SIZE = "invalid_size"
    INVALID_PRICE = "invalid_price"
    PRICE_TOO_FAR = "price_too_far"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    EXPIRED = "expired"
    # too much was asked: the request was turned away as a whole, and nothing of it happened
    RATE_LIMITED = "rate_limited"
    """The weight of the IP address is used up: HTTP 429, for queries, too."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """The account's allowance of actions is used up: one in ten seconds goes."""
    TOO_MANY_IN_FLIGHT = "too_many_in_flight"
    """Too many requests by socket wait for their answers."""
    # who signed it, and whether it was signed before
    UNKNOWN_SIGNER = "unknown_signer"
    """The venue knows no such key: the agent has expired, or the signature is over other bytes."""
    INVALID_NONCE = "invalid_nonce"
    """This number was used before, or is too far from the time of the block. What used it may have been this very
    request on another way, so it says nothing of the orders."""
    # the scheduled cancel
    SCHEDULE_TOO_EARLY = "schedule_too_early"
    SCHEDULE_NOT_ALLOWED = "schedule_not_allowed"
    """Too little volume traded, or fired too often today."""
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
    SCHEDULED = "scheduled"
    """Cancelled by the dead-man switch that we set."""
    DELISTED = "delisted"
    """Cancelled because trading was halted."""
    LIQUIDATED = "liquidated"
    """Cancelled because the account fell below its maintenance margin."""
    # the way to the venue
    FEED_DOWN = "feed_down"
    STALE_EPOCH = "stale_epoch"
    CIRCUIT_OPEN = "circuit_open"
    """The trader itself held it back: whatever way it could take has failed again and again."""
    CONNECT_FAILED = "connect_failed"
    CLOSED_BY_VENUE = "closed_by_venue"
    CLOSED_BY_US = "closed_by_us"
    NO_PONG = "no_pong"
    """The connection did not answer a ping in time: it is half-open, and the adapter closed it."""
    OTHER = "other"


PAYLOAD_REASONS = frozenset(
    (
        Reason.EMPTY_BATCH,
        Reason.MISSING_CLOID,
        Reason.ZERO_SIZE,
        Reason.INVALID_SIZE,
        Reason.INVALID_PRICE,
        Reason.PRICE_TOO_FAR,
        Reason.UNKNOWN_INSTRUMENT,
        Reason.EXPIRED,
        Reason.RATE_LIMITED,
        Reason.QUOTA_EXHAUSTED,
        Reason.TOO_MANY_IN_FLIGHT,
        Reason.UNKNOWN_SIGNER,
    )
)
"""Refusals of a whole payload: the venue gives one of these for all its actions."""

SAYS_NOTHING_OF_ORDERS = frozenset((Reason.INVALID_NONCE, Reason.UNKNOWN_SIGNER))
"""Refusals of a request that may have been carried out before, when it came by another way."""


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
    expires_in: Ns | None = UNTOLD_EXPIRY
    """How long from now on it may still arrive at the venue, at most; None: for ever."""
    fills: tuple[tuple[Tid, Sz], ...] = ()
    """Those of its fills that are booked already: they come no second time."""


class Adjustment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A correction of our position to what the venue stated, until the fills that it stands for arrive."""

    as_of: Ns
    """Moment of the statement: it contains every fill up to then."""
    lots: Pos
    """What no fill has explained yet, signed."""
    px: float | None
    """Mark at which the correction is booked, in base ticks; None until the first one."""


class Transfers(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What moved an account's cash other than fills: funding received less paid, and what liquidations took."""

    instrument: InstrumentId
    total: Usd
    """Sum over the account's whole life."""


class RestoredLedger(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the fills of earlier lives add up to for one instrument."""

    instrument: InstrumentId
    position: Pos
    """All that we hold, outstanding adjustments included."""
    cash: Usd
    """Cash of the fills, fees included; that of the adjustments follows from them."""
    fees: Usd
    opening: Pos = Pos(0)
    """Part of the position that the account had before the first life: it has no cash of ours."""
    adjustments: tuple[Adjustment, ...] = ()
    """Corrections that no fill has explained yet, oldest first."""
    opening_value: Usd | None = None
    """At what the opening was valued, once and for all lives; None: it has not met a mark."""


class RestoredQuota(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the last life knew of the account's allowance: what it believed of the venue, and its own count since."""

    used: int
    """Actions."""
    traded: Usd
    """Volume that the account has traded in all its life."""


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
    opened_at: Ns = Ns(-1)
    """Fills up to this exchange time are part of what the account had before the first life; -1: none are."""
    transfers: tuple[Transfers, ...] = ()
    """What moved our cash other than fills, since the first statement of it."""
    transfers_stated: tuple[Transfers, ...] | None = None
    """The latest statement; None: there was none yet."""
    transfers_as_of: Ns = Ns(-1)
    """Its moment."""
    fills_until: Ns = Ns(-1)
    """Exchange time of the latest fill that is booked, where some before it may be missing; -1: none is."""
    forgiven: Usd = Usd(0)
    """Result from which on losses count: what a person accepted who lifted a kill."""
    nonces_from: int = 0
    """No nonce of an earlier life is as large as this one; the adapter begins here."""
    is_unread: bool = False
    """No life has read the account and none has placed anything: fills that were told may be its history."""
    liquidated: str | None = None
    """What the last life heard of a liquidation, where it died before it decided on it."""
    connects: tuple[Ns, ...] = ()
    """How long ago, at least, each attempt to connect within the last minute was made, oldest first: the venue counts
    them over lives."""
    quota: RestoredQuota | None = None
    """Where the count of actions goes on until the venue is heard; None: nothing was sent, or nobody counted."""

    @property
    def is_opening(self) -> bool:
        """Whether this life is to find out what the account had before us."""
        return self.life == 1 or self.is_unread


class Woke(Event, frozen=True):
    """A deadline of ours passed and nothing else happened."""


class StopRequested(Event, frozen=True):
    """A person or the run's end wants an orderly shutdown."""

    reason: str


class KillReset(Event, frozen=True):
    """A person lifted the kill switch."""

    by: str


class NoncesReserved(Event, frozen=True):
    """The driver's note before something signed leaves: this life uses no nonce from here on, until the next note."""

    below: int


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
    seq: int | None = None
    """Number of the message on its channel and connection; None: the venue does not number them (Hyperliquid)."""


class BboChanged(Event, frozen=True):
    """The top of the book after a block that changed it."""

    instrument: InstrumentId
    exch_time: Ns
    recv_time: Ns
    bid: Level | None
    ask: Level | None
    seq: int | None = None
    """As of a book."""


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
    seq: int | None = None
    """As of a book."""


class ContextReported(Event, frozen=True):
    """What margin and funding are computed with, whenever the venue made new prices."""

    instrument: InstrumentId
    exch_time: Ns
    recv_time: Ns
    oracle: Px
    mark: Px
    funding: int
    """Rate of an hour that accrues at present, in 10^-10."""
    open_interest: Sz
    """All long positions, in lots; the crowd's are netted."""


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


class LiquidationMethod(StrEnum):
    """How a position was taken from an account below its maintenance margin."""

    MARKET = "market"
    """Sold into the book."""
    BACKSTOP = "backstop"
    """Handed to the liquidator, with what was left of the margin."""
    ADL = "adl"
    """Closed against the most profitable positions of the other side (auto-deleveraging)."""
    SETTLEMENT = "settlement"
    """Closed at the mark because the instrument is no longer listed."""


class LiquidationMark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a fill says that closed a position by force."""

    method: LiquidationMethod
    mark_px: Px
    """Mark price at which the account was found short of margin."""


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
    liquidation: LiquidationMark | None = None
    """Where the venue closed the position by force."""


class PositionEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A position as the venue states it; flat instruments are absent from a complete report."""

    instrument: InstrumentId
    position: Pos
    liquidation_px: float | None = None
    """Mark, in base ticks, at which it would be liquidated if nothing else moved; None: at none."""


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
    transfers: tuple[Transfers, ...] = ()
    """Complete: an instrument that is not named never had any."""


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
    transfers: tuple[Transfers, ...] = ()
    """As in PositionsReported."""


class OrderStatusReport(Result, frozen=True):
    """Answer to QueryOrder; ``update`` is None when the venue does not know the id (yet)."""

    as_of: Ns
    update: OrderUpdate | None


class MarginMode(StrEnum):
    """Whose money answers for a position."""

    CROSS = "cross"
    """All of the account's."""
    ISOLATED = "isolated"
    """Its own margin only."""


class InstrumentLimits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the venue enforces for one instrument and account."""

    instrument: InstrumentId
    sz_decimals: int
    min_notional: Usd
    max_leverage: int
    max_position: Sz
    """Largest absolute position the account may hold."""
    leverage: int | None = None
    """Position value over initial margin, as it is set for the account; None: positions need no margin."""
    mode: MarginMode = MarginMode.CROSS
    """How a position in it is margined."""
    tiers: tuple[tuple[Usd, int], ...] = ()
    """(value from which on, largest leverage) of the tiers above the first, which begins at nothing."""
    px_step: int = 1
    """Prices must be a multiple of so many ticks of the price grid; 1 on an ordinary day."""
    sz_step: int = 1
    """Sizes must be a multiple of so many lots."""


class AccountMargin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an account is worth at the mark, and what of it is tied up."""

    value: Usd
    """Cash and positions; isolated ones with their own margin."""
    used: Usd
    """Initial margin of cross positions, and all that isolated ones hold."""
    maintenance: Usd
    """Below this much value the venue liquidates."""


class LimitsReport(Result, frozen=True):
    """Answer to QueryLimits."""

    as_of: Ns
    limits: tuple[InstrumentLimits, ...]
    margin: AccountMargin | None = None
    """None: the account has credit without end."""


class QuotaReport(Result, frozen=True):
    """Answer to QueryQuota: the account's actions. What its IP address has used the venue does not say."""

    as_of: Ns
    traded: Usd
    """Volume that the account has traded in all its life."""
    used: int
    """Actions sent."""
    cap: int
    """Actions allowed so far."""
    surplus: int = 0
    """Actions bought and not used yet."""


class Scheduled(Result, frozen=True):
    """The dead-man switch is set, or taken back."""


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
    | QuotaReport
    | Scheduled
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
    | NoncesReserved
    | ClockSync
    | BookReported
    | BboChanged
    | TradesPrinted
    | ContextReported
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
