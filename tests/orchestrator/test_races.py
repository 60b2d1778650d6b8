"""Fills that overtake the cancels of their orders: the position never jumps back and forth (OL-21)."""

from random import Random

import pytest

from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import BUY, MID, SELL, TICK, ms, s
from tests.orchestrator.tiny_venue import Stage, quoting

CONFIG = TraderConfig(desk=DeskConfig(engine=AT_ONCE), budget=None, dead_man=None, margin=None)


def raced(stage: Stage, rng: Random, wanted: int) -> tuple[list[int], list[int]]:
    """Move the market so that orders are cancelled, and take some of them meanwhile; both views of the position."""
    venue, ours, theirs = stage.venue, [0], [0]
    fill = venue._fill

    def noted(order, lots):
        fill(order, lots)
        if lots:
            theirs.append(venue.position())

    def tap(event, commands):
        if stage.desk.inventory.position != ours[-1]:
            ours.append(stage.desk.inventory.position)

    venue._fill = noted
    stage.taps.append(tap)
    number = 0
    while stage.desk.tracker.counters.races < wanted:
        number += 1
        venue.quote(MID + (number % 3) * 40 * TICK)
        side = SELL if venue.position() < 0 else BUY if venue.position() > 0 else rng.choice((BUY, SELL))
        stage.later(ms(rng.randrange(30, 110)), venue.take, side.opposite, rng.randrange(1, 8))
        stage.later(ms(rng.randrange(30, 110)), venue.take, side, rng.randrange(1, 8))
        stage.run_for(ms(rng.randrange(150, 400)))
        if not number % 50:
            stage.run_for(s(3))
            assert stage.desk.inventory.position == venue.position(), number
    return ours, theirs


@pytest.mark.parametrize("wanted", [100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_races_move_the_position_as_the_venue_did_and_no_other_way(wanted):
    """OL-21: every value that we ever held is one that the venue's position had, in the same order, each once."""
    stage = quoting(config=CONFIG, max_position=4_000, up=ms(60))
    ours, theirs = raced(stage, Random(21), wanted)
    stage.run_for(s(5))
    assert ours == theirs[: len(ours)]
    assert stage.desk.inventory.position == theirs[-1]
    assert stage.desk.inventory.restatements == 0
    assert stage.core.snapshot().unmatched_fills == 0
    assert stage.is_agreed()
