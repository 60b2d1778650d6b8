"""Puts a run together: world, session, trader under observation, driver, faults, checks.

It takes resolved configs and knows no files; `scenarios.loader` makes them, `scenarios.runner` runs them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from domain.commands import Alert
from domain.errors import ConfigError
from domain.events import Channel, ChannelKind, Feed, PublicTrade, TradesPrinted
from domain.instrument import Instrument
from domain.units import NS_PER_S, AccountId, InstrumentId, Ns, Side, seconds
from exchange_adapters.simulated import SimulatedAdapter
from orchestrator.config import TraderConfig
from orchestrator.core import Orchestrator
from orchestrator.metrics import Snapshot
from orchestrator.risk.ladder import fresh_for
from runtime.journal import Journal
from runtime.log import Log
from runtime.logs import hears_cycles, log_alert, log_cycle
from runtime.provenance import make_header
from runtime.story import story
from runtime.virtual import DriverConfig, VirtualDriver
from scenarios.endurance import state_bytes
from scenarios.expectations import Expect
from scenarios.figures import FaultFigures
from scenarios.invariants.base import Bounds, Scope
from scenarios.invariants.checker import Checker
from scenarios.invariants.limits import HardLimits, Sizes
from scenarios.observed import ObservedTrader
from scenarios.observer import Observer
from scenarios.overreach import Overreach
from scenarios.probes import NOT_HELD, Probe
from scenarios.trace import Span, Trace
from scenarios.truth import VenueTruth
from sim.disk import Disk
from sim.faults.base import Fault, Injected
from sim.faults.disconnect import Disconnect
from sim.links import LinksConfig
from sim.venue.publications import Publication
from sim.world import World

ACCOUNT = AccountId("trader")
_FILLS = Channel(ChannelKind.FILLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that a run is made of but its seed and its world."""

    name: str
    duration: Ns
    trader: TraderConfig
    trader_tree: Mapping[str, Any] = field(default_factory=dict)
    """The trader's config as plain data, for the journal: a replay rebuilds the core from it."""
    driver: DriverConfig = field(default_factory=DriverConfig)
    links: LinksConfig = field(default_factory=LinksConfig)
    faults: tuple[Fault, ...] = ()
    expect: Expect = field(default_factory=Expect)
    bounds: Bounds = field(default_factory=Bounds)
    check_every: int = 1
    full_check_every: int = 200
    despite: frozenset[str] = frozenset()
    """Kinds of faults that the trader has to live with: liveness is judged while they are at work, too."""
    probes: tuple[Probe, ...] = ()
    """What the trader is put to when the run is over."""
    soak: bool = False
    """Whether to look at what the run keeps in memory, time and again."""


class Tape:
    """Keeps the public trades of a block for the checks."""

    def __init__(self) -> None:
        self._trades: dict[InstrumentId, Sequence[PublicTrade]] = {}

    def hear(self, publication: Publication) -> None:
        """Something leaves the venue."""
        channel = publication.channel
        if channel is not None and channel.kind is ChannelKind.TRADES:
            for event in publication.events:
                if isinstance(event, TradesPrinted):
                    self._trades[event.instrument] = event.trades

    def take(self) -> Mapping[InstrumentId, Sequence[PublicTrade]]:
        """Trades since the last call."""
        trades, self._trades = self._trades, {}
        return trades


