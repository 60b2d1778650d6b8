"""What cannot be true of the account reaches neither position nor orders, here or in the next life (found by
`test_any_events`, each as its smallest story)."""

import pytest
from msgspec.structs import replace

from domain.commands import QueryFills, QueryPositions
from domain.events import (
    Feed,
    Fill,
    FillsReport,
    OrderStatus,
    OrderUpdate,
    PositionEntry,
    PositionsReported,
    Restored,
    RestoredLedger,
)
from domain.units import Ns, Pos, Sz, Tid, Usd
from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.desk.quote_engine import QuoteEngineConfig
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, fill, ms, s
from tests.orchestrator.tiny_venue import Stage, quoting
from tests.runtime.test_fold_of_the_trader import restored

ORDER = OrderUpdate(ETH.id, Ns(0), Ns(0), 1, None, BUY, MID, Sz(5), Sz(5), OrderStatus.OPEN)


def of_an_order(stage, **changes):
    """A fill of one of our orders, with something wrong."""
    order = stage.venue.resting()[0]
    sound = fill(777, order.place.side, 3, order.place.px, at=stage.now, oid=order.oid, cloid=order.place.cloid)
    return replace(sound, **changes)


@pytest.mark.parametrize(
    "wrong", [{"sz": Sz(-1)}, {"sz": Sz(0)}, {"px": -5}, {"sz": Sz(1 << 60)}, {"fee": Usd(1 << 60)}]
)
def test_a_fill_that_cannot_be_is_believed_by_nobody(wrong):
    """S1, S8: a fill of minus one lot made the filled size of an order fall, and the position with it."""
    stage = quoting()
    event = of_an_order(stage, **wrong)
    order = stage.desk.tracker.find(event.cloid, event.oid)
    before = (order.filled, stage.desk.inventory.position, stage.desk.inventory.cash)
    stage._take(event)
    assert (order.filled, stage.desk.inventory.position, stage.desk.inventory.cash) == before
    assert sum(stage.core.snapshot().messages_refused.values()) == 1
    assert stage.alerts == ["impossible_message"]
    assert all(event.tid not in ledger for ledger in (restored(stage).tids,))
    assert stage.core.phase == "resync", "something may be missing: the account is read again"
    stage.run_for(s(5))
    assert stage.core.phase == "quoting"
    assert stage.is_agreed()


def test_many_impossible_messages_do_not_become_as_many_questions():
    """S25, L3 (review, item 7): each began the resync anew, a hundred queries of weight 20 in a second, and none ended.

    Now each resync is finished, and the next one rests longer; nothing is quoted until the last of them.
    """
    stage = quoting()
    wrong, start = of_an_order(stage, px=-5), stage.now
    stage._take(wrong)
    phases = set()
    stage.taps.append(lambda event, commands: phases.add(stage.core.phase))
    for _ in range(1_000):
        stage.run_for(ms(10))
        stage._take(wrong)
    assert phases == {"resync"}
    assert len(stage.actions(QueryFills, since=start)) == 4
    start = stage.now
    stage.run_until(lambda: stage.core.phase == "quoting", within=s(10))
    asked = [type(action) for action in stage.actions((QueryFills, QueryPositions), since=start)]
    assert asked[-2:] == [QueryFills, QueryPositions], "what came last is asked after too"
    stage.run_for(s(10))
    assert stage.is_agreed()
    stage._take(wrong)
    stage.run_for(ms(500))
    assert stage.core.phase == "quoting", "after a rest the next one does not wait"
    stage._take(wrong)
    stage.run_for(s(2))
    assert stage.core.phase == "quoting", "and after one of them the rest is short"


def test_a_new_connection_does_not_wait_for_the_rest_of_an_old_one():
    """RS-10: the resync of a real gap begins when the feed is back, whatever was wrong before."""
    stage = quoting()
    wrong = of_an_order(stage, px=-5)
    for _ in range(900):
        stage.run_for(ms(10))
        stage._take(wrong)
    start = stage.now
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: not stage.core.user_feed.is_live, step=ms(1))
    stage.run_until(lambda: stage.core.user_feed.is_live, step=ms(1))
    stage.run_for(ms(300))
    assert len(stage.actions(QueryFills, since=start)) == 1
    assert stage.core.phase == "quoting"


