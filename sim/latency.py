"""How long a message travels: small frozen callables that map a uniform draw to nanoseconds.

A model is pure: `model(u)` is the inverse of a distribution function at `u` in [0, 1). Where `u` comes
from, and that latency is alike for messages sent at nearly the same time, is the link's business
(`sim.links`). Adding one: a frozen dataclass with bounds and `__call__`, one name in `Latency`.
"""

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from math import exp
from statistics import NormalDist
from typing import Annotated, Literal, TypeAlias

from annotated_types import Interval

from domain.units import NS_PER_MS, Ns

_NORMAL = NormalDist()
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Always the same."""

    ms: Annotated[float, Interval(ge=0, le=1e6)]
    """How long every message travels, in ms."""
    kind: Literal["constant"] = "constant"
    """Names this model."""

    def __call__(self, u: float) -> Ns:  # noqa: ARG002 - every model takes the draw
        """The latency; the draw does not matter."""
        return Ns(round(self.ms * NS_PER_MS))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """exp(ln(median) + sigma Z), never below `floor_ms` nor above `cap_ms`.

    The ratio of p99 to the median is exp(2.33 sigma): 0.3 gives 2, 0.65 gives 4.5.
    """

    median_ms: Annotated[float, Interval(gt=0, le=1e6)]
    """Half of all messages are faster than this, in ms."""
    sigma: Annotated[float, Interval(ge=0, le=10)]
    """Standard deviation of the logarithm of the latency; 0 makes it constant."""
    floor_ms: Annotated[float, Interval(ge=0, le=1e6)] = 0.0
    """No message is faster than this, in ms: the distance to the venue."""
    cap_ms: Annotated[float, Interval(gt=0, le=1e6)] = 60_000.0
    """No message is slower than this, in ms; the default cuts only what no study means."""
    kind: Literal["lognormal"] = "lognormal"
    """Names this model."""

    def __call__(self, u: float) -> Ns:
        """The latency at a draw in [0, 1)."""
        z = _NORMAL.inv_cdf(min(max(u, _TINY), 1 - _TINY))
        ms = self.median_ms * exp(self.sigma * z)
        return Ns(round(min(max(ms, self.floor_ms), self.cap_ms) * NS_PER_MS))


class Recording(StrEnum):
    """Which recorded distribution; the figures are in `TABLES`."""

    BLOCK_GAPS = "block_gaps"
    FEED_BTC_2025_09 = "feed_btc_2025_09"
    FEED_ETH_2025_12 = "feed_eth_2025_12"


_FEED_PROBABILITIES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)

TABLES: dict[Recording, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # The 17 gaps between the block times of 18 consecutive Hyperliquid mainnet blocks, 2026-05-05
    # (hl_l4/blocks_expected.csv, column block_time); deciles. Mean 67.8 ms.
    Recording.BLOCK_GAPS: (
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        (55.206, 60.994, 62.513, 64.005, 65.711, 68.445, 70.330, 71.577, 73.030, 75.588, 76.951),
    ),
    # Receive time minus exchange time of Hyperliquid best-bid/ask updates, one a block
    # (latency/hl_bbo_feed_latency_samples.csv.gz, coins BTC and ETH_202512). The recorder's place and
    # clock are unknown: take the shape, and the level from `median_ms`.
    Recording.FEED_BTC_2025_09: (
        _FEED_PROBABILITIES,
        (178.5, 234.2, 263.9, 279.0, 309.7, 356.7, 421.9, 520.7, 626.6, 957.1, 1902.1, 2923.3),
    ),
    Recording.FEED_ETH_2025_12: (
        _FEED_PROBABILITIES,
        (595.0, 648.0, 676.6, 691.7, 724.3, 768.0, 820.0, 890.9, 961.7, 1143.7, 1324.0, 1435.8),
    ),
}
"""Probabilities and milliseconds, both ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """A recorded distribution, linear between its quantiles.

    With `median_ms` the whole table is scaled so that its median is that.
    """

    table: Recording
    median_ms: Annotated[float, Interval(gt=0, le=1e6)] | None = None
    """What the median is scaled to, in ms; none: as recorded."""
    kind: Literal["quantiles"] = "quantiles"
    """Names this model."""

    def __call__(self, u: float) -> Ns:
        """The latency at a draw in [0, 1)."""
        scale = 1.0 if self.median_ms is None else self.median_ms / _MEDIANS[self.table]
        return Ns(round(_interpolate(self.table, u) * scale * NS_PER_MS))


Latency: TypeAlias = Constant | LogNormal | Quantiles
"""Every model that a config can name."""


def _interpolate(table: Recording, u: float) -> float:
    probabilities, values = TABLES[table]
    i = min(max(bisect_right(probabilities, u), 1), len(probabilities) - 1)
    p0, p1 = probabilities[i - 1], probabilities[i]
    v0, v1 = values[i - 1], values[i]
    return v0 + (v1 - v0) * (u - p0) / (p1 - p0)


_MEDIANS = {table: _interpolate(table, 0.5) for table in Recording}
