"""Kill switch, dead-man switch, death with open orders, return: three lives of one account, step by step.

Nothing rests that the trader does not know, nothing counts twice, and what was latched stays latched: through deaths,
through power cuts that tear the journal, through as many lives as it takes, until a person lifts it (S23, S30, C-19).
"""

from dataclasses import replace

import pytest

from domain.commands import Alert, Modify, Place, Request
from domain.events import KillReset
from domain.units import NS_PER_MS, NS_PER_S, Ns
from runtime.fold import fold
from runtime.journal_format import Decided
from runtime.log import MemoryLog
from scenarios.assemble import Running
from scenarios.build import setup_of, synthetic_world
from scenarios.loader import load
from sim.faults.aim import aim
from sim.faults.base import Injected
from tests.scenarios.lives import booked, fills_of

KEPT = (None, 0.0, 0.6)
"""Nothing of the journal is lost; all that was not synced; a part of it, with a torn record."""


class Account:
    """One account under way, and a hand on everything that can happen to it."""

    def __init__(self, scenario: str = "eth-volatile", *overrides: str, seed: int = 3) -> None:
        loaded = load(scenario, [f"duration_s={900}", "expect.fills_min=0", *overrides])
        setup = replace(setup_of(loaded), faults=())
        self.running = Running(setup, synthetic_world(loaded, seed), seed, MemoryLog())
        self.world, self.driver = self.running.world, self.running.driver
        self.placed: list[tuple[Ns, Place]] = []
        """What left to be placed."""
        self.running.session.on_send.append(self._note)
        self.death = Injected("death", Ns(0), setup.duration)
        """The checks must know that somebody killed it on purpose."""
        self.running.injected.append(self.death)
        self.running.start()

    def _note(self, command, now):
        for action in command.actions if isinstance(command, Request) else ():
            place = action.place if isinstance(action, Modify) else action
            if isinstance(place, Place):
                self.placed.append((now, place))

    # --- time -----------------------------------------------------------------------------------

    @property
    def now(self):
        return self.world.env.now

    def go(self, duration_s: float) -> "Account":
        self.world.run(Ns(self.now + round(duration_s * NS_PER_S)))
        return self

    def go_until(self, condition, within_s: float = 600.0) -> "Account":
        end = self.now + within_s * NS_PER_S
        while not condition():
            assert self.now < end, "it never came"
            self.world.run(Ns(self.now + 50 * NS_PER_MS))
        return self

    # --- what happens ---------------------------------------------------------------------------

    def die(self, kept: float | None) -> "Account":
        self.death.is_striking = True
        self.driver.kill_trader()
        if kept is not None:
            self.driver.disk.cut_power(kept)
        return self

    def come_back(self) -> "Account":
        self.death.is_striking = False
        self.driver.start_trader()
        return self

    def die_at(self, condition, kept: float | None) -> "Account":
        """In the very step at whose end something holds: what was decided in it has not left."""
        died = []

        def look(*_):
            if not died and condition():
                died.append(self.now)
                self.die(kept)

        self.driver.taps.append(look)
        self.go_until(lambda: died)
        self.driver.taps.remove(look)
        return self

    def hit(self, share: float = 1.0) -> "Account":
        """Takers fill what rests, order by order."""
        for entry in self.resting():
            aim(self.world, self.world.venue.order(self.running.session.account, entry.oid), share)
        return self

    def stop(self) -> "Account":
        self.driver.request_stop("enough")
        return self.go_until(lambda: not self.driver.is_running, within_s=60)

    # --- what is ----------------------------------------------------------------------------------

    @property
    def core(self):
        return self.running.trader.core

    def resting(self):
        return self.world.venue.resting(self.running.session.account)

    def is_quoting(self) -> bool:
        return self.driver.is_running and {entry.side for entry in self.resting()} == {1, -1}

    def is_covered(self) -> bool:
        """Whether it quotes and the venue's dead-man switch is set."""
        return self.is_quoting() and self.core.dead_man.state.value == "set"

    def is_partly_filled(self) -> bool:
        orders = [order for desk in self.core.desks.values() for order in desk.tracker.orders.values()]
        return any(0 < order.filled < order.sz and not order.is_terminal for order in orders)

    def kill_in_journal(self) -> str | None:
        return fold(self.running.journal.records()).kill

    def assert_sound(self) -> None:
        """All invariants held so far; everything that rests is known; every fill counts once."""
        self.running.checker.end(self.now)
        assert [violation.text for violation in self.running.checker.violations] == []
        known = {order.cloid for desk in self.core.desks.values() for order in desk.tracker.orders.values()}
        assert {entry.cloid for entry in self.resting()} <= known
        account = self.world.venue.accounts[self.running.session.account]
        for name, desk in self.core.desks.items():
            assert desk.inventory.position == account.positions.get(name, 0)
            assert desk.inventory.adjusted_lots == 0
        assert booked(self.running) == [fill.tid for fill in fills_of(self.running)]