def test_what_is_not_believed_while_the_start_warms_up_is_asked_after():
    """RS-09 (review, item 7): the fill was dropped, and nobody fetched it until the position was read again."""
    stage = Stage(TraderConfig()).begin()
    stage.run_until(lambda: stage.core.start_up.is_warming)
    stage.venue.stray(BUY, MID - 5 * TICK, 7)
    stage.run_for(ms(200))
    stage.venue.faults.drops = lambda event: isinstance(event, Fill)
    stage.venue.take(SELL, 7)
    told = stage.venue.fills[-1]
    stage._take(replace(told, px=-5))
    stage.run_for(ms(500))
    assert stage.core.start_up.is_warming
    assert (stage.desk.inventory.position, stage.desk.inventory.fills) == (7, 1)


def test_a_feed_lost_over_a_resync_of_the_start_does_not_close_the_gate_for_ever():
    """L3: the start reads everything anew, so nothing is left that would have to be read before quoting."""
    stage = Stage(TraderConfig(desk=DeskConfig(engine=QuoteEngineConfig(warmup_timeout_s=10.0)))).begin()
    stage.run_until(lambda: stage.core.start_up.is_warming)
    stage._take(replace(fill(5, BUY, 1, MID, at=stage.now), px=-5))
    assert stage.core.resync.gates_quotes
    stage.venue.cut(Feed.USER)
    stage.run_for(s(20))
    assert stage.core.phase == "quoting"


def test_an_impossible_size_of_an_order_does_not_unlock_its_exposure():
    """S15: "nothing of it remains, and minus three lots" would have freed what rests."""
    stage = quoting()
    resting = stage.venue.resting()[0]
    exposure = stage.desk.tracker.fillable_exposure()
    stage._take(replace(ORDER, oid=resting.oid, cloid=resting.place.cloid, side=resting.place.side, remaining=Sz(-3)))
    assert stage.desk.tracker.fillable_exposure() == exposure


def test_a_position_of_tomorrow_does_not_hide_those_of_today():
    """L2: a statement with a stamp to come would have been newer than every true one."""
    stage = quoting()
    stage.venue.take(BUY, 4)
    stage.run_for(s(1))
    had = stage.desk.inventory.position
    stage._take(PositionsReported(Ns(1 << 62), stage.now, (PositionEntry(ETH.id, Pos(999)),), Usd(0)))
    stage.run_for(s(15))
    assert stage.desk.inventory.position == had == stage.venue.position()
    assert stage.desk.inventory.restatements == 0


def test_an_answer_with_an_impossible_part_is_no_answer():
    """S14: what cannot be read proves nothing; the question is asked again until the answer makes sense."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 90 * TICK, 5)
    garbage = FillsReport(Ns(0), (fill(5, BUY, -7, MID),), True)
    left = [3]

    def answers(action):
        if isinstance(action, QueryFills) and left[0]:
            left[0] -= 1
            return garbage
        return None

    stage.venue.faults.answers = answers
    ledger = RestoredLedger(ETH.id, Pos(0), Usd(0), Usd(0))
    stage.begin(Restored(2, 7, (), (ledger,), opened_at=Ns(0))).run_for(s(40))
    assert left == [0]
    assert len(stage.actions(QueryFills)) >= 4
    assert stage.actions(QueryPositions)
    assert (stage.core.phase, stage.desk.inventory.position) == ("quoting", 0)
    assert stage.core.snapshot().messages_refused == {"Replied: size": 3}


def test_a_ledger_that_cannot_be_is_not_taken_over():
    """A journal is read by us and may be written by anybody: a position beyond all sense is not traded on."""
    stage = Stage()
    ledger = RestoredLedger(ETH.id, Pos(1 << 61), Usd(0), Usd(0))
    stage.begin(Restored(2, 7, (), (ledger,), tids=(Tid(1),), opened_at=Ns(0))).run_for(ms(1))
    assert stage.desk.inventory.position == 0
    assert stage.alerts == ["impossible_message"]
