"""`makerlab run`: run scenarios, print what came out, say by the exit code whether it holds."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Annotated

from cyclopts import Parameter

from domain.errors import ConfigError, Problem
from makerlab.batch import JOURNAL, RESULT, Job, work_among_many
from makerlab.exit_codes import ExitCode, worst
from makerlab.junit import write_junit
from makerlab.options import Whole
from makerlab.output import log, print_json, progress, result_console
from makerlab.places import file_problems, folder_problems, naming
from makerlab.pool import spread
from makerlab.tables import print_result, print_summary
from runtime.components import component_line
from scenarios.loader import library, load
from scenarios.result import MAX_SEED, Ended, RunResult, envelope
from scenarios.run import data_problems, missing_data
from scenarios.schema import Scenario

RUNS = Path("runs")
HOUR_S = 3_600
COUNT_EVERY_S = 30.0
"""Between two lines that say how many runs are done."""
MAX_SEEDS = 100_000


def run(  # noqa: PLR0913 - the options of a command
    *scenarios: str,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    seed: Whole | None = None,
    seeds: Whole | None = None,
    jobs: Whole = 1,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    out: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    junit: Path | None = None,
    plots: Annotated[bool, Parameter(name="--plots", negative="")] = False,
    cycles: Annotated[bool, Parameter(name="--cycles", negative="")] = False,
) -> int:
    """Run scenarios and check what they expect.

    Parameters
    ----------
    scenarios
        Names of built-in scenarios (see `makerlab scenarios`) or files ending in .toml.
    all_
        Run every built-in scenario but endurance runs, those whose recording is not here, or that an override does
        not fit.
    seed
        Seed of the run; 0 if nothing is said.
    seeds
        Run each scenario with the seeds 0 to N-1.
    jobs
        Processes to spread the runs over; the results are those of one process.
    set_
        Override a key of the scenario, such as --set duration_s=60; may be repeated.
    out
        Folder for journal, result and plots; by default runs/SCENARIO-SEED. With several runs each gets
        a folder SCENARIO-SEED in it.
    as_json
        Print the result as one JSON document; several runs come in an envelope {schema_version, runs}.
    junit
        Also write the expectations as JUnit XML to this file; its folder must exist or be one that the run makes.
    plots
        Also draw figures and write report.html.
    cycles
        Also write a line for each quote cycle to stderr: what it sent, and what it left where it was and why.
    """
    problems = wrong_numbers(seed, seeds, jobs)
    queue: list[Job] = []
    worlds: list[Scenario] = []
    try:
        worlds = _load(scenarios, set_, all_=all_)
        if not problems:
            numbers = list(range(seeds)) if seeds is not None else [seed or 0]
            queue = _queue(worlds, numbers, out, set_, plots=plots, cycles=cycles)
    except ConfigError as error:
        problems += error.problems
    problems += output_problems(out or RUNS, {job.folder for job in queue}, junit, plots=plots)
    if problems:
        raise ConfigError(problems)
    for world in worlds:
        if not world.market.is_blocks:  # there no trader takes part
            log(f"{world.name}: trader {component_line(world.trader)}")
        elif plots:
            log(f"{world.name}: no figures; it compares a venue with a record, and nobody quotes")
    done: dict[Path, RunResult] = {}
    try:
        _run_all(queue, jobs, done)
    except KeyboardInterrupt:
        if len(queue) > 1:
            _tell([done[job.folder] for job in queue if job.folder in done], junit, as_json=as_json)
            log(f"stopped: {len(done)} of {len(queue)} runs are done")
        raise
    results = [done[job.folder] for job in queue]
    _tell(results, junit, as_json=as_json)
    return worst([exit_code(result) for result in results])


def exit_code(result: RunResult) -> ExitCode:
    """Say how one run ended; a kill that the scenario expects is no failure."""
    if result.holds:
        return ExitCode.OK
    ended = next(outcome for outcome in result.expectations if outcome.name == "ended")
    if result.ended is Ended.HALTED and not ended.holds:
        return ExitCode.HALTED
    return ExitCode.FAILED


# --- what to run --------------------------------------------------------------------------------


def _load(names: Sequence[str], overrides: Sequence[str], *, all_: bool) -> list[Scenario]:
    """Read everything before anything runs; the problems of all files come together."""
    if all_ and names:
        raise ConfigError([Problem("--all", f"--all and {', '.join(names)}", "one of them")])
    wanted = library() if all_ else list(names)
    if not wanted:
        raise ConfigError([Problem("run", "no scenario", f"a name or file ({', '.join(library())})")])
    found: list[Scenario] = []
    problems: list[Problem] = []
    misfits: dict[str, list[Problem]] = {}
    for name in wanted:
        try:
            scenario = load(name, overrides)
        except ConfigError as error:
            if all_ and overrides and _is_sound(name):
                misfits[name] = error.problems
            else:
                problems += error.problems
            continue
        if scenario.soak and all_:
            hours = scenario.duration_s / HOUR_S
            log(f"{name}: left out (an endurance run of {hours:g} simulated hours, run it by name)")
            continue
        missing = missing_data(scenario)
        if missing and all_:
            log(f"{name}: left out ({missing[0]})")
            continue
        problems += data_problems(scenario)
        found.append(scenario)
    for name, reasons in misfits.items():
        if found:
            log(f"{name}: left out ({reasons[0]})")
        else:
            problems += reasons
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return found


def _is_sound(name: str) -> bool:
    """Whether a scenario is, as it is shipped: then it is an override that does not fit it."""
    try:
        load(name)
    except ConfigError:
        return False
    return True


def wrong_numbers(seed: int | None, seeds: int | None = None, jobs: int = 1) -> list[Problem]:
    """What is wrong with the numbers of a command line."""
    problems = []
    if seed is not None and seeds is not None:
        problems.append(Problem("--seeds", f"--seed {seed} and --seeds {seeds}", "one of them"))
    if seed is not None and not 0 <= seed <= MAX_SEED:
        problems.append(Problem("--seed", str(seed), f"0 to {MAX_SEED}"))
    if seeds is not None and not 1 <= seeds <= MAX_SEEDS:
        problems.append(Problem("--seeds", str(seeds), f"1 to {MAX_SEEDS}"))
    if jobs < 1:
        problems.append(Problem("--jobs", str(jobs), ">= 1"))
    return problems


def _queue(
    worlds: list[Scenario], seeds: list[int], out: Path | None, overrides: tuple[str, ...], *, plots: bool, cycles: bool
) -> list[Job]:
    is_one = len(worlds) * len(seeds) == 1
    queue = []
    for world in worlds:
        for seed in seeds:
            folder = out if is_one and out is not None else (out or RUNS) / f"{world.name}-{seed}"
            queue.append(Job(world, seed, folder, plots, overrides, cycles))
    twice = sorted({str(job.folder) for job in queue if sum(job.folder == other.folder for other in queue) > 1})
    if twice:
        raise ConfigError(
            [Problem("name", f"several runs for {folder}", "scenarios of distinct names") for folder in twice]
        )
    return queue


def output_problems(
    out: Path, folders: Collection[Path] = (), junit: Path | None = None, *, plots: bool = False
) -> list[Problem]:
    """What would otherwise end runs after their work is done; their ``folders`` are in ``out``, or are that one."""
    problems = []
    if plots and find_spec("matplotlib") is None:
        problems.append(Problem("--plots", "no matplotlib", "the extra `study`: pip install 'makerlab[study]'"))
    wrong = folder_problems("--out", out)
    for folder in () if wrong else sorted({out, *folders}):
        wrong += folder_problems("--out", folder)
        for path in (folder / JOURNAL, folder / RESULT):
            wrong += file_problems("--out", path) if path.exists() else []
    if junit is not None:
        made = {above for each in (out, *folders) for above in (each, *each.parents)}
        wrong += file_problems("--junit", junit, made)
    return problems + wrong


# --- running ------------------------------------------------------------------------------------


def _run_all(queue: list[Job], processes: int, done: dict[Path, RunResult]) -> None:
    """Put each result into ``done`` as soon as it is there, by its folder, so that an interrupt loses none of them."""
    began = counted_at = monotonic()

    def note(job: Job, result: RunResult) -> None:
        nonlocal counted_at
        log(_ending(job, result))
        done[job.folder] = result
        now, left = monotonic(), len(queue) - len(done)
        if left and now - counted_at >= COUNT_EVERY_S:
            counted_at = now
            failed = sum(not each.holds for each in done.values())
            minutes = (now - began) / len(done) * left / 60
            log(f"{len(done)} of {len(queue)} runs done, {failed} failed, about {minutes:.0f} minutes to go")

    if processes == 1 or len(queue) == 1:
        for job in queue:
            note(job, _run_here(job))
    else:
        with _naming_what_stopped(queue):
            spread(work_among_many, queue, processes, note)


def _run_here(job: Job) -> RunResult:
    with _naming_what_stopped([job]), progress(job.title) as tick:
        return work_among_many(job, tick)


@contextmanager
def _naming_what_stopped(queue: list[Job]) -> Iterator[None]:
    """Say of the runs that are under way at an interrupt where their journals are, whichever process they are in."""
    before = {job.folder: _written_at(job) for job in queue}
    try:
        yield
    except KeyboardInterrupt:
        for job in queue:
            if _written_at(job) != before[job.folder] and not (job.folder / RESULT).exists():
                log(f"{job.title}: stopped, the journal so far is in {job.folder}")
        raise


def _written_at(job: Job) -> int | None:
    """When its journal was last written; None where it has none."""
    try:
        return (job.folder / JOURNAL).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _ending(job: Job, result: RunResult) -> str:
    verdict = "holds" if result.holds else "FAILED"
    return f"{job.title}: {verdict} ({result.wall.run_s:.1f} s), files in {job.folder}"


def _tell(results: list[RunResult], junit: Path | None, *, as_json: bool) -> None:
    """Print the results and write the report."""
    if not results:
        return
    _print(results, as_json=as_json)
    if junit is not None:
        with naming(junit):
            write_junit(results, junit)


def _print(results: list[RunResult], *, as_json: bool) -> None:
    if as_json:
        print_json(results[0].document() if len(results) == 1 else envelope(results))
        return
    console = result_console()
    if len(results) == 1:
        print_result(console, results[0])
        return
    for result in results:
        if not result.holds:
            print_result(console, result)
    print_summary(console, results)
