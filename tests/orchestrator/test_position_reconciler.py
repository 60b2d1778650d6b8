"""The position against the venue's: every reason to look, none lost, and what a difference leads to (RS-01..09)."""

from itertools import pairwise

import pytest

from domain.commands import QueryFills, QueryPositions
from domain.events import (
    Feed,
    Fill,
    KillReset,
    OrderUpdate,
    PositionsReport,
    PositionsReported,
    Reason,
    Refused,
)
from domain.units import Ns, Usd
from orchestrator.budget.rejection import classify
from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.sync.position_reconciler import (
    SUSPECT,
    PositionReconciler,
    ReconciliationConfig,
    ReconciliationTrigger,
)
from orchestrator.sync.watch import SyncConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import ETH, MID, SELL, TICK, ms, s
from tests.orchestrator.tiny_venue import Stage, heal, quoting

T = ReconciliationTrigger


def with_sync(**changes) -> TraderConfig:
    """A trader whose periodic comparisons are configured like this; the other audits are off."""
    return TraderConfig(
        desk=DeskConfig(engine=AT_ONCE),
        budget=None,
        dead_man=None,
        margin=None,
        supervisor=None,
        sync=SyncConfig(audit=None, health=None, **changes),
    )


def only(**changes) -> TraderConfig:
    """The same with a reconciler of these settings."""
    return with_sync(reconciliation=ReconciliationConfig(**changes))


def reconciler(stage: Stage) -> PositionReconciler:
    """The part that is tested."""
    return stage.core.sync.reconciler


def asked_at(stage: Stage, since: int = 0) -> list[int]:
    """When the positions were asked for."""
    return [
        at
        for at, entry in stage.story
        if at >= since and any(isinstance(a, QueryPositions) for a in getattr(entry, "actions", ()))
    ]


def blind(stage: Stage) -> Stage:
    """The streams of the account fall silent while the connection looks sound."""
    stage.venue.faults.drops = lambda event: isinstance(event, Fill | OrderUpdate | PositionsReported)
    return stage


# --- the timer ----------------------------------------------------------------------------------


def test_fills_lost_while_connected_are_found_within_ten_seconds():
    """RS-01, S4: no message tells of the fill; the venue's statement does, and the fill is fetched, not corrected."""
    stage = blind(quoting(config=only()))
    lost_at = stage.now
    stage.venue.take(SELL, 30)
    stage.run_until(lambda: reconciler(stage).drifts == 1)
    assert stage.now - lost_at <= s(10) + ms(50)  # the way to the venue and back
    stage.run_for(s(1))
    inventory = stage.desk.inventory
    assert (inventory.position, inventory.fills, inventory.restatements) == (30, len(stage.venue.fills), 0)
    assert reconciler(stage).causes == {"fills_missed": 1}
    assert stage.core.resync.by == "timer"


def test_without_the_timer_lost_fills_stay_lost():
    """The counterpart: nothing else looks as long as nothing hints at it."""
    stage = blind(quoting(config=only(background_s=None)))
    stage.venue.take(SELL, 5)
    stage.run_for(s(60))
    assert (stage.desk.inventory.position, stage.venue.position()) == (0, 5)


def test_statements_that_agree_put_the_question_off():
    """What the venue states by itself need not be asked for: a quiet account is asked every eight seconds."""
    stage = quoting(config=only())
    start = stage.now
    stage.run_for(s(41))
    gaps = {b - a for a, b in pairwise(asked_at(stage, start))}
    assert gaps == {s(8) + ms(50)}
    start = stage.now
    for _ in range(20):
        stage.venue._publish_positions()
        stage.run_for(s(2))
    assert len(asked_at(stage, start)) <= 1


# --- the triggers -------------------------------------------------------------------------------


def unmatched(stage: Stage) -> None:
    """A fill of an order that nobody knows; nobody says that it rested."""
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    stage.venue.stray(SELL, MID + 6 * TICK, 10)
    stage.venue.quote(MID + 12 * TICK)
    heal(stage)


