"""How fast fills thin out with depth (kappa) and how often trades come (A), from market trades.

Both learn from the market's trades, never from our own fills: distances of own fills without the
time they were exposed for measure where we quoted (T-06). Both start from a prior, so that a market
without trades still has a value (QE-13). O(1) per event and per reading; reading changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Annotated

from annotated_types import Interval

from domain.units import NS_PER_S, Frac, Ns

_LN2 = log(2.0)


@dataclass(frozen=True, slots=True)
class TradeKappaConfig:
    """Prior Gamma(a0, b0), mean a0/b0 = 2500, and forgetting by time, by trades, or both.

    kappa = (a0 + trades) / (b0 + sum of their depths), in 1/fraction of the price. A depth is the
    distance of a market trade from the mid before it.
    """

    prior_trades: Annotated[float, Interval(gt=0, le=1e9)] = 5.0
    """a0: how many trades the prior counts for; a few, so that the market soon outweighs it."""
    prior_depth_sum: Annotated[Frac, Interval(gt=0, le=1e9)] = Frac(0.002)
    """b0: sum of their depths as fractions of the price; 0.002 over 5 trades is a mean depth of 4 bps."""
    half_life_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 600.0
    """Seconds after which a trade counts half; off: time forgets nothing."""
    half_life_trades: Annotated[float, Interval(gt=0, le=1e9)] | None = None
    """Later trades after which a trade counts half; off: trades forget nothing."""


class TradeKappa:
    """Q7(a): depths of market trades from the mid before them are Exp(kappa).

    Posterior Gamma(a0 + n, b0 + sum of depths), mean a/b, sd mean/sqrt(a). Forgetting shrinks n
    and the sum together, so that in silence the value returns to the prior. An order that sweeps
    several levels reaches as deep as its last print; feed it as one depth where that is known.
    """

    __slots__ = ("_config", "_depth_sum", "_last", "_per_ns", "_per_trade", "_trades", "seen")

    def __init__(self, config: TradeKappaConfig | None = None) -> None:
        """Start at the prior."""
        self._config = config = config or TradeKappaConfig()
        self._per_ns = _decay_per_ns(config.half_life_s)
        self._per_trade = exp(-_LN2 / config.half_life_trades) if config.half_life_trades else 1.0
        self._trades = 0.0
        self._depth_sum = 0.0
        self._last = Ns(0)
        self.seen = 0
        """Trades observed in all, not forgotten."""

    def observe(self, depth: Frac, now: Ns) -> None:
        """One market trade at ``depth`` = abs(trade price - mid before it) / mid."""
        if not 0.0 <= depth < inf:
            raise ValueError(f"depth must be finite and not negative, found {depth}")
        keep = self._keep(now) * self._per_trade
        self._trades = self._trades * keep + 1.0
        self._depth_sum = self._depth_sum * keep + depth
        self._last = max(now, self._last)
        self.seen += 1

    def value(self, now: Ns) -> float:
        """Posterior mean, 1/fraction."""
        keep = self._keep(now)
        config = self._config
        return (config.prior_trades + self._trades * keep) / (config.prior_depth_sum + self._depth_sum * keep)

    def sd(self, now: Ns) -> float:
        """Posterior standard deviation, 1/fraction."""
        return self.value(now) / sqrt(self._config.prior_trades + self.n_effective(now))

    def n_effective(self, now: Ns) -> float:
        """Trades that still count after forgetting, without the prior's."""
        return self._trades * self._keep(now)

    def is_ready(self, min_trades: int) -> bool:
        """Whether so many trades were ever seen. Silence afterwards widens ``sd``, it gates nothing."""
        return self.seen >= min_trades

    def _keep(self, now: Ns) -> float:
        # a late event counts as of the newest one: time never runs backwards here
        return exp(-self._per_ns * (now - self._last)) if now > self._last else 1.0


