"""Requests in flight: ids, routes, deadlines, and what becomes of each.

A request ends as answered, as certainly not sent, or as silence until our deadline, which means
UNKNOWN. An answer that comes after its deadline is still used.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from annotated_types import Interval

from domain.commands import TRADING, Alert, AnyAction, AnyCommand, Cancel, Place, Request, Route
from domain.events import AnyResult, Fill, FillsReport, NotSent, Reason, Replied
from domain.units import Cloid, InstrumentId, Ns, Px, RequestId, Side, Sz, Tif, millis
from orchestrator.budget.pacer import Draft, PacingConfig
from orchestrator.budget.proactive import BudgetGate, ProactiveRateTracker
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.routes import Routes, RoutesConfig

MAX_OVERDUE = 1_000
"""Silent requests kept for a late answer."""
HELD_BACK = millis(100)
"""What no way is left for is told so after this: whoever asked tries again at its own pace."""
ASK_AGAIN = millis(100)
"""Whoever waits for the gate of the budget asks no sooner: what was held back may have been the second of two."""
SAMPLES = 256
FEW_SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsConfig:
    """Which way requests take, and how long a reply may take."""

    routes: RoutesConfig = field(default_factory=RoutesConfig)

    timeout_ms: Annotated[float, Interval(gt=0, le=1e9)] = 3_000.0
    """Until enough replies were measured."""
    timeout_min_ms: Annotated[float, Interval(gt=0, le=1e9)] = 500.0
    """The time-out never falls below this, in ms, however fast replies are."""
    timeout_max_ms: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """Nor does it rise above this, in ms, however slow they are; it wins over the other two bounds."""
    timeout_p99_factor: Annotated[float, Interval(ge=1, le=1e6)] = 3.0
    """Time-out = factor x measured p99, kept within timeout_min_ms and timeout_max_ms."""


PLACEMENT: tuple[AnyAction, ...] = (Place(InstrumentId(""), Cloid(""), Side.BUY, Px(1), Sz(1), Tif.ALO),)
"""Stands for any placement where the question is which way it would take."""


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
    is_held: bool = False
    """No way was left for it, so it was not sent."""


def first_result(event: Replied) -> AnyResult | None:
    """The answer to a query; None where the reply holds none, which proves nothing."""
    return event.results[0] if event.results else None


def fills_told(event: Replied) -> tuple[Fill, ...]:
    """The fills that an answer lists, if it is one to a query for fills."""
    result = first_result(event)
    return result.fills if isinstance(result, FillsReport) else ()


class RequestLedger:
    """The one way out for requests."""

    def __init__(
        self,
        config: RequestsConfig,
        user_feed: FeedMachine,
        budget: ProactiveRateTracker | None = None,
        alert: Callable[[Alert], None] | None = None,
    ) -> None:
        """``user_feed`` carries the SOCKET route; ``budget`` counts what is sent, without one nothing is limited."""
        self.config = config
        self.routes = Routes(config.routes, user_feed, alert)
        self._budget = budget
        self._user_feed = user_feed
        self._next_id = 1
        self._open: dict[RequestId, Pending] = {}
        self._overdue: OrderedDict[RequestId, Pending] = OrderedDict()
        self._latencies: deque[Ns] = deque(maxlen=SAMPLES)
        self._timeout = min(millis(config.timeout_ms), millis(config.timeout_max_ms))
        self.outbox: list[AnyCommand] = []
        self.is_barred = False
        """Whether desks should send nothing that is signed: the venue does not take our signature."""
        self.n_sent = 0
        self.n_actions = 0
        self.n_replied = 0
        self.n_late = 0
        self.n_silent = 0
        self.n_not_sent = 0
        self.n_held = 0
        """Requests that were not sent because no way was left for them."""
        self.n_unknown = 0
        """Outcomes of requests that we did not send, or whose outcome we had."""

    @property
    def timeout(self) -> Ns:
        """Deadline that a request sent now would get."""
        return self._timeout

    @property
    def in_flight(self) -> int:
        """Requests without an answer whose deadline has not passed."""
        return len(self._open)

    def send(self, actions: tuple[AnyAction, ...], owner: Owner, now: Ns) -> Pending:
        """Queue a request on the way that is left for it; where none is, its owner hears soon that it was not sent.

        Placements and modifies expire with our patience, so that an unknown one cannot land later;
        cancels never do.
        """
        expires = isinstance(actions[0], TRADING) and not isinstance(actions[0], Cancel)
        route = self.routes.choose(actions, now)
        request = Request(
            RequestId(self._next_id),
            route or Route.REST,
            self._user_feed.epoch,
            self._timeout if expires else None,
            actions,
        )
        self._next_id += 1
        pending = Pending(request, owner, now, Ns(now + self._timeout))
        self._open[request.request_id] = pending
        if route is None:
            self.n_held += 1
            pending.is_held, pending.deadline = True, Ns(now + HELD_BACK)
            return pending
        self.outbox.append(request)
        self.routes.on_sent(request, now)
        if self._budget is not None:
            self._budget.on_sent(request, now)
        self.n_sent += 1
        self.n_actions += len(actions)
        return pending

    def gate(self, n_actions: int, now: Ns, after: int = 0) -> BudgetGate | None:
        """Why so many placements or modifies should not be sent in one request now; None where they may.

        ``after`` so many other actions, which leave first.
        """
        route = self.routes.choose(PLACEMENT, now)
        if route is None:
            return BudgetGate.NO_ROUTE
        if self._budget is None:
            return None
        return BudgetGate.RATE_LIMIT if self._is_full(route) else self._budget.gate(n_actions, route, now, after)

    def draft(self, now: Ns) -> Draft | None:
        """What the pace of the account leaves a cycle to send; None where it keeps none."""
        return None if self._budget is None else self._budget.draft(now)

    @property
    def pacing(self) -> PacingConfig | None:
        """How the account's allowance is paced; None where it is not."""
        return None if self._budget is None else self._budget.config.pacing

    @property
    def allowance_left(self) -> float:
        """Share of the account's allowance of actions that is left, from 0 to 1."""
        return 1.0 if self._budget is None else self._budget.headroom / max(self._budget.cap, 1)

    def has_room(self, n_actions: int) -> bool:
        """Whether so many more fit into the allowance of the account."""
        return self._budget is None or n_actions <= self._budget.headroom

    def opens_at(self, now: Ns, *, is_question: bool = False) -> Ns:
        """When to ask that gate again, if nothing else is sent meanwhile; a while after now in any case.

        ``is_question``: for something that waits for the rate only, not for the allowance of the account.
        """
        route = self.routes.choose(PLACEMENT, now)
        if route is None:
            opens_at = self.routes.opens_at(PLACEMENT, now)
        else:
            budget = self._budget
            opens = None if budget is None else budget.asks_at if is_question else budget.opens_at
            opens_at = now if opens is None else opens(route, now)
            due = self.deadline()
            if due is not None and self._is_full(route):  # an answer may come sooner, and is an event
                opens_at = max(opens_at, due)
        return max(opens_at, Ns(now + ASK_AGAIN))

    # --- events ---------------------------------------------------------------------------------

    def on_replied(self, event: Replied, now: Ns) -> None:
        """Hand the answer to whoever asked; one that nobody asked for is counted."""
        if self._budget is not None:
            self._budget.on_replied(event, now)
        pending = self._take(event.request_id)
        if pending is None:
            return
        self.n_replied += 1
        self.n_late += pending.is_overdue
        self._measure(Ns(event.recv_time - pending.sent_at))
        self.routes.on_answer(pending.request, now)
        pending.owner.on_reply(pending, event, now)

    def on_not_sent(self, event: NotSent, now: Ns) -> None:
        """Certainly nothing happened."""
        pending = self._take(event.request_id)
        if pending is not None:
            self.n_not_sent += 1
            self.routes.on_lost(pending.request, now)
            if self._budget is not None:
                self._budget.on_not_sent(pending.request, now)
            pending.owner.on_not_sent(pending, event, now)

    def on_user_feed_down(self, now: Ns) -> None:
        """Answers of the socket are lost with it: do not wait for their deadlines."""
        for pending in [p for p in self._open.values() if p.request.route is Route.SOCKET]:
            self.routes.on_lost(pending.request, now)
            self._silence(pending, now)

    def expire(self, now: Ns) -> None:
        """Declare silent what is past its deadline."""
        if self._open:
            for pending in [p for p in self._open.values() if p.deadline <= now]:
                if pending.is_held:
                    self._give_back(pending, now)
                    continue
                self.routes.on_silence(pending.request, pending.sent_at, now)
                self._silence(pending, now)

    def deadline(self) -> Ns | None:
        """Earliest deadline; the time-out adapts, so the oldest request need not be the first."""
        return min(p.deadline for p in self._open.values()) if self._open else None

    # --- inside ---------------------------------------------------------------------------------

    def _is_full(self, route: Route) -> bool:
        """Whether as many requests are under way on the socket as quotes may use up; cancels go on."""
        if self._budget is None or route is not Route.SOCKET or len(self._open) < self._budget.posts_max:
            return False
        posts = sum(p.request.route is Route.SOCKET and not p.is_held for p in self._open.values())
        return posts >= self._budget.posts_max

    def _take(self, request_id: RequestId) -> Pending | None:
        pending = self._open.pop(request_id, None) or self._overdue.pop(request_id, None)
        self.n_unknown += pending is None
        return pending

    def _silence(self, pending: Pending, now: Ns) -> None:
        request_id = pending.request.request_id
        del self._open[request_id]
        pending.is_overdue = True
        self._overdue[request_id] = pending
        if len(self._overdue) > MAX_OVERDUE:
            self._overdue.popitem(last=False)
        self.n_silent += 1
        pending.owner.on_silence(pending, now)

    def _give_back(self, pending: Pending, now: Ns) -> None:
        """It never left."""
        request_id = pending.request.request_id
        del self._open[request_id]
        pending.owner.on_not_sent(pending, NotSent(request_id, Reason.CIRCUIT_OPEN, now), now)

    def _measure(self, latency: Ns) -> None:
        self._latencies.append(latency)
        if self.n_replied % FEW_SAMPLES == 0:
            ordered = sorted(self._latencies)
            p99 = ordered[(len(ordered) * 99) // 100]
            config = self.config
            measured = max(millis(config.timeout_min_ms), Ns(round(config.timeout_p99_factor * p99)))
            self._timeout = min(measured, millis(config.timeout_max_ms))
