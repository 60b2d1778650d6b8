"""The venue's dead-man switch: ahead of us while anything of ours rests, gone when nothing does."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest

from domain import lifecycle
from domain.commands import Alert, Cancel, Modify, Place, QueryOpenOrders, Request, ScheduleCancel, Severity
from domain.events import Feed, OrderStatus, OrderUpdate, QuotaReport, Reason, Refused, Replied, Restored, Scheduled
from domain.limits import AddressLimits, VenueLimits
from domain.units import NS_PER_S, Usd
from orchestrator.budget.proactive import BudgetConfig
from orchestrator.risk import dead_man
from orchestrator.risk.dead_man import TRANSITIONS, DeadManConfig, DeadManState
from tests.orchestrator.messages import BUY, MID, TICK, ms, s
from tests.orchestrator.tiny_venue import QUICK, Stage
from tests.orchestrator.tiny_venue import quoting as quoting_with
from tests.scenarios.runs import outcome, result_of

S = DeadManState
CALM = replace(QUICK, supervisor=None)
"""The tiny venue has no books, and a feed is not to be taken for dead here for its silence."""
FEW_TRADED = Refused(Reason.SCHEDULE_NOT_ALLOWED, "Cannot set scheduled cancel time until enough volume traded.")


def quoting(config=CALM) -> Stage:
    """A trader that has been quoting both sides for a while."""
    return quoting_with(config=config)


def asked(stage: Stage, since: int = 0) -> list[tuple[float, float | None]]:
    """When it was asked for, and how far ahead, in seconds."""
    return [
        (at / NS_PER_S, None if action.after is None else action.after / NS_PER_S)
        for at, entry in stage.story
        if isinstance(entry, Request) and at >= since
        for action in entry.actions
        if isinstance(action, ScheduleCancel)
    ]


def answering(stage: Stage, result) -> None:
    """What the venue says to every time that is asked for; None: its own answer."""
    stage.venue.faults.answers = lambda action: (
        result if isinstance(action, ScheduleCancel) and action.after is not None else None
    )


def fating(stage: Stage, how: str | None) -> None:
    """What becomes of every request about the switch."""
    stage.venue.faults.fate = lambda request: how if isinstance(request.actions[0], ScheduleCancel) else None


def stalled(stage: Stage, span: int) -> None:
    """The process stands still; what happens meanwhile is told when it goes on."""
    until = stage.now + span
    take = stage._take
    held = []
    stage._take = held.append  # type: ignore[method-assign]
    deadline = stage.core.next_deadline
    stage.core.next_deadline = lambda: None  # type: ignore[method-assign]
    stage.run(until)
    stage.core.next_deadline = deadline  # type: ignore[method-assign]
    stage._take = take  # type: ignore[method-assign]
    for event in held:
        stage._take(event)


# --- the everyday use ---------------------------------------------------------------------------


def test_the_first_order_sets_it_and_it_is_put_off_in_time():
    """Reliability 8: never less than two thirds of the way ahead, however long we quote, and it never fires."""
    stage = quoting()
    stage.run_for(s(300))
    times = [at for at, ahead in asked(stage) if ahead == 30]
    assert len(times) == len(asked(stage))
    assert [after - before for before, after in pairwise(times)] == pytest.approx([10.0] * (len(times) - 1))
    assert stage.now / NS_PER_S - times[-1] <= 10.1
    assert stage.venue.dead_man_fired == 0
    assert stage.core.snapshot().dead_man == "set"
    assert stage.core.snapshot().dead_man_asked == len(times) >= 30


def test_nothing_is_asked_for_before_there_is_an_order():
    stage = Stage(config=CALM).begin()
    stage.run_until(lambda: bool(stage.venue.resting()))
    first = next(at for at, e in stage.story if isinstance(e, Request) and type(e.actions[0]).__name__ == "Place")
    assert asked(stage) == [(first / NS_PER_S, 30.0)]


def test_off_is_off():
    stage = quoting(config=replace(CALM, dead_man=None))
    stage.run_for(s(60))
    stage.stop()
    stage.run_for(s(5))
    assert asked(stage) == []
    assert stage.core.snapshot().dead_man is None
    assert stage.alerts == ["stopped"]


def test_it_is_taken_back_where_nothing_rests_any_more():
    """A time that comes counts as a trigger, of which there are ten a day: an idle trader spends none."""
    stage = quoting()
    stage.core.kill_switch.latch("test")
    stage.run_for(s(60))
    assert stage.venue.resting() == []
    assert [ahead for _, ahead in asked(stage)] == [30.0, None]
    assert (stage.venue.dead_man_fired, stage.venue.dead_man_at) == (0, None)
    assert stage.core.dead_man.state is S.IDLE


# --- the end of a life --------------------------------------------------------------------------


def test_an_orderly_end_takes_it_back_when_the_list_is_empty():
    """Not before: what the list still shows is still watched over."""
    stage = quoting()
    stage.stop()
    stage.run_for(s(5))
    kinds = [type(action) for action in stage.actions((QueryOpenOrders, ScheduleCancel, Cancel))]
    assert kinds[-2:] == [QueryOpenOrders, ScheduleCancel]
    assert asked(stage)[-1][1] is None
    assert stage.core.shutdown.is_clean
    assert stage.venue.dead_man_at is None
    assert stage.alerts == ["stopped"]


@pytest.mark.parametrize("how", ["lost", "mute", "empty"])
def test_an_end_does_not_wait_for_ever_for_the_switch(how):
    """It fires once and finds nothing; the end is clean all the same, and bounded."""
    stage = quoting()
    fating(stage, how)
    stage.stop()
    stage.run_for(s(11))
    assert stage.core.is_stopped
    assert stage.core.shutdown.is_clean
    assert stage.alerts == ["stopped"]
    assert len([ahead for _, ahead in asked(stage) if ahead is None]) >= 2


def test_what_an_unclean_end_leaves_the_switch_takes():
    """The cancels get nowhere: the time stays set, and it comes."""
    stage = quoting()
    stage.venue.faults.fate = lambda request: "lost" if isinstance(request.actions[0], Cancel) else None
    stage.stop()
    stage.run_for(s(11))
    assert "shutdown_incomplete" in stage.alerts
    assert stage.venue.resting() != []
    stage.run_for(s(31))
    assert stage.venue.resting() == []


def test_a_dead_trader_has_no_orders_after_that_time_and_the_next_life_sets_it_anew():
    """Reliability 8: kill -9."""
    stage = quoting()
    stage.crash()
    stage.run_for(s(25))
    assert stage.venue.resting() != []
    stage.run_for(s(6))
    assert stage.venue.resting() == []
    began = stage.now
    stage.begin(Restored(2, 8)).run_for(s(3))
    assert stage.is_two_sided()
    assert [ahead for _, ahead in asked(stage, since=began)] == [30.0]


def test_a_false_trigger_is_survived():
    """A process that stood still finds its orders gone, knows why, and quotes again."""
    stage = quoting()
    stalled(stage, s(45))
    stage.run_for(s(5))
    assert stage.venue.dead_man_fired == 1
    assert stage.alerts.count("dead_man_fired") == 1
    assert stage.core.snapshot().dead_man_fired == 1
    assert stage.is_two_sided()
    assert stage.is_agreed()
    assert stage.venue.dead_man_at is not None


def test_what_we_hear_at_its_time_ends_it():
    """The orders are told to be gone in the step in which we wake: nothing is taken back that is over."""
    stage = quoting()
    machine = stage.core.dead_man
    stage.run_until(lambda: len(asked(stage)) == 2)
    stage.run_for(s(1))
    for at, state in ((s(29), S.SET), (s(31), S.IDLE)):
        ended = ("ETH", at, at, 1, None, BUY, 1, 1, 1, OrderStatus.CANCELED, Reason.SCHEDULED)
        machine.on_update(OrderUpdate(*ended), machine._last.sent_at + at)
        assert machine.state is state


def test_triggers_are_told_apart_by_their_time():
    """Each order of one trigger tells of it; a second trigger is another."""
    stage = quoting()
    for at in (5, 5, 7, 6):
        ended = (BUY, 1, 1, 1, OrderStatus.CANCELED)
        stage.core.dead_man.on_update(OrderUpdate("ETH", at, at, 1, None, *ended, Reason.SCHEDULED), stage.now)
        stage.core.dead_man.on_update(OrderUpdate("ETH", 9, 9, 1, None, *ended, Reason.REQUESTED), stage.now)
    assert stage.core.dead_man.fired == 2
    assert stage.core.dead_man.state is S.SET, "it is put off long since: only its own time ends it"


# --- refusals and silence -----------------------------------------------------------------------


def test_a_young_account_asks_a_handful_of_times_a_day():
    """Each try is an action: after 0, 1, 3, 7, 13, 19 first waits (here minutes, else hours). People are told once."""
    default = DeadManConfig().refused
    assert (default.first_s, default.max_s) == (3_600.0, 6 * 3_600.0)
    minutes = replace(default, first_s=60.0, max_s=360.0)
    stage = Stage(config=replace(CALM, dead_man=DeadManConfig(refused=minutes)))
    answering(stage, FEW_TRADED)
    stage.begin()
    stage.run(s(24 * 60))
    assert [round(at / 60, 1) for at, _ in asked(stage)] == [0.0, 1.0, 3.0, 7.0, 13.0, 19.0]
    severities = [c.severity for c in stage.commands if isinstance(c, Alert) and c.name == "dead_man_refused"]
    assert severities == [Severity.INFO]
    assert stage.core.snapshot().dead_man_refused == 6


def test_an_account_that_may_at_last_is_guarded_from_then_on():
    stage = Stage(config=CALM, beat=s(30))
    answering(stage, FEW_TRADED)
    stage.begin().run_for(s(60))
    answering(stage, None)
    stage.run_for(s(3_700))
    assert stage.core.dead_man.state is S.SET
    answering(stage, Refused(Reason.SCHEDULE_NOT_ALLOWED, "Scheduled cancel was triggered 10 times today."))
    stage.run_for(s(60))
    severities = [c.severity for c in stage.commands if isinstance(c, Alert) and c.name == "dead_man_refused"]
    assert severities == [Severity.INFO, Severity.WARNING]


@pytest.mark.parametrize("how", ["lost", "mute", "empty"])
def test_silence_is_asked_again_before_the_time_comes(how):
    """One lost renewal does no harm; the waits between tries grow, and none is longer than a renewal."""
    stage = quoting()
    stage.run_until(lambda: len(asked(stage)) == 2)
    fating(stage, how)
    stage.run_for(s(15))
    fating(stage, None)
    stage.run_for(s(12))
    assert stage.venue.dead_man_fired == 0
    assert stage.core.dead_man.state is S.SET
    assert "dead_man_unset" not in stage.alerts


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.EXPIRED, Reason.SCHEDULE_TOO_EARLY])
def test_other_refusals_are_no_verdict(reason):
    stage = quoting()
    answering(stage, Refused(reason, "no"))
    stage.run_for(s(15))
    answering(stage, None)
    stage.run_for(s(12))
    assert stage.venue.dead_man_fired == 0
    assert stage.core.dead_man.state is S.SET


def test_people_are_told_once_when_it_is_too_late():
    stage = quoting()
    fating(stage, "lost")
    stage.run_for(s(120))
    assert stage.alerts.count("dead_man_unset") == 1
    waits = [after - before for (before, _), (after, _) in pairwise(asked(stage))]
    assert max(waits) <= 10 + 10.1
    fating(stage, None)
    stage.run_for(s(25))
    assert stage.core.dead_man.state is S.SET


def test_a_late_answer_counts():
    """It came after its deadline: what it says holds, and nothing is asked again for it."""
    stage = quoting()
    stage.venue.faults.delay = lambda message: (
        ms(3_500) if isinstance(message, Request) and isinstance(message.actions[0], ScheduleCancel) else 0
    )
    stage.run_until(lambda: stage.core.dead_man.state is S.UNSURE)
    pending = stage.core.dead_man._last
    stage.core.dead_man.on_reply(pending, _replied(pending, Scheduled()), stage.now)
    assert stage.core.dead_man.state is S.SET
    assert stage.core.dead_man.deadline() == pending.sent_at + s(10)


def _replied(pending, *results):
    return Replied(pending.request.request_id, pending.sent_at, results)


# --- the allowance ------------------------------------------------------------------------------


def test_beyond_the_allowance_it_is_put_off_further_and_less_often():
    """One action in ten seconds is all there is: the switch takes one in ten of them, the quotes the rest."""
    limits = VenueLimits(address=AddressLimits(initial=0, usd_per_action=Usd(10**18)))
    stage = Stage(config=replace(CALM, budget=BudgetConfig(limits=limits)))
    used_up = QuotaReport(0, Usd(0), 0, 0)
    stage.venue.faults.answers = lambda action: used_up if type(action).__name__ == "QueryQuota" else None
    stage.mid_after = lambda mid: MID + 20 * TICK if mid == MID else MID
    stage.begin().run_for(s(600))
    tries = asked(stage)
    assert {ahead for _, ahead in tries} == {300.0, None}, "taken back at a moment in which nothing rested"
    assert max(after - before for (before, ahead), (after, _) in pairwise(tries) if ahead is None) < 25
    assert 5 <= len(tries) <= 12
    assert len(stage.actions((Place, Modify))) > 20
    assert stage.venue.dead_man_fired == 0


# --- the table ----------------------------------------------------------------------------------


def test_every_edge_is_taken(monkeypatch):
    """And no step that the table does not have."""
    taken = defaultdict(int)

    def recorded(table, state, to, who):
        taken[(state, to)] += 1
        return lifecycle.step(table, state, to, who)

    monkeypatch.setattr(dead_man, "step", recorded)
    test_an_account_that_may_at_last_is_guarded_from_then_on()
    test_it_is_taken_back_where_nothing_rests_any_more()
    test_what_we_hear_at_its_time_ends_it()
    test_silence_is_asked_again_before_the_time_comes("lost")
    test_an_end_does_not_wait_for_ever_for_the_switch("lost")
    test_a_late_answer_counts()
    late_verdicts()
    assert set(taken) == {(state, to) for state in S for to in TRANSITIONS[state]}


def late_verdicts():
    """Late: that it is taken back; that this account may not."""
    for is_taken_back, result in ((True, Scheduled()), (False, FEW_TRADED)):
        stage = quoting()
        fating(stage, "lost")
        if is_taken_back:
            stage.core.kill_switch.latch("test")
        stage.run_until(lambda at=stage: at.core.dead_man.state is S.UNSURE)
        machine = stage.core.dead_man
        machine.on_reply(machine._last, _replied(machine._last, result), stage.now)
        assert machine.state is (S.IDLE if is_taken_back else S.REFUSED)


def test_a_switch_that_would_fire_between_two_renewals_is_refused():
    with pytest.raises(ValueError, match="not below"):
        DeadManConfig(ahead_s=10.0, renew_s=10.0)


# --- in the world -------------------------------------------------------------------------------


def test_the_scenario_holds_with_the_switch_and_not_without():
    """A minute without the host: orders rest for at most `ahead_s`; without the switch for the whole minute."""
    guarded = result_of("dead-man", 265)
    assert outcome(guarded, "resting_while_down_s").holds
    assert guarded.metrics.resting_while_down_s > 15
    assert guarded.metrics.trader.dead_man_fired == 1, "the stall; of the other trigger nobody heard"
    for name in ("position_and_cash", "orders_left", "invariants", "healed_after_s"):
        assert outcome(guarded, name).holds, name
    alone = result_of("dead-man", 265, "trader.dead_man=off")
    assert not outcome(alone, "resting_while_down_s").holds
    assert alone.metrics.resting_while_down_s > 55


def test_a_new_account_spends_one_action_on_it():
    figures = result_of("eth-quiet", 90).metrics.trader
    assert (figures.dead_man_asked, figures.dead_man_refused, figures.dead_man_fired) == (1, 1, 0)


def test_the_socket_is_not_its_only_way():
    """The feed of the account is down: it is put off by REST."""
    stage = quoting()
    stage.venue.faults.refuses_connections = {Feed.USER}
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: len(asked(stage)) >= 2)
    request = next(e for _, e in reversed(stage.story) if isinstance(e, Request) and _is_switch(e))
    assert request.route == "rest"


def _is_switch(request: Request) -> bool:
    return isinstance(request.actions[0], ScheduleCancel)
