"""Short runs for tests: a shipped scenario with less time, its journal in memory."""

from functools import cache

from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.loader import load
from scenarios.result import RunResult
from scenarios.runner import run


def running_of(name, seconds, *overrides, seed=7):
    """An assembled run that has not begun."""
    scenario = load(name, [f"duration_s={seconds}", *overrides])
    return build(scenario, seed, MemoryLog())


@cache
def result_of(name: str, seconds: float, *overrides: str, seed: int = 7) -> RunResult:
    """The result of a short run; each is made once in a test process, so do not change it."""
    return run(running_of(name, seconds, *overrides, seed=seed), seed)


def outcome(result, name):
    """One expectation of a result."""
    return next(each for each in result.expectations if each.name == name)
