"""The end of a life: nothing of ours rests, known by evidence; or people are told what is left."""

import pytest

from domain.commands import Cancel, Modify, Place, QueryOpenOrders, QueryOrder, Request
from domain.events import Executed, Feed, OrderStatus, OrderUpdate, Restored, RestoredOrder, Woke
from domain.orders import OrderState, TrackedOrder
from domain.units import Oid, Px, Sz, Tif
from orchestrator.sync.shutdown import TRANSITIONS, ShutdownState
from tests.orchestrator.messages import BTC, BUY, ETH, MID, SELL, TICK, cloid, ms, requests, s
from tests.orchestrator.tiny_venue import Faults, Stage, VenueOrder, quoting

S = ShutdownState


def sent_after_stop(stage: Stage, kinds: type | tuple = (Place, Modify)) -> list:
    stopped_at = next(i for i, (_, e) in enumerate(stage.story) if type(e).__name__ == "StopRequested")
    later = [entry for _, entry in stage.story[stopped_at:]]
    return [a for r in requests(later) for a in r.actions if isinstance(a, kinds)]


def test_the_table_ends():
    assert [state for state in S if not TRANSITIONS[state]] == [S.STOPPED]
    assert set(TRANSITIONS) == set(S)


def test_an_orderly_end():
    """OP-08: all cancelled, confirmed by a query, one last word, and then silence."""
    stage = quoting()
    stage.stop("enough")
    stage.run_for(s(5))
    assert stage.core.is_stopped
    assert stage.venue.resting() == []
    assert stage.desk.tracker.orders == {}
    assert stage.alerts == ["stopped"]
    assert sent_after_stop(stage) == []
    assert len(sent_after_stop(stage, QueryOpenOrders)) == 1
    assert stage.core.next_deadline() is None
    said = len(stage.commands)
    stage.run_for(s(60))
    assert len(stage.commands) == said


def test_a_second_request_changes_nothing():
    stage = quoting()
    stage.stop("first")
    stage.stop("second")
    stage.run_for(s(5))
    assert (stage.core.shutdown.reason, stage.alerts) == ("first", ["stopped"])


@pytest.mark.parametrize("at_ms", [0, 1, 60, 110, 160, 260, 540, 590, 610, 640, 2_000])
@pytest.mark.parametrize("life", [1, 2])
def test_it_can_be_asked_for_at_any_moment(at_ms, life):
    """S23, reliability 42: during the start, with placements in flight, with strays of an earlier life on the book."""
    stage = Stage()
    restored = Restored(1, 7)
    if life == 2:
        stage.venue.stray(BUY, MID - 20 * TICK, 10, cloid=cloid(71))
        stage.venue.stray(SELL, MID + 20 * TICK, 10)
        restored = Restored(2, 8, (RestoredOrder(ETH.id, cloid(71), BUY, Px(MID - 20 * TICK), Sz(10)),))
    stage.begin(restored).run(ms(at_ms))
    stage.stop()
    stage.run_for(s(15))
    assert stage.core.is_stopped
    assert stage.venue.resting() == []
    assert stage.alerts[-1] == "stopped"
    assert sent_after_stop(stage) == []


def take(stage: Stage, lots: int, got: int, *, fate: str | None, rests: bool = False) -> TrackedOrder:
    """The trader takes; the venue gives some of it, and what it says of the order's end is lost."""

    def give(action):
        if not isinstance(action, Place) or action.tif is not Tif.IOC:
            return None
        order = VenueOrder(Oid(900), action, stage.now)
        stage.venue.orders[order.oid] = order
        stage.venue.by_cloid[action.cloid] = order.oid
        if rests:
            stage.venue._open[order.oid] = order
            stage.venue._publish_order(order)
        stage.venue._fill(order, got)
        if not rests:
            stage.venue._end(order, OrderStatus.CANCELED, None)
        return Executed(order.oid, action.cloid, Sz(got), float(action.px))

    stage.venue.faults.answers = give
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate) and event.status is OrderStatus.CANCELED
    stage.venue.faults.fate = lambda request: fate if isinstance(request.actions[0], Place) else None
    assert stage.desk.execution.take(SELL, Sz(lots), Px(MID), stage.now)
    stage._take(Woke())
    (order,) = [each for each in stage.desk.tracker.orders.values() if each.tif is Tif.IOC]
    stage.run_for(ms(100))
    stage.venue.faults = Faults()
    return order


@pytest.mark.parametrize("fate", [None, "mute"])
def test_a_stop_after_an_order_that_took_some_and_whose_end_was_not_heard(fate):
    """OP-08, L3 (review, item 9): it stayed as resting for ever, no cancel went, and the stop was incomplete."""
    stage = quoting()
    order = take(stage, 10, 4, fate=fate)
    assert stage.desk.inventory.position == -4
    stage.stop()
    stage.run_for(s(15))
    assert (order.state, order.filled, order.is_settled) == (OrderState.CANCELLED, 4, True)
    assert stage.alerts == ["stopped"]


