"""Orders: legal lives, no release before the fills are in, nothing resting that we do not know (S8, S10, S11)."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from domain.events import Fill, OpenOrder, OrderStatus
from domain.orders import TERMINAL, TRANSITIONS, OrderState, TrackedOrder
from domain.units import Cloid, InstrumentId, Ns, Oid, Sz
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.invariants.ways import Mark, Ways

ENDED_KEPT = 5_000
"""Ended orders remembered, so that one that comes back to life is seen."""


class Watched:
    """An order of the trader as it was at the last look."""

    __slots__ = ("filled", "n_steps", "order", "state")

    def __init__(self, order: TrackedOrder) -> None:
        self.order = order
        self.state = OrderState.PENDING_NEW
        self.n_steps = 0
        self.filled = Sz(0)


class Lifecycle(Invariant):
    """S8: legal steps only, an end is an end, the filled size grows and never above the order's.

    It follows the steps that an order records, each by itself: two that together lead to a legal state may
    both be illegal. The order's own guard is not asked.
    """

    id = "S8"
    rule = "orders take legal steps only; ended orders stay ended; filled grows up to the size"

    def __init__(self, scope: Scope) -> None:
        """Remember each order as last seen."""
        super().__init__(scope)
        self.seen: dict[Cloid, Watched] = {}
        """Orders that the trader takes for live or not settled."""
        self.on_release: list[Callable[[TrackedOrder], None]] = []
        """Told of each order that leaves them."""
        self.on_end: list[Callable[[TrackedOrder], None]] = []
        """Told of each order that the trader takes for ended."""
        self.on_move: list[Callable[[TrackedOrder, OrderState, Step | None], None]] = []
        """Told of each order in another state, with the one before and the step in which it was seen."""
        self.changes = 0
        """Grows with every change of any order."""
        self._ended: OrderedDict[Cloid, None] = OrderedDict()
        self._revisions: dict[InstrumentId, int] = {}
        self._step: Step | None = None
        """The step under way; None in a look at everything."""

    def on_life(self) -> None:
        """A new life has orders of its own, and may ask again what became of those of the one before."""
        self.seen.clear()
        self._ended.clear()
        self._revisions.clear()
        self.changes += 1

    def on_step(self, step: Step) -> None:
        """Compare the live orders with what they were, where the trader learned or did anything about one."""
        revisions, news = self._revisions, False
        self._step = step
        for name, desk in self.scope.belief.desks.items():
            revision = desk.tracker.revision
            if revisions.get(name) != revision:
                revisions[name] = revision
                news = True
                self._look_at(desk.tracker.orders)
        if news:
            self._follow_ended()
        if step.fills:
            self._look_at_late(step.fills)

    def full(self, now: Ns) -> None:  # noqa: ARG002
        """Compare every live order: one may have changed behind the trader's own back."""
        self._step = None
        for desk in self.scope.belief.desks.values():
            self._look_at(desk.tracker.orders)
        self._follow_ended()

    def _look_at(self, orders: Mapping[Cloid, TrackedOrder]) -> None:
        seen = self.seen
        self.compared += len(orders)
        for cloid, order in orders.items():
            last = seen.get(cloid)
            if last is None:
                last = self._begin(cloid, order)
            elif (
                order is last.order
                and order.state is last.state
                and order.filled == last.filled
                and order.n_steps == last.n_steps
            ):
                continue
            self._move(cloid, order, last)

    def _look_at_late(self, fills: Sequence[Fill]) -> None:
        """A fill may be of an order that ended before."""
        for fill in fills:
            desk = self.scope.belief.desks.get(fill.instrument)
            order = desk.tracker.find(fill.cloid, fill.oid) if desk is not None else None
            if order is not None and order.cloid not in self.seen:
                self.compared += 1
                self._check_filled(order.cloid, order)

    def _begin(self, cloid: Cloid, order: TrackedOrder) -> Watched:
        if cloid in self._ended:
            self.fail(f"{order} had ended and is live again", cloid)
        self.seen[cloid] = last = Watched(order)
        return last

    def _move(self, cloid: Cloid, order: TrackedOrder, last: Watched) -> None:
        self.changes += 1
        if order is not last.order:
            self.fail(f"{order} took the place of {last.order}", cloid)
        self._check_steps(cloid, order, last)
        if order.filled < last.filled:
            self.fail(f"{order} had {last.filled} lots filled before", cloid)
        self._check_filled(cloid, order)
        if order.state is not last.state:
            for tell in self.on_move:
                tell(order, last.state, self._step)
            if order.state in TERMINAL:
                for hear in self.on_end:
                    hear(order)
        last.order, last.state, last.filled, last.n_steps = order, order.state, order.filled, order.n_steps

    def _check_steps(self, cloid: Cloid, order: TrackedOrder, last: Watched) -> None:
        """Each recorded step since the last look, and that nothing but a step changed the state."""
        path = order.path
        taken = order.n_steps - last.n_steps
        steps = path[-taken - 1 :]
        if len(steps) == taken + 1 and steps[0] is not last.state:
            self.fail(f"{order} was {last.state}, and its steps say it was {steps[0]}", cloid)
        for before, after in pairwise(steps):
            if after not in TRANSITIONS[before]:
                self.fail(f"{order}: {before} to {after} is not a legal step", cloid)
        if path[-1] is not order.state:
            self.fail(f"{order} was {path[-1]} and became {order.state} without a step", cloid)

    def _check_filled(self, cloid: Cloid, order: TrackedOrder) -> None:
        if not 0 <= order.filled <= order.sz:
            self.fail(f"{order}: filled {order.filled} of {order.sz}", cloid)

    def _follow_ended(self) -> None:
        """Look once more at orders that the trader let go, whether or not it still remembers them."""
        desks = self.scope.belief.desks.values()
        if sum(len(desk.tracker.orders) for desk in desks) == len(self.seen):
            return
        for cloid in [c for c in self.seen if not any(c in desk.tracker.orders for desk in desks)]:
            last = self.seen.pop(cloid)
            order = last.order
            self._move(cloid, order, last)
            for let_go in self.on_release:
                let_go(order)
            if order.state not in TERMINAL:
                self.fail(f"{order} was let go before it ended", cloid)
            self._ended[cloid] = None
            if len(self._ended) > ENDED_KEPT:
                self._ended.popitem(last=False)


