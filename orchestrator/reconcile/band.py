"""How far an order may be from its target and still stay: the only formula of the latch (layer 4; CH-23..27, C-12, Q5).

Away from the market an order may lag by the whole band. Toward it only as far as what a fill there earns still pays the
fee and the least that informed takers cost (RU-12): a band that is wider than the half-spread would give it away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from annotated_types import Ge, Gt, MinLen

from domain.units import Bps, Px, Side
from strategy.ladder import LadderLevel

BPS = 1e4
FULL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToleranceConfig:
    """The band of each level, from the half-spread."""

    share: Annotated[float, Gt(0)] = 0.3
    """Of the half-spread."""
    floor_bps: Annotated[float, Gt(0)] = 3.0
    """The band of the best level is at least this wide, in bps; never wider than the half-spread itself."""
    cap_bps: Annotated[float, Gt(0)] = 10.0
    """And at most this wide, before the factors of level and allowance."""
    level_factors: Annotated[tuple[Annotated[float, Ge(1)], ...], MinLen(1)] = (1.0, 2.0, 3.0)
    """By level, best first; the last one is also for all further out."""
    adverse_floor_bps: Annotated[float, Ge(0)] = 1.0
    """What a kept order must earn beyond the fee, in bps of the mid, unless its target earns less."""


class Band(NamedTuple):
    """How far from its target an order may stay, in bps."""

    away: Bps
    toward: Bps


NO_BAND = Band(Bps(0.0), Bps(0.0))


def base_band(half_spread: Bps, config: ToleranceConfig) -> Bps:
    """Of the best level, with the whole allowance left; ``half_spread``: per side."""
    return Bps(min(max(config.share * half_spread, config.floor_bps), config.cap_bps, half_spread))


def bands_of(
    targets: Sequence[LadderLevel],
    side: Side,
    mid: float,
    half_spread: Bps,
    fee: Bps,
    config: ToleranceConfig,
    factor: float = FULL,
) -> dict[Px, Band]:
    """That of the target at each price; ``mid`` is what a fill is worth, ``factor`` that of the allowance."""
    base = base_band(half_spread, config)
    factors = config.level_factors
    bands = {}
    for index, target in enumerate(targets):
        width = base * factor * factors[min(index, len(factors) - 1)]
        edge = side * (mid - target.px) / mid * BPS
        spare = max(edge - fee - config.adverse_floor_bps, 0.0)
        bands[target.px] = Band(Bps(width), Bps(min(width, spare)))
    return bands
