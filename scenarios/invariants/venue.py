"""The venue itself: queues, prices, ends of orders, order of its reports (E1-E5, E7-E9)."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from domain.events import (
    AnyEvent,
    ChannelKind,
    Fill,
    OpenOrder,
    OrderStatus,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    PositionsReported,
    PublicTrade,
    Replied,
)
from domain.units import InstrumentId, Ns, Oid, Side, Tif
from scenarios.invariants.base import Block, Invariant, Scope

ENDED_KEPT = 5_000

INSIDE_EVERY = 5
"""Full looks between two that go through every order of every book."""


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
            self.compared += len(ahead)
            for oid in ahead:
                if truth.rests(fill.instrument, oid):
                    self.fail(
                        f"order {fill.oid} was filled before order {oid}, which stood in front of it", str(fill.tid)
                    )
                    break
        if block.resting is not block.resting_before and block.resting.keys() != self._ahead.keys():
            known = self._ahead
            self._ahead = {
                oid: known[oid] if oid in known else truth.queue_ahead(order.instrument, oid)
                for oid, order in block.resting.items()
            }


class PostOnlyNeverTakes(Invariant):
    """E2: an ALO order is never the taker."""

    id = "E2"
    rule = "post-only orders never take"

    def on_ours(self, block: Block) -> None:
        """Look at the fills of our post-only orders."""
        for fill in block.fills:
            order = self.scope.truth.order(fill.oid)
            if order is not None and order.tif is Tif.ALO:
                self.compared += 1
                if fill.is_taker:
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
            self.compared += 1
            if fill.side is not order.side:
                self.fail(f"order {fill.oid} to {order.side.name} was filled as a {fill.side.name}", str(fill.tid))
            elif fill.side * (fill.px - order.px) > 0:
                self.fail(
                    f"order {fill.oid} with limit {self.price(fill.instrument, order.px)} was filled at "
                    f"{self.price(fill.instrument, fill.px)}",
                    order.cloid or str(fill.tid),
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
            if maker is None:
                continue
            self.compared += 1
            if maker.side * (maker.px - trade.px) > 0:
                self.fail(
                    f"{name}: trade {trade.tid} at {self.price(name, trade.px)} passed our order {maker.oid} at "
                    f"{self.price(name, maker.px)}",
                    maker.cloid or str(trade.tid),
                )


class NotCrossed(Invariant):
    """E4: after a block the best bid is below the best ask."""

    id = "E4"
    rule = "the book is never crossed at rest"

    def __init__(self, scope: Scope) -> None:
        """Nothing was looked at."""
        super().__init__(scope)
        self._looks = 0

    def on_block(self, block: Block) -> None:  # noqa: ARG002 - every block may have moved it
        """Look at the top of every book."""
        for name in self.scope.instruments:
            bid, ask = self.scope.truth.best(name)
            if bid is None or ask is None:
                continue
            self.compared += 1
            if bid >= ask:
                self.fail(f"{name}: best bid {self.price(name, bid)}, best ask {self.price(name, ask)}")

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Look inside every book; each of its orders costs, so now and then is enough."""
        self._looks += 1
        if self._looks % INSIDE_EVERY == 0:
            self._look_inside()

    def at_end(self, now: Ns) -> None:  # noqa: ARG002
        """Look inside every book once more."""
        self._look_inside()

    def _look_inside(self) -> None:
        for name in self.scope.instruments:
            self.compared += 1
            fault = self.scope.truth.faults_in_structure(name)
            if fault is not None:
                self.fail(f"{name}: {fault}")


