"""A ladder while the position may only shrink: one side, within the position; a word where nothing is left."""

import pytest

from domain.units import Pos, Sz
from orchestrator.risk.reduce_only import Filtered, filter_reduce_only, within
from strategy.ladder import LadderLevel

BIDS = tuple(LadderLevel(px, sz) for px, sz in ((100, 4), (99, 6)))
ASKS = tuple(LadderLevel(px, sz) for px, sz in ((101, 5), (102, 5)))

CASES = (
    # position, bids, asks, resting, least -> bids, asks, needs_escalation
    (0, BIDS, ASKS, 0, 1, (), (), False),
    (20, BIDS, ASKS, 0, 1, (), ASKS, False),
    (-20, BIDS, ASKS, 0, 1, BIDS, (), False),
    (7, BIDS, ASKS, 0, 1, (), ((101, 5), (102, 2)), False),
    (-3, BIDS, ASKS, 0, 1, ((100, 3),), (), False),
    (20, BIDS, (), 0, 1, (), (), True),  # RS-19: long over the limit, and no capacity to sell
    (-20, (), ASKS, 0, 1, (), (), True),
    (20, BIDS, (), 6, 1, (), (), False),  # something reduces already
    (20, BIDS, (), 6, 10, (), (), True),  # too little of it
    (9, BIDS, (), 0, 10, (), (), False),  # below the least size it is flat
)


@pytest.mark.parametrize("case", CASES)
def test_the_filter(case):
    """RK-23, RS-19: the side that adds is cleared, the other never exceeds the position."""
    position, bids, asks, resting, least, *expected = case
    assert filter_reduce_only(bids, asks, Pos(position), Sz(resting), Sz(least)) == Filtered(*expected)


def test_levels_are_cut_from_the_outside():
    assert within(ASKS, Sz(0)) == ()
    assert within(ASKS, Sz(6)) == ((101, 5), (102, 1))
    assert within(ASKS, Sz(99)) == ASKS