class SettleBeforeRelease(Invariant):
    """S10: exposure is let go only when our fills equal the final filled size at the venue."""

    id = "S10"
    rule = "an order is let go only when it ended at the venue and all its fills are applied"

    def __init__(self, scope: Scope, lives: Lifecycle) -> None:
        """Look at what S8 sees leave."""
        super().__init__(scope)
        lives.on_release.append(self.on_release)

    def on_release(self, order: TrackedOrder) -> None:
        """Check what leaves the live orders, at that event."""
        self.compared += 1
        truth = self.scope.truth.order_of(order.cloid)
        if truth is None:
            if order.filled:
                self.fail(f"{order} has fills, but the venue never had it", order.cloid)
            return
        if truth.status is OrderStatus.OPEN:
            self.fail(f"{order} was let go, but it rests at the venue with {truth.sz - truth.filled} left", order.cloid)
        elif truth.filled != order.filled:
            self.fail(f"{order} was let go with {order.filled} filled, the venue filled {truth.filled}", order.cloid)


class NoUnknownOrders(Invariant):
    """S11: whatever rests at the venue for us is alive in our books.

    A stranger's order has no id of ours: it is found by the next list only, and must be gone within `limbo`. Of that
    the time counts in which somebody could have taken it out (`Ways`): a process that is dead or stands still, and one
    whose every request is turned away, cannot. What rests when all has healed is L2's.
    """

    id = "S11"
    rule = "every resting order of ours is known and not believed to have ended"

    def __init__(self, scope: Scope, lives: Lifecycle, ways: Ways) -> None:
        """Note since when an order has been unknown; L4 lets ``ways`` go on."""
        super().__init__(scope)
        self._lives = lives
        self._live = lives.seen
        self._ways = ways
        self._since: dict[Oid, tuple[Ns, Mark]] = {}
        self._sound: tuple[Mapping[Oid, OpenOrder], int] | None = None
        """What rested, and the count of changes in our books, when both were last found to agree."""

    def on_block(self, block: Block) -> None:
        """Look every resting order up, unless nothing has changed on either side since it was done."""
        live, resting = self._live, block.resting
        sound = self._sound
        if sound is not None and sound[0] is resting and sound[1] == self._lives.changes:
            self.compared += len(resting)
            return
        for oid, truth in resting.items():
            known = live.get(truth.cloid) if truth.cloid is not None else None
            if known is None or known.state in TERMINAL:
                self._look_closer(oid, block)
            elif self._since:
                self._since.pop(oid, None)
        self.compared += len(resting)
        if self._since:
            self._since = {oid: since for oid, since in self._since.items() if oid in resting}
        self._sound = None if self._since else (resting, self._lives.changes)

    def _look_closer(self, oid: Oid, block: Block) -> None:
        truth = block.resting[oid]
        desk = self.scope.belief.desks.get(truth.instrument)
        order = desk.tracker.find(truth.cloid, oid) if desk is not None else None
        if order is not None and order.state not in TERMINAL:
            self._since.pop(oid, None)
        elif order is not None:
            self.fail(f"{order} rests at the venue", order.cloid)
        else:
            since, mark = self._since.setdefault(oid, (block.now, self._ways.mark()))
            bounds = self.scope.bounds
            is_ours = truth.cloid is not None
            if block.now - since > bounds.in_flight if is_ours else self._ways.is_longer(mark, bounds.limbo):
                self.fail(f"order {oid} ({truth.cloid}) rests at the venue and we do not know it", truth.cloid or "")
