"""What became of the requests of a desk: answers, silence, what never left (the desk's Owner).

Knows nothing of targets and cycles: it tells the tracker what is so, and the accumulator where to look again.
"""

from collections.abc import Callable, Sequence

from domain.commands import Alert, AnyAction, Cancel, Modify, Place, Severity
from domain.events import PAYLOAD_REASONS, AnyResult, Executed, NotSent, Refused, Replied, Resting, Result
from domain.units import NS_PER_S, InstrumentId, Ns, Side
from orchestrator.budget.rejection import RejectionRateLimiter
from orchestrator.connectivity.requests import Pending
from orchestrator.desk.accumulator import EventAccumulator
from orchestrator.desk.order_tracker import OrderTracker


class Outcomes:
    """Takes in what came of every action of a desk."""

    def __init__(
        self,
        instrument: InstrumentId,
        tracker: OrderTracker,
        accumulator: EventAccumulator,
        rejections: RejectionRateLimiter | None,
        alert: Callable[[Alert], None],
    ) -> None:
        """Nothing is under way yet."""
        self.is_gated = True
        """Whether nothing should rest: then every answer is a reason to look again."""
        self.has_news = False
        """Whether an answer came since this was last set back."""
        self.holds_back = False
        """Whether something that was wanted did not go, because something else was in the way."""
        self.refusals: dict[str, int] = {}
        """What the venue refused, by its reason."""
        self._instrument = instrument
        self._tracker = tracker
        self._accumulator = accumulator
        self._rejections = rejections
        self._alert = alert

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """One result per action; a single refusal of the payload is meant for all of them."""
        actions, results = pending.request.actions, event.results
        self.has_news = True
        match results:
            case (Refused(reason=reason),) if reason in PAYLOAD_REASONS:
                results *= len(actions)
        for index, action in enumerate(actions):
            if index < len(results):
                self._on_result(action, results[index], now)
            else:
                self._on_silence(action, now)
        if self._rejections is not None and not isinstance(actions[0], Cancel):
            self._judge(self._rejections, actions, results, now)

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

    def _judge(
        self, rejections: RejectionRateLimiter, actions: Sequence[AnyAction], results: Sequence[AnyResult], now: Ns
    ) -> None:
        """What an answer says of each side, once however many orders it is about (RC-10)."""
        accepted: set[Side] = set()
        refused: dict[Side, Refused] = {}
        for action, result in zip(actions, results, strict=False):
            place = action.place if isinstance(action, Modify) else action
            if not isinstance(place, Place):
                continue
            if isinstance(result, Refused):
                refused.setdefault(place.side, result)
            elif isinstance(result, Resting | Executed):
                accepted.add(place.side)
        for side in Side:
            if side in accepted:
                rejections.record_success(side)
            elif side in refused:
                wait = rejections.record_rejection(side, refused[side], now)
                if wait:
                    why = f"{rejections.sides[side].consecutive} refusals in a row, the last: {refused[side].text}"
                    text = f"{self._instrument} {side.name} waits {wait / NS_PER_S:g} s: {why}"
                    self._alert(Alert(Severity.WARNING, "side_waits", text))

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
