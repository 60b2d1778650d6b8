"""The periodic audit: what it counts, what it starts, and that it takes nothing for gone (RS-21..33, C-14)."""

from collections import Counter
from dataclasses import replace

import pytest

from domain.commands import Cancel, Place, QueryOpenOrders, QueryOrder, QueryPositions
from domain.events import (
    Feed,
    Fill,
    OpenOrdersReport,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
)
from domain.orders import Certainty, InFlight, OrderState
from domain.units import Ns, Pos, Sz
from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.risk.stance import Stance
from orchestrator.sync.auditor import AuditConfig, AuditResult
from orchestrator.sync.exposure_warning import ExposureWarning, check_pending_exposure_risk
from orchestrator.sync.watch import SyncConfig
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, ms, s
from tests.orchestrator.tiny_venue import Stage, heal, quoting

CALM = AuditResult(at=Ns(0))


def audited(**changes) -> TraderConfig:
    """A trader with an audit like this and no other periodic look."""
    return TraderConfig(
        desk=DeskConfig(engine=AT_ONCE),
        budget=None,
        dead_man=None,
        margin=None,
        supervisor=None,
        sync=SyncConfig(reconciliation=None, health=None, audit=AuditConfig(**changes)),
    )


def audit(stage: Stage) -> AuditResult:
    """What the latest audit says, as people see it."""
    found = stage.core.snapshot().audit
    assert found is not None
    return found


def unheard(stage: Stage) -> Stage:
    """Statuses are lost."""
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    return stage


# --- when ---------------------------------------------------------------------------------------


def test_twelve_audits_in_a_silent_minute():
    """EL-10: with no message for a minute there are twelve, and the figures are of now."""
    stage = quoting(config=audited(list_s=None))
    stage._heap.clear()  # the market's next words are never spoken
    before, start = stage.core.snapshot().audits, stage.now
    stage.run_for(s(60))
    told = stage.core.snapshot()
    assert told.audits - before == 12
    assert told.audit.at > start + s(55)
    assert told.audit.is_synced
    assert not told.audit.has_issues
    assert stage.actions(QueryOpenOrders, since=start) == []


def test_a_list_is_asked_for_in_its_own_period():
    """What it costs at the venue: three lists a minute."""
    stage = quoting(config=audited())
    start = stage.now
    stage.run_for(s(61))
    assert len(stage.actions(QueryOpenOrders, since=start)) == 3
    assert stage.core.snapshot().order_lists_read == 3
    assert stage.core.snapshot().audits_with_issues == 0


def test_the_list_of_a_sound_account_changes_nothing():
    """Known orders that rest are no news: no cycle is due for them, and nothing is sent."""
    stage = quoting(config=audited(list_s=5.0))
    stage.run_for(s(4))
    cycles, start = stage.desk.cycles, stage.now
    stage.run_for(ms(1_500))
    assert stage.core.snapshot().order_lists_read == 1
    assert stage.actions((Place, Cancel, QueryOrder), since=start) == []
    assert stage.desk.cycles - cycles <= 1


@pytest.mark.parametrize("how", ["lost", "mute", "empty", "refused"])
def test_a_list_that_does_not_come_says_nothing(how):
    """S21: missing is not zero; every order is as it was, and the list is asked for again at the next audit."""
    stage = quoting(config=audited(list_s=5.0))
    if how == "refused":
        stage.venue.faults.answers = lambda a: Refused(Reason.OTHER, "busy") if isinstance(a, QueryOpenOrders) else None
    else:
        stage.venue.faults.fate = lambda r: how if isinstance(r.actions[0], QueryOpenOrders) else None
    start = stage.now
    stage.run_for(s(30))
    assert len(stage.actions(QueryOpenOrders, since=start)) >= 3
    assert stage.core.snapshot().order_lists_read == 0
    assert all(o.certainty is Certainty.KNOWN for o in stage.desk.tracker.orders.values())
    assert stage.is_two_sided()


