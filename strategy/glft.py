"""Where to quote: Avellaneda-Stoikov / Gueant-Lehalle-Fernandez-Tapia prices in closed form.

Knows nothing of orders, grids or sizes: prices leave here as floats in base ticks, unsnapped.

Symbols and units (catalogue Q1, Q2): distances ``delta`` are fractions of the fair price, per
side; ``gamma`` risk aversion in 1/(fraction x unit of q); ``kappa`` decay of the fill intensity
``A exp(-kappa delta)`` in 1/fraction; ``intensity`` is that A, fills per second *of one side* at
distance 0; ``sigma`` fraction per sqrt(second); ``mu`` fraction per second; ``q`` signed inventory
(in the shipped use a share of the position limit, so that gamma is "per full position").

Sign of every shift: positive moves **both** prices up. Positive drift shifts up, a long position
shifts down (C-07, checked against the exact solution in the tests).

Avellaneda & Stoikov, Quantitative Finance 8(3) 2008; Gueant, Lehalle & Fernandez-Tapia,
Math. Financ. Econ. 7 (2013), arXiv 1105.3115; Gueant, arXiv 1605.01862, eqs (4.6), (4.7).
"""

from dataclasses import dataclass
from enum import StrEnum
from math import copysign, e, exp, hypot, inf, isfinite, isinf, log, log1p, nextafter, sqrt
from typing import Annotated

from annotated_types import Interval

from domain.units import Frac

KAPPA_FLOOR = 50.0
"""Below this kappa a quote would stand further than 200 bps out: an estimator gone wrong."""
GAMMA_FLOOR = 1e-6
SIGMA_FLOOR = Frac(1e-7)
"""Fraction per sqrt(second); a dead market must not divide by zero."""

_SERIES_BELOW = 1e-6
_SMALLEST = nextafter(0.0, inf)
_LARGEST = 1e300
_LOG_LARGEST = 690.0
_FEE_BOUND = 0.1
_NEWTON_STEPS = 60
_NEWTON_TOLERANCE = 1e-13
_BRACKET_FACTOR = 4.0
_HALVING_TOLERANCE = 1e-12


class InventoryModel(StrEnum):
    """How risk turns into an inventory shift."""

    HORIZON = "horizon"
    """Avellaneda-Stoikov with a rolling horizon T: shift gamma sigma^2 T per unit of q."""
    STATIONARY = "stationary"
    """GLFT's infinite horizon: shift ``root`` per unit of q; needs the intensity A."""


@dataclass(frozen=True, slots=True)
class QuoteConfig:
    """What a person chooses about the best quote.

    Of a quote at distance delta fills come at a rate like exp(-kappa delta); sigma is volatility,
    a fraction of the price per square-root second; the half-spread is ln(1 + gamma/kappa)/gamma,
    plus the fee. A derived gamma is the one with which a full position shifts both prices by
    ``skew_strength`` half-spreads (fee apart): by gamma sigma^2 T in the horizon model, by GLFT's
    root in the stationary one.
    """

    model: InventoryModel = InventoryModel.HORIZON
    """How risk turns into a shift of the quotes while we hold a position: `stationary` needs the rate of trades too."""
    gamma: Annotated[float, Interval(gt=0, le=1e9)] | None = None
    """Risk aversion in 1/(fraction of the price x full position); none: derived from `skew_strength`."""
    skew_strength: Annotated[float, Interval(gt=0, le=10)] = 1.0
    """Shift at a full position, in half-spreads. At 1 the side that reduces it then stands one fee from the mid."""
    horizon_s: Annotated[float, Interval(ge=0.001, le=86_400)] = 60.0
    """T of the horizon model, in s: how far ahead risk counts; a full position shifts prices by gamma sigma^2 T."""
    risk_term: bool = False
    """Whether each side also moves out by gamma sigma^2 T / 2 (horizon model; the stationary one always widens)."""
    min_half_spread: Annotated[Frac, Interval(ge=0, lt=0.5)] = Frac(0.0)
    """Least distance of a side, as a fraction of the price. At 0 the larger of fee and tick still is one."""
    max_half_spread: Annotated[Frac, Interval(gt=0, lt=0.5)] = Frac(0.02)
    """Ceiling of the half-spread, as a fraction of the price; 0.02 is 1/kappa at the least kappa used, 50."""

    def __post_init__(self) -> None:
        """Refuse a floor above the ceiling."""
        if self.min_half_spread > self.max_half_spread:
            raise ValueError(f"min_half_spread {self.min_half_spread} is above max_half_spread {self.max_half_spread}")


