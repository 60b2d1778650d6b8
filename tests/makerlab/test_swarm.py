"""The search: what holds, what fails, what is kept, how it goes on, and how small a failure gets."""

import json

import pytest

from domain.errors import ConfigError
from makerlab.__main__ import dispatch
from makerlab.exit_codes import ExitCode
from makerlab.swarm import FAILURES, SEEN, _checked
from orchestrator.fills import FillDeduplicator
from scenarios.failure import TAIL, read_failure
from scenarios.loader import load

MINUTES = "3.5"
OTHER_FORMAT = json.dumps(
    {
        "format": 2,
        "makerlab": "",
        "commit": None,
        "python": "",
        "seed": 1,
        "scenario": {},
        "failed": [],
        "digest": "",
        "event": 0,
        "tail": [],
    }
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files go to a folder of the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def forgetful(monkeypatch):
    """A trader that books a fill as often as it is told."""
    monkeypatch.setattr(FillDeduplicator, "mark_processed", lambda *_: True)


def call(capsys, *arguments):
    code = dispatch(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def search(capsys, seeds, *more):
    return call(capsys, "swarm", "--seeds", seeds, "--minutes", MINUTES, "--json", *more)


def without_time(text):
    summary = json.loads(text)
    return {key: value for key, value in summary.items() if key not in ("took_s", "speed_x")}


def test_a_search_says_what_was_injected_and_that_all_holds(capsys, tmp_path):
    """Seed 0 is run twice, in two processes; what was seen is a line a seed."""
    code, out, _ = search(capsys, "2")
    summary = json.loads(out)
    assert code == ExitCode.OK
    assert summary["seeds"] == 2
    assert summary["failed"] == {}
    assert summary["differing"] == []
    assert sum(fault["injected"] for fault in summary["faults"].values()) > 0
    assert summary["checks"]["S1"] > 100
    lines = (tmp_path / "runs/swarm" / SEEN).read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines[1:]] == [0, 1]


def test_two_processes_see_what_one_sees(capsys):
    """And a search goes on where it stopped: the second one here has nothing left to do but the gate."""
    _, one, _ = search(capsys, "1..4", "--out", "one")
    _, two, _ = search(capsys, "1..4", "--jobs", "2", "--out", "two")
    _, again, err = search(capsys, "1..4", "--out", "two")
    for text in (one, two, again):
        assert without_time(text) | {"folder": ""} == without_time(one) | {"folder": ""}
    assert "4 seeds of 4 seen before" in err


def test_a_torn_line_and_other_worlds_lose_nothing(capsys, tmp_path):
    """A search that was killed while it wrote goes on; one of other worlds begins anew and keeps the old file."""
    search(capsys, "1..2")
    path = tmp_path / "runs/swarm" / SEEN
    path.write_bytes(path.read_bytes()[:-20])
    _, out, err = search(capsys, "1..2")
    assert json.loads(out)["seeds"] == 2
    assert "1 seed of 2 seen before" in err
    _, _, err = call(capsys, "swarm", "--seeds", "1..1", "--minutes", "4", "--json")
    assert "of other worlds" in err
    assert len(path.with_suffix(".before.jsonl").read_text().splitlines()) == 3


@pytest.mark.usefixtures("forgetful")
def test_a_failure_is_kept_repeats_and_shrinks(capsys, tmp_path):
    """A bug in the trader is found; its file repeats it by `run`, and one fault is enough in the end."""
    code, out, err = search(capsys, "1..3")
    assert code == ExitCode.FAILED
    failed = json.loads(out)["failed"]
    assert failed
    seed = next(seed for seed, names in failed.items() if names[0] in ("S1", "S2"))
    artefact = tmp_path / "runs/swarm" / FAILURES / f"seed-{seed}.json"
    assert str(artefact.relative_to(tmp_path)) in err
    failure = read_failure(artefact)
    assert failure.seed == int(seed)
    assert 0 < len(failure.tail) <= TAIL
    assert f"event {failure.event}:" in "".join(failure.tail)
    code, out, _ = call(capsys, *failure.repeat.split()[1:], "--json")
    assert code == ExitCode.FAILED
    assert json.loads(out)["journal_digest"] == failure.digest
    code, out, _ = call(capsys, "shrink", str(artefact), "--minutes", "0.4")
    assert code == ExitCode.OK
    small = load(str(artefact.with_suffix(".small.toml")))
    assert len(small.faults) < len(load(str(artefact.with_suffix(".toml"))).faults)
    code, out, _ = call(capsys, "run", str(artefact.with_suffix(".small.toml")), "--seed", seed, "--json")
    assert failure.name in {violation["name"] for violation in json.loads(out)["violations"]}


def test_a_failure_that_is_gone_says_so(capsys, tmp_path, monkeypatch):
    """Once the bug is mended there is nothing to shrink, and no file is written."""
    with monkeypatch.context() as broken:
        broken.setattr(FillDeduplicator, "mark_processed", lambda *_: True)
        _, out, _ = search(capsys, "1..6")
    seed = next(iter(json.loads(out)["failed"]))
    artefact = tmp_path / "runs/swarm" / FAILURES / f"seed-{seed}.json"
    code, out, err = call(capsys, "shrink", str(artefact))
    assert code == ExitCode.FAILED
    assert out == ""
    assert "does not fail here any more" in err
    assert not artefact.with_suffix(".small.toml").exists()


def test_a_harness_that_raises_is_a_failure_too(capsys, monkeypatch):
    """An exception in the simulated world is reported with its seed, and the search goes on."""

    def raise_(*_):
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("scenarios.swarm.run_scenario", raise_)
    code, out, _ = search(capsys, "1..2")
    assert code == ExitCode.FAILED
    assert json.loads(out)["failed"] == {"1": ["exception ZeroDivisionError"], "2": ["exception ZeroDivisionError"]}


@pytest.mark.parametrize(
    "seeds", ["0", "-1", "x", "5..3", "1..", "..2", "1...2", "1.5", "100001", "0..99999999999999999999"]
)
def test_impossible_seeds_are_named(seeds):
    """One line, and nothing starts."""
    with pytest.raises(ConfigError, match=r"--seeds: found .*, want a number of seeds"):
        _checked(seeds, 10, 1)


def test_all_wrong_numbers_come_together(capsys, tmp_path):
    """Three mistakes, three lines, exit code 2, nothing written."""
    code, out, err = call(capsys, "swarm", "--seeds", "none", "--minutes", "1", "--jobs", "0")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert [line.partition(":")[0] for line in err.splitlines()] == ["--seeds", "--minutes", "--jobs"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Input data was truncated"),
        ("{}", "missing required field"),
        ('{"format": 1', "truncated"),
        (OTHER_FORMAT, "another makerlab wrote it"),
    ],
)
def test_a_broken_artefact_is_named(capsys, tmp_path, text, says):
    """What is no failure that the swarm wrote: one line a problem, exit code 2."""
    path = tmp_path / "seed-1.json"
    path.write_text(text)
    code, _, err = call(capsys, "shrink", str(path))
    assert code == ExitCode.WRONG_INPUT
    assert says in err
    assert str(path) in err


def test_a_missing_artefact_and_folder_are_named(capsys):
    """Before anything runs."""
    code, _, err = call(capsys, "shrink", "no.json")
    assert code == ExitCode.WRONG_INPUT
    assert "no.json: found No such file or directory" in err
    code, _, err = call(capsys, "shrink", "no.json", "--out", "nowhere/x.toml", "--minutes", "0")
    assert [line.partition(":")[0] for line in err.splitlines()] == ["--minutes", "--out"]
    assert code == ExitCode.WRONG_INPUT
