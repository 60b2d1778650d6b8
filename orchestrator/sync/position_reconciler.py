"""Is our position the venue's? Asked every few seconds, and at once where something hints that it is not (RS-01..08).

A statement of the venue that differs is given a moment, in which a fill under way may explain it; then the fills are
fetched and compared by a whole resync, which in the end takes the venue's word. No hint is lost: what comes while a
question is open, or too soon after one, is answered by the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import QueryPositions
from domain.events import (
    Fill,
    NotSent,
    PositionEntry,
    PositionsReport,
    PositionsReported,
    Refused,
    Replied,
)
from domain.units import InstrumentId, Ns, Pos, millis, seconds
from orchestrator.budget.proactive import BudgetGate
from orchestrator.budget.rejection import RejectionKind, classify
from orchestrator.connectivity.requests import Pending, RequestLedger, first_result
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor
from orchestrator.sync.resync import Resync
from orchestrator.sync.statements import DriftCause, LastHeard, differing


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationConfig:
    """How soon a position that is not the venue's is found."""

    background_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 10.0
    """A difference is established within so many seconds, whatever the streams bring: the venue is asked for the
    positions `drift_grace_ms` earlier, counted from its last statement that agreed. Weight 2 of the IP address's 1,200
    a minute each time; off: only at a trigger."""
    min_gap_s: Annotated[float, Interval(ge=0, le=1e6)] = 2.0
    """Between two questions, in seconds; a trigger in between waits. Doubled while they are not answered."""
    large_change_share: Annotated[float, Interval(gt=0, le=100)] | None = 0.05
    """A change of the position by this share of its limit, with no statement of the venue that knows of it within
    `min_gap_s`, is a trigger; off: it is none."""
    drift_grace_ms: Annotated[float, Interval(gt=0, le=1e9)] = 2_000.0
    """A stated position that differs for longer than this starts a resync."""


class ReconciliationTrigger(StrEnum):
    """Why positions are compared (RS-02)."""

    TIMER = "timer"
    """Nothing was heard of them for a while."""
    ORDER_REJECTION = "order_rejection"
    """The venue refused an order for our position or margin: perhaps it is not what we think."""
    UNMATCHED_FILL = "unmatched_fill"
    """A fill of an order that we do not know."""
    LARGE_POSITION_CHANGE = "large_position_change"
    """Fills moved the position far."""
    STATEMENT = "statement"
    """The venue stated, on its own account, a position that is not ours."""
    RECONNECT = "reconnect"
    """The account was not heard for a while."""
    MANUAL = "manual"
    """Somebody else asks: an audit that found something, or a person who lifted a kill."""


MOST_DOUBLINGS = 3
"""The gap doubles with each question in a row that is not answered, so often at most (S25)."""
_T = ReconciliationTrigger
NEEDS_ALL = frozenset((_T.UNMATCHED_FILL, _T.MANUAL))
"""Triggers after which fills and orders are read again, whatever the position is."""
SUSPECT = frozenset((RejectionKind.POSITION, RejectionKind.MARGIN))
"""Refusals that say something of what we hold."""


