"""Kappa and A from market trades: closed form, recovery, forgetting."""

from math import log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.units import Frac, Ns, seconds
from strategy.kappa import TradeIntensity, TradeIntensityConfig, TradeKappa, TradeKappaConfig

NEVER = TradeKappaConfig(half_life_s=None)


def fed(depths, config=NEVER, every_s=1.0):
    kappa = TradeKappa(config)
    for i, depth in enumerate(depths):
        kappa.observe(Frac(depth), seconds(i * every_s))
    return kappa, seconds(max(len(depths) - 1, 0) * every_s)


# --- kappa ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depths", "value"), [([], 2500.0), ([4e-4] * 20, 2500.0), ([10e-4] * 20, 1136.3636363636365)])
def test_posterior_is_that_of_the_worked_numbers(depths, value):
    """Q7(a): prior a0 5, b0 .002; 20 trades at mean 4 bps agree with it, at 10 bps they pull it down."""
    kappa, now = fed(depths)
    assert kappa.value(now) == pytest.approx(value, rel=1e-12)
    assert kappa.sd(now) == pytest.approx(value / (5 + len(depths)) ** 0.5, rel=1e-12)
    assert kappa.n_effective(now) == pytest.approx(len(depths))


@pytest.mark.parametrize("truth", [300.0, 1500.0, 8000.0])
def test_recovers_the_kappa_that_made_the_trades(truth):
    random = Random(7)
    kappa, now = fed([random.expovariate(truth) for _ in range(4_000)])
    assert abs(kappa.value(now) - truth) < 3 * kappa.sd(now)
    assert kappa.sd(now) < 0.02 * truth


@pytest.mark.parametrize(
    "config",
    [TradeKappaConfig(half_life_s=100.0), TradeKappaConfig(half_life_s=None, half_life_trades=100.0)],
    ids=["by time", "by trades"],
)
def test_follows_a_market_that_changes(config):
    """Seven half-lives after kappa went from 1500 to 4000 the old market is forgotten."""
    random = Random(8)
    depths = [random.expovariate(1500.0) for _ in range(3_000)] + [random.expovariate(4000.0) for _ in range(700)]
    kappa, now = fed(depths, config)
    assert kappa.value(now) == pytest.approx(4000.0, rel=0.2)
    assert kappa.n_effective(now) == pytest.approx(100 / 0.6931, rel=0.02)


def test_silence_returns_to_the_prior_and_closes_no_gate():
    """QE-13: a feed without trades ends with the prior and a wide sd, not with "not ready"."""
    kappa, now = fed([1e-4] * 200, TradeKappaConfig(half_life_s=60.0))
    before = kappa.value(now), kappa.sd(now) / kappa.value(now)
    later = Ns(now + seconds(3_600))
    assert before[0] > 5_000
    assert kappa.value(later) == pytest.approx(2500.0, rel=1e-6)
    assert kappa.sd(later) / kappa.value(later) > before[1]
    assert kappa.is_ready(200)
    assert not kappa.is_ready(201)


@given(st.lists(st.tuples(st.floats(0, 0.1), st.integers(0, 10**12)), max_size=30), st.integers(0, 10**13))
def test_forgetting_step_by_step_equals_weighing_all_of_it(trades, wait):
    """The naive twin: every trade weighed by its age at the end."""
    config = TradeKappaConfig(half_life_s=200.0)
    kappa, now, times = TradeKappa(config), 0, []
    for depth, gap in trades:
        now += gap
        times.append((depth, now))
        kappa.observe(Frac(depth), Ns(now))
    now += wait
    weighed = [(depth, 0.5 ** ((now - time) / 200e9)) for depth, time in times]
    a = 5.0 + sum(weight for _, weight in weighed)
    b = 0.002 + sum(depth * weight for depth, weight in weighed)
    assert kappa.value(Ns(now)) == pytest.approx(a / b, rel=1e-9)
    assert kappa.n_effective(Ns(now)) == pytest.approx(a - 5.0, abs=1e-9)


