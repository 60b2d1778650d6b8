"""After a gap, or when something does not add up: belief and venue come together again."""

from dataclasses import replace

import pytest

from domain.commands import (
    Alert,
    Cancel,
    Place,
    QueryFills,
    QueryLimits,
    QueryOpenOrders,
    QueryPositions,
    Request,
    Route,
)
from domain.events import (
    Feed,
    FeedDown,
    Fill,
    OrderUpdate,
    PositionsReport,
    PositionsReported,
    Reason,
    Refused,
    Replied,
)
from domain.units import Ns, Usd
from orchestrator.config import TraderConfig
from orchestrator.connectivity.requests import RequestsConfig
from orchestrator.connectivity.routes import RoutesConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.sync.position_reconciler import ReconciliationConfig
from orchestrator.sync.resync import TRANSITIONS, ResyncState
from orchestrator.sync.watch import SyncConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import BTC, BUY, ETH, MID, SELL, TICK, ms, requests, s
from tests.orchestrator.tiny_venue import Faults, Stage, heal, quoting

S = ResyncState
UNTIMED = TraderConfig(
    desk=DeskConfig(engine=AT_ONCE),
    margin=None,
    sync=SyncConfig(reconciliation=ReconciliationConfig(background_s=None)),
)
"""Nobody asks for the positions without a reason."""
NO_SOCKET = RequestsConfig(routes=RoutesConfig(socket=False))


def places_at(stage: Stage, since: int) -> list[int]:
    """Times at which placements were decided."""
    return [
        at
        for at, entry in stage.story
        if at >= since and entry in stage.commands and requests([entry]) and isinstance(entry.actions[0], Place)
    ]


def settle(stage: Stage, within: int = s(12)) -> Stage:
    """Everything works again and a while has passed."""
    heal(stage)
    return stage.run_for(within)


# --- gaps ---------------------------------------------------------------------------------------


def test_the_table_is_a_circle_with_one_chord_and_a_way_out():
    """Fills, orders, position (after a gap limits), back to fills only where it differs; a new gap ends it anywhere."""
    circle = {
        S.IDLE: {S.FILLS},
        S.FILLS: {S.ORDERS, S.IDLE},
        S.ORDERS: {S.POSITION, S.IDLE},
        S.POSITION: {S.IDLE, S.FILLS, S.LIMITS},
        S.LIMITS: {S.IDLE},
    }
    assert circle == TRANSITIONS


def test_no_quote_after_feed_down_until_resync():
    """RS-09, RS-10, S22: from the loss on nothing is placed until fills, orders, position and limits are known."""
    stage = quoting()
    lost_at = stage.now
    stage.venue.cut(Feed.USER)
    stage.run_for(s(8))
    down = next(at for at, entry in stage.story if isinstance(entry, FeedDown) and at >= lost_at)
    questions = (QueryFills, QueryOpenOrders, QueryPositions, QueryLimits)
    asked = [type(a) for a in stage.actions((*questions, Place), since=down)]
    assert asked[:5] == [*questions, Place]
    assert stage.is_two_sided()
    assert stage.is_agreed()
    assert stage.core.resync.runs == 1


