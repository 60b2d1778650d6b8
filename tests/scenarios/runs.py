"""Short runs for tests: a shipped scenario with less time, its journal in memory."""

from functools import cache

from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.effect import JUDGED_S
from scenarios.loader import load
from scenarios.result import RunResult
from scenarios.runner import run

PLAIN = "trader.profile=plain"
"""A trader that follows every move of its targets, and cancels and places rather than modify."""


def running_of(name, seconds, *overrides, seed=7):
    """An assembled run that has not begun; it asks for no healing that it would be too short to see."""
    whole = load(name, overrides)
    allowed, ends = whole.expect.healed_after_s_max, [fault.at_s + fault.duration_s for fault in whole.faults]
    is_short = allowed is not None and bool(ends) and seconds < max(ends) + allowed + JUDGED_S
    shorter = [f"duration_s={seconds}", *(["expect.healed_after_s_max=off"] if is_short else [])]
    return build(load(name, [*shorter, *overrides]), seed, MemoryLog())


@cache
def result_of(name: str, seconds: float, *overrides: str, seed: int = 7) -> RunResult:
    """The result of a short run; each is made once in a test process, so do not change it."""
    return run(running_of(name, seconds, *overrides, seed=seed), seed)


def outcome(result, name):
    """One expectation of a result."""
    return next(each for each in result.expectations if each.name == name)
