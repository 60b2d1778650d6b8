"""The account's allowance of actions: what we counted, what the venue said, and what of that to believe (RL-02, RL-14).

A report replaces our count, with what may be on its way on top; one that cannot be true does not. One that is only
unlike what we know (far above it, or below what was told before) is believed when the next ones bear it out: whoever
else uses the account makes the venue's figures jump, too, and what we believed before may have been the lie.
"""

from typing import NamedTuple

from domain.events import QuotaReport, RestoredQuota
from domain.limits import AddressLimits
from domain.units import Ns, Usd, seconds
from orchestrator.budget.sliding import SlidingSum

ON_ITS_WAY = seconds(10)
"""What was sent so long before a question may reach the venue after it."""
INEXACT = 0.01
"""Share by which a stated allowance may differ from that of the stated volume; recorded ones are one lower."""
FAR = 0.10
"""Share of the allowance by which a count may be above all that we can have caused."""
LEAVES_LESS, LEAVES_MORE = 2, 3
"""So many reports in a row make a story that is unlike what we know: one more where it lets us spend more."""


class _Told(NamedTuple):
    as_of: Ns
    used: int
    traded: Usd


class _Story(NamedTuple):
    """Reports in a row that are unlike what we know, and go with each other."""

    last: _Told
    told: int
    """How many they are."""
    sent: int
    """Actions that we had sent in all when the last one came."""


class CumulativeQuotaState:
    """What one account has used, and what it may."""

    def __init__(self, limits: AddressLimits) -> None:
        """Nothing used."""
        self.used = 0
        """Actions of the account, as far as we know."""
        self.traded = Usd(0)
        """Its volume: what the venue said, or earlier lives knew, and the fills since."""
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
        self._traded_since = 0
        """Volume, in micro-USD, that the next report may not hold: heard of after we asked for it."""
        self._sent = 0
        """Actions since the last report that was believed."""
        self._sent_ever = 0
        """Actions of this life."""
        self._story: _Story | None = None
        """What the last report belongs to, where it was not believed for being unlike what we know."""

    def continue_from(self, told: RestoredQuota) -> None:
        """Begin where the life before ended; the venue's first answer of this life replaces it."""
        self.used, self.traded = told.used, told.traded

    @property
    def cap(self) -> int:
        """Actions that the account is allowed."""
        return self._limits.cap(self.traded)

    def on_asked(self, now: Ns) -> None:
        """A question for it leaves."""
        self._since = self._recent.used(now)
        self._traded_since = 0

    def on_sent(self, n: int, now: Ns) -> None:
        """So many actions leave."""
        self._recent.add(n, now)
        self._since += n
        self._sent += n
        self._sent_ever += n
        self.used += n

    def on_not_sent(self, n: int) -> None:
        """So many never reached the venue, which has not counted them."""
        self.used -= n
        self._sent_ever -= n
        self._since = max(self._since - n, 0)

    def on_traded(self, value: Usd) -> None:
        """We hear of a fill of ours, in micro-USD."""
        self._traded_since += value
        self.traded = Usd(self.traded + value)

    def take(self, report: QuotaReport) -> None:
        """Believe it, or say in `doubt` why not."""
        told = _Told(report.as_of, report.used, report.traded)
        if self._told is not None and report.as_of < self._told.as_of:
            return  # of before the last one: it was overtaken, and nobody lied
        self.doubt, story = self._wrong(report), None
        if self.doubt is None:
            self.doubt = self._unlike(told)
            story = None if self.doubt is None else self._continued(told)
        if story is not None and story.told >= self._needed(told):
            self.doubt = story = None
        self._story = story
        if self.doubt is not None:
            self.kept_out += 1
            return
        self.reports += 1
        self.traded = Usd(max(min(self.traded, told.traded + self._traded_since), told.traded))
        self._told = told
        self._sent = self._since
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
        return None

    def _unlike(self, told: _Told) -> str | None:
        """What of it goes neither with the last report that was believed nor with what we did since."""
        limits, was = self._limits, self._told
        count = f"{told.used} actions used, where we count {self.used}"
        if was is None:
            return count if told.used > 2 * limits.cancel_cap(told.traded) else None
        if told.used < was.used:
            return f"{told.used} actions used, and {was.used} before"
        if told.traded < was.traded:
            return f"{told.traded} micro-USD traded, and {was.traded} before"
        near = round(FAR * self.cap)
        if told.used > was.used + near + limits.stale_cost * self._sent:
            return count
        if told.traded > self.traded + near * limits.usd_per_action:
            return f"{told.traded} micro-USD traded, where we count {self.traded}"
        return None

    def _continued(self, told: _Told) -> _Story:
        """The story that goes on with this report, or begins with it."""
        limits, story = self._limits, self._story
        n = 1
        if story is not None:
            near = round(FAR * limits.cap(story.last.traded))
            used, traded = told.used - story.last.used, told.traded - story.last.traded
            arrived = max(self._sent_ever - self._since - story.sent, 0) if self._leaves_more(told) else 0
            is_like = arrived <= used <= near + limits.stale_cost * self._sent
            n += story.told if is_like and 0 <= traded <= near * limits.usd_per_action else 0
        return _Story(told, n, self._sent_ever)

    def _needed(self, told: _Told) -> int:
        """How many reports that tell the same are believed."""
        return LEAVES_MORE if self._leaves_more(told) else LEAVES_LESS

    def _leaves_more(self, told: _Told) -> bool:
        """Whether we could spend more if it is true. Then what we sent meanwhile has to be in it, too."""
        left = self._limits.cap(told.traded) - told.used - self._since
        return left > self.cap - self.used
