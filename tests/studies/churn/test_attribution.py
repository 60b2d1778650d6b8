"""By what a target moved: one cause at a time, and what is left where two act together."""

from dataclasses import replace

import pytest

from domain.units import Frac, Side
from strategy.glft import QuoteConfig, QuoteParams, compute_quote
from studies.churn.attribution import NONE, Parts, Stand, parts_of

CONFIG = QuoteConfig(gamma=2_000.0)
BEFORE = QuoteParams(fair=20_000.0, q=0.1, gamma=2_000.0, kappa=1_176.0, sigma=Frac(1.2e-4), maker_fee=Frac(1.5e-4))


def stand(params, *, step=0):
    """Where targets stand for these inputs: on whole ticks, or on points that are further apart."""
    quote = compute_quote(params, CONFIG)
    if not step:
        return Stand(params, CONFIG, round(quote.bid), round(quote.ask))
    return Stand(params, CONFIG, int(quote.bid // step * step), int(-(-quote.ask // step) * step))


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("cause", "changed"),
    [
        ("mid", {"fair": 20_040.0}),
        ("kappa", {"kappa": 900.0}),
        ("sigma", {"sigma": Frac(2e-4)}),
        ("skew", {"q": 0.4}),
    ],
)
def test_one_input_is_one_cause(side, cause, changed):
    """Nothing else has a part in it, but for the tick that the price stands on."""
    before, now = stand(BEFORE), stand(replace(BEFORE, **changed))
    parts = parts_of(before, now, side)
    others = {name: part for name, part in parts._asdict().items() if name not in ("moved", cause, "grid")}
    assert others == pytest.approx(dict.fromkeys(others, 0.0), abs=1e-9)
    assert abs(getattr(parts, cause)) > 0.05
    assert abs(parts.grid) <= 2 * 0.5 / 20_000 * 1e4
    assert parts.moved == pytest.approx(getattr(parts, cause) + parts.grid)


def test_the_signs_are_those_of_prices():
    """A higher mid lifts both, a smaller kappa moves both out, a longer position lowers both."""
    for changed, bid, ask in (({"fair": 20_040.0}, 1, 1), ({"kappa": 900.0}, -1, 1), ({"q": 0.4}, -1, -1)):
        now = stand(replace(BEFORE, **changed))
        assert parts_of(stand(BEFORE), now, Side.BUY).moved * bid > 0
        assert parts_of(stand(BEFORE), now, Side.SELL).moved * ask > 0


def test_two_inputs_at_once_leave_a_rest_and_add_up():
    now = stand(replace(BEFORE, q=0.4, sigma=Frac(2e-4)))
    parts = parts_of(stand(BEFORE), now, Side.BUY)
    assert abs(parts.rest) > 0.01
    assert parts.moved == pytest.approx(sum(parts[1:]))
    assert parts.moved == pytest.approx((now.bid - stand(BEFORE).bid) / stand(BEFORE).bid * 1e4)


def test_a_derived_gamma_is_rest():
    """It is no input that jitters, and it is not hidden in another one's part."""
    parts = parts_of(stand(BEFORE), stand(replace(BEFORE, gamma=3_000.0)), Side.BUY)
    assert (parts.mid, parts.kappa, parts.sigma, parts.skew) == (0, 0, 0, 0)
    assert abs(parts.rest) > 0.01


def test_a_grid_takes_back_what_the_mid_does():
    """Inside a step the mid's part and the grid's cancel out, and the target has not moved."""
    before, now = stand(BEFORE, step=50), stand(replace(BEFORE, fair=20_005.0), step=50)
    parts = parts_of(before, now, Side.BUY)
    assert parts.moved == 0
    assert parts.mid == pytest.approx(-parts.grid)
    assert parts.mid > 2


@pytest.mark.parametrize("gone", ["before", "now"])
def test_a_side_without_a_target_has_not_moved(gone):
    before, now = stand(BEFORE), stand(replace(BEFORE, fair=20_040.0))
    empty = {"before": (replace(before, bid=None), now), "now": (before, replace(now, bid=None))}[gone]
    assert parts_of(*empty, Side.BUY) == NONE == Parts()
    assert parts_of(*empty, Side.SELL).moved > 0
