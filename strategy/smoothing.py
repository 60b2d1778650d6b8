"""Keeps the inputs of a quote where they are while they only jitter (layer 1; CH-09..13, Q3).

An average follows each input; what goes on to the quote changes only when the average has left a band around it. The
weight of a new value is 1 - exp(-dt/tau), so that nothing depends on how often it is asked. A change of regime is
believed at once: the average begins anew and is fast for a few calls. The fair price gets a band and no average: one of
a minute would lag a walk by several bps.

Knows numbers and times only. What risk asks for (wider, smaller) comes after it: danger is not smoothed.
"""

from dataclasses import dataclass, field
from math import exp
from typing import Annotated, NamedTuple

from annotated_types import Interval

from domain.units import NS_PER_S, Bps, Frac, Ns
from strategy.volatility import BipowerVolatility, VolatilityConfig

BPS = 1e4


class QuoteInputs(NamedTuple):
    """What a quote is computed from, as far as the market decides it."""

    fair: float
    """In base ticks."""
    kappa: float
    sigma: Frac
    """Per square-root second."""
    intensity: float | None
    """Fills per second at the fair price, for the model that asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingConfig:
    """One input."""

    tau_s: Annotated[float, Interval(gt=0, le=1e6)]
    """Time constant of its average, in seconds; Q3's weights at a cycle of 6 s."""
    band: Annotated[float, Interval(ge=0, lt=1)]
    """What goes on changes when the average differs by this share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeFlagConfig:
    """When volatility has changed its regime: a fast estimate leaves a band around the slow one."""

    half_life_s: Annotated[float, Interval(gt=0, le=1e6)] = 30.0
    """Of the fast estimate, in seconds; the slow one is the quote's own."""
    up: Annotated[float, Interval(gt=1, le=1e3)] = 2.0
    """Fast over slow above this is a change."""
    down: Annotated[float, Interval(gt=0, lt=1)] = 0.5
    """So is fast over slow below this."""
    rearm: Annotated[float, Interval(gt=0, lt=1)] = 0.75
    """A change is told once: again only after the ratio has come back this far into the band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmootherConfig:
    """The smoother of one instrument."""

    kappa: SmoothingConfig = field(default_factory=lambda: SmoothingConfig(tau_s=57.0, band=0.05))
    """Fills per fraction of depth."""
    sigma: SmoothingConfig = field(default_factory=lambda: SmoothingConfig(tau_s=36.9, band=0.03))
    """Volatility."""
    intensity: SmoothingConfig = field(default_factory=lambda: SmoothingConfig(tau_s=57.0, band=0.05))
    """Rate of trades, for the model that asks for it."""
    fair_band_bps: Annotated[float, Interval(ge=0, le=1e4)] = 0.5
    """The fair price stays until the mid is this far from it, in bps."""
    fair_band_share: Annotated[float, Interval(ge=0, le=1)] = 0.25
    """The band of the fair price is never more than this share of 1/kappa, about the half-spread."""
    ramp_calls: Annotated[int, Interval(ge=0, le=10_000)] = 5
    """After a change of regime the weight of a new value falls from 1 to its ordinary one over so many calls."""
    cooldown_calls: Annotated[int, Interval(ge=0, le=10_000)] = 3
    """So many calls after a change of regime no other one is believed."""
    regime: RegimeFlagConfig | None = field(default_factory=RegimeFlagConfig)
    """What tells of a change of regime; off: nothing does."""


class RegimeFlag:
    """Says once when volatility has changed by a factor."""

    def __init__(self, config: RegimeFlagConfig, slow: VolatilityConfig) -> None:
        """Nothing was seen."""
        self._config = config
        self._fast = BipowerVolatility(
            VolatilityConfig(slow.bucket_s, config.half_life_s, slow.max_gap_buckets, slow.min_pairs)
        )
        self._is_armed = True

    def observe(self, mid: float, time: Ns) -> None:
        """A mid, as the slow estimate sees it."""
        self._fast.observe(mid, time)

    def restart(self) -> None:
        """Take no return across this moment."""
        self._fast.restart()

    def has_changed(self, slow: float, time: Ns) -> bool:
        """Whether the fast estimate has left the band around the slow one, since it was last inside."""
        fast = self._fast.value() if self._fast.is_fresh(time) else None
        if fast is None or slow <= 0:
            return False
        ratio, config = fast / slow, self._config
        if self._is_armed:
            self._is_armed = config.down <= ratio <= config.up
            return not self._is_armed
        self._is_armed = config.down / config.rearm <= ratio <= config.up * config.rearm
        return False


class _Smoothed:
    """One input: its average, and what went on."""

    __slots__ = ("_band", "_tau", "average", "output")

    def __init__(self, config: SmoothingConfig) -> None:
        self._tau = config.tau_s
        self._band = config.band
        self.average: float | None = None
        self.output = 0.0

    def take(self, value: float, since: float, ramp: float) -> float:
        """``since``: seconds since the last one; ``ramp``: 1 at a change of regime, falling to 0."""
        if self.average is None:
            self.average = self.output = value
            return value
        base = 1.0 - exp(-since / self._tau)
        alpha = base + (1.0 - base) * ramp
        self.average += alpha * (value - self.average)
        if abs(self.average - self.output) >= self._band * abs(self.output):
            self.output = self.average
        return self.output


class ParameterSmoother:
    """The smoother of one desk."""

    def __init__(self, config: SmootherConfig) -> None:
        """The first value of each input goes on as it is."""
        self.config = config
        self.suppressed: dict[str, int] = {}
        """Calls in which an input had changed and what went on did not, by input."""
        self.regime_changes = 0
        """Changes of regime that were believed."""
        self._kappa = _Smoothed(config.kappa)
        self._sigma = _Smoothed(config.sigma)
        self._intensity = _Smoothed(config.intensity)
        self._fair: float | None = None
        self._at: Ns | None = None
        self._since_change: int | None = None

    def smooth(self, found: QuoteInputs, now: Ns, *, regime_changed: bool) -> QuoteInputs:
        """What the quote is to be computed from; one call a cycle."""
        since = 0.0 if self._at is None else (now - self._at) / NS_PER_S
        self._at = now
        ramp = self._ramp(is_change=regime_changed)
        kappa = self._take("kappa", self._kappa, found.kappa, since, ramp)
        sigma = Frac(self._take("sigma", self._sigma, found.sigma, since, ramp))
        intensity = found.intensity
        if intensity is not None:
            intensity = self._take("intensity", self._intensity, intensity, since, ramp)
        return QuoteInputs(self._hold_fair(found.fair, kappa), kappa, sigma, intensity)

    def _take(self, name: str, smoothed: _Smoothed, value: float, since: float, ramp: float) -> float:
        before = smoothed.output
        output = smoothed.take(value, since, ramp)
        if output == before != value:
            self.suppressed[name] = self.suppressed.get(name, 0) + 1
        return output

    def _hold_fair(self, fair: float, kappa: float) -> float:
        config = self.config
        band = min(Bps(config.fair_band_bps), config.fair_band_share / kappa * BPS)
        held = self._fair
        if held is None or abs(fair - held) / held * BPS >= band:
            self._fair = held = fair
        elif fair != held:
            self.suppressed["fair"] = self.suppressed.get("fair", 0) + 1
        return held

    def _ramp(self, *, is_change: bool) -> float:
        """1 in the call of a change that is believed, 0 after the ramp."""
        config = self.config
        if self._since_change is not None:
            self._since_change += 1
        if is_change and (self._since_change is None or self._since_change > config.cooldown_calls):
            self._since_change = 0
            self.regime_changes += 1
        if self._since_change is None or self._since_change >= max(config.ramp_calls, 1):
            return 0.0
        return 1.0 - self._since_change / max(config.ramp_calls, 1)