@pytest.mark.parametrize("after_ms", [1, 100, 400, 900])
def test_a_fill_inside_the_gap_is_booked_before_the_next_quote(after_ms):
    """RS-09, reliability 61: the channels do not replay; the fills query does."""
    stage = quoting()
    stage.venue.fills_replayed = 0
    stage.venue.cut(Feed.USER)
    stage.venue.faults.fate = lambda request: "lost" if isinstance(request.actions[0], Cancel) else None
    stage.at(stage.now + ms(after_ms), stage.venue.take, SELL, 20)
    stage.at(stage.now + ms(after_ms), heal, stage)
    wrong = []

    def tap(event, commands):
        placed = [a for r in requests(commands) for a in r.actions if isinstance(a, Place)]
        if placed and stage.desk.inventory.position != stage.venue.position():
            wrong.append(stage.now)

    stage.taps.append(tap)
    stage.run_for(s(10))
    assert wrong == []
    assert stage.desk.inventory.position == 20
    assert stage.desk.inventory.restatements == 0
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_an_order_that_ended_inside_the_gap_is_asked_about():
    """RS-26, reliability 34: not listed is a question, not a verdict; the answer settles it with its size."""
    stage = quoting()
    gone = stage.venue.resting()[0]
    stage.venue.cut(Feed.USER)
    stage.venue.faults.fate = lambda request: "lost" if isinstance(request.actions[0], Cancel) else None
    stage.at(stage.now + ms(5), stage.venue._cancel, Cancel(ETH.id, None, gone.oid))
    stage.run_for(s(5))
    settle(stage)
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_an_orphan_found_after_the_gap_is_cancelled():
    """S11, RS-25: an order of ours that we do not know does not survive, and people are told."""
    stage = quoting()
    stage.venue.cut(Feed.USER)
    stage.at(stage.now + ms(50), stage.venue.stray, BUY, MID - 200 * TICK, 10)
    stage.run_for(s(8))
    assert "orphan_order" in stage.alerts
    assert stage.core.sync.orphans.cancelled == 1
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_an_orphan_does_not_delay_the_return():
    """The answer to its cancel is not taken for the answer to the next question."""
    stage = quoting()
    stage.venue.cut(Feed.USER)
    stage.at(stage.now + ms(50), stage.venue.stray, BUY, MID - 200 * TICK, 10)
    start = stage.now
    stage.run_for(s(8))
    position_questions = stage.actions(QueryPositions, since=start)
    assert len(position_questions) == 1


@pytest.mark.parametrize("how", ["lost", "mute", "empty", "refused"])
def test_an_orphan_whose_cancel_fails_is_cancelled_again(how):
    """S11: having asked for its end is not its end; the list is read again until it is gone, at a measured pace."""
    stage = quoting()
    left = [3]

    def is_next(action):
        if isinstance(action, Cancel) and left[0]:
            left[0] -= 1
            return True
        return False

    if how == "refused":
        busy = Refused(Reason.OTHER, "busy")
        stage.venue.faults.answers = lambda action: busy if is_next(action) else None
    else:
        stage.venue.faults.fate = lambda request: how if is_next(request.actions[0]) else None
    start = stage.now
    stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(30))
    assert stage.is_agreed()
    assert len(stage.actions(QueryOpenOrders, since=start)) <= 5


def test_an_orphan_that_cannot_be_cancelled_is_tried_at_a_measured_pace():
    """S25: the same refusal again and again does not become a storm."""
    stage = quoting()
    busy = Refused(Reason.OTHER, "busy")
    stage.venue.faults.answers = lambda action: busy if isinstance(action, Cancel) and action.cloid is None else None
    start = stage.now
    stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(30))
    assert 4 <= len([a for a in stage.actions(Cancel, since=start) if a.cloid is None]) <= 6


def test_an_orphan_shown_by_a_channel_is_found_without_a_gap():
    """An `open` of an order that we do not know is enough, and there is no pause in quoting."""
    stage = quoting()
    start = stage.now
    stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(6))
    assert stage.core.sync.orphans.cancelled == 1
    assert stage.is_agreed()
    assert [type(a) for a in stage.actions(Cancel, since=start)] == [Cancel]  # none of our own orders left the book


def test_orders_of_other_instruments_are_not_ours_to_cancel():
    """EL-01 holds in recovery too: an order on a coin without a desk is left alone."""
    stage = Stage(instruments=(ETH, BTC))
    stage.core = type(stage.core)(stage.config, (ETH,))
    stage.begin().run_for(s(3))
    other = stage.venue.stray(SELL, MID + 20 * TICK, 10, BTC)
    stage.venue.cut(Feed.USER)
    stage.run_for(s(8))
    assert stage.venue.orders[other].status == "open"


