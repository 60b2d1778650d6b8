"""Short ways to write the messages and parts that these tests are made of."""

from types import SimpleNamespace

from domain.commands import AnyCommand, Request
from domain.events import (
    AnyResult,
    BboChanged,
    BookReported,
    Fill,
    OpenOrder,
    OrderStatus,
    OrderUpdate,
    PublicTrade,
    Replied,
    TradesPrinted,
)
from domain.instrument import Instrument
from domain.orders import TrackedOrder
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
    millis,
    seconds,
)

ETH = Instrument(InstrumentId("ETH"), sz_decimals=2)
"""Base tick 0.0001; near 2000 the effective tick is 1,000 base ticks, that is 0.1."""
BTC = Instrument(InstrumentId("BTC"), sz_decimals=3)
MID = 20_000_000
"""2000.0 in base ticks of ETH."""
TICK = 1_000

BUY, SELL = Side.BUY, Side.SELL


def live_feed(*, is_live: bool = True, epoch: int = 1) -> SimpleNamespace:
    """A user feed as far as the ledger knows it; tests change its fields."""
    deaf = {"on_answer": lambda *_: None, "on_unanswered": lambda *_: None}
    return SimpleNamespace(is_live=is_live, epoch=Epoch(epoch), **deaf)


def ms(value: float) -> Ns:
    return millis(value)


def s(value: float) -> Ns:
    return seconds(value)


def cloid(number: int) -> Cloid:
    return Cloid(f"0x{number:032x}")


def bbo(
    bid: int | None, ask: int | None, time: int, *, recv: int | None = None, instrument: Instrument = ETH
) -> BboChanged:
    """A top stamped ``time``; it arrives at ``recv``, or at once."""
    return BboChanged(
        instrument.id,
        Ns(time),
        Ns(time if recv is None else recv),
        None if bid is None else (Px(bid), Sz(100), 1),
        None if ask is None else (Px(ask), Sz(100), 1),
    )


def book(
    bids: list[int], asks: list[int], time: int, *, recv: int | None = None, instrument: Instrument = ETH
) -> BookReported:
    """A snapshot stamped ``time``; it arrives at ``recv``, or at once."""
    return BookReported(
        instrument.id,
        Ns(time),
        Ns(time if recv is None else recv),
        tuple((Px(px), Sz(100), 1) for px in bids),
        tuple((Px(px), Sz(100), 1) for px in asks),
    )


def trades(
    *entries: tuple[int, int, int], time: int, taker: Side = Side.BUY, instrument: Instrument = ETH
) -> TradesPrinted:
    """Entries are (tid, px, exchange time)."""
    made = tuple(PublicTrade(taker, Px(px), Sz(1), Tid(tid), Ns(at)) for tid, px, at in entries)
    return TradesPrinted(instrument.id, Ns(time), Ns(time), made)


def update(order: TrackedOrder, status: OrderStatus, oid: int, *, remaining: int | None = None, at: int = 0):
    """A status of an order as the venue would send it; ``remaining`` defaults to what the status implies."""
    left = (0 if status is OrderStatus.FILLED else order.sz) if remaining is None else remaining
    return OrderUpdate(
        order.instrument, Ns(at), Ns(at), Oid(oid), order.cloid, order.side, order.px, order.sz, Sz(left), status
    )


def fill_of(order: TrackedOrder, tid: int, sz: int, *, oid: int, px: int | None = None, at: int = 0, **changes) -> Fill:
    told = {
        "instrument": order.instrument,
        "exch_time": Ns(at),
        "recv_time": Ns(at),
        "tid": Tid(tid),
        "oid": Oid(oid),
        "cloid": order.cloid,
        "side": order.side,
        "px": order.px if px is None else Px(px),
        "sz": Sz(sz),
        "fee": Usd(0),
        "is_taker": False,
        "start_position": Pos(0),
        "closed_pnl": Usd(0),
    }
    return Fill(**told | changes)


def fill(tid: int, side: Side, sz: int, px: int, *, at: int = 0, fee: int = 0, oid: int = 1, **changes) -> Fill:
    told = {
        "instrument": ETH.id,
        "exch_time": Ns(at),
        "recv_time": Ns(at),
        "tid": Tid(tid),
        "oid": Oid(oid),
        "cloid": None,
        "side": side,
        "px": Px(px),
        "sz": Sz(sz),
        "fee": Usd(fee),
        "is_taker": False,
        "start_position": Pos(0),
        "closed_pnl": Usd(0),
    }
    return Fill(**told | changes)


def open_order(order: TrackedOrder, oid: int) -> OpenOrder:
    return OpenOrder(
        order.instrument,
        Oid(oid),
        order.cloid,
        order.side,
        order.px,
        order.sz,
        order.remaining,
        order.tif,
        order.reduce_only,
        order.placed_at,
    )


def stray(oid: int, *, instrument: Instrument = ETH, side: Side = BUY, px: int = MID - 10 * TICK, sz: int = 10):
    """A resting order of ours that this life knows nothing of."""
    return OpenOrder(instrument.id, Oid(oid), cloid(9_000 + oid), side, Px(px), Sz(sz), Sz(sz), Tif.ALO, False, Ns(0))


def replied(request: Request, *results: AnyResult, at: int = 0) -> Replied:
    return Replied(request.request_id, Ns(at), results)


def requests(commands: list[AnyCommand]) -> list[Request]:
    return [command for command in commands if isinstance(command, Request)]


def actions(commands: list[AnyCommand]) -> list:
    """Every action asked for, in order."""
    return [action for request in requests(commands) for action in request.actions]


def unknown_request(number: int) -> RequestId:
    return RequestId(10_000 + number)
