"""The rows as Parquet files: what was missing is missing, and nothing is lost."""

import duckdb
import pytest

from studies.churn.parquet import MOVES, RUNS, TIMELINE, write_parquet
from studies.churn.rows import Move, Row, Study
from tests.studies.churn.rows import TERMS, a_move, a_row, timeline


@pytest.fixture
def ask():
    with duckdb.connect() as connection:
        yield lambda text, *values: connection.execute(text, values).fetchall()


def test_the_files_hold_every_row_and_every_field(tmp_path, ask):
    """A missing figure is null, a whole number is one, and a text is a text."""
    rows = [
        a_row("baseline", 0, calls_per_min=27.5, placed=53, timeline=timeline((0, 0, 0), (12, 10, 0))),
        a_row("stable", 1, fills=1, modify_share=1.0),
    ]
    paths = write_parquet(Study(rows, [a_move(seed=1), a_move(seed=1, side="ask")], TERMS), tmp_path)
    assert paths == [tmp_path / name for name in (RUNS, TIMELINE, MOVES)]
    runs, minutes, moves = map(str, paths)
    assert ask("SELECT arm, seed, calls_per_min, placed, modify_share FROM read_parquet(?) ORDER BY arm", runs) == [
        ("baseline", 0, 27.5, 53, None),
        ("stable", 1, None, 0, 1.0),
    ]
    assert ask("SELECT * FROM read_parquet(?)", minutes) == [
        ("baseline", 0, 60.0, 0, 0, 0),
        ("baseline", 0, 120.0, 12, 10, 0),
    ]
    assert ask("SELECT side, target, by_rest_bps FROM read_parquet(?)", moves) == [
        ("bid", 1998.0, 0.0),
        ("ask", 1998.0, 0.0),
    ]
    for path, kind, without in ((runs, Row, {"timeline", "path"}), (moves, Move, set())):
        names = {name for name, *_ in ask("DESCRIBE SELECT * FROM read_parquet(?)", path)}
        assert names == set(kind.__struct_fields__) - without
    assert ask("SELECT DISTINCT compression FROM parquet_metadata(?)", runs) == [("ZSTD",)]


def test_they_are_whole_or_not_there_in_a_folder_of_any_name(tmp_path):
    """Nothing stays of the writing but the files; a quote in a path is no end of a text."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    write_parquet(Study([a_row()], [a_move()], TERMS), folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted((RUNS, TIMELINE, MOVES))
