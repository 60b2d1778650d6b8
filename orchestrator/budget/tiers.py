"""What a small allowance does to quoting: fewer moves, fewer levels, fewer cycles (layer 5; CH-29, CH-33, RC-13, C-10).

All of it follows the headroom, the share of the account's allowance that is left, without jumps but for whole
levels; and none of it ever says "nothing": a desk that does not quote earns no fills, and without fills the allowance
never grows back.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Annotated

from annotated_types import Interval

from domain.units import NS_PER_S, Ns

STEPS = ((0.0, 10.0), (0.05, 5.0), (0.10, 3.0), (0.30, 1.0))
"""Headroom, and the least time between two cycles there in multiples of the shortest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaAwareConfig:
    """How quoting gives way as the allowance shrinks."""

    widest: Annotated[float, Interval(ge=1, le=1e3)] = 3.0
    """The bands in which orders stay, or the plain latch, grow to this multiple."""
    widens_below: Annotated[float, Interval(gt=0, le=1)] = 0.30
    """They begin to grow at this headroom."""
    widest_below: Annotated[float, Interval(ge=0, lt=1)] = 0.10
    """And are widest at this one and below."""
    full_ladder_above: Annotated[float, Interval(gt=0, le=1)] = 0.20
    """Below this headroom the ladder has fewer levels."""
    best_only_below: Annotated[float, Interval(ge=0, lt=1)] = 0.05
    """Below this one it is the best bid and the best ask."""
    interval_s: Annotated[float, Interval(ge=0, le=60)] = 1.0
    """Least time between two cycles that no fill and no gate asks for, in seconds, above a headroom of 0.3: three times
    as long at 0.1, five times at 0.05, ten times where nothing is left."""


def band_factor(headroom: float, config: QuotaAwareConfig) -> float:
    """By how much the bands are wider (Q5): 1 at 0.3, 2 at 0.2, 3 below 0.1."""
    top, bottom = config.widens_below, config.widest_below
    if headroom >= top:
        return 1.0
    if headroom < bottom or top <= bottom:
        return config.widest
    return 1.0 + (config.widest - 1.0) * (top - headroom) / (top - bottom)


def levels(wanted: int, headroom: float, config: QuotaAwareConfig) -> int:
    """How many levels a ladder of so many has: all, then by the square root of the headroom, then one."""
    if headroom >= config.full_ladder_above:
        return wanted
    if headroom < config.best_only_below:
        return 1
    return min(wanted, max(2, ceil(wanted * sqrt(headroom / config.full_ladder_above))))


def cycle_interval(headroom: float, config: QuotaAwareConfig) -> Ns:
    """Least time between two cycles that nothing urgent asks for."""
    if headroom >= STEPS[-1][0]:
        multiple = STEPS[-1][1]
    else:
        index = bisect_right(STEPS, (headroom, float("inf"))) - 1
        (low, slow), (high, fast) = STEPS[index], STEPS[index + 1]
        multiple = slow + (fast - slow) * (headroom - low) / (high - low)
    return Ns(round(config.interval_s * multiple * NS_PER_S))
