"""Orders of this account that rest at the venue and that we do not know (RS-20, RS-25).

Whoever sees one tells of it here. Messages overtake each other, so it is given some time to turn out to be known;
then it is cancelled, again and again until the venue says that it is gone.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, Cancel, Severity
from domain.events import Cancelled, NotSent, OpenOrder, OrderUpdate, Reason, Refused, Replied, Result
from domain.units import InstrumentId, Ns, Oid, millis, seconds
from orchestrator.connectivity.requests import Pending, RequestLedger
from orchestrator.desk.desk import Desk

BATCH = 40
"""Most orders in one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanConfig:
    """How long an unknown order may turn out to be known, and how often its cancel is tried."""

    grace_s: Annotated[float, Interval(ge=0, le=1e6)] = 5.0
    """So long after it was first seen, in seconds, an order that we do not know is cancelled. One that we took for
    gone ourselves is cancelled at once."""
    retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 1_000.0
    """Wait before a cancel that failed or was not answered is sent again, in ms; doubled with each try."""
    retry_max_ms: Annotated[float, Interval(gt=0, le=1e9)] = 30_000.0
    """No wait is longer than this, in ms."""


@dataclass(slots=True)
class _Suspect:
    order: OpenOrder | OrderUpdate
    seen_at: Ns
    cancel_at: Ns
    tries: int = 0
    is_waiting: bool = False


class OrphanTracker:
    """Every order that was seen and is not known."""

    def __init__(
        self,
        config: OrphanConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        alert: Callable[[Alert], None],
    ) -> None:
        """Nobody is suspected."""
        self.config = config
        self.cancelled = 0
        """Orders whose grace was over and whose cancel was sent; each counts once."""
        self.cleared = 0
        """Those that turned out to be known, or to be gone, in time."""
        self._ledger = ledger
        self._desks = desks
        self._alert = alert
        self._suspects: dict[Oid, _Suspect] = {}

    @property
    def overdue(self) -> int:
        """How many are beyond their grace, and not known to be gone."""
        return sum(suspect.tries > 0 for suspect in self._suspects.values())

    # --- sightings ------------------------------------------------------------------------------

    def see(self, order: OpenOrder | OrderUpdate, now: Ns, *, is_ours: bool = False) -> None:
        """An order that we do not know rests; ``is_ours``: we knew it, and took it for gone."""
        if order.oid not in self._suspects:
            grace = Ns(0) if is_ours else seconds(self.config.grace_s)
            self._suspects[order.oid] = _Suspect(order, now, Ns(now + grace))

    def forget(self, oid: Oid) -> None:
        """The venue says that it has ended."""
        self._clear(oid)

    def on_list(self, listed: AbstractSet[Oid], as_of: Ns) -> None:
        """A complete list as of a moment: who was seen before it and is not on it is gone."""
        for oid in [o for o, suspect in self._suspects.items() if o not in listed and suspect.seen_at < as_of]:
            self._clear(oid)

    def _clear(self, oid: Oid) -> None:
        suspect = self._suspects.pop(oid, None)
        if suspect is not None:
            self.cleared += suspect.tries == 0

    # --- decisions ------------------------------------------------------------------------------

    def deadline(self) -> Ns | None:
        """When the next cancel is due."""
        if not self._suspects:
            return None
        return min((s.cancel_at for s in self._suspects.values() if not s.is_waiting), default=None)

    def decide(self, now: Ns) -> None:
        """Cancel whoever's grace is over and is still not known."""
        if not self._suspects:
            return
        due = [oid for oid, suspect in self._suspects.items() if not suspect.is_waiting and suspect.cancel_at <= now]
        for oid in [oid for oid in due if self._is_known(self._suspects[oid])]:
            self._clear(oid)
            due.remove(oid)
        for start in range(0, len(due), BATCH):
            batch = due[start : start + BATCH]
            for oid in batch:
                self._begin_cancel(self._suspects[oid], now)
            cancels = tuple(Cancel(self._suspects[oid].order.instrument, None, oid) for oid in batch)
            self._ledger.send(cancels, self, now)

    def _is_known(self, suspect: _Suspect) -> bool:
        order = self._desks[suspect.order.instrument].tracker.find(suspect.order.cloid, suspect.order.oid)
        return order is not None and not order.is_terminal

    def _begin_cancel(self, suspect: _Suspect, now: Ns) -> None:
        if not suspect.tries:
            self.cancelled += 1
            order = suspect.order
            instrument = self._desks[order.instrument].instrument
            size, price = instrument.format_size(order.remaining), instrument.format_price(order.px)
            text = f"{order.instrument} {order.side.name} {size} at {price} oid={order.oid}"
            self._alert(Alert(Severity.WARNING, "orphan_order", text))
        delay = min(self.config.retry_ms * 2 ** min(suspect.tries, 10), self.config.retry_max_ms)
        suspect.tries += 1
        suspect.cancel_at = Ns(now + millis(delay))
        suspect.is_waiting = True

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """Gone where the venue says so; of the others the cancel is due again."""
        results = event.results
        for index, action in enumerate(pending.request.actions):
            if not isinstance(action, Cancel) or action.oid is None:
                continue
            if index < len(results) and _is_gone(results[index]):
                self._suspects.pop(action.oid, None)
            else:
                self._try_again(action.oid)
        del now

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """They rest on."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """They may rest on; a cancel is safe to repeat."""
        del now
        for action in pending.request.actions:
            if isinstance(action, Cancel) and action.oid is not None:
                self._try_again(action.oid)

    def _try_again(self, oid: Oid) -> None:
        suspect = self._suspects.get(oid)
        if suspect is not None:
            suspect.is_waiting = False


def _is_gone(result: Result) -> bool:
    return isinstance(result, Cancelled) or (isinstance(result, Refused) and result.reason is Reason.NOT_OPEN)
