"""Everything that compares belief and venue, on a hint (`resync`, `resolver`) and without one: the periodic audits.

It composes and has no logic of its own. Without a hint: positions (`position_reconciler`), orders (`auditor`,
`listing`, `orphans`), and how long ago either was last known (`health`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.commands import Alert
from domain.events import Fill, OrderStatus, OrderUpdate, PositionsReported, Replied
from domain.units import InstrumentId, Ns, seconds
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor
from orchestrator.sync.auditor import AuditConfig, SafetyAuditor
from orchestrator.sync.health import SyncHealth, SyncHealthConfig, SyncState
from orchestrator.sync.listing import OpenOrdersList
from orchestrator.sync.orphans import OrphanConfig, OrphanTracker
from orchestrator.sync.position_reconciler import PositionReconciler, ReconciliationConfig, ReconciliationTrigger
from orchestrator.sync.resolver import Resolver, ResolverConfig
from orchestrator.sync.resync import Resync, ResyncConfig, ResyncState
from orchestrator.sync.statements import DriftCause, LastHeard


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig:
    """What is compared although nothing seems to be wrong."""

    reconciliation: ReconciliationConfig | None = field(default_factory=ReconciliationConfig)
    """Positions; off: compared after a lost connection only."""
    audit: AuditConfig | None = field(default_factory=AuditConfig)
    """Orders; off: compared after a lost connection and in doubt only."""
    orphans: OrphanConfig | None = field(default_factory=OrphanConfig)
    """Orders that only the venue knows; off: they rest until the next start."""
    health: SyncHealthConfig | None = field(default_factory=SyncHealthConfig)
    """How old what we know of the account may be; off: as old as it likes."""


GATE = "unsynced"
"""Why nothing is quoted when nothing was heard of the account for too long."""


class SyncWatch:
    """The periodic look at the account."""

    def __init__(  # noqa: PLR0913, PLR0917 - the machines that it composes, each with its config
        self,
        config: SyncConfig,
        resync: ResyncConfig,
        resolver: ResolverConfig,
        ledger: RequestLedger,
        user_feed: FeedMachine,
        desks: Mapping[InstrumentId, Desk],
        fills: FillProcessor,
        book_fill: Callable[[Fill, Ns], None],
        alert: Callable[[Alert], None],
    ) -> None:
        """Compose; nothing was compared yet."""
        self.config = config
        self.positions_heard = LastHeard()
        self.orphans = None if config.orphans is None else OrphanTracker(config.orphans, ledger, desks, alert)
        self.orders = OpenOrdersList(desks, self.orphans)
        self.resync = Resync(
            resync, ledger, user_feed, desks, fills, self.orders, self.positions_heard, book_fill, alert
        )
        self.resolver = Resolver(resolver, ledger, user_feed, desks, self.resync, alert)
        self.reconciler = (
            None
            if config.reconciliation is None
            else PositionReconciler(config.reconciliation, ledger, desks, fills, self.resync, self.positions_heard)
        )
        self.auditor = (
            None
            if config.audit is None
            else SafetyAuditor(config.audit, ledger, desks, self.orders, self.orphans, self.resolver, alert)
        )
        self.health = None if config.health is None else SyncHealth(config.health, self._sources(), alert)
        self._was_synced = True

    def _sources(self) -> dict[str, tuple[LastHeard, Ns]]:
        """What is asked for in a period."""
        reconciliation, audit = self.config.reconciliation, self.config.audit
        sources = {}
        if reconciliation is not None and reconciliation.background_s is not None:
            sources["positions"] = (self.positions_heard, seconds(reconciliation.background_s))
        if audit is not None and audit.list_s is not None:
            sources["orders"] = (self.orders.heard, seconds(audit.list_s))
        return sources

    @property
    def gate(self) -> str | None:
        """Why nothing may be quoted; None where it may."""
        is_blind = self.health is not None and self.health.state is SyncState.UNSYNCED
        return GATE if is_blind else None

    # --- events ---------------------------------------------------------------------------------

    def on_stranger(self, event: OrderUpdate, now: Ns, *, is_ours: bool) -> None:
        """A status of an order that is not alive in our books; ``is_ours``: we took it for gone."""
        if self.orphans is None:
            return
        if event.status is OrderStatus.OPEN:
            self.orphans.see(event, now, is_ours=is_ours)
        else:
            self.orphans.forget(event.oid)

    def on_positions(self, event: PositionsReported, now: Ns) -> None:
        """The venue pushed its view."""
        if self.reconciler is not None:
            self.reconciler.on_positions(event, now)

    def on_replied(self, event: Replied, now: Ns) -> None:
        """Something was answered: perhaps with a refusal that says something of our position."""
        if self.reconciler is not None:
            self.reconciler.on_replied(event, now)

    def on_fill(self, fill: Fill, now: Ns) -> None:
        """A fill was booked."""
        if self.reconciler is not None:
            self.reconciler.on_fill(fill, now)

    def on_unmatched_fill(self, now: Ns) -> None:
        """A fill of an order that we do not know."""
        if self.reconciler is not None:
            self.reconciler.on_unmatched_fills(1, now)

    def on_reconnect(self, now: Ns) -> None:
        """The account is heard again, and a resync of the gap runs."""
        if self.reconciler is not None:
            self.reconciler.on_reconnect(now)

    def on_kill_reset(self, now: Ns) -> None:
        """A person wants to go on: look at everything once more."""
        if self.reconciler is not None:
            self.reconciler.request(ReconciliationTrigger.MANUAL, now)

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns) -> None:
        """Compare what it is time for."""
        if self.auditor is not None and self.auditor.decide(now, is_drifting=self._is_drifting):
            self._after_audit(self.auditor, now)
        if self.orphans is not None:
            self.orphans.decide(now)
        if self.reconciler is not None:
            self.reconciler.decide(now)
        if self.health is not None:
            self.health.decide(now)

    @property
    def _is_drifting(self) -> bool:
        return self.reconciler is not None and self.reconciler.is_drifting

    def _after_audit(self, auditor: SafetyAuditor, now: Ns) -> None:
        """What is not synced is read as a whole, once for each time that it comes about, unless it is being (RS-30)."""
        is_synced = auditor.last is None or auditor.last.is_synced
        is_news = self._was_synced and not is_synced and self.resync.state is ResyncState.IDLE
        if is_news and self.reconciler is not None:
            self.reconciler.request(ReconciliationTrigger.MANUAL, now)
        self._was_synced = is_synced

    def figures(self, now: Ns) -> dict[str, Any]:
        """The fields of a snapshot that are told here."""
        resync, reconciler, auditor, health = self.resync, self.reconciler, self.auditor, self.health
        causes = Counter(resync.causes)
        if reconciler is not None:
            causes.update(reconciler.causes)
        return {
            "resyncs": resync.runs,
            "orders_vanished": self.resolver.vanished,
            "orphans_cancelled": 0 if self.orphans is None else self.orphans.cancelled,
            "orphans_cleared": 0 if self.orphans is None else self.orphans.cleared,
            "position_syncs": 0 if reconciler is None else reconciler.syncs,
            "position_sync_failures": 0 if reconciler is None else reconciler.failures,
            "position_syncs_postponed": 0 if reconciler is None else reconciler.postponed,
            "position_drifts": 0 if reconciler is None else reconciler.drifts,
            "sync_triggers": {} if reconciler is None else {t.value: n for t, n in reconciler.triggers.items()},
            "drift_causes": {cause.value: causes[cause] for cause in DriftCause if cause in causes},
            "audits": 0 if auditor is None else auditor.audits,
            "audits_with_issues": 0 if auditor is None else auditor.with_issues,
            "order_lists_read": 0 if auditor is None else auditor.lists_read,
            "cancels_resent": 0 if auditor is None else auditor.cancels_resent,
            "audit": None if auditor is None else auditor.last,
            "sync_score": 1.0 if health is None else health.score(now),
            "sync_state": None if health is None else health.state.value,
            "times_degraded": 0 if health is None else health.times_degraded,
            "times_unsynced": 0 if health is None else health.times_unsynced,
        }

    def deadline(self) -> Ns | None:
        """When there is something to do even if nothing happens."""
        earliest: Ns | None = None
        for part in (self.orphans, self.reconciler, self.auditor, self.health):
            deadline = None if part is None else part.deadline()
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest
