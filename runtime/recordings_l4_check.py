"""Checks the files of recorded blocks row by row: every fault with its file and line, before anything is built.

It knows which columns the loaders read and what may stand in them, not what a row means.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from domain.errors import ConfigError, Problem
from domain.instrument import Instrument

SNAPSHOT = "snapshot_*.csv.gz"
FAULTS_SHOWN = 20
_SHOWN = 60
"""Characters shown of a wrong value."""
_MAX_DIGITS = 18
"""Of whole numbers and of prices and sizes: in ticks and lots they still fit 64 bits."""

Row = dict[str, str]
Rows = list[Row]


class _Rule(NamedTuple):
    """What may stand in a column."""

    holds: Callable[[str], bool]
    want: str


def read_checked(folder: Path, instrument: Instrument) -> dict[str, Rows]:
    """Rows of ``snapshot``, ``statuses``, ``fills`` and ``expected``; one ConfigError names all their faults."""
    rules = _rules(instrument)
    found = sorted(folder.glob(SNAPSHOT))
    files = {
        "snapshot": found[0] if len(found) == 1 else folder / SNAPSHOT,
        "statuses": folder / "statuses.csv.gz",
        "fills": folder / "fills.csv.gz",
        "expected": folder / "blocks_expected.csv",
    }
    problems: list[Problem] = []
    tables: dict[str, Rows] = {}
    if len(found) != 1:
        problems.append(Problem(str(files.pop("snapshot")), f"{len(found)} files", "one of them"))
    for name, path in files.items():
        table = _Table(path, rules[name], problems)
        tables[name] = table.rows
        unique = {"snapshot": "oid", "expected": "block"}.get(name)
        if unique is not None:
            table.check_unique(unique)
    if not problems and sum(bool(row["block_time"]) for row in tables["expected"]) == 0:
        problems.append(Problem(str(files["expected"]), "no block with a time", "the snapshot and at least one block"))
    if problems:
        more = len(problems) - FAULTS_SHOWN
        shown = problems[:FAULTS_SHOWN]
        if more > 0:
            shown.append(Problem("...", f"{len(problems)} faults", f"none; the first {FAULTS_SHOWN} stand above"))
        raise ConfigError(shown)
    return tables


class _Table:
    """One file: its rows, and what is wrong with them."""

    def __init__(self, path: Path, rules: dict[str, _Rule], problems: list[Problem]) -> None:
        self.rows: Rows = []
        self._path = path
        self._problems = problems
        try:
            self._read(rules)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            self._fault(None, reason, "a whole, readable CSV file")

    def check_unique(self, column: str) -> None:
        """Each value of a column once."""
        seen: set[str] = set()
        for line, row in enumerate(self.rows, start=2):
            value = row.get(column, "")
            if value in seen:
                self._fault(line, f"{column} {_shown(value)} again", f"each {column} once")
            seen.add(value)

    def _read(self, rules: dict[str, _Rule]) -> None:
        records = _records(self._path)
        header = next(records, [])
        missing = [name for name in rules if name not in header]
        if missing:
            self._fault(1, f"no column {', '.join(missing)}", "the columns of recorded blocks")
            return
        places = [(name, header.index(name), rule) for name, rule in rules.items()]
        for line, record in enumerate(records, start=2):
            if len(record) != len(header):
                self._fault(line, f"{len(record)} fields", f"{len(header)} as in the header")
                continue
            for name, place, rule in places:
                if not rule.holds(record[place]):
                    self._fault(line, f"{name} {_shown(record[place])}", rule.want)
            self.rows.append(dict(zip(header, record, strict=True)))

    def _fault(self, line: int | None, found: str, want: str) -> None:
        where = str(self._path) if line is None else f"{self._path}:{line}"
        self._problems.append(Problem(where, found, want))


def _records(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        yield from csv.reader(file)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


# --- what may stand in a column -----------------------------------------------------------------


def _rules(instrument: Instrument) -> dict[str, dict[str, _Rule]]:
    size = _number(instrument.parse_size)
    some, price = _positive(size), _positive(_number(instrument.parse_price))
    lots = f"a number with at most {instrument.sz_decimals} decimals"
    text = _Rule(bool, "a text")
    whole = _Rule(_is_whole, f"a whole number of at most {_MAX_DIGITS} digits")
    flag = _one_of("0", "1")
    side = _one_of("A", "B")
    tif = _one_of("Alo", "Gtc", "Ioc", "")
    px = _Rule(price, f"a number above 0 with at most {instrument.px_decimals} decimals")
    positive, not_negative = _Rule(some, f"{lots}, above 0"), _Rule(lambda t: t[:1] != "-" and size(t), f"{lots}, >= 0")
    if_any = _Rule(lambda t: not t or some(t), f"nothing, or {lots}, above 0")
    order = {"user": text, "oid": whole, "side": side, "px": px, "tif": tif, "reduce_only": flag}
    return {
        "snapshot": {**order, "sz": positive, "orig_sz": not_negative, "ts_ms": whole},
        "statuses": {
            "block": whole,
            "status": text,
            **order,
            "sz": not_negative,
            "orig_sz": positive,
            "rested_sz": if_any,
        },
        "fills": {
            "block": whole,
            "user": text,
            "oid": whole,
            "side": side,
            "px": px,
            "sz": positive,
            "crossed": flag,
            "start_position": _Rule(lambda t: size(t.removeprefix("-")), lots),
            "twap_id": _Rule(lambda _: True, ""),
        },
        "expected": {
            "block": whole,
            "block_time": _Rule(_is_moment, "nothing, or a date and time"),
            "resting_orders": whole,
            "book_sha256": text,
        },
    }


def _one_of(*words: str) -> _Rule:
    return _Rule(words.__contains__, " or ".join(word or "nothing" for word in words))


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def _number(parse: Callable[[str], int]) -> Callable[[str], bool]:
    """Whether a text is a number of whole ticks or lots; many rows have the same."""

    @lru_cache(maxsize=1 << 16)
    def holds(text: str) -> bool:
        try:
            return len(text) <= _MAX_DIGITS and abs(parse(text)) < 10**_MAX_DIGITS
        except ValueError:
            return False

    return holds


def _positive(number: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: text[:1] != "-" and text.strip("0.") != "" and number(text)


def _is_moment(text: str) -> bool:
    if not text:
        return True
    whole, _, fraction = text.partition(".")
    try:
        datetime.fromisoformat(whole)
    except ValueError:
        return False
    return not fraction or fraction.isdigit()
