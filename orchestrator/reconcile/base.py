"""From targets and live orders to actions: keep, modify, cancel and place, cancel, place (RC-01..08, RC-11).

A pure function: same input, same output. An order that a request is about is left alone but holds
its place among the targets, so that no slot is ever filled twice (RC-05); an order whose fate is
unknown holds one too. Which order serves which target is decided here, what becomes of the two in `table`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Cloid, Ns, Px, Side, Tif
from orchestrator.reconcile.band import NO_BAND, NO_CLAIM, Band, Claim
from orchestrator.reconcile.table import KEEPS, Row, Rules, distance
from strategy.ladder import LadderLevel


@dataclass(frozen=True, slots=True)
class PlaceNew:
    """Place an order for a target that nothing serves."""

    side: Side
    level: LadderLevel


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel an order that serves no target."""

    order: TrackedOrder


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """Other size, or a price within reach: one request instead of two."""

    order: TrackedOrder
    level: LadderLevel


@dataclass(frozen=True, slots=True)
class Replace:
    """Other price: cancel the old and place the new."""

    order: TrackedOrder
    level: LadderLevel


NO_BANDS: Mapping[Px, Band] = {}
NO_CLAIMS: Mapping[Cloid, Claim] = {}

LadderAction = PlaceNew | CancelOrder | ModifyOrder | Replace


@dataclass(slots=True)
class Plan:
    """What a reconciliation found."""

    actions: list[LadderAction] = field(default_factory=list)
    kept: int = 0
    blocked: int = 0
    """Targets held by an order that a request is about, or whose fate is unknown."""
    latched: int = 0
    """Of those kept, the ones that are not exactly where they should be."""
    queued: int = 0
    """Of those latched, the ones that stay for the value of their place in the queue."""
    debounced: int = 0
    """Modifies that came too soon after the last one of their order: it rests on."""
    retry_at: Ns | None = None
    """When the first of them may go, where they are waited for."""


def reconcile(  # noqa: PLR0913 - everything that a pure decision reads
    targets: Sequence[LadderLevel],
    orders: Iterable[TrackedOrder],
    side: Side,
    plan: Plan,
    rules: Rules,
    now: Ns,
    bands: Mapping[Px, Band] = NO_BANDS,
    claims: Mapping[Cloid, Claim] = NO_CLAIMS,
    *,
    reduce_only: bool = False,
) -> None:
    """Add to ``plan`` what makes the orders of one side serve its targets (best first).

    ``bands``: how far an order may be from the target at a price, where that is not the same for all of them.
    ``claims``: what the places of orders in their queues speak for.
    ``reduce_only``: whether orders should say so; one that does not is replaced. What takes serves no target.
    """
    free: list[TrackedOrder] = []
    holding: list[TrackedOrder] = []
    for order in orders:
        if order.side is not side or order.is_terminal or order.tif is Tif.IOC:
            continue
        if order.is_resting and order.in_flight is InFlight.NONE and _is_known(order):
            free.append(order)
        elif _holds_a_target(order):
            holding.append(order)
    if not targets and not holding:
        plan.actions.extend(CancelOrder(order) for order in free)
        return
    matching = _Matching(list(targets), plan, rules, now, bands, claims, reduce_only=reduce_only)
    unmatched = matching.serve_same_price(free)
    matching.hold(holding)
    unmatched.sort(key=lambda order: -side * order.px)
    if bands or rules.reach or rules.latch != NO_BAND:
        matching.serve_cheapest(unmatched)
    left = matching.left
    for order in unmatched:
        if left:
            plan.actions.append(Replace(order, left.pop(0)))
        else:
            plan.actions.append(CancelOrder(order))
    plan.actions.extend(PlaceNew(side, level) for level in left)


def is_served(
    targets: Sequence[LadderLevel],
    orders: Iterable[TrackedOrder],
    side: Side,
    rules: Rules,
    *,
    reduce_only: bool = False,
) -> bool:
    """Whether each target of a side has its order, exactly there, and nothing else is live (CH-16).

    Then `reconcile` would keep them all; it takes neither bands nor places to know that.
    """
    left = {level.px: level for level in targets}
    n = 0
    for order in orders:
        if order.side is not side or order.is_terminal or order.tif is Tif.IOC:
            continue
        level = left.pop(order.px, None)
        if (
            level is None
            or not order.is_resting
            or order.in_flight is not InFlight.NONE
            or not _is_known(order)
            or order.reduce_only is not reduce_only
            or not rules.is_size_right(order, level)
        ):
            return False
        n += 1
    return n == len(targets)


