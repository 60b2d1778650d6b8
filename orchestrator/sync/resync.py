"""After a gap, or when something does not add up: fills, open orders, position, in this order.

The user channels have no recovery of their own (order updates replay nothing), so what happened in
a gap is fetched by query: fills from a cursor with overlap, then the list of open orders, then the
position as a check. Nothing is quoted while a gap is being closed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt

from domain.commands import Alert, AnyAction, Cancel, QueryFills, QueryOpenOrders, QueryPositions, Route, Severity
from domain.events import (
    Cancelled,
    Fill,
    FillsReport,
    NotSent,
    OpenOrder,
    OpenOrdersReport,
    OrderStatus,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    PositionsReported,
    Reason,
    Refused,
    Replied,
    Result,
)
from domain.lifecycle import step
from domain.orders import InFlight
from domain.units import InstrumentId, Ns, Pos, millis, seconds
from orchestrator.connectivity.requests import Pending, RequestLedger, fills_told, first_result
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor, next_page, position_drift


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncConfig:
    """Overlap and patience of the recovery by query."""

    overlap_s: Annotated[float, Ge(0)] = 10.0
    """Fills are asked for from this long before the last one booked, and from further back at each failure."""
    retry_ms: Annotated[float, Gt(0)] = 1_000.0
    """Wait before a query that failed, or did not settle the matter, is sent again, in ms."""
    drift_grace_ms: Annotated[float, Gt(0)] = 2_000.0
    """A pushed position that differs for longer than this starts a resync."""
    restate_after: Annotated[int, Ge(1)] = 3
    """Checks in a row that must differ before the venue's position replaces ours (RU-07)."""


class ResyncState(StrEnum):
    """IDLE, or what is being asked."""

    IDLE = "idle"
    FILLS = "fills"
    ORDERS = "orders"
    POSITION = "position"


FURTHER = 4
"""Each time that fills do not explain what is missing, the next query reaches this much further back."""
FURTHEST = 8

_S = ResyncState
TRANSITIONS: dict[ResyncState, frozenset[ResyncState]] = {
    _S.IDLE: frozenset((_S.FILLS,)),
    _S.FILLS: frozenset((_S.ORDERS, _S.IDLE)),
    _S.ORDERS: frozenset((_S.POSITION, _S.IDLE)),
    _S.POSITION: frozenset((_S.IDLE, _S.FILLS)),
}
"""POSITION -> FILLS: a position that differs is first explained by fills. Back to IDLE before the end: a new gap
makes what was asked worthless, and it starts over."""


