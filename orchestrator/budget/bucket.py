"""A purse of actions that fills with time and trades, so that one burst never spends what many cycles need (RL-08).

What comes in, what goes out and what runs over is counted, and nothing else changes the balance.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.units import NS_PER_S, Ns, Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpulseConfig:
    """How much may go at once, in actions (RL-09, RL-19)."""

    start: Annotated[float, Interval(ge=0, le=1e9)] = 100.0
    """What is in the purse at first."""
    most: Annotated[float, Interval(gt=0, le=1e9)] = 500.0
    """What it holds; more runs over."""
    reserve: Annotated[float, Interval(ge=0, le=1e9)] = 20.0
    """So much is left for what is urgent: gaps at the best level, and danger."""
    bulk: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """What each further action of one request costs; the first costs one."""


class TokenBucket:
    """``earned`` + ``start`` - ``spent`` - ``capped`` is what is left; placements and modifies are paid from it.

    What goes whatever it costs (danger, and what keeps a side alive) may take it below zero.
    """

    def __init__(self, config: ImpulseConfig, usd_per_action: Usd) -> None:
        """As full as it is at first; ``usd_per_action``: volume, in micro-USD, for which the venue allows one more."""
        self.config = config
        self.available = min(config.start, config.most)
        self.earned = self.spent = 0.0
        self.capped = config.start - self.available
        """What ran over."""
        self._usd_per_action = usd_per_action
        self._filled_at = Ns(0)

    def cost(self, n: int) -> float:
        """Of so many actions in one request."""
        return 1.0 + self.config.bulk * (n - 1) if n else 0.0

    def refill(self, per_second: float, now: Ns) -> None:
        """Time has passed, at that rate since the last time."""
        self._earn(per_second * max(now - self._filled_at, 0) / NS_PER_S)
        self._filled_at = max(now, self._filled_at)

    def reward(self, value: Usd) -> None:
        """A fill of ours: as many actions as the venue allows for it (T-30)."""
        self._earn(value / self._usd_per_action)

    def spend(self, n: int) -> None:
        """A request of so many actions leaves."""
        cost = self.cost(n)
        self.spent += cost
        self.available -= cost

    def _earn(self, amount: float) -> None:
        self.earned += amount
        over = max(self.available + amount - self.config.most, 0.0)
        self.capped += over
        self.available = self.config.most if over else self.available + amount
