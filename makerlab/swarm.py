"""`makerlab swarm`: worlds drawn from seeds, each run with every check; what fails is kept and can be repeated."""

from collections.abc import Callable
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
from makerlab.output import Tick, log, print_json, progress, result_console
from makerlab.pool import spread
from makerlab.run import MAX_SEED, MAX_SEEDS
from runtime.logs import configure
from runtime.provenance import git_commit
from scenarios.drawing import HEAL_S, SHORTEST_S, VERSION
from scenarios.failure import Failure
from scenarios.swarm import Seen, Task, look

OUT = Path("runs/swarm")
SEEN = "seeds.jsonl"
FAILURES = "failures"
LONGEST_MIN = 24 * 60.0
AGAIN = 20
"""One seed in so many is run again in another process under another hash seed: it must give the same digests."""
TOLD = 10
"""Failures that the table names."""


class Terms(msgspec.Struct, frozen=True):
    """First line of the file of seeds: what makes two searches one."""

    drawing: int
    duration_s: float
    commit: str | None


def swarm(
    *,
    seeds: str = "20",
    minutes: float = 10.0,
    jobs: Whole = 1,
    out: Path = OUT,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Search for failures in worlds that nobody thought of.

    Each seed draws a market, a connection, the trader's settings, which faults strike when and how hard, and
    sometimes a way to recover that is switched off. All invariants are checked at every event, and some time after
    the last fault quotes must be back and both sides' books equal. Found failures are written to OUT/failures with
    the command that repeats each. A search that was interrupted goes on where it stopped.

    Parameters
    ----------
    seeds
        How many, from 0 on, or the range A..B.
    minutes
        Simulated minutes of each world.
    jobs
        Processes to spread the seeds over; the results are those of one process.
    out
        Folder for what was seen and for failures.
    as_json
        Print the summary as one JSON document.
    """
    wanted = _checked(seeds, minutes, jobs)
    configure(level="error")
    terms = Terms(VERSION, minutes * 60, git_commit())
    book = _Book(out, terms)
    todo = [Task(seed, terms.duration_s) for seed in wanted if seed not in book.seen]
    if len(todo) < len(wanted):
        log(f"{out / SEEN}: {counted(len(wanted) - len(todo), 'seed')} of {len(wanted)} seen before")
    started = monotonic()
    with progress("swarm") as tick:
        _explore(todo, jobs, book, tick)
    again = [Task(seed, terms.duration_s) for seed in wanted if seed % AGAIN == 0]
    differing = _run_again(again, jobs, book)
    summary = Summary.of([book.seen[seed] for seed in wanted], differing, monotonic() - started, out)
    if as_json:
        print_json(summary)
    else:
        _print(result_console(), summary)
    return ExitCode.OK if summary.holds else ExitCode.FAILED


def _checked(seeds: str, minutes: float, jobs: int) -> range:
    problems = []
    first, dots, last = seeds.partition("..")
    numbers = [int(text) for text in ((first, last) if dots else ("0", first)) if text.isdecimal()]
    wanted = range(0)
    if len(numbers) == 2:  # noqa: PLR2004 - a range has two ends
        wanted = range(numbers[0], numbers[1] + 1 if dots else numbers[1])
    if not wanted or wanted[-1] > MAX_SEED or len(wanted) > MAX_SEEDS:
        want = f"a number of seeds (1 to {MAX_SEEDS}) or a range A..B with A <= B <= {MAX_SEED}"
        problems.append(Problem("--seeds", repr(seeds), want))
    shortest = SHORTEST_S / 60
    if not shortest <= minutes <= LONGEST_MIN:
        want = f"{shortest:.2g} to {LONGEST_MIN:g}: the last {HEAL_S:g} s are for what must heal"
        problems.append(Problem("--minutes", f"{minutes:g}", want))
    if jobs < 1:
        problems.append(Problem("--jobs", str(jobs), ">= 1"))
    if problems:
        raise ConfigError(problems)
    return wanted


class _Book:
    """The file of the seeds seen; one line each, written as soon as it is known."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self.folder = folder
        self.seen: dict[int, Seen] = {}
        self._path = folder / SEEN
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._begin(terms)
        except OSError as error:
            want = "a folder that can be written"
            raise ConfigError([Problem(str(error.filename or folder), error.strerror or "an error", want)]) from error

    def _begin(self, terms: Terms) -> None:
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        if lines and not lines[-1].endswith(b"}"):
            lines.pop()  # torn when the search was killed
        try:
            old = msgspec.json.decode(lines[0], type=Terms) if lines else None
            if old == terms:
                for line in lines[1:]:
                    seen = msgspec.json.decode(line, type=Seen)
                    self.seen[seen.seed] = seen
        except msgspec.DecodeError as error:
            raise ConfigError([Problem(str(self._path), str(error), "what `makerlab swarm` wrote")]) from error
        if lines and old != terms:
            kept = self._path.with_suffix(".before.jsonl")
            self._path.replace(kept)
            log(f"{self._path}: of other worlds or another commit; kept as {kept.name}")
            lines = []
        self._path.write_bytes(b"".join(line + b"\n" for line in lines or [msgspec.json.encode(terms)]))

    def add(self, seen: Seen, failure: Failure | None) -> None:
        """Note a seed."""
        if failure is not None:
            path = failure.write(self.folder / FAILURES)
            log(f"seed {seen.seed}: {failure.name} failed, see {path}")
        self.seen[seen.seed] = seen
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(seen) + b"\n")


