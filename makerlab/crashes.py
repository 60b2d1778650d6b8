"""`makerlab crashes`: the trader of a scenario dies at every point at which that matters, and begins anew."""

import re
from pathlib import Path
from shlex import quote
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
from makerlab.output import Tick, log, print_json, progress, result_console
from makerlab.places import folder_problems, naming
from makerlab.pool import other_hash_seed, spread
from makerlab.run import wrong_numbers
from runtime.logs import configure
from scenarios.crashes import PROCESS, Death, Loss, Plan, die_again, look, raised, sweep
from scenarios.failure import Failure
from scenarios.result import RunResult
from scenarios.run import data_problems
from scenarios.swarm import failures_in
from sim.points import Point

OUT = Path("runs/crashes")
FAILURES = "failures"
KEPT = 5
"""Failures of one kind that are written to files; the others are counted and named."""
TOLD = 10
"""Failures that the table names."""
AGAIN = 100
"""One death in so many is run again from the start, in another process under another hash seed: it must be the same."""


_POINT = re.compile(rf"({'|'.join(Point)})-\d+")


def crashes(  # noqa: PLR0913 - the options of a command
    scenario: str,
    *,
    every: Whole = 1,
    at: str | None = None,
    jobs: Whole = 1,
    loss: Loss = Loss.NONE,
    downtime: float = 2.0,
    seed: Whole = 0,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    out: Path = OUT,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Let the trader die at every point of a scenario, start it again each time, and check everything to the end.

    The points are those at which a death makes a difference: an event is at the door, a record stands in the journal,
    the journal is synced, a command is about to leave. The run forks at each of them, so it is not repeated from its
    start. Failures go to OUT/failures with the command that repeats each.

    Parameters
    ----------
    scenario
        A built-in scenario, such as crash-everywhere, or a file ending in .toml. At its end there must be time to heal.
    every
        Of the points only each N-th.
    at
        Only this point, such as written-812, as a failure names it.
    jobs
        Processes at a time; the findings are those of one.
    loss
        What a death takes of the journal: nothing, what was not synced (the power fails), or half of that (torn).
    downtime
        Seconds from a death to the next life.
    seed
        Seed of the run.
    set_
        Override a key of the scenario, such as --set duration_s=60; may be repeated.
    out
        Folder for failures.
    as_json
        Print the summary as one JSON document.
    """
    source = str(Path(scenario).resolve()) if Path(scenario).suffix else scenario
    plan = Plan(source=source, overrides=set_, seed=seed, loss=loss, down_s=downtime, every=every, only=at)
    if problems := _problems_of(plan, jobs, out):
        raise ConfigError(problems)
    book = _Book(out)
    configure(level="error")
    plain, points = look(plan)
    if wrong := failures_in(plain):
        log(f"{scenario} does not hold without any death: {wrong[0].name}: {wrong[0].text}")
        return ExitCode.FAILED
    started = monotonic()
    chosen = [death for death in points if plan.wants(death)]
    if not points:
        raise ConfigError([Problem(scenario, "no point to die at", "a run that is longer than the time to heal")])
    if not chosen:
        some = ", ".join(death.name for death in points[:3])
        raise ConfigError([Problem("--at", repr(at), f"one of the {len(points)} points of this run ({some}, ...)")])
    try:
        with progress(f"crashes in {scenario}", forks=True) as tick:
            result = sweep(plan, jobs, lambda death, failure: book.add(death, failure, len(chosen), tick))
    except KeyboardInterrupt:
        log(f"stopped: {len(book.deaths)} of {len(chosen)} deaths are done, {book.n_failed} failed")
        raise
    differing = _run_again(plan, book.deaths, jobs)
    if _same(plain) != _same(result):
        differing.append(f"the run that forked: {_same(plain)}, then {_same(result)}")
    summary = Summary.of(plan, points, book, differing, monotonic() - started)
    if as_json:
        print_json(summary)
    else:
        _print(result_console(), summary)
    return ExitCode.OK if summary.holds else ExitCode.FAILED


def _problems_of(plan: Plan, jobs: int, out: Path) -> list[Problem]:
    """Everything wrong with a sweep, before anything runs."""
    problems = wrong_numbers(plan.seed, None, jobs)
    if plan.every < 1:
        problems.append(Problem("--every", str(plan.every), ">= 1"))
    if not 0.001 <= plan.down_s <= 600:  # noqa: PLR2004 - the bounds of a strike
        problems.append(Problem("--downtime", f"{plan.down_s:g}", "0.001 to 600 seconds"))
    try:
        problems += data_problems(plan.scenario())
    except ConfigError as error:
        problems += error.problems
    if plan.only is not None and not _POINT.fullmatch(plan.only):
        problems.append(Problem("--at", repr(plan.only), "a point by its kind and number, such as written-812"))
    if plan.only is not None and plan.every != 1:
        problems.append(Problem("--every", str(plan.every), "nothing beside --at, which is one point"))
    return [*problems, *(folder_problems("--out", out) or folder_problems("--out", out / FAILURES))]


class _Book:
    """What became of each death; of the failures those that are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deaths: list[Death] = []
        self.n_failed = 0
        self.files: dict[str, Path] = {}
        """Scenario files that repeat a failure, by the point."""
        self._kept: dict[str, int] = {}
        self._began = monotonic()

    def add(self, death: Death, failure: Failure | None, total: int, tick: Tick) -> None:
        """Note a death."""
        self.deaths.append(death)
        if failure is not None:
            self.n_failed += 1
            self._keep(death, failure)
        done = len(self.deaths)
        rate = done / (monotonic() - self._began)
        tick(done / total, f"{done} of {total} deaths, {self.n_failed} failed, {rate:.1f} a second")

    def _keep(self, death: Death, failure: Failure) -> None:
        kept = self._kept[failure.name] = self._kept.get(failure.name, 0) + 1
        if kept > KEPT:
            return
        with naming(self.folder):
            path = failure.write(self.folder / FAILURES / death.name)
        self.files[death.name] = path.with_suffix(".toml")
        log(f"{death.name} at {death.t_s:.3f} s: {failure.name} failed, see {path}")


def _same(result: RunResult) -> tuple[str | None, str | None, int, int]:
    """What a run must have in common with the same run."""
    return result.journal_digest, result.world_digest, result.events, result.n_violations


class _Again(msgspec.Struct, frozen=True):
    """A death to repeat."""

    plan: Plan
    death: Death


def _die_again(again: _Again) -> tuple[str, str]:
    configure(level="error")
    try:
        return die_again(again.plan, again.death.point, again.death.number)
    except Exception as error:  # noqa: BLE001 - to end so is a result, too: the fork may have
        return raised(error), ""


def _came_to(death: Death) -> tuple[str, str] | None:
    """What a death must come to again; None of a process that was ended from outside."""
    if any(death.digests):
        return death.digests
    name = death.failed[0].name
    return None if name == PROCESS else (name, "")


def _run_again(plan: Plan, deaths: list[Death], jobs: int) -> list[str]:
    """The determinism gate: the scenario file of a death, run from its start elsewhere, ends as the fork did."""
    known = [death for death in deaths if _came_to(death) is not None]
    again = [_Again(plan, death) for death in sorted(known, key=lambda death: death.index)[::AGAIN]]
    differing = []

    def compare(one: _Again, digests: tuple[str, str]) -> None:
        if (before := _came_to(one.death)) != digests:
            differing.append(f"{one.death.name}: journal and world {before}, then {digests}")

    spread(_die_again, again, jobs, compare, hash_seed=other_hash_seed())
    return differing


# --- what came out ------------------------------------------------------------------------------


class OfPoint(msgspec.Struct):
    """One kind of point."""

    points: int = 0
    """In the run."""
    died: int = 0
    """Points at which it died."""
    failed: int = 0
    """Deaths after which something failed."""


class Found(msgspec.Struct):
    """A death after which something failed."""

    point: str
    t_s: float
    failed: list[str]
    """Names, with what was found."""
    repeat: str
    """The command that does it again."""


class Summary(msgspec.Struct, kw_only=True):
    """A sweep in numbers."""

    scenario: str
    seed: int
    loss: Loss
    downtime_s: float
    points: int
    died: int
    kinds: dict[str, OfPoint]
    """By the kind of the point."""
    failed_by: dict[str, int]
    """Deaths by what failed first after them."""
    failed: list[Found]
    differing: list[str]
    """What came out differently the second time."""
    lost_bytes: int
    """What the journals lost, over all deaths."""
    run_s: float
    """Of a death to its end, on average."""
    took_s: float

    @property
    def holds(self) -> bool:
        """Whether the trader survived every death, and every death came out once."""
        return not self.failed and not self.differing

    @classmethod
    def of(cls, plan: Plan, points: list[Death], book: _Book, differing: list[str], took_s: float) -> "Summary":
        """Sum up."""
        kinds: dict[str, OfPoint] = {}
        failed_by: dict[str, int] = {}
        for death in points:
            kinds.setdefault(str(death.point), OfPoint()).points += 1
        deaths = sorted(book.deaths, key=lambda death: death.index)
        for death in deaths:
            kind = kinds[str(death.point)]
            kind.died += 1
            kind.failed += bool(death.failed)
            if death.failed:
                first = death.failed[0].name
                failed_by[first] = failed_by.get(first, 0) + 1
        return cls(
            scenario=plan.source,
            seed=plan.seed,
            loss=plan.loss,
            downtime_s=plan.down_s,
            points=len(points),
            died=len(deaths),
            kinds=dict(sorted(kinds.items())),
            failed_by=dict(sorted(failed_by.items())),
            failed=[_found(death, book.files, plan) for death in deaths if death.failed],
            differing=differing,
            lost_bytes=sum(death.lost_bytes for death in deaths),
            run_s=sum(death.run_s for death in deaths) / max(len(deaths), 1),
            took_s=took_s,
        )


def _found(death: Death, files: dict[str, Path], plan: Plan) -> Found:
    if death.shows_in_a_run and death.name in files:
        repeat = f"makerlab run {quote(str(files[death.name]))} --seed {plan.seed}"
    else:
        over = "".join(f" --set {quote(each)}" for each in plan.overrides)
        how = f"--loss {plan.loss} --downtime {plan.down_s:g} --seed {plan.seed}{over}"
        repeat = f"makerlab crashes {quote(plan.source)} --at {death.name} {how}"
    return Found(death.name, death.t_s, [f"{each.name}: {each.text}" for each in death.failed], repeat)


def _print(console: Console, summary: Summary) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("died when", no_wrap=True)
    for name in ("points", "deaths", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, kind in summary.kinds.items():
        failed = Text(str(kind.failed), style="red" if kind.failed else "green")
        table.add_row(name, f"{kind.points:,}", f"{kind.died:,}", failed)
    console.print(table)

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style=style), soft_wrap=True)

    say(
        f"{summary.scenario}, seed {summary.seed}: {summary.died:,} deaths at {summary.points:,} points in "
        f"{summary.took_s:.0f} s, {summary.run_s:.2f} s each; journals lost {summary.lost_bytes:,} bytes"
    )
    for line in summary.differing:
        say(f"NOT DETERMINISTIC: {line}", "bold red")
    for found in summary.failed[:TOLD]:
        say(f"{found.point} at {found.t_s:.6f} s: {'; '.join(found.failed)}", "red")
        say(f"  {found.repeat}")
    hidden = len(summary.failed) - TOLD
    if hidden > 0:
        say(f"and {counted(hidden, 'more death')} after which something failed: --json names all of them")
    verdict = "all hold" if summary.holds else f"{counted(len(summary.failed), 'death')} not survived"
    say(verdict, "bold green" if summary.holds else "bold red")
