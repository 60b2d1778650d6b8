"""Sigma from mids at irregular times: recovery, jumps, gaps."""

from itertools import pairwise
from math import exp, pi, sqrt
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.units import Ns, seconds
from strategy.volatility import BipowerVolatility, VolatilityConfig

SIGMA = 2e-4
FINE = VolatilityConfig(bucket_s=0.1, half_life_s=None)


def brownian(seed, *, duration_s=600.0, every_s=0.05, jump=0.0, sigma=SIGMA):
    """(mid, now) at exponential gaps, with one jump in the middle."""
    random, log_mid, now, has_jumped = Random(seed), 0.0, 0.0, False
    while True:
        gap = random.expovariate(1 / every_s)
        now += gap
        if now > duration_s:
            return
        log_mid += sigma * sqrt(gap) * random.gauss(0.0, 1.0)
        if not has_jumped and now > duration_s / 2:
            log_mid, has_jumped = log_mid + jump, True
        yield 2000.0 * exp(log_mid), seconds(now)


def after(path, config=FINE):
    volatility = BipowerVolatility(config)
    for mid, now in path:
        volatility.observe(mid, now)
    return volatility


# --- recovery -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [0.0, 40e-4], ids=["smooth", "with a 40 bps jump"])
@pytest.mark.parametrize("seed", range(6))
def test_recovers_sigma_within_5_percent_after_10_minutes(seed, jump):
    """QM-23, with buckets of 0.1 s: of 40 seeds all hold without the jump and 39 with it; six of them are run."""
    volatility = after(brownian(seed, jump=jump))
    assert volatility.value() == pytest.approx(SIGMA, rel=0.05)
    assert volatility.is_ready()


@pytest.mark.parametrize(
    ("every_s", "jump", "bias"),
    [(0.1, 0.0, 1.0), (1.0, 0.0, 1.0), (3.0, 0.0, 1.0), (0.1, 40e-4, 1.04)],
    ids=["dense", "one a bucket", "rarer than the buckets", "with a 40 bps jump"],
)
def test_one_second_buckets_are_unbiased_though_coarser(every_s, jump, bias):
    """The default clock has 600 returns in 10 minutes, so one path is good to 3-4 % only; the mean of 24 shows that
    the times of the quotes bias nothing. The two products beside a jump add 50/n to the variance, here 4 % to sigma."""
    config = VolatilityConfig(half_life_s=None, max_gap_buckets=30)
    found = [after(brownian(seed, every_s=every_s, jump=jump), config).value() for seed in range(24)]
    assert mean(found) == pytest.approx(SIGMA * bias, rel=0.02)
    assert all(0.8 * SIGMA < value < 1.2 * SIGMA for value in found)


def test_bipower_leaves_a_jump_out_that_realized_variance_counts():
    """Q11: 2,000 returns at 2e-4 with one 40 bps jump: sqrt RV 2.192e-4, sqrt BV 2.047e-4, ratio 1.147."""
    random, log_mid = Random(11), 0.0
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=None))
    for second in range(2_002):
        volatility.observe(2000.0 * exp(log_mid), seconds(second))
        log_mid += SIGMA * random.gauss(0.0, 1.0) + (40e-4 if second == 1_000 else 0.0)
    assert volatility.pairs == 1_999
    assert volatility.realized() == pytest.approx(2.192e-4, rel=0.04)
    assert volatility.value() == pytest.approx(2.047e-4, rel=0.04)
    assert volatility.jump_ratio() == pytest.approx(1.147, abs=0.08)
    assert volatility.jump_ratio() == pytest.approx((volatility.realized() / volatility.value()) ** 2)


