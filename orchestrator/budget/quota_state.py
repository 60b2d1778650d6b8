"""The account's allowance of actions: what we counted, what the venue said, and what of that to believe (RL-02, RL-14).

A report replaces our count, with what may be on its way on top; one that cannot be true does not. Whoever else uses
the account makes the venue's count jump, too: one that is only far above ours is believed when the next bears it out.
"""

from typing import NamedTuple

from domain.events import QuotaReport
from domain.limits import AddressLimits
from domain.units import Ns, Usd, seconds
from orchestrator.budget.sliding import SlidingSum

ON_ITS_WAY = seconds(10)
"""What was sent so long before a question may reach the venue after it."""
INEXACT = 0.01
"""Share by which a stated allowance may differ from that of the stated volume; recorded ones are one lower."""
FAR = 0.10
"""Share of the allowance by which a count may be above all that we can have caused."""


class _Told(NamedTuple):
    as_of: Ns
    used: int
    traded: Usd


class CumulativeQuotaState:
    """What one account has used, and what it may."""

    def __init__(self, limits: AddressLimits) -> None:
        """Nothing used."""
        self.used = 0
        """Actions of the account, as far as we know."""
        self.traded = Usd(0)
        """Its volume in this life, and what the venue said was before."""
        self.doubt: str | None = None
        """What was wrong with the last report; None where it was believed."""
        self.reports = self.kept_out = 0
        """Reports that were believed, and those that were not."""
        self._limits = limits
        self._recent = SlidingSum(ON_ITS_WAY)
        self._told: _Told | None = None
        """The last report that was believed."""
        self._since = 0
        """Actions that the next report may not hold: sent after we asked for it, or shortly before."""
        self._sent = 0
        """Actions since the last report that was believed."""
        self._far: _Told | None = None
        """A report that was far above what we counted, where it was the last one."""

    @property
    def cap(self) -> int:
        """Actions that the account is allowed."""
        return self._limits.cap(self.traded)

    def on_asked(self, now: Ns) -> None:
        """A question for it leaves."""
        self._since = self._recent.used(now)

    def on_sent(self, n: int, now: Ns) -> None:
        """So many actions leave."""
        self._recent.add(n, now)
        self._since += n
        self._sent += n
        self.used += n

    def on_not_sent(self, n: int) -> None:
        """So many never reached the venue, which has not counted them."""
        self.used -= n
        self._since = max(self._since - n, 0)

    def take(self, report: QuotaReport) -> None:
        """Believe it, or say in `doubt` why not."""
        told = _Told(report.as_of, report.used, report.traded)
        if self._told is not None and report.as_of < self._told.as_of:
            return  # of before the last one: it was overtaken, and nobody lied
        self.doubt = self._wrong(report)
        is_far = self.doubt is None and self._is_far(told)
        if is_far:
            self.doubt = f"{told.used} actions used, where we count {self.used}"
        self._far = told if is_far else None
        if self.doubt is not None:
            self.kept_out += 1
            return
        self.reports += 1
        self._told = told
        self._sent = self._since
        self.traded = max(self.traded, told.traded)
        self.used = told.used + self._since

    def _wrong(self, report: QuotaReport) -> str | None:
        """What of it cannot be."""
        limits, used, cap, traded = self._limits, report.used, report.cap, report.traded
        if min(used, traded) < 0:
            return f"{used} actions used, {traded} traded"
        if cap < limits.initial:
            return f"{cap} actions allowed, of {limits.initial} at first"
        should = limits.cap(traded)
        if abs(cap - should) > max(INEXACT * should, 1) + report.surplus:
            return f"{cap} actions allowed, where the volume makes it {should}"
        if self._told is not None and used < self._told.used:
            return f"{used} actions used, and {self._told.used} before"
        if self._told is not None and traded < self._told.traded:
            return f"{traded} micro-USD traded, and {self._told.traded} before"
        return None

    def _is_far(self, told: _Told) -> bool:
        """Whether it is far above what we can have caused, and the report before it did not say so, too."""
        near, ours = round(FAR * self._limits.cap(told.traded)), self._limits.stale_cost * self._sent
        if self._far is not None and 0 <= told.used - self._far.used <= near + ours:
            return False
        if self._told is None:
            return told.used > 2 * self._limits.cancel_cap(told.traded)
        return told.used > self._told.used + near + ours
