"""Which actions of a cycle the pace of the account lets through (layer 5; CH-30, RL-18..22, C-10).

An order and what is to take its place are one wish: both or neither, so that a side never has more orders than targets
(T-12, T-13). What has no target any more always goes, and so does what danger asks for.
"""

from collections.abc import Collection, Sequence

from domain.orders import TrackedOrder
from domain.units import NS_PER_S, Bps, Ns, Side, seconds, to_bps
from orchestrator.budget.pacer import Draft, Operation, OperationPriority, PacingConfig
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.desk.quote_engine import Targets
from orchestrator.reconcile.band import ToleranceConfig, edge_of
from orchestrator.reconcile.base import CancelOrder, LadderAction, ModifyOrder, PlaceNew, Replace
from orchestrator.reconcile.table import distance
from orchestrator.risk.position_limit import PositionLimit
from orchestrator.risk.stance import Stance
from strategy.ladder import LadderLevel

SMALL = Bps(10.0)
"""A drift below this is a small one (RL-20)."""
LARGE = Bps(20.0)
"""One above this is as urgent as a gap."""
TURN = seconds(30)
"""While nothing is left a side has the turn for so long; the venue takes an action every ten seconds."""
_P = OperationPriority
Ranked = Sequence[tuple[OperationPriority, int]]
"""How urgent each action of a plan is, with its place there."""


def of_drift(drift: Bps) -> OperationPriority:
    """How urgent it is to move an order that stands so far from its target (RL-20)."""
    if drift > LARGE:
        return _P.HIGH
    return _P.NORMAL if drift >= SMALL else _P.LOW


def halfway(share: float) -> float:
    """Between a share and the whole."""
    return (1.0 + share) / 2


def operations_of(action: LadderAction) -> tuple[Operation, ...]:
    """What is sent for it."""
    match action:
        case PlaceNew():
            return (Operation.PLACE,)
        case CancelOrder():
            return (Operation.CANCEL,)
        case ModifyOrder():
            return (Operation.MODIFY,)
        case Replace():
            return (Operation.CANCEL, Operation.PLACE)


