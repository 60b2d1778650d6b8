"""What we know of the market in one instrument: top of book, mid, ages, trades seen.

The top is the newer, by exchange time, of the best bid and offer and the book snapshot. Replayed
and repeated trades are recognised by their id and reach the estimators once (MS-08).

Its age counts from the venue's stamp where the venue's clock is known: what was long on its way is old when it
arrives. A stamp that lies in the future is an error of whoever made it: such data is counted and not used, because
it would supersede everything after it.
"""

from collections import OrderedDict

from domain.events import BboChanged, BookReported, ChannelKind, ClockSync, Level, PublicTrade, TradesPrinted
from domain.units import Ns, Px, Tid, millis
from orchestrator.desk.anomalies import Anomaly
from orchestrator.desk.sanity import DataQualityConfig, Sanity

TRADES_REMEMBERED = 4_096


class Market:
    """Latest state of one market, as received."""

    __slots__ = (
        "_behind",
        "_heard_before",
        "_shift",
        "_tids",
        "_tolerance",
        "_too_far",
        "ask",
        "bid",
        "clock",
        "delay",
        "exch_time",
        "gaps",
        "known_at",
        "mid2",
        "n_books",
        "n_frames",
        "n_future",
        "n_quotes",
        "n_repeated_trades",
        "n_superseded",
        "n_taken",
        "n_trades",
        "recv_time",
        "sanity",
        "time",
    )

    def __init__(self, config: DataQualityConfig) -> None:
        """Know nothing, the venue's clock neither."""
        self.sanity = Sanity(config)
        self.bid: Level | None = None
        self.ask: Level | None = None
        self.mid2: int | None = None
        """Best bid plus best ask: twice the mid in base ticks; None unless the book is sound."""
        self.exch_time = Ns(-1)
        """The newest stamp of this connection."""
        self.time = Ns(-1)
        """The same for estimators: never back, not even where a new connection begins with an earlier stamp."""
        self.recv_time: Ns | None = None
        """When data that advanced the venue's clock last arrived."""
        self.delay = 0
        """How long that data was on its way at the least; 0 while the venue's clock is not known."""
        self.known_at: Ns | None = None
        """Of when what we knew last is, whatever connections were lost since; None before the first."""
        self.gaps = 0
        """Connections that were lost since then."""
        self.clock: ClockSync | None = None
        """How the venue's clock stands to ours, as well as we know."""
        self.n_books = 0
        self.n_quotes = 0
        self.n_frames = 0
        """Messages with trades."""
        self.n_trades = 0
        self.n_superseded = 0
        """Messages older than what we had: counted, not used."""
        self.n_repeated_trades = 0
        self.n_taken = 0
        """Tops and snapshots that became the market we see."""
        self.n_future = 0
        """Messages and trades stamped in the future: counted, not used."""
        self._tolerance = millis(config.max_future_ms)
        self._heard_before = (0, 0, 0)
        """Tops, books and frames of trades of the connections before this one."""
        self._shift = 0
        """Makes `time` of the stamps of this connection."""
        self._behind: int | None = None
        """Plus a stamp: the latest moment, on our clock, at which the venue can have made it; None: clock not known."""
        self._too_far = 0
        """A stamp further than this beyond its receipt is impossible."""
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

    def on_clock(self, clock: ClockSync) -> None:
        """The clocks were compared; what arrives from now on is judged by it.

        Of two comparisons that can both be true the one with the smaller error stays: a slow handshake tells little.
        Where they contradict each other a clock was set, or has drifted, and the newer one counts.
        """
        known = self.clock
        if known is not None:
            apart = abs(known.offset - clock.offset)
            if known.error < clock.error and apart <= known.error + clock.error:
                return
        self.clock = clock
        self._behind = clock.error - clock.offset
        self._too_far = clock.offset + clock.error + self._tolerance

    def on_bbo(self, event: BboChanged) -> bool:
        """Take in a new top; True if the market state advanced."""
        self.n_quotes += 1
        if event.seq is not None:
            self.sanity.number(ChannelKind.BBO, event.seq)
        return self._advance(ChannelKind.BBO, event.bid, event.ask, event.exch_time, event.recv_time)

    def on_book(self, event: BookReported) -> bool:
        """Take in a snapshot; True if the market state advanced."""
        self.n_books += 1
        if event.seq is not None:
            self.sanity.number(ChannelKind.BOOK, event.seq)
        bids, asks = event.bids, event.asks
        if not self.sanity.is_in_order(bids, asks):
            return False
        bid, ask = bids[0] if bids else None, asks[0] if asks else None
        return self._advance(ChannelKind.BOOK, bid, ask, event.exch_time, event.recv_time)

    def forget(self) -> None:
        """After a gap the old top is history; counters and trade ids stay. Stamps start over with the next message.

        So a bad stamp that was believed (nobody knew the venue's clock) blinds us for one connection at most.
        """
        self.bid = self.ask = None
        self.mid2 = None
        self.recv_time = None
        self._heard_before = (self.n_quotes, self.n_books, self.n_frames)
        self.sanity.forget()

    def heard(self, kind: ChannelKind) -> int:
        """Messages of a channel on this connection."""
        quotes, books, frames = self._heard_before
        if kind is ChannelKind.BBO:
            return self.n_quotes - quotes
        return self.n_books - books if kind is ChannelKind.BOOK else self.n_frames - frames

    def new_trades(self, event: TradesPrinted) -> list[PublicTrade]:
        """The trades of a frame that we have not seen, oldest first."""
        fresh = []
        self.n_frames += 1
        tids, sanity = self._tids, self.sanity
        if event.seq is not None:
            sanity.number(ChannelKind.TRADES, event.seq)
        latest = None if self._behind is None else event.recv_time + self._too_far
        for trade in event.trades:
            if trade.tid in tids:
                self.n_repeated_trades += 1
            elif latest is not None and trade.exch_time > latest:
                self.n_future += 1
                sanity.anomalies.note(ChannelKind.TRADES, Anomaly.FUTURE_STAMP)
            elif sanity.believes_trade(trade):
                tids[trade.tid] = None
                fresh.append(trade)
        if event.trades:
            sanity.on_frame(event.trades[-1], event.recv_time, fresh)
        while len(tids) > TRADES_REMEMBERED:
            tids.popitem(last=False)
        self.n_trades += len(fresh)
        return fresh

    def age(self, now: Ns) -> Ns | None:
        """Age of what we know: time since data that advanced the venue's clock arrived, and its way before.

        None before the first. The way is max(recv - (stamp - offset) - error, 0), so without doubt at least so long.
        A top that should have changed since is as old as its last change, whatever its stamps say.
        """
        if self.recv_time is None:
            return None
        return Ns(now - self._as_of(self.recv_time - self.delay, now))

    def ladder_age(self, now: Ns) -> Ns | None:
        """The same across lost connections: since we last knew something; None before the first."""
        return None if self.known_at is None else Ns(now - self._as_of(self.known_at, now))

    def _as_of(self, known_at: int, now: Ns) -> int:
        frozen = self.sanity.frozen_since(now)
        return known_at if frozen is None else min(known_at, frozen)

    def estimator_time(self, exch_time: Ns) -> Ns:
        """A stamp of this connection on the scale of `time`."""
        return Ns(exch_time + self._shift)

    def _advance(
        self, channel: ChannelKind, bid: Level | None, ask: Level | None, exch_time: Ns, recv_time: Ns
    ) -> bool:
        behind = self._behind
        if behind is not None and exch_time > recv_time + self._too_far:
            self.n_future += 1
            self.sanity.reject(channel, Anomaly.FUTURE_STAMP)
            return False
        is_late = self.sanity.is_late(channel, exch_time)
        if is_late or (exch_time < self.exch_time and self.recv_time is not None):
            self.n_superseded += 1
            return False
        if not self.sanity.believes(channel, bid, ask, exch_time, recv_time):
            return False
        if self.recv_time is None:  # a connection begins
            self._shift = max(self.time - exch_time, 0)
        if exch_time > self.exch_time or self.recv_time is None:
            self.exch_time = self.time = exch_time
            if self._shift:
                self.time = self.estimator_time(exch_time)
            self.recv_time = recv_time
            if behind is not None:
                delay = recv_time - exch_time - behind
                self.delay = max(0, delay)
            self.known_at = Ns(recv_time - self.delay)
            self.gaps = 0
        self.n_taken += 1
        self.bid, self.ask = bid, ask
        sound = bid is not None and ask is not None and bid[0] < ask[0]
        self.mid2 = bid[0] + ask[0] if sound and bid and ask else None
        return True
