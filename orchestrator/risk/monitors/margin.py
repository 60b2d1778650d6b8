"""Money that carries no more is warned of; where it does not carry what is held, the position is only reduced (MG-05).

At full use of the initial margin the venue takes nothing that adds; it liquidates at about twice that.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from orchestrator.risk.assessment import FINE, Assessment, RiskLevel
from orchestrator.risk.state import RiskState


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginUseConfig:
    """Shares of the account's value that positions may tie up."""

    warn_share: Annotated[float, Interval(gt=0, le=1)] = 0.9
    """From this share on people are warned."""
    reduce_only_share: Annotated[float, Interval(gt=0, le=100)] = 1.0
    """From this share on nothing that adds to a position is placed. The venue liquidates where it is about 2."""


class MarginMonitor:
    """Warns, then reduces."""

    name = "margin"
    priority = 25

    def __init__(self, config: MarginUseConfig) -> None:
        """Keep the shares."""
        self.config = config

    def assess(self, state: RiskState) -> Assessment:
        """How much of the account's value is tied up."""
        used, config = state.margin_used, self.config
        if used is None or used < min(config.warn_share, config.reduce_only_share):
            return FINE
        level = RiskLevel.REDUCE_ONLY if used >= config.reduce_only_share else RiskLevel.WARNING
        return Assessment(self.name, level, f"positions tie up {used:.0%} of the account's value")
