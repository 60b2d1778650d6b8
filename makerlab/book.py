"""`makerlab book`: any file of orders through the reference book, row by row."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich import box
from rich.table import Table
from rich.text import Text

from domain.errors import ConfigError, Problem
from domain.units import Px, Sz
from makerlab.options import Whole
from makerlab.output import print_json, result_console
from scenarios.result import SCHEMA_VERSION
from sim.liquidity.order_file import Levels, OrderFile, Report, Step, run_order_file, step_as_dict, unscaled

MAX_LEVELS = 1_000

SINGULAR = {
    "rows": "row",
    "fills": "fill",
}


def book(
    file: Path,
    /,
    *,
    levels: Whole = 5,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Run a file of orders through the reference book.

    Prints after each row what became of it, its fills (and which of them did not hit the front of the queue), and the
    best levels.

    The file has the columns t,op,id,side,px,sz,tif (and user, if there are several), in any order. op is limit,
    add, reduce, delete, move or execute; side is B or S; tif is Gtc (or empty), Ioc or Alo.

    Parameters
    ----------
    file
        Comma-separated text with a header line.
    levels
        Best levels of each side to show after each row.
    as_json
        Print one JSON document.
    """
    if not 1 <= levels <= MAX_LEVELS:
        raise ConfigError([Problem("--levels", str(levels), f"1 to {MAX_LEVELS}")])
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise ConfigError([Problem(str(file), reason, "a readable CSV file")]) from error
    try:
        report = run_order_file(text, levels)
    except ConfigError as error:
        raise ConfigError([Problem(f"{file}: {p.path}", p.found, p.want) for p in error.problems]) from error
    if as_json:
        steps = [step_as_dict(step, report.file) for step in report.steps]
        print_json({"schema_version": SCHEMA_VERSION, "file": str(file), "counts": report.counts, "rows": steps})
    else:
        _print(report)
    return 0


def _print(report: Report) -> None:
    console = result_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("line", "t", "op", "id", "outcome", "fills", "bids", "asks"):
        table.add_column(name, justify="right" if name == "line" else "left", overflow="fold")
    for step in report.steps:
        row = step.row
        table.add_row(
            str(row.line),
            Text(row.t),
            str(row.op),
            Text(row.id),
            Text(_outcome(step), style="red" if step.reject else ""),
            Text("\n".join(_fills(step, report.file))),
            Text(_levels(step.bids, report.file)),
            Text(_levels(step.asks, report.file)),
        )
    console.print(table)
    console.print(", ".join(_tally(name, count) for name, count in report.counts.items()), markup=False)


def _tally(name: str, count: int) -> str:
    """Only what is a noun has a singular: "1 row", but "1 rests"."""
    return f"{count:,} {SINGULAR.get(name, name) if count == 1 else name}"


def _outcome(step: Step) -> str:
    text = str(step.outcome)
    if step.reject is not None:
        text += f": {step.reject}"
    if step.expired:
        text += f", expired {' '.join(step.expired)}"
    if step.is_crossed:
        text += ", the book is crossed"
    return text


def _fills(step: Step, file: OrderFile) -> Iterator[str]:
    for fill in step.fills:
        who = f"{fill.taker} x {fill.maker}" if fill.taker else fill.maker
        text = f"{_size(fill.sz, file)} @ {_price(fill.px, file)} ({who})"
        if not fill.place.is_front:
            text += ", not the front" if fill.place.is_best else ", not the best price"
        yield text


def _levels(levels: Levels, file: OrderFile) -> str:
    return "  ".join(f"{_price(px, file)}:{_size(sz, file)}/{count}" for px, sz, count in levels)


def _price(px: Px, file: OrderFile) -> str:
    return unscaled(px, file.px_decimals)


def _size(sz: Sz, file: OrderFile) -> str:
    return unscaled(sz, file.sz_decimals)
