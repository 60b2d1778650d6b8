"""The grid under the ladder against the numbers of Q4, and as properties of any price."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.units import Bps, Frac, InstrumentId
from strategy.price_grid import PriceGrid, PriceGridConfig, sigma_of_a_minute, spacing

ETH = Instrument(id=InstrumentId("ETH"), sz_decimals=4)  # 2000.0 is 200_000 ticks, on a grid of 10
FAIR = 200_000.0
SIGMA = Frac(5e-4 / 60**0.5)
"""Five bps a minute."""
WIDE = Frac(50e-4)
CONFIG = PriceGridConfig()


def grid(headroom=1.0, *, fair=FAIR, sigma=SIGMA, half=WIDE, instrument=ETH, **config) -> PriceGrid:
    made = PriceGrid(PriceGridConfig(**config), instrument)
    made.for_current_state(fair, sigma, headroom, half)
    return made


@pytest.mark.parametrize(("headroom", "bps", "ticks"), [(1.0, 1.25, 3), (0.5, 2.5, 5), (0.3, 3.0, 6), (0.07, 3.575, 8)])
def test_the_step_for_each_allowance(headroom, bps, ticks):
    """Q4: ETH at 2000, five bps a minute, a tick of 0.1 (0.5 bps) and of 0.01."""
    assert spacing(Bps(0.5), Bps(5.0), headroom, CONFIG) == pytest.approx(bps)
    assert spacing(Bps(0.05), Bps(5.0), headroom, CONFIG) == pytest.approx(bps)
    assert grid(headroom).step == ticks * 10


def test_the_least_spacing():
    """Q4: two ticks, or a tenth of a basis point, where the market stands still."""
    assert spacing(Bps(0.5), Bps(0.0), 1.0, CONFIG) == 1.0
    assert spacing(Bps(0.001), Bps(0.0), 1.0, CONFIG) == 0.1


def test_volatility_of_a_minute():
    """Q4: 2e-4 per square-root second are 15.5 bps a minute."""
    assert sigma_of_a_minute(Frac(2e-4)) == pytest.approx(15.49, abs=0.01)


def test_the_jitter_of_the_incident_stays_on_one_point():
    """Q4: kappa 1169, 1176, 1194 at 2000 with a step of $0.25: bid 1998.25 and ask 2001.75 in all three."""
    made = grid(fair=80_000.0)  # 2000 in ticks of $0.025
    made.anchor, made.step = 80_000, 10
    for half in (8.5525, 8.5016, 8.3735):
        assert made.snap_down(80_000 * (1 - half / 1e4)) * 0.025 == 1_998.25
        assert made.snap_up(80_000 * (1 + half / 1e4)) * 0.025 == 2_001.75


def test_the_grid_never_decides_a_narrow_quote():
    """Where half the spread is a fifth of a basis point a step of 1.25 bps would be all of it."""
    assert grid(half=Frac(2e-4)).step == 20
    assert grid(half=Frac(0.2e-4)).step == 10, "one tick is the least"


def test_the_anchor_stays_for_an_epoch():
    """C-30, CH-16: a price that moves inside the epoch leaves every point where it is."""
    made = grid()
    points = {made.snap_down(px) for px in range(190_000, 210_000)}
    for fair in range(195_000, 205_000, 7):
        made.for_current_state(float(fair), SIGMA, 1.0, WIDE)
    assert made.epoch == 1
    assert {made.snap_down(px) for px in range(190_000, 210_000)} == points


@pytest.mark.parametrize(
    ("fair", "sigma", "headroom", "is_new"),
    [
        (FAIR + 200 * 30, SIGMA, 1.0, False),
        (FAIR + 201 * 30, SIGMA, 1.0, True),
        (FAIR, Frac(SIGMA * 1.1), 1.0, False),
        (FAIR, Frac(SIGMA * 2), 1.0, True),
        (FAIR, SIGMA, 0.5, True),
        (FAIR, SIGMA, 0.97, False),
    ],
)
def test_when_an_epoch_ends(fair, sigma, headroom, is_new):
    """C-30: another step by more than a quarter, or more than 200 steps from the anchor."""
    made = grid()
    made.for_current_state(fair, sigma, headroom, WIDE)
    assert (made.epoch == 2) is is_new


instruments = st.builds(lambda decimals: Instrument(id=InstrumentId("X"), sz_decimals=decimals), st.integers(0, 6))


@given(
    instruments,
    st.floats(10, 1e7),
    st.floats(1e-5, 1e-3),
    st.floats(0, 1),
    st.floats(1e-5, 1e-2),
    st.floats(0.5, 2.0),
    st.floats(0.5, 2.0),
)
def test_points_are_legal_and_outward(instrument, fair, sigma, headroom, half, first, second):
    """CH-15: below a bid and above an ask, legal at the venue, a bid below its ask, and a point stays what it is."""
    made = PriceGrid(CONFIG, instrument)
    made.for_current_state(fair, Frac(sigma), headroom, Frac(half))
    low, high = sorted((fair * first, fair * second))
    if low < instrument.tick_at(int(low)):
        return
    bid, ask = made.snap_down(low), made.snap_up(high)
    least = instrument.tick_at(1)
    assert instrument.is_on_grid(bid)
    assert instrument.is_on_grid(ask)
    assert bid <= max(low, least) * (1 + 1e-9)
    assert ask >= high * (1 - 1e-9)
    assert bid <= ask
    if (bid - made.anchor) % made.step == 0:
        assert made.snap_down(bid) == bid
        assert made.snap_up(bid) == bid
