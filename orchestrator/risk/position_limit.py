"""The hard limit on position: in the worst case it is never exceeded (S15).

Worst case: everything fills that may still fill, orders in flight and of unknown fate included.
"""

from math import floor

from domain.units import Pos, Side, Sz


class PositionLimit:
    """Largest absolute position of one instrument, in lots; zero until it is known (EL-04)."""

    def __init__(self) -> None:
        """No limit known: no order is allowed."""
        self.lots = Sz(0)
        self.soft_share = 1.0
        """Soft limit as a share of the hard one; between them sizes shrink (RK-22)."""
        self.reduce_only = False
        """Nothing may add to the position, and nothing may turn it around (RK-23)."""
        self.refused = 0
        """Orders not sent because they could have exceeded it."""

    def capacity(self, side: Side, position: Pos) -> Sz:
        """Lots that a side may still add, each side having its own (RC-14)."""
        lots = 0 if self.reduce_only else self.lots
        return Sz(max(lots - side * position, 0))

    def room(self, side: Side, position: Pos, size: Sz) -> Sz:
        """Lots that the quotes of a side may have in all: beyond the soft limit less of their usual ``size``."""
        capacity = self.capacity(side, position)
        soft = self.soft_share * self.lots
        held = side * position
        if held <= soft or not capacity:
            return capacity
        return min(capacity, Sz(floor(size * (self.lots - held) / (self.lots - soft))))

    def admits(self, side: Side, sz: Sz, position: Pos, fillable: Sz) -> bool:
        """Whether an order fits beside everything of its side that may still fill."""
        if fillable + sz <= self.capacity(side, position):
            return True
        self.refused += 1
        return False
