"""The periodic audit: does what we believe of our orders hold, and what was cleaned up lately (RS-21..33)?

Most of what it finds is settled by others with evidence (the resolver asks after an order, the orphan tracker cancels);
here it is looked for, although nothing hinted at it, and written down. A list of the open orders is asked for in a
longer period: a server that says nothing new, or nothing at all, changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, QueryOpenOrders, Severity
from domain.events import NotSent, OpenOrdersReport, Replied
from domain.orders import InFlight, OrderState, TrackedOrder
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, Side, millis, seconds
from orchestrator.budget.proactive import BudgetGate
from orchestrator.connectivity.requests import Pending, RequestLedger, first_result
from orchestrator.desk.desk import Desk
from orchestrator.desk.order_tracker import cancel_of, is_cancel_futile
from orchestrator.sync.exposure_warning import ExposureWarning, check_pending_exposure_risk
from orchestrator.sync.listing import OpenOrdersList
from orchestrator.sync.orphans import OrphanTracker
from orchestrator.sync.resolver import Resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """How often is looked, and what is too long."""

    every_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """Between two audits, in seconds. They cost nothing at the venue."""
    list_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 20.0
    """Between two lists of the open orders, in seconds; with the grace of an orphan, one that no message tells of is
    gone within half a minute. Each is weight 20 of the IP address's 1,200 a minute, so by default 5 % of it where
    requests go by REST, and none by socket. Off: lists are read after gaps and doubts only."""
    list_margin_ms: Annotated[float, Interval(ge=0, le=1e9)] = 2_000.0
    """What happened to an order less than this, in ms, before a list was made, the list need not show (C-14)."""
    stuck_cancel_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 30.0
    """A cancel without effect for so long, in s, is sent again; as long after that people are told. Off: never."""
    warn_every_s: Annotated[float, Interval(ge=0, le=1e6)] | None = 60.0
    """That the worst case breaches a limit is told no more often than this, in seconds, for each side; off: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """What one audit found, and what was settled since the one before."""

    at: Ns
    """When it was made."""
    orders_cleaned: int = 0
    """Cancelled orders let go because the venue told no final size, and no fill came in the time for it."""
    stale_pending_removed: int = 0
    """Placements without an answer that are known never to have arrived."""
    stale_pending: int = 0
    """Placements without an answer for too long: they are being asked about."""
    stuck_cancels: int = 0
    """Cancels without effect for too long."""
    orphan_orders: int = 0
    """Orders that only the venue knows, beyond their grace and not gone yet."""
    stale_local: int = 0
    """Orders that rest by our books, that the venue's list did not show, and that are being asked about."""
    stale_local_removed: int = 0
    """Those of them that turned out to have ended."""
    is_drifting: bool = False
    """Whether a position is known to differ from the venue's."""
    reduce_only_active: bool = False
    """Whether something may only reduce a position."""
    reduce_only_reason: str = ""
    """Which instrument, which side is closed, and why."""
    exposure_warnings: tuple[str, ...] = ()
    """Limits that the worst case breaches."""

    @property
    def is_synced(self) -> bool:
        """Whether ours and the venue's view agree, but for what is young enough to be under way (RS-27)."""
        differences = self.stale_pending + self.stuck_cancels + self.orphan_orders + self.stale_local
        return not differences and not self.is_drifting

    @property
    def has_issues(self) -> bool:
        """Whether anything at all was found or cleaned up (RS-29)."""
        cleaned = self.orders_cleaned + self.stale_pending_removed + self.stale_local_removed
        return not self.is_synced or bool(cleaned or self.exposure_warnings)


@dataclass(slots=True)
class _StuckCancel:
    tell_at: Ns | None
    """When people are told; None: they were."""
    is_sent_again: bool = False
    """By us; as long as another one is under way there is no need."""


