"""What the drivers share: one life of a trader, with its inbox, journal and safety net.

A life knows no clock and no loop: the driver says what time it is, delivers events, and lets it carry
out commands. So virtual and real time run the same code in the same order (architecture 5): append
the input; apply; decide; append the commands; sync if they place, modify or latch; submit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from traceback import format_exception
from typing import Annotated, NamedTuple, Protocol, Self

from annotated_types import Interval
from msgspec.structs import replace

from domain.commands import Alert, AnyCommand, RecordAdjustments, RecordForgiven, Request, Severity
from domain.events import AnyEvent, NoncesReserved, NotSent, Reason, StopRequested, Woke
from domain.units import Ns, millis
from exchange_adapters.base import ExchangeAdapter
from orchestrator.desk.churn import CycleRecord
from orchestrator.metrics import Snapshot
from runtime.inbox import Inbox
from runtime.journal import Journal, must_survive
from runtime.journal_format import Header
from runtime.safety_net import ORDERS_LEFT, SafetyNet

CORE_FAILED = "core_failed"
"""The core raised. Replay expects it to raise again."""
CORE_STUCK = "core_stuck"
"""The core asks to be woken again and again at a time that has passed."""
SUBMIT_FAILED = "submit_failed"
"""The adapter refused a command that no correct trader makes."""
JOURNAL_FAILED = "journal_failed"
"""The write-ahead log cannot be written, so nothing may be placed."""
JOURNAL_UNREADABLE = "journal_unreadable"
"""What earlier lives wrote cannot be read, so no life can begin: nobody knows what rests."""
INBOX_OVERFLOW = "inbox_overflow"
"""Events come faster than they are taken in; none may be dropped."""
STOP_OVERDUE = "stop_overdue"
"""The orderly shutdown did not finish in time."""

MAX_LATE_WAKES = 1_000
"""Wake-ups that leave the core's deadline in the past, after which it counts as stuck."""

_WOKE: tuple[AnyEvent, ...] = (Woke(),)


class Trader(Protocol):
    """The core as the driver sees it (architecture 1)."""

    def apply(self, event: AnyEvent, now: Ns) -> None:
        """Take in one fact."""
        ...

    def decide(self, now: Ns) -> Sequence[AnyCommand]:
        """Say what to send."""
        ...

    def next_deadline(self) -> Ns | None:
        """When to be called even if nothing happens."""
        ...

    def snapshot(self, now: Ns | None = None) -> Snapshot:
        """Frozen numbers."""
        ...

    def take_cycles(self) -> Sequence[CycleRecord]:
        """Say what the quote cycles did that ran since the last call, the latest of each instrument."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether an orderly shutdown has finished."""
        ...


