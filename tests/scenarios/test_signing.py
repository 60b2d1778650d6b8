"""Nonces and agents in whole runs: what keeps each, what goes red without it, and what happens to owners' money."""

import pytest

from domain.events import FeedUp
from domain.units import Ns
from exchange_adapters.nonces import NonceSource
from orchestrator.connectivity.signer import SignerWatch
from runtime.fold import Fold
from scenarios.invariants.base import Ran, Signed
from scenarios.runner import run
from sim.venue.signers import Nonces
from tests.scenarios.bench import Bench
from tests.scenarios.runs import PLAIN, outcome, result_of, running_of


@pytest.fixture
def bench():
    return Bench()


# --- the rules ------------------------------------------------------------------------------------


def test_e6_a_nonce_that_was_taken_twice(bench):
    """Protects the rule: the same number of one signer; of two signers it is two."""
    bench.block(runs=(Ran("a", 7, None), Ran("b", 7, None), Ran("", None, None)))
    assert "E6" not in bench.broken
    bench.block(runs=(Ran("a", 7, None),))
    assert bench.says("E6", "nonce 7 was used before")


def test_e6_a_request_that_had_expired(bench):
    """Protects the other half: to the nanosecond of its expiry it may be carried out."""
    bench.block(now=100, runs=(Ran("a", 1, Ns(100)),))
    assert "E6" not in bench.broken
    bench.block(now=101, runs=(Ran("a", 2, Ns(100)),))
    assert bench.says("E6", "expired at 100 ns")


def sign(bench, *signed, clock=1_000, life=None):
    """Signers and nonces leave by a clock; ``life``: one that could not write where its nonces end."""
    for each in signed if life is not None else ():
        bench.run.unwritten_nonces[each] = life
    bench.block(signed=[Signed(signer, nonce, clock) for signer, nonce in signed])


def test_s12_nonces_ascend_over_lives(bench):
    """Protects the rule: a new life must not begin below the old one; signers have nothing to do with each other."""
    sign(bench, ("a", 7), ("b", 3), ("a", 8))
    bench.bind()
    sign(bench, ("b", 4))
    assert "S12" not in bench.broken
    sign(bench, ("a", 8))
    assert bench.says("S12", "nonce 8 left after nonce 8")


def test_s12_a_life_that_could_write_nothing_and_a_clock_that_is_not_there_yet(bench):
    """Protects the one excuse (found by seed 1010), and its edge: the numbers of lives that could write stay above."""
    sign(bench, ("a", 7))
    sign(bench, ("a", 70), clock=70, life=1)
    sign(bench, ("a", 8), ("a", 9), clock=8)
    assert "S12" not in bench.broken
    sign(bench, ("a", 9), clock=9)
    assert bench.says("S12", "nonce 9 left after nonce 9")


def test_s12_lives_that_could_write_nothing_between_two_blocks(bench):
    """Protects the excuse while the venue is away (found by seed 481): a clock is seen as each of them signs."""
    bench.run.unwritten_nonces = {("a", 70): 1, ("a", 8): 2, ("a", 75): 2}
    bench.block(signed=(Signed("a", 70, 70), Signed("a", 8, 5), Signed("a", 75, 75), Signed("a", 9, 6)))
    assert "S12" not in bench.broken
    sign(bench, ("a", 9), clock=7)
    assert bench.says("S12", "nonce 9 left after nonce 9")


def test_s12_a_life_that_began_beyond_its_clock(bench):
    """Protects the excuse (found by seed 481): the clock went back before that life, and its bound was still ahead."""
    sign(bench, ("a", 60), clock=60)
    sign(bench, ("a", 70), clock=10, life=1)
    sign(bench, ("a", 66), clock=12, life=2)
    assert "S12" not in bench.broken
    sign(bench, ("a", 65), clock=66, life=3)
    assert bench.says("S12", "nonce 65 left after nonce 66")


def test_s12_a_number_that_was_used_is_used_again(bench):
    """Protects the edge of the excuse: a smaller number may be taken, the same one never is."""
    sign(bench, ("a", 70), clock=70, life=1)
    sign(bench, ("a", 69), ("b", 70), clock=10)
    assert "S12" not in bench.broken
    sign(bench, ("a", 70), clock=11)
    assert bench.says("S12", "nonce 70 was used before")


@pytest.mark.parametrize(
    ("nonce", "clock", "life", "following"), [(8, 70, 1, 2), (8, 10, None, 2), (7, 10, 1, 2), (8, 10, 1, 1)]
)
def test_s12_excuses_nothing_else(bench, nonce, clock, life, following):
    """Protects the rule: the clock is there; the life could write; its number is one of a life that could; it is the
    same life."""
    sign(bench, ("a", 7))
    sign(bench, ("a", 70), clock=70, life=life)
    sign(bench, ("a", nonce), clock=clock, life=following)
    assert bench.says("S12", f"nonce {nonce} left after nonce 70")


# --- what keeps them ------------------------------------------------------------------------------


