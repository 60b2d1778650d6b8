"""The journal of the real core, folded: the next life begins with the very ledger that the last one had."""

from dataclasses import replace

import pytest

from domain.commands import (
    TRADING,
    Cancel,
    Connect,
    Disconnect,
    Place,
    QueryFills,
    QueryPositions,
    QueryQuota,
    RecordAdjustments,
    RecordForgiven,
    Request,
    Route,
    Subscribe,
)
from domain.events import (
    ClockSync,
    Feed,
    Fill,
    LiquidationMark,
    LiquidationMethod,
    NotSent,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    PositionsReport,
    PositionsReported,
    QuotaReport,
    Reason,
    Refused,
    Replied,
    Restored,
    RestoredQuota,
)
from domain.units import USD, Cloid, Ns, Oid, Px, RequestId, Sz, Tif, Usd
from orchestrator.budget.proactive import BudgetConfig
from orchestrator.desk.inventory import Inventory
from runtime.fold import fold
from runtime.journal_format import Decided, Header, Opened, Took
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, ms, s
from tests.orchestrator.messages import fill as fill_told
from tests.orchestrator.tiny_venue import QUICK, Stage, heal, quoting

COMMANDS = (RecordAdjustments, RecordForgiven, Request, Connect, Disconnect, Subscribe)


def restored(stage: Stage) -> Restored:
    """The fold of everything that went into the core and came out of it."""
    records = [
        Decided(at, (entry,)) if isinstance(entry, COMMANDS) or type(entry).__name__ == "Alert" else Took(at, entry)
        for at, entry in stage.story
    ]
    return fold([Opened(Header(seed=9)), *records])


def loses_fills(stage: Stage) -> None:
    """Neither the stream nor a query tells of any fill."""
    stage.venue.faults.drops = lambda event: isinstance(event, Fill)
    stage.venue.faults.answers = lambda action: (
        stage.venue._execute(QueryFills(s(10_000))) if isinstance(action, QueryFills) else None
    )


def next_ledger(stage: Stage) -> Inventory:
    """What the next life would begin with."""
    inventory = Inventory()
    (ledger,) = restored(stage).ledgers
    inventory.continue_from(ledger)
    return inventory


def same(mine: Inventory, theirs: Inventory) -> bool:
    names = ("position", "cash", "fees", "adjustments", "adjusted_value")
    return all(getattr(mine, name) == getattr(theirs, name) for name in names)


@pytest.mark.parametrize("arrived", ["nothing", "a part", "all"])
def test_a_restatement_reaches_the_next_life(arrived):
    """Architecture 7: position, cash, fees and what is outstanding, whatever of the late fills has come."""
    stage = quoting()
    stage.venue.take(BUY, 3)
    stage.run_for(s(1))
    loses_fills(stage)
    stage.venue.take(SELL, 13)
    stage.venue.take(BUY, 4)
    stage.run_for(s(12))
    inventory = stage.desk.inventory
    assert (inventory.restatements, inventory.adjusted_lots, inventory.position) == (1, 9, 6)
    late = [fill for fill in stage.venue.fills if fill.tid not in stage.core.fills.dedup._seen]
    for fill in {"nothing": [], "a part": late[:1], "all": late}[arrived]:
        stage._take(fill)
    assert inventory.position == 6
    assert inventory.undone_lots == {"nothing": 0, "a part": late[0].sz, "all": sum(f.sz for f in late)}[arrived]
    assert same(next_ledger(stage), inventory)
    if arrived == "all":
        assert inventory.cash == stage.venue.cash


