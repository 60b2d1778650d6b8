"""The command that takes one mechanism after the other out: what it prints, what its exit code says."""

import json

import pytest

import makerlab.ablate as command
from makerlab.__main__ import dispatch
from makerlab.exit_codes import ExitCode
from orchestrator.fills import FillDeduplicator
from studies import ablation, mechanisms
from studies.ablation import Trial, trials_of, try_out
from studies.mechanisms import MECHANISMS, Mechanism, mechanism_named
from studies.sabotage import Misfit, Patch, instead, sabotage
from tests.makerlab.command import json_of, makerlab

THREE = ("fill-deduplication", "own-cross-check", "fill-before-acknowledgement")

SHORT = ("duration_s=60", "expect.healed_after_s_max=off")
"""A minute is too short to see whether it heals."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files go to a folder of the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def the_only(monkeypatch):
    """Make a mechanism the only one of the table."""

    def make(**fields):
        one = Mechanism(**{"name": "one", "does": "does it", "scenario": "duplicates", **fields})
        monkeypatch.setattr(mechanisms, "MECHANISMS", (one,))
        monkeypatch.setattr(command, "MECHANISMS", (one,))  # imported above: its table must be the true one before
        return one

    return make


def call(capsys, *arguments):
    """Run `makerlab ablate ARGUMENTS` in this process: (exit code, stdout, stderr)."""
    code = dispatch(["ablate", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows_of(out):
    return {row["mechanism"]: row for row in json_of(out)["mechanisms"]}


def test_three_of_them_by_the_command(capsys):
    """What the issue asks for: green with, red without, by what, as a table printed by one command."""
    code, out, err = call(capsys, *THREE)
    assert code == ExitCode.OK, out
    assert "3 of 3 mechanisms are load-bearing" in out
    for name, red in zip(THREE, ("S2, seed 0", "S17, seed 0", "S15, seed 0"), strict=True):
        assert name in out
        assert mechanism_named(name).scenario in out
        assert red in out
    assert err.count("without it: red (") == len(THREE)
    assert err.count("with it: holds (") == len(THREE)


@pytest.mark.slow
def test_the_document_is_the_same_from_one_process_and_from_two(capsys, tmp_path):
    """A finding is a function of commit, mechanism and seeds; only the times differ."""
    pair = THREE[:2]
    _, one, _ = call(capsys, *pair, "--json")
    code, two, _ = makerlab("ablate", *pair, "--json", "--jobs", "2", cwd=tmp_path)
    found = [json.loads(text) for text in (one, two)]
    for document in found:
        for row in document["mechanisms"]:
            for run in ("with", "without"):
                assert row[run].pop("run_s") > 0
    assert code == ExitCode.OK
    assert found[0] == found[1]
    row = found[0]["mechanisms"][0]
    assert row["with"] == {"holds": True, "seed": None, "what": None, "why": None}
    assert (row["without"]["holds"], row["without"]["seed"], row["without"]["what"]) == (False, 0, "S2")
    assert row["off"] == mechanism_named("fill-deduplication").how


def test_a_mechanism_that_carries_nothing_fails(capsys, the_only):
    """The point of the table: a part that nobody misses is found."""
    the_only(off=("trader.fills.capacity=9_999",))
    code, out, _ = call(capsys)
    assert code == ExitCode.FAILED
    assert "holds: it carries nothing" in " ".join(out.split())
    assert "0 of 1 mechanisms are load-bearing" in out


def test_a_scenario_that_does_not_hold_even_with_it_fails(capsys, the_only):
    """Red without it says nothing where it is red anyway."""
    the_only(off=("trader.fills.capacity=1",), given=("expect.fills_min=100_000",))
    code, out, _ = call(capsys, "--json")
    row = rows_of(out)["one"]
    assert code == ExitCode.FAILED
    assert (row["with"]["what"], row["with"]["seed"], row["is_load_bearing"]) == ("fills", 0, False)
    assert not row["without"]["holds"]


def test_that_the_scenario_met_nothing_is_no_proof(capsys, the_only):
    """Without a part the world takes another course: fewer races show nothing, an expectation of the trader does."""
    the_only(off=("expect.races_min=9_999",))
    code, out, _ = call(capsys, "--json")
    assert (code, rows_of(out)["one"]["without"]["holds"]) == (ExitCode.FAILED, True)
    the_only(off=("expect.fills_min=9_999",))
    code, out, _ = call(capsys, "--json")
    assert (code, rows_of(out)["one"]["without"]["what"]) == (ExitCode.OK, "fills")


def test_with_it_even_that_must_hold(the_only):
    """A scenario that meets nothing protects nothing."""
    the_only(off=(), given=("expect.races_min=9_999",))
    assert try_out(Trial("one", (0,), is_without=False)).what == "races"


def test_a_sabotage_that_does_not_fit_is_no_proof(the_only):
    """Its run ends, but by its own mistake: a row that is red for that would say nothing of the mechanism."""

    def without_arguments(self):
        raise AssertionError

    wrong = sabotage("wrong", Patch(FillDeduplicator, "mark_processed", instead(without_arguments)))
    the_only(off=wrong, given=SHORT)
    with pytest.raises(Misfit, match="one, seed 0: core_failed: TypeError"):
        try_out(Trial("one", (0,), is_without=True))


@pytest.mark.parametrize("error", [KeyError, IndexError, ValueError, ZeroDivisionError])
def test_a_sabotage_that_fails_itself_is_no_proof(monkeypatch, the_only, tmp_path, error):
    """Whatever the error is: what counts is that it came up in the code of a sabotage, and not in the trader."""
    wrong = sabotage("wrong", Patch(FillDeduplicator, "mark_processed", instead(mistaken(tmp_path, error))))
    the_only(off=wrong, given=SHORT)
    monkeypatch.setattr(ablation, "ROOM", tmp_path)
    with pytest.raises(Misfit, match=f"one, seed 0: core_failed: {error.__name__}"):
        try_out(Trial("one", (0,), is_without=True))


def test_a_sabotage_may_raise_on_purpose(monkeypatch, the_only, tmp_path):
    """That the trader ends without the part is what it shows then."""
    wrong = sabotage("wrong", Patch(FillDeduplicator, "mark_processed", instead(mistaken(tmp_path, None))))
    the_only(off=wrong, given=SHORT)
    monkeypatch.setattr(ablation, "ROOM", tmp_path)
    assert try_out(Trial("one", (0,), is_without=True)).red_seed == 0


def mistaken(folder, error):
    """A function, in a file of its own, that fails in an expression, or on purpose (None)."""
    wrong = {KeyError: "{}[1]", IndexError: "[][0]", ValueError: "int('x')", ZeroDivisionError: "1 // 0"}
    line = "raise ValueError" if error is None else wrong[error]
    path = folder / "wrong.py"
    path.write_text(f"def fails(self, *args, **kwargs):\n    {line}\n")
    found = {}
    exec(compile(path.read_text(), str(path), "exec"), found)
    return found["fails"]


def test_several_seeds_are_tried_until_one_is_red(monkeypatch, the_only):
    """The first seed that shows it is the one to look at; those behind it are not run."""
    the_only(off=("trader.fills.capacity=9_999",), given=SHORT)
    ran = []

    def run(mechanism, seed, trial):
        ran.append(seed)
        return ablation.RunResult("one", seed)

    monkeypatch.setattr(ablation, "_run", run)
    monkeypatch.setattr(ablation, "_first_of", lambda result, **_: ("S1", "why") if result.seed == 4 else None)
    verdict = try_out(Trial("one", (2, 3, 4, 5), is_without=True))
    assert (verdict.red_seed, verdict.what, verdict.why) == (4, "S1", "why")
    assert ran == [2, 3, 4]


def test_mechanisms_of_one_scenario_share_the_sound_run():
    """With everything in place the run is the same for all of them."""
    trials = trials_of(MECHANISMS, None)
    sound = [trial for trial in trials if not trial.is_without]
    worlds = {(each.scenario, each.given, each.seed) for each in MECHANISMS}
    assert len(sound) == len(worlds) < len(MECHANISMS)
    assert sum(trial.is_without for trial in trials) == len(MECHANISMS)


def test_the_run_without_is_kept_where_asked(capsys, tmp_path):
    """To look at it: the journal, and the result with what was switched off."""
    call(capsys, "fill-deduplication", "--out", "off")
    folder = tmp_path / "off/fill-deduplication/0"
    result = json.loads((folder / "result.json").read_text())
    assert not result["holds"]
    assert result["violations"][0]["name"] == "S2"
    assert dispatch(["story", str(folder / "journal.mlj")]) == 0
    assert "ETH @" in capsys.readouterr().out


def test_every_mistake_is_named_before_anything_runs(capsys):
    """One line a mistake, and what may have been meant."""
    code, out, err = call(capsys, "fill-deduplicaton", "zzz", "--seeds", "5..3", "--jobs", "0")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert "did you mean fill-deduplication?" in err
    assert "'zzz'" in err
    assert "5..3" in err
    assert "--jobs" in err
    assert "with it" not in err


WRONG = ("", "x", "-1", "0", "3..", "..3", "1..0", "1.5", "0..99999999999999999999", "0..200000")


@pytest.mark.parametrize("text", WRONG)
def test_wrong_seeds_are_refused(capsys, text):
    code, _, err = call(capsys, "fill-deduplication", f"--seeds={text}")
    assert code == ExitCode.WRONG_INPUT
    assert "--seeds" in err


@pytest.mark.parametrize(("text", "seeds"), [("3", range(3)), ("2..4", range(2, 5)), ("7..7", range(7, 8))])
def test_seeds_are_read_as_a_range_or_a_count(capsys, monkeypatch, text, seeds):
    asked = []

    def note(trial):
        asked.append(trial.seeds)
        return ablation.Verdict(None if not trial.is_without else 0, "", "", 0.0)

    monkeypatch.setattr(command, "try_out", note)
    call(capsys, "fill-deduplication", "--seeds", text)
    assert asked == [tuple(seeds)] * 2
