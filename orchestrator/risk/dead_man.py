"""Keeps the venue's dead-man switch ahead of us while anything of ours rests: the net for a death of the whole host.

The venue cancels all orders of the account at a time that we put off again and again. Whoever stops putting it off,
because the process, the host or the way to the venue is gone, has no orders left after that time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, ScheduleCancel, Severity
from domain.events import NotSent, OrderStatus, OrderUpdate, Reason, Refused, Replied, Scheduled
from domain.lifecycle import step
from domain.units import InstrumentId, Ns, seconds
from orchestrator.budget.backoff import Backoff, BackoffConfig
from orchestrator.connectivity.requests import Pending, RequestLedger, first_result
from orchestrator.desk.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadManConfig:
    """How far ahead the switch is kept, and how often it is put off; each time is one action of the allowance."""

    ahead_s: Annotated[float, Interval(ge=6, le=3_600)] = 30.0
    """The venue cancels everything so many seconds after we were last heard. It demands 5 at the least, on arrival."""
    renew_s: Annotated[float, Interval(ge=1, le=3_600)] = 10.0
    """Put off so often, in seconds; below `ahead_s`, so that one lost request does no harm."""
    scarce_factor: Annotated[float, Interval(ge=1, le=100)] = 10.0
    """Both are so much longer while the account's allowance is used up: of one action in ten seconds, few go here."""
    retry: BackoffConfig = field(default_factory=lambda: BackoffConfig(first_s=1.0, factor=2.0, max_s=10.0))
    """Waits after a request that did not get through or was not answered."""
    refused: BackoffConfig = field(default_factory=lambda: BackoffConfig(first_s=3_600.0, factor=2.0, max_s=21_600.0))
    """Waits after the venue said that this account may not: too little traded in its life, or fired too often today."""

    def __post_init__(self) -> None:
        """Refuse a switch that fires between two renewals."""
        if self.renew_s >= self.ahead_s:
            raise ValueError(f"renew_s {self.renew_s:g} is not below ahead_s {self.ahead_s:g}")


class DeadManState(StrEnum):
    """What we know of the switch."""

    IDLE = "idle"
    """Nothing is set."""
    ASKING = "asking"
    """A time was asked for, and nobody has answered."""
    SET = "set"
    UNSURE = "unsure"
    """The last request did not get through, or its answer did not: to be repeated."""
    REFUSED = "refused"
    """The venue does not let this account; asked again after a long while."""
    RETURNING = "returning"
    """It is being taken back."""


_S = DeadManState
TRANSITIONS: dict[DeadManState, frozenset[DeadManState]] = {
    _S.IDLE: frozenset((_S.ASKING,)),
    _S.ASKING: frozenset((_S.SET, _S.UNSURE, _S.REFUSED)),
    _S.SET: frozenset((_S.ASKING, _S.RETURNING, _S.IDLE)),
    _S.UNSURE: frozenset((_S.ASKING, _S.RETURNING, _S.SET, _S.REFUSED, _S.IDLE)),
    _S.REFUSED: frozenset((_S.ASKING,)),
    _S.RETURNING: frozenset((_S.IDLE, _S.UNSURE)),
}
"""SET -> IDLE: it fired. From UNSURE to SET, REFUSED and IDLE: the answer came late."""