class PositionReconciler:
    """Compares, and starts a resync where it must."""

    def __init__(
        self,
        config: ReconciliationConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        fills: FillProcessor,
        resync: Resync,
        heard: LastHeard,
    ) -> None:
        """Nothing was asked."""
        self.config = config
        self.triggers: dict[ReconciliationTrigger, int] = dict.fromkeys(ReconciliationTrigger, 0)
        """How often each of them came up; what came up twice before it was answered counts once."""
        self.syncs = 0
        """Questions and resyncs that triggers led to."""
        self.failures = 0
        """Questions that were not answered; each is asked again."""
        self.postponed = 0
        """How often a question had to wait, because the venue was asked too much already."""
        self.drifts = 0
        """Statements that differed for longer than the grace."""
        self.causes: dict[DriftCause, int] = {}
        """Those of them that fills explained."""
        self._heard = heard
        self._ledger = ledger
        self._desks = desks
        self._fills = fills
        self._resync = resync
        self._pending: dict[ReconciliationTrigger, Ns] = {}
        """Triggers that wait, oldest first, with the time from which on each may be answered."""
        self._answering: tuple[ReconciliationTrigger, ...] = ()
        """Those that the open question is for."""
        self._asked: Pending | None = None
        self._failed = 0
        """Questions in a row that were not answered, since the last reconnect."""
        self._held_until = Ns(0)
        """When the venue may be asked again, where it was asked too much."""
        self._last = Ns(-seconds(config.min_gap_s))
        background = config.background_s
        self._period = None if background is None else Ns(max(seconds(background) - self._grace, self._grace))
        self._timer_at: Ns | None = None
        self._base: dict[InstrumentId, Pos] = {}
        """The position at the last comparison, or when it was last found to have moved far."""
        self._moved_at = Ns(-1)
        self._stated: tuple[Sequence[PositionEntry], Ns] = ((), Ns(-1))
        self._suspicious_at: Ns | None = None
        self._suspected_by = _T.STATEMENT
        self._drifting: dict[InstrumentId, int] = {}
        """Where a difference is established and not resolved: how often it had been corrected before."""
        self._drift_at = Ns(0)

    @property
    def _grace(self) -> Ns:
        return millis(self.config.drift_grace_ms)

    @property
    def is_drifting(self) -> bool:
        """Whether a difference is established and not resolved."""
        return bool(self._drifting)

    # --- triggers -------------------------------------------------------------------------------

    def request(self, trigger: ReconciliationTrigger, now: Ns, wait: Ns = Ns(0)) -> None:
        """Compare soon; what is asked for already is asked for once."""
        if trigger not in self._pending:
            self._pending[trigger] = Ns(now + wait)
            self.triggers[trigger] += 1

    def on_order_rejection(self, refused: Refused, now: Ns) -> None:
        """Refused for what we hold? Then look at what we hold (RS-04)."""
        if classify(refused) in SUSPECT:
            self.request(_T.ORDER_REJECTION, now)

    def on_unmatched_fills(self, n: int, now: Ns) -> None:
        """Fills of orders that we do not know (RS-05)."""
        if n > 0:
            self.request(_T.UNMATCHED_FILL, now)

    def on_replied(self, event: Replied, now: Ns) -> None:
        """Look for refusals."""
        for result in event.results:
            if type(result) is Refused:
                self.on_order_rejection(result, now)

    def on_fill(self, fill: Fill, now: Ns) -> None:
        """The position moved; a statement of the venue that knows of it mostly follows by itself."""
        share, desk = self.config.large_change_share, self._desks[fill.instrument]
        position = desk.inventory.position
        moved = abs(position - self._base.setdefault(fill.instrument, Pos(position - fill.side * fill.sz)))
        if share is not None and desk.limit.lots and moved >= share * desk.limit.lots:
            self._base[fill.instrument] = position
            self._moved_at = max(self._moved_at, fill.exch_time)
            self.request(_T.LARGE_POSITION_CHANGE, now, seconds(self.config.min_gap_s))

    def on_reconnect(self, now: Ns) -> None:
        """The resync of the gap runs already: it answers what waited."""
        self.triggers[_T.RECONNECT] += 1
        self._pending.clear()
        self._answering = ()
        self._last, self._failed, self._held_until = now, 0, Ns(0)

    # --- statements -----------------------------------------------------------------------------

    def on_positions(self, event: PositionsReported, now: Ns) -> None:
        """The venue pushed its view; fills of the same block may still be under way."""
        self._take(event.positions, event.exch_time, now, _T.STATEMENT)

    def _take(self, positions: Sequence[PositionEntry], as_of: Ns, now: Ns, by: ReconciliationTrigger) -> bool:
        """Compare; False where the statement is older than another, or too old for it."""
        found = differing(self._desks, self._fills, positions, as_of)
        if found is None or as_of < self._stated[1]:
            return False
        self._heard.note(as_of, now)
        self._stated = (positions, as_of)
        if found:
            if self._suspicious_at is None:
                self._suspicious_at = Ns(now + self._grace)
                self._suspected_by = by
            return True
        self._suspicious_at = None
        if as_of >= self._moved_at:
            self._pending.pop(_T.LARGE_POSITION_CHANGE, None)
        for name, desk in self._desks.items():
            self._base[name] = desk.inventory.position
        self._wait_for_timer(now)
        return True

    def _wait_for_timer(self, now: Ns) -> None:
        self._timer_at = None if self._period is None else Ns(now + self._period)

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns) -> None:
        """Act on what differed for too long, and ask if it is time."""
        if self._suspicious_at is not None and now >= self._suspicious_at:
            self._judge(now)
        if self._drifting and self._resync.closed_since >= self._drift_at:
            self._conclude()
        if self._timer_at is None:
            self._wait_for_timer(now)
        elif now >= self._timer_at:
            self._wait_for_timer(now)
            if not self._drifting:  # else the resync compares
                self.request(_T.TIMER, now)
        if self._pending and self.should_sync(now) is not None:
            if self._ledger.gate(0, now) is BudgetGate.RATE_LIMIT:
                self.postponed += 1
                self._held_until = self._ledger.opens_at(now, is_question=True)  # it is asked too much already
            else:
                self.safety_sync(now)

    def deadline(self) -> Ns | None:
        """When there is something to do even if nothing happens."""
        earliest, suspicious = self._timer_at, self._suspicious_at
        if suspicious is not None and (earliest is None or suspicious < earliest):
            earliest = suspicious
        if self._pending and self._asked is None:
            asks = max(min(self._pending.values()), self._opens_at())
            return asks if earliest is None else min(earliest, asks)
        return earliest

    def should_sync(self, now: Ns) -> ReconciliationTrigger | None:
        """The trigger to answer now; None where there is none, or it has to wait (RS-02)."""
        if self._asked is not None or now < self._opens_at():
            return None
        return next((trigger for trigger, at in self._pending.items() if now >= at), None)

    def safety_sync(self, now: Ns) -> None:
        """Answer everything that waits, by one question or by reading all of the account again (RS-03)."""
        self.syncs += 1
        self._last = now
        waiting = tuple(self._pending)
        self._pending.clear()
        all_of_it = next((trigger for trigger in waiting if trigger in NEEDS_ALL), None)
        if all_of_it is not None:
            self._resync.request(now, gap=False, by=all_of_it)
        else:
            self._answering = waiting
            self._asked = self._ledger.send((QueryPositions(),), self, now)

    def _opens_at(self) -> Ns:
        patience = 2 ** min(self._failed, MOST_DOUBLINGS)
        return max(Ns(self._last + seconds(self.config.min_gap_s) * patience), self._held_until)

    def _judge(self, now: Ns) -> None:
        """The grace is over: does the last statement still differ?"""
        self._suspicious_at = None
        found = differing(self._desks, self._fills, *self._stated)
        if not found:
            self._wait_for_timer(now)
            return
        self.drifts += 1
        if self._suspected_by is _T.STATEMENT:
            self.triggers[_T.STATEMENT] += 1
        self._drifting = {name: self._desks[name].inventory.restatements for name in found}
        self._drift_at = now
        self._resync.request(now, gap=False, by=self._suspected_by)

    def _conclude(self) -> None:
        """A whole resync began after the difference was established, and has ended it one way or the other."""
        for name, before in self._drifting.items():
            if self._desks[name].inventory.restatements == before:
                self.causes[DriftCause.FILLS_MISSED] = self.causes.get(DriftCause.FILLS_MISSED, 0) + 1
        self._drifting = {}

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """A statement like one that was pushed; without one the question stands."""
        report = first_result(event)
        by = self._answering[0] if self._answering else _T.TIMER
        is_used = isinstance(report, PositionsReport) and self._take(report.positions, report.as_of, now, by)
        if pending is self._asked:
            self._end(now, is_answered=is_used)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Ask again."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Ask again; a question is safe to repeat."""
        if pending is self._asked:
            self._end(now, is_answered=False)

    def _end(self, now: Ns, *, is_answered: bool) -> None:
        self._asked = None
        answering, self._answering = self._answering, ()
        self._failed = 0 if is_answered else self._failed + 1
        if not is_answered:
            self.failures += 1
            for trigger in answering:
                self._pending.setdefault(trigger, now)
