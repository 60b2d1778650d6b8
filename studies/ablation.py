"""Whether each mechanism of the trader carries something: its scenario with it, and the same without it.

A mechanism is load-bearing if the scenario holds with it and does not hold without it, on the same seed. Each
trial is a function of mechanism and seeds, so any number of processes gives the same findings.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Protocol

from domain.errors import ConfigError, Problem
from runtime.log import FileLog, MemoryLog
from runtime.logs import configure
from scenarios.invariants.checker import Checker
from scenarios.loader import load
from scenarios.result import Ended, Outcome, RunResult
from scenarios.run import run_scenario
from studies.mechanisms import Mechanism, mechanism_named
from studies.sabotage import Misfit, Patch, Sabotage, does_nothing, installed, instead, sabotage

JOURNAL = "journal.mlj"

MET = frozenset(
    ("injected", "races", "feed_losses", "fills_recovered", "forced_fills", "margin_refusals", "fresh_s", "mismatches")
)
"""Expectations which say that the scenario met what it is about. They must hold with the mechanism; that the world
takes another course without it proves nothing. So do figures by their paths that must be at least so much."""

MISTAKES = ("TypeError", "AttributeError", "NameError")
"""Errors by which a sabotage shows that the code has moved on, not that the trader needs a part."""

ROOM = Path(__file__).parent
"""Where sabotages are: whatever error comes up there is their own, unless they raise it."""

IMPATIENT = sabotage(
    "the first violation ends the run, and its story is not told",
    Patch(Checker, "is_hopeless", instead(property(lambda self: self.n_violations > 0))),
    Patch(Checker, "tell", does_nothing),
)
"""One violation is enough, and its story would take longer than the run."""


class Case(Protocol):
    """Something to take out of the trader, or to plant in it, and the scenario that shows it."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def off(self) -> tuple[str, ...] | Sabotage:
        """What takes it out, or plants it."""
        ...

    @property
    def scenario(self) -> str:
        """A built-in scenario that holds only without that."""
        ...

    @property
    def seed(self) -> int:
        """A seed that shows it."""
        ...

    @property
    def given(self) -> tuple[str, ...]:
        """Overrides of both runs."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """Runs of the scenario of one mechanism, seed after seed, until one does not hold."""

    mechanism: str
    seeds: tuple[int, ...]
    is_without: bool
    folder: Path | None = None
    """Where journals and results go; None: nowhere."""

    @property
    def title(self) -> str:
        """How people see it."""
        return f"{self.mechanism} {'without' if self.is_without else 'with'} it"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a trial."""

    red_seed: int | None
    """The first seed on which something did not hold; None: all held."""
    what: str
    """Name of the invariant or expectation that did not hold."""
    why: str
    """What was found there."""
    run_s: float
    """Time of this machine."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one mechanism after its trials."""

    mechanism: Mechanism
    seeds: tuple[int, ...]
    with_it: Verdict
    without_it: Verdict

    @property
    def is_load_bearing(self) -> bool:
        """Green with it, red without it."""
        return self.with_it.red_seed is None and self.without_it.red_seed is not None

    def document(self) -> dict[str, object]:
        """The finding as plain values."""
        mechanism = self.mechanism
        return {
            "mechanism": mechanism.name,
            "does": mechanism.does,
            "off": mechanism.how,
            "scenario": mechanism.scenario,
            "given": list(mechanism.given),
            "seeds": list(self.seeds),
            "with": _plain(self.with_it),
            "without": _plain(self.without_it),
            "is_load_bearing": self.is_load_bearing,
        }


def problems_of(mechanism: Case) -> list[Problem]:
    """What is wrong with the scenario of a mechanism, with it and without it: found before anything runs."""
    found: dict[Problem, None] = {}
    for is_without in (False, True):
        try:
            load(mechanism.scenario, _overrides(mechanism, is_without=is_without))
        except ConfigError as error:
            found |= dict.fromkeys(error.problems)
    return [Problem(f"{mechanism.name}: {each.path}", each.found, each.want) for each in found]


def seeds_of(mechanism: Case, seeds: Sequence[int] | None) -> tuple[int, ...]:
    """The seeds to try: those asked for, else the one that is known to show it."""
    return (mechanism.seed,) if seeds is None else tuple(seeds)


def trials_of(mechanisms: Sequence[Case], seeds: Sequence[int] | None, folder: Path | None = None) -> list[Trial]:
    """Every trial that the findings need; mechanisms of one scenario share the runs with everything in place."""
    sound = {_world(each, seeds): each for each in reversed(mechanisms)}
    trials = [Trial(each.name, world[2], is_without=False) for world, each in reversed(sound.items())]
    return trials + [
        Trial(each.name, seeds_of(each, seeds), is_without=True, folder=None if folder is None else folder / each.name)
        for each in mechanisms
    ]


def findings_of(
    mechanisms: Sequence[Mechanism], seeds: Sequence[int] | None, trials: Sequence[Trial], verdicts: Sequence[Verdict]
) -> list[Finding]:
    """Put the verdicts of the trials together, one finding for each mechanism."""
    pairs = pairs_of(mechanisms, seeds, trials, verdicts)
    return [Finding(each, seeds_of(each, seeds), *pair) for each, pair in zip(mechanisms, pairs, strict=True)]


