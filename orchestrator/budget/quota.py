"""Asks the venue what it has counted: earlier lives and other programs used the account, too (RL-02)."""

from collections.abc import Callable

from domain.commands import Alert, QueryQuota, Severity
from domain.events import NotSent, QuotaReport, Replied
from domain.units import NS_PER_S, Ns, seconds
from orchestrator.budget.proactive import ProactiveRateTracker
from orchestrator.connectivity.requests import Pending, RequestLedger, first_result

DOUBTED = seconds(30)
"""After a report that was not believed the venue is asked again so soon."""
MISSED = 2
"""So many intervals without a report that was believed are too long."""


class QuotaQuestion:
    """One question at a time; what is answered the tracker has read by then."""

    def __init__(self, tracker: ProactiveRateTracker, ledger: RequestLedger, alert: Callable[[Alert], None]) -> None:
        """Ask at the first opportunity."""
        self.was_settled = False
        """Whether the first question of this life came back, with an answer or without one."""
        self._tracker = tracker
        self._ledger = ledger
        self._alert = alert
        self._every = seconds(tracker.config.ask_every_s)
        self._ask_at: Ns | None = Ns(0)
        self._missing_at: Ns | None = None
        """When a report that is believed will have been missing for too long; None before the first question."""
        self._was_low = self._is_told = False

    def decide(self, now: Ns) -> None:
        """Ask if it is time, and tell people when little is left of the allowance, or nobody says how much."""
        if self._ask_at is not None and now >= self._ask_at:
            self._ask_at = None
            self._ledger.send((QueryQuota(),), self, now)
            if self._missing_at is None:
                self._missing_at = Ns(now + MISSED * self._every)
        if self._missing_at is not None and now >= self._missing_at:
            self._tell(f"no report of the allowance for {MISSED * self._every // NS_PER_S} s")
            self._missing_at = Ns(now + MISSED * self._every)
        is_low = self._tracker.is_low
        if is_low and not self._was_low:
            text = f"{self._tracker.headroom} of {self._tracker.cap} actions left"
            self._alert(Alert(Severity.WARNING, "quota_low", text))
        self._was_low = is_low

    def deadline(self) -> Ns | None:
        """When to ask again, or when an answer is missing."""
        if self._ask_at is None:
            return self._missing_at
        return self._ask_at if self._missing_at is None else min(self._ask_at, self._missing_at)

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """The tracker reads every answer itself; what it did not believe people are told of, once a burst."""
        del pending
        self.was_settled = True
        doubt = self._tracker.quota.doubt
        if not isinstance(first_result(event), QuotaReport):
            self._ask_at = Ns(now + self._every)
        elif doubt is None:
            self._ask_at = Ns(now + self._every)
            self._missing_at = Ns(now + MISSED * self._every)
            self._is_told = False
        else:
            self._ask_at = Ns(now + min(self._every, DOUBTED))
            self._tell(f"a report of the allowance is not believed: {doubt}")

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Another time."""
        del pending, event
        self.was_settled = True
        self._ask_at = Ns(now + self._every)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Another time."""
        del pending
        self.was_settled = True
        self._ask_at = Ns(now + self._every)

    def _tell(self, what: str) -> None:
        if not self._is_told:
            self._alert(Alert(Severity.WARNING, "quota_report", f"{what}; our own count goes on"))
        self._is_told = True
