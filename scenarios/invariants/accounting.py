"""Accounting: every fill once, nothing invented, nothing late, money exact, nothing out of nowhere (S1-S6).

The ledger of this file is made apart from the trader, of the fills that were handed to it. Against it stand
the trader's own books at every event, and the venue's books whenever no fill is under way between the two.
"""

from collections import OrderedDict

from domain.events import Fill, Restored
from domain.units import InstrumentId, Ns, Tid
from scenarios.invariants.base import Block, Invariant, Scope, Step, usd
from scenarios.invariants.views import DeskView, FillsView

REMEMBERED = 50_000
"""Fills kept to recognise repetitions, and to know what a new life has yet to learn."""


class Ledger:
    """The fold of the fills handed to the trader in its present life, and what it has not been handed yet.

    Shared by S1, S2, S4 and S5: S2 advances it at each step and block, the others read it.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.seen: OrderedDict[Tid, Fill] = OrderedDict()
        self.under_way: OrderedDict[Tid, Fill] = OrderedDict()
        """Fills of the venue that the trader has not been handed; oldest first."""
        self.position: dict[InstrumentId, int] = {}
        self.value: dict[InstrumentId, int] = {}
        """Signed value of the fills, fees not included."""
        self.fees: dict[InstrumentId, int] = {}
        self.applied = 0
        self.before_opening = 0
        """Money of fills that the venue's first statement contains, fees included; no life books them."""
        self._before_opening: set[Tid] = set()
        self.held: list[Fill] = []
        """Handed over before the venue's first statement: nobody can tell new fills from history."""

    def latest(self) -> tuple[str, ...]:
        """Keys of the latest fills: where two ledgers part, it began with one of them."""
        return tuple(str(tid) for tid, _ in zip(reversed(self.seen), range(2), strict=False))

    def happened(self, fill: Fill) -> None:
        """A fill came about at the venue."""
        if fill.tid not in self.seen:
            self.under_way[fill.tid] = fill

    def take(self, fill: Fill, belief: FillsView) -> None:
        """A fill was handed over: book it unless it is known or has to wait for the first statement."""
        self.under_way.pop(fill.tid, None)
        if fill.tid in self.seen:
            return
        self.seen[fill.tid] = fill
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)
        if belief.is_holding:
            self.held.append(fill)
        else:
            self._book(fill, belief.opening_as_of)

    def release(self, belief: FillsView) -> None:
        """Book what waited; the trader waits no longer."""
        held, self.held = self.held, []
        for fill in held:
            self._book(fill, belief.opening_as_of)

    def begin_life(self, restored: Restored) -> None:
        """A new life knows what its journal kept; whatever else it was ever handed is under way again.

        What a life wrote down as it died, without taking it in, the next one knows all the same.
        """
        known = set(restored.tids)
        for tid in [tid for tid in self.under_way if tid in known]:
            self.seen[tid] = self.under_way.pop(tid)
        # of two fills of one block the journal may have kept one: what is as old as the newest known may be lost
        lost = [f for f in self.seen.values() if f.tid not in known and f.exch_time >= restored.fills_since]
        for fill in lost:
            del self.seen[fill.tid]
        pending = sorted([*lost, *self.under_way.values()], key=lambda fill: (fill.exch_time, fill.tid))
        self.under_way = OrderedDict((fill.tid, fill) for fill in pending)
        self.position, self.value, self.fees = {}, {}, {}
        self.applied = 0
        self.held = []

    def _book(self, fill: Fill, opening_as_of: Ns) -> None:
        signed = fill.side * fill.sz
        if fill.exch_time <= opening_as_of:
            if fill.tid not in self._before_opening:
                self._before_opening.add(fill.tid)
                self.before_opening += signed * fill.px + fill.fee
            return
        name = fill.instrument
        self.position[name] = self.position.get(name, 0) + signed
        self.value[name] = self.value.get(name, 0) + signed * fill.px
        self.fees[name] = self.fees.get(name, 0) + fill.fee
        self.applied += 1


class AppliedOnce(Invariant):
    """S2: a trade id is applied at most once, over streams, snapshots, queries and lives."""

    id = "S2"
    rule = "no trade id is applied twice"

    def __init__(self, scope: Scope) -> None:
        """Own the ledger that the other rules of this file read."""
        super().__init__(scope)
        self.ledger = Ledger()
        self._too_many = 0
        """What was told: an excess that stays is one finding."""

    def on_step(self, step: Step) -> None:
        """Book what was handed over; the trader must not have applied more than that."""
        ledger = self.ledger
        belief = self.scope.belief.fills
        if type(step.event) is Restored:
            ledger.begin_life(step.event)
        for fill in step.fills:
            ledger.take(fill, belief)
        if ledger.held and not belief.is_holding:
            ledger.release(belief)
        self.compared += 1
        if belief.applied != ledger.applied + self._too_many:
            self._too_many = max(belief.applied - ledger.applied, 0)
            if self._too_many:
                keys = tuple(str(fill.tid) for fill in step.fills)
                self.fail(f"{belief.applied} fills applied, {ledger.applied} distinct ones handed over", *keys)

    def on_ours(self, block: Block) -> None:
        """Note what is under way from now on."""
        for fill in block.fills:
            self.ledger.happened(fill)


