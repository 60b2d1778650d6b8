"""What every monitor looks at: one frozen state of one instrument and its account (RK-01..08).

The parts that remember something over time are here, too: how far the mid is from where it was, and what the
account won and lost. None of them knows a limit; that is for the monitors.
"""

from collections import deque
from math import exp
from typing import NamedTuple

from domain.units import NS_PER_S, USD, Frac, InstrumentId, Ns, Pos, Sz, Usd

BALANCED = 0.1
"""An imbalance of at most this share of all pending orders counts as balanced (RK-08)."""

DAY = Ns(24 * 3_600 * NS_PER_S)
SAMPLE = Ns(3_600 * NS_PER_S)
"""Distance of the profits that are remembered over a day."""


class RiskState(NamedTuple):
    """One instrument and its account at one moment; quantities in lots, money in micro-USD.

    Without pending orders the worst cases are the position (RK-05).
    """

    instrument: InstrumentId
    position: Pos = Pos(0)
    limit: Sz = Sz(0)
    """Hard limit of the position; 0: not known yet."""
    mid: float | None = None
    """In base ticks; None while there is no sound book."""
    data_age: Ns | None = None
    """Since the last data that could be quoted on, lost connections included; None before the first."""
    velocity: Frac = Frac(0.0)
    """How fast the mid moves, per second."""
    displacement: Frac = Frac(0.0)
    """How far the mid is from its average over the cascade's window."""
    pending_bid: Sz = Sz(0)
    """Resting bids, what is left of them."""
    pending_ask: Sz = Sz(0)
    fillable_bid: Sz = Sz(0)
    """Bids that may still fill: in flight and unknown ones included (C-15)."""
    fillable_ask: Sz = Sz(0)
    is_believed: bool = True
    """Whether the mid is where it was, or several messages say that it is not: a single price may be garbage."""
    loss: float = 0.0
    """What the account lost within a day; 0 after a gain."""
    drawdown: float = 0.0
    """What the account is below its best."""
    limits_value: float = 0.0
    """What the position limits of all instruments are worth."""
    rate_errors: int = 0
    """Requests that the venue turned away for being too many, lately."""
    sz_scale: int = 1
    """Lots per unit of size, for texts."""
    exchange_limit: Sz | None = None
    """Largest position that the venue allows, whatever the account is worth; None: not known."""
    margin_used: float | None = None
    """Share of the account's value that positions tie up; None where they need no margin."""
    invalid_messages: int = 0
    """Messages of market data in a row that could not be true."""
    reconnects: int = 0
    """Since the last data: 1 once a connection was lost, and one more for each that failed or brought nothing."""

    def size(self, lots: int) -> str:
        """Lots as people write them."""
        return f"{lots / self.sz_scale:.10g}"

    @property
    def net_pending_change(self) -> Pos:
        """Resting bids minus resting asks (RK-03)."""
        return Pos(self.pending_bid - self.pending_ask)

    @property
    def worst_case_max_position(self) -> Pos:
        """The position if all bids that may fill do, and no ask (RK-04)."""
        return Pos(self.position + self.fillable_bid)

    @property
    def worst_case_min_position(self) -> Pos:
        """The position if all asks that may fill do, and no bid (RK-04)."""
        return Pos(self.position - self.fillable_ask)

    def worst_case_exceeds_long(self) -> bool:
        """Whether bids could take the position beyond its limit (RK-06)."""
        return 0 < self.limit < self.worst_case_max_position

    def worst_case_exceeds_short(self) -> bool:
        """Whether asks could take the position beyond its limit (RK-06)."""
        return 0 < self.limit < -self.worst_case_min_position

    def worst_case_exceeds_limits(self) -> bool:
        """Either of the two."""
        return self.worst_case_exceeds_long() or self.worst_case_exceeds_short()

    def exceeds_exchange_limit(self) -> bool:
        """Whether the venue would not let the position become as large as it is."""
        return self.exchange_limit is not None and abs(self.position) > self.exchange_limit

    def worst_case_position_value(self) -> Usd | None:
        """Largest exposure that may come, at the mid (RK-07); None without a mid."""
        if self.mid is None:
            return None
        worst = max(abs(self.worst_case_max_position), abs(self.worst_case_min_position))
        return Usd(round(worst * self.mid))

    def is_book_balanced(self) -> bool:
        """Whether resting bids and asks are about equal (RK-08); an empty book is."""
        whole = self.pending_bid + self.pending_ask
        return abs(self.net_pending_change) <= BALANCED * whole


