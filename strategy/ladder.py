"""From one quote to a ladder of prices and sizes on the instrument's grid (catalogue Q13, QM-07).

Knows the grid and how much each side may hold; does not know orders, the book or the position.

In this order, because prices decide what a level is worth: depths, shift, floor, snap, merge; then
weights, cap, minimum notional, cap again. One pass over the levels for each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, floor
from typing import Annotated, NamedTuple, Protocol

from annotated_types import Interval

from domain.units import Frac, Px, Side, Sz, Usd
from strategy.glft import Quote

SNAP_TOLERANCE_TICKS = 1e-6
"""Rounding of floats must not push a price that is on the grid one tick outward."""


class Grid(Protocol):
    """What the ladder needs of an instrument; ``domain.instrument.Instrument`` has it."""

    @property
    def min_notional(self) -> Usd:
        """Least value of an order."""

    def snap_down(self, px: float) -> Px:
        """Largest legal price not above ``px``."""

    def snap_up(self, px: float) -> Px:
        """Smallest legal price not below ``px``."""

    def notional(self, px: Px, sz: Sz) -> Usd:
        """Value in micro-USD."""


@dataclass(frozen=True, slots=True)
class LadderConfig:
    """Shape of the ladder.

    A level's part of its side is in proportion to how often it fills, exp(-kappa depth), times
    what a fill there earns: its depth less adverse selection less the fee.
    """

    levels: Annotated[int, Interval(ge=1, le=50)] = 3
    """Levels a side, at most: those on one tick are merged, those that do not pay or are too small left out."""
    min_depth: Annotated[Frac, Interval(gt=0, lt=0.5)] | None = None
    """Depth of the first level, as a fraction of the price; none: the quote's own half-spread."""
    max_depth: Annotated[Frac, Interval(gt=0, lt=0.5)] = Frac(0.005)
    """Depth of the last level, as a fraction of the price (0.005 is 50 bps); depths between grow geometrically."""
    min_span: Annotated[float, Interval(ge=1, le=100)] = 1.5
    """The last level is at least this many times as deep as the first, where `max_depth` is nearer than that."""
    adverse_selection: Annotated[Frac, Interval(ge=0, lt=0.1)] = Frac(1e-4)
    """What a fill at depth 0 loses on average to better informed takers, as a fraction of the price."""
    adverse_selection_decay: Annotated[Frac, Interval(gt=0, le=1e9)] = Frac(1e-3)
    """Depth, as a fraction of the price, over which that loss falls by the factor e."""
    max_level_share: Annotated[float, Interval(gt=0, le=1)] = 0.25
    """Largest part of a side on one level; fewer levels than 1/share cannot obey it and get equal parts, 1/n."""


class LadderLevel(NamedTuple):
    """One price and the size wanted there."""

    px: Px
    sz: Sz


class Dropped(NamedTuple):
    """Levels that a side was asked for and does not have, by reason."""

    merged: int = 0
    """Snapped onto (or inside) the level before it, which got its weight."""
    unprofitable: int = 0
    """A fill there would not pay fee and adverse selection."""
    too_small: int = 0
    """Under the minimum notional; the size went inward."""
    off_grid: int = 0
    """The price would be below one tick."""
    no_capacity: int = 0
    """The side may hold nothing."""


NO_RAWS: Mapping[Px, float] = {}


class Ladder(NamedTuple):
    """Bids and asks, best first, prices strictly outward, sizes positive."""

    bids: tuple[LadderLevel, ...]
    asks: tuple[LadderLevel, ...]
    bids_dropped: Dropped
    asks_dropped: Dropped
    raws: Mapping[Px, float] = NO_RAWS
    """The price that each level stands for, before it was snapped; of merged ones that of the innermost."""


