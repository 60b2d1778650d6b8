"""The process dies at each of the worst moments, with the whole trader and the whole venue (S13, S30).

After every death the next life begins with the fold of the journal. All invariants are checked at every event, in
every life; in the end the journal, the trader and the venue agree to the micro-USD.
"""

import pytest

from domain.commands import Cancel, Modify, Place, Request
from domain.events import OrderStatus, OrderUpdate, Replied, Resting
from domain.units import NS_PER_S
from orchestrator.sync.startup import StartUpState
from runtime.journal_format import Decided
from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.loader import load
from scenarios.runner import run
from sim.faults.aim import aim
from sim.faults.request_lost import RequestLost
from tests.scenarios.lives import Deaths, assert_survived, is_fill, on_decision, on_event, on_send, once, run_with
from tests.scenarios.runs import PLAIN

KEPT = (None, 0.0, 0.5)
"""Nothing lost; everything that was not synced; half of that, and with it a torn record."""


def places(command):
    return isinstance(command, Request) and isinstance(command.actions[0], Place | Modify)


def cloids(command):
    return [action.place.cloid if isinstance(action, Modify) else action.cloid for action in command.actions]


# --- the gaps between intent and fill -----------------------------------------------------------


@pytest.mark.parametrize("kept", KEPT)
def test_between_intent_and_send(kept):
    """The intent is safe and nothing has left: the next life finds that it never arrived, and goes on."""
    left = []

    def arm(running, trigger):
        running.session.on_send.append(lambda command, _: left.extend(cloids(command)) if places(command) else None)
        on_decision(places)(running, trigger)

    running, result = run_with(Deaths(arm=arm, kept=kept, after_s=20.0, down_s=3.0))
    assert_survived(running, result)
    died_at = running.driver.ends[0].at
    decided = [r for r in running.journal.records() if isinstance(r, Decided) and r.now == died_at]
    intents = [
        cloid for record in decided for command in record.commands if places(command) for cloid in cloids(command)
    ]
    assert intents, "the intent was safe before anything left, whatever the power took"
    assert not set(intents) & set(left)
    assert left


