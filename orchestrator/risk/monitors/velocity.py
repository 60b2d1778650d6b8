"""A price that runs halts, one that jumps out of sight kills (RK-13)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from orchestrator.risk.assessment import Assessment, RiskLevel, quiet
from orchestrator.risk.state import RiskState


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityConfig:
    """How fast the mid may move."""

    window_s: Annotated[float, Interval(gt=0, le=1e6)] = 1.0
    """Time constant over which the speed of the mid is measured, in seconds of the venue's clock."""
    halt_pct_per_s: Annotated[float, Interval(gt=0, le=1e4)] = 5.0
    """Faster than this, in percent per second, no quotes."""
    kill_pct_per_s: Annotated[float, Interval(gt=0, le=1e4)] | None = 15.0
    """Faster than this kills, if several messages agree on the new price: a wrong one only halts."""


class PriceVelocityMonitor:
    """Halts, and kills where it is told to."""

    name = "velocity"
    priority = 10

    def __init__(self, config: VelocityConfig) -> None:
        """Convert the limits once."""
        self._halt = config.halt_pct_per_s / 100.0
        self._kill = None if config.kill_pct_per_s is None else config.kill_pct_per_s / 100.0

    def assess(self, state: RiskState) -> Assessment:
        """How fast the mid is against its limits."""
        velocity = state.velocity
        load = velocity / self._halt
        if load <= 1.0:
            return quiet(self.name, load)
        kills = self._kill is not None and velocity > self._kill and state.is_believed
        level = RiskLevel.KILL if kills else RiskLevel.HALT
        return Assessment(self.name, level, f"{state.instrument} moves {velocity:.1%} a second", load)
