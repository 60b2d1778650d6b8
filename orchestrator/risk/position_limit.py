"""The hard limit on position: in the worst case it is never exceeded (S15).

Worst case: everything fills that may still fill, orders in flight and of unknown fate included.
"""

from domain.units import Pos, Side, Sz


class PositionLimit:
    """Largest absolute position of one instrument, in lots; zero until it is known (EL-04)."""

    def __init__(self) -> None:
        """No limit known: no order is allowed."""
        self.lots = Sz(0)
        self.refused = 0
        """Orders not sent because they could have exceeded it."""

    def capacity(self, side: Side, position: Pos) -> Sz:
        """Lots that a side may still add, each side having its own (RC-14)."""
        return Sz(max(self.lots - side * position, 0))

    def admits(self, side: Side, sz: Sz, position: Pos, fillable: Sz) -> bool:
        """Whether an order fits beside everything of its side that may still fill."""
        if side * position + fillable + sz <= self.lots:
            return True
        self.refused += 1
        return False

    def is_exceeded(self, position: Pos, factor: float = 1.0) -> bool:
        """Whether the position itself is beyond ``factor`` times the limit."""
        return self.lots > 0 and abs(position) > factor * self.lots
