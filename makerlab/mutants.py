"""`makerlab mutants`: bugs planted in the trader and in the venue, and the rule that finds each."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import ConfigError, Problem
from makerlab.exit_codes import ExitCode
from makerlab.options import Whole
from makerlab.output import log, print_json, result_console
from makerlab.pool import spread
from runtime.config_check import suggestion
from scenarios.result import SCHEMA_VERSION
from studies.ablation import Trial, Verdict, problems_of, trials_of
from studies.mutants import CANARY, MUTANTS, Tested
from studies.planting import Shown, mutant_of, mutants_named, shown, try_out


def mutants(
    *names: str,
    jobs: Whole = 1,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Plant bugs, one at a time, and show the rule and the seed that find each.

    Exit code 1: a bug is not found, one that another layer masks is found, a world does not hold without its bug, or
    the canary, a bug that nobody could overlook, is not found.

    Parameters
    ----------
    names
        Mutants, by their numbers (7, E3) or by the names of what is planted; all of them if none is named.
    jobs
        Processes to spread the runs over; the findings are those of one process.
    as_json
        Print one JSON document instead of a table.
    """
    chosen, unknown = mutants_named(names)
    problems = [_unknown(name) for name in unknown]
    if jobs < 1:
        problems.append(Problem("--jobs", str(jobs), ">= 1"))
    plants = [*CANARY.plants, *chosen]
    problems += [problem for plant in plants for problem in problems_of(plant)]
    if problems:
        raise ConfigError(problems)
    trials = trials_of(plants, None)
    found = shown(plants, trials, _carry_out(trials, jobs))
    tested = [each for mutant in MUTANTS for each in mutant.tested if not names]
    if as_json:
        rows = [_document(each) for each in found]
        by_tests = [_tested_document(each) for each in tested]
        print_json({"schema_version": SCHEMA_VERSION, "plants": rows, "by_tests": by_tests})
    else:
        _print(result_console(), found, tested)
    return ExitCode.OK if all(each.is_as_told for each in found) else ExitCode.FAILED


def _unknown(name: str) -> Problem:
    tests = {each.name: each.test for mutant in MUTANTS for each in mutant.tested}
    numbers = {mutant.number: each.test for mutant in MUTANTS if not mutant.plants for each in mutant.tested}
    if (test := tests.get(name) or numbers.get(name)) is not None:
        return Problem("mutants", repr(name), f"a mutant that runs show: a test shows this one, {test}")
    known = [key for mutant in MUTANTS for key in (mutant.number, *(plant.name for plant in mutant.plants))]
    return Problem("mutants", repr(name), f"a mutant{suggestion(name, known) or ', by number or name'}")


# --- running ------------------------------------------------------------------------------------


def _carry_out(trials: Sequence[Trial], processes: int) -> list[Verdict]:
    done = 0

    def say(trial: Trial, verdict: Verdict) -> None:
        nonlocal done
        done += 1
        came = "nothing found" if verdict.red_seed is None else f"found by {verdict.what}, seed {verdict.red_seed}"
        what = trial.mechanism if trial.is_without else f"the world of {trial.mechanism}"
        log(f"[{done}/{len(trials)}] {what}: {came} ({verdict.run_s:.1f} s)")

    return spread(try_out, trials, processes, say)


# --- what is printed ----------------------------------------------------------------------------


def _print(console: Console, found: Sequence[Shown], tested: Sequence[Tested]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("mutant, and what is planted", overflow="fold", ratio=10)
    table.add_column("scenario", overflow="fold", ratio=5)
    table.add_column("asked of", overflow="fold", ratio=2)
    table.add_column("found by", overflow="fold", ratio=8)
    table.add_column("s", justify="right", no_wrap=True)
    for each in found:
        table.add_row(*_cells(each))
    console.print(table)
    for test in tested:
        console.print(Text(f"{test.name}: {test.off.text}. No run shows it; {test.by} by {test.test}"))
    of_table = [each for each in found if each.plant not in CANARY.plants]
    killed = sum(each.is_killed for each in of_table)
    masked = sum(bool(each.plant.masked_by) and each.is_as_told for each in of_table)
    console.print(
        f"{len(of_table)} planted: {killed} found, {masked} masked by another layer, "
        f"{len(of_table) - killed - masked} not found; {len(tested)} shown by tests; "
        f"the canary {'is found' if found[0].is_killed else 'is NOT found: nothing above means anything'}"
    )
    for each in found:
        if each.is_by_another:
            line = f"{each.plant.name}: found by {each.planted.what} first; the table says by {each.plant.by}"
            console.print(Text(line, style="yellow"))
    _print_rest(console, [each for each in found if not each.is_as_told])


def _print_rest(console: Console, wrong: Sequence[Shown]) -> None:
    for each in wrong:
        if each.sound.red_seed is not None:
            why = f"its world does not hold without it: {each.sound.what}, {each.sound.why}"
        elif each.is_killed:
            why = f"it is said to be masked by {each.plant.masked_by}, and it is found"
        else:
            why = "nothing finds it"
        console.print(Text(f"{each.plant.name}: {why}", style="bold red"))


def _cells(each: Shown) -> tuple[Text, ...]:
    plant, mutant = each.plant, mutant_of(each.plant)
    what = Text.assemble((plant.name, "bold"), f": {plant.does}")
    where = Text(f"{plant.scenario}, seed {plant.seed}")
    if each.is_killed:
        by = Text.assemble((each.planted.what, "bold"), f": {each.planted.why}")
    elif plant.masked_by:
        by = Text(f"nobody: masked by {plant.masked_by}")
    else:
        by = Text("NOBODY", style="bold red")
    if each.sound.red_seed is not None:
        by = Text(f"its world is red without it: {each.sound.what}", style="bold red")
    time = Text(f"{each.planted.run_s:.1f}")
    return Text(mutant.number), what, where, Text(", ".join(mutant.rules)), by, time


def _document(each: Shown) -> dict[str, object]:
    plant, mutant = each.plant, mutant_of(each.plant)
    return {
        "mutant": mutant.number,
        "bug": mutant.bug,
        "plant": plant.name,
        "does": plant.does,
        "scenario": plant.scenario,
        "given": list(plant.given),
        "seed": plant.seed,
        "asked_of": list(mutant.rules),
        "masked_by": plant.masked_by or None,
        "told_by": each.plant.by or None,
        "found_by": each.planted.what or None,
        "why": each.planted.why or None,
        "run_s": round(each.planted.run_s, 3),
        "holds_without": each.sound.red_seed is None,
        "is_as_told": each.is_as_told,
    }


def _tested_document(each: Tested) -> dict[str, object]:
    return {"plant": each.name, "does": each.off.text, "found_by": each.by, "test": each.test}
