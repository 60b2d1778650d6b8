"""`makerlab demo`: the main job on an embedded market, with nothing to install, download or configure."""

from pathlib import Path

from domain.errors import ConfigError
from makerlab.batch import Job, work
from makerlab.exit_codes import ExitCode
from makerlab.options import Whole
from makerlab.output import log, progress, result_console
from makerlab.run import exit_code, output_problems, wrong_numbers
from makerlab.tables import print_result
from scenarios.loader import load

SCENARIO = "eth-quiet"
FOLDER = Path("runs/demo")


def demo(*, out: Path = FOLDER, seed: Whole = 7) -> int:
    """Make markets on an embedded synthetic market: prints a table, writes a report.

    Needs no network, key or config, and takes a few seconds.

    Parameters
    ----------
    out
        Folder for journal, result, figures and report.html.
    seed
        Another seed is another day.
    """
    if problems := [*wrong_numbers(seed), *output_problems(out)]:  # without matplotlib it runs, too
        raise ConfigError(problems)
    scenario = load(SCENARIO)
    job = Job(scenario, seed, out, plots=True)
    console = result_console()
    with progress(f"{scenario.duration_s / 60:g} simulated minutes") as tick:
        try:
            result = work(job, tick)
        except ConfigError as error:
            log(str(error))
            result = work(Job(scenario, seed, out), tick)
    print_result(console, result)
    report = result.files.get("report")
    if report is not None:
        console.print(f"Report with figures: {report}", markup=False, soft_wrap=True)
    code = exit_code(result)
    if code is ExitCode.OK:
        console.print(
            "Next: makerlab run cancel-fill-race --plots, or makerlab scenarios for all of them", soft_wrap=True
        )
    else:
        console.print(
            "Next: makerlab story " + result.files["journal"] + " ORDER tells what happened to an order", soft_wrap=True
        )
    return code
