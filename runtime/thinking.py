"""How long the trader takes from an event to its commands: modelled, never measured.

A measured time would differ from run to run, and with it everything that follows.
"""

from dataclasses import dataclass
from math import exp
from statistics import NormalDist
from typing import Annotated

from annotated_types import Interval

from domain.ids import uniform
from domain.units import NS_PER_US, Ns

_GAUSS = NormalDist()
_HALF_STEP = 2.0**-65
"""Keeps the uniform draw off zero, where the quantile is infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingConfig:
    """Constant, or lognormal around its median if ``sigma`` is given."""

    median_us: Annotated[float, Interval(ge=0, le=10_000_000)] = 300.0
    """Median time from an event to the commands that answer it, in µs; about what a Python process takes."""
    sigma: Annotated[float, Interval(gt=0, le=5)] | None = None
    """Standard deviation of the logarithm."""
    max_us: Annotated[float, Interval(gt=0, le=1e9)] = 1_000_000.0
    """No draw is longer."""


class ThinkingTime:
    """A stream of durations that the seed alone decides."""

    def __init__(self, config: ThinkingConfig, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._count = 0

    def next(self) -> Ns:
        """Duration of the next step."""
        config = self._config
        time_us = config.median_us
        if config.sigma is not None:
            share = uniform(self._seed, "thinking", self._count) + _HALF_STEP
            self._count += 1
            time_us *= exp(config.sigma * _GAUSS.inv_cdf(min(share, 1 - 2**-53)))
        return Ns(round(min(time_us, config.max_us) * NS_PER_US))
