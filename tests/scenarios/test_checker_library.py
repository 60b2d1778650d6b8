"""The checks in whole runs: every rule really compares in the library, and faults planted in a run turn them red."""

import gc
import json
import os
import subprocess
import sys
import weakref
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from domain.events import ChannelKind
from domain.orders import OrderState
from domain.units import NS_PER_S
from orchestrator.desk.inventory import Inventory
from orchestrator.fills import FillProcessor
from runtime.driver import CORE_FAILED
from scenarios.invariants import INVARIANTS
from scenarios.result import Ended
from scenarios.runner import run
from sim.feed import Session
from sim.venue.front import Venue
from tests.scenarios.runs import outcome, result_of, running_of

SHORT_S = 120

COVERING = {
    "eth-volatile": 120,
    "cancel-fill-race": 60,
    "liquidation": 120,
    "two-markets": 60,
    "crash": 150,
    "half-open-market": 150,
    "quota-exhausted": 60,
    "risk-loss": 300,
    "stuck-reduce-only": 150,
    "churn-stable": 100,
}
"""Scenarios, with their seconds, that together give every rule work. The gate runs the whole library by itself."""

REPEATED = {"eth-quiet": 40, "two-markets": 40, "liquidation": 100, "crash": 150, "swizzle-clog": 100}
"""Scenarios, with their seconds, that are repeated in another process: quiet, several instruments, many faults."""


def test_every_rule_really_compares_in_the_library():
    """A rule that nothing ever gives work to protects nothing: its zero would stand in every result."""
    compared = dict.fromkeys((rule.id for rule in INVARIANTS), 0)
    for name, seconds in COVERING.items():
        result = result_of(name, seconds)
        assert set(result.metrics.checks) == set(compared)
        assert result.violations == [], name
        for rule, count in result.metrics.checks.items():
            compared[rule] += count
    assert [rule for rule, count in compared.items() if not count] == []


DIGESTS = """
import json, sys
from tests.scenarios.runs import running_of
from scenarios.runner import run
found = {}
for name, seconds in json.loads(sys.argv[1]).items():
    result = run(running_of(name, seconds), 7)
    found[name] = [result.journal_digest, result.world_digest]
print(json.dumps(found))
"""


def test_e9_the_same_seed_gives_the_same_digests_in_another_process():
    """Sets, hashes and addresses differ between processes; what happened must not."""
    found = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": "."}
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS, json.dumps(REPEATED)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert found[0] == found[1]
    assert set(found[0]) == set(REPEATED)


# --- planted faults -----------------------------------------------------------------------------


@dataclass
class Once:
    """Lets the n-th call that matters go wrong."""

    n: int = 3
    seen: int = 0

    def is_due(self):
        self.seen += 1
        return self.seen == self.n


def broken_by(running):
    result = run(running, 7)
    return result, {violation.name for violation in result.violations}


def test_a_fill_that_the_trader_drops(monkeypatch):
    """Belief: handed over and thrown away. S4 at the same event; the venue's books differ from then on."""
    once, process = Once(), FillProcessor.process

    def drop(self, fill, now):
        return (
            False
            if not self.dedup.is_duplicate(fill.tid, fill.exch_time) and once.is_due()
            else process(self, fill, now)
        )

    monkeypatch.setattr(FillProcessor, "process", drop)
    result, broken = broken_by(running_of("eth-volatile", SHORT_S))
    assert {"S1", "S4", "S5"} <= broken
    first = {v.name: v.t_s for v in reversed(result.violations)}
    assert first["S4"] <= first["S1"] < first["S4"] + 5


def test_s1_and_s5_a_fill_booked_with_another_size(monkeypatch):
    """Belief: one lot too many, in position and money. Seen at the event that hands the fill over."""
    once, apply = Once(), Inventory.apply

    def wrong(self, fill):
        apply(self, replace(fill, sz=fill.sz + once.is_due()))

    monkeypatch.setattr(Inventory, "apply", wrong)
    result, broken = broken_by(running_of("eth-volatile", SHORT_S))
    assert {"S1", "S5"} <= broken
    assert result.violations[0].story.count("fill ") >= 1


def test_s1_a_position_at_the_venue_that_no_fill_made():
    """Truth: a lot changes hands behind everybody's back. Our books are sound, and at once not the venue's."""
    running = running_of("eth-quiet", SHORT_S)
    running.world.env.call_at(60 * NS_PER_S, running.world.venue.endow, "trader", "ETH", 1, 300_000)
    result, broken = broken_by(running)
    assert {"S1", "S5", "E8"} <= broken
    first = next(violation for violation in result.violations if violation.name == "S1")
    assert "the venue says" in first.text
    assert 60 <= first.t_s < 60.5


def test_s5_money_that_the_venue_takes_and_prints_nowhere():
    """Truth: a micro-USD goes from the account to the crowd, so that all still sums up."""
    running = running_of("eth-volatile", SHORT_S)

    def take():
        running.world.venue.accounts["trader"].cash -= 1
        running.world.venue.ledger.crowd.cash += 1

    running.world.env.call_at(60 * NS_PER_S, take)
    result, broken = broken_by(running)
    assert "S5" in broken
    assert "S6" not in broken
    texts = [violation.text for violation in result.violations if violation.name == "S5"]
    assert any("our cash changed" in text for text in texts)
    assert any("at the venue moved" in text for text in texts)