class AppliedAtOnce(Invariant):
    """S4: a fill handed to the trader is applied in the same step; a fill at the venue reaches it in time."""

    id = "S4"
    rule = "a fill is applied when it arrives, and arrives in time while the way is sound"

    def __init__(self, scope: Scope, ledger: Ledger) -> None:
        """Read the ledger after S2 has advanced it."""
        super().__init__(scope)
        self._ledger = ledger
        self._missing = 0
        """What was told: a lack that stays is one finding."""

    def on_fills(self, step: Step) -> None:
        """Nothing handed over may wait."""
        self.compared += 1
        done, handed = self.scope.belief.fills.applied, self._ledger.applied
        if handed - done > self._missing:
            keys = tuple(str(fill.tid) for fill in step.fills)
            self.fail(f"{done} fills applied, {handed} distinct ones handed over", *keys)
        self._missing = max(handed - done, 0)

    def on_block(self, block: Block) -> None:
        """The oldest fill under way must not be too old."""
        waiting = self._ledger.under_way
        healthy = self.scope.healthy_since
        if not waiting or healthy is None:
            return
        self.compared += 1
        oldest = next(iter(waiting.values()))
        if block.now - max(oldest.exch_time, healthy) > self.scope.bounds.fill_within:
            del waiting[oldest.tid]
            text = f"fill {oldest.tid} of {oldest.exch_time} ns has not arrived by {block.now} ns"
            self.fail(text, str(oldest.tid))

    def at_end(self, now: Ns) -> None:
        """Every fill has arrived once all is quiet."""
        self.compared += 1
        waiting = self._ledger.under_way
        if waiting:
            text = f"{len(waiting)} fills of the venue never reached the trader, by the end at {now} ns"
            self.fail(text, *(str(tid) for tid in list(waiting)[:3]))


class Position(Invariant):
    """S1: our position is the opening position plus the fills applied; the venue's, once all arrived.

    A correction that the venue's statement forced on us (C-01) is part of the position until the fill that
    it stands for arrives: it can not hide a lost fill, since the venue is compared at every event at which
    no fill is under way, and the opening position may not move.
    """

    id = "S1"
    rule = "position = opening + applied fills + outstanding adjustments; the venue's when no fill is under way"

    def __init__(self, scope: Scope, ledger: Ledger) -> None:
        """Read the ledger after S2 has advanced it."""
        super().__init__(scope)
        self._ledger = ledger
        self._openings: dict[InstrumentId, int] = {}
        self._errors: dict[InstrumentId, int] = {}
        self._differences: dict[InstrumentId, int] = {}
        """What was told: a difference that stays is one finding, not one an event."""

    def on_life(self) -> None:
        """A new life has another opening."""
        self._openings.clear()

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - every event may have touched it
        """Compare every desk with the fold, and with the venue unless a fill is under way."""
        ledger, scope, openings = self._ledger, self.scope, self._openings
        folded, belief = ledger.position, scope.belief
        is_open = belief.fills.opening_as_of >= 0
        is_quiet = is_open and not ledger.under_way
        position = scope.truth.position
        for name, desk in belief.desks.items():
            inventory = desk.inventory
            held, opening = inventory.position, inventory.opening_position
            if held != opening + folded.get(name, 0) or inventory.adjustments:
                self._explain(name, held, opening, inventory.adjusted_lots)
            if is_open and openings.get(name) != opening:
                self._check_opening(name, opening)
            if is_quiet and held != position(name):
                self._compare(name, desk)
        self.compared += len(belief.desks) * (1 + is_quiet)

    def at_end(self, now: Ns) -> None:  # noqa: ARG002
        """Both views are equal once all has healed, whatever S4 has given up."""
        if self.scope.belief.fills.opening_as_of >= 0:
            for name, desk in self.scope.belief.desks.items():
                self.compared += 1
                self._compare(name, desk)

    def _explain(self, name: InstrumentId, position: int, opening: int, adjusted: int) -> None:
        """Say once by how much the position is wrong, and of what it should consist."""
        folded = self._ledger.position.get(name, 0)
        error = position - opening - folded - adjusted
        if self._errors.get(name, 0) == error:
            return
        self._errors[name] = error
        if not error:
            return
        parts = (("opening", opening), ("fills", folded), ("adjustments", adjusted))
        sums = ", ".join(f"{what} {self.size(name, lots)}" for what, lots in parts)
        self.fail(f"we hold {self.size(name, position)}, but {sums}", *self._ledger.latest())

    def _check_opening(self, name: InstrumentId, opening: int) -> None:
        if name in self._openings:
            before = self.size(name, self._openings[name])
            self.fail(f"the opening position moved from {before} to {self.size(name, opening)}", *self._ledger.latest())
        self._openings[name] = opening

    def _compare(self, name: InstrumentId, desk: DeskView) -> None:
        """Say once by how much both views differ."""
        ours, theirs = desk.inventory.position, self.scope.truth.position(name)
        if ours - theirs == self._differences.get(name, 0):
            return
        self._differences[name] = ours - theirs
        if ours != theirs:
            text = f"we hold {self.size(name, ours)}, the venue says {self.size(name, theirs)}"
            self.fail(text, *self._ledger.latest())