class Trail:
    """Where the mid was: its exponential average over a time constant.

    The distance of the mid from it is a move that has not become old news. A steady move of `v` per second ends up
    `v` times the constant away; a jump counts in full and is forgotten at that pace; a flicker leaves next to nothing.
    """

    __slots__ = ("_constant", "_ema", "_mid", "_time")

    def __init__(self, constant: Ns) -> None:
        """Begin without a past."""
        self._constant = constant
        self._ema: float | None = None
        self._mid = 0.0
        self._time = Ns(0)

    def restart(self) -> None:
        """Forget: after a gap in the data there is no move across it."""
        self._ema = None

    def glance(self, mid: float, time: Ns) -> Frac:
        """How far a mid is from the average that is not believed and so leaves no trace in it; 0 without a past."""
        if self._ema is None:
            return Frac(0.0)
        faded = exp(min(self._time - time, 0) / self._constant)
        return Frac(abs(mid / (self._mid + (self._ema - self._mid) * faded) - 1.0))

    def distance(self, mid: float, time: Ns) -> Frac:
        """Take in the mid of a moment on the venue's clock; how far it is from the average before it."""
        ema = self._ema
        if ema is None:
            self._ema, self._mid, self._time = mid, mid, time
            return Frac(0.0)
        if time > self._time:
            self._ema = ema = self._mid + (ema - self._mid) * exp((self._time - time) / self._constant)
            self._time = time
        self._mid = mid
        return Frac(abs(mid / ema - 1.0))


class ProfitAndLoss:
    """What the account is worth against its beginning: the loss of a day, the distance from its best.

    A life begins with what earlier lives of the journal left: their loss counts as of today. A person who lifts a
    kill accepts what was lost: both figures begin anew, in later lives too (`begin`).
    """

    def __init__(self) -> None:
        """Nothing won, nothing lost."""
        self.pnl = 0.0
        self.peak = 0.0
        self.has_news = False
        """Whether losses count from somewhere else than they did when that was last recorded."""
        self._is_known = False
        self._forgives = False
        """A person has accepted a loss that we have not seen yet."""
        self._hours: deque[tuple[Ns, float]] = deque(((Ns(0), 0.0),))

    @property
    def loss(self) -> float:
        """What is gone since a day ago, in micro-USD; 0 after a gain."""
        return max(self._hours[0][1] - self.pnl, 0.0)

    @property
    def drawdown(self) -> float:
        """Distance from the best of this life, in micro-USD."""
        return self.peak - self.pnl

    def update(self, pnl: float, now: Ns, *, is_marked: bool = True) -> None:
        """The account is worth so much more than at the beginning.

        Where not every open position has met a mark, it may be worth less: that is no best to be measured against.
        """
        self.pnl = pnl
        self._is_known = True
        if self._forgives:
            self.forgive(now)
        if not is_marked:
            return
        self.peak = max(self.peak, pnl)
        hours = self._hours
        if now - hours[-1][0] >= SAMPLE:
            hours.append((now, pnl))
            while now - hours[1][0] >= DAY:
                hours.popleft()

    def forgive(self, now: Ns) -> None:
        """Count from here, or from the first result that is known."""
        self._forgives = not self._is_known
        if self._is_known:
            self.peak = self.pnl
            self._hours = deque(((now, self.pnl),))
            self.has_news = True

    def begin(self, forgiven: Usd) -> None:
        """What was lost down to this result was accepted in an earlier life."""
        self.pnl = self.peak = float(forgiven)
        self._hours = deque(((Ns(0), self.pnl),))


def usd(micro: float) -> str:
    """Money for a reason: USD with cents."""
    return f"{micro / USD:,.2f} USD"
