"""The driver between the real orchestrator and the simulated venue: what must hold for any core."""

import pytest

from domain.units import NS_PER_S, AccountId, Ns
from exchange_adapters.simulated import SimulatedAdapter
from orchestrator.config import TraderConfig
from orchestrator.core import Orchestrator
from runtime.config import build, resolved
from runtime.driver import CORE_FAILED
from runtime.fold import fold
from runtime.journal import Journal
from runtime.log import MemoryLog
from runtime.provenance import make_header
from runtime.replay import replay
from runtime.story import story
from runtime.virtual import VirtualDriver
from sim.world import World, WorldConfig

ACCOUNT = AccountId("trader")


class Breaking(Orchestrator):
    """The real trader, broken at one event."""

    fail_at = 0
    n = 0

    def apply(self, event, now):
        self.n += 1
        if self.n == self.fail_at:
            raise ZeroDivisionError("planted")
        super().apply(event, now)


class Bench:
    def __init__(self, seed=1, core=Orchestrator):
        self.world = World(WorldConfig(), seed)
        instruments = tuple(self.world.instruments.values())
        config = TraderConfig()
        header = make_header(seed, resolved(config), instruments)
        self.journal = Journal(MemoryLog())
        self.driver = VirtualDriver(
            self.world.env,
            SimulatedAdapter(self.world.attach(ACCOUNT)),
            lambda: core(config, instruments),
            self.journal,
            header,
        )

    def run(self, seconds):
        self.world.run(Ns(round(seconds * NS_PER_S)))
        return self

    def resting(self):
        return self.world.venue.resting(ACCOUNT)


def rebuild(header):
    return Orchestrator(build(TraderConfig, header.config), header.instruments)


def test_a_run_with_a_crash_replays_and_folds():
    """Protects the whole loop: two lives of the real trader, byte for byte, and a clean end."""
    bench = Bench()
    bench.driver.start_trader()
    bench.run(40)
    bench.driver.kill_trader()
    bench.run(42)
    bench.driver.start_trader()
    bench.run(70)
    bench.driver.request_stop("end")
    bench.run(100)
    assert [(end.how, end.failure) for end in bench.driver.ends] == [("killed", None), ("stopped", None)]
    done = replay(bench.journal.records(), rebuild)
    assert (done.lives, done.undecided) == (2, 0)
    assert done.commands > 20
    restored = fold(bench.journal.records())
    assert restored.clean_stop
    account = bench.world.venue.accounts[ACCOUNT]
    assert {ledger.instrument: ledger.position for ledger in restored.ledgers} == account.positions
    assert sum(ledger.cash for ledger in restored.ledgers) == account.cash - account.deposited
    assert restored.tids


@pytest.mark.parametrize("fail_at", [1, 300, 700])
def test_a_broken_trader_leaves_nothing_at_the_venue(fail_at):
    """Protects the account: the safety net cancels through the real adapter at the simulated venue."""

    def core(config, instruments):
        broken = Breaking(config, instruments)
        broken.fail_at = fail_at
        return broken

    bench = Bench(core=core)
    bench.driver.start_trader()
    bench.run(90)
    assert bench.driver.failure.name == CORE_FAILED
    assert not bench.driver.is_running
    assert list(bench.resting()) == []


def test_stories_of_the_real_trader_read_in_decimals():
    """Protects `makerlab story` on a real journal."""
    bench = Bench()
    bench.driver.start_trader()
    bench.run(45)
    orders = list(bench.resting())
    assert orders
    lines = story(bench.journal.records(), str(orders[0].cloid))
    assert "place" in "".join(lines) or "modify" in "".join(lines)
    assert " ticks" not in "".join(lines)
