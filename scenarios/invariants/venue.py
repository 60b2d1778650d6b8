"""The venue itself: queues, prices, ends of orders, order of its reports (E1-E5, E7-E9)."""

from collections import OrderedDict
from collections.abc import Sequence

from domain.events import Fill, OpenOrder, OrderStatus, PublicTrade
from domain.units import InstrumentId, Ns, Oid, Side, Tif
from scenarios.invariants.base import Block, Invariant, Scope

ENDED_KEPT = 5_000


class FirstInFirstOut(Invariant):
    """E1: our order trades only after everything that stood before it in its queue is gone."""

    id = "E1"
    rule = "price-time priority: nobody who stood before us still rests when we are filled"

    def __init__(self, scope: Scope) -> None:
        """Remember who stood before each of our orders when it came to rest."""
        super().__init__(scope)
        self._ahead: dict[Oid, tuple[Oid, ...]] = {}

    def on_block(self, block: Block) -> None:
        """Check the queue of each filled order; note the queue of each new one."""
        truth = self.scope.truth
        for fill in block.fills:
            ahead = self._ahead.get(fill.oid, ())
            for oid in ahead:
                if truth.rests(fill.instrument, oid):
                    self.fail(
                        f"order {fill.oid} was filled before order {oid}, which stood in front of it", str(fill.tid)
                    )
                    break
        if block.resting.keys() != self._ahead.keys():
            known = self._ahead
            self._ahead = {
                oid: known[oid] if oid in known else truth.queue_ahead(order.instrument, oid)
                for oid, order in block.resting.items()
            }


class PostOnlyNeverTakes(Invariant):
    """E2: an ALO order is never the taker."""

    id = "E2"
    rule = "post-only orders never take"

    def on_block(self, block: Block) -> None:
        """Look at our taker fills."""
        for fill in block.fills:
            if fill.is_taker:
                order = self.scope.truth.order(fill.oid)
                if order is not None and order.tif is Tif.ALO:
                    self.fail(f"post-only order {fill.oid} took liquidity", order.cloid or str(fill.tid))


class NoTradeThrough(Invariant):
    """E3: nobody trades at a worse price while our better one rests; we never trade beyond our limit."""

    id = "E3"
    rule = "no trade at a price worse than a resting better one; no fill beyond its limit or on the other side"

    def on_block(self, block: Block) -> None:
        """Compare each trade with our orders that rested before and after it."""
        for fill in block.fills:
            order = self.scope.truth.order(fill.oid)
            if order is None:
                continue
            if fill.side is not order.side:
                self.fail(f"order {fill.oid} to {order.side.name} was filled as a {fill.side.name}", str(fill.tid))
            elif fill.side * (fill.px - order.px) > 0:
                self.fail(
                    f"order {fill.oid} with limit {order.px} was filled at {fill.px}", order.cloid or str(fill.tid)
                )
        for name, trades in block.trades.items():
            self._check_trades(name, block, trades)

    def _check_trades(self, name: InstrumentId, block: Block, trades: Sequence[PublicTrade]) -> None:
        best: dict[Side, OpenOrder] = {}
        for oid, order in block.resting.items():
            if order.instrument == name and oid in block.resting_before:
                other = best.get(order.side)
                if other is None or order.side * (order.px - other.px) > 0:
                    best[order.side] = order
        if not best:
            return
        for trade in trades:
            maker = best.get(trade.side.opposite)
            if maker is not None and maker.side * (maker.px - trade.px) > 0:
                self.fail(
                    f"{name}: trade {trade.tid} at {trade.px} passed our order {maker.oid} at {maker.px}",
                    maker.cloid or str(trade.tid),
                )


