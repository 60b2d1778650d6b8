"""The monitors: each takes the state of one instrument and says how serious it is. To add one: a file, a line here."""

from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.risk.assessment import Assessment
from orchestrator.risk.ladder import StalenessConfig
from orchestrator.risk.monitors.cascade import CascadeConfig, CascadeMonitor
from orchestrator.risk.monitors.drawdown import DrawdownConfig, DrawdownMonitor
from orchestrator.risk.monitors.loss import LossConfig, LossMonitor
from orchestrator.risk.monitors.margin import MarginMonitor, MarginUseConfig
from orchestrator.risk.monitors.position import PositionConfig, PositionMonitor
from orchestrator.risk.monitors.rate_limit import RateLimitConfig, RateLimitMonitor
from orchestrator.risk.monitors.staleness import DataStalenessMonitor
from orchestrator.risk.monitors.velocity import PriceVelocityMonitor, VelocityConfig
from orchestrator.risk.state import RiskState


class Monitor(Protocol):
    """Looks at one thing."""

    name: str
    priority: int
    """Lower ones are asked first, and of equals the first is the reason (RK-12)."""

    def assess(self, state: RiskState) -> Assessment:
        """How serious this state is; the same state, the same answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorsConfig:
    """One table a monitor; "off" instead of a table is none of it."""

    loss: LossConfig | None = field(default_factory=LossConfig)
    drawdown: DrawdownConfig | None = field(default_factory=DrawdownConfig)
    velocity: VelocityConfig | None = field(default_factory=VelocityConfig)
    position: PositionConfig | None = field(default_factory=PositionConfig)
    margin: MarginUseConfig | None = field(default_factory=MarginUseConfig)
    cascade: CascadeConfig | None = field(default_factory=CascadeConfig)
    staleness: StalenessConfig | None = field(default_factory=StalenessConfig)
    """The whole ladder: without it data is never too old, for the data gate and the supervisor neither."""
    rate_limit: RateLimitConfig | None = field(default_factory=RateLimitConfig)


MONITORS = (
    LossMonitor,
    DrawdownMonitor,
    PriceVelocityMonitor,
    PositionMonitor,
    MarginMonitor,
    CascadeMonitor,
    DataStalenessMonitor,
    RateLimitMonitor,
)
"""Everything that can be switched on; the table of a monitor in `MonitorsConfig` has its name."""


def monitors_of(config: MonitorsConfig) -> tuple[Monitor, ...]:
    """Those that are switched on, in the order in which they are asked."""
    tables = [(make, getattr(config, make.name)) for make in MONITORS]
    chosen = [make(table) for make, table in tables if table is not None]
    return tuple(sorted(chosen, key=lambda monitor: monitor.priority))
