"""One instrument: from market data and answers to requests, and what stops a cycle."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Cancel, Modify, Place, Request
from domain.events import (
    Cancelled,
    ClockSync,
    NotSent,
    OrderStatus,
    OrderUpdate,
    Reason,
    Refused,
    Resting,
    RestoredOrder,
)
from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Ns, Oid, Pos, Px, Sz, Tid
from orchestrator.desk.accumulator import AccumulatorConfig
from orchestrator.desk.desk import WARMING, DeskConfig
from orchestrator.desk.execution import GateReason
from orchestrator.desk.fill_tracker import FillTracker, FillTrackerConfig
from orchestrator.desk.leftovers import PATIENCE
from orchestrator.desk.quote_engine import QuoteEngineConfig, Step
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.reconcile.band import ToleranceConfig
from orchestrator.reconcile.table import ModifyFirstConfig, ReconcileConfig
from orchestrator.report import desk_snapshot
from strategy.glft import QuoteConfig
from strategy.ladder import LadderConfig
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import (
    BUY,
    ETH,
    MID,
    SELL,
    TICK,
    bbo,
    book,
    cloid,
    fill,
    fill_of,
    ms,
    replied,
    s,
    trades,
    update,
)

LEVELS = AT_ONCE.ladder.levels
LATCHING = ReconcileConfig(latch_bps=3.0)
MODIFYING = ReconcileConfig(modify_first=ModifyFirstConfig())
ONE_LEVEL = replace(AT_ONCE, ladder=LadderConfig(levels=1))


def kinds(actions) -> list[str]:
    return [type(action).__name__ for action in actions]


def quoting(config: DeskConfig | None = None, **bench) -> Bench:
    """Both sides rest."""
    made = Bench(config, **bench)
    made.quote(0)
    made.answer(ms(20))
    assert {order.side for order in made.resting()} == {BUY, SELL}
    return made


# --- the cycle ----------------------------------------------------------------------------------


def test_the_first_sound_top_brings_both_sides():
    """Placements in one request, post-only, with a client id each; nothing more until something happens."""
    bench = Bench()
    actions = bench.quote(0)
    assert kinds(actions) == ["Place"] * 2 * LEVELS
    assert len(bench.last) == 1
    assert {action.tif for action in actions} == {"alo"}
    assert len({action.cloid for action in actions}) == len(actions)
    assert bench.decide(0) == []


def test_the_same_target_twice_brings_no_action():
    """QE-06."""
    bench = quoting()
    assert bench.quote(s(1)) == []
    assert bench.decide(s(6)) == []
    assert bench.desk.stops["reconcile:unchanged"] >= 1


def test_a_move_replaces_what_moved():
    bench = quoting()
    actions = bench.quote(s(1), MID + 100 * TICK)
    assert set(kinds(actions)) == {"Cancel", "Place"}
    assert kinds(actions) == sorted(kinds(actions))  # cancels leave before placements
    assert len({type(action) for request in bench.last[:1] for action in request.actions}) == 1


def test_acknowledgements_alone_bring_no_cycle():
    """EL-09: cycles come from triggers. An order that rests as asked is none, or quoting would feed itself."""
    bench = quoting()
    cycles = bench.desk.cycles
    for order in list(bench.desk.tracker.orders.values()):
        bench.desk.on_update(update(order, OrderStatus.OPEN, order.oid), ms(30))
    for at in range(30, 4_000, 50):
        bench.decide(ms(at))
    assert bench.desk.cycles == cycles


def test_a_refusal_brings_a_cycle_for_its_side():
    bench = Bench()
    bench.quote(0)
    bench.refuse(ms(20), *[Refused(Reason.POST_ONLY_WOULD_CROSS, "")] * 2 * LEVELS)
    assert bench.desk.tracker.orders == {}
    assert bench.decide(ms(99)) == []
    assert kinds(bench.decide(ms(100))) == ["Place"] * 2 * LEVELS
    assert bench.desk.outcomes.refusals == {Reason.POST_ONLY_WOULD_CROSS: 2 * LEVELS}


def test_one_refusal_of_several_actions_is_meant_for_all():
    """A payload that fails pre-validation gets one answer; none of its orders exists."""
    bench = Bench()
    bench.quote(0)
    bench.refuse(ms(20), Refused(Reason.EXPIRED, "expired"))
    assert bench.desk.tracker.orders == {}


def test_one_refusal_of_one_order_is_not_meant_for_the_others():
    """S14: a reply that ends after the refusal of its first order says nothing of the rest."""
    bench = Bench()
    placed = bench.quote(0)
    bench.refuse(ms(20), Refused(Reason.POST_ONLY_WOULD_CROSS, "crossed"))
    left = bench.desk.tracker.orders
    assert set(left) == {action.cloid for action in placed[1:]}
    assert {order.certainty for order in left.values()} == {Certainty.UNKNOWN}


def test_each_result_belongs_to_its_own_order():
    """OL-22: item 3 of 6 refused: that one is gone, the others rest."""
    bench = Bench()
    placed = bench.quote(0)
    results = [bench._good(action) for action in placed]
    results[2] = Refused(Reason.MARGIN, "no")
    bench.refuse(ms(20), *results)
    gone = {action.cloid for action in placed} - {order.cloid for order in bench.resting()}
    assert gone == {placed[2].cloid}


def test_missing_results_leave_the_rest_unknown():
    """S14, reliability 32: a reply that ends early proves nothing about the others."""
    bench = Bench()
    placed = bench.quote(0)
    bench.refuse(ms(20), *[bench._good(action) for action in placed[:2]])
    states = [bench.desk.tracker.orders[action.cloid].certainty for action in placed]
    assert states == [Certainty.KNOWN] * 2 + [Certainty.UNKNOWN] * (2 * LEVELS - 2)
    assert bench.decide(s(1)) == []  # unknown orders hold their slots


def test_a_reply_without_any_result_leaves_all_unknown():
    bench = Bench()
    bench.quote(0)
    bench.refuse(ms(20))
    assert {order.certainty for order in bench.desk.tracker.orders.values()} == {Certainty.UNKNOWN}


def test_what_was_not_sent_is_decided_again():
    bench = Bench()
    first = bench.quote(0)
    for request in bench.last:
        bench.ledger.on_not_sent(NotSent(request.request_id, Reason.STALE_EPOCH, ms(1)), ms(1))
    assert bench.desk.tracker.orders == {}
    again = bench.decide(ms(100))
    assert len(again) == len(first)
    assert not {action.cloid for action in again} & {action.cloid for action in first}


def test_a_cancel_that_was_not_sent_is_sent_again():
    bench = quoting()
    cancels = bench.decide(s(1), gate="kill")
    assert kinds(cancels) == ["Cancel"] * 2 * LEVELS
    for request in bench.last:
        bench.ledger.on_not_sent(NotSent(request.request_id, Reason.FEED_DOWN, s(1)), s(1))
    assert kinds(bench.decide(s(1.2), gate="kill")) == ["Cancel"] * 2 * LEVELS


def test_requests_hold_no_more_actions_than_allowed():
    bench = Bench(DeskConfig(engine=AT_ONCE, max_actions=4))
    bench.quote(0)
    assert [len(request.actions) for request in bench.last] == [4, 2 * LEVELS - 4]


def test_a_single_refusal_of_a_single_action_is_its_own():
    """A request of one action: whatever the reason, the refusal is of that action and proves that it did not happen."""
    for reason in (Reason.MARGIN, Reason.EXPIRED):
        bench = Bench(DeskConfig(engine=AT_ONCE, max_actions=1))
        placed = bench.quote(0)
        request, others = bench.last[0], bench.last[1:]
        bench.ledger.on_replied(replied(request, Refused(reason, "no"), at=ms(20)), ms(20))
        bench.answer(ms(21), others)
        assert [order.cloid for order in bench.resting()] == [action.cloid for action in placed[1:]]
        assert bench.desk.outcomes.refusals == {reason: 1}
        assert {order.certainty for order in bench.desk.tracker.orders.values()} == {Certainty.KNOWN}


def test_a_refused_payload_of_cancels_leaves_every_order_where_it_was():
    """One error for the whole batch: none of the cancels happened, so all of them are tried again."""
    bench = quoting()
    cancels = bench.decide(s(1), gate="kill")
    bench.refuse(s(1.02), Refused(Reason.UNKNOWN_INSTRUMENT, "what is that"))
    assert bench.desk.outcomes.refusals == {Reason.UNKNOWN_INSTRUMENT: len(cancels)}
    assert {order.in_flight for order in bench.desk.tracker.orders.values()} == {InFlight.NONE}


def test_only_the_side_that_was_hit_is_touched():
    """EA-06, RC-08: a fill reopens its side; the other side keeps its orders and its requests."""
    bench = quoting()
    best = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    bench.book(fill_of(best, 1, best.sz, oid=best.oid, at=1), s(1))
    actions = bench.decide(s(1))
    assert actions
    touched = {
        action.side if isinstance(action, Place) else bench.desk.tracker.find(action.cloid, None).side
        for action in actions
    }
    assert touched == {BUY}


def moved_side(actions, bench: Bench) -> set:
    """The sides that actions are about."""
    return {
        action.side if isinstance(action, Place) else bench.desk.tracker.find(action.cloid, None).side
        for action in actions
    }


@pytest.mark.parametrize("cause", ["side event", "trade"])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_scope_of_one_side_leaves_the_other_sides_orders_alone(side, cause):
    """RC-08: both sides would have to move, by less than what triggers; the cycle of one side moves that side."""
    bench = quoting()
    mid = MID + 8 * TICK  # 4 bps
    assert bench.quote(s(1), mid) == []
    before = {order.cloid: order for order in bench.resting() if order.side is not side}
    if cause == "trade":
        taker = side.opposite  # takes from our side of the book
        bench.desk.on_trades(trades((1, mid, s(1)), time=s(1), taker=taker), s(1))
    else:
        bench.desk.accumulator.on_side_event(side, s(1))
    assert moved_side(bench.decide(s(1)), bench) == {side}
    assert {order.cloid: order for order in bench.resting() if order.side is not side} == before
    bench.answer(s(1.02))
    assert moved_side(bench.decide(s(5)), bench) == {side.opposite}  # and the fallback finds the other one


def test_noise_of_the_mid_does_not_widen_the_scope_of_a_fill():
    """EA-06: a fill touches its side, also when the mid has stirred meanwhile."""
    bench = quoting()
    best = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    bench.book(fill_of(best, 1, best.sz, oid=best.oid, at=1), s(1))
    actions = bench.quote(s(1), MID + 8 * TICK)
    assert moved_side(actions, bench) == {BUY}


def test_books_without_a_move_bring_no_cycle():
    """EA-02, EL-09: 1,000 messages about a mid that comes back are none to act on; the fallback is."""
    bench = quoting()
    for index in range(1_000):
        assert bench.quote(ms(30 + index), MID + index % 2 * TICK) == []
    assert bench.desk.cycles == 1
    assert bench.desk.next_deadline() == s(5)


def test_the_snapshot_tells_why_nothing_happens():
    """EA-10: events that accumulate and do not trigger are seen: each figure as counted by hand."""
    bench = Bench()
    assert desk_snapshot(bench.desk, Ns(0)).since_last_cycle is None
    bench.quote(0)  # the gate of the start opens: the first cycle
    bench.answer(ms(20))
    bench.quote(s(1), MID + 4 * TICK)  # 2 bps: nothing yet
    bench.desk.accumulator.on_side_event(BUY, s(2))
    bench.decide(s(2))  # one side, and the move went along with it
    bench.quote(s(3), MID + 6 * TICK)
    shown = desk_snapshot(bench.desk, s(3.5))
    assert (shown.events_total, shown.events_filtered, shown.events_pending) == (4, 1, 1)
    assert (shown.cycles, shown.cycles_one_sided) == (2, 1)
    assert shown.cycles_by_cause == {"gate": 1, "side_event": 1}
    assert shown.since_last_cycle == s(1.5)
    assert shown.accumulated_bps == pytest.approx(3.0)
    assert shown.max_priority == 80
    assert (shown.stale_quote_alarms, shown.data_future, shown.data_age) == (0, 0, s(0.5))


# --- seven ways to stop -------------------------------------------------------------------------


def told(bench: Bench) -> list[tuple[str, str]]:
    return [(alert.name, alert.text) for alert in bench.alerts]


def stopped(bench: Bench) -> set[str]:
    return set(bench.desk.stops)


def stop_at(step: Step) -> Bench:
    """Force a cycle to end at a step."""
    if step is Step.WARM_UP:
        bench = Bench(DeskConfig(engine=QuoteEngineConfig()))
        bench.quote(0)
    elif step is Step.ESTIMATORS:
        bench = Bench()
        bench.desk.engine.kappa._trades = float("nan")
        bench.quote(0)
    elif step is Step.RISK:
        bench = Bench()
        bench.quote(0, gate="kill")
    elif step is Step.STRATEGY:
        bench = Bench(DeskConfig(engine=AT_ONCE, data_quality=DataQualityConfig(max_deviation=None)))
        bench.desk.on_bbo(bbo(1, 2, 0), 0)
        bench.decide(0)
    elif step is Step.LADDER:
        bench = Bench(DeskConfig(engine=QuoteEngineConfig(warmup_timeout_s=0.0, level_notional_usd=1.0)))
        bench.quote(0)
    elif step is Step.RECONCILE:
        bench = quoting()
        bench.quote(s(6))
    else:
        bench = Bench(max_position=100)
        for number, side in enumerate((BUY, SELL)):
            far = MID - side * 500 * TICK
            bench.desk.adopt(RestoredOrder(ETH.id, cloid(number), side, Px(far), Sz(100)), 0)
        bench.quote(0)
    return bench


@pytest.mark.parametrize("step", Step)
def test_every_step_can_end_a_cycle_and_says_why(step):
    """QE-08: forced at each of the seven steps."""
    found = {reason for reason in stopped(stop_at(step)) if reason.startswith(f"{step}:")}
    assert len(found) == 1


def test_the_seven_reasons_differ():
    """QE-08."""
    reasons = {reason for step in Step for reason in stopped(stop_at(step)) if reason.startswith(f"{step}:")}
    assert len(reasons) == len(Step) == 7


# --- gates --------------------------------------------------------------------------------------


def test_a_gate_withdraws_both_sides_at_once():
    """QE-18: no debounce, no scope; when it opens both sides are quoted again, after the debounce."""
    bench = quoting()
    actions = bench.decide(ms(25), gate="market_feed_down")
    assert kinds(actions) == ["Cancel"] * 2 * LEVELS
    bench.answer(ms(45))
    assert bench.decide(ms(50)) == []
    assert bench.desk.gate is None
    assert bench.desk.next_deadline() == ms(125)
    assert kinds(bench.decide(ms(125))) == ["Place"] * 2 * LEVELS


def test_a_gate_that_flickers_withdraws_at_once_and_does_not_quote():
    """EA-08: closing acts at once, opening waits for the debounce; flicker in between costs no cycle and no order."""
    bench = quoting()
    assert kinds(bench.decide(s(1), gate="resync")) == ["Cancel"] * 2 * LEVELS
    bench.answer(s(1))
    cycles = bench.desk.cycles
    for at in range(1, 99):
        assert bench.decide(s(1) + ms(at), gate=None if at % 2 else "resync") == []
    assert bench.desk.cycles == cycles
    assert kinds(bench.decide(s(1.1))) == ["Place"] * 2 * LEVELS
    bench.answer(s(1.101))
    assert kinds(bench.decide(s(1.102), gate="resync")) == ["Cancel"] * 2 * LEVELS


def test_the_reason_of_a_gate_may_change_without_haste():
    """Everything is withdrawn already: another reason is told by the next cycle."""
    bench = quoting()
    bench.decide(s(1), gate="market_feed_down")
    bench.answer(s(1))
    assert bench.decide(s(1.01), gate="resync") == []
    assert (bench.desk.gate, bench.desk.stops.get("risk:resync")) == ("resync", None)
    bench.decide(s(1.1), gate="resync")
    assert bench.desk.stops["risk:resync"] == 1


def test_a_kill_does_not_wait_even_where_everything_is_withdrawn():
    """It cannot flicker, and what is in flight is to be cancelled at once."""
    bench = quoting()
    bench.decide(s(1), gate="market_feed_down")
    bench.answer(s(1))
    bench.decide(s(1.01), gate="kill")
    assert bench.desk.stops["risk:kill"] == 1


def test_stale_data_withdraws_within_one_cycle():
    """DQ-13: at 15.1 s all quotes are on their way out; the desk asked to be woken for it."""
    bench = quoting()
    for at in (5, 10, 15):
        assert bench.decide(s(at)) == []
    assert bench.desk.next_deadline() == s(15) + 1
    assert kinds(bench.decide(s(15) + 1)) == ["Cancel"] * 2 * LEVELS
    assert told(bench) == [
        ("stale_data", "ETH: market data is 15,000 ms old, 15,000 ms are allowed; nothing new comes: look at the feed")
    ]
    bench.answer(s(15.1))
    assert bench.decide(s(15.2)) == []
    assert bench.quote(s(16)) != []


def test_a_crossed_book_withdraws_at_once():
    """DQ-14."""
    bench = quoting()
    bench.desk.on_bbo(bbo(MID + 1, MID, ms(30)), ms(30))
    assert kinds(bench.decide(ms(30))) == ["Cancel"] * 2 * LEVELS
    assert bench.desk.gate == "crossed_book"
    hint = "look at the feed, then at the venue's status"
    text = f"ETH: the book has no sound mid: best bid 2000.0001, best ask 2000; {hint}"
    assert told(bench) == [("crossed_book", text)]


def test_an_empty_side_is_told_by_name():
    bench = quoting()
    bench.desk.on_bbo(bbo(None, MID, ms(30)), ms(30))
    bench.decide(ms(30))
    assert told(bench) == [("empty_book", "ETH: the book has no sound mid: best bid none, best ask 2000")]


@pytest.mark.parametrize("gate", [WARMING, "kill", "user_feed_down"])
def test_a_crossed_book_is_told_of_while_nothing_is_quoted(gate):
    """L9: whoever waits for the first quote, or for the end of a halt, must know what the feed says."""
    bench = Bench()
    bench.desk.on_bbo(bbo(MID + 1, MID, ms(30)), ms(30))
    for at in (30, 40, 50):
        bench.desk.decide(gate, ms(at))
    assert bench.desk.targets is None
    assert [name for name, _ in told(bench)] == ["crossed_book"]


def test_bad_data_is_told_once_a_burst():
    """DQ-12, DQ-14: a feed that flickers must not fill the log; after a minute of peace it is news again."""
    bench = quoting()
    for at in (*range(1, 30, 2), 100):
        bench.quote(s(at))
        bench.answer(s(at))
        bench.desk.on_bbo(bbo(MID + 1, MID, s(at + 1)), s(at + 1))
        bench.decide(s(at + 1))
        bench.answer(s(at + 1))
    assert [name for name, _ in told(bench)] == ["crossed_book"] * 2


def test_another_trouble_is_told_within_the_burst_of_the_first():
    """DQ-12, DQ-14: why the quotes go now has nothing to do with the book before the first of them."""
    bench = Bench()
    bench.desk.on_bbo(bbo(MID + 1, MID, ms(30)), ms(30))
    bench.decide(ms(30))
    bench.quote(s(10))
    bench.answer(s(10.1))
    for at in range(11, 40):
        bench.decide(s(at))
        bench.answer(s(at))
    assert [name for name, _ in told(bench)] == ["crossed_book", "stale_data"]


def test_a_cycle_that_cannot_quote_withdraws_both_sides_whatever_its_scope():
    """QE-02: an estimator gone wrong is noticed in a cycle for one side; the other side may not stay."""
    bench = quoting()
    bench.desk.engine.kappa._trades = float("nan")
    bench.desk.accumulator.on_side_event(BUY, s(1))
    assert kinds(bench.decide(s(1))) == ["Cancel"] * 2 * LEVELS
    assert bench.desk.stops["estimators:kappa"] == 1


def test_nothing_is_placed_while_gated_whatever_happens():
    """S23: fills, refusals, moves and timers during a gate bring cancels and nothing else."""
    bench = quoting()
    seen = list(bench.decide(ms(30), gate="kill"))
    order = bench.resting()[0] if bench.resting() else next(iter(bench.desk.tracker.orders.values()))
    bench.book(fill_of(order, 1, 1, oid=order.oid, at=40), ms(40))
    for at in range(50, 12_000, 490):
        bench.desk.on_bbo(bbo(MID - at * TICK, MID + at * TICK, ms(at)), ms(at))
        seen += bench.decide(ms(at), gate="kill")
    assert set(kinds(seen)) == {"Cancel"}


def test_a_placement_acknowledged_after_the_gate_closed_is_cancelled():
    """Reliability 42, 43: no order placed a moment before the gate closed stays behind it."""
    bench = Bench()
    bench.quote(0)
    placed = list(bench.last)
    assert bench.decide(ms(5), gate="user_feed_down") == []  # a pause: what is under way is waited for
    bench.answer(ms(20), placed)
    cancels = bench.decide(ms(110), gate="user_feed_down")
    assert kinds(cancels) == ["Cancel"] * 2 * LEVELS


@pytest.mark.parametrize("gate", ["kill", "stopping"])
@pytest.mark.parametrize("first", ["placement", "cancel, then its answer", "cancel, then the placement's answer"])
def test_what_is_in_flight_at_the_end_is_cancelled_without_waiting(first, gate):
    """S23: by client id. Whichever reaches the venue first, in the end a cancel meets the order, without a pause."""
    bench = Bench()
    bench.quote(0)
    placed = list(bench.last)
    cancels = bench.decide(ms(5), gate=gate)
    assert [(type(action), action.oid) for action in cancels] == [(Cancel, None)] * 2 * LEVELS
    asked = list(bench.last)
    nothing_found = [Refused(Reason.NOT_OPEN, "")] * 2 * LEVELS
    if first == "placement":
        bench.answer(ms(20), placed)
        bench.answer(ms(25), asked)
        assert [action for at in range(30, 3_000, 50) for action in bench.decide(ms(at), gate=gate)] == []
        assert {order.state for order in bench.desk.tracker.orders.values()} == {OrderState.CANCEL_CONFIRMED}
        return
    bench.last = asked
    if first == "cancel, then its answer":
        bench.refuse(ms(20), *nothing_found)
        bench.answer(ms(25), placed)
    else:
        bench.answer(ms(20), placed)
        bench.refuse(ms(25), *nothing_found)
    again = [action for at in (30, 150) for action in bench.decide(ms(at), gate=gate)]
    assert sorted(action.oid for action in again) == list(range(101, 101 + 2 * LEVELS))
    assert [action for at in range(200, 450, 50) for action in bench.decide(ms(at), gate=gate)] == []


def test_a_fallback_from_a_modify_places_only_when_the_old_order_is_gone():
    """OL-09: never both live, also where the price has moved on meanwhile and it would be cancel and place at once."""
    bench = quoting()
    best = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    best.is_unmodifiable = True
    actions = bench.quote(s(1), MID - 40 * TICK)
    assert best.cloid in {action.cloid for action in actions if isinstance(action, Cancel)}
    assert sum(isinstance(action, Place) and action.side is BUY for action in actions) == LEVELS - 1
    rest = [request for request in bench.last if not isinstance(request.actions[0], Cancel)]
    cancels = [request for request in bench.last if isinstance(request.actions[0], Cancel)]
    bench.answer(s(1.1), rest)
    bench.desk.accumulator.force(s(1.2))
    assert [a for a in bench.decide(s(1.2)) if isinstance(a, Place) and a.side is BUY] == []
    assert bench.desk.cycles == 3
    bench.answer(s(1.3), cancels)
    bench.desk.on_update(update(best, OrderStatus.CANCELED, best.oid), s(1.3))
    placed = [a.side for a in bench.quote(s(1.4), MID - 40 * TICK) if isinstance(a, Place)]
    assert placed.count(BUY) == 1


def test_a_placement_that_waits_for_a_cancel_is_counted_and_not_lost():
    """MT-36: the old order has to be gone first; the placement that was wanted with its cancel is held back by name."""
    bench = quoting()
    best = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    best.is_unmodifiable = True
    bench.quote(s(1), MID - 40 * TICK)
    record = bench.desk.execution.record
    assert (record.generated, record.cancels, record.places) == (4 * LEVELS, 2 * LEVELS, 2 * LEVELS - 2)
    assert (record.gated, record.missing) == (2, 0)
    assert bench.desk.execution.actions_gated == {GateReason.CANCEL_FIRST: 1, GateReason.SELF_CROSS: 1}


def test_a_blind_cancel_is_not_repeated_while_it_is_unanswered():
    bench = Bench()
    bench.quote(0)
    bench.decide(ms(5), gate="stopping")
    assert [a for at in range(10, 2_000, 30) for a in bench.decide(ms(at), gate="stopping")] == []


def test_orders_in_doubt_are_cancelled_blindly_while_nothing_should_rest():
    """S23: a kill does not wait for evidence; repeated at the pace of our patience, and only while gated."""
    bench = Bench()
    placed = bench.quote(0)
    bench.refuse(ms(20))  # an answer without a result: all unknown
    assert bench.decide(s(1)) == []
    cancels = bench.decide(s(2), gate="kill")
    assert [action.cloid for action in cancels] == [action.cloid for action in placed]
    bench.refuse(s(2.1), *[Refused(Reason.NOT_OPEN, "")] * len(cancels))
    assert bench.decide(s(2.3), gate="kill") == []
    again = [action for at in range(3, 20) for action in bench.decide(s(at), gate="kill")]
    assert {type(action) for action in again} == {Cancel}
    assert bench.desk.tracker.fillable_exposure() != (0, 0)


@pytest.mark.parametrize("gate", ["user_feed_down", "resync"])
def test_a_placement_without_an_answer_is_not_waited_for_where_nothing_should_rest(gate):
    """S20, storm, seed 1268: a request by REST may take ten seconds; what it places would rest unseen until then."""
    bench = Bench()
    bench.ledger._timeout = s(10)
    placed = bench.quote(0)
    assert bench.decide(s(1), gate=gate) == [], "it may be answered any moment"
    assert bench.desk.next_deadline() == PATIENCE
    cancels = bench.decide(PATIENCE, gate=gate)
    assert [type(action) for action in cancels] == [Cancel] * len(placed)
    assert {action.cloid for action in cancels} == {action.cloid for action in placed}
    assert bench.decide(s(3.1), gate=gate) == []


def modifying() -> tuple[Bench, TrackedOrder, Request]:
    """At 1 s a modify leaves, on a way that takes long: the order that it is about, and the request."""
    bench = quoting(DeskConfig(engine=AT_ONCE, size_tolerance=0.0))
    bench.ledger._timeout = s(10)
    order = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    bench.book(fill_of(order, 1, 5, oid=order.oid, at=1), s(1))
    bench.decide(s(1))
    (request,) = [each for each in bench.last if isinstance(each.actions[0], Modify)]
    assert [(modify.cloid, modify.oid) for modify in request.actions] == [(order.cloid, order.oid)]
    bench.answer(s(1.05), [each for each in bench.last if each is not request])
    return bench, order, request


@pytest.mark.parametrize(("gate", "patience"), [("user_feed_down", PATIENCE), ("kill", 0), ("stopping", 0)])
def test_a_modify_without_an_answer_is_not_waited_for_where_nothing_should_rest(gate, patience):
    """S20, S23: what it would replace rests until it arrives, which it may never do."""
    bench, order, request = modifying()
    both = {order.cloid, request.actions[0].place.cloid}
    others = {each.cloid for each in bench.resting()} - both
    assert {action.cloid for action in bench.decide(s(1.1), gate=gate)} == (others if patience else others | both)
    bench.answer(s(1.2))
    if patience:
        assert bench.desk.next_deadline() == s(1) + patience
        assert {action.cloid for action in bench.decide(s(1) + patience, gate=gate)} == both
    assert not [action for at in range(5, 10) for action in bench.decide(s(at), gate=gate)]


@pytest.mark.parametrize("is_applied", [True, False], ids=["the modify came first", "the cancels came first"])
@pytest.mark.parametrize("is_answered_first", [True, False], ids=["its answer first", "those of the cancels first"])
def test_a_modify_that_was_cancelled_with_what_it_replaces_leaves_nothing(is_applied, is_answered_first):
    """OL-09, S23: whichever met the other at the venue, and however late the answers come, both orders are settled."""
    bench, order, request = modifying()
    bench.decide(s(1.1), gate="kill")
    cancels, modify = bench.last, request.actions[0]
    new = bench.desk.tracker.orders[modify.place.cloid]
    ended, gone = (order, new) if is_applied else (new, order)

    def answer_the_modify():
        result = Resting(Oid(900), new.cloid) if is_applied else Refused(Reason.CANNOT_MODIFY, "Cannot modify")
        bench.ledger.on_replied(replied(request, result, at=s(8)), s(8))

    def answer_the_cancels():
        for each in cancels:
            found = [Refused(Reason.NOT_OPEN, "") if a.cloid == ended.cloid else Cancelled() for a in each.actions]
            bench.ledger.on_replied(replied(each, *found, at=s(8)), s(8))

    answers = [answer_the_modify, answer_the_cancels]
    for answer in answers if is_answered_first else reversed(answers):
        answer()
    for each in (order, new) if is_applied else (order,):
        bench.desk.on_update(update(each, OrderStatus.CANCELED, each.oid, remaining=each.remaining, at=s(2)), s(9))
    assert gone.state is OrderState.CANCELLED
    assert {order.cloid, new.cloid}.isdisjoint(bench.desk.tracker.orders)
    assert not [action for at in range(10, 20) for action in bench.decide(s(at), gate="kill")]


def test_where_nothing_may_be_signed_an_unanswered_placement_is_looked_at_once():
    """S28: what cannot be cancelled now is no reason to be woken again and again."""
    bench = Bench()
    bench.ledger._timeout = s(10)
    bench.quote(0)
    bench.ledger.is_barred = True
    for at in (s(1), PATIENCE):
        assert bench.decide(at, gate="signer_refused") == []
    deadline = bench.desk.next_deadline()
    assert deadline is None or deadline > PATIENCE


def test_doubts_are_cancelled_ever_later_and_after_three_times_once_a_minute():
    """S23, S25, EX-03: the first blind cancel goes at once; what is not found is not asked after for ever."""
    bench = Bench()
    placed = bench.quote(0)
    bench.refuse(ms(20))  # an answer without a result: all unknown
    pace = bench.ledger.timeout
    sent = []
    for at in range(0, s(150), ms(100)):
        now = s(1) + at
        actions = bench.decide(now, gate="kill")
        if actions:
            assert [action.cloid for action in actions] == [action.cloid for action in placed]
            sent.append(now)
            bench.refuse(now, *[Refused(Reason.NOT_OPEN, "")] * len(actions))
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert sent[0] == s(1)
    for gap, wanted in zip(gaps, [2 * pace, 4 * pace, s(60), s(60)], strict=False):
        assert wanted <= gap < wanted + s(5)
    assert len(gaps) >= 4


def test_the_minute_after_three_cancels_in_vain_counts_from_the_last_answer():
    """S25: what was refused again and again is left alone from when that was told, however long the answer took."""
    bench = Bench()
    bench.quote(0)
    bench.refuse(ms(20))  # an answer without a result: all unknown
    told, after = [], []
    for at in range(s(1), s(120), ms(100)):
        if actions := bench.decide(at, gate="kill"):
            if len(told) == 3:
                after.append(at)
                break
            told.append(at + s(8))
            bench.refuse(told[-1], *[Refused(Reason.NOT_OPEN, "")] * len(actions))
    assert len(told) == 3
    assert s(60) < after[0] - told[-1] <= s(65)


def test_an_order_that_shows_itself_is_cancelled_at_once_however_often_that_was_in_vain():
    """S23: the pause is for what cannot be found; an order that rests after all must go."""
    bench = Bench()
    bench.quote(0)
    bench.refuse(ms(20))
    for at in range(1, 60):
        if actions := bench.decide(s(at), gate="kill"):
            bench.refuse(s(at), *[Refused(Reason.NOT_OPEN, "")] * len(actions))
    order = next(iter(bench.desk.tracker.orders.values()))
    assert order.cancels_in_vain >= 3
    bench.desk.on_update(update(order, OrderStatus.OPEN, 77), s(60))
    assert order.cancels_in_vain == 0
    assert order.cloid in [action.cloid for action in bench.decide(s(60.5), gate="kill")]


def test_an_order_in_doubt_is_left_alone_while_we_may_quote():
    """Its slot is held, and the resolver asks: a blind cancel could take away what rests rightly."""
    bench = Bench()
    bench.quote(0)
    bench.refuse(ms(20))
    assert [action for at in range(1, 15) for action in bench.decide(s(at))] == []
    assert bench.desk.cycles > 2


@pytest.mark.parametrize("gate", ["starting", None])
def test_an_order_that_comes_to_rest_behind_a_gate_is_cancelled(gate):
    """Reliability 42, 43: the venue's `open` of an order that is unknown to rest, while nothing should."""
    bench = Bench()
    bench.quote(0)
    orders = list(bench.desk.tracker.orders.values())
    bench.decide(ms(5), gate="starting")
    if gate is None:
        bench.decide(ms(200))
    for number, order in enumerate(orders):
        bench.desk.on_update(update(order, OrderStatus.OPEN, 500 + number), ms(300))
    cancels = bench.decide(ms(400), gate=gate)
    assert kinds(cancels) == (["Cancel"] * 2 * LEVELS if gate else [])