def broken(name, seconds, *overrides):
    result = run(running_of(name, seconds, *overrides), 7)
    return result, {violation.name for violation in result.violations}


def test_nonces_of_the_wall_clock_alone_are_refused(monkeypatch):
    """Sabotage (hummingbot#7737): two actions of one millisecond, and a clock that strobes."""
    monkeypatch.setattr(NonceSource, "next", lambda self, now_ms: now_ms)
    result, rules = broken("nonce-same-ms", 90)
    assert "S12" in rules
    assert result.metrics.trader.actions_refused["invalid_nonce"] > 10


def test_in_good_order_no_nonce_is_ever_refused():
    """The other side of it: with the clock strobing nothing is refused for its nonce."""
    result = result_of("nonce-same-ms", 90, PLAIN)
    assert result.violations == []
    assert "invalid_nonce" not in result.metrics.trader.actions_refused
    assert result.metrics.checks["S12"] > 100
    assert result.metrics.checks["E6"] > 100


def test_a_life_that_forgets_where_the_nonces_ended(monkeypatch):
    """Sabotage: the journal's bound is not handed on, and the clock was set back by two minutes over the crash."""
    restored = Fold.restored

    def forget(self, seed=None):
        self._nonces_from = 0
        return restored(self, seed)

    monkeypatch.setattr(Fold, "restored", forget)
    result, rules = broken("clock-back-over-crash", 150, PLAIN)
    assert "S12" in rules
    assert result.metrics.trader.actions_refused.get("invalid_nonce", 0) > 0


def test_the_bound_in_the_journal_is_above_every_nonce_of_its_life():
    """Protects the hand-over: what the next life is told lies beyond all that this one has signed."""
    running = running_of("eth-volatile", 60)
    signed = []
    running.session.on_sign.append(lambda nonce, now: signed.append(nonce))
    run(running, 7)
    fold = Fold()
    for record in running.journal.records():
        fold.add(record)
    assert len(signed) > 50
    assert signed == sorted(set(signed))
    assert fold.restored().nonces_from > signed[-1]


def test_a_venue_that_takes_any_nonce(monkeypatch):
    """Sabotage of the venue: requests that arrive twice are carried out twice."""
    monkeypatch.setattr(Nonces, "error", lambda self, nonce, now: None)
    _, rules = broken("requests-repeated", 80)
    assert "E6" in rules


# --- agents ---------------------------------------------------------------------------------------


def test_an_expired_agent_without_the_watch():
    """Switched off: nobody is told, and the refused cancels never end."""
    result = run(running_of("agent-expired", 150, 'trader.signer="off"'), 7)
    assert not outcome(result, "alerted").holds
    assert result.metrics.trader.actions_refused["unknown_signer"] > 100
    on = result_of("agent-expired", 150)
    assert on.metrics.trader.actions_refused["unknown_signer"] < 60
    assert on.metrics.trader.signer_outages == 1


def test_a_watch_that_never_tries_again_never_comes_back(monkeypatch):
    """Sabotage: the way stays barred after the agent is approved again."""
    monkeypatch.setattr(SignerWatch, "close", lambda self, now: None)
    monkeypatch.setattr(
        SignerWatch, "open", lambda self, now: setattr(self._ledger, "is_barred", self.gate is not None)
    )
    result = run(running_of("agent-expired", 200, 'trader.dead_man="off"'), 7)
    assert not outcome(result, "healed_after_s").holds


# --- terms and hands ------------------------------------------------------------------------------


def test_wider_ticks_that_nobody_reads():
    """Switched off: without the margin tracker nobody reads the terms again, and people are not told."""
    result = run(running_of("tick-change", 150, 'trader.margin="off"'), 7)
    assert not outcome(result, "alerted").holds
    on = result_of("tick-change", 150)
    off_tick = [each.metrics.orders.rejected_by_reason.get("off_tick", 0) for each in (on, result)]
    assert 0 < off_tick[0] < off_tick[1] / 2


def test_a_stranger_on_the_account_without_the_hold():
    """Switched off: nobody is told of the fills that are not ours."""
    result = run(running_of("foreign-fills", 175, 'trader.foreign="off"'), 7)
    assert not outcome(result, "alerted").holds
    assert result.metrics.trader.foreign_fills == 0
    assert result_of("foreign-fills", 175).metrics.trader.foreign_fills > 0


def test_the_owners_money_is_in_no_profit():
    """Protects the figures: thousands of dollars move, and what the account won does not notice."""
    moved, calm = result_of("owner-transfers", 150), result_of("owner-transfers", 150, "faults=[]")
    assert abs(moved.metrics.pnl_usd.total - calm.metrics.pnl_usd.total) < 100
    assert moved.metrics.pnl_difference_usd == 0


def test_the_bench_hears_nothing_by_itself(bench):
    """Protects the tests above: nothing is broken before something is wrong."""
    bench.hear(FeedUp("user", 1, 0))
    bench.block()
    assert bench.broken == set()
