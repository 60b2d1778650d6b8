"""The scheduled cancel of one account: set ahead, put off again and again, fired when nobody does."""

from domain.events import Refused
from domain.limits import ScheduleLimits
from domain.units import NS_PER_S, Ns, Usd
from sim.venue import texts

_DAY = 86_400 * NS_PER_S


class DeadMan:
    """At most one time is set. The days of the simulation begin at its time zero."""

    def __init__(self, limits: ScheduleLimits) -> None:
        self.limits = limits
        self.at: Ns | None = None
        """When everything is cancelled."""
        self.fired = 0
        """How often it fired in all."""
        self._today = 0
        self._day = 0

    def set(self, at: Ns | None, now: Ns, traded: Usd) -> Refused | None:
        """Set or put off (None: take back); why not, where the venue does not.

        What is set stays where a new time is refused.
        """
        if at is None:
            self.at = None
            return None
        limits = self.limits
        if traded < limits.min_traded:
            return texts.schedule_gate(limits.min_traded, traded)
        if at < now + limits.lead:
            return texts.schedule_too_early(limits.lead)
        if self._triggers(now) >= limits.triggers_per_day:
            return texts.schedule_used_up(limits.triggers_per_day)
        self.at = at
        return None

    def fires(self, now: Ns) -> bool:
        """Whether it is time; it is over then until it is set again."""
        if self.at is None or now < self.at:
            return False
        self.at = None
        self._today = self._triggers(now) + 1
        self.fired += 1
        return True

    def _triggers(self, now: Ns) -> int:
        """Times that it fired on the day of now."""
        day = now // _DAY
        if day != self._day:
            self._day, self._today = day, 0
        return self._today
