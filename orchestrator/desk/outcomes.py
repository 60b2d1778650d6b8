"""What became of the requests of a desk: answers, silence, what never left (the desk's Owner).

Knows nothing of targets and cycles: it tells the tracker what is so, and the accumulator where to look again.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from domain.commands import Alert, AnyAction, Cancel, Modify, Place, Severity
from domain.events import (
    PAYLOAD_REASONS,
    SAYS_NOTHING_OF_ORDERS,
    AnyResult,
    Executed,
    NotSent,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Resting,
    Result,
)
from domain.orders import InFlight, TrackedOrder
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, Side, Tif
from orchestrator.budget.futile import FutileRetries
from orchestrator.budget.rejection import RejectionRateLimiter, speaks_against
from orchestrator.connectivity.requests import Pending
from orchestrator.desk.accumulator import EventAccumulator
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.risk.recovery import RecoveryManager

OF_THE_FORM = frozenset((Reason.OFF_TICK, Reason.MIN_NOTIONAL, Reason.INVALID_PRICE, Reason.INVALID_SIZE))
"""Refusals that follow from an instrument's terms, and never come where those are what we take them for."""
HEARD_KEPT = 256
"""Refusals whose answer is still to come; the oldest is forgotten first, since some answers never come (S27)."""


class Outcomes:
    """Takes in what came of every action of a desk."""

    def __init__(
        self,
        instrument: InstrumentId,
        tracker: OrderTracker,
        accumulator: EventAccumulator,
        rejections: RejectionRateLimiter | None,
        alert: Callable[[Alert], None],
        recovery: RecoveryManager | None = None,
        futile: FutileRetries | None = None,
    ) -> None:
        """Nothing is under way yet; ``futile`` remembers exactly which orders were refused."""
        self.is_gated = True
        """Whether nothing should rest: then every answer is a reason to look again."""
        self.has_news = False
        """Whether an answer came since this was last set back."""
        self.holds_back = False
        """Whether something that was wanted did not go, because something else was in the way."""
        self.refusals: dict[str, int] = {}
        """What the venue refused, by its reason."""
        self.on_wrong_form: Callable[[Ns], None] | None = None
        """Told of refusals of orders for their form, which should not be: the venue's terms may have changed."""
        self._instrument = instrument
        self._tracker = tracker
        self._accumulator = accumulator
        self._rejections = rejections
        self._recovery = recovery
        self._futile = futile
        self._alert = alert
        self._heard: OrderedDict[Cloid, None] = OrderedDict()
        """Refused placements whose news counted against their side, and whose answer may still come."""
        self._heard_of: dict[Side, Ns] = {}
        """The venue's time of the latest such news of each side."""

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """One result per action; a single refusal of the payload is meant for all of them."""
        actions, results = pending.request.actions, event.results
        self.has_news = True
        match results:
            case (Refused(reason=reason),) if reason in SAYS_NOTHING_OF_ORDERS:
                self.refusals[reason] = self.refusals.get(reason, 0) + 1
                self.on_silence(pending, now)
                return
            case (Refused(reason=reason),) if reason in PAYLOAD_REASONS:
                results *= len(actions)
        for index, action in enumerate(actions):
            if index < len(results):
                self._on_result(action, results[index], now)
            else:
                self._on_silence(action, now)
        if not isinstance(actions[0], Cancel):
            self._judge(actions, results, now)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Nothing left: as if the actions had never been decided."""
        del event
        tracker = self._tracker
        for action in pending.request.actions:
            match action:
                case Place(cloid=cloid, side=side):
                    tracker.on_place_not_sent(cloid, now)
                    self._accumulator.on_side_event(side, now)
                case Cancel(cloid=cloid, oid=oid) | Modify(cloid=cloid, oid=oid):
                    order = tracker.find(cloid, oid)
                    if order is None:
                        continue
                    if isinstance(action, Cancel):
                        tracker.on_cancel_not_sent(order, now)
                    else:
                        tracker.on_modify_not_sent(order, action.place.cloid, now)
                    self._accumulator.on_side_event(order.side, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Every action of the request may have happened or not."""
        for action in pending.request.actions:
            self._on_silence(action, now)

    def retry_held_back(self, now: Ns) -> None:
        """What was in the way may be gone: look at both sides again, if anything was held back."""
        if self.holds_back:
            self.holds_back = False
            for side in Side:
                self._accumulator.on_side_event(side, now)

    def _on_result(self, action: AnyAction, result: Result, now: Ns) -> None:
        tracker = self._tracker
        if isinstance(result, Refused):
            self.refusals[result.reason] = self.refusals.get(result.reason, 0) + 1
            if result.reason in OF_THE_FORM and self.on_wrong_form is not None:
                self.on_wrong_form(now)
        match action:
            case Place(cloid=cloid, side=side):
                tracker.on_place_result(cloid, result, now)
                if self.is_gated or isinstance(result, Refused):
                    self._accumulator.on_side_event(side, now)
            case Cancel(cloid=cloid, oid=oid):
                order = tracker.find(cloid, oid)
                if order is not None:
                    tracker.on_cancel_result(order, result, now)
                    self.retry_held_back(now)
                    if self.is_gated and isinstance(result, Refused):
                        self._accumulator.on_side_event(order.side, now)
            case Modify(cloid=cloid, oid=oid):
                order = tracker.find(cloid, oid)
                if order is not None:
                    tracker.on_modify_result(order, action.place.cloid, result, now)
                    if self.is_gated or isinstance(result, Refused):
                        self._accumulator.on_side_event(order.side, now)

    def _judge(self, actions: Sequence[AnyAction], results: Sequence[AnyResult], now: Ns) -> None:
        """What an answer says of each side, once however many orders it is about (RC-10).

        What takes says nothing of the quotes of its side.
        """
        accepted: set[Side] = set()
        heard: set[Side] = set()
        refused: dict[Side, Refused] = {}
        for action, result in zip(actions, results, strict=False):
            place = action.place if isinstance(action, Modify) else action
            if not isinstance(place, Place) or place.tif is Tif.IOC:
                continue
            if self._futile is not None:
                self._remember(self._futile, place, result, now)
            if place.cloid in self._heard:
                del self._heard[place.cloid]
                heard.add(place.side)
            if isinstance(result, Refused):
                refused.setdefault(place.side, result)
            elif isinstance(result, Resting | Executed):
                accepted.add(place.side)
        for side in Side:
            if side in accepted:
                self._on_accepted(side, now)
            elif side in refused and side not in heard:
                self._on_refused(side, refused[side], now)
        if self._recovery is not None:
            self._judge_reducing(self._recovery, actions, results, now)

    def on_rejected(self, event: OrderUpdate, order: TrackedOrder, now: Ns) -> None:
        """The news of a refusal may come before the answer, and the next cycle with it: then it counts, the answer not.

        Once for each side of a block, as an answer does; of what was overtaken by a later block the answer counts.
        """
        if event.reason is None or order.tif is Tif.IOC:
            return
        refused = Refused(event.reason, event.reason)
        if self._futile is not None:
            place = Place(order.instrument, order.cloid, order.side, order.px, order.sz, order.tif, order.reduce_only)
            self._futile.on_refused(place, refused, now)
        counted = self._heard_of.get(event.side, -1)
        if order.is_terminal or order.in_flight is InFlight.NONE or event.exch_time < counted:
            return  # it is told again, or the answer was here before, or only the answer can count it now
        self._heard[order.cloid] = None
        if len(self._heard) > HEARD_KEPT:
            self._heard.popitem(last=False)
        if event.exch_time > counted:
            self._heard_of[event.side] = event.exch_time
            self._on_refused(event.side, refused, now)

    def _remember(self, futile: FutileRetries, place: Place, result: AnyResult, now: Ns) -> None:
        if isinstance(result, Refused):
            futile.on_refused(place, result, now)
        elif isinstance(result, Resting | Executed):
            futile.on_accepted(place)

    def _on_accepted(self, side: Side, now: Ns) -> None:
        if self._rejections is not None:
            self._rejections.record_success(side, now)

    def _on_refused(self, side: Side, refused: Refused, now: Ns) -> None:
        rejections = self._rejections
        wait = Ns(0) if rejections is None else rejections.record_rejection(side, refused, now)
        if rejections is not None and wait:
            why = f"{rejections.sides[side].consecutive} refusals in a row, the last: {refused.text}"
            text = f"{self._instrument} {side.name} waits {wait / NS_PER_S:g} s: {why}"
            self._alert(Alert(Severity.WARNING, "side_waits", text))

    def _judge_reducing(
        self, recovery: RecoveryManager, actions: Sequence[AnyAction], results: Sequence[AnyResult], now: Ns
    ) -> None:
        """Whether a position can still be reduced by orders that rest (RS-13)."""
        why = None
        for action, result in zip(actions, results, strict=False):
            place = action.place if isinstance(action, Modify) else action
            if not isinstance(place, Place) or not place.reduce_only or place.tif is Tif.IOC:
                continue
            if isinstance(result, Resting | Executed):
                recovery.record_success()
                return
            if isinstance(result, Refused) and speaks_against(result):
                why = result.text
        if why is not None:
            recovery.record_rejection(why, now)

    def _on_silence(self, action: AnyAction, now: Ns) -> None:
        tracker = self._tracker
        match action:
            case Place(cloid=cloid, side=side):
                tracker.on_place_silence(cloid)
                self._accumulator.on_side_event(side, now)
            case Cancel(cloid=cloid, oid=oid) | Modify(cloid=cloid, oid=oid):
                order = tracker.find(cloid, oid)
                if order is None:
                    return
                if isinstance(action, Cancel):
                    tracker.on_cancel_silence(order)
                else:
                    tracker.on_modify_silence(order, action.place.cloid)
