"""The scheduled cancel: when it may be set, when it fires, what it takes with it."""

import pytest

from domain.commands import ScheduleCancel
from domain.events import OrderStatus, Reason, Refused, Scheduled
from domain.limits import ScheduleLimits, VenueLimits
from domain.units import NS_PER_S, USD, AccountId, Ns, Usd
from sim.venue.dead_man import DeadMan
from tests.sim.venue.exchange import ANN, BLOCK, BOB, BUY, SELL, Exchange, cancel, place

S = NS_PER_S
RICH = Usd(1_000_000 * USD)
LIMITS = ScheduleLimits()
FREE = VenueLimits(schedule=ScheduleLimits(min_traded=Usd(0)))


def after(seconds):
    return ScheduleCancel(Ns(seconds * S))


# --- the machine --------------------------------------------------------------------------------


def test_it_fires_once_at_its_time():
    """Protects the switch itself: not before, once, and not again until it is set again."""
    switch = DeadMan(LIMITS)
    assert switch.set(Ns(10 * S), Ns(0), RICH) is None
    assert [switch.fires(Ns(t)) for t in (0, 10 * S - 1, 10 * S, 10 * S, 99 * S)] == [False, False, True, False, False]
    assert switch.fired == 1


def test_to_set_it_anew_puts_it_off_and_none_takes_it_back():
    """Protects the everyday use: a trader that lives puts it off for ever, and that is no trigger."""
    switch = DeadMan(LIMITS)
    for t in range(0, 100, 3):
        assert switch.set(Ns((t + 6) * S), Ns(t * S), RICH) is None
        assert not switch.fires(Ns(t * S))
    assert switch.set(None, Ns(100 * S), Usd(0)) is None
    assert not switch.fires(Ns(1_000 * S))


@pytest.mark.parametrize(("lead", "refused"), [(5 * S, False), (5 * S - 1, True), (0, True), (-1, True)])
def test_five_seconds_ahead(lead, refused):
    """Protects the lead: at least five seconds from the block in which it is set."""
    error = DeadMan(LIMITS).set(Ns(100 * S + lead), Ns(100 * S), RICH)
    assert (error is not None) is refused
    if error is not None:
        assert error.reason is Reason.SCHEDULE_TOO_EARLY
        assert error.text == "Scheduled cancel time too early, must be at least 5 seconds from now."


def test_a_million_dollars_traded():
    """Protects the gate of volume, and its recorded text."""
    error = DeadMan(LIMITS).set(Ns(10 * S), Ns(0), Usd(12_066_750_000))
    assert error == Refused(
        Reason.SCHEDULE_NOT_ALLOWED,
        "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $12066.75.",
    )
    assert DeadMan(LIMITS).set(Ns(10 * S), Ns(0), Usd(RICH - 1)) is not None
    assert DeadMan(LIMITS).set(Ns(10 * S), Ns(0), RICH) is None


def test_ten_times_a_day():
    """Protects the daily limit: the eleventh is refused until the next day begins."""
    switch, day = DeadMan(LIMITS), 86_400 * S
    for n in range(10):
        assert switch.set(Ns((10 * n + 5) * S), Ns(10 * n * S), RICH) is None
        assert switch.fires(Ns((10 * n + 5) * S))
    error = switch.set(Ns(200 * S), Ns(100 * S), RICH)
    assert error is not None
    assert error.reason is Reason.SCHEDULE_NOT_ALLOWED
    assert switch.set(Ns(day + 5 * S), Ns(day), RICH) is None


# --- at the venue -------------------------------------------------------------------------------


def test_everything_of_the_account_goes_and_nothing_of_others():
    """Protects what it is for: a trader that is gone leaves no order; its own reason says why."""
    ex = Exchange(limits=FREE)
    ex.run(ANN, place(BUY, 90, 1), place(SELL, 110, 1))
    ex.run(BOB, place(BUY, 91, 1))
    assert ex.run(ANN, after(5))[0].reason is Reason.SCHEDULE_TOO_EARLY, "its block is later than its sending"
    assert ex.run(ANN, after(6)) == (Scheduled(),)
    ex.venue.run_block(Ns(ex.now + 5 * S))
    assert len(ex.resting(ANN)) == 2
    seen = len(ex.updates)
    ex.venue.run_block(Ns(ex.now + 1 * S))
    assert ex.said(seen) == [(ANN, 1, "canceled", 1, "scheduled"), (ANN, 2, "canceled", 1, "scheduled")]
    assert (ex.resting(ANN), len(ex.resting(BOB))) == ([], 1)
    assert ex.run(ANN, cancel(1))[0].reason is Reason.NOT_OPEN
    ex.run(ANN, place(BUY, 90, 1))
    ex.venue.run_block(Ns(ex.now + 60 * S))
    assert len(ex.resting(ANN)) == 1, "it fires once"


def test_it_fires_before_anything_else_of_its_block():
    """Protects the order inside the block: what is placed in it rests, what was there is gone and is not traded."""
    ex = Exchange(limits=FREE)
    ex.run(ANN, place(SELL, 100, 5))
    ex.run(ANN, after(6))
    ex.venue.run_block(Ns(ex.now + 6 * S - BLOCK - 100))
    ex.send(ANN, place(SELL, 100, 2))
    ex.send(BOB, place(BUY, 100, 7))
    ex.block()
    assert [status for _, _, status, *_ in ex.updates][-3:] == ["canceled", "open", "rejected"]
    assert ex.venue.order(ANN, 1).status is OrderStatus.CANCELED
    assert ex.fills == []


def test_the_time_counts_from_the_sending():
    """Protects the absolute time: a request that was long under way leaves less of its lead, and may be too late."""
    ex = Exchange(limits=FREE)
    results = []
    for travelled in (0, 1 * S):
        ex.venue.run_block(Ns(ex.now + 10 * S))
        ex.requests += 1
        request = ex.request(ex.requests, after(6))
        ex.venue.submit(ANN, request, ex.now, sent_at=Ns(ex.now - travelled))
        results.append(ex.results(ex.block(), ex.requests)[0])
    assert results[0] == Scheduled()
    assert results[1].reason is Reason.SCHEDULE_TOO_EARLY, "5 s less the wait for the block are left"


def test_it_is_an_action_like_others():
    """Protects its cost and its place: it counts one, waits for a block, and stands alone in its request."""
    ex = Exchange(limits=FREE)
    ex.run(ANN, after(9))
    assert ex.venue.actions_of(ANN).used == 1
    with pytest.raises(ValueError, match="alone"):
        ex.send(ANN, after(9), cancel(1))
    zoe = AccountId("zoe")
    ex.venue.open_account(zoe, Usd(0))
    assert ex.run(zoe, ScheduleCancel(None)) == (Scheduled(),)
