"""Puts a run together: world, session, trader under observation, driver, faults, checks.

It takes resolved configs and knows no files; `scenarios.loader` makes them, `scenarios.runner` runs them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.commands import Alert
from domain.errors import ConfigError
from domain.events import Channel, ChannelKind, Feed, PublicTrade, TradesPrinted
from domain.instrument import Instrument
from domain.units import NS_PER_S, AccountId, InstrumentId, Ns, millis
from exchange_adapters.simulated import SimulatedAdapter
from orchestrator.core import Orchestrator, TraderConfig
from orchestrator.metrics import Snapshot
from runtime.journal import Journal
from runtime.log import Log
from runtime.logs import log_alert
from runtime.provenance import make_header
from runtime.story import story
from runtime.virtual import DriverConfig, VirtualDriver
from scenarios.expectations import Expect
from scenarios.invariants.base import Bounds, Scope
from scenarios.invariants.checker import Checker
from scenarios.observed import ObservedTrader
from scenarios.observer import Observer
from scenarios.result import FaultFigures
from scenarios.trace import Span, Trace
from scenarios.truth import VenueTruth
from sim.faults.base import Fault, Injected
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
        self.lives: list[ObservedTrader] = []
        self.snapshots: list[Snapshot] = []
        """What the trader counted in each of its lives, up to the shutdown."""
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
            stale_after=millis(setup.trader.desk.data_quality.stale_gate_ms),
        )
        self.journal = Journal(log)
        header = make_header(seed, setup.trader_tree, tuple(instruments.values()), setup.name)
        self.alerts: Counter[str] = Counter()
        """Alerts of the trader, by name."""
        self.driver = VirtualDriver(
            world.env,
            SimulatedAdapter(self.session),
            self._new_life,
            self.journal,
            header,
            setup.driver,
            on_alert=self._on_alert,
        )
        self.session.process = self.driver
        self.injected: list[Injected] = [fault.install(world, self.session) for fault in setup.faults]
        self._scope: Scope | None = None
        self._tape = Tape()
        if not world.replays:  # a recording hands its trades over when they were received, not in their block
            world.on_publication.append(self._tape.hear)
        world.on_publication.append(self.truth.hear)
        world.on_block.append(self._on_block)
        self.session.on_send.append(self.observer.on_sent)
        for injected in self.injected:
            world.env.call_at(injected.starts_at, self.observer.on_fault)
            world.env.call_at(injected.ends_at, self.observer.on_heal)
        self.truth.on_end.append(self.observer.on_end)

    def start(self) -> None:
        """Begin the trader's first life."""
        self.driver.start_trader()

    @property
    def is_between_lives(self) -> bool:
        """Whether a fault has killed the trader and will start it again."""
        ends = self.driver.ends
        is_killed = not self.driver.is_running and bool(ends) and ends[-1].how == "killed"
        return is_killed and any(injected.is_striking for injected in self.injected)

    def fault_figures(self) -> list[FaultFigures]:
        """What each fault did."""
        return [
            FaultFigures(
                i.kind, i.starts_at / NS_PER_S, i.ends_at / NS_PER_S, i.injected, dict(sorted(i.counts.items()))
            )
            for i in self.injected
        ]

    def mark_faults(self) -> None:
        """Put the faults into the trace, for the figures."""
        self.trace.faults = [Span(i.starts_at / NS_PER_S, i.ends_at / NS_PER_S, i.kind) for i in self.injected]

    # --- inside ---------------------------------------------------------------------------------

    def _on_alert(self, now: Ns, alert: Alert) -> None:
        self.alerts[alert.name] += 1
        log_alert(now, alert)

    def _new_life(self) -> ObservedTrader:
        core = Orchestrator(self.setup.trader, tuple(self.world.instruments.values()))
        self._scope = Scope(self.world.instruments, self.truth, core, self.checker.report, self.setup.bounds)
        self.checker.bind(self._scope, self._story)
        self.trader = ObservedTrader(core, self.checker, self._scope, self.observer)
        self.lives.append(self.trader)
        return self.trader

    def _on_block(self, number: int, now: Ns) -> None:
        block = self.truth.take_block(now, self._tape.take(), number)
        scope = self._scope
        if scope is not None:
            scope.now = now
            if not self._is_healthy():
                scope.healthy_since = None
            elif scope.healthy_since is None:
                scope.healthy_since = now
            self.checker.block(block)
        self.observer.on_life(now, is_running=self.driver.is_running)
        self.observer.on_block(block)

    def _is_healthy(self) -> bool:
        feed = self.session.feeds[Feed.USER]
        return feed.is_wired and _FILLS in feed.channels and not any(injected.is_active for injected in self.injected)

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
