"""The ladder: grid, order of prices, caps and capacities."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import exp, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.instrument import Instrument
from domain.units import USD, Frac, InstrumentId, Px, Sz, Usd
from strategy.glft import QuoteConfig, QuoteParams, compute_quote, derive_gamma
from strategy.ladder import (
    SNAP_TOLERANCE_TICKS,
    Dropped,
    Ladder,
    LadderConfig,
    LadderLevel,
    build_ladder,
    geometric_depths,
    give_inward,
    level_cap,
    level_weights,
    side_distances,
    split_size,
)

ETH = Instrument(id=InstrumentId("ETH"), sz_decimals=4)  # 2000.0 is 200_000 ticks, on a grid of 10
GAMMA = derive_gamma(3250.0, Frac(2e-4), 60.0)
PARAMS = QuoteParams(
    fair=200_000.0, q=0.0, gamma=GAMMA, kappa=3250.0, sigma=Frac(2e-4), maker_fee=Frac(1.5e-4), tick=10
)
QUOTE = compute_quote(PARAMS, QuoteConfig())
ONE_ETH = Sz(10_000)


def ladder(quote=QUOTE, *, size=ONE_ETH, bids=ONE_ETH, asks=ONE_ETH, grid=ETH, **config):
    return build_ladder(quote, LadderConfig(**config), grid, size=size, bid_capacity=bids, ask_capacity=asks)


# --- any ladder ---------------------------------------------------------------------------------------

instruments = st.builds(
    lambda decimals, least: Instrument(id=InstrumentId("X"), sz_decimals=decimals, min_notional=Usd(least)),
    st.integers(0, 6),
    st.sampled_from([1, 10 * USD, 100 * USD]),
)
configs = st.builds(
    LadderConfig,
    levels=st.integers(1, 12),
    min_depth=st.none() | st.floats(1e-6, 0.05),
    max_depth=st.floats(1e-6, 0.49),
    min_span=st.floats(1, 10),
    adverse_selection=st.floats(0, 0.01),
    max_level_share=st.floats(0.05, 1),
)
lots = st.integers(0, 10**10)


@st.composite
def quotes(draw, grid):
    fair = draw(st.floats(100, 1e9))
    return compute_quote(
        QuoteParams(
            fair=fair,
            q=draw(st.floats(-3, 3)),
            gamma=draw(st.floats(1e-3, 1e3)),
            kappa=draw(st.floats(1, 2e4)),
            sigma=draw(st.floats(0, 1e-2)),
            maker_fee=draw(st.floats(-1e-4, 2e-3)),
            tick=grid.tick_at(int(fair)),
            mu=draw(st.floats(-1e-5, 1e-5)),
        ),
        QuoteConfig(),
    )


@given(st.data(), instruments, configs, lots, lots, lots)
def test_every_ladder_is_one_that_may_be_sent(data, grid, config, size, bid_capacity, ask_capacity):
    """QE-05, QM-07, RU-13, T-05: legal prices, strictly outward, not crossing; sizes within capacity, cap and minimum;
    and every level asked for is there or is counted by its reason."""
    quote = data.draw(quotes(grid))
    result = build_ladder(
        quote, config, grid, size=Sz(size), bid_capacity=Sz(bid_capacity), ask_capacity=Sz(ask_capacity)
    )
    bids, asks, bids_dropped, asks_dropped, raws = result
    assert set(raws) == {level.px for level in (*bids, *asks)}
    if bids and asks:
        assert bids[0].px < asks[0].px
    assert all(near.px > far.px for near, far in pairwise(bids))
    assert all(near.px < far.px for near, far in pairwise(asks))
    slack = 2 * SNAP_TOLERANCE_TICKS
    assert all(level.px <= quote.fair + slack for level in bids)
    assert all(level.px >= quote.fair - slack for level in asks)

    for levels, capacity, dropped in ((bids, bid_capacity, bids_dropped), (asks, ask_capacity, asks_dropped)):
        total = sum(level.sz for level in levels)
        assert total == (min(size, capacity) if levels else 0), "size is moved between levels, never lost or made"
        assert len(levels) + sum(dropped) == config.levels
        for px, sz in levels:
            assert type(px) is int
            assert type(sz) is int
            assert grid.is_on_grid(px)
            assert grid.notional(px, sz) >= grid.min_notional
            least_lots = -(-grid.min_notional // px)
            assert sz <= max(level_cap(total, len(levels), config.max_level_share), least_lots)


@given(configs, lots, st.booleans())
def test_reduce_only_has_levels_on_the_reducing_side_only(config, size, is_long):
    """QM-19, BG-02: capacity 0 is no levels, in 100 % of cases; the origin once quoted both sides."""
    bids, asks = (0, 10**12) if is_long else (10**12, 0)
    result = build_ladder(QUOTE, config, ETH, size=Sz(size), bid_capacity=Sz(bids), ask_capacity=Sz(asks))
    silenced, dropped = (result.bids, result.bids_dropped) if is_long else (result.asks, result.asks_dropped)
    assert silenced == ()
    assert dropped == Dropped(no_capacity=config.levels)


# --- particular ladders -------------------------------------------------------------------------------


def test_a_ladder_as_a_whole():
    """Flat, half-spread 4.52 bps to 50 bps: four levels hold the capped quarter; the fifth would get less than $10."""
    whole = ladder(levels=5, size=Sz(1_000), max_level_share=0.25)
    assert whole._replace(raws={}) == Ladder(
        bids=tuple(LadderLevel(Px(px), Sz(250)) for px in (199_900, 199_830, 199_690, 199_450)),
        asks=tuple(LadderLevel(Px(px), Sz(250)) for px in (200_100, 200_170, 200_310, 200_550)),
        bids_dropped=Dropped(too_small=1),
        asks_dropped=Dropped(too_small=1),
    )
    assert whole.raws == pytest.approx(
        {199_900: 199_909.6, 199_830: 199_835.2, 199_690: 199_699.4, 199_450: 199_451.7}
        | {200_100: 200_090.4, 200_170: 200_164.8, 200_310: 200_300.6, 200_550: 200_548.3},
        abs=0.1,
    )


def test_merged_levels_stand_for_the_innermost_of_them():
    """What was wanted of a level that others joined is where it was wanted first."""
    merged = ladder(levels=40, max_depth=Frac(6e-4), size=Sz(20_000))
    assert merged.bids_dropped.merged
    assert {level.px for level in (*merged.bids, *merged.asks)} == set(merged.raws)
    best = merged.bids[0].px
    assert best <= merged.raws[best] < best + 10
    assert all(merged.raws[level.px] <= merged.raws[best] for level in merged.bids)


def test_each_side_has_its_own_capacity():
    """RC-14: long at 90 % of a limit of 1: bids may hold 10 %, asks 190 %."""
    result = ladder(size=Sz(20_000), bids=Sz(1_000), asks=Sz(19_000))
    assert sum(level.sz for level in result.bids) == 1_000
    assert sum(level.sz for level in result.asks) == 19_000


def test_a_capacity_under_the_minimum_is_not_lifted_to_it():
    """T-05: the origin applied the minimum after the cap, and so placed orders at zero capacity."""
    for capacity in (0, 1, 49):  # 49 lots are $9.8
        result = ladder(bids=Sz(capacity))
        assert result.bids == ()
        assert sum(result.bids_dropped) == 3
        assert result.asks != ()
    assert ladder(bids=Sz(51)).bids == (LadderLevel(Px(199_900), Sz(51)),)


def test_a_long_position_lowers_the_whole_ladder():
    """QM-03 for every level, by the same shift."""
    long = ladder(compute_quote(replace(PARAMS, q=1.0), QuoteConfig()), levels=4)
    flat = ladder(levels=4)
    shift = QUOTE.delta_star * 200_000  # the derived gamma's skew at full position
    for side in ("bids", "asks"):
        for moved, level in zip(getattr(long, side), getattr(flat, side), strict=True):
            assert moved.px - level.px == pytest.approx(-shift, abs=10)


def test_levels_that_snap_to_one_price_become_one():
    """A coarse grid must not give two orders at one price, which would be one order and a phantom."""
    coarse = Instrument(id=InstrumentId("DOGE"), sz_decimals=6, min_notional=Usd(1))  # whole dollars
    quote = compute_quote(replace(PARAMS, fair=5_000.5, tick=1), QuoteConfig())
    result = ladder(quote, grid=coarse, levels=10, max_depth=Frac(1e-3), max_level_share=1.0)
    assert [level.px for level in result.bids] == [4998, 4997, 4996, 4995]
    assert [level.px for level in result.asks] == [5003, 5004, 5005, 5006]
    assert result.bids_dropped.merged == 6
    depths = geometric_depths(quote.half_spread, Frac(1e-3), 10)
    weight_at = Counter()
    for depth, weight in zip(depths, level_weights(depths, quote.kappa, quote.fee, LadderConfig()), strict=True):
        weight_at[floor(5_000.5 * (1 - depth))] += weight
    expected = [ONE_ETH * weight_at[level.px] / weight_at.total() for level in result.bids]
    assert [level.sz for level in result.bids] == pytest.approx(expected, abs=4), "one order carries the weight of all"


def test_a_level_that_costs_more_than_it_earns_is_left_out():
    """Q13: capture d - AS0 e^(-d/d0) - fee; an innermost level at 2 bps earns 0.5 over the fee and loses more."""
    result = ladder(levels=4, min_depth=Frac(2e-4), max_depth=Frac(2e-3))
    assert result.bids_dropped == Dropped(unprofitable=1)
    assert len(result.bids) == 3


def test_a_bid_below_one_tick_is_left_out():
    """Deep levels, lowered by a long position, at a price of three ticks: snapping must not lift them back to one."""
    quote = compute_quote(replace(PARAMS, fair=3.0, tick=1, q=1e9), QuoteConfig())
    result = ladder(quote, levels=4, max_depth=Frac(0.49), size=Sz(10**9), bids=Sz(10**9), asks=Sz(10**9))
    assert quote.half_spread == pytest.approx(1 / 3)
    assert quote.shift == pytest.approx(1.5e-4 - 1 / 3)
    assert result.bids_dropped.off_grid > 0
    assert sum(result.bids_dropped) + len(result.bids) == 4
    assert result.asks != ()


def test_nothing_profitable_is_an_empty_ladder_that_says_so():
    result = ladder(adverse_selection=Frac(0.05), adverse_selection_decay=Frac(1.0), max_depth=Frac(1e-3))
    assert result == Ladder((), (), Dropped(unprofitable=3), Dropped(unprofitable=3))


@pytest.mark.parametrize("fair", [200_000, 123_450, 131_380])
def test_prices_that_are_on_the_grid_stay_there(fair):
    """Without the tolerance 200_000 (1 + 0.0005) is 200_100.00000000003 ticks, and the ask would stand a tick out."""
    wanted = range(100, 3_000, 10)
    best = []
    for ticks in wanted:
        result = ladder(
            compute_quote(replace(PARAMS, fair=fair), QuoteConfig()), levels=1, min_depth=Frac(ticks / fair)
        )
        best.append((result.bids[0].px, result.asks[0].px))
    assert best == [(fair - ticks, fair + ticks) for ticks in wanted]


# --- the parts -----------------------------------------------------------------------------------------


def test_depths_are_geometric():
    """Q13's example: 2 to 200 bps in ten levels, ratio 1.668."""
    depths = geometric_depths(Frac(2e-4), Frac(200e-4), 10)
    assert (depths[0], depths[-1]) == pytest.approx((2e-4, 200e-4))
    assert [far / near for near, far in pairwise(depths)] == pytest.approx([1.668] * 9, abs=1e-3)


