"""Asks the venue about each order whose fate is unclear until evidence settles it.

Waiting too long triggers the query, never the verdict. "Not found" is not "gone": only a placement
that has expired, and that several answers in a row do not know, never arrived. An order that did rest
and that the venue no longer knows is taken for gone on more evidence still (docs/decisions/0011).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, QueryOrder, Severity
from domain.events import NotSent, OrderStatus, OrderStatusReport, Replied
from domain.expiry import cannot_arrive
from domain.orders import Certainty, OrderState, TrackedOrder
from domain.units import Cloid, InstrumentId, Ns, Tif, millis
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.requests import Pending, RequestLedger, first_result
from orchestrator.desk.desk import Desk
from orchestrator.desk.order_tracker import cancel_of
from orchestrator.sync.resync import Resync, ResyncState


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverConfig:
    """How often to ask, and what counts as evidence of absence."""

    retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 1_000.0
    """Wait before the same order is asked after again, in ms; doubled with each try."""
    retry_max_ms: Annotated[float, Interval(gt=0, le=1e9)] = 30_000.0
    """No wait is longer than this, in ms."""
    undone_max_ms: Annotated[float, Interval(gt=0, le=1e9)] = 5_000.0
    """Nor longer than this, in ms, for an order that the venue shows at rest after it confirmed its cancel: after each
    such answer it is cancelled again."""
    misses: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 2
    """Answers in a row that do not know an expired placement before it counts as never placed."""
    vanished_ms: Annotated[float, Interval(gt=0, le=1e9)] = 30_000.0
    """An order that rested is taken for gone when the venue has not known it for so long, in ms, and a whole
    resync begun after that has not found it either."""


@dataclass(slots=True)
class _Case:
    next_at: Ns
    tries: int = 0
    misses: int = 0
    missing_since: Ns | None = None
    """Since when every answer has not known the order."""
    vanished_at: Ns | None = None
    """When it had not been known for so long that the whole account was asked for."""
    is_waiting: bool = False
    undone_told_at: Ns | None = None
    """When people were told last that it rests although its cancel was confirmed."""


class Resolver:
    """One open case per unclear order."""

    def __init__(
        self,
        config: ResolverConfig,
        ledger: RequestLedger,
        user_feed: FeedMachine,
        desks: Mapping[InstrumentId, Desk],
        resync: Resync,
        alert: Callable[[Alert], None],
    ) -> None:
        """No case is open."""
        self.config = config
        self.asked = 0
        self.never_arrived = 0
        """Placements that had expired and were not known."""
        self.windows_over = 0
        """Confirmed cancels whose final size nobody told, and whose time for fills was over."""
        self.vanished = 0
        """Orders that had rested and were taken for gone because nothing of the venue's knows them."""
        self._ledger = ledger
        self._user_feed = user_feed
        self._desks = desks
        self._resync = resync
        self._alert = alert
        self._cases: dict[Cloid, _Case] = {}
        self._revision = -1
        self._due: Ns | None = None
        self._unclear: frozenset[Cloid] = frozenset()

    def deadline(self) -> Ns | None:
        """When the next question is due."""
        self._look()
        return self._due

    def close_clear(self) -> None:
        """Close the cases of what is clear again: an answer that still comes to one of them says nothing new.

        A step of its own, and the last of a decision: reading ``deadline`` must change nothing.
        """
        self._look()
        if len(self._cases) > len(self._unclear):
            for cloid in [c for c in self._cases if c not in self._unclear]:
                del self._cases[cloid]

    def decide(self, now: Ns) -> None:
        """Ask about what is due."""
        self.close_clear()
        if self._due is None or now < self._due:
            return
        for desk in self._desks.values():
            tracker = desk.tracker
            tracker.flag_stuck(now)
            for order in list(tracker.orders.values()):
                due = tracker.unclear_at(order)
                if due is not None and due <= now:
                    self._consider(order, now)
        self._revision = -1

    def on_reconnect(self, now: Ns) -> None:
        """The venue can be reached again: questions that had no answers while it could not be are due now."""
        for case in self._cases.values():
            case.next_at, case.tries = min(case.next_at, now), 0
        self._revision = -1

    def _look(self) -> None:
        """Find what is due next, unless nothing about any order changed since the last look."""
        revision = sum(desk.tracker.revision for desk in self._desks.values())
        if revision == self._revision:
            return
        self._revision = revision
        earliest: Ns | None = None
        unclear: set[Cloid] = set()
        for desk in self._desks.values():
            tracker = desk.tracker
            for order in tracker.orders.values():
                due = tracker.unclear_at(order)
                stuck = tracker.stuck_at(order)
                if stuck is not None and (earliest is None or stuck < earliest):
                    earliest = stuck
                if due is not None or order.certainty is Certainty.UNKNOWN:
                    unclear.add(order.cloid)  # also while a cancel is under way: what the case knows stays known
                if due is None:
                    continue
                case = self._cases.get(order.cloid)
                if case is not None and case.is_waiting:
                    continue
                due = due if case is None else max(due, case.next_at)
                if earliest is None or due < earliest:
                    earliest = due
        self._due = earliest
        self._unclear = frozenset(unclear)

    def _consider(self, order: TrackedOrder, now: Ns) -> None:
        case = self._cases.setdefault(order.cloid, _Case(now))
        if case.is_waiting or now < case.next_at:
            return
        case.tries += 1
        delay = min(self.config.retry_ms * 2 ** min(case.tries - 1, 10), self.config.retry_max_ms)
        case.next_at = Ns(now + millis(delay))
        if order.is_terminal and order.final_filled is not None:
            # The end is known, fills are missing: they come by the fills query, not by status.
            self._resync.request(now, gap=False, failures=case.tries - 1)
            return
        case.is_waiting = True
        self.asked += 1
        self._ledger.send((QueryOrder(order.cloid),), self, now)

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Evidence, or the lack of it."""
        found = self._order_of(pending)
        if found is None:
            return
        desk, order, case = found
        case.is_waiting = False
        self._revision = -1
        result = first_result(event)
        if not isinstance(result, OrderStatusReport):
            return
        if result.update is not None:
            case.misses = 0
            case.missing_since = case.vanished_at = None
            desk.on_update(result.update, now, is_answer=True)
            if result.update.status is OrderStatus.OPEN:
                self._cancel_what_should_not_rest(order, case, now)
            return
        case.misses += 1
        if case.missing_since is None:
            case.missing_since = now
        is_vanished = self._is_vanished(order, case, now)
        if is_vanished:
            self.vanished += 1
            self._alert(Alert(Severity.WARNING, "order_vanished", f"{order!r}: the venue does not know it any more"))
        if is_vanished or self._is_absent(desk, order, case, pending.sent_at, now):
            if not is_vanished:
                self.windows_over += order.state is OrderState.CANCEL_CONFIRMED
                self.never_arrived += order.state is not OrderState.CANCEL_CONFIRMED
            desk.tracker.give_up(order, now)
            desk.accumulator.on_side_event(order.side, now)

    def _cancel_what_should_not_rest(self, order: TrackedOrder, case: _Case, now: Ns) -> None:
        """A cancel was confirmed and was worth nothing; or an order that takes what it gets leaves something."""
        if order.state is OrderState.CANCEL_CONFIRMED:
            case.next_at = min(case.next_at, Ns(now + millis(self.config.undone_max_ms)))
            if case.undone_told_at is None or now - case.undone_told_at >= millis(self.config.retry_max_ms):
                case.undone_told_at = now
                self._alert(Alert(Severity.WARNING, "cancel_not_done", f"{order!r}: confirmed, and the order rests"))
        elif order.tif is not Tif.IOC:
            return
        self._ledger.send((cancel_of(order),), self, now)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Ask again when the case is due."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Ask again when the case is due."""
        del now
        found = self._order_of(pending)
        if found is not None:
            found[2].is_waiting = False
            self._revision = -1

    def _order_of(self, pending: Pending) -> tuple[Desk, TrackedOrder, _Case] | None:
        action = pending.request.actions[0]
        if not isinstance(action, QueryOrder):
            return None
        case = self._cases.get(action.cloid)
        for desk in self._desks.values():
            order = desk.tracker.orders.get(action.cloid)
            if order is not None and case is not None:
                return desk, order, case
        return None

    def _is_absent(self, desk: Desk, order: TrackedOrder, case: _Case, asked_at: Ns, now: Ns) -> bool:
        """Whether not being known proves that nothing more can come of this order."""
        if order.oid is None and order.state in (OrderState.PENDING_NEW, OrderState.CANCEL_PENDING):
            if not cannot_arrive(order.expires_at, asked_at):
                case.misses = 0  # it could still arrive then: not being known proves nothing
            elif case.misses < self.config.misses:
                case.next_at = Ns(now + millis(self.config.retry_ms))  # few questions are left: no long wait for them
            return case.misses >= self.config.misses
        window = millis(desk.tracker.config.fill_window_ms)
        is_confirmed = order.state is OrderState.CANCEL_CONFIRMED and self._user_feed.is_live
        return is_confirmed and now > order.state_changed_at + window

    def _is_vanished(self, order: TrackedOrder, case: _Case, now: Ns) -> bool:
        """Whether an order that did rest is gone, though the venue will never say so.

        Not known for long enough; then fills, open orders and position are asked for, all of them
        after that, and do not know it either.
        """
        if order.oid is None or order.certainty is not Certainty.UNKNOWN or case.missing_since is None:
            return False
        if case.vanished_at is None:
            if now - case.missing_since >= millis(self.config.vanished_ms):
                case.vanished_at = now
                case.next_at = Ns(now + millis(self.config.retry_ms))
                self._resync.request(now, gap=False)
            return False
        if self._resync.closed_since >= case.vanished_at:
            return True
        if self._resync.state is ResyncState.IDLE:  # given up with the feed that was lost over it
            self._resync.request(now, gap=False)
        case.next_at = Ns(now + millis(self.config.retry_ms))  # the resync takes seconds; the next try may be far off
        return False
