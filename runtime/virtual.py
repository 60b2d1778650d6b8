"""The driver in virtual time: the trader is one agent of a simulated world.

While the trader thinks, what arrives waits in its inbox; when it is done, its commands leave and it
looks at everything that came meanwhile. Of the environment it needs ``now`` and ``call_at`` only.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from domain.commands import Alert, AnyCommand, Severity
from domain.errors import JournalError
from domain.events import AnyEvent, Restored
from domain.units import Ns
from exchange_adapters.base import ExchangeAdapter
from orchestrator.metrics import Snapshot
from runtime.driver import (
    JOURNAL_FAILED,
    JOURNAL_UNREADABLE,
    AlertSink,
    CycleSink,
    Failure,
    Life,
    LifeConfig,
    Trader,
    one_line,
)
from runtime.fold import fold
from runtime.journal import Journal
from runtime.journal_format import Header
from runtime.safety_net import SafetyNet, SafetyNetConfig
from runtime.thinking import ThinkingConfig, ThinkingTime
from sim.disk import Disk
from sim.points import Died


class VirtualTime(Protocol):
    """What the driver needs of an environment."""

    @property
    def now(self) -> Ns:
        """The time."""
        ...

    def call_at(self, time: int, fn: Callable[..., object], *args: object) -> object:
        """Call at a time, after what was scheduled for that time before."""
        ...


Tap = Callable[[Ns, tuple[AnyEvent, ...], tuple[AnyCommand, ...]], None]
"""Called after each step with its time, the events taken in and the commands decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfig:
    """How the trader is run."""

    thinking: ThinkingConfig = field(default_factory=ThinkingConfig)
    life: LifeConfig = field(default_factory=LifeConfig)
    safety_net: SafetyNetConfig = field(default_factory=SafetyNetConfig)


class LifeEnd(NamedTuple):
    """How one life ended."""

    life: int
    at: Ns
    how: str
    """``stopped``, ``killed`` or ``failed``."""
    failure: Failure | None = None


@dataclass(slots=True)
class DriverCounters:
    """Plain counters over all lives."""

    steps: int = 0
    events: int = 0
    commands: int = 0
    superseded: Counter[str] = field(default_factory=Counter)
    inbox_peak: int = 0
    thinking: int = 0
    """Nanoseconds spent thinking."""
    alerts_unheard: int = 0
    """Alerts and cycles whose sink raised."""


