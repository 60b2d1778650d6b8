"""Requests in flight: ids, routes, deadlines, and what becomes of each.

A request ends as answered, as certainly not sent, or as silence until our deadline, which means
UNKNOWN. An answer that comes after its deadline is still used.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Protocol

from domain.commands import TRADING, AnyAction, AnyCommand, Cancel, Request, Route
from domain.events import AnyResult, NotSent, Replied
from domain.units import Ns, RequestId, millis
from orchestrator.connectivity.feeds import FeedMachine, RequestsConfig

MAX_OVERDUE = 1_000
"""Silent requests kept for a late answer."""
SAMPLES = 256
FEW_SAMPLES = 20


class Owner(Protocol):
    """Who asked, and wants to hear what became of it."""

    def on_reply(self, pending: "Pending", event: Replied, now: Ns) -> None:
        """Take in the answer (perhaps after ``on_silence``)."""
        ...

    def on_not_sent(self, pending: "Pending", event: NotSent, now: Ns) -> None:
        """Nothing happened at the venue."""
        ...

    def on_silence(self, pending: "Pending", now: Ns) -> None:
        """The deadline passed or the connection was lost: anything may have happened."""
        ...


@dataclass(slots=True)
class Pending:
    """A request without an answer yet."""

    request: Request
    owner: Owner
    sent_at: Ns
    deadline: Ns
    is_overdue: bool = False


def first_result(event: Replied) -> AnyResult | None:
    """The answer to a query; None where the reply holds none, which proves nothing."""
    return event.results[0] if event.results else None


class RequestLedger:
    """The one way out for requests."""

    def __init__(self, config: RequestsConfig, user_feed: FeedMachine) -> None:
        """``user_feed`` carries the SOCKET route."""
        self.config = config
        self._user_feed = user_feed
        self._next_id = 1
        self._open: dict[RequestId, Pending] = {}
        self._overdue: OrderedDict[RequestId, Pending] = OrderedDict()
        self._latencies: deque[Ns] = deque(maxlen=SAMPLES)
        self._timeout = millis(config.timeout_ms)
        self._distrust_until = Ns(0)
        self.outbox: list[AnyCommand] = []
        self.n_sent = 0
        self.n_actions = 0
        self.n_replied = 0
        self.n_late = 0
        self.n_silent = 0
        self.n_not_sent = 0

    @property
    def timeout(self) -> Ns:
        """Deadline that a request sent now would get."""
        return self._timeout

    @property
    def in_flight(self) -> int:
        """Requests without an answer whose deadline has not passed."""
        return len(self._open)

    def send(self, actions: tuple[AnyAction, ...], owner: Owner, now: Ns) -> Pending:
        """Queue a request on the socket where it is live and answers, else on REST.

        Placements and modifies expire with our patience, so that an unknown one cannot land later;
        cancels never do.
        """
        trusts_socket = self._user_feed.is_live and now >= self._distrust_until
        route = Route.SOCKET if trusts_socket else Route.REST
        expires = isinstance(actions[0], TRADING) and not isinstance(actions[0], Cancel)
        request = Request(
            RequestId(self._next_id),
            route,
            self._user_feed.epoch,
            self._timeout if expires else None,
            actions,
        )
        self._next_id += 1
        pending = Pending(request, owner, now, Ns(now + self._timeout))
        self._open[request.request_id] = pending
        self.outbox.append(request)
        self.n_sent += 1
        self.n_actions += len(actions)
        return pending

    # --- events ---------------------------------------------------------------------------------

    def on_replied(self, event: Replied, now: Ns) -> None:
        """Hand the answer to whoever asked; an unknown id is counted by the core."""
        pending = self._take(event.request_id)
        if pending is None:
            return
        self.n_replied += 1
        self.n_late += pending.is_overdue
        self._measure(Ns(event.recv_time - pending.sent_at))
        pending.owner.on_reply(pending, event, now)

    def on_not_sent(self, event: NotSent, now: Ns) -> None:
        """Certainly nothing happened."""
        pending = self._take(event.request_id)
        if pending is not None:
            self.n_not_sent += 1
            pending.owner.on_not_sent(pending, event, now)

    def on_user_feed_down(self, now: Ns) -> None:
        """Answers of the socket are lost with it: do not wait for their deadlines."""
        for pending in [p for p in self._open.values() if p.request.route is Route.SOCKET]:
            self._silence(pending, now)

    def expire(self, now: Ns) -> None:
        """Declare silent what is past its deadline."""
        if self._open:
            for pending in [p for p in self._open.values() if p.deadline <= now]:
                self._silence(pending, now)

    def deadline(self) -> Ns | None:
        """Earliest deadline; the time-out adapts, so the oldest request need not be the first."""
        return min(p.deadline for p in self._open.values()) if self._open else None

    # --- inside ---------------------------------------------------------------------------------

    def _take(self, request_id: RequestId) -> Pending | None:
        return self._open.pop(request_id, None) or self._overdue.pop(request_id, None)

    def _silence(self, pending: Pending, now: Ns) -> None:
        request_id = pending.request.request_id
        del self._open[request_id]
        pending.is_overdue = True
        self._overdue[request_id] = pending
        if len(self._overdue) > MAX_OVERDUE:
            self._overdue.popitem(last=False)
        self.n_silent += 1
        if pending.request.route is Route.SOCKET:
            self._distrust_until = Ns(now + millis(self.config.distrust_ms))
        pending.owner.on_silence(pending, now)

    def _measure(self, latency: Ns) -> None:
        self._latencies.append(latency)
        if self.n_replied % FEW_SAMPLES == 0:
            ordered = sorted(self._latencies)
            p99 = ordered[(len(ordered) * 99) // 100]
            config = self.config
            measured = millis(config.timeout_min_ms), Ns(round(config.timeout_p99_factor * p99))
            self._timeout = max(measured)