def pairs_of(
    cases: Sequence[Case], seeds: Sequence[int] | None, trials: Sequence[Trial], verdicts: Sequence[Verdict]
) -> list[tuple[Verdict, Verdict]]:
    """What came of the world of each case as it is, and of the same with the case's patches or overrides in it."""
    named = {each.name: each for each in cases}
    sound: dict[tuple[object, ...], Verdict] = {}
    without: dict[str, Verdict] = {}
    for trial, verdict in zip(trials, verdicts, strict=True):
        if trial.is_without:
            without[trial.mechanism] = verdict
        else:
            sound[_world(named[trial.mechanism], seeds)] = verdict
    return [(sound[_world(each, seeds)], without[each.name]) for each in cases]


def try_out(trial: Trial) -> Verdict:
    """Carry out a trial of a mechanism. Raises Misfit where a sabotage does not fit the code."""
    return carry_out(mechanism_named(trial.mechanism), trial)


def carry_out(case: Case, trial: Trial, wanted: str = "") -> Verdict:
    """Carry out a trial. What the trader alerts stays unheard: without the mechanism it is what is to be expected.

    Of rules that are broken at the same moment, or else of expectations, ``wanted`` is named. Raises Misfit where a
    sabotage does not fit the code.
    """
    configure(level="error", stream=StringIO())
    started = perf_counter()
    for seed in trial.seeds:
        result = _run(case, seed, trial)
        if trial.is_without and isinstance(case.off, Sabotage) and _is_mistaken(result):
            raise Misfit(f"{case.name}, seed {seed}: {result.reason}")
        red = _first_of(result, is_without=trial.is_without, wanted=wanted)
        if red is not None:
            return Verdict(seed, *red, perf_counter() - started)
    return Verdict(None, "", "", perf_counter() - started)


def _is_mistaken(result: RunResult) -> bool:
    """Whether a run with a sabotage ended by a mistake of the sabotage."""
    return result.ended is Ended.FAILED and is_mistake(str(result.reason), result.traceback or "")


def is_mistake(reason: str, traceback: str) -> bool:
    """Whether an exception is one by which a sabotage shows that it does not fit the code."""
    frames = re.findall(r'^  File "(.+)", line \d+, in .+\n +(.+)', traceback, re.MULTILINE)
    is_own = bool(frames) and Path(frames[-1][0]).is_relative_to(ROOM) and not frames[-1][1].startswith("raise ")
    return is_own or any(each in reason for each in MISTAKES)


def _run(mechanism: Case, seed: int, trial: Trial) -> RunResult:
    off = mechanism.off if trial.is_without else ()
    overrides = _overrides(mechanism, is_without=trial.is_without)
    scenario = load(mechanism.scenario, overrides)
    folder = None if trial.folder is None else trial.folder / str(seed)
    with ExitStack() as stack:
        log = stack.enter_context(_log(folder))
        stack.enter_context(installed(IMPATIENT))
        stack.enter_context(installed(off) if isinstance(off, Sabotage) else nullcontext())
        result = run_scenario(scenario, seed, log)
    if folder is not None:
        result.overrides = overrides
        result.files["journal"] = str(folder / JOURNAL)
        result.write(folder)
    return result


def _overrides(mechanism: Case, *, is_without: bool) -> tuple[str, ...]:
    if not is_without or isinstance(mechanism.off, Sabotage):
        return mechanism.given
    return (*mechanism.given, *mechanism.off)


@contextmanager
def _log(folder: Path | None) -> Iterator[FileLog | MemoryLog]:
    if folder is None:
        yield MemoryLog()
        return
    folder.mkdir(parents=True, exist_ok=True)
    log = FileLog(folder / JOURNAL)
    log.truncate(0)
    try:
        yield log
    finally:
        log.close()


def _first_of(result: RunResult, *, is_without: bool, wanted: str = "") -> tuple[str, str] | None:
    """What did not hold first: of the invariants by time, else of the expectations in their order; None: all held."""
    if result.violations:
        first = min(result.violations, key=lambda each: (each.t_s, each.name != wanted))
        return first.name, f"at {first.t_s:.1f} s: {first.text}"
    if result.ended is Ended.FAILED:
        return "ended", f"{result.ended}: {result.reason}"
    for outcome in sorted(result.expectations, key=lambda each: each.name != wanted):
        if not outcome.holds and not (is_without and _is_of_the_world(outcome)):
            return outcome.name, f"{_written(outcome.measured)}, wanted {_written(outcome.bound)}"
    return None


def _is_of_the_world(outcome: Outcome) -> bool:
    is_least_by_path = "." in outcome.name and str(outcome.bound).startswith(">=")
    return outcome.name in MET or is_least_by_path


def _written(value: float | str | None) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else f"{value:,.6g}"


def _world(mechanism: Case, seeds: Sequence[int] | None) -> tuple[str, tuple[str, ...], tuple[int, ...]]:
    return mechanism.scenario, mechanism.given, seeds_of(mechanism, seeds)


def _plain(verdict: Verdict) -> dict[str, object]:
    return {
        "holds": verdict.red_seed is None,
        "seed": verdict.red_seed,
        "what": verdict.what or None,
        "why": verdict.why or None,
        "run_s": round(verdict.run_s, 3),
    }