def build_ladder(
    quote: Quote,
    config: LadderConfig,
    grid: Grid,
    *,
    size: Sz,
    bid_capacity: Sz,
    ask_capacity: Sz,
) -> Ladder:
    """Levels of both sides for a quote.

    A side's sizes sum to min(size, its capacity) at most; a side without capacity has no levels
    (RC-14, QM-19), and no minimum ever lifts a size above the capacity (T-05). Where no depth pays for adverse
    selection, as may be with one level, the first one stands further out by what it costs there, if that is in reach.
    """
    inner = quote.half_spread if config.min_depth is None else config.min_depth
    outer = max(config.max_depth, inner * config.min_span)
    depths = geometric_depths(Frac(inner), Frac(outer), config.levels)
    weights = level_weights(depths, quote.kappa, quote.fee, config)
    paying = Frac(inner + config.adverse_selection * exp(-inner / config.adverse_selection_decay))
    if not any(weights) and paying <= outer:
        depths = geometric_depths(paying, Frac(outer), config.levels)
        weights = level_weights(depths, quote.kappa, quote.fee, config)
    pairs = [side_distances(depth, quote) for depth in depths]
    raws: dict[Px, float] = {}
    bids, bids_dropped = _build_side(
        Side.BUY, [bid for bid, _ in pairs], weights, quote.fair, config, grid,
        Sz(min(size, bid_capacity)), raws,
    )  # fmt: skip
    asks, asks_dropped = _build_side(
        Side.SELL, [ask for _, ask in pairs], weights, quote.fair, config, grid,
        Sz(min(size, ask_capacity)), raws,
    )  # fmt: skip
    return Ladder(bids, asks, bids_dropped, asks_dropped, raws)


def geometric_depths(inner: Frac, outer: Frac, levels: int) -> list[Frac]:
    """d_i = inner (outer/inner)^(i/(n-1)); 2 to 200 bps in 10 levels has ratio 1.668."""
    if levels == 1:
        return [inner]
    ratio = (outer / inner) ** (1.0 / (levels - 1))
    return [Frac(inner * ratio**i) for i in range(levels)]


def level_weights(depths: Sequence[Frac], kappa: float, fee: Frac, config: LadderConfig) -> list[float]:
    """max(0, lambda(d) x capture(d)) of each depth, in units of the first level's intensity.

    lambda = A exp(-kappa d); capture = d - AS0 exp(-d/d0) - fee. A cancels, and taking intensities
    relative to the first level keeps a large kappa from turning all of them into 0.
    """
    cost, decay = config.adverse_selection, config.adverse_selection_decay
    first = depths[0]
    return [max(0.0, exp(-kappa * (d - first)) * (d - cost * exp(-d / decay) - fee)) for d in depths]


def side_distances(depth: Frac, quote: Quote) -> tuple[float, float]:
    """Distances (bid, ask) from the fair price of the pair of levels at one depth.

    The shift first; then the pair is at least two floors apart, a deficit being split in
    proportion to the distances; then neither is nearer to the fair price than the fee. With the
    first depth at the quote's own half-spread neither rule changes anything.
    """
    shift = quote.shift
    bid, ask = depth - shift, depth + shift
    least = 2.0 * quote.floor
    if bid + ask < least:
        near, far = max(bid, 0.0), max(ask, 0.0)
        bid, ask = least * near / (near + far), least * far / (near + far)
    edge = max(quote.fee, 0.0)
    return max(bid, edge), max(ask, edge)


# --- one side ---------------------------------------------------------------------------------


def _build_side(
    side: Side,
    distances: Sequence[float],
    weights: Sequence[float],
    fair: float,
    config: LadderConfig,
    grid: Grid,
    total: Sz,
    raws: dict[Px, float],
) -> tuple[tuple[LadderLevel, ...], Dropped]:
    """``raws`` gets what each level stands for."""
    if total <= 0:
        return (), Dropped(no_capacity=len(distances))
    snapped = _snap(side, distances, weights, fair, grid)
    merged_or_off = len(distances) - len(snapped.prices)
    live = [(px, w) for px, w in zip(snapped.prices, snapped.weights, strict=True) if w > 0.0]
    prices = [px for px, _ in live]
    sizes = split_size(total, [w for _, w in live], config.max_level_share)
    sizes = give_inward(prices, sizes, config.max_level_share, grid)
    levels = tuple(LadderLevel(px, Sz(sz)) for px, sz in zip(prices, sizes, strict=True) if sz > 0)
    stands = {level.px for level in levels}
    raws.update((px, raw) for px, raw in zip(snapped.prices, snapped.raws, strict=True) if px in stands)
    return levels, Dropped(
        merged=merged_or_off - snapped.off_grid,
        unprofitable=len(snapped.prices) - len(live),
        too_small=len(live) - len(levels),
        off_grid=snapped.off_grid,
    )


