"""How well we know the account, by the age of what the venue stated last of it (CN-12).

Silence of the streams says nothing: they may be quiet or dead. What was asked for and answered is known to have been
so; from then on it grows old.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, Severity
from domain.units import NS_PER_S, Ns
from orchestrator.sync.statements import LastHeard


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncHealthConfig:
    """How old is too old."""

    healthy: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """With a score of at least this all is well."""
    degraded: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    """With less than that, but at least this, people are warned; below, nothing is quoted."""
    fresh_periods: Annotated[float, Interval(gt=0, le=1e6)] = 2.0
    """A statement no older than so many times the period in which it is asked for scores 1."""
    worthless_periods: Annotated[float, Interval(gt=0, le=1e6)] = 6.0
    """From there the score falls evenly, to 0 at this age."""

    def __post_init__(self) -> None:
        """Refuse thresholds in the wrong order."""
        if self.degraded > self.healthy:
            raise ValueError("degraded must not be above healthy")
        if self.fresh_periods >= self.worthless_periods:
            raise ValueError("fresh_periods must be below worthless_periods")

    def age_at(self, score: float) -> float:
        """At which age, in periods, the score has fallen so far."""
        return self.worthless_periods - score * (self.worthless_periods - self.fresh_periods)


class SyncState(StrEnum):
    """What the score means."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNSYNCED = "unsynced"


class SyncHealth:
    """The score of the source that is worst off."""

    def __init__(
        self, config: SyncHealthConfig, sources: Mapping[str, tuple[LastHeard, Ns]], alert: Callable[[Alert], None]
    ) -> None:
        """``sources``: what is asked for, by name, with its period."""
        self.config = config
        self.state = SyncState.HEALTHY
        self.times_degraded = 0
        """How often it was no longer healthy."""
        self.times_unsynced = 0
        """How often it was so bad that nothing was quoted."""
        self._sources = sources
        self._alert = alert
        self._began: Ns | None = None
        self._look_at = Ns(-1)

    def score(self, now: Ns) -> float:
        """From 1, all is fresh, to 0."""
        return min((self._score_of(name, now) for name in self._sources), default=1.0)

    def decide(self, now: Ns) -> None:
        """Note what the score means now; tell people when that changes."""
        if not self._sources or (self.state is SyncState.HEALTHY and now < self._look_at):
            return  # while all is well nothing but time can change that
        if self._began is None:
            self._began = now
        score, was = self.score(now), self.state
        self.state = self._state_of(score)
        self._look_at = self._worse_at(now)
        if self.state is not was:
            self._tell(was, score, now)

    def deadline(self) -> Ns | None:
        """When the state changes if nothing is heard; None where it cannot get worse, or before the first look."""
        if self._began is None or self.state is SyncState.UNSYNCED:
            return None
        return self._look_at

    def _state_of(self, score: float) -> SyncState:
        if score >= self.config.healthy:
            return SyncState.HEALTHY
        return SyncState.DEGRADED if score >= self.config.degraded else SyncState.UNSYNCED

    def _worse_at(self, now: Ns) -> Ns:
        """When the score will have fallen below what the state stands for."""
        limit = self.config.healthy if self.state is SyncState.HEALTHY else self.config.degraded
        periods = self.config.age_at(limit)
        return min(Ns(self._since(name, now) + round(periods * self._sources[name][1]) + 1) for name in self._sources)

    def _tell(self, was: SyncState, score: float, now: Ns) -> None:
        if self.state is SyncState.HEALTHY:
            self._alert(Alert(Severity.INFO, "sync_recovered", f"score {score:.2f}"))
            return
        self.times_degraded += was is SyncState.HEALTHY
        self.times_unsynced += self.state is SyncState.UNSYNCED
        ages = ", ".join(f"{name} {self._age(name, now) / NS_PER_S:.0f} s old" for name in self._sources)
        self._alert(Alert(Severity.WARNING, f"sync_{self.state}", f"score {score:.2f}: {ages}"))

    def _score_of(self, name: str, now: Ns) -> float:
        config, period = self.config, self._sources[name][1]
        fall = config.worthless_periods - config.fresh_periods
        return min(max((config.worthless_periods - self._age(name, now) / period) / fall, 0.0), 1.0)

    def _age(self, name: str, now: Ns) -> Ns:
        return Ns(now - self._since(name, now))

    def _since(self, name: str, now: Ns) -> Ns:
        """When a source was last heard, or the first look: the start-up has read everything by then."""
        began = now if self._began is None else self._began
        heard = self._sources[name][0].at
        return began if heard is None else max(heard, began)
