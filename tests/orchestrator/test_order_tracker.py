"""The tracker: what rests, what may still fill, what is unclear (OL, TQ-14)."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Modify, Place
from domain.errors import IllegalTransition
from domain.events import Cancelled, Executed, OrderStatus, OrderUpdate, Reason, Refused, Resting
from domain.orders import TERMINAL, Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Ns, Oid, Px, Side, Sz, Tid, Tif
from orchestrator.desk.order_tracker import OrderTracker, TrackerConfig, cancel_of
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, cloid, fill_of, ms, s, update

S = OrderState
OPEN, FILLED, CANCELED, REJECTED = OrderStatus


def make(**config) -> OrderTracker:
    return OrderTracker(TrackerConfig(**config))


def place(number: int, side: Side = BUY, sz: int = 10, px: int | None = None) -> Place:
    at = px if px is not None else MID - side * number * TICK
    return Place(ETH.id, cloid(number), side, Px(at), Sz(sz), Tif.ALO)


def sent(tracker, number=1, side=BUY, sz=10, px=None, now=Ns(0)) -> TrackedOrder:
    return tracker.on_place_sent(place(number, side, sz, px), now)


def resting(tracker, number=1, side=BUY, sz=10, px=None) -> TrackedOrder:
    order = sent(tracker, number, side, sz, px)
    tracker.on_place_result(order.cloid, Resting(Oid(number), order.cloid), Ns(1))
    assert order.is_resting
    return order


def modified(tracker, order, number, sz=20) -> TrackedOrder:
    """A modify sent; returns the new generation."""
    modify = Modify(order.cloid, order.oid, place(number, order.side, sz, order.px))
    tracker.on_modify_sent(order, modify, Ns(2))
    return tracker.orders[cloid(number)]


def unclear(tracker: OrderTracker, now: Ns) -> list[TrackedOrder]:
    """Orders to ask the venue about at ``now``."""
    due = [(order, tracker.unclear_at(order)) for order in tracker.orders.values()]
    return [order for order, at in due if at is not None and at <= now]


def known(order: TrackedOrder) -> tuple:
    return order.state, order.in_flight, order.certainty


# --- the eleven of TQ-14, by meaning ------------------------------------------------------------


def test_pending_exposure_of_nothing():
    assert make().pending_exposure() == make().fillable_exposure() == (0, 0)


def test_pending_exposure_with_orders():
    """Remaining lots of confirmed orders, a side apart."""
    tracker = make()
    resting(tracker, 1, BUY, 10)
    resting(tracker, 2, BUY, 7)
    resting(tracker, 3, SELL, 5)
    assert tracker.pending_exposure() == (17, 5)


def test_pending_exposure_leaves_out_what_was_filled():
    """OL-17: an order of 10 of which 4 are filled counts 6."""
    tracker = make()
    order = resting(tracker, 1, BUY, 10)
    tracker.on_fill(fill_of(order, 1, 4, oid=1), Ns(2))
    assert tracker.pending_exposure() == tracker.fillable_exposure() == (6, 0)


def test_net_pending_change():
    """Bids minus asks: positive when we stand to get longer."""
    tracker = make()
    resting(tracker, 1, BUY, 10)
    resting(tracker, 2, SELL, 4)
    assert tracker.net_pending_change() == 6


def test_worst_case_positions():
    """All asks fill, or all bids do; what is in flight counts."""
    tracker = make()
    resting(tracker, 1, BUY, 10)
    sent(tracker, 2, SELL, 4)
    assert tracker.worst_case_positions(3) == (-1, 13)


def test_resting_notional():
    tracker = make()
    first, second, third = resting(tracker, 1, BUY, 10), resting(tracker, 2, BUY, 2), resting(tracker, 3, SELL, 5)
    assert tracker.resting_notional() == (first.px * 10 + second.px * 2, third.px * 5)


def test_an_order_is_found_by_its_client_id_before_it_has_another():
    """OL-08: the fill that overtakes the reply finds its order."""
    tracker = make()
    order = sent(tracker, 1)
    assert tracker.find(order.cloid, None) is order
    assert tracker.find(None, Oid(5)) is None
    tracker.on_fill(fill_of(order, 1, 4, oid=5), Ns(1))
    assert tracker.find(None, Oid(5)) is order
    assert cancel_of(order).cloid == order.cloid


def test_average_fill_price_over_several_fills():
    tracker = make()
    order = resting(tracker, 1)
    for tid, (sz, px) in enumerate([(1, 100), (3, 104)]):
        tracker.on_fill(fill_of(order, tid, sz, oid=1, px=px), Ns(2))
    assert order.average_fill_price() == 103


def test_last_fill_time_is_that_of_new_fills_only():
    """OL-12."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_fill(fill_of(order, 1, 1, oid=1), Ns(5))
    tracker.on_fill(fill_of(order, 1, 1, oid=1), Ns(9))
    assert order.last_fill_at == 5


def test_fill_count_counts_trades():
    tracker = make()
    order = resting(tracker, 1)
    for tid in (1, 2, 2, 3):
        tracker.on_fill(fill_of(order, tid, 1, oid=1), Ns(5))
    assert (order.fill_count(), order.filled) == (3, 3)


def test_age_runs_from_the_decision_to_place():
    order = sent(make(), 1, now=s(4))
    assert order.age(s(9)) == s(5)


