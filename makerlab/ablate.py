"""`makerlab ablate`: each mechanism of the trader switched off, and the scenario that goes red without it."""

from collections.abc import Sequence
from pathlib import Path
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
from makerlab.places import folder_problems
from makerlab.pool import spread
from makerlab.run import MAX_SEEDS
from runtime.config_check import suggestion
from scenarios.result import MAX_SEED, SCHEMA_VERSION
from studies.ablation import Finding, Trial, Verdict, findings_of, problems_of, trials_of, try_out
from studies.mechanisms import MECHANISMS, Mechanism


def ablate(
    *names: str,
    seeds: str | None = None,
    jobs: Whole = 1,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    out: Path | None = None,
) -> int:
    """Switch mechanisms of the trader off, one at a time, and show the scenario that goes red without each.

    Exit code 1: a mechanism carries nothing (its scenario holds without it), or its scenario does not hold with it.

    Parameters
    ----------
    names
        Mechanisms; all of them if none is named.
    seeds
        Seeds to try, as A..B, or N for 0 to N-1: with it all must hold, without it the first that does not is shown.
        By default the one seed that is known to show it.
    jobs
        Processes to spread the runs over; the findings are those of one process.
    as_json
        Print one JSON document instead of a table.
    out
        Folder for the journals and results of the runs without the mechanisms: OUT/MECHANISM/SEED.
    """
    problems: list[Problem] = []
    chosen = _chosen(names, problems)
    wanted = _seeds(seeds, problems)
    if jobs < 1:
        problems.append(Problem("--jobs", str(jobs), ">= 1"))
    problems += [problem for mechanism in chosen for problem in problems_of(mechanism)]
    problems += [] if out is None else folder_problems("--out", out)
    if problems:
        raise ConfigError(problems)
    trials = trials_of(chosen, wanted, out)
    findings = findings_of(chosen, wanted, trials, _carry_out(trials, jobs))
    if as_json:
        rows = [finding.document() for finding in findings]
        print_json({"schema_version": SCHEMA_VERSION, "mechanisms": rows})
    else:
        _print(result_console(), findings)
    return ExitCode.OK if all(finding.is_load_bearing for finding in findings) else ExitCode.FAILED


def _chosen(names: Sequence[str], problems: list[Problem]) -> list[Mechanism]:
    known = {mechanism.name: mechanism for mechanism in MECHANISMS}
    for name in dict.fromkeys(names):
        if name not in known:
            near = suggestion(name, list(known)) or f" ({', '.join(known)})"
            problems.append(Problem("ablate", repr(name), f"a mechanism{near}"))
    return [known[name] for name in dict.fromkeys(names or known) if name in known]


def _seeds(text: str | None, problems: list[Problem]) -> range | None:
    """Read A..B or N."""
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        found = range(int(first), int(last) + 1) if dots else range(int(text))
    except ValueError:
        found = range(0)
    if not found or found[0] < 0 or found[-1] > MAX_SEED or len(found) > MAX_SEEDS:
        problems.append(Problem("--seeds", repr(text), f"A..B or N: up to {MAX_SEEDS} seeds from 0 to {MAX_SEED}"))
    return found


# --- running ------------------------------------------------------------------------------------


def _carry_out(trials: Sequence[Trial], processes: int) -> list[Verdict]:
    done = 0

    def say(trial: Trial, verdict: Verdict) -> None:
        nonlocal done
        done += 1
        came = "holds" if verdict.red_seed is None else f"red ({verdict.what}, seed {verdict.red_seed})"
        log(f"[{done}/{len(trials)}] {trial.title}: {came} ({verdict.run_s:.1f} s)")

    return spread(try_out, trials, processes, say)


# --- the table ----------------------------------------------------------------------------------


def _print(console: Console, findings: Sequence[Finding]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("mechanism, and how it is switched off", overflow="fold", ratio=10)
    table.add_column("scenario", overflow="fold", ratio=6)
    table.add_column("with", overflow="fold", ratio=2)
    table.add_column("without: what does not hold, first seed", overflow="fold", ratio=9)
    table.add_column("s", justify="right", no_wrap=True)
    for finding in findings:
        table.add_row(*_cells(finding))
    console.print(table)
    carrying = sum(finding.is_load_bearing for finding in findings)
    console.print(f"{carrying} of {len(findings)} mechanisms are load-bearing")


def _cells(finding: Finding) -> tuple[Text, ...]:
    mechanism, with_it, without = finding.mechanism, finding.with_it, finding.without_it
    what = Text.assemble((mechanism.name, "bold"), f": {mechanism.does}\n", (f"off: {mechanism.how}", "dim"))
    where = Text(mechanism.scenario)
    for override in mechanism.given:
        where.append(f"\n{override}", style="dim")
    sound = Text("holds", style="green")
    if with_it.red_seed is not None:
        sound = Text(f"RED: {with_it.what}, seed {with_it.red_seed}", style="bold red")
    lost = Text("holds: it carries nothing", style="bold red")
    if without.red_seed is not None:
        lost = Text.assemble((without.what, "bold"), f", seed {without.red_seed}: {without.why}")
    return what, where, sound, lost, Text(f"{with_it.run_s + without.run_s:.1f}")
