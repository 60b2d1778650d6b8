"""`makerlab compare`: what two journals say of churn, side by side.

Of what the study reports P&L and markout are missing: a journal does not have the venue's own prices.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import ConfigError, Problem
from makerlab.exit_codes import ExitCode
from makerlab.output import log, print_json, progress, result_console
from makerlab.places import is_same_file
from scenarios.figures import TimelineRow
from scenarios.result import SCHEMA_VERSION
from studies.churn.from_journal import JournalChurn, JournalFigures, read_journal
from studies.churn.tables import TARGETS

NOT_KNOWN = "not known"
MOMENTS = 6
"""Rows of the time line that are shown; the JSON document holds all."""


def compare(
    base: Path, new: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False
) -> int:
    """Lay what two journals say of churn side by side: calls, cancels, fills, places kept, distance to the target.

    The figures are those of the runs that wrote them. What the strategy wanted is computed by a trader that is fed the
    journal; where the one of this makerlab decides otherwise than the journal says, that part is `not known`. The last
    column is what the churn study asks for.

    Parameters
    ----------
    base
        The journal to compare with (runs/SCENARIO-SEED/journal.mlj).
    new
        The other one, of a run in the same instruments.
    as_json
        Print one JSON document.
    """
    _refuse_the_same(base, new)
    both = _read(base, new)
    for path, told in zip((base, new), both, strict=True):
        if told.parted is not None:
            log(f"{path}: what the strategy wanted is not told {told.parted}")
    if as_json:
        sides = {"base": _document(base, both[0]), "new": _document(new, both[1])}
        print_json({"schema_version": SCHEMA_VERSION, **sides})
    else:
        _print(result_console(), (base, new), both)
    return ExitCode.OK


def _refuse_the_same(base: Path, new: Path) -> None:
    if is_same_file(base, new):  # one that is not there is said by its reading
        raise ConfigError([Problem("compare", f"{base} twice", "the journals of two runs")])


def _read(base: Path, new: Path) -> tuple[JournalChurn, JournalChurn]:
    problems: list[Problem] = []
    told: list[JournalChurn] = []
    for path in (base, new):
        try:
            with progress(f"compare: {path}") as tick:
                told.append(read_journal(path, tick))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    first, second = told
    if set(first.instruments) != set(second.instruments):
        traded = f"a run in {', '.join(sorted(second.instruments))}"
        raise ConfigError([Problem(str(new), traded, f"one in {', '.join(sorted(first.instruments))}, as {base}")])
    return first, second


def _document(path: Path, told: JournalChurn) -> dict[str, Any]:
    header = told.header
    return {
        "path": str(path),
        "scenario": header.scenario,
        "seed": header.seed,
        "makerlab": header.makerlab,
        "commit": header.commit,
        "lives": told.lives,
        "instruments": list(told.instruments),
        "not_known": told.parted,
        "figures": asdict(told.figures),
    }


# --- for people ---------------------------------------------------------------------------------


def _print(console: Console, paths: tuple[Path, Path], both: tuple[JournalChurn, JournalChurn]) -> None:
    for name, path, told in zip(("base", "new"), paths, both, strict=True):
        what = f"{told.header.scenario or 'a run'}, seed {told.header.seed}"
        console.print(Text(f"{name:<4}  {what}: {path}"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("base", "new", "asked for"):
        table.add_column(name, justify="right", no_wrap=True)
    first, second = (told.figures for told in both)
    for name, figure, digits, missing in ROWS:
        values = (_value(each, figure, digits, missing) for each in (first, second))
        table.add_row(*map(Text, (name, *values, MARKS.get(figure, ""))))
    for line in _moments(first, second):
        table.add_row(*map(Text, line))
    console.print(table)


def _moments(base: JournalFigures, new: JournalFigures) -> Iterator[tuple[str, str, str]]:
    """Placed, cancelled and filled at the moments that both time lines have."""
    later = {row.t_s: row for row in new.timeline}
    rows = [(row, later[row.t_s]) for row in base.timeline if row.t_s in later]
    for one, other in rows[:: max(-(-len(rows) // MOMENTS), 1)]:
        yield f"placed/cancelled/filled at {one.t_s:,.0f} s", _sums(one), _sums(other)


def _sums(row: TimelineRow) -> str:
    return f"{row.placed}/{row.cancelled}/{row.filled}"


def _value(told: JournalFigures, figure: str, digits: int, missing: str) -> str:
    value = getattr(told, figure)
    return missing if value is None else f"{value:,.{digits}f}"


ROWS = (
    ("simulated time, s", "duration_s", 1, NOT_KNOWN),
    ("placed", "placed", 0, NOT_KNOWN),
    ("modified", "modified", 0, NOT_KNOWN),
    ("cancelled", "cancelled", 0, NOT_KNOWN),
    ("filled", "filled", 0, NOT_KNOWN),
    ("calls a minute", "calls_per_min", 2, "none"),
    ("cancels a cycle", "cancels_per_cycle", 2, NOT_KNOWN),
    ("cycles that sent nothing", "zero_action_share", 3, NOT_KNOWN),
    ("replaced by a modify", "modify_share", 3, "none"),
    ("places kept", "queue_kept_share", 3, NOT_KNOWN),
    ("cancels per fill", "cancel_fill_ratio", 2, "no fills"),
    ("calls per fill", "calls_per_fill", 2, "no fills"),
    ("order to target, bps", "quote_error_bps", 2, NOT_KNOWN),
    ("order to target beyond the band, bps", "quote_error_beyond_bps", 2, NOT_KNOWN),
    ("least edge kept, bps", "edge_least_bps", 2, NOT_KNOWN),
    ("two-sided, % of the time", "two_sided_pct", 2, NOT_KNOWN),
)
"""Name, figure, digits, and what stands where there is none."""
MARKS = {target.figure: target.after for target in TARGETS}
"""What the churn study asks of a figure."""
