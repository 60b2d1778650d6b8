"""The way out where a position that has to shrink does not: taking orders, a few, and then a pause (RS-12..18, RS-34).

It is stuck when the venue refuses one reducing order after the other, when nothing could be placed at all, or when it
has not become smaller for long: the market may run away from every order that waits for it (L5). Then quotes are
withdrawn and a part of the position is sold (or bought) at once, reduce-only, within a slippage. Attempts are counted
when they are sent, and the whole affair has a deadline, so that it always ends (T-21). It knows neither orders nor
prices; what became of them it is told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, Severity
from domain.instrument import Instrument
from domain.lifecycle import step
from domain.units import Ns, Pos, Side, Sz, millis, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryConfig:
    """When a position counts as stuck, and how hard it is pushed."""

    rejection_threshold: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 3
    """So many refusals of reducing orders in a row."""
    patience_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 60.0
    """A position that has not become smaller for so long, in seconds, is stuck although its orders rest; the time in
    which none may rest does not count. Off: never."""
    min_ioc_size: Annotated[float, Interval(gt=0, le=1e9)] = 0.001
    """Least size of one attempt, in units of the instrument; a smaller position counts as flat. What is worth less
    than the venue takes is raised to that, or to the whole position."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.25
    """Part of the position that one attempt takes (C-26)."""
    slippage_bps: Annotated[float, Interval(ge=0, le=1_000)] = 50.0
    """Furthest that an attempt goes beyond the best price of the other side (EX-09)."""
    max_attempts: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 3
    """Attempts before a pause, whatever became of them."""
    interval_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """Between two attempts, in seconds; what is not answered by then is not waited for."""
    cooldown_s: Annotated[float, Interval(ge=0, le=1e6)] = 2.0
    """Pause after a success, in seconds."""
    exhausted_cooldown_s: Annotated[float, Interval(ge=0, le=1e6)] = 30.0
    """Pause after the last attempt without one, in seconds. In a pause quotes stand as always."""


RETRY = millis(250)
"""What could not be sent is tried again so soon: something is in its way."""


class RecoveryState(StrEnum):
    """NORMAL -> TAKING -> COOLDOWN -> NORMAL."""

    NORMAL = "normal"
    TAKING = "taking"
    """Quotes are withdrawn, and the position is reduced by taking."""
    COOLDOWN = "cooldown"
    """Quotes stand; nothing is taken before it is over."""


_S = RecoveryState
TRANSITIONS: dict[RecoveryState, frozenset[RecoveryState]] = {
    _S.NORMAL: frozenset((_S.TAKING,)),
    _S.TAKING: frozenset((_S.COOLDOWN,)),
    _S.COOLDOWN: frozenset((_S.NORMAL,)),
}


