"""The circuit breaker of one dependency: after enough failures it is left alone, and probed once in a while (CN-17).

It knows neither what the dependency is nor what a failure is; whoever uses it says so.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.lifecycle import step
from domain.units import Ns, RequestId, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When to leave a dependency alone, and how often to try it."""

    failures: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 5
    """So many in a row open the circuit. What was under way together counts once."""
    probe_s: Annotated[float, Interval(gt=0, le=1e6)] = 30.0
    """While it is open one request goes through so often, in seconds; the first success closes it."""


class BreakerState(StrEnum):
    """CLOSED -> OPEN -> HALF_OPEN -> CLOSED, or back to OPEN."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """A probe is under way."""


_S = BreakerState
TRANSITIONS: dict[BreakerState, frozenset[BreakerState]] = {
    _S.CLOSED: frozenset((_S.OPEN,)),
    _S.OPEN: frozenset((_S.HALF_OPEN, _S.CLOSED)),
    _S.HALF_OPEN: frozenset((_S.OPEN, _S.CLOSED)),
}
"""OPEN -> CLOSED: an answer that comes late is an answer."""


class CircuitBreaker:
    """One dependency."""

    def __init__(self, config: BreakerConfig, name: str) -> None:
        """Begin closed."""
        self.state = BreakerState.CLOSED
        self.failure_count = 0
        """In a row."""
        self.last_failure: Ns | None = None
        self.opened = 0
        """How often the circuit opened; a probe that failed is no new time."""
        self._name = name
        self._failures = config.failures
        self._every = seconds(config.probe_s)
        self._probe_at = Ns(0)
        self._probe: RequestId | None = None
        self._counts_from = Ns(0)

    @property
    def is_closed(self) -> bool:
        """Whether anything may go."""
        return self.state is _S.CLOSED

    def is_due(self, now: Ns) -> bool:
        """Whether a probe may go."""
        return self.state is _S.OPEN and now >= self._probe_at

    def probe_at(self) -> Ns | None:
        """When the next probe may go; None while closed or while one is under way."""
        return self._probe_at if self.state is _S.OPEN else None

    def on_sent(self, request: RequestId, now: Ns) -> None:
        """A request took this way; where a probe is due it is the one."""
        if self.is_due(now):
            self._go(_S.HALF_OPEN)
            self._probe = request

    def on_success(self, now: Ns) -> None:
        """It answered, in time or late."""
        self.failure_count = 0
        self._counts_from = now
        if not self.is_closed:
            self._go(_S.CLOSED)

    def on_failure(self, request: RequestId, sent_at: Ns, now: Ns) -> bool:
        """It did not answer; True where that opens the circuit."""
        self.last_failure = now
        if self.state is _S.HALF_OPEN and request == self._probe:
            self._go(_S.OPEN)
            self._probe_at = Ns(now + self._every)
            return False
        if sent_at < self._counts_from:
            return False
        self._counts_from = now
        self.failure_count += 1
        if not self.is_closed or self.failure_count < self._failures:
            return False
        self._go(_S.OPEN)
        self.opened += 1
        self._probe_at = Ns(now + self._every)
        return True

    def on_lost(self, request: RequestId, now: Ns) -> None:
        """It never left, or its connection was closed: that says nothing of the dependency."""
        if self.state is _S.HALF_OPEN and request == self._probe:
            self._go(_S.OPEN)
            self._probe_at = now

    def try_now(self, now: Ns) -> None:
        """Something changed, a new connection: the next probe need not wait."""
        if self.state is _S.OPEN:
            self._probe_at = now

    def _go(self, to: BreakerState) -> None:
        self.state = step(TRANSITIONS, self.state, to, f"circuit breaker of {self._name}")
