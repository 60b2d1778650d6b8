"""`makerlab study`: a question asked of many runs, with its answer as tables."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import ConfigError, Problem
from makerlab.exit_codes import ExitCode
from makerlab.figures import counted
from makerlab.options import Whole
from makerlab.output import log, print_json, progress, result_console
from makerlab.places import file_problems, folder_problems, naming
from makerlab.pool import spread
from makerlab.run import MAX_SEEDS
from makerlab.study_page import FIGURES, PAGE, write_page
from runtime.config_check import suggestion
from scenarios.result import SCHEMA_VERSION, Ended
from studies.churn import parquet
from studies.churn.arms import Arm
from studies.churn.folder import Book, arms_of
from studies.churn.middles import spread_of, values_of
from studies.churn.rows import Row, Study
from studies.churn.run import Done, Task, carry_out, tasks_of, terms_of_now, tree_digest
from studies.churn.tables import Sheet, sheets

OUT = Path("runs/study-churn")
STUDIES = ("churn",)
NEEDS = ("duckdb", "matplotlib", "scipy")
"""Modules of the extra that a study cannot do without."""
NO_NUMBERS = frozenset(("arm", "seed", "digest", "ended", "timeline", "path"))
"""Fields of a row without a median."""
SHOWN = 5
"""Runs that are named of those that did not end well."""


def study(
    name: str,
    /,
    *,
    seeds: Whole = 20,
    jobs: Whole = 1,
    long_: Annotated[bool, Parameter(name="--long", negative="")] = False,
    out: Path = OUT,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Ask a question of many runs.

    `churn`: why an account places and cancels and is never filled, and what each layer against it carries. The incident
    and its cure run with every layer alone and left out, with what the incident's account leaves open, and along the
    frontier of calls against nearness; everything with the same seeds. A study that was interrupted goes on where it
    stopped. Exit code 1: a run failed, or broke an invariant; a promise that was missed is a finding, and no failure.

    Parameters
    ----------
    name
        The study: `churn`.
    seeds
        Run everything with the seeds 0 to N-1.
    jobs
        Processes to spread the runs over; the results are those of one process.
    long_
        Also run 24 simulated hours of both profiles from 7 %, from 4 % and from nothing left of the allowance, with one
        seed.
    out
        Folder for the runs, one file each, and for what is made of them: Parquet files, figures, and `study.html`.
    as_json
        Print one JSON document instead of the tables.
    """
    tasks, book = _checked(name, seeds, jobs, out, arms_of(long=long_))
    with naming(out):
        _carry_out(tasks, jobs, book)
        found = book.study(tasks)
        paths = [*parquet.write_parquet(found, out), *write_page(found, out)]
    log(f"files: {', '.join(map(str, paths))}")
    if as_json:
        print_json(_document(found, arms_of(long=long_)))
    else:
        _print(result_console(), found)
    return ExitCode.FAILED if _failures(found.rows) else ExitCode.OK


def _checked(name: str, seeds: int, jobs: int, out: Path, arms: Sequence[Arm]) -> tuple[list[Task], Book]:
    """Everything that is wrong, before anything runs or is written."""
    problems = []
    if name not in STUDIES:
        near = suggestion(name, list(STUDIES)) or f" ({', '.join(STUDIES)})"
        problems.append(Problem("study", repr(name), f"a study{near}"))
    if is_wrong := not 1 <= seeds <= MAX_SEEDS:
        problems.append(Problem("--seeds", str(seeds), f"1 to {MAX_SEEDS}"))
    if jobs < 1:
        problems.append(Problem("--jobs", str(jobs), ">= 1"))
    problems += [
        Problem("study", f"no {module}", "the extra `study`: pip install 'makerlab[study]'")
        for module in NEEDS
        if find_spec(module) is None
    ]
    trees: dict[str, str] = {}
    for arm in arms:
        try:
            trees[arm.name] = tree_digest(arm)
        except ConfigError as error:
            problems += [Problem(f"{arm.name}: {each.path}", each.found, each.want) for each in error.problems]
    tasks = tasks_of(arms, 0 if is_wrong else seeds)
    book = Book(out, terms_of_now(), trees)
    if wrong := folder_problems("--out", out):
        problems += wrong
    elif len(trees) == len(arms):
        problems += book.read(tasks)
        for each in (parquet.RUNS, parquet.TIMELINE, parquet.MOVES, PAGE, *FIGURES):
            problems += file_problems("--out", out / each) if (out / each).exists() else []
    if problems:
        raise ConfigError(problems)
    return tasks, book


def _carry_out(tasks: Sequence[Task], jobs: int, book: Book) -> None:
    """Run what is not known yet; each run is kept as soon as it is done."""
    book.begin()
    todo = [task for task in tasks if task not in book]
    if len(todo) < len(tasks):
        log(f"{book.folder}: {counted(len(tasks) - len(todo), 'run')} of {len(tasks)} done before")
    started, done = monotonic(), 0
    try:
        with progress("study churn") as tick:

            def note(task: Task, what: Done) -> None:
                nonlocal done
                book.add(task, what)
                done += 1
                left_min = (monotonic() - started) / done * (len(todo) - done) / 60
                tick(done / len(todo), f"{done} of {len(todo)} runs, about {left_min:.0f} min to go")

            spread(carry_out, todo, jobs, note)
    except KeyboardInterrupt:
        ready = sum(task in book for task in tasks)
        log(f"stopped: {ready} of {counted(len(tasks), 'run')} done, the same command goes on from there")
        raise
    if todo:
        log(f"{counted(len(todo), 'run')} in {(monotonic() - started) / 60:.1f} min")


# --- what came out ------------------------------------------------------------------------------


def _print(console: Console, found: Study) -> None:
    for sheet in sheets(found):
        console.print(Text(f"\n{sheet.title}", style="bold cyan"))
        console.print(Text(sheet.note, style="dim"))
        console.print(_table(sheet))
    failures = _failures(found.rows)
    for row in failures[:SHOWN]:
        console.print(f"{row.arm} seed {row.seed}: {row.ended}, {counted(row.violations, 'violation')}", style="red")
    if failures:
        console.print(f"{len(failures)} of {counted(len(found.rows), 'run')} failed", style="bold red")
    else:
        console.print(f"{counted(len(found.rows), 'run')}, no invariant broken")


def _table(sheet: Sheet) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(sheet.head):
        table.add_column(name, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for row in sheet.rows:
        table.add_row(*map(Text, row))
    return table


def _failures(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.ended != Ended.COMPLETED or row.violations]


def _document(found: Study, arms: Sequence[Arm]) -> dict[str, object]:
    """Everything as plain values; a ratio to no fill is null."""
    names = [name for name in Row.__struct_fields__ if name not in NO_NUMBERS]
    of_arms = [
        {
            "arm": arm.name,
            "group": str(arm.group),
            "scenario": arm.scenario,
            "overrides": list(arm.overrides),
            "about": arm.about,
            "runs": len(rows),
            "failed": len(_failures(rows)),
            "quartiles": {name: spread_of(values_of(rows, name)) for name in names},
        }
        for arm in arms
        if (rows := found.of(arm.name))
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "study": "churn",
        "terms": msgspec.to_builtins(found.terms),
        "seeds": found.seeds,
        "failed": len(_failures(found.rows)),
        "arms": of_arms,
        "tables": [sheet._asdict() for sheet in sheets(found)],
    }