class RecoveryManager:
    """The recovery of one instrument."""

    def __init__(self, config: RecoveryConfig, instrument: Instrument, alert: Callable[[Alert], None]) -> None:
        """Nothing is stuck."""
        self.config = config
        self.state = RecoveryState.NORMAL
        self.rejections = 0
        """Refusals of reducing orders in a row."""
        self.attempts = 0
        """Of the present affair."""
        self.runs = 0
        """How often a position was stuck."""
        self.iocs = 0
        """Attempts in all."""
        self.exhausted = 0
        """How often all attempts of an affair were used up and the position still had to shrink."""
        self.escalations = 0
        """Affairs that began without a refusal: there was nothing to place, or nothing of it went."""
        self.cause = ""
        """Why the latest one began."""
        self.min_lots = Sz(max(round(config.min_ioc_size * instrument.sz_scale), 1))
        """A position below this is flat."""
        self._instrument = instrument
        self._alert = alert
        self._is_reducing = False
        """Whether the position has to shrink."""
        self._held = 0
        """Its size when it was looked at last."""
        self._progress_at = Ns(0)
        """When it last became smaller, began to have to, or was being reduced by taking; later by what was barred."""
        self._looked_at = Ns(0)
        self._next_at = Ns(0)
        """When the next attempt is due, or the pause is over."""
        self._ends_at = Ns(0)
        """When an affair is over whatever happened."""

    @property
    def skips_quoting(self) -> bool:
        """Whether the normal quotes have to make way (RS-16)."""
        return self.state is _S.TAKING

    # --- facts ----------------------------------------------------------------------------------

    def record_rejection(self, why: str, now: Ns) -> None:
        """The venue refused a reducing order that should rest: one too many is a recovery (RS-13)."""
        if not self._is_reducing:
            return
        self.rejections += 1
        if self.state is _S.NORMAL and self.rejections >= self.config.rejection_threshold:
            self._begin(f"{self.rejections} reducing orders in a row refused, the last: {why}", now)

    def record_success(self) -> None:
        """It accepted one."""
        self.rejections = 0

    def escalate(self, why: str, now: Ns) -> None:
        """Nothing could be placed that reduces (RS-19)."""
        if self._is_reducing and self.state is _S.NORMAL:
            self.escalations += 1
            self._begin(why, now)

    # --- decisions ------------------------------------------------------------------------------

    def check(self, position: Pos, now: Ns, *, is_reducing: bool, is_barred: bool = False) -> bool:
        """Let time pass; False where the normal quotes have to make way. A flat position has nothing to reduce.

        ``is_barred``: since the last look nothing could be sent, for another reason: that time does not count.
        """
        held, was, had_to = abs(position), self._held, self._is_reducing
        self._held = held
        self._is_reducing = is_reducing = is_reducing and held >= self.min_lots
        if not is_reducing:
            self.rejections = 0
        if not (is_reducing and had_to) or held < was or self.state is not _S.NORMAL:
            self._progress_at = now
        elif is_barred:
            self._progress_at = Ns(self._progress_at + now - self._looked_at)
        self._looked_at = now
        if self.state is _S.TAKING:
            if not is_reducing:
                self._rest(self.config.cooldown_s, now)
            elif now >= self._ends_at or (self.attempts >= self.config.max_attempts and now >= self._next_at):
                self.exhausted += 1
                pause = self.config.exhausted_cooldown_s
                text = f"{self._instrument.id}: {self.attempts} attempts did not suffice, again in {pause:g} s"
                self._alert(Alert(Severity.WARNING, "recovery_exhausted", text))
                self._rest(pause, now)
        elif self.state is _S.COOLDOWN and now >= self._next_at:
            self._go(_S.NORMAL)
        elif (stuck_at := self._stuck_at()) is not None and now >= stuck_at:
            self.escalations += 1
            self._begin(f"not smaller for {self.config.patience_s:g} s", now)
        return not self.skips_quoting

    def should_send_ioc(self, position: Pos, px: float, unsafe: Sz, now: Ns) -> tuple[Side, Sz] | None:
        """Side and lots of the attempt that is due at about that price; None where none is (RS-14).

        ``unsafe`` lots of the same side may still fill and could turn the position around: they come off.
        """
        if self.state is not _S.TAKING or self.attempts >= self.config.max_attempts or now < self._next_at:
            return None
        lots = self._lots(abs(position), px)
        if lots + unsafe > abs(position):
            return None
        return Side.SELL if position > 0 else Side.BUY, lots

    def hold(self, now: Ns) -> None:
        """The attempt that is due cannot leave now."""
        if self.state is _S.TAKING and self._next_at <= now:
            self._next_at = Ns(now + RETRY)

    def record_sent(self, now: Ns) -> None:
        """An attempt left."""
        self.attempts += 1
        self.iocs += 1
        self._next_at = Ns(now + seconds(self.config.interval_s))

    def deadline(self, *, is_barred: bool = False) -> Ns | None:
        """When the next step is due; None while all is well, or where nothing can be sent from now on."""
        if self.state is _S.TAKING:
            return min(self._next_at, self._ends_at)
        if self.state is _S.COOLDOWN:
            return self._next_at
        return None if is_barred else self._stuck_at()

    # --- inside ---------------------------------------------------------------------------------

    def _stuck_at(self) -> Ns | None:
        """When a position that has to shrink is stuck, if nothing of it goes; None where it has not to, or may last."""
        if self.config.patience_s is None or not self._is_reducing or self.state is not _S.NORMAL:
            return None
        return Ns(self._progress_at + seconds(self.config.patience_s))

    def _lots(self, held: int, px: float) -> Sz:
        """C-26: a share of it, at least what makes an order, at most all."""
        least = max(self.min_lots, ceil(self._instrument.min_notional / px))
        return Sz(min(max(ceil(self.config.share * held), least), held))

    def _begin(self, why: str, now: Ns) -> None:
        self._go(_S.TAKING)
        self.runs += 1
        self.attempts = 0
        self.cause = why
        self._alert(Alert(Severity.WARNING, "position_stuck", f"{self._instrument.id}: {why}"))
        self._next_at = Ns(now + 1)
        self._ends_at = Ns(now + (self.config.max_attempts + 1) * seconds(self.config.interval_s))

    def _rest(self, pause_s: float, now: Ns) -> None:
        self._go(_S.COOLDOWN)
        self.rejections = 0
        self._next_at = Ns(now + seconds(pause_s))

    def _go(self, to: RecoveryState) -> None:
        self.state = step(TRANSITIONS, self.state, to, "recovery")
