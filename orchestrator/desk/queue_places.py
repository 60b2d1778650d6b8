"""Where our resting orders stand in their queues, as far as that can be told from outside (CH-07, CH-23).

The venue says how much stands at a price, not whose it is. When an order of ours comes to rest, all that stood there is
ahead of it. Trades at the price take from the front. What a level loses otherwise was cancelled somewhere in it: ahead
and behind in proportion. What it gains comes behind. Where a price is beyond the levels that are published nobody knows
its queue: such an order has no place that could be spoken of, and none is made up.

Whatever is not known is counted as ahead, so that an estimate errs to the back. Integer lots. The plain rule does not
ask for it, and nothing is fed where no layer asks.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.events import BboChanged, BookReported, Level, PublicTrade
from domain.orders import TrackedOrder
from domain.units import Cloid, Ns, Px, Side, Sz

NEVER = Ns(-1)
MEAN_OF = 100
"""The mean size of a trade is one over about so many of the latest trades."""
NO_LEVELS: tuple[Level, ...] = ()


class Standing(NamedTuple):
    """The place of one order."""

    ahead: Sz
    """Lots of its level that trade before it."""
    level: Sz
    """Lots of its level, its own included."""


class _Seen(NamedTuple):
    """A side of the market at one moment."""

    levels: tuple[Level, ...] = NO_LEVELS
    at: Ns = NEVER


class _Place:
    """One order, between two looks at its level."""

    __slots__ = ("ahead", "at", "before", "early", "entered", "late", "order", "others")

    def __init__(self, order: TrackedOrder, entered: Ns, at: Ns) -> None:
        self.order = order
        self.entered = entered
        """When it came to rest, by the venue's clock."""
        self.ahead: int | None = None
        """At the last look; it can only be less since. None: its level was never seen."""
        self.others: int | None = None
        """What stood there then beside us; None: the level is out of sight now."""
        self.at = at
        """When that was."""
        self.before: tuple[int, int, Ns] | None = None
        """Ahead, others and time of the look before: for trades of the time between that are printed after it."""
        self.early = self.late = 0
        """Lots that traded at the price between the two looks, and since the last."""

    def look(self, others: int, at: Ns) -> None:
        """The level is seen at a later moment: so many lots stand there beside ours."""
        if (others, at) == (self.others, self.at):
            return
        if self.ahead is None:
            self.before, self.ahead, self.early = None, others, 0
        else:
            stood = self.ahead if self.others is None else max(self.others, self.ahead)
            self.before, self.early = (self.ahead, stood, self.at), self.late
            self.ahead = _left(self.ahead, stood, self.early, others)
        self.others, self.at, self.late = others, at, 0

    def trade(self, sz: int, at: Ns) -> None:
        """So much traded at the price; what a look has seen done already is not done twice."""
        if at > self.at:
            self.late += sz
        elif self.before is not None and self.others is not None and at > self.before[2]:
            ahead, stood, _ = self.before
            self.early += sz
            self.ahead = _left(ahead, stood, self.early, self.others)

    def clear(self, at: Ns) -> None:
        """Somebody traded beyond the price: nothing is ahead any more."""
        if self.ahead is not None:
            self.trade(self.ahead if self.before is None else max(self.ahead, self.before[0]), at)


