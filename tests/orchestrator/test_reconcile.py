"""From targets and orders to the fewest actions (RC), as properties over any book of our own."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Ns, Oid, Px, Side, Sz, Tid, Tif
from orchestrator.reconcile.base import CancelOrder, ModifyOrder, PlaceNew, Plan, Replace, reconcile
from strategy.ladder import LadderLevel
from tests.orchestrator.messages import BUY, ETH, SELL, cloid

S = OrderState


def order(
    number: int, px: int, sz: int = 10, *, side=BUY, state=S.OPEN, in_flight=InFlight.NONE, filled=0, doubt=False
):
    made = TrackedOrder(ETH.id, cloid(number), side, Px(px), Sz(sz), Tif.ALO, Ns(0))
    made.oid, made.state, made.in_flight = Oid(number), state, in_flight
    if filled:
        made.record_fill_with_price(Tid(number), Sz(filled), Px(px), Ns(0))
    if doubt:
        made.certainty = Certainty.UNKNOWN
    return made


def level(px: int, sz: int = 10) -> LadderLevel:
    return LadderLevel(Px(px), Sz(sz))


def plan_of(targets, orders, side=BUY, tolerance=0.0) -> Plan:
    plan = Plan()
    reconcile(targets, orders, side, plan, tolerance)
    return plan


# --- the rules ----------------------------------------------------------------------------------


def test_what_is_right_is_kept():
    """RC-01."""
    plan = plan_of([level(100), level(99)], [order(1, 100), order(2, 99)])
    assert (plan.actions, plan.kept) == ([], 2)


def test_another_size_is_modified():
    """RC-02: one modify, no cancel."""
    wrong = order(1, 100, 10)
    assert plan_of([level(100, 20)], [wrong]).actions == [ModifyOrder(wrong, level(100, 20))]


@pytest.mark.parametrize(
    ("remaining", "wanted", "tolerance", "is_kept"),
    [(8, 10, 0.2, True), (7, 10, 0.2, False), (12, 10, 0.2, True), (13, 10, 0.2, False), (9, 10, 0.0, False)],
)
def test_small_differences_of_size_are_tolerated(remaining, wanted, tolerance, is_kept):
    """C-22: relative to the wanted size, exact with tolerance 0, by what remains and not by what was placed."""
    partly = order(1, 100, 20, state=S.PARTIALLY_FILLED, filled=20 - remaining)
    plan = plan_of([level(100, wanted)], [partly], tolerance=tolerance)
    assert (plan.kept == 1) is is_kept


def test_another_price_is_cancelled_and_placed():
    """RC-03."""
    wrong = order(1, 95)
    assert plan_of([level(100)], [wrong]).actions == [Replace(wrong, level(100))]


def test_what_is_not_wanted_is_cancelled():
    """RC-04, T-12."""
    wrong = order(1, 95)
    assert plan_of([], [wrong]).actions == [CancelOrder(wrong)]
    right = order(2, 100)
    assert plan_of([level(100)], [wrong, right]).actions == [CancelOrder(wrong)]


def test_what_is_missing_is_placed_best_first():
    """RC-05."""
    assert plan_of([level(100), level(99)], []).actions == [PlaceNew(BUY, level(100)), PlaceNew(BUY, level(99))]


@pytest.mark.parametrize(
    "under_way",
    [
        {"state": S.PENDING_NEW, "in_flight": InFlight.PLACE},
        {"state": S.PENDING_NEW, "in_flight": InFlight.NONE, "doubt": True},
        {"state": S.OPEN, "doubt": True},
        {"state": S.CANCEL_PENDING, "doubt": True},
    ],
    ids=["placement in flight", "placement unknown", "unlisted", "cancel unknown"],
)
def test_no_slot_is_filled_twice(under_way):
    """RC-05: placed once, even if the acknowledgement is late; an order in doubt holds its slot."""
    busy = order(1, 100, **under_way)
    plan = plan_of([level(101)], [busy])
    assert (plan.actions, plan.blocked) == ([], 1)
    plan = plan_of([level(101), level(100)], [busy])
    assert plan.actions == [PlaceNew(BUY, level(101))]  # the nearest target is taken


@pytest.mark.parametrize("state", [S.CANCEL_PENDING, S.CANCEL_CONFIRMED])
def test_a_cancel_under_way_frees_its_slot(state):
    going = order(1, 100, state=state, in_flight=InFlight.CANCEL)
    assert plan_of([level(101)], [going]).actions == [PlaceNew(BUY, level(101))]


def test_of_a_modify_under_way_the_new_generation_holds_the_slot():
    old = order(1, 100, in_flight=InFlight.MODIFY)
    new = order(2, 100, 20, state=S.PENDING_NEW, in_flight=InFlight.PLACE)
    plan = plan_of([level(100, 20)], [old, new])
    assert (plan.actions, plan.blocked) == ([], 1)


def test_a_partly_filled_order_is_matched_by_its_price():
    partly = order(1, 100, 10, state=S.PARTIALLY_FILLED, filled=4)
    assert plan_of([level(100, 6)], [partly]).kept == 1


def test_the_order_nearest_the_market_gets_the_best_missing_target():
    """RC-11: a stale far order does not steal the best level."""
    near, far = order(1, 98), order(2, 50)
    assert plan_of([level(100), level(99)], [far, near]).actions == [
        Replace(near, level(100)),
        Replace(far, level(99)),
    ]
    near, far = order(1, 102, side=SELL), order(2, 150, side=SELL)
    assert plan_of([level(100), level(101)], [far, near], SELL).actions == [
        Replace(near, level(100)),
        Replace(far, level(101)),
    ]


def test_the_other_side_and_the_ended_are_left_alone():
    """RC-08: a side-only reconciliation leaves the other side's orders unchanged."""
    others = [order(1, 100, side=SELL), order(2, 100, state=S.CANCELLED), order(3, 100, state=S.FILLED)]
    assert plan_of([], others).actions == []