def test_a_venue_that_is_asked_too_much_is_not_asked_for_lists():
    """S24: lists are the dearest of the questions, and nobody waits for them."""
    stage = quoting(config=replace(audited(list_s=5.0), budget=TraderConfig().budget))
    stage.core.budget.rate_limited.hit(stage.now)
    stage.core.budget.rate_limited.until = Ns(stage.now + s(20))
    start = stage.now
    stage.run_for(s(19))
    assert stage.actions(QueryOpenOrders, since=start) == []
    stage.run_for(s(1.2))
    assert stage.actions(QueryOpenOrders, since=start), "as soon as it may be asked again"


def test_an_allowance_that_is_used_up_holds_no_list_back():
    """S24: it counts what trades; orphans are looked for while nothing may be placed."""
    stage = quoting(config=replace(audited(list_s=5.0), budget=TraderConfig().budget))
    budget, start = stage.core.budget, stage.now
    budget.exhausted.until, budget.rate_limited.until = Ns(start + s(300)), Ns(start + s(20))
    stage.run_for(s(19.9))
    assert stage.actions(QueryOpenOrders, since=start) == []
    stage.run_for(s(0.2))
    assert len(stage.actions(QueryOpenOrders, since=start)) == 1


# --- what it finds ------------------------------------------------------------------------------


def test_an_order_that_ended_unheard_is_found_asked_about_and_removed():
    """RS-26, RS-27: not listed is a question; the answer ends it, and the audit says so."""
    stage = unheard(quoting(config=audited(list_s=5.0)))
    gone = min(stage.venue.resting(), key=lambda o: o.place.px)
    stage.venue._cancel(Cancel(ETH.id, None, gone.oid))
    stage.run_for(s(5) + ms(200))
    assert stage.desk.tracker.find(gone.place.cloid, None).state is OrderState.CANCELLED
    stage.run_for(s(5))
    removed = [r for r in results(stage) if r.stale_local_removed]
    assert [r.stale_local_removed for r in removed] == [1]
    assert removed[0].is_synced
    assert removed[0].has_issues
    assert stage.is_agreed()


def results(stage: Stage) -> list[AuditResult]:
    """Every audit of a stage from here on back is not kept: the latest, and those that a tap saw."""
    return stage.audits if hasattr(stage, "audits") else [audit(stage)]


def watched(stage: Stage) -> Stage:
    """Keep every audit."""
    stage.audits = []

    def tap(event, commands):
        last = stage.core.sync.auditor.last
        if last is not None and (not stage.audits or stage.audits[-1] is not last):
            stage.audits.append(last)

    stage.taps.append(tap)
    return stage


def test_the_lists_of_a_lagging_server_take_nothing_for_gone():
    """C-14: a list claims to be of now and is four seconds old: orders since then are safe, none is cancelled."""
    stage = watched(quoting(config=audited(every_s=1.0, list_s=1.0)))
    lists = []

    def remember():
        lists.append((stage.now, stage.venue._execute(QueryOpenOrders())))
        stage.later(ms(50), remember)

    remember()

    def answers(action):
        if not isinstance(action, QueryOpenOrders):
            return None
        then = next((r for at, r in reversed(lists) if at <= stage.now - s(4)), None)
        return None if then is None else OpenOrdersReport(stage.now, then.orders)

    stage.run_for(s(4))
    stage.venue.faults.answers = answers
    for number in range(10):
        stage.venue.quote(MID + (number % 3) * 40 * TICK)
        stage.run_for(s(1))
    told = stage.core.snapshot()
    assert (told.orphans_cancelled, sum(r.stale_local_removed for r in stage.audits)) == (0, 0)
    heal(stage)
    stage.run_for(s(8))
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_an_order_younger_than_the_margin_need_not_be_listed():
    """C-14: what happened in the two seconds before a list was made it may not know: no question, no doubt."""
    stage = quoting(config=audited(list_s=None))
    hidden = stage.venue._execute(QueryOpenOrders())
    empty = OpenOrdersReport(stage.now, ())
    orders, asked_at = stage.core.sync.orders, stage.now
    youngest = max(o.state_changed_at for o in stage.desk.tracker.orders.values())
    assert hidden.orders
    orders.take(empty, Ns(youngest + s(2)), stage.now, s(2))
    assert orders.missing == 0
    orders.take(empty, Ns(youngest + s(2) + 1), asked_at, s(2))
    assert orders.missing == len(hidden.orders)


