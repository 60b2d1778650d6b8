"""One instrument of the trader: market, estimators, orders, inventory, and the quote cycle.

Knows nothing of connections and phases: the account tells it why it may not quote, or None.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, Place, Severity
from domain.events import (
    BboChanged,
    BookReported,
    ClockSync,
    Fill,
    OrderStatus,
    OrderUpdate,
    RestoredOrder,
    TradesPrinted,
)
from domain.instrument import Instrument
from domain.orders import RESTING, Certainty, OrderState, TrackedOrder
from domain.units import NS_PER_S, USD, Ns, Side, Sz, Tif, millis, seconds, to_bps
from orchestrator.analytics import Analytics
from orchestrator.budget.futile import FutileConfig, FutileRetries
from orchestrator.budget.rejection import RejectionConfig, RejectionRateLimiter
from orchestrator.budget.tiers import QuotaAwareConfig, cycle_interval
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.desk.accumulator import AccumulatorConfig, EventAccumulator, QuoteUpdateTrigger
from orchestrator.desk.churn import ChurnConfig, ChurnTracker
from orchestrator.desk.data_news import DataNews
from orchestrator.desk.data_quality import DataQuality, QuoteGate
from orchestrator.desk.execution import Execution, IdSource
from orchestrator.desk.fill_tracker import FillTracker, FillTrackerConfig
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.leftovers import FINAL_GATES, Leftovers
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker, TrackerConfig
from orchestrator.desk.outcomes import Outcomes
from orchestrator.desk.pacing import QuotaPolicy
from orchestrator.desk.planning import Bands, GridWatch, Planner
from orchestrator.desk.quote_engine import QuoteEngine, QuoteEngineConfig, Step, Stop, Targets
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.desk.terms import Terms
from orchestrator.desk.unwinding import GATE as UNWINDING
from orchestrator.desk.unwinding import Unwinding
from orchestrator.desk.uptime import EMPTY, ONE_SIDED, TWO_SIDED, Uptime
from orchestrator.reconcile.band import paying_mids
from orchestrator.reconcile.base import CancelOrder
from orchestrator.reconcile.table import ReconcileConfig, Rules
from orchestrator.risk.aggregator import CALM, AggregatedRisk
from orchestrator.risk.ladder import StalenessConfig
from orchestrator.risk.position_limit import PositionLimit
from orchestrator.risk.recovery import RecoveryConfig, RecoveryManager
from orchestrator.risk.stance import FREE, Stance

HISTORY = seconds(5)
"""A trade so much older than the book is history."""
ON_BOOK = RESTING | {OrderState.CANCEL_PENDING}
SLOWED = seconds(2.5)
"""Quotes are stale so long after the cycle that a small allowance has put off."""
STARTING = "starting"
WARMING = "warming"
"""Gates of the account before the first quote: behind the second, each desk names the input that it waits for."""
UNCHANGED, PACED = Stop(Step.RECONCILE, "unchanged"), Stop(Step.EXECUTE, "paced")
LADDER = StalenessConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskConfig:
    """Everything that is chosen per instrument."""

    engine: QuoteEngineConfig = field(default_factory=QuoteEngineConfig)
    accumulator: AccumulatorConfig = field(default_factory=AccumulatorConfig)
    data_quality: DataQualityConfig = field(default_factory=DataQualityConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    fill_tracker: FillTrackerConfig = field(default_factory=FillTrackerConfig)
    rejections: RejectionConfig | None = field(default_factory=RejectionConfig)
    """How long a side waits after refusals in a row."""
    futile: FutileConfig | None = field(default_factory=FutileConfig)
    """When exactly the same order is not asked for any more."""
    churn: ChurnConfig | None = None
    """When people are told that orders move much and fill little; off: never."""
    recovery: RecoveryConfig | None = field(default_factory=RecoveryConfig)
    """The way out where a position that has to shrink does not; off: only quotes ever reduce it."""
    size_tolerance: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    """An order whose size differs by no more keeps its place (C-22); 0 is the exact rule."""
    reconcile: ReconcileConfig = field(default_factory=ReconcileConfig)
    """When an order whose price is not exactly its target's stays, and when it is modified."""
    quota_aware: QuotaAwareConfig | None = None
    """How quoting gives way as the account's allowance of actions shrinks; off: not before it is used up."""
    max_actions: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 40
    """Most actions in one request."""