@pytest.mark.parametrize("lag_s", [0.5, 2.0])
def test_a_list_that_lags_harms_no_order(lag_s):
    """C-14: what it does not show yet is not gone and not an orphan; what it still shows does not come back to life."""
    stage = quoting()
    snapshots = []

    def remember():
        snapshots.append((stage.now, stage.venue._execute(QueryOpenOrders())))
        stage.later(ms(50), remember)

    remember()
    stage.venue.faults.answers = lambda action: (
        next((told for at, told in reversed(snapshots) if at <= stage.now - s(lag_s)), None)
        if isinstance(action, QueryOpenOrders)
        else None
    )
    stage.run_for(s(3))
    for number in range(8):
        stage.venue.quote(MID + (number % 3) * 40 * TICK)  # old orders go, new ones come
        stage.run_for(ms(250))
        stage.core.resync.request(stage.now, gap=False)
        stage.run_for(ms(900))
    stage.run_for(s(5))
    assert stage.core.sync.orphans.cancelled == 0
    cancelled_by_us = {a.cloid for a in stage.actions(Cancel)}
    assert all(o.place.cloid in cancelled_by_us for o in stage.venue.orders.values() if o.status == "canceled")
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_a_gap_in_the_market_feed_withdraws_and_needs_no_resync():
    """S21: orders go while the market is not seen; the account was seen all the time."""
    stage = quoting()
    stage.venue.cut(Feed.MARKET)
    stage.run_for(ms(200))
    assert stage.core.phase == "market_feed_down"
    assert stage.venue.resting() == []
    stage.run_for(s(5))
    assert stage.is_two_sided()
    assert stage.core.resync.runs == 0


def test_after_a_market_gap_nothing_is_quoted_on_what_was_known_before():
    """S21: the feed is live again but has not spoken yet."""
    stage = quoting(beat=ms(500))
    stage.venue.tops.clear()  # the venue will say nothing after the subscribe
    stage.venue.cut(Feed.MARKET)
    start = stage.now
    stage.run_for(s(5))
    assert stage.core.market_feed.is_live
    assert stage.actions(Place, since=start) == []
    stage.venue.quote(MID)
    stage.run_for(s(1))
    assert stage.is_two_sided()


def test_a_gap_that_begins_in_the_middle_of_a_resync_starts_it_over():
    """What was asked before the second loss cannot answer for it."""
    stage = quoting()
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: stage.core.resync.state is S.POSITION, step=ms(5))
    stage.venue.cut(Feed.USER)
    stage.venue.stray(BUY, MID - 6 * TICK, 20)
    stage.at(stage.now + ms(40), stage.venue.take, SELL, 20)
    settle(stage)
    assert stage.desk.inventory.position == 20
    assert stage.is_agreed()


def test_a_resync_begun_during_the_outage_does_not_end_the_pause_of_the_gap():
    """What was asked over the other route before the feed was back does not cover the rest of the gap."""
    stage = quoting()
    stage.venue.fills_replayed = 0
    stage.venue.cut(Feed.USER)
    stage.run_for(ms(100))
    back_at = stage.core.user_feed.deadline()
    stage.run(back_at - ms(130))
    stage.core.resync.request(stage.now, gap=False)
    resync = stage.core.resync
    stage.run_until(lambda: resync.state is S.POSITION and resync.deadline() is None, step=ms(1))
    assert stage.now < back_at
    # The position was asked; the answer takes a second, in which a fill happens and the feed comes back.
    stage.venue.faults.delay = lambda message: s(1) * isinstance(message, Replied)
    stage.at(stage.now + ms(25), stage.venue.stray, BUY, MID - 6 * TICK, 20)
    stage.at(stage.now + ms(25), stage.venue.take, SELL, 20)
    stage.at(stage.now + ms(26), heal, stage)
    wrong = []

    def tap(event, commands):
        placed = [a for r in requests(commands) for a in r.actions if isinstance(a, Place)]
        if placed and stage.desk.inventory.position != stage.venue.position():
            wrong.append(stage.now)

    stage.taps.append(tap)
    stage.run_for(s(10))
    assert wrong == []
    assert stage.desk.inventory.position == 20
    assert stage.is_agreed()


# --- drift --------------------------------------------------------------------------------------


def mute_positions(stage: Stage) -> Stage:
    """The socket took a question and did not answer it: for ten seconds requests go by REST."""
    stage.venue.faults.fate = lambda request: "mute" if isinstance(request.actions[0], QueryPositions) else None
    stage.run_until(lambda: stage.core.ledger.n_silent > 0, within=s(30))
    heal(stage)
    return stage


BY_REST = {
    "without a socket": lambda: quoting(config=replace(UNTIMED, requests=NO_SOCKET)),
    "while the socket is distrusted": lambda: mute_positions(quoting()),
}