AlertSink = Callable[[Ns, Alert], None]
CycleSink = Callable[[CycleRecord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeConfig:
    """Bounds of one life."""

    inbox_limit: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 100_000
    """More events waiting at once end the trader's part: it is lost, and the safety net cancels its orders."""
    stop_timeout_ms: Annotated[float, Interval(gt=0, le=1e9)] = 60_000.0
    """For an orderly shutdown, from its request on; then the safety net takes over."""


class Step(NamedTuple):
    """What went in and what came out."""

    events: tuple[AnyEvent, ...]
    commands: tuple[AnyCommand, ...]


class Failure(NamedTuple):
    """Why the safety net took over."""

    name: str
    text: str
    error: type[BaseException] | None = None
    traceback: str | None = None
    """Where it was raised, as text: the exception itself would keep the whole life, whose frames it holds."""

    @classmethod
    def of(cls, name: str, text: str, error: BaseException | None = None) -> Self:
        """With what was raised, where anything was."""
        if error is None:
            return cls(name, text)
        return cls(name, text, type(error), "".join(format_exception(error)))

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.name}: {self.text}"


class Life:
    """One life of a trader, from Restored to its last command."""

    def __init__(
        self,
        core: Trader,
        adapter: ExchangeAdapter,
        journal: Journal,
        net: SafetyNet,
        config: LifeConfig,
        on_alert: AlertSink | None = None,
        on_cycle: CycleSink | None = None,
    ) -> None:
        """``on_cycle`` hears of each quote cycle; without it nobody is asked for them."""
        self.core = core
        self.adapter = adapter
        self.net = net
        self.inbox = Inbox()
        self.deadline: Ns | None = None
        """When to call ``step`` although nothing has arrived."""
        self.failure: Failure | None = None
        self.alerts_unheard = 0
        """Alerts and cycles whose sink raised: that is no reason to stop, and no reason to keep silent about it."""
        self._journal = journal
        self._is_journal_dead = False
        self._decided_at = Ns(0)
        self._nonces_below = 0
        self._config = config
        self._on_alert = on_alert
        self._on_cycle = on_cycle
        self._stop_by: Ns | None = None
        self._has_stopped = False
        self._late_wakes = 0

    # --- the loop -------------------------------------------------------------------------------

    def begin(self, now: Ns, header: Header) -> None:
        """Write down that a life begins, before anything else of it."""
        self._write(now, self._journal.begin, header)

    def is_due(self, now: Ns) -> bool:
        """Whether there is a reason for a step."""
        return len(self.inbox) > 0 or (self.deadline is not None and self.deadline <= now)

    def step(self, now: Ns) -> Step:
        """Take in what has arrived, or that time has passed, and decide."""
        self._decided_at = now
        overflow = len(self.inbox) > self._config.inbox_limit
        events = self.inbox.take() or _WOKE
        for event in events:
            self._write(now, self._journal.took, now, event)
        for event in events:
            self.net.seen(event, now)
        if overflow:
            self.fail(now, INBOX_OVERFLOW, f"{len(events)} events waited, the limit is {self._config.inbox_limit}")
        if self._stop_by is not None and now >= self._stop_by:
            self.fail(now, STOP_OVERDUE, f"not stopped {self._config.stop_timeout_ms:g} ms after the request")
        commands = self._ask_core(now, events) if self.failure is None else ()
        if self.failure is not None:
            commands = self._ask_net(now)
        return Step(events, commands)

    def carry_out(self, now: Ns, commands: Sequence[AnyCommand]) -> None:
        """Let commands leave; an error of the adapter is a bug of ours and ends the core's part.

        What had to wait for the journal, or for a process that stood still, is late: its expiry counts from the
        decision, and what has expired does not leave.
        """
        waited = now - self._decided_at
        for command in commands:
            if isinstance(command, Alert):
                self._tell(now, command)
                continue
            if isinstance(command, RecordAdjustments | RecordForgiven):
                continue  # it stands in the journal: that is all it is for
            self.net.sent(command, now)
            late = command
            if isinstance(command, Request) and command.expires_in is not None and waited:
                if command.expires_in <= waited:
                    self.inbox.put(NotSent(command.request_id, Reason.EXPIRED, now))
                    continue
                late = replace(command, expires_in=Ns(command.expires_in - waited))
            try:
                self.adapter.submit(late)
            except Exception as error:  # noqa: BLE001 - whatever it is, the orders must go
                is_ours = self.failure is None
                self.fail(now, SUBMIT_FAILED, f"{error!r} on {command!r}", error)
                if is_ours:
                    return

    def snapshot(self, now: Ns) -> Snapshot | None:
        """The core's numbers; None where it has failed, or fails over this."""
        if self.failure is not None:
            return None
        try:
            return self.core.snapshot(now)
        except Exception as error:  # noqa: BLE001 - our bug, whatever it is
            self.fail(now, CORE_FAILED, one_line(error), error)
            return None

    def is_over(self, now: Ns) -> bool:
        """Whether this life has ended, asked after the last commands left.

        A core that says so although an order may rest has failed.
        """
        if self.failure is None and self._has_stopped and self.net.live:
            self.fail(now, ORDERS_LEFT, f"the core stopped with {len(self.net.live)} orders that may rest")
        return self._has_stopped if self.failure is None else self.net.is_done

    @property
    def is_unwritten(self) -> bool:
        """Whether its journal was lost before it could say where its nonces end: only the clock keeps others apart."""
        return self._is_journal_dead and self._nonces_below == 0

    # --- how it ends ----------------------------------------------------------------------------

    def request_stop(self, now: Ns, reason: str) -> None:
        """Begin the orderly shutdown; a second request changes nothing."""
        if self._stop_by is None:
            self._stop_by = Ns(now + millis(self._config.stop_timeout_ms))
            self.inbox.put(StopRequested(reason))

    def fail(self, now: Ns, name: str, text: str, error: BaseException | None = None) -> None:
        """Take the core out; from the next step on the safety net decides. The first reason stays."""
        if self.failure is None:
            self.failure = Failure.of(name, text, error)
            self.net.take_over(Alert(Severity.CRITICAL, name, text), now)
            self.deadline = now

    def end(self, now: Ns) -> None:
        """Close: no event comes any more, everything written is safe, or we say that it is not."""
        self.adapter.stop()
        had_failed = self.failure is not None
        self._write(now, self._journal.sync)
        if self.failure is not None and not had_failed:
            self._tell(now, Alert(Severity.CRITICAL, self.failure.name, self.failure.text))

    # --- inside ---------------------------------------------------------------------------------

    def _ask_core(self, now: Ns, events: tuple[AnyEvent, ...]) -> tuple[AnyCommand, ...]:
        core = self.core
        try:
            for event in events:
                core.apply(event, now)
            commands = tuple(core.decide(now))
            deadline = core.next_deadline()
            self._has_stopped = core.is_stopped
            cycles = () if self._on_cycle is None else core.take_cycles()
        except Exception as error:  # noqa: BLE001 - our bug, whatever it is
            self.fail(now, CORE_FAILED, one_line(error), error)
            return ()
        below = self._reserve_nonces(now, commands)
        self._write(now, self._journal.decided, now, commands)
        if below or must_survive(commands):
            self._write(now, self._journal.sync)
        self._confirm_nonces(below)
        self._arm(now, deadline, is_wake=events is _WOKE)
        for record in cycles:
            self._hand_over(self._on_cycle, record)
        return commands

    def _reserve_nonces(self, now: Ns, commands: Sequence[AnyCommand]) -> int:
        """Before anything signed may leave, the journal knows where the nonces of the next life begin.

        Returns the new bound, to be confirmed once it is safe; 0 where there is none.
        """
        if not any(isinstance(command, Request) for command in commands):
            return 0
        try:
            below = self.adapter.reserve_nonces()
        except Exception as error:  # noqa: BLE001 - as for `submit`: whatever it is, the orders must go
            self.fail(now, SUBMIT_FAILED, f"{error!r} on reserving nonces", error)
            return 0
        if below <= self._nonces_below:
            return 0
        self._write(now, self._journal.took, now, NoncesReserved(below))
        return below

    def _confirm_nonces(self, below: int) -> None:
        if below and not self._is_journal_dead:
            self._nonces_below = below
            self.adapter.confirm_nonces(below)

    def _arm(self, now: Ns, deadline: Ns | None, *, is_wake: bool) -> None:
        """Note when to wake the core, unless it keeps asking for a time that has passed."""
        if self.failure is not None:
            return
        if deadline is None or deadline > now:
            self._late_wakes = 0
        else:
            self._late_wakes += is_wake
        if self._late_wakes > MAX_LATE_WAKES:
            self.fail(now, CORE_STUCK, f"{self._late_wakes} wake-ups have not moved the deadline {deadline} past {now}")
            return
        bounds = [time for time in (deadline, self._stop_by) if time is not None]
        self.deadline = min(bounds) if bounds else None

    def _ask_net(self, now: Ns) -> tuple[AnyCommand, ...]:
        commands = self.net.decide(now)
        if commands:
            below = self._reserve_nonces(now, commands)
            self._write(now, self._journal.rescued, now, commands)
            self._write(now, self._journal.sync)
            self._confirm_nonces(below)
        self.deadline = self.net.next_deadline()
        return commands

    def _write(self, now: Ns, write: Callable[..., None], *args: object) -> None:
        """Write to the journal; where that fails, nothing of the core may leave any more."""
        if self._is_journal_dead:
            return
        try:
            write(*args)
        except OSError as error:
            self._is_journal_dead = True
            self.fail(now, JOURNAL_FAILED, error.strerror or one_line(error), error)
        except Exception as error:  # noqa: BLE001 - a message that cannot be encoded
            self.fail(now, JOURNAL_FAILED, one_line(error), error)

    def _tell(self, now: Ns, alert: Alert) -> None:
        self._hand_over(self._on_alert, now, alert)

    def _hand_over(self, sink: Callable[..., None] | None, *told: object) -> None:
        if sink is None:
            return
        try:
            sink(*told)
        except Exception:  # noqa: BLE001 - whoever listens is no part of the trader
            self.alerts_unheard += 1


def one_line(error: BaseException) -> str:
    """What went wrong, for people: its type and its words in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
