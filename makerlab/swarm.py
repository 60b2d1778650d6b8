"""`makerlab swarm`: worlds drawn from seeds, each run with every check; what fails is kept and can be repeated."""

from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from importlib.util import find_spec
from io import StringIO
from itertools import count
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
from makerlab.pool import other_hash_seed, spread
from makerlab.run import MAX_SEEDS
from makerlab.swarm_summary import FAILURES, Summary, print_summary
from runtime.config_check import suggestion
from runtime.logs import configure
from runtime.provenance import ROOMS, code_digest
from scenarios.difference import first_difference
from scenarios.drawing import HEAL_S, SHORTEST_S, VERSION
from scenarios.failure import Failure, read_failure
from scenarios.result import MAX_SEED
from scenarios.sometimes import SITUATIONS
from scenarios.swarm import RAISED, Seen, Task, look
from studies.ablation import is_mistake
from studies.canary import is_heard, sing
from studies.planting import mutants_named, patches_named
from studies.planting import planted as planting

OUT = Path("runs/swarm")
SEEN = "seeds.jsonl"
SITUATION_NAMES = {situation.name for situation in SITUATIONS}
TWICE = "twice"
"""Folder of the journals of seeds that are run twice, until both are known to be the same."""
LONGEST_MIN = 24 * 60.0
AGAIN = 20
"""One seed in so many is run again in another process under another hash seed: it must give the same digests."""
WHOLE_PCT = 100
LONGEST_NUMBER = 20
"""Digits of a number of seeds, or of a seed."""
ALL_ROOMS = (*ROOMS, "studies", "makerlab")
"""Where all code of makerlab is."""
WINDOWS = 10**9
"""Windows of seeds begin below this number."""


class Terms(msgspec.Struct, frozen=True):
    """First line of the file of seeds: what makes two searches one."""

    drawing: int
    duration_s: float
    code: str = ""
    """Of all files of makerlab, whatever commit they are of: what was seen before a change says nothing after it."""
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
    sometimes a way to recover that is switched off. All invariants are checked: what an event touches at that event,
    everything every few seconds; and some time after the last fault quotes must be back and both sides' books equal.
    Found failures are written to OUT/failures with the command that repeats each. A search that was interrupted goes on
    where it stopped; what another one left in OUT, of other worlds or of another makerlab, is kept in OUT/before-N.

    What must happen somewhere (a fill before its acknowledgement, a death with an order under way) is counted, too. A
    world with a bug planted in the trader must be reported: a search that does not see it fails.

    Exit code 0: all hold, or what --planted plants is found; 1: a world fails, or no world finds what is planted, or
    the search itself is at fault, which a line in capitals says.

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
    terms = Terms(VERSION, minutes * 60, code_digest(ALL_ROOMS), planted)
    wanted, book = _checked(seeds, minutes, jobs, need_sometimes, out, terms, html=html)
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
        run_twice=sum(seed % AGAIN == 0 for seed in wanted),
    )
    if as_json:
        print_json(summary)
    else:
        print_summary(result_console(), summary, situations=situations)
    if html:
        with naming(out):
            _write_pages(list(summary.failed), out / FAILURES)
    return ExitCode.OK if summary.holds else ExitCode.FAILED


