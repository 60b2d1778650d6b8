"""One seed of a search: draw its world, run it with every check, and keep what a person needs of it.

What is kept of a seed that holds is small; of one that fails it is everything that repeats it.
"""

import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import ConfigError
from domain.units import NS_PER_S
from runtime.log import MemoryLog
from scenarios.assemble import Running
from scenarios.build import build
from scenarios.drawing import Drawn, draw
from scenarios.failure import Failed, Failure, failure_of
from scenarios.loader import load_tree
from scenarios.result import Metrics, RunResult
from scenarios.runner import run
from scenarios.sometimes import meetings
from scenarios.witness import Witness

RAISED = "raised"
"""How a world ended in which the harness itself died."""


@dataclass(frozen=True, slots=True)
class Task:
    """A seed to look at."""

    seed: int
    duration_s: float
    journal: Path | None = None
    """Where its journal goes, for seeds that are run twice."""
    planted: str = ""
    """The mutant that whoever runs it plants meanwhile; empty: none."""


class Seen(msgspec.Struct, kw_only=True):
    """What one seed came to; a line of the file that a search writes."""

    seed: int
    world: str
    """The shipped scenario that it was drawn over."""
    path_off: str | None = None
    """The way to recover that was switched off."""
    ended: str = ""
    failed: list[Failed] = []
    faults: dict[str, int] = {}
    """What was injected by the kind of the fault; 0: it was on and met nothing."""
    checks: dict[str, int] = {}
    """Comparisons by the rule."""
    traceback: str = ""
    """Of the bug that ended the trader, or the harness; empty: none did."""
    is_misfit: bool = False
    """What was planted has ended it by a mistake of its own."""
    met: dict[str, int] = {}
    """How often it met each situation of `scenarios.sometimes`; those that it did not meet are left out."""
    digests: tuple[str, str] = ("", "")
    """Of the journal and of the world."""
    events: int = 0
    simulated_s: float = 0.0
    run_s: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing went wrong."""
        return not self.failed


def look(task: Task) -> tuple[Seen, Failure | None]:
    """Run the world of a seed; with all that repeats it where something failed."""
    drawn = draw(task.seed, task.duration_s)
    log = MemoryLog()
    found = look_at(drawn.tree, task.seed, drawn, log)
    if task.journal is not None:
        task.journal.parent.mkdir(parents=True, exist_ok=True)
        task.journal.write_bytes(log.read())
    if found[1] is not None:
        found[1].planted = task.planted
    return found


def look_at(
    tree: dict[str, Any], seed: int, drawn: Drawn | None = None, log: MemoryLog | None = None
) -> tuple[Seen, Failure | None]:
    """Run a world that is given as a scenario file's content; its journal goes to ``log``."""
    seen = Seen(seed=seed, world=str(tree.get("extends", "")), path_off=drawn.path_off if drawn else None)
    log = log or MemoryLog()
    running: Running | None = None
    try:
        running = build(load_tree(tree, f"seed {seed}"), seed, log)
        witness = Witness(running)
        result = run(running, seed)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - a harness that dies has found something as well
        seen.ended = RAISED
        seen.traceback = "".join(traceback.format_exception(error))
        at_s = None if running is None else running.world.env.now / NS_PER_S
        seen.failed = [Failed(f"exception {type(error).__name__}", _where(error), at_s)]
    else:
        metrics = result.metrics
        assert isinstance(metrics, Metrics)  # noqa: S101 - worlds of blocks are not drawn
        _note(seen, result, metrics)
        seen.met = {name: count for name, count in meetings(witness, running, metrics).items() if count}
    if seen.holds:
        return seen, None
    return seen, failure_of(tree, seed, seen.failed, seen.digests[0], log.read())


def _note(seen: Seen, result: RunResult, metrics: Metrics) -> None:
    injected: Counter[str] = Counter()
    for fault in metrics.faults:
        injected[fault.kind] += fault.injected
    seen.ended = str(result.ended)
    seen.failed = failures_in(result)
    seen.traceback = result.traceback or ""
    seen.faults = dict(injected)
    seen.checks = metrics.checks
    seen.digests = (result.journal_digest or "", result.world_digest or "")
    seen.events = result.events
    seen.simulated_s = metrics.duration_s
    seen.run_s = result.wall.run_s


def failures_in(result: RunResult) -> list[Failed]:
    """What did not hold: each rule once, with its first violation, then the expectations.

    A kill is no failure: a drawn world may well be one that a trader should leave.
    """
    found: dict[str, Failed] = {}
    for each in result.violations:
        found.setdefault(each.name, Failed(each.name, each.text, each.t_s, each.story))
    for outcome in result.expectations:
        if outcome.holds or outcome.name == "invariants" or (outcome.name == "ended" and result.ended == "halted"):
            continue
        text = f"wanted {outcome.bound}, measured {outcome.measured}"
        reason = f" ({result.reason})" if outcome.name == "ended" and result.reason else ""
        found.setdefault(outcome.name, Failed(outcome.name, text + reason))
    return list(found.values())


def _where(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{error} (in {last.name}, {last.filename.rpartition('/')[2]}, line {last.lineno})"
