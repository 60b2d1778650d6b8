"""The trader: a deterministic machine behind four calls. It composes; the logic is in the parts.

``apply`` takes in one fact, ``decide`` says what to send, ``next_deadline`` when to be called even
if nothing happens, ``snapshot`` gives frozen numbers. No clock, socket, log, generator or exchange.
"""

from collections.abc import Callable
from typing import Any, Protocol

from domain.account_gate import AccountGate
from domain.commands import Alert, AnyCommand, RecordAdjustments, RecordForgiven, Severity, Subscribe
from domain.events import (
    AnyEvent,
    BboChanged,
    BookReported,
    Channel,
    ChannelKind,
    ClockSync,
    ContextReported,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    KillReset,
    LimitsReport,
    NoncesReserved,
    NotSent,
    OpenOrdersReported,
    OrderUpdate,
    PositionsReport,
    PositionsReported,
    Reason,
    Replied,
    Restored,
    StopRequested,
    Subscribed,
    TradesPrinted,
    Transfers,
    Woke,
)
from domain.instrument import Instrument
from domain.transfers import OWNER, TransferBook
from domain.units import InstrumentId, Ns, Usd
from orchestrator.analytics import Analytics
from orchestrator.budget.proactive import ProactiveRateTracker
from orchestrator.budget.quota import QuotaQuestion
from orchestrator.config import TraderConfig
from orchestrator.connectivity.feeds import ConnectPace, FeedMachine
from orchestrator.connectivity.figures import connection_figures
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.connectivity.signer import SignerWatch
from orchestrator.connectivity.supervisor import ConnectionSupervisor
from orchestrator.desk.churn import CycleRecord
from orchestrator.desk.desk import Desk
from orchestrator.desk.execution import IdSource
from orchestrator.fill_ways import FillWays
from orchestrator.fills import FillProcessor
from orchestrator.gate import TradingGate
from orchestrator.metrics import Snapshot
from orchestrator.report import desk_snapshot
from orchestrator.risk.dead_man import DeadMan
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.risk.margin import MarginTracker
from orchestrator.risk.watch import RiskWatch
from orchestrator.sync.foreign import ForeignHand
from orchestrator.sync.limits import VenueLimits
from orchestrator.sync.shutdown import Shutdown
from orchestrator.sync.startup import StartUp
from orchestrator.sync.watch import SyncWatch


class _Waits(Protocol):
    """A part that wants to be asked again at some time."""

    def deadline(self) -> Ns | None: ...


USER_CHANNELS = (
    Channel(ChannelKind.ORDER_UPDATES),
    Channel(ChannelKind.FILLS),
    Channel(ChannelKind.POSITIONS),
)
MARKET_KINDS = (ChannelKind.BBO, ChannelKind.BOOK, ChannelKind.TRADES)