@dataclass(frozen=True, slots=True)
class QuoteParams:
    """What is known at one moment.

    ``fair`` and ``tick`` are in base ticks (``tick`` is the instrument's effective tick at
    ``fair``). ``maker_fee`` may be negative (a rebate). ``intensity`` and ``order_share``, the size
    of one order in the unit of ``q``, are read by the stationary model only.
    """

    fair: float
    q: float
    gamma: float
    kappa: float
    sigma: Frac
    maker_fee: Frac
    tick: int = 1
    mu: Frac = Frac(0.0)
    intensity: float | None = None
    order_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask wanted (unsnapped, base ticks) and how they came about.

    ``half_spread`` = min(delta_star + risk_term + fee, max) or ``floor``, whichever is wider;
    ``shift`` = -inventory_skew + drift_shift, cut to +/-(half_spread - max(fee, 0));
    ``bid`` = fair (1 - half_spread + shift), ``ask`` = fair (1 + half_spread + shift).
    """

    bid: float
    ask: float
    fair: float
    reservation: float
    half_spread: Frac
    shift: Frac
    delta_star: Frac
    risk_term: Frac
    fee: Frac
    inventory_skew: Frac
    """Lowers both prices when positive, that is when long."""
    drift_shift: Frac
    floor: Frac
    """max(fee, tick, minimum): the least distance per side."""
    kappa: float
    """As used, after the floor."""
    floor_hit: bool
    ceiling_hit: bool
    shift_capped: bool
    floored: tuple[str, ...]
    """Names of the estimates that stood below their floor and were lifted to it."""


def compute_quote(params: QuoteParams, config: QuoteConfig) -> Quote:
    """Best bid and ask for the moment, with their components.

    Total on finite input: estimates below their floors are lifted and named in the result.
    ValueError on anything that is not finite or not a price: the caller's gate let it through.
    """
    _require_finite(params)
    gamma, kappa, sigma, floored = _apply_floors(params)
    delta_star, risk_term, skew_per_unit, drift_shift = _components(params, config, gamma, kappa, sigma)
    skew = _saturate(params.q * skew_per_unit)

    fee = params.maker_fee
    floor = max(fee, params.tick / params.fair, config.min_half_spread)
    wanted = delta_star + risk_term + fee
    ceiling_hit = wanted > config.max_half_spread
    half = config.max_half_spread if ceiling_hit else wanted
    floor_hit = half < floor
    if floor_hit:
        half = floor

    # C-07 caps the drift's part at half-spread - fee. The cap here is on the sum with the
    # inventory's part, so that no quote is ever nearer to the fair price than the fee.
    limit = half - max(fee, 0.0)
    free_shift = drift_shift - skew
    shift_capped = abs(free_shift) > limit
    shift = copysign(limit, free_shift) if shift_capped else free_shift
    fair = params.fair
    return Quote(
        bid=fair * (1.0 - half + shift),
        ask=fair * (1.0 + half + shift),
        fair=fair,
        reservation=fair * (1.0 + shift),
        half_spread=Frac(half),
        shift=Frac(shift),
        delta_star=delta_star,
        risk_term=Frac(risk_term),
        fee=fee,
        inventory_skew=Frac(skew),
        drift_shift=Frac(drift_shift),
        floor=Frac(floor),
        kappa=kappa,
        floor_hit=floor_hit,
        ceiling_hit=ceiling_hit,
        shift_capped=shift_capped,
        floored=floored,
    )


def choose_gamma(
    config: QuoteConfig, kappa: float, sigma: Frac, intensity: float | None = None, order_share: float = 1.0
) -> float:
    """The configured gamma, or the one derived from the wanted inventory effect by the model's own formula.

    Derive it from slow (reference) estimates: derived from this second's sigma, the inventory
    shift would no longer grow with volatility.
    """
    if config.gamma is not None:
        return config.gamma
    kappa, sigma = max(kappa, KAPPA_FLOOR), max(sigma, SIGMA_FLOOR)
    if config.model is InventoryModel.STATIONARY:
        known = _require_intensity(intensity)
        return derive_gamma_stationary(kappa, known, sigma, config.skew_strength, order_share=order_share)
    return derive_gamma(kappa, sigma, config.horizon_s, config.skew_strength)


# --- the formulas -----------------------------------------------------------------------------


def half_spread(gamma: float, kappa: float) -> Frac:
    """Q1: delta* = (1/gamma) ln(1 + gamma/kappa), per side, for positive gamma and kappa.

    No floors here (the tick-unit examples of the literature have kappa 0.3); ``compute_quote``
    applies them. Values beyond the floats saturate.
    """
    _require_positive(gamma=gamma, kappa=kappa)
    ratio = gamma / kappa
    if ratio < _SERIES_BELOW:
        value = (1.0 - ratio / 2.0 + ratio * ratio / 3.0) / kappa
    else:
        value = _log1p_ratio(gamma, kappa) / gamma
    # 1/kappa overflows below 6e-309; log1p(r)/gamma underflows near gamma 1e308
    return Frac(min(max(value, _SMALLEST), _LARGEST))


def glft_root(gamma: float, kappa: float, intensity: float, sigma: Frac, *, order_share: float = 1.0) -> Frac:
    """Q2: shift per unit of q, sqrt(sigma^2 g/(2 kappa A D) (1 + gD/kappa)^(1 + kappa/(gD))).

    D is ``order_share``, Gueant's Delta: the size of one order in the unit of q. Summed in
    logarithms: the power alone overflows at gamma/kappa = 1e155.
    """
    _require_positive(gamma=gamma, kappa=kappa, intensity=intensity, sigma=sigma, order_share=order_share)
    log_root = log(sigma) + 0.5 * (log(gamma) - log(2.0) - log(kappa) - log(intensity) - log(order_share))
    return Frac(_exp(log_root + 0.5 * _log_power(gamma * order_share, kappa)))


def drift_shift_horizon(mu: Frac, horizon_s: float) -> Frac:
    """Shift of both prices by drift over the horizon, mu T / 2: up when mu is positive."""
    return Frac(_saturate(0.5 * mu * horizon_s))


def drift_shift_stationary(mu: Frac, gamma: float, sigma: Frac, root: Frac) -> Frac:
    """Shift of both prices by drift, mu/(gamma sigma^2) root: up when mu is positive."""
    if not mu or not root:
        return Frac(0.0)
    log_size = log(abs(mu)) - log(gamma) - 2.0 * log(sigma) + log(root)
    return Frac(copysign(_exp(log_size), mu))


def skew_per_unit_horizon(gamma: float, sigma: Frac, horizon_s: float) -> Frac:
    """A-S: lowering of both prices per unit of long inventory, gamma sigma^2 T."""
    return Frac(_saturate(gamma * sigma * sigma * horizon_s))


def derive_gamma(kappa: float, sigma: Frac, horizon_s: float, skew_strength: float = 1.0) -> float:
    """The gamma with gamma sigma^2 T = skew_strength delta*(gamma, kappa) (Q2's scale warning).

    A literal such as 0.5 gives 0.012 bps at full inventory, that is no inventory control (T-03).
    The left side minus the right is increasing and concave in gamma, and 1/(kappa + gamma) <=
    delta* <= 1/kappa brackets the root; so Newton from the lower bracket climbs to it without
    overshooting. The bracket is kept all the same, for rounding.
    """
    variance = sigma * sigma * horizon_s
    _require_positive(kappa=kappa, variance=variance, skew_strength=skew_strength)
    scale = skew_strength / variance
    high = scale / kappa
    # the positive root of g^2 + kappa g = scale, in the form that does not cancel
    low = min(2.0 * scale / (kappa + hypot(kappa, 2.0 * sqrt(scale))), high)
    _require_positive(low=low, high=high)
    gamma = low
    for _ in range(_NEWTON_STEPS):
        delta = half_spread(gamma, kappa)
        excess = gamma * variance - skew_strength * delta
        if excess > 0.0:
            high = gamma
        else:
            low = gamma
        step = excess / (variance - skew_strength * _half_spread_slope(gamma, kappa, delta))
        following = gamma - step
        if not low <= following <= high:
            following = 0.5 * (low + high)
        if abs(following - gamma) <= _NEWTON_TOLERANCE * gamma:
            return following
        gamma = following
    return gamma


def derive_gamma_stationary(
    kappa: float, intensity: float, sigma: Frac, skew_strength: float = 1.0, *, order_share: float = 1.0
) -> float:
    """The gamma with root = skew_strength delta*, both of the stationary model, for a full position of 1.

    The root grows with gamma at least like its square root and delta* falls, so there is one. The root
    is at least sigma sqrt(e gamma / (2 kappa A D)) and delta* at most 1/kappa, which bounds it from
    above; from there it is bracketed by quarters, and the bracket halved in the logarithm.
    """
    high = 2.0 * intensity * order_share * skew_strength**2 / (kappa * sigma * sigma * e)
    _require_positive(high=high)

    def is_too_strong(gamma: float) -> bool:
        root = glft_root(gamma, kappa, intensity, sigma, order_share=order_share)
        return root > skew_strength * half_spread(gamma * order_share, kappa)

    low = high / _BRACKET_FACTOR
    while is_too_strong(low):
        high, low = low, low / _BRACKET_FACTOR
    while high - low > _HALVING_TOLERANCE * low:
        middle = sqrt(low * high)
        if is_too_strong(middle):
            high = middle
        else:
            low = middle
    return low


# --- inside -----------------------------------------------------------------------------------


def _components(
    params: QuoteParams, config: QuoteConfig, gamma: float, kappa: float, sigma: Frac
) -> tuple[Frac, float, float, float]:
    """delta*, risk term, skew per unit of q and drift shift of the chosen model."""
    if config.model is InventoryModel.STATIONARY:
        share = params.order_share
        root = glft_root(gamma, kappa, _require_intensity(params.intensity), sigma, order_share=share)
        drift = drift_shift_stationary(params.mu, gamma, sigma, root)
        return half_spread(gamma * share, kappa), 0.5 * share * root, root, drift
    skew_per_unit = skew_per_unit_horizon(gamma, sigma, config.horizon_s)
    risk_term = 0.5 * skew_per_unit if config.risk_term else 0.0
    drift = drift_shift_horizon(params.mu, config.horizon_s)
    return half_spread(gamma, kappa), risk_term, skew_per_unit, drift


def _apply_floors(params: QuoteParams) -> tuple[float, float, Frac, tuple[str, ...]]:
    gamma, kappa, sigma = params.gamma, params.kappa, params.sigma
    if gamma >= GAMMA_FLOOR and kappa >= KAPPA_FLOOR and sigma >= SIGMA_FLOOR:
        return gamma, kappa, sigma, ()
    floored = tuple(
        name
        for name, value, floor in (
            ("gamma", gamma, GAMMA_FLOOR),
            ("kappa", kappa, KAPPA_FLOOR),
            ("sigma", sigma, SIGMA_FLOOR),
        )
        if value < floor
    )
    return max(gamma, GAMMA_FLOOR), max(kappa, KAPPA_FLOOR), max(sigma, SIGMA_FLOOR), floored


def _require_finite(params: QuoteParams) -> None:
    # a sum is finite only if every part is (or in the one case of overflow, which is re-checked)
    total = (
        params.fair + params.q + params.gamma + params.kappa + params.sigma + params.maker_fee
        + params.mu + params.order_share
    )  # fmt: skip
    if not isfinite(total):
        for name in ("fair", "q", "gamma", "kappa", "sigma", "maker_fee", "mu", "order_share"):
            value = getattr(params, name)
            if not isfinite(value):
                raise ValueError(f"{name} is {value}")
    if params.tick <= 0 or not 2.0 * params.tick < params.fair <= _LARGEST:
        raise ValueError(f"fair {params.fair} is not a price on a grid of {params.tick}")
    if abs(params.maker_fee) >= _FEE_BOUND:
        raise ValueError(f"maker_fee {params.maker_fee} is not a fraction: basis points by mistake?")


def _require_intensity(intensity: float | None) -> float:
    if intensity is None:
        raise ValueError("the stationary model needs the intensity A")
    return intensity


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < value < inf:
            raise ValueError(f"{name} must be positive and finite, found {value}")


def _log1p_ratio(gamma: float, kappa: float) -> float:
    ratio = gamma / kappa
    return log(gamma) - log(kappa) if isinf(ratio) else log1p(ratio)


def _log_power(gamma: float, kappa: float) -> float:
    """(1 + 1/r) ln(1 + r) with r = gamma/kappa: 1 for r -> 0, ln r for large r."""
    ratio = gamma / kappa
    if ratio < _SERIES_BELOW:
        return 1.0 + ratio / 2.0
    return (1.0 + 1.0 / ratio) * _log1p_ratio(gamma, kappa)


def _half_spread_slope(gamma: float, kappa: float, delta: Frac) -> float:
    """Slope d delta*/d gamma, negative. The exact form cancels for small ratios."""
    ratio = gamma / kappa
    if ratio < 1e-4:  # noqa: PLR2004 - series error (3/4) r^2 < 1e-8, enough for Newton
        return (-0.5 + 2.0 * ratio / 3.0) / (kappa * kappa)
    return (1.0 / (kappa + gamma) - delta) / gamma


def _exp(power: float) -> float:
    return exp(power) if power < _LOG_LARGEST else _LARGEST


def _saturate(value: float) -> float:
    return min(max(value, -_LARGEST), _LARGEST)
