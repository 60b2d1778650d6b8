"""Alerting: people are told of each fault that they should know of (L9).

Most faults the trader overcomes in its ordinary work, and counts: whoever is woken by each lost reply soon hears
nothing any more. Those have a reason in `QUIET`. The others must be told of in time, if they last. A kind of fault
that stands in neither table is refused by a test.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from domain.commands import Alert
from domain.units import NS_PER_S, Ns, seconds
from scenarios.invariants.base import Invariant, Scope, Step
from scenarios.invariants.views import FaultView

KEPT = 2_000
"""Alerts remembered."""
REFUSED = 20
"""Orders that are refused for one reason, after which some side of some instrument must have been made to wait."""


class Told(NamedTuple):
    """What people hear of a kind of fault."""

    names: tuple[str, ...]
    """Any of these alerts will do."""
    after_s: float
    """A strike that is over before this needs nobody."""
    refused: int = 0
    """Nor does one that refused fewer of our orders than this: whoever asks for nothing notices nothing."""


ALERTS: Mapping[str, Told] = {
    "agent_expiry": Told(("signer_refused", "signature_refused"), 20.0),
    "cancel_only": Told(("side_waits",), 10.0, REFUSED),
    "crossed_book": Told(("crossed_book", "empty_book"), 5.0),
    "half_open": Told(("feed_silent", "feed_critical", "order_stuck", "user_events_stale"), 5.0),
    "halt": Told(("side_waits",), 10.0, REFUSED),
    "open_interest_cap": Told(("side_waits",), 10.0, REFUSED),
    "stall": Told(("stale_quotes",), 10.0),
    "tick_change": Told(("limits_mismatch", "side_waits"), 30.0),
    "venue_down": Told(("circuit_open", "feed_critical", "feed_silent"), 20.0),
}
"""By kind of fault: one of these alerts must come from the begin of a strike to a minute after its end.

Strikes of one kind with no longer pauses are one affair: people are told of it once.
"""

_ORDINARY = "ordinary work: overcome by asking again, and counted among the figures"
QUIET: Mapping[str, str] = {
    "adl": "the fill tells of it, as `position_closed`, and a strike that finds nobody in profit closes nothing",
    "cancel_race": "ordinary work: a race that the trader is made for, counted as `races`",
    "clock_skew": "our wall clock is not the trader's: only expiries are made with it, and expired orders are counted",
    "crash": "a dead process tells nobody; whoever starts it again knows, and the new life says what it found",
    "delist": "told of as `side_waits` where placements are refused",
    "disconnect": "ordinary work: connected anew, counted; told of as `feed_critical` where attempts go on failing",
    "duplicate": "ordinary work: told once is enough, and the others are counted",
    "error_although_applied": _ORDINARY,
    "false_quota": "told of as `quota_report` where the allowance is asked for meanwhile",
    "fill_before_ack": "ordinary work: channels promise no order",
    "foreign_fills": "told of as `foreign_fill` where it took; the position follows",
    "fsync_failure": "the process ends by name (S28 asks for the alert of that name)",
    "funding_rate": "money moves as the venue says; risk looks at the sum",
    "garbage_data": "a single bad message is counted and not used",
    "journal_full": "the process ends by name (S28 asks for the alert of that name)",
    "journal_locked": "a short wait; the one that lasts ends the process by name (S28)",
    "latency_spike": "ordinary work: the time-out adapts; silent requests are counted",
    "leverage_change": "told of as `limits_mismatch` when the terms are read again",
    "limit_429": "ordinary work: requests wait; told of where refusals come (`risk_rate_limit`)",
    "message_loss": "nobody can know of a message that never came; what it leaves behind is told as drift or silence",
    "modify_news": "ordinary work: channels promise no order",
    "owner_transfers": "the owner's own affair, told of as `owner_transfer` where a statement shows it",
    "paging": "ordinary work: pages overlap, fills are told once",
    "post_only_mode": "the trader places nothing but post-only orders",
    "price_shock": "a market that moves is no defect; risk tells of it where it acts (`risk_velocity`, `risk_cascade`)",
    "rate_limit_squeeze": "ordinary work: requests wait; told of where refusals come (`risk_rate_limit`)",
    "reduce_refused": "told of as `side_waits` and `position_stuck` where refusals go on",
    "reorder": "ordinary work: channels promise no order",
    "reply_lost": _ORDINARY,
    "request_lost": _ORDINARY,
    "request_repeated": "ordinary work: client ids make the second one do nothing",
    "restamped": "frozen and old stamps are told as `feed_silent` where they last, those to come as `future_data`",
    "shared_ip": "ordinary work: requests wait; told of where refusals come (`risk_rate_limit`)",
    "signature_failures": "ordinary work: refused one by one, and asked again; told of once as `signature_refused`",
    "slow_handler": "the trader is slower, not wrong",
    "slow_journal": "the trader is slower, not wrong",
    "snapshots": "ordinary work: what a snapshot leaves out is asked for",
    "stale_queries": _ORDINARY,
    "success_although_not_applied": "told of as `order_vanished` or `cancel_not_done` where it concerned an order",
    "swizzle_clog": "ordinary work: connections that stand still for seconds; what lasts longer is `half_open`",
    "terminal_before_fill": "ordinary work: channels promise no order",
    "torn_journal": "a dead process tells nobody; the new life reads what is whole",
    "zombie_subscription": "a channel that went quiet is told as `feed_silent` or `user_events_stale` if it must speak",
}
"""By kind of fault: why this rule asks for no alert. One that is named here is asked for in a scenario."""


@dataclass(slots=True)
class Affair:
    """Strikes of one fault with no longer pauses than a minute."""

    began: Ns
    struck_at: Ns
    """Begin of the last strike."""
    refused_before: int
    """Orders of ours that the fault had refused before."""
    ended: Ns | None = None
    """End of the last strike; None while it goes on."""
    longest: Ns = Ns(0)
    was_heard: bool = True
    """Whether the trader's process lived all the time: a dead one tells nobody."""
    is_alone: bool = True
    """Whether no other fault was at work meanwhile: it may hide this one, and people hear of that one instead."""


