"""What a trader sends and what becomes of it: orders by their ends, refusals, races, requests."""

from collections import Counter, OrderedDict
from dataclasses import replace
from typing import Protocol

from domain.commands import AnyCommand, Cancel, Modify, Place, Request
from domain.events import NotSent, OrderStatus, Refused, Replied
from domain.units import Cloid, Ns, RequestId
from runtime.own_orders import spread
from scenarios.figures import OrderCounts
from scenarios.memory import keep

KEPT = 20_000


class EndedOrder(Protocol):
    """The venue's record of an order of ours at its end."""

    cloid: Cloid | None
    placed_at: Ns
    updated_at: Ns
    status: OrderStatus | None


class Traffic:
    """Counters of one trader, over all its lives."""

    def __init__(self) -> None:
        """Nothing was sent."""
        self.counts = OrderCounts()
        self.requests = self.actions = self.fills = 0
        self.races = self.race_fills = 0
        """Orders that traded while a cancel or modify of ours was under way, and their fills."""
        self._rejections: Counter[str] = Counter()
        self._open_requests: OrderedDict[RequestId, Request] = OrderedDict()
        self._leaving: OrderedDict[Cloid, None] = OrderedDict()
        """Orders with a cancel or modify of ours under way: blocks come in time, so what fills one comes after it."""
        self._replaced: OrderedDict[Cloid, None] = OrderedDict()
        self._raced: OrderedDict[Cloid, None] = OrderedDict()

    def on_sent(self, command: AnyCommand) -> None:
        """A command leaves the trader."""
        if not isinstance(command, Request):
            return
        self.requests += 1
        self.actions += len(command.actions)
        keep(self._open_requests, command.request_id, command, KEPT)
        counts = self.counts
        for action in command.actions:
            if isinstance(action, Place):
                counts.placed += 1
            elif isinstance(action, Modify):
                counts.modified += 1
                keep(self._replaced, action.cloid, None, KEPT)
                keep(self._leaving, action.cloid, None, KEPT)
            elif isinstance(action, Cancel):
                counts.cancelled += 1
                if action.cloid is not None:
                    keep(self._leaving, action.cloid, None, KEPT)

    def on_reply(self, event: Replied) -> None:
        """An answer reaches the trader."""
        request = self._forget(event.request_id)
        if request is None:
            return
        results = spread(event.results, len(request.actions))
        for action, result in zip(request.actions, results, strict=False):
            if not isinstance(result, Refused):
                continue
            if isinstance(action, Place | Modify):
                self.counts.rejected += 1
                self._rejections[str(result.reason)] += 1
                if isinstance(action, Modify):
                    self.counts.modifies_refused += 1
                    self._replaced.pop(action.cloid, None)
            elif isinstance(action, Cancel):
                self.counts.cancels_refused += 1

    def on_not_sent(self, event: NotSent) -> None:
        """A request never left."""
        self._forget(event.request_id)

    def on_fill(self, cloid: Cloid | None) -> None:
        """An order of ours traded at the venue."""
        self.fills += 1
        if cloid is None or cloid not in self._leaving:
            return
        self.race_fills += 1
        if cloid not in self._raced:
            self.races += 1
            keep(self._raced, cloid, None, KEPT)

    def on_end(self, order: EndedOrder) -> str:
        """An order ended at the venue, and its fills were looked at; how it ended, in a word."""
        cloid = order.cloid
        if order.status is not OrderStatus.CANCELED:
            outcome = str(order.status)
            self.counts.ended_filled += order.status is OrderStatus.FILLED
        elif cloid in self._replaced:
            outcome = "modified"
            self.counts.ended_modified += 1
        else:
            outcome = "cancelled"
            self.counts.ended_cancelled += 1
        if cloid is not None:
            self._leaving.pop(cloid, None)
        return outcome

    def figures(self) -> OrderCounts:
        """All counts so far, with the refusals by their reasons."""
        counts = self.counts
        ended = counts.ended_modified + counts.ended_cancelled + counts.ended_filled
        unended = counts.placed + counts.modified - counts.rejected - ended
        reasons = dict(sorted(self._rejections.items()))
        return replace(counts, rejected_by_reason=reasons, unended=max(unended, 0))  # the owner's own orders end, too

    def _forget(self, request_id: RequestId) -> Request | None:
        request = self._open_requests.pop(request_id, None)
        for action in request.actions if request is not None else ():
            if isinstance(action, Cancel | Modify) and action.cloid is not None:
                self._leaving.pop(action.cloid, None)
        return request
