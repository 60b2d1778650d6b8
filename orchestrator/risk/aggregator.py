"""What all monitors say together: the worst of it, with every reason (RK-11)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from orchestrator.risk.assessment import FINE, Assessment, RiskLevel


@dataclass(frozen=True, slots=True)
class AggregatedRisk:
    """The union of the assessments; it does not depend on their order, but for which of equals is the worst."""

    worst: Assessment = FINE
    """The most serious one; of equals the first that was asked."""
    concerns: tuple[Assessment, ...] = ()
    """All that are not normal."""
    told: tuple[Assessment, ...] = ()
    """All that say anything, if only how far they are from halting."""
    spread_factor: float = 1.0
    """The widest that any asks for."""
    size_factor: float = 1.0
    """The smallest that any asks for."""
    adds_levels: bool = True
    """Whether nobody minds new levels."""

    @property
    def max_severity(self) -> RiskLevel:
        """The level of the worst."""
        return self.worst.level

    @property
    def reduce_only(self) -> bool:
        """Whether the position may only be reduced."""
        return self.worst.level >= RiskLevel.REDUCE_ONLY

    def load_of(self, monitors: Collection[str]) -> float:
        """The largest load of these: what a halt of theirs waits to fall."""
        return max((each.load for each in self.told if each.monitor in monitors), default=0.0)

    @property
    def kill_reasons(self) -> tuple[str, ...]:
        """Why to kill; empty where nothing does."""
        return tuple(each.reason for each in self.concerns if each.level is RiskLevel.KILL)


CALM = AggregatedRisk()
"""Nobody has anything to say."""


def aggregate(assessments: Iterable[Assessment]) -> AggregatedRisk:
    """Combine: the maximum of the levels, the most careful of the factors."""
    told = tuple(each for each in assessments if each is not FINE)
    if not told:
        return CALM
    worst = told[0]
    spread, size = 1.0, 1.0
    for each in told:
        if each.level > worst.level:
            worst = each
        spread = max(spread, each.spread_factor)
        size = min(size, each.size_factor)
    concerns = tuple(each for each in told if each.level > RiskLevel.NORMAL)
    adds_levels = all(each.adds_levels for each in concerns)
    return AggregatedRisk(worst, concerns, told, spread, size, adds_levels)
