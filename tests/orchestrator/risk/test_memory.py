"""What risk remembers: where the mid was, what was won and lost, how often it halted."""

import pytest

from domain.errors import IllegalTransition
from domain.units import NS_PER_S, USD, Ns, Usd
from orchestrator.risk.halt import Halt, HaltConfig, HaltState
from orchestrator.risk.state import ProfitAndLoss, Trail

S = NS_PER_S
HOUR = 3_600 * S


# --- where the mid was --------------------------------------------------------------------------


def test_a_steady_move_reads_as_its_speed():
    """1 % a second for 20 s: over a second it reads about 1 %."""
    trail, mid = Trail(Ns(S)), 1e6
    for step in range(2_001):
        reading = trail.distance(mid * 1.0001**step, Ns(step * S // 100))
    assert reading == pytest.approx(0.01, rel=0.02)


def test_a_jump_counts_in_full_and_is_forgotten():
    """Up 6 %: 6 % at once, half after 0.7 constants, next to nothing after ten."""
    trail = Trail(Ns(S))
    trail.distance(100.0, Ns(0))
    assert trail.distance(106.0, Ns(5 * S)) == pytest.approx(0.06)
    assert trail.distance(106.0, Ns(5 * S + 693_000_000)) == pytest.approx(0.03, abs=0.001)
    assert trail.distance(106.0, Ns(15 * S)) < 1e-5


def test_a_flicker_has_no_echo():
    """A price that was wrong for 100 ms is seen while it stands, and not once more a window later."""
    trail = Trail(Ns(60 * S))
    trail.distance(100.0, Ns(0))
    assert trail.distance(103.0, Ns(S)) == pytest.approx(0.03)
    readings = [trail.distance(100.0, Ns(S + S // 10 + n * S)) for n in range(120)]
    assert max(readings) < 0.0001


def test_there_is_no_move_across_a_gap():
    trail = Trail(Ns(S))
    trail.distance(100.0, Ns(0))
    trail.restart()
    assert trail.distance(150.0, Ns(S)) == 0.0


def test_a_mid_that_is_only_looked_at_leaves_no_trace():
    """It reads like a move, from the average as it has faded; the next mid reads as if it had never been there."""
    trail, twin = Trail(Ns(S)), Trail(Ns(S))
    assert trail.glance(130.0, Ns(0)) == 0.0, "there is no past to be away from"
    for each in (trail, twin):
        each.distance(100.0, Ns(0))
        each.distance(106.0, Ns(5 * S))
    assert trail.glance(106.0, Ns(5 * S + 693_000_000)) == pytest.approx(0.03, abs=0.001)
    assert trail.glance(130.0, Ns(4 * S)) == pytest.approx(0.3), "time that goes back is harmless"
    assert trail.distance(106.0, Ns(6 * S)) == twin.distance(106.0, Ns(6 * S))


def test_time_that_stands_still_or_goes_back_is_harmless():
    trail = Trail(Ns(S))
    trail.distance(100.0, Ns(5 * S))
    assert trail.distance(101.0, Ns(5 * S)) == pytest.approx(0.01)
    assert trail.distance(101.0, Ns(4 * S)) == pytest.approx(0.01)


# --- won and lost -------------------------------------------------------------------------------


def test_loss_is_what_is_gone_since_a_day_ago_and_drawdown_since_the_best():
    """A gain and its loss again is a drawdown, and no loss."""
    account = ProfitAndLoss()
    figures = []
    for hour, pnl in ((0, 0), (1, 100), (2, -50), (24, -60), (25.5, -60), (26.5, -60)):
        account.update(pnl * USD, Ns(int(hour * HOUR)))
        figures.append((account.loss / USD, account.drawdown / USD))
    assert figures == [(0, 0), (0, 0), (50, 150), (60, 160), (160, 160), (10, 160)]


def test_a_person_who_lifts_a_kill_accepts_the_loss():
    """C-19: otherwise the next look would kill again."""
    account = ProfitAndLoss()
    account.update(-200.0 * USD, Ns(S))
    account.forgive(Ns(2 * S))
    assert (account.loss, account.drawdown) == (0.0, 0.0)
    account.update(-210.0 * USD, Ns(3 * S))
    assert (account.loss, account.drawdown) == (10 * USD, 10 * USD)


def test_a_later_life_begins_with_the_loss_of_the_earlier_ones():
    """A crash is no way around the limit: the first figure of a life counts against nothing won, nothing lost."""
    account = ProfitAndLoss()
    account.update(-140.0 * USD, Ns(S))
    assert account.loss == 140 * USD


def test_what_was_accepted_does_not_count_again_in_a_later_life():
    """C-19: the journal keeps from which result on losses count, or each restart would kill for the old loss."""
    first, later = ProfitAndLoss(), ProfitAndLoss()
    first.update(-140.0 * USD, Ns(S))
    assert not first.has_news
    first.forgive(Ns(2 * S))
    assert first.has_news
    later.begin(Usd(round(first.pnl)))
    later.update(-145.0 * USD, Ns(S))
    assert (later.loss, later.drawdown, later.has_news) == (5 * USD, 5 * USD, False)


def test_a_loss_that_was_not_seen_yet_is_accepted_too():
    """C-19: a life that begins latched is reset before its first look; what it then finds is what was accepted."""
    account = ProfitAndLoss()
    account.forgive(Ns(S))
    assert not account.has_news
    account.update(-140.0 * USD, Ns(2 * S))
    assert (account.loss, account.drawdown, account.has_news) == (0.0, 0.0, True)
    account.update(-150.0 * USD, Ns(3 * S))
    assert account.loss == 10 * USD


def test_a_day_of_hours_is_all_that_is_kept():
    account = ProfitAndLoss()
    for minute in range(60 * 100):
        account.update(float(minute), Ns(minute * 60 * S))
    assert len(account._hours) <= 26


# --- the halt -----------------------------------------------------------------------------------


def test_a_halt_ends_when_its_cause_has_been_over_for_a_while():
    """C-19: 30 s below half of what halted; anything above begins the wait anew."""
    halt = Halt(HaltConfig())
    assert not halt.halts("velocity", Ns(0))
    assert (halt.is_halted, halt.cause, halt.deadline()) == (True, "velocity", 30 * S)
    assert not halt.calms(0.6, Ns(10 * S))
    assert halt.deadline() == 40 * S
    assert not halt.calms(0.49, Ns(40 * S - 1))
    assert halt.calms(0.49, Ns(40 * S))
    assert (halt.is_halted, halt.cause, halt.causes, halt.deadline(), halt.count) == (False, None, set(), None, 1)


def test_a_cause_that_goes_on_makes_one_halt():
    halt = Halt(HaltConfig())
    for second in range(100):
        assert not halt.halts("velocity", Ns(second * S))
    assert (halt.count, halt.deadline()) == (1, 129 * S)
    assert not halt.halts("cascade", Ns(100 * S))
    assert (halt.cause, halt.count) == ("cascade", 1)  # people are told what holds it now
    assert halt.causes == {"velocity", "cascade"}


def test_the_fourth_halt_of_an_hour_is_too_much():
    """C-19: at most three an hour, then a person; an hour later, or forgiven, it counts anew."""

    def times(halt, *minutes):
        return [halt.halts("x", Ns(m * 60 * S)) or not halt.calms(0.0, Ns((m + 1) * 60 * S)) for m in minutes]

    assert times(Halt(HaltConfig()), 0, 10, 20, 59) == [False, False, False, True]
    assert times(Halt(HaltConfig()), 0, 10, 20, 60) == [False] * 4
    assert times(Halt(HaltConfig(max_per_hour=None)), *range(0, 60, 2)) == [False] * 30
    halt = Halt(HaltConfig())
    times(halt, 0, 10, 20)
    halt.forgive()
    assert times(halt, 30) == [False]


def test_an_open_halt_has_nothing_to_end_and_knows_no_step_to_itself():
    halt = Halt(HaltConfig())
    assert not halt.calms(0.0, Ns(0))
    with pytest.raises(IllegalTransition):
        halt._go(HaltState.OPEN)
