"""Which way a request takes: by socket where it is live and answers, else by REST (EX-01, EX-02, L4).

Each dependency (the socket, REST for actions, REST for questions) has a circuit breaker of its own. A single silence
makes the socket doubtful for a while: it may be half-open. Cancels always go somewhere: no breaker stops them, and the
failure of one way never blocks the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import TRADING, Alert, AnyAction, Cancel, Request, Route, ScheduleCancel, Severity
from domain.units import Ns, millis
from orchestrator.connectivity.breaker import BreakerConfig, CircuitBreaker
from orchestrator.connectivity.feeds import FeedMachine


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesConfig:
    """The two ways to the venue."""

    socket: bool = True
    """Requests go by socket while it works (EX-04); without it all of them go by REST."""
    fallback: bool = True
    """Placements and modifies go by REST where the socket does not work; without it they wait. Cancels and questions
    fall back in any case."""
    distrust_ms: Annotated[float, Interval(ge=0, le=1e9)] = 10_000.0
    """After a request on the socket fell silent, requests go by REST for so long: it may be half-open."""
    breaker: BreakerConfig | None = field(default_factory=BreakerConfig)
    """When a way that does not answer is left alone; off: it is tried for ever."""


class Dependency(StrEnum):
    """What can fail by itself."""

    SOCKET = "socket"
    REST = "rest"
    INFO = "info"
    """REST for questions."""


def is_stopping(actions: tuple[AnyAction, ...]) -> bool:
    """Whether these take risk away: cancels, and the venue's dead-man switch."""
    return isinstance(actions[0], Cancel | ScheduleCancel)


def dependency_of(route: Route, actions: tuple[AnyAction, ...]) -> Dependency:
    """What a request relies on."""
    if route is Route.SOCKET:
        return Dependency.SOCKET
    return Dependency.REST if isinstance(actions[0], TRADING) else Dependency.INFO


class Routes:
    """The choice between the ways, from what became of earlier requests."""

    def __init__(self, config: RoutesConfig, user_feed: FeedMachine, alert: Callable[[Alert], None] | None) -> None:
        """Trust every way; ``user_feed`` carries the socket, ``alert`` hears of circuits that open and close."""
        self.config = config
        self.breakers = {
            each: None if config.breaker is None else CircuitBreaker(config.breaker, each) for each in Dependency
        }
        self.sent: dict[Dependency, int] = dict.fromkeys(Dependency, 0)
        """Requests by what they relied on."""
        self._user_feed = user_feed
        self._alert = alert
        self._distrust_until = Ns(0)
        self._forced = 0

    def choose(self, actions: tuple[AnyAction, ...], now: Ns) -> Route | None:
        """The way for these now; None where every way that they may take is left alone."""
        stops = is_stopping(actions)
        has_socket, has_rest = self._has_socket, self._has_rest(actions)
        rest = dependency_of(Route.REST, actions)
        socket_works = has_socket and self._works(Dependency.SOCKET)
        ways = (
            (Route.SOCKET, has_socket and not stops and self._is_due(Dependency.SOCKET, now)),
            (Route.SOCKET, socket_works and now >= self._distrust_until),
            (Route.REST, has_rest and self._works(rest)),
            (Route.SOCKET, socket_works),
            (Route.REST, has_rest and self._is_due(rest, now)),
        )
        found = next((route for route, may in ways if may), None)
        if found is not None or not stops:
            return found
        self._forced += 1  # nothing answers: each way in turn, until one does
        return Route.SOCKET if has_socket and self._forced % 2 else Route.REST

    def opens_at(self, actions: tuple[AnyAction, ...], now: Ns) -> Ns:
        """When one of the ways for these is probed again, where none is left; now, where that is not known.

        A probe that is under way says nothing of when it is answered.
        """
        ways = [Dependency.SOCKET] if self._has_socket else []
        if self._has_rest(actions):
            ways.append(dependency_of(Route.REST, actions))
        probes = [breaker.probe_at() for way in ways if (breaker := self.breakers[way]) is not None]
        return max(now, min((at for at in probes if at is not None), default=now))

    # --- what became of requests ----------------------------------------------------------------

    def on_sent(self, request: Request, now: Ns) -> None:
        """A request leaves."""
        way = dependency_of(request.route, request.actions)
        self.sent[way] += 1
        breaker = self.breakers[way]
        if breaker is not None and not (is_stopping(request.actions) and way is Dependency.SOCKET):
            breaker.on_sent(request.request_id, now)

    def on_answer(self, request: Request, now: Ns) -> None:
        """It was answered, in time or late: that way works."""
        if request.route is Route.SOCKET:
            self._user_feed.on_answer(request.epoch, now)
        breaker = self.breakers[dependency_of(request.route, request.actions)]
        if breaker is not None:
            was_closed = breaker.is_closed
            breaker.on_success(now)
            if not was_closed:
                way = dependency_of(request.route, request.actions)
                self._tell(Alert(Severity.INFO, "circuit_closed", f"{way} answers again"))

    def on_silence(self, request: Request, sent_at: Ns, now: Ns) -> None:
        """Nobody answered it in time."""
        if request.route is Route.SOCKET:
            self._distrust_until = Ns(now + millis(self.config.distrust_ms))
            self._user_feed.on_unanswered(request.epoch, sent_at, now)
        way = dependency_of(request.route, request.actions)
        breaker = self.breakers[way]
        if breaker is not None and breaker.on_failure(request.request_id, sent_at, now):
            text = f"{way}: {breaker.failure_count} requests in a row were not answered"
            self._tell(Alert(Severity.WARNING, "circuit_open", text))

    def on_lost(self, request: Request, now: Ns) -> None:
        """It never left, or its connection was closed over it."""
        breaker = self.breakers[dependency_of(request.route, request.actions)]
        if breaker is not None:
            breaker.on_lost(request.request_id, now)

    def on_user_feed_live(self, now: Ns) -> None:
        """A new connection: whether it answers is worth a probe at once."""
        breaker = self.breakers[Dependency.SOCKET]
        if breaker is not None:
            breaker.try_now(now)

    # --- inside ---------------------------------------------------------------------------------

    @property
    def _has_socket(self) -> bool:
        return self.config.socket and self._user_feed.is_live

    def _has_rest(self, actions: tuple[AnyAction, ...]) -> bool:
        is_quote = isinstance(actions[0], TRADING) and not is_stopping(actions)
        return self.config.fallback or not self.config.socket or not is_quote

    def _tell(self, alert: Alert) -> None:
        if self._alert is not None:
            self._alert(alert)

    def _works(self, way: Dependency) -> bool:
        breaker = self.breakers[way]
        return breaker is None or breaker.is_closed

    def _is_due(self, way: Dependency, now: Ns) -> bool:
        breaker = self.breakers[way]
        return breaker is not None and breaker.is_due(now)
