"""Runs as jobs that may be spread over processes.

A job holds everything that a run needs, and a run knows nothing of the others, so the number of
processes changes no result.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from runtime.log import FileLog
from runtime.logs import configure
from scenarios.plots import is_figure
from scenarios.result import RunResult
from scenarios.run import run_scenario
from scenarios.schema import Scenario
from scenarios.trace import TRACE

JOURNAL = "journal.mlj"
RESULT = "result.json"
REPORT = "report.html"

Tick = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Job:
    """A scenario with a seed, and where its files go."""

    scenario: Scenario
    seed: int
    folder: Path
    plots: bool = False
    overrides: tuple[str, ...] = ()
    """What the scenario was loaded with, for the result."""

    @property
    def title(self) -> str:
        """How people see it."""
        return f"{self.scenario.name} seed {self.seed}"


def work(job: Job, tick: Tick | None = None) -> RunResult:
    """Run a job and write its files; what the trader alerts goes to stderr."""
    try:
        return _work(job, tick)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(job.folder)) from error  # a full disk does not say where


def _work(job: Job, tick: Tick | None) -> RunResult:
    configure(level="warning")
    job.folder.mkdir(parents=True, exist_ok=True)
    journal = job.folder / JOURNAL
    log = FileLog(journal)
    log.truncate(0)
    for name in (RESULT, REPORT, TRACE):  # of a run before: never beside the journal of another
        (job.folder / name).unlink(missing_ok=True)
    for path in job.folder.glob("*.png"):
        if is_figure(path.stem):
            path.unlink()
    try:
        result = run_scenario(job.scenario, job.seed, log, tick)
    finally:
        log.close()
    result.overrides = job.overrides
    result.files["journal"] = str(journal)
    if not result.journal_digest:  # a check against a record has no trader and so no journal
        journal.unlink(missing_ok=True)
        del result.files["journal"]
    if job.plots and result.trace is not None:
        _draw(result, job.folder)
    result.files["result"] = str(job.folder / RESULT)
    result.write(job.folder)
    return result


def work_all(jobs: Sequence[Job], processes: int, on_done: Callable[[Job, RunResult], None]) -> list[RunResult]:
    """Run jobs in several processes; results come back in the order of the jobs."""
    context = multiprocessing.get_context("spawn")
    done: dict[int, RunResult] = {}
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_leave_interrupts_to_parent) as pool:
        futures = {pool.submit(work, job): i for i, job in enumerate(jobs)}
        try:
            for future in _as_done(futures):
                i = futures[future]
                done[i] = future.result()
                on_done(jobs[i], done[i])
        except BaseException:
            for process in list(pool._processes.values()):  # noqa: SLF001 - there is no public way to stop a job under way
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done[i] for i in range(len(jobs))]


def _as_done(futures: dict[Future[RunResult], int]) -> Iterator[Future[RunResult]]:
    waiting = set(futures)
    while waiting:
        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from sorted(finished, key=futures.__getitem__)


def _draw(result: RunResult, folder: Path) -> None:
    from makerlab.report import write_report  # noqa: PLC0415 - needs matplotlib
    from scenarios.plots import write_all  # noqa: PLC0415 - needs matplotlib

    if result.trace is None:
        return
    for path in write_all(result.trace, folder):
        result.files[path.stem] = str(path)
    result.files["trace"] = str(result.trace.write(folder))
    result.files["report"] = str(write_report(result, folder))


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
