"""An instrument's price grid and lots: snap, parse, format.

The base tick is the finest price step, 10^-(6 - sz_decimals). On top of it a price may have at
most five significant figures unless it is an integer, so that the *effective* tick is a multiple of
the base tick that changes with the price (catalogue X-01..03).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import cached_property
from itertools import pairwise
from math import ceil, floor
from typing import Annotated

import msgspec
from annotated_types import Interval

from domain.units import USD, FeeRate, InstrumentId, Px, Sz, Usd

MAX_DECIMALS = 6
SIGNIFICANT_FIGURES = 5

EXACT = Context(prec=40, Emin=-40, Emax=40, traps=[InvalidOperation, Inexact, Overflow])
"""Text beyond this precision or range is refused, neither rounded nor computed for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTier:
    """From which value of a position on less leverage is allowed."""

    lower_bound: Annotated[Usd, Interval(gt=0, le=10**18)]
    """Value of the position in micro-USD at which the tier begins."""
    max_leverage: Annotated[int, Interval(ge=1, le=1_000)]
    """Largest leverage in it; half of its inverse is the maintenance margin of what lies in it."""


class Instrument(msgspec.Struct, frozen=True, dict=True):
    """One tradable perpetual.

    ``asset`` is the venue's index, printed in its error texts. ``maker_fee`` and ``taker_fee`` are
    the base rates; an account may have others. ``margin_tiers`` are those above the first, which
    begins at nothing and allows ``max_leverage``.
    """

    id: InstrumentId
    sz_decimals: int
    asset: int = 0
    min_notional: Usd = Usd(10 * USD)
    max_leverage: int = 20
    maker_fee: FeeRate = FeeRate(150_000)
    taker_fee: FeeRate = FeeRate(450_000)
    margin_tiers: tuple[MarginTier, ...] = ()

    def __post_init__(self) -> None:
        """Refuse decimals that leave no room for a price, and tiers that do not get stricter."""
        if not 0 <= self.sz_decimals <= MAX_DECIMALS:
            msg = f"sz_decimals must be within 0..{MAX_DECIMALS}, found {self.sz_decimals}"
            raise ValueError(msg)
        for (bound, leverage), (next_bound, next_leverage) in pairwise(self.tiers):
            if next_bound <= bound or next_leverage >= leverage:
                msg = f"margin tiers must rise in value and fall in leverage, found {self.margin_tiers}"
                raise ValueError(msg)

    @cached_property
    def px_decimals(self) -> int:
        """Decimals of the base tick."""
        return MAX_DECIMALS - self.sz_decimals

    @cached_property
    def px_scale(self) -> int:
        """Base ticks per unit of price; also the ticks of the integer grid."""
        return int(10**self.px_decimals)

    @cached_property
    def sz_scale(self) -> int:
        """Lots per unit of size."""
        return int(10**self.sz_decimals)

    # --- the grid -------------------------------------------------------------------------------

    def tick_at(self, px: int) -> int:
        """Effective tick at a price, in base ticks (never above one unit of price)."""
        tick = 1
        bound = 10**SIGNIFICANT_FIGURES
        scale = self.px_scale
        while px >= bound and tick < scale:
            tick *= 10
            bound *= 10
        return tick

    def is_on_grid(self, px: int) -> bool:
        """Whether the venue would accept this price."""
        return px > 0 and px % self.tick_at(px) == 0

    def snap_down(self, px: float) -> Px:
        """Largest legal price not above ``px`` (in base ticks); at least one tick."""
        whole = floor(px)
        tick = self.tick_at(whole)
        return Px(max(whole - whole % tick, tick))

    def snap_up(self, px: float) -> Px:
        """Smallest legal price not below ``px`` (in base ticks)."""
        whole = max(ceil(px), 1)
        tick = self.tick_at(whole)
        return Px(whole + -whole % tick)

    @staticmethod
    def notional(px: Px, sz: Sz) -> Usd:
        """Value in micro-USD: exact, by the choice of tick and lot."""
        return Usd(px * sz)

    # --- margin ---------------------------------------------------------------------------------

    @property
    def tiers(self) -> Iterator[tuple[Usd, int]]:
        """(value from which on, largest leverage) of every tier."""
        yield Usd(0), self.max_leverage
        for tier in self.margin_tiers:
            yield tier.lower_bound, tier.max_leverage

    def most_value(self, leverage: int) -> Usd | None:
        """Value beyond which a position may not have that leverage; None: there is none."""
        return next((bound for bound, most in self.tiers if most < leverage), None)

    def maintenance(self, value: int) -> Usd:
        """Maintenance margin of a position of that value: 1 / (2 x largest leverage) of what lies in each tier.

        The same as the venue's rate of the last tier less its deduction; rounded up in each tier.
        """
        margin, above = 0, value
        for bound, leverage in reversed(list(self.tiers)):
            if value > bound:
                margin += -((bound - above) // (2 * leverage))
                above = bound
        return Usd(margin)

    # --- the edge -------------------------------------------------------------------------------

    def parse_price(self, text: str) -> Px:
        """Decimal text to base ticks; raises ValueError if it is not a whole number of them."""
        return Px(_parse(text, self.px_decimals, "price"))

    def parse_size(self, text: str) -> Sz:
        """Decimal text to lots; raises ValueError if it is not a whole number of them."""
        return Sz(_parse(text, self.sz_decimals, "size"))

    def format_price(self, px: int) -> str:
        """Base ticks to shortest decimal text without trailing zeros."""
        return _format(px, self.px_scale, self.px_decimals)

    def format_size(self, sz: int) -> str:
        """Lots (or a signed position) to shortest decimal text without trailing zeros."""
        return _format(sz, self.sz_scale, self.sz_decimals)

    def price(self, px: float) -> float:
        """Base ticks to a float, for tables and plots only."""
        return px / self.px_scale

    def size(self, sz: float) -> float:
        """Lots to a float, for tables and plots only."""
        return sz / self.sz_scale


def _parse(text: str, decimals: int, what: str) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        msg = f"{what} {text!r} is not a number"
        raise ValueError(msg) from error
    if not value.is_finite():
        msg = f"{what} {text!r} is not finite"
        raise ValueError(msg)
    try:
        scaled = value.scaleb(decimals, EXACT)
    except ArithmeticError as error:
        msg = f"{what} {text!r} is out of range"
        raise ValueError(msg) from error
    if scaled != scaled.to_integral_value():
        msg = f"{what} {text!r} has more than {decimals} decimals"
        raise ValueError(msg)
    return int(scaled)


def _format(value: int, scale: int, decimals: int) -> str:
    whole, part = divmod(abs(value), scale)
    sign = "-" if value < 0 else ""
    if not part:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{part:0{decimals}d}".rstrip("0")