def test_the_next_life_undoes_what_the_last_one_adjusted():
    """The whole way: lost fills, restated, dead; the next life fetches the fills and its cash is the venue's."""
    stage = quoting()
    loses_fills(stage)
    stage.venue.take(SELL, 13)
    stage.run_for(s(12))
    told = restored(stage)
    assert told.ledgers[0].adjustments[0].lots == 13
    stage.crash()
    heal(stage)
    stage.begin(told)
    assert restored(stage).ledgers == told.ledgers  # a life that dies at once hands on what it was given
    stage.run_for(s(30))
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.adjusted_lots, inventory.undone_lots) == (13, 0, 13)
    assert inventory.cash == stage.venue.cash
    assert inventory.position == inventory.opening_position + 13
    assert stage.is_two_sided()


def test_a_statement_of_before_the_last_fill_of_an_earlier_life_is_not_compared():
    """S1: the venue's answer is late, and lacks a fill that an earlier life has booked: that is no drift."""
    stage = quoting()
    stage.venue.take(SELL, 13)
    stage.run_for(s(2))
    told = restored(stage)
    assert (told.ledgers[0].position, told.fills_until) == (13, stage.venue.fills[-1].exch_time)
    stage.crash()
    old = PositionsReport(Ns(told.fills_until - ms(1)), (), Usd(0))
    stage.venue.faults.answers = lambda action: old if isinstance(action, QueryPositions) else None
    stage.venue.faults.drops = lambda event: isinstance(event, PositionsReported)
    stage.begin(told).run_for(s(5))
    assert (stage.desk.inventory.position, stage.told("position_drift")) == (13, [])
    again = restored(stage)
    assert (again.life, again.fills_until) == (3, told.fills_until)
    heal(stage)
    stage.run_for(s(30))
    assert stage.is_agreed()
    assert stage.desk.inventory.restatements == 0
    assert stage.is_two_sided()


def test_what_the_account_had_before_us_is_valued_once_for_all_lives():
    """RK-13, OL-25: valued anew at another price it would be a loss that nobody made, or hide one."""
    stage = Stage(max_position=2_000)
    stage.venue.positions[ETH.id] = 300
    stage.begin().run_for(s(10))
    stage.venue.quote(MID * 98 // 100 // TICK * TICK)
    stage.run_for(s(2))
    lost = stage.core.risk.account.pnl
    assert lost < -300 * MID * 0.02
    told = restored(stage)
    assert (told.ledgers[0].opening, told.ledgers[0].opening_value) == (300, 300 * MID)
    stage.crash()
    stage.begin(told).run_for(s(10))
    assert stage.core.risk.account.pnl == pytest.approx(lost, rel=0.01)
    assert restored(stage).ledgers[0].opening_value == 300 * MID


def test_a_liquidation_that_nobody_lived_to_decide_on_kills_the_next_life():
    """C-19: the fill is in the journal, the process died before its decision was, and the next life knows the fill."""
    stage = quoting()
    forced = fill_told(900, BUY, 3, MID, at=stage.now, liquidation=LiquidationMark(LiquidationMethod.MARKET, Px(MID)))
    stage.story.append((stage.now, forced))
    told = restored(stage)
    assert forced.tid in told.tids
    stage.crash()
    stage.begin(told).run_for(s(5))
    assert stage.core.kill_switch.reason == "liquidation: ETH BUY closed by force (market)"
    assert restored(stage).kill == stage.core.kill_switch.reason
    assert restored(stage).liquidated is None


def test_a_liquidation_that_only_an_answer_tells_of_kills_and_so_does_the_next_life():
    """C-19: the stream lost the news; the status that was asked for says why the order is gone."""
    stage = quoting()
    at, end = stage.now, (OrderStatus.CANCELED, Reason.LIQUIDATED)
    update = OrderUpdate(ETH.id, at, at, Oid(1), None, BUY, Px(MID), Sz(3), Sz(3), *end)
    report = OrderStatusReport(stage.now, update)
    answer = Replied(RequestId(10_000), stage.now, (report,))
    stage.core.apply(answer, stage.now)
    assert stage.core.kill_switch.reason == "liquidation: ETH order 1 cancelled for lack of margin"
    stage = quoting()
    stage.story.append((stage.now, answer))
    told = restored(stage)
    stage.crash()
    stage.begin(told).run_for(s(5))
    assert stage.core.kill_switch.reason == "liquidation: ETH order 1 cancelled for lack of margin"


def test_the_clock_of_one_life_does_not_judge_the_messages_of_the_next():
    """After a reboot a monotonic clock begins anew, and every stamp would be of a far future."""
    day = 86_400
    far = s(1_000 * day)
    records = [
        Opened(Header(seed=7)),
        Took(s(10), Restored(1, 7)),
        Took(s(30 * day), ClockSync(Ns(far - s(30 * day)), Ns(0))),
        Took(s(5), Restored(2, 8, clean_stop=False)),
        Took(s(6), fill_told(1, BUY, 3, MID, at=Ns(far + s(100)))),
    ]
    assert fold(records).tids == (1,)


def test_history_stays_history_in_every_life():
    """X-09: fills of before the first statement that come late are booked by neither core nor fold, then or later."""
    stage = Stage()
    stage.venue.stray(BUY, 99_000, 30)
    stage.run(s(30))
    stage.venue.take(SELL, 10)
    stage.venue.fills_replayed = 0
    history = stage.venue.fills[0]
    stage.begin().run_for(s(5))
    opened_at = stage.core.fills.opening_as_of
    assert opened_at >= history.exch_time
    stage._take(history)
    told = restored(stage)
    assert (told.opened_at, told.ledgers[0].position, told.ledgers[0].cash) == (opened_at, 10, 0)
    stage.crash()
    unseen = Restored(**{name: getattr(told, name) for name in told.__struct_fields__} | {"tids": ()})
    stage.begin(unseen).run_for(s(5))
    stage._take(history)
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.fills, stage.core.fills.before_opening) == (10, 0, 1)