def test_an_order_that_should_have_taken_and_rests_is_cancelled():
    """S9: the venue says that it rests. Quoting leaves it alone, so the question about it ends it."""
    stage = quoting()
    order = take(stage, 10, 4, fate="mute", rests=True)
    stage.run_for(s(8))
    assert (order.state, order.filled, order.is_settled) == (OrderState.CANCELLED, 4, True)
    assert stage.is_agreed()


@pytest.mark.parametrize("how", ["lost", "mute", "empty"])
@pytest.mark.parametrize("kind", [Cancel, QueryOpenOrders])
def test_lost_answers_are_asked_for_again(kind, how):
    """The end is known by evidence, not by having asked."""
    stage = quoting()
    left = [2]

    def fate(request):
        if isinstance(request.actions[0], kind) and left[0]:
            left[0] -= 1
            return how
        return None

    stage.venue.faults.fate = fate
    stage.stop()
    stage.run_for(s(11))
    assert stage.venue.resting() == []
    assert stage.core.is_stopped
    assert stage.alerts[-1] == "stopped"


def test_a_fill_during_the_end_is_booked():
    """The race of the last cancel: position and venue agree when it is over."""
    stage = quoting()
    stage.stop()
    stage.at(stage.now + ms(10), stage.venue.take, SELL, 30)
    stage.run_for(s(8))
    assert stage.core.is_stopped
    assert stage.desk.inventory.position == stage.venue.position() == 30


def test_an_order_that_we_did_not_know_goes_too():
    """The confirming list shows it: it is cancelled, and looked for again."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate) and event.cloid == cloid(72)
    stage.venue.stray(SELL, MID + 50 * TICK, 10, cloid=cloid(72))
    stage.stop()
    stage.run_for(s(9))
    assert stage.venue.resting() == []
    assert stage.core.is_stopped


def test_orders_of_other_instruments_stay():
    stage = Stage(instruments=(ETH, BTC))
    stage.core = type(stage.core)(stage.config, (ETH,))
    stage.begin().run_for(s(3))
    other = stage.venue.stray(SELL, MID + 50 * TICK, 10, BTC)
    stage.stop()
    stage.run_for(s(5))
    assert [o.oid for o in stage.venue.resting()] == [other]
    assert stage.core.is_stopped


def test_without_the_user_feed_the_other_route_serves():
    """L4: failure of one path does not block another."""
    stage = quoting()
    stage.venue.faults.refuses_connections = set(Feed)
    stage.venue.cut(Feed.USER)
    stage.venue.cut(Feed.MARKET)
    stage.stop()
    stage.run_for(s(11))
    assert stage.venue.resting() == []
    assert stage.core.is_stopped


def test_the_end_is_bounded():
    """Nothing answers: after the time is up it ends all the same and says what it left."""
    stage = quoting()
    stage.venue.faults.fate = lambda request: "lost"
    start = stage.now
    stage.stop()
    stage.run_for(s(60))
    assert stage.core.is_stopped
    ended = next(at for at, e in stage.story if getattr(e, "name", "") == "shutdown_incomplete")
    assert ended - start == s(10)
    assert stage.core.next_deadline() is None


@pytest.mark.parametrize("slower", [Place, Cancel, None])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_placements_in_flight_do_not_outlive_the_end(slower, how):
    """S23, decision 0002: cancelled by client id at once, whichever of the two reaches the venue first."""
    stage = Stage()
    stage.venue.faults.delay = lambda message: (
        ms(300) * (isinstance(message, Request) and slower is not None and isinstance(message.actions[0], slower))
    )
    stage.begin()
    stage.run_until(lambda: stage.actions(Place), step=ms(1))
    if how == "stop":
        stage.stop()
    else:
        stage.core.kill_switch.latch("test")
        stage._take(Woke())
    assert {(type(a), a.oid) for a in stage.actions(Cancel)} == {(Cancel, None)}
    assert len(stage.actions(Cancel)) == len(stage.actions(Place))
    stage.run_for(ms(800))
    assert stage.venue.orders
    assert stage.venue.resting() == []
    stage.run_for(s(9))
    assert stage.desk.tracker.orders == {}
    assert stage.alerts[-1] == ("stopped" if how == "stop" else "kill")


def test_an_unknown_placement_is_waited_for():
    """S9: what may still land is not declared gone."""
    stage = Stage()
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], Place) else None
    stage.begin().run_for(s(1))
    stage.stop()
    stage.run_for(s(4))
    assert not stage.core.is_stopped
    stage.run_for(s(7))
    assert stage.core.is_stopped
    assert stage.actions(QueryOrder)


def test_nothing_is_sent_after_the_end():
    """S23: late facts are taken in, and answered by nothing that trades or asks."""
    stage = quoting()
    stage.stop()
    stage.run_for(s(5))
    said = len(stage.actions())
    stage.venue.stray(BUY, MID - 50 * TICK, 10)
    stage.venue.take(SELL, 5)
    stage.venue.cut(Feed.USER)
    stage.run_for(s(30))
    assert len(stage.actions()) == said
