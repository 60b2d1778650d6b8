"""`makerlab shrink`: the smallest world that still fails for the same reason, as a scenario that a person can read."""

from pathlib import Path
from shlex import quote
from time import monotonic
from typing import Any

from domain.errors import ConfigError, Problem
from makerlab.exit_codes import ExitCode
from makerlab.figures import counted
from makerlab.output import log, progress, result_console
from makerlab.places import file_problems, is_same_file, naming
from makerlab.swarm import silence
from runtime.provenance import git_commit
from scenarios.crashes import CRASH, JOURNAL, PROCESS
from scenarios.drawing import VERSION as DRAWING
from scenarios.failure import Failure, decode_failure, failure_problems, scenario_text
from scenarios.loader import load_tree
from scenarios.shrink import Shrinker
from studies.planting import patches_named, planted


def shrink(artefact: Path, *, out: Path | None = None, minutes: float = 5.0) -> int:
    """Make a failure of `makerlab swarm` smaller: less time, fewer faults, fewer settings, rounder numbers.

    A step counts only if the same invariant or expectation fails. The result is a scenario file. Exit code 1: it does
    not fail any more, or, where a bug was planted, it fails without the bug as well.

    Parameters
    ----------
    artefact
        The seed-N.json of a failure.
    out
        Where the scenario goes; by default beside the artefact, as seed-N.small.toml.
    minutes
        Time for the search.
    """
    if out is None and not artefact.name:
        raise ConfigError([Problem(str(artefact), "a folder", "a failure that `makerlab swarm` wrote (seed-N.json)")])
    target = artefact.with_suffix(".small.toml") if out is None else out
    failure = _checked(artefact, target, minutes)
    warn(artefact, failure)
    silence()
    started = monotonic()
    with progress(f"shrink {failure.name}") as tick:

        def say(gone: str, left: int) -> None:
            tick(min((monotonic() - started) / (minutes * 60), 1.0), f"{counted(left, 'fault')} left, without {gone}")

        shrinker = Shrinker(failure, say, lambda: monotonic() - started > minutes * 60)
        try:
            with planted(failure.planted):
                does_fail = shrinker.shrink()
        except KeyboardInterrupt:
            if shrinker.tree != shrinker.whole:
                _write(shrinker.tree, failure, target)
                log(f"stopped: the smallest so far is {target}")
            raise
    if not does_fail:
        log(f"{artefact}: {failure.name} does not fail here any more")
        return ExitCode.FAILED
    tree = shrinker.tree
    _write(tree, failure, target)
    faults = counted(len(tree["faults"]), "fault")
    takes_bug = bool(failure.planted) and shrinker.fails(tree) is None
    with_bug = ""
    if failure.planted:
        without = "not without it" if takes_bug else "AND WITHOUT IT: that is another failure"
        with_bug = f" with {failure.planted} planted, {without}"
    repeat = f"makerlab run {quote(str(target))} --seed {failure.seed}"
    if takes_bug:
        repeat += f": plants nothing, so that it holds there; makerlab shrink {quote(str(artefact))} plants it"
    result_console().print(
        f"{target}: {faults}, {tree['duration_s']:g} s, fails for {failure.name}{with_bug}; {shrinker.runs} runs in "
        f"{monotonic() - started:.0f} s\n{repeat}",
        soft_wrap=True,
    )
    return ExitCode.OK if takes_bug or not failure.planted else ExitCode.FAILED


def _checked(artefact: Path, target: Path, minutes: float) -> Failure:
    """The failure; ConfigError names whatever would come up after minutes of work."""
    problems = []
    if not minutes > 0:  # nor is what is no number at all
        problems.append(Problem("--minutes", f"{minutes:g}", "> 0"))
    problems += file_problems("--out", target)
    if is_same_file(target, artefact):
        problems.append(Problem("--out", str(target), "another file than the failure itself"))
    try:
        failure = decode_failure(artefact)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error
    problems += failure_problems(failure, artefact)
    if failure.failed and failure.name in (CRASH, JOURNAL, PROCESS):
        problems.append(Problem(f"{artefact}: failed", failure.name, "what a run shows: only `makerlab crashes` does"))
    try:
        load_tree(failure.scenario, f"{artefact}: scenario")  # what is no world at all does not fail either
    except ConfigError as error:
        problems += error.problems
    if failure.planted and patches_named(failure.planted) is None:
        want = "a mutant that is planted in the code, as `makerlab mutants` lists it"
        problems.append(Problem(f"{artefact}: planted", repr(failure.planted), want))
    if problems:
        raise ConfigError(problems)
    return failure


def warn(artefact: Path, failure: Failure) -> None:
    """Say where a failure comes from, if that is not this very makerlab: it may not fail any more."""
    if failure.commit != git_commit():
        log(f"{artefact}: of commit {failure.commit or 'unknown'}, this is {git_commit() or 'unknown'}: it may differ")
    if failure.drawing != DRAWING:
        log(f"{artefact}: drawn by version {failure.drawing} of the drawing, this is {DRAWING}: taken as it is written")


def _write(tree: dict[str, Any], failure: Failure, target: Path) -> None:
    bug = f" with {failure.planted} planted" if failure.planted else ""
    text = f"Seed {failure.seed}{bug} breaks {failure.name}: {failure.failed[0].text}"
    with naming(target):
        target.write_text(
            scenario_text({**tree, "name": f"small-{failure.seed}", "description": text}), encoding="utf-8"
        )
