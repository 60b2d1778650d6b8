"""After a gap, or when something does not add up: fills, open orders, position, in this order.

The user channels have no recovery of their own (order updates replay nothing), so what happened in
a gap is fetched by query: fills from a cursor with overlap, then the list of open orders, then the
position as a check, and after a gap the limits once more. Nothing is quoted while a gap is being closed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, AnyAction, QueryFills, QueryLimits, QueryOpenOrders, QueryPositions
from domain.events import (
    Fill,
    FillsReport,
    LimitsReport,
    NotSent,
    OpenOrdersReport,
    PositionEntry,
    PositionsReport,
    Replied,
)
from domain.lifecycle import step
from domain.units import InstrumentId, Ns, Pos, millis, seconds
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.requests import Pending, RequestLedger, fills_told, first_result
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor, next_page, position_drift
from orchestrator.sync.listing import OpenOrdersList
from orchestrator.sync.statements import DriftCause, LastHeard, cause_of, differing


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncConfig:
    """Overlap and patience of the recovery by query."""

    overlap_s: Annotated[float, Interval(ge=0, le=1e6)] = 10.0
    """Fills are asked for from this long before the last one booked, and from further back at each failure."""
    retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 1_000.0
    """Wait before a query that failed, or did not settle the matter, is sent again, and from one resync to the next,
    in ms."""
    restate_after: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 3
    """Checks in a row that must differ before the venue's position replaces ours (RU-07)."""


class ResyncState(StrEnum):
    """IDLE, or what is being asked."""

    IDLE = "idle"
    FILLS = "fills"
    ORDERS = "orders"
    POSITION = "position"
    LIMITS = "limits"


FURTHER = 4
"""Each time that fills do not explain what is missing, the next query reaches this much further back."""
FURTHEST = 8
MOST_DOUBLINGS = 3
"""The rest after a resync doubles with each that follows another at once, so often at most (S25)."""

_S = ResyncState
TRANSITIONS: dict[ResyncState, frozenset[ResyncState]] = {
    _S.IDLE: frozenset((_S.FILLS,)),
    _S.FILLS: frozenset((_S.ORDERS, _S.IDLE)),
    _S.ORDERS: frozenset((_S.POSITION, _S.IDLE)),
    _S.POSITION: frozenset((_S.IDLE, _S.FILLS, _S.LIMITS)),
    _S.LIMITS: frozenset((_S.IDLE,)),
}
"""POSITION -> FILLS: a position that differs is first explained by fills. LIMITS: only after a gap (RS-10). Back to
IDLE before the end: a new gap makes what was asked worthless, and it starts over."""