@pytest.mark.parametrize("died_after_ms", [1, 60, 120])
def test_a_life_that_dies_before_it_read_the_account_leaves_that_to_the_next(died_after_ms):
    """X-09, F-CRASH in the start-up: else the whole history of the account would count as ours."""
    stage = Stage()
    stage.venue.stray(BUY, 99_000, 30)
    stage.run(s(30))
    stage.venue.take(SELL, 10)
    stage.begin().run_for(ms(died_after_ms))
    told = restored(stage)
    assert (told.life, told.opened_at, told.is_unread) == (2, -1, True)
    stage.crash()
    stage.begin(told).run_for(s(20))
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.opening_position, inventory.fills) == (10, 10, 0)
    again = restored(stage)
    assert (again.ledgers[0].position, again.ledgers[0].opening, again.ledgers[0].cash) == (10, 10, 0)
    assert again.opened_at > 0


def test_a_record_of_adjustments_is_made_once_for_each_change():
    """The journal holds what changed, not a copy for every event; each record is the whole of it."""
    stage = quoting()
    stage.venue.adjust(ETH, 37)
    stage.run_for(s(20))
    records = [entry for _, entry in stage.story if isinstance(entry, RecordAdjustments)]
    assert [(r.instrument, [a.lots for a in r.adjustments]) for r in records] == [(ETH.id, [37])]
    assert stage.desk.inventory.stated_at > Ns(0)
    assert ms(1) < stage.now


def test_a_life_cancels_what_it_inherits_before_it_hears_anything():
    """S20, EL-02: nobody has looked after these orders since the last life died, and to connect may take long."""
    stage = quoting()
    told = restored(stage)
    resting = {order.place.cloid for order in stage.venue.resting()}
    assert resting
    stage.crash()
    stage.venue.faults.refuses_connections = {Feed.USER, Feed.MARKET}
    stage.begin(told).run_for(s(1))
    assert {action.cloid for action in stage.actions(Cancel)} >= resting
    assert stage.venue.resting() == []


# --- the allowance ------------------------------------------------------------------------------


