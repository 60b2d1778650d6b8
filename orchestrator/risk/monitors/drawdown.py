"""What is lost from the best of this life kills at its limit (RK-22, C-19)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from orchestrator.risk.assessment import FINE, Assessment, RiskLevel
from orchestrator.risk.state import RiskState, usd


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownConfig:
    """How far the account may fall below its best."""

    limit_pct: Annotated[float, Interval(gt=0, le=100)] = 2.0
    """Drawdown that kills, in percent of what the position limits of all instruments are worth: so much as a
    position at its limit loses by a move of so many percent."""
    warn_share: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """From this share of the limit on people are warned."""


class DrawdownMonitor:
    """Warns near the limit, kills at it."""

    name = "drawdown"
    priority = 5

    def __init__(self, config: DrawdownConfig) -> None:
        """Convert the limit once."""
        self._share = config.limit_pct / 100.0
        self._warn_share = config.warn_share

    def assess(self, state: RiskState) -> Assessment:
        """How near the drawdown is to its limit; there is none before the position limits have a value."""
        limit = self._share * state.limits_value
        drawdown = state.drawdown
        if not limit or drawdown < self._warn_share * limit:
            return FINE
        level = RiskLevel.KILL if drawdown >= limit else RiskLevel.WARNING
        return Assessment(self.name, level, f"{usd(drawdown)} below the best, limit {usd(limit)}")