def test_follows_a_market_that_changes():
    """Three half-lives after sigma trebled, the estimate is where 7/8 of the new variance puts it."""
    volatility = BipowerVolatility(VolatilityConfig(bucket_s=0.1, half_life_s=100.0))
    last = Ns(0)
    for mid, now in brownian(1):
        volatility.observe(mid, last := now)
    volatility.restart()
    for mid, now in brownian(2, duration_s=300.0, sigma=3 * SIGMA):
        volatility.observe(mid, Ns(last + now))
    assert volatility.value() == pytest.approx(SIGMA * sqrt(1 / 8 + 9 * 7 / 8), rel=0.07)


def test_forgets_by_time_whatever_the_rate_of_the_quotes():
    """Returns of 1 bps, then of 3 bps for two half-lives, with a mid every second or only every four."""
    for every_s in (1, 4):
        volatility = BipowerVolatility(VolatilityConfig(half_life_s=400.0))
        for i in range(6_000 // every_s):
            is_late = i * every_s >= 6_000 - 800
            volatility.observe(2000.0 * exp((3e-4 if is_late else 1e-4) * (i % 2)), seconds(i * every_s))
        assert volatility.value() == pytest.approx(sqrt(pi / 2 / every_s * (1 / 4 + 9 * 3 / 4)) * 1e-4, rel=0.01)


# --- sampling ---------------------------------------------------------------------------------------------


def naive(path, config):
    """The definition, from lists: last mid of each bucket, gaps split the series."""
    bucket_ns = round(config.bucket_s * 1e9)
    samples = {}
    for mid, now in path:
        samples[now // bucket_ns] = (mid, now)
    closed = sorted(samples.items())[:-1]
    squares = elapsed = products = pair_s = 0.0
    previous = None
    for (left, (mid, time)), (right, (next_mid, next_time)) in pairwise(closed):
        if right - left > config.max_gap_buckets:
            previous = None
            continue
        size, took = abs(next_mid / mid - 1), (next_time - time) / 1e9
        squares, elapsed = squares + size**2, elapsed + took
        if previous:
            products, pair_s = products + size * previous[0], pair_s + sqrt(took * previous[1])
        previous = size, took
    return sqrt(1.5707963 * products / pair_s) if pair_s else None, sqrt(squares / elapsed) if elapsed else None


@given(st.lists(st.tuples(st.floats(1999.9, 2000.1), st.integers(1, 4 * 10**9)), min_size=1, max_size=60))
def test_equals_the_naive_definition(steps):
    """State in O(1) against lists of everything, gaps included."""
    config = VolatilityConfig(half_life_s=None, max_gap_buckets=2)
    path, now = [], 0
    for mid, gap in steps:
        now += gap
        path.append((mid, Ns(now)))
    volatility = after(path, config)
    bipower, realized = naive(path, config)
    assert (volatility.value() is None, volatility.realized() is None) == (bipower is None, realized is None)
    if bipower is not None:
        assert volatility.value() == pytest.approx(bipower, rel=1e-3, abs=1e-9)
    if realized is not None:
        assert volatility.realized() == pytest.approx(realized, rel=1e-3, abs=1e-9)


def wobbling(volatility, start_s, n, size=0.1):
    for second in range(start_s, start_s + n):
        volatility.observe(2000.0 + second % 2 * size, seconds(second))


def test_what_it_saw_counts_less_with_time_seen_or_not():
    """QE-02: pairs fade by the half-life over silence and gaps as over data; those ever seen stay counted."""
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=100.0))
    wobbling(volatility, 0, 2_002)
    assert volatility.n_effective(seconds(2_000)) == pytest.approx(100 / 0.6931 + 0.5, rel=1e-3)
    assert volatility.n_effective(seconds(2_100)) == pytest.approx(volatility.n_effective(seconds(2_000)) / 2)
    before = volatility.n_effective(seconds(2_000))
    volatility.restart()
    wobbling(volatility, 2_300, 4)
    assert volatility.n_effective(seconds(2_302)) == pytest.approx(before * 2**-3.02 + 1, rel=1e-3)
    assert volatility.pairs == 2_000