def test_reading_changes_nothing_and_late_trades_count_as_new():
    kappa, now = fed([4e-4] * 10, TradeKappaConfig(half_life_s=10.0))
    first = kappa.value(now)
    kappa.value(Ns(now + seconds(100)))
    assert kappa.value(now) == pytest.approx(first, rel=1e-15)
    weight = kappa.n_effective(now)
    kappa.observe(Frac(4e-4), Ns(0))
    assert kappa.n_effective(now) == pytest.approx(weight + 1)
    assert kappa.n_effective(Ns(0)) == pytest.approx(weight + 1), "reading the past is reading the newest"


@pytest.mark.parametrize("bad", [-1e-9, float("nan"), float("inf")])
def test_a_depth_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="depth"):
        TradeKappa().observe(Frac(bad), Ns(0))


# --- the intensity --------------------------------------------------------------------------------------


def test_intensity_starts_at_half_of_the_priors_rate():
    """One side of the market is half of it: 2 trades in 4 s are 0.25 per second and side."""
    assert TradeIntensity().value(seconds(1_000)) == pytest.approx(0.25)


@pytest.mark.parametrize("half_life_s", [None, 2_000.0])
def test_recovers_the_intensity_of_one_side_and_leaves_pauses_out(half_life_s):
    """A = 1.5 per side over 4,000 s of exposure, in stretches of 100 s with hours of silence between them."""
    random = Random(9)
    intensity = TradeIntensity(TradeIntensityConfig(half_life_s=half_life_s))
    start = 0.0
    for _ in range(40):
        intensity.resume(seconds(start))
        now = start + random.expovariate(3.0)
        while now < start + 100.0:
            intensity.observe(seconds(now))
            now += random.expovariate(3.0)
        intensity.pause(seconds(start + 100.0))
        start += 10_000.0
    assert intensity.value(seconds(start)) == pytest.approx(1.5, rel=0.06)
    assert abs(intensity.value(seconds(start)) - 1.5) < 3 * intensity.sd(seconds(start))


def test_silence_that_was_listened_to_lowers_the_intensity():
    intensity = TradeIntensity(TradeIntensityConfig(half_life_s=60.0))
    intensity.resume(Ns(0))
    for second in range(100):
        intensity.observe(seconds(second))
    busy, quiet = intensity.value(seconds(100)), intensity.value(seconds(400))
    assert busy == pytest.approx(0.5, rel=0.05)
    keep = 0.5**5
    assert quiet < 0.1 * busy
    assert quiet > 0.5 * 2 * keep / 200, "the prior keeps it away from 0"


def test_exposure_is_the_integral_of_its_weights():
    """Forgetting weighs seconds as it weighs trades: a steady rate reads the same at every half-life.

    Of a long silence the half-life / ln 2 seconds count that are still remembered.
    """
    rates = []
    for half_life_s in (30.0, 300.0, None):
        intensity = TradeIntensity(TradeIntensityConfig(1e-9, 1e-9, half_life_s))
        intensity.resume(Ns(0))
        for tenth in range(1, 20_001):
            intensity.observe(seconds(tenth / 10))
        rates.append(intensity.value(seconds(2_000)))
    assert rates == pytest.approx([5.0] * 3, rel=0.01)

    silent = TradeIntensity(TradeIntensityConfig(half_life_s=60.0))
    silent.resume(Ns(0))
    assert silent.value(seconds(60)) == pytest.approx(0.5 * 2 / (4 + 0.5 * 60 / log(2)))
    assert silent.value(seconds(6_000)) == pytest.approx(0.5 * 2 / (4 + 60 / log(2)))


@pytest.mark.parametrize("bad", [{"prior_trades": 0}, {"prior_depth_sum": 0}, {"half_life_s": -1}])
def test_config_bounds_are_those_that_the_edge_checks(bad):
    """Off is None, never -1."""
    with pytest.raises(ValidationError):
        TypeAdapter(TradeKappaConfig).validate_python(bad)