# --- exposure -----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(0, 8)), max_size=6),
    st.integers(-20, 20),
)
def test_worst_case_is_attained_and_never_exceeded(entries, position):
    """OL-19: against every subset of orders that may fill, whatever their state."""
    tracker, outcomes = make(), []
    for number, (side, sz, filled) in enumerate(entries, start=1):
        order = resting(tracker, number, side, sz)
        if number % 3 == 0:
            tracker.on_cancel_sent(order, Ns(2))
        if 0 < filled < sz:
            tracker.on_fill(fill_of(order, number, filled, oid=number), Ns(3))
        outcomes.append(side * order.remaining)
    reached = [position + sum(chosen) for count in range(len(outcomes) + 1) for chosen in combinations(outcomes, count)]
    assert tracker.worst_case_positions(position) == (min(reached), max(reached))


def test_what_is_being_cancelled_still_counts():
    """C-15: two figures; a sent or confirmed cancel leaves the resting one, not the worst case."""
    tracker = make()
    order = resting(tracker, 1, BUY, 10)
    tracker.on_cancel_sent(order, Ns(2))
    assert (tracker.pending_exposure(), tracker.fillable_exposure()) == ((0, 0), (10, 0))
    tracker.on_cancel_result(order, Cancelled(), Ns(3))
    assert (tracker.pending_exposure(), tracker.fillable_exposure()) == ((0, 0), (10, 0))
    tracker.on_update(update(order, CANCELED, 1, remaining=10), Ns(4))
    assert tracker.fillable_exposure() == (0, 0)


def test_both_generations_count_until_the_venue_said_which_lives():
    """Reliability 29: a modify in flight may end with fills of both."""
    tracker = make()
    modified(tracker, resting(tracker, 1, BUY, 10), 2, sz=20)
    assert tracker.fillable_exposure() == (30, 0)


def test_exposure_waits_for_the_fills_that_the_venue_counted():
    """S10: `filled` overtakes its fills; the lots stay reserved until each has arrived."""
    tracker = make()
    order = resting(tracker, 1, BUY, 10)
    tracker.on_update(update(order, FILLED, 1), Ns(2))
    assert (order.state, tracker.fillable_exposure()) == (S.FILLED, (10, 0))
    tracker.on_fill(fill_of(order, 1, 4, oid=1), Ns(3))
    assert (tracker.fillable_exposure(), len(tracker.orders)) == ((6, 0), 1)
    tracker.on_fill(fill_of(order, 2, 6, oid=1), Ns(4))
    assert (tracker.fillable_exposure(), len(tracker.orders), order.state) == ((0, 0), 0, S.FILLED)


def test_the_inner_price_is_that_of_everything_that_may_fill():
    """S17: our own other side includes orders in flight and orders being cancelled."""
    tracker = make()
    resting(tracker, 1, BUY, px=100)
    tracker.on_cancel_sent(resting(tracker, 2, BUY, px=105), Ns(2))
    sent(tracker, 3, SELL, px=120)
    sent(tracker, 4, SELL, px=110)
    assert (tracker.inner_px(BUY), tracker.inner_px(SELL)) == (105, 110)
    assert make().inner_px(BUY) is None


# --- placement ----------------------------------------------------------------------------------


def test_a_placement_that_the_venue_rests():
    tracker = make()
    order = resting(tracker, 1)
    assert known(order) == (S.OPEN, InFlight.NONE, Certainty.KNOWN)
    assert (order.oid, tracker.counters.placed) == (1, 1)


def test_a_placement_that_the_venue_refuses_is_gone():
    """A structured refusal of that order is a verdict."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_place_result(order.cloid, Refused(Reason.POST_ONLY_WOULD_CROSS, "crossed"), Ns(1))
    assert (order.state, tracker.orders, tracker.fillable_exposure()) == (S.REJECTED, {}, (0, 0))
    assert (tracker.counters.rejected, tracker.counters.placed) == (1, 0)


def test_filled_size_comes_from_fills_and_not_from_the_reply():
    """FL-05: an immediate match is told by the reply and by the fill, and counts once."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_place_result(order.cloid, Executed(Oid(1), order.cloid, Sz(10), 100.0), Ns(1))
    assert (order.filled, tracker.fillable_exposure()) == (0, (10, 0))
    tracker.on_fill(fill_of(order, 1, 10, oid=1), Ns(2))
    assert (order.state, tracker.orders) == (S.FILLED, {})


def taking(tracker, number=1, side=SELL, sz=10) -> TrackedOrder:
    """An order that takes what it gets and leaves nothing, sent."""
    return tracker.on_place_sent(Place(ETH.id, cloid(number), side, Px(MID), Sz(sz), Tif.IOC, True), Ns(0))


@pytest.mark.parametrize(("lots", "end"), [(4, S.CANCELLED), (10, S.FILLED)])
@pytest.mark.parametrize("is_fill_first", [False, True])
def test_an_order_that_takes_is_over_with_its_answer(lots, end, is_fill_first):
    """S10, L3 (review, item 9): its closing status may be lost; the answer says what it got, and no more follows."""
    tracker = make()
    order = taking(tracker)
    facts = [
        lambda: tracker.on_place_result(order.cloid, Executed(Oid(5), order.cloid, Sz(lots), float(MID)), Ns(1)),
        lambda: tracker.on_fill(fill_of(order, 1, lots, oid=5), Ns(2)),
    ]
    facts[is_fill_first]()
    assert tracker.fillable_exposure() == ((0, 10 - lots) if is_fill_first else (0, lots))
    facts[not is_fill_first]()
    assert (order.state, order.filled, order.is_settled) == (end, lots, True)
    assert (tracker.fillable_exposure(), tracker.orders, tracker.counters.placed) == ((0, 0), {}, 1)
    tracker.on_update(update(order, CANCELED, 5, remaining=10 - lots), Ns(3))
    assert (order.state, tracker.counters.late_events) == (end, 1)