def _checked(
    seeds: str, minutes: float, jobs: int, need_sometimes: float, out: Path, terms: Terms, *, html: bool = False
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
        problems.append(_cannot_be_planted(terms.planted))
    if html and find_spec("matplotlib") is None:
        problems.append(Problem("--html", "no matplotlib", "the extra `study`: pip install 'makerlab[study]'"))
    book = _Book(out, terms)
    folders = (folder_problems("--out", folder) for folder in (out, out / FAILURES, out / TWICE))
    if wrong := next(filter(None, folders), []):
        problems += wrong
    else:
        problems += book.read()
    if problems:
        raise ConfigError(problems)
    return wanted, book


def _cannot_be_planted(name: str) -> Problem:
    known = [plant.name for plant in mutants_named(())[0] if patches_named(plant.name) is not None]
    of_number = [plant.name for plant in mutants_named((name,))[0] if plant.name in known]
    hint = f": {name} has {', '.join(of_number)}" if of_number else suggestion(name, known)
    return Problem("--planted", repr(name), f"the name of a mutant that is planted in the code{hint}")


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
        return range(int(first), int(last) + 1) if _is_number(first) and _is_number(last) else range(0)
    many, at, text = seeds.partition("@")
    if not _is_number(many) or (at and not text):
        return range(0)
    begin = window(text) if at else 0
    return range(begin, begin + int(many))


def _is_number(text: str) -> bool:
    """Whether it is a whole number, and not one of thousands of digits, which Python does not read."""
    return text.isdecimal() and len(text) <= LONGEST_NUMBER


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
        self._is_of_others = False

    def read(self) -> list[Problem]:
        """What an earlier call has seen, where it was the same search; nothing is written yet."""
        if not self.path.exists():
            self._is_of_others = (self.folder / FAILURES).exists()  # nobody knows of which
            return []
        if wrong := file_problems("--out", self.path):
            return wrong
        text = self.path.read_bytes()
        lines = text.splitlines()
        if len(lines) > 1 and not text.endswith(b"\n"):
            lines.pop()  # torn when the search was killed
        problems = []
        for number, line in enumerate(lines, 1):
            try:
                if number == 1:
                    self._is_of_others = msgspec.json.decode(line, type=Terms) != self.terms
                elif not self._is_of_others:
                    problems += self._take(msgspec.json.decode(line, type=Seen), number)
            except msgspec.DecodeError as error:
                problems.append(self._problem(number, str(error)))
        return problems

    def _take(self, seen: Seen, number: int) -> list[Problem]:
        """Believe a line of an earlier call, where it can be true."""
        self.seen[seen.seed] = seen
        strange = sorted(seen.met.keys() - SITUATION_NAMES)
        wrong = {
            f"seed {seen.seed}": not 0 <= seen.seed <= MAX_SEED,
            f"run_s {seen.run_s:g}": not seen.run_s >= 0,
            f"simulated_s {seen.simulated_s:g}": not seen.simulated_s >= 0,
            f"no digests of a world that {seen.ended or 'ended'}": not all(seen.digests) and seen.ended != RAISED,
            f"situations {', '.join(strange)}": bool(strange),
        }
        return [self._problem(number, found) for found, is_wrong in wrong.items() if is_wrong]

    def _problem(self, number: int, found: str) -> Problem:
        return Problem(f"{self.path}:{number}", found, "what `makerlab swarm` wrote")

    def begin(self) -> None:
        """Write down what is known; what another search has left is kept in a folder of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._is_of_others:
            self._set_aside()
        lines = (msgspec.json.encode(each) for each in (self.terms, *self.seen.values()))
        part = self.path.with_suffix(".part")
        part.write_bytes(b"".join(line + b"\n" for line in lines))
        part.replace(self.path)  # whoever kills us here loses nothing

    def _set_aside(self) -> None:
        kept = next(each for i in count(1) if not (each := self.folder / f"before-{i}").exists())
        kept.mkdir()
        for name in (SEEN, FAILURES, TWICE):
            if (self.folder / name).exists():
                (self.folder / name).replace(kept / name)
        log(f"{self.folder}: of other worlds or another makerlab; what was found there is kept in {kept}")

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
        seen, failure = look(task)
    if task.planted and seen.traceback:
        seen.is_misfit = is_mistake(seen.traceback.rstrip().rpartition("\n")[2], seen.traceback)
    return seen, failure


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

    spread(_look, again, jobs, compare, on_start=silence, hash_seed=other_hash_seed())
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
            try:
                log(str(write_failure_page(read_failure(folder / f"seed-{seed}.json"), folder)))
            except ConfigError as error:
                log(f"seed {seed}: no page: {'; '.join(map(str, error.problems))}")
            tick(i / len(seeds))


class Nowhere(StringIO):
    """Takes text and keeps none."""

    def write(self, text: str, /) -> int:
        """Forget it."""
        return len(text)


def silence() -> None:
    """Log nothing: what the traders of drawn worlds alert is no news to anybody."""
    configure(stream=Nowhere())