def _explore(todo: list[Task], jobs: int, book: _Book, tick: Tick) -> None:
    started = monotonic()
    done = failed = 0

    def note(_: Task, found: tuple[Seen, Failure | None]) -> None:
        nonlocal done, failed
        book.add(*found)
        done += 1
        failed += not found[0].holds
        rate = done / (monotonic() - started) * 60
        tick(done / len(todo), f"{done} of {len(todo)} seeds, {failed} failed, {rate:.0f} seeds a minute")

    if jobs == 1:
        for task in todo:
            note(task, look(task))
    elif todo:
        spread(look, todo, min(jobs, len(todo)), note, on_start=_quiet)


def _run_again(again: list[Task], jobs: int, book: _Book) -> list[str]:
    """The determinism gate: the same digests from another process with another hash seed."""
    if not again:
        return []
    differing = []

    def compare(task: Task, found: tuple[Seen, Failure | None]) -> None:
        before, now = book.seen[task.seed], found[0]
        if (before.digests, before.events) != (now.digests, now.events):
            differing.append(
                f"seed {task.seed}: {before.events} events and journal {before.digests[0][:16]}, "
                f"then {now.events} and {now.digests[0][:16]}"
            )

    spread(look, again, min(jobs, len(again)), compare, on_start=_quiet, hash_seed=1)
    return differing


def _quiet() -> None:
    configure(level="error")


# --- what came out ------------------------------------------------------------------------------


class OfFault(msgspec.Struct):
    """One kind of fault over all worlds."""

    worlds: int = 0
    """In which it was on."""
    struck: int = 0
    """In which it did something."""
    injected: int = 0
    """How often in all."""
    failed: int = 0
    """Worlds with it in which something failed."""


class Summary(msgspec.Struct, kw_only=True):
    """A search in numbers."""

    seeds: int
    failed: dict[int, list[str]]
    """What failed, by seed."""
    differing: list[str]
    """Seeds that came out differently the second time."""
    faults: dict[str, OfFault]
    ended: dict[str, int]
    """Worlds by how they ended."""
    checks: dict[str, int]
    """Comparisons by the rule."""
    simulated_h: float
    speed_x: float
    """Simulated time over the processor's, one process."""
    took_s: float
    folder: str

    @property
    def holds(self) -> bool:
        """Whether nothing failed and nothing came out twice in two ways."""
        return not self.failed and not self.differing

    @classmethod
    def of(cls, seen: list[Seen], differing: list[str], took_s: float, out: Path) -> "Summary":
        """Sum up."""
        faults: dict[str, OfFault] = {}
        ended: dict[str, int] = {}
        checks: dict[str, int] = {}
        for each in seen:
            ended[each.ended] = ended.get(each.ended, 0) + 1
            for name, count in each.checks.items():
                checks[name] = checks.get(name, 0) + count
            for kind, count in each.faults.items():
                fault = faults.setdefault(kind, OfFault())
                fault.worlds += 1
                fault.struck += count > 0
                fault.injected += count
                fault.failed += not each.holds
        simulated = sum(each.simulated_s for each in seen)
        spent = sum(each.run_s for each in seen)
        return cls(
            seeds=len(seen),
            failed={each.seed: [failed.name for failed in each.failed] for each in seen if not each.holds},
            differing=differing,
            faults=dict(sorted(faults.items())),
            ended=dict(sorted(ended.items())),
            checks=checks,
            simulated_h=simulated / 3_600,
            speed_x=simulated / spent if spent else 0.0,
            took_s=took_s,
            folder=str(out),
        )


def _print(console: Console, summary: Summary) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("fault", no_wrap=True)
    for name in ("worlds", "struck in", "injected", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, fault in summary.faults.items():
        failed = Text(str(fault.failed), style="red" if fault.failed else "green")
        table.add_row(kind, str(fault.worlds), str(fault.struck), f"{fault.injected:,}", failed)
    console.print(table)
    idle = sorted(name for name, count in summary.checks.items() if not count)
    ended = ", ".join(f"{count} {how}" for how, count in summary.ended.items())
    say: Callable[[str], None] = lambda line: console.print(Text(line), soft_wrap=True)  # noqa: E731
    say(
        f"{counted(summary.seeds, 'world')} ({ended}), {summary.simulated_h:.1f} simulated hours in "
        f"{summary.took_s:.0f} s, {summary.speed_x:.0f} x real time a process"
    )
    compared = sum(summary.checks.values())
    say(f"{compared:,} comparisons by {len(summary.checks)} rules; nothing to compare for {', '.join(idle) or 'none'}")
    for line in summary.differing:
        console.print(Text(f"NOT DETERMINISTIC: {line}", style="bold red"), soft_wrap=True)
    for seed, names in list(summary.failed.items())[:TOLD]:
        where = Path(summary.folder) / FAILURES / f"seed-{seed}.toml"
        console.print(Text(f"seed {seed}: {', '.join(names)}", style="red"), soft_wrap=True)
        say(f"  makerlab run {where} --seed {seed}")
    hidden = len(summary.failed) - TOLD
    if hidden > 0:
        say(f"and {counted(hidden, 'more failing seed')} in {Path(summary.folder) / FAILURES}")
    verdict = "all hold" if summary.holds else f"{counted(len(summary.failed), 'seed')} failed"
    console.print(Text(verdict, style="bold green" if summary.holds else "bold red"))