@pytest.mark.parametrize("how", BY_REST)
def test_a_gap_is_closed_by_rest_too(how):
    """S3 (review, item 8): once the stream runs again what is asked by any way reaches up to it.

    By REST no gap was ever closed: every later search began where the first feed was lost, for the whole life.
    """
    stage = BY_REST[how]()
    stage.run_for(s(30) if how == "without a socket" else 0)
    stage.venue.take(SELL, 1)
    stage.run_for(ms(300))
    stage.venue.cut(Feed.USER)
    stage.run_for(s(8))
    assert stage.core.phase == "quoting"
    by_rest = [e for _, e in stage.story if isinstance(e, Request) and isinstance(e.actions[0], QueryFills)]
    assert {request.route for request in by_rest} == {Route.REST}
    stage.run_for(s(12))
    stage.venue.take(BUY, 1)
    stage.run_for(s(1))
    assert stage.core.resync.runs == 1
    start = stage.now
    stage.core.resync.request(stage.now, gap=False)
    stage.run_for(s(1))
    last = stage.venue.fills[-1].exch_time
    assert [action.since for action in stage.actions(QueryFills, since=start)] == [last - s(10)]


def test_a_gap_is_not_closed_by_what_was_asked_before_the_stream_ran_again():
    """RS-09: what came after that answer, and before the feed was live, is in neither of them."""
    stage = quoting()
    stage.run_for(s(30))
    stage.venue.take(SELL, 1)
    stage.run_for(ms(300))
    last = stage.venue.fills[-1].exch_time
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: not stage.core.user_feed.is_live, step=ms(1))
    start = stage.now
    stage.core.resync.request(stage.now, gap=False)
    stage.run_until(lambda: stage.core.resync.state is S.ORDERS, step=ms(1))
    assert not stage.core.user_feed.is_live
    stage.run_for(s(8))
    asked = [action.since for action in stage.actions(QueryFills, since=start)]
    assert asked == [last - s(10)] * 2


def test_a_lost_fill_is_found_by_the_position_and_fetched():
    """Reliability 6, RS-07: the stream dropped it, the position shows it, the query brings it: no adjustment."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, Fill | OrderUpdate)
    stage.venue.take(SELL, 13)
    stage.run_for(ms(100))
    assert stage.desk.inventory.position == 0
    settle(stage)
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.fills, inventory.restatements) == (13, 1, 0)
    assert stage.core.sync.reconciler.drifts == 1
    assert stage.is_agreed()


@pytest.mark.parametrize("times", [1, 3, 8])
def test_fills_between_two_answers_are_no_drift(times):
    """S2: each position answer knows a fill that the fills answer before it could not; nothing is restated for that.

    A fill booked as an adjustment keeps the adjustment's price, so cash would differ for good.
    """
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, Fill)
    left = [times]

    def fill_first(action):
        if isinstance(action, QueryPositions) and left[0]:
            left[0] -= 1
            assert stage.venue.take(SELL, 1) == 1

    stage.venue.faults.answers = fill_first
    stage.venue.take(SELL, 1)
    stage.run_for(s(40))
    assert left == [0]
    assert "position_drift" not in stage.alerts
    assert stage.desk.inventory.restatements == 0
    assert settle(stage).is_agreed()


def test_a_difference_that_fills_do_not_explain_is_taken_over_after_three_checks():
    """RU-07: three questions, then the venue's position is ours; told with both values; no profit or loss."""
    stage = quoting(config=UNTIMED)
    worth = stage.desk.inventory.realized
    start = stage.now
    stage.venue.adjust(ETH, 37)
    stage.run_for(s(12))
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.restatements, inventory.realized) == (37, 1, worth)
    assert len(stage.actions(QueryPositions, since=start)) == 3
    assert len(stage.told("position_drift")) == 1
    assert stage.is_two_sided()


