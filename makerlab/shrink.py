"""`makerlab shrink`: the smallest world that still fails for the same reason, as a scenario that a person can read."""

from pathlib import Path
from time import monotonic
from typing import Any

from domain.errors import ConfigError, Problem
from makerlab.exit_codes import ExitCode
from makerlab.figures import counted
from makerlab.output import log, progress, result_console
from makerlab.swarm import silence
from runtime.provenance import git_commit
from scenarios.drawing import VERSION as DRAWING
from scenarios.failure import Failure, read_failure, scenario_text
from scenarios.loader import load_tree
from scenarios.shrink import Shrinker


def shrink(artefact: Path, *, out: Path | None = None, minutes: float = 5.0) -> int:
    """Make a failure of `makerlab swarm` smaller: less time, fewer faults, fewer settings, rounder numbers.

    A step counts only if the same invariant or expectation fails. The result is a scenario file.

    Parameters
    ----------
    artefact
        The seed-N.json of a failure.
    out
        Where the scenario goes; by default beside the artefact, as seed-N.small.toml.
    minutes
        Time for the search.
    """
    target = artefact.with_suffix(".small.toml") if out is None else out
    problems = []
    if minutes <= 0:
        problems.append(Problem("--minutes", f"{minutes:g}", "> 0"))
    if not target.parent.is_dir():
        problems.append(Problem("--out", str(target), f"a file in a folder that exists: {target.parent} does not"))
    if problems:
        raise ConfigError(problems)
    failure = read_failure(artefact)
    load_tree(failure.scenario, f"{artefact}: scenario")  # what is no world at all does not fail either
    warn(artefact, failure)
    silence()
    started = monotonic()
    with progress(f"shrink {failure.name}") as tick:

        def say(gone: str, left: int) -> None:
            tick(min((monotonic() - started) / (minutes * 60), 1.0), f"{counted(left, 'fault')} left, without {gone}")

        shrinker = Shrinker(failure, say, lambda: monotonic() - started > minutes * 60)
        does_fail = shrinker.shrink()
    if not does_fail:
        log(f"{artefact}: {failure.name} does not fail here any more")
        return ExitCode.FAILED
    tree = _described(shrinker.tree, failure)
    target.write_text(scenario_text(tree), encoding="utf-8")
    faults = counted(len(tree["faults"]), "fault")
    result_console().print(
        f"{target}: {faults}, {tree['duration_s']:g} s, fails for {failure.name}; {shrinker.runs} runs in "
        f"{monotonic() - started:.0f} s\nmakerlab run {target} --seed {failure.seed}",
        soft_wrap=True,
    )
    return ExitCode.OK


def warn(artefact: Path, failure: Failure) -> None:
    """Say where a failure comes from, if that is not this very makerlab: it may not fail any more."""
    if failure.commit != git_commit():
        log(f"{artefact}: of commit {failure.commit or 'unknown'}, this is {git_commit() or 'unknown'}: it may differ")
    if failure.drawing != DRAWING:
        log(f"{artefact}: drawn by version {failure.drawing} of the drawing, this is {DRAWING}: taken as it is written")


def _described(tree: dict[str, Any], failure: Failure) -> dict[str, Any]:
    text = f"Seed {failure.seed} breaks {failure.name}: {failure.failed[0].text}"
    return {**tree, "name": f"small-{failure.seed}", "description": text}
