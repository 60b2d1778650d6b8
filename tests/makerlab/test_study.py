"""`makerlab study churn`: what it writes and prints, how it goes on, and what is wrong before it begins."""

import json

import duckdb
import pytest

from makerlab import study as command
from makerlab.__main__ import dispatch
from makerlab.exit_codes import ExitCode
from makerlab.study import _checked
from studies.churn import run
from studies.churn.arms import ARMS, LONG, arm_named
from studies.churn.folder import arms_of, read_study
from studies.churn.run import Done, Task, carry_out
from tests.studies.churn.rows import a_move, a_row

FEW = ("baseline", "stable", "without-counting")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files go to a folder of the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few(monkeypatch):
    """A study of three arms."""
    monkeypatch.setattr(command, "arms_of", lambda *, long: [arm_named(name) for name in FEW])


@pytest.fixture
def made_up(few, monkeypatch):
    """And runs that cost nothing; what was asked for is in the list."""
    asked = []

    def invent(task):
        asked.append(task.title)
        return Done(a_row(task.arm, task.seed, **OUTCOME), [a_move(task.arm, task.seed)], 0.1)

    monkeypatch.setattr(command, "carry_out", invent)
    yield asked
    OUTCOME.clear()


OUTCOME = {}
"""What becomes of runs that are made up."""


