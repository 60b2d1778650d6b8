"""When a quote cycle is due: the checks of the EA rows, and what a cycle may touch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import Ns, Side
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


@pytest.mark.parametrize("levels", [(1, 0), (1, -1), (0.02, -0.01), (4.9, 0, -4.9)])
@pytest.mark.parametrize("buffer", [2, 10])
def test_noise_that_comes_back_does_not_trigger(levels, buffer):
    """EA-02, T-09: +1, -1 bps twenty times: no trigger, neither by the path of 40 bps nor by the forty books."""
    accumulator = settled(buffer=buffer)
    for step in range(40):
        accumulator.on_mid(moved(levels[step % len(levels)]), ms(110 * step))
        assert accumulator.take(ms(110 * step)) is None
    assert accumulator.due_at() == s(5)
    assert accumulator.accumulated_bps <= 4.91


@pytest.mark.parametrize("bps", [1.0, -1.0, 0.02])
def test_a_small_move_that_stays_fills_the_buffer(bps):
    """EA-01 and EA-02 together: ten books that find the mid away from the quotes force a cycle, fewer do not."""
    accumulator = settled()
    for book in range(1, 10):
        accumulator.on_mid(moved(bps), ms(200 + book))
        assert accumulator.take(ms(200 + book)) is None
    accumulator.on_mid(moved(bps), ms(210))
    trigger = accumulator.take(ms(210))
    assert (trigger.cause, trigger.scope, trigger.priority) == (Cause.BUFFER, FULL_SCOPE, Priority.BUFFER)
    accumulator.on_mid(moved(bps), s(1))  # it is where the quotes are now
    assert accumulator.due_at() == ms(5_210)


def test_a_move_that_came_back_begins_the_buffer_anew():
    accumulator = settled()
    for bps in (*[1] * 9, 0, *[1] * 9, -1, *[1] * 9):
        accumulator.on_mid(moved(bps), s(1))
    assert accumulator.take(s(1)) is None
    accumulator.on_mid(moved(1), s(1))
    assert accumulator.take(s(1)).cause is Cause.BUFFER


def test_a_cycle_of_both_sides_begins_the_buffer_anew():
    """Nine books found the mid displaced; then the quotes follow, and the next displacement is another one."""
    accumulator = settled()
    for _ in range(9):
        accumulator.on_mid(moved(1), s(4))
    assert accumulator.take(s(5)).cause is Cause.TIMER
    for _ in range(9):
        accumulator.on_mid(moved(2), s(6))
    assert accumulator.take(s(6)) is None


def test_books_that_move_nothing_force_nothing():
    """EA-02: a book event without a move of the mid is no move of the price, however many there are."""
    accumulator = settled()
    for index in range(1_000):
        accumulator.on_mid(MID2, ms(1 + index))
    assert accumulator.take(ms(1_001)) is None
    assert accumulator.due_at() == s(5)


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
        if index % 50 == 0:
            accumulator.on_trade(SELL, ms(index))
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
    assert cycles(accumulator, s(2), [(ms(30), lambda now: accumulator.on_trade(BUY, now))]) == [(ms(100), Cause.TRADE)]


# --- EA-04, EA-08: fills and debounce -----------------------------------------------------------


@pytest.mark.parametrize(("at", "cycle_at"), [(30, 100), (99, 100), (100, 100), (101, 101), (700, 700)])
def test_a_fill_brings_a_cycle_at_once_or_after_the_debounce(at, cycle_at):
    """EA-04: at max(t, last + debounce), for the filled side."""
    accumulator = settled()
    events = [(ms(at), lambda now: accumulator.on_fill(BUY, now, is_full=True))]
    assert cycles(accumulator, s(1), events) == [(ms(cycle_at), Cause.FILL)]


def test_a_hundred_fills_in_a_tenth_of_a_second_bring_at_most_two_cycles():
    """EA-08."""
    accumulator = make()
    events = [(ms(n), lambda now: accumulator.on_fill(SELL, now, is_full=False)) for n in range(1, 101)]
    taken = cycles(accumulator, s(4), events)
    assert [at for at, _ in taken] == [ms(1), ms(101)]


def test_the_debounce_delays_and_never_drops():
    """Whatever was waiting is in the scope of the next cycle."""
    accumulator = settled()
    accumulator.on_fill(BUY, ms(10), is_full=False)
    accumulator.on_side_event(SELL, ms(20))
    assert accumulator.take(ms(99)) is None
    trigger = accumulator.take(ms(100))
    assert trigger.scope.sides == {BUY, SELL}


def test_a_gate_that_closes_does_not_wait():
    """QE-18: when quoting must stop, the debounce is not asked."""
    accumulator = settled()
    accumulator.on_trade(BUY, ms(1))
    accumulator.force(ms(2))
    assert accumulator.due_at() == ms(2)
    trigger = accumulator.take(ms(2))
    assert (trigger.cause, trigger.scope, trigger.priority) == (Cause.FORCED, FULL_SCOPE, Priority.FORCED)


def test_a_gate_that_opens_waits_for_the_debounce():
    """EA-08: whatever opens may close again at once. The rank of the cause does not matter, only its kind."""
    accumulator = settled()
    accumulator.on_gate(ms(2))
    assert accumulator.due_at() == ms(100)
    trigger = accumulator.take(ms(100))
    assert (trigger.cause, trigger.scope, trigger.priority) == (Cause.GATE, FULL_SCOPE, Priority.GATE)


def test_the_fallback_keeps_the_debounce_too():
    """EA-08: a debounce beyond the fallback is still the least time between two cycles."""
    accumulator = settled(debounce_ms=10_000.0)
    assert accumulator.due_at() == s(10)
    assert accumulator.take(s(9.9)) is None


def test_the_most_urgent_cause_is_named():
    """EA-04, EA-09: full fill, partial fill, gate, move, side, trade, buffer, timer."""
    order = [
        Priority.FORCED,
        Priority.FULL_FILL,
        Priority.PARTIAL_FILL,
        Priority.GATE,
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
                accumulator.on_trade(BUY, ms(1))
            else:
                accumulator.on_fill(BUY, ms(1), is_full=True)
        trigger = accumulator.take(ms(100))
        assert (trigger.cause, trigger.priority) == (Cause.FILL, Priority.FULL_FILL)


# --- EA-06, EA-07: scopes -----------------------------------------------------------------------


ONE = {side: ReconcileScope(frozenset([side])) for side in Side}


@pytest.mark.parametrize(
    ("touch", "scope"),
    [
        ([], NO_SCOPE),
        (["price"], FULL_SCOPE),
        (["bid"], ONE[BUY]),
        (["ask"], ONE[SELL]),
        (["bid", "bid"], ONE[BUY]),
        (["bid", "ask"], FULL_SCOPE),
        (["ask", "price"], FULL_SCOPE),
        (["price", "ask"], FULL_SCOPE),
    ],
)
def test_what_is_touched(touch, scope):
    """EA-06: the kinds and their unions; taking forgets."""
    affected = AffectedTracker()
    for kind in touch:
        if kind == "price":
            affected.on_price()
        else:
            affected.on_side(BUY if kind == "bid" else SELL)
    assert affected.take() == scope
    assert affected.take() == NO_SCOPE


@pytest.mark.parametrize(
    ("events", "scope"),
    [
        (["fill"], ONE[BUY]),
        (["trade"], ONE[BUY]),
        (["side"], ONE[SELL]),
        (["fill", "side"], FULL_SCOPE),
        (["fill", "noise"], ONE[BUY]),
        (["noise", "trade", "noise"], ONE[BUY]),
        (["fill", "same"], ONE[BUY]),
        (["fill", "move"], FULL_SCOPE),
        (["move"], FULL_SCOPE),
        (["fill", "stays"], FULL_SCOPE),
        (["gate"], FULL_SCOPE),
        (["force"], FULL_SCOPE),
    ],
)
def test_the_scope_of_a_cycle(events, scope):
    """EA-06: a fill, a trade and a side event touch their side; of the mid, what triggers and nothing less."""
    accumulator = settled()
    for what in events:
        happen(accumulator, what, ms(10))
    assert accumulator.take(ms(100)).scope == scope


def happen(accumulator: EventAccumulator, what: str, now: Ns) -> None:
    """One event by its name; fills and trades are of the buying side, side events of the selling one."""
    if what == "fill":
        accumulator.on_fill(BUY, now, is_full=True)
    elif what == "trade":
        accumulator.on_trade(BUY, now)
    elif what == "side":
        accumulator.on_side_event(SELL, now)
    elif what == "gate":
        accumulator.on_gate(now)
    elif what == "force":
        accumulator.force(now)
    else:
        for _ in range(10 if what == "stays" else 1):
            accumulator.on_mid(moved({"noise": 1, "same": 0, "move": 6, "stays": 1}[what]), now)


def test_a_side_left_out_is_looked_at_by_the_fallback():
    """EA-05: fills of one side for ever: the other side's quotes are never older than the fallback."""
    accumulator, fulls = settled(), []
    for tick in range(1, 200):
        accumulator.on_fill(BUY, ms(100 * tick), is_full=False)
        trigger = accumulator.take(ms(100 * tick))
        assert trigger.cause is Cause.FILL
        if trigger.scope.is_full:
            fulls.append(ms(100 * tick))
    assert fulls == [s(5), s(10), s(15)]