def refused(stage: Stage) -> None:
    """The venue refuses an order for what we hold."""
    stage.venue.faults.answers = lambda action: (
        Refused(Reason.MARGIN, "Insufficient margin to place order.") if type(action).__name__ == "Place" else None
    )
    stage.venue.quote(MID + 60 * TICK)


def moved(stage: Stage) -> None:
    """A fill of more than a twentieth of the limit, and the venue's statement does not come."""
    stage.venue.faults.drops = lambda event: isinstance(event, PositionsReported)
    stage.venue.take(SELL, 25)


HINTS = {
    T.TIMER: lambda stage: stage.run_for(s(8)),
    T.UNMATCHED_FILL: unmatched,
    T.ORDER_REJECTION: refused,
    T.LARGE_POSITION_CHANGE: moved,
    T.STATEMENT: lambda stage: stage.venue.adjust(ETH, 7),
    T.RECONNECT: lambda stage: stage.venue.cut("user"),
    T.MANUAL: lambda stage: stage._take(KillReset("a person")),
}


@pytest.mark.parametrize("trigger", T)
def test_each_trigger_is_reachable_and_counted(trigger):
    """RS-02: what hints at a wrong position is counted by its name, and leads to a comparison."""
    stage = quoting(config=only())
    before = reconciler(stage).triggers[trigger]
    start = stage.now
    HINTS[trigger](stage)
    stage.run_for(s(5))
    assert reconciler(stage).triggers[trigger] > before
    assert asked_at(stage, start)
    assert set(stage.core.snapshot().sync_triggers) == {t.value for t in T}


@pytest.mark.parametrize("trigger", [T.ORDER_REJECTION, T.UNMATCHED_FILL, T.LARGE_POSITION_CHANGE, T.MANUAL])
def test_a_trigger_within_the_gap_waits_and_is_not_lost(trigger):
    """RS-02, EL-11: asked a moment ago, so answered two seconds after that; nothing else asks meanwhile."""
    stage = quoting(config=only(background_s=None))
    part = reconciler(stage)
    part.request(T.ORDER_REJECTION, stage.now)
    stage._take(PositionsReported(Ns(0), stage.now, (), Usd(0)))  # any event: the core decides
    first = asked_at(stage)[-1]
    stage.run_for(ms(300))
    part.request(trigger, stage.now)
    part.request(trigger, stage.now)
    stage.run_for(s(1))
    assert (part.should_sync(stage.now), asked_at(stage)[-1], part.syncs) == (None, first, 1)
    stage.run_for(s(2))
    assert part.syncs == 2
    assert asked_at(stage)[-1] >= first + s(2)


def test_two_hints_are_answered_by_one_comparison():
    """What waits together is answered together, by the more thorough of the ways."""
    stage = quoting(config=only(background_s=None))
    part, start = reconciler(stage), stage.now
    part.request(T.ORDER_REJECTION, stage.now)
    part.request(T.UNMATCHED_FILL, stage.now)
    stage.run_for(s(5))
    assert part.syncs == 1
    assert (len(stage.actions(QueryFills, since=start)), len(asked_at(stage, start))) == (1, 1)


def test_the_statement_that_follows_a_fill_answers_for_it():
    """A large fill asks for nothing where the venue says by itself what we hold after it."""
    stage = quoting(config=only(background_s=None, large_change_share=0.01))
    start = stage.now
    stage.venue.take(SELL, 5)
    stage.run_for(s(5))
    assert reconciler(stage).triggers[T.LARGE_POSITION_CHANGE] == 1
    assert asked_at(stage, start) == []


