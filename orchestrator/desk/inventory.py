"""Position, cash and P&L of one instrument, in whole lots and micro-USD.

Realised and unrealised P&L are two halves of one identity, exact at every moment:
``realized + unrealized == cash_flow + position * mark`` (catalogue OL-25). The cost of the open part
is kept instead of an average price, so nothing is rounded until the position is flat.
"""

from dataclasses import dataclass

from domain.events import Fill
from domain.units import Pos, Usd


@dataclass(slots=True)
class Inventory:
    """What our fills add up to."""

    position: Pos = Pos(0)
    opening_position: Pos = Pos(0)
    """Position stated by the venue when this life began, or when it last corrected us."""
    cash_flow: Usd = Usd(0)
    """Minus the signed value of all fills, fees not included."""
    fees: Usd = Usd(0)
    cost: Usd = Usd(0)
    """Signed cost of the open position."""
    volume: Usd = Usd(0)
    fills: int = 0
    adjustments: int = 0
    """How often the venue's statement differed from our ledger."""
    opening_unpriced: Pos = Pos(0)
    """Part of the opening position that no mark has valued yet."""

    @property
    def cash(self) -> Usd:
        """Cash change since the start of the life, fees included."""
        return Usd(self.cash_flow - self.fees)

    @property
    def realized(self) -> Usd:
        """P&L of what was closed, before fees."""
        return Usd(self.cash_flow + self.cost)

    def unrealized(self, mark: float) -> float:
        """P&L of what is open at a mark in base ticks, in micro-USD."""
        return self.position * mark - self.cost

    def continue_from(self, position: Pos, cash: Usd, fees: Usd, opening: Pos) -> None:
        """Take over what earlier lives added up to; what our fills did not buy is priced at the first mark."""
        self.position = self.opening_position = position
        self.opening_unpriced = opening
        self.fees = fees
        self.cash_flow = Usd(cash + fees)
        self.cost = Usd(-self.cash_flow) if position != opening else Usd(0)

    def apply(self, fill: Fill) -> None:
        """Book one fill; the caller has made sure that it is new."""
        self.price_opening(fill.px)
        signed = fill.side * fill.sz
        self._move(signed, signed * fill.px)
        self.fees = Usd(self.fees + fill.fee)
        self.volume = Usd(self.volume + fill.px * fill.sz)
        self.fills += 1

    def restate(self, position: Pos, mark: float | None) -> Pos:
        """Take the venue's position as ours; returns the correction (EL-03, RU-07).

        The correction enters at the mark, so that it is no profit or loss by itself; without a mark
        it waits for the first one.
        """
        correction = Pos(position - self.position)
        if correction:
            self.position = position
            self.opening_position = Pos(self.opening_position + correction)
            self.opening_unpriced = Pos(self.opening_unpriced + correction)
            self.adjustments += 1
            if mark is not None:
                self.price_opening(mark)
        return correction

    def price_opening(self, mark: float) -> None:
        """Value what was taken over at the first price that we see, as if it were traded there."""
        unpriced = self.opening_unpriced
        if unpriced:
            self.opening_unpriced = Pos(0)
            self.position = Pos(self.position - unpriced)
            self._move(unpriced, round(unpriced * mark))

    def _move(self, signed: int, value: int) -> None:
        """Trade ``signed`` lots for ``value``: cost grows with the position and shrinks in proportion."""
        before = self.position
        after = before + signed
        if before * signed >= 0:
            self.cost = Usd(self.cost + value)
        elif before * after >= 0:
            self.cost = Usd(self.cost - self.cost * abs(signed) // abs(before) if after else 0)
        else:
            self.cost = Usd(value * after // signed)
        self.position = Pos(after)
        self.cash_flow = Usd(self.cash_flow - value)
