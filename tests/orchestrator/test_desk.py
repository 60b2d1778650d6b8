"""One instrument: from market data and answers to requests, and what stops a cycle."""

import pytest

from domain.commands import Cancel, Modify, Place
from domain.events import Cancelled, NotSent, OrderStatus, Reason, Refused, RestoredOrder
from domain.orders import Certainty, InFlight, OrderState
from domain.units import Oid, Pos, Px, Sz
from orchestrator.desk.accumulator import AccumulatorConfig
from orchestrator.desk.desk import DeskConfig, GateReason
from orchestrator.desk.quote_engine import QuoteEngineConfig, Step
from strategy.glft import QuoteConfig
from strategy.ladder import LadderConfig
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, bbo, cloid, fill, fill_of, ms, s, trades, update

LEVELS = AT_ONCE.ladder.levels


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
    assert bench.desk.refusals == {Reason.POST_ONLY_WOULD_CROSS: 2 * LEVELS}


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


def test_only_the_side_that_was_hit_is_touched():
    """EA-06, RC-08: a fill reopens its side; the other side keeps its orders and its requests."""
    bench = quoting()
    best = max((o for o in bench.resting() if o.side is BUY), key=lambda o: o.px)
    bench.desk.on_fill(fill_of(best, 1, best.sz, oid=best.oid, at=1), s(1))
    actions = bench.decide(s(1))
    assert actions
    touched = {
        action.side if isinstance(action, Place) else bench.desk.tracker.find(action.cloid, None).side
        for action in actions
    }
    assert touched == {BUY}


# --- seven ways to stop -------------------------------------------------------------------------


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
        bench = Bench()
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
    """QE-18: no debounce, no scope; when it opens both sides are quoted again."""
    bench = quoting()
    actions = bench.decide(ms(25), gate="market_feed_down")
    assert kinds(actions) == ["Cancel"] * 2 * LEVELS
    bench.answer(ms(45))
    assert bench.decide(ms(50)) != []
    assert bench.desk.gate is None


def test_stale_data_withdraws_within_one_cycle():
    """DQ-13: at 15.1 s all quotes are on their way out; the desk asked to be woken for it."""
    bench = quoting()
    for at in (5, 10, 15):
        assert bench.decide(s(at)) == []
    assert bench.desk.next_deadline() == s(15) + 1
    assert kinds(bench.decide(s(15) + 1)) == ["Cancel"] * 2 * LEVELS
    bench.answer(s(15.1))
    assert bench.decide(s(15.2)) == []
    assert bench.quote(s(16)) != []


def test_a_crossed_book_withdraws_at_once():
    """DQ-14."""
    bench = quoting()
    bench.desk.on_bbo(bbo(MID + 1, MID, ms(30)), ms(30))
    assert kinds(bench.decide(ms(30))) == ["Cancel"] * 2 * LEVELS
    assert bench.desk.gate == "crossed_book"


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
    bench.desk.on_fill(fill_of(order, 1, 1, oid=order.oid, at=40), ms(40))
    for at in range(50, 12_000, 490):
        bench.desk.on_bbo(bbo(MID - at * TICK, MID + at * TICK, ms(at)), ms(at))
        seen += bench.decide(ms(at), gate="kill")
    assert set(kinds(seen)) == {"Cancel"}


def test_a_placement_acknowledged_after_the_gate_closed_is_cancelled():
    """Reliability 42, 43: no order placed a moment before the kill stays behind it."""
    bench = Bench()
    bench.quote(0)
    placed = list(bench.last)
    assert bench.decide(ms(5), gate="kill") == []  # not acknowledged: nothing to cancel yet
    bench.answer(ms(20), placed)
    cancels = bench.decide(ms(110), gate="kill")
    assert kinds(cancels) == ["Cancel"] * 2 * LEVELS


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
    bench.desk.exchange_max_position = None
    assert bench.quote(0) == []
    assert bench.desk.stops == {"risk:limits_unknown": 1}
    assert not bench.desk.is_quotable
    bench.desk.exchange_max_position = Sz(1_000)
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
    assert bench.desk.actions_gated[GateReason.POSITION_LIMIT] > 0
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
    bench.desk.inventory.restate(Pos(20), float(MID))  # the venue corrects us: 20 + 25 is beyond 30
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
    assert bench.desk.actions_gated[GateReason.SELF_CROSS] > 0


def test_every_generated_action_is_sent_or_counted():
    """Nothing is dropped silently (MT-36)."""
    bench = quoting(max_position=40)
    for step in range(1, 30):
        bench.quote(s(step), MID + (step * 37 % 50) * TICK)
        bench.answer(s(step + 0.02))
    desk = bench.desk
    assert desk.actions_generated == desk.actions_sent + sum(desk.actions_gated.values())


# --- the account --------------------------------------------------------------------------------


def test_fills_before_the_first_mid_are_booked():
    """MS-06, T-22."""
    bench = Bench()
    bench.desk.on_fill(fill(1, BUY, 7, MID), 0)
    assert (bench.desk.market.mid, bench.desk.inventory.position) == (None, 7)


def test_a_fill_of_an_order_we_do_not_know_counts_in_the_position():
    """FL-08."""
    bench = quoting()
    assert bench.desk.on_fill(fill(1, SELL, 7, MID, oid=9_999), s(1)) is None
    assert bench.desk.inventory.position == -7


def test_an_intent_of_an_earlier_life_is_exposure_until_settled():
    """S11, S13: unknown, in full, with its slot held."""
    bench = Bench()
    bench.desk.adopt(RestoredOrder(ETH.id, cloid(77), BUY, Px(MID - 5 * TICK), Sz(10)), 0)
    order = bench.desk.tracker.orders[cloid(77)]
    assert (order.state, order.certainty) == (OrderState.PENDING_NEW, Certainty.UNKNOWN)
    assert bench.desk.tracker.fillable_exposure() == (10, 0)
    placed = [action.side for action in bench.quote(0)]
    assert (placed.count(BUY), placed.count(SELL)) == (LEVELS - 1, LEVELS)


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
    bench.desk.on_fill(fill_of(order, 1, 5, oid=order.oid, at=1), s(1))
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
