"""A death at a point: what the process had done by then is done, and nothing after it."""

from dataclasses import replace

import pytest

from runtime.journal_format import Decided, Opened, Took
from sim.faults import Crash, TornJournal
from sim.faults.base import launch, prepare
from sim.faults.timing import AtPoint
from sim.points import Point
from sim.world import World, WorldConfig
from tests.scenarios.lives import assert_survived, run_with
from tests.scenarios.runs import PLAIN

DURATION_S = 20.0
SOON = ("trader.desk.engine.warmup_timeout_s=2", PLAIN)
"""It quotes after a few seconds of each life, and moves often."""


def crash(point, number, kind=Crash, **more):
    return kind(at_s=0, duration_s=15, when=AtPoint(point=point, number=number, for_s=2.0), **more)


def die(point, number, kind=Crash, **more):
    """A run that dies there, and of its first life: records, events at the door, commands that left."""
    told, sent = [], []

    class Ear:
        """Listens, and is no fault."""

        kind, at_s, duration_s, ranges = "ear", 0.0, 1e6, {}

        def install(self, world, session):
            session.on_deliver.append(lambda event, _: told.append(event) if session.life == 1 else None)
            session.on_send.append(lambda command, _: sent.append(command) if session.life == 1 else None)
            return prepare(self, world, session, None)

    running, result = run_with(crash(point, number, kind, **more), Ear(), duration_s=DURATION_S, overrides=SOON)
    assert_survived(running, result, f"{point} {number}")
    assert running.injected[0].tally["crashes"] == 1
    records, life = [], 0
    for record in running.journal.records():
        life += isinstance(record, Opened)
        if life == 1 and not isinstance(record, Opened):
            records.append(record)
    return running, records, told, sent


@pytest.mark.parametrize("number", [1, 2, 40, 200])
def test_an_event_at_the_door_is_not_written_down(number):
    """The last one that was delivered is in no journal, all before it are."""
    _, records, told, _ = die(Point.TOLD, number)
    assert len(told) == number
    taken = [record.event for record in records if isinstance(record, Took)]
    assert told[-1] not in taken
    assert all(event in taken for event in told[:-1] if event.recv_time < told[-1].recv_time)


@pytest.mark.parametrize("number", [1, 2, 3, 80, 355])
def test_after_a_record_there_is_no_other(number):
    """Also where it is the first of several that one step writes, or a decision that must not leave."""
    _, records, _, _ = die(Point.WRITTEN, number)
    assert len(records) == number


@pytest.mark.parametrize("number", [1, 2, 9])
def test_what_is_synced_is_safe_and_has_not_left(number):
    """The power fails right after the sync: not a byte is lost, and the decision that was synced is nobody else's."""
    running, records, _, sent = die(Point.SYNCED, number, TornJournal, kept_max=0.0)
    assert running.injected[0].tally["lost_bytes"] == 0
    assert isinstance(records[-1], Decided)
    assert not any(command in sent for command in records[-1].commands)


@pytest.mark.parametrize("number", [1, 2, 3, 5, 21])
def test_of_a_batch_only_what_came_before_has_left(number):
    """Nothing is sent by a process that is dead: not the rest of what it had decided either."""
    _, records, _, sent = die(Point.SENDING, number)
    assert len(sent) == number - 1
    assert isinstance(records[-1], Decided)


def test_half_of_what_was_not_synced():
    """Protects `kept_min`: with both bounds alike nothing is drawn."""
    lost = {
        kept: die(Point.TOLD, 200, TornJournal, kept_min=kept, kept_max=kept)[0].injected[0].tally["lost_bytes"]
        for kept in (0.0, 0.5, 1.0)
    }
    assert lost[1.0] == 0
    assert lost[0.0] > 100
    assert abs(lost[0.5] - lost[0.0] / 2) <= 1


def test_points_are_counted_over_all_lives_and_only_of_a_process_that_lives():
    """Protects the numbers in scenario files: what is written between two lives is nobody's point."""
    running, _, told, _ = die(Point.TOLD, 200)
    points = running.session.points
    records = [record for record in running.journal.records() if not isinstance(record, Opened)]
    assert points[Point.WRITTEN] == len(records)
    assert points[Point.TOLD] > len(told)


def test_before_its_window_it_does_not_strike():
    """A point that is passed before `at_s` is passed."""
    early = replace(crash(Point.TOLD, 5), at_s=10.0, duration_s=5)
    running, result = run_with(early, duration_s=DURATION_S, overrides=SOON)
    assert running.injected[0].injected == 0
    assert result.violations == []


def test_it_needs_a_session():
    """Our bug, found at once: a point of nobody's process would never come."""
    world = World(WorldConfig(), seed=1)
    fault = crash(Point.TOLD, 1)
    with pytest.raises(ValueError, match="of which session"):
        launch(prepare(fault, world, None, None), world, lambda _: None, lambda _: None, when=fault.when)
