"""`makerlab swarm`: worlds drawn from seeds, each run with every check; what fails is kept and can be repeated."""

from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Annotated

import msgspec
from cyclopts import Parameter

from domain.errors import ConfigError, Problem
from makerlab.exit_codes import ExitCode
from makerlab.figures import counted
from makerlab.options import Whole
from makerlab.output import Tick, log, print_json, progress, result_console
from makerlab.places import file_problems, folder_problems, naming
from makerlab.pool import spread
from makerlab.run import MAX_SEEDS
from makerlab.swarm_summary import FAILURES, Summary, print_summary
from runtime.config_check import suggestion
from runtime.logs import configure
from runtime.provenance import git_commit
from scenarios.difference import first_difference
from scenarios.drawing import HEAL_S, SHORTEST_S, VERSION
from scenarios.failure import Failure, read_failure
from scenarios.result import MAX_SEED
from scenarios.swarm import Seen, Task, look
from studies.canary import is_heard, sing
from studies.mutants import mutants_named, patches_named
from studies.mutants import planted as planting

OUT = Path("runs/swarm")
SEEN = "seeds.jsonl"
TWICE = "twice"
"""Folder of the journals of seeds that are run twice, until both are known to be the same."""
LONGEST_MIN = 24 * 60.0
AGAIN = 20
"""One seed in so many is run again in another process under another hash seed: it must give the same digests."""
WHOLE_PCT = 100
WINDOWS = 10**9
"""Windows of seeds begin below this number."""


class Terms(msgspec.Struct, frozen=True):
    """First line of the file of seeds: what makes two searches one."""

    drawing: int
    duration_s: float
    commit: str | None
    planted: str = ""