def test_s8_a_step_that_the_lifecycle_does_not_have():
    """Belief: without its guard an order goes from OPEN to CANCEL_CONFIRMED, which legal steps can reach, too."""
    running = running_of("eth-volatile", SHORT_S)

    def leap():
        orders = running.trader.core.desks["ETH"].tracker.orders.values()
        order = next((order for order in orders if order.state is OrderState.OPEN), None)
        if order is None:
            running.world.env.call_in(NS_PER_S // 10, leap)
            return
        order.state = OrderState.CANCEL_CONFIRMED
        order.path = (*order.path, order.state)
        order.n_steps += 1

    running.world.env.call_at(60 * NS_PER_S, leap)
    result, broken = broken_by(running)
    assert "S8" in broken
    assert any("open to cancel_confirmed is not a legal step" in v.text for v in result.violations)


def test_e5_a_publication_that_never_leaves(monkeypatch):
    """Truth: the venue drops one of our publications behind its number."""
    once, drain = Once(n=20), Venue.drain

    def lose(self):
        return [p for p in drain(self) if not (p.account == "trader" and p.channel is not None and once.is_due())]

    monkeypatch.setattr(Venue, "drain", lose)
    _, broken = broken_by(running_of("eth-volatile", SHORT_S))
    assert "E5" in broken


def test_e5_a_publication_that_never_enters_the_links(monkeypatch):
    """Truth: it left the venue, the trader is subscribed, and nobody sent it."""
    once, publish = Once(n=20), Session.publish

    def lose(self, channel, events):
        if channel.kind is not ChannelKind.ORDER_UPDATES or not once.is_due():
            publish(self, channel, events)

    monkeypatch.setattr(Session, "publish", lose)
    result, broken = broken_by(running_of("eth-volatile", SHORT_S))
    assert "E5" in broken
    assert any("entered them" in violation.text for violation in result.violations)


def test_e9_an_id_out_of_order():
    """Truth: the venue leaves a gap in its order ids, and then gives one out of it."""
    running = running_of("eth-volatile", SHORT_S)
    once = Once(n=20)

    def source(account, place, oid):
        due = once.is_due()
        return oid + 1_000 if due else oid - 500 if once.seen == once.n + 1 else oid

    running.world.venue.tell_oids(source)
    _, broken = broken_by(running)
    assert "E9" in broken


# --- what must not turn them red ------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    ["trader.desk.tracker.completed_kept=1", "venue.rules.orders_kept=1", "trader.fills.capacity=20"],
)
def test_how_much_is_remembered_is_nobodys_fault(override):
    """The trader and the venue may forget what is over; the checks keep what they need themselves."""
    result = result_of("cancel-fill-race", SHORT_S, override)
    assert result.violations == []
    assert result.metrics.checks["S10"] > 100


def test_core_and_safety_net_agree_on_when_an_expired_placement_is_gone():
    """Seed 4016: requests under way for seconds, then an orderly stop. The net feared for an order that never was."""
    spike = 'faults=[{kind="latency_spike", at_s=21.8, duration_s=7.2, factor=31.2}]'
    running = running_of("eth-volatile", 30, "trader.desk.engine.warmup_timeout_s=0.125", spike, seed=4016)
    result = run(running, 4016)
    assert (result.ended, running.driver.failure) == (Ended.COMPLETED, None)
    assert result.violations == []
    assert outcome(result, "orders_left").holds


def test_the_checks_go_on_over_crashes():
    """Every life is judged with what the ones before did: position and money are exact over all of them."""
    running = running_of("cancel-fill-race", 100)
    for died_at, away in ((45, 1), (60, 0.05), (80, 8)):
        running.world.env.call_at(died_at * NS_PER_S, running.driver.kill_trader)
        running.world.env.call_at(round((died_at + away) * NS_PER_S), running.driver.start_trader)
    running.start()
    running.world.run(100 * NS_PER_S)
    running.driver.request_stop("end")
    running.world.run(130 * NS_PER_S)
    running.checker.end(running.world.env.now)
    assert [end.how for end in running.driver.ends] == ["killed", "killed", "killed", "stopped"]
    assert running.checker.violations == []
    assert running.truth.resting() == ()
    counts = running.checker.counts()
    assert min(counts[rule] for rule in ("S1", "S2", "S4", "S5", "S8", "S10", "S11", "S15")) > 30


def test_a_life_that_is_over_leaves_its_numbers_and_nothing_else():
    """Protects long runs: a day has dozens of deaths, and each life holds some megabytes; however it ended."""
    running = running_of("cancel-fill-race", 60)
    env, driver = running.world.env, running.driver
    lives = []

    def note():
        lives.append(weakref.ref(running.trader.core))

    def break_down():
        running.trader.core.decide = None

    for at, act in enumerate((note, driver.kill_trader, driver.start_trader, note, break_down), start=10):
        env.call_at(at * NS_PER_S, act)
    env.call_at(40 * NS_PER_S, driver.start_trader)
    running.start()
    running.world.run(45 * NS_PER_S)
    gc.collect()
    assert [(end.how, end.failure and end.failure.name) for end in driver.ends] == [
        ("killed", None),
        ("failed", CORE_FAILED),
    ]
    assert [life() for life in lives] == [None, None]
    assert [numbers.life for numbers in running.snapshots] == [1, 2]
