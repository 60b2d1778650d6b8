"""Old market data makes cautious, very old data halts (RK-15, C-04).

Between the two the desk's own data gate withdraws the quotes and gives them back with the first fresh message; a
halt asks for fresh data over a while.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Interval

from domain.units import NS_PER_S, Ns, seconds
from orchestrator.risk.assessment import FINE, Assessment, RiskLevel, quiet
from orchestrator.risk.state import RiskState


@dataclass(frozen=True, slots=True, kw_only=True)
class StalenessConfig:
    """How old market data may be."""

    caution_s: Annotated[float, Gt(0)] = 5.0
    """On data older than this, in seconds, quotes stand wider and are smaller."""
    halt_s: Annotated[float, Gt(0)] | None = None
    """Data older than this, in seconds, halts. Without it the data gate is all: it opens with the first fresh message.
    A feed that we know to be lost is not this monitor's business."""
    spread_factor: Annotated[float, Ge(1)] = 1.5
    """How much wider."""
    size_factor: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """How much smaller."""


class DataStalenessMonitor:
    """Widens first, then halts."""

    name = "staleness"
    priority = 40

    def __init__(self, config: StalenessConfig) -> None:
        """Convert the limits once."""
        self.config = config
        self._halt = None if config.halt_s is None else seconds(config.halt_s)
        self._caution = seconds(config.caution_s)

    def assess(self, state: RiskState) -> Assessment:
        """How old the data is against its limits."""
        age, halt, config = state.data_age, self._halt, self.config
        if age is None:
            return FINE
        load = 0.0 if halt is None else age / halt
        if age <= self._caution and load <= 1.0:
            return quiet(self.name, load)
        level = RiskLevel.HALT if load > 1.0 else RiskLevel.WARNING
        reason = f"market data of {state.instrument} is {age / NS_PER_S:.1f} s old"
        return Assessment(self.name, level, reason, load, config.spread_factor, config.size_factor)

    def next_look(self, since: Ns, now: Ns) -> Ns | None:
        """When data that is of that moment will say something new; None once everything is said."""
        thresholds = (self._caution,) if self._halt is None else (self._caution, self._halt)
        times = [since + threshold + 1 for threshold in thresholds]
        return min((Ns(at) for at in times if at > now), default=None)