class Resync:
    """Closes gaps between belief and venue."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it compares, and whom it tells
        self,
        config: ResyncConfig,
        ledger: RequestLedger,
        user_feed: FeedMachine,
        desks: Mapping[InstrumentId, Desk],
        fills: FillProcessor,
        orders: OpenOrdersList,
        heard: LastHeard,
        book_fill: Callable[[Fill, Ns], None],
        alert: Callable[[Alert], None],
    ) -> None:
        """Nothing to close."""
        self.config = config
        self.state = ResyncState.IDLE
        self.gates_quotes = False
        """Whether the resync under way closes a gap, in which quoting would be blind."""
        self.runs = 0
        self.by = ""
        """Who asked for the one under way, or for the last."""
        self.causes: dict[DriftCause, int] = {}
        """Positions of ours that the venue's replaced, by what was behind it."""
        self._ledger = ledger
        self._user_feed = user_feed
        self._desks = desks
        self._fills = fills
        self._orders = orders
        self._heard = heard
        self._book_fill = book_fill
        self._alert = alert
        self._asked: Pending | None = None
        self._was_live = False
        """Whether the stream was running when the last question left."""
        self._again_after: bool | None = None
        """Whether what came up meanwhile is a gap too, and all of it is to be asked again; None: it is not."""
        self._in_a_row = 0
        """How often that came about, without a rest in between."""
        self._rests_until = Ns(0)
        self._mismatches = 0
        self._disputed: PositionsReport | None = None
        """The stated position that differed last."""
        self._failures = 0
        self._retry_at = Ns(0)
        self._since = Ns(0)
        self._asked_at = Ns(0)
        self._began_at: Ns | None = None
        """When the first question left; what comes up before that it covers."""
        self.closed_since = Ns(-1)
        """When the last resync began that got all its answers; what it did not find was not there then."""

    def request(self, now: Ns, *, gap: bool, failures: int = 0, by: str = "order_in_doubt") -> None:
        """Ask for a resync; ``gap``: messages may have been lost, so do not quote meanwhile.

        One that closes a gap is finished, whatever comes up meanwhile, and followed by another after a rest: however
        many messages are lost, the venue is asked at our pace.

        ``by``: who asks. ``failures``: resyncs that have not brought what is missing, which must be older than thought.
        """
        self._failures = max(self._failures, failures)
        self.by = by
        if self.state is not _S.IDLE and (self.gates_quotes or not gap):
            if self._began_at is not None:
                self._again_after = gap or bool(self._again_after)
            return
        self.gates_quotes = gap
        self._abandon()
        self.runs += 1
        self._mismatches = 0
        self._disputed = None
        self._since = self._begin_of_search()
        self._began_at = None
        self._go(_S.FILLS)
        self._retry_at = max(now, self._rests_until)

    def on_user_feed_down(self) -> None:
        """What is under way will not see what is now being lost: it starts over, without a rest, when asked."""
        self._abandon()
        self._fills.open_gap()
        self.gates_quotes = False
        self._in_a_row, self._rests_until = 0, Ns(0)

    def _abandon(self) -> None:
        if self.state is not _S.IDLE:
            self._go(_S.IDLE)
        self._asked = None
        self._again_after = None

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns) -> None:
        """Ask the next question."""
        if self.state is _S.IDLE or self._asked is not None or now < self._retry_at:
            return
        self._asked_at = now
        if self._began_at is None:
            self._began_at = now
        self._was_live = self._user_feed.is_live
        self._asked = self._ledger.send((self._question(),), self, now)

    def deadline(self) -> Ns | None:
        """When the next question is due."""
        return None if self.state is _S.IDLE or self._asked is not None else self._retry_at

    def _question(self) -> AnyAction:
        if self.state is _S.FILLS:
            return QueryFills(self._since)
        if self.state is _S.LIMITS:
            return QueryLimits(tuple(self._desks))
        return QueryOpenOrders() if self.state is _S.ORDERS else QueryPositions()

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Use the answer if it is to the question that stands; fills are facts whatever they answer."""
        if pending is not self._asked:
            for fill in fills_told(event):
                self._book_fill(fill, now)
            return
        self._asked = None
        self._retry_at = Ns(now + millis(self.config.retry_ms))
        match self.state, first_result(event):
            case _S.FILLS, FillsReport() as report:
                self._on_fills(report, now)
            case _S.ORDERS, OpenOrdersReport() as report:
                self._orders.take(report, self._asked_at, now)
                self._go(_S.POSITION)
                self._retry_at = now
            case _S.POSITION, PositionsReport() as report:
                self._on_position(report, now)
            case _S.LIMITS, LimitsReport():  # the desks have heard of it already, as of every such answer
                self._close(now)
            case _:
                pass

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Ask again after a while."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Ask again after a while; questions are safe to repeat."""
        if pending is not self._asked:
            return
        self._asked = None
        self._retry_at = Ns(now + millis(self.config.retry_ms))

    def _on_fills(self, report: FillsReport, now: Ns) -> None:
        for fill in report.fills:
            self._book_fill(fill, now)
        if report.is_complete or not report.fills:
            if self._was_live:  # the answer reaches up to the stream: the gap ends here
                self._fills.close_gap()
            self._forgive()
            self._go(_S.ORDERS)
        else:
            self._since = next_page(report, self._since)
        self._retry_at = now

    def _forgive(self) -> None:
        """A difference that these fills explain was none: they were made after the fills before were listed."""
        disputed = self._disputed
        if disputed is not None and not self._differing(disputed.positions, disputed.as_of):
            self._mismatches = 0
            self._disputed = None

    def _on_position(self, report: PositionsReport, now: Ns) -> None:
        found = self._differing(report.positions, report.as_of)
        if found is None:
            self._retry_at = Ns(now + millis(self.config.retry_ms))
            return
        self._heard.note(report.as_of, now)
        if found:
            self._mismatches += 1
            self._disputed = report
            if self._mismatches < self.config.restate_after:
                self._since = self._begin_of_search()
                self._go(_S.FILLS)
                return
            self._restate(found, report.as_of)
        if self.gates_quotes:
            self._go(_S.LIMITS)
            self._retry_at = now
        else:
            self._close(now)

    def _close(self, now: Ns) -> None:
        self._go(_S.IDLE)
        if self._began_at is not None:
            self.closed_since = self._began_at
        self._failures = 0
        self.gates_quotes = False
        self._rests_until = Ns(now + (millis(self.config.retry_ms) << min(self._in_a_row, MOST_DOUBLINGS)))
        again, self._again_after = self._again_after, None
        self._in_a_row = 0 if again is None else self._in_a_row + 1
        if again is not None:
            self.request(now, gap=again, by=self.by)

    def _restate(self, differing: Mapping[InstrumentId, Pos], as_of: Ns) -> None:
        for instrument, position in differing.items():
            desk = self._desks[instrument]
            had = desk.inventory.position
            cause = cause_of(desk)
            self.causes[cause] = self.causes.get(cause, 0) + 1
            desk.inventory.restate(position, as_of, desk.market.mid)
            self._alert(position_drift(desk.instrument, had, position, found_by=self.by, cause=cause))

    def _begin_of_search(self) -> Ns:
        steps = min(self._failures + self._mismatches, FURTHEST)
        return self._fills.search_from(Ns(seconds(self.config.overlap_s) * FURTHER**steps))

    def _differing(self, positions: Iterable[PositionEntry], as_of: Ns) -> dict[InstrumentId, Pos] | None:
        return differing(self._desks, self._fills, positions, as_of)

    def _go(self, to: ResyncState) -> None:
        self.state = step(TRANSITIONS, self.state, to, "resync")
