"""Accounting: every fill once, nothing invented, nothing late, money exact, nothing out of nowhere (S1-S6)."""

from collections import OrderedDict, deque

from domain.events import Fill
from domain.units import InstrumentId, Ns, Oid, Tid
from scenarios.invariants.base import Block, Invariant, Scope, Step

REMEMBERED = 50_000
"""Trade ids kept to recognise repetitions."""


class Ledger:
    """The fold of the fills handed to the trader, made apart from the trader.

    Shared by S1, S2, S4 and S5: one of them advances it at each step, the others read it.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.seen: OrderedDict[tuple[Tid, Oid], None] = OrderedDict()
        self.position: dict[InstrumentId, int] = {}
        self.cash_flow: dict[InstrumentId, int] = {}
        self.fees: dict[InstrumentId, int] = {}
        self.applied = 0
        self.before_opening = 0

    def take(self, fill: Fill, opening_as_of: Ns) -> bool:
        """Book a fill unless it is known; True if it was new to the trader."""
        key = (fill.tid, fill.oid)
        if key in self.seen:
            return False
        self.seen[key] = None
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)
        if fill.exch_time <= opening_as_of:
            self.before_opening += 1
            return True
        signed = fill.side * fill.sz
        name = fill.instrument
        self.position[name] = self.position.get(name, 0) + signed
        self.cash_flow[name] = self.cash_flow.get(name, 0) - signed * fill.px
        self.fees[name] = self.fees.get(name, 0) + fill.fee
        self.applied += 1
        return True


class AppliedOnce(Invariant):
    """S2: a trade id is applied at most once, over streams, snapshots and queries."""

    id = "S2"
    rule = "no trade id is applied twice"

    def __init__(self, scope: Scope) -> None:
        """Own the ledger that the other rules of this file read."""
        super().__init__(scope)
        self.ledger = Ledger()

    def on_step(self, step: Step) -> None:
        """Book what was handed over; the trader must not have applied more than that."""
        ledger = self.ledger
        belief = self.scope.belief.fills
        if step.fills:
            as_of = belief.opening_as_of
            for fill in step.fills:
                ledger.take(fill, as_of)
        if belief.applied > ledger.applied:
            keys = tuple(str(fill.tid) for fill in step.fills)
            self.fail(f"{belief.applied} fills applied, {ledger.applied} distinct ones handed over", *keys)


class AppliedAtOnce(Invariant):
    """S4: a fill handed to the trader is applied in the same step; a fill at the venue reaches it in time."""

    id = "S4"
    rule = "a fill is applied when it arrives, and arrives in time while the way is sound"

    def __init__(self, scope: Scope, ledger: Ledger) -> None:
        """Read the ledger after S2 has advanced it."""
        super().__init__(scope)
        self._ledger = ledger
        self._under_way: deque[tuple[Ns, Tid, Oid]] = deque()

    def on_step(self, step: Step) -> None:
        """Nothing handed over may wait."""
        if step.fills and self.scope.belief.fills.applied < self._ledger.applied:
            keys = tuple(str(fill.tid) for fill in step.fills)
            done = self.scope.belief.fills.applied
            self.fail(f"{done} fills applied, {self._ledger.applied} distinct ones handed over", *keys)

    def on_block(self, block: Block) -> None:
        """The oldest fill under way must not be too old."""
        waiting = self._under_way
        waiting.extend((fill.exch_time, fill.tid, fill.oid) for fill in block.fills)
        seen = self._ledger.seen
        while waiting and (waiting[0][1], waiting[0][2]) in seen:
            waiting.popleft()
        healthy = self.scope.healthy_since
        if waiting and healthy is not None:
            since, tid, _ = waiting[0]
            if block.now - max(since, healthy) > self.scope.bounds.fill_within:
                waiting.popleft()
                self.fail(f"fill {tid} of {since} ns has not arrived by {block.now} ns", str(tid))

    @property
    def is_quiet(self) -> bool:
        """Whether every fill at the venue has arrived."""
        seen = self._ledger.seen
        return all((tid, oid) in seen for _, tid, oid in self._under_way)


class Position(Invariant):
    """S1: our position is the opening position plus the fills applied; the venue's, once all arrived."""

    id = "S1"
    rule = "position = opening + applied fills; equal to the venue's when nothing is under way"

    def __init__(self, scope: Scope, ledger: Ledger, arrivals: AppliedAtOnce) -> None:
        """Read the ledger after S2 has advanced it."""
        super().__init__(scope)
        self._folded = ledger.position
        self._arrivals = arrivals
        self._is_open = False

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - every event may have touched it
        """Compare every desk with the fold."""
        folded = self._folded
        for name, desk in self.scope.belief.desks.items():
            inventory = desk.inventory
            if inventory.position != inventory.opening_position + folded.get(name, 0):
                self.fail(
                    f"{name}: position {inventory.position}, but opening {inventory.opening_position} "
                    f"and fills of {folded.get(name, 0)}"
                )

    def on_block(self, block: Block) -> None:
        """Compare with the venue where a fill of ours happened and everything has arrived."""
        if block.fills and self._arrivals.is_quiet:
            self._compare()

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Compare with the venue whenever nothing is under way."""
        if self._arrivals.is_quiet:
            self._compare()

    def at_end(self, now: Ns) -> None:  # noqa: ARG002
        """Both views are equal once all has healed."""
        self._compare()

    def _compare(self) -> None:
        if self.scope.belief.fills.opening_as_of < 0:
            return
        for name, desk in self.scope.belief.desks.items():
            truth = self.scope.truth.position(name)
            if desk.inventory.position != truth:
                self.fail(f"{name}: we hold {desk.inventory.position} lots, the venue says {truth}")


class NothingInvented(Invariant):
    """S3: every fill handed to the trader exists at the venue, field by field."""

    id = "S3"
    rule = "every applied fill is the venue's: side, price, size, fee"

    def on_step(self, step: Step) -> None:
        """Look up what was handed over."""
        for fill in step.fills:
            truth = self.scope.truth.fill(fill.tid, fill.oid)
            if truth is None:
                self.fail(f"fill {fill.tid} of order {fill.oid} does not exist at the venue", str(fill.tid))
            elif (truth.instrument, truth.side, truth.px, truth.sz, truth.fee, truth.exch_time) != (
                fill.instrument,
                fill.side,
                fill.px,
                fill.sz,
                fill.fee,
                fill.exch_time,
            ):
                self.fail(f"fill {fill.tid} differs: ours {fill}, the venue's {truth}", str(fill.tid))


class Cash(Invariant):
    """S5: cash is what the fills add up to, to the micro-USD, for us and at the venue."""

    id = "S5"
    rule = "cash = opening - signed value of fills - fees, in whole micro-USD"

    def __init__(self, scope: Scope, ledger: Ledger) -> None:
        """Note the venue's opening cash at the first block."""
        super().__init__(scope)
        self._ledger = ledger
        self._openings: dict[InstrumentId, tuple[int, int, int]] = {}
        self._venue_cash: int | None = None

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - every event may have touched it
        """Compare every desk with the fold; a restated position enters at the mark and rebases."""
        ledger = self._ledger
        for name, desk in self.scope.belief.desks.items():
            inventory = desk.inventory
            flow, fees = ledger.cash_flow.get(name, 0), ledger.fees.get(name, 0)
            marks = (inventory.adjustments, inventory.opening_unpriced)
            known = self._openings.get(name)
            if known is None or known[:2] != marks:
                base = inventory.cash_flow - flow if known is not None else 0
                self._openings[name] = known = (*marks, base)
            if inventory.cash_flow != flow + known[2] or inventory.fees != fees:
                self.fail(
                    f"{name}: cash flow {inventory.cash_flow} and fees {inventory.fees} micro-USD, "
                    f"the fills say {flow + known[2]} and {fees}"
                )

    def on_block(self, block: Block) -> None:
        """The venue's own books move by exactly what it printed."""
        cash = self.scope.truth.cash()
        if self._venue_cash is not None:
            change = -sum(fill.side * fill.sz * fill.px + fill.fee for fill in block.fills)
            if cash != self._venue_cash + change:
                keys = tuple(str(fill.tid) for fill in block.fills)
                self.fail(f"cash at the venue moved by {cash - self._venue_cash}, its fills say {change}", *keys)
        self._venue_cash = cash


class ZeroSum(Invariant):
    """S6: what one account has, others gave: positions add up to zero, cash and fees to a constant."""

    id = "S6"
    rule = "sums over all accounts are zero"

    def on_block(self, block: Block) -> None:
        """Add up where a trade happened."""
        if block.fills:
            self.full(block.now)

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Add up everything."""
        for name, total in self.scope.truth.imbalance():
            if total:
                self.fail(f"{name} over all accounts is {total}, not 0")
