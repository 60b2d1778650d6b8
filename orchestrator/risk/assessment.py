"""What one monitor says of one state: how serious, why, with which numbers (RK-11)."""

from dataclasses import dataclass
from enum import IntEnum


class RiskLevel(IntEnum):
    """How serious it is; each level includes what the lower ones do."""

    NORMAL = 0
    WARNING = 1
    """People are told; quotes may stand wider and be smaller, but they stand (RK-09)."""
    REDUCE_ONLY = 2
    """Nothing that adds to the position (RK-23)."""
    HALT = 3
    """No quotes, until what caused it has been over for a while: recovers by itself (C-19)."""
    KILL = 4
    """No quotes until a person has looked (RK-19)."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer of one monitor."""

    monitor: str
    level: RiskLevel
    reason: str = ""
    """For people, with the numbers."""
    load: float = 0.0
    """The reading in terms of what halts: 1 halts. What ends a halt reads it, too."""
    spread_factor: float = 1.0
    """The half-spread should be wider by this factor."""
    size_factor: float = 1.0
    """Sizes should be this share of the usual."""
    adds_levels: bool = True
    """Whether a level that has no order yet may get one."""


FINE = Assessment("", RiskLevel.NORMAL)
"""Nothing to say."""

FAINT = 0.05
"""A load below this is none."""


def quiet(monitor: str, load: float) -> Assessment:
    """Nothing to say but how far it is from where it halts, which the end of a halt asks."""
    return FINE if load < FAINT else Assessment(monitor, RiskLevel.NORMAL, load=load)
