"""The trader under observation: the same four calls, with checks and measurements around each.

What the observed core decides is not changed by it; a journal written around it replays on a bare core.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter_ns

from domain.commands import AnyCommand
from domain.events import AnyEvent, Fill
from domain.units import InstrumentId, Ns
from orchestrator.core import Orchestrator
from orchestrator.desk.churn import CycleRecord
from orchestrator.metrics import Snapshot
from runtime.own_orders import fills_in
from scenarios.invariants.base import Scope, Step
from scenarios.invariants.checker import Checker
from scenarios.observer import Observer

CYCLES_KEPT = 20_000
NO_FILLS: Sequence[Fill] = ()


class ObservedTrader:
    """Implements `runtime.driver.Trader` around an orchestrator."""

    def __init__(
        self, core: Orchestrator, checker: Checker, scope: Scope, observer: Observer, cycle_times: list[int]
    ) -> None:
        """Wrap a core; the checker is bound to a scope that reads this core; times of quote cycles are written down."""
        self.core = core
        self.events = 0
        self._cycle_times = cycle_times
        self._checker = checker
        self._scope = scope
        self._observer = observer
        self._cycles = dict.fromkeys(core.desks, 0)

    # --- the four calls -------------------------------------------------------------------------

    def apply(self, event: AnyEvent, now: Ns) -> None:
        """Let the core take in a fact, then look."""
        self.events += 1
        self.core.apply(event, now)
        fills = tuple(fills_in(event))
        self._scope.now = now
        self._scope.limits.look(self._scope.truth, self.core.desks)
        self._checker.step(Step(now, event, (), fills))
        self._observer.on_event(event, now, fills)
        if self._observer.disagreement.is_open:
            self._observer.disagreement.look(self.core.desks, now)

    def decide(self, now: Ns) -> Sequence[AnyCommand]:
        """Let the core decide, then look."""
        started = perf_counter_ns()
        commands = self.core.decide(now)
        spent = perf_counter_ns() - started
        cycled = [name for name, desk in self.core.desks.items() if desk.cycles != self._cycles[name]]
        full: Sequence[InstrumentId] = ()
        if cycled:
            full = self._note_cycles(cycled, commands, now)
            if len(self._cycle_times) < CYCLES_KEPT:
                self._cycle_times.append(spent)
        self._scope.now = self._scope.decided_at = now
        self._checker.step(Step(now, None, commands, cycled=full, looked=cycled))
        self._observer.on_gate(self._gate(), self._limits, now)
        return commands

    def next_deadline(self) -> Ns | None:
        """As the core says."""
        return self.core.next_deadline()

    def snapshot(self, now: Ns | None = None) -> Snapshot:
        """As the core says."""
        return self.core.snapshot(now)

    def take_cycles(self) -> Sequence[CycleRecord]:
        """As the core says."""
        return self.core.take_cycles()

    @property
    def is_stopped(self) -> bool:
        """As the core says."""
        return self.core.is_stopped

    # --- inside ---------------------------------------------------------------------------------

    def _note_cycles(
        self, cycled: Sequence[InstrumentId], commands: Sequence[AnyCommand], now: Ns
    ) -> Sequence[InstrumentId]:
        """Returns those that looked at both sides."""
        desks = self.core.desks
        full = [name for name in cycled if desks[name].accumulator.last_full == now]
        for name in cycled:
            self._cycles[name] = desks[name].cycles
            self._observer.lag.on_cycle(name, desks[name], commands, now, is_full=name in full)
        self._observer.churn.on_cycles([name for name in cycled if desks[name].gate is None], commands, now)
        return full

    def _gate(self) -> str | None:
        for desk in self.core.desks.values():
            if desk.gate is not None:
                return desk.gate
        return None

    def _limits(self) -> Mapping[InstrumentId, int]:
        return {name: self._scope.limits.of(name, desk) for name, desk in self.core.desks.items()}
