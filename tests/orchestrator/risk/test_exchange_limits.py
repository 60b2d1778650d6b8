"""How far the venue lets a position go: from its reports, less with their age, never against what reduces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import InstrumentLimits, MarginMode
from domain.units import Pos, Side, Sz, Usd
from orchestrator.risk.exchange_limits import AgeingConfig, ExchangePositionLimits, most_value
from orchestrator.risk.position_limit import PositionLimit
from tests.orchestrator.messages import BUY, ETH, SELL, s

NO_END = float("inf")
TIERS = ((Usd(1_000), 20), (Usd(5_000), 5))


def told(max_position: int = 1_000, leverage: int | None = 25, tiers=()) -> ExchangePositionLimits:
    made = ExchangePositionLimits(AgeingConfig())
    limits = InstrumentLimits(ETH.id, 2, Usd(0), 25, Sz(max_position), leverage, MarginMode.CROSS, tiers)
    made.take(limits, s(0))
    return made


def reach(bound: ExchangePositionLimits, position: int, *, adds=NO_END, opens=NO_END, at: float = 0) -> tuple[int, int]:
    """Lots (long, short) at a mid of 1 micro-USD a lot."""
    bound.update(Pos(position), 1.0, adds, opens, s(at))
    return bound.reach(BUY), bound.reach(SELL)


def test_before_any_report_nothing_may_be_added():
    """EL-04: unknown is nothing; what reduces a position may go on."""
    bound = ExchangePositionLimits(AgeingConfig())
    assert (bound.most(1.0), bound.leverage, bound.is_isolated) == (0, None, False)
    assert reach(bound, 5) == (5, 0)


REACH = (
    # position, max, addable, openable -> long, short
    (0, 1_000, NO_END, NO_END, 1_000, 1_000),
    (0, 1_000, 300, 300, 300, 300),
    (200, 1_000, 300, 450, 500, 450),
    (-200, 1_000, 300, 450, 450, 500),
    (200, 400, 300, 450, 400, 400),
    (200, 1_000, 0, 0, 200, 0),  # nothing is left: nothing to add, and nothing beyond zero on the other side
    (200, 100, 300, 300, 200, 100),  # the venue's limit fell below the position
)


@pytest.mark.parametrize(("position", "most", "adds", "opens", "long", "short"), REACH)
def test_what_the_money_and_the_venue_leave(position, most, adds, opens, long, short):
    """MG-07: the smaller of the two, on top of what is held, and from zero on the other side."""
    assert reach(told(most), position, adds=adds, opens=opens) == (long, short)


@pytest.mark.parametrize(
    ("age", "share", "long"), [(0, 1, 1_000), (120, 1, 1_000), (120.1, 0.5, 600), (300, 0.5, 600), (300.1, 0, 200)]
)
def test_an_old_report_counts_less_and_then_nothing(age, share, long):
    """MG-06: two minutes in full, up to five by half, then nothing is added; what is held is held."""
    bound = told()
    assert bound.share(s(age)) == share
    assert reach(bound, 200, at=age)[0] == long
    limit = PositionLimit()
    limit.lots, limit.bounds = Sz(900), [bound]
    assert limit.capacity(SELL, Pos(200)) >= 200


@pytest.mark.parametrize(
    ("leverage", "value"), [(None, None), (5, None), (6, 5_000), (20, 5_000), (21, 1_000), (50, 1_000)]
)
def test_leverage_ends_where_a_tier_allows_less(leverage, value):
    """MG-04: piecewise: 20x from 1,000 on, 5x from 5,000 on. Where what is set is more, the position ends there."""
    assert most_value(leverage, TIERS) == value
    assert told(10_000, leverage, TIERS).most(1.0) == (10_000 if value is None else int(0.99 * value))


@given(
    st.integers(-400, 400),
    st.integers(0, 500),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 400),
    st.booleans(),
)
def test_effective_is_the_smaller_and_reducing_is_always_possible(position, most, adds, opens, age, is_reducing):
    """MG-07, T-23: never beyond ours or the venue's, and the other side has at least the position itself."""
    bound, limit = told(most), PositionLimit()
    limit.lots, limit.bounds, limit.reduce_only = Sz(250), [bound], is_reducing
    reach(bound, position, adds=adds, opens=opens, at=age)
    for side in Side:
        held = side * position
        assert limit.effective(side) <= 250
        capacity = limit.capacity(side, Pos(position))
        assert capacity >= max(-held, 0)
        after = held + capacity
        if capacity and after > 0:  # an order that flips is no order that reduces: the part beyond zero is limited
            assert not is_reducing
            assert after <= min(250, max(held, 0) + (adds if held >= 0 else opens))
            assert held >= 0 or after <= most


def test_ages_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="partial_s 100 is below full_s 120"):
        AgeingConfig(partial_s=100)
