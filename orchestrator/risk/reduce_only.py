"""What of a ladder may stand while the position may only shrink (RK-23, RS-19).

The side that adds goes; the other one is kept within the position. Where that leaves nothing to place although there
is something to reduce, somebody has to find another way: that is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.units import Pos, Side, Sz
from strategy.ladder import LadderLevel

NOTHING: tuple[LadderLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class Filtered:
    """A ladder after the filter."""

    bids: tuple[LadderLevel, ...]
    asks: tuple[LadderLevel, ...]
    needs_escalation: bool = False
    """There is a position to reduce, and no order that does."""


def filter_reduce_only(
    bids: tuple[LadderLevel, ...],
    asks: tuple[LadderLevel, ...],
    position: Pos,
    resting: Sz,
    min_capacity: Sz,
    *,
    waits: bool = False,
) -> Filtered:
    """Clear the side that adds and keep the other within the position.

    ``resting`` is what of the reducing side rests already: it reduces, whatever else can be placed. ``waits``: nothing
    can, because the venue has refused that side too often. A position below ``min_capacity`` is flat.
    """
    if not position:
        return Filtered(NOTHING, NOTHING)
    side = Side.SELL if position > 0 else Side.BUY
    levels = within(asks if side is Side.SELL else bids, Sz(abs(position)))
    placeable = 0 if waits else sum(level.sz for level in levels)
    needs = abs(position) >= min_capacity and max(placeable, resting) < min_capacity
    return Filtered(NOTHING, levels, needs) if side is Side.SELL else Filtered(levels, NOTHING, needs)


def within(levels: Sequence[LadderLevel], most: Sz) -> tuple[LadderLevel, ...]:
    """Levels, the best first, of so many lots in all."""
    kept, left = [], int(most)
    for level in levels:
        sz = min(level.sz, left)
        if sz <= 0:
            break
        kept.append(LadderLevel(level.px, Sz(sz)))
        left -= sz
    return tuple(kept)
