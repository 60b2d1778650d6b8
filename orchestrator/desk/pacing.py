"""Which actions of a cycle the pace of the account lets through (layer 5; CH-30, RL-18..22, C-10).

An order and what is to take its place are one wish: both or neither, so that a side never has more orders than targets
(T-12, T-13). What has no target any more always goes, and so does what danger asks for.
"""

from collections.abc import Sequence

from domain.orders import TrackedOrder
from domain.units import NS_PER_S, Bps, Ns, Side, seconds, to_bps
from orchestrator.budget.pacer import Draft, Operation, OperationPriority, Pace, PacingConfig
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
_P = OperationPriority


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
    ) -> None:
        """Nothing was held back; ``adverse_floor``: what an order must earn beyond the fee."""
        self.held: dict[OperationPriority, int] = {}
        """Actions that were held back, by how urgent they were."""
        self._adverse_floor = adverse_floor
        self._market = market
        self._tracker = tracker
        self._limit = limit
        self._survival = seconds(config.survival_s)
        self._placed_at: dict[Side, Ns] = {}
        """When the latest placement of a side left."""

    @classmethod
    def of(
        cls,
        config: PacingConfig | None,
        tolerance: ToleranceConfig | None,
        market: Market,
        tracker: OrderTracker,
        limit: PositionLimit,
    ) -> "QuotaPolicy | None":
        """One where the account keeps a pace; ``tolerance``: what an order must earn beyond the fee, 0 without one."""
        if config is None:
            return None
        floor = Bps(0.0 if tolerance is None else tolerance.adverse_floor_bps)
        return cls(config, floor, market, tracker, limit)

    def by_name(self) -> dict[str, int]:
        """What was held back, for snapshots."""
        return {priority.name.lower(): n for priority, n in sorted(self.held.items())}

    def divide(
        self, wanted: Sequence[LadderAction], targets: Targets, stance: Stance, draft: Draft, now: Ns
    ) -> tuple[list[LadderAction], list[LadderAction]]:
        """What goes and what is held back of a plan, each in the plan's order."""
        ranked = [(self.priority(action, targets, stance), i) for i, action in enumerate(wanted)]
        gaps = [i for _, i in ranked if self._is_gap(wanted[i], targets)]
        turn = self._turn(wanted, ranked, gaps)
        goes = set()
        for priority, i in sorted(ranked):
            action = wanted[i]
            operations = operations_of(action)
            if isinstance(action, CancelOrder):
                draft.take(operations)
            elif draft.is_exhausted and priority is not _P.EMERGENCY:
                if i != turn:
                    continue
                draft.take(operations)
            elif not draft.admits(priority, operations):
                if i not in gaps or not self._may_survive(_side(action), draft.pace, now):
                    continue
                draft.take(operations)
            goes.add(i)
        held = [(priority, wanted[i]) for priority, i in ranked if i not in goes]
        for priority, action in held:
            self.held[priority] = self.held.get(priority, 0) + len(operations_of(action))
        return [action for i, action in enumerate(wanted) if i in goes], [action for _, action in held]

    def on_placed(self, side: Side, now: Ns) -> None:
        """A placement of a side leaves."""
        self._placed_at[side] = now

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

    def _turn(
        self, wanted: Sequence[LadderAction], ranked: Sequence[tuple[OperationPriority, int]], gaps: Sequence[int]
    ) -> int | None:
        """What goes where nothing is left: the gap of the side that waited longer, or the most urgent modify (C-10)."""
        if gaps:
            return min(gaps, key=lambda i: self._placed_at.get(_side(wanted[i]), -1))
        modifies = [each for each in ranked if isinstance(wanted[each[1]], ModifyOrder) and each[0] < _P.LOW]
        return min(modifies)[1] if modifies else None

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
        if stance.size_factor < 1.0 and order.remaining * stance.size_factor > halfway(stance.size_factor) * level.sz:
            return True
        mid = self._market.mid
        if stance.spread_factor <= 1.0 or mid is None:
            return False
        wanted = edge_of(order.side, level.px, mid)
        return edge_of(order.side, order.px, mid) < halfway(1.0 / stance.spread_factor) * wanted

    def _is_given_away(self, order: TrackedOrder, level: LadderLevel, targets: Targets) -> bool:
        """Whether a fill of the order pays less than fee and informed takers cost, and its target would earn more."""
        mid = self._market.mid
        if mid is None:
            return True
        least = min(to_bps(targets.quote.fee) + self._adverse_floor, edge_of(order.side, level.px, mid))
        return edge_of(order.side, order.px, mid) < least

    def _may_survive(self, side: Side, pace: Pace, now: Ns) -> bool:
        """Whether a gap goes whatever else went: both sides in turn as the pace bears, or once in a while."""
        last, both = self._placed_at.get(side), len(Side) * NS_PER_S
        return last is None or now - last >= self._survival or (now - last) * pace.per_second >= both


def _side(action: LadderAction) -> Side:
    return action.side if isinstance(action, PlaceNew) else action.order.side
