"""Quotes in closed form. Vectors are those of the catalogue, sections Q1 and Q2; the oracle is the exact solution."""

from dataclasses import replace
from itertools import pairwise
from math import exp, isfinite, log, log1p, sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.linalg import eigh_tridiagonal

from domain.units import Frac
from strategy.glft import (
    GAMMA_FLOOR,
    KAPPA_FLOOR,
    SIGMA_FLOOR,
    InventoryModel,
    QuoteConfig,
    QuoteParams,
    choose_gamma,
    compute_quote,
    derive_gamma,
    derive_gamma_stationary,
    drift_shift_stationary,
    glft_root,
    half_spread,
)

BPS = 1e-4
GAMMA = 125.78634806763587  # Q2: full inventory skews by one half-spread
PARAMS = QuoteParams(fair=200_000.5, q=0.0, gamma=GAMMA, kappa=3250.0, sigma=Frac(2e-4), maker_fee=Frac(1.5e-4))
STATIONARY = QuoteConfig(model=InventoryModel.STATIONARY)
TICK_UNITS = {"gamma": 0.01, "kappa": 0.3, "intensity": 0.9, "sigma": 0.3}  # of Q2's numbers

gammas = st.floats(0.01, 10)
kappas = st.floats(1, 10_000)


def log_floats(low, high):
    return st.floats(log(low), log(high)).map(exp)


# --- Q1: the half-spread ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gamma", "kappa", "bps"),
    [
        (0.5, 1169, 8.552491043306077),
        (0.5, 1176, 8.501594176898871),
        (0.5, 1194, 8.373456266336559),
        (0.5, 3250, 3.076686414805271),
        (0.5, 6400, 1.5624389680224782),
        (0.5, 7700, 1.2986591348999803),
        (0.3, 2500, 3.999760019198272),
        (0.15, 1500, 6.666333355553888),
        (62.5, 3250, 3.047711195311117),
        (0.01, 1.0, 9950.330853168083),
        (10, 10000, 0.9995003330835331),
        (1e-9, 3250, 3.0769230769226033),
    ],
)
def test_half_spread_is_that_of_the_worked_numbers(gamma, kappa, bps):
    assert half_spread(gamma, kappa) / BPS == pytest.approx(bps, rel=1e-12)


def test_kappa_jitter_moves_the_quote_by_a_fraction_of_a_basis_point():
    """C-08: 1169-1176-1194-1169 gives -0.05, -0.13, +0.18 bps, not the 1-6 bps once claimed."""
    spreads = [half_spread(0.5, kappa) / BPS for kappa in (1169, 1176, 1194, 1169)]
    steps = [later - former for former, later in pairwise(spreads)]
    assert steps == pytest.approx([-0.0509, -0.1281, 0.179], abs=5e-5)


@given(gammas, kappas, st.floats(1.01, 10))
def test_half_spread_falls_in_both_and_stays_under_its_limit(gamma, kappa, factor):
    """QM-01: positive, decreasing in kappa and gamma, at most 1/kappa."""
    value = half_spread(gamma, kappa)
    assert 0 < half_spread(gamma, kappa * factor) < value
    assert 0 < half_spread(gamma * factor, kappa) < value
    assert value < 1 / kappa


@given(kappas)
def test_half_spread_tends_to_one_over_kappa(kappa):
    """QM-01's limit, and the series meets log1p where it takes over (ratio 1e-6)."""
    assert half_spread(kappa * 1e-14, kappa) == pytest.approx(1 / kappa, rel=1e-13)
    for ratio in (0.999e-6, 1.001e-6):
        exact = log1p(ratio) / (ratio * kappa)
        assert half_spread(ratio * kappa, kappa) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_the_formula_refuses_what_is_not_a_positive_number(bad):
    """A NaN that got past the estimators' gate must not become a price."""
    with pytest.raises(ValueError, match="gamma"):
        half_spread(bad, 1500)
    with pytest.raises(ValueError, match="kappa"):
        half_spread(0.5, bad)


# --- Q2: inventory and drift, stationary -------------------------------------------------------------


def exact_distances(q, gamma, kappa, intensity, sigma, mu=0.0, limit=30):
    """Q2's exact version: ground state of the tridiagonal matrix over inventories -limit..limit."""
    levels = np.arange(-limit, limit + 1)
    diagonal = 0.5 * kappa * gamma * sigma**2 * levels**2 - kappa * mu * levels
    eta = intensity * (1 + gamma / kappa) ** -(1 + kappa / gamma)
    _, vectors = eigh_tridiagonal(diagonal, np.full(2 * limit, -eta), select="i", select_range=(0, 0))
    ground = np.log(np.abs(vectors[:, 0]))
    here, base = q + limit, log1p(gamma / kappa) / gamma
    return (
        base + (ground[here] - ground[here + 1]) / kappa,
        base + (ground[here] - ground[here - 1]) / kappa,
    )


