"""Whole runs: simulated seconds per second with the whole trader and all checks, and what an event and a cycle cost.

    python -m pytest benchmarks/bench_scenarios.py
    python benchmarks/bench_scenarios.py                 # a table
    python benchmarks/bench_scenarios.py --memory 24     # memory hour by hour, over a simulated day of eth-quiet

The aim is 200 times real time on two shared cores and less than 300 MB, flat over a day. What the trader
measures of itself, and what is traced for the figures, is part of it.
"""

import argparse
import gc
import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.units import NS_PER_S, Ns
from runtime.log import FileLog, MemoryLog
from scenarios.build import build
from scenarios.loader import load
from scenarios.runner import run

NAMES = ("eth-quiet", "eth-volatile", "cancel-fill-race", "two-markets")
SEED = 7
SHORT_S = 120


def result_of(name, seconds=None, log=None):
    overrides = [] if seconds is None else [f"duration_s={seconds}"]
    return run(build(load(name, overrides), SEED, log or MemoryLog()), SEED)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_run(benchmark, name):
    result = benchmark.pedantic(result_of, (name, SHORT_S), rounds=3, warmup_rounds=1)
    assert result.n_violations == 0
    benchmark.extra_info["simulated_s_per_s"] = result.wall.speed_x
    benchmark.extra_info["us_per_event"] = result.wall.us_per_event
    benchmark.extra_info["cycle_us_p50"] = result.wall.cycle_us_p50
    benchmark.extra_info["cycle_us_p99"] = result.wall.cycle_us_p99


def speed():
    line = "{:18} {:>12} {:>12} {:>12} {:>12} {:>12}\n"
    sys.stdout.write(line.format("scenario", "x real time", "us/event", "of it checks", "cycle p50", "cycle p99"))
    for name in NAMES:
        wall = min((result_of(name).wall for _ in range(3)), key=lambda wall: wall.run_s)
        figures = (wall.us_per_event, wall.check_us_per_event, wall.cycle_us_p50, wall.cycle_us_p99)
        sys.stdout.write(line.format(name, f"{wall.speed_x:,.0f}", *(f"{figure:.1f}" for figure in figures)))


def resident_mb():
    """Resident set now where the system says so (Linux), else the peak so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def memory(hours):
    """One line an hour: a leak shows as a slope and not only in the peak."""
    with tempfile.TemporaryDirectory() as folder:
        log = FileLog(Path(folder) / "journal")
        running = build(load("eth-quiet", [f"duration_s={hours * 3_600}"]), SEED, log)
        running.start()
        sys.stdout.write("hour  resident MB  x real time\n")
        for hour in range(1, hours + 1):
            started = perf_counter()
            running.world.run(Ns(hour * 3_600 * NS_PER_S))
            gc.collect()
            sys.stdout.write(f"{hour:4}  {resident_mb():11.1f}  {3_600 / (perf_counter() - started):11.0f}\n")
            sys.stdout.flush()
        log.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    sys.stdout.write(f"peak {peak:,.0f} MB\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=int, metavar="HOURS")
    hours = parser.parse_args().memory
    if hours is None:
        speed()
    else:
        memory(hours)