class NotCrossed(Invariant):
    """E4: after a block the best bid is below the best ask."""

    id = "E4"
    rule = "the book is never crossed at rest"

    def on_block(self, block: Block) -> None:  # noqa: ARG002 - every block may have moved it
        """Look at the top of every book."""
        for name in self.scope.instruments:
            bid, ask = self.scope.truth.best(name)
            if bid is not None and ask is not None and bid >= ask:
                self.fail(f"{name}: best bid {bid}, best ask {ask}")

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Look inside every book."""
        for name in self.scope.instruments:
            fault = self.scope.truth.faults_in_structure(name)
            if fault is not None:
                self.fail(f"{name}: {fault}")


class OneEnd(Invariant):
    """E5: each accepted order ends exactly once, and our reports leave the venue in order and without a gap."""

    id = "E5"
    rule = "one end per order; each fill starts from the position that the one before left"

    def __init__(self, scope: Scope) -> None:
        """Follow orders from their first report."""
        super().__init__(scope)
        self._live: set[Oid] = set()
        self._ended: OrderedDict[Oid, None] = OrderedDict()
        self._position: dict[InstrumentId, int] = {}
        self._last = Ns(0)

    def on_block(self, block: Block) -> None:
        """Follow statuses and fills as they left the venue."""
        for update in block.updates:
            self._follow(update.oid, update.status, update.cloid)
        for fill in block.fills:
            self._chain(fill)

    def _follow(self, oid: Oid, status: OrderStatus, cloid: str | None) -> None:
        if oid in self._ended:
            self.fail(f"order {oid} is reported {status} after its end", cloid or "")
        elif status is OrderStatus.OPEN:
            self._live.add(oid)
        else:
            self._live.discard(oid)
            self._ended[oid] = None
            if len(self._ended) > ENDED_KEPT:
                self._ended.popitem(last=False)

    def _chain(self, fill: Fill) -> None:
        name = fill.instrument
        known = self._position.get(name)
        if known is not None and fill.start_position != known:
            self.fail(f"fill {fill.tid} starts from {fill.start_position}, the one before left {known}", str(fill.tid))
        if fill.exch_time < self._last:
            self.fail(f"fill {fill.tid} is older than the one before", str(fill.tid))
        self._last = fill.exch_time
        self._position[name] = fill.start_position + fill.side * fill.sz

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Accepted and not ended means resting, and the reverse."""
        resting = {order.oid for order in self.scope.truth.resting()}
        for oid in sorted(self._live - resting):
            self.fail(f"order {oid} neither rests nor was reported to have ended")
            self._live.discard(oid)
        for oid in sorted(resting - self._live):
            self.fail(f"order {oid} rests and was never reported open")
            self._live.add(oid)

    def at_end(self, now: Ns) -> None:
        """The same, once more."""
        self.full(now)


class CancelOnce(Invariant):
    """E7: a cancel takes an order out once; what is cancelled does not trade afterwards."""

    id = "E7"
    rule = "a cancelled order is gone: no second cancel, no later fill, not in the book"

    def __init__(self, scope: Scope) -> None:
        """Remember what was cancelled."""
        super().__init__(scope)
        self._cancelled: OrderedDict[Oid, Ns] = OrderedDict()

    def on_block(self, block: Block) -> None:
        """Look at fills first: inside one block a fill may precede the cancel."""
        cancelled = self._cancelled
        for fill in block.fills:
            if fill.oid in cancelled:
                self.fail(f"order {fill.oid} was filled after its cancel", str(fill.tid))
        for update in block.updates:
            if update.status is OrderStatus.CANCELED:
                if update.oid in cancelled:
                    self.fail(f"order {update.oid} was cancelled twice", update.cloid or "")
                if update.oid in block.resting:
                    self.fail(f"order {update.oid} was cancelled and still rests", update.cloid or "")
                cancelled[update.oid] = block.now
                if len(cancelled) > ENDED_KEPT:
                    cancelled.popitem(last=False)


class Conserved(Invariant):
    """E8: inside the venue our position is what our fills add up to."""

    id = "E8"
    rule = "positions at the venue move by its fills and by nothing else"

    def __init__(self, scope: Scope) -> None:
        """Take the positions of the first block as the opening."""
        super().__init__(scope)
        self._position: dict[InstrumentId, int] = {}

    def on_block(self, block: Block) -> None:
        """Compare every position with the fold of the fills."""
        moves: dict[InstrumentId, int] = {}
        for fill in block.fills:
            moves[fill.instrument] = moves.get(fill.instrument, 0) + fill.side * fill.sz
        for name in self.scope.instruments:
            position = self.scope.truth.position(name)
            before = self._position.get(name)
            if before is not None and position != before + moves.get(name, 0):
                keys = tuple(str(fill.tid) for fill in block.fills)
                self.fail(f"{name}: position moved from {before} to {position}, fills say {moves.get(name, 0)}", *keys)
            self._position[name] = position


class OneHistory(Invariant):
    """E9: time and order ids only grow, so that the digest of the reports is the digest of one history.

    That two runs of one seed have the same history cannot be seen inside one of them: tests run
    scenarios in two processes under different hash seeds and compare the digests.
    """

    id = "E9"
    rule = "blocks ascend in time, new orders in their ids; the same seed gives the same digest"

    def __init__(self, scope: Scope) -> None:
        """Start before everything."""
        super().__init__(scope)
        self._last = Ns(-1)
        self._last_oid = Oid(0)
        self._known: set[Oid] = set()

    def on_block(self, block: Block) -> None:
        """Look at the clock and at the ids of orders that were not there before."""
        if block.now <= self._last:
            self.fail(f"block of {block.now} ns after one of {self._last} ns")
        self._last = block.now
        if not block.updates:
            return
        for update in block.updates:
            oid = update.oid
            if oid > self._last_oid:
                self._last_oid = oid
            elif oid not in self._known:
                self.fail(f"new order {oid} after order {self._last_oid}", update.cloid or "")
            if update.status is OrderStatus.OPEN:
                self._known.add(oid)
            else:
                self._known.discard(oid)
