"""Runs with faults and all checks on: simulated seconds per second of processor, and what the time goes to.

    python -m pytest benchmarks/bench_storm.py
    python benchmarks/bench_storm.py                   # the storm and what it is made of
    python benchmarks/bench_storm.py --library         # every scenario without a recording, the slowest first
    python benchmarks/bench_storm.py --functions 25    # the functions that take most

The aim is 100 times real time on one core with the whole trader, all checks and all faults. Processor time is what is
measured, so that a busy machine does not count against it; a profiler makes small functions look dearer than they are,
so its shares are shares and no times.
"""

import argparse
import cProfile
import pstats
import sys
from collections import Counter
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.errors import ConfigError
from runtime.log import MemoryLog
from runtime.logs import configure
from scenarios.build import build
from scenarios.loader import library, load
from scenarios.runner import run

ROOT = Path(__file__).resolve().parent.parent
SEED = 7
STORM_S = 600
LIBRARY_S = 200
AIM = 100.0

PARTS = (
    ("sim/flow", "the crowd: what it places, cancels, takes"),
    ("sim/liquidity", "the books"),
    ("sim/venue", "the venue: orders, accounts, margin, reports"),
    ("sim/faults", "faults"),
    ("sim", "links, sessions, the world, the heap"),
    ("exchange_adapters", "the adapter"),
    ("orchestrator", "the trader: its machines"),
    ("strategy", "the trader: quotes and estimators"),
    ("runtime", "the driver and the journal"),
    ("scenarios/invariants", "the invariants"),
    ("scenarios", "figures, the view of the truth"),
    ("domain", "the vocabulary"),
)
"""Folders, the first that fits counts; everything else is libraries and the interpreter."""


def short(name, seconds):
    """A scenario with less time, its faults too: those that would begin later are left out by its own rules."""
    scenario = load(name)
    seconds = min(seconds, scenario.duration_s)
    return build(load(name, [f"duration_s={seconds}"]), SEED, MemoryLog()), seconds


def speed_of(name, seconds):
    running, seconds = short(name, seconds)
    started = process_time()
    result = run(running, SEED)
    return seconds / (process_time() - started), result


def test_a_storm(benchmark):
    result = benchmark.pedantic(lambda: speed_of("storm", STORM_S)[1], rounds=1)
    benchmark.extra_info["simulated_s_per_s"] = result.wall.speed_x
    benchmark.extra_info["us_per_event"] = result.wall.us_per_event
    assert result.metrics.fills > 0


def profile_of(name, seconds):
    running, _ = short(name, seconds)
    profiler = cProfile.Profile(process_time)
    profiler.runcall(run, running, SEED)
    return pstats.Stats(profiler)


def part_of(filename):
    try:
        path = Path(filename).resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return "libraries and the interpreter"
    return next((what for folder, what in PARTS if path.startswith(folder + "/")), "libraries and the interpreter")


def parts_of(stats):
    """Share of the time by part, in percent; what a library does is the part's that called it."""
    own = Counter()
    for (filename, _, _), (_, _, spent, _, callers) in stats.stats.items():
        part = part_of(filename)
        if part_of(filename) != "libraries and the interpreter" or not callers:
            own[part] += spent
            continue
        for (caller, _, _), (_, _, spent_for, _) in callers.items():
            own[part_of(caller)] += spent_for
    total = sum(own.values())
    return {part: 100 * spent / total for part, spent in own.most_common()}


def storm():
    for name in ("storm", "eth-volatile"):
        speed, result = speed_of(name, STORM_S)
        verdict = "meets" if speed >= AIM else "misses"
        wall = result.wall
        sys.stdout.write(
            f"{name}: {speed:,.0f} x real time a core, which {verdict} the aim of {AIM:g}; "
            f"{result.events / STORM_S:,.0f} events a second, {1e6 * STORM_S / speed / result.events:,.0f} us each, "
            f"cycle {wall.cycle_us_p50:,.0f} us\n"
        )
    sys.stdout.write("\nwhat the time of the storm goes to\n")
    for part, share in parts_of(profile_of("storm", STORM_S)).items():
        sys.stdout.write(f"{share:5.1f} %  {part}\n")


def whole_library():
    speeds = {}
    for name in library():
        scenario = load(name)
        if scenario.market.recording is not None or scenario.soak:
            continue
        try:
            speeds[name] = speed_of(name, LIBRARY_S)[0]
        except ConfigError:  # a fault would begin after the end
            speeds[name] = speed_of(name, scenario.duration_s)[0]
    ordered = sorted(speeds.items(), key=lambda entry: entry[1])
    for name, speed in ordered:
        sys.stdout.write(f"{speed:7,.0f} x  {name}\n")
    slow = sum(speed < AIM for speed in speeds.values())
    middle = ordered[len(ordered) // 2][1]
    sys.stdout.write(f"{len(speeds)} scenarios, the middle one {middle:,.0f} x, {slow} below {AIM:g} x\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", action="store_true")
    parser.add_argument("--functions", type=int, metavar="N")
    options = parser.parse_args()
    configure(level="error")
    if options.functions:
        profile_of("storm", STORM_S).sort_stats("tottime").print_stats(options.functions)
    elif options.library:
        whole_library()
    else:
        storm()
