"""The venue's list of our open orders, against those that we know (C-14). Whoever asked for it hands it on to here.

The list is complete: what it does not show is gone, or was not there yet when it was made. So an order that is missing
is asked about and never taken for gone; one that is there and not known goes to the orphan tracker.
"""

from collections.abc import Mapping

from domain.events import OpenOrder, OpenOrdersReport, OrderStatus, OrderUpdate
from domain.orders import TERMINAL, Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Cloid, InstrumentId, Ns, Oid
from orchestrator.desk.desk import Desk
from orchestrator.sync.orphans import OrphanTracker
from orchestrator.sync.statements import LastHeard

_MAY_BE_GONE = TERMINAL | {OrderState.CANCEL_CONFIRMED}
"""States of an order that no list needs to show."""


class OpenOrdersList:
    """Compares each list with every desk."""

    def __init__(self, desks: Mapping[InstrumentId, Desk], orphans: OrphanTracker | None) -> None:
        """No list yet; ``orphans``: who is told of unknown orders."""
        self.heard = LastHeard()
        """The newest list."""
        self._desks = desks
        self._orphans = orphans
        self._missing: dict[Cloid, TrackedOrder] = {}

    def take(self, report: OpenOrdersReport, asked_at: Ns, now: Ns, margin: Ns = Ns(0)) -> None:
        """Compare; what happened to an order less than ``margin`` before the list was made, it need not show."""
        self.heard.note(report.as_of, now)
        listed: set[Oid] = set()
        made_at = self._made_at(report, asked_at)
        for name, desk in self._desks.items():
            self._compare(name, desk, report, Ns(made_at - margin), listed, now)
        if self._orphans is not None:
            self._orphans.on_list(listed, made_at)

    def _made_at(self, report: OpenOrdersReport, asked_at: Ns) -> Ns:
        """Up to when, on our clock, the list certainly knows everything: a server may lag behind."""
        for desk in self._desks.values():
            clock = desk.market.clock
            if clock is not None:
                return min(asked_at, Ns(report.as_of - clock.offset))
        return asked_at

    def _compare(
        self, name: InstrumentId, desk: Desk, report: OpenOrdersReport, until: Ns, listed: set[Oid], now: Ns
    ) -> None:
        """``until``: what we did and heard up to then the list knows."""
        for entry in report.orders:
            if entry.instrument != name:
                continue
            listed.add(entry.oid)
            order = desk.tracker.find(entry.cloid, entry.oid)
            if order is not None and order.is_resting and order.oid == entry.oid and _is_known(order):
                continue
            is_answer = order is None or _last_event(order) < until
            if not desk.on_update(_as_update(entry, report.as_of, now), now, is_answer=is_answer) and self._orphans:
                self._orphans.see(entry, now, is_ours=order is not None)
        for order in desk.tracker.orders.values():
            is_quiet = order.in_flight is InFlight.NONE and order.state not in _MAY_BE_GONE and _is_known(order)
            if is_quiet and order.oid not in listed and _last_event(order) < until:
                desk.tracker.mark_unknown(order)
                self._missing[order.cloid] = order

    # --- what became of those that were missing -------------------------------------------------

    @property
    def missing(self) -> int:
        """Orders that a list did not show, and whose fate is still not known."""
        return len(self._missing)

    def take_ended(self) -> int:
        """Forget those whose fate is known by now; returns how many of them had indeed ended."""
        settled = [order for order in self._missing.values() if order.is_terminal or _is_known(order)]
        for order in settled:
            del self._missing[order.cloid]
        return sum(order.is_terminal for order in settled)


def _is_known(order: TrackedOrder) -> bool:
    return order.certainty is Certainty.KNOWN


def _last_event(order: TrackedOrder) -> Ns:
    """When we last did or heard something about an order."""
    return max(order.state_changed_at, order.cancel_sent_at or Ns(0))


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
