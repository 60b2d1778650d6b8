"""The reference book: price-time priority in plain Python, the specification of matching.

It knows queues and prices. It does not know time, money, positions or what a venue answers: that
is the front's. Whatever is built to be faster than this file must give this file's answers.

One class serves both sides. A side is sorted by a *key* that grows with how good a price is for
whoever takes it: +px for bids, -px for asks. So the best level is the last of a sorted list on
either side, and a taker limited to key `k` goes on while ``keys[-1] >= k``.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from itertools import islice

from domain.errors import InvariantViolation
from domain.units import AccountId, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import (
    NOBODY,
    Admit,
    Execution,
    MatchResult,
    Op,
    OpKind,
    Reject,
    RestingOrder,
    Stop,
    StopReason,
    Trade,
)

_NO_KEY = -(1 << 100)
"""Below the key of any price: a taker without limit, a side with nobody watched."""


class Discipline(StrEnum):
    """Who of a level trades first."""

    FIFO = "fifo"
    LIFO = "lifo"
    """Wrong on purpose: tests and the check against recorded blocks must notice."""


class Level:
    """The orders at one price, in the order of their arrival, and their total size in lots."""

    __slots__ = ("orders", "px", "total")

    def __init__(self, px: Px) -> None:
        self.px = px
        self.total = 0
        self.orders: dict[Oid, RestingOrder] = {}


class Half:
    """One side of the book: its levels by key, and the keys in ascending order."""

    __slots__ = ("keys", "levels")

    def __init__(self) -> None:
        self.levels: dict[int, Level] = {}
        self.keys: list[int] = []

    def open_level(self, key: int, px: Px) -> Level:
        """A new level, for an order that is about to rest there."""
        level = self.levels[key] = Level(px)
        insort(self.keys, key)
        return level

    def close_level(self, key: int) -> None:
        """Drop a level whose last order is gone."""
        keys = self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        del self.levels[key]

    def best(self) -> Px | None:
        """The price that a taker meets first."""
        return self.levels[self.keys[-1]].px if self.keys else None

    def best_first(self) -> Iterator[Level]:
        """Levels, best first."""
        return map(self.levels.__getitem__, reversed(self.keys))


class Book:
    """A price-time book of one instrument; `sim.liquidity.base.Liquidity` is its contract."""

    def __init__(self, *, watched: Iterable[AccountId] = (), discipline: Discipline = Discipline.FIFO) -> None:
        self.discipline = discipline
        self._lifo = discipline is Discipline.LIFO
        self._bids = Half()
        self._asks = Half()
        self._orders: dict[Oid, RestingOrder] = {}
        self._watched = set(watched)
        self._watched_orders: dict[Oid, RestingOrder] = {}

    # Looking.

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, oid: object) -> bool:
        return oid in self._orders

    @property
    def watched(self) -> AbstractSet[AccountId]:
        """Accounts whose every action and fill goes through the front."""
        return self._watched

    def best_bid(self) -> Px | None:
        """Highest resting buy price."""
        return self._bids.best()

    def best_ask(self) -> Px | None:
        """Lowest resting sell price."""
        return self._asks.best()

    def best(self, side: Side) -> Px | None:
        """Best resting price of a side."""
        return self._half(side).best()

    def get(self, oid: Oid) -> RestingOrder | None:
        """The resting order of that id."""
        return self._orders.get(oid)

    def levels(self, side: Side, n: int) -> list[tuple[Px, Sz, int]]:
        """The best `n` levels of a side, best first: price, total size, number of orders."""
        return [(level.px, Sz(level.total), len(level.orders)) for level in islice(self._half(side).best_first(), n)]

    def level(self, side: Side, px: Px) -> tuple[Sz, int]:
        """Total size and number of orders at a price; zeros where there is none."""
        level = self._half(side).levels.get(_key(side, px))
        return (Sz(level.total), len(level.orders)) if level else (Sz(0), 0)

    def orders_at(self, side: Side, px: Px) -> list[RestingOrder]:
        """The queue at a price: whoever trades first in front."""
        level = self._half(side).levels.get(_key(side, px))
        return list(self._queue(level)) if level else []

    def orders(self, side: Side) -> Iterator[RestingOrder]:
        """Every order of a side in the order in which takers meet them."""
        for level in self._half(side).best_first():
            yield from self._queue(level)

    def depth_ahead(self, oid: Oid) -> Sz:
        """Lots of the same level that trade before this order; KeyError if it does not rest."""
        order = self._orders[oid]
        ahead = 0
        for other in self._queue(self._level_of(order)):
            if other is order:
                break
            ahead += other.sz
        return Sz(ahead)

    def would_cross(self, side: Side, px: Px) -> bool:
        """Whether an order at that price would match at once."""
        keys = self._asks.keys if side > 0 else self._bids.keys
        return bool(keys) and keys[-1] >= (-px if side > 0 else px)

    # Resting orders.

    def watch(self, account: AccountId) -> None:
        """Watch `account` from now on, with what it has resting."""
        self._watched.add(account)
        for order in self._orders.values():
            if order.account == account:
                self._watched_orders[order.oid] = order

    def add(self, oid: Oid, account: AccountId, side: Side, px: Px, sz: Sz) -> RestingOrder:
        """Rest an order at the end of its queue, without matching.

        Whether it may rest there is the caller's question (`would_cross`): recordings of order
        flow hold moments in which a book is crossed.
        """
        if oid in self._orders:
            raise ValueError(f"an order of this id rests already: {self._orders[oid]}")
        if sz <= 0 or px <= 0:
            raise ValueError(f"order {oid} needs a positive price and size, got {sz} @ {px}")
        key: int
        if side > 0:
            half, key = self._bids, px
        else:
            half, key = self._asks, -px
        level = half.levels.get(key)
        if level is None:
            level = half.open_level(key, px)
        order = RestingOrder(oid, account, side, px, sz)
        self._orders[oid] = level.orders[oid] = order
        level.total += sz
        if account in self._watched:
            self._watched_orders[oid] = order
        return order

    def remove(self, oid: Oid) -> RestingOrder:
        """Take an order out and return it with the `sz` it had; KeyError if it does not rest."""
        order = self._orders.pop(oid)
        key: int
        if order.side > 0:
            half, key = self._bids, order.px
        else:
            half, key = self._asks, -order.px
        level = half.levels[key]
        del level.orders[oid]
        level.total -= order.sz
        if not level.orders:
            half.close_level(key)
        if self._watched_orders:
            self._watched_orders.pop(oid, None)
        return order

    def reduce(self, oid: Oid, by: Sz) -> RestingOrder:
        """Take `by` lots off an order, which keeps its place; at zero it is gone."""
        order = self._orders[oid]
        if not 0 < by <= order.sz:
            raise ValueError(f"cannot take {by} lots off {order}")
        if by == order.sz:
            self.remove(oid)
        else:
            self._level_of(order).total -= by
        order.sz = Sz(order.sz - by)
        return order

    # Matching.

    def match(
        self,
        side: Side,
        px_limit: Px | None,
        sz: Sz,
        taker_account: AccountId = NOBODY,
        admit: Admit | None = None,
    ) -> MatchResult:
        """Let a taker of `sz` lots walk the other side up to `px_limit` (None: to its end).

        An own resting order in its way expires, the taker goes on ("expire maker"). What remains
        of the taker is the caller's to rest or to drop.
        """
        if sz <= 0:
            raise ValueError(f"a taker needs a positive size, got {sz}")
        half = self._asks if side > 0 else self._bids
        limit = _NO_KEY if px_limit is None else -side * px_limit
        own = None if taker_account == NOBODY else taker_account
        left: int = sz
        executions: list[Execution] = []
        expired: list[RestingOrder] = []
        refused: list[RestingOrder] = []
        while left and half.keys and half.keys[-1] >= limit:
            level = half.levels[half.keys[-1]]
            gone: list[RestingOrder] = []
            for maker in self._queue(level):
                if maker.account == own:
                    expired.append(maker)
                    gone.append(maker)
                    continue
                asked = Sz(min(left, maker.sz))
                lots = asked if admit is None else _checked(admit, maker, asked)
                if lots:
                    executions.append((maker, maker.px, lots))
                    left -= lots
                    level.total -= lots
                    maker.sz = Sz(maker.sz - lots)
                if lots < asked:
                    refused.append(maker)
                    gone.append(maker)
                elif not maker.sz:
                    gone.append(maker)
                if not left:
                    break
            for maker in gone:
                self.remove(maker.oid)
        return MatchResult(Sz(left), executions, expired, refused)

    def execute(self, ops: Sequence[Op], i: int = 0) -> Stop:  # noqa: PLR0912 (a branch an outcome)
        """Run background operations from `i` on until one would touch a watched account.

        An unwatched account stands for a crowd: it may trade with itself. Nothing else is left
        unchecked that this book knows; ids are the caller's own, so a duplicate raises.
        """
        place, cancel = OpKind.PLACE, OpKind.CANCEL
        alo, ioc = Tif.ALO, Tif.IOC
        watched, orders = self._watched, self._orders
        bid_keys, ask_keys = self._bids.keys, self._asks.keys
        # Watched orders do not move while background runs, so neither do their best keys.
        guard_bid, guard_ask = self._best_watched(Side.BUY), self._best_watched(Side.SELL)
        trades: list[Trade] = []
        rejects: list[tuple[int, Reject]] = []
        limit: int
        for n in range(i, len(ops)):
            kind, oid, account, side, px, sz, tif = ops[n]
            if account in watched:
                return Stop(n, StopReason.WATCHED_ACCOUNT, trades, rejects)
            if kind == place:
                if side > 0:
                    keys, limit, guard = ask_keys, -px, guard_ask
                else:
                    keys, limit, guard = bid_keys, px, guard_bid
                if not keys or keys[-1] < limit:
                    if tif is ioc:
                        rejects.append((n, Reject.NO_MATCH))
                    else:
                        self.add(oid, account, side, px, sz)
                elif tif is alo:
                    rejects.append((n, Reject.WOULD_CROSS))
                elif guard >= limit and self._reaches_watched(side, sz):
                    return Stop(n, StopReason.WATCHED_MAKER, trades, rejects)
                else:
                    left = self._take(side, limit, sz, n, trades)
                    if left and tif is not ioc:
                        self.add(oid, account, side, px, left)
            elif (order := orders.get(oid)) is None or order.account != account:
                rejects.append((n, Reject.UNKNOWN_ORDER))
            elif kind == cancel:
                self.remove(oid)
            else:
                self.reduce(oid, min(sz, order.sz))
        return Stop(len(ops), StopReason.DONE, trades, rejects)

    def _take(self, side: Side, limit: int, sz: Sz, n: int, trades: list[Trade]) -> Sz:
        """`match` without questions, for background flow; returns what is left of `sz`."""
        if sz <= 0:
            raise ValueError(f"a taker needs a positive size, got {sz}")
        half = self._asks if side > 0 else self._bids
        keys, orders = half.keys, self._orders
        left: int = sz
        while keys and keys[-1] >= limit:
            level = half.levels[keys[-1]]
            px, queue = level.px, level.orders
            if left < level.total:
                level.total -= left
                gone: list[Oid] = []
                for maker in self._queue(level):
                    have = maker.sz
                    if left < have:
                        maker.sz = Sz(have - left)
                        trades.append((n, maker.oid, px, Sz(left)))
                        break
                    left -= have
                    trades.append((n, maker.oid, px, have))
                    gone.append(maker.oid)
                    if not left:
                        break
                for oid in gone:
                    del queue[oid], orders[oid]
                return Sz(0)
            left -= level.total
            for maker in self._queue(level):
                trades.append((n, maker.oid, px, maker.sz))
                del orders[maker.oid]
            del half.levels[keys.pop()]
            if not left:
                break
        return Sz(left)

    def _reaches_watched(self, side: Side, sz: Sz) -> bool:
        """Whether a taker whose limit includes a watched order gets to one before it is filled."""
        half = self._asks if side > 0 else self._bids
        left: int = sz
        for level in half.best_first():
            for maker in self._queue(level):
                if maker.account in self._watched:
                    return True
                left -= maker.sz
                if left <= 0:
                    return False
        return False

    def _best_watched(self, side: Side) -> int:
        """The best key of all watched orders of a side."""
        keys = (_key(side, o.px) for o in self._watched_orders.values() if o.side == side)
        return max(keys, default=_NO_KEY)

    # Checking.

    def validate(self) -> None:
        """Raise InvariantViolation if the book contradicts itself or is crossed at rest."""
        for side, half in ((Side.BUY, self._bids), (Side.SELL, self._asks)):
            if any(a >= b for a, b in zip(half.keys, half.keys[1:], strict=False)):
                raise _broken(f"{side.name} keys out of order: {half.keys}")
            if set(half.keys) != set(half.levels):
                raise _broken(f"{side.name} keys {half.keys}, levels {list(half.levels)}")
            for key, level in half.levels.items():
                _validate_level(side, key, level)
        resting = {order.oid: order for side in Side for order in self.orders(side)}
        if resting != self._orders:
            raise _broken(f"orders by id and in queues differ: {self._orders}, {resting}")
        watched = {o: order for o, order in resting.items() if order.account in self._watched}
        if watched != self._watched_orders:
            raise _broken(f"watched orders are {watched}, kept {self._watched_orders}")
        bid, ask = self.best_bid(), self.best_ask()
        if bid is not None and ask is not None and bid >= ask:
            raise _broken(f"crossed at rest: bid {bid}, ask {ask}")

    # Helpers.

    def _half(self, side: Side) -> Half:
        return self._bids if side > 0 else self._asks

    def _level_of(self, order: RestingOrder) -> Level:
        return self._half(order.side).levels[_key(order.side, order.px)]

    def _queue(self, level: Level) -> Iterable[RestingOrder]:
        queue = level.orders.values()
        return reversed(queue) if self._lifo else queue


def _key(side: Side, px: Px) -> int:
    return px if side > 0 else -px


def _checked(admit: Admit, maker: RestingOrder, asked: Sz) -> Sz:
    lots = admit(maker, maker.px, asked)
    if not 0 <= lots <= asked:
        raise ValueError(f"asked to admit {asked} lots of {maker}, the answer was {lots}")
    return Sz(lots)


def _broken(text: str) -> InvariantViolation:
    return InvariantViolation("book", text)


def _validate_level(side: Side, key: int, level: Level) -> None:
    where = f"{side.name} level {level.px}"
    if key != _key(side, level.px):
        raise _broken(f"{where} stands under key {key}")
    if not level.orders:
        raise _broken(f"{where} is empty")
    total = sum(order.sz for order in level.orders.values())
    if total != level.total:
        raise _broken(f"{where} has total {level.total}, its orders sum to {total}")
    for oid, order in level.orders.items():
        if (order.oid, order.side, order.px) != (oid, side, level.px) or order.sz <= 0:
            raise _broken(f"{where} holds under id {oid}: {order}")