def test_a_fill_lost_long_ago_is_searched_for_further_back():
    """Newer fills have moved the cursor on: each search that finds nothing reaches further into the past."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, Fill | OrderUpdate | PositionsReported)
    stage.venue.take(SELL, 2)
    heal(stage)
    for _ in range(12):
        stage.venue.faults.drops = lambda event: isinstance(event, PositionsReported)
        stage.run_for(s(2))
        stage.venue.take(BUY, 1)
    settle(stage, s(20))
    stage.venue._publish_positions()
    stage.run_for(s(10))
    assert stage.desk.inventory.position == stage.venue.position()
    assert stage.desk.inventory.restatements == 0


def test_an_end_whose_fills_were_lost_long_ago_is_settled():
    """S10, L3: it holds its exposure until the fill is found, and it is found."""
    stage = quoting()
    best = max((o for o in stage.venue.resting() if o.place.side is BUY), key=lambda o: o.place.px)
    stage.venue.faults.drops = lambda event: isinstance(event, Fill | PositionsReported)
    stage.venue.faults.answers = lambda action: (
        stage.venue._execute(QueryFills(s(10_000))) if isinstance(action, QueryFills) else None
    )
    stage.venue.take(SELL, best.place.sz)
    stage.run_for(ms(100))
    stage.venue.faults.drops = lambda event: isinstance(event, PositionsReported)
    for _ in range(15):
        stage.run_for(s(2))
        stage.venue.take(BUY, 1)
    settle(stage, s(60))
    assert stage.desk.tracker.find(best.place.cloid, None).is_settled
    assert stage.is_agreed()


def test_a_difference_of_a_moment_starts_nothing():
    """Position and fill travel apart: the fill that comes a second later explains it."""
    stage = quoting()
    stage.venue.faults.delay = lambda message: s(1) if isinstance(message, Fill) else 0
    stage.venue.take(SELL, 13)
    stage.run_for(s(6))
    assert stage.desk.inventory.position == 13
    assert (stage.core.resync.runs, stage.core.sync.reconciler.drifts) == (0, 0)


def test_fills_during_the_check_are_not_mistaken_for_a_drift():
    """S1: the stated position is of a moment; fills after that moment count on top of it."""
    stage = quoting(max_position=4_000, config=TraderConfig(desk=DeskConfig(engine=AT_ONCE)))
    stage.venue.faults.delay = lambda message: ms(700) * isinstance(message, Replied)

    def trade_all_the_time():
        stage.venue.take(SELL, 1)
        stage.later(ms(190), trade_all_the_time)

    stage.later(0, trade_all_the_time)
    for _ in range(12):
        stage.run_for(s(2))
        stage.core.resync.request(stage.now, gap=False)
    stage.run_for(s(5))
    assert stage.desk.inventory.restatements == 0
    assert "position_drift" not in stage.alerts


def test_a_restatement_keeps_the_fills_that_came_after_it():
    """What the venue stated is of a moment before the newest fills."""
    stage = quoting(max_position=4_000)
    stage.venue.faults.delay = lambda message: ms(90) * isinstance(message, Replied)
    asked = []

    def answers(action):
        if isinstance(action, QueryPositions):
            asked.append(action)
            # a taker hits us between the statement and its arrival, each time
            stage.later(ms(1), stage.venue.take, SELL, 2)

    stage.venue.faults.answers = answers
    stage.venue.adjust(ETH, 50)
    stage.run_for(s(10))
    settle(stage)
    assert len(asked) >= 3
    assert stage.desk.inventory.position == stage.venue.position()
    assert stage.desk.inventory.restatements == 1


def test_a_fill_known_by_its_position_only_still_settles_its_order():
    """S10: the venue's position contained a fill that arrives later: not counted twice, but its order learns of it."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, Fill)
    stage.venue.faults.answers = lambda action: (
        stage.venue._execute(QueryFills(s(10_000))) if isinstance(action, QueryFills) else None
    )
    stage.venue.take(SELL, 13)
    stage.run_for(s(12))
    assert stage.desk.inventory.position == 13
    assert stage.desk.inventory.restatements == 1
    settle(stage, s(40))
    inventory = stage.desk.inventory
    assert inventory.position == stage.venue.position()
    assert (inventory.adjusted_lots, inventory.undone_lots) == (0, 13)
    assert (inventory.cash, inventory.fees) == (stage.venue.cash, sum(f.fee for f in stage.venue.fills))
    assert stage.desk.tracker.fillable_exposure() == stage.desk.tracker.pending_exposure()
    assert stage.is_agreed()