def test_a_side_left_out_does_not_lose_its_displacement():
    """EA-02: the mid counts from the last cycle of both sides: a drift in small steps must reach the other, too."""
    accumulator = settled()
    for step in range(1, 6):
        accumulator.on_mid(moved(step), ms(200 * step))
        accumulator.on_fill(BUY, ms(200 * step), is_full=False)
        assert accumulator.take(ms(200 * step)).scope == ONE[BUY]
    accumulator.on_mid(moved(5.1), s(2))
    trigger = accumulator.take(s(2))
    assert (trigger.cause, trigger.scope) == (Cause.MID_MOVE, FULL_SCOPE)


scopes = st.builds(ReconcileScope, st.frozensets(st.sampled_from(Side)))


@given(scopes, scopes, scopes)
def test_merging_scopes_gives_a_superset(one, two, three):
    """EA-07: every side included in either is included; order does not matter; nothing is the neutral element."""
    merged = one.merge(two)
    for side in Side:
        assert merged.includes(side) == (one.includes(side) or two.includes(side))
    assert merged == two.merge(one)
    assert merged.merge(three) == one.merge(two.merge(three))
    assert one.merge(NO_SCOPE) == one.merge(one) == one
    assert FULL_SCOPE.merge(one).is_full
    assert merged.is_full == all(merged.includes(side) for side in Side)


