"""The trader: a deterministic machine behind four calls. It composes; the logic is in the parts.

``apply`` takes in one fact, ``decide`` says what to send, ``next_deadline`` when to be called even
if nothing happens, ``snapshot`` gives frozen numbers. No clock, socket, log, generator or exchange.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from domain.commands import Alert, AnyCommand, Severity
from domain.events import (
    AnyEvent,
    BboChanged,
    BookReported,
    Channel,
    ChannelKind,
    ClockSync,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    KillReset,
    NotSent,
    OpenOrdersReported,
    OrderStatus,
    OrderUpdate,
    PositionsReported,
    Replied,
    Restored,
    StopRequested,
    Subscribed,
    TradesPrinted,
    Woke,
)
from domain.instrument import Instrument
from domain.units import InstrumentId, Ns
from orchestrator.connectivity.feeds import FeedMachine, FeedsConfig, RequestsConfig
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.desk.desk import Desk, DeskConfig, IdSource
from orchestrator.fills import FillProcessor, FillsConfig
from orchestrator.metrics import Snapshot
from orchestrator.report import desk_snapshot
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.sync.resolver import Resolver, ResolverConfig
from orchestrator.sync.resync import Resync, ResyncConfig
from orchestrator.sync.shutdown import Shutdown, ShutdownConfig
from orchestrator.sync.startup import StartUp, StartUpConfig

RUNAWAY_FACTOR = 2.0
"""A position beyond this times its limit kills (RK-20)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderConfig:
    """The whole trader: one part per machine."""

    desk: DeskConfig = field(default_factory=DeskConfig)
    feeds: FeedsConfig = field(default_factory=FeedsConfig)
    requests: RequestsConfig = field(default_factory=RequestsConfig)
    fills: FillsConfig = field(default_factory=FillsConfig)
    start_up: StartUpConfig = field(default_factory=StartUpConfig)
    resync: ResyncConfig = field(default_factory=ResyncConfig)
    resolver: ResolverConfig = field(default_factory=ResolverConfig)
    shutdown: ShutdownConfig = field(default_factory=ShutdownConfig)


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
        self.market_feed = FeedMachine(Feed.MARKET, market_channels, config.feeds)
        self.user_feed = FeedMachine(Feed.USER, USER_CHANNELS, config.feeds)
        self.ledger = RequestLedger(config.requests, self.user_feed)
        self.desks: dict[InstrumentId, Desk] = {i.id: Desk(config.desk, i, self.ledger, self.ids) for i in instruments}
        self.fills = FillProcessor(config.fills)
        self.kill_switch = KillSwitch()
        self.start_up = StartUp(
            config.start_up,
            self.ledger,
            self.user_feed,
            self.desks,
            self.fills,
            self._book_fill,
            self._alert,
        )
        self.resync = Resync(config.resync, self.ledger, self.desks, self.fills, self._book_fill, self._alert)
        self.resolver = Resolver(config.resolver, self.ledger, self.user_feed, self.desks, self._resync_without_gap)
        self.shutdown = Shutdown(config.shutdown, self.ledger, self.desks, self._alert)
        self.unmatched_fills = 0
        self.unknown_instrument = 0
        self.unknown_events = 0
        """Events of a type that no handler takes: dropped, counted (EL-07)."""
        self.clock: ClockSync | None = None
        self._now = Ns(0)
        self._alerts: list[AnyCommand] = []
        self.fills.subscribe(self._on_new_fill, priority=0)
        self.fills.subscribe_before_opening(self._on_fill_before_opening)
        self._handlers: dict[type, Callable[[Any, Ns], None]] = {
            Restored: self._on_restored,
            Woke: self._on_nothing,
            StopRequested: self._on_stop_requested,
            KillReset: self._on_kill_reset,
            ClockSync: self._on_clock,
            BookReported: self._on_book,
            BboChanged: self._on_bbo,
            TradesPrinted: self._on_trades,
            OrderUpdate: self._on_update,
            Fill: self._book_fill,
            PositionsReported: self._on_positions,
            OpenOrdersReported: self._on_nothing,
            FeedUp: self._on_feed_up,
            Subscribed: self._on_subscribed,
            FeedDown: self._on_feed_down,
            Replied: self.ledger.on_replied,
            NotSent: self.ledger.on_not_sent,
        }

    # --- the four calls -------------------------------------------------------------------------

    def apply(self, event: AnyEvent, now: Ns) -> None:
        """Take in one fact."""
        self._now = now
        handler = self._handlers.get(type(event))
        if handler is None:
            self.unknown_events += 1
        else:
            handler(event, now)

    def decide(self, now: Ns) -> list[AnyCommand]:
        """What to send; a second call at the same ``now`` returns nothing."""
        self._now = now
        out: list[AnyCommand] = []
        self.ledger.expire(now)
        self.shutdown.decide(now)
        if not self.shutdown.is_stopped:
            self._decide_parts(now, out)
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
        self.market_feed.decide(now, out)
        self.user_feed.decide(now, out)
        if not self.shutdown.is_stopping:
            self.start_up.decide(now)
        if self._settles_doubts:
            self.resolver.decide(now)
            self.resync.decide(now)
        self._check_runaway()
        gate = self.account_gate()
        for desk in self.desks.values():
            desk.decide(gate, now)
        if self._settles_doubts:
            self.resolver.close_clear()

    def next_deadline(self) -> Ns | None:
        """When to call ``decide`` even if nothing happens; None once stopped."""
        if self.shutdown.is_stopped:
            return None
        earliest: Ns | None = None
        for deadline in self._deadlines():
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def snapshot(self, now: Ns | None = None) -> Snapshot:
        """Frozen numbers; ``now`` closes the running time sums (default: the latest time seen)."""
        at = self._now if now is None else now
        ledger = self.ledger
        return Snapshot(
            now=at,
            phase=self.phase,
            kill=self.kill_switch.reason,
            life=self.life,
            desks=tuple(desk_snapshot(desk, at) for desk in self.desks.values()),
            requests_sent=ledger.n_sent,
            actions_sent=ledger.n_actions,
            requests_silent=ledger.n_silent,
            requests_late=ledger.n_late,
            requests_not_sent=ledger.n_not_sent,
            request_timeout=ledger.timeout,
            fills_applied=self.fills.applied,
            fills_duplicate=self.fills.duplicates,
            feed_downs=self.market_feed.downs + self.user_feed.downs,
            resyncs=self.resync.runs,
            position_drifts=self.resync.drifts,
            orphans_cancelled=self.resync.orphans_cancelled,
            unmatched_fills=self.unmatched_fills,
        )

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
        if self.shutdown.is_stopping:
            return self.shutdown.state.value
        gate = self.account_gate()
        return "quoting" if gate is None else gate

    def account_gate(self) -> str | None:
        """Why no desk may quote (the first reason that holds); None when all may."""
        closed = (
            (self.shutdown.is_stopping, "stopping"),
            (self.kill_switch.is_latched, "kill"),
            (not self.start_up.is_done, "starting"),
            (not self.user_feed.is_live, "user_feed_down"),
            (not self.market_feed.is_live, "market_feed_down"),
            (self.resync.gates_quotes, "resync"),
        )
        return next((reason for is_closed, reason in closed if is_closed), None)

    # --- handlers -------------------------------------------------------------------------------

    def _on_restored(self, event: Restored, now: Ns) -> None:
        self.life = event.life
        self.ids.life_seed = event.life_seed
        self.market_feed.life_seed = event.life_seed
        self.user_feed.life_seed = event.life_seed
        self.start_up.is_later_life = event.life > 1
        self.fills.is_holding = event.life == 1
        self.kill_switch.restore(event.kill)
        for tid in event.tids:
            self.fills.dedup.remember(tid)
        self.fills.cursor = event.fills_since
        for ledger in event.ledgers:
            desk = self.desks.get(ledger.instrument)
            if desk is not None:
                desk.inventory.continue_from(ledger.position, ledger.cash, ledger.fees, ledger.opening)
        for order in event.orders:
            desk = self.desks.get(order.instrument)
            if desk is not None:
                desk.adopt(order, now)

    def _on_nothing(self, event: AnyEvent, now: Ns) -> None:
        """A wake-up: time itself is what happened."""

    def _on_stop_requested(self, event: StopRequested, now: Ns) -> None:
        self.shutdown.request(event.reason, now)

    def _on_kill_reset(self, event: KillReset, now: Ns) -> None:
        del now
        self.kill_switch.reset()
        self._alert(Alert(Severity.WARNING, "kill_reset", event.by))

    def _on_clock(self, event: ClockSync, now: Ns) -> None:
        del now
        self.clock = event

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

    def _on_update(self, event: OrderUpdate, now: Ns) -> None:
        desk = self._desk(event.instrument)
        if desk is None or desk.on_update(event, now):
            return
        if event.status is OrderStatus.OPEN and self.start_up.is_done:
            # An order of this account that we do not know rests: the list of open orders decides.
            self.resync.request(now, gap=False)

    def _on_positions(self, event: PositionsReported, now: Ns) -> None:
        if self.start_up.is_done:
            self.resync.on_positions(event, now)

    def _on_feed_up(self, event: FeedUp, now: Ns) -> None:
        self._feed(event.feed).on_up(event, now)

    def _on_subscribed(self, event: Subscribed, now: Ns) -> None:
        feed = self._feed(event.channel.kind.feed)
        became_live = feed.on_subscribed(event)
        if became_live and feed is self.user_feed and self.start_up.is_done:
            self.resync.request(now, gap=True)

    def _on_feed_down(self, event: FeedDown, now: Ns) -> None:
        feed = self._feed(event.feed)
        was_up = feed.on_down(event, now)
        if was_up and feed is self.market_feed:
            for desk in self.desks.values():
                desk.on_market_gap()
        if was_up and feed is self.user_feed:
            self.ledger.on_user_feed_down(now)
            self.start_up.on_user_feed_down()
            self.resync.on_user_feed_down()

    # --- fills ----------------------------------------------------------------------------------

    def _book_fill(self, fill: Fill, now: Ns) -> None:
        """Every fill of every path enters here."""
        if fill.instrument in self.desks:
            self.fills.process(fill, now)
        else:
            self.unknown_instrument += 1

    def _on_new_fill(self, fill: Fill, now: Ns) -> None:
        if self.desks[fill.instrument].on_fill(fill, now) is None:
            self.unmatched_fills += 1
            if self.start_up.is_done:
                self.resync.request(now, gap=False)

    def _on_fill_before_opening(self, fill: Fill, now: Ns) -> None:
        """In the position already; its order must learn of it, or it never settles."""
        self.desks[fill.instrument].tracker.on_fill(fill, now)

    def _check_runaway(self) -> None:
        """Whatever moved the position there: a fill, or the venue's own statement."""
        for name, desk in self.desks.items():
            position = desk.inventory.position
            if desk.limit.is_exceeded(position, RUNAWAY_FACTOR):
                self.kill_switch.latch(f"position runaway: {name} {position} lots, limit {desk.limit.lots}")

    # --- inside ---------------------------------------------------------------------------------

    def _deadlines(self) -> tuple[Ns | None, ...]:
        return (
            self.ledger.deadline(),
            self.market_feed.deadline(),
            self.user_feed.deadline(),
            None if self.shutdown.is_stopping else self.start_up.deadline(self._now),
            self.resync.deadline(),
            self.resolver.deadline() if self._settles_doubts else None,
            self.shutdown.deadline(),
            *(desk.next_deadline() for desk in self.desks.values()),
        )

    @property
    def _settles_doubts(self) -> bool:
        """After the start-up; and while stopping, whether or not it was ever done."""
        return self.start_up.is_done or self.shutdown.is_stopping

    def _feed(self, feed: Feed) -> FeedMachine:
        return self.market_feed if feed is Feed.MARKET else self.user_feed

    def _desk(self, instrument: InstrumentId) -> Desk | None:
        desk = self.desks.get(instrument)
        if desk is None:
            self.unknown_instrument += 1
        return desk

    def _resync_without_gap(self, now: Ns, failures: int) -> None:
        self.resync.request(now, gap=False, failures=failures)

    def _alert(self, alert: Alert) -> None:
        self._alerts.append(alert)