def call(capsys, *arguments):
    code = dispatch(["study", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_study_runs_is_kept_and_says_what_it_found(capsys, few, tmp_path):
    """From the runs to the tables, and the rows in files; the cure that counts nothing decides the same."""
    code, out, err = call(capsys, "churn", "--seeds", "1", "--out", "found")
    assert code == ExitCode.OK
    assert "same journal in 1 of 1 seeds" in " ".join(out.split())
    assert "3 runs, no invariant broken" in out
    assert "What was promised" in out
    found = read_study(tmp_path / "found")
    assert [(row.arm, row.ended, row.violations) for row in found.rows] == [(name, "completed", 0) for name in FEW]
    assert found.rows[0].placed > 10 * found.rows[1].placed > 0
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT arm, placed FROM 'found/runs.parquet'").fetchall()
    assert rows == [(row.arm, row.placed) for row in found.rows]
    assert "files: found/runs.parquet" in err


def test_the_document_has_quartiles_of_every_arm_and_the_tables(capsys, made_up):
    """A ratio to no fill is null: there is no such number in JSON."""
    OUTCOME.update(calls_per_min=2.0)
    code, out, _ = call(capsys, "churn", "--seeds", "2", "--json")
    document = json.loads(out)
    assert code == ExitCode.OK
    assert [(each["arm"], each["runs"]) for each in document["arms"]] == [(name, 2) for name in FEW]
    stable = document["arms"][1]
    assert stable["scenario"] == "churn-stable"
    assert stable["quartiles"]["calls_per_min"] == [2.0, 2.0, 2.0]
    assert stable["quartiles"]["calls_per_fill"] == [None, None, None]
    assert stable["quartiles"]["modify_share"] is None
    assert document["seeds"] == 2
    assert [table["title"] for table in document["tables"]][:2] == ["What was promised", "The rows of the incident"]


def test_it_goes_on_where_it_stopped(capsys, made_up, monkeypatch):
    """Ctrl-C keeps what is done; the same command does the rest, and more seeds later only those."""
    invent = command.carry_out

    def interrupted(task):
        if len(made_up) == 2:
            raise KeyboardInterrupt
        return invent(task)

    monkeypatch.setattr(command, "carry_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dispatch(["study", "churn", "--seeds", "1"])
    err = capsys.readouterr().err
    assert "stopped: 2 of 3 runs done, the same command goes on from there" in err
    monkeypatch.setattr(command, "carry_out", invent)
    code, _, err = call(capsys, "churn", "--seeds", "1")
    assert code == ExitCode.OK
    assert "2 runs of 3 done before" in err
    call(capsys, "churn", "--seeds", "2")
    assert made_up == [f"{name} seed {seed}" for seed in range(2) for name in FEW]


@pytest.mark.parametrize(("outcome", "says"), [({"violations": 2}, "2 violations"), ({"ended": "failed"}, "failed")])
def test_a_run_that_does_not_end_well_is_red_and_named(capsys, made_up, outcome, says):
    """A missed promise is a finding; a broken invariant is none."""
    OUTCOME.update(outcome)
    code, out, _ = call(capsys, "churn", "--seeds", "1")
    assert code == ExitCode.FAILED
    assert f"baseline seed 0: {outcome.get('ended', 'completed')}, " in out
    assert says in out
    assert "3 of 3 runs failed" in out


def test_everything_that_is_wrong_comes_together_and_nothing_is_written(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "duckdb" else object())
    code, out, err = call(capsys, "chrn", "--seeds", "0", "--jobs", "0", "--out", "file")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert [line.partition(": found")[0] for line in err.splitlines()] == [
        "study",
        "--seeds",
        "--jobs",
        "study",
        "--out",
    ]
    assert "churn" in err.splitlines()[0]
    assert "pip install 'makerlab[study]'" in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_scenario_that_cannot_be_is_named_by_its_arm(capsys, monkeypatch, tmp_path):
    """Before the first run, not after an hour of them."""
    broken = type(ARMS[0])(
        name="wrong", group=ARMS[0].group, scenario="churn-stable", overrides=("trader.x=1",), about=""
    )
    monkeypatch.setattr(command, "arms_of", lambda *, long: [broken])
    code, _, err = call(capsys, "churn")
    assert code == ExitCode.WRONG_INPUT
    assert err.startswith("wrong: ")
    assert "trader.x" in err
    assert not list(tmp_path.iterdir())


def test_a_folder_with_torn_files_and_runs_of_other_code_is_refused_as_it_is(capsys, made_up, tmp_path):
    """One report that names each; nothing is run, nothing is overwritten."""
    call(capsys, "churn", "--seeds", "1", "--out", "found")
    runs = tmp_path / "found/runs"
    torn, other = runs / "baseline-0.json", runs / "stable-0.json"
    torn.write_bytes(torn.read_bytes()[:-9])
    document = json.loads(other.read_bytes())
    document["terms"] |= {"sources": "0" * 32, "commit": "f" * 40}
    other.write_text(json.dumps(document))
    before = {path: path.read_bytes() for path in runs.iterdir()}
    made_up.clear()
    code, out, err = call(capsys, "churn", "--seeds", "1", "--out", "found", "--jobs", "0")
    assert (code, out, made_up) == (ExitCode.WRONG_INPUT, "", [])
    lines = err.splitlines()
    assert [line.partition(": found")[0] for line in lines] == [
        "--jobs",
        "found/runs/baseline-0.json",
        "found/runs/stable-0.json",
    ]
    assert "a run of ffffffffffff" in lines[2]
    assert {path: path.read_bytes() for path in runs.iterdir()} == before


def test_a_place_that_cannot_be_written_is_named_before_hours_of_work(capsys, few, tmp_path):
    (tmp_path / "found/runs.parquet").mkdir(parents=True)
    code, _, err = call(capsys, "churn", "--seeds", "1", "--out", "found")
    assert code == ExitCode.WRONG_INPUT
    assert err.startswith("--out: found found/runs.parquet")


def test_a_day_is_asked_for_by_its_own_option(tmp_path):
    """And is run with one seed."""
    assert arms_of(long=False) == ARMS
    assert arms_of(long=True) == (*ARMS, *LONG)
    tasks, _ = _checked("churn", 2, 1, tmp_path / "out", LONG[:1])
    assert tasks == [Task(LONG[0].name, 0)]


def test_the_journal_of_a_day_is_in_no_memory(monkeypatch):
    """It goes to a file, and the file goes away."""
    arm = LONG[3]
    short = type(arm)(
        name=arm.name, group=arm.group, scenario=arm.scenario, overrides=("duration_s=90",), about="", every_s=60.0
    )
    monkeypatch.setattr(run, "arm_named", lambda _: short)
    monkeypatch.setattr(run, "MemoryLog", None)
    made = []
    file_log = run.FileLog
    monkeypatch.setattr(run, "FileLog", lambda path: made.append(path) or file_log(path))
    done = carry_out(Task(arm.name, 0))
    assert done.row.ended == "completed"
    assert done.row.digest
    assert [path.exists() for path in made] == [False]
