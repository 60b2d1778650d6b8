"""The position against its hard limit: warned of, then only reduced, then killed (RK-17, RK-20, RK-09)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from orchestrator.risk.assessment import FINE, Assessment, RiskLevel
from orchestrator.risk.state import RiskState


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionConfig:
    """Shares of the hard limit on the position, which itself cannot be switched off."""

    warn_share: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """From this share of the limit on people are warned."""
    soft_share: Annotated[float, Interval(gt=0, le=1)] = 0.7
    """The soft limit as a share of the hard one. From there to the hard limit the side that adds to the position
    shrinks in proportion, from its full size to nothing; 1 is off. The other side is left alone (RK-22, RK-10)."""
    proactive_share: Annotated[float, Interval(gt=0, le=1)] | None = 0.9
    """From this share of the limit on, in the worst case, orders that are on their way out take room, too: what is
    placed beside them is smaller instead of being held back (RK-10)."""
    kill_factor: Annotated[float, Interval(ge=1, le=1e6)] | None = 2.0
    """A position beyond so many times its limit kills: something is wrong with what we believe of it."""


class PositionMonitor:
    """Whatever moved the position there: a fill, or the venue's own statement."""

    name = "position"
    priority = 20

    def __init__(self, config: PositionConfig) -> None:
        """Keep the shares."""
        self.config = config

    def assess(self, state: RiskState) -> Assessment:
        """Where the position, and what may become of it, are against the limit."""
        limit = state.limit
        if not limit:
            return FINE
        config, size = self.config, abs(state.position)
        kill = config.kill_factor
        if kill is not None and size > kill * limit:
            reason = f"position runaway: {state.instrument} {state.size(state.position)}, limit {state.size(limit)}"
            return Assessment(self.name, RiskLevel.KILL, reason)
        if size >= limit or state.exceeds_exchange_limit():
            whose, most = ("the venue's limit", state.exchange_limit) if size < limit else ("limit", limit)
            reason = f"{state.instrument} {state.size(state.position)}, {whose} {state.size(most or 0)}: reducing only"
            return Assessment(self.name, RiskLevel.REDUCE_ONLY, reason)
        if state.worst_case_exceeds_limits():
            side = "long" if state.worst_case_exceeds_long() else "short"
            reason = (
                f"{state.instrument} {state.size(state.position)} could exceed {state.size(limit)} {side}: "
                f"pending bids {state.size(state.fillable_bid)}, asks {state.size(state.fillable_ask)}"
            )
            return Assessment(self.name, RiskLevel.WARNING, reason)
        if size >= config.warn_share * limit:
            reason = f"{state.instrument} {state.size(state.position)}, limit {state.size(limit)}"
            return Assessment(self.name, RiskLevel.WARNING, reason)
        return FINE