def test_weights_survive_a_large_kappa():
    """exp(-kappa d) itself is 0 from kappa d = 745 on."""
    weights = level_weights([Frac(0.1), Frac(0.2)], 20_000.0, Frac(0.0), LadderConfig())
    assert weights[0] > 0


@pytest.mark.parametrize(
    ("changes", "min_depth", "distances_bps"),
    [
        ({}, 10.0, (10.0, 10.0)),
        ({"q": 0.1}, 10.0, (10.30188, 9.69811)),
        ({}, 0.5, (1.5, 1.5)),
        ({"q": 0.1}, 1.0, (1.95283, 1.5)),
        ({"q": 1.0}, 1.0, (3.0, 1.5)),
    ],
    ids=["wide enough", "skewed", "widened", "deficit in proportion, then the fee", "never inside the fee"],
)
def test_total_floor_splits_its_deficit(changes, min_depth, distances_bps):
    """Q13: a pair is two floors apart at least (here the fee, 1.5 bps a side); no side is inside the fee."""
    quote = compute_quote(replace(PARAMS, **changes), QuoteConfig())
    distances = side_distances(Frac(min_depth * 1e-4), quote)
    assert [distance * 1e4 for distance in distances] == pytest.approx(distances_bps, abs=1e-4)


@given(st.integers(1, 10**12), st.lists(st.floats(1e-12, 1e6), min_size=1, max_size=30), st.floats(0.01, 1))
def test_split_size_places_every_lot_under_the_cap(total, weights, share):
    sizes = split_size(Sz(total), weights, share)
    assert sum(sizes) == total
    assert min(sizes) >= 0
    assert max(sizes) <= level_cap(total, len(weights), share)


