"""Waits that grow while the venue keeps saying no, and are over with the first yes (RL-14, RL-15)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.ids import uniform
from domain.units import Ns, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffConfig:
    """One wait after another."""

    first_s: Annotated[float, Interval(gt=0, le=1e6)] = 10.0
    """The first wait, in seconds."""
    factor: Annotated[float, Interval(ge=1, le=1e6)] = 1.5
    """Each further one is longer by this."""
    max_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """No wait is longer than this, in seconds, jitter included."""
    jitter: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Each is drawn from U(1 - jitter, 1 + jitter) times its nominal length, then cut to the longest."""


class Backoff:
    """Waiting or not."""

    def __init__(self, config: BackoffConfig, site: str) -> None:
        """Not waiting; ``site`` names the draws."""
        self.config = config
        self.hits = 0
        self.until = Ns(0)
        """When the wait ends, or ended."""
        self.life_seed = 0
        self._in_a_row = 0
        self._site = site

    def hit(self, now: Ns) -> bool:
        """The venue said no; False while we wait already: that was sent before we knew."""
        if now < self.until:
            return False
        config = self.config
        nominal = min(config.first_s * config.factor ** min(self._in_a_row, 100), config.max_s)
        share = uniform(self.life_seed, self._site, self.hits)
        wait = min(nominal * (1 + config.jitter * (2 * share - 1)), config.max_s)
        self.until = Ns(now + seconds(wait))
        self.hits += 1
        self._in_a_row += 1
        return True

    def success(self, now: Ns) -> None:
        """The venue said yes: the next wait is a first one. What was sent before this wait began proves nothing."""
        if now >= self.until:
            self._in_a_row = 0

    def is_waiting(self, now: Ns) -> bool:
        """Whether nothing that can wait should be sent."""
        return now < self.until