@pytest.mark.parametrize(("lots", "end"), [(4, S.CANCELLED), (10, S.FILLED_DURING_CANCEL)])
def test_an_order_that_takes_and_was_cancelled_blindly_is_over_with_its_answer(lots, end):
    """At the end of a life nothing in flight is waited for: the cancel is under way when the answer comes."""
    tracker = make()
    order = taking(tracker)
    tracker.on_cancel_sent(order, Ns(1))
    tracker.on_place_result(order.cloid, Executed(Oid(5), order.cloid, Sz(lots), float(MID)), Ns(2))
    assert (order.state, tracker.fillable_exposure()) == (end, (0, lots))
    tracker.on_fill(fill_of(order, 1, lots, oid=5), Ns(3))
    tracker.on_cancel_result(order, Refused(Reason.NOT_OPEN, ""), Ns(4))
    assert (order.state, order.certainty, tracker.orders) == (end, Certainty.KNOWN, {})


def test_an_order_that_takes_and_is_said_to_rest_is_asked_about():
    """S14: nothing rests that takes; whoever says so has not said how it ended."""
    tracker = make(settle_ms=2_000)
    order = taking(tracker)
    tracker.on_update(update(order, OPEN, 5), s(1))
    tracker.on_place_silence(order.cloid)
    assert (unclear(tracker, Ns(s(3) - 1)), unclear(tracker, s(3))) == ([], [order])
    assert tracker.fillable_exposure() == (0, 10)
    tracker.on_update(update(order, CANCELED, 5, remaining=10), s(4), is_answer=True)
    assert tracker.orders == {}


def test_an_answer_of_the_wrong_kind_proves_nothing():
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_place_result(order.cloid, Cancelled(), Ns(1))
    assert known(order) == (S.PENDING_NEW, InFlight.NONE, Certainty.UNKNOWN)


def test_an_answer_of_the_wrong_kind_does_not_doubt_what_has_ended():
    """L3 (review, item 15): an ended order that waits for its fills was doubted, and giving it up raised."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_update(update(order, FILLED, 9), Ns(1))
    tracker.on_place_result(order.cloid, Cancelled(), Ns(2))
    assert (order.state, order.certainty, tracker.fillable_exposure()) == (S.FILLED, Certainty.KNOWN, (10, 0))


def test_silence_is_no_verdict():
    """S14: after the deadline the order is unknown and counts in full; the late answer settles it."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_place_silence(order.cloid)
    assert known(order) == (S.PENDING_NEW, InFlight.NONE, Certainty.UNKNOWN)
    assert tracker.fillable_exposure() == (10, 0)
    tracker.on_place_result(order.cloid, Resting(Oid(1), order.cloid), s(9))
    assert known(order) == (S.OPEN, InFlight.NONE, Certainty.KNOWN)


def test_silence_about_an_order_that_a_channel_confirmed_changes_nothing():
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_update(update(order, OPEN, 1), Ns(1))
    tracker.on_place_silence(order.cloid)
    assert known(order) == (S.OPEN, InFlight.NONE, Certainty.KNOWN)


def test_what_was_not_sent_never_existed():
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_place_not_sent(order.cloid, Ns(1))
    assert (order.state, tracker.orders) == (S.REJECTED, {})


def test_a_fill_before_the_acknowledgement_acknowledges():
    """RC-05, reliability 7: the order rests; it is neither in doubt nor free to be placed a second time."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_fill(fill_of(order, 1, 4, oid=1), Ns(1))
    assert known(order) == (S.PARTIALLY_FILLED, InFlight.NONE, Certainty.KNOWN)
    assert tracker.counters.placed == 1
    tracker.on_place_result(order.cloid, Resting(Oid(1), order.cloid), Ns(2))
    assert known(order) == (S.PARTIALLY_FILLED, InFlight.NONE, Certainty.KNOWN)
    assert tracker.counters.placed == 1


def test_a_full_fill_before_the_acknowledgement_ends_the_order():
    """Reliability 8, 9: no `open` ever comes."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_fill(fill_of(order, 1, 10, oid=1), Ns(1))
    assert (order.state, tracker.orders, tracker.counters.placed) == (S.FILLED, {}, 1)
    tracker.on_place_result(order.cloid, Resting(Oid(1), order.cloid), Ns(2))
    tracker.on_update(update(order, OPEN, 1), Ns(3))
    assert (order.state, tracker.orders) == (S.FILLED, {})


# --- cancel -------------------------------------------------------------------------------------


def test_a_sent_cancel_is_not_a_cancelled_order():
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    assert known(order) == (S.CANCEL_PENDING, InFlight.CANCEL, Certainty.KNOWN)
    assert tracker.active_orders() == [order]


