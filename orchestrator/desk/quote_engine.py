"""Steps 1 to 5 of the quote cycle: from what we know to the ladder that we want.

1 warm-up, 2 estimators, 3 risk, 4 strategy, 5 ladder; steps 6 (reconcile) and 7 (execute) are the
desk's. Any step may end the cycle, and says so with its reason (QE-08).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import isfinite, isinf, sqrt
from typing import Annotated

from annotated_types import Interval

from domain.instrument import Instrument
from domain.units import USD, Frac, Ns, Px, Side, Sz, seconds
from orchestrator.budget.tiers import QuotaAwareConfig, levels
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.market import Market
from orchestrator.risk.position_limit import PositionLimit
from orchestrator.risk.stance import FREE, Stance
from strategy.glft import (
    InventoryModel,
    Quote,
    QuoteConfig,
    QuoteParams,
    choose_gamma,
    compute_quote,
)
from strategy.kappa import (
    RecordedKappa,
    TradeIntensity,
    TradeIntensityConfig,
    TradeKappa,
    TradeKappaConfig,
)
from strategy.ladder import Ladder, LadderConfig, LadderLevel, build_ladder
from strategy.price_grid import PriceGrid, PriceGridConfig
from strategy.smoothing import ParameterSmoother, QuoteInputs, RegimeFlag, SmootherConfig
from strategy.volatility import BipowerVolatility, VolatilityConfig

FEE_UNIT = 1e-9
NONE_LEAVING = (Sz(0), Sz(0))


class Step(StrEnum):
    """The seven steps of a cycle (QE-01..07)."""

    WARM_UP = "warm_up"
    ESTIMATORS = "estimators"
    RISK = "risk"
    STRATEGY = "strategy"
    LADDER = "ladder"
    RECONCILE = "reconcile"
    EXECUTE = "execute"


@dataclass(frozen=True, slots=True)
class Stop:
    """A cycle that ended early: at which step, and why."""

    step: Step
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteEngineConfig:
    """When the desk is ready to quote and how big."""

    quote: QuoteConfig = field(default_factory=QuoteConfig)
    ladder: LadderConfig = field(default_factory=LadderConfig)
    kappa: TradeKappaConfig = field(default_factory=TradeKappaConfig)
    volatility: VolatilityConfig = field(default_factory=VolatilityConfig)
    intensity: TradeIntensityConfig = field(default_factory=TradeIntensityConfig)
    """Read by the stationary inventory model only."""
    level_notional_usd: Annotated[float, Interval(gt=0, le=1e9)] = 500.0
    """Average value of one level; a side is worth this times its levels."""
    max_position_usd: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """Hard limit on the position; its lots are fixed at the first sound mid of a life."""
    warmup_updates: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10
    """Books and tops of the book that must have been seen before the first quote."""
    warmup_trades: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 5
    """Trades of the market that must have been seen before the first quote."""
    warmup_timeout_s: Annotated[float, Interval(ge=0, le=1e6)] = 30.0
    """After this the priors stand in for what is missing: no gate that only quoting opens (C-05)."""
    prior_sigma: Annotated[float, Interval(gt=0, le=1)] = 2e-4
    """Per square-root second."""
    max_kappa: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """Trades at the touch of a one-tick market say little about depth: kappa is cut here (QM-11)."""
    kappa_readings: tuple[Annotated[float, Interval(gt=0, le=1e9)], ...] = ()
    """For studies: a recorded sequence of kappa, replayed over and over in the place of the estimate, one reading for
    each cycle that computes quotes. It is warm and certain from the start. Empty: kappa is estimated from trades."""
    smoother: SmootherConfig | None = None
    """Keeps kappa, volatility and fair price where they are while they only jitter; off: every quote follows them."""
    grid: PriceGridConfig | None = None
    """A coarse grid of prices under the ladder; off: every legal price is a target."""
    gamma_refresh_s: Annotated[float, Interval(gt=0, le=1e6)] = 300.0
    """The derived gamma follows slow estimates: it is renewed this often, not every cycle."""
    min_confidence: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Below this the desk is unsure. Confidence is 0 on priors alone, 0.5 where data weighs as much as they do."""
    unsure_widening: Annotated[float, Interval(ge=1, le=1_000)] = 1.5
    """While unsure, kappa is divided by this, which widens the half-spread by about the same factor."""
    unsure_size: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Below the minimum confidence: wider and smaller, still two-sided (QE-12)."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What the desk wants to have on the book, best level first on each side."""

    bids: tuple[LadderLevel, ...]
    asks: tuple[LadderLevel, ...]
    quote: Quote
    confidence: float
    raws: Mapping[Px, float]
    """What the level at each price stands for: the price that the formula gave, before grid and tick."""

    def of(self, side: Side) -> tuple[LadderLevel, ...]:
        """The levels of one side."""
        return self.bids if side is Side.BUY else self.asks


