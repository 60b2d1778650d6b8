"""Step 7 of the quote cycle: from the plan to requests, past the last gates (QE-07).

Knows nothing of why something is wanted. What a gate holds back is counted, and looked at again when what was in the
way is gone.
"""

from collections.abc import Sequence
from enum import StrEnum

from domain.commands import AnyAction, Modify, Place
from domain.ids import cloid_of
from domain.instrument import Instrument
from domain.orders import TrackedOrder
from domain.units import Cloid, Ns, Px, Side, Sz, Tif
from orchestrator.budget.futile import FutileRetries
from orchestrator.budget.proactive import BudgetGate
from orchestrator.budget.rejection import RejectionRateLimiter
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.desk.churn import CycleRecord
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.order_tracker import OrderTracker, cancel_of
from orchestrator.desk.outcomes import Outcomes
from orchestrator.desk.pacing import QuotaPolicy, operations_of
from orchestrator.desk.quote_engine import Targets
from orchestrator.reconcile.base import CancelOrder, LadderAction, ModifyOrder, PlaceNew, Plan, Replace
from orchestrator.risk.position_limit import PositionLimit
from orchestrator.risk.stance import Stance
from strategy.ladder import LadderLevel


class GateReason(StrEnum):
    """Why a generated action was not sent (MT-36)."""

    POSITION_LIMIT = "position_limit"
    SELF_CROSS = "self_cross"
    NO_OID = "no_oid"
    """A modify needs the venue's id of the order, and it is not known."""
    REJECTIONS = "rejections"
    """The venue refused the orders of that side again and again: it waits."""
    RATE_LIMIT = "rate_limit"
    """The venue takes no more requests just now."""
    QUOTA = "quota"
    """The account's allowance of actions is used up."""
    SIGNER = "signer"
    """The venue does not take our signature: whatever is signed waits for the next try."""
    NO_ROUTE = "no_route"
    """Every way to the venue has failed again and again: it is left alone until a probe gets through."""
    FUTILE = "futile"
    """The venue has refused exactly this order, for the same reason, three times."""
    DEBOUNCE = "debounce"
    """A modify came too soon after the last one of its order, which rests on."""
    PACING = "pacing"
    """The account's allowance is spent more slowly, and on what is more urgent."""
    CAUTION = "caution"
    """Market data is old: a level that has no order yet gets none."""
    CANCEL_FIRST = "cancel_first"
    """The order whose place it takes has to be gone first."""


GATE_OF_BUDGET = {
    BudgetGate.RATE_LIMIT: GateReason.RATE_LIMIT,
    BudgetGate.QUOTA: GateReason.QUOTA,
    BudgetGate.NO_ROUTE: GateReason.NO_ROUTE,
}


class IdSource:
    """Client ids of one life."""

    def __init__(self) -> None:
        """Count from zero; the seed comes with Restored."""
        self.life_seed = 0
        self.n_issued = 0

    def next_cloid(self) -> Cloid:
        """A client id never used before."""
        self.n_issued += 1
        return cloid_of(self.life_seed, self.n_issued)