def test_a_list_of_the_past_by_its_own_stamp_is_judged_by_it():
    """C-14: where the venue's clock is known, a list is as old as it says, whenever it was asked for."""
    stage = quoting(config=audited(list_s=None))
    for desk in stage.core.desks.values():
        desk.market.clock = type("Clock", (), {"offset": Ns(0)})()
    youngest = max(o.state_changed_at for o in stage.desk.tracker.orders.values())
    stage.core.sync.orders.take(OpenOrdersReport(Ns(youngest), ()), Ns(youngest + s(60)), stage.now)
    assert stage.core.sync.orders.missing == 0


def test_placements_that_never_arrived_are_counted_while_asked_about_and_when_removed():
    """RS-23: waiting too long leads to questions; who is removed is known never to have arrived."""
    stage = watched(quoting(config=audited(every_s=1.0, list_s=None)))
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], Place | QueryOrder) else None
    stage.venue.take(SELL, 30)
    stage.run_for(s(8))
    pending = [o for o in stage.desk.tracker.orders.values() if o.state is OrderState.PENDING_NEW]
    assert 0 < audit(stage).stale_pending <= len(pending)
    assert not audit(stage).is_synced
    heal(stage)
    stage.run_for(s(25))
    assert sum(r.stale_pending_removed for r in stage.audits) >= len(pending)
    assert audit(stage).is_synced


def test_a_cancelled_order_whose_final_size_nobody_tells_is_cleaned_up():
    """RS-22, C-03: five seconds for its fills, then it is let go, and counted."""
    stage = watched(quoting(config=audited(every_s=1.0, list_s=None)))
    unheard(stage)
    stage.venue.faults.answers = lambda a: OrderStatusReport(stage.now, None) if isinstance(a, QueryOrder) else None
    stage.venue.quote(MID + 60 * TICK)
    stage.run_for(s(20))
    assert sum(r.orders_cleaned for r in stage.audits) > 0


# --- cancels without effect ---------------------------------------------------------------------


def stuck(stage: Stage) -> Stage:
    """Cancels get lost, and so does every question after the orders."""
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], Cancel | QueryOrder) else None
    stage.core.ledger._user_feed.on_unanswered = lambda *_: None
    stage.venue.quote(MID + 60 * TICK)
    return stage


def test_a_cancel_without_effect_is_sent_once_more_and_then_told():
    """RS-24: after thirty seconds again, once; after thirty more people hear of it, once."""
    stage = watched(quoting(config=audited(list_s=None)))
    stuck(stage).run_for(s(29))
    first = {a.cloid for a in stage.actions(Cancel)}
    start = stage.now
    assert first
    stage.run_for(s(8))
    assert {a.cloid for a in stage.actions(Cancel, since=start)} == first
    assert audit(stage).stuck_cancels == len(first)
    assert stage.core.snapshot().cancels_resent == len(first)
    start = stage.now
    stage.run_for(s(60))
    assert stage.actions(Cancel, since=start) == []
    assert len(stage.told("stuck_cancel")) == len(first)
    assert "sent again once" in stage.told("stuck_cancel")[0].text
    heal(stage)
    stage.run_for(s(40))
    assert audit(stage).stuck_cancels == 0
    assert stage.is_agreed()


def test_a_cancel_that_is_under_way_is_not_doubled():
    """Somebody has just sent it again: the audit waits with people for what comes of that."""
    stage, waiting = under_way()
    assert audit(stage).stuck_cancels == len(waiting) > 0
    assert stage.core.snapshot().cancels_resent == 0


def under_way() -> tuple[Stage, list]:
    """Cancels without effect for more than thirty seconds, and a second one of each is under way."""
    stage = quoting(config=audited(list_s=None))
    stuck(stage).run_for(s(29))
    waiting = [o for o in stage.desk.tracker.orders.values() if o.state is OrderState.CANCEL_PENDING]
    for order in waiting:
        order.in_flight = InFlight.CANCEL
    stage.run_for(s(8))
    return stage, waiting