class Desk:
    """One instrument: events in, requests out."""

    def __init__(
        self,
        config: DeskConfig,
        instrument: Instrument,
        ledger: RequestLedger,
        ids: IdSource,
        analytics: Analytics,
        alert: Callable[[Alert], None],
        ladder: StalenessConfig | None = LADDER,
    ) -> None:
        """Compose the parts; nothing is known yet. Without a ladder no data is too old."""
        self.config = config
        self.instrument = instrument
        self.market = Market(config.data_quality)
        self.quality = DataQuality(ladder)
        self.accumulator = EventAccumulator(config.accumulator)
        self.engine = QuoteEngine(config.engine, instrument, config.quota_aware)
        self.tracker = OrderTracker(config.tracker)
        self.inventory = Inventory()
        self.limit = PositionLimit()
        self.terms = Terms(instrument, alert)
        self.uptime = Uptime()
        self.fill_tracker = FillTracker(config.fill_tracker)
        self.rejections = None if config.rejections is None else RejectionRateLimiter(config.rejections)
        self.futile = None if config.futile is None else FutileRetries(config.futile)
        self.stance = FREE
        """What risk leaves this desk to do."""
        self.risk: AggregatedRisk = CALM
        """What the monitors said last, and how often they halted: for the figures."""
        self.halts = 0
        self.gate: str | None = STARTING
        self.awaits: str | None = None
        """The input that warm-up waits for, where that is why nothing is quoted."""
        self.targets: Targets | None = None
        self.stops: dict[str, int] = {}
        self.cycles = self.stale_quote_alarms = 0
        """Quote cycles; and how often a side with quotes was not looked at for too long (EA-08)."""
        self.planner = Planner(
            Rules.of(config.reconcile, config.size_tolerance),
            Bands(config.reconcile, config.quota_aware, self.market),
            self.tracker,
            self.limit,
            None if config.engine.grid is None else GridWatch(instrument),
        )
        self.churn = None if config.churn is None else ChurnTracker(config.churn, instrument.id, alert)
        recovery = None if config.recovery is None else RecoveryManager(config.recovery, instrument, alert)
        self.outcomes = Outcomes(
            instrument.id, self.tracker, self.accumulator, self.rejections, alert, recovery, self.futile
        )
        self.execution = Execution(
            instrument,
            ledger,
            ids,
            self.tracker,
            self.inventory,
            self.limit,
            self.outcomes,
            self.rejections,
            futile=self.futile,
            policy=QuotaPolicy.of(
                ledger.pacing, config.reconcile.tolerance, self.market, self.tracker, self.limit, self.inventory
            ),
            max_actions=config.max_actions,
        )
        self.unwinding = Unwinding(
            recovery,
            instrument,
            self.market,
            self.inventory,
            self.tracker,
            self.execution,
            self.rejections,
        )
        self.leftovers = Leftovers(self.tracker, ledger)
        """What may rest although nothing should."""
        self.news = DataNews(instrument, self.market, alert)
        """Tells people of market data that is wrong."""
        self._ledger = ledger
        self._analytics = analytics
        self._alert = alert
        self._stale_after = millis(config.accumulator.stale_quotes_ms)
        self._alarmed_for: Ns | None = None
        """The cycle whose quotes the last alarm was about."""
        self._data_gate: QuoteGate | None = None
        """What is wrong with the market data, where that is the gate."""
        self._uptime_is_due = False

    # --- market data ----------------------------------------------------------------------------

    def on_clock(self, clock: ClockSync) -> None:
        """The adapter compared the clocks: the age of data counts from the venue's stamps."""
        self.market.on_clock(clock)

    def on_bbo(self, event: BboChanged, now: Ns) -> None:
        """The top changed."""
        if self.market.on_bbo(event):
            if self.planner.places is not None:
                self.planner.places.on_top(event)
            self._on_market(now)
        self.news.look(now)

    def on_book(self, event: BookReported, now: Ns) -> None:
        """A snapshot arrived."""
        if self.market.on_book(event):
            if self.planner.places is not None:
                self.planner.places.on_book(event)
            self._on_market(now)
        self.news.look(now)

    def on_trades(self, event: TradesPrinted, now: Ns) -> None:
        """Public trades, each once; history replayed at a subscribe has no mid to compare with."""
        market = self.market
        mid = market.mid
        for trade in market.new_trades(event):
            if self.planner.places is not None:
                self.planner.places.on_trade(trade)
            if mid is not None and trade.exch_time >= market.exch_time - HISTORY:
                self.engine.on_trade(trade.px, mid, market.estimator_time(trade.exch_time))
                self.accumulator.on_trade(trade.side.opposite, now)
        self.news.look(now)

    def on_market_lost(self) -> None:
        """The market feed was lost."""
        self.market.gaps += 1
        self.on_market_gap()

    def on_market_gap(self) -> None:
        """The market feed was lost: nothing is known until data of the new connection arrives."""
        self.market.forget()
        if self.planner.places is not None:
            self.planner.places.on_gap()
        self.engine.on_gap(self.market.time)
        self._analytics.call("mid_gap", self.fill_tracker.on_gap)

    def _on_market(self, now: Ns) -> None:
        market = self.market
        mid2 = market.mid2
        if mid2 is None:
            return
        mid = mid2 / 2
        self.engine.on_mid(mid, market.time, now)
        self.accumulator.on_mid(mid2, now)
        self.inventory.price(mid)
        self._analytics.call("mid", self.fill_tracker.on_mid, mid, market.exch_time)
        if not self.limit.lots and self.terms.max_position is not None:
            wanted = int(self.config.engine.max_position_usd * USD / mid)
            self.limit.lots = Sz(min(wanted, self.terms.max_position))
            self.terms.on_limit(self.limit.lots, wanted)

    # --- the account ----------------------------------------------------------------------------

    def on_update(self, event: OrderUpdate, now: Ns, *, is_answer: bool = False) -> bool:
        """A status of an order; False if the order is not ours to know."""
        order = self.tracker.find(event.cloid, event.oid)
        was_ours_to_end = order is not None and order.cancel_sent_at is not None and _is_known(order)
        if order is not None and event.status is OrderStatus.REJECTED:
            self.outcomes.on_rejected(event, order, now)
        known = self.tracker.on_update(event, now, is_answer=is_answer)
        if order is not None and order.oid == event.oid:
            self._note_place(order, event)
        self._uptime_is_due = True
        if event.status is OrderStatus.OPEN:
            if self.gate is not None or is_answer:
                self.accumulator.on_side_event(event.side, now)
        elif not was_ours_to_end:
            self.accumulator.on_side_event(event.side, now)
        else:
            self.outcomes.retry_held_back(now)
        return known

    def _note_place(self, order: TrackedOrder, event: OrderUpdate) -> None:
        places = self.planner.places
        if places is None:
            return
        if event.status is not OrderStatus.OPEN:
            places.on_gone(order.cloid)
        elif order.state in ON_BOOK:
            places.on_rest(order, event.exch_time, self.tracker.orders)

    def on_fill(self, fill: Fill, now: Ns) -> None:
        """A new fill, which position and order have taken in already: a cycle is due."""
        order = self.tracker.find(fill.cloid, fill.oid)
        self._uptime_is_due = True
        is_full = order is not None and order.is_filled
        if self.churn is not None:
            self.churn.on_fill()
        self.accumulator.on_fill(fill.side, now, is_full=is_full)

    def adopt(self, order: RestoredOrder, now: Ns) -> None:
        """An intent of an earlier life: unknown, and what of it is not filled is exposure until evidence settles it.

        Its fills are in the position already; as it rested, they were at its own price. It is cancelled at once, on
        whatever way there is: nobody has looked after it since, and the market may have moved.
        """
        place = Place(order.instrument, order.cloid, order.side, order.px, order.sz, Tif.ALO)
        expires_at = None if order.expires_in is None else Ns(now + order.expires_in)
        tracked = self.tracker.on_place_sent(place, now, expires_at=expires_at)
        for tid, sz in order.fills:
            tracked.record_fill_with_price(tid, sz, order.px, now)
        self.tracker.on_place_silence(tracked.cloid)
        self.accumulator.force(now)

    # --- decisions ------------------------------------------------------------------------------

    @property
    def is_quotable(self) -> bool:
        """Market and limit are known; only the estimators may still be missing."""
        return self.market.mid2 is not None and self.limit.lots > 0

    def is_warm(self, now: Ns) -> bool:
        """Whether a cycle would get past warm-up: what start-up waits for before it ends."""
        return self._missing_input(now) is None

    def take_stance(self, stance: Stance, now: Ns) -> None:
        """Risk sees it otherwise: quote by it from the next cycle on, which is due; less risk does not wait."""
        was, self.stance = self.stance, stance
        self.limit.reduce_only = stance.reduce_only
        self.execution.adds_levels = stance.adds_levels
        if stance.reduce_only and not was.reduce_only:
            self.accumulator.force(now)
        else:
            self.accumulator.on_gate(now)

    def decide(self, account_gate: str | None, now: Ns) -> None:
        """Run a quote cycle if one is due; requests go to the ledger."""
        self.quality.count_old(self.market, now)
        self.unwinding.look(self.stance, self.gate, now)
        gate = self._gate(account_gate, now)
        if gate != self.gate:
            self.gate = gate
            self.outcomes.is_gated = gate is not None
            if self._data_gate is not None and self.targets is not None:
                self.news.on_closed(self._data_gate, now)
            if gate is not None and (self.targets is not None or gate in FINAL_GATES):
                self.accumulator.force(now)
            else:  # it opens, or closes where the last cycle has withdrawn everything
                self.accumulator.on_gate(now)
        if self.market.mid2 is None:
            self.news.on_shape(self.quality.should_gate_quotes(self.market, now), now)
        self._check_stale_quotes(now)
        self._check_waits(now)
        if self.leftovers.is_due(self.gate, now):
            self.accumulator.force(now)
        for order in self.tracker.take_caught_up():
            self.accumulator.on_side_event(order.side, now)
        trigger = self.accumulator.take(now)
        if trigger is not None:
            self._cycle(trigger)
        self.unwinding.take(now, may_send=self.gate == UNWINDING)
        for alarm in self.tracker.alarms:
            self._alert(alarm)
        self.tracker.alarms.clear()
        if trigger is not None or self._uptime_is_due or self.outcomes.has_news:
            self._uptime_is_due = self.outcomes.has_news = False
            self._note_uptime(now)

    def _gate(self, account_gate: str | None, now: Ns) -> str | None:
        """Why nothing may be quoted now, the reason that counts most; None where all may go on."""
        self.awaits = self._data_gate = None
        if account_gate == WARMING and self.terms.gate is None:
            self.awaits = self._missing_input(now)
            return STARTING if self.awaits is None else f"{WARMING}: {self.awaits}"
        gate = account_gate or self.terms.gate or self.stance.gate
        if gate is not None:
            return gate
        self._data_gate = self.quality.should_gate_quotes(self.market, now)
        if self._data_gate is not None:
            return self._data_gate.reason.value
        if self.unwinding.gate is not None:
            return self.unwinding.gate
        if self.targets is None:  # the start did not wait for the last of several instruments
            self.awaits = self.engine.missing_input(self.market, now)
        return None if self.awaits is None else f"{WARMING}: {self.awaits}"

    def _missing_input(self, now: Ns) -> str | None:
        """What a first quote of this desk needs and does not have."""
        missing = self.engine.missing_input(self.market, now)
        if missing is None and not self.is_quotable:
            return "book" if self.market.mid2 is None else "limit"
        return missing

    def next_deadline(self) -> Ns | None:
        """When a cycle is due if nothing else happens, when the data becomes stale, or the quotes on it."""
        due, step = self.accumulator.due_at(), self.unwinding.deadline(self.gate)
        if step is not None and (due is None or step < due):
            due = step
        if self.gate is not None:
            return min([at for at in (due, self.leftovers.due_at(self.gate)) if at is not None], default=None)
        waits = None if self.rejections is None else self.rejections.deadline()
        opens = self.execution.budget_opens_at
        for deadline in (self.quality.stale_at(self.market), self._alarm_at(), waits, opens, self.planner.retry_at):
            if deadline is not None and (due is None or deadline < due):
                due = deadline
        return due

    def _alarm_at(self) -> Ns | None:
        """When quotes will have waited too long for a look at both sides; None without quotes, or once told."""
        last = self.accumulator.last_full
        if self.targets is None or last is None or last == self._alarmed_for:
            return None
        return Ns(last + max(self._stale_after, self.accumulator.throttle + SLOWED) + 1)

    def _check_waits(self, now: Ns) -> None:
        """A side whose wait is over is looked at again; so is what the budget held back, and what came too soon."""
        if self.rejections is not None:
            for side in self.rejections.resumed(now):
                self.accumulator.on_side_event(side, now)
        if self.execution.budget_opens_at is not None and now >= self.execution.budget_opens_at:
            self.execution.budget_opens_at = None
            self.accumulator.on_gate(now)
        if self.planner.take_retry(now):
            self.accumulator.on_gate(now)

    def _check_stale_quotes(self, now: Ns) -> None:
        """Raise the alarm, once for each time that quotes are left alone for too long (EA-08)."""
        at = self._alarm_at()
        if at is None or now < at:
            return
        last = self._alarmed_for = self.accumulator.last_full
        self.stale_quote_alarms += 1
        waited = 0 if last is None else (now - last) / NS_PER_S
        text = f"{self.instrument.id}: quotes were not looked at for {waited:.1f} s"
        self._alert(Alert(Severity.WARNING, "stale_quotes", text))

    def _cycle(self, trigger: QuoteUpdateTrigger) -> None:
        now = trigger.time
        self.cycles += 1
        outcome: Targets | Stop
        if self.awaits is not None:
            outcome = Stop(Step.WARM_UP, self.awaits)
        elif self.gate is not None:
            outcome = Stop(Step.RISK, self.gate)
        else:
            self.limit.weigh(now)
            leaving = self.tracker.leaving_exposure()
            room = self._ledger.allowance_left
            outcome = self.engine.compute(self.market, self.inventory, self.limit, now, self.stance, leaving, room)
            outcome = self.unwinding.keep(outcome, self.stance, now)
        if isinstance(outcome, Stop):
            self._stopped(outcome)
            self.targets = None
        else:
            self.targets = outcome
        room = self._ledger.allowance_left
        plan = self.planner.plan(self.targets, trigger.scope, now, room, self.stance.spread_factor)
        if self.gate is not None:
            plan.actions.extend(CancelOrder(order) for order in self.leftovers.to_cancel(self.gate, now))
        self.execution.begin(plan)
        is_held = self.targets is not None and self.execution.pace(plan, self.targets, self.stance, now)
        if plan.actions:
            if not self.execution.execute(plan, now):
                self._stopped(Stop(Step.EXECUTE, "all_gated"))
        elif self.targets is not None:
            self._stopped(PACED if is_held else UNCHANGED)
        if self.config.quota_aware is not None:
            self._throttle(cycle_interval(room, self.config.quota_aware))
        record = self.execution.end(plan, now)
        if self.churn is not None and (plan.actions or self.targets is not None):
            self.churn.on_cycle(record)

    def _throttle(self, interval: Ns) -> None:
        """What the market asks for waits so long, as long as fills of what rests would not cost money."""
        self.accumulator.throttle = interval
        mid, best = self.market.mid, self.tracker.inner_px
        if mid is not None:
            fee = to_bps(self.engine.maker_fee)
            self.accumulator.paying = paying_mids(best(Side.BUY), best(Side.SELL), mid, fee)

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
        self._analytics.call("uptime", self.uptime.note, label, now)


def _is_known(order: TrackedOrder) -> bool:
    return order.certainty is Certainty.KNOWN