# --- for any book -------------------------------------------------------------------------------

conditions = st.sampled_from(
    [
        {},
        {},
        {},
        {"state": S.PARTIALLY_FILLED, "filled": 3},
        {"state": S.PENDING_NEW, "in_flight": InFlight.PLACE},
        {"state": S.CANCEL_PENDING, "in_flight": InFlight.CANCEL},
        {"state": S.CANCEL_CONFIRMED},
        {"state": S.OPEN, "in_flight": InFlight.MODIFY},
        {"doubt": True},
        {"state": S.CANCEL_PENDING, "doubt": True},
        {"state": S.CANCELLED},
    ]
)
books = st.lists(st.tuples(st.integers(90, 100), st.integers(4, 12), st.sampled_from(Side), conditions), max_size=8)
ladders = st.dictionaries(st.integers(90, 100), st.integers(4, 12), max_size=5)
tolerances = st.sampled_from([0.0, 0.2])


def made(book) -> list[TrackedOrder]:
    return [
        order(number, px, sz, side=side, **condition) for number, (px, sz, side, condition) in enumerate(book, start=1)
    ]


def outward(ladder: dict[int, int], side: Side) -> list[LadderLevel]:
    return [level(px, sz) for px, sz in sorted(ladder.items(), reverse=side is BUY)]


def split(orders, side):
    """(free, holding) of a side, by the words of the rule."""
    live = [o for o in orders if o.side is side and not o.is_terminal]
    free = [o for o in live if o.is_resting and o.in_flight is InFlight.NONE and o.certainty is Certainty.KNOWN]
    holding = [o for o in live if o.certainty is Certainty.UNKNOWN or o.state is S.PENDING_NEW]
    return free, holding