def test_a_partial_fill_while_a_cancel_is_pending_is_not_the_end():
    """T-11: the rest stays tracked, and a later fill of it is booked."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_fill(fill_of(order, 1, 4, oid=1), Ns(3))
    assert known(order) == (S.CANCEL_PENDING, InFlight.CANCEL, Certainty.KNOWN)
    assert tracker.fillable_exposure() == (6, 0)
    tracker.on_cancel_result(order, Cancelled(), Ns(4))
    tracker.on_fill(fill_of(order, 2, 5, oid=1), Ns(5))
    assert (order.state, order.filled) == (S.CANCEL_CONFIRMED, 9)
    tracker.on_update(update(order, CANCELED, 1, remaining=1), Ns(6))
    assert (order.state, tracker.orders) == (S.CANCELLED, {})


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_a_full_fill_in_the_cancel_window_ends_as_filled_during_cancel(is_confirmed):
    """OL-03, FL-09: the race is named, counted and booked."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    if is_confirmed:
        tracker.on_cancel_result(order, Cancelled(), Ns(3))
    tracker.on_fill(fill_of(order, 1, 10, oid=1), s(1))
    assert (order.state, tracker.orders, tracker.counters.races) == (S.FILLED_DURING_CANCEL, {}, 1)


def names(tracker) -> list[str]:
    return [alarm.name for alarm in tracker.alarms]


def test_a_fill_later_than_the_window_is_booked_once_with_an_alarm():
    """OL-03: 6 s after the confirmed cancel, with no final size ever stated."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_cancel_result(order, Cancelled(), s(1))
    tracker.give_up(order, s(6.5))
    for at in (7, 7.1):
        assert tracker.on_fill(fill_of(order, 1, 4, oid=1), s(at)) is order
    assert (order.state, order.filled, tracker.counters.late_fills, names(tracker)) == (
        S.CANCELLED,
        4,
        1,
        ["late_fill"],
    )


@pytest.mark.parametrize(("at", "is_late"), [(1 + 5, False), (1 + 5.001, True)])
def test_the_window_is_five_seconds(at, is_late):
    """OL-03: what the final size announced is late by the clock only."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_update(update(order, CANCELED, 1, remaining=6), s(1))
    tracker.on_fill(fill_of(order, 1, 4, oid=1), s(at))
    assert (order.is_settled, tracker.counters.late_fills, len(tracker.alarms)) == (True, is_late, is_late)


def test_a_placement_is_flagged_once():
    """OL-05: at five seconds, not before, and not again; an acknowledged one never."""
    tracker = make()
    order, fine = sent(tracker, 1), resting(tracker, 2)
    assert (tracker.stuck_at(order), tracker.stuck_at(fine)) == (s(5), None)
    for at in (4.999, 5, 6, 60):
        tracker.flag_stuck(s(at))
    assert (order.is_stuck, fine.is_stuck, tracker.counters.stuck) == (True, False, 1)
    assert names(tracker) == ["order_stuck"]


def test_a_burst_of_stuck_placements_is_told_once():
    """A venue that answers nothing for minutes must not fill the log: one alert, until there was peace for a minute."""
    tracker = make()
    for number in range(100):
        sent(tracker, number, now=s(number))
        tracker.flag_stuck(s(number))
    for at in range(100, 110):
        tracker.flag_stuck(s(at))
    assert (tracker.counters.stuck, names(tracker)) == (100, ["order_stuck"])
    assert tracker.alarms[0].text.startswith("1 unacknowledged for 5 s (1 so far), the first: <")
    for number, at in ((200, 104 + 55), (201, 104 + 116)):
        sent(tracker, number, now=s(at))
        tracker.flag_stuck(s(at + 5))
    assert (tracker.counters.stuck, names(tracker)) == (102, ["order_stuck"] * 2)
    assert "(102 so far)" in tracker.alarms[1].text


TOO_LATE = Refused(Reason.EXPIRED, "expired")


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_placement_that_came_too_late_is_expired(is_cancelled):
    """OL-01, OL-02, C-03: an end of its own, also where we cancelled it blindly; nothing of it counts any more."""
    tracker = make()
    order = sent(tracker)
    if is_cancelled:
        tracker.on_cancel_sent(order, Ns(1))
    tracker.on_place_result(order.cloid, TOO_LATE, Ns(2))
    assert (order.state, order.is_settled) == (S.EXPIRED, True)
    assert (tracker.counters.expired, tracker.counters.rejected, tracker.counters.filled) == (1, 0, 0)
    assert (tracker.fillable_exposure(), tracker.orders) == ((0, 0), {})


def test_a_modify_that_came_too_late_expires_the_new_order_and_leaves_the_old():
    """C-03: the payload was refused, so the old generation rests where it was."""
    tracker = make()
    order = resting(tracker, 1)
    new = modified(tracker, order, 2)
    tracker.on_modify_result(order, new.cloid, TOO_LATE, Ns(3))
    assert (known(order), new.state) == ((S.OPEN, InFlight.NONE, Certainty.KNOWN), S.EXPIRED)
    assert (tracker.counters.expired, tracker.counters.rejected) == (1, 0)


def test_every_other_refusal_is_a_rejection():
    tracker = make()
    for number, reason in enumerate(Reason):
        order = sent(tracker, number)
        tracker.on_place_result(order.cloid, Refused(reason, ""), Ns(2))
        assert (order.state is S.EXPIRED) is (reason is Reason.EXPIRED)
    assert (tracker.counters.expired, tracker.counters.rejected) == (1, len(Reason) - 1)


