"""Every edge of every table is taken by some story, and no step is taken that a table does not have."""

from collections import defaultdict
from enum import StrEnum

import pytest

from domain import lifecycle
from domain.commands import Cancel, Place, QueryOpenOrders, QueryPositions
from domain.errors import IllegalTransition
from domain.events import Feed, Restored
from orchestrator.connectivity import feeds
from orchestrator.sync import resync, shutdown, startup
from tests.orchestrator.messages import BUY, ETH, MID, TICK, ms, s
from tests.orchestrator.tiny_venue import Stage, quoting

MACHINES = {"feeds": feeds, "start-up": startup, "resync": resync, "shutdown": shutdown}


@pytest.fixture
def taken(monkeypatch):
    """Edges taken from now on, by table."""
    edges = defaultdict(set)

    def recorded(table, state, to, who):
        result = lifecycle.step(table, state, to, who)
        edges[id(table)].add((state, to))
        return result

    for module in MACHINES.values():
        monkeypatch.setattr(module, "step", recorded)
    return edges


def lost_at_every_moment(feed: Feed) -> None:
    """The start, with the feed lost once, at one moment after another."""
    for at in range(1, 1_600, 40):
        stage = Stage()
        stage.venue.stray(BUY, MID - 20 * TICK, 10)
        stage.at(ms(at), stage.venue.cut, feed)
        stage.begin(Restored(2, 8)).run(ms(at + 100))


def lost_while_strays_are_cancelled_by_the_other_route() -> None:
    """A silent socket is distrusted; its end finds the cancel under way elsewhere."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 20 * TICK, 10)
    first = [True]
    stage.venue.faults.fate = lambda request: "mute" if first and first.pop() else None
    stage.begin()
    stage.run_until(lambda: stage.core.start_up.state == "cancel_all")
    stage.venue.cut(Feed.USER)
    stage.run_for(s(3))


def first_life() -> None:
    stage = Stage().begin()
    stage.run_for(s(3))
    stage.stop()
    stage.run_for(s(5))


def refused_connections() -> None:
    stage = Stage()
    stage.venue.faults.refuses_connections = {Feed.USER}
    stage.begin().run_for(s(3))


def silence_after_the_connection() -> None:
    """No subscription is acknowledged; then no connection comes up."""
    stage = Stage()
    stage.venue._subscribe = lambda channel, epoch: None
    stage.begin().run_for(s(11))
    stage.venue._connect = lambda feed, closings: None
    stage.run_for(s(40))


def gaps_within_gaps() -> None:
    for state in (resync.ResyncState.FILLS, resync.ResyncState.ORDERS, resync.ResyncState.POSITION):
        stage = quoting()
        stage.venue.cut(Feed.USER)
        stage.run_until(lambda: stage.core.resync.state is state, step=ms(1))  # noqa: B023
        stage.venue.cut(Feed.USER)
        stage.run_for(s(8))


def a_difference() -> None:
    stage = quoting()
    stage.venue.adjust(ETH, 37)
    stage.run_for(s(12))


def an_end_without_answers() -> None:
    stage = quoting()
    stage.venue.faults.fate = lambda request: "lost"
    stage.stop()
    stage.run_for(s(12))


def an_end_without_confirmation() -> None:
    stage = quoting()
    stage.venue.faults.fate = lambda request: "lost" if isinstance(request.actions[0], QueryOpenOrders) else None
    stage.stop()
    stage.run_for(s(12))


def no_channels() -> None:
    """A trader without instruments has no market channels: that feed is live when it is up."""
    Stage(instruments=()).begin().run_for(s(1))


STORIES = (
    first_life,
    lambda: lost_at_every_moment(Feed.USER),
    lambda: lost_at_every_moment(Feed.MARKET),
    lost_while_strays_are_cancelled_by_the_other_route,
    refused_connections,
    silence_after_the_connection,
    gaps_within_gaps,
    a_difference,
    an_end_without_answers,
    an_end_without_confirmation,
    no_channels,
)


def test_every_edge_of_every_machine_is_taken(taken):
    """A table that allows what never happens hides a bug that takes it; what happens must be in the table."""
    for story in STORIES:
        story()
    for name, module in MACHINES.items():
        table = {(state, to) for state, targets in module.TRANSITIONS.items() for to in targets}
        assert table - taken[id(module.TRANSITIONS)] == set(), name


class Light(StrEnum):
    RED = "red"
    GREEN = "green"


def test_a_step_that_is_not_in_the_table_raises():
    table = {Light.RED: frozenset((Light.GREEN,)), Light.GREEN: frozenset()}
    assert lifecycle.step(table, Light.RED, Light.GREEN, "light") is Light.GREEN
    with pytest.raises(IllegalTransition, match="light: green -> red is not a legal step"):
        lifecycle.step(table, Light.GREEN, Light.RED, "light")


@pytest.mark.parametrize("kind", [Cancel, Place, QueryPositions])
def test_the_last_commands_of_a_clean_life_close_its_feeds(kind):
    """OP-08: nothing rests, so nothing needs to be heard any more; where orders may be left, the feeds stay open."""
    stage = quoting()
    stage.venue.faults.fate = lambda request: "lost" if isinstance(request.actions[0], kind) else None
    stage.stop()
    stage.run_for(s(12))
    closing = [type(command).__name__ for command in stage.commands[-3:]]
    is_clean = stage.alerts[-1] == "stopped"
    assert is_clean is (kind is not Cancel)
    assert (closing.count("Disconnect") == 2) is is_clean
    assert {stage.core.market_feed.state, stage.core.user_feed.state} == {"down" if is_clean else "live"}