class RecordedKappa:
    """A sequence of kappa that somebody wrote down, replayed over and over: a study puts it in `TradeKappa`'s place.

    It answers the same questions. Trades teach it nothing, and it never doubts what it says.
    """

    __slots__ = ("_next", "_now", "_readings")

    def __init__(self, readings: Sequence[float]) -> None:
        """Start with the first of them."""
        self._readings = tuple(readings)
        self._now, self._next = self._readings[0], 0

    def take(self) -> None:
        """Go on to the next reading, after the last one to the first; the first call stays at the first one."""
        self._now = self._readings[self._next]
        self._next = (self._next + 1) % len(self._readings)

    def observe(self, depth: Frac, now: Ns) -> None:
        """One market trade, of which nothing is learned."""

    def value(self, now: Ns) -> float:
        """The present reading, 1/fraction."""
        del now
        return self._now

    def sd(self, now: Ns) -> float:
        """Return no deviation at all."""
        del now
        return 0.0

    def n_effective(self, now: Ns) -> float:
        """As if seen without end."""
        del now
        return inf

    def is_ready(self, min_trades: int) -> bool:
        """From the start."""
        del min_trades
        return True


@dataclass(frozen=True, slots=True)
class TradeIntensityConfig:
    """Prior of trades per second *of both sides*, as ``prior_trades`` seen in ``prior_seconds``."""

    prior_trades: Annotated[float, Interval(gt=0, le=1e9)] = 2.0
    """How many trades the prior counts for."""
    prior_seconds: Annotated[float, Interval(gt=0, le=1e6)] = 4.0
    """In how many seconds it has seen them: 2 in 4 s is one in two seconds."""
    half_life_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 600.0
    """Seconds of listening after which what was seen counts half; off: nothing is forgotten."""


class TradeIntensity:
    """Trades per second at depth 0, the A of Q2: Gamma-Poisson over the time the feed was up.

    Every market order reaches depth 0, so A is their rate whatever our own depth. Both sides are
    counted together; ``value`` is the rate of one side, half of it, which is what Q2 wants.
    """

    __slots__ = ("_config", "_exposure_s", "_is_running", "_last", "_per_ns", "_trades", "seen")

    def __init__(self, config: TradeIntensityConfig | None = None) -> None:
        """Start at the prior, not yet exposed."""
        self._config = config = config or TradeIntensityConfig()
        self._per_ns = _decay_per_ns(config.half_life_s)
        self._trades = 0.0
        self._exposure_s = 0.0
        self._is_running = False
        self._last = Ns(0)
        self.seen = 0
        """Trades observed in all, not forgotten."""

    def resume(self, now: Ns) -> None:
        """Trades can be seen from now on."""
        self._advance(now)
        self._is_running = True

    def pause(self, now: Ns) -> None:
        """Trades cannot be seen from now on: silence stops to count as evidence."""
        self._advance(now)
        self._is_running = False

    def observe(self, now: Ns) -> None:
        """One market order. Ends a pause: what was heard was listened to."""
        self.resume(now)
        self._trades += 1.0
        self.seen += 1

    def value(self, now: Ns) -> float:
        """Posterior mean of trades per second of one side."""
        trades, exposure_s = self._at(now)
        config = self._config
        return 0.5 * (config.prior_trades + trades) / (config.prior_seconds + exposure_s)

    def sd(self, now: Ns) -> float:
        """Posterior standard deviation of ``value``."""
        trades, _ = self._at(now)
        return self.value(now) / sqrt(self._config.prior_trades + trades)

    def _advance(self, now: Ns) -> None:
        self._trades, self._exposure_s = self._at(now)
        self._last = max(now, self._last)

    def _at(self, now: Ns) -> tuple[float, float]:
        """Trades and seconds that count at ``now``."""
        elapsed = now - self._last
        if elapsed <= 0 or not self._is_running:
            # evidence does not age while nothing can be learned, nor does time run backwards
            return self._trades, self._exposure_s
        keep = exp(-self._per_ns * elapsed)
        fresh_s = (1.0 - keep) / (self._per_ns * NS_PER_S) if self._per_ns else elapsed / NS_PER_S
        return self._trades * keep, self._exposure_s * keep + fresh_s


def _decay_per_ns(half_life_s: float | None) -> float:
    return _LN2 / (half_life_s * NS_PER_S) if half_life_s else 0.0