def swarm(  # noqa: PLR0913 - the options of a command
    *,
    seeds: str = "20",
    minutes: float = 10.0,
    jobs: Whole = 1,
    out: Path = OUT,
    need_sometimes: float = 0.0,
    planted: str = "",
    situations: Annotated[bool, Parameter(negative="")] = False,
    html: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Search for failures in worlds that nobody thought of.

    Each seed draws a market, a connection, the trader's settings, which faults strike when and how hard, and
    sometimes a way to recover that is switched off. All invariants are checked at every event, and some time after
    the last fault quotes must be back and both sides' books equal. Found failures are written to OUT/failures with
    the command that repeats each. A search that was interrupted goes on where it stopped.

    What must happen somewhere (a fill before its acknowledgement, a death with an order under way) is counted, too. A
    world with a bug planted in the trader must be reported: a search that does not see it fails.

    Parameters
    ----------
    seeds
        How many, from 0 on; the range A..B; or N@TEXT: N of them, from a number on that is made of the text, such as
        a commit's hash.
    minutes
        Simulated minutes of each world.
    jobs
        Processes to spread the seeds over; the results are those of one process.
    out
        Folder for what was seen and for failures.
    need_sometimes
        Share of the situations, in percent, that some world must have met.
    planted
        Plant a bug of `makerlab mutants` in every world, by its name: would the search find it?
    situations
        Print all situations, with the first seed that met each.
    html
        Write a page for each failing seed: what was injected when, what each side believed, where they parted.
    as_json
        Print the summary as one JSON document.
    """
    terms = Terms(VERSION, minutes * 60, git_commit(), planted)
    wanted, book = _checked(seeds, minutes, jobs, need_sometimes, out, terms)
    if "@" in seeds:
        log(f"seeds {wanted[0]}..{wanted[-1]}")
    silence()
    started = monotonic()
    with naming(out):
        canary, differing = _search(wanted, jobs, book)
    summary = Summary.of(
        [book.seen[seed] for seed in wanted],
        differing=differing,
        canary=canary.failed[0].name if is_heard(canary) else "",
        wanted_pct=need_sometimes,
        took_s=monotonic() - started,
        out=out,
        planted=planted,
    )
    if html:
        with naming(out):
            _write_pages(list(summary.failed), out / FAILURES)
    if as_json:
        print_json(summary)
    else:
        print_summary(result_console(), summary, situations=situations)
    return ExitCode.OK if summary.holds else ExitCode.FAILED


def _checked(
    seeds: str, minutes: float, jobs: int, need_sometimes: float, out: Path, terms: Terms
) -> tuple[range, "_Book"]:
    problems = []
    wanted = _range_of(seeds)
    if not wanted or wanted[-1] > MAX_SEED or len(wanted) > MAX_SEEDS:
        want = f"a number of seeds (1 to {MAX_SEEDS}), a range A..B with A <= B <= {MAX_SEED}, or N@TEXT"
        problems.append(Problem("--seeds", repr(seeds), want))
    shortest = SHORTEST_S / 60
    if not shortest <= minutes <= LONGEST_MIN:
        want = f"{shortest:.2g} to {LONGEST_MIN:g}: the last {HEAL_S:g} s are for what must heal"
        problems.append(Problem("--minutes", f"{minutes:g}", want))
    if jobs < 1:
        problems.append(Problem("--jobs", str(jobs), ">= 1"))
    if not 0 <= need_sometimes <= WHOLE_PCT:
        problems.append(Problem("--need-sometimes", f"{need_sometimes:g}", "0 to 100, in percent"))
    if terms.planted and patches_named(terms.planted) is None:
        known = [plant.name for plant in mutants_named(())[0] if patches_named(plant.name) is not None]
        want = f"the name of a mutant that is planted in the code{suggestion(terms.planted, known)}"
        problems.append(Problem("--planted", repr(terms.planted), want))
    book = _Book(out, terms)
    if wrong := folder_problems("--out", out):
        problems += wrong
    else:
        problems += book.read()
    if problems:
        raise ConfigError(problems)
    return wanted, book


def _search(wanted: range, jobs: int, book: "_Book") -> tuple[Seen, list[str]]:
    """Look at every seed, and at some of them twice: what became of the planted bug, and what differed."""
    book.begin()
    duration_s, bug = book.terms.duration_s, book.terms.planted
    todo = [
        Task(seed, duration_s, book.journal(seed) if seed % AGAIN == 0 else None, bug)
        for seed in wanted
        if seed not in book.seen
    ]
    if len(todo) < len(wanted):
        log(f"{book.path}: {counted(len(wanted) - len(todo), 'seed')} of {len(wanted)} seen before")
    again = [Task(seed, duration_s, book.journal(seed, again=True), bug) for seed in wanted if seed % AGAIN == 0]
    try:
        with progress("swarm") as tick:
            canary, _ = sing()
            _explore(todo, jobs, book, tick)
        return canary, _run_again(again, jobs, book)
    except KeyboardInterrupt:
        seen = sum(seed in book.seen for seed in wanted)
        log(f"stopped: {seen} of {counted(len(wanted), 'seed')} seen, the same command goes on from there")
        raise


def _range_of(seeds: str) -> range:
    """The seeds that a text means; none where it means nothing."""
    first, dots, last = seeds.partition("..")
    if dots:
        return range(int(first), int(last) + 1) if first.isdecimal() and last.isdecimal() else range(0)
    many, at, text = seeds.partition("@")
    if not many.isdecimal() or (at and not text):
        return range(0)
    begin = window(text) if at else 0
    return range(begin, begin + int(many))


def window(text: str) -> int:
    """Where the window of seeds of a text begins, such as of a commit's hash: each has another one."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") % WINDOWS


class _Book:
    """The file of the seeds seen; one line each, written as soon as it is known."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self.folder = folder
        self.path = folder / SEEN
        self.terms = terms
        self.seen: dict[int, Seen] = {}
        self._lines: list[bytes] = []
        self._is_of_others = False

    def read(self) -> list[Problem]:
        """What an earlier call has seen, where it was the same search; nothing is written yet."""
        if not self.path.exists():
            return []
        if wrong := file_problems("--out", self.path):
            return wrong
        lines = self.path.read_bytes().splitlines()
        if lines and not lines[-1].endswith(b"}"):
            lines.pop()  # torn when the search was killed
        try:
            self._is_of_others = bool(lines) and msgspec.json.decode(lines[0], type=Terms) != self.terms
            for line in [] if self._is_of_others else lines[1:]:
                seen = msgspec.json.decode(line, type=Seen)
                self.seen[seen.seed] = seen
        except msgspec.DecodeError as error:
            return [Problem(str(self.path), str(error), "what `makerlab swarm` wrote")]
        self._lines = lines
        return []

    def begin(self) -> None:
        """Write down what is known; the file of another search is kept beside it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._is_of_others:
            kept = self.path.with_suffix(".before.jsonl")
            self.path.replace(kept)
            log(f"{self.path}: of other worlds or another commit; kept as {kept.name}")
            self._lines = []
        lines = self._lines or [msgspec.json.encode(self.terms)]
        self.path.write_bytes(b"".join(line + b"\n" for line in lines))

    def journal(self, seed: int, *, again: bool = False) -> Path:
        """Where the journal of a seed that is run twice goes."""
        return self.folder / TWICE / f"seed-{seed}{'-again' if again else ''}.mlj"

    def add(self, seen: Seen, failure: Failure | None) -> None:
        """Note a seed."""
        if failure is not None:
            path = failure.write(self.folder / FAILURES)
            log(f"seed {seen.seed}: {failure.name} failed, see {path}")
        self.seen[seen.seed] = seen
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(seen) + b"\n")