@pytest.mark.parametrize("kept", KEPT)
def test_between_send_and_ack(kept):
    """The order is on its way and nobody hears the answer: the next life knows of it from the intent."""
    resting = []

    def while_down(running):
        running.world.env.call_in(NS_PER_S * 9 // 10, lambda: resting.extend(running.world.venue.resting("trader")))

    running, result = run_with(Deaths(arm=on_send(places), kept=kept, after_s=20.0, while_down=while_down))
    assert_survived(running, result)
    assert resting, "it landed without us"


def is_ack(event):
    if isinstance(event, OrderUpdate):
        return event.status is OrderStatus.OPEN
    return isinstance(event, Replied) and isinstance(event.results[0], Resting)


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("kind", [Replied, OrderUpdate])
def test_between_ack_and_persist(kind, kept):
    """The answer is at the door and never written down: the journal knows the intent only."""
    matches = on_event(lambda event: isinstance(event, kind) and is_ack(event))
    running, result = run_with(Deaths(arm=matches, kept=kept, after_s=20.0, times=2), duration_s=90.0)
    assert_survived(running, result)
    assert running.injected[0].counts["deaths"] == 2


@pytest.mark.parametrize("kept", KEPT)
def test_between_fill_and_persist(kept):
    """The fill is at the door: the next life gets it by its own question, once."""
    running, result = run_with(Deaths(arm=on_event(is_fill, skip=2), kept=kept, after_s=15.0, times=2, down_s=2.0))
    assert_survived(running, result)
    assert running.injected[0].counts["deaths"] == 2


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_fill_that_was_written_and_lost_again(kept):
    """The fill was booked, and the power took its record: it counts once all the same."""
    lost = []

    def arm(running, trigger):
        def look(_now, events, commands):
            if any(map(is_fill, events)) and not any(map(places, commands)):  # a placement would have made it safe
                lost.extend(event.tid for event in events if is_fill(event))
                trigger()

        running.driver.taps.append(look)

    running, result = run_with(Deaths(arm=arm, kept=kept, after_s=15.0, down_s=2.0))
    assert_survived(running, result)
    assert running.injected[0].counts["lost_bytes"] > 0
    assert lost


# --- what happens without us --------------------------------------------------------------------


def hit(running, share):
    """Takers of the crowd fill a share of an order of ours that rests."""
    venue, account = running.world.venue, running.session.account
    for entry in venue.resting(account)[:1]:
        aim(running.world, venue.order(account, entry.oid), share)


def is_partly_filled(running):
    orders = [order for desk in running.trader.core.desks.values() for order in desk.tracker.orders.values()]
    return any(0 < order.filled < order.sz and not order.is_terminal for order in orders)


@pytest.mark.parametrize("kept", KEPT)
def test_open_orders_with_a_part_filled_and_fills_while_down(kept):
    """Incident 12: a partial fill counts in the position and in the order, and the rest is hit while we are away."""
    had = []

    def arm(running, trigger):
        for second in range(15, 40):
            running.world.env.call_at(second * NS_PER_S, hit, running, 0.3)
        once(is_partly_filled)(running, trigger)

    def while_down(running):
        had.append(len(running.world.venue.fills(running.session.account)))
        for tenth in range(2, 20):
            running.world.env.call_in(tenth * NS_PER_S // 10, hit, running, 1.0)

    running, result = run_with(Deaths(arm=arm, kept=kept, after_s=8.0, down_s=4.0, while_down=while_down))
    assert_survived(running, result)
    assert had, "no order was ever filled in part"
    restarted = running.driver.ends[0].at + 4_000_000_000
    while_away = [
        fill for fill in running.world.venue.fills(running.session.account)[had[0] :] if fill.exch_time < restarted
    ]
    assert while_away, "nothing traded while we were away"


# --- while it recovers --------------------------------------------------------------------------


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("state", [state for state in StartUpState if state is not StartUpState.DONE])
def test_a_second_death_in_each_state_of_the_start_up(state, kept):
    """Double crash: a life that dies while it finds out what the last one left hands on the same questions.

    What a life cancels as it begins, by REST, is lost here: else it would find nothing left to cancel.
    """

    died = []

    def is_recovering(running):
        core = running.trader.core
        is_there = core.fills.applied >= 2 if core.life == 1 else core.life == 2 and core.start_up.state is state
        if is_there:
            died.append((core.life, core.start_up.state))
        return is_there

    deaths = Deaths(arm=once(is_recovering), kept=kept, times=2, down_s=2.0)
    running, result = run_with(deaths, RequestLost(at_s=0, requests=("cancel",), links=("order_rest",), share=1.0))
    assert_survived(running, result)
    assert running.injected[0].counts["deaths"] == 2
    assert (2, state) in died


@pytest.mark.parametrize("kept", KEPT)
def test_a_crash_loop_comes_to_rest(kept):
    """Eight deaths in a row, each as soon as the life before has asked its first question."""
    queries = on_send(lambda command: isinstance(command, Request) and not places(command))
    running, result = run_with(Deaths(arm=queries, kept=kept, times=8, down_s=0.5, after_s=15.0))
    assert_survived(running, result)
    assert running.injected[0].counts["deaths"] == 8


# --- every so often -----------------------------------------------------------------------------


def at_index(index):
    """When the event of this number is at the door."""
    return on_event(lambda _: True, skip=index)


SWEEP = 50
"""Every so many events of the first life it dies; every single one is the nightly's."""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 1_350, 3 * SWEEP))
def test_a_crash_at_every_fiftieth_event_of_a_minute(first):
    """S30: whichever event is the last one that the process did not see, S1-S15 hold afterwards."""
    for n, index in enumerate(range(first, first + 3 * SWEEP, SWEEP)):
        running, result = run_with(Deaths(arm=at_index(index), kept=KEPT[n]), duration_s=66.0, overrides=(PLAIN,))
        assert_survived(running, result, f"event {index}, {KEPT[n]} kept")
        assert running.injected[0].counts["deaths"] == 1, index


def test_what_a_crash_is_aimed_at_has_left_when_the_process_is_dead():
    """A14: a cancel that is under way arrives; nobody is there to hear that it did, nor to have sent it again."""
    running = build(load("crash-in-flight", ["expect.healed_after_s_max=off"]), 0, MemoryLog())
    env, seen = running.world.env, []

    def look(cloids):
        seen.append((running.driver.is_running, [running.truth.order_of(cloid).is_ended for cloid in cloids]))

    def on_sent(command, now):
        if isinstance(command, Request) and isinstance(command.actions[0], Cancel):
            env.call_at(now + NS_PER_S, look, [action.cloid for action in command.actions])

    running.session.on_send.append(on_sent)
    run(running, 0)
    while_dead = [ended for is_running, ended in seen if not is_running]
    assert len(while_dead) >= 3
    assert all(all(ended) for ended in while_dead)
