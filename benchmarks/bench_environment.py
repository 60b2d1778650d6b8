"""What a plain callback costs against a simpy event for each message.

    python -m pytest benchmarks/bench_environment.py --benchmark-only
    python benchmarks/bench_environment.py          # the ratio, in one line

Each of 100 chains schedules its next link, which is how messages and timers behave.
"""

import sys
from pathlib import Path
from random import Random
from timeit import repeat

import pytest
import simpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sim.environment import Environment

CHAINS, CALLS = 100, 50_000
DELAYS = [Random(1).randrange(1_000_000) for _ in range(CALLS)]


def nothing(*_):
    return None


def simpy_alone():
    """The same with a Timeout for each, its callback a closure over the arguments."""
    env, delays = simpy.Environment(), iter(DELAYS)

    def link(a, b):
        nothing(a, b)
        delay = next(delays, None)
        if delay is not None:
            env.timeout(delay).callbacks.append(lambda _: link(a, b))

    for i in range(CHAINS):
        link(i, "payload")
    env.run()


def makerlab():
    env, delays = Environment(), iter(DELAYS)

    def link(a, b):
        nothing(a, b)
        delay = next(delays, None)
        if delay is not None:
            env.call_in(delay, link, a, b)

    for i in range(CHAINS):
        link(i, "payload")
    env.run(until=10**15)


@pytest.mark.parametrize("play", [simpy_alone, makerlab])
def test_a_chain_of_messages(benchmark, play):
    benchmark.pedantic(play, rounds=5, warmup_rounds=1)


if __name__ == "__main__":
    slow, fast = (min(repeat(play, number=1, repeat=7)) / CALLS * 1e9 for play in (simpy_alone, makerlab))
    sys.stdout.write(f"simpy event {slow:.0f} ns, callback {fast:.0f} ns: {slow / fast:.2f} times cheaper\n")
