"""`makerlab crashes`: what is printed, what is kept, wrong input, and Ctrl-C."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

import makerlab.crashes as command
from makerlab.__main__ import dispatch
from makerlab.exit_codes import ExitCode
from scenarios.crashes import Death, Plan
from scenarios.failure import Failed, read_failure
from sim.points import Point
from studies.sabotage import installed
from studies.sabotages.lives import NO_INTENTS
from tests.makerlab.command import spawn

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

WORLD = """\
extends = "crash-everywhere"
name = "short"
duration_s = 26
faults = []

[expect]
fills_min = 0
injected_min = "off"
two_sided_of_fresh_pct_min = 0
least = { "orders.modified" = 0 }
"""
"""Six seconds with deaths: three in which it starts, three in which it quotes."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The world is a file there; files go to a folder of the test."""
    monkeypatch.chdir(tmp_path)
    Path("short.toml").write_text(WORLD)


def call(capsys, *arguments):
    code = dispatch(["crashes", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_all_deaths_survived(capsys):
    """A row for each kind of point, how many deaths, and no files of failures."""
    code, out, _ = call(capsys, "short.toml", "--every", "60", "--jobs", "2", "--loss", "torn")
    assert code == ExitCode.OK
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if len(line.split()) == 4}
    assert set(rows) == {"sending", "synced", "told", "written"}
    points, deaths = (sum(int(row[i]) for row in rows.values()) for i in range(2))
    assert deaths == -(-points // 60) > 3
    assert {failed for _, _, failed in rows.values()} == {"0"}
    assert out.splitlines()[-1] == "all hold"
    assert not Path("runs/crashes/failures").exists()


def test_a_failure_is_kept_named_and_repeated(capsys):
    """Exit code 1; what is printed repeats it, also what only a look at the journal shows."""
    with installed(NO_INTENTS):
        code, out, err = call(capsys, "short.toml", "--every", "30", "--json", "--out", "found")
        assert code == ExitCode.FAILED
        summary = json.loads(out)
        repeats = {each["repeat"].split()[1]: each["repeat"].split()[1:] for each in summary["failed"]}
        assert set(repeats) == {"crashes", "run"}
        assert [dispatch(command) for command in repeats.values()] == [ExitCode.FAILED, ExitCode.FAILED]
    first = summary["failed"][0]
    file = Path("found/failures") / first["point"] / "seed-0.json"
    assert f"{first['point']} at {first['t_s']:.3f} s: {read_failure(file).name} failed, see {file}" in err
    assert sum(summary["failed_by"].values()) == len(summary["failed"])
    assert sum(kind["failed"] for kind in summary["kinds"].values()) == len(summary["failed"])
    assert summary["died"] == sum(kind["died"] for kind in summary["kinds"].values())
    assert summary["differing"], "another process has the whole trader: it does not die as this one did"


def test_a_world_that_does_not_hold_by_itself(capsys):
    """There is no use in looking for what a death breaks where all is broken already."""
    code, out, err = call(capsys, "short.toml", "--set", "expect.fills_min=10000")
    assert (code, out) == (ExitCode.FAILED, "")
    assert "does not hold without any death: fills: wanted >= 10000" in err


def test_wrong_input_is_named_at_once(capsys):
    """Every problem is a line, nothing has run."""
    code, out, err = call(
        capsys, "short.toml", "--every", "0", "--jobs", "0", "--downtime", "0", "--seed", "-1", "--set", "duration_s=9"
    )
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    lines = err.splitlines()
    assert [line.split(": found")[0].rpartition(": ")[2] for line in lines] == [
        "--seed",
        "--jobs",
        "--every",
        "--downtime",
        "duration_s",
    ]
    assert "after a death there must be time to heal (checks.heal_ms)" in lines[-1]
    assert call(capsys, "nowhere")[0] == ExitCode.WRONG_INPUT
    assert call(capsys, "short.toml", "--loss", "some")[0] == ExitCode.WRONG_INPUT
    code, _, err = call(capsys, "short.toml", "--at", "told-99999")
    assert code == ExitCode.WRONG_INPUT
    assert err.startswith("--at: found 'told-99999', want one of the ")


def test_what_can_be_no_point_is_named_before_anything_runs(capsys, monkeypatch):
    """And --every beside --at is not dropped without a word; nor may a file stand where failures go."""
    monkeypatch.setattr("makerlab.crashes.look", lambda _: pytest.fail("it runs"))
    Path("o").mkdir()
    Path("o/failures").write_text("")
    code, _, err = call(capsys, "short.toml", "--at", "nonsense", "--every", "7", "--out", "o")
    assert code == ExitCode.WRONG_INPUT
    assert [line.partition(": found")[0] for line in err.splitlines()] == ["--at", "--every", "--out"]


RAISED = [Failed("exception ZeroDivisionError", "by hand")]
ENDED = [Failed("process", "it ended without a word: killed by SIGKILL")]
TWICE = ("a", "b")


@pytest.mark.parametrize(
    ("failed", "digests", "again", "n_differing"),
    [
        ([], TWICE, TWICE, 0),
        ([], TWICE, ("a", "c"), 1),
        ([], TWICE, None, 1),
        (RAISED, ("", ""), None, 0),
        (RAISED, ("", ""), TWICE, 1),
        (ENDED, ("", ""), TWICE, 0),
    ],
)
def test_a_death_that_ends_in_an_exception_is_run_again_like_others(failed, digests, again, n_differing, monkeypatch):
    """It does so again, and the sweep goes on; a process that was ended from outside says nothing of the trader."""

    def die_again(*_):
        if again is None:
            raise ZeroDivisionError("by hand")
        return again

    monkeypatch.setattr(command, "die_again", die_again)
    monkeypatch.setattr(
        command, "spread", lambda work, items, _, done, **__: [done(each, work(each)) for each in items]
    )
    death = Death(index=0, point=Point.WRITTEN, number=1, t_s=1.0, failed=failed, digests=digests)
    differing = command._run_again(Plan(source="short.toml"), [death], 1)
    assert len(differing) == n_differing


def test_printed_commands_can_be_pasted():
    """A path with a blank in it is one word."""
    death = Death(index=0, point=Point.TOLD, number=1, t_s=1.0, failed=[Failed("S1", "")])
    plan = Plan(source="my worlds/short.toml")
    assert "crashes 'my worlds/short.toml' --at told-1" in command._found(death, {}, plan).repeat
    assert "run 'o o/seed-0.toml' --seed 0" in command._found(death, {"told-1": Path("o o/seed-0.toml")}, plan).repeat


def children_of(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_every_child(tmp_path, number):
    """None is left behind, and what was done is said."""
    with spawn("crashes", "short.toml", "--jobs", "2", cwd=tmp_path) as process:
        try:
            while len(found := children_of(process.pid)) < 2:
                assert process.poll() is None, process.stderr.read()
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in err
    assert ("deaths are done" in err) is (number == signal.SIGINT)
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
