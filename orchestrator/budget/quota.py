"""Asks the venue what it has counted: earlier lives and other programs used the account, too (RL-02)."""

from collections.abc import Callable

from domain.commands import Alert, QueryQuota, Severity
from domain.events import NotSent, Replied
from domain.units import Ns, seconds
from orchestrator.budget.proactive import ProactiveRateTracker
from orchestrator.connectivity.requests import Pending, RequestLedger


class QuotaQuestion:
    """One question at a time; what is answered the tracker has read by then."""

    def __init__(self, tracker: ProactiveRateTracker, ledger: RequestLedger, alert: Callable[[Alert], None]) -> None:
        """Ask at the first opportunity."""
        self._tracker = tracker
        self._ledger = ledger
        self._alert = alert
        self._every = seconds(tracker.config.ask_every_s)
        self._ask_at: Ns | None = Ns(0)
        self._was_low = False

    def decide(self, now: Ns) -> None:
        """Ask if it is time, and tell people when little is left of the allowance."""
        if self._ask_at is not None and now >= self._ask_at:
            self._ask_at = None
            self._ledger.send((QueryQuota(),), self, now)
        is_low = self._tracker.is_low
        if is_low and not self._was_low:
            text = f"{self._tracker.headroom} of {self._tracker.cap} actions left"
            self._alert(Alert(Severity.WARNING, "quota_low", text))
        self._was_low = is_low

    def deadline(self) -> Ns | None:
        """When to ask again; None while an answer is awaited."""
        return self._ask_at

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """The tracker reads every answer itself."""
        del pending, event
        self._ask_at = Ns(now + self._every)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Another time."""
        del pending, event
        self._ask_at = Ns(now + self._every)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Another time."""
        del pending
        self._ask_at = Ns(now + self._every)