class NothingInvented(Invariant):
    """S3: every fill handed to the trader exists at the venue, field by field."""

    id = "S3"
    rule = "every applied fill is the venue's: side, price, size, fee"

    def on_fills(self, step: Step) -> None:
        """Look up what was handed over."""
        for fill in step.fills:
            self.compared += 1
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
    """S5: cash is what the fills add up to, to the micro-USD: in our books, at the venue, and between the two."""

    id = "S5"
    rule = "cash = opening - value of fills - fees + transfers, in micro-USD; the venue's when no fill is under way"

    def __init__(self, scope: Scope, ledger: Ledger) -> None:
        """Note the venue's opening cash; nothing has traded yet."""
        super().__init__(scope)
        self._ledger = ledger
        self._opening_transfers = scope.truth.transfers()
        self._opening_cash = self._cash_of_fills()
        self._venue_cash: int | None = None
        self._money: int | None = None
        """All of it at the last block, transfers included."""
        self._errors: dict[InstrumentId, tuple[int, int]] = {}
        self._difference = 0
        """What was told: a difference that stays is one finding, not one an event."""

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - every event may have touched it
        """Compare every desk with the fold, and all of them with the venue unless a fill is under way."""
        ledger, belief = self._ledger, self.scope.belief
        value, fees = ledger.value, ledger.fees
        ours = 0
        for name, desk in belief.desks.items():
            inventory = desk.inventory
            adjusted = inventory.adjusted_value if inventory.adjustments else 0
            valued = adjusted + inventory.opening_value
            flow = inventory.opening_cash_flow - value.get(name, 0) - valued
            paid = inventory.opening_fees + fees.get(name, 0)
            if inventory.cash_flow != flow or inventory.fees != paid:
                self._explain(name, (inventory.cash_flow, inventory.fees), (flow, paid))
            ours += inventory.cash_flow - inventory.fees + valued
        self.compared += len(belief.desks)
        if not ledger.under_way and belief.fills.opening_as_of >= 0:
            self._compare(ours)

    def _compare(self, ours: int) -> None:
        """What the trader made of all its fills is what the account made of them."""
        self.compared += 1
        cash = self._cash_of_fills() if self._venue_cash is None else self._venue_cash  # it moves in blocks only
        theirs = cash - self._opening_cash + self._ledger.before_opening
        if ours - theirs != self._difference:
            self._difference = ours - theirs
            if ours != theirs:
                self.fail(f"our cash changed by {usd(ours)}, the venue's by {usd(theirs)}", *self._ledger.latest())

    def _explain(self, name: InstrumentId, ours: tuple[int, int], fills: tuple[int, int]) -> None:
        """Say once by how much the books of one instrument are wrong."""
        error = (ours[0] - fills[0], ours[1] - fills[1])
        if self._errors.get(name) == error:
            return
        self._errors[name] = error
        text = f"{name}: cash flow {usd(ours[0])} and fees {usd(ours[1])}, the fills say {usd(fills[0])} and "
        self.fail(text + usd(fills[1]), *self._ledger.latest())

    def on_block(self, block: Block) -> None:
        """The venue's own books move by exactly what it printed, and by transfers."""
        money = self.scope.truth.cash()
        if money == self._money and not block.fills:
            self.compared += 1
            return
        self._money = money
        cash = self._cash_of_fills()
        if self._venue_cash is not None:
            self.compared += 1
            change = 0
            for fill in block.fills:
                change -= fill.side * fill.sz * fill.px + fill.fee
            if cash != self._venue_cash + change:
                keys = tuple(str(fill.tid) for fill in block.fills)
                moved = usd(cash - self._venue_cash)
                self.fail(f"cash at the venue moved by {moved}, its fills say {usd(change)}", *keys)
        self._venue_cash = cash

    def at_end(self, now: Ns) -> None:  # noqa: ARG002
        """Every transfer has been told and booked: funding, and what liquidations took."""
        self.compared += 1
        ours = sum(desk.inventory.transfers for desk in self.scope.belief.desks.values())
        theirs = self.scope.truth.transfers() - self._opening_transfers
        if ours != theirs:
            self.fail(f"we have booked transfers of {usd(ours)}, the venue made {usd(theirs)}")

    def _cash_of_fills(self) -> int:
        return self.scope.truth.cash() - self.scope.truth.transfers()


class ZeroSum(Invariant):
    """S6: what one account has, others gave: positions add up to zero, cash and fees to a constant."""

    id = "S6"
    rule = "sums over all accounts are zero"

    def on_ours(self, block: Block) -> None:
        """Add up where a trade happened."""
        if block.fills:
            self.full(block.now)

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Add up everything."""
        for name, total in self.scope.truth.imbalance():
            self.compared += 1
            if total:
                self.fail(f"{name} over all accounts is {total}, not 0")
        _, found = fault = self.scope.truth.faults_in_records()
        if fault[0] == self.id:
            self.fail(found)