class VirtualDriver:
    """Runs one trader, life after life."""

    def __init__(
        self,
        env: VirtualTime,
        adapter: ExchangeAdapter,
        core_factory: Callable[[], Trader],
        journal: Journal,
        header: Header,
        config: DriverConfig | None = None,
        on_alert: AlertSink | None = None,
        disk: Disk | None = None,
    ) -> None:
        """``disk``: what the journal's log stands on, where writing may take time and fail."""
        self.disk = disk
        self.taps: list[Tap] = []
        self.on_cycle: CycleSink | None = None
        """Hears of each quote cycle of the lives that begin from now on."""
        self.slowdowns: list[float] = []
        """Factors by which thinking takes longer now, whoever put them there."""
        self.counters = DriverCounters()
        self.ends: list[LifeEnd] = []
        """How each life ended, in order."""
        self.journal = journal
        self._env = env
        self._adapter = adapter
        self._core_factory = core_factory
        self._header = header
        self._config = config or DriverConfig()
        self._on_alert = on_alert
        self._thinking = ThinkingTime(self._config.thinking, header.seed)
        self._life: Life | None = None
        self._number = 0
        self._busy_until = Ns(0)
        self._has_step = False
        self._has_decided = False
        """Whether commands wait for the end of the thinking: until they have left, nothing else is thought of."""
        self._timers: list[Ns] = []

    # --- lives ----------------------------------------------------------------------------------

    def start_trader(self, restored: Restored | None = None, adapter: ExchangeAdapter | None = None) -> None:
        """Begin a life with the fold of the journal, or with what the caller says.

        ``adapter`` replaces the one of the life before, where a new process means a new session.
        """
        if self._life is not None:
            raise RuntimeError("the trader is running")
        try:
            if self.ends:
                self.journal.reopen()
            if restored is None:
                restored = fold(self.journal.records(), self._header.seed)
        except (JournalError, OSError) as error:
            self._cannot_start(error)
            return
        self._adapter = adapter or self._adapter
        traded = frozenset(instrument.id for instrument in self._header.instruments) or None
        net = SafetyNet(self._config.safety_net, self._adapter.capabilities, traded)
        sinks = (self._on_alert, self.on_cycle)
        life = Life(self._core_factory(), self._adapter, self.journal, net, self._config.life, *sinks)
        life.begin(self._env.now, replace(self._header, life=restored.life, life_seed=restored.life_seed))
        self._life = life
        self._number = restored.life
        self._busy_until = self._env.now
        self._has_step = False
        self._has_decided = False
        self._timers = []
        self._adapter.start(partial(self._arrive, life), restored.nonces_from)
        self._arrive(life, restored)

    def kill_trader(self) -> None:
        """The process dies here: no command leaves any more, what it knew is lost, the world goes on."""
        if self._life is not None:
            self._life.adapter.stop()
            self._close("killed")

    def request_stop(self, reason: str) -> None:
        """Begin an orderly shutdown; ``is_running`` turns false when it is done or overdue."""
        if self._life is not None:
            self._life.request_stop(self._env.now, reason)
            self._call_step(self._life)

    def stall(self, duration: Ns) -> None:
        """The process stands still: events wait, timers and commands come late; the disk goes on meanwhile."""
        now = self._env.now
        written_at = now if self.disk is None else max(self.disk.free_at, now)
        thinking = max(self._busy_until - written_at, 0)
        self._busy_until = Ns(max(written_at, now + duration) + thinking)

    # --- what it is doing -----------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether a life is under way (the safety net's part of it included)."""
        return self._life is not None

    @property
    def core(self) -> Trader | None:
        """The core of the life under way."""
        return None if self._life is None else self._life.core

    @property
    def net(self) -> SafetyNet | None:
        """The safety net of the life under way."""
        return None if self._life is None else self._life.net

    @property
    def is_unwritten(self) -> bool:
        """Whether the life under way could never write where its nonces end."""
        return self._life is not None and self._life.is_unwritten

    @property
    def has_lost_journal(self) -> bool:
        """Whether the latest life ends because its journal could not be written; the next one may begin where it can.

        It does so from the failure on, while it takes its orders back, and when it is over. One that was killed
        meanwhile is its killer's to start again.
        """
        failure = self.failure
        if failure is None or (not self.is_running and self.ends[-1].how == "killed"):
            return False
        return failure.name == JOURNAL_FAILED and failure.error is not None and issubclass(failure.error, OSError)

    @property
    def failure(self) -> Failure | None:
        """Why the safety net took over, in the life under way or else in the last one."""
        if self._life is not None:
            return self._life.failure
        return self.ends[-1].failure if self.ends else None

    def snapshot(self) -> Snapshot | None:
        """The trader's numbers of now; None where it does not run, or fails over this: then the safety net acts."""
        life, now = self._life, self._env.now
        if life is None:
            return None
        numbers = life.snapshot(now)
        if life.failure is not None:
            self._call_step(life)
        return numbers

    # --- the loop -------------------------------------------------------------------------------

    def _arrive(self, life: Life, event: AnyEvent) -> None:
        if life is self._life:
            life.inbox.put(event)
            if not self._has_step:
                self._call_step(life)

    def _call_step(self, life: Life) -> None:
        if not self._has_step:
            self._has_step = True
            self._env.call_at(max(self._env.now, self._busy_until), self._step, life)

    def _step(self, life: Life) -> None:
        if life is not self._life:
            return
        self._has_step = False
        now = self._env.now
        if self._has_decided or now < self._busy_until:
            self._call_step(life)
        elif life.is_due(now):
            self._think(life, now)
        else:
            self._set_timer(life, now)

    def _think(self, life: Life, now: Ns) -> None:
        try:
            events, commands = life.step(now)
        except Died:
            return
        thinking = self._thinking.next()
        if self.slowdowns:
            thinking = Ns(round(thinking * prod(self.slowdowns)))
        writing = 0 if self.disk is None else max(self.disk.free_at - now, 0)
        self._busy_until = Ns(now + writing + thinking)
        counters = self.counters
        counters.steps += 1
        counters.events += len(events)
        counters.commands += len(commands)
        counters.thinking += thinking
        for tap in self.taps:
            tap(now, events, commands)
        self._finish(life, commands)

    def _finish(self, life: Life, commands: tuple[AnyCommand, ...]) -> None:
        """Let the commands leave when the thinking is over; a trader killed meanwhile sends nothing."""
        if life is not self._life:
            return
        now = self._env.now
        self._has_decided = bool(commands) and now < self._busy_until
        if self._has_decided:
            self._env.call_at(self._busy_until, self._finish, life, commands)
            return
        try:
            life.carry_out(now, commands)
        except Died:
            return
        if life.is_over(now):
            life.end(now)
            self._close("stopped" if life.failure is None else "failed")
        else:
            if len(life.inbox):
                self._call_step(life)
            self._set_timer(life, now)

    # --- deadlines ------------------------------------------------------------------------------

    def _set_timer(self, life: Life, now: Ns) -> None:
        """Make sure to be woken by the deadline; a timer that comes too early sets another one."""
        if life.deadline is None:
            return
        at = Ns(max(life.deadline, self._busy_until, now + 1))
        if not self._timers or at < self._timers[-1]:
            self._timers.append(at)
            self._env.call_at(at, self._wake, life)

    def _wake(self, life: Life) -> None:
        if life is self._life:
            self._timers.pop()
            self._call_step(life)

    # --- inside ---------------------------------------------------------------------------------

    def _cannot_start(self, error: JournalError | OSError) -> None:
        text, now = one_line(error), self._env.now
        self.ends.append(LifeEnd(self._number + 1, now, "failed", Failure.of(JOURNAL_UNREADABLE, text, error)))
        if self._on_alert is not None:
            self._on_alert(now, Alert(Severity.CRITICAL, JOURNAL_UNREADABLE, text))

    def _close(self, how: str) -> None:
        life = self._life
        assert life is not None  # noqa: S101
        self._life = None
        self.counters.superseded += life.inbox.superseded
        self.counters.inbox_peak = max(self.counters.inbox_peak, life.inbox.peak)
        self.counters.alerts_unheard += life.alerts_unheard
        self.ends.append(LifeEnd(self._number, self._env.now, how, life.failure))
