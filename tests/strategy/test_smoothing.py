"""The smoother of the quote's inputs against the numbers of Q3, and as properties."""

from dataclasses import replace
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import NS_PER_S, Frac, Ns
from strategy.smoothing import (
    ParameterSmoother,
    QuoteInputs,
    RegimeFlag,
    RegimeFlagConfig,
    SmootherConfig,
    SmoothingConfig,
)
from strategy.volatility import VolatilityConfig

CYCLE = 6
TENTH = -CYCLE / log(0.9)
"""Time constant with which a new value weighs a tenth in a cycle of six seconds."""
Q3 = SmootherConfig(
    kappa=SmoothingConfig(tau_s=TENTH, band=0.05), sigma=SmoothingConfig(tau_s=TENTH, band=0.03), fair_band_bps=0.5
)
SIGMA = Frac(1.2e-4)


def inputs(kappa=1_169.0, *, fair=20_000.0, sigma=SIGMA, intensity=None) -> QuoteInputs:
    return QuoteInputs(fair, kappa, sigma, intensity)


def at(cycle: int) -> Ns:
    return Ns(cycle * CYCLE * NS_PER_S)


def kappas(values, config=Q3, changes=()) -> list[float]:
    smoother = ParameterSmoother(config)
    return [
        smoother.smooth(inputs(value), at(cycle), regime_changed=cycle in changes).kappa
        for cycle, value in enumerate(values)
    ]


def test_the_jitter_of_the_incident_does_not_pass():
    """CH-12, Q3: 1169, 1176, 1194, 1169 goes on as 1169 throughout, for as long as it lasts."""
    assert set(kappas([1_169.0, 1_176.0, 1_194.0] * 200)) == {1_169.0}


def test_a_step_passes_late_and_in_few_steps():
    """Q3: a step to 1300 passes first at the sixth cycle, as 1230.38, and next at the 27th."""
    found = kappas([1_169.0] + [1_300.0] * 40)
    changed = [cycle for cycle in range(1, 41) if found[cycle] != found[cycle - 1]]
    assert changed == [6, 27]
    assert found[6] == pytest.approx(1_230.38, abs=0.01)


def test_a_shift_inside_the_band_never_passes():
    """Q3: a permanent shift below five in a hundred stays outside: a bounded bias."""
    assert set(kappas([1_169.0] + [1_225.0] * 500)) == {1_169.0}


def test_the_default_time_constants_are_the_weights_of_a_six_second_cycle():
    """Q3: .10 for kappa, .15 for sigma."""
    config = SmootherConfig()
    weights = [1 - exp(-CYCLE / smoothing.tau_s) for smoothing in (config.kappa, config.sigma)]
    assert weights == pytest.approx([0.10, 0.15], abs=5e-4)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_how_often_it_is_asked_does_not_matter(steps):
    """CH-09: the average depends on time alone: the same value asked often or once moves it as far."""
    config = replace(Q3, kappa=SmoothingConfig(tau_s=57.0, band=0.0))
    often = ParameterSmoother(config)
    often.smooth(inputs(1_000.0), Ns(0), regime_changed=False)
    elapsed = 0
    for step in steps:
        elapsed += step
        last = often.smooth(inputs(2_000.0), Ns(elapsed * NS_PER_S), regime_changed=False).kappa
    assert last == pytest.approx(2_000.0 - 1_000.0 * exp(-elapsed / 57.0))


def test_a_change_of_regime_passes_at_once_and_the_ramp_follows():
    """Q3: weights 1, .82, .64, .46, .28 and then .10 of each new value."""
    config = replace(Q3, kappa=SmoothingConfig(tau_s=TENTH, band=0.0))
    values = [1_000.0, 2_000.0, 3_000.0, 4_000.0, 5_000.0, 6_000.0, 7_000.0]
    found = kappas(values, config, changes=[1])
    weights = [(b - a) / (value - a) for a, b, value in zip(found, found[1:], values[1:], strict=False)]
    assert weights == pytest.approx([1.0, 0.82, 0.64, 0.46, 0.28, 0.10])