def _look(task: Task) -> tuple[Seen, Failure | None]:
    """Run the world of a seed, with the bug that is to be planted."""
    with planting(task.planted):
        return look(task)


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

    spread(_look, todo, jobs, note, on_start=silence)


def _run_again(again: list[Task], jobs: int, book: _Book) -> list[str]:
    """The determinism gate: the same digests from another process with another hash seed."""
    differing = []

    def compare(task: Task, found: tuple[Seen, Failure | None]) -> None:
        before, now = book.seen[task.seed], found[0]
        if (before.digests, before.events) != (now.digests, now.events):
            differing.append(_parting(task, book, before, now))
        else:
            book.journal(task.seed).unlink(missing_ok=True)
            book.journal(task.seed, again=True).unlink()

    spread(_look, again, jobs, compare, on_start=silence, hash_seed=1)
    with suppress(OSError):  # where something differed it is not empty
        (book.folder / TWICE).rmdir()
    return differing


def _parting(task: Task, book: _Book, before: Seen, now: Seen) -> str:
    """Where two runs of a seed parted; their journals are kept.

    A seed that an earlier call of the search has seen and compared has no journal any more: it is run once more.
    """
    one, other = book.journal(task.seed), book.journal(task.seed, again=True)
    if not one.exists():
        _look(replace(task, journal=one))
    where = first_difference(one.read_bytes(), other.read_bytes()) if other.exists() else None
    if where is None:
        where = (
            f"the journals in {one.parent} are the same; the digests were {before.digests[0][:16]} of the journal and "
            f"{before.digests[1][:16]} of the world, then {now.digests[0][:16]} and {now.digests[1][:16]}"
        )
    return f"seed {task.seed}: {where}"


def _write_pages(seeds: list[int], folder: Path) -> None:
    from makerlab.failure_page import write_failure_page  # noqa: PLC0415 - needs matplotlib

    with progress("pages") as tick:
        for i, seed in enumerate(seeds, 1):
            log(str(write_failure_page(read_failure(folder / f"seed-{seed}.json"), folder)))
            tick(i / len(seeds))


class Nowhere(StringIO):
    """Takes text and keeps none."""

    def write(self, text: str, /) -> int:
        """Forget it."""
        return len(text)


def silence() -> None:
    """Log nothing: what the traders of drawn worlds alert is no news to anybody."""
    configure(stream=Nowhere())