class Running:
    """One trader in one world, watched. `start`, then let the world run."""

    def __init__(self, setup: Setup, world: World, seed: int, log: Log) -> None:
        self.setup = setup
        self.world = world
        self.trader: ObservedTrader | None = None
        """Of the latest life."""
        self.trials: dict[Probe, str] = {}
        """What became of each that the scenario asks for."""
        self.is_killed_on_trial = False
        """Whether its kill switch was latched by one of them: that is no end of the run."""
        self.snapshots: list[Snapshot] = []
        """What the trader counted in each of its lives that is over; at the end of the run in the latest, too."""
        self.cycle_times: list[int] = []
        """Nanoseconds of this machine for each decision in which a quote cycle ran; the first of all lives."""
        self.session = world.attach(ACCOUNT, setup.links)
        instruments: Mapping[InstrumentId, Instrument] = world.instruments
        self.truth = VenueTruth(world.venue, ACCOUNT, instruments, world.sessions)
        self.checker = Checker(every=setup.check_every, full_every=setup.full_check_every)
        self.trace = Trace(setup.name, seed, setup.duration / NS_PER_S)
        self.observer = Observer(
            self.trace,
            instruments,
            self.truth,
            duration=setup.duration,
            stale_after=seconds(fresh_for(setup.trader.risk.staleness)),
        )
        self.disk = disk = Disk(world.env, log)
        self.journal = Journal(disk)
        header = make_header(seed, setup.trader_tree, tuple(instruments.values()), setup.name)
        self.alerts: Counter[str] = Counter()
        """Alerts of the trader, by name."""
        self.adapter = SimulatedAdapter(self.session)
        """The trader's way to the venue, in all its lives."""
        self.driver = VirtualDriver(
            world.env,
            self.adapter,
            self._new_life,
            self.journal,
            header,
            setup.driver,
            on_alert=self._on_alert,
            disk=disk,
        )
        self.session.process = self.driver
        disk.taps.append(self.session.reach)
        self.injected: list[Injected] = [fault.install(world, self.session) for fault in setup.faults]
        self.limits = _hard_limits(setup.trader)
        """How far its positions may go."""
        self.overreach = Overreach(self.truth)
        """How far the account went."""
        self.unwritten_nonces: dict[tuple[str, int], int] = {}
        """Nonces of lives that could never write where theirs end, and how many lives had ended before."""
        self._scope: Scope | None = None
        self._block_at = Ns(0)
        self._tape = Tape()
        if not world.replays:  # a recording hands its trades over when they were received, not in their block
            world.on_publication.append(self._tape.hear)
        world.on_publication.append(self.truth.hear)
        world.on_block.append(self._on_block)
        world.env.call_in(NS_PER_S, self._on_second)
        self.session.on_send.append(self.observer.on_sent)
        self.session.on_send.append(self.checker.sent)
        self.session.on_sign.append(self._on_sign)
        for injected in self.injected:
            world.env.call_at(injected.starts_at, self.observer.on_fault)
            world.env.call_at(injected.ends_at, self.observer.on_heal)
        self.truth.on_end.append(self.observer.on_end)

    def start(self) -> None:
        """Begin the trader's first life."""
        self.driver.on_cycle = log_cycle if hears_cycles() else None
        self.driver.start_trader()

    @property
    def probed(self) -> list[Probe]:
        """Trials at the end that were held."""
        return [probe for probe, became in self.trials.items() if not became.startswith(NOT_HELD)]

    @property
    def is_between_lives(self) -> bool:
        """Whether a fault has killed the trader, or taken its journal, and will start it again."""
        driver = self.driver
        is_down = not driver.is_running and bool(driver.ends)
        will_return = is_down and (driver.ends[-1].how == "killed" or driver.has_lost_journal)
        return will_return and any(injected.is_striking or injected.will_restart for injected in self.injected)

    # --- what the checks know of the run around trader and venue (`scenarios.invariants.base.RunView`) -------------

    @property
    def faults(self) -> Sequence[Injected]:
        """All faults of the run."""
        return self.injected

    @property
    def has_lost_user_feed(self) -> bool:
        """Whether the account's connection cannot come up, and the trader has to live with that."""
        return self.session.feeds[Feed.USER].holds > 0 and Disconnect().kind in self.setup.despite

    @property
    def is_running(self) -> bool:
        """Whether the trader's process lives."""
        return self.driver.is_running

    @property
    def is_stopping(self) -> bool:
        """Whether the trader was asked to stop, or has stopped."""
        trader, ends = self.trader, self.driver.ends
        is_asked = trader is not None and trader.core.shutdown.is_stopping
        return is_asked or (not self.driver.is_running and bool(ends) and ends[-1].how == "stopped")

    @property
    def failure(self) -> str | None:
        """Name of the failure by which the safety net took over."""
        failure = self.driver.failure
        return None if failure is None else failure.name

    @property
    def is_durable(self) -> bool:
        """Whether everything that the trader wrote to its journal would survive."""
        return self.disk.is_safe

    @property
    def is_recorded(self) -> bool:
        """Whether the market is a record."""
        return bool(self.world.replays)

    @property
    def memories(self) -> Sequence[object]:
        """What the trader's process keeps beside its core: its way to the venue, and its safety net, which listens."""
        net = self.driver.net
        return (self.adapter,) if net is None else (self.adapter, net)

    def fault_figures(self) -> list[FaultFigures]:
        """What each fault did."""
        return [
            FaultFigures(
                i.kind, i.starts_at / NS_PER_S, i.ends_at / NS_PER_S, i.injected, dict(sorted(i.tally.items()))
            )
            for i in self.injected
        ]

    def sizes(self) -> dict[str, float]:
        """What is kept in memory now, by name; a trader that is dead keeps nothing."""
        sizes = {"calls": float(self.world.env.waiting), "inbox": float(self.driver.counters.inbox_peak)}
        if self.driver.is_running and self.trader is not None:
            core = self.trader.core
            trackers = [desk.tracker for desk in core.desks.values()]
            sizes |= {
                "trader_bytes": float(state_bytes(core)),
                "orders": float(sum(len(tracker.orders) for tracker in trackers)),
                "ended_orders": float(sum(len(tracker.completed) for tracker in trackers)),
                "requests": float(core.ledger.in_flight),
            }
        return sizes

    def mark_faults(self) -> None:
        """Put the faults into the trace, for the figures; some last longer than the run."""
        end = self.world.env.now
        self.trace.faults = [
            Span(i.starts_at / NS_PER_S, min(i.ends_at, end) / NS_PER_S, i.kind) for i in self.injected
        ]

    # --- inside ---------------------------------------------------------------------------------

    def _on_alert(self, now: Ns, alert: Alert) -> None:
        self.alerts[alert.name] += 1
        log_alert(now, alert)

    def _on_sign(self, nonce: int, _now: Ns) -> None:
        if self.driver.is_unwritten:
            self.unwritten_nonces[self.session.signer, nonce] = len(self.driver.ends)

    def _new_life(self) -> ObservedTrader:
        if self.trader is not None:  # a life that is over leaves its numbers: it would be kept for good
            self.snapshots.append(self.trader.core.snapshot())
        core = Orchestrator(self.setup.trader, tuple(self.world.instruments.values()))
        before = self._scope
        self.limits.begin_life()
        self._scope = Scope(
            self.world.instruments,
            self.truth,
            core,
            self.checker.report,
            self.setup.bounds,
            now=self.world.env.now,
            calm_since=Ns(0) if before is None else before.calm_since,
            is_held_back=partial(_is_held_back, core),
            is_limited=core.budget is not None and core.budget.limits == self.world.venue.limits,
            limits=self.limits,
            run=self,
        )
        self.checker.bind(self._scope, self._story)
        self.trader = ObservedTrader(core, self.checker, self._scope, self.observer, self.cycle_times)
        return self.trader

    def _on_block(self, number: int, now: Ns) -> None:
        self._block_at = now
        block = self.truth.take_block(now, self._tape.take(), number)
        scope = self._scope
        if scope is not None:
            self._note_faults(scope, now)
            self.checker.block(block)
        self.observer.on_life(now, is_running=self.driver.is_running)
        self.observer.on_block(block)
        self.overreach.on_block(now)

    def _on_second(self) -> None:
        """Time goes by where the venue makes no blocks, too: it is down, or the recording has a gap."""
        now = self.world.env.now
        self.world.env.call_in(NS_PER_S, self._on_second)
        scope = self._scope
        if scope is not None and now - self._block_at >= NS_PER_S:
            self._note_faults(scope, now)
            self.checker.second(now)

    def _note_faults(self, scope: Scope, now: Ns) -> None:
        scope.now = now
        despite = self.setup.despite
        if any(injected.is_active for injected in self.injected if injected.kind not in despite):
            scope.calm_since = None
        elif scope.calm_since is None:
            scope.calm_since = now
        if not self._is_healthy():
            scope.healthy_since = None
        elif scope.healthy_since is None:
            scope.healthy_since = now

    def _is_healthy(self) -> bool:
        feed = self.session.feeds[Feed.USER]
        is_calm = self._scope is not None and self._scope.calm_since is not None
        return feed.is_wired and _FILLS in feed.channels and is_calm

    def _story(self, keys: tuple[str, ...]) -> str:
        """Each order once, also where several of its generations and fills are involved."""
        told: dict[tuple[str, ...], list[str]] = {}
        for key in keys:
            try:
                lines = tuple(story(self.journal.records(), key))
            except ConfigError:
                lines = ("nothing in the trader's journal: it was never told of it",)
            told.setdefault(lines, []).append(key)
        return "\n".join(f"the story of {', '.join(of)}:\n" + "\n".join(lines) for lines, of in told.items())


def _hard_limits(config: TraderConfig) -> HardLimits:
    """What the config of a trader allows, and how its sizes shrink."""
    engine, position, account = config.desk.engine, config.risk.position, config.risk.limits
    sizes = Sizes(
        side_usd=engine.level_notional_usd * engine.ladder.levels,
        position_soft=1.0 if position is None else position.soft_share,
        gross_soft=1.0 if account is None else account.soft_share,
    )
    return HardLimits(engine.max_position_usd, None if account is None else account.gross_usd, sizes)


def _is_held_back(core: Orchestrator, name: InstrumentId, side: Side, now: Ns) -> bool:
    """Whether refusals or the venue's limits make the trader wait with a side."""
    desk = core.desks[name]
    if desk.rejections is not None and desk.rejections.should_skip(side, now):
        return True
    opens_at = desk.execution.budget_opens_at
    return opens_at is not None and now <= opens_at