def test_a_second_change_within_three_cycles_is_not_believed():
    """Q3: cooldown; the fourth one after it is."""
    smoother = ParameterSmoother(Q3)
    for cycle in range(10):
        smoother.smooth(inputs(), at(cycle), regime_changed=cycle in (1, 2, 3, 4, 5))
    assert smoother.regime_changes == 2


@pytest.mark.parametrize(("move_bps", "passes"), [(0.49, False), (0.51, True), (-0.51, True)])
def test_the_fair_price_stays_inside_its_band(move_bps, passes):
    """It has a band of its own, in bps, and no average: what passes is the mid itself."""
    smoother = ParameterSmoother(Q3)
    smoother.smooth(inputs(), at(0), regime_changed=False)
    moved = 20_000.0 * (1 + move_bps / 1e4)
    assert smoother.smooth(inputs(fair=moved), at(1), regime_changed=False).fair == (moved if passes else 20_000.0)
    assert smoother.suppressed.get("fair", 0) == (not passes)


def test_the_band_of_the_fair_price_is_a_share_of_a_narrow_spread():
    """At kappa 10,000 a half-spread is about 1 bp: a band of half a point would be half of it."""
    smoother = ParameterSmoother(Q3)
    smoother.smooth(inputs(10_000.0), at(0), regime_changed=False)
    assert smoother.smooth(inputs(10_000.0, fair=20_000.6), at(1), regime_changed=False).fair == 20_000.6
    assert smoother.smooth(inputs(10_000.0, fair=20_001.0), at(2), regime_changed=False).fair == 20_000.6


@given(
    st.lists(
        st.tuples(st.floats(100, 1e4), st.floats(1e-5, 1e-3), st.floats(1e4, 3e4), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_what_goes_on_is_near_its_average_and_suppression_is_counted(steps):
    """Any inputs: what goes on lies between the inputs seen, and changed or is counted where the input differs."""
    smoother = ParameterSmoother(Q3)
    before, told = None, 0
    for cycle, (kappa, sigma, fair, changed) in enumerate(steps):
        found = QuoteInputs(fair, kappa, Frac(sigma), kappa)
        out = smoother.smooth(found, at(cycle), regime_changed=changed)
        seen = steps[: cycle + 1]
        assert min(s[0] for s in seen) * (1 - 1e-12) <= out.kappa <= max(s[0] for s in seen) * (1 + 1e-12)
        assert abs(out.fair - fair) / out.fair * 1e4 <= 0.5
        assert out.intensity is not None
        if before is not None:
            told += sum(b == o != f for b, o, f in zip(before, out, found, strict=True))
        assert sum(smoother.suppressed.values()) == told
        before = out


# --- the flag -----------------------------------------------------------------------------------


def walk(flag, sigma_bps, seconds, start, price=20_000.0):
    """Alternating moves of that many bps a second; returns when a change was told."""
    told = []
    for second in range(start, start + seconds):
        price *= 1 + (sigma_bps if second % 2 else -sigma_bps) / 1e4
        flag.observe(price, Ns(second * NS_PER_S))
        if flag.has_changed(1.2e-4, Ns(second * NS_PER_S)):
            told.append(second)
    return told


def test_a_change_of_volatility_is_told_once_each_way():
    """QM-21: while it lasts nothing more is said; after it has come back the next one is."""
    flag = RegimeFlag(RegimeFlagConfig(), VolatilityConfig())
    assert walk(flag, 1.0, 120, 0) == []
    first = walk(flag, 8.0, 240, 120)
    assert len(first) == 1
    assert first[0] < 150, "half a minute is its half-life"
    assert walk(flag, 1.0, 600, 360) == []
    assert len(walk(flag, 8.0, 240, 960)) == 1


def test_nothing_is_told_of_what_is_not_known():
    """Before it is warm, and after a gap, there is no ratio."""
    flag = RegimeFlag(RegimeFlagConfig(), VolatilityConfig())
    assert not flag.has_changed(1.2e-4, Ns(0))
    assert walk(flag, 8.0, 10, 0) == []
    flag.restart()
    assert not flag.has_changed(0.0, Ns(10 * NS_PER_S))
