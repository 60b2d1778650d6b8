"""A coarse grid under the ladder: what moves a target by less than a step moves no order (layer 2; CH-14..18, Q4).

The step is chosen from the tick, from how far the market moves in a minute and from how much of the allowance is left.
Its points are counted from an anchor that stays for an epoch (C-30): a grid that moved with the price would move every
target with it. Bids are taken down and asks up, so that the two never meet. All in whole base ticks.
"""

from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Annotated

from annotated_types import Interval

from domain.instrument import Instrument
from domain.units import Bps, Frac, Px, Sz, Usd

BPS = 1e4
LEAST = Bps(0.1)
"""No spacing is below this."""
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceGridConfig:
    """How wide the steps are, and how long an anchor stays."""

    min_tick_multiple: Annotated[float, Interval(gt=0, le=1e3)] = 2.0
    """A step has at least this many ticks of the venue."""
    sigma_divisor: Annotated[float, Interval(gt=0, le=1e3)] = 4.0
    """A step is at least what the market moves in a minute, divided by this."""
    pressure_scaling: Annotated[float, Interval(ge=0, le=1e3)] = 2.0
    """With nothing left of the allowance a step is wider by the factor one plus this."""
    max_share_of_half: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """A step is never wider than this share of the half-spread: beyond it the grid would decide the quote."""
    reanchor_step_change: Annotated[float, Interval(gt=0, le=1e3)] = 0.25
    """An epoch ends when the step that is wanted differs by more than this share from the one in use."""
    reanchor_steps: Annotated[int, Interval(ge=1, le=1_000_000)] = 200
    """And when the fair price is further than so many steps from the anchor."""


def spacing(tick: Bps, sigma_1m: Bps, headroom: float, config: PriceGridConfig) -> Bps:
    """Width of a step in bps (Q4); ``headroom``: share of the allowance that is left."""
    base = max(config.min_tick_multiple * tick, sigma_1m / config.sigma_divisor, LEAST)
    return Bps(base * (1.0 + (1.0 - headroom) * config.pressure_scaling))


def sigma_of_a_minute(sigma: Frac) -> Bps:
    """How far the market moves in a minute, from volatility per square-root second."""
    return Bps(sigma * sqrt(MINUTE_S) * BPS)


class PriceGrid:
    """The grid of one instrument: legal prices only, and few of them."""

    def __init__(self, config: PriceGridConfig, instrument: Instrument) -> None:
        """No epoch has begun: every legal price is a point."""
        self.config = config
        self.epoch = 0
        """Counts the anchors."""
        self.anchor = 0
        """The price that points are counted from, in base ticks."""
        self.step = 1
        """Between two points, in base ticks."""
        self._instrument = instrument

    def for_current_state(self, fair: float, sigma: Frac, headroom: float, half_spread: Frac) -> None:
        """Begin a new epoch if the step has to be another one, or the price has gone far."""
        config = self.config
        tick = self._instrument.tick_at(int(fair))
        wanted = spacing(Bps(tick / fair * BPS), sigma_of_a_minute(sigma), headroom, config)
        wanted = min(wanted, Bps(config.max_share_of_half * half_spread * BPS))
        step = max(ceil(wanted / BPS * fair / tick - 1e-9), 1) * tick
        is_other = abs(step - self.step) > config.reanchor_step_change * self.step
        if is_other or abs(fair - self.anchor) > config.reanchor_steps * self.step or self.step % tick:
            self.epoch += 1
            self.step = step
            self.anchor = self._instrument.snap_down(fair)

    # --- what the ladder needs of a grid --------------------------------------------------------

    @property
    def min_notional(self) -> Usd:
        """Least value of an order."""
        return self._instrument.min_notional

    def snap_down(self, px: float) -> Px:
        """Largest point not above ``px``; where the venue takes no such price, the next legal one below."""
        point = self.anchor + floor((px - self.anchor) / self.step + 1e-9) * self.step
        return self._instrument.snap_down(max(point, 1))

    def snap_up(self, px: float) -> Px:
        """Smallest point not below ``px``; where the venue takes no such price, the next legal one above."""
        point = self.anchor + ceil((px - self.anchor) / self.step - 1e-9) * self.step
        return self._instrument.snap_up(point)

    def notional(self, px: Px, sz: Sz) -> Usd:
        """Value in micro-USD."""
        return self._instrument.notional(px, sz)
