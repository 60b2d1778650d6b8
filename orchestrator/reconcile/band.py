"""How far an order may be from its target and still stay: the only formula of the latch (layer 4; CH-23..27, C-12, Q5).

Away from the market an order may lag by the whole band. Toward it only as far as what a fill there earns still pays the
fee and the least that informed takers cost (RU-12): a band that is wider than the half-spread would give it away. An
order that stands near the front of its queue may lag further, and never further toward the market than that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf
from typing import Annotated, NamedTuple

from annotated_types import Interval, MinLen

from domain.units import Bps, Px, Side, Sz
from strategy.ladder import LadderLevel

BPS = 1e4
FULL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueValueConfig:
    """What a place in a queue is worth: half of the half-spread times e^(-decay q), less delay times q (Q6).

    q: what is ahead, in mean trades.
    """

    decay: Annotated[float, Interval(ge=0, le=1e3)] = 0.1
    """How fast the hope of a fill falls with each mean trade ahead."""
    delay_bps: Annotated[float, Interval(ge=0, le=1e4)] = 0.02
    """What the wait behind each mean trade ahead costs."""
    modify_cost_bps: Annotated[float, Interval(gt=0, le=1e4)] = 3.0
    """A place that is worth less than this is given up as if it were none."""
    most_bands: Annotated[float, Interval(ge=1, le=1e3)] = 1.5
    """An order whose place is worth more stays within so many bands of its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToleranceConfig:
    """The band of each level, from the half-spread."""

    share: Annotated[float, Interval(gt=0, le=1e3)] = 0.3
    """Of the half-spread."""
    floor_bps: Annotated[float, Interval(gt=0, le=1e4)] = 3.0
    """The band of the best level is at least this wide, in bps; never wider than the half-spread itself."""
    cap_bps: Annotated[float, Interval(gt=0, le=1e4)] = 10.0
    """And at most this wide, before the factors of level and allowance."""
    level_factors: Annotated[tuple[Annotated[float, Interval(ge=1, le=1e3)], ...], MinLen(1)] = (1.0, 2.0, 3.0)
    """By level, best first; the last one is also for all further out."""
    adverse_floor_bps: Annotated[float, Interval(ge=0, le=1e4)] = 1.0
    """What a kept order must earn beyond the fee, in bps of the mid, unless its target earns less."""
    front_bonus: Annotated[float, Interval(ge=0, le=1e3)] = 0.5
    """An order at the front of its queue has a band that is wider by this share."""
    front_share: Annotated[float, Interval(ge=0, le=1)] = 0.2
    """It is at the front where no more than this share of its level trades before it."""
    near_bonus: Annotated[float, Interval(ge=0, le=1e3)] = 0.25
    """One that is near the front has a band that is wider by this share."""
    near_share: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """It is near the front where no more than this share of its level trades before it."""
    queue_value: QueueValueConfig | None = None
    """Keep an order for what its place in the queue is worth; off: places widen bands and no more."""

    @property
    def asks_for_places(self) -> bool:
        """Whether anything depends on where orders stand in their queues."""
        return self.front_bonus > 0 or self.near_bonus > 0 or self.queue_value is not None


class Band(NamedTuple):
    """How far from its target an order may stay, in bps."""

    away: Bps
    toward: Bps
    spare: Bps = Bps(0.0)
    """Toward the market a fill pays up to here; no bonus leads beyond it."""

    def times(self, factor: float) -> "Band":
        """A wider one; toward the market only as far as a fill still pays."""
        away = Bps(self.away * factor)
        return Band(away, Bps(max(min(away, self.spare), self.toward)), self.spare)


NO_BAND = Band(Bps(0.0), Bps(0.0))


class Claim(NamedTuple):
    """What the place of an order in its queue speaks for."""

    factor: float = FULL
    """Its band is wider by this."""
    queue_factor: float = 0.0
    """For the value of the place alone it stays within so many bands; 0: the place is worth too little."""


NO_CLAIM = Claim()


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
    widened: float = FULL,
) -> dict[Px, Band]:
    """That of the target at each price; ``mid`` is what a fill is worth, ``factor`` that of the allowance.

    ``widened``: by so much risk has the half-spread wider. Toward the market no order stays that is nearer to where it
    was without that than to where it should be.
    """
    base = base_band(half_spread, config)
    factors = config.level_factors
    most = half_spread * (1 - 1 / widened) / 2 if widened > FULL else inf
    bands = {}
    for index, target in enumerate(targets):
        width = base * factor * factors[min(index, len(factors) - 1)]
        spare = Bps(min(_spare(target, side, mid, fee + config.adverse_floor_bps), most))
        bands[target.px] = Band(Bps(width), Bps(min(width, spare)), spare)
    return bands


def wider_latch(
    targets: Sequence[LadderLevel], side: Side, mid: float, fee: Bps, latch: Band, factor: float
) -> dict[Px, Band]:
    """The plain latch at each price, wider by ``factor``; toward the market only as far as a fill pays its fee."""
    return {target.px: latch._replace(spare=_spare(target, side, mid, fee)).times(factor) for target in targets}


def paying_mids(bid: Px | None, ask: Px | None, mid: float, fee: Bps) -> tuple[float, float]:
    """Between which mids a fill of our best bid and of our best ask still pays the fee, or as much as at this one."""
    low = 0.0 if bid is None else min(bid / (1 - fee / BPS), mid)
    high = inf if ask is None else max(ask / (1 + fee / BPS), mid)
    return low, high


def edge_of(side: Side, px: Px, mid: float) -> Bps:
    """What a fill at a price earns before its fee, if the mid is what it is worth; in bps of the mid."""
    return Bps(side * (mid - px) / mid * BPS)


def _spare(target: LadderLevel, side: Side, mid: float, cost: float) -> Bps:
    """How far toward the market a fill pays ``cost`` (bps of the mid), in bps of the target's price."""
    return Bps(max(edge_of(side, target.px, mid) - cost, 0.0) * mid / target.px)


def bonus_of(ahead: Sz, level: Sz, config: ToleranceConfig) -> float:
    """By how much the band is wider with so many lots of a level ahead (CH-23)."""
    if ahead <= config.front_share * level:
        return config.front_bonus
    return config.near_bonus if ahead <= config.near_share * level else 0.0


def queue_value(half_spread: Bps, ahead: float, config: QueueValueConfig) -> Bps:
    """What a place is worth; ``half_spread``: what a fill earns, per side; ``ahead``: in mean trades (Q6)."""
    return Bps(max(0.0, half_spread / 2 * exp(-config.decay * ahead) - config.delay_bps * ahead))


def claim_of(ahead: Sz, level: Sz, mean_trade: float | None, half_spread: Bps, config: ToleranceConfig) -> Claim:
    """What a place with so many lots of its level ahead speaks for; ``mean_trade``: in lots, None where not known."""
    factor = FULL + bonus_of(ahead, level, config)
    value = config.queue_value
    if value is None or not mean_trade:
        return Claim(factor)
    is_worth = queue_value(half_spread, ahead / mean_trade, value) >= value.modify_cost_bps
    return Claim(factor, value.most_bands if is_worth else 0.0)