def test_the_gate_says_why():
    bench = quoting()
    bench.decide(ms(30), gate="resync")
    assert bench.desk.gate == "resync"
    assert bench.desk.stops["risk:resync"] == 1
    assert bench.desk.targets is None


# --- limits -------------------------------------------------------------------------------------


def test_nothing_is_quoted_before_the_limit_is_known():
    """EL-04."""
    bench = Bench()
    bench.desk.terms.max_position = None
    assert bench.quote(0) == []
    assert bench.desk.stops == {"risk:limits_unknown": 1}
    assert not bench.desk.is_quotable
    bench.desk.terms.max_position = Sz(1_000)
    assert bench.quote(s(1), MID + 20 * TICK) != []


def test_the_smaller_of_our_limit_and_the_venues_holds():
    assert quoting(max_position=300).desk.limit.lots == 300
    assert quoting(max_position=10**6).desk.limit.lots == 500  # 10,000 USD at 2,000


def test_what_may_still_fill_counts_against_the_limit():
    """S15: a replacement waits until the cancelled order is known to be gone, if both together would exceed it."""
    bench = quoting(max_position=40)
    fillable = bench.desk.tracker.fillable_exposure()
    assert all(side <= 40 for side in fillable)
    actions = bench.quote(s(1), MID + 100 * TICK)
    bid, ask = bench.desk.tracker.fillable_exposure()
    assert max(bid, ask) <= 40
    assert bench.desk.execution.actions_gated[GateReason.POSITION_LIMIT] > 0
    assert kinds(actions).count("Place") < 2 * LEVELS
    # the cancels are answered, the old orders end, and what was held back follows without a move of the market
    old = [order for order in bench.desk.tracker.orders.values() if order.in_flight is InFlight.CANCEL]
    bench.answer(s(1.02))
    for order in old:
        bench.desk.on_update(update(order, OrderStatus.CANCELED, order.oid), s(1.03))
    assert "Place" in kinds(bench.decide(s(1.2)))
    assert max(bench.desk.tracker.fillable_exposure()) <= 40


