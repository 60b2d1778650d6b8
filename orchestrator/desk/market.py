"""What we know of the market in one instrument: top of book, mid, ages, trades seen.

The top is the newer, by exchange time, of the best bid and offer and the book snapshot. Replayed
and repeated trades are recognised by their id and reach the estimators once (MS-08).
"""

from collections import OrderedDict

from domain.events import BboChanged, BookReported, Level, PublicTrade, TradesPrinted
from domain.units import Ns, Px, Tid

TRADES_REMEMBERED = 4_096


class Market:
    """Latest state of one market, as received."""

    __slots__ = (
        "_tids",
        "ask",
        "bid",
        "exch_time",
        "mid2",
        "n_bad",
        "n_books",
        "n_quotes",
        "n_repeated_trades",
        "n_superseded",
        "n_trades",
        "recv_time",
    )

    def __init__(self) -> None:
        """Know nothing."""
        self.bid: Level | None = None
        self.ask: Level | None = None
        self.mid2: int | None = None
        """Best bid plus best ask: twice the mid in base ticks; None unless the book is sound."""
        self.exch_time = Ns(-1)
        self.recv_time: Ns | None = None
        """When data that advanced the venue's clock last arrived."""
        self.n_books = 0
        self.n_quotes = 0
        self.n_trades = 0
        self.n_superseded = 0
        """Messages older than what we had: counted, not used."""
        self.n_repeated_trades = 0
        self.n_bad = 0
        """Messages with impossible prices or sizes: counted, not used."""
        self._tids: OrderedDict[Tid, None] = OrderedDict()

    @property
    def mid(self) -> float | None:
        """Mid in base ticks; None unless the book is two-sided and not crossed."""
        return None if self.mid2 is None else self.mid2 / 2

    @property
    def is_crossed(self) -> bool:
        """Two-sided with bid at or above ask."""
        return self.bid is not None and self.ask is not None and self.bid[0] >= self.ask[0]

    def best(self, *, bid: bool) -> Px | None:
        """Best price of a side."""
        level = self.bid if bid else self.ask
        return None if level is None else level[0]

    def on_bbo(self, event: BboChanged, now: Ns) -> bool:
        """Take in a new top; True if the market state advanced."""
        self.n_quotes += 1
        return self._advance(event.bid, event.ask, event.exch_time, now)

    def on_book(self, event: BookReported, now: Ns) -> bool:
        """Take in a snapshot; True if the market state advanced."""
        self.n_books += 1
        bids, asks = event.bids, event.asks
        bid, ask = bids[0] if bids else None, asks[0] if asks else None
        return self._advance(bid, ask, event.exch_time, now)

    def forget(self) -> None:
        """After a gap the old top is history; counters, trade ids and the venue's time stay."""
        self.bid = self.ask = None
        self.mid2 = None
        self.recv_time = None

    def new_trades(self, event: TradesPrinted) -> list[PublicTrade]:
        """The trades of a frame that we have not seen, oldest first."""
        fresh = []
        tids = self._tids
        for trade in event.trades:
            if trade.tid in tids:
                self.n_repeated_trades += 1
            elif trade.px <= 0 or trade.sz <= 0:
                self.n_bad += 1
            else:
                tids[trade.tid] = None
                fresh.append(trade)
        while len(tids) > TRADES_REMEMBERED:
            tids.popitem(last=False)
        self.n_trades += len(fresh)
        return fresh

    def age(self, now: Ns) -> Ns | None:
        """Time since data that advanced the venue's clock; None before the first."""
        return None if self.recv_time is None else Ns(now - self.recv_time)

    def _advance(self, bid: Level | None, ask: Level | None, exch_time: Ns, now: Ns) -> bool:
        if exch_time < self.exch_time:
            self.n_superseded += 1
            return False
        if (bid is not None and (bid[0] <= 0 or bid[1] <= 0)) or (ask is not None and (ask[0] <= 0 or ask[1] <= 0)):
            self.n_bad += 1
            return False
        if exch_time > self.exch_time or self.recv_time is None:
            self.exch_time = exch_time
            self.recv_time = now
        self.bid, self.ask = bid, ask
        sound = bid is not None and ask is not None and bid[0] < ask[0]
        self.mid2 = bid[0] + ask[0] if sound and bid and ask else None
        return True
