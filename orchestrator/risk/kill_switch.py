"""The latch that only a person lifts (RK-19, RK-20, C-19).

Financial causes latch; connectivity never does. While latched nothing is placed or modified, and
what rests is cancelled.
"""

from domain.alerts import KILL
from domain.commands import Alert, AnyCommand, Severity


class KillSwitch:
    """Latched or not, and why."""

    def __init__(self) -> None:
        """Start unlatched."""
        self.reason: str | None = None
        self.count = 0
        self._to_announce = False

    @property
    def is_latched(self) -> bool:
        """Whether trading is killed."""
        return self.reason is not None

    def latch(self, reason: str) -> bool:
        """Kill; True if this was the first reason (later ones change nothing)."""
        if self.reason is not None:
            return False
        self.reason = reason
        self.count += 1
        self._to_announce = True
        return True

    def restore(self, reason: str | None) -> None:
        """A kill of an earlier life that no one reset; people are told again: that one may have died before it told."""
        self.reason = reason
        self._to_announce = reason is not None

    def reset(self) -> None:
        """A person looked and lifted it."""
        self.reason = None
        self._to_announce = False

    def decide(self, out: list[AnyCommand]) -> None:
        """Announce a latch once in each life; the alert is what makes it durable in the journal."""
        if self._to_announce and self.reason is not None:
            self._to_announce = False
            out.append(Alert(Severity.CRITICAL, KILL, self.reason))
