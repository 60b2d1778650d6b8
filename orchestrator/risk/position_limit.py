"""The hard limit on position: in the worst case it is never exceeded (S15).

Worst case: everything fills that may still fill, orders in flight and of unknown fate included. Beside our own limit
stand *bounds*: what the venue, the account's money or a limit of the whole account leave of it (MG-07).
"""

from collections.abc import Callable
from math import floor
from typing import Protocol

from domain.units import Ns, Pos, Side, Sz


class Bound(Protocol):
    """Something else than our own limit that says how far a position may go; worked out before each quote cycle."""

    size_share: float
    """What it leaves of the usual size of a side that adds to the position: 1 at its soft limit, 0 at its hard one."""

    def reach(self, side: Side) -> Sz:
        """Lots up to which a position may grow on that side; never less than nothing."""
        ...


class PositionLimit:
    """Largest absolute position of one instrument, in lots; zero until it is known (EL-04)."""

    def __init__(self) -> None:
        """No limit known: no order is allowed."""
        self.lots = Sz(0)
        self.soft_share = 1.0
        """Soft limit as a share of the hard one; between them sizes shrink (RK-22)."""
        self.proactive_share: float | None = None
        """From this share of the limit on, in the worst case, what is on its way out counts, too (RK-10)."""
        self.bounds: list[Bound] = []
        """What else limits; each may only tighten."""
        self.weighers: list[Callable[[Ns], None]] = []
        """Work the bounds out anew; called before each quote cycle."""
        self.reduce_only = False
        """Nothing may add to the position, and nothing may turn it around (RK-23)."""
        self.refused = 0
        """Orders not sent because they could have exceeded it."""

    def weigh(self, now: Ns) -> None:
        """Bring the bounds up to date."""
        for weigher in self.weighers:
            weigher(now)

    def effective(self, side: Side) -> Sz:
        """How far the position may go on a side: our own limit and every bound (MG-07)."""
        lots = self.lots
        for bound in self.bounds:
            lots = min(lots, bound.reach(side))
        return lots

    def use(self, position: Pos) -> float:
        """The position as a signed share of how far it may go on its side; what the quotes lean by."""
        if not position:
            return 0.0
        most = self.effective(Side.BUY if position > 0 else Side.SELL)
        return position / max(most, 1)

    def capacity(self, side: Side, position: Pos) -> Sz:
        """Lots that a side may still add, each side having its own (RC-14).

        What reduces the position may always do that much: a bound leaves nothing to add, never less (T-23).
        """
        lots = 0 if self.reduce_only else self.effective(side)
        return Sz(max(lots - side * position, 0))

    def room(self, side: Side, position: Pos, size: Sz, leaving: Sz = Sz(0)) -> Sz:
        """Lots that the quotes of a side may have in all, of their usual ``size``.

        Beyond the soft limit less of it. ``leaving`` may still fill although it serves no quote any more: where with
        it the worst case comes near the limit it takes room, instead of holding the next order back (RK-10).
        """
        capacity = self.capacity(side, position)
        held, hard = side * position, self.effective(side)
        if not capacity or held < 0:
            return capacity
        if leaving and self.proactive_share is not None and held + leaving + size > self.proactive_share * hard:
            capacity = Sz(max(capacity - leaving, 0))
        share = min((bound.size_share for bound in self.bounds), default=1.0)
        soft = self.soft_share * hard
        if held > soft:
            share = min(share, (hard - held) / (hard - soft))
        return capacity if share >= 1.0 else min(capacity, Sz(floor(size * share)))

    def admits(self, side: Side, sz: Sz, position: Pos, fillable: Sz) -> bool:
        """Whether an order fits beside everything of its side that may still fill."""
        if fillable + sz <= self.capacity(side, position):
            return True
        self.refused += 1
        return False