def test_weights_next_to_zero_still_share_the_size():
    """Found by Hypothesis: a size over a sum of weights of 1e-310 is infinite, a weight over that sum is not."""
    assert split_size(Sz(10), [1e-310, 1e-310], 1.0) == [5, 5]


@pytest.mark.parametrize(
    ("levels", "sizes"),
    [(1, [1200]), (2, [600, 600]), (3, [400, 400, 400]), (4, [300] * 4), (5, [300, 300, 300, 200, 100])],
)
def test_a_cap_that_cannot_sum_to_one_becomes_an_equal_part(levels, sizes):
    """25 % of a side over fewer than four levels would leave size unplaced: it is relaxed to 1/n."""
    assert split_size(Sz(1200), [16.0, 8.0, 4.0, 2.0, 1.0][:levels], 0.25)[: len(sizes)] == pytest.approx(sizes, abs=62)
    assert max(split_size(Sz(1200), [16.0, 8.0, 4.0, 2.0, 1.0][:levels], 0.25)) == max(sizes)


def test_small_levels_give_their_size_inward():
    """Q13: outermost first; an innermost level that is too small joins the next, at the price of the larger of them."""
    prices = [Px(200_000), Px(199_000), Px(198_000)]
    assert give_inward(prices, [600, 100, 40], 1.0, ETH) == [600, 140, 0]
    assert give_inward(prices, [600, 30, 40], 1.0, ETH) == [600, 70, 0]
    assert give_inward(prices, [600, 10, 40], 1.0, ETH) == [650, 0, 0]
    assert give_inward(prices, [20, 100, 40], 1.0, ETH) == [0, 160, 0], "the innermost level hardly pays"
    assert give_inward(prices, [34, 33, 33], 1.0, ETH) == [100, 0, 0], "a small side quotes at its best price"
    assert give_inward(prices, [20, 10, 10], 1.0, ETH) == [0, 0, 0]
    assert give_inward(prices, [600, 30, 40], 0.25, ETH) == [335, 335, 0], "and the cap holds again afterwards"