@dataclass(slots=True)
class _Matching:
    """Which order of one side serves which of its targets, and what becomes of the two."""

    left: list[LadderLevel]
    """Targets that nothing serves yet, best first."""
    plan: Plan
    rules: Rules
    now: Ns
    bands: Mapping[Px, Band]
    claims: Mapping[Cloid, Claim]
    reduce_only: bool = field(kw_only=True)

    def serve_same_price(self, free: Sequence[TrackedOrder]) -> list[TrackedOrder]:
        """What stands at a target's price serves it, rather one of the right size; returns the orders that do not."""
        by_px, is_size_right = {level.px: level for level in self.left}, self.rules.is_size_right
        right: set[Px] = set()
        for order in free:
            level = by_px.get(order.px)
            if level is not None and is_size_right(order, level) and order.reduce_only is self.reduce_only:
                right.add(order.px)
        unmatched = []
        for order in free:
            level = by_px.get(order.px) if order.reduce_only is self.reduce_only else None
            if level is None or (order.px in right and not is_size_right(order, level)):
                unmatched.append(order)
                continue
            del by_px[order.px]
            self._serve(order, level, self._row(order, level))
        return unmatched

    def hold(self, holding: Sequence[TrackedOrder]) -> None:
        """Each busy or unknown order takes the nearest target out of the running."""
        for order in holding:
            if not self.left:
                return
            px = order.px
            self.left.remove(min(self.left, key=lambda level: abs(level.px - px)))
            self.plan.blocked += 1

    def serve_cheapest(self, free: list[TrackedOrder]) -> None:
        """Keep or modify so that the fewest requests are made; then what is kept is nearest, and the best served first.

        ``free``: best first, as the targets are, and nobody overtakes: what stands further in serves no target further
        out than what stands behind it. A modify is one request, and so is whatever is left over (RC-06, RC-11).
        """
        targets, orders = tuple(self.left), [order for order in free if order.reduce_only is self.reduce_only]
        if not orders:
            return
        if len(orders) == len(targets):
            straight = [self._row(order, target) for order, target in zip(orders, targets, strict=True)]
            if KEEPS.issuperset(straight):  # no other way is without a request
                for order, target, row in zip(orders, targets, straight, strict=True):
                    free.remove(order)
                    self._serve(order, target, row)
                return
        rows = [[self._row(order, target) for order in orders] for target in targets]
        for i, j in _cheapest(targets, orders, rows):
            free.remove(orders[j])
            self._serve(orders[j], targets[i], rows[i][j])

    def _row(self, order: TrackedOrder, level: LadderLevel) -> Row:
        band, claim = self.bands.get(level.px, self.rules.latch), self.claims.get(order.cloid, NO_CLAIM)
        return self.rules.row(order, level, band, claim)

    def _serve(self, order: TrackedOrder, level: LadderLevel, row: Row) -> None:
        """Keep or modify; a modify that comes too soon after the last one leaves the order where it is."""
        plan = self.plan
        self.left.remove(level)
        if row in KEEPS:
            plan.kept += 1
            plan.latched += row is not Row.SAME
            plan.queued += row is Row.QUEUE
            return
        at = self.rules.may_modify_at(order)
        if self.now >= at:
            plan.actions.append(ModifyOrder(order, level))
            return
        plan.debounced += 1
        if self.rules.waits:
            plan.retry_at = at if plan.retry_at is None else min(plan.retry_at, at)


class _Cost(NamedTuple):
    """Of serving some targets with some orders; what is smaller is better, the first difference decides."""

    requests: int = 0
    lag: float = 0.0
    """How far what is kept is from its targets, in bps, all added up."""
    rank: int = 0
    """Of the targets that are served by modifies, added up: the best first."""
    way: float = 0.0
    """How far orders are modified, in bps, all added up."""

    def and_request(self) -> "_Cost":
        """With one more: a target or an order is left over."""
        return self._replace(requests=self.requests + 1)

    def and_pair(self, row: Row, rank: int, off: float) -> "_Cost":
        """With an order that is kept or modified."""
        if row in KEEPS:
            return self._replace(lag=self.lag + off)
        return _Cost(self.requests + 1, self.lag, self.rank + rank, self.way + off)


def _cheapest(
    targets: Sequence[LadderLevel], orders: Sequence[TrackedOrder], rows: Sequence[Sequence[Row]]
) -> list[tuple[int, int]]:
    """Which target (by its index) each order (by its own) serves; by dynamic programming, from the end."""
    n, m = len(targets), len(orders)
    costs = [_Cost(m - j) for j in range(m + 1)]  # of the orders from j on where no target is left: cancel them
    table, pairs = [costs], [[False] * m for _ in targets]
    for i in reversed(range(n)):
        after, costs = costs, [_Cost(n - i)] * (m + 1)
        for j in reversed(range(m)):
            costs[j] = min(after[j], costs[j + 1]).and_request()
            row = rows[i][j]
            if row is not Row.REPLACE:
                both = after[j + 1].and_pair(row, i, distance(orders[j], targets[i]))
                if both <= costs[j]:
                    costs[j], pairs[i][j] = both, True
        table.append(costs)
    table.reverse()
    served, i, j = [], 0, 0
    while i < n and j < m:
        if pairs[i][j]:
            served.append((i, j))
            i, j = i + 1, j + 1
        elif table[i + 1][j] <= table[i][j + 1]:
            i += 1  # a target is left over
        else:
            j += 1
    return served


def _is_known(order: TrackedOrder) -> bool:
    return order.certainty is Certainty.KNOWN


def _holds_a_target(order: TrackedOrder) -> bool:
    """A cancel under way frees its target; a placement under way, a doubt, or a fallback from a modify, does not.

    Of a modify under way the new generation holds the target.
    """
    if order.certainty is Certainty.UNKNOWN or order.is_unmodifiable:
        return True
    return order.state is OrderState.PENDING_NEW
