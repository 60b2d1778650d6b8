"""From targets and live orders to actions: keep, modify, cancel and place, cancel, place (RC-01..08).

A pure function: same input, same output. An order that a request is about is left alone but holds
its place among the targets, so that no slot is ever filled twice (RC-05); an order whose fate is
unknown holds one too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Side, Tif
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
    """Same price, other size: one request instead of two."""

    order: TrackedOrder
    level: LadderLevel


@dataclass(frozen=True, slots=True)
class Replace:
    """Other price: cancel the old and place the new."""

    order: TrackedOrder
    level: LadderLevel


LadderAction = PlaceNew | CancelOrder | ModifyOrder | Replace


@dataclass(slots=True)
class Plan:
    """What a reconciliation found."""

    actions: list[LadderAction] = field(default_factory=list)
    kept: int = 0
    blocked: int = 0
    """Targets held by an order that a request is about, or whose fate is unknown."""


def reconcile(
    targets: Sequence[LadderLevel],
    orders: Iterable[TrackedOrder],
    side: Side,
    plan: Plan,
    size_tolerance: float,
    *,
    reduce_only: bool = False,
) -> None:
    """Add to ``plan`` what makes the orders of one side serve its targets (best first).

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
    left = list(targets)
    unmatched = _match_same_price(left, free, plan, size_tolerance, reduce_only=reduce_only)
    _hold(left, holding, plan)
    unmatched.sort(key=lambda order: -side * order.px)
    for order in unmatched:
        if left:
            plan.actions.append(Replace(order, left.pop(0)))
        else:
            plan.actions.append(CancelOrder(order))
    plan.actions.extend(PlaceNew(side, level) for level in left)


def _match_same_price(
    left: list[LadderLevel], free: list[TrackedOrder], plan: Plan, size_tolerance: float, *, reduce_only: bool
) -> list[TrackedOrder]:
    """Keep or modify what stands at a target's price; returns the orders that do not."""
    by_px = {level.px: level for level in left}
    unmatched = []
    for order in free:
        level = by_px.pop(order.px, None) if order.reduce_only is reduce_only else None
        if level is None:
            unmatched.append(order)
            continue
        left.remove(level)
        if abs(level.sz - order.remaining) <= size_tolerance * level.sz:
            plan.kept += 1
        else:
            plan.actions.append(ModifyOrder(order, level))
    return unmatched


def _hold(left: list[LadderLevel], holding: list[TrackedOrder], plan: Plan) -> None:
    """Each busy or unknown order takes the nearest target out of the running."""
    for order in holding:
        if not left:
            return
        px = order.px
        left.remove(min(left, key=lambda level: abs(level.px - px)))
        plan.blocked += 1


def _is_known(order: TrackedOrder) -> bool:
    return order.certainty is Certainty.KNOWN


def _holds_a_target(order: TrackedOrder) -> bool:
    """A cancel under way frees its target; a placement under way, a doubt, or a fallback from a modify, does not.

    Of a modify under way the new generation holds the target.
    """
    if order.certainty is Certainty.UNKNOWN or order.is_unmodifiable:
        return True
    return order.state is OrderState.PENDING_NEW
