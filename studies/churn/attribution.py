"""By what a target moved: the formula once more with one of its inputs new and the others old (CH-03, CH-13).

Knows quotes and prices, not runs.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from domain.units import Side
from strategy.glft import Quote, QuoteConfig, QuoteParams, compute_quote

BPS = 1e4


@dataclass(frozen=True, slots=True)
class Stand:
    """One cycle: what the formula was given, and where the best target of each side stood, in base ticks."""

    params: QuoteParams
    config: QuoteConfig
    bid: int | None
    ask: int | None

    def target(self, side: Side) -> int | None:
        """Of one side; None where it wants nothing."""
        return self.bid if side is Side.BUY else self.ask


class Parts(NamedTuple):
    """A change of a target in bps of where it stood, + is up; the first is the sum of the others."""

    moved: float = 0.0
    mid: float = 0.0
    kappa: float = 0.0
    sigma: float = 0.0
    skew: float = 0.0
    grid: float = 0.0
    rest: float = 0.0


NONE = Parts()


def parts_of(before: Stand, now: Stand, side: Side) -> Parts:
    """By what the target of a side moved from one cycle to the next; nothing where one of them has none."""
    old, new = before.target(side), now.target(side)
    if old is None or new is None:
        return NONE
    was, is_ = before.params, now.params
    start = _wanted(was, before.config, side)

    def alone(changed: QuoteParams) -> float:
        return 0.0 if changed == was else _wanted(changed, before.config, side) - start

    mid = alone(replace(was, fair=is_.fair, tick=is_.tick))
    kappa = alone(replace(was, kappa=is_.kappa))
    sigma = alone(replace(was, sigma=is_.sigma))
    skew = alone(replace(was, q=is_.q))
    grid = (new - _wanted(is_, now.config, side)) - (old - start)
    moved = float(new - old)
    rest = moved - (mid + kappa + sigma + skew + grid)
    return Parts(*(each / old * BPS for each in (moved, mid, kappa, sigma, skew, grid, rest)))


def _wanted(params: QuoteParams, config: QuoteConfig, side: Side) -> float:
    return price_of(compute_quote(params, config), side)


def price_of(quote: Quote, side: Side) -> float:
    """What the formula gives for a side, before grid and tick."""
    return quote.bid if side is Side.BUY else quote.ask
