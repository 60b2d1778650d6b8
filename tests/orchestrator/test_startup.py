"""From nothing to the first quote, in the order of C-01, whatever fails on the way."""

from dataclasses import replace

import msgspec
import pytest

from domain.commands import (
    Alert,
    Cancel,
    Place,
    QueryFills,
    QueryLimits,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    QueryQuota,
    Request,
)
from domain.events import (
    Adjustment,
    Feed,
    Fill,
    LimitsReport,
    OpenOrdersReport,
    PositionsReport,
    Reason,
    Refused,
    Replied,
    Restored,
    RestoredLedger,
    RestoredOrder,
    Subscribed,
)
from domain.units import Ns, Px, Sz, Tid, Usd
from orchestrator.config import TraderConfig
from orchestrator.connectivity.requests import RequestsConfig
from orchestrator.connectivity.routes import RoutesConfig
from orchestrator.desk.desk import STARTING, DeskConfig
from orchestrator.fills import FillsConfig
from orchestrator.risk.watch import RiskConfig
from orchestrator.sync.startup import TRANSITIONS, StartUpConfig, StartUpState
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import BTC, BUY, ETH, MID, SELL, TICK, cloid, ms, requests, s
from tests.orchestrator.tiny_venue import QUICK, Stage

S = StartUpState
QUERIES = {
    "orders": QueryOpenOrders,
    "positions": QueryPositions,
    "limits": QueryLimits,
    "fills": QueryFills,
    "cancel": Cancel,
}

IN_ORDER = ["QueryOpenOrders", "QueryPositions", "QueryLimits", "QueryQuota", "QueryPositions"]


def later_life(**changes) -> Restored:
    return Restored(**{"life": 2, "life_seed": 8, "clean_stop": False} | changes)


def watch(stage: Stage) -> dict:
    """What was true when the first placement was decided."""
    seen: dict = {}

    def tap(event, commands):
        if seen:
            return
        if any(isinstance(action, Place) for request in requests(commands) for action in request.actions):
            seen.update(
                at=stage.now,
                position=stage.desk.inventory.position,
                true_position=stage.venue.position(),
                resting=len(stage.venue.resting(ETH)),
                asked=stage.queries(),
            )

    stage.taps.append(tap)
    return seen


def failing(stage: Stage, kind: type, times: int, how: str) -> None:
    """The first requests of a kind fail: lost, unanswered, refused, or answered with nothing."""
    left = [times]

    def count_down() -> bool:
        left[0] -= 1
        return left[0] >= 0

    if how == "refused":
        refusal = Refused(Reason.OTHER, "internal error")
        stage.venue.faults.answers = lambda action: refusal if isinstance(action, kind) and count_down() else None
    else:
        stage.venue.faults.fate = lambda request: how if isinstance(request.actions[0], kind) and count_down() else None


# --- the order ----------------------------------------------------------------------------------


def test_the_first_life_asks_in_the_documented_order():
    """EL-05: orders, position, limits, what is left of the allowance; warm, the position again; then quotes."""
    stage = Stage().begin()
    stage.run(s(3))
    assert stage.queries() == [*IN_ORDER, "Place", "ScheduleCancel"]
    assert stage.core.phase == "quoting"
    assert stage.is_two_sided()


def test_a_later_life_fetches_the_fills_first():
    """S30: what happened while we were down is booked before the position is compared."""
    stage = Stage().begin(later_life())
    stage.run(s(3))
    assert stage.queries()[:6] == ["QueryOpenOrders", "QueryFills", *IN_ORDER[1:]]


def test_nothing_is_placed_before_the_last_step():
    """EL-05: with every answer delayed, the first placement still follows the last of them."""
    stage = Stage(down=ms(900)).begin()
    seen = watch(stage)
    stage.run(s(10))
    assert seen["asked"] == [*IN_ORDER, "Place", "ScheduleCancel"]


def test_the_first_quotes_know_what_is_left_of_the_allowance():
    """RL-02: no cycle before the venue was asked, however long that takes; no answer is no reason to wait for ever."""
    stage = Stage()

    def delay(message):
        return ms(900) if isinstance(message, Request) and isinstance(message.actions[0], QueryQuota) else 0

    stage.venue.faults.delay = delay
    stage.begin().run(ms(700))
    assert (stage.core.phase, stage.actions(Place)) == (STARTING, [])
    stage.run(s(3))
    assert stage.core.phase == "quoting"
    silent = Stage()
    failing(silent, QueryQuota, 1_000, "mute")
    silent.begin().run(s(20))
    assert silent.core.phase == "quoting"