def test_a_cancel_that_was_under_way_is_sent_again_once_it_is_not():
    """RS-24 (review, item 17): it counted as sent again although nothing was, and was never sent again."""
    stage, waiting = under_way()
    for order in waiting:
        order.in_flight = InFlight.NONE
    stage.run_for(s(6))
    assert stage.core.snapshot().cancels_resent == len(waiting)
    stage.run_for(s(60))
    assert stage.core.snapshot().cancels_resent == len(waiting)
    assert [alert.text.endswith("sent again once") for alert in stage.told("stuck_cancel")] == [True] * len(waiting)


def test_people_hear_of_a_cancel_that_is_under_way_for_ever():
    """RS-24: told in time, and told the truth: the audit has sent nothing."""
    stage, waiting = under_way()
    stage.run_for(s(60))
    told = [alert.text.rpartition(", ")[2] for alert in stage.told("stuck_cancel")]
    assert told == ["the last one is under way"] * len(waiting)


def test_a_cancel_that_finds_nothing_is_not_sent_a_fourth_time():
    """S25, storm, seed 1158: the desk has tried three times; the audit has nothing to add, and says so."""
    stage = quoting(config=audited(list_s=None))

    def answers(action):
        if isinstance(action, Cancel):
            return Refused(Reason.NOT_OPEN, "never placed, cancelled or filled")
        return OrderStatusReport(stage.now, None) if isinstance(action, QueryOrder) else None

    stage.venue.faults.answers = answers
    stage.core.sync.resync.request = lambda *_, **__: None  # nothing is concluded
    stage.venue.faults.refuses_connections = {Feed.MARKET}
    stage.venue.cut(Feed.MARKET)
    start = stage.now
    stage.run_for(s(60))
    sent = Counter(action.cloid for action in stage.actions(Cancel, since=start))
    assert set(sent.values()) == {3}
    assert stage.core.snapshot().cancels_resent == 0
    stage.run_for(s(6))
    told = [alert.text.rpartition(", ")[2] for alert in stage.told("stuck_cancel")]
    assert told == ["the venue finds nothing to cancel"] * len(sent)


def test_a_second_cancel_that_works_ends_it():
    """The way is free again for cancels alone: nothing else would try."""
    stage = quoting(config=audited(list_s=None))
    stuck(stage).run_for(s(20))
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryOrder) else None
    left = {a.cloid for a in stage.actions(Cancel)}
    stage.run_for(s(16))
    assert not {o.place.cloid for o in stage.venue.resting()} & left
    assert stage.told("stuck_cancel") == []


def test_without_it_the_cancel_is_never_repeated():
    """The counterpart: switched off, the orders rest on."""
    stage = quoting(config=audited(list_s=None, stuck_cancel_s=None))
    stuck(stage).run_for(s(20))
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryOrder) else None
    left = {a.cloid for a in stage.actions(Cancel)}
    stage.run_for(s(60))
    assert {o.place.cloid for o in stage.venue.resting()} & left


# --- the verdict --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "is_synced", "has_issues"),
    [
        ({}, True, False),
        ({"stale_pending": 1}, False, True),
        ({"stuck_cancels": 1}, False, True),
        ({"orphan_orders": 1}, False, True),
        ({"stale_local": 1}, False, True),
        ({"is_drifting": True}, False, True),
        ({"orders_cleaned": 1}, True, True),
        ({"stale_pending_removed": 1}, True, True),
        ({"stale_local_removed": 1}, True, True),
        ({"exposure_warnings": ("x",)}, True, True),
        ({"reduce_only_active": True, "reduce_only_reason": "x"}, True, False),
    ],
)
def test_what_counts_as_a_difference_and_what_as_an_issue(changes, is_synced, has_issues):
    """RS-27, RS-29: a truth table; to reduce only is a state, not a difference."""
    result = replace(CALM, **changes)
    assert (result.is_synced, result.has_issues) == (is_synced, has_issues)


def test_what_is_not_synced_is_read_as_a_whole_once():
    """RS-30: the audit that finds a difference first has everything compared; those that find it again do not."""
    stage = quoting(config=replace(audited(list_s=None), sync=SyncConfig(health=None, audit=AuditConfig(list_s=None))))
    manual = stage.core.sync.reconciler.triggers
    stuck(stage).run_for(s(60))
    assert manual["manual"] == 1
    assert stage.core.resync.runs >= 1