class SafetyAuditor:
    """Looks at every order of every desk."""

    def __init__(
        self,
        config: AuditConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        orders: OpenOrdersList,
        orphans: OrphanTracker | None,
        resolver: Resolver,
        alert: Callable[[Alert], None],
    ) -> None:
        """No audit yet."""
        self.config = config
        self.last: AuditResult | None = None
        self.audits = 0
        self.with_issues = 0
        """Audits that found or cleaned up something."""
        self.cancels_resent = 0
        self.lists_read = 0
        self._ledger = ledger
        self._desks = desks
        self._orders = orders
        self._orphans = orphans
        self._resolver = resolver
        self._alert = alert
        warn = config.warn_every_s
        self._warning = None if warn is None else ExposureWarning(seconds(warn), alert)
        self._next: Ns | None = None
        self._list_at: Ns | None = None
        self._asked: Pending | None = None
        self._stuck: dict[Cloid, _StuckCancel] = {}
        self._settled = (0, 0)

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns, *, is_drifting: bool) -> bool:
        """Ask for a list and audit if it is time; True after an audit."""
        if self._next is None:
            self._next = Ns(now + seconds(self.config.every_s))
            self._wait_for_list(now)
        if self._list_at is not None and self._asked is None and now >= self._list_at:
            self._ask(now)
        if now < self._next:
            return False
        self._next = Ns(now + seconds(self.config.every_s))
        self.audit(now, is_drifting=is_drifting)
        return True

    def deadline(self) -> Ns | None:
        """When the next audit or list is due."""
        if self._list_at is None or self._asked is not None or self._next is None:
            return self._next
        return min(self._next, self._list_at)

    def _wait_for_list(self, now: Ns) -> None:
        period = self.config.list_s
        self._list_at = None if period is None else Ns(now + seconds(period))

    def _ask(self, now: Ns) -> None:
        self._wait_for_list(now)
        if self._ledger.gate(0, now) is not BudgetGate.RATE_LIMIT:
            self._asked = self._ledger.send((QueryOpenOrders(),), self, now)
        else:
            self._list_at = self._ledger.opens_at(now, is_question=True)

    # --- the audit ------------------------------------------------------------------------------

    def audit(self, now: Ns, *, is_drifting: bool) -> AuditResult:
        """Look at everything."""
        resolver = self._resolver
        settled = (resolver.windows_over, resolver.never_arrived)
        cleaned, removed = (is_now - was for is_now, was in zip(settled, self._settled, strict=True))
        self._settled = settled
        ended = self._orders.take_ended()
        reasons = [why for desk in self._desks.values() if (why := _reduce_only(desk))]
        orders = [order for desk in self._desks.values() for order in desk.tracker.orders.values()]
        self.last = result = AuditResult(
            at=now,
            orders_cleaned=cleaned,
            stale_pending_removed=removed,
            stale_pending=sum(_is_stale_pending(order) for order in orders),
            stuck_cancels=self._look_after_cancels(now),
            orphan_orders=0 if self._orphans is None else self._orphans.overdue,
            stale_local=self._orders.missing,
            stale_local_removed=ended,
            is_drifting=is_drifting,
            reduce_only_active=bool(reasons),
            reduce_only_reason="; ".join(reasons),
            exposure_warnings=self._warn(now),
        )
        self.audits += 1
        self.with_issues += result.has_issues
        return result

    def _look_after_cancels(self, now: Ns) -> int:
        """Send a cancel without effect once more, then tell people (RS-24); not one that finds nothing (S25)."""
        if self.config.stuck_cancel_s is None:
            return 0
        patience = seconds(self.config.stuck_cancel_s)
        stuck: dict[Cloid, _StuckCancel] = {}
        for desk in self._desks.values():
            for order in desk.tracker.orders.values():
                if order.state is not OrderState.CANCEL_PENDING or now - order.state_changed_at < patience:
                    continue
                found = stuck[order.cloid] = self._stuck.get(order.cloid) or _StuckCancel(Ns(now + patience))
                is_futile = is_cancel_futile(order, now)
                if not found.is_sent_again and order.in_flight is InFlight.NONE and not is_futile:
                    found.is_sent_again = True
                    self._send_again(desk, order, now)
                if found.tell_at is not None and now >= found.tell_at:
                    found.tell_at = None
                    waited = (now - order.state_changed_at) / NS_PER_S
                    done = "the venue finds nothing to cancel" if is_futile else "the last one is under way"
                    done = "sent again once" if found.is_sent_again else done
                    self._alert(
                        Alert(Severity.CRITICAL, "stuck_cancel", f"{order!r}: no effect for {waited:.0f} s, {done}")
                    )
        self._stuck = stuck
        return len(stuck)

    def _send_again(self, desk: Desk, order: TrackedOrder, now: Ns) -> None:
        self.cancels_resent += 1
        desk.tracker.on_cancel_sent(order, now)
        self._ledger.send((cancel_of(order),), desk.outcomes, now)

    def _warn(self, now: Ns) -> tuple[str, ...]:
        if self._warning is None:
            return ()
        texts: list[str] = []
        for desk in self._desks.values():
            found = check_pending_exposure_risk(desk)
            self._warning.log_pending_exposure_warning(desk, found, now)
            texts.extend(found.values())
        return tuple(texts)

    # --- the list (Owner) -----------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Compare; an answer without a list, or one that nobody waits for any more, proves nothing."""
        if pending is not self._asked:
            return
        self._asked = None
        report = first_result(event)
        if isinstance(report, OpenOrdersReport):
            self.lists_read += 1
            self._orders.take(report, pending.sent_at, now, millis(self.config.list_margin_ms))
        else:
            self._list_at = self._next

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Ask again at the next audit."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Ask again at the next audit."""
        del now
        if pending is self._asked:
            self._asked = None
            self._list_at = self._next


def _is_stale_pending(order: TrackedOrder) -> bool:
    """A placement that was not answered in time, and is not settled (RS-23)."""
    return order.is_stuck and order.oid is None and not order.is_terminal


def _reduce_only(desk: Desk) -> str:
    """Why a desk may only reduce its position, with the side that is closed; empty where it may add (RS-28)."""
    if not desk.limit.reduce_only:
        return ""
    position = desk.inventory.position
    closed = "both sides" if not position else f"every {Side.BUY.name if position > 0 else Side.SELL.name}"
    why = ", ".join(concern.reason for concern in desk.risk.concerns) or "limit"
    return f"{desk.instrument.id}: {closed} that adds to {desk.instrument.format_size(position)} is closed: {why}"
