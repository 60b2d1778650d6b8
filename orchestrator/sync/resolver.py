"""Asks the venue about each order whose fate is unclear until evidence settles it.

Waiting too long triggers the query, never the verdict. "Not found" is not "gone": only a placement
that has expired, and that several answers in a row do not know, never arrived.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from domain.commands import QueryOrder
from domain.events import NotSent, OrderStatusReport, Replied
from domain.orders import OrderState, TrackedOrder
from domain.units import Cloid, InstrumentId, Ns, millis
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.requests import Pending, RequestLedger, first_result
from orchestrator.desk.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverConfig:
    """How often to ask, and what counts as evidence of absence."""

    retry_ms: Annotated[float, Gt(0)] = 1_000.0
    """Wait before the same order is asked after again, in ms; doubled with each try."""
    retry_max_ms: Annotated[float, Gt(0)] = 30_000.0
    """No wait is longer than this, in ms."""
    misses: Annotated[int, Ge(1)] = 2
    """Answers in a row that do not know an expired placement before it counts as never placed."""
    expiry_margin_ms: Annotated[float, Ge(0)] = 2_000.0
    """A placement may still arrive until this long after its expiry, in ms: room for clocks that differ."""


@dataclass(slots=True)
class _Case:
    next_at: Ns
    tries: int = 0
    misses: int = 0
    is_waiting: bool = False


class Resolver:
    """One open case per unclear order."""

    def __init__(
        self,
        config: ResolverConfig,
        ledger: RequestLedger,
        user_feed: FeedMachine,
        desks: Mapping[InstrumentId, Desk],
        request_resync: Callable[[Ns, int], None],
    ) -> None:
        """No case is open."""
        self.config = config
        self.asked = 0
        self.settled_by_absence = 0
        self._ledger = ledger
        self._user_feed = user_feed
        self._desks = desks
        self._request_resync = request_resync
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
            for order in list(tracker.orders.values()):
                due = tracker.unclear_at(order)
                if due is not None and due <= now:
                    self._consider(order, now)
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
                if due is None:
                    continue
                unclear.add(order.cloid)
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
            self._request_resync(now, case.tries - 1)
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
            desk.on_update(result.update, now, is_answer=True)
            return
        case.misses += 1
        if self._is_absent(desk, order, case, now):
            self.settled_by_absence += 1
            desk.tracker.give_up(order, now)
            desk.accumulator.on_side_event(order.side, now)

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

    def _is_absent(self, desk: Desk, order: TrackedOrder, case: _Case, now: Ns) -> bool:
        """Whether not being known proves that nothing more can come of this order."""
        if order.oid is None and order.state in (OrderState.PENDING_NEW, OrderState.CANCEL_PENDING):
            expires_at = order.expires_at or order.placed_at + self._ledger.timeout
            if now <= expires_at + millis(self.config.expiry_margin_ms):
                case.misses = 0  # it could still arrive: not being known proves nothing
            return case.misses >= self.config.misses
        window = millis(desk.tracker.config.fill_window_ms)
        is_confirmed = order.state is OrderState.CANCEL_CONFIRMED and self._user_feed.is_live
        return is_confirmed and now > order.state_changed_at + window