def _left(ahead: int, stood: int, traded: int, stands: int) -> int:
    """What is left ahead of ``ahead`` in a level of ``stood`` lots, after trades, where ``stands`` are seen now."""
    ahead, stood = max(ahead - traded, 0), max(stood - traded, 0)
    return ahead if stands >= stood else -(-ahead * stands // stood)


class QueuePlaces:
    """The places of one desk's orders."""

    def __init__(self) -> None:
        """Nothing rests, nothing was seen."""
        self.mean_trade: float | None = None
        """Mean size of the latest trades in lots; None before the first."""
        self._places: dict[Cloid, _Place] = {}
        self._books = dict.fromkeys(Side, _Seen())
        self._tops = dict.fromkeys(Side, _Seen())
        self._n_trades = 0

    def of(self, cloid: Cloid) -> Standing | None:
        """The place of an order; None where its level is not in sight, or the venue has not said that it rests."""
        place = self._places.get(cloid)
        if place is None or place.ahead is None or place.others is None:
            return None
        ahead = max(place.ahead - place.late, 0)
        others = max(place.others - place.late, ahead)
        ours = self._own_at(place.order.side, place.order.px, max(place.at, place.entered))
        return Standing(Sz(ahead), Sz(others + ours))

    # --- the market -----------------------------------------------------------------------------

    def on_book(self, event: BookReported) -> None:
        """A snapshot that became the market we see."""
        self._see(self._books, event.bids, event.asks, event.exch_time)

    def on_top(self, event: BboChanged) -> None:
        """A new top that became the market we see."""
        bids = NO_LEVELS if event.bid is None else (event.bid,)
        asks = NO_LEVELS if event.ask is None else (event.ask,)
        self._see(self._tops, bids, asks, event.exch_time, is_top=True)

    def on_trade(self, trade: PublicTrade) -> None:
        """A public trade, seen once."""
        self._n_trades = min(self._n_trades + 1, MEAN_OF)
        mean = self.mean_trade or 0.0
        self.mean_trade = mean + (trade.sz - mean) / self._n_trades
        for place in self._places.values():
            order = place.order
            if order.side is trade.side:
                continue
            beyond = order.side * (order.px - trade.px)
            if beyond == 0:
                place.trade(trade.sz, trade.exch_time)
            elif beyond > 0:
                place.clear(trade.exch_time)

    def on_gap(self) -> None:
        """The feed was lost: no level is in sight. What was ahead can only have become less."""
        self._books = dict.fromkeys(Side, _Seen())
        self._tops = dict.fromkeys(Side, _Seen())
        for place in self._places.values():
            place.others = None

    # --- our orders -----------------------------------------------------------------------------

    def on_rest(self, order: TrackedOrder, at: Ns, live: Mapping[Cloid, TrackedOrder]) -> None:
        """The venue says that an order of ours rests, since ``at`` by its clock; ``live``: all of ours."""
        if order.cloid in self._places:
            return
        for cloid in [cloid for cloid in self._places if cloid not in live]:
            del self._places[cloid]
        side, px = order.side, order.px
        book, top = self._books[side], self._tops[side]
        stands, seen_at = _size_at(book.levels, side, px), book.at
        if top.at > book.at and top.levels and top.levels[0][0] == px:
            stands, seen_at = top.levels[0][1], top.at
        self._places[order.cloid] = place = _Place(order, at, seen_at)
        if stands is not None:
            place.ahead = place.others = max(stands - self._own_at(side, px, seen_at), 0)

    def on_gone(self, cloid: Cloid) -> None:
        """An order of ours ended."""
        self._places.pop(cloid, None)

    # --- inside ---------------------------------------------------------------------------------

    def _see(
        self,
        seen: dict[Side, _Seen],
        bids: tuple[Level, ...],
        asks: tuple[Level, ...],
        at: Ns,
        *,
        is_top: bool = False,
    ) -> None:
        seen[Side.BUY], seen[Side.SELL] = _Seen(bids, at), _Seen(asks, at)
        for place in self._places.values():
            order = place.order
            if at < place.entered or at < place.at:
                continue
            side, px = order.side, order.px
            levels = bids if side is Side.BUY else asks
            if is_top and (not levels or levels[0][0] != px):
                continue
            size = _size_at(levels, side, px)
            if size is None:
                place.others = None
            else:
                place.look(max(size - self._own_at(side, px, at), 0), at)

    def _own_at(self, side: Side, px: Px, at: Ns) -> int:
        """Lots of ours that stood at a price at a moment, as far as we know."""
        return sum(
            place.order.remaining
            for place in self._places.values()
            if place.order.px == px and place.order.side is side and place.entered <= at
        )


def _size_at(levels: Sequence[Level], side: Side, px: Px) -> Sz | None:
    """What stands at a price; None where that is beyond the last level that is seen."""
    for level_px, sz, _ in levels:
        if level_px == px:
            return sz
        if side * (px - level_px) > 0:
            return Sz(0)
    return None
