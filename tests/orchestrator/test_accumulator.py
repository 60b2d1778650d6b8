"""When a quote cycle is due: the checks of the EA rows, and what a cycle may touch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import Ns, Oid, Side
from orchestrator.desk.accumulator import (
    FULL_SCOPE,
    NO_SCOPE,
    AccumulatorConfig,
    AffectedTracker,
    Cause,
    EventAccumulator,
    Priority,
    ReconcileScope,
)
from tests.orchestrator.messages import BUY, SELL, ms, s

MID2 = 2 * 20_000_000


def make(**config) -> EventAccumulator:
    return EventAccumulator(AccumulatorConfig(**config))


def settled(**config) -> EventAccumulator:
    """One cycle at time zero behind it, nothing waiting."""
    made = make(**config)
    made.on_mid(MID2, Ns(0))
    assert made.take(Ns(0)) is not None
    return made


def moved(bps: float) -> int:
    return round(MID2 * (1 + bps * 1e-4))


def cycles(accumulator: EventAccumulator, until: Ns, events=(), step: Ns = ms(1)) -> list[tuple[Ns, Cause]]:
    """Deliver (time, call) events and ask at every step, as a driver would."""
    taken, waiting, now = [], list(events), Ns(0)
    while now <= until:
        while waiting and waiting[0][0] <= now:
            waiting.pop(0)[1](now)
        trigger = accumulator.take(now)
        if trigger is not None:
            taken.append((now, trigger.cause))
            assert accumulator.take(now) is None
        now = Ns(now + step)
    return taken


# --- EA-02: net displacement --------------------------------------------------------------------


@pytest.mark.parametrize(("bps", "is_due"), [(4.9, False), (-4.9, False), (5.1, True), (-5.1, True)])
def test_a_move_beyond_five_basis_points_triggers(bps, is_due):
    """EA-02: measured against the last cycle, after the debounce."""
    accumulator = settled()
    accumulator.on_mid(moved(bps), s(1))
    trigger = accumulator.take(s(1))
    assert (trigger is not None) is is_due
    if trigger:
        assert (trigger.cause, trigger.scope, trigger.priority) == (Cause.MID_MOVE, FULL_SCOPE, Priority.MID_MOVE)


def test_noise_that_comes_back_does_not_trigger():
    """EA-02, T-09: +1, -1 bps twenty times is a path of 40 bps and a displacement of nothing."""
    accumulator = settled(buffer=1_000)
    for step in range(40):
        accumulator.on_mid(moved(step % 2), ms(110 * step))
    assert accumulator.take(ms(110 * 40)) is None
    assert accumulator.accumulated_bps == pytest.approx(1.0, rel=1e-6)


def test_noise_fills_the_buffer_and_is_not_mistaken_for_a_move():
    """EA-01 and EA-02 together: ten events force a cycle, but not as a move of the mid."""
    accumulator = settled()
    for step in range(40):
        accumulator.on_mid(moved(step % 2), ms(110 * step))
    assert accumulator.take(ms(4_400)).cause is Cause.BUFFER


def test_small_moves_add_up_until_they_count():
    """Six steps of one basis point are six from the last cycle, which becomes the new reference."""
    accumulator = settled(buffer=1_000)
    for step in range(1, 7):
        accumulator.on_mid(moved(step), s(step / 10))
    assert accumulator.take(s(0.6)).cause is Cause.MID_MOVE
    assert accumulator.accumulated_bps == 0.0
    accumulator.on_mid(moved(10.9), s(1))
    assert accumulator.take(s(1)) is None


def test_a_move_that_came_back_before_the_debounce_still_brings_one_cycle():
    """A trigger is not taken back: the cycle itself sees that nothing is to do."""
    accumulator = settled()
    accumulator.on_mid(moved(6), ms(10))
    accumulator.on_mid(moved(0), ms(20))
    assert accumulator.take(ms(100)).cause is Cause.MID_MOVE


# --- EA-01, EA-05: rates ------------------------------------------------------------------------


def test_a_thousand_messages_a_second_for_a_minute():
    """EA-01: no more cycles than the debounce allows, no fewer than the fallback demands."""
    accumulator, taken = make(), 0
    for index in range(60_000):
        accumulator.on_mid(moved((index * 7) % 3), ms(index))
        taken += accumulator.take(ms(index)) is not None
    assert 60 / 5 <= taken <= 60 / 0.1
    assert taken == accumulator.stats.reconciles


def test_a_silent_feed_brings_a_cycle_every_fallback_interval():
    """EA-05: from the last cycle on, with both sides in scope."""
    accumulator = settled()
    assert cycles(accumulator, s(21), step=ms(10)) == [(s(n), Cause.TIMER) for n in (5, 10, 15, 20)]
    accumulator = settled()
    assert accumulator.due_at() == s(5)
    assert accumulator.take(s(5)).scope == FULL_SCOPE


def test_nothing_is_due_before_the_first_event():
    accumulator = make()
    assert (accumulator.due_at(), accumulator.take(s(100))) == (None, None)


def test_one_trade_in_a_silent_market_brings_one_cycle_after_the_debounce():
    """EA-03."""
    accumulator = settled()
    assert cycles(accumulator, s(2), [(ms(30), accumulator.on_trade)]) == [(ms(100), Cause.TRADE)]


def test_the_buffer_forces_a_cycle():
    """EA-01: the tenth event, whatever it is."""
    accumulator = settled()
    for index in range(9):
        accumulator.on_mid(MID2, ms(200 + index))
    assert accumulator.take(ms(300)) is None
    accumulator.on_mid(MID2, ms(301))
    assert accumulator.take(ms(301)).cause is Cause.BUFFER


# --- EA-04, EA-08: fills and debounce -----------------------------------------------------------


@pytest.mark.parametrize(("at", "cycle_at"), [(30, 100), (99, 100), (100, 100), (101, 101), (700, 700)])
def test_a_fill_brings_a_cycle_at_once_or_after_the_debounce(at, cycle_at):
    """EA-04: at max(t, last + debounce), for the filled side."""
    accumulator = settled()
    events = [(ms(at), lambda now: accumulator.on_fill(BUY, Oid(5), now, is_full=True))]
    assert cycles(accumulator, s(1), events) == [(ms(cycle_at), Cause.FILL)]


def test_a_hundred_fills_in_a_tenth_of_a_second_bring_at_most_two_cycles():
    """EA-08."""
    accumulator = make()
    events = [(ms(n), lambda now: accumulator.on_fill(SELL, Oid(5), now, is_full=False)) for n in range(1, 101)]
    taken = cycles(accumulator, s(4), events)
    assert [at for at, _ in taken] == [ms(1), ms(101)]


def test_the_debounce_delays_and_never_drops():
    """Whatever was waiting is in the scope of the next cycle."""
    accumulator = settled()
    accumulator.on_fill(BUY, Oid(5), ms(10), is_full=False)
    accumulator.on_side_event(SELL, ms(20))
    assert accumulator.take(ms(99)) is None
    trigger = accumulator.take(ms(100))
    assert trigger.scope.sides == {BUY, SELL}
    assert trigger.scope.oids == {5}


def test_a_gate_does_not_wait():
    """QE-18: when quoting must stop, the debounce is not asked."""
    accumulator = settled()
    accumulator.on_trade(ms(1))
    accumulator.force(ms(2))
    assert accumulator.due_at() == ms(2)
    trigger = accumulator.take(ms(2))
    assert (trigger.cause, trigger.scope, trigger.priority) == (Cause.FORCED, FULL_SCOPE, Priority.FORCED)


def test_the_most_urgent_cause_is_named():
    """EA-04, EA-09: full fill, partial fill, move, side, trade, buffer, timer."""
    order = [
        Priority.FORCED,
        Priority.FULL_FILL,
        Priority.PARTIAL_FILL,
        Priority.MID_MOVE,
        Priority.SIDE_EVENT,
        Priority.TRADE,
        Priority.BUFFER,
        Priority.TIMER,
    ]
    assert order == sorted(Priority, reverse=True)
    for first, second in (("trade", "fill"), ("fill", "trade")):
        accumulator = settled()
        for name in (first, second):
            if name == "trade":
                accumulator.on_trade(ms(1))
            else:
                accumulator.on_fill(BUY, Oid(1), ms(1), is_full=True)
        trigger = accumulator.take(ms(100))
        assert (trigger.cause, trigger.priority) == (Cause.FILL, Priority.FULL_FILL)


# --- EA-06, EA-07: scopes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("touch", "scope"),
    [
        ([], NO_SCOPE),
        (["price"], FULL_SCOPE),
        (["bid"], ReconcileScope(frozenset([BUY]))),
        (["fill"], ReconcileScope(frozenset([SELL]), frozenset([7]))),
        (["bid", "bid"], ReconcileScope(frozenset([BUY]))),
        (["bid", "fill"], ReconcileScope(frozenset([BUY, SELL]), frozenset([7]))),
        (["fill", "price"], FULL_SCOPE),
        (["price", "fill"], FULL_SCOPE),
    ],
)
def test_what_events_touch(touch, scope):
    """EA-06: the three kinds and their unions; taking forgets."""
    affected = AffectedTracker()
    for kind in touch:
        if kind == "price":
            affected.on_price()
        elif kind == "fill":
            affected.on_fill(SELL, Oid(7))
        else:
            affected.on_side(BUY)
    assert affected.take() == scope
    assert affected.take() == NO_SCOPE


scopes = st.builds(
    ReconcileScope, st.frozensets(st.sampled_from(Side)), st.frozensets(st.integers(1, 6).map(Oid), max_size=4)
)


@given(scopes, scopes, scopes)
def test_merging_scopes_gives_a_superset(one, two, three):
    """EA-07: every order included in either is included; order does not matter; nothing is the neutral element."""
    merged = one.merge(two)
    for side in Side:
        for oid in (None, *map(Oid, range(8))):
            included = one.includes(side, oid) or two.includes(side, oid)
            assert merged.includes(side, oid) or not included
            assert included or not merged.includes(side, oid)
    assert merged == two.merge(one)
    assert merged.merge(three) == one.merge(two.merge(three))
    assert one.merge(NO_SCOPE) == one.merge(one) == one
    assert FULL_SCOPE.merge(one).is_full
    assert NO_SCOPE.is_empty
    assert merged.is_empty == (one.is_empty and two.is_empty)


# --- EA-10: counters ----------------------------------------------------------------------------


def test_the_figures_of_a_scripted_sequence():
    """EA-10: total, cycles, filtered, waiting, displacement, most urgent: as counted by hand."""
    accumulator = make()
    accumulator.on_mid(MID2, ms(0))  # the first cycle: nothing to be filtered
    accumulator.take(ms(0))
    accumulator.on_mid(moved(2), ms(10))
    accumulator.on_trade(ms(20))
    accumulator.on_fill(BUY, Oid(1), ms(30), is_full=False)
    accumulator.take(ms(100))  # takes three along
    accumulator.on_mid(moved(5), ms(110))
    stats = accumulator.stats
    assert (stats.total, stats.reconciles, stats.filtered, accumulator.pending) == (5, 2, 2, 1)
    assert (stats.max_priority, stats.by_cause) == (Priority.PARTIAL_FILL, {Cause.TIMER: 1, Cause.FILL: 1})
    assert accumulator.last_reconcile == ms(100)
    assert accumulator.accumulated_bps == pytest.approx(3.0, rel=1e-3)


events = st.lists(
    st.tuples(st.sampled_from(["mid", "trade", "fill", "side", "force", "none"]), st.integers(0, 400)), max_size=50
)


@given(events, st.sampled_from([0, 100, 2_000]))
def test_cycles_keep_their_distance_and_events_never_wait_for_ever(sequence, debounce):
    """EA-01, EA-08 for any sequence: two unforced cycles are a debounce apart, and something is always due in time."""
    accumulator, now, last = make(debounce_ms=debounce), Ns(0), None
    for what, gap in sequence:
        now = Ns(now + ms(gap))
        if what == "mid":
            accumulator.on_mid(moved(gap % 9), now)
        elif what == "trade":
            accumulator.on_trade(now)
        elif what == "fill":
            accumulator.on_fill(BUY, Oid(1), now, is_full=gap > 200)
        elif what == "side":
            accumulator.on_side_event(SELL, now)
        elif what == "force":
            accumulator.force(now)
        due = accumulator.due_at()
        trigger = accumulator.take(now)
        assert (trigger is not None) == (due is not None and due <= now)
        if trigger is not None:
            if last is not None and trigger.cause is not Cause.FORCED:
                assert now - last >= ms(debounce)
            last = now
            assert not trigger.scope.is_empty
        assert accumulator.take(now) is None
        following = accumulator.due_at()
        assert following is None or now < following <= now + max(s(5), ms(debounce))
        assert (following is None) == (accumulator.stats.reconciles == 0)
