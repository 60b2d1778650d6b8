"""Runs as jobs that may be spread over processes.

A job holds everything that a run needs, and a run knows nothing of the others, so the number of
processes changes no result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from makerlab.places import naming
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
    cycles: bool = False
    """Whether each quote cycle is a line on stderr."""

    @property
    def title(self) -> str:
        """How people see it."""
        return f"{self.scenario.name} seed {self.seed}"


def work(job: Job, tick: Tick | None = None) -> RunResult:
    """Run a job and write its files; what the trader alerts goes to stderr."""
    with naming(job.folder):
        return _work(job, tick)


def work_among_many(job: Job, tick: Tick | None = None) -> RunResult:
    """The same without the samples behind the figures: those of thousands of runs would fill the memory."""
    result = work(job, tick)
    result.trace = None
    return result


def _work(job: Job, tick: Tick | None) -> RunResult:
    configure(level="debug" if job.cycles else "warning")
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
    if job.plots:
        _draw(result, job.folder)
    result.files["result"] = str(job.folder / RESULT)
    result.write(job.folder)
    return result


def _draw(result: RunResult, folder: Path) -> None:
    from makerlab.report import write_report  # noqa: PLC0415 - needs matplotlib
    from scenarios.plots import write_all  # noqa: PLC0415 - needs matplotlib

    if result.trace is None:
        return
    for path in write_all(result.trace, folder):
        result.files[path.stem] = str(path)
    result.files["trace"] = str(result.trace.write(folder))
    result.files["report"] = str(write_report(result, folder))