def test_a_statement_too_old_to_compare_with_is_asked_for_again(monkeypatch):
    """S1: more fills came after it than are remembered: no verdict from a wrong sum."""
    monkeypatch.setattr("orchestrator.fills.RECENT", 3)
    stage = quoting(max_position=4_000)
    left = [4]

    def answers(action):
        if isinstance(action, QueryPositions) and left[0]:
            left[0] -= 1
            return PositionsReport(Ns(0), (), Usd(0))
        return None

    stage.venue.faults.answers = answers
    for _ in range(6):
        stage.venue.take(SELL, 1)
        stage.run_for(ms(300))
    stage.core.resync.request(stage.now, gap=True)
    stage.run_for(s(3))
    assert (stage.core.phase, stage.core.resync.state) == ("resync", S.POSITION)
    stage.run_for(s(10))
    assert left == [0]
    assert (stage.desk.inventory.position, stage.desk.inventory.restatements) == (6, 0)
    assert stage.is_two_sided()


def test_an_older_statement_does_not_take_back_a_correction():
    """C-14: what lags behind the statement that corrected us knows less than it."""
    stage = quoting(config=UNTIMED)
    stage.venue.adjust(ETH, 37)
    stage.run_for(s(12))
    stated_at = stage.desk.inventory.stated_at
    old = PositionsReported(Ns(stated_at - 1), stage.now, (), Usd(0))
    start = stage.now
    for _ in range(6):
        stage._take(old)
        stage.run_for(s(3))
    assert stage.desk.inventory.position == 37
    assert stage.actions(QueryPositions, since=start) == []


def test_a_broken_statistic_changes_no_trade():
    """EL-14: every analytics hook raises; what is sent is the same, and the failures are counted and told."""

    def traded(is_broken):
        stage = Stage()
        if is_broken:
            stage.desk.fill_tracker.on_fill = stage.desk.uptime.note = lambda *args: 1 // 0
        stage.begin().run_for(s(3))
        for side in (SELL, BUY, SELL):
            stage.venue.take(side, 7)
            stage.run_for(s(2))
        sent = [command for command in stage.commands if not isinstance(command, Alert)]
        return sent, stage

    sound, _ = traded(is_broken=False)
    broken, stage = traded(is_broken=True)
    assert broken == sound
    errors = stage.core.snapshot().analytics_errors
    assert errors["fill"] == 3
    assert errors["uptime"] > 0
    assert stage.alerts.count("analytics_failed") == 2


# --- whatever fails -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lost", "mute", "empty"])
@pytest.mark.parametrize("kind", [QueryFills, QueryOpenOrders, QueryPositions])
def test_each_question_may_fail_and_is_asked_again(kind, how):
    """No quote before the answer; no stop for ever without it."""
    stage = quoting()
    left = [3]

    def fate(request):
        if isinstance(request.actions[0], kind) and left[0]:
            left[0] -= 1
            return how
        return None

    stage.venue.faults = Faults(fate=fate)
    stage.venue.cut(Feed.USER)
    stage.run_for(s(25))
    assert left == [0]
    assert stage.is_two_sided()
    assert stage.is_agreed()


def test_many_fills_of_the_gap_come_in_pages():
    """Reliability 5, 19: all pages, none twice."""
    stage = quoting(max_position=4_000)
    stage.venue.fills_page = 3
    stage.venue.cut(Feed.USER)
    stage.venue.faults.fate = lambda request: "lost" if isinstance(request.actions[0], Cancel) else None
    for n in range(10):
        stage.at(stage.now + ms(20 * n), stage.venue.take, SELL, 1)
    stage.run_for(s(2))
    settle(stage, s(20))
    assert stage.desk.inventory.position == 10
    assert stage.desk.inventory.fills == 10
    assert stage.is_agreed()


def test_a_pushed_position_while_starting_is_not_used():
    """The start-up reads it itself, in its place."""
    stage = Stage()
    stage.venue.positions[ETH.id] = 5
    stage.begin().run(ms(120))
    assert any(isinstance(entry, PositionsReported) for _, entry in stage.story)
    assert stage.desk.inventory.position == 0
