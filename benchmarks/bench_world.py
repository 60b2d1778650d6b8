"""What a simulated second of the world costs, and what of it belongs to whom.

    python -m pytest benchmarks/bench_world.py --benchmark-only
    python benchmarks/bench_world.py          # a table, in milliseconds of work for each simulated second

A run of 200 times real time may spend 5 ms on a simulated second, trader included.
"""

import sys
from functools import partial
from pathlib import Path
from timeit import repeat

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.commands import Connect, Subscribe
from domain.events import Channel, ChannelKind, Feed
from domain.units import NS_PER_S, AccountId, Ns
from exchange_adapters.simulated import SimulatedAdapter
from sim.flow.synthetic import PROFILES, SyntheticFlow
from sim.liquidity.book import Book
from sim.rng import Streams
from sim.world import ETH, MarketConfig, World, WorldConfig

SECONDS = 120
CONFIG = WorldConfig(markets=(MarketConfig(flow=PROFILES["eth-volatile"]),))


def nothing(*_):
    return None


def world(listeners):
    """A world with that many sessions that hear everything and do nothing."""
    built = World(CONFIG, 1)
    for i in range(listeners):
        adapter = SimulatedAdapter(built.attach(AccountId(f"listener {i}")))
        adapter.start(nothing)
        for feed in Feed:
            adapter.submit(Connect(feed))
        built.run(Ns(built.env.now + NS_PER_S))
        for kind in ChannelKind:
            adapter.submit(Subscribe(Channel(kind, ETH.id if kind.feed is Feed.MARKET else None)))
    built.run(Ns(built.env.now + 5 * NS_PER_S))
    return built


def run(built):
    built.run(Ns(built.env.now + SECONDS * NS_PER_S))


class FlowAlone:
    """The flow and a book, without venue, blocks or sessions."""

    def __init__(self):
        self.flow = SyntheticFlow(ETH, PROFILES["eth-volatile"], Streams(1), block_s=0.068)
        self.book = Book()
        self.book.execute(self.flow.seed())
        self.block = 0

    def run(self):
        for _ in range(int(SECONDS / 0.068)):
            self.block += 1
            top = self.book.best_bid(), self.book.best_ask()
            self.book.execute(self.flow.ops(self.block, Ns(self.block * 68_000_000), *top))


CASES = {
    "flow and book": lambda: FlowAlone().run,
    "world, nobody listens": lambda: partial(run, world(0)),
    "world, one listener": lambda: partial(run, world(1)),
    "world, three listeners": lambda: partial(run, world(3)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_simulated_second(benchmark, case):
    benchmark.pedantic(CASES[case](), rounds=5, warmup_rounds=1)


if __name__ == "__main__":
    for name, make in CASES.items():
        ms = min(repeat(make(), number=1, repeat=5)) / SECONDS * 1e3
        sys.stdout.write(f"{name:24} {ms:.3f} ms\n")
