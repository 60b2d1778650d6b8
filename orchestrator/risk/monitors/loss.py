"""The loss of a day kills at its limit (RK-16)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.units import USD
from orchestrator.risk.assessment import FINE, Assessment, RiskLevel
from orchestrator.risk.state import RiskState, usd


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """What may be lost in a day."""

    limit_usd: Annotated[float, Interval(gt=0, le=1e9)] = 150.0
    """Loss of the account within 24 hours, in USD, fees paid and positions valued at the mid, that kills. The
    default is 1.5 % of the default position limit."""
    warn_share: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """From this share of the limit on people are warned."""


class LossMonitor:
    """Warns near the limit, kills at it."""

    name = "loss"
    priority = 0

    def __init__(self, config: LossConfig) -> None:
        """Convert the limit once."""
        self._limit = config.limit_usd * USD
        self._warn_at = self._limit * config.warn_share

    def assess(self, state: RiskState) -> Assessment:
        """How near the loss is to its limit."""
        loss = state.loss
        if loss < self._warn_at:
            return FINE
        level = RiskLevel.KILL if loss >= self._limit else RiskLevel.WARNING
        return Assessment(self.name, level, f"loss of {usd(loss)} within a day, limit {usd(self._limit)}")
