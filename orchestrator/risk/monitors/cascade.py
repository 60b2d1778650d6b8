"""A market that falls through its levels, or rises through them, halts until it has found a place (RK-14).

Liquidations show in open interest, too; the simulated crowd has none that could fall. So this reads what a cascade
does: the mid moves away from where it was a minute ago and does not come back.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from orchestrator.risk.assessment import Assessment, RiskLevel, quiet
from orchestrator.risk.state import RiskState


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeConfig:
    """How far the mid may wander within a minute."""

    window_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Time constant of the average that the mid is compared with, in seconds of the venue's clock."""
    halt_pct: Annotated[float, Interval(gt=0, le=1e4)] = 2.0
    """Further from the average than this, in percent, no quotes."""
    warn_share: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """From this share of it on quotes stand wider and are smaller."""
    spread_factor: Annotated[float, Interval(ge=1, le=1e6)] = 1.5
    """How much wider."""
    size_factor: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """How much smaller."""


class CascadeMonitor:
    """Widens first, then halts."""

    name = "cascade"
    priority = 30

    def __init__(self, config: CascadeConfig) -> None:
        """Convert the limit once."""
        self.config = config
        self._halt = config.halt_pct / 100.0

    def assess(self, state: RiskState) -> Assessment:
        """How far the mid is from its average against the limit."""
        config = self.config
        load = state.displacement / self._halt
        if load < config.warn_share:
            return quiet(self.name, load)
        level = RiskLevel.HALT if load > 1.0 else RiskLevel.WARNING
        reason = f"{state.instrument} is {state.displacement:.2%} from its average of {config.window_s:g} s"
        return Assessment(self.name, level, reason, load, config.spread_factor, config.size_factor)