class Alerted(Invariant):
    """L9: each fault that somebody should know of brings one of its alerts while it lasts, or soon after."""

    id = "L9"
    rule = "a fault that needs somebody's eyes brings one of its alerts before it is over, or soon after"

    def __init__(self, scope: Scope) -> None:
        """Nothing happened."""
        super().__init__(scope)
        self._told: deque[tuple[Ns, str]] = deque(maxlen=KEPT)
        self._affairs: dict[int, Affair] = {}
        self._known: dict[str, Ns] = {}
        """End of the last strike that people know of, by kind of fault."""

    def on_commands(self, step: Step) -> None:
        """Note what people are told."""
        for command in step.commands:
            if type(command) is Alert:
                self._told.append((step.now, str(command.name)))

    def on_second(self, now: Ns) -> None:
        """Follow every fault of which somebody should know."""
        run = self.scope.run
        if run is None or run.is_stopping:
            return
        active = sum(fault.is_active for fault in run.faults)
        for i, fault in enumerate(run.faults):
            told = ALERTS.get(fault.kind)
            if told is not None:
                self._follow(i, fault, told, now, is_alone=active <= 1)

    def _follow(self, i: int, fault: FaultView, told: Told, now: Ns, *, is_alone: bool) -> None:
        affair = self._affairs.get(i)
        if affair is not None and self.scope.run is not None and not self.scope.run.is_running:
            affair.was_heard = False
        if fault.is_active:
            if affair is None:
                self._affairs[i] = affair = Affair(now, now, fault.tally.get("refused", 0))
            elif affair.ended is not None:
                affair.struck_at, affair.ended = now, None
            affair.is_alone = affair.is_alone and is_alone
        elif affair is not None:
            if affair.ended is None:
                affair.ended = now
                affair.longest = max(affair.longest, Ns(now - affair.struck_at))
            if now - affair.ended > self.scope.bounds.alert:
                del self._affairs[i]
                is_plain = affair.is_alone and affair.was_heard and fault.injected
                refused = fault.tally.get("refused", 0) - affair.refused_before
                if is_plain and affair.longest >= seconds(told.after_s) and refused >= told.refused:
                    self._judge(fault.kind, told, affair.began, affair.ended)

    def _judge(self, kind: str, told: Told, began: Ns, ended: Ns) -> None:
        self.compared += 1
        since, known = began - NS_PER_S, self._known.get(kind)
        is_known = known is not None and began - known <= self.scope.bounds.alert
        if is_known or any(at >= since and name in told.names for at, name in self._told):
            self._known[kind] = ended
        else:
            wanted = " or ".join(told.names)
            self.fail(f"nobody was told of the {kind} of {began / NS_PER_S:.0f} s: no {wanted}", kind)