class Resync:
    """Closes gaps between belief and venue."""

    def __init__(
        self,
        config: ResyncConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        fills: FillProcessor,
        book_fill: Callable[[Fill, Ns], None],
        alert: Callable[[Alert], None],
    ) -> None:
        """Nothing to close."""
        self.config = config
        self.state = ResyncState.IDLE
        self.gates_quotes = False
        """Whether the resync under way closes a gap, in which quoting would be blind."""
        self.runs = 0
        self.drifts = 0
        self.orphans_cancelled = 0
        self._ledger = ledger
        self._desks = desks
        self._fills = fills
        self._book_fill = book_fill
        self._alert = alert
        self._asked: Pending | None = None
        self._again_after = False
        self._mismatches = 0
        self._disputed: PositionsReport | None = None
        """The stated position that differed last."""
        self._failures = 0
        self._retry_at = Ns(0)
        self._since = Ns(0)
        self._asked_at = Ns(0)
        self._began_at = Ns(0)
        self.closed_since = Ns(-1)
        """When the last resync began that got all its answers; what it did not find was not there then."""
        self._stated: PositionsReported | None = None
        self._suspicious_at: Ns | None = None
        self._gap_from: Ns | None = None
        """Time of the last fill booked when the feed was lost: fills after it may be missing."""

    def request(self, now: Ns, *, gap: bool, failures: int = 0) -> None:
        """Ask for a resync; ``gap``: messages may have been lost, so do not quote meanwhile.

        ``failures``: resyncs that have not brought what is missing, which must be older than thought.
        """
        self.gates_quotes = self.gates_quotes or gap
        self._failures = max(self._failures, failures)
        if self.state is not _S.IDLE and not gap:
            self._again_after = True
            return
        self._abandon()
        self.runs += 1
        self._mismatches = 0
        self._disputed = None
        self._since = self._begin_of_search()
        self._began_at = now
        self._go(_S.FILLS)
        self._retry_at = now

    def on_user_feed_down(self) -> None:
        """What is under way will not see what is now being lost: it starts over when asked.

        A fill that streams in after the reconnect must not move the search past those of the gap.
        """
        self._abandon()
        if self._gap_from is None:
            self._gap_from = self._fills.cursor

    def _abandon(self) -> None:
        if self.state is not _S.IDLE:
            self._go(_S.IDLE)
        self._asked = None
        self._again_after = False

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns) -> None:
        """Ask the next question, or act on a position that stayed different for too long."""
        if self._suspicious_at is not None and now >= self._suspicious_at:
            self._suspicious_at = None
            if self._stated is not None and self._differing(self._stated.positions, self._stated.exch_time):
                self.drifts += 1
                self.request(now, gap=False)
        if self.state is _S.IDLE or self._asked is not None or now < self._retry_at:
            return
        self._asked_at = now
        self._asked = self._ledger.send((self._question(),), self, now)

    def deadline(self) -> Ns | None:
        """When the next question or check is due."""
        asks = None if self.state is _S.IDLE or self._asked is not None else self._retry_at
        if asks is None or self._suspicious_at is None:
            return self._suspicious_at if asks is None else asks
        return min(asks, self._suspicious_at)

    def _question(self) -> AnyAction:
        if self.state is _S.FILLS:
            return QueryFills(self._since)
        return QueryOpenOrders() if self.state is _S.ORDERS else QueryPositions()

    # --- facts ----------------------------------------------------------------------------------

    def on_positions(self, event: PositionsReported, now: Ns) -> None:
        """The venue pushed its view; fills of the same block may still be under way."""
        self._stated = event
        differing = self._differing(event.positions, event.exch_time)
        if not differing:
            self._suspicious_at = None
        elif self._suspicious_at is None:
            self._suspicious_at = Ns(now + millis(self.config.drift_grace_ms))

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Use the answer if it is to the question that stands; fills are facts whatever they answer."""
        if isinstance(pending.request.actions[0], Cancel):
            self._on_orphan_answered(first_result(event), now)
            return
        if pending is not self._asked:
            for fill in fills_told(event):
                self._book_fill(fill, now)
            return
        self._asked = None
        self._retry_at = Ns(now + millis(self.config.retry_ms))
        match self.state, first_result(event):
            case _S.FILLS, FillsReport() as report:
                self._on_fills(report, pending, now)
            case _S.ORDERS, OpenOrdersReport() as report:
                self._on_orders(report, now)
                self._go(_S.POSITION)
                self._retry_at = now
            case _S.POSITION, PositionsReport() as report:
                self._on_position(report, now)
            case _:
                pass

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Ask again after a while."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Ask again after a while; questions are safe to repeat."""
        if isinstance(pending.request.actions[0], Cancel):
            self._look_again(now)
            return
        if pending is not self._asked:
            return
        self._asked = None
        self._retry_at = Ns(now + millis(self.config.retry_ms))

    def _on_fills(self, report: FillsReport, pending: Pending, now: Ns) -> None:
        for fill in report.fills:
            self._book_fill(fill, now)
        if report.is_complete or not report.fills:
            if pending.request.route is Route.SOCKET:  # asked while the stream was running: the gap ends here
                self._gap_from = None
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

    def _on_orders(self, report: OpenOrdersReport, now: Ns) -> None:
        listed = set()
        for entry in report.orders:
            desk = self._desks.get(entry.instrument)
            if desk is None:
                continue
            listed.add(entry.oid)
            if not desk.on_update(_as_update(entry, report.as_of, now), now, is_answer=True):
                self._cancel_orphan(entry, now)
        for desk in self._desks.values():
            for order in desk.tracker.orders.values():
                is_quiet = order.in_flight is InFlight.NONE and not order.is_terminal
                if is_quiet and order.oid not in listed and order.state_changed_at < self._asked_at:
                    desk.tracker.mark_unknown(order)

    def _cancel_orphan(self, entry: OpenOrder, now: Ns) -> None:
        self.orphans_cancelled += 1
        instrument = self._desks[entry.instrument].instrument
        size, price = instrument.format_size(entry.remaining), instrument.format_price(entry.px)
        text = f"{entry.instrument} {entry.side.name} {size} at {price} oid={entry.oid}"
        self._alert(Alert(Severity.WARNING, "orphan_order", text))
        self._ledger.send((Cancel(entry.instrument, None, entry.oid),), self, now)

    def _on_orphan_answered(self, result: Result | None, now: Ns) -> None:
        is_gone = isinstance(result, Cancelled) or (isinstance(result, Refused) and result.reason is Reason.NOT_OPEN)
        if not is_gone:
            self._look_again(now)

    def _look_again(self, now: Ns) -> None:
        """The cancel of an orphan did not work, or may not have: the list of orders will say."""
        if self.state is _S.IDLE:
            self.request(now, gap=False)
            self._retry_at = Ns(now + millis(self.config.retry_ms))
        else:
            self._again_after = True

    def _on_position(self, report: PositionsReport, now: Ns) -> None:
        differing = self._differing(report.positions, report.as_of)
        if differing is None:
            self._retry_at = Ns(now + millis(self.config.retry_ms))
            return
        if differing:
            self._mismatches += 1
            self._disputed = report
            if self._mismatches < self.config.restate_after:
                self._since = self._begin_of_search()
                self._go(_S.FILLS)
                return
            self._restate(differing, report.as_of)
        self._go(_S.IDLE)
        self.closed_since = self._began_at
        self._failures = 0
        self.gates_quotes = False
        if self._again_after:
            self._look_again(now)

    def _restate(self, differing: Mapping[InstrumentId, Pos], as_of: Ns) -> None:
        for instrument, position in differing.items():
            desk = self._desks[instrument]
            had = desk.inventory.position
            desk.inventory.restate(position, as_of, desk.market.mid)
            self._alert(position_drift(desk.instrument, had, position))

    def _begin_of_search(self) -> Ns:
        steps = min(self._failures + self._mismatches, FURTHEST)
        last = self._fills.cursor if self._gap_from is None else self._gap_from
        return Ns(max(last - seconds(self.config.overlap_s) * FURTHER**steps, 0))

    def _differing(self, positions: Iterable[PositionEntry], as_of: Ns) -> dict[InstrumentId, Pos] | None:
        """Where ours is not the stated position plus our fills of later than it: what it should be.

        A statement not newer than one that corrected us says nothing new of that instrument. None: the
        statement is too old to compare with at all.
        """
        stated = {entry.instrument: entry.position for entry in positions}
        differing = {}
        for instrument, desk in self._desks.items():
            if as_of <= desk.inventory.stated_at:
                continue
            moved = self._fills.moved_since(instrument, as_of)
            if moved is None:
                return None
            position = Pos(stated.get(instrument, 0) + moved)
            if desk.inventory.position != position:
                differing[instrument] = position
        return differing

    def _go(self, to: ResyncState) -> None:
        self.state = step(TRANSITIONS, self.state, to, "resync")


def _as_update(entry: OpenOrder, as_of: Ns, now: Ns) -> OrderUpdate:
    """A line of the list as the status that it states."""
    return OrderUpdate(
        entry.instrument,
        as_of,
        now,
        entry.oid,
        entry.cloid,
        entry.side,
        entry.px,
        entry.sz,
        entry.remaining,
        OrderStatus.OPEN,
    )
