"""From a fresh process to the first quote, in the order of C-01.

List our open orders, cancel them until a re-read shows none, (in a later life) fetch the fills of
the time in between, read the position, read the limits; then enter the loop, and once warm read the
position again just before the first quote.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import (
    Alert,
    AnyAction,
    Cancel,
    QueryFills,
    QueryLimits,
    QueryOpenOrders,
    QueryPositions,
    Severity,
)
from domain.events import (
    Fill,
    FillsReport,
    LimitsReport,
    NotSent,
    OpenOrdersReport,
    PositionsReport,
    Reason,
    Replied,
)
from domain.lifecycle import step
from domain.units import InstrumentId, Ns, Pos, millis, seconds
from orchestrator.budget.futile import is_definite
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.requests import Pending, RequestLedger, fills_told, first_result
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor, next_page, position_drift
from orchestrator.sync.statements import cause_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUpConfig:
    """Patience of the start-up."""

    retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 500.0
    """Between tries of a step."""
    cancel_tries: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 5
    """Failed clean slates before people are alerted; trying goes on, slower."""
    slow_retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 5_000.0
    """Between tries after that alert, in ms."""
    stuck_tries: Annotated[int, Interval(ge=1, le=1_000_000_000)] | None = 5
    """So many tries of one step that bring nothing, and people are alerted: an instrument that the venue does not list,
    a venue that does not answer. Trying goes on at the slow pace."""
    refused_retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 60_000.0
    """Between tries of a step after three definite refusals, or answers that do not know an instrument, in ms (S25)."""
    fills_overlap_s: Annotated[float, Interval(ge=0, le=1e6)] = 10.0
    """A later life asks for fills from this long before the last one that it knows."""


REFUSALS = 3
OF_NO_KNOWN_REASON = frozenset((Reason.OTHER,))
"""A question that was refused like this may be answered a moment later: an internal error, an overload."""


class StartUpState(StrEnum):
    """The steps, in order."""

    WAIT_FEED = "wait_feed"
    LIST_ORDERS = "list_orders"
    CANCEL_ALL = "cancel_all"
    SYNC_FILLS = "sync_fills"
    SYNC_POSITION = "sync_position"
    SYNC_LIMITS = "sync_limits"
    WARMING = "warming"
    CONFIRM_POSITION = "confirm_position"
    DONE = "done"


_S = StartUpState
TRANSITIONS: dict[StartUpState, frozenset[StartUpState]] = {
    _S.WAIT_FEED: frozenset((_S.LIST_ORDERS,)),
    _S.LIST_ORDERS: frozenset((_S.CANCEL_ALL, _S.SYNC_FILLS, _S.SYNC_POSITION, _S.WAIT_FEED)),
    _S.CANCEL_ALL: frozenset((_S.LIST_ORDERS, _S.WAIT_FEED)),
    _S.SYNC_FILLS: frozenset((_S.SYNC_POSITION, _S.WAIT_FEED)),
    _S.SYNC_POSITION: frozenset((_S.SYNC_LIMITS, _S.WAIT_FEED)),
    _S.SYNC_LIMITS: frozenset((_S.WARMING, _S.WAIT_FEED)),
    _S.WARMING: frozenset((_S.CONFIRM_POSITION, _S.WAIT_FEED)),
    _S.CONFIRM_POSITION: frozenset((_S.DONE, _S.WAIT_FEED)),
    _S.DONE: frozenset(),
}
"""Back to WAIT_FEED: the user feed was lost, what was read may be history."""


class StartUp:
    """The start-up of one life."""

    def __init__(
        self,
        config: StartUpConfig,
        ledger: RequestLedger,
        user_feed: FeedMachine,
        desks: Mapping[InstrumentId, Desk],
        fills: FillProcessor,
        book_fill: Callable[[Fill, Ns], None],
        alert: Callable[[Alert], None],
    ) -> None:
        """Wait for the user feed."""
        self.config = config
        self.state = StartUpState.WAIT_FEED
        self.is_later_life = False
        self.cancel_tries = 0
        self.tries = 0
        """Of the step that we are at, in a row, all in vain."""
        self._refusals = 0
        """Those of them to which the venue has said no."""
        self._ledger = ledger
        self._user_feed = user_feed
        self._desks = desks
        self._fills = fills
        self._book_fill = book_fill
        self._alert = alert
        self._asked: Pending | None = None
        self._retry_at = Ns(0)
        self._strays: list[Cancel] = []
        self._fills_since = Ns(0)

    @property
    def is_done(self) -> bool:
        """Whether the main loop may quote."""
        return self.state is StartUpState.DONE

    @property
    def is_synced(self) -> bool:
        """Whether the account was read in this life: what is still in doubt can be asked after."""
        return self.state in (StartUpState.WARMING, StartUpState.CONFIRM_POSITION, StartUpState.DONE)

    @property
    def is_warming(self) -> bool:
        """Whether nothing but the inputs of the quotes is waited for."""
        return self.state is StartUpState.WARMING

    def on_user_feed_down(self) -> None:
        """Begin again: what was read may be history."""
        if self.state not in (_S.DONE, _S.WAIT_FEED):
            self._go(_S.WAIT_FEED)
            self._asked = None

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns) -> None:
        """Take the next step if nothing is awaited."""
        if self.state is _S.DONE or self._asked is not None or now < self._retry_at:
            return
        if self.state is _S.WAIT_FEED and self._user_feed.is_live:
            self._go(_S.LIST_ORDERS)
        if self.state is _S.WARMING and self._is_over_warming(now):
            self._go(_S.CONFIRM_POSITION)
        actions = self._question()
        if actions:
            self._asked = self._ledger.send(actions, self, now)

    def deadline(self, now: Ns) -> Ns | None:
        """When the next step is due; warming ends at the latest when a desk's patience does."""
        if self.state in (_S.DONE, _S.WAIT_FEED) or self._asked is not None:
            return None
        if self.state is _S.WARMING:
            ends = [end for desk in self._desks.values() if (end := desk.engine.warm_at()) is not None]
            later = [end for end in ends if end > now]
            return min(later) if later else None
        return self._retry_at

    def _is_over_warming(self, now: Ns) -> bool:
        """Whether some desk could quote, or none ever will by waiting."""
        desks = self._desks.values()
        return any(desk.is_warm(now) for desk in desks) or all(desk.terms.gate is not None for desk in desks)

    def _question(self) -> tuple[AnyAction, ...]:
        match self.state:
            case _S.LIST_ORDERS:
                return (QueryOpenOrders(),)
            case _S.CANCEL_ALL:
                return tuple(self._strays)
            case _S.SYNC_FILLS:
                return (QueryFills(self._fills_since),)
            case _S.SYNC_POSITION | _S.CONFIRM_POSITION:
                return (QueryPositions(),)
            case _S.SYNC_LIMITS:
                return (QueryLimits(tuple(self._desks)),)
            case _:
                return ()

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Go on if this answers the question that stands; of the answer to another only its fills are of use."""
        if pending is not self._asked:
            for fill in fills_told(event):
                self._book_fill(fill, now)
            return
        self._asked = None
        self._retry_at = Ns(now + millis(self.config.retry_ms))
        if self.state is _S.CANCEL_ALL:
            self._go(_S.LIST_ORDERS)
            return
        asked, result = self.state, first_result(event)
        match asked, result:
            case _S.LIST_ORDERS, OpenOrdersReport() as report:
                self._on_orders(report, now)
            case _S.SYNC_FILLS, FillsReport() as report:
                self._on_fills(report, now)
            case (_S.SYNC_POSITION | _S.CONFIRM_POSITION) as state, PositionsReport() as report:
                if self._on_positions(report, now):
                    self._step(_S.SYNC_LIMITS if state is _S.SYNC_POSITION else _S.DONE, now)
            case _S.SYNC_LIMITS, LimitsReport():
                self._on_limits(now)
            case _:
                pass
        if self.state is asked and self._retry_at > now:
            self._refusals += isinstance(result, LimitsReport) or is_definite(result, OF_NO_KNOWN_REASON)
            self._in_vain(now)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Try the step again."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Try the step again; all of them are safe to repeat."""
        if pending is not self._asked:
            return
        self._asked = None
        self._retry_at = Ns(now + millis(self.config.retry_ms))
        self._in_vain(now)
        if self.state is _S.CANCEL_ALL:
            self._go(_S.LIST_ORDERS)

    def _in_vain(self, now: Ns) -> None:
        """A try has brought nothing: slower from some number on, and told once."""
        config = self.config
        self.tries += 1
        if self.tries == config.stuck_tries:
            text = f"{self.state} after {self.tries} tries{self._missing()}"
            self._alert(Alert(Severity.CRITICAL, "start_up_stuck", text))
        if self._refusals >= REFUSALS:
            self._retry_at = Ns(now + millis(config.refused_retry_ms))
        elif config.stuck_tries is not None and self.tries >= config.stuck_tries:
            self._retry_at = Ns(now + millis(config.slow_retry_ms))

    def _missing(self) -> str:
        """Instruments whose limits the venue has not told."""
        names = [str(name) for name, desk in self._desks.items() if desk.terms.max_position is None]
        return f": the venue tells no limits of {', '.join(names)}" if self.state is _S.SYNC_LIMITS and names else ""

    def _on_orders(self, report: OpenOrdersReport, now: Ns) -> None:
        self._strays = [
            Cancel(order.instrument, None, order.oid) for order in report.orders if order.instrument in self._desks
        ]
        if not self._strays:
            self._fills_since = self._fills.search_from(seconds(self.config.fills_overlap_s))
            self._step(_S.SYNC_FILLS if self.is_later_life else _S.SYNC_POSITION, now)
            return
        self.cancel_tries += 1
        if self.cancel_tries > self.config.cancel_tries:
            text = f"{len(self._strays)} own orders rest after {self.cancel_tries - 1} cancels"
            self._alert(Alert(Severity.CRITICAL, "clean_slate_failed", text))
            self._retry_at = Ns(now + millis(self.config.slow_retry_ms))
        elif self.cancel_tries == 1:
            self._retry_at = now
        self._go(_S.CANCEL_ALL)

    def _on_fills(self, report: FillsReport, now: Ns) -> None:
        for fill in report.fills:
            self._book_fill(fill, now)
        if report.is_complete or not report.fills:
            self._fills.close_gap()  # every question of the start is asked while the stream is running
            self._step(_S.SYNC_POSITION, now)
        else:
            self._fills_since = next_page(report, self._fills_since)
            self._retry_at = now

    def _on_positions(self, report: PositionsReport, now: Ns) -> bool:
        """Take over what the venue states; False where it is too old to compare with."""
        opens = self._fills.is_holding
        stated = {entry.instrument: entry.position for entry in report.positions}
        positions: dict[InstrumentId, Pos] = {}
        for instrument in self._desks:
            moved = self._fills.moved_since(instrument, report.as_of)
            if moved is None:
                return False
            positions[instrument] = Pos(stated.get(instrument, 0) + moved)
        for instrument, position in positions.items():
            desk = self._desks[instrument]
            had = desk.inventory.position
            if opens:
                desk.inventory.open(position, desk.market.mid)
            elif report.as_of > desk.inventory.stated_at:
                desk.inventory.restate(position, report.as_of, desk.market.mid)
            if desk.inventory.position != had:
                cause = "opening" if opens else cause_of(desk)
                stated_now = desk.inventory.position
                self._alert(position_drift(desk.instrument, had, stated_now, found_by="start_up", cause=cause))
        if opens:
            self._fills.open(report.as_of, now)
        return True

    def _on_limits(self, now: Ns) -> None:
        """The desks have heard of it already, as of every such answer."""
        missing = [d for d in self._desks.values() if d.terms.max_position is None]
        if not missing:
            self._step(_S.WARMING, now)

    def _step(self, to: StartUpState, now: Ns) -> None:
        self._go(to)
        self._retry_at = now

    def _go(self, to: StartUpState) -> None:
        if to not in (self.state, _S.LIST_ORDERS, _S.CANCEL_ALL):
            self.tries = self._refusals = 0
        self.state = step(TRANSITIONS, self.state, to, "start-up")