@given(ladders, books, st.sampled_from(Side), tolerances)
def test_a_plan_never_gives_more_orders_than_targets(ladder, book, side, tolerance):
    """RC-11, T-12: after it, orders that may rest on a side are as many as its targets, beyond what we cannot touch."""
    targets, orders = outward(ladder, side), made(book)
    free, holding = split(orders, side)
    plan = plan_of(targets, orders, side, tolerance)
    kinds = {
        kind: [a for a in plan.actions if isinstance(a, kind)] for kind in (PlaceNew, CancelOrder, ModifyOrder, Replace)
    }
    stay = plan.kept + len(kinds[ModifyOrder])
    created = len(kinds[Replace]) + len(kinds[PlaceNew])
    assert stay + created <= len(targets)
    assert created == max(0, len(targets) - stay - len(holding))
    assert plan.kept + plan.blocked + len(kinds[ModifyOrder]) + created == len(targets)
    assert stay + len(kinds[Replace]) + len(kinds[CancelOrder]) == len(free)


@given(ladders, books, st.sampled_from(Side), tolerances)
def test_a_plan_touches_only_free_orders_and_each_once(ladder, book, side, tolerance):
    """An order that a request is about, that is in doubt or that stands on the other side is left alone."""
    targets, orders = outward(ladder, side), made(book)
    free, _ = split(orders, side)
    plan = plan_of(targets, orders, side, tolerance)
    touched = [action.order for action in plan.actions if not isinstance(action, PlaceNew)]
    assert len(touched) == len({o.cloid for o in touched})
    assert all(o in free for o in touched)
    used = [action.level for action in plan.actions if not isinstance(action, CancelOrder)]
    assert len(used) == len(set(used))
    assert set(used) <= set(targets)
    assert all(a.order.px == a.level.px for a in plan.actions if isinstance(a, ModifyOrder))


@given(ladders, books, st.sampled_from(Side), tolerances)
def test_the_same_input_gives_the_same_plan(ladder, book, side, tolerance):
    """RC-07: pure: nothing is changed, nothing is remembered."""
    targets, orders = outward(ladder, side), made(book)
    before = [repr(o) for o in orders]
    first, second = plan_of(targets, orders, side, tolerance), plan_of(targets, orders, side, tolerance)
    assert first == second
    assert [repr(o) for o in orders] == before


@given(ladders, books, st.sampled_from(Side), tolerances)
def test_reconciling_again_after_the_plan_does_nothing(ladder, book, side, tolerance):
    """QE-06, RC-04: identical target twice: the second cycle has no action, and nothing unmatched survives."""
    targets = outward(ladder, side)
    orders = [o for o in made(book) if o.is_resting and o.in_flight is InFlight.NONE and o.certainty is Certainty.KNOWN]
    plan = plan_of(targets, orders, side, tolerance)
    gone = {a.order.cloid for a in plan.actions if isinstance(a, CancelOrder | Replace | ModifyOrder)}
    new = [a.level for a in plan.actions if not isinstance(a, CancelOrder)]
    after = [o for o in orders if o.cloid not in gone]
    after += [order(100 + n, entry.px, entry.sz, side=side) for n, entry in enumerate(new)]
    again = plan_of(targets, after, side, tolerance)
    assert (again.actions, again.kept) == ([], len(targets))


@given(
    ladders,
    st.dictionaries(st.integers(90, 100), st.integers(4, 12), max_size=5),
    st.sampled_from(Side),
    tolerances,
)
def test_a_plan_is_as_small_as_can_be(ladder, own, side, tolerance):
    """RC-06, QE-07: as cheap as the best of all assignments of orders to targets at the same price."""
    targets = outward(ladder, side)
    orders = [order(n, px, sz, side=side) for n, (px, sz) in enumerate(own.items(), start=1)]
    plan = plan_of(targets, orders, side, tolerance)
    cost = sum(2 if isinstance(action, Replace) else 1 for action in plan.actions)
    cheapest = None
    for choice in product(*([None, *(t for t in targets if t.px == o.px)] for o in orders)):
        served = [t for t in choice if t is not None]
        total = len(targets) - len(served)
        for own_order, target in zip(orders, choice, strict=True):
            if target is None:
                total += 1
            else:
                total += abs(target.sz - own_order.remaining) > tolerance * target.sz
        cheapest = total if cheapest is None else min(cheapest, total)
    assert cost == cheapest
    assert cost <= 2 * (len(targets) + len(orders))