@pytest.mark.parametrize("filled", [0, 3])
def test_a_refused_order_whose_cancel_was_confirmed_is_over(filled):
    """L3 (drawn world 28): a gateway said `cancelled` of an order that the venue had refused: asked about for ever.

    Where something was filled the venue contradicts itself: that stays a doubt.
    """
    tracker = make()
    order = sent(tracker)
    if filled:
        order.record_fill_with_price(Tid(1), Sz(filled), order.px, Ns(1))
    tracker.on_place_silence(order.cloid)
    tracker.on_cancel_sent(order, Ns(1))
    tracker.on_cancel_result(order, Cancelled(), Ns(2))
    assert order.state is S.CANCEL_CONFIRMED
    tracker.on_update(update(order, REJECTED, 497, remaining=10), Ns(3), is_answer=True)
    assert (order.is_settled, order.state is S.CANCELLED) == (not filled, not filled)
    assert tracker.counters.illegal == bool(filled)


def test_an_illegal_step_of_ours_raises_and_is_counted():
    """OL-01."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_update(update(order, CANCELED, 1, remaining=10), Ns(3))
    with pytest.raises(IllegalTransition):
        tracker.on_cancel_sent(order, Ns(4))
    assert (order.state, tracker.counters.illegal) == (S.CANCELLED, 1)


def test_an_illegal_step_of_the_venue_is_doubted_and_told():
    """OL-01: `rejected` of an order that rests: kept in full, asked about, people hear of it."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_update(update(order, REJECTED, 1), Ns(3))
    assert known(order) == (S.OPEN, InFlight.NONE, Certainty.UNKNOWN)
    assert tracker.fillable_exposure() == (10, 0)
    assert (tracker.counters.illegal, names(tracker)) == (1, ["illegal_transition"])
    assert unclear(tracker, Ns(3)) == [order]


def test_a_modify_of_an_order_not_found_falls_back_to_cancel_and_place():
    """OL-09: the old one counts as resting until its cancel is answered; the refusals are counted once an order."""
    tracker = make()
    old = resting(tracker, 1)
    for number in (2, 3):
        new = modified(tracker, old, number)
        tracker.on_modify_result(old, new.cloid, Refused(Reason.NOT_OPEN, "not found"), Ns(3))
        assert new.state is S.REJECTED
    assert (known(old), old.is_unmodifiable) == ((S.OPEN, InFlight.NONE, Certainty.KNOWN), True)
    assert tracker.counters.modify_fallback == 1


def test_not_open_leads_to_a_question_and_not_to_an_end():
    """S9, reliability 16 and 38: never placed, cancelled or filled: the venue does not say which."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_cancel_result(order, Refused(Reason.NOT_OPEN, "never placed, canceled or filled"), Ns(3))
    assert known(order) == (S.CANCEL_PENDING, InFlight.NONE, Certainty.UNKNOWN)
    assert unclear(tracker, Ns(3)) == [order]
    assert tracker.fillable_exposure() == (10, 0)


def test_a_cancel_that_was_not_sent_leaves_the_order_resting():
    tracker = make()
    order, partly = resting(tracker, 1), resting(tracker, 2)
    tracker.on_fill(fill_of(partly, 1, 1, oid=2), Ns(2))
    for each, state in ((order, S.OPEN), (partly, S.PARTIALLY_FILLED)):
        tracker.on_cancel_sent(each, Ns(3))
        tracker.on_cancel_not_sent(each, Ns(4))
        assert known(each) == (state, InFlight.NONE, Certainty.KNOWN)


def test_a_blind_cancel_that_was_not_sent_leaves_the_doubt():
    """The placement itself is still unanswered."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_cancel_sent(order, Ns(1))
    tracker.on_cancel_not_sent(order, Ns(2))
    assert known(order) == (S.CANCEL_PENDING, InFlight.NONE, Certainty.UNKNOWN)


