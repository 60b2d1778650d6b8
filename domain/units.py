"""Units as types, so that a type checker catches bps passed as a fraction or lots as ticks.

Inside makerlab prices are integer ticks, sizes integer lots, time integer nanoseconds and money
integer micro-USD. Ticks and lots of a perpetual are 10^-(6 - szDecimals) and 10^-szDecimals, so
that ``px * sz`` *is* the notional in micro-USD, exactly. Model quantities are floats whose type
says what they measure. This module does not know how any venue writes a number.
"""

from enum import IntEnum, StrEnum
from typing import NewType

Ns = NewType("Ns", int)
"""Nanoseconds, of a moment or of a duration."""

Px = NewType("Px", int)
"""Price in base ticks of its instrument."""

Sz = NewType("Sz", int)
"""Size in lots of its instrument; never negative."""

Pos = NewType("Pos", int)
"""Signed position in lots: positive is long."""

Usd = NewType("Usd", int)
"""Money in micro-USD (1 USD = 1_000_000)."""

Bps = NewType("Bps", float)
"""Basis points: 1 bps = 1e-4."""

Frac = NewType("Frac", float)
"""A plain fraction: 0.0001 is one basis point."""

FeeRate = NewType("FeeRate", int)
"""A fee as nano-fraction of the notional: 0.015 % is 150_000; negative is a rebate."""

InstrumentId = NewType("InstrumentId", str)
AccountId = NewType("AccountId", str)
Oid = NewType("Oid", int)
"""Order id given by the venue."""

Tid = NewType("Tid", int)
"""Trade id given by the venue; both sides of a trade share it."""

Cloid = NewType("Cloid", str)
"""Client order id: ``0x`` and 32 hex digits."""

RequestId = NewType("RequestId", int)
Epoch = NewType("Epoch", int)
"""Number of a connection: each successful connect of a feed gets the next one."""

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
USD = 1_000_000
"""One dollar in micro-USD."""


class Side(IntEnum):
    """Side of an order or trade; the value is the sign of the position change."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Tif(StrEnum):
    """Time in force."""

    GTC = "gtc"
    IOC = "ioc"
    ALO = "alo"
    """Add liquidity only (post-only): rejected as a whole if any part would match at once."""


def to_bps(fraction: Frac) -> Bps:
    """A fraction as basis points."""
    return Bps(fraction * 1e4)


def seconds(value: float) -> Ns:
    """Seconds as whole nanoseconds."""
    return Ns(round(value * NS_PER_S))


def millis(value: float) -> Ns:
    """Milliseconds as whole nanoseconds."""
    return Ns(round(value * NS_PER_MS))


def fee_of(notional: Usd, rate: FeeRate) -> Usd:
    """Fee for a notional, truncated toward zero at a micro-USD (the venue's rule).

    Recorded: 25372 x 0.0353 at 0.003 % pays 0.026868, not 0.026869.
    """
    product = notional * rate
    fee = abs(product) // 1_000_000_000
    return Usd(fee if product >= 0 else -fee)