def test_the_table_has_one_way_forward():
    """Every state is reached, only DONE is final, and a lost feed leads back from all others."""
    assert set(TRANSITIONS) == set(S)
    assert [state for state in S if not TRANSITIONS[state]] == [S.DONE]
    assert {b for targets in TRANSITIONS.values() for b in targets} == set(S)
    assert all(S.WAIT_FEED in TRANSITIONS[state] for state in set(S) - {S.DONE, S.WAIT_FEED})


# --- clean slate --------------------------------------------------------------------------------


def test_strays_are_cancelled_and_those_of_other_coins_left_alone():
    """EL-01, EL-02: seven strays on two coins; the three of this coin go, the others stay."""
    stage = Stage(instruments=(ETH, BTC))
    stage.core = type(stage.core)(stage.config, (ETH,))
    ours = [stage.venue.stray(BUY, MID - n * 20 * TICK, 10) for n in (1, 2, 3)]
    others = [stage.venue.stray(SELL, MID + n * 20 * TICK, 10, BTC) for n in (1, 2, 3, 4)]
    seen = watch(stage)
    stage.begin().run(s(3))
    assert seen["resting"] == 0
    assert [action.oid for action in stage.actions(Cancel)] == ours
    assert [order.oid for order in stage.venue.resting(BTC)] == others
    assert stage.core.phase == "quoting"


@pytest.mark.parametrize("how", ["refused", "lost", "mute"])
def test_cancels_that_fail_are_repeated_until_none_rests(how):
    """EL-02: the first two bulk cancels fail; zero own orders rest before the first placement."""
    stage = Stage()
    for n in (1, 2, 3):
        stage.venue.stray(BUY, MID - n * 20 * TICK, 10)
    failing(stage, Cancel, 6 if how == "refused" else 2, how)
    seen = watch(stage)
    stage.begin().run(s(20))
    assert seen["resting"] == 0
    assert stage.core.phase == "quoting"


def test_a_slate_that_stays_dirty_is_told_to_people_and_tried_on():
    """After five tries an alarm, then slower tries; never a quote."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 20 * TICK, 10)
    failing(stage, Cancel, 10_000, "refused")
    stage.begin().run(s(60))
    assert "clean_slate_failed" in stage.alerts
    assert stage.actions(Place) == []
    assert 5 < len(stage.actions(Cancel)) < 30
    stage.venue.faults.answers = lambda action: None
    stage.run(s(75))
    assert stage.core.phase == "quoting"


@pytest.mark.parametrize("delay_ms", [0, 400, 2_500])
@pytest.mark.parametrize("life", [1, 2])
def test_a_stray_that_fills_during_the_cancel_shows_in_the_position(life, delay_ms):
    """C-01, EL-02: however late the fill itself arrives, the position is right before the first quote and after."""
    stage = Stage()
    oid = stage.venue.stray(BUY, MID - 20 * TICK, 17, cloid=cloid(71))
    stage.venue.fills.clear()
    restored = Restored(1, 7)
    if life == 2:
        restored = later_life(orders=(RestoredOrder(ETH.id, cloid(71), BUY, Px(MID - 20 * TICK), Sz(17)),))

    def on_cancel(action):
        is_ours = isinstance(action, Cancel) and (action.oid == oid or action.cloid == cloid(71))
        if is_ours and stage.venue.orders[oid].filled == 0:
            stage.venue.take(SELL, 9)  # the taker was there first

    stage.venue.faults.answers = on_cancel
    stage.venue.faults.delay = lambda message: ms(delay_ms) if isinstance(message, Fill) else 0
    seen = watch(stage)
    stage.begin(restored).run(s(20))
    assert (seen["position"], seen["true_position"], seen["resting"]) == (9, 9, 0)
    assert stage.desk.inventory.position == stage.venue.position() == 9
    assert stage.desk.tracker.find(cloid(71), None) is None or stage.desk.tracker.find(cloid(71), None).is_settled
    assert stage.is_agreed()


# --- position -----------------------------------------------------------------------------------


def test_the_position_of_the_venue_becomes_ours():
    """EL-03: exchange holds +1.70, local 0: after the start local is +1.70, and one drift is told."""
    stage = Stage()
    stage.venue.positions[ETH.id] = 170
    stage.begin().run(s(3))
    assert stage.desk.inventory.position == 170
    assert [alert.text for alert in stage.told("position_drift")] == [
        "ETH: ours was 0, the venue's is 1.7; found_by=start_up cause=opening"
    ]
    assert stage.desk.inventory.realized == 0


def test_the_position_is_read_again_just_before_the_first_quote():
    """C-01: what changed during a long warm-up is known before anything rests."""
    stage = Stage(beat=None)
    seen = watch(stage)
    stage.begin()
    stage.at(s(5), stage.venue.adjust, ETH, -40)
    stage.at(s(6), stage.venue.quote, MID)
    stage.run(s(8))
    assert (seen["position"], stage.desk.inventory.position) == (-40, -40)


def test_old_fills_are_neither_position_nor_profit_of_a_first_life():
    """X-09: the snapshot after the subscribe repeats an account's history."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 5 * TICK, 30)
    stage.venue.take(SELL, 30)
    stage.venue.stray(SELL, MID + 500 * TICK, 10)
    stage.venue.take(BUY, 10)
    stage.run(s(5))
    stage.begin().run(s(9))
    inventory = stage.desk.inventory
    assert inventory.position == 20
    assert (inventory.fills, inventory.fees, inventory.realized) == (0, 0, 0)
    assert stage.core.kill_switch.reason is None