@pytest.mark.parametrize(
    ("reason", "text", "is_suspect"),
    [
        (Reason.REDUCE_ONLY_WOULD_INCREASE, "Reduce only order would increase position.", True),
        (Reason.MARGIN, "Insufficient margin to place order.", True),
        (Reason.OPEN_INTEREST, "", True),
        (Reason.OTHER, "MaxPosition exceeded", True),
        (Reason.OTHER, "REDUCEONLY", True),
        (Reason.OTHER, "Leverage too high", True),
        (Reason.POST_ONLY_WOULD_CROSS, "Post only order would have immediately matched", False),
        (Reason.RATE_LIMITED, "Too many requests", False),
        (Reason.OTHER, "something else", False),
    ],
)
def test_which_refusals_say_something_of_the_position(reason, text, is_suspect):
    """RS-04: a table of texts."""
    stage = quoting(config=only())
    reconciler(stage).on_order_rejection(Refused(reason, text), stage.now)
    assert (classify(Refused(reason, text)) in SUSPECT) is is_suspect
    assert (reconciler(stage).triggers[T.ORDER_REJECTION] == 1) is is_suspect


def test_no_unmatched_fill_is_no_trigger():
    """RS-05: n > 0."""
    stage = quoting(config=only())
    reconciler(stage).on_unmatched_fills(0, stage.now)
    assert reconciler(stage).triggers[T.UNMATCHED_FILL] == 0


@pytest.mark.parametrize("how", ["lost", "empty"])
def test_a_trigger_whose_question_fails_is_asked_again(how):
    """RS-02, RS-03: there is no timer to do it in its place."""
    stage = quoting(config=only(background_s=None))
    left, start = [1], stage.now

    def fate(request):
        if isinstance(request.actions[0], QueryPositions) and left[0]:
            left[0] -= 1
            return how
        return None

    stage.venue.faults.fate = fate
    reconciler(stage).request(T.ORDER_REJECTION, stage.now)
    stage.run_for(s(12))
    assert len(asked_at(stage, start)) == 2
    assert (reconciler(stage).failures, reconciler(stage).triggers[T.ORDER_REJECTION]) == (1, 1)


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lost", "mute", "empty", "refused", "lagging"])
def test_a_comparison_that_fails_is_tried_again(how):
    """RS-03, S21: no answer, one without a statement, or one from before what we know says nothing; it is no zero."""
    stage = quoting(config=only())
    stage.venue.take(SELL, 25)
    stage.run_for(s(1))
    old = PositionsReport(Ns(1), (), Usd(0))
    if how in ("refused", "lagging"):
        told = Refused(Reason.OTHER, "busy") if how == "refused" else old
        stage.venue.faults.answers = lambda action: told if isinstance(action, QueryPositions) else None
    else:
        stage.venue.faults.fate = lambda request: how if isinstance(request.actions[0], QueryPositions) else None
    stage.run_for(s(40))
    assert reconciler(stage).failures >= 3
    assert reconciler(stage).triggers[T.TIMER] <= 5
    assert (stage.desk.inventory.position, stage.desk.inventory.restatements) == (25, 0)
    heal(stage)
    stage.run_until(stage.is_two_sided)
    blind(stage).venue.take(SELL, 5)
    stage.run_until(lambda: stage.desk.inventory.position == 30)


def test_a_venue_that_is_asked_too_much_is_asked_later():
    """S24: questions that nobody waits for are the first that a used-up minute holds back."""
    stage = quoting(config=TraderConfig(desk=DeskConfig(engine=AT_ONCE), dead_man=None))
    stage.core.budget.rate_limited.hit(stage.now)
    stage.core.budget.rate_limited.until = Ns(stage.now + s(30))
    start = stage.now
    stage.run_for(s(29))
    assert asked_at(stage, start) == []
    assert reconciler(stage).postponed == 1
    stage.run_for(s(1.2))
    assert asked_at(stage, start), "as soon as it may be asked again"


def test_an_allowance_that_is_used_up_holds_no_question_back():
    """S24: it counts what trades. A refusal for the address beside it ends after seconds, and the questions go on."""
    stage = quoting(config=TraderConfig(desk=DeskConfig(engine=AT_ONCE), dead_man=None))
    budget, start = stage.core.budget, stage.now
    budget.exhausted.until, budget.rate_limited.until = Ns(start + s(300)), Ns(start + s(15))
    budget.quota.used, budget._trickle_at = budget.cap, Ns(start + s(300))
    stage.run_for(s(14.9))
    assert (asked_at(stage, start), reconciler(stage).postponed) == ([], 1)
    stage.run_for(s(0.2))
    assert len(asked_at(stage, start)) == 1


