"""Thinking time: a model, never a measurement."""

from math import log
from statistics import median, stdev

import pytest

from domain.units import NS_PER_US
from runtime.thinking import ThinkingConfig, ThinkingTime


def draws(config, n=4_000, seed=1):
    thinking = ThinkingTime(config, seed)
    return [thinking.next() for _ in range(n)]


def test_constant():
    """Protects comparisons: without a spread every step takes the same time, to the nanosecond."""
    assert set(draws(ThinkingConfig(median_us=1.5), 10)) == {1_500}
    assert set(draws(ThinkingConfig(median_us=0.0), 10)) == {0}


def test_lognormal_has_its_median_and_spread():
    """Protects the meaning of the two parameters."""
    times = draws(ThinkingConfig(median_us=300.0, sigma=0.5))
    assert median(times) == pytest.approx(300 * NS_PER_US, rel=0.05)
    assert stdev(log(time) for time in times) == pytest.approx(0.5, rel=0.05)


def test_no_draw_is_longer_than_the_bound():
    """Protects the run from one absurd draw."""
    assert max(draws(ThinkingConfig(median_us=300.0, sigma=3.0, max_us=500.0))) == 500 * NS_PER_US


def test_the_seed_alone_decides():
    """Protects determinism: two streams with one seed are one stream."""
    config = ThinkingConfig(sigma=0.5)
    assert draws(config, 50, seed=4) == draws(config, 50, seed=4)
    assert draws(config, 50, seed=4) != draws(config, 50, seed=5)
