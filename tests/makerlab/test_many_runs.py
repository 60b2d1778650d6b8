"""Many runs in one call: nothing that is done is lost, the report can be read, long runs wait to be named."""

import signal
from pathlib import Path
from time import sleep
from xml.etree.ElementTree import parse

import pytest

from makerlab import run as run_module
from makerlab.exit_codes import ExitCode
from makerlab.junit import write_junit
from makerlab.scenarios import covering, list_scenarios
from scenarios.incidents import INCIDENTS, NOT_REPEATED
from scenarios.loader import library, load
from scenarios.result import Ended, Outcome, RunResult, Violation, Wall
from tests.makerlab.command import json_of, spawn

WORLD = """
extends = "eth-quiet"
name = "{name}"
duration_s = {seconds}
expect.fills_min = 0
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_done(tmp_path, jobs):
    """The run that is under way is lost, those before it are in the table and in the report."""
    (tmp_path / "short.toml").write_text(WORLD.format(name="short", seconds=20))
    (tmp_path / "long.toml").write_text(WORLD.format(name="long", seconds=200_000))
    options = ("--jobs", jobs, "--junit", "junit.xml", "--out", ".")
    process = spawn("run", "short.toml", "long.toml", *options, cwd=tmp_path)
    while not (tmp_path / "short-0" / "result.json").exists():
        assert process.poll() is None
        sleep(0.05)
    sleep(1.0)  # from the file to the list of what is done
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "stopped: 1 of 2 runs are done" in err
    assert "Traceback" not in err
    assert "short, seed 0" in out
    (suite,) = parse(tmp_path / "junit.xml").getroot()
    assert suite.get("name") == "short-0"


def test_now_and_then_a_line_says_how_far_it_is(tmp_path, monkeypatch, capsys):
    """Hours of runs without a bar: done, failed, and the time to go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_module, "COUNT_EVERY_S", 0.0)
    Path("short.toml").write_text(WORLD.format(name="short", seconds=10))
    code = run_module.run("short.toml", seeds=3, set_=('expect.least={"fills"=1000000}',))
    assert code == ExitCode.FAILED
    lines = [line for line in capsys.readouterr().err.splitlines() if "runs done" in line]
    assert [line.partition(", about")[0] for line in lines] == [
        "1 of 3 runs done, 1 failed",
        "2 of 3 runs done, 2 failed",
    ]


def test_a_failure_in_the_report_says_what_was_found_and_how_to_see_it_again(tmp_path):
    """What a reader of the report has: names, times, messages, the command."""
    good = RunResult("calm", 3, expectations=[Outcome("ended", "completed", "completed", holds=True)])
    bad = RunResult(
        "storm",
        7,
        ended=Ended.HALTED,
        reason="a loss",
        overrides=("duration_s=5",),
        expectations=[
            Outcome("ended", "completed", "halted", holds=False),
            Outcome("invariants", "0 violations", 1.0, holds=False),
            Outcome("fills", ">= 5", 9.0, holds=True),
        ],
        violations=[Violation("S1", 4.5, "we hold 1, the venue says 2", story="placed, filled")],
    )
    good.wall, bad.wall = Wall(run_s=2.0), Wall(run_s=3.0)
    write_junit([good, bad], tmp_path / "junit.xml")
    root = parse(tmp_path / "junit.xml").getroot()
    assert {key: root.get(key) for key in ("tests", "failures", "time")} == {
        "tests": "4",
        "failures": "2",
        "time": "5.000",
    }
    calm, storm = root
    assert (calm.get("name"), calm.get("failures"), calm.get("time")) == ("calm-3", "0", "2.000")
    assert [case.get("name") for case in storm] == ["ended", "invariants", "fills"]
    assert sum(float(case.get("time")) for case in storm) == pytest.approx(3.0)
    ended, broken = (case.find("failure") for case in storm if case.find("failure") is not None)
    again = "makerlab run storm --seed 7 --set duration_s=5"
    assert ended.get("message") == "wanted completed, measured halted"
    assert ended.text == f"halted: a loss\n\n{again}"
    assert broken.text == f"S1 at 4.500000 s: we hold 1, the venue says 2\nplaced, filled\n\n{again}"


def test_all_leaves_out_endurance_runs_by_name(monkeypatch, capsys):
    """A day of simulation is run by name, and said to be missing."""
    monkeypatch.setattr(run_module, "library", lambda: ["storm-24h", "eth-quiet"])
    assert [world.name for world in run_module._load([], [], all_=True)] == ["eth-quiet"]
    assert "storm-24h: left out (an endurance run of 24 simulated hours, run it by name)" in capsys.readouterr().err
    assert [world.name for world in run_module._load(["storm-24h"], [], all_=False)] == ["storm-24h"]


def test_incidents_are_listed_for_people_and_machines(capsys):
    """Each with the scenarios that repeat it, or with the reason why none does."""
    assert list_scenarios(incidents=True, as_json=True) == 0
    rows = {row["id"]: row for row in json_of(capsys.readouterr().out)["incidents"]}
    assert list(rows) == list(INCIDENTS)
    assert "modify-partial-race" in rows["modify_partial_race"]["scenarios"]
    assert rows["A2"]["not_repeated"] == NOT_REPEATED["A2"]
    assert rows["A1"]["not_repeated"] is None
    assert list_scenarios(incidents=True) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "modify-partial-race" in out
    assert "none: no grouped orders are placed" in out


def test_a_scenario_may_cover_several_incidents_and_none():
    """Every incident is a key, in the order of the list."""
    found = covering([load("modifies"), load("modify-partial-race")])
    assert list(found) == list(INCIDENTS)
    assert {name for name, scenarios in found.items() if scenarios} == {"modify_partial_race", "B29"}
    assert found["B29"] == ["modify-partial-race"]


def test_the_list_of_scenarios_says_what_they_cover(capsys):
    """Machines read it from the same document as the rest."""
    list_scenarios(as_json=True)
    rows = {row["name"]: row for row in json_of(capsys.readouterr().out)["scenarios"]}
    assert set(rows) == set(library())
    assert rows["modify-partial-race"]["covers"] == ["modify_partial_race", "B29"]
    assert rows["storm-24h"]["soak"] is True
    assert rows["eth-quiet"] | {"covers": [], "soak": False} == rows["eth-quiet"]