def test_a_later_life_continues_position_and_cash():
    """S30, S5: ledger of the journal plus the fills of the time between gives the venue's own figures."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 5 * TICK, 30)
    stage.venue.take(SELL, 10)
    known = stage.venue.fills[0]
    cash = stage.venue.cash
    stage.run(s(30))
    stage.venue.take(SELL, 20)  # while we were down
    ledger = RestoredLedger(ETH.id, 10, Usd(cash), known.fee)
    stage.begin(later_life(ledgers=(ledger,), tids=(known.tid,), fills_since=known.exch_time))
    stage.run(s(40))
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.cash) == (30, stage.venue.cash)
    assert (inventory.fills, inventory.restatements) == (1, 0)
    assert "position_drift" not in stage.alerts


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("replayed", [0, 5])
def test_a_fill_that_streams_in_at_the_start_does_not_hide_those_of_the_gap(replayed, is_cut):
    """S30, RS-09 (review, item 6): the question for the fills begins where the life before ended, not at the newest.

    One of seven was booked, and the six others became an adjustment. Nor does a second loss of the feed, before the
    question was answered, move it.
    """
    stage = Stage()
    stage.venue.fills_replayed = replayed
    stage.venue.stray(BUY, MID - 5 * TICK, 30)
    stage.run(s(20))
    stage.venue.take(SELL, 1)
    known, cash = stage.venue.fills[0], stage.venue.cash
    stage.run(s(40))
    for _ in range(6):
        stage.venue.take(SELL, 1)  # while we were down
    stage.run(s(60))
    ledger = RestoredLedger(ETH.id, 1, Usd(cash), known.fee)
    stage.begin(later_life(ledgers=(ledger,), tids=(known.tid,), fills_since=known.exch_time))
    stage.run_until(lambda: stage.core.start_up.state is S.LIST_ORDERS, step=ms(1))
    stage.venue.take(SELL, 1)
    if is_cut:
        stage.run_until(lambda: stage.core.start_up.state is S.SYNC_FILLS, step=ms(1))
        stage.venue.cut(Feed.USER)
    stage.run_for(s(15))
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.cash) == (8, stage.venue.cash)
    assert (inventory.fills, inventory.restatements, stage.alerts) == (7, 0, [])
    assert {action.since for action in stage.actions(QueryFills)} == {s(10)}


@pytest.mark.parametrize("page", [1, 2, 5])
def test_many_fills_come_in_pages(page):
    """Reliability 5, 19: short pages, all inside the overlap, some known already: all fetched, none twice."""
    stage = Stage()
    stage.venue.fills_page = page
    stage.run(s(100))
    stage.venue.stray(BUY, MID - 5 * TICK, 100)
    for n in range(12):
        stage.at(s(100) + ms(n), stage.venue.take, SELL, 5)
    stage.run(s(101))
    first = stage.venue.fills[0]
    ledger = RestoredLedger(ETH.id, 5, Usd(-5 * first.px - first.fee), first.fee)
    stage.begin(later_life(ledgers=(ledger,), tids=(first.tid,), fills_since=first.exch_time))
    stage.run(s(110))
    assert stage.core.phase == "quoting"
    assert (stage.desk.inventory.position, stage.desk.inventory.fills) == (60, 11)
    assert len(stage.actions(QueryFills)) < 20


def test_a_page_full_of_one_moment_does_not_hold_the_start_for_ever():
    """Reliability 19: more fills of one moment than fit a page cannot all be fetched: go on, and take the position."""
    stage = Stage()
    stage.venue.fills_page = 2
    stage.run(s(100))
    for n in range(6):
        stage.venue.stray(BUY, MID - (5 + n) * TICK, 5)
    stage.venue.take(SELL, 30)
    stage.begin(later_life(fills_since=s(95))).run(s(115))
    assert stage.core.phase == "quoting"
    assert stage.desk.inventory.position == 30
    assert len(stage.actions(QueryFills)) < 20


def test_a_position_older_than_a_correction_of_an_earlier_life_corrects_nothing():
    """C-14: what lags behind the statement that corrected us knows less than it."""
    stage = Stage()
    corrected = Adjustment(s(50), 5, float(MID))
    ledger = RestoredLedger(ETH.id, 5, Usd(0), Usd(0), adjustments=(corrected,))
    stage.begin(later_life(ledgers=(ledger,))).run(s(5))
    assert stage.core.phase == "quoting"
    assert (stage.desk.inventory.position, stage.alerts) == (5, [])


def test_a_position_too_old_to_compare_with_is_asked_for_again(monkeypatch):
    """More fills have come since than are remembered: no correction by a wrong sum, and no start that stops."""
    monkeypatch.setattr("orchestrator.fills.RECENT", 3)
    stage = Stage()
    stage.venue.stray(BUY, MID - 5 * TICK, 30)
    stage.run(s(20))
    for n in range(6):
        stage.at(s(20) + ms(n), stage.venue.take, SELL, 5)
    stage.run(s(30))
    left = [3]

    def answers(action):
        if isinstance(action, QueryPositions) and left[0]:
            left[0] -= 1
            return PositionsReport(s(10), (), Usd(0))
        return None

    stage.venue.faults.answers = answers
    stage.begin(later_life(fills_since=s(20))).run(s(40))
    assert left == [0]
    assert stage.core.phase == "quoting"
    assert (stage.desk.inventory.position, stage.desk.inventory.restatements) == (30, 0)


# --- limits -------------------------------------------------------------------------------------


def test_limits_that_cannot_be_read_keep_the_market_free_of_us():
    """EL-04: no order is placed until it succeeds."""
    stage = Stage()
    failing(stage, QueryLimits, 20, "refused")
    stage.begin().run(s(5))
    assert (stage.actions(Place), stage.core.phase, stage.alerts) == ([], "starting", ["start_up_stuck"])
    assert asked_for_limits(stage) == 5
    stage.run(s(100))  # the slow pace: one try in 5 s
    assert stage.is_two_sided()
    assert stage.alerts.count("start_up_stuck") == 1


def asked_for_limits(stage: Stage) -> int:
    return sum(isinstance(action, QueryLimits) for action in stage.venue.log)


@pytest.mark.parametrize("how", ["unlisted", "refused"])
def test_an_instrument_that_the_venue_does_not_list_is_told_and_left_alone(how):
    """S25: asked for three times, then once a minute; people hear of it by name. Once it is listed all goes on."""
    stage = Stage()
    refusal = Refused(Reason.UNKNOWN_INSTRUMENT, "no such coin") if how == "refused" else LimitsReport(Ns(0), ())
    stage.venue.faults.answers = lambda action: refusal if isinstance(action, QueryLimits) else None
    stage.begin().run(s(280))
    assert asked_for_limits(stage) in range(6, 9)
    assert stage.alerts == ["start_up_stuck"]
    text = next(entry.text for _, entry in stage.story if isinstance(entry, Alert))
    assert text == "sync_limits after 5 tries: the venue tells no limits of ETH"
    stage.venue.faults.answers = lambda action: None
    stage.run(s(360))
    assert stage.is_two_sided()


def test_a_start_without_an_alert_for_being_stuck():
    stage = Stage(TraderConfig(start_up=StartUpConfig(stuck_tries=None)))
    failing(stage, QueryLimits, 20, "lost")
    stage.begin().run(s(60))
    assert "start_up_stuck" not in stage.alerts


def test_a_venue_that_allows_nothing_gets_nothing():
    """EL-04: a stated limit of zero is a limit; the start ends, and says why nothing is quoted."""
    stage = Stage(max_position=0).begin()
    stage.run(s(60))
    assert stage.actions(Place) == []
    assert (stage.core.phase, stage.alerts) == ("limit_below_lot", ["limit_below_lot"])
    assert stage.told("limit_below_lot")[0].text == "ETH: ours is 5, the venue's 0"
    assert stage.core.start_up.is_done


def test_a_limit_of_ours_below_one_lot_is_told_until_the_price_allows_one():
    """EL-04: 15 USD are no lot at 2000 USD; at half the price they are. No start that never ends."""
    halves = RiskConfig(velocity=None, cascade=None)
    config = TraderConfig(desk=DeskConfig(engine=replace(AT_ONCE, max_position_usd=15.0)), risk=halves)
    stage = Stage(config=config).begin()
    stage.run(s(5))
    assert (stage.core.phase, stage.desk.limit.lots) == ("limit_below_lot", 0)
    stage.mid_after = lambda mid: MID // 2
    stage.run(s(7))
    assert (stage.core.phase, stage.desk.limit.lots) == ("quoting", 1)
    assert stage.alerts == ["limit_below_lot"]


@pytest.mark.parametrize("wrong", ["sz_decimals", "min_notional", "max_leverage"])
def test_an_instrument_with_other_limits_than_ours_is_not_traded(wrong):
    """EL-04: prices and sizes made with wrong numbers would be orders of another size; the others go on."""
    stage = Stage(instruments=(ETH, BTC))

    def answers(action):
        if not isinstance(action, QueryLimits):
            return None
        report = stage.venue._execute(action)
        limits = [
            msgspec.structs.replace(entry, **{wrong: getattr(entry, wrong) + 1})
            if entry.instrument == ETH.id
            else entry
            for entry in report.limits
        ]
        return LimitsReport(report.as_of, tuple(limits))

    stage.venue.faults.answers = answers
    stage.begin().run(s(10))
    assert {action.instrument for action in stage.actions(Place)} == {BTC.id}
    assert (stage.core.phase, stage.alerts) == ("quoting", ["limits_mismatch"])
    assert stage.core.desks[ETH.id].gate == "limits_mismatch"
    assert stage.core.snapshot().desks[0].gate == "limits_mismatch"


# --- whatever fails -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["refused", "lost", "mute", "empty"])
@pytest.mark.parametrize("kind", QUERIES)
@pytest.mark.parametrize("life", [1, 2])
def test_each_endpoint_may_fail_first(kind, how, life):
    """Every step is repeated until it works, in the same order, and never skipped."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 20 * TICK, 10)
    failing(stage, QUERIES[kind], 3, how)
    seen = watch(stage)
    stage.begin(Restored(1, 7) if life == 1 else later_life()).run(s(30))
    assert (seen["resting"], seen["position"]) == (0, 0)
    assert stage.is_two_sided()
    asked = seen["asked"]
    in_order = ["QueryOpenOrders", "Cancel"] + ["QueryFills"] * (life == 2) + ["QueryPositions", "QueryLimits", "Place"]
    places = [asked.index(name) for name in in_order]
    assert places == sorted(places)