# --- the kill switch ----------------------------------------------------------------------------


@pytest.mark.parametrize("kept", KEPT)
def test_a_kill_outlives_every_death_until_a_person_lifts_it(kept):
    """C-19, S23: killed by its losses, dead in the same step; whoever comes after it withdraws and places nothing."""
    account = Account("risk-loss")
    account.die_at(lambda: account.core.halt_reason is not None, kept)
    reason = account.core.halt_reason
    assert account.kill_in_journal() == reason, "a latch is durable before anything else happens"
    assert account.resting(), "it died before it could withdraw"
    died_at = account.now
    account.go(2).come_back().go(15)
    assert account.core.life == 2
    assert (account.core.halt_reason, account.core.phase) == (reason, "kill")
    assert account.resting() == ()
    account.die(kept).go(1).come_back().go(15)
    assert (account.core.life, account.core.halt_reason) == (3, reason)
    account.stop().come_back().go(40)
    assert (account.core.life, account.core.halt_reason) == (4, reason), "an orderly stop lifts nothing either"
    assert [place for at, place in account.placed if at > died_at] == []
    assert account.running.alerts["kill"] == 3, "the first life died with its alert, so each of the others tells"
    account.driver._life.inbox.put(KillReset("a person"))
    account.go_until(account.is_quoting, within_s=60).go(1)
    assert account.kill_in_journal() is None
    lost = account.core.risk.account.pnl
    assert lost < -4_000_000, "more than the limit is gone, and accepted"
    account.die(kept).go(1).come_back().go_until(account.is_quoting, within_s=60).go(1)
    assert (account.core.life, account.core.halt_reason) == (5, None), "what a person accepted does not count again"
    account.assert_sound()


def test_the_kill_is_announced_where_there_is_time_for_it():
    """RK-19: the alert that people get is the record that makes the latch durable."""
    account = Account("risk-loss")
    account.go_until(lambda: account.core.halt_reason is not None).go(1)
    told = [c for r in account.running.journal.records() if isinstance(r, Decided) for c in r.commands]
    assert [c.text for c in told if isinstance(c, Alert) and c.name == "kill"] == [account.core.halt_reason]
    assert account.running.alerts["kill"] == 1


# --- the dead-man switch ------------------------------------------------------------------------


@pytest.mark.parametrize("kept", KEPT)
def test_the_venue_withdraws_what_a_dead_host_left(kept):
    """The switch that was set fires while nobody is there; the next life finds its orders gone and knows why."""
    account = Account("dead-man")
    account.go_until(account.is_covered)
    account.die(kept)
    died_at = account.now
    assert account.resting()
    account.go_until(lambda: not account.resting(), within_s=32)
    assert account.now - died_at > 15 * NS_PER_S, "it was the switch, not somebody's cancel"
    account.come_back().go_until(account.is_quoting, within_s=60)
    account.go_until(account.is_covered, within_s=10)
    account.assert_sound()


# --- all of it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", KEPT)
def test_three_lives_of_one_account(kept):
    """Open orders, one of them filled in part; fills while down; the dead-man switch; a kill; and always a return."""
    account = Account("dead-man")
    account.go_until(account.is_covered)
    account.go_until(lambda: account.hit(0.4).go(0.3).is_partly_filled())
    account.die(kept)
    n_fills = len(fills_of(account.running))
    for _ in range(6):
        account.hit(1.0).go(0.5)
    assert len(fills_of(account.running)) > n_fills, "nothing traded while we were away"
    account.go_until(lambda: not account.resting(), within_s=40)
    account.come_back().go_until(account.is_quoting, within_s=60).go(5)
    account.assert_sound()
    account.core.kill_switch.latch("a person wants out")
    account.die_at(lambda: account.kill_in_journal() is not None, kept).go(1)
    account.come_back().go_until(lambda: not account.resting(), within_s=15).go(20)
    assert account.core.halt_reason == "a person wants out"
    account.assert_sound()
    account.stop()
    assert account.resting() == ()
    told = fold(account.running.journal.records())
    assert (told.clean_stop, told.orders, told.kill) == (True, (), "a person wants out")