def test_a_smaller_size_is_reached_even_at_the_limit():
    """A modify counts both generations, so at the limit it is refused: the order that is too big must be cancelled."""
    flat = QuoteConfig(skew_strength=1e-6)
    one_level = QuoteEngineConfig(warmup_timeout_s=0.0, min_confidence=0.0, quote=flat, ladder=LadderConfig(levels=1))
    bench = Bench(DeskConfig(engine=one_level), max_position=30)
    bench.quote(0, MID + TICK // 2)
    bench.answer(ms(20))
    assert bench.desk.tracker.fillable_exposure() == (25, 25)
    bench.desk.inventory.restate(Pos(20), 0, float(MID))  # the venue corrects us: 20 + 25 is beyond 30
    bench.desk.accumulator.on_side_event(BUY, s(1))
    for at in (1.0, 1.2, 1.4):
        bench.decide(s(at))
        old = [order for order in bench.desk.tracker.orders.values() if order.in_flight is InFlight.CANCEL]
        bench.answer(s(at + 0.02))
        for order in old:
            bench.desk.on_update(update(order, OrderStatus.CANCELED, order.oid), s(at + 0.03))
    bids = [order.sz for order in bench.resting() if order.side is BUY]
    assert bids == [10]


def test_our_own_sides_never_cross():
    """S17: after a jump, the new bid waits while an old ask below it may still fill."""
    bench = quoting()
    actions = bench.quote(s(1), MID + 100 * TICK)
    bids = [action.px for action in actions if isinstance(action, Place) and action.side is BUY]
    asks = [order.px for order in bench.desk.tracker.orders.values() if order.side is SELL and order.fillable]
    assert max(bids, default=0) < min(asks)
    assert bench.desk.execution.actions_gated[GateReason.SELF_CROSS] > 0


def kinds_of(actions) -> set[type]:
    return {type(action) for action in actions}


def test_a_moved_price_is_modified_and_waits_if_it_came_too_soon():
    """CH-19..21: one request instead of two; within half a second of the last one the orders rest on, no longer."""
    bench = quoting(DeskConfig(engine=ONE_LEVEL, reconcile=MODIFYING))
    resting = {order.cloid for order in bench.resting()}
    assert kinds_of(bench.quote(s(1), MID + 20 * TICK)) == {Modify}
    bench.answer(s(1.05))
    moved = {order.cloid for order in bench.resting()}
    assert len(moved) == len(resting)
    assert moved.isdisjoint(resting)
    assert bench.quote(s(1.3), MID + 40 * TICK) == []
    execution = bench.desk.execution
    assert execution.actions_gated == {GateReason.DEBOUNCE: len(moved)}
    assert execution.actions_generated == execution.actions_sent + len(moved)
    assert {order.cloid for order in bench.resting()} == moved
    assert bench.desk.next_deadline() == s(1.5)
    assert kinds_of(bench.decide(s(1.5))) == {Modify}
    assert bench.desk.next_deadline() > s(1.6)


def test_a_price_that_has_moved_a_little_keeps_its_order():
    """CH-24: within the latch nothing is sent, and it is counted; beyond it the order goes."""
    every_move = AccumulatorConfig(mid_move_bps=0.1)
    bench = quoting(DeskConfig(engine=AT_ONCE, reconcile=LATCHING, accumulator=every_move))
    n = len(bench.resting())
    assert bench.quote(s(1), MID + 2 * TICK) == []
    assert bench.desk.execution.actions_latched == n
    assert kinds_of(bench.quote(s(2), MID + 60 * TICK)) == {Cancel, Place}


def test_each_level_has_a_band_of_its_own():
    """CH-26: what moves the best level leaves the outer ones where they are."""
    tight = ReconcileConfig(tolerance=ToleranceConfig(share=0.01, floor_bps=2.0, level_factors=(1.0, 5.0)))
    bench = quoting(DeskConfig(engine=AT_ONCE, reconcile=tight))
    n = len(bench.resting())
    sent = bench.quote(s(1), MID + 12 * TICK)
    assert kinds_of(sent) == {Cancel, Place}
    assert 0 < sum(isinstance(action, Place) for action in sent) < n
    assert bench.desk.execution.actions_latched == n - sum(isinstance(action, Place) for action in sent)


def test_a_wait_of_one_side_outlasts_a_cycle_of_the_other():
    """CH-20: what has to wait on a side that this cycle did not look at still waits."""
    bench = quoting(DeskConfig(engine=ONE_LEVEL, reconcile=MODIFYING))
    bench.quote(s(1), MID + 20 * TICK)
    bench.answer(s(1.05))
    bench.quote(s(1.3), MID + 40 * TICK)
    order = next(o for o in bench.resting() if o.side is BUY)
    bench.desk.accumulator.on_side_event(order.side, s(1.4))
    bench.decide(s(1.42))
    assert bench.desk.next_deadline() == s(1.5)


@given(st.data())
def test_in_every_cycle_what_was_generated_is_sent_latched_or_gated(data):
    """MT-36, in each cycle and in all: sent is what left, by any limits, moves, fills, positions, silence."""
    config = DeskConfig(
        engine=replace(AT_ONCE, ladder=LadderConfig(levels=data.draw(st.integers(1, 4)))),
        size_tolerance=data.draw(st.sampled_from([0.0, 0.2])),
        reconcile=data.draw(st.sampled_from([ReconcileConfig(), LATCHING, MODIFYING])),
        max_actions=data.draw(st.integers(1, 8)),
    )
    bench = Bench(config, max_position=data.draw(st.sampled_from([10, 40, 200, 100_000])))
    desk, accounts = bench.desk, []

    def account(sent):
        if desk.cycles == len(accounts):
            assert sent == []
            return
        record, shown = desk.execution.record, desk_snapshot(desk, Ns(0))
        accounts.append(record)
        left = [sum(isinstance(action, kind) for action in sent) for kind in (Cancel, Modify, Place)]
        assert left == [record.cancels, record.modifies, record.places]
        assert record.missing == 0
        assert shown.actions_generated == sum(each.generated for each in accounts)
        assert shown.actions_sent == sum(each.sent for each in accounts)
        assert shown.actions_latched == sum(each.latched for each in accounts)
        assert sum(shown.actions_gated.values()) == sum(each.suppressed + each.gated for each in accounts)

    for step in range(1, data.draw(st.integers(2, 12))):
        now, happens = s(step), data.draw(st.sampled_from(["answer", "refuse", "silence", "fill", "restate", "gate"]))
        account(bench.quote(now, MID + data.draw(st.integers(-60, 60)) * TICK))
        if happens == "refuse":
            bench.refuse(now, Refused(Reason.EXPIRED, ""))
        elif happens != "silence":
            bench.answer(now)
        if happens == "fill" and bench.resting():
            order = data.draw(st.sampled_from(bench.resting()))
            bench.book(fill_of(order, step, data.draw(st.integers(1, order.remaining)), oid=order.oid, at=now), now)
        elif happens == "restate":
            desk.inventory.position = Pos(data.draw(st.integers(-300, 300)))
            desk.accumulator.on_side_event(data.draw(st.sampled_from([BUY, SELL])), now)
        elif happens == "gate":
            account(bench.decide(now + 1, gate="kill"))
        for order in [o for o in desk.tracker.orders.values() if o.in_flight is InFlight.CANCEL]:
            desk.on_update(update(order, OrderStatus.CANCELED, order.oid or 7_000 + step), now)


def test_a_modify_without_the_venues_id_is_counted_and_not_lost():
    """MT-36: the one plan that cannot be sent for a reason of ours."""
    bench = quoting(DeskConfig(engine=AT_ONCE, size_tolerance=0.0))
    order = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    bench.book(fill_of(order, 1, 5, oid=order.oid, at=1), s(1))
    order.oid = None
    bench.decide(s(1))
    assert bench.desk.execution.actions_gated == {GateReason.NO_OID: 1}
    assert bench.desk.execution.actions_generated == bench.desk.execution.actions_sent + 1


def test_every_generated_action_is_sent_or_counted():
    """Nothing is dropped silently (MT-36)."""
    bench = quoting(max_position=40)
    for step in range(1, 30):
        bench.quote(s(step), MID + (step * 37 % 50) * TICK)
        bench.answer(s(step + 0.02))
    desk = bench.desk
    assert desk.execution.actions_generated == desk.execution.actions_sent + sum(desk.execution.actions_gated.values())


# --- the account --------------------------------------------------------------------------------


def test_fills_before_the_first_mid_are_booked():
    """MS-06, T-22."""
    bench = Bench()
    bench.book(fill(1, BUY, 7, MID), 0)
    assert (bench.desk.market.mid, bench.desk.inventory.position) == (None, 7)


def test_a_fill_of_an_order_we_do_not_know_counts_in_the_position():
    """FL-08."""
    bench = quoting()
    bench.book(fill(1, SELL, 7, MID, oid=9_999), s(1))
    assert bench.desk.inventory.position == -7


def test_what_kind_of_fills_a_desk_got():
    """For people: by side, and how many of them took although quotes are post-only."""
    stats = FillTracker(FillTrackerConfig())
    for number, (side, sz, is_taker) in enumerate(((BUY, 3, False), (SELL, 5, True), (BUY, 4, False))):
        stats.on_fill(msgspec.structs.replace(fill(number, side, sz, MID), is_taker=is_taker), quotes=number)
    assert (stats.bought, stats.sold, stats.taker_fills) == (7, 5, 1)


def test_an_intent_of_an_earlier_life_is_exposure_until_settled():
    """S11, S13: unknown, in full, with its slot held."""
    bench = Bench()
    bench.desk.adopt(RestoredOrder(ETH.id, cloid(77), BUY, Px(MID - 5 * TICK), Sz(10)), 0)
    order = bench.desk.tracker.orders[cloid(77)]
    assert (order.state, order.certainty) == (OrderState.PENDING_NEW, Certainty.UNKNOWN)
    assert bench.desk.tracker.fillable_exposure() == (10, 0)
    placed = [action.side for action in bench.quote(0)]
    assert (placed.count(BUY), placed.count(SELL)) == (LEVELS - 1, LEVELS)


def test_what_an_earlier_life_has_booked_of_an_order_is_no_exposure():
    """S10, S15: its fills come no second time, so the order settles by them and counts without them."""
    bench = Bench()
    intent = RestoredOrder(ETH.id, cloid(77), BUY, Px(MID - 5 * TICK), Sz(10), fills=((Tid(5), Sz(4)),))
    bench.desk.adopt(intent, 0)
    tracker = bench.desk.tracker
    order = tracker.orders[cloid(77)]
    assert tracker.fillable_exposure() == (6, 0)
    told = OrderUpdate(ETH.id, Ns(1), Ns(1), Oid(9), order.cloid, BUY, order.px, order.sz, Sz(6), OrderStatus.CANCELED)
    bench.desk.on_update(told, ms(1), is_answer=True)
    assert (order.is_settled, tracker.orders) == (True, {})


def test_an_order_in_doubt_that_turns_out_to_rest_is_reconciled():
    """Its slot was held; now it is kept or replaced like any other."""
    bench = quoting()
    order = bench.resting()[0]
    bench.desk.tracker.on_cancel_sent(order, ms(30))
    bench.desk.tracker.on_cancel_silence(order)
    bench.desk.on_update(update(order, OrderStatus.OPEN, order.oid), s(1), is_answer=True)
    bench.decide(s(1.1))
    assert order.is_resting
    assert bench.desk.cycles == 2


@pytest.mark.parametrize("end", [OrderStatus.CANCELED, OrderStatus.FILLED])
def test_a_slot_held_by_doubt_is_quoted_again_when_the_doubt_ends(end):
    """L1: nothing was placed while nobody knew; with the evidence the slot does not wait for the fallback."""
    bench = quoting()
    order = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    bench.desk.tracker.on_cancel_sent(order, s(1))
    bench.desk.tracker.on_cancel_result(order, Refused(Reason.NOT_OPEN, ""), s(1))
    assert bench.quote(s(1.1), MID + 20 * TICK) != []
    bench.answer(s(1.2))
    assert sum(o.side is BUY for o in bench.resting()) < LEVELS
    bench.desk.on_update(update(order, end, order.oid), s(1.5), is_answer=True)
    placed = [action for action in bench.decide(s(1.6)) if isinstance(action, Place) and action.side is BUY]
    assert placed


def test_the_modify_keeps_the_price_and_renews_the_client_id():
    """RC-02, OL-24."""
    bench = quoting(DeskConfig(engine=AT_ONCE, size_tolerance=0.0))
    order = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    bench.book(fill_of(order, 1, 5, oid=order.oid, at=1), s(1))
    modifies = [action for action in bench.decide(s(1)) if isinstance(action, Modify)]
    assert [m.cloid for m in modifies] == [order.cloid]
    assert modifies[0].place.px == order.px
    assert modifies[0].place.cloid != order.cloid
    assert modifies[0].oid == order.oid


def test_cancels_carry_both_ids():
    """A cancel by client id works before the venue's id is known; with both the adapter can choose."""
    bench = quoting()
    cancels = bench.decide(s(1), gate="kill")
    assert all(isinstance(action, Cancel) and action.cloid and action.oid for action in cancels)


# --- market data --------------------------------------------------------------------------------


def test_trades_teach_once_and_trigger():
    """MS-08, EA-03."""
    bench = quoting()
    seen = bench.desk.engine.kappa.seen
    told = trades((1, MID, s(1)), (2, MID + TICK, s(1)), time=s(1))
    bench.desk.on_trades(told, s(1))
    bench.desk.on_trades(told, s(1))
    assert bench.desk.engine.kappa.seen == seen + 2
    assert bench.desk.accumulator.due_at() == ms(100)


def test_replayed_history_teaches_nothing():
    """Its depth would be measured from a mid of another time: thirty old trades would wreck kappa."""
    bench = Bench()
    bench.desk.on_bbo(bbo(MID - TICK, MID + TICK, s(1_000)), 0)
    kappa = bench.desk.engine.kappa_effective(s(1_000))
    replay = trades(*((n, MID - 500 * TICK, s(900 + n)) for n in range(30)), time=s(930))
    bench.desk.on_trades(replay, 0)
    assert bench.desk.engine.kappa_effective(s(1_000)) == kappa


def test_after_a_gap_of_the_feed_nothing_is_quoted_until_new_data_comes():
    """S21."""
    bench = quoting()
    bench.desk.on_market_gap()
    assert kinds(bench.decide(ms(30))) == ["Cancel"] * 2 * LEVELS
    bench.answer(ms(50))
    assert bench.decide(s(1)) == []
    assert bench.quote(s(2)) != []


def test_late_data_withdraws_and_fresh_data_quotes_again():
    """C-04, DQ-13: data that arrives 30 s late is stale on arrival, however steadily it arrives."""
    bench = quoting()
    bench.desk.on_clock(ClockSync(Ns(0), ms(100)))
    seen = []
    for at in range(1, 10):
        now = s(40 + at)
        bench.desk.on_bbo(bbo(MID - 5 * TICK, MID + 5 * TICK, now - s(30), recv=now), now)
        seen += bench.decide(now)
        bench.answer(now)
        assert bench.desk.gate == "stale_data"
    assert kinds(seen) == ["Cancel"] * 2 * LEVELS
    assert kinds(bench.quote(s(51))) == ["Place"] * 2 * LEVELS


def test_data_from_the_future_is_told_once_a_burst():
    """Not used, counted, one warning; a burst ends after a minute without."""
    bench = quoting()
    bench.desk.on_clock(ClockSync(Ns(0), ms(100)))
    for at in (1, 2, 30, 80, 139, 139 + 61):
        bench.desk.on_bbo(bbo(MID, MID + TICK, s(at + 10), recv=s(at)), s(at))
        bench.desk.on_book(book([MID], [MID + TICK], s(at + 10), recv=s(at)), s(at))
        bench.desk.on_trades(trades((at, MID, s(at + 10)), time=s(at)), s(at))
    assert bench.desk.market.n_future == 18
    assert bench.desk.market.mid == MID
    assert [(alert.severity, alert.name) for alert in bench.alerts] == [("warning", "future_data")] * 2
    assert bench.desk.engine.kappa.seen == 0


# --- quotes left alone --------------------------------------------------------------------------


def test_a_debounce_that_is_too_long_raises_the_alarm():
    """EA-08: with 10 s between two cycles the quotes are stale before the next: one warning for each time."""
    bench = quoting(DeskConfig(engine=AT_ONCE, accumulator=AccumulatorConfig(debounce_ms=10_000.0)))
    assert bench.desk.next_deadline() == s(7.5) + 1
    for at in range(1, 25):
        bench.quote(s(at), MID + 100 * at * TICK)
        bench.answer(s(at))
    assert bench.desk.cycles == 3
    assert [(alert.severity, alert.name) for alert in bench.alerts] == [("warning", "stale_quotes")] * 2
    assert bench.desk.stale_quote_alarms == 2
    assert "8.0 s" in bench.alerts[0].text


def test_the_alarm_needs_quotes_and_time():
    """Not in the usual rhythm, not while nothing is quoted, and not by a moment too early."""
    bench = quoting()
    for at in range(1, 60):
        bench.quote(s(at))
    bench.decide(s(60), gate="kill")
    bench.decide(s(300), gate="kill")
    assert bench.alerts == []
    bench = quoting()
    bench.desk._check_stale_quotes(s(7.5))
    assert bench.desk.stale_quote_alarms == 0
    bench.desk._check_stale_quotes(s(7.5) + 1)
    bench.desk._check_stale_quotes(s(9))
    assert bench.desk.stale_quote_alarms == 1


# --- uptime -------------------------------------------------------------------------------------


def test_uptime_tells_sides_and_gates():
    bench = Bench(DeskConfig(engine=AT_ONCE, accumulator=AccumulatorConfig(fallback_ms=60_000.0)))
    bench.quote(0)
    bench.answer(s(1))
    bench.decide(s(1))
    bench.decide(s(5), gate="kill")
    bench.answer(s(5))
    bench.decide(s(7), gate="kill")
    totals = bench.desk.uptime.totals(s(10))
    assert totals == {"empty": s(1), "two_sided": s(4), "gated:kill": s(5)}


def test_one_level_a_side_is_enough_to_quote():
    config = QuoteEngineConfig(warmup_timeout_s=0.0, ladder=LadderConfig(levels=1))
    assert len(Bench(DeskConfig(engine=config)).quote(0)) == 2


def test_an_oid_of_the_venue_is_bound_once():
    bench = quoting()
    order = bench.resting()[0]
    bench.desk.tracker.on_place_result(order.cloid, Cancelled(), ms(30))
    assert order.oid is not None
    assert bench.desk.tracker.find(None, Oid(order.oid)) is order