class OneEnd(Invariant):
    """E5: each accepted order ends exactly once, and what we are told of it leaves the venue whole and in order.

    Whatever is addressed to us has a number, without a gap. Each status and each fill that came about stands in
    exactly one publication of its channel, in the order in which it came about, and every publication
    enters the links of whoever is subscribed. Losses begin behind that point, in the links.
    """

    id = "E5"
    rule = "one end per order; reports leave the venue numbered without a gap, each status and fill once and in order"

    def __init__(self, scope: Scope) -> None:
        """Follow orders from their first report."""
        super().__init__(scope)
        self._live: set[Oid] = set()
        self._ended: OrderedDict[Oid, None] = OrderedDict()
        self._position: dict[InstrumentId, int] = {}
        self._last = Ns(0)
        self._number = 0

    def on_block(self, block: Block) -> None:
        """Follow statuses and fills as they came about, and then as they left the venue."""
        for update in block.updates:
            self._follow(update.oid, update.status, update.cloid)
        for fill in block.fills:
            self._chain(fill)
        if block.published or block.numbered != self._number:
            self._check_numbers(block)
        if block.updates or block.fills or block.published:
            self._check_channel(ChannelKind.ORDER_UPDATES, block.updates, block)
            self._check_channel(ChannelKind.FILLS, block.fills, block)
        if block.entered != block.owed:
            text = f"{block.owed} publications of block {block.number} for our links, {block.entered} entered them"
            self.fail(text, *_cloids((*block.updates, *block.fills)))

    def _check_numbers(self, block: Block) -> None:
        for publication in block.published:
            self.compared += 1
            if publication.number != self._number + 1:
                what = publication.channel or "reply"
                self.fail(f"publication {publication.number} ({what}) follows publication {self._number}")
            self._number = publication.number
        if block.numbered != self._number:
            self.fail(
                f"the venue numbered {block.numbered} publications for us, the last that left it is {self._number}"
            )
            self._number = block.numbered

    def _check_channel(self, kind: ChannelKind, source: Sequence[OrderUpdate | Fill], block: Block) -> None:
        """What left on a channel is what came about, one by one."""
        self.compared += 1
        published, number = block.published, block.number
        left = [event for publication in published if publication.channel is kind for event in publication.events]
        if left != list(source):
            missing = [event for event in source if event not in left]
            text = f"{kind} of block {number}: {len(source)} came about, {len(left)} left the venue"
            self.fail(f"{text}, {len(missing)} of them not at all", *_cloids(missing or source))

    def _follow(self, oid: Oid, status: OrderStatus, cloid: str | None) -> None:
        self.compared += 1
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
        self.compared += 1
        if known is not None and fill.start_position != known:
            self.fail(f"fill {fill.tid} starts from {fill.start_position}, the one before left {known}", str(fill.tid))
        if fill.exch_time < self._last:
            self.fail(f"fill {fill.tid} is older than the one before", str(fill.tid))
        self._last = fill.exch_time
        self._position[name] = fill.start_position + fill.side * fill.sz

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Accepted and not ended means resting, and the reverse."""
        resting = {order.oid for order in self.scope.truth.resting()}
        self.compared += 1
        rule, found = self.scope.truth.faults_in_records()
        if rule == self.id:
            self.fail(found)
        for oid in sorted(self._live - resting):
            self.fail(f"order {oid} neither rests nor was reported to have ended")
            self._live.discard(oid)
        for oid in sorted(resting - self._live):
            self.fail(f"order {oid} rests and was never reported open")
            self._live.add(oid)

    def at_end(self, now: Ns) -> None:
        """The same, once more."""
        self.full(now)


def _cloids(events: Sequence[OrderUpdate | Fill]) -> list[str]:
    """Keys of the orders of some statuses and fills, each once."""
    return list(dict.fromkeys(event.cloid or str(event.oid) for event in events))


class CancelOnce(Invariant):
    """E7: a cancel takes an order out once; what is cancelled does not trade afterwards."""

    id = "E7"
    rule = "a cancelled order is gone: no second cancel, no later fill, not in the book"

    def __init__(self, scope: Scope) -> None:
        """Remember what was cancelled."""
        super().__init__(scope)
        self._cancelled: OrderedDict[Oid, Ns] = OrderedDict()

    def on_ours(self, block: Block) -> None:
        """Look at fills first: inside one block a fill may precede the cancel."""
        cancelled = self._cancelled
        for fill in block.fills:
            self.compared += 1
            if fill.oid in cancelled:
                self.fail(f"order {fill.oid} was filled after its cancel", str(fill.tid))
        for update in block.updates:
            if update.status is OrderStatus.CANCELED:
                self.compared += 1
                if update.oid in cancelled:
                    self.fail(f"order {update.oid} was cancelled twice", update.cloid or "")
                if update.oid in block.resting:
                    self.fail(f"order {update.oid} was cancelled and still rests", update.cloid or "")
                cancelled[update.oid] = block.now
                if len(cancelled) > ENDED_KEPT:
                    cancelled.popitem(last=False)


class Conserved(Invariant):
    """E8: inside the venue our position is what our fills add up to, and so it is stated.

    What the venue states of the positions is what they were at the moment that it names: a statement that holds
    newer fills than its stamp says would make whoever adds those fills count them twice.
    """

    id = "E8"
    rule = "positions at the venue move by its fills and by nothing else, and are stated as of the moment named"

    def __init__(self, scope: Scope) -> None:
        """Take the positions of the first block as the opening."""
        super().__init__(scope)
        self._position: dict[InstrumentId, int] = {}
        self._last = Ns(-1)

    def on_block(self, block: Block) -> None:
        """Compare every position with the fold of the fills, and with what left the venue since the block before."""
        self._compare(block)
        before, last = self._position, self._last
        self._position = {name: self.scope.truth.position(name) for name in self.scope.instruments}
        self._last = block.now
        if before:
            for publication in block.published:
                for event in publication.events:
                    for as_of, positions in _stated(event):
                        known = self._position if as_of >= block.now else before
                        self._check_statement(as_of, positions, known, last)

    def _check_statement(
        self, as_of: Ns, positions: Sequence[PositionEntry], known: Mapping[InstrumentId, int], last: Ns
    ) -> None:
        """A statement is of now, or of the time since the last block, in which nothing moves."""
        self.compared += 1
        if as_of < last:
            self.fail(f"positions of {last} ns were stated as of {as_of} ns")
        stated = {entry.instrument: entry.position for entry in positions}
        for name, position in known.items():
            if stated.get(name, 0) != position:
                theirs, ours = self.size(name, stated.get(name, 0)), self.size(name, position)
                self.fail(f"{name}: {theirs} was stated as of {as_of} ns, it was {ours}")

    def _compare(self, block: Block) -> None:
        moves: dict[InstrumentId, int] = {}
        for fill in block.fills:
            moves[fill.instrument] = moves.get(fill.instrument, 0) + fill.side * fill.sz
        for name in self.scope.instruments:
            position = self.scope.truth.position(name)
            before = self._position.get(name)
            self.compared += before is not None
            if before is not None and position != before + moves.get(name, 0):
                keys = tuple(str(fill.tid) for fill in block.fills)
                moved = self.size(name, position - before)
                self.fail(f"the position moved by {moved}, its fills say {self.size(name, moves.get(name, 0))}", *keys)


def _stated(event: AnyEvent) -> Iterator[tuple[Ns, Sequence[PositionEntry]]]:
    """The statements of all positions in an event, each with its moment."""
    if isinstance(event, PositionsReported):
        yield event.exch_time, event.positions
    elif isinstance(event, Replied):
        for result in event.results:
            if isinstance(result, PositionsReport):
                yield result.as_of, result.positions


NEWS = (ChannelKind.ORDER_UPDATES, ChannelKind.FILLS, ChannelKind.POSITIONS, ChannelKind.OPEN_ORDERS)
"""In which order the venue tells an account its news of a block; the answers follow."""


class OneHistory(Invariant):
    """E9: one seed has one history, and the digest is of all of it.

    Inside a run this can be seen: blocks are numbered without a gap and ascend in time, new orders
    ascend in their ids, the news of a block leave in one fixed order, and the digest moves with the blocks.
    That two runs of one seed have the same digest cannot be seen inside one of them:
    `tests/scenarios/test_checker_library.py` runs the library in processes with different hash seeds and compares.
    """

    id = "E9"
    rule = "blocks, order ids and the news of a block have one order; the same seed gives the same digest"

    def __init__(self, scope: Scope) -> None:
        """Start before everything."""
        super().__init__(scope)
        self._last = Ns(-1)
        self._number: int | None = None
        self._last_oid = Oid(0)
        self._known: set[Oid] = set()
        self._digest: tuple[int | None, str] | None = None

    def on_block(self, block: Block) -> None:
        """Look at the clock, at the ids of orders that were not there before, at the order of what left."""
        self.compared += 1
        if block.now <= self._last:
            self.fail(f"block of {block.now} ns after one of {self._last} ns")
        if self._number is not None and block.number != self._number + 1:
            self.fail(f"block {block.number} after block {self._number}")
        self._last, self._number = block.now, block.number
        if block.published:
            self._check_order(block)
        for update in block.updates:
            self._check_oid(update)

    def _check_order(self, block: Block) -> None:
        """One publication a channel, in the fixed order, and no answer among them; answers to queries come any time."""
        self.compared += 1
        told = [publication.channel for publication in block.published]
        while told and told[0] is None:
            del told[0]
        while told and told[-1] is None:
            del told[-1]
        if told != [channel for channel in NEWS if channel in told]:
            names = ", ".join(str(channel or "reply") for channel in told)
            self.fail(f"block {block.number}: its news left the venue as {names}")

    def _check_oid(self, update: OrderUpdate) -> None:
        self.compared += 1
        oid = update.oid
        if oid > self._last_oid:
            self._last_oid = oid
        elif oid not in self._known:
            self.fail(f"new order {oid} after order {self._last_oid}", update.cloid or "")
        if update.status is OrderStatus.OPEN:
            self._known.add(oid)
        else:
            self._known.discard(oid)

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """A block more is another digest, and none more the same."""
        before, self._digest = self._digest, (self._number, self.scope.truth.digest())
        if before is not None:
            self.compared += 1
            if (before[0] == self._number) != (before[1] == self._digest[1]):
                self.fail(
                    f"the digest is {before[1]} after block {before[0]} and {self._digest[1]} after {self._number}"
                )
