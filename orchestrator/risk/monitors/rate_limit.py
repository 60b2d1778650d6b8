"""A venue that turns requests away for being too many wants fewer of them (RK-18, RL-10).

An allowance that is used up is not counted here: that is for the budget, which keeps the quotes alive on it.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from orchestrator.risk.assessment import Assessment, RiskLevel, quiet
from orchestrator.risk.state import RiskState


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitConfig:
    """How many such refusals are too many."""

    window_s: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """Refusals are counted over so many seconds: with the hold of a halt we are back within a minute of the last."""
    reduce_only_at: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 2
    """With so many of them nothing that adds to the position is placed."""
    halt_at: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 3
    """With so many of them there are no quotes."""


class RateLimitMonitor:
    """Reduces first, then halts."""

    name = "rate_limit"
    priority = 50

    def __init__(self, config: RateLimitConfig) -> None:
        """Keep the counts."""
        self.config = config

    def assess(self, state: RiskState) -> Assessment:
        """How many refusals there were lately."""
        errors, config = state.rate_errors, self.config
        if errors < min(config.reduce_only_at, config.halt_at):
            return quiet(self.name, errors / config.halt_at)
        level = RiskLevel.HALT if errors >= config.halt_at else RiskLevel.REDUCE_ONLY
        reason = f"{errors} requests turned away as too many within {config.window_s:g} s"
        return Assessment(self.name, level, reason, errors / config.halt_at)