def test_after_a_long_silence_it_has_to_be_seen_anew():
    """QE-02: ready is for ever, so nothing is gated; fresh is not."""
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=100.0))
    wobbling(volatility, 0, 20)
    assert not volatility.is_fresh(seconds(19))
    wobbling(volatility, 20, 200)
    assert volatility.is_fresh(seconds(219))
    assert not volatility.is_fresh(seconds(1_000))
    assert volatility.is_ready()
    wobbling(volatility, 1_000, 16)
    assert volatility.is_fresh(seconds(1_015))


@pytest.mark.parametrize("half_life_s", [1.0, None])
def test_a_short_memory_can_be_fresh_too(half_life_s):
    """It never holds more than half_life / ln 2 / bucket pairs: half of that is enough. Else all count for ever."""
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=half_life_s))
    wobbling(volatility, 0, 60)
    assert volatility.is_fresh(seconds(58))
    assert volatility.is_fresh(seconds(70)) is (half_life_s is None)


def test_old_returns_weigh_little_after_a_gap():
    """A wild market, an hour of silence, then a calm one: what counts is the calm one, and not by its share of data."""
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=300.0))
    wobbling(volatility, 0, 600, size=10.0)
    wild = volatility.value()
    volatility.restart()
    wobbling(volatility, 4_200, 30, size=0.1)
    assert volatility.value() < wild / 10


def test_a_gap_in_the_data_makes_no_return():
    """After ten minutes of silence the mid stands 5 % higher; no second of market moved so."""
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=None))
    for second in range(100):
        volatility.observe(2000.0 + second % 2 * 0.1, seconds(second))
    before = volatility.realized()
    for second in range(700, 800):
        volatility.observe(2100.0 + second % 2 * 0.1, seconds(second))
    assert volatility.restarts == 1
    assert volatility.realized() == pytest.approx(before, rel=0.05)


def test_a_restart_takes_no_return_across_it():
    """The feed was down for a moment only, or the mid comes from another source."""
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=None))
    for second in range(20):
        volatility.observe(2000.0, seconds(second))
    volatility.restart()
    for second in range(20, 40):
        volatility.observe(1000.0, seconds(second))
    assert volatility.value() == pytest.approx(0.0, abs=1e-12)
    assert volatility.realized() == pytest.approx(0.0, abs=1e-12)
    assert volatility.jump_ratio() is None


def test_many_quotes_in_a_bucket_are_one_sample():
    """A bouncing mid within the second leaves no trace: the last value is what counts."""
    volatility = BipowerVolatility(VolatilityConfig(half_life_s=None))
    for second in range(30):
        for part in range(9):
            volatility.observe(2000.0 + (part % 2), seconds(second + part / 10))
    assert volatility.realized() == pytest.approx(0.0, abs=1e-12)


def test_late_mids_are_counted_and_left_out():
    path = [(2000.0, 10), (3000.0, 9), (2000.0, 11), (2000.0, 12)]
    volatility = after([(mid, seconds(second)) for mid, second in path], VolatilityConfig())
    assert (volatility.late, volatility.restarts) == (1, 0)
    assert volatility.realized() == pytest.approx(0.0, abs=1e-12)


def test_knows_nothing_before_the_first_pair_and_is_ready_after_enough():
    volatility = BipowerVolatility(VolatilityConfig(min_pairs=3))
    ready, values = [], []
    for second in range(7):
        volatility.observe(2000.0 + second**2 / 10, seconds(second))
        ready.append(volatility.is_ready())
        values.append(volatility.value() is not None)
    assert values == [False] * 3 + [True] * 4
    assert ready == [False] * 5 + [True] * 2


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_mid_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="mid"):
        BipowerVolatility().observe(bad, Ns(0))


@pytest.mark.parametrize("bad", [{"bucket_s": 0}, {"half_life_s": 0}, {"max_gap_buckets": 0}, {"min_pairs": 0}])
def test_config_bounds_are_those_that_the_edge_checks(bad):
    with pytest.raises(ValidationError):
        TypeAdapter(VolatilityConfig).validate_python(bad)
