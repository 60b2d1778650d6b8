"""Notices that the venue no longer takes our signature: the agent has expired, or somebody has replaced it (6.6).

A single refusal is bad luck, and what it was about is tried again like anything that was not sent. Several in a row
mean that nothing signed gets through, cancels and the dead-man switch included: then people are told, nothing is
quoted, and one request after another asks whether it is over. What protects us meanwhile is the switch that was set
before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import TRADING, Alert, Request, ScheduleCancel, Severity
from domain.events import AnyResult, Cancelled, Executed, NotSent, Reason, Refused, Replied, Resting, Scheduled
from domain.lifecycle import step
from domain.units import InstrumentId, Ns, seconds
from orchestrator.budget.backoff import Backoff, BackoffConfig
from orchestrator.connectivity.requests import Pending, RequestLedger
from orchestrator.desk.desk import Desk

GATE = "signer_refused"
TELL_AGAIN = seconds(60)
"""Refusals with no longer pauses than this are one affair: one alert."""
BEFORE_THE_SIGNATURE = frozenset((Reason.RATE_LIMITED, Reason.TOO_MANY_IN_FLIGHT))
"""Refusals of a request whose signature nobody looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerConfig:
    """When a key counts as refused, and how often it is tried again."""

    tolerated: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 2
    """So many such refusals in a row are bad luck; the next one stops us."""
    retry: BackoffConfig = field(default_factory=lambda: BackoffConfig(first_s=1.0, factor=2.0, max_s=10.0))
    """Waits between the requests that ask whether the venue takes our signature again."""


class SignerState(StrEnum):
    """TRUSTED -> REFUSED -> TRUSTED."""

    TRUSTED = "trusted"
    REFUSED = "refused"


_S = SignerState
TRANSITIONS: dict[SignerState, frozenset[SignerState]] = {
    _S.TRUSTED: frozenset((_S.REFUSED,)),
    _S.REFUSED: frozenset((_S.TRUSTED,)),
}


class SignerWatch:
    """One key. While it is refused the desks send nothing, except where it is time for another try."""

    def __init__(
        self,
        config: SignerConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        alert: Callable[[Alert], None],
        *,
        is_switch_clear: Callable[[], bool],
    ) -> None:
        """Trusted. ``is_switch_clear``: whether no dead-man switch is set that a question of ours would take back."""
        self.config = config
        self.state = SignerState.TRUSTED
        self.refused = 0
        """Requests that were taken for a stranger's."""
        self.outages = 0
        """How often so many of them came in a row that we stopped."""
        self.retry = Backoff(config.retry, "backoff/signer")
        self._ledger = ledger
        self._desks = desks
        self._alert = alert
        self._is_switch_clear = is_switch_clear
        self._in_a_row = 0
        self._told_until = Ns(-1)
        self._sent_before = 0

    @property
    def gate(self) -> str | None:
        """Why nothing may be quoted; None where it may."""
        return GATE if self.state is _S.REFUSED else None

    def begin(self, life_seed: int) -> None:
        """The draws of a life are its own."""
        self.retry.life_seed = life_seed

    # --- facts ----------------------------------------------------------------------------------

    def hear(self, event: Replied, now: Ns) -> None:
        """An answer came: of a stranger, or of one whose signature was read."""
        if not event.results:
            return
        result = event.results[0]
        if isinstance(result, Refused) and result.reason is Reason.UNKNOWN_SIGNER:
            self._on_refused(result, now)
        elif _was_read(result):
            self._in_a_row = 0
            if self.state is _S.REFUSED:
                self._recover(now)

    def _on_refused(self, result: Refused, now: Ns) -> None:
        self.refused += 1
        self._in_a_row += 1
        if now >= self._told_until:
            self._alert(Alert(Severity.WARNING, "signature_refused", result.text))
        self._told_until = Ns(now + TELL_AGAIN)
        if self.state is _S.TRUSTED and self._in_a_row > self.config.tolerated:
            self.state = step(TRANSITIONS, self.state, _S.REFUSED, "signer")
            self.outages += 1
            self.retry.hit(now)
            text = f"{self._in_a_row} in a row: {result.text} Nothing is placed, and nothing can be cancelled"
            self._alert(Alert(Severity.CRITICAL, GATE, text))

    def _recover(self, now: Ns) -> None:
        self.state = step(TRANSITIONS, self.state, _S.TRUSTED, "signer")
        self._ledger.is_barred = False
        self.retry.until = now
        self.retry.success(now)
        self._alert(Alert(Severity.INFO, "signer_restored", "the venue takes our signature again"))

    # --- decisions ------------------------------------------------------------------------------

    def open(self, now: Ns) -> None:
        """Before the desks decide: bar their way, or open it where it is time to try."""
        ledger = self._ledger
        ledger.is_barred = self.state is _S.REFUSED and self.retry.is_waiting(now)
        if self.state is _S.REFUSED and not ledger.is_barred:
            self._sent_before = len(ledger.outbox)
            for desk in self._desks.values():
                if desk.tracker.orders:
                    desk.accumulator.force(now)

    def close(self, now: Ns) -> None:
        """After they have decided: where nobody had anything to sign, ask with something that does no harm."""
        ledger = self._ledger
        if self.state is not _S.REFUSED or ledger.is_barred:
            return
        has_tried = any(_is_signed(command) for command in ledger.outbox[self._sent_before :])
        if not has_tried and self._is_switch_clear():
            ledger.send((ScheduleCancel(None),), self, now)
        self.retry.hit(now)
        ledger.is_barred = True

    def deadline(self) -> Ns | None:
        """When to try again; None while trusted."""
        return self.retry.until if self.state is _S.REFUSED else None

    # --- answers (Owner): `hear` has them already ------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Nothing more to learn."""

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Another time."""

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Another time."""


def _was_read(result: AnyResult) -> bool:
    """Whether an answer is to something signed, and proves that the signature was taken for ours."""
    if isinstance(result, Refused):
        return result.reason not in BEFORE_THE_SIGNATURE
    return isinstance(result, Resting | Executed | Cancelled | Scheduled)


def _is_signed(command: object) -> bool:
    return isinstance(command, Request) and isinstance(command.actions[0], TRADING)
