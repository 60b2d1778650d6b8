"""Results on the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from makerlab.figures import bound_of, counted, measured_of, sections
from scenarios.result import Ended, RunResult

MAX_VIOLATIONS = 3
"""Told in full; the result file holds more."""


def print_result(console: Console, result: RunResult) -> None:
    """Print one run: headline, figures, expectations, what went wrong."""
    verdict = ("all holds", "bold green") if result.holds else ("does not hold", "bold red")
    headline = Text.assemble((result.scenario, "bold"), result.title.removeprefix(result.scenario), ": ", verdict)
    if result.ended is not Ended.COMPLETED:
        headline.append(f" ({result.ended}: {result.reason})", style="bold red")
    console.print(headline)
    figures = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    figures.add_column("what", no_wrap=True)
    figures.add_column("figure", justify="right", no_wrap=True)
    figures.add_column("note", style="dim", overflow="fold")
    for section in sections(result):
        figures.add_row(Text(section.title, style="bold cyan"), "", "")
        for row in section.rows:
            figures.add_row(Text("  " + row.name), Text(row.value), Text(row.note))
        figures.add_section()
    console.print(figures)
    console.print(expectations(result))
    for violation in result.violations[:MAX_VIOLATIONS]:
        console.print(Text(f"{violation.name} at {violation.t_s:.6f} s: {violation.text}", style="red"))
        if violation.rule:
            console.print(Text(f"what must hold: {violation.rule}"))
        if violation.story:
            console.print(Text(violation.story, style="dim"))
    hidden = result.n_violations - MAX_VIOLATIONS
    if hidden > 0:
        console.print(Text(f"and {counted(hidden, 'more violation')}", style="red"))


def expectations(result: RunResult) -> Table:
    """Return the table of what was expected."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("expectation", no_wrap=True)
    table.add_column("bound", justify="right")
    table.add_column("measured", justify="right", overflow="fold")
    table.add_column("")
    for outcome in result.expectations:
        mark = Text("holds", style="green") if outcome.holds else Text("FAILED", style="bold red")
        table.add_row(Text(outcome.name), Text(bound_of(outcome)), Text(measured_of(outcome)), mark)
    return table


def print_summary(console: Console, results: list[RunResult]) -> None:
    """Print many runs, a line each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    for name in ("seed", "P&L USD", "fills", "two-sided", "races", "speed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for result in results:
        table.add_row(result.scenario, str(result.seed), *_columns(result), _verdict(result))
    console.print(table)
    failed = sum(not result.holds for result in results)
    console.print(f"{len(results) - failed} of {len(results)} runs hold")


def _columns(result: RunResult) -> tuple[str, ...]:
    metrics = result.metrics
    if isinstance(metrics, dict):
        return ("", "", "", "", "")
    speed = f"{result.wall.speed_x:,.0f}x"
    two_sided = f"{metrics.quoting.two_sided_of_fresh_pct:.1f} %"
    return (f"{metrics.pnl_usd.total:+,.2f}", f"{metrics.fills:,}", two_sided, f"{metrics.races:,}", speed)


def _verdict(result: RunResult) -> Text:
    if result.holds:
        return Text("holds", style="green")
    failed = ", ".join(outcome.name for outcome in result.expectations if not outcome.holds)
    return Text(f"FAILED: {failed}", style="bold red")
