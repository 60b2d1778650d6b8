"""The bands of the latch against the numbers of Q5, and the edge that a kept order always has (RU-12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.orders import OrderState, TrackedOrder
from domain.units import Bps, Ns, Oid, Px, Side, Sz, Tif
from orchestrator.reconcile.band import (
    Band,
    Claim,
    QueueValueConfig,
    ToleranceConfig,
    bands_of,
    base_band,
    bonus_of,
    claim_of,
    paying_mids,
    queue_value,
    wider_latch,
)
from orchestrator.reconcile.base import CancelOrder, Plan, Replace, reconcile
from orchestrator.reconcile.table import Rules
from strategy.ladder import LadderLevel
from tests.orchestrator.messages import ETH, cloid

CONFIG = ToleranceConfig()
MID = 10_000_000.0
FEE = Bps(1.5)


def target(side: Side, depth_bps: float) -> LadderLevel:
    return LadderLevel(Px(round(MID * (1 - side * depth_bps / 1e4))), Sz(10))


@pytest.mark.parametrize(
    ("half", "base"), [(8.55, 3.0), (20.0, 6.0), (40.0, 10.0), (5.0, 3.0), (50.0, 10.0), (1.2, 1.2)]
)
def test_the_band_of_the_best_level(half, base):
    """Q5, CH-24: three tenths of the half-spread within 3..10 bps, and never the whole of a narrow one."""
    assert base_band(Bps(half), CONFIG) == pytest.approx(base)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("half", "factor", "away"),
    [(8.55, 1.0, [3, 6, 9, 9]), (20.0, 3.0, [18, 36, 54, 54]), (40.0, 1.0, [10, 20, 30, 30])],
)
def test_outer_levels_and_a_small_allowance_widen_it(side, half, factor, away):
    """Q5, CH-26: twice and three times as wide further out."""
    targets = [target(side, depth) for depth in (100, 120, 140, 160)]
    bands = bands_of(targets, side, MID, Bps(half), FEE, CONFIG, factor)
    assert [bands[level.px].away for level in targets] == pytest.approx(away)
    assert [bands[level.px].toward for level in targets] == pytest.approx(away), "all of them are far out"


@pytest.mark.parametrize("side", Side)
def test_toward_the_market_no_further_than_a_fill_still_pays(side):
    """C-12: at 8.55 bps with little allowance 9 bps away, and 8.55 - 1.5 - 1 = 6.05 toward."""
    level = target(side, 8.55)
    band = bands_of([level], side, MID, Bps(8.55), FEE, CONFIG, 3.0)[level.px]
    assert (band.away, band.toward) == pytest.approx((9.0, 6.05), abs=0.006)
    near = target(side, 2.0)
    assert bands_of([near], side, MID, Bps(8.55), FEE, CONFIG, 3.0)[near.px].toward == 0


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("depth", "away", "toward"), [(10.0, 3.0, 3.0), (3.0, 3.0, 1.5), (2.6, 3.0, 1.1), (2.0, 3.0, 1.0)]
)
def test_the_plain_latch_widens_where_a_fill_pays(side, depth, away, toward):
    """CH-29 without layer 4: three times 1 bp, toward the market as far as the fee of 1.5, and never less than 1 bp."""
    level = target(side, depth)
    (band,) = wider_latch([level], side, MID, FEE, Band(Bps(1.0), Bps(1.0)), 3.0).values()
    assert (band.away, band.toward) == pytest.approx((away, toward), abs=0.002)


@pytest.mark.parametrize("side", Side)
def test_what_risk_widens_is_not_latched(side):
    """Half the spread was 10 bps and is to be 15: what is 5 too near moves, what drifted by 2 stays."""
    level = target(side, 15.0)
    band = bands_of([level], side, MID, Bps(15.0), FEE, CONFIG, 3.0, widened=1.5)[level.px]
    assert (band.away, band.toward) == pytest.approx((13.5, 2.5), abs=0.01)
    assert band.times(1.5).toward == band.toward, "no place in a queue is worth a danger"


def test_between_which_mids_our_orders_pay():
    """A fee of 1.5 bps either side; what pays less already pays no less than now; with no order any mid will do."""
    low, high = paying_mids(Px(9_990_000), Px(10_010_000), MID, FEE)
    assert (low, high) == pytest.approx((9_990_000 * 1.00015, 10_010_000 / 1.00015), rel=1e-7)
    assert paying_mids(Px(9_999_900), None, MID, FEE) == (MID, float("inf"))
    assert paying_mids(None, Px(10_000_100), MID, FEE) == (0.0, MID)
    assert paying_mids(Px(9_999_900), None, MID, Bps(-0.5))[0] < 9_999_900, "with a rebate a fill beyond the mid pays"


@pytest.mark.parametrize(("ahead", "bonus"), [(0, 0.5), (20, 0.5), (21, 0.25), (50, 0.25), (51, 0.0), (100, 0.0)])
def test_who_stands_further_forward_may_lag_further(ahead, bonus):
    """CH-23, Q5: by the share of the level that is ahead."""
    assert bonus_of(Sz(ahead), Sz(100), CONFIG) == bonus
    assert claim_of(Sz(ahead), Sz(100), None, Bps(8.55), CONFIG) == Claim(1 + bonus)
    assert bonus_of(Sz(ahead * 1_000), Sz(100_000), CONFIG) == bonus, "T-26: no absolute units"


@pytest.mark.parametrize(("half", "away", "toward"), [(8.55, 4.5, 4.5), (20.0, 9.0, 9.0), (8.55 / 3, 2.85 * 1.5, 0.35)])
def test_the_front_of_a_queue_in_numbers(half, away, toward):
    """Q5: 4.5 and 9 bps at the front; toward the market never further than a fill pays."""
    level = target(Side.BUY, half)
    band = bands_of([level], Side.BUY, MID, Bps(half), FEE, CONFIG)[level.px].times(1.5)
    assert (band.away, band.toward) == pytest.approx((away, toward), abs=0.01)


def test_a_band_without_a_spare_is_not_wider_toward_the_market():
    """The plain latch knows no edge, so that nothing widens it there."""
    assert Band(Bps(2.0), Bps(2.0)).times(2) == (4.0, 2.0, 0.0)


@pytest.mark.parametrize(
    ("half", "ahead", "value"),
    [
        (8.55, 0, 4.275),
        (8.55, 5, 2.49),
        (8.55, 3.32, 3.0),
        (20, 0, 10.0),
        (20, 5, 5.97),
        (20, 10, 3.48),
        (4.28, 0, 2.14),
    ],
)
def test_what_a_place_is_worth(half, ahead, value):
    """Q6."""
    assert queue_value(Bps(half), ahead, QueueValueConfig()) == pytest.approx(value, abs=0.005)
    assert queue_value(Bps(half), 1_000, QueueValueConfig()) == 0


@pytest.mark.parametrize(
    ("ahead", "mean_trade", "is_worth"),
    [(3, 1.0, True), (4, 1.0, False), (30, 10.0, True), (40, 10.0, False), (0, None, False)],
)
def test_places_are_valued_in_mean_trades(ahead, mean_trade, is_worth):
    """T-26, Q6: at 8.55 bps up to 3.32 trades ahead; without a trade there is no measure."""
    config = ToleranceConfig(queue_value=QueueValueConfig())
    claim = claim_of(Sz(ahead), Sz(100), mean_trade, Bps(8.55), config)
    assert claim.queue_factor == (1.5 if is_worth else 0)
    assert not claim_of(Sz(0), Sz(100), 1.0, Bps(8.55), CONFIG).queue_factor, "off where it is not configured"


CLAIMS = [Claim(), Claim(1.25), Claim(1.5), Claim(1.5, 1.5), Claim(1.0, 3.0)]


@given(
    st.sampled_from(Side),
    st.floats(0.5, 60),
    st.floats(1, 3),
    st.lists(st.floats(0.1, 80), min_size=1, max_size=4, unique=True),
    st.lists(st.tuples(st.floats(-5, 80), st.sampled_from(CLAIMS)), max_size=5),
)
def test_a_kept_order_earns_its_fee_and_more(side, half, factor, depths, drifted):
    """RU-12: whatever drift and place, what is kept is fee and floor from the mid, or as far as its target."""
    targets = sorted((target(side, depth) for depth in depths), key=lambda level: -side * level.px)
    if len({level.px for level in targets}) < len(targets):
        return
    orders, claims = [], {}
    for number, (depth, claim) in enumerate(drifted, start=1):
        claims[cloid(number)] = claim
        order = TrackedOrder(ETH.id, cloid(number), side, target(side, depth).px, Sz(10), Tif.ALO, Ns(0))
        order.oid, order.state, order.in_flight = Oid(number), OrderState.OPEN, order.in_flight.NONE
        orders.append(order)
    plan = Plan()
    bands = bands_of(targets, side, MID, Bps(half), FEE, CONFIG, factor)
    reconcile(targets, orders, side, plan, Rules(0.2), Ns(0), bands, claims)
    gone = {action.order.cloid for action in plan.actions if isinstance(action, CancelOrder | Replace)}
    kept = [order for order in orders if order.cloid not in gone]
    assert len(kept) == plan.kept
    least = min(1.5 + 1.0, *(side * (MID - level.px) / MID * 1e4 for level in targets), 1e9)
    assert all(side * (MID - order.px) / MID * 1e4 >= least - 1e-6 for order in kept)