def glft_distances(q, gamma, kappa, intensity, sigma, mu=0.0, *, order_share=1.0):
    """Q2 as it is written, from its parts: distances of bid and ask from the fair price, fee not included."""
    root = glft_root(gamma, kappa, intensity, sigma, order_share=order_share)
    half = half_spread(gamma * order_share, kappa) + 0.5 * order_share * root
    tilt = q * root - drift_shift_stationary(mu, gamma, sigma, root)
    return half + tilt, half - tilt


@pytest.mark.parametrize(
    ("mu", "q", "bid", "ask", "exact_bid", "exact_ask"),
    [
        (0.0, -2, 3.1771835335027614, 3.448646863626297, 3.176796463992927, 3.449280012749393),
        (0.0, 0, 3.312915198564529, 3.312915198564529, 3.313045418751684, 3.313045418751687),
        (0.0, 2, 3.448646863626297, 3.1771835335027614, 3.44928001274941, 3.176796463992915),
        (0.01, -2, 2.4231187276040527, 4.202711669525006, 2.4223254041390945, 4.20316330911265),
        (0.01, 0, 2.5588503926658204, 4.066980004463238, 2.5576347897740472, 4.068025805258145),
        (0.01, 2, 2.6945820577275876, 3.9312483394014706, 2.6932485984936414, 3.9325576346725355),
    ],
)
def test_glft_is_that_of_the_worked_numbers_and_near_the_exact_solution(mu, q, bid, ask, exact_bid, exact_ask):
    """Positive drift tightens the bid and widens the ask (C-07, T-02), by the formula and by the exact solution."""
    assert glft_root(**TICK_UNITS) == pytest.approx(0.0678658325308838, rel=1e-12)
    assert glft_distances(q, **TICK_UNITS, mu=mu) == pytest.approx((bid, ask), rel=1e-12)
    exact = exact_distances(q, **TICK_UNITS, mu=mu)
    assert exact == pytest.approx((exact_bid, exact_ask), rel=1e-8)
    assert glft_distances(q, **TICK_UNITS, mu=mu) == pytest.approx(exact, abs=0.002)