class DeadMan:
    """The switch of one account.

    It is taken back, not left to lapse, where nothing of ours rests any more: the venue counts a time that
    comes as a trigger, of which there are few in a day, and cancels what others have placed by then.
    """

    def __init__(
        self,
        config: DeadManConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        alert: Callable[[Alert], None],
    ) -> None:
        """Nothing is set."""
        self.config = config
        self.state = DeadManState.IDLE
        self.asked = 0
        """Times that were asked for."""
        self.refused = 0
        """Answers that this account may not."""
        self.returned = 0
        """Requests to take it back."""
        self.fired = 0
        """Triggers that we were told of by the orders that they ended."""
        self.retry = Backoff(config.retry, "backoff/dead_man")
        self.refusals = Backoff(config.refused, "backoff/dead_man_refused")
        self._ledger = ledger
        self._desks = desks
        self._alert = alert
        self._is_over = False
        self._was_set = False
        """In this life."""
        self._is_told = False
        """People know that orders rest without it."""
        self._last: Pending | None = None
        self._next_at = Ns(0)
        """When the state is due for its next step."""
        self._urgent_at: Ns | None = None
        """From then on it is asked for whatever the budget says."""
        self._fires_at: Ns | None = None
        """The time that is set, or None."""
        self._guarded_until: Ns | None = None
        """When it is too late: people are told."""
        self._renew = seconds(config.renew_s)
        self._fired_at = Ns(-1)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is set, as far as we know."""
        return self.state in (_S.IDLE, _S.REFUSED)

    def begin(self, life_seed: int) -> None:
        """The draws of a life are its own."""
        self.retry.life_seed = self.refusals.life_seed = life_seed

    def end(self) -> None:
        """Nothing of ours rests and nothing will: take it back now."""
        self._is_over = True

    # --- facts ----------------------------------------------------------------------------------

    def on_update(self, event: OrderUpdate, now: Ns) -> None:
        """An order that ended by the switch tells that it fired; all orders of one trigger have one time."""
        if event.status is not OrderStatus.CANCELED or event.reason is not Reason.SCHEDULED:
            return
        if event.exch_time > self._fired_at:
            self._fired_at = event.exch_time
            self.fired += 1
            self._alert(Alert(Severity.WARNING, "dead_man_fired", "the venue cancelled all orders by schedule"))
        if self.state is _S.SET and self._fires_at is not None and now >= self._fires_at:
            self._idle()

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns) -> None:
        """Ask, put off or take back what is due."""
        state = self.state
        if state is _S.ASKING or state is _S.RETURNING:
            return
        if not self._is_wanted():
            self._guarded_until = None
            if (state is _S.SET and self._is_over) or (self._may_be_set and now >= self._next_at):
                self._go(_S.RETURNING)
                self.returned += 1
                self._last = self._ledger.send((ScheduleCancel(None),), self, now)
            return
        if now < self._next_at:
            return
        if self._guarded_until is None:
            self._guarded_until = Ns(now + seconds(self.config.ahead_s))
        if self._urgent_at is None:
            self._urgent_at = Ns(now + seconds(self.config.renew_s))
        if now < self._urgent_at and self._ledger.gate(1, now) is not None:
            self._next_at = min(self._ledger.opens_at(now), self._urgent_at)
            return
        self._ask(now)

    def deadline(self) -> Ns | None:
        """When the next step is due."""
        if self.state is _S.ASKING or self.state is _S.RETURNING:
            return None
        return self._next_at if self._may_be_set or self._is_wanted() else None

    def _ask(self, now: Ns) -> None:
        """Beyond the allowance a longer time is asked for, less often."""
        config = self.config
        factor = 1.0 if self._ledger.has_room(1) else config.scarce_factor
        self._renew = seconds(config.renew_s * factor)
        self._go(_S.ASKING)
        self.asked += 1
        self._last = self._ledger.send((ScheduleCancel(seconds(config.ahead_s * factor)),), self, now)

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Of the last request only: what came before it is overtaken, whatever the venue says to it."""
        action = pending.request.actions[0]
        if pending is not self._last or not isinstance(action, ScheduleCancel):
            return
        result = first_result(event)
        if isinstance(result, Scheduled):
            self.retry.success(now)
            if action.after is None:
                self._idle()
            else:
                self._set(Ns(pending.sent_at + action.after), pending.sent_at, now)
        elif isinstance(result, Refused) and result.reason is Reason.SCHEDULE_NOT_ALLOWED and action.after is not None:
            self._refused(result, now)
        else:
            self._unsure(now)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Again, after a short wait."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Again, after a short wait."""
        if pending is self._last:
            self._unsure(now)

    # --- steps ----------------------------------------------------------------------------------

    def _set(self, fires_at: Ns, sent_at: Ns, now: Ns) -> None:
        self._go(_S.SET)
        self.refusals.success(now)
        self._fires_at = self._guarded_until = fires_at
        self._next_at = Ns(sent_at + self._renew)
        self._urgent_at = Ns(fires_at - self._renew)
        self._was_set = True
        self._is_told = False

    def _idle(self) -> None:
        self._go(_S.IDLE)
        self._fires_at = self._urgent_at = self._guarded_until = None
        self._next_at = Ns(0)

    def _refused(self, result: Refused, now: Ns) -> None:
        self._go(_S.REFUSED)
        self.refused += 1
        self.refusals.hit(now)
        self._next_at = self.refusals.until
        self._fires_at = self._urgent_at = self._guarded_until = None
        # Of a young account nothing else is to be expected; one that had it has used up the triggers of the day.
        self._tell(Severity.WARNING if self._was_set else Severity.INFO, "dead_man_refused", result.text)

    def _unsure(self, now: Ns) -> None:
        if self.state is not _S.UNSURE:
            self._go(_S.UNSURE)
        self.retry.hit(now)
        self._next_at = self.retry.until
        if self._guarded_until is not None and now >= self._guarded_until:
            self._tell(
                Severity.WARNING, "dead_man_unset", f"not confirmed for {self.config.ahead_s:g} s, and orders rest"
            )

    def _tell(self, severity: Severity, name: str, text: str) -> None:
        """Once, until it is set again."""
        if not self._is_told:
            self._is_told = True
            self._alert(Alert(severity, name, text))

    @property
    def _may_be_set(self) -> bool:
        return self.state is _S.SET or self.state is _S.UNSURE

    def _is_wanted(self) -> bool:
        """Whether anything of ours rests, is in flight or in doubt."""
        return not self._is_over and any(desk.tracker.orders for desk in self._desks.values())

    def _go(self, to: DeadManState) -> None:
        self.state = step(TRANSITIONS, self.state, to, "dead man")
