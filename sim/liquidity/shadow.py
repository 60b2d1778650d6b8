"""Orders of ours over a recorded market: when would they have been filled, and by whom?

The record (books of a few levels, tops, trades) is never changed by what we do. Below the venue's
front this is one more `Liquidity`, whose only resting orders are ours. It knows neither rules of
the venue nor where records come from. They come in by one of three doors: `take_ops` hands them to
the front as background flow, `advance` applies them directly, `trade` and `see` take one record
(live data). What it assumes, all of it:

* An order of ours stands behind everything that its level held when it was placed.
* A recorded trade at our price takes the lots ahead of us first, then ours, then the rest. One that
  went through our price would have met us first. Of a trade's lots each is used once.
* A level that shrinks without a trade moves us forward as the queue model says (`queue_models`).
* When the recorded other side rests beyond our price, the market has left us behind: filled in full.
  When it rests exactly at our price, it would have met us: filled up to its size.
* A taker of ours gets recorded levels at their prices. What it took stood at the front of the recorded
  queue and counts as taken until recorded trades pass over it, or the level shrinks below it or goes:
  a new snapshot of the same queue gives nobody the same lots twice.
* Beyond the last level of a full book nothing is known: an order there gets its place, at the back,
  when the level comes into view; until then only a trade or a top beyond its price fills it.
* Inside a gap nothing executes and nothing is learnt. The first record after it settles what it shows.
* Nobody reacts to us: no impact, no imitation, and the recorded makers that we displaced stay on record.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple, TypeAlias

from domain.events import BboChanged, BookReported, PublicTrade
from domain.units import AccountId, Ns, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import (
    NOBODY,
    Admit,
    Execution,
    MatchResult,
    Op,
    OpKind,
    RestingOrder,
    Stop,
    StopReason,
)
from sim.liquidity.queue_models import QueueModel
from sim.liquidity.recorded_side import UNKNOWN_DEPTH, RecordedSide, Standing, Walk
from sim.recorded import Gap, Record, RecordedTrade

RECORDED = AccountId("recorded")
"""The market of the record as taker or maker; it has no account at the venue."""

RECORDED_OID = Oid(0)
"""Order id of every recorded order: a record of levels knows none."""

STATEMENT: Op = (OpKind.PLACE, RECORDED_OID, RECORDED, Side.SELL, Px(1), Sz(1), Tif.IOC)
"""Operation in whose place the record states tops and books."""

Stated: TypeAlias = BboChanged | BookReported


class PassiveExecution(NamedTuple):
    """Lots of a resting order of ours that the recorded market took."""

    maker: Oid
    px: Px
    sz: Sz
    exch_time: Ns


class Shadow:
    """Liquidity from a record. See `sim.liquidity.base.Liquidity` for the contract."""

    def __init__(
        self,
        model: QueueModel,
        records: Iterable[Record] = (),
        *,
        gaps: Sequence[Gap] = (),
        watched: Iterable[AccountId] = (),
    ) -> None:
        self.model = model
        self.now = Ns(-1)
        """Exchange time up to which the record was taken."""
        self.is_dark = False
        """Inside a gap: no order executes. Who feeds live data sets it himself."""
        self._pending = _Pending(records)
        self._gaps = gaps
        self._bids = RecordedSide(Side.BUY)
        self._asks = RecordedSide(Side.SELL)
        self._orders: dict[Oid, Standing] = {}
        self._watched = set(watched)
        self._stated_at = Ns(-1)
        self._statements: deque[list[Stated]] = deque()
        """What the statements among the operations handed out say."""
        self._has_crossing = False
        """`execute` stopped at a statement that crosses orders of ours; `match` is next."""

    # --- the record -----------------------------------------------------------------------------

    def take_ops(self, until: Ns) -> list[Op]:
        """All records up to and including a moment as operations of background flow, which the front runs.

        So what happens to our orders goes the front's way, class by class: in a block our post-only orders and
        cancels come before the recorded takers. A trade is an IOC order of the recorded market; what tops and
        books state is one more, whose price and size mean nothing.
        """
        ops: list[Op] = []
        for time, record in self._pending.take_until(until):
            if isinstance(record, RecordedTrade):
                trade = record.trade
                if not self._is_dark_at(time):
                    ops.append((OpKind.PLACE, RECORDED_OID, RECORDED, trade.side, trade.px, trade.sz, Tif.IOC))
                continue
            if not ops or ops[-1] is not STATEMENT:
                ops.append(STATEMENT)
                self._statements.append([])
            self._statements[-1].append(record)
        self._move_to(until)
        return ops

    def advance(self, until: Ns, admit: Admit | None = None) -> list[PassiveExecution]:
        """Apply all records up to and including a moment; returns what they did to our orders."""
        done: list[PassiveExecution] = []
        for time, record in self._pending.take_until(until):
            self._move_to(time)
            if isinstance(record, RecordedTrade):
                result = self.trade(record.trade, admit)
            else:
                result = self.see(record, admit)
            done.extend(PassiveExecution(maker.oid, px, sz, time) for maker, px, sz in result.executions)
        self._move_to(until)
        return done

    def trade(self, trade: PublicTrade, admit: Admit | None = None) -> MatchResult:
        """A recorded trade: it moves the queues of its price and may reach orders of ours."""
        if self.is_dark:
            return MatchResult(trade.sz, (), (), ())
        return self._trade(trade.side, trade.px, trade.sz, admit)

    def see(self, stated: Stated, admit: Admit | None = None) -> MatchResult:
        """What the record states of the levels: our queues move, and what is crossed by now is filled."""
        self._note(stated)
        return self._settle_crossing(admit)

    def _note(self, stated: Stated) -> None:
        """Take in a top or a book; older than what is known already, it says nothing."""
        if stated.exch_time < self._stated_at:
            return
        self._stated_at = stated.exch_time
        if isinstance(stated, BboChanged):
            self._bids.note_top(stated.bid, self.model)
            self._asks.note_top(stated.ask, self.model)
        else:
            self._bids.note_book(stated.bids, self.model)
            self._asks.note_book(stated.asks, self.model)

    def _move_to(self, now: Ns) -> None:
        self.now = now
        self.is_dark = self._is_dark_at(now)

    def _is_dark_at(self, time: Ns) -> bool:
        return any(gap.covers(time) for gap in self._gaps)

    # --- looking --------------------------------------------------------------------------------

    @property
    def watched(self) -> AbstractSet[AccountId]:
        """Accounts whose every action and fill goes through the front."""
        return self._watched

    def watch(self, account: AccountId) -> None:
        """Watch an account from now on."""
        self._watched.add(account)

    def best_bid(self) -> Px | None:
        """Highest price that a seller meets: recorded, or an order of ours."""
        return self._bids.best()

    def best_ask(self) -> Px | None:
        """Lowest price that a buyer meets: recorded, or an order of ours."""
        return self._asks.best()

    def levels(self, side: Side, n: int) -> list[tuple[Px, Sz, int]]:
        """The best levels, recorded lots and ours together. The count is that of our orders: a record has none."""
        half = self._half(side)
        levels: list[tuple[Px, Sz, int]] = []
        for px in half.prices():
            if len(levels) == n:
                break
            own = [standing.order.sz for standing in half.queue_at(px)]
            size = half.available(px) + sum(own)
            if size:
                levels.append((px, Sz(size), len(own)))
        return levels

    def get(self, oid: Oid) -> RestingOrder | None:
        """The resting order of ours with that id."""
        standing = self._orders.get(oid)
        return standing.order if standing else None

    def depth_ahead(self, oid: Oid) -> Sz:
        """Lots that trade before this order by the model: recorded ones, and ours that were there first."""
        mine = self._orders[oid]
        if mine.place is None:
            return UNKNOWN_DEPTH
        half = self._half(mine.order.side)
        depth = max(mine.place.ahead - half.taken.get(mine.order.px, 0), 0)
        for standing in half.queue_at(mine.order.px):
            if standing is mine:
                break
            depth += standing.order.sz
        return Sz(depth)

    def would_cross(self, side: Side, px: Px) -> bool:
        """Whether an order at that price would match at once, by the newest recorded top and our orders."""
        other = self._half(side.opposite)
        best = other.best()
        return best is not None and not other.is_better(px, best)

    # --- our orders -----------------------------------------------------------------------------

    def add(self, oid: Oid, account: AccountId, side: Side, px: Px, sz: Sz) -> RestingOrder:
        """Rest an order of ours at the back of its level."""
        if oid in self._orders:
            raise ValueError(f"order {oid} rests already: {self._orders[oid].order}")
        if sz <= 0 or px <= 0:
            raise ValueError(f"order {oid} needs a positive price and size, got {sz} @ {px}")
        half = self._half(side)
        standing = Standing(RestingOrder(oid, account, side, px, sz))
        size = half.size_at(px)
        if size is not None:
            standing.see_level(size, self.model)
        self._orders[oid] = half.own[oid] = standing
        return standing.order

    def remove(self, oid: Oid) -> RestingOrder:
        """Take an order of ours out; KeyError if it does not rest."""
        order = self._orders.pop(oid).order
        del self._half(order.side).own[oid]
        return order

    def reduce(self, oid: Oid, by: Sz) -> RestingOrder:
        """Take lots off an order of ours, which keeps its place; at zero it is gone."""
        order = self._orders[oid].order
        if not 0 < by <= order.sz:
            raise ValueError(f"cannot take {by} lots off {order}")
        order.sz = Sz(order.sz - by)
        if not order.sz:
            self.remove(oid)
        return order

    # --- matching -------------------------------------------------------------------------------

    def match(
        self,
        side: Side,
        px_limit: Px | None,
        sz: Sz,
        taker_account: AccountId = NOBODY,
        admit: Admit | None = None,
    ) -> MatchResult:
        """Let a taker of ours walk the recorded levels and our orders on the other side.

        Any other taker is the record's, and `px_limit` the price of its trade; after a stop of `execute` at
        a statement it is what that statement crosses.
        """
        if sz <= 0:
            raise ValueError(f"a taker needs a positive size, got {sz}")
        if taker_account in self._watched:
            return self._take(side, px_limit, sz, taker_account, admit)
        if self._has_crossing:
            self._has_crossing = False
            return self._settle_crossing(admit)
        if px_limit is None:
            raise ValueError("a recorded trade has a price")
        return self._trade(side, px_limit, sz, admit)

    def execute(self, ops: Sequence[Op], i: int = 0) -> Stop:
        """Run operations made by `take_ops`, in their order, until one would fill an order of ours.

        They are on the public record already, so no trade of theirs is reported.
        """
        while i < len(ops):
            op = ops[i]
            if op[2] in self._watched:
                return Stop(i, StopReason.WATCHED_ACCOUNT, (), ())
            if op[2] != RECORDED:
                raise ValueError(f"over a record nobody else trades: {op}")
            if self._meets_us(op):
                return Stop(i, StopReason.WATCHED_MAKER, (), ())
            i += 1
        return Stop(i, StopReason.DONE, (), ())

    def _meets_us(self, op: Op) -> bool:
        """Whether an operation fills orders of ours; if not, it is done."""
        if op is STATEMENT:
            for stated in self._statements.popleft():
                self._note(stated)
            self._has_crossing = any(True for _ in self._crossed())
            return self._has_crossing
        _, _, _, side, px, sz, _ = op
        if self._reaches_us(side, px, sz):
            return True
        self._trade(side, px, sz, None)
        return False

    # --- takers of ours -------------------------------------------------------------------------

    def _take(self, side: Side, px_limit: Px | None, sz: Sz, account: AccountId, admit: Admit | None) -> MatchResult:
        walk = Walk(sz, admit)
        half = self._half(side.opposite)
        for px in () if self.is_dark else half.prices():
            if not walk.left or (px_limit is not None and half.is_better(px_limit, px)):
                break
            recorded = half.levels.get(px, 0)
            gone = half.taken.get(px, 0)
            for standing in half.queue_at(px):
                gone += self._take_recorded(walk, half, px, min(standing.ahead, recorded) - gone)
                if not walk.left:
                    break
                if standing.order.account == account:
                    walk.expired.append(standing.order)
                else:
                    walk.offer(standing.order, standing.order.sz)
            self._take_recorded(walk, half, px, recorded - gone)
        self._drop_ended(walk)
        return walk.result()

    @staticmethod
    def _take_recorded(walk: Walk, half: RecordedSide, px: Px, lots: int) -> int:
        """Take so many recorded lots, which count as taken until the record moves on."""
        if lots <= 0 or not walk.left:
            return 0
        took = walk.offer(RestingOrder(RECORDED_OID, RECORDED, half.side, px, Sz(lots)), lots)
        half.taken[px] = half.taken.get(px, 0) + took
        return took

    # --- recorded trades ------------------------------------------------------------------------

    def _trade(self, side: Side, px: Px, sz: Sz, admit: Admit | None) -> MatchResult:
        walk = Walk(sz, admit)
        half = self._half(side.opposite)
        passed = 0
        for standing in half.queue_first():
            order = standing.order
            if not walk.left or half.is_better(px, order.px):
                break
            if order.px == px:
                step = min(max(standing.ahead - passed, 0), walk.left)
                passed += step
                walk.left -= step
            walk.offer(order, order.sz)
        for standing in half.queue_at(px):
            standing.pass_by(passed, sz)
        half.note_trade(px, sz)
        for standing in self._overtaken(side, px):
            walk.offer(standing.order, standing.order.sz)
        self._drop_ended(walk)
        return walk.result()

    def _overtaken(self, side: Side, px: Px) -> list[Standing]:
        """Our orders of the taker's side at better prices: the maker would have met them before the taker."""
        half = self._half(side)
        return [standing for standing in half.queue_first() if half.is_better(standing.order.px, px)]

    def _reaches_us(self, side: Side, px: Px, sz: Sz) -> bool:
        """Whether a recorded trade would fill an order of ours."""
        if not self._orders:
            return False
        half = self._half(side.opposite)
        first = next(iter(half.queue_first()), None)
        if first is not None and not half.is_better(px, first.order.px) and first.order.px != px:
            return True
        at_px = next(iter(half.queue_at(px)), None)
        return (at_px is not None and at_px.ahead < sz) or bool(self._overtaken(side, px))

    # --- recorded statements --------------------------------------------------------------------

    def _crossed(self) -> Iterator[tuple[Standing, int]]:
        """Our orders that the recorded other side has passed or met, and the lots that it has for each."""
        for half, other in ((self._bids, self._asks), (self._asks, self._bids)):
            best = other.recorded_best()
            if best is None:
                continue
            for standing in half.queue_first():
                order = standing.order
                if half.is_better(best, order.px):
                    break
                lots = order.sz if half.is_better(order.px, best) else other.available(best)
                if lots:
                    yield standing, lots

    def _settle_crossing(self, admit: Admit | None) -> MatchResult:
        """Fill what the recorded other side has passed, or as much as it has at our price."""
        done: list[Execution] = []
        refused: list[RestingOrder] = []
        for standing, lots in self._crossed():
            walk = Walk(lots, admit)
            order = standing.order
            self._half(order.side.opposite).mark_taken(order.px, walk.offer(order, lots))
            self._drop_ended(walk)
            done += walk.executions
            refused += walk.refused
        return MatchResult(Sz(0), done, (), refused)

    # --- helpers --------------------------------------------------------------------------------

    def _drop_ended(self, walk: Walk) -> None:
        """Take out whatever of ours the walk used up, refused or expired."""
        ended = [maker for maker, _, _ in walk.executions if not maker.sz]
        for order in chain(ended, walk.refused, walk.expired):
            if order.account != RECORDED and order.oid in self._orders:
                self.remove(order.oid)

    def _half(self, side: Side) -> RecordedSide:
        return self._bids if side > 0 else self._asks


class _Pending:
    """Records that are still to come, by exchange time."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = iter(records)
        self._next = next(self._records, None)

    def take_until(self, until: int) -> Iterator[tuple[Ns, Record]]:
        while self._next is not None:
            record = self._next
            time = record.trade.exch_time if isinstance(record, RecordedTrade) else record.exch_time
            if time > until:
                return
            self._next = next(self._records, None)
            yield time, record
