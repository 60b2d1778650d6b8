"""What everybody may see of one instrument: its top, its book, its trades.

A trade id is a 50-bit hash of the two order ids, the buyer's first, as the venue documents it.
"""

from collections import deque
from hashlib import blake2b

from domain.events import BboChanged, BookReported, ContextReported, Level, PublicTrade, TradesPrinted
from domain.instrument import Instrument
from domain.limits import VenueLimits
from domain.units import Ns, Oid, Px, Side, Sz, Tid
from sim.liquidity.base import Liquidity
from sim.venue.config import Reference, VenueConfig
from sim.venue.funding import RATE_SCALE, FundingMeter
from sim.venue.mark import Prices
from sim.venue.orders import NO_TIME

TID_BITS = 50


def trade_id(buyer: Oid, seller: Oid, meeting: int = 0) -> Tid:
    """Id of a match of two orders; ``meeting`` tells apart what would otherwise get an id twice."""
    key = f"{buyer}/{seller}" if not meeting else f"{buyer}/{seller}/{meeting}"
    return Tid(int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) >> (64 - TID_BITS))


class Market:
    """One instrument: its liquidity and what was published of it."""

    def __init__(self, instrument: Instrument, liquidity: Liquidity, limits: VenueLimits, config: VenueConfig) -> None:
        self.instrument = instrument
        self.liquidity = liquidity
        self.prices = Prices(config.mark)
        """Oracle and mark."""
        self.funding = None if config.funding is None else FundingMeter(config.funding, instrument.id)
        self.px_steps: list[int] = []
        """Faults that make ticks wider: the widest counts, in ticks of the price grid."""
        self.sz_steps: list[int] = []
        """The same for lots."""
        self.is_touched = False
        """Whether something may have changed since the last block."""
        self.printed: list[PublicTrade] = []
        """Trades of this block so far."""
        self.recent: deque[PublicTrade] = deque(maxlen=limits.trades_replayed)
        self.last_px: Px | None = None
        self.top: tuple[Level | None, Level | None] = (None, None)
        """Bid and ask as last published."""
        self._levels = limits.book_levels
        self._book_interval = limits.book_interval
        self._next_book_at = NO_TIME
        self._tids: set[Tid] = set()
        """Trade ids of watched accounts: theirs must never repeat."""

    @property
    def px_step(self) -> int:
        """Ticks of the price grid of which a price must be a multiple."""
        return max(self.px_steps, default=1)

    @property
    def sz_step(self) -> int:
        """Lots of which a size must be a multiple."""
        return max(self.sz_steps, default=1)

    # --- trades ---------------------------------------------------------------------------------

    def print_trade(self, side: Side, px: Px, sz: Sz, taker: Oid, maker: Oid, now: Ns) -> None:
        """A match between two of the crowd."""
        tid = trade_id(taker, maker) if side > 0 else trade_id(maker, taker)
        self._print(PublicTrade(side, px, sz, tid, now))

    def print_own_trade(self, side: Side, px: Px, sz: Sz, taker: Oid, maker: Oid, now: Ns) -> Tid:
        """A match with a watched account in it; its id, which no other such match has had."""
        tid = self.new_tid(taker, maker) if side > 0 else self.new_tid(maker, taker)
        self._print(PublicTrade(side, px, sz, tid, now))
        return tid

    def new_tid(self, buyer: Oid, seller: Oid) -> Tid:
        """An id that no other match of a watched account has had."""
        meeting = 0
        while (tid := trade_id(buyer, seller, meeting)) in self._tids:
            meeting += 1
        self._tids.add(tid)
        return tid

    def _print(self, trade: PublicTrade) -> None:
        self.printed.append(trade)
        self.recent.append(trade)
        self.last_px = trade.px

    # --- prices ---------------------------------------------------------------------------------

    def reference_price(self, reference: Reference) -> float | None:
        """The price around which orders are accepted; None while there is no price at all."""
        if reference is Reference.MARK and self.prices.mark is not None:
            return self.prices.mark
        bid, ask = self.liquidity.best_bid(), self.liquidity.best_ask()
        mid = None if bid is None or ask is None else (bid + ask) / 2
        if reference is Reference.LAST:
            return mid if self.last_px is None else self.last_px
        return self.last_px if mid is None else mid

    # --- what is published ----------------------------------------------------------------------

    def bbo(self, now: Ns) -> BboChanged:
        """The present top."""
        bid, ask = self._best()
        return BboChanged(self.instrument.id, now, NO_TIME, bid, ask)

    def changed_bbo(self, now: Ns) -> BboChanged | None:
        """The top after a block, if it is not what was published last."""
        top = self._best()
        if top == self.top:
            return None
        self.top = top
        return BboChanged(self.instrument.id, now, NO_TIME, *top)

    def context(self, open_interest: Sz, now: Ns) -> ContextReported:
        """Prices, which there are, and what goes with them."""
        oracle, mark = self.prices.oracle, self.prices.mark
        assert oracle is not None, "no price was made yet"  # noqa: S101 - our own bug
        assert mark is not None, "no price was made yet"  # noqa: S101 - our own bug
        hourly = 0 if self.funding is None else round(self.funding.hourly * RATE_SCALE)
        return ContextReported(self.instrument.id, now, NO_TIME, oracle, mark, hourly, open_interest)

    def trades(self, now: Ns) -> TradesPrinted | None:
        """The trades of a block in one frame, if there are any."""
        if not self.printed:
            return None
        frame = TradesPrinted(self.instrument.id, now, NO_TIME, tuple(self.printed))
        self.printed.clear()
        return frame

    def replayed_trades(self, now: Ns) -> TradesPrinted:
        """What the first frame after a subscription replays, oldest first."""
        return TradesPrinted(self.instrument.id, now, NO_TIME, tuple(self.recent))

    def book(self, now: Ns) -> BookReported:
        """The best levels of both sides."""
        levels = self.liquidity.levels
        bids, asks = levels(Side.BUY, self._levels), levels(Side.SELL, self._levels)
        return BookReported(self.instrument.id, now, NO_TIME, tuple(bids), tuple(asks))

    def due_book(self, now: Ns) -> BookReported | None:
        """The book, where the last one is old enough for the next."""
        if now < self._next_book_at:
            return None
        self._next_book_at = Ns(now + self._book_interval)
        return self.book(now)

    def _best(self) -> tuple[Level | None, Level | None]:
        levels = self.liquidity.levels
        bids, asks = levels(Side.BUY, 1), levels(Side.SELL, 1)
        return bids[0] if bids else None, asks[0] if asks else None
