"""Volatility of the mid per square root of a second, robust to rare jumps (Q11, QM-23).

Knows mids and their times only; which mid (book, reference) is the caller's choice.
"""

from dataclasses import dataclass
from math import exp, inf, log, pi, sqrt
from typing import Annotated

from annotated_types import Interval

from domain.units import NS_PER_S, Frac, Ns

_LN2 = log(2.0)
_HALF_PI = pi / 2.0


@dataclass(frozen=True, slots=True)
class VolatilityConfig:
    """Sampling and forgetting.

    The estimate multiplies neighbouring returns (bipower variation), so that a single jump counts
    little. A mid that moves by whole ticks biases it down, one that bounces between bid and ask up.
    """

    bucket_s: Annotated[float, Interval(ge=0.001, le=1e6)] = 1.0
    """Length of a sample in s. Shorter ones learn faster, but see the tick and the bid-ask bounce."""
    half_life_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 300.0
    """Seconds after which a return counts half; off: nothing is forgotten."""
    max_gap_buckets: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 5
    """A longer silence, in buckets, is a gap in the data: no return is taken across it."""
    min_pairs: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 20
    """Pairs of neighbouring returns before the estimate replaces `prior_sigma`; also its weight in the confidence."""


class BipowerVolatility:
    """Bipower variation (Barndorff-Nielsen & Shephard 2004) on a clock grid, with forgetting.

    The sample of a bucket is its last mid, with that mid's own time. With r_i the log return
    between samples and t_i the time between them,

        sigma^2 = (pi/2) sum abs(r_i) abs(r_{i-1}) / sum sqrt(t_i t_{i-1})

    both sums exponentially weighted, by the time that passes, gaps in the data included. Dividing by
    the elapsed times themselves, not by a count of buckets, keeps irregular quotes and short silences
    from biasing it, and a ratio of sums lets a sample that comes just after another weigh next to
    nothing. A jump enters one factor of two products only, beside an ordinary return. O(1) per event.
    """

    __slots__ = (
        "_bipower", "_bucket", "_bucket_ns", "_config", "_decay_per_s", "_elapsed_s", "_enough", "_evidence",
        "_kept_at", "_last_mid", "_last_time", "_pair_s", "_previous_return", "_previous_s", "_sample_mid",
        "_sample_time", "_squares", "late", "pairs", "restarts",
    )  # fmt: skip

    def __init__(self, config: VolatilityConfig | None = None) -> None:
        """Start with nothing seen."""
        self._config = config = config or VolatilityConfig()
        self._bucket_ns = round(config.bucket_s * NS_PER_S)
        self._decay_per_s = _LN2 / config.half_life_s if config.half_life_s else 0.0
        self._bipower = 0.0
        self._pair_s = 0.0
        self._squares = 0.0
        self._elapsed_s = 0.0
        self.pairs = 0
        """Pairs of returns used in all, not forgotten."""
        self._evidence = 0.0
        self._enough = 0.5 * config.min_pairs
        if config.half_life_s:  # no more than this can ever count
            self._enough = 0.5 * min(config.min_pairs, config.half_life_s / _LN2 / config.bucket_s)
        self._kept_at = Ns(0)
        """Up to when the sums have been forgotten, and pairs counted."""
        self.restarts = 0
        """Gaps in the data over which no return was taken."""
        self.late = 0
        """Mids older than the newest."""
        self._bucket: int | None = None
        self._last_mid = 0.0
        self._last_time = Ns(0)
        self._sample_mid = 0.0  # 0 is "none", here and below
        self._sample_time = Ns(0)
        self._previous_return = 0.0
        self._previous_s = 0.0

    def observe(self, mid: float, now: Ns) -> None:
        """One mid, in any unit of price, seen at ``now``; one that comes late is counted and left out."""
        if not 0.0 < mid < inf:
            raise ValueError(f"mid must be positive and finite, found {mid}")
        bucket = now // self._bucket_ns
        if self._bucket is None:
            self._bucket = bucket
        elif now < self._last_time:
            self.late += 1
            return
        elif bucket != self._bucket:
            self._close_bucket()
            if bucket - self._bucket > self._config.max_gap_buckets:
                self._forget_sample()
                self.restarts += 1
            self._bucket = bucket
        self._last_mid = mid
        self._last_time = now

    def restart(self) -> None:
        """Take no return across this moment (the feed was down, the mid is of another source)."""
        self._bucket = None
        self._last_time = Ns(0)
        self._forget_sample()
        self.restarts += 1

    def value(self) -> Frac | None:
        """Sigma, fraction per sqrt(second); None before the first pair of returns."""
        return Frac(sqrt(_HALF_PI * self._bipower / self._pair_s)) if self._pair_s > 0.0 else None

    def realized(self) -> Frac | None:
        """The same with jumps, from squared returns; None before the first return."""
        return Frac(sqrt(self._squares / self._elapsed_s)) if self._elapsed_s > 0.0 else None

    def jump_ratio(self) -> float | None:
        """RV/BV: about 1 without jumps; None while either is unknown or nothing moves."""
        bipower, realized = self.value(), self.realized()
        return (realized / bipower) ** 2 if bipower and realized is not None else None

    def is_ready(self) -> bool:
        """Whether enough pairs were ever seen. Sigma may still be 0, in a market that does not move."""
        return self.pairs >= self._config.min_pairs

    def n_effective(self, now: Ns) -> float:
        """Pairs that still count at a time, after forgetting; a gap in the data or silence takes from them."""
        return self._evidence * self._keep(now)

    def is_fresh(self, now: Ns) -> bool:
        """Whether it is ready and half of what it takes still counts: after a long silence it has to be seen anew."""
        return self.is_ready() and self.n_effective(now) >= self._enough

    # --- inside -------------------------------------------------------------------------------

    def _close_bucket(self) -> None:
        """The last mid becomes the sample of its bucket and gives a return and a pair."""
        mid, time = self._last_mid, self._last_time
        if self._sample_mid > 0.0:
            self._add(abs(log(mid / self._sample_mid)), (time - self._sample_time) / NS_PER_S, time)
        self._sample_mid = mid
        self._sample_time = time

    def _add(self, size: float, elapsed_s: float, time: Ns) -> None:
        keep = self._keep(time)
        self._kept_at = max(time, self._kept_at)
        self._evidence *= keep
        self._squares = self._squares * keep + size * size
        self._elapsed_s = self._elapsed_s * keep + elapsed_s
        self._bipower *= keep
        self._pair_s *= keep
        if self._previous_s > 0.0:
            self._bipower += size * self._previous_return
            self._pair_s += sqrt(elapsed_s * self._previous_s)
            self.pairs += 1
            self._evidence += 1.0
        self._previous_return = size
        self._previous_s = elapsed_s

    def _keep(self, now: Ns) -> float:
        since = now - self._kept_at
        return exp(-self._decay_per_s * since / NS_PER_S) if since > 0 else 1.0

    def _forget_sample(self) -> None:
        self._sample_mid = 0.0
        self._sample_time = Ns(0)
        self._previous_return = 0.0
        self._previous_s = 0.0