@pytest.mark.parametrize("intensity", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("mu", [-2e-7, 0.0, 2e-7])
@pytest.mark.parametrize("q", [-4, 0, 3])
def test_glft_is_near_the_exact_solution_in_units_of_the_market(intensity, mu, q):
    """The same at kappa 3250 and 2e-4 per sqrt(s), inventory in orders: within 5 % of the half-spread."""
    values = {"gamma": 5.0, "kappa": 3250.0, "intensity": intensity, "sigma": 2e-4, "mu": mu}
    got, exact = glft_distances(q, **values), exact_distances(q, **values, limit=60)
    assert got == pytest.approx(exact, abs=0.05 * half_spread(5.0, 3250.0))


@given(st.floats(-5, 5), log_floats(0.01, 300), log_floats(50, 1e4), log_floats(0.01, 50), log_floats(1e-6, 1e-2))
def test_glft_is_antisymmetric_in_inventory(q, gamma, kappa, intensity, sigma):
    """QM-03: short mirrors long, and a longer position moves both quotes down."""
    bid, ask = glft_distances(q, gamma, kappa, intensity, sigma)
    assert glft_distances(-q, gamma, kappa, intensity, sigma) == pytest.approx((ask, bid), rel=1e-9, abs=1e-15)
    longer_bid, longer_ask = glft_distances(q + 0.5, gamma, kappa, intensity, sigma)
    assert longer_bid > bid
    assert longer_ask < ask


@pytest.mark.parametrize("ratio", [1e-12, 0.999e-6, 1.001e-6, 1e-3])
def test_the_root_tends_to_its_limit_in_a_small_gamma(ratio):
    """(1 + r)^(1 + 1/r) -> e as r = gamma/kappa -> 0, on both sides of where the series takes over."""
    root = glft_root(ratio * 3250.0, 3250.0, 1.0, Frac(2e-4))
    assert root == pytest.approx(2e-4 * sqrt(0.5 * ratio * exp(1 + ratio / 2)), rel=1e-6)


@given(log_floats(1e-5, 1), log_floats(0.1, 100), st.floats(-1, 1))
def test_order_size_is_a_change_of_unit(share, gamma, q):
    """Gueant (4.6): inventory in orders with gamma per order, or in shares with gamma per share, quote the same."""
    in_orders = glft_distances(q / share, gamma * share, 3250.0, 1.0, Frac(2e-4))
    in_shares = glft_distances(q, gamma, 3250.0, 1.0, Frac(2e-4), order_share=share)
    assert in_shares == pytest.approx(in_orders, rel=1e-9, abs=1e-15)


# --- the derived gamma ----------------------------------------------------------------------------


def test_derived_gamma_is_that_of_the_worked_number():
    assert derive_gamma(3250.0, Frac(2e-4), 60.0, 1.0) == pytest.approx(GAMMA, rel=1e-12)


@given(log_floats(50, 1e5), log_floats(1e-7, 1e-1), log_floats(1e-3, 86_400), log_floats(0.01, 10))
def test_derived_gamma_solves_its_equation(kappa, sigma, horizon_s, strength):
    gamma = derive_gamma(kappa, sigma, horizon_s, strength)
    assert gamma * sigma**2 * horizon_s == pytest.approx(strength * half_spread(gamma, kappa), rel=1e-9)


@given(log_floats(50, 1e5), log_floats(1e-3, 100), log_floats(1e-7, 1e-1), log_floats(0.01, 10), log_floats(1e-3, 1))
def test_derived_gamma_of_the_stationary_model_solves_its_own_equation(kappa, intensity, sigma, strength, share):
    """A full position shifts by the wanted number of half-spreads in this model, not in the other one."""
    gamma = derive_gamma_stationary(kappa, intensity, Frac(sigma), strength, order_share=share)
    root = glft_root(gamma, kappa, intensity, Frac(sigma), order_share=share)
    assert root == pytest.approx(strength * half_spread(gamma * share, kappa), rel=1e-9)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("intensity", [0.05, 0.5, 20.0])
def test_a_full_position_skews_as_wanted_in_both_models(intensity, strength):
    """T-03: however busy the market is; with the horizon's gamma the stationary skew would be off by its rate."""
    for model in InventoryModel:
        config = QuoteConfig(model=model, skew_strength=strength)
        gamma = choose_gamma(config, 3250.0, Frac(2e-4), intensity, 0.05)
        params = replace(PARAMS, q=1.0, gamma=gamma, intensity=intensity, order_share=0.05)
        quote = compute_quote(params, config)
        assert quote.inventory_skew == pytest.approx(strength * quote.delta_star)
        assert not quote.shift_capped


def test_the_stationary_gamma_asks_for_an_intensity():
    with pytest.raises(ValueError, match="intensity"):
        choose_gamma(STATIONARY, 3250.0, Frac(2e-4))


def test_a_configured_gamma_wins_over_the_derived_one():
    assert choose_gamma(QuoteConfig(gamma=7.0), 3250.0, Frac(2e-4)) == pytest.approx(7.0)
    assert choose_gamma(QuoteConfig(), 3250.0, Frac(2e-4)) == pytest.approx(GAMMA)
    assert isfinite(choose_gamma(QuoteConfig(), 0.0, Frac(0.0))), "estimates that fail are floored first"


# --- the quote --------------------------------------------------------------------------------------


def test_a_flat_quote_stands_at_the_half_spread_and_the_fee():
    """Q1's full distance: delta* + 0.5 gamma sigma^2 T + maker fee, both sides alike."""
    quote = compute_quote(PARAMS, QuoteConfig(risk_term=True))
    delta_star = log1p(GAMMA / 3250) / GAMMA
    assert quote.half_spread == pytest.approx(delta_star + 0.5 * GAMMA * 4e-8 * 60 + 1.5e-4)
    assert (quote.bid, quote.ask) == pytest.approx(
        (200_000.5 * (1 - quote.half_spread), 200_000.5 * (1 + quote.half_spread))
    )
    assert (quote.floor_hit, quote.ceiling_hit, quote.shift_capped, quote.floored) == (False, False, False, ())


@pytest.mark.parametrize(
    ("gamma", "skew_bps"), [(0.5, 0.012), (62.5, 1.5), (125.79, 3.01896)], ids=["the trap", "half", "derived"]
)
def test_skew_at_full_inventory_is_that_of_the_worked_numbers(gamma, skew_bps):
    """T-03: the origin's gamma 0.5 on a normalised position moves a quote by 0.012 bps, which is nothing."""
    quote = compute_quote(replace(PARAMS, q=1.0, gamma=gamma), QuoteConfig())
    assert quote.inventory_skew / BPS == pytest.approx(skew_bps, rel=1e-9)


@given(log_floats(50, 1e4), log_floats(1e-6, 1e-2), st.floats(0.5, 3))
def test_a_full_position_skews_by_at_least_half_a_half_spread(kappa, sigma, strength):
    """QM-03, T-03: with the derived gamma and strength 1 (or only 0.5), in every market."""
    config = QuoteConfig(skew_strength=strength, max_half_spread=Frac(0.4))
    gamma = choose_gamma(config, kappa, sigma)
    quote = compute_quote(replace(PARAMS, q=1.0, gamma=gamma, kappa=kappa, sigma=sigma), config)
    assert -quote.shift >= 0.5 * quote.delta_star * (1 - 1e-9)
    assert quote.reservation < quote.fair


@given(st.floats(0, 3), st.sampled_from([QuoteConfig(), STATIONARY]))
def test_inventory_mirrors(q, config):
    """QM-03: long lowers both prices, short raises both by as much."""
    params = replace(PARAMS, intensity=1.0)
    long, flat, short = (compute_quote(replace(params, q=x), config) for x in (q, 0.0, -q))
    assert long.bid <= flat.bid <= short.bid
    assert long.ask <= flat.ask <= short.ask
    assert long.shift == pytest.approx(-short.shift)


@given(log_floats(1e-9, 1e-4), st.sampled_from([QuoteConfig(), STATIONARY]))
def test_positive_drift_moves_both_quotes_up(mu, config):
    """C-07, T-02: in both models, the same sign as in ``glft_distances`` and the exact solution."""
    params = replace(PARAMS, intensity=1.0)
    up, flat, down = (compute_quote(replace(params, mu=x), config) for x in (mu, 0.0, -mu))
    assert down.bid < flat.bid < up.bid
    assert down.ask < flat.ask < up.ask
    assert up.shift == pytest.approx(-down.shift)


def test_drift_over_the_horizon_is_half_of_mu_t():
    quote = compute_quote(replace(PARAMS, mu=Frac(1e-6)), QuoteConfig(horizon_s=60.0))
    assert quote.shift == pytest.approx(0.5 * 1e-6 * 60)


@given(st.floats(-1, 1), st.floats(-2e-6, 2e-6), log_floats(0.05, 10))
def test_the_stationary_model_is_glft_plus_the_fee(q, mu, intensity):
    """Where nothing is capped the engine's quote *is* Q2: one implementation, not two."""
    quote = compute_quote(replace(PARAMS, q=q, mu=mu, intensity=intensity, order_share=0.1), STATIONARY)
    assume(not quote.shift_capped)
    bid, ask = glft_distances(q, GAMMA, 3250.0, intensity, PARAMS.sigma, mu, order_share=0.1)
    fee = PARAMS.maker_fee
    assert (1 - quote.bid / quote.fair, quote.ask / quote.fair - 1) == pytest.approx((bid + fee, ask + fee), abs=1e-12)


@given(st.floats(-50, 50), st.floats(-1e-3, 1e-3), st.floats(-1e-4, 1e-3), st.floats(0, 0.01))
def test_no_quote_is_nearer_to_the_fair_price_than_the_fee(q, mu, fee, least):
    """C-07's cap on the sum of shifts: no fill with negative quoted edge, and one at least of the sides has more."""
    params = replace(PARAMS, q=q, mu=mu, maker_fee=fee)
    quote = compute_quote(params, QuoteConfig(min_half_spread=Frac(least)))
    edge = max(fee, 0.0) * (1 - 1e-9) - 1e-12
    assert 1 - quote.bid / quote.fair >= edge
    assert quote.ask / quote.fair - 1 >= edge


@pytest.mark.parametrize(
    ("changes", "config", "floor"),
    [
        ({"kappa": 1e6, "maker_fee": Frac(-1e-4)}, QuoteConfig(min_half_spread=Frac(3e-4)), 3e-4),
        ({"kappa": 1e6, "tick": 100}, QuoteConfig(), 100 / 200_000.5),
        ({"kappa": 1e6, "maker_fee": Frac(0.03)}, QuoteConfig(), 0.03),
    ],
    ids=["minimum", "tick", "fee"],
)
def test_the_floor_is_the_largest_of_fee_tick_and_minimum(changes, config, floor):
    """A kappa gone wild quotes at the floor, not inside the fee (Q1: raw kappa 7700 would)."""
    quote = compute_quote(replace(PARAMS, **changes), config)
    assert quote.floor == pytest.approx(floor)
    assert quote.half_spread == pytest.approx(floor)
    assert quote.floor_hit


def test_a_kappa_gone_to_zero_is_floored_and_named():
    """QM-25, QM-27: out of range is clamped loudly."""
    quote = compute_quote(replace(PARAMS, kappa=0.0, sigma=Frac(0.0), gamma=-1.0), QuoteConfig(risk_term=True))
    assert quote.floored == ("gamma", "kappa", "sigma")
    assert quote.kappa == pytest.approx(KAPPA_FLOOR)
    expected = half_spread(GAMMA_FLOOR, KAPPA_FLOOR) + 0.5 * GAMMA_FLOOR * SIGMA_FLOOR**2 * 60
    assert (quote.delta_star + quote.risk_term, quote.half_spread) == pytest.approx((expected, 0.02), rel=1e-6)
    assert quote.ceiling_hit


@pytest.mark.parametrize("field", ["fair", "q", "gamma", "kappa", "sigma", "maker_fee", "mu"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_is_refused_by_name(field, bad):
    with pytest.raises(ValueError, match=field):
        compute_quote(replace(PARAMS, **{field: bad}), QuoteConfig())


@pytest.mark.parametrize("changes", [{"fair": 0.0}, {"fair": -5.0}, {"fair": 2.0}, {"tick": 0}, {"maker_fee": 1.5}])
def test_what_is_not_a_price_or_a_fee_is_refused(changes):
    """A fee of 1.5 is one in basis points."""
    with pytest.raises(ValueError, match="not a"):
        compute_quote(replace(PARAMS, **changes), QuoteConfig())


def test_the_stationary_model_asks_for_an_intensity():
    with pytest.raises(ValueError, match="intensity"):
        compute_quote(PARAMS, STATIONARY)


def test_no_extreme_input_gives_a_price_that_is_none():
    """QM-25: 1e5 inputs over 600 orders of magnitude: finite, positive, bid under ask, never inside the floor."""
    random = Random(25)

    def size():
        return 10.0 ** random.uniform(-300, 300)

    configs = [QuoteConfig(model=model, risk_term=risk) for model in InventoryModel for risk in (False, True)]
    for _ in range(100_000):
        sign = random.choice((-1.0, 1.0))
        params = QuoteParams(
            fair=10.0 ** random.uniform(1, 15),
            q=sign * size(),
            gamma=size(),
            kappa=size(),
            sigma=Frac(size()),
            maker_fee=Frac(random.uniform(-1e-3, 1e-3)),
            mu=Frac(random.choice((-1.0, 0.0, 1.0)) * size()),
            intensity=size(),
            order_share=10.0 ** random.uniform(-10, 0),
        )
        quote = compute_quote(params, random.choice(configs))
        assert 0.0 < quote.bid < quote.ask < float("inf"), params
        assert quote.floor <= quote.half_spread <= max(0.02, quote.floor), params
        assert quote.delta_star > 0, params
        assert all(map(isfinite, (quote.inventory_skew, quote.drift_shift, quote.shift, quote.risk_term))), params


def test_the_closed_forms_do_not_overflow():
    """QM-25 for the bare formulas: the power in Q2's root passes 1e308 long before the result does."""
    random = Random(26)
    for _ in range(20_000):
        gamma, kappa, intensity, sigma, mu = (10.0 ** random.uniform(-150, 150) for _ in range(5))
        assert 0 < half_spread(gamma, kappa) < float("inf")
        root = glft_root(gamma, kappa, intensity, Frac(sigma))
        assert all(map(isfinite, (root, drift_shift_stationary(Frac(mu), gamma, Frac(sigma), root))))


# --- the config ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        {"gamma": 0},
        {"skew_strength": 0},
        {"skew_strength": 10.1},
        {"horizon_s": 0},
        {"min_half_spread": -0.0001},
        {"max_half_spread": 0.5},
        {"min_half_spread": 0.03, "max_half_spread": 0.02},
        {"model": "psychic"},
    ],
)
def test_config_bounds_are_those_that_the_edge_checks(bad):
    """QM-27: the annotations are what the validating adapter reads."""
    adapter = TypeAdapter(QuoteConfig)
    assert adapter.validate_python({}) == QuoteConfig()
    with pytest.raises(ValidationError):
        adapter.validate_python(bad)