class Orchestrator:
    """One trader of one account on one venue, in any number of instruments."""

    def __init__(self, config: TraderConfig, instruments: tuple[Instrument, ...]) -> None:
        """Compose the machines; the first event must be Restored."""
        self.config = config
        self.life = 0
        self.ids = IdSource()
        market_channels = tuple(Channel(k, i.id) for i in instruments for k in MARKET_KINDS)
        pace = ConnectPace(config.feeds.connects_per_minute)
        self.market_feed = FeedMachine(Feed.MARKET, market_channels, config.feeds, pace)
        self.user_feed = FeedMachine(Feed.USER, USER_CHANNELS, config.feeds, pace)
        self.budget = None if config.budget is None else ProactiveRateTracker(config.budget)
        self.ledger = RequestLedger(config.requests, self.user_feed, self.budget, self._alert)
        self.analytics = Analytics(self._alert)
        self.desks: dict[InstrumentId, Desk] = {
            i.id: Desk(config.desk, i, self.ledger, self.ids, self.analytics, self._alert, config.risk.staleness)
            for i in instruments
        }
        self.limits = VenueLimits(self.desks)
        self.fills = FillProcessor(config.fills, self.analytics)
        self.kill_switch = KillSwitch()
        self.margin = (
            None
            if config.margin is None
            else MarginTracker(config.margin, self.ledger, self.desks, self.fills, self._alert)
        )
        self.risk = RiskWatch(
            config.risk, self.desks, self.kill_switch, self._alert, self.margin, self.market_feed.failed_attempts
        )
        self.quota = None if self.budget is None else QuotaQuestion(self.budget, self.ledger, self._alert)
        self.start_up = StartUp(
            config.start_up,
            self.ledger,
            self.user_feed,
            self.desks,
            self.fills,
            self._book_fill,
            self._alert,
        )
        self.sync = SyncWatch(
            config.sync,
            config.resync,
            config.resolver,
            self.ledger,
            self.user_feed,
            self.desks,
            self.fills,
            self._book_fill,
            self._alert,
        )
        self.resync, self.resolver = self.sync.resync, self.sync.resolver
        self.supervisor = (
            None
            if config.supervisor is None
            else ConnectionSupervisor(
                config.supervisor,
                config.risk.staleness,
                self.market_feed,
                self.user_feed,
                {name: desk.market for name, desk in self.desks.items()},
                self._read_account,
                self._alert,
            )
        )
        self.dead_man = (
            None if config.dead_man is None else DeadMan(config.dead_man, self.ledger, self.desks, self._alert)
        )
        self.signer = (
            None
            if config.signer is None
            else SignerWatch(config.signer, self.ledger, self.desks, self._alert, is_switch_clear=self._is_switch_clear)
        )
        self.foreign = None if config.foreign is None else ForeignHand(config.foreign, self._alert)
        self.shutdown = Shutdown(config.shutdown, self.ledger, self.desks, self.dead_man, self._alert)
        self.transfers = TransferBook()
        self.account = AccountGate(self._alert)
        self.fill_ways = FillWays(
            self.fills, self.desks, self.budget, self.risk, self.start_up, self.sync, self.foreign
        )
        self.strangers = self.fill_ways.strangers
        self.gate = TradingGate(
            self.desks,
            (self.user_feed, self.market_feed),
            self.start_up,
            self.shutdown,
            self.sync,
            self.kill_switch,
            self.signer,
            self.foreign,
            self.quota,
        )
        self.unknown_instrument = 0
        self.unknown_events = 0
        """Events of a type that no handler takes: dropped, counted (EL-07)."""
        self._now = Ns(0)
        self._alerts: list[AnyCommand] = []
        self._told: dict[InstrumentId, CycleRecord] = {}
        """Accounts of quote cycles that were taken."""
        always: tuple[_Waits | None, ...] = (
            self.ledger,
            self.market_feed,
            self.user_feed,
            self.supervisor,
            self.resync,
            self.shutdown,
            self.risk,
            self.dead_man,
            self.signer,
        )
        at_work: tuple[_Waits | None, ...] = (self.sync, self.margin)
        self._deadlines = [part.deadline for part in always if part is not None]
        self._deadlines += [desk.next_deadline for desk in self.desks.values()]
        self._deadlines_at_work = [part.deadline for part in at_work if part is not None]
        self._handlers: dict[type, Callable[[Any, Ns], None]] = {
            Restored: self._on_restored,
            Woke: self._on_nothing,
            StopRequested: self._on_stop_requested,
            KillReset: self._on_kill_reset,
            NoncesReserved: self._on_nothing,
            ClockSync: self._on_clock,
            BookReported: self._on_book,
            BboChanged: self._on_bbo,
            TradesPrinted: self._on_trades,
            OrderUpdate: self._on_update,
            Fill: self._on_fill,
            PositionsReported: self._on_positions,
            OpenOrdersReported: self._on_nothing,
            ContextReported: self._on_nothing,
            FeedUp: self._on_feed_up,
            Subscribed: self._on_subscribed,
            FeedDown: self._on_feed_down,
            Replied: self._on_replied,
            NotSent: self.ledger.on_not_sent,
        }

    # --- the four calls -------------------------------------------------------------------------

    def apply(self, event: AnyEvent, now: Ns) -> None:
        """Take in one fact."""
        self._now = now
        handler = self._handlers.get(type(event))
        if handler is None:
            self.unknown_events += 1
        elif self.account.admits(event, now):
            handler(event, now)
        elif self.start_up.is_synced and not isinstance(event, Replied):
            self.resync.request(now, gap=True, by="impossible_message")

    def decide(self, now: Ns) -> list[AnyCommand]:
        """What to send; a second call at the same ``now`` returns nothing."""
        self._now = now
        out: list[AnyCommand] = []
        self.ledger.expire(now)
        self.shutdown.decide(now)
        if not self.shutdown.is_stopped:
            self._decide_parts(now, out)
        elif self.shutdown.is_clean:
            self._close_feeds(now, out)
        self._record_adjustments(out)
        self.kill_switch.decide(out)
        if self._alerts:
            out.extend(self._alerts)
            self._alerts.clear()
        outbox = self.ledger.outbox
        if outbox:
            out.extend(outbox)
            outbox.clear()
        return out

    def _decide_parts(self, now: Ns, out: list[AnyCommand]) -> None:
        self._decide_feeds(now, out)
        if self.supervisor is not None:
            for feed in self.supervisor.decide(now, out):
                self._on_feed_lost(feed, now)
        if not self.shutdown.is_stopping:
            self.start_up.decide(now)
        is_at_work, settles_doubts = self._is_at_work, self._settles_doubts
        if settles_doubts:
            self.strangers.decide(now)
        if is_at_work:
            self.sync.decide(now)
        if settles_doubts:
            self.resolver.decide(now)
            self.resync.decide(now)
        if self.quota is not None and self.start_up.is_synced and not self.shutdown.is_stopping:
            self.quota.decide(now)
        if self.margin is not None and is_at_work:
            self.margin.decide(now)
        self._decide_quotes(now)
        if settles_doubts:
            self.resolver.close_clear()

    def _decide_feeds(self, now: Ns, out: list[AnyCommand]) -> None:
        """Connections and subscriptions; each of these is a message to the venue."""
        for feed in (self.market_feed, self.user_feed):
            feed.decide(now, out)
        if self.budget is not None:
            for command in out:
                if type(command) is Subscribe:
                    self.budget.on_message(now)

    def _decide_quotes(self, now: Ns) -> None:
        """What risk leaves of them, what they are, and the switch that must be ahead of them."""
        self.risk.look(now)
        if self.signer is not None:
            self.signer.open(now)
        gate = self.gate.reason(now)
        for desk in self.desks.values():
            desk.decide(gate, now)
        if self.dead_man is not None:
            self.dead_man.decide(now)  # after the quotes: for the first that they placed
        if self.signer is not None:
            self.signer.close(now)

    def _close_feeds(self, now: Ns, out: list[AnyCommand]) -> None:
        """The last thing: nothing of ours rests, so nothing needs to be heard any more."""
        for feed in (self.market_feed, self.user_feed):
            feed.close()
            feed.decide(now, out)

    def next_deadline(self) -> Ns | None:
        """When to call ``decide`` even if nothing happens; None once stopped."""
        if self.shutdown.is_stopped:
            return None
        now, is_stopping = self._now, self.shutdown.is_stopping
        asked = [ask() for ask in self._deadlines]
        if not is_stopping:
            asked.append(self.start_up.deadline(now))
            if self.quota is not None and self.start_up.is_synced:
                asked.append(self.quota.deadline())
            if self.start_up.is_done:
                asked.extend([ask() for ask in self._deadlines_at_work])
        if self._settles_doubts:
            asked += [self.resolver.deadline(), self.strangers.deadline()]
        if self.foreign is not None:
            asked.append(self.foreign.deadline(now))
        return min([deadline for deadline in asked if deadline is not None], default=None)

    def snapshot(self, now: Ns | None = None) -> Snapshot:
        """Frozen numbers; ``now`` closes the running time sums (default: the latest time seen)."""
        at = self._now if now is None else now
        return Snapshot(
            now=at,
            phase=self.phase,
            kill=self.kill_switch.reason,
            kills=self.kill_switch.count,
            life=self.life,
            desks=tuple(desk_snapshot(desk, at) for desk in self.desks.values()),
            **connection_figures(self.market_feed, self.user_feed, self.supervisor, self.ledger, at),
            quota_used=0 if self.budget is None else self.budget.used,
            quota_left=0 if self.budget is None else self.budget.headroom,
            quota_reports=0 if self.budget is None else self.budget.quota.reports,
            quota_reports_kept_out=0 if self.budget is None else self.budget.quota.kept_out,
            messages_counted=0 if self.budget is None else self.budget.messages,
            weight_counted=0 if self.budget is None else self.budget.weight,
            fills_applied=self.fills.applied,
            fills_duplicate=self.fills.duplicates,
            fills_crowded_out=self.fills.crowded_out,
            unknown_events=self.unknown_events,
            **self.sync.figures(at),
            **self.risk.figures(),
            unmatched_fills=self.fill_ways.unmatched,
            foreign_fills=0 if self.foreign is None else self.foreign.fills,
            owner_moved=self.moved_by_owner,
            signatures_refused=0 if self.signer is None else self.signer.refused,
            signer_outages=0 if self.signer is None else self.signer.outages,
            dead_man=None if self.dead_man is None else self.dead_man.state.value,
            dead_man_asked=0 if self.dead_man is None else self.dead_man.asked,
            dead_man_refused=0 if self.dead_man is None else self.dead_man.refused,
            dead_man_returned=0 if self.dead_man is None else self.dead_man.returned,
            dead_man_fired=0 if self.dead_man is None else self.dead_man.fired,
            messages_refused=dict(self.account.refused),
            analytics_errors=dict(self.analytics.errors),
        )

    def take_cycles(self) -> list[CycleRecord]:
        """What the quote cycles did that ran since the last call, the latest of each instrument."""
        latest = [desk.execution.record for desk in self.desks.values()]
        news = [record for record in latest if record is not None and record is not self._told.get(record.instrument)]
        self._told.update({record.instrument: record for record in news})
        return news

    # --- states that drivers and checks read ----------------------------------------------------

    @property
    def is_stopped(self) -> bool:
        """Whether the orderly shutdown has finished."""
        return self.shutdown.is_stopped

    @property
    def halt_reason(self) -> str | None:
        """Reason of the kill, where it is latched."""
        return self.kill_switch.reason

    @property
    def phase(self) -> str:
        """What the trader as a whole is doing."""
        return self.gate.phase(self._now)

    # --- handlers -------------------------------------------------------------------------------

    def _on_restored(self, told: Restored, now: Ns) -> None:
        event = self.account.restored(told, now)
        self.life = event.life
        self.ids.life_seed = event.life_seed
        self.market_feed.life_seed = event.life_seed
        self.user_feed.life_seed = event.life_seed
        self.user_feed.pace.continue_from(event.connects, now)
        if self.budget is not None and event.quota is not None:
            self.budget.quota.continue_from(event.quota)
        if self.dead_man is not None:
            self.dead_man.begin(event.life_seed)
        if self.signer is not None:
            self.signer.begin(event.life_seed)
        self.start_up.is_later_life = not event.is_opening
        self.fills.is_holding = event.is_opening
        self.kill_switch.restore(event.kill)
        self.fills.continue_from(event)
        for ledger in event.ledgers:
            desk = self.desks.get(ledger.instrument)
            if desk is not None:
                desk.inventory.continue_from(ledger)
        self.risk.begin(event)
        self.transfers.restore(event.transfers, event.transfers_stated, event.transfers_as_of)
        self._hand_out_transfers()
        for order in event.orders:
            desk = self.desks.get(order.instrument)
            if desk is not None:
                desk.adopt(order, now)

    def _on_nothing(self, event: AnyEvent, now: Ns) -> None:
        """A wake-up, where time itself is what happened; a note of the driver; or of a channel that we do not hear."""

    def _on_stop_requested(self, event: StopRequested, now: Ns) -> None:
        self.shutdown.request(event.reason, now)

    def _on_kill_reset(self, event: KillReset, now: Ns) -> None:
        self.kill_switch.reset()
        self.risk.on_kill_reset(now)
        self.sync.on_kill_reset(now)
        self._alert(Alert(Severity.WARNING, "kill_reset", event.by))

    def _on_clock(self, event: ClockSync, now: Ns) -> None:
        del now
        for desk in self.desks.values():
            desk.on_clock(event)

    def _on_bbo(self, event: BboChanged, now: Ns) -> None:
        desk = self._desk(event.instrument)
        if desk is not None:
            desk.on_bbo(event, now)

    def _on_book(self, event: BookReported, now: Ns) -> None:
        desk = self._desk(event.instrument)
        if desk is not None:
            desk.on_book(event, now)

    def _on_trades(self, event: TradesPrinted, now: Ns) -> None:
        desk = self._desk(event.instrument)
        if desk is not None:
            desk.on_trades(event, now)

    def _on_fill(self, event: Fill, now: Ns) -> None:
        self._hear_of_account(now)
        self._book_fill(event, now)

    def _on_update(self, event: OrderUpdate, now: Ns) -> None:
        self._hear_of_account(now)
        if self.dead_man is not None:
            self.dead_man.on_update(event, now)
        self.risk.on_update(event, now)
        desk = self._desk(event.instrument)
        if desk is None or desk.on_update(event, now):
            return
        if self.start_up.is_done:
            self.sync.on_stranger(event, now, is_ours=desk.tracker.find(event.cloid, event.oid) is not None)

    def _on_replied(self, event: Replied, now: Ns) -> None:
        self.risk.on_replied(event, now)
        self.sync.on_replied(event, now)
        if self.signer is not None:
            self.signer.hear(event, now)
        for result in event.results:
            if isinstance(result, PositionsReport):
                self._book_transfers(result.transfers, result.as_of)
            elif isinstance(result, LimitsReport):
                self.limits.take(result)
        self.ledger.on_replied(event, now)

    def _on_positions(self, event: PositionsReported, now: Ns) -> None:
        self._book_transfers(event.transfers, event.exch_time)
        if self.start_up.is_done:
            self.sync.on_positions(event, now)

    def _on_feed_up(self, event: FeedUp, now: Ns) -> None:
        feed = self._feed(event.feed)
        feed.on_up(event, now)
        if feed is self.market_feed:  # what still came on a connection that we had given up is not of this one
            for desk in self.desks.values():
                desk.on_market_gap()

    def _on_subscribed(self, event: Subscribed, now: Ns) -> None:
        feed = self._feed(event.channel.kind.feed)
        became_live = feed.on_subscribed(event)
        if became_live and feed is self.user_feed:
            self.ledger.routes.on_user_feed_live(now)
        if became_live and feed is self.user_feed and self.start_up.is_done:
            self.resync.request(now, gap=True, by="reconnect")
            self.resolver.on_reconnect(now)
            self.sync.on_reconnect(now)

    def _on_feed_down(self, event: FeedDown, now: Ns) -> None:
        feed = self._feed(event.feed)
        if not feed.on_down(event, now):
            return
        if event.reason is Reason.NO_PONG:
            self._alert(Alert(Severity.WARNING, "feed_silent", f"{event.feed}: no answer to a ping"))
        self._on_feed_lost(feed, now)

    def _on_feed_lost(self, feed: FeedMachine, now: Ns) -> None:
        if feed is self.market_feed:
            for desk in self.desks.values():
                desk.on_market_lost()
        else:
            self.ledger.on_user_feed_down(now)
            self.start_up.on_user_feed_down()
            self.resync.on_user_feed_down()

    def _hear_of_account(self, now: Ns) -> None:
        if self.supervisor is not None:
            self.supervisor.on_user_event(now)

    def _read_account(self, now: Ns) -> None:
        """Nothing was heard of the account for long: that may be so, or its channels are dead."""
        if self.start_up.is_done and not self.shutdown.is_stopping:
            self.resync.request(now, gap=False, by="silence")

    def _book_transfers(self, transfers: tuple[Transfers, ...], as_of: Ns) -> None:
        """Funding and the like come as sums, with every statement of the positions."""
        before = self.moved_by_owner
        self.transfers.take(transfers, as_of)
        self._hand_out_transfers()
        if self.foreign is not None and self.moved_by_owner != before:
            self.foreign.on_owner(Usd(self.moved_by_owner - before))

    def _hand_out_transfers(self) -> None:
        for name, moved in self.transfers.booked.items():
            if name in self.desks:
                self.desks[name].inventory.transfers = moved

    # --- fills ----------------------------------------------------------------------------------

    def _book_fill(self, fill: Fill, now: Ns) -> None:
        """Every fill of every path enters here."""
        if fill.instrument in self.desks:
            self.fills.process(fill, now)
        else:
            self.unknown_instrument += 1

    # --- inside ---------------------------------------------------------------------------------

    def _record_adjustments(self, out: list[AnyCommand]) -> None:
        """What a restatement, a late fill, the first mark or a lifted kill changed must reach the next life."""
        for name, desk in self.desks.items():
            inventory = desk.inventory
            if inventory.has_news:
                inventory.has_news = False
                out.append(RecordAdjustments(name, tuple(inventory.adjustments), inventory.opening_valued))
        account = self.risk.account
        if account.has_news:
            account.has_news = False
            out.append(RecordForgiven(Usd(round(account.pnl))))

    @property
    def _settles_doubts(self) -> bool:
        """Once fills and position are read, warm or not; and while stopping, whether or not they ever were."""
        return self.start_up.is_synced or self.shutdown.is_stopping

    @property
    def moved_by_owner(self) -> Usd:
        """What the owner paid in since the first statement, less what was taken out: no profit of ours."""
        return self.transfers.booked.get(OWNER, Usd(0))

    def _is_switch_clear(self) -> bool:
        return self.dead_man is None or self.dead_man.is_clear

    @property
    def _is_at_work(self) -> bool:
        return self.start_up.is_done and not self.shutdown.is_stopping

    def _feed(self, feed: Feed) -> FeedMachine:
        return self.market_feed if feed is Feed.MARKET else self.user_feed

    def _desk(self, instrument: InstrumentId) -> Desk | None:
        desk = self.desks.get(instrument)
        if desk is None:
            self.unknown_instrument += 1
        return desk

    def _alert(self, alert: Alert) -> None:
        self._alerts.append(alert)