def test_a_blind_cancel_of_an_order_that_never_rested():
    """Shutdown and kill cancel before the acknowledgement; the refusal of the placement then ends it."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_cancel_sent(order, Ns(1))
    tracker.on_place_result(order.cloid, Refused(Reason.MARGIN, "no"), Ns(2))
    assert (order.state, tracker.orders) == (S.REJECTED, {})


def test_cancelling_twice_changes_nothing_but_the_time():
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_cancel_sent(order, Ns(9))
    assert (order.state, order.state_changed_at, order.cancel_sent_at) == (S.CANCEL_PENDING, 2, 9)


@pytest.mark.parametrize("end", ["filled", "confirmed"])
def test_cancelling_what_is_over_is_our_bug(end):
    """It raises and changes nothing."""
    tracker = make()
    order = resting(tracker, 1)
    if end == "filled":
        tracker.on_fill(fill_of(order, 1, 10, oid=1), Ns(2))
    else:
        tracker.on_cancel_sent(order, Ns(2))
        tracker.on_cancel_result(order, Cancelled(), Ns(3))
    before = known(order)
    with pytest.raises(IllegalTransition):
        tracker.on_cancel_sent(order, Ns(4))
    assert known(order) == before
    assert tracker.counters.cancels_sent == (end == "confirmed")


# --- modify -------------------------------------------------------------------------------------


def test_a_modify_that_works():
    """OL-24: the old generation goes, the new one rests; one chain."""
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_result(old, new.cloid, Resting(Oid(2), new.cloid), Ns(3))
    tracker.on_update(update(old, CANCELED, 1, remaining=10), Ns(4))
    assert (old.state, known(new)) == (S.CANCELLED, (S.OPEN, InFlight.NONE, Certainty.KNOWN))
    assert (old.chain, new.chain, new.oid) == (old.cloid, old.cloid, 2)
    assert list(tracker.orders.values()) == [new]


def test_a_fill_of_the_old_oid_during_the_modify_finds_its_order():
    """OL-24: attributed to the generation that was hit, not to the one that replaced it."""
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_result(old, new.cloid, Resting(Oid(2), new.cloid), Ns(3))
    tracker.on_fill(fill_of(old, 1, 3, oid=1), Ns(4))
    assert (old.filled, new.filled, tracker.counters.races) == (3, 0, 1)


def test_a_modify_refused_because_the_order_ended_asks_how():
    """T-24: a filled order is not taken for a cancelled one."""
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_result(
        old, new.cloid, Refused(Reason.CANNOT_MODIFY, "Cannot modify canceled or filled order"), Ns(3)
    )
    assert (new.state, known(old)) == (S.REJECTED, (S.OPEN, InFlight.NONE, Certainty.UNKNOWN))
    assert unclear(tracker, Ns(3)) == [old]
    tracker.on_update(update(old, FILLED, 1), Ns(4), is_answer=True)
    tracker.on_fill(fill_of(old, 1, 10, oid=1), Ns(5))
    assert (old.state, tracker.orders) == (S.FILLED, {})


def test_a_modify_whose_new_leg_is_refused_leaves_nothing():
    """The venue cancels first: the old order is gone although the modify failed."""
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_result(old, new.cloid, Refused(Reason.MODIFY_NEW_LEG, "post only"), Ns(3))
    assert (new.state, known(old)) == (S.REJECTED, (S.CANCEL_CONFIRMED, InFlight.NONE, Certainty.KNOWN))
    assert tracker.fillable_exposure() == (10, 0)  # until its final size is known


def test_a_modify_whose_payload_is_refused_changed_nothing():
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_result(old, new.cloid, Refused(Reason.INVALID_SIZE, "bad"), Ns(3))
    assert (new.state, known(old)) == (S.REJECTED, (S.OPEN, InFlight.NONE, Certainty.KNOWN))


def test_a_modify_that_was_not_sent_changed_nothing():
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_not_sent(old, new.cloid, Ns(3))
    assert (new.state, known(old)) == (S.REJECTED, (S.OPEN, InFlight.NONE, Certainty.KNOWN))


def test_a_modify_without_an_answer_leaves_both_unknown():
    """Reliability 31: either generation may be the live one, so both count."""
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_silence(old, new.cloid)
    assert (old.certainty, new.certainty) == (Certainty.UNKNOWN, Certainty.UNKNOWN)
    assert tracker.fillable_exposure() == (30, 0)
    assert unclear(tracker, Ns(3)) == [old, new]


def test_a_late_answer_to_a_modify_settles_both():
    """The old generation is confirmed gone: it is no longer in doubt and holds no slot."""
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_silence(old, new.cloid)
    tracker.on_modify_result(old, new.cloid, Resting(Oid(2), new.cloid), s(9))
    assert known(old) == (S.CANCEL_CONFIRMED, InFlight.NONE, Certainty.KNOWN)
    assert known(new) == (S.OPEN, InFlight.NONE, Certainty.KNOWN)


@pytest.mark.parametrize("late", [Refused(Reason.EXPIRED, "expired"), Refused(Reason.CANNOT_MODIFY, "gone"), None])
def test_a_late_answer_to_an_earlier_modify_leaves_the_later_one_alone(late):
    """It would end an order that rests: found by seed 15 of swizzle-clog."""
    tracker = make()
    old = resting(tracker, 1)
    first = modified(tracker, old, 2)
    tracker.on_modify_silence(old, first.cloid)
    tracker.on_update(update(old, OPEN, 1, remaining=10), Ns(3), is_answer=True)
    second = modified(tracker, old, 3)
    if late is None:
        tracker.on_modify_silence(old, first.cloid)
    else:
        tracker.on_modify_result(old, first.cloid, late, Ns(4))
    assert known(second) == (S.PENDING_NEW, InFlight.PLACE, Certainty.KNOWN)
    assert known(old) == (S.OPEN, InFlight.MODIFY, Certainty.KNOWN)


def test_a_late_fill_of_the_old_generation_does_not_settle_the_doubt():
    """It may have happened before the modify took effect: it proves nothing about what rests now."""
    tracker = make()
    old = resting(tracker, 1)
    new = modified(tracker, old, 2)
    tracker.on_modify_silence(old, new.cloid)
    tracker.on_fill(fill_of(old, 1, 3, oid=1), Ns(4))
    assert known(old) == (S.PARTIALLY_FILLED, InFlight.NONE, Certainty.UNKNOWN)


# --- statuses -----------------------------------------------------------------------------------


def test_the_venue_ends_an_order_by_itself():
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_update(update(order, CANCELED, 1, remaining=10), Ns(2))
    assert (order.state, tracker.orders, tracker.counters.cancelled) == (S.CANCELLED, {}, 1)


def test_statuses_after_the_end_are_no_ops():
    """S8: late and repeated events are idempotent."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_update(update(order, CANCELED, 1, remaining=10), Ns(2))
    for status in OrderStatus:
        assert tracker.on_update(update(order, status, 1), Ns(3)) is True
    assert (order.state, order.state_changed_at, order.final_filled) == (S.CANCELLED, 2, 0)
    assert tracker.counters.late_events == 4