@given(st.lists(st.sampled_from(["price", BUY, SELL]), max_size=12))
def test_what_is_touched_is_the_union_of_the_events(touches):
    """EA-07 through the tracker: nothing that an event touches gets lost, and nothing is added."""
    affected, expected = AffectedTracker(), NO_SCOPE
    for touch in touches:
        if touch == "price":
            affected.on_price()
            expected = expected.merge(FULL_SCOPE)
        else:
            affected.on_side(touch)
            expected = expected.merge(ONE[touch])
    assert affected.take() == expected


# --- EA-10: counters ----------------------------------------------------------------------------


def test_the_figures_of_a_scripted_sequence():
    """EA-10: total, cycles, filtered, waiting, displacement, most urgent: as counted by hand."""
    accumulator = make()
    accumulator.on_mid(MID2, ms(0))  # the first cycle: nothing to be filtered
    accumulator.take(ms(0))
    accumulator.on_mid(moved(2), ms(10))
    accumulator.on_trade(BUY, ms(20))
    accumulator.on_fill(BUY, ms(30), is_full=False)
    accumulator.take(ms(100))  # takes three along
    accumulator.on_mid(moved(5), ms(110))
    stats = accumulator.stats
    assert (stats.total, stats.reconciles, stats.filtered, accumulator.pending) == (5, 2, 2, 1)
    assert stats.one_sided == 1
    assert (stats.max_priority, stats.by_cause) == (Priority.PARTIAL_FILL, {Cause.TIMER: 1, Cause.FILL: 1})
    assert accumulator.last_reconcile == ms(100)
    assert accumulator.since_last(ms(130)) == ms(30)
    assert accumulator.accumulated_bps == pytest.approx(5.0, rel=1e-3)  # the ask side has not seen the first 2 either
    accumulator.take(ms(5_000))
    assert (accumulator.accumulated_bps, stats.by_cause[Cause.TIMER]) == (0.0, 2)


events = st.lists(
    st.tuples(st.sampled_from(["mid", "trade", "fill", "side", "gate", "force", "none"]), st.integers(0, 400)),
    max_size=50,
)


@given(events, st.sampled_from([0, 100, 2_000, 7_000]))
def test_cycles_keep_their_distance_and_events_never_wait_for_ever(sequence, debounce):
    """EA-01, EA-05, EA-08 for any sequence: unforced cycles are a debounce apart, and both sides get their turn."""
    accumulator, now, last, full = make(debounce_ms=debounce), Ns(0), None, None
    for what, gap in sequence:
        now = Ns(now + ms(gap))
        if what == "mid":
            accumulator.on_mid(moved(gap % 9), now)
        elif what != "none":
            happen(accumulator, what, now)
        due = accumulator.due_at()
        trigger = accumulator.take(now)
        assert (trigger is not None) == (due is not None and due <= now)
        if trigger is not None:
            if last is not None and trigger.cause is not Cause.FORCED:
                assert now - last >= ms(debounce)
            last = now
            assert trigger.scope.sides
            if trigger.scope.is_full:
                full = now
            assert now - full < max(s(5), ms(debounce))
        assert accumulator.take(now) is None
        following = accumulator.due_at()
        assert following is None or now < following <= max(full + s(5), last + ms(debounce))
        assert (following is None) == (accumulator.stats.reconciles == 0)
    assert accumulator.last_full == full


# --- C-10: what a small allowance makes wait ----------------------------------------------------


def slowed() -> EventAccumulator:
    """Market and clock wait for eight seconds; fills of ours pay while the mid is within 10 bps."""
    accumulator = settled(debounce_ms=100)
    accumulator.throttle = s(8)
    accumulator.paying = (moved(-10) / 2, moved(10) / 2)
    return accumulator


def test_with_little_left_the_market_waits():
    """A move of 6 bps is looked at when the interval is over."""
    accumulator = slowed()
    accumulator.on_mid(moved(6), s(1))
    assert accumulator.due_at() == s(8)


@pytest.mark.parametrize("bps", [-10.1, 10.1, -100])
def test_a_move_over_our_orders_does_not_wait(bps):
    """What rests would be filled at a loss: due after the debounce, as a fill is, and for both sides."""
    accumulator = slowed()
    accumulator.on_mid(moved(bps), s(1))
    trigger = accumulator.take(s(1))
    assert trigger is not None
    assert (trigger.cause, trigger.scope) == (Cause.MID_MOVE, FULL_SCOPE)
