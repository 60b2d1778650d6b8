"""One instrument of the trader: market, estimators, orders, inventory, and the quote cycle.

Knows nothing of connections and phases: the account tells it why it may not quote, or None.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Interval

from domain.commands import AnyAction, Cancel, Modify, Place
from domain.events import (
    PAYLOAD_REASONS,
    BboChanged,
    BookReported,
    Fill,
    NotSent,
    OrderStatus,
    OrderUpdate,
    Refused,
    Replied,
    RestoredOrder,
    Result,
    TradesPrinted,
)
from domain.ids import cloid_of
from domain.instrument import Instrument
from domain.orders import RESTING, Certainty, InFlight, OrderState, TrackedOrder
from domain.units import USD, Cloid, Ns, Side, Sz, Tif, seconds
from orchestrator.connectivity.requests import Pending, RequestLedger
from orchestrator.desk.accumulator import AccumulatorConfig, EventAccumulator, QuoteUpdateTrigger
from orchestrator.desk.data_quality import DataQuality, DataQualityConfig
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker, TrackerConfig, cancel_of
from orchestrator.desk.quote_engine import QuoteEngine, QuoteEngineConfig, Step, Stop, Targets
from orchestrator.desk.uptime import EMPTY, ONE_SIDED, TWO_SIDED, Uptime
from orchestrator.reconcile.base import CancelOrder, ModifyOrder, PlaceNew, Plan, Replace, reconcile
from orchestrator.risk.position_limit import PositionLimit
from strategy.ladder import LadderLevel

HISTORY = seconds(5)
"""A trade so much older than the book is history."""
ON_BOOK = RESTING | {OrderState.CANCEL_PENDING}
NO_TARGETS: tuple[LadderLevel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskConfig:
    """Everything that is chosen per instrument."""

    engine: QuoteEngineConfig = field(default_factory=QuoteEngineConfig)
    accumulator: AccumulatorConfig = field(default_factory=AccumulatorConfig)
    data_quality: DataQualityConfig = field(default_factory=DataQualityConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    size_tolerance: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    """An order whose size differs by no more keeps its place (C-22); 0 is the exact rule."""
    max_actions: Annotated[int, Ge(1)] = 40
    """Most actions in one request."""


class GateReason(StrEnum):
    """Why a generated action was not sent (MT-36)."""

    POSITION_LIMIT = "position_limit"
    SELF_CROSS = "self_cross"


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


class Desk:
    """One instrument: events in, requests out."""

    def __init__(self, config: DeskConfig, instrument: Instrument, ledger: RequestLedger, ids: IdSource) -> None:
        """Compose the parts; nothing is known yet."""
        self.config = config
        self.instrument = instrument
        self.market = Market()
        self.quality = DataQuality(config.data_quality)
        self.accumulator = EventAccumulator(config.accumulator)
        self.engine = QuoteEngine(config.engine, instrument)
        self.tracker = OrderTracker(config.tracker)
        self.inventory = Inventory()
        self.limit = PositionLimit()
        self.uptime = Uptime()
        self.exchange_max_position: Sz | None = None
        """As the venue states it; nothing is quoted before it is known (EL-04)."""
        self.gate: str | None = "starting"
        self.targets: Targets | None = None
        self.cycles = 0
        self.stops: dict[str, int] = {}
        self.actions_generated = 0
        self.actions_sent = 0
        self.actions_gated: dict[GateReason, int] = {}
        self.refusals: dict[str, int] = {}
        self._ledger = ledger
        self._ids = ids
        self._uptime_is_due = False
        self._holds_back = False

    # --- market data ----------------------------------------------------------------------------

    def on_bbo(self, event: BboChanged, now: Ns) -> None:
        """The top changed."""
        if self.market.on_bbo(event, now):
            self._on_market(event.exch_time, now)

    def on_book(self, event: BookReported, now: Ns) -> None:
        """A snapshot arrived."""
        if self.market.on_book(event, now):
            self._on_market(event.exch_time, now)

    def on_trades(self, event: TradesPrinted, now: Ns) -> None:
        """Public trades, each once; history replayed at a subscribe has no mid to compare with."""
        market = self.market
        mid = market.mid
        for trade in market.new_trades(event):
            if mid is not None and trade.exch_time >= market.exch_time - HISTORY:
                self.engine.on_trade(trade.px, mid, trade.exch_time)
                self.accumulator.on_trade(now)

    def on_market_gap(self) -> None:
        """The market feed was lost: nothing is known until data of the new connection arrives."""
        self.market.forget()
        self.engine.on_gap(self.market.exch_time)

    def _on_market(self, exch_time: Ns, now: Ns) -> None:
        market = self.market
        mid2 = market.mid2
        if mid2 is None:
            return
        mid = mid2 / 2
        self.engine.on_mid(mid, exch_time, now)
        self.accumulator.on_mid(mid2, now)
        if self.inventory.opening_unpriced:
            self.inventory.price_opening(mid)
        if not self.limit.lots and self.exchange_max_position is not None:
            wanted = int(self.config.engine.max_position_usd * USD / mid)
            self.limit.lots = Sz(min(wanted, self.exchange_max_position))

    # --- the account ----------------------------------------------------------------------------

    def on_update(self, event: OrderUpdate, now: Ns, *, is_answer: bool = False) -> bool:
        """A status of an order; False if the order is not ours to know."""
        order = self.tracker.find(event.cloid, event.oid)
        was_ours_to_end = order is not None and order.cancel_sent_at is not None and _is_known(order)
        known = self.tracker.on_update(event, now, is_answer=is_answer)
        self._uptime_is_due = True
        if event.status is OrderStatus.OPEN:
            if self.gate is not None or is_answer:
                self.accumulator.on_side_event(event.side, now)
        elif not was_ours_to_end:
            self.accumulator.on_side_event(event.side, now)
        else:
            self._retry_held_back(now)
        return known

    def on_fill(self, fill: Fill, now: Ns) -> TrackedOrder | None:
        """A new fill: into the position first, then to its order, then a cycle is due."""
        self.inventory.apply(fill)
        order = self.tracker.on_fill(fill, now)
        self._uptime_is_due = True
        is_full = order is not None and order.is_filled
        self.accumulator.on_fill(fill.side, fill.oid, now, is_full=is_full)
        return order

    def adopt(self, order: RestoredOrder, now: Ns) -> None:
        """An intent of an earlier life: unknown, and exposure in full, until evidence settles it."""
        place = Place(order.instrument, order.cloid, order.side, order.px, order.sz, Tif.ALO)
        tracked = self.tracker.on_place_sent(place, now)
        self.tracker.on_place_silence(tracked.cloid)

    # --- results of requests (Owner) ------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """One result per action; a single refusal of the payload is meant for all of them."""
        actions, results = pending.request.actions, event.results
        self._uptime_is_due = True
        match results:
            case (Refused(reason=reason),) if reason in PAYLOAD_REASONS:
                results *= len(actions)
        for index, action in enumerate(actions):
            if index < len(results):
                self._on_result(action, results[index], now)
            else:
                self._on_silence(action, now)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Nothing left: as if the actions had never been decided."""
        del event
        tracker = self.tracker
        for action in pending.request.actions:
            match action:
                case Place(cloid=cloid, side=side):
                    tracker.on_place_not_sent(cloid, now)
                    self.accumulator.on_side_event(side, now)
                case Cancel(cloid=cloid, oid=oid) | Modify(cloid=cloid, oid=oid):
                    order = tracker.find(cloid, oid)
                    if order is None:
                        continue
                    if isinstance(action, Cancel):
                        tracker.on_cancel_not_sent(order, now)
                    else:
                        tracker.on_modify_not_sent(order, now)
                    self.accumulator.on_side_event(order.side, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Every action of the request may have happened or not."""
        for action in pending.request.actions:
            self._on_silence(action, now)

    def _on_result(self, action: AnyAction, result: Result, now: Ns) -> None:
        tracker = self.tracker
        if isinstance(result, Refused):
            self.refusals[result.reason] = self.refusals.get(result.reason, 0) + 1
        match action:
            case Place(cloid=cloid, side=side):
                tracker.on_place_result(cloid, result, now)
                if self.gate is not None or isinstance(result, Refused):
                    self.accumulator.on_side_event(side, now)
            case Cancel(cloid=cloid, oid=oid):
                order = tracker.find(cloid, oid)
                if order is not None:
                    tracker.on_cancel_result(order, result, now)
                    self._retry_held_back(now)
            case Modify(cloid=cloid, oid=oid):
                order = tracker.find(cloid, oid)
                if order is not None:
                    tracker.on_modify_result(order, result, now)
                    if self.gate is not None or isinstance(result, Refused):
                        self.accumulator.on_side_event(order.side, now)

    def _on_silence(self, action: AnyAction, now: Ns) -> None:
        tracker = self.tracker
        match action:
            case Place(cloid=cloid, side=side):
                tracker.on_place_silence(cloid)
                self.accumulator.on_side_event(side, now)
            case Cancel(cloid=cloid, oid=oid) | Modify(cloid=cloid, oid=oid):
                order = tracker.find(cloid, oid)
                if order is None:
                    return
                if isinstance(action, Cancel):
                    tracker.on_cancel_silence(order)
                else:
                    tracker.on_modify_silence(order)

    # --- decisions ------------------------------------------------------------------------------

    @property
    def is_quotable(self) -> bool:
        """Market and limit are known; only the estimators may still be missing."""
        return self.market.mid2 is not None and self.limit.lots > 0

    def is_warm(self, now: Ns) -> bool:
        """Whether a cycle would get past warm-up: what start-up waits for before it ends."""
        return self.is_quotable and self.engine.missing_input(self.market, now) is None

    def decide(self, account_gate: str | None, now: Ns) -> None:
        """Run a quote cycle if one is due; requests go to the ledger."""
        gate = account_gate
        if gate is None:
            data_gate = self.quality.should_gate_quotes(self.market, now)
            gate = None if data_gate is None else data_gate.reason.value
        if gate != self.gate:
            self.gate = gate
            self.accumulator.force(now)
        trigger = self.accumulator.take(now)
        if trigger is not None:
            self._cycle(trigger, now)
        if trigger is not None or self._uptime_is_due:
            self._uptime_is_due = False
            self._note_uptime(now)

    def next_deadline(self) -> Ns | None:
        """When a cycle is due if nothing else happens, or when the data becomes stale."""
        due = self.accumulator.due_at()
        if self.gate is not None:
            return due
        stale = self.quality.stale_at(self.market)
        if due is None or stale is None:
            return due if stale is None else stale
        return min(due, stale)

    def _cycle(self, trigger: QuoteUpdateTrigger, now: Ns) -> None:
        self.cycles += 1
        outcome: Targets | Stop
        if self.gate is not None:
            outcome = Stop(Step.RISK, self.gate)
        else:
            outcome = self.engine.compute(self.market, self.inventory, self.limit, now)
        if isinstance(outcome, Stop):
            self._stopped(outcome)
            self.targets = None
        else:
            self.targets = outcome
        plan = self._plan(trigger)
        if self.gate is not None:
            plan.actions.extend(CancelOrder(order) for order in self._doubtful(now))
        if plan.actions:
            self._execute(plan, now)
        elif self.targets is not None:
            self._stopped(Stop(Step.RECONCILE, "unchanged"))

    def _plan(self, trigger: QuoteUpdateTrigger) -> Plan:
        """Step 6. A cycle that withdraws touches both sides, whatever its scope."""
        plan = Plan()
        targets = self.targets
        orders = self.tracker.orders.values()
        for side in Side:
            if targets is not None and side not in trigger.scope.sides:
                continue
            wanted = NO_TARGETS if targets is None else targets.of(side)
            reconcile(wanted, orders, side, plan, self.config.size_tolerance)
        return plan

    def _doubtful(self, now: Ns) -> list[TrackedOrder]:
        """Orders of unknown fate that may rest while nothing should: cancelled again, at our patience's pace."""
        cancellable = RESTING | {OrderState.PENDING_NEW, OrderState.CANCEL_PENDING}
        pace = self._ledger.timeout
        return [
            order
            for order in self.tracker.orders.values()
            if order.certainty is Certainty.UNKNOWN
            and order.in_flight is InFlight.NONE
            and order.state in cancellable
            and (order.cancel_sent_at is None or now - order.cancel_sent_at >= pace)
        ]

    def _execute(self, plan: Plan, now: Ns) -> None:
        """Step 7: one request per kind of action; what a gate holds back is counted."""
        cancels: list[TrackedOrder] = []
        modifies: list[tuple[TrackedOrder, LadderLevel]] = []
        places: list[tuple[Side, LadderLevel]] = []
        for action in plan.actions:
            match action:
                case CancelOrder(order=order):
                    cancels.append(order)
                case Replace(order=order, level=level):
                    cancels.append(order)
                    places.append((order.side, level))
                case ModifyOrder(order=order, level=level) if self._is_stuck(order, level):
                    self._holds_back = True
                    cancels.append(order)
                case ModifyOrder(order=order, level=level):
                    modifies.append((order, level))
                case PlaceNew(side=side, level=level):
                    places.append((side, level))
        self.actions_generated += len(cancels) + len(modifies) + len(places)
        sent = self._send_cancels(cancels, now)
        sent += self._send_modifies(modifies, now)
        sent += self._send_places(places, now)
        self.actions_sent += sent
        if not sent:
            self._stopped(Stop(Step.EXECUTE, "all_gated"))

    def _send_cancels(self, orders: list[TrackedOrder], now: Ns) -> int:
        actions: list[AnyAction] = []
        for order in orders:
            actions.append(cancel_of(order))
            self.tracker.on_cancel_sent(order, now)
        return self._send(actions, now)

    def _send_modifies(self, wanted: list[tuple[TrackedOrder, LadderLevel]], now: Ns) -> int:
        actions: list[AnyAction] = []
        for order, level in wanted:
            if order.oid is None or not self._admits(order.side, level):
                continue
            modify = Modify(order.cloid, order.oid, self._place(order.side, level))
            self.tracker.on_modify_sent(order, modify, now, Ns(now + self._ledger.timeout))
            actions.append(modify)
        return self._send(actions, now)

    def _send_places(self, wanted: list[tuple[Side, LadderLevel]], now: Ns) -> int:
        actions: list[AnyAction] = []
        for side, level in wanted:
            if not self._admits(side, level):
                continue
            place = self._place(side, level)
            self.tracker.on_place_sent(place, now, expires_at=Ns(now + self._ledger.timeout))
            actions.append(place)
        return self._send(actions, now)

    def _send(self, actions: list[AnyAction], now: Ns) -> int:
        for start in range(0, len(actions), self.config.max_actions):
            self._ledger.send(tuple(actions[start : start + self.config.max_actions]), self, now)
        return len(actions)

    def _place(self, side: Side, level: LadderLevel) -> Place:
        return Place(self.instrument.id, self._ids.next_cloid(), side, level.px, level.sz, Tif.ALO)

    def _admits(self, side: Side, level: LadderLevel) -> bool:
        """The last look before an order leaves: worst-case limit (S15) and own book (S17)."""
        bid, ask = self.tracker.fillable_exposure()
        fillable = bid if side is Side.BUY else ask
        if not self.limit.admits(side, level.sz, self.inventory.position, fillable):
            return self._gated(GateReason.POSITION_LIMIT)
        other = self.tracker.inner_px(side.opposite)
        if other is not None and side * (other - level.px) <= 0:
            return self._gated(GateReason.SELF_CROSS)
        return True

    def _is_stuck(self, order: TrackedOrder, level: LadderLevel) -> bool:
        """Whether there is no room for less beside the old generation: then the old one has to go first."""
        bid, ask = self.tracker.fillable_exposure()
        fillable = bid if order.side is Side.BUY else ask
        room = self.limit.capacity(order.side, self.inventory.position) - fillable
        return room < level.sz < order.remaining

    def _gated(self, reason: GateReason) -> bool:
        """Count it, and look again as soon as an order that was in the way is gone."""
        self.actions_gated[reason] = self.actions_gated.get(reason, 0) + 1
        self._holds_back = True
        return False

    def _retry_held_back(self, now: Ns) -> None:
        if self._holds_back:
            self._holds_back = False
            for side in Side:
                self.accumulator.on_side_event(side, now)

    def _stopped(self, stop: Stop) -> None:
        key = f"{stop.step}:{stop.reason}"
        self.stops[key] = self.stops.get(key, 0) + 1

    def _note_uptime(self, now: Ns) -> None:
        """An order stays up until the venue says that it is gone: a sent cancel does not end it."""
        if self.gate is not None:
            label = f"gated:{self.gate}"
        else:
            live = {order.side for order in self.tracker.orders.values() if order.state in ON_BOOK}
            label = (EMPTY, ONE_SIDED, TWO_SIDED)[len(live)]
        self.uptime.note(label, now)


def _is_known(order: TrackedOrder) -> bool:
    return order.certainty is Certainty.KNOWN