def test_statuses_about_another_generation_are_no_ops():
    """Reliability 28: the old oid's `canceled` does not end the new order that has its client id."""
    tracker = make()
    order = resting(tracker, 7)
    tracker.on_update(update(order, CANCELED, 6, remaining=10), Ns(2))
    assert known(order) == (S.OPEN, InFlight.NONE, Certainty.KNOWN)


@pytest.mark.parametrize("is_answer", [True, False])
def test_an_id_that_is_none_is_corrected_by_the_answer_to_a_question(is_answer):
    """An answer gave an id that no order has: fills by the true one are ours as soon as the venue has said it.

    What the stream says may be older than what we know (reliability 28).
    """
    tracker = make()
    order = resting(tracker, 7)
    early = fill_of(order, 1, 3, oid=6, cloid=None)
    tracker.on_fill(early, Ns(1))
    tracker.on_update(update(order, OPEN, 6), Ns(2), is_answer=is_answer)
    assert (order.oid, order.filled) == ((6, 3) if is_answer else (7, 0))
    assert (tracker.find(None, Oid(7)) is order) is not is_answer
    assert (tracker.find(None, Oid(6)) is order) is is_answer
    tracker.on_update(update(order, CANCELED, 6, remaining=7), Ns(3), is_answer=is_answer)
    assert order.is_terminal is is_answer


def test_facts_about_orders_we_do_not_know_are_told_apart():
    tracker, elsewhere = make(), make()
    foreign = resting(elsewhere, 5)
    assert tracker.on_update(update(foreign, OPEN, 5), Ns(1)) is False
    assert tracker.on_fill(fill_of(foreign, 1, 1, oid=5), Ns(1)) is None
    assert tracker.counters.foreign == 2


def test_only_an_answer_proves_that_an_order_rests_on():
    """An `open` of the stream may be from before our cancel; the answer to a later question is not."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_cancel_silence(order)
    tracker.on_update(update(order, OPEN, 1), Ns(3))
    assert known(order) == (S.CANCEL_PENDING, InFlight.NONE, Certainty.UNKNOWN)
    tracker.on_update(update(order, OPEN, 1), Ns(4), is_answer=True)
    assert known(order) == (S.OPEN, InFlight.NONE, Certainty.KNOWN)


def test_an_answer_while_a_cancel_is_in_flight_is_not_used():
    """The cancel was sent after the question, or is about to arrive: its own answer decides."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_update(update(order, OPEN, 1), Ns(4), is_answer=True)
    assert known(order) == (S.CANCEL_PENDING, InFlight.CANCEL, Certainty.KNOWN)


def test_an_order_given_up_as_never_placed_that_turns_up_is_not_ignored():
    """S9, S11: it rests at the venue. Whoever asks must be told that we do not hold it, so that it is cancelled."""
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_place_silence(order.cloid)
    tracker.give_up(order, s(9))
    assert (order.state, tracker.orders) == (S.REJECTED, {})
    assert tracker.on_update(update(order, OPEN, 1), s(10)) is False
    assert tracker.on_update(update(order, OPEN, 1), s(10), is_answer=True) is False


def test_a_fill_of_an_order_given_up_is_booked_once_and_counted():
    """OL-03: a late fill after the window still counts, and is seen."""
    tracker = make()
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_cancel_result(order, Cancelled(), Ns(3))
    tracker.give_up(order, s(9))
    assert (order.state, tracker.fillable_exposure()) == (S.CANCELLED, (0, 0))
    assert tracker.on_fill(fill_of(order, 1, 4, oid=1), s(10)) is order
    assert tracker.on_fill(fill_of(order, 1, 4, oid=1), s(10)) is order
    assert (order.filled, tracker.counters.late_fills) == (4, 1)


# --- what is unclear ----------------------------------------------------------------------------


def test_a_placement_without_acknowledgement_is_stuck_after_five_seconds():
    """OL-05: flagged at 5.0 s and not before, whether or not its deadline has passed."""
    tracker = make()
    order = sent(tracker, 1, now=s(1))
    assert unclear(tracker, Ns(s(6) - 1)) == []
    assert unclear(tracker, s(6)) == [order]


@pytest.mark.parametrize("now", [0, 1])
def test_doubt_at_the_first_moment_of_time_is_doubt(now):
    """A virtual clock starts at zero, which is a time and not the absence of one."""
    tracker = make()
    order = sent(tracker, 1, now=Ns(now))
    tracker.on_place_silence(order.cloid)
    assert unclear(tracker, Ns(now)) == [order]


def test_an_end_without_its_fills_is_asked_after():
    tracker = make(settle_ms=2_000)
    order = resting(tracker, 1)
    tracker.on_update(update(order, FILLED, 1), s(1))
    assert (unclear(tracker, Ns(s(3) - 1)), unclear(tracker, s(3))) == ([], [order])


def test_a_confirmed_cancel_without_a_final_size_is_asked_after():
    """C-03: the window is the fallback where the final filled size is unknown."""
    tracker = make(settle_ms=2_000)
    order = resting(tracker, 1)
    tracker.on_cancel_sent(order, Ns(2))
    tracker.on_cancel_result(order, Cancelled(), s(1))
    assert (unclear(tracker, Ns(s(3) - 1)), unclear(tracker, s(3))) == ([], [order])