class _Snapped(NamedTuple):
    prices: list[Px]
    raws: list[float]
    weights: list[float]
    off_grid: int


def _snap(side: Side, distances: Sequence[float], weights: Sequence[float], fair: float, grid: Grid) -> _Snapped:
    """Prices away from the market, strictly outward; a level that is not joins the one before."""
    prices: list[Px] = []
    raws: list[float] = []
    kept: list[float] = []
    last = 0
    for index, distance in enumerate(distances):
        if side is Side.BUY:
            raw = fair * (1.0 - distance)
            if raw < 1.0:
                return _Snapped(prices, raws, kept, len(distances) - index)
            px = grid.snap_down(raw + SNAP_TOLERANCE_TICKS)
            is_outward = px < last
        else:
            raw = fair * (1.0 + distance)
            px = grid.snap_up(raw - SNAP_TOLERANCE_TICKS)
            is_outward = px > last
        if prices and not is_outward:
            kept[-1] += weights[index]
        else:
            prices.append(px)
            raws.append(raw)
            kept.append(weights[index])
            last = px
    return _Snapped(prices, raws, kept, 0)


def split_size(total: Sz, weights: Sequence[float], max_share: float) -> list[int]:
    """Lots in proportion to positive weights, capped; they sum to ``total`` exactly.

    Lots lost to rounding go to the innermost level, and what a cap cuts off goes outward.
    """
    if not weights:
        return []
    whole = sum(weights)
    sizes: list[int] = []
    left: int = total
    for weight in weights:
        sz = min(floor(total * (weight / whole)), left)
        sizes.append(sz)
        left -= sz
    sizes[0] += left
    cap = level_cap(total, len(sizes), max_share)
    _spill(sizes, [cap] * len(sizes))
    return sizes


def level_cap(total: int, levels: int, max_share: float) -> int:
    """Most lots on one level: the share, relaxed to an equal part where it cannot sum to 1."""
    return max(ceil(total * max_share), -(-total // levels))


def give_inward(prices: Sequence[Px], sizes: Sequence[int], max_share: float, grid: Grid) -> list[int]:
    """Empty each level under the minimum notional into the next one inward; then cap again.

    If the innermost level is still too small it and the next one that stands become one level,
    where the larger of the two was meant to be. If none stands the side is empty: a size below
    the minimum is never lifted to it. The second cap is never below a level's own minimum, so that
    it cannot undo the first rule.
    """
    least = grid.min_notional
    kept = list(sizes)
    carry = 0
    for index in range(len(kept) - 1, -1, -1):
        sz = kept[index] + carry
        is_enough = sz > 0 and grid.notional(prices[index], Sz(sz)) >= least
        kept[index], carry = (sz, 0) if is_enough else (0, sz)
    standing = [index for index, sz in enumerate(kept) if sz > 0]
    if len(standing) == len(kept) or not standing:
        return kept
    if carry:
        first = standing[0]
        joined = kept[first] + carry
        if sizes[0] >= sizes[first] and grid.notional(prices[0], Sz(joined)) >= least:
            kept[first], standing[0] = 0, 0
        kept[standing[0]] = joined
    final = [kept[index] for index in standing]
    cap = level_cap(sum(final), len(final), max_share)
    _spill(final, [max(cap, -(-least // grid.notional(prices[i], Sz(1)))) for i in standing])
    for index, sz in zip(standing, final, strict=True):
        kept[index] = sz
    return kept


def _spill(sizes: list[int], caps: Sequence[int]) -> None:
    """Cut each size to its cap; the excess moves to the next level outward, then back inward.

    The caps must sum to the sizes at least.
    """
    excess = 0
    for index, cap in enumerate(caps):
        sz = sizes[index] + excess
        excess = max(sz - cap, 0)
        sizes[index] = sz - excess
    for index, cap in enumerate(caps):
        if not excess:
            return
        taken = min(excess, cap - sizes[index])
        sizes[index] += taken
        excess -= taken