def counted(stage: Stage) -> RestoredQuota:
    budget = stage.core.budget
    return RestoredQuota(budget.used, budget.traded)


def told_of_quota(used: int, traded: int = 0):
    """Answers to the question for the allowance; what else is asked the venue answers itself."""
    return lambda action: (
        QuotaReport(s(10_000), Usd(traded * USD), used, 10_000 + traded) if isinstance(action, QueryQuota) else None
    )


@pytest.mark.parametrize("lie", [None, (9_000, 0), (90_000, 0), (50, 5_000_000)])
def test_the_count_of_actions_reaches_the_next_life(lie):
    """Fold and core count by the same rules, whatever the venue says, and whatever is believed of it."""
    stage = Stage(config=replace(QUICK, budget=BudgetConfig(ask_every_s=20))).begin()
    stage.run(s(15))
    if lie is not None:
        stage.venue.faults.answers = told_of_quota(*lie)
    for _ in range(12):
        stage.venue.take(BUY, 3)
        stage.run_for(s(5))
        assert restored(stage).quota == counted(stage)
    told = restored(stage)
    stage.crash()
    stage.venue.faults.answers = lambda action: None
    before = len(stage.actions(TRADING))
    stage.begin(told)
    assert counted(stage).traded == told.quota.traded
    assert counted(stage).used == told.quota.used + len(stage.actions(TRADING)) - before
    assert restored(stage).quota == counted(stage)
    stage.run_for(s(60))
    assert restored(stage).quota == counted(stage)


def test_a_life_without_an_answer_goes_on_with_the_count_of_the_last_one():
    """9,990 of 10,000 are used, the process dies, and the next one hears nothing of its allowance."""
    refused = Refused(Reason.HALTED, "")
    stage = Stage(config=replace(QUICK, budget=BudgetConfig(ask_every_s=20)))
    stage.venue.faults.answers = told_of_quota(9_950)
    stage.begin().run(s(5))
    assert stage.core.snapshot().quota_left <= 50
    left = stage.core.snapshot().quota_left
    told = restored(stage)
    stage.crash()
    stage.venue.faults.answers = lambda action: refused if isinstance(action, QueryQuota) else None
    low = stage.alerts.count("quota_low")
    stage.begin(told).run_for(s(30))
    assert stage.core.snapshot().quota_left <= left
    assert stage.alerts.count("quota_low") == low + 1


def test_journals_of_before_the_count_was_handed_on_tell_it_all_the_same():
    """Their lives began from nothing each; what they sent still counts at the venue."""
    place = (Place(ETH.id, Cloid("a"), BUY, Px(1), Sz(1), Tif.ALO),)
    lives = [
        record
        for life in (1, 2, 3)
        for record in (
            Opened(Header(seed=9)),
            Took(0, Restored(life, 7)),
            Decided(1, (Request(life, Route.SOCKET, 1, None, place),)),
        )
    ]
    assert fold(lives).quota == RestoredQuota(3, Usd(0))
    assert fold([*lives, Took(2, NotSent(3, Reason.OTHER, 2))]).quota == RestoredQuota(2, Usd(0))


def test_the_allowance_is_that_of_the_life_that_was_told_it():
    """A report is judged by the limits of its header: an account of a hundred thousand actions is no lie there."""
    config = {"budget": {"limits": {"address": {"initial": 100_000}}}}
    report = Took(5, Replied(1, s(1), (QuotaReport(s(1), Usd(0), 60_000, 100_000),)))
    assert fold([Opened(Header(seed=9, config=config)), Took(0, Restored(1, 7)), report]).quota.used == 60_000


def test_an_allowance_that_cannot_be_is_not_handed_on():
    """A journal is read by anybody."""
    stage = Stage().begin(Restored(2, 7, quota=RestoredQuota(-5, Usd(0))))
    assert counted(stage) == RestoredQuota(0, Usd(0))
