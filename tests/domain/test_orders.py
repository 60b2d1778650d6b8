"""The lifecycle of C-03: the table as a graph, the names, and what one order adds to the exposure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IllegalTransition, MakerlabError
from domain.orders import (
    ALIASES,
    PATH_KEPT,
    RESTING,
    TERMINAL,
    TRANSITIONS,
    InFlight,
    OrderState,
    TrackedOrder,
    state_named,
)
from domain.units import Cloid, InstrumentId, Ns, Px, Side, Sz, Tid, Tif, seconds

S = OrderState

EDGES = {
    # C-03, word by word
    (S.PENDING_NEW, S.OPEN),
    (S.PENDING_NEW, S.PARTIALLY_FILLED),
    (S.PENDING_NEW, S.FILLED),
    (S.PENDING_NEW, S.REJECTED),
    (S.PENDING_NEW, S.EXPIRED),
    (S.OPEN, S.PARTIALLY_FILLED),
    (S.OPEN, S.FILLED),
    (S.OPEN, S.CANCEL_PENDING),
    (S.OPEN, S.EXPIRED),
    (S.OPEN, S.CANCELLED),
    (S.PARTIALLY_FILLED, S.FILLED),
    (S.PARTIALLY_FILLED, S.CANCEL_PENDING),
    (S.PARTIALLY_FILLED, S.EXPIRED),
    (S.PARTIALLY_FILLED, S.CANCELLED),
    (S.CANCEL_PENDING, S.CANCEL_CONFIRMED),
    (S.CANCEL_PENDING, S.FILLED_DURING_CANCEL),
    (S.CANCEL_PENDING, S.OPEN),
    (S.CANCEL_PENDING, S.PARTIALLY_FILLED),
    (S.CANCEL_CONFIRMED, S.CANCELLED),
    (S.CANCEL_CONFIRMED, S.FILLED_DURING_CANCEL),
}
ADDED = {
    # what C-03 leaves out and lost messages force
    (S.PENDING_NEW, S.CANCEL_PENDING),
    (S.PENDING_NEW, S.CANCELLED),
    (S.CANCEL_PENDING, S.REJECTED),
    (S.CANCEL_PENDING, S.EXPIRED),
}


def order(**changes) -> TrackedOrder:
    told = {"side": Side.BUY, "px": Px(20_000_000), "sz": Sz(10), "tif": Tif.ALO, "now": Ns(0)} | changes
    return TrackedOrder(InstrumentId("ETH"), Cloid("0x" + "a" * 32), **told)


def contents(tracked: TrackedOrder) -> dict:
    return {name: getattr(tracked, name) for name in TrackedOrder.__slots__}


# --- the table ----------------------------------------------------------------------------------


def test_the_table_is_the_one_of_the_catalogue():
    """Protects C-03: these edges, the four documented additions, no other."""
    assert {(a, b) for a, targets in TRANSITIONS.items() for b in targets} == EDGES | ADDED
    assert len(S) == 10


def test_the_graph_has_no_dead_end_and_no_island():
    """Each state is reached from a placement, ends somewhere, and only ends are final."""

    def reach(start):
        seen, todo = {start}, [start]
        while todo:
            new = TRANSITIONS[todo.pop()] - seen
            seen |= new
            todo.extend(new)
        return seen

    assert reach(S.PENDING_NEW) == set(S)
    assert {state for state in S if not TRANSITIONS[state]} == TERMINAL
    assert all(reach(state) & TERMINAL for state in S)
    assert not RESTING & TERMINAL


def test_a_partial_fill_is_no_step_while_a_cancel_is_under_way():
    """T-11: a partial fill there must not end the order, so it must not even be a step to an end."""
    assert S.CANCELLED not in TRANSITIONS[S.CANCEL_PENDING]
    assert S.FILLED not in TRANSITIONS[S.CANCEL_PENDING]
    assert S.PARTIALLY_FILLED not in TRANSITIONS[S.CANCEL_CONFIRMED]


@pytest.mark.parametrize(
    "names",
    [
        "Pending Open PartialFill Filled Cancelled Expired",
        "Placed PartiallyFilled Filled Cancelled Expired Rejected",
        "Resting PartialFilled Filled CancelPending CancelConfirmed Cancelled FilledDuringCancel",
    ],
)
def test_every_name_of_the_three_vocabularies_resolves(names):
    """C-03: the names in use are understood, each meaning one state."""
    assert all(isinstance(ALIASES[name], OrderState) for name in names.split())


@pytest.mark.parametrize("name", ["PartialFill", "partialfilled", "PARTIALLY_FILLED", "partially_filled"])
def test_a_person_may_use_any_vocabulary(name):
    """C-03."""
    assert state_named(name) is S.PARTIALLY_FILLED
    assert state_named("half") is None
    assert {state_named(state) for state in S} == set(S)


def test_every_state_has_a_name_in_some_vocabulary():
    assert set(ALIASES.values()) == set(S)


@given(st.lists(st.sampled_from(S), max_size=12))
def test_illegal_steps_raise_and_change_nothing(steps):
    """Protects S8: from every reachable state, in any sequence of attempts."""
    tracked = order()
    for index, to in enumerate(steps, start=1):
        before = contents(tracked)
        if to in TRANSITIONS[tracked.state]:
            tracked.advance(to, Ns(index))
            walked = {"path": (*before["path"], to)[-PATH_KEPT - 1 :], "n_steps": before["n_steps"] + 1}
            assert contents(tracked) == before | {"state": to, "state_changed_at": index} | walked
        else:
            with pytest.raises(IllegalTransition, match="not a legal step"):
                tracked.advance(to, Ns(index))
            assert contents(tracked) == before
    assert issubclass(IllegalTransition, MakerlabError)


# --- fills and exposure -------------------------------------------------------------------------


def test_a_new_order_is_a_placement_in_flight_and_counts_in_full():
    """S15: exposure begins before the order is sent."""
    tracked = order()
    assert (tracked.state, tracked.in_flight, tracked.fillable) == (S.PENDING_NEW, InFlight.PLACE, 10)
    assert not tracked.is_resting


def test_a_trade_id_counts_once():
    """OL-13, OL-14: the second delivery changes nothing; the average is weighted."""
    tracked = order()
    assert tracked.record_fill_with_price(Tid(1), Sz(1), Px(100), Ns(5))
    assert tracked.record_fill_with_price(Tid(2), Sz(3), Px(104), Ns(7))
    before = contents(tracked) | {"fill_tids": [1, 2]}
    assert not tracked.record_fill_with_price(Tid(2), Sz(3), Px(104), Ns(9))
    assert contents(tracked) == before
    assert tracked.average_fill_price() == 103
    assert (tracked.fill_value, tracked.fill_count(), tracked.remaining) == (412, 2, 6)
    assert (tracked.last_fill_at, tracked.time_since_last_fill(Ns(10)), tracked.age(Ns(10))) == (7, 3, 10)


def test_without_a_fill_the_average_is_the_placement_price():
    tracked = order()
    assert tracked.average_fill_price() == tracked.px
    assert tracked.last_fill_at is None
    assert tracked.time_since_last_fill(seconds(1)) is None


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 4), st.integers(1, 1_000)), max_size=20))
def test_fill_value_is_the_sum_over_distinct_trades(trades):
    """OL-11: equal to adding up the distinct ones."""
    tracked, first = order(sz=Sz(1_000)), {}
    for tid, amount, price in trades:
        is_new = tracked.record_fill_with_price(Tid(tid), Sz(amount), Px(price), Ns(1))
        assert is_new is (tid not in first)
        first.setdefault(tid, (amount, price))
    assert tracked.filled == sum(amount for amount, _ in first.values())
    assert tracked.fill_value == sum(amount * price for amount, price in first.values())
    assert tracked.fill_count() == len(first)


@pytest.mark.parametrize(
    ("state", "filled", "final", "fillable", "is_settled"),
    [
        (S.PENDING_NEW, 0, None, 10, False),
        (S.OPEN, 4, None, 6, False),
        (S.CANCEL_PENDING, 4, None, 6, False),
        (S.CANCEL_CONFIRMED, 4, None, 6, False),  # a fill may still come
        (S.CANCELLED, 4, 4, 0, True),
        (S.CANCELLED, 1, 4, 3, False),  # the venue counted fills that we have not seen
        (S.FILLED, 10, 10, 0, True),
        (S.FILLED, 0, 10, 10, False),
        (S.REJECTED, 0, None, 0, True),
        (S.CANCELLED, 6, 4, 0, True),  # more than the venue said: never negative
        (S.OPEN, 12, None, 0, False),  # overfilled: never negative
    ],
)
def test_exposure_is_released_when_the_fills_are_settled(state, filled, final, fillable, is_settled):
    """S10: an end releases what the venue did not fill at once, and the rest only with its fills."""
    tracked = order()
    tracked.state = state
    if filled:
        tracked.record_fill_with_price(Tid(1), Sz(filled), Px(100), Ns(1))
    if final is not None:
        tracked.conclude(Sz(final))
    assert (tracked.fillable, tracked.is_settled) == (fillable, is_settled)


def test_what_an_order_is_made_of():
    """OL-16: placement, fills, state, and what follows from them."""
    placement = {"oid", "cloid", "side", "px", "sz", "placed_at"}
    fills = {"filled", "fill_value", "fill_tids", "last_fill_at"}
    state = {"state", "state_changed_at", "in_flight", "certainty"}
    assert placement | fills | state <= set(TrackedOrder.__slots__)
    assert (order().remaining, order().is_filled, order().chain) == (10, False, order().cloid)
