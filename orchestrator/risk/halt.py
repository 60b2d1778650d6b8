"""The latch that lifts itself: a halt ends when its cause has been over for a while (C-19).

Once an hour is bad luck, again and again is something that a person has to look at: too many halts kill.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.lifecycle import step
from domain.units import NS_PER_S, Ns, seconds
from orchestrator.risk.assessment import FAINT

HOUR = Ns(3_600 * NS_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltConfig:
    """When a halt ends."""

    hold_s: Annotated[float, Interval(ge=0, le=1e6)] = 30.0
    """The cause must have been over for so many seconds."""
    clear_share: Annotated[float, Interval(ge=FAINT, le=1)] = 0.5
    """It is over while what halted reads below this share of its threshold."""
    max_per_hour: Annotated[int, Interval(ge=1, le=1_000_000_000)] | None = 3
    """One more within an hour kills."""


class HaltState(StrEnum):
    """OPEN -> HALTED -> OPEN."""

    OPEN = "open"
    HALTED = "halted"


TRANSITIONS: dict[HaltState, frozenset[HaltState]] = {
    HaltState.OPEN: frozenset((HaltState.HALTED,)),
    HaltState.HALTED: frozenset((HaltState.OPEN,)),
}


class Halt:
    """Halted or not, by what, and until when at the earliest."""

    def __init__(self, config: HaltConfig) -> None:
        """Begin open."""
        self.config = config
        self.state = HaltState.OPEN
        self.cause: str | None = None
        """Name of the monitor that halts, the latest of several; None while open."""
        self.causes: set[str] = set()
        """All that halted since it began: the others are no reason for it to last."""
        self.count = 0
        self._hold = seconds(config.hold_s)
        self._until = Ns(0)
        self._begun: deque[Ns] = deque()

    @property
    def is_halted(self) -> bool:
        """Whether nothing may be quoted."""
        return self.state is HaltState.HALTED

    def deadline(self) -> Ns | None:
        """When it may end; None while open."""
        return self._until if self.is_halted else None

    def halts(self, cause: str, now: Ns) -> bool:
        """A cause halts; True where that is one more than an hour may have. While halted it only lasts longer."""
        self._until = Ns(now + self._hold)
        self.cause = cause
        self.causes.add(cause)
        if self.is_halted:
            return False
        self._go(HaltState.HALTED)
        self.count += 1
        begun = self._begun
        begun.append(now)
        while now - begun[0] >= HOUR:
            begun.popleft()
        most = self.config.max_per_hour
        return most is not None and len(begun) > most

    def calms(self, load: float, now: Ns) -> bool:
        """Nothing halts any more, and the causes read this load; True when that ends the halt."""
        if not self.is_halted:
            return False
        if load >= self.config.clear_share:
            self._until = Ns(now + self._hold)
        if now < self._until:
            return False
        self._go(HaltState.OPEN)
        self.cause = None
        self.causes.clear()
        return True

    def forgive(self) -> None:
        """A person has looked: earlier halts do not count any more."""
        self._begun.clear()

    def _go(self, to: HaltState) -> None:
        self.state = step(TRANSITIONS, self.state, to, "halt")