def test_orders_without_recent_fills_are_listed():
    """OL-26."""
    tracker = make(stale_fills_ms=1_000)
    order = resting(tracker, 1)
    assert (tracker.stale_orders(s(1)), tracker.stale_orders(Ns(s(1) + 1))) == ([], [order])
    tracker.on_fill(fill_of(order, 1, 1, oid=1), s(1))
    assert tracker.stale_orders(s(2)) == []
    assert (tracker.stale_orders(s(1)), tracker.stale_orders(Ns(s(2) + 1))) == ([], [order])


def test_an_old_order_is_not_without_recent_fills_at_the_moment_of_one():
    """OL-26 (review, item 17): no time since its last fill is not the absence of one."""
    tracker = make(stale_fills_ms=1_000)
    order = resting(tracker, 1)
    tracker.on_fill(fill_of(order, 1, 1, oid=1), s(9))
    assert tracker.stale_orders(s(9)) == []


# --- memory -------------------------------------------------------------------------------------


def test_ended_orders_are_kept_for_late_facts_and_bounded():
    """OL-04, S27: the oldest go, with their venue ids."""
    tracker = make(completed_kept=3)
    for number in range(1, 6):
        order = resting(tracker, number)
        tracker.on_update(update(order, CANCELED, number, remaining=10), Ns(2))
    assert [tracker.find(cloid(n), None) is not None for n in range(1, 6)] == [False, False, True, True, True]
    assert [tracker.find(None, Oid(n)) is not None for n in range(1, 6)] == [False, False, True, True, True]
    assert len(tracker._by_oid) == 3


# --- any facts at all ---------------------------------------------------------------------------

statuses = st.sampled_from(OrderStatus)
facts = st.lists(
    st.tuples(
        st.sampled_from(
            ["update", "answer", "fill", "place_result", "cancel_result", "modify_result", "silence", "not_sent"]
        ),
        st.integers(1, 3),
        st.integers(0, 12),
        statuses,
        st.sampled_from(
            [
                Resting(Oid(1), None),
                Executed(Oid(2), None, Sz(4), 1.0),
                Cancelled(),
                Refused(Reason.NOT_OPEN, ""),
                Refused(Reason.CANNOT_MODIFY, ""),
                Refused(Reason.MODIFY_NEW_LEG, ""),
                Refused(Reason.OTHER, ""),
            ]
        ),
    ),
    max_size=25,
)


@given(facts, st.lists(st.sampled_from(["place", "cancel", "modify", "none"]), max_size=25))
def test_no_facts_of_the_venue_break_the_tracker(facts, ours):  # noqa: C901, PLR0912 - one branch a fact
    """S8: nonsense in any order raises nothing, never gives negative exposure, never leaves an end."""
    tracker, ended, tid, now = make(), {}, 0, Ns(0)
    for index, (what, number, amount, status, result) in enumerate(facts):
        now = Ns(now + ms(100))
        act = ours[index] if index < len(ours) else "none"
        free = [o for o in tracker.orders.values() if o.is_resting and o.in_flight is InFlight.NONE]
        if act == "place":
            sent(tracker, 100 + index, BUY if index % 2 else SELL, now=now)
        elif act == "cancel" and free:
            tracker.on_cancel_sent(free[0], now)
        elif act == "modify" and free:
            tracker.on_modify_sent(free[0], Modify(free[0].cloid, free[0].oid, place(200 + index)), now)
        everything = [*tracker.orders.values(), *tracker.completed.values()]
        if not everything:
            continue
        order = everything[(number * 7 + amount) % len(everything)]
        if what in ("update", "answer"):
            told = OrderUpdate(
                ETH.id, now, now, Oid(number), order.cloid, order.side, order.px, order.sz, Sz(amount), status
            )
            tracker.on_update(told, now, is_answer=what == "answer")
        elif what == "fill":
            tid += amount > 3
            tracker.on_fill(fill_of(order, tid, max(amount, 1), oid=number), now)
        elif what == "place_result":
            tracker.on_place_result(order.cloid, result, now)
        elif what == "cancel_result":
            tracker.on_cancel_result(order, result, now)
        elif what == "modify_result":
            tracker.on_modify_result(order, order.successor or order.cloid, result, now)
        elif what == "silence":
            tracker.on_place_silence(order.cloid)
            tracker.on_cancel_silence(order)
            tracker.on_modify_silence(order, order.successor or order.cloid)
        else:
            tracker.on_cancel_not_sent(order, now)
        for each in [*tracker.orders.values(), *tracker.completed.values()]:
            assert each.fillable >= 0
            assert not each.is_terminal or each.certainty is Certainty.KNOWN
            assert each.state is ended.setdefault(each.cloid, each.state) or ended[each.cloid] not in TERMINAL
            ended[each.cloid] = each.state
        assert min(*tracker.pending_exposure(), *tracker.fillable_exposure()) >= 0
        assert all(p <= f for p, f in zip(tracker.pending_exposure(), tracker.fillable_exposure(), strict=True))
        assert all(not order.is_settled for order in tracker.orders.values())
        assert all(order.is_settled for order in tracker.completed.values())
        assert {o.cloid for o in tracker.active_orders()} == {c for c, o in tracker.orders.items() if not o.is_terminal}