class QuoteEngine:
    """Estimators and strategy of one instrument."""

    def __init__(
        self, config: QuoteEngineConfig, instrument: Instrument, quota_aware: QuotaAwareConfig | None = None
    ) -> None:
        """Start with priors; ``quota_aware`` says how the ladder gets shorter as the allowance shrinks."""
        self.config = config
        self.instrument = instrument
        self._quota_aware = quota_aware
        readings = config.kappa_readings
        self.kappa = RecordedKappa(readings) if readings else TradeKappa(config.kappa)
        self.volatility = BipowerVolatility(config.volatility)
        stationary = config.quote.model is InventoryModel.STATIONARY
        self.intensity = TradeIntensity(config.intensity) if stationary else None
        self.smoother = None if config.smoother is None else ParameterSmoother(config.smoother)
        regime = None if config.smoother is None else config.smoother.regime
        self.regime = None if regime is None else RegimeFlag(regime, config.volatility)
        self.grid = None if config.grid is None else PriceGrid(config.grid, instrument)
        self.maker_fee = Frac(instrument.maker_fee * FEE_UNIT)
        self.order_value: float | None = None
        """What one order may be worth, in micro-USD; None: anything."""
        self.first_data: Ns | None = None
        self.gamma: float | None = None
        self.quotes = 0
        """Quotes computed in this life."""
        self.quotes_at_floor = 0
        """Those whose half-spread was the floor: not the formula but fee, tick or minimum decided."""
        self.quotes_kappa_capped = 0
        """Those for which the estimate of kappa was cut at its ceiling."""
        self._gamma_renew_at = Ns(0)
        self._warmup_timeout = seconds(config.warmup_timeout_s)
        self._gamma_refresh = seconds(config.gamma_refresh_s)

    # --- the feed -------------------------------------------------------------------------------

    def on_mid(self, mid: float, time: Ns, now: Ns) -> None:
        """A sound mid; ``time`` is the venue's."""
        if self.first_data is None:
            self.first_data = now
        self.volatility.observe(mid, time)
        if self.regime is not None:
            self.regime.observe(mid, time)
        if self.intensity is not None:
            self.intensity.resume(time)

    def on_trade(self, px: Px, mid: float, time: Ns) -> None:
        """A public trade, seen once; its depth is its distance from the mid that we knew."""
        self.kappa.observe(Frac(abs(px - mid) / mid), time)
        if self.intensity is not None:
            self.intensity.observe(time)

    def on_gap(self, time: Ns) -> None:
        """The feed was lost: no return across the gap, no exposure inside it."""
        self.volatility.restart()
        if self.regime is not None:
            self.regime.restart()
        if self.intensity is not None:
            self.intensity.pause(time)

    # --- warm-up (step 1) -----------------------------------------------------------------------

    def missing_input(self, market: Market, now: Ns) -> str | None:
        """Name of the input that warm-up still waits for (QE-01, QE-09)."""
        if self.first_data is None:
            return "book"
        if now - self.first_data >= self._warmup_timeout:
            return None
        if market.n_quotes + market.n_books < self.config.warmup_updates:
            return "book"
        if not self.kappa.is_ready(self.config.warmup_trades):
            return "kappa"
        if not self.volatility.is_ready():
            return "sigma"
        return None

    def warm_at(self) -> Ns | None:
        """When warm-up ends at the latest."""
        return None if self.first_data is None else Ns(self.first_data + self._warmup_timeout)

    def confidence(self, time: Ns) -> float:
        """Geometric mean of the estimators' confidences (QE-12).

        Each is the weight of what was seen beside that of its prior, n / (n + n0).
        """
        trades = self.kappa.n_effective(time)
        of_kappa = 1.0 if isinf(trades) else trades / (trades + self.config.kappa.prior_trades)
        pairs = self.volatility.n_effective(time)
        of_sigma = pairs / (pairs + self.config.volatility.min_pairs)
        return sqrt(of_kappa * of_sigma)

    def sigma(self, time: Ns) -> Frac:
        """Estimated sigma; its prior until the estimate is ready, where too little of it is fresh, or nothing moves."""
        estimate = self.volatility.value() if self.volatility.is_fresh(time) else None
        return estimate or Frac(self.config.prior_sigma)

    def kappa_effective(self, time: Ns) -> float:
        """Posterior of kappa, or the reading in its place, cut at its ceiling."""
        return min(self.kappa.value(time), self.config.max_kappa)

    # --- the cycle ------------------------------------------------------------------------------

    def compute(
        self,
        market: Market,
        inventory: Inventory,
        limit: PositionLimit,
        now: Ns,
        stance: Stance = FREE,
        leaving: tuple[Sz, Sz] = NONE_LEAVING,
        headroom: float = 1.0,
    ) -> Targets | Stop:
        """Steps 1, 2, 4 and 5; the caller has asked the gates (step 3) and found them open.

        ``stance`` is what risk leaves to do: wider, smaller. ``leaving`` (bid, ask) may still fill and serves no quote.
        ``headroom`` is the share of the allowance of actions that is left. Inputs are smoothed before anything uses
        them, and what risk asks for comes after that; targets stand on points of the grid (CH-08, CH-10).

        An estimator that is not finite and positive stops the cycle. One that is not fresh does not: what it saw
        counts less with time (the half-lives of kappa and sigma, by the venue's clock), so in silence kappa glides to
        its prior, sigma gives way to its own, and the confidence falls, which widens. A gate on freshness would be
        one that a market without trades never opens again (QE-02, QE-13).
        """
        missing = self.missing_input(market, now)
        if missing is not None:
            return Stop(Step.WARM_UP, missing)
        time = market.time
        if isinstance(self.kappa, RecordedKappa):
            self.kappa.take()
        kappa, sigma, mid = self.kappa_effective(time), self.sigma(time), market.mid
        for name, value in (("mid", mid), ("kappa", kappa), ("sigma", sigma)):
            if value is None or not (isfinite(value) and value > 0):
                return Stop(Step.ESTIMATORS, name)
        if mid is None or limit.lots <= 0:
            return Stop(Step.RISK, "limits_unknown")
        if mid <= 2 * self.instrument.tick_at(int(mid)):
            return Stop(Step.STRATEGY, "price_too_low")
        self.quotes_kappa_capped += self.kappa.value(time) > self.config.max_kappa
        inputs = QuoteInputs(mid, kappa, sigma, None if self.intensity is None else self.intensity.value(time))
        if self.smoother is not None:
            changed = self.regime is not None and self.regime.has_changed(sigma, time)
            inputs = self.smoother.smooth(inputs, now, regime_changed=changed)
        confidence = self.confidence(time)
        unsure = confidence < self.config.min_confidence
        quote = self._quote(inputs, inventory, limit, stance.spread_factor, now, unsure=unsure)
        if self.grid is not None:
            self.grid.for_current_state(inputs.fair, inputs.sigma, headroom, quote.half_spread)
        ladder = self._ladder(quote, inventory, limit, mid, stance.size_factor, leaving, headroom, unsure=unsure)
        if not ladder.bids and not ladder.asks:
            return Stop(Step.LADDER, "no_level")
        return Targets(ladder.bids, ladder.asks, quote, confidence, ladder.raws)

    def _quote(
        self,
        inputs: QuoteInputs,
        inventory: Inventory,
        limit: PositionLimit,
        spread_factor: float,
        now: Ns,
        *,
        unsure: bool,
    ) -> Quote:
        config = self.config
        fair, kappa, sigma, intensity = inputs
        kappa /= spread_factor
        order_share = config.level_notional_usd / config.max_position_usd
        if self.gamma is None or now >= self._gamma_renew_at:
            self.gamma = choose_gamma(config.quote, kappa, sigma, intensity, order_share)
            self._gamma_renew_at = Ns(now + self._gamma_refresh)
        params = QuoteParams(
            fair=fair,
            q=limit.use(inventory.position),
            gamma=self.gamma,
            kappa=kappa / config.unsure_widening if unsure else kappa,
            sigma=sigma,
            maker_fee=self.maker_fee,
            tick=self.instrument.tick_at(int(fair)),
            intensity=intensity,
            order_share=order_share,
        )
        quote = compute_quote(params, config.quote)
        self.quotes += 1
        self.quotes_at_floor += quote.floor_hit
        return quote

    def _ladder(
        self,
        quote: Quote,
        inventory: Inventory,
        limit: PositionLimit,
        mid: float,
        size_factor: float,
        leaving: tuple[Sz, Sz],
        headroom: float,
        *,
        unsure: bool,
    ) -> Ladder:
        config, shape = self.config, self.config.ladder
        if self._quota_aware is not None:
            n = levels(shape.levels, headroom, self._quota_aware)
            shape = shape if n == shape.levels else replace(shape, levels=n)
        notional = config.level_notional_usd * shape.levels * size_factor
        if unsure:
            notional *= config.unsure_size
        size = Sz(round(notional * USD / mid))
        bid_leaving, ask_leaving = leaving
        ladder = build_ladder(
            quote,
            shape,
            self.grid or self.instrument,
            size=size,
            bid_capacity=limit.room(Side.BUY, inventory.position, size, bid_leaving),
            ask_capacity=limit.room(Side.SELL, inventory.position, size, ask_leaving),
        )
        if self.order_value is None:
            return ladder
        return ladder._replace(bids=self._cut(ladder.bids), asks=self._cut(ladder.asks))

    def _cut(self, levels: tuple[LadderLevel, ...]) -> tuple[LadderLevel, ...]:
        """No order is worth more than it may be (RK-22); where that is less than the venue takes, there is none."""
        most, least = self.order_value or 0.0, self.instrument.min_notional
        if all(level.px * level.sz <= most for level in levels):
            return levels
        cut = (LadderLevel(px, Sz(min(sz, int(most // px)))) for px, sz in levels)
        return tuple(level for level in cut if level.px * level.sz >= least)