def test_a_new_connection_may_be_asked_as_soon_as_the_venue_allows():
    """S24: what held the last connection's questions back may be over."""
    stage = quoting(config=TraderConfig(desk=DeskConfig(engine=AT_ONCE), dead_man=None))
    part, budget = reconciler(stage), stage.core.budget
    budget.rate_limited.until = Ns(stage.now + s(60))
    part.request(T.ORDER_REJECTION, stage.now)
    stage.run_until(lambda: part.postponed == 1)
    budget.rate_limited.until = stage.now
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: not stage.core.user_feed.is_live)
    stage.run_until(lambda: stage.core.user_feed.is_live)
    part.request(T.ORDER_REJECTION, stage.now)
    before = part.syncs
    stage.run_for(s(3))
    assert part.syncs == before + 1


def test_a_new_connection_forgets_the_questions_that_failed():
    """L1, storm, seed 1276: while the venue answered nothing the gaps grew; it answers again, and so they are short."""
    stage = quoting(config=only(background_s=None))
    reconciler(stage)._failed = 9
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: not stage.core.user_feed.is_live)
    stage.run_until(lambda: stage.core.user_feed.is_live)
    reconciler(stage).request(T.ORDER_REJECTION, stage.now)
    before = reconciler(stage).syncs
    stage.run_for(s(3))
    assert reconciler(stage).syncs == before + 1


# --- what a difference leads to -----------------------------------------------------------------


def test_a_mismatch_is_told_once_with_both_values_and_its_cause():
    """RS-07: the venue's word is taken as an adjustment; who found it and what may be behind it stand in the alert."""
    stage = quoting(config=only())
    stage.venue.faults.drops = lambda event: isinstance(event, PositionsReported)
    stage.venue.adjust(ETH, 37)
    stage.run_for(s(20))
    texts = [alert.text for alert in stage.told("position_drift")]
    assert texts == ["ETH: ours was 0, the venue's is 0.37; found_by=timer cause=no_fill"]
    assert stage.desk.inventory.adjusted_lots == 37
    assert stage.core.snapshot().drift_causes == {"no_fill": 1}
    assert not reconciler(stage).is_drifting


def test_the_cause_names_fills_that_no_query_shows():
    """RS-07: an order ended with more than we booked: that is where to look."""
    stage = quoting(config=only())
    stage.venue.faults.drops = lambda event: isinstance(event, Fill)
    stage.venue.faults.answers = lambda action: (
        stage.venue._execute(QueryFills(s(10_000))) if isinstance(action, QueryFills) else None
    )
    stage.venue.take(SELL, max(o.place.sz for o in stage.venue.resting()))
    stage.run_for(s(15))
    assert stage.core.snapshot().drift_causes == {"fills_untold": 1}


def test_a_stale_statement_does_not_clear_a_newer_suspicion():
    """Pushed statements may overtake each other: the older of two agrees with what we knew before."""
    stage = quoting(config=only(background_s=None))
    before = PositionsReported(stage.now, stage.now, (), Usd(0))
    stage.run_for(ms(100))
    blind(stage).venue.take(SELL, 30)
    heal(stage)
    stage.venue._publish_positions()
    stage.run_for(ms(100))
    stage._take(before)
    stage.run_for(s(4))
    assert stage.desk.inventory.position == 30


def test_switched_off_nothing_is_compared():
    """`None` is off: the counters say so, and only a lost connection reads the account."""
    stage = quoting(config=with_sync(reconciliation=None))
    start = stage.now
    stage.venue.adjust(ETH, 7)
    stage.run_for(s(30))
    assert asked_at(stage, start) == []
    told = stage.core.snapshot()
    assert (told.position_syncs, told.position_drifts, told.sync_triggers) == (0, 0, {})