class CountingGrid:
    """An instrument that counts what it is asked."""

    min_notional = ETH.min_notional

    def __init__(self):
        self.calls = 0

    def snap_down(self, px):
        self.calls += 1
        return ETH.snap_down(px)

    def snap_up(self, px):
        self.calls += 1
        return ETH.snap_up(px)

    def notional(self, px, sz):
        self.calls += 1
        return ETH.notional(px, sz)


@pytest.mark.parametrize("levels", [1, 5, 10, 20, 40])
def test_work_is_linear_in_the_levels(levels):
    """QM-07: doubling the levels doubles the time; counted, not timed."""
    grid = CountingGrid()
    ladder(grid=grid, levels=levels)
    assert grid.calls <= 2 * (3 * levels + 1)


@pytest.mark.parametrize(
    "bad",
    [{"levels": 0}, {"levels": 51}, {"min_depth": 0}, {"max_depth": 0.5}, {"min_span": 0.9}, {"max_level_share": 1.1}],
)
def test_config_bounds_are_those_that_the_edge_checks(bad):
    adapter = TypeAdapter(LadderConfig)
    assert adapter.validate_python({}) == LadderConfig()
    with pytest.raises(ValidationError):
        adapter.validate_python(bad)


def test_a_single_level_that_does_not_pay_stands_further_out():
    """Seed 1846: one level at a thin half-spread was never quoted. What adverse selection costs there comes on top."""
    quote = replace(QUOTE, half_spread=Frac(2.2e-4))
    assert level_weights([quote.half_spread], quote.kappa, quote.fee, LadderConfig()) == [0.0]
    result = ladder(quote, levels=1)
    depth = quote.half_spread + 1e-4 * exp(-quote.half_spread / 1e-3)
    assert result.bids_dropped == Dropped()
    assert result.bids[0].px == ETH.snap_down(quote.fair * (1 - depth))
    assert level_weights([Frac(depth)], quote.kappa, quote.fee, LadderConfig())[0] > 0