class Execution:
    """The way out of one desk: gates, requests, counters."""

    def __init__(  # noqa: PLR0913 - the parts of the desk that it asks
        self,
        instrument: Instrument,
        ledger: RequestLedger,
        ids: IdSource,
        tracker: OrderTracker,
        inventory: Inventory,
        limit: PositionLimit,
        outcomes: Outcomes,
        rejections: RejectionRateLimiter | None,
        *,
        futile: FutileRetries | None,
        policy: QuotaPolicy | None = None,
        max_actions: int,
    ) -> None:
        """Nothing was sent; ``outcomes`` will hear what came of it, and remembers that something was held back."""
        self.actions_generated = 0
        """What plans asked for: each of it was sent, latched, or is counted as gated (MT-36)."""
        self.actions_sent = 0
        self.actions_gated: dict[GateReason, int] = {}
        self.actions_latched = 0
        """Orders that stayed where they were although their targets had moved a little, over all cycles."""
        self.actions_queued = 0
        """Those of them that stayed for the value of their place in the queue."""
        self.record: CycleRecord | None = None
        """The account of the latest quote cycle; None before the first."""
        self._generated = self._paced = self._gated_by_others = 0
        """Of the cycle under way."""
        self._sent = (0, 0, 0)
        """Its cancels, modifies and placements."""
        self.budget_opens_at: Ns | None = None
        """When what the budget held back may go."""
        self.adds_levels = True
        """Whether a level that has no order yet may get one; one that takes the place of another always may."""
        self._instrument = instrument
        self._ledger = ledger
        self._ids = ids
        self._tracker = tracker
        self._inventory = inventory
        self._limit = limit
        self._rejections = rejections
        self._futile = futile
        self.policy = policy
        """What the account's allowance is spent on first; None: on whatever is wanted."""
        self._max_actions = max_actions
        self._outcomes = outcomes
        self._is_short = False
        """Whether the budget held something back in this cycle."""

    def begin(self, plan: Plan) -> None:
        """Count all that a plan asks for, and what it leaves where it is: the latch, or a modify that is too young."""
        wanted = sum(len(operations_of(action)) for action in plan.actions)
        self._generated = wanted + plan.latched + plan.debounced
        self._paced = self._gated_by_others = 0
        self._sent = (0, 0, 0)
        self.actions_generated += self._generated
        self.actions_latched += plan.latched
        self.actions_queued += plan.queued
        if plan.debounced:
            self.actions_gated[GateReason.DEBOUNCE] = self.actions_gated.get(GateReason.DEBOUNCE, 0) + plan.debounced

    def end(self, plan: Plan, now: Ns) -> CycleRecord:
        """What became of all that the plan of this cycle asked for."""
        cancels, modifies, places = self._sent
        self.record = record = CycleRecord(
            now,
            self._instrument.id,
            self._generated,
            cancels,
            modifies,
            places,
            plan.latched,
            plan.queued,
            plan.debounced,
            self._paced,
            self._gated_by_others,
        )
        return record

    def pace(self, plan: Plan, targets: Targets, stance: Stance, now: Ns) -> bool:
        """Take out of a plan what the pace of the account holds back, and count it; True if that was something."""
        draft = self._ledger.draft(now)
        if self.policy is None or draft is None:
            return False
        plan.actions, held = self.policy.divide(plan.actions, targets, stance, draft, now)
        self._paced = n = sum(len(operations_of(action)) for action in held)
        if n:
            self.actions_gated[GateReason.PACING] = self.actions_gated.get(GateReason.PACING, 0) + n
        return n > 0

    def execute(self, plan: Plan, now: Ns) -> bool:
        """Send what the plan asks for, one request per kind of action; False if a gate held back all of it."""
        if self._ledger.is_barred:
            for action in plan.actions:
                self._hold(action, GateReason.SIGNER)
            return False
        cancels: list[TrackedOrder] = []
        modifies: list[tuple[TrackedOrder, LadderLevel]] = []
        places: list[tuple[Side, LadderLevel]] = []
        for action in plan.actions if self.policy is None else self._whole(plan.actions, now):
            match action:
                case CancelOrder(order=order):
                    cancels.append(order)
                case Replace(order=order) if order.is_unmodifiable:
                    self._gated(GateReason.CANCEL_FIRST)
                    cancels.append(order)
                case Replace(order=order, level=level):
                    cancels.append(order)
                    places.append((order.side, level))
                case ModifyOrder(order=order, level=level) if order.is_unmodifiable or self._is_stuck(order, level):
                    self._outcomes.holds_back = True
                    cancels.append(order)
                case ModifyOrder(order=order, level=level):
                    modifies.append((order, level))
                case PlaceNew() if not self.adds_levels:
                    self._gated(GateReason.CAUTION)
                case PlaceNew(side=side, level=level):
                    places.append((side, level))
        n_cancels, n_modifies = self._send_cancels(cancels, now), self._send_modifies(modifies, now)
        self._sent = (n_cancels, n_modifies, self._send_places(places, now))
        sent = sum(self._sent)
        self.actions_sent += sent
        if self._is_short:
            self._is_short = False
            self.budget_opens_at = self._ledger.opens_at(now)
        return sent > 0

    def _whole(self, actions: Sequence[LadderAction], now: Ns) -> list[LadderAction]:
        """Without the pairs whose placement could not go: their orders stay (T-13).

        Asked before anything leaves. Where the old order itself is what is in the way, its cancel goes alone.
        """
        leaving = sum(not isinstance(action, PlaceNew) for action in actions)
        going: list[LadderAction] = []
        n_before = 0
        for action in actions:
            if isinstance(action, Replace) and not action.order.is_unmodifiable:
                reason = self._refused_before(action.order.side, action.level, now)
                closed = None if reason is not None else self._ledger.gate(n_before + 1, now, leaving)
                if closed is not None:
                    self._is_short = True
                    reason = GATE_OF_BUDGET[closed]
                if reason is not None:
                    self._hold(action, reason)
                    continue
                n_before += 1
            going.append(action)
        return going

    def take(self, side: Side, sz: Sz, px: Px, now: Ns) -> bool:
        """Send one reduce-only order that takes what it gets and leaves nothing (EX-09); False where it may not go."""
        other = self._tracker.inner_px(side.opposite)
        if other is not None and side * (other - px) <= 0:
            return False
        bid, ask = self._tracker.fillable_exposure()
        if not self._limit.admits(side, sz, self._inventory.position, bid if side is Side.BUY else ask):
            return False
        if self._ledger.is_barred or self._ledger.gate(1, now) is not None:
            return False
        place = Place(self._instrument.id, self._ids.next_cloid(), side, px, sz, Tif.IOC, reduce_only=True)
        self._tracker.on_place_sent(place, now, expires_at=Ns(now + self._ledger.timeout))
        self.actions_generated += 1
        self.actions_sent += self._send([place], now)
        return True

    def _send_cancels(self, orders: list[TrackedOrder], now: Ns) -> int:
        actions: list[AnyAction] = []
        for order in orders:
            actions.append(cancel_of(order))
            self._tracker.on_cancel_sent(order, now)
        return self._send(actions, now)

    def _send_modifies(self, wanted: list[tuple[TrackedOrder, LadderLevel]], now: Ns) -> int:
        actions: list[AnyAction] = []
        for order, level in wanted:
            if order.oid is None:
                self._gated(GateReason.NO_OID)
                continue
            if not self._admits(order.side, level, len(actions), now):
                continue
            modify = Modify(order.cloid, order.oid, self._place(order.side, level))
            self._tracker.on_modify_sent(order, modify, now, Ns(now + self._ledger.timeout))
            if self.policy is not None:
                self.policy.on_sent(order.side, now)
            actions.append(modify)
        return self._send(actions, now)

    def _send_places(self, wanted: list[tuple[Side, LadderLevel]], now: Ns) -> int:
        actions: list[AnyAction] = []
        for side, level in self._inner_first(wanted):
            if not self._admits(side, level, len(actions), now):
                continue
            place = self._place(side, level)
            self._tracker.on_place_sent(place, now, expires_at=Ns(now + self._ledger.timeout))
            if self.policy is not None:
                self.policy.on_sent(side, now)
            actions.append(place)
        return self._send(actions, now)

    def _send(self, actions: list[AnyAction], now: Ns) -> int:
        for start in range(0, len(actions), self._max_actions):
            self._ledger.send(tuple(actions[start : start + self._max_actions]), self._outcomes, now)
        return len(actions)

    def _place(self, side: Side, level: LadderLevel) -> Place:
        """What may only reduce says so itself: the venue keeps it to that, whatever happens on its way (S16)."""
        cloid, reduce_only = self._ids.next_cloid(), self._limit.reduce_only
        return Place(self._instrument.id, cloid, side, level.px, level.sz, Tif.ALO, reduce_only)

    def _inner_first(self, wanted: list[tuple[Side, LadderLevel]]) -> list[tuple[Side, LadderLevel]]:
        """If not all can go, the best level of both sides comes before the second of any (C-10)."""
        if self._ledger.has_room(len(wanted)):
            return wanted
        rank = dict.fromkeys(Side, 0)
        for order in self._tracker.orders.values():
            rank[order.side] += not order.is_terminal
        ranked = []
        for side, level in wanted:
            ranked.append((rank[side], side, level))
            rank[side] += 1
        ranked.sort(key=lambda entry: entry[0])
        return [(side, level) for _, side, level in ranked]

    def _admits(self, side: Side, level: LadderLevel, n_before: int, now: Ns) -> bool:
        """The last look before an order leaves: refusals, worst-case limit (S15), own book (S17), budget (RL-01).

        ``n_before`` orders go in the same request.
        """
        refused = self._refused_before(side, level, now)
        if refused is not None:
            return self._gated(refused)
        bid, ask = self._tracker.fillable_exposure()
        fillable = bid if side is Side.BUY else ask
        if not self._limit.admits(side, level.sz, self._inventory.position, fillable):
            return self._gated(GateReason.POSITION_LIMIT)
        other = self._tracker.inner_px(side.opposite)
        if other is not None and side * (other - level.px) <= 0:
            return self._gated(GateReason.SELF_CROSS)
        closed = self._ledger.gate(n_before + 1, now)
        if closed is not None:
            self._is_short = True
            return self._gated(GATE_OF_BUDGET[closed])
        return True

    def _refused_before(self, side: Side, level: LadderLevel, now: Ns) -> GateReason | None:
        """Why what the venue refused before keeps an order back."""
        if self._rejections is not None and self._rejections.should_skip(side, now):
            return GateReason.REJECTIONS
        reduces = self._limit.reduce_only
        if self._futile is not None and self._futile.is_futile(side, level.px, level.sz, now, reduce_only=reduces):
            return GateReason.FUTILE
        return None

    def _is_stuck(self, order: TrackedOrder, level: LadderLevel) -> bool:
        """Whether there is no room for less beside the old generation: then the old one has to go first."""
        bid, ask = self._tracker.fillable_exposure()
        fillable = bid if order.side is Side.BUY else ask
        room = self._limit.capacity(order.side, self._inventory.position) - fillable
        return room < level.sz < order.remaining

    def _gated(self, reason: GateReason) -> bool:
        """Count it, and look again as soon as an order that was in the way is gone."""
        self.actions_gated[reason] = self.actions_gated.get(reason, 0) + 1
        self._gated_by_others += 1
        self._outcomes.holds_back = True
        return False

    def _hold(self, action: LadderAction, reason: GateReason) -> None:
        """A gate holds back all that is sent for a wish."""
        for _ in operations_of(action):
            self._gated(reason)
