"""What may rest although nothing should: it is cancelled, and again, until the venue has said what became of it.

Asked only while a gate is closed. What is known to rest a plan without targets withdraws. Here are those of which
nobody knows: orders of unknown fate, placements without an answer, and what a modify without one was to replace.
"""

from domain.orders import RESTING, Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Ns, Tif, seconds
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.desk.order_tracker import MAX_IN_VAIN, OrderTracker, is_cancel_futile

PATIENCE = seconds(3)
"""A placement without an answer for so long is cancelled by its client id (S20); so is what a modify without one was to
replace."""
FINAL_GATES = frozenset(("stopping", "kill"))
"""Gates of the account that do not open again by themselves: nothing in flight is waited for."""
CANCELLABLE = RESTING | {OrderState.PENDING_NEW, OrderState.CANCEL_PENDING}


class Leftovers:
    """Those of one desk."""

    def __init__(self, tracker: OrderTracker, ledger: RequestLedger) -> None:
        """Nothing was waited for."""
        self._tracker = tracker
        self._ledger = ledger
        self._waited_until = Ns(-1)

    def is_due(self, gate: str | None, now: Ns) -> bool:
        """Whether one of them has been waited for long enough; said once."""
        at = self.due_at(gate)
        if at is None or now < at:
            return False
        self._waited_until = now
        return True

    def due_at(self, gate: str | None) -> Ns | None:
        """When the next of them has been waited for long enough; None while anything may rest."""
        if gate is None:
            return None
        times = [Ns(_asked_at(order) + PATIENCE) for order in self._in_flight(gate)]
        return min([time for time in times if time > self._waited_until], default=None)

    def to_cancel(self, gate: str, now: Ns) -> list[TrackedOrder]:
        """All of them that are cancelled now."""
        return [*self._doubtful(now), *self._unanswered(gate, now)]

    def _doubtful(self, now: Ns) -> list[TrackedOrder]:
        """Orders of unknown fate, cancelled again at our patience's pace.

        A cancel that finds nothing is followed by ever later ones, and after three by less than one a minute (S25):
        what became of the order tells the question about it.
        """
        return [
            order
            for order in self._tracker.orders.values()
            if order.certainty is Certainty.UNKNOWN
            and order.in_flight is InFlight.NONE
            and order.state in CANCELLABLE
            and (order.cancel_sent_at is None or _missed(order) or now - order.cancel_sent_at >= self._pause(order))
            and not is_cancel_futile(order, now)
        ]

    def _pause(self, order: TrackedOrder) -> Ns:
        """From a cancel of an order of unknown fate to the next one."""
        return Ns(self._ledger.timeout << min(order.cancels_in_vain, MAX_IN_VAIN))

    def _unanswered(self, gate: str, now: Ns) -> list[TrackedOrder]:
        """Placements and modifies that are not waited for any more; at the end, none is."""
        patience = 0 if gate in FINAL_GATES else PATIENCE
        return [order for order in self._in_flight(gate) if now - _asked_at(order) >= patience]

    def _in_flight(self, gate: str) -> list[TrackedOrder]:
        """Placements without an answer that may come to rest, and what a modify without one may have left at rest."""
        return [
            order
            for order in self._tracker.orders.values()
            if (order.is_resting and order.in_flight is InFlight.MODIFY)
            or (
                order.state is OrderState.PENDING_NEW
                and order.in_flight is InFlight.PLACE
                and (order.tif is not Tif.IOC or gate in FINAL_GATES)
            )
        ]


def _asked_at(order: TrackedOrder) -> Ns:
    """When the placement of an order, or the modify that is under way, left."""
    at = order.cancel_sent_at if order.in_flight is InFlight.MODIFY else None
    return order.placed_at if at is None else at


def _missed(order: TrackedOrder) -> bool:
    """Whether the last cancel may have overtaken the placement, which has arrived since."""
    return order.is_cancel_blind and order.oid is not None
