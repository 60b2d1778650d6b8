"""From targets and orders to the fewest actions (RC), as properties over any book of our own."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import Bps, Ns, Oid, Px, Side, Sz, Tid, Tif, millis
from orchestrator.reconcile.band import NO_CLAIM, Band, Claim
from orchestrator.reconcile.base import CancelOrder, ModifyOrder, PlaceNew, Plan, Replace, is_served, reconcile
from orchestrator.reconcile.table import KEEPS, ModifyFirstConfig, ReconcileConfig, Row, Rules, distance
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


EXACT = Rules()
WIDE = Band(Bps(150.0), Bps(150.0))
LATCHED = Rules(0.2, latch=WIDE)
MODIFIED = Rules(0.2, latch=WIDE, reach=Bps(400.0), interval=millis(500), waits=True)


def plan_of(targets, orders, side=BUY, rules=EXACT, now=Ns(0), claim=NO_CLAIM) -> Plan:
    plan = Plan()
    bands = {target.px: rules.latch for target in targets if rules.latch.spare}
    reconcile(targets, orders, side, plan, rules, now, bands, {order.cloid: claim for order in orders})
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
    plan = plan_of([level(100, wanted)], [partly], rules=Rules(tolerance))
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


# --- what is not exactly right (C-02) -----------------------------------------------------------


def bid(px: int, sz: int = 10, **more):
    """One of ours in ticks of 1 bps: the target stands at 10,000."""
    return order(1, px, sz, **more)


TARGET = level(10_000)
NARROW = Band(Bps(3.0), Bps(3.0))
TABLE = Rules(0.2, latch=NARROW, reach=Bps(50.0))


@pytest.mark.parametrize(
    ("px", "sz", "row"),
    [
        (10_000, 10, Row.SAME),
        (10_000, 8, Row.SAME),
        (10_003, 10, Row.LATCH),
        (9_997, 12, Row.LATCH),
        (10_000, 7, Row.SIZE),
        (10_000, 13, Row.SIZE),
        (10_003, 7, Row.PRICE),
        (10_004, 10, Row.PRICE),
        (9_950, 13, Row.PRICE),
        (9_949, 10, Row.REPLACE),
        (10_051, 7, Row.REPLACE),
    ],
)
def test_the_first_row_that_fits(px, sz, row):
    """C-02: the table, each row on both sides of its bounds."""
    assert TABLE.row(bid(px, sz), TARGET, NARROW) is row
    plan = plan_of([TARGET], [bid(px, sz)], rules=TABLE)
    kinds = {Row.SIZE: ModifyOrder, Row.PRICE: ModifyOrder, Row.REPLACE: Replace}
    assert [type(action) for action in plan.actions] == ([kinds[row]] if row in kinds else [])
    assert (plan.kept, plan.latched) == (row in (Row.SAME, Row.LATCH), row is Row.LATCH)


SPARE = Band(Bps(3.0), Bps(3.0), Bps(4.0))
"""Toward the market a fill pays 1 bps beyond the band."""
BANDED = Rules(0.2, latch=SPARE, reach=Bps(50.0))
FRONT, WORTH = Claim(1.5), Claim(1.25, 1.5)


@pytest.mark.parametrize(
    ("px", "sz", "claim", "row"),
    [
        (10_000, 10, WORTH, Row.SAME),
        (10_000, 10, FRONT, Row.SAME),
        (9_997, 10, WORTH, Row.QUEUE),
        (9_996, 12, WORTH, Row.QUEUE),
        (9_995, 10, WORTH, Row.PRICE),
        (10_004, 10, WORTH, Row.QUEUE),
        (10_005, 10, WORTH, Row.PRICE),
        (10_004, 7, WORTH, Row.PRICE),
        (10_000, 7, WORTH, Row.SIZE),
        (9_996, 10, FRONT, Row.LATCH),
        (9_995, 10, FRONT, Row.PRICE),
        (10_004, 10, FRONT, Row.LATCH),
        (10_005, 10, FRONT, Row.PRICE),
        (10_000, 13, FRONT, Row.SIZE),
        (9_996, 10, NO_CLAIM, Row.PRICE),
        (9_900, 10, WORTH, Row.REPLACE),
    ],
)
def test_the_first_row_that_fits_a_place_in_a_queue(px, sz, claim, row):
    """C-02, CH-23: same drift, the front is kept and the back is moved; toward the market the edge bounds both."""
    assert BANDED.row(bid(px, sz), TARGET, SPARE, claim) is row
    plan = plan_of([TARGET], [bid(px, sz)], rules=BANDED, claim=claim)
    kinds = {Row.SIZE: ModifyOrder, Row.PRICE: ModifyOrder, Row.REPLACE: Replace}
    assert [type(action) for action in plan.actions] == ([kinds[row]] if row in kinds else [])
    is_kept = row in (Row.SAME, Row.QUEUE, Row.LATCH)
    assert (plan.kept, plan.latched) == (is_kept, is_kept and row is not Row.SAME)


@pytest.mark.parametrize(("rules", "row"), [(BANDED, Row.REPLACE), (Rules(0.2), Row.LATCH)])
def test_an_order_that_no_modify_reaches_is_not_kept_either(rules, row):
    """C-12: away from the market a band ends where modifies end, if there are any."""
    wide = Band(Bps(60.0), Bps(3.0), Bps(4.0))
    assert rules.row(bid(9_945), TARGET, wide) is row
    assert rules.row(bid(9_951), TARGET, wide) is Row.LATCH


def test_distances_are_not_rounded_to_whole_points():
    """T-10: 2.9 bps are inside a latch of 3, and 3.1 bps are not."""
    fine = level(100_000)
    assert TABLE.row(bid(100_029), fine, NARROW) is Row.LATCH
    assert TABLE.row(bid(100_031), fine, NARROW) is Row.PRICE


def test_with_every_layer_off_the_plain_rule_is_left():
    """CH-42: the defaults keep, modify and replace by price and size alone."""
    rules = Rules.of(ReconcileConfig(), 0.0)
    assert rules == EXACT
    rows = [
        rules.row(bid(px, sz), TARGET, rules.latch) for px, sz in ((10_000, 10), (10_000, 9), (10_001, 10), (9_999, 9))
    ]
    assert rows == [Row.SAME, Row.SIZE, Row.REPLACE, Row.REPLACE]


def modified(px: int, at_ms: float, *, doubted=False):
    """An order that a modify made what it is, or (``doubted``) one whose modify was refused and that rests on."""
    made = TrackedOrder(
        ETH.id,
        cloid(2),
        BUY,
        Px(px),
        Sz(10),
        Tif.ALO,
        Ns(0) if doubted else millis(at_ms),
        chain=None if doubted else cloid(1),
    )
    made.oid, made.state, made.in_flight = Oid(2), S.OPEN, InFlight.NONE
    if doubted:
        made.successor, made.cancel_sent_at = cloid(3), millis(at_ms)
    return made


@pytest.mark.parametrize("doubted", [False, True])
@pytest.mark.parametrize(("after_ms", "is_sent"), [(400, False), (499, False), (500, True), (600, True)])
def test_a_modify_too_soon_after_the_last_waits_where_it_is(after_ms, is_sent, doubted):
    """CH-05, CH-19, CH-20: the order rests on, is looked at again when it may go, and is never cancelled for it."""
    young = modified(10_010, 1_000, doubted=doubted)
    rules = Rules.of(ReconcileConfig(modify_first=ModifyFirstConfig()), 0.0)
    plan = plan_of([TARGET], [young], rules=rules, now=millis(1_000 + after_ms))
    assert plan.actions == ([ModifyOrder(young, TARGET)] if is_sent else [])
    assert (plan.debounced, plan.retry_at) == ((0, None) if is_sent else (1, millis(1_500)))


def test_without_modify_first_a_modify_too_soon_is_dropped():
    """CH-05: the way of the incident; nobody looks at it again before the next cycle."""
    young = modified(10_000, 1_000)
    rules = Rules.of(ReconcileConfig(modify_interval_ms=2_000), 0.0)
    plan = plan_of([level(10_000, 20)], [young], rules=rules, now=millis(2_999))
    assert (plan.actions, plan.debounced, plan.retry_at) == ([], 1, None)
    assert plan_of([level(10_000, 20)], [young], rules=rules, now=millis(3_000)).actions


def test_the_best_target_takes_the_nearest_order():
    """RC-11: best first, each the nearest that it can keep or modify; what is out of reach is replaced."""
    near, next_, far = order(1, 9_990), order(2, 9_960), order(3, 9_000)
    targets = [level(10_000), level(9_980), level(9_970)]
    plan = plan_of(targets, [far, next_, near], rules=TABLE)
    assert plan.actions == [ModifyOrder(near, targets[0]), ModifyOrder(next_, targets[1]), Replace(far, targets[2])]


def test_of_two_orders_at_one_price_the_one_of_the_right_size_stays():
    """What is right is kept, whichever of them is older; found by the property that a second look does nothing."""
    small, right = order(1, 100, 4), order(2, 100, 10)
    for own in ([small, right], [right, small]):
        plan = plan_of([level(100), level(99)], own)
        assert (plan.actions, plan.kept) == ([Replace(small, level(99))], 1)


def test_an_order_that_should_say_reduce_only_is_replaced_however_near():
    """The flag is part of what an order is."""
    plan = Plan()
    near = order(1, 10_000)
    reconcile([TARGET], [near], BUY, plan, TABLE, Ns(0), reduce_only=True)
    assert plan.actions == [Replace(near, TARGET)]


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
tables = st.sampled_from([EXACT, Rules(0.2), LATCHED, MODIFIED, Rules(reach=Bps(250.0))])


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


@given(ladders, books, st.sampled_from(Side), tables)
def test_a_plan_never_gives_more_orders_than_targets(ladder, book, side, rules):
    """RC-11, T-12: after it, orders that may rest on a side are as many as its targets, beyond what we cannot touch."""
    targets, orders = outward(ladder, side), made(book)
    free, holding = split(orders, side)
    plan = plan_of(targets, orders, side, rules)
    kinds = {
        kind: [a for a in plan.actions if isinstance(a, kind)] for kind in (PlaceNew, CancelOrder, ModifyOrder, Replace)
    }
    stay = plan.kept + len(kinds[ModifyOrder])
    created = len(kinds[Replace]) + len(kinds[PlaceNew])
    assert stay + created <= len(targets)
    assert created == max(0, len(targets) - stay - len(holding))
    assert plan.kept + plan.blocked + len(kinds[ModifyOrder]) + created == len(targets)
    assert stay + len(kinds[Replace]) + len(kinds[CancelOrder]) == len(free)


@given(ladders, books, st.sampled_from(Side), tables)
def test_a_plan_touches_only_free_orders_and_each_once(ladder, book, side, rules):
    """An order that a request is about, that is in doubt or that stands on the other side is left alone."""
    targets, orders = outward(ladder, side), made(book)
    free, _ = split(orders, side)
    plan = plan_of(targets, orders, side, rules)
    touched = [action.order for action in plan.actions if not isinstance(action, PlaceNew)]
    assert len(touched) == len({o.cloid for o in touched})
    assert all(o in free for o in touched)
    used = [action.level for action in plan.actions if not isinstance(action, CancelOrder)]
    assert len(used) == len(set(used))
    assert set(used) <= set(targets)
    assert all(distance(a.order, a.level) <= rules.reach for a in plan.actions if isinstance(a, ModifyOrder))


@given(ladders, books, st.sampled_from(Side), tables)
def test_the_same_input_gives_the_same_plan(ladder, book, side, rules):
    """RC-07: pure: nothing is changed, nothing is remembered."""
    targets, orders = outward(ladder, side), made(book)
    before = [repr(o) for o in orders]
    first, second = plan_of(targets, orders, side, rules), plan_of(targets, orders, side, rules)
    assert first == second
    assert [repr(o) for o in orders] == before


@given(ladders, books, st.sampled_from(Side), tables)
def test_reconciling_again_after_the_plan_does_nothing(ladder, book, side, rules):
    """QE-06, RC-04: identical target twice: the second cycle has no action, and nothing unmatched survives."""
    targets = outward(ladder, side)
    orders = [o for o in made(book) if o.is_resting and o.in_flight is InFlight.NONE and o.certainty is Certainty.KNOWN]
    plan = plan_of(targets, orders, side, rules)
    gone = {a.order.cloid for a in plan.actions if isinstance(a, CancelOrder | Replace | ModifyOrder)}
    new = [a.level for a in plan.actions if not isinstance(a, CancelOrder)]
    after = [o for o in orders if o.cloid not in gone]
    after += [order(100 + n, entry.px, entry.sz, side=side) for n, entry in enumerate(new)]
    again = plan_of(targets, after, side, rules)
    assert (again.actions, again.kept) == ([], len(targets))


@given(ladders, books, st.sampled_from(Side), tables, st.booleans())
def test_the_fast_path_says_what_the_comparison_would(ladder, book, side, rules, reduces):
    """CH-16: it may be taken exactly where every target is kept by an order that stands there, and no other lives."""
    targets, orders = outward(ladder, side), made(book)
    plan = Plan()
    reconcile(targets, orders, side, plan, rules, Ns(0), reduce_only=reduces)
    live = [o for o in orders if o.side is side and not o.is_terminal and o.tif is not Tif.IOC]
    is_whole = plan == Plan(kept=len(targets)) and {o.px for o in live} == {each.px for each in targets}
    assert is_served(targets, orders, side, rules, reduce_only=reduces) is (is_whole and len(live) == len(targets))


def test_the_fast_path_is_taken_where_all_is_well():
    targets = [level(99), level(98)]
    orders = [order(1, 99), order(2, 98)]
    assert is_served(targets, orders, BUY, EXACT)
    assert not is_served(targets, [*orders, order(3, 97)], BUY, EXACT)
    assert not is_served(targets, orders[:1], BUY, EXACT)
    assert not is_served(targets, orders, BUY, EXACT, reduce_only=True)
    assert is_served([], [], BUY, EXACT)


@given(
    ladders,
    st.dictionaries(st.integers(90, 100), st.integers(4, 12), max_size=5),
    st.sampled_from(Side),
    st.sampled_from([EXACT, Rules(0.2)]),
)
def test_a_plan_is_as_small_as_can_be(ladder, own, side, rules):
    """RC-06, QE-07: as cheap as the best of all assignments of orders to targets at the same price."""
    targets = outward(ladder, side)
    orders = [order(n, px, sz, side=side) for n, (px, sz) in enumerate(own.items(), start=1)]
    plan = plan_of(targets, orders, side, rules)
    cost = sum(2 if isinstance(action, Replace) else 1 for action in plan.actions)
    cheapest = None
    for choice in product(*([None, *(t for t in targets if t.px == o.px)] for o in orders)):
        served = [t for t in choice if t is not None]
        total = len(targets) - len(served)
        for own_order, target in zip(orders, choice, strict=True):
            if target is None:
                total += 1
            else:
                total += abs(target.sz - own_order.remaining) > rules.size_tolerance * target.sz
        cheapest = total if cheapest is None else min(cheapest, total)
    assert cost == cheapest
    assert cost <= 2 * (len(targets) + len(orders))


@given(
    st.dictionaries(st.integers(9_900, 10_000), st.sampled_from([10, 12]), max_size=4),
    st.dictionaries(st.integers(9_890, 10_010), st.sampled_from([10, 11, 20]), max_size=4),
    st.sampled_from(Side),
    st.sampled_from([Bps(0.0), Bps(40.0)]),
    st.lists(st.floats(1, 40), min_size=4, max_size=4),
)
def test_with_bands_and_modifies_a_plan_is_as_small_as_can_be(ladder, own, side, reach, widths):
    """RC-06, RC-11: as cheap as the best of all assignments in which no order overtakes another; no place is lost."""
    targets = outward(ladder, side)
    orders = sorted(
        (order(n, px, sz, side=side) for n, (px, sz) in enumerate(own.items(), 1)), key=lambda each: -side * each.px
    )
    bands = {target.px: Band(Bps(width), Bps(width)) for target, width in zip(targets, widths, strict=False)}
    rules = Rules(0.2, reach=reach)
    plan = Plan()
    reconcile(targets, orders, side, plan, rules, Ns(0), bands)
    same = {target.px for target in targets} & {each.px for each in orders}
    targets = [target for target in targets if target.px not in same]  # what is there already serves its price
    orders = [each for each in orders if each.px not in same]
    rest = [a for a in plan.actions if not (isinstance(a, ModifyOrder) and a.order.px in same)]
    cheapest = min(
        len(targets) + len(orders) - sum(2 - (row not in KEEPS) for row in rows)
        for n in range(min(len(targets), len(orders)) + 1)
        for some, others in product(combinations(targets, n), combinations(orders, n))
        if Row.REPLACE not in (rows := [rules.row(o, t, bands[t.px]) for o, t in zip(others, some, strict=True)])
    )
    assert sum(2 if isinstance(action, Replace) else 1 for action in rest) == cheapest


def test_what_stands_well_for_its_own_level_is_left_there():
    """The best of three was filled; the others, a basis point off, keep their places, and one order is placed."""
    targets = [level(9_990), level(9_980), level(9_970)]
    orders = [order(1, 9_979), order(2, 9_969)]
    plan = plan_of(targets, orders, rules=Rules(0.2, latch=Band(Bps(6.0), Bps(6.0)), reach=Bps(50.0)))
    assert (plan.actions, plan.kept, plan.latched) == ([PlaceNew(BUY, targets[0])], 2, 2)