class QuotaPolicy:
    """The filter of one desk's plans."""

    def __init__(
        self,
        config: PacingConfig,
        adverse_floor: Bps,
        market: Market,
        tracker: OrderTracker,
        limit: PositionLimit,
        inventory: Inventory,
    ) -> None:
        """Nothing was held back; ``adverse_floor``: what an order must earn beyond the fee."""
        self.held: dict[OperationPriority, int] = {}
        """Actions that were held back, by how urgent they were."""
        self._adverse_floor = adverse_floor
        self._market = market
        self._tracker = tracker
        self._limit = limit
        self._inventory = inventory
        self._survival = seconds(config.survival_s)
        self._served_at: dict[Side, Ns] = {}
        """When what serves the best level of a side left last."""
        self._granted: set[Side] = set()
        """Sides whose best level the latest plan serves."""
        self._early: set[Side] = set()
        """Those of them that would have had to wait longer, had the account not had room for it."""
        self._draft: Draft | None = None
        """Of the latest plan."""
        self._turn: tuple[Side, Ns] | None = None
        """While nothing is left: whose gap is to be filled, and since when."""

    @classmethod
    def of(
        cls,
        config: PacingConfig | None,
        tolerance: ToleranceConfig | None,
        market: Market,
        tracker: OrderTracker,
        limit: PositionLimit,
        inventory: Inventory,
    ) -> "QuotaPolicy | None":
        """One where the account keeps a pace; ``tolerance``: what an order must earn beyond the fee, 0 without one."""
        if config is None:
            return None
        floor = Bps(0.0 if tolerance is None else tolerance.adverse_floor_bps)
        return cls(config, floor, market, tracker, limit, inventory)

    def by_name(self) -> dict[str, int]:
        """What was held back, for snapshots."""
        return {priority.name.lower(): n for priority, n in sorted(self.held.items())}

    def divide(
        self, wanted: Sequence[LadderAction], targets: Targets, stance: Stance, draft: Draft, now: Ns
    ) -> tuple[list[LadderAction], list[LadderAction]]:
        """What goes and what is held back of a plan, each in the plan's order."""
        ranked = [(self.priority(action, targets, stance), i) for i, action in enumerate(wanted)]
        self._early.clear()
        choose = self._while_nothing_is_left if draft.is_exhausted else self._while_something_is_left
        goes = choose(wanted, ranked, targets, draft, now)
        self._draft, self._granted = draft, {_side(wanted[i]) for i in goes if self._is_best(wanted[i], targets)}
        held = [(priority, wanted[i]) for priority, i in ranked if i not in goes]
        for priority, action in held:
            self.held[priority] = self.held.get(priority, 0) + len(operations_of(action))
        return [action for i, action in enumerate(wanted) if i in goes], [action for _, action in held]

    def on_sent(self, side: Side, now: Ns) -> None:
        """A placement or a modify of a side leaves; what serves its best level is not asked for again at once."""
        if side in self._granted:
            self._served_at[side] = now
            self._turn = None
        if side in self._early and self._draft is not None:
            self._early.discard(side)
            self._draft.on_survived(now)

    def priority(self, action: LadderAction, targets: Targets, stance: Stance) -> OperationPriority:
        """How urgent it is; a pair is as urgent as the more urgent of its halves."""
        match action:
            case CancelOrder():
                return _P.NORMAL
            case PlaceNew():
                if not self._is_gap(action, targets):
                    return _P.NORMAL
                return _P.EMERGENCY if stance.reduce_only or stance.must_shrink else _P.HIGH
            case ModifyOrder(order=order, level=level) | Replace(order=order, level=level):
                if order.reduce_only is not self._limit.reduce_only or self._is_danger(order, level, stance):
                    return _P.EMERGENCY
                if self._is_given_away(order, level, targets):
                    return _P.EMERGENCY
                of_order = of_drift(distance(order, level))
                return min(of_order, _P.NORMAL) if isinstance(action, Replace) else of_order

    def _while_something_is_left(
        self, wanted: Sequence[LadderAction], ranked: Ranked, targets: Targets, draft: Draft, now: Ns
    ) -> set[int]:
        """What the budget bears, the most urgent first, and what a side needs to stay alive."""
        goes = set()
        for priority, i in sorted(ranked):
            action = wanted[i]
            operations = operations_of(action)
            if isinstance(action, CancelOrder):
                draft.take(operations)
            elif not draft.admits(priority, operations):
                if priority is _P.LOW or not self._is_best(action, targets):
                    continue
                if not self._may_survive(_side(action), draft, now):
                    continue
                draft.take(operations)
            goes.add(i)
        return goes

    def _while_nothing_is_left(
        self, wanted: Sequence[LadderAction], ranked: Ranked, targets: Targets, draft: Draft, now: Ns
    ) -> set[int]:
        """Cancels, danger, and what has its turn: a gap, or the most urgent move that is no small one (C-10)."""
        goes = {i for priority, i in ranked if isinstance(wanted[i], CancelOrder) or priority is _P.EMERGENCY}
        gaps = {_side(wanted[i]): i for _, i in ranked if i not in goes and self._is_gap(wanted[i], targets)}
        moves = [each for each in ranked if isinstance(wanted[each[1]], ModifyOrder | Replace) and each[0] < _P.LOW]
        if gaps:
            goes.add(gaps[self._whose_turn(gaps, now)])
        elif moves:
            goes.add(min(moves)[1])
        for i in goes:
            draft.take(operations_of(wanted[i]))
        return goes

    def _whose_turn(self, sides: Collection[Side], now: Ns) -> Side:
        """Of the side that waited longer; where nothing of it leaves, something else is in its way, and the other's."""
        turn = self._turn
        if turn is not None and turn[0] in sides and now - turn[1] < TURN:
            return turn[0]
        others = [side for side in sides if turn is None or side is not turn[0]]
        side = min(others or sides, key=lambda each: self._served_at.get(each, -1))
        self._turn = (side, now)
        return side

    def _is_best(self, action: LadderAction, targets: Targets) -> bool:
        """Whether it fills the gap at the best level of a side, or moves the order that serves it."""
        match action:
            case PlaceNew():
                return self._is_gap(action, targets)
            case ModifyOrder(order=order, level=level) | Replace(order=order, level=level):
                return targets.of(order.side)[:1] == (level,)
            case _:
                return False

    def _is_gap(self, action: LadderAction, targets: Targets) -> bool:
        """Whether it fills the best level of a side, with no order there or further in (RL-21)."""
        if not isinstance(action, PlaceNew) or targets.of(action.side)[:1] != (action.level,):
            return False
        side, px = action.side, action.level.px
        return not any(
            order.side is side and not order.is_terminal and side * (order.px - px) >= 0
            for order in self._tracker.orders.values()
        )

    def _is_danger(self, order: TrackedOrder, level: LadderLevel, stance: Stance) -> bool:
        """Whether risk asks for it: a way out, or an order that is rather as it was than as risk wants it."""
        if stance.reduce_only or stance.must_shrink:
            return True
        if order.remaining > level.sz and self._is_over_limit(order.side):
            return True
        if stance.size_factor < 1.0 and order.remaining * stance.size_factor > halfway(stance.size_factor) * level.sz:
            return True
        mid = self._market.mid
        if stance.spread_factor <= 1.0 or mid is None:
            return False
        wanted = edge_of(order.side, level.px, mid)
        return edge_of(order.side, order.px, mid) < halfway(1.0 / stance.spread_factor) * wanted

    def _is_over_limit(self, side: Side) -> bool:
        """Whether more of a side may fill than its limit allows: it has shrunk since the orders were sent."""
        bid, ask = self._tracker.fillable_exposure()
        return (bid if side is Side.BUY else ask) > self._limit.capacity(side, self._inventory.position)

    def _is_given_away(self, order: TrackedOrder, level: LadderLevel, targets: Targets) -> bool:
        """Whether a fill of the order pays less than fee and informed takers cost, and its target would earn more."""
        mid = self._market.mid
        if mid is None:
            return True
        least = min(to_bps(targets.quote.fee) + self._adverse_floor, edge_of(order.side, level.px, mid))
        return edge_of(order.side, order.px, mid) < least

    def _may_survive(self, side: Side, draft: Draft, now: Ns) -> bool:
        """Whether the best level goes whatever else went: both sides in turn as the pace bears, or once in a while."""
        last = self._served_at.get(side)
        if last is None or now - last >= self._survival:
            return True
        if (now - last) * draft.pace.per_second < len(Side) * NS_PER_S or not draft.may_survive(now):
            return False
        self._early.add(side)
        return True


def _side(action: LadderAction) -> Side:
    return action.side if isinstance(action, PlaceNew) else action.order.side
