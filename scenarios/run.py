"""One call from a scenario to its result, whatever kind of scenario it is."""

from collections.abc import Callable

from runtime.log import Log
from scenarios.build import build
from scenarios.result import RunResult
from scenarios.runner import run
from scenarios.schema import Scenario


def run_scenario(scenario: Scenario, seed: int, log: Log, tick: Callable[[float], None] | None = None) -> RunResult:
    """Run a scenario; the journal goes to ``log``. Raises ConfigError for a recording that cannot be read."""
    return run(build(scenario, seed, log), seed, tick)