def test_a_drift_is_a_difference_until_it_is_resolved():
    """RS-27: the position is known to be wrong while the fills are looked for."""
    config = TraderConfig(desk=DeskConfig(engine=AT_ONCE), margin=None, sync=SyncConfig(audit=AuditConfig(every_s=0.5)))
    stage = watched(quoting(config=config))
    stage.venue.faults.drops = lambda event: isinstance(event, Fill | OrderUpdate)
    stage.venue.faults.fate = lambda r: "lost" if type(r.actions[0]).__name__ == "QueryFills" else None
    stage.venue.take(SELL, 30)
    stage.run_for(s(5))
    assert audit(stage).is_drifting
    assert not audit(stage).is_synced
    heal(stage)
    stage.run_for(s(10))
    assert audit(stage).is_synced


def without_risk(stage: Stage) -> None:
    """What the test has set stands: risk does not look again."""
    core = stage.core
    core._deadlines = [ask for ask in core._deadlines if ask != core.risk.deadline]
    core.risk.look = lambda now: None


def test_reducing_only_is_reported_with_side_and_reason():
    """RS-28: who closed which side."""
    stage = quoting(config=audited(list_s=None))
    stage.venue.take(SELL, 30)
    stage.run_for(s(1))
    stage.desk.take_stance(Stance(reduce_only=True), stage.now)
    without_risk(stage)
    stage.run_for(s(6))
    found = audit(stage)
    assert found.reduce_only_active
    assert found.reduce_only_reason.startswith("ETH: every BUY that adds to 0.3 is closed")


# --- the worst case -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "limit", "sides"),
    [(0, 100, []), (60, 100, [BUY]), (-60, 100, [SELL]), (0, 30, [BUY, SELL])],
)
def test_the_worst_case_against_the_limit(position, limit, sides):
    """RS-31: neither, long, short, both; 50 lots may fill on each side."""
    bench = Bench(max_position=1_000)
    bench.quote(s(1))
    bench.answer(s(1) + ms(50))
    desk = bench.desk
    bid, ask = desk.tracker.fillable_exposure()
    desk.limit.lots = Sz(limit * bid // 50)
    desk.inventory.position = Pos(position * bid // 50)
    assert bid == ask > 0
    found = check_pending_exposure_risk(desk)
    assert list(found) == sides
    assert all(f"if every {side.name} fills" in text for side, text in found.items())


def test_without_a_limit_there_is_nothing_to_breach():
    """Before the limits are known nothing rests either."""
    bench = Bench()
    bench.desk.limit.lots = Sz(0)
    assert check_pending_exposure_risk(bench.desk) == {}


def test_a_breach_is_told_once_a_minute_for_each_side():
    """RS-32: of many audits, people hear of one a minute and side."""
    alerts = []
    warning, bench = ExposureWarning(s(60), alerts.append), Bench()
    for second in range(0, 121, 5):
        found = {BUY: "long"} if second < 30 else {BUY: "long", SELL: "short"}
        warning.log_pending_exposure_warning(bench.desk, found, s(second))
    assert [alert.text for alert in alerts] == ["long", "short", "long", "short", "long"]
    assert {alert.name for alert in alerts} == {"pending_exposure"}
    assert warning.told == 5


def test_a_limit_that_shrinks_below_what_rests_is_in_the_audit():
    """RS-33: the periodic look contains it."""
    stage = quoting(config=audited(list_s=None))
    bid, _ = stage.desk.tracker.fillable_exposure()
    stage.desk.limit.lots = Sz(bid - 1)
    without_risk(stage)
    stage.run_for(s(6))
    assert len(audit(stage).exposure_warnings) == 2
    assert len(stage.told("pending_exposure")) == 2


def test_switched_off_nothing_is_audited():
    """`None` is off."""
    stage = quoting(config=replace(audited(), sync=SyncConfig(audit=None, reconciliation=None, health=None)))
    start = stage.now
    stage.run_for(s(50))
    assert stage.actions((QueryOpenOrders, QueryPositions), since=start) == []
    assert (stage.core.snapshot().audit, stage.core.snapshot().audits) == (None, 0)