@pytest.mark.parametrize("at_ms", range(60, 700, 40))
def test_a_user_feed_lost_during_the_start_begins_it_again(at_ms):
    """What was read may be history: the order of C-01 holds after the last reconnect."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 20 * TICK, 10)
    seen = watch(stage)
    stage.at(ms(at_ms), stage.venue.cut, Feed.USER)
    stage.begin().run(s(10))
    assert stage.is_two_sided()
    assert stage.is_agreed()
    last_live = max(
        at for at, entry in stage.story if isinstance(entry, Subscribed) and entry.channel.kind.feed == "user"
    )
    asked = [type(action) for action in stage.actions(tuple(QUERIES.values()), since=last_live)]
    if seen["at"] > last_live:
        in_order = [asked.index(kind) for kind in (QueryOpenOrders, QueryPositions, QueryLimits)]
        assert in_order == sorted(in_order)
        assert Cancel not in asked[in_order[1] :]


@pytest.mark.parametrize("fate", [None, "lost"])
def test_only_the_answer_to_the_question_that_stands_counts(fate):
    """C-01, EL-02 (review, item 16): by REST the answer of before a lost feed still comes, and so does its time-out.

    It does not know the stray of meanwhile. Taken for the answer to the second question, it let the trader quote
    beside an order that nobody had asked about.
    """
    stage = Stage(replace(QUICK, requests=RequestsConfig(routes=RoutesConfig(socket=False))))
    lost_at: list[int] = []

    def slowly(message):
        is_list = isinstance(message, Replied) and isinstance(message.results[0], OpenOrdersReport)
        return s(2) if is_list and not stage.actions(Cancel) else 0

    stage.venue.faults.delay = slowly
    stage.venue.faults.fate = lambda request: None if lost_at else fate
    seen = watch(stage)
    stage.begin().run_until(lambda: stage.core.start_up.state is S.LIST_ORDERS, step=ms(1))
    lost_at.append(stage.now + 1)
    stage.run_for(ms(100))
    stage.venue.cut(Feed.USER)
    stage.run_for(ms(50))
    stage.venue.stray(BUY, MID - 20 * TICK, 10)
    stage.run(s(15))
    assert stage.core.phase == "quoting"
    assert seen["resting"] == 0
    assert len(stage.actions(QueryOpenOrders, since=lost_at[0])) == 2, "once with the stray, and once without"


def test_a_market_that_is_silent_is_waited_for():
    """C-05: no data, no quote; with data and no trades the quote comes."""
    stage = Stage(beat=None)
    stage.venue.tops.clear()
    stage.begin().run(s(60))
    assert (stage.actions(Place), stage.core.phase) == ([], "warming")
    assert stage.desk.gate == "warming: book"
    stage.venue.quote(MID)
    stage.run_for(s(2))
    assert stage.is_two_sided()


def test_while_it_warms_up_the_start_names_what_it_waits_for():
    """QE-01, QE-08: book, trades, sigma: each shows as the gate, as the step that ends a cycle, and in the uptime."""
    stage = Stage(TraderConfig(), beat=None).begin()
    stage.run(s(2))
    assert (stage.core.phase, stage.desk.gate) == ("warming", "warming: book")
    for number in range(12):
        stage.later(ms(500 * number), stage.venue.quote, MID + number % 2 * TICK)
    stage.run(s(10))
    assert stage.desk.gate == "warming: kappa"
    for number in range(6):
        stage.later(ms(500 * number), stage.venue.print_trade, MID + 3 * TICK)
    stage.run(s(15))
    assert stage.desk.gate == "warming: sigma"
    assert stage.actions(Place) == []
    stops = stage.desk.stops
    assert [key for key in stops if key.startswith("warm_up:")] == ["warm_up:book", "warm_up:kappa", "warm_up:sigma"]
    assert stage.core.snapshot().desks[0].gated_ns.keys() == {
        "starting",
        "warming: book",
        "warming: kappa",
        "warming: sigma",
    }


def test_each_instrument_names_its_own_missing_input_also_after_the_start():
    """QE-01: the first that is warm ends the start; the other one is not "empty", it waits."""
    stage = Stage(instruments=(ETH, BTC), config=TraderConfig(desk=DeskConfig(engine=replace(AT_ONCE))))
    stage.core.desks[BTC.id].engine._warmup_timeout = s(20)
    stage.begin().run(s(10))
    waiting = stage.core.desks[BTC.id]
    assert (stage.core.phase, waiting.gate, waiting.targets) == ("quoting", "warming: kappa", None)
    assert {action.instrument for action in stage.actions(Place)} == {ETH.id}
    stage.run(s(30))
    assert waiting.gate is None
    assert stage.is_two_sided(BTC)


def test_a_desk_that_is_warm_before_the_start_goes_on_still_waits():
    """C-01: the position is read again first; nothing is sent between the last input and that answer."""
    stage = Stage(down=ms(900)).begin()
    stage.run_until(lambda: stage.core.start_up.state is S.CONFIRM_POSITION)
    assert (stage.core.phase, stage.desk.gate, stage.actions(Place)) == ("starting", "starting", [])


def test_a_kill_of_an_earlier_life_keeps_the_hands_off():
    """RK-19: restart keeps it; nothing is placed until a person resets it."""
    stage = Stage()
    stage.begin(later_life(kill="loss")).run(s(30))
    assert (stage.actions(Place), stage.core.phase) == ([], "kill")


# --- intents of earlier lives -------------------------------------------------------------------


@pytest.mark.parametrize("fate", ["rests", "never arrived", "filled", "partly filled", "cancelled"])
def test_intents_of_an_earlier_life_are_settled(fate):
    """S11, S13, S30: whatever became of it, in the end nothing is in doubt and the position is right."""
    stage = Stage()
    if fate != "never arrived":
        oid = stage.venue.stray(BUY, MID - 5 * TICK, 10, cloid=cloid(71))
        if fate == "filled":
            stage.venue.take(SELL, 10)
        elif fate == "partly filled":
            stage.venue.take(SELL, 4)
        elif fate == "cancelled":
            stage.venue._cancel(Cancel(ETH.id, None, oid))
    intent = RestoredOrder(ETH.id, cloid(71), BUY, Px(MID - 5 * TICK), Sz(10), s(3))
    stage.begin(later_life(orders=(intent,)))
    stage.run(s(30))
    assert stage.is_agreed()
    assert stage.is_two_sided()
    assert stage.desk.tracker.find(cloid(71), None).is_settled
    assert stage.desk.inventory.position == {"filled": 10, "partly filled": 4}.get(fate, 0)
    assert len(stage.actions(QueryOrder)) <= 6


@pytest.mark.parametrize("fate", ["never arrived", "filled", "cancelled"])
def test_intents_of_an_earlier_life_are_asked_after_while_the_start_warms_up(fate):
    """S15, C-15: a long warm-up must not keep the dead as exposure, cancelled again and again and never asked after."""
    stage = Stage(TraderConfig())
    if fate != "never arrived":
        oid = stage.venue.stray(BUY, MID - 5 * TICK, 10, cloid=cloid(71))
        stage.run(s(1))
        if fate == "filled":
            stage.venue.take(SELL, 10)
        else:
            stage.venue._cancel(Cancel(ETH.id, None, oid))
    stage.run(s(5))
    intent = RestoredOrder(ETH.id, cloid(71), BUY, Px(MID - 5 * TICK), Sz(10), s(3))
    stage.begin(later_life(orders=(intent,)))
    stage.run(s(15))
    assert stage.core.phase == "warming"
    assert stage.desk.tracker.find(cloid(71), None).is_settled
    assert stage.desk.tracker.fillable_exposure() == (0, 0)
    assert stage.desk.inventory.position == stage.venue.position()
    assert (fate != "filled") <= len(stage.actions(QueryOrder)) <= 5
    stage.run(s(40))
    assert stage.is_two_sided()
    assert stage.is_agreed()


def test_an_intent_partly_filled_in_an_earlier_life_does_not_pass_for_resting():
    """Its fill is fetched, and it stands where a target is: it must not be kept as if it were on the book."""
    first = Stage().begin().run(s(3))
    best = max((o.place for o in first.venue.resting() if o.place.side is BUY), key=lambda place: place.px)
    stage = Stage()
    oid = stage.venue.stray(BUY, best.px, best.sz + 4, cloid=cloid(71))
    stage.venue.take(SELL, 4)
    stage.venue._cancel(Cancel(ETH.id, None, oid))
    intent = RestoredOrder(ETH.id, cloid(71), BUY, best.px, Sz(best.sz + 4))
    stage.begin(later_life(orders=(intent,))).run(s(20))
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_trade_ids_of_earlier_lives_that_are_forgotten_leave_a_watermark():
    """FL-04: whatever is no newer than what the life before knew in full cannot be new."""
    config = TraderConfig(fills=FillsConfig(capacity=1))
    stage = Stage(config).begin(later_life(tids=(Tid(1), Tid(2)), fills_since=s(5)))
    assert stage.core.fills.dedup.watermark == s(5)


def test_trade_ids_of_earlier_lives_are_not_booked_again():
    """S2: over all process lives."""
    stage = Stage()
    stage.venue.stray(BUY, MID - 5 * TICK, 10)
    stage.venue.take(SELL, 10)
    told = stage.venue.fills[0]
    ledger = RestoredLedger(ETH.id, 10, Usd(stage.venue.cash), told.fee)
    stage.begin(later_life(ledgers=(ledger,), tids=(Tid(told.tid),), fills_since=Ns(told.exch_time)))
    stage.run(s(5))
    assert (stage.desk.inventory.position, stage.desk.inventory.fills) == (10, 0)
