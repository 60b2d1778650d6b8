"""The rows of a churn study as Parquet files, for whoever asks them with SQL; needs duckdb."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np

from studies.churn.rows import Move, Row, Study

RUNS = "runs.parquet"
TIMELINE = "timeline.parquet"
MOVES = "moves.parquet"
NESTED = ("timeline", "path")
"""Fields of a row that are tables themselves: the one has a file of its own, of the other the moves tell more."""


def write_parquet(study: Study, folder: Path) -> list[Path]:
    """Write the three files, compressed by zstd, and return their paths."""
    timeline = {
        "arm": np.array([row.arm for row in study.rows for _ in row.timeline], dtype=object),
        "seed": np.array([row.seed for row in study.rows for _ in row.timeline]),
        **{
            name: np.array([getattr(mark, name) for row in study.rows for mark in row.timeline])
            for name in ("t_s", "placed", "cancelled", "filled")
        },
    }
    tables = {RUNS: _columns(study.rows, Row), TIMELINE: timeline, MOVES: _columns(study.moves, Move)}
    return [_write(table, folder / name) for name, table in tables.items()]


def _columns(rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """One array for each field; None is missing in it."""
    hints = get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if name not in NESTED]
    return {name: _array([getattr(row, name) for row in rows], hints[name]) for name in names}


def _array(values: list[Any], hint: Any) -> Any:  # noqa: ANN401 - a type as it is annotated, an array of it
    kinds = get_args(hint) or (hint,)
    if str in kinds:
        return np.array(values, dtype=object)
    missing = [value is None for value in values]
    kept = [0 if value is None else value for value in values]
    return np.ma.masked_array(np.array(kept, dtype=np.float64 if float in kinds else np.int64), mask=missing)


def _write(table: dict[str, Any], path: Path) -> Path:
    """By a file beside it, so that it is whole or not there."""
    import duckdb

    part = path.with_suffix(".part")
    with duckdb.connect() as connection:
        connection.register("these", table)
        connection.execute(f"COPY these TO '{_quoted(part)}' (FORMAT parquet, COMPRESSION zstd)")
    part.replace(path)
    return path


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
