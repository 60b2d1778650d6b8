"""The folder of a study: what is done is kept, and what is broken or of other code is named and never used."""

import msgspec
import pytest

from domain.errors import ConfigError
from studies.churn.folder import RUNS, SHOWN, Book, read_study
from studies.churn.run import Done, Task
from tests.studies.churn.rows import TERMS, a_move, a_row

TREES = {"baseline": "b" * 32, "stable": "c" * 32}
TASKS = [Task(arm, seed) for seed in range(2) for arm in TREES]


def written(folder, tasks=TASKS, terms=TERMS, trees=TREES):
    """A folder in which these are done."""
    book = Book(folder, terms, trees)
    book.begin()
    for task in tasks:
        book.add(task, Done(a_row(task.arm, task.seed, placed=7), [a_move(task.arm, task.seed)], 0.5))
    return book


def again(folder, terms=TERMS, trees=TREES):
    """The next call: its book, and what it finds wrong."""
    book = Book(folder, terms, trees)
    return book, [str(problem) for problem in book.read(TASKS)]


def test_what_is_done_is_known_to_the_next_call(tmp_path):
    """And the rest is not: it goes on from there."""
    written(tmp_path, TASKS[:3])
    book, problems = again(tmp_path)
    assert problems == []
    assert [task for task in TASKS if task not in book] == TASKS[3:]
    study = book.study(TASKS[:3])
    assert [(row.arm, row.seed, row.placed) for row in study.rows] == [
        ("baseline", 0, 7),
        ("baseline", 1, 7),
        ("stable", 0, 7),
    ]
    assert [(move.arm, move.seed) for move in study.moves] == [(row.arm, row.seed) for row in study.rows]
    assert study.seeds == 2
    assert [row.seed for row in study.of("stable")] == [0]


def test_a_folder_is_read_without_the_call_that_wrote_it(tmp_path):
    """In the order of arms, whatever files are called."""
    study = written(tmp_path).study(TASKS)
    assert read_study(tmp_path) == study
    assert study.terms == TERMS


def test_a_new_commit_with_the_same_sources_is_the_same_study(tmp_path):
    """A page that is written anew computes nothing else."""
    written(tmp_path)
    book, problems = again(tmp_path, msgspec.structs.replace(TERMS, commit="b" * 40))
    assert problems == []
    assert all(task in book for task in TASKS)


@pytest.mark.parametrize("change", [{"sources": "6" * 32}, {"format": 2}])
def test_a_run_of_other_code_is_named_and_not_used(tmp_path, change):
    """Two studies in one folder would be one table of two things."""
    written(tmp_path, TASKS[:1])
    book, problems = again(tmp_path, msgspec.structs.replace(TERMS, **change))
    assert TASKS[0] not in book
    (problem,) = problems
    path = tmp_path / RUNS / "baseline-0.json"
    assert problem.startswith(f"{path}: found a run of aaaaaaaaaaaa+ (sources 55555555)")
    assert "use another folder" in problem


def test_a_scenario_that_has_changed_is_named(tmp_path):
    written(tmp_path)
    book, problems = again(tmp_path, trees=TREES | {"stable": "d" * 32})
    assert [problem.partition(":")[0] for problem in problems] == [
        str(tmp_path / RUNS / f"stable-{seed}.json") for seed in range(2)
    ]
    assert all("another scenario of that name" in problem for problem in problems)
    assert Task("baseline", 0) in book


def test_torn_files_and_those_of_other_code_come_together(tmp_path):
    """Each with its own word, and a file that was renamed is not taken for another run."""
    written(tmp_path)
    runs = tmp_path / RUNS
    torn = runs / "baseline-0.json"
    torn.write_bytes(torn.read_bytes()[:-20])
    (runs / "stable-0.json").replace(runs / "stable-1.json")
    other = runs / "baseline-1.json"
    other.write_bytes(other.read_bytes().replace(TERMS.sources.encode(), b"6" * 32))
    book, problems = again(tmp_path)
    assert [problem.partition(":")[0] for problem in problems] == [
        str(runs / name) for name in ("baseline-0.json", "stable-1.json", "baseline-1.json")
    ]
    assert "delete it" in problems[0]
    assert "the file was renamed" in problems[1]
    assert "(sources 66666666)" in problems[2]
    assert not any(task in book for task in TASKS)


def test_of_many_mistakes_of_one_kind_some_are_named(tmp_path):
    tasks = [Task("stable", seed) for seed in range(SHOWN + 3)]
    written(tmp_path, tasks)
    for path in (tmp_path / RUNS).iterdir():
        path.write_text("{")
    problems = Book(tmp_path, TERMS, TREES).read(tasks)
    assert len(problems) == SHOWN + 1
    assert problems[-1].found == "3 more of the kind"


def test_reading_changes_nothing_and_beginning_sweeps_what_was_not_finished(tmp_path):
    """A run appears under its name when it is whole."""
    written(tmp_path, TASKS[:1])
    part = tmp_path / RUNS / "stable-0.part"
    part.write_text("{")
    book, problems = again(tmp_path)
    assert problems == []
    assert part.exists()
    book.begin()
    assert [path.name for path in (tmp_path / RUNS).iterdir()] == ["baseline-0.json"]


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(ConfigError, match="found no run, want a folder with what `makerlab study churn` wrote"):
        read_study(tmp_path)


def test_a_folder_of_two_codes_cannot_be_read(tmp_path):
    """Nor one with a torn file; both are named."""
    written(tmp_path, TASKS[:2])
    written(tmp_path, TASKS[3:], msgspec.structs.replace(TERMS, sources="6" * 32))
    (tmp_path / RUNS / "torn-0.json").write_text("{")
    with pytest.raises(ConfigError) as found:
        read_study(tmp_path)
    assert [problem.path for problem in found.value.problems] == [
        str(tmp_path / RUNS / "torn-0.json"),
        str(tmp_path / RUNS / "stable-1.json"),
    ]
