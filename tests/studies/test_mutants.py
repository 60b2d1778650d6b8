"""The planted bugs: the table is whole, each fits the code, and what is said of it is so."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import makerlab.mutants as command
from makerlab.__main__ import dispatch
from makerlab.commands import COMMANDS
from makerlab.exit_codes import ExitCode
from makerlab.output import result_console
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.sync.shutdown import Shutdown
from scenarios.loader import library, load
from studies import planting
from studies.ablation import Trial, Verdict
from studies.mutants import CANARY, MUTANTS, Mutant, Plant
from studies.planting import Shown, mutants_named, plant_named, try_out
from studies.sabotage import Misfit, Patch, Sabotage, does_nothing, instead, sabotage
from tests.makerlab.command import json_of

ROOT = Path(__file__).resolve().parents[2]
PLANTS = [plant for mutant in (*MUTANTS, CANARY) for plant in mutant.plants]
TESTED = [each for mutant in MUTANTS for each in mutant.tested]
RULE = re.compile(r"[SLE]\d+")


def name_of(each):
    return each.name


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files go to a folder of the test."""
    monkeypatch.chdir(tmp_path)


def call(capsys, *arguments):
    """Run `makerlab mutants ARGUMENTS` in this process: (exit code, stdout, stderr)."""
    code = dispatch(["mutants", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def canary_as(monkeypatch):
    """Put something else in the canary's place."""

    def make(off):
        plant = CANARY.plants[0]
        other = Plant(name="canary", off=off, scenario=plant.scenario, by=plant.by, given=plant.given)
        canary = Mutant(number="canary", bug="", rules=(), plants=(other,))
        monkeypatch.setattr(planting, "CANARY", canary)
        monkeypatch.setattr(command, "CANARY", canary)

    return make


# --- the table ----------------------------------------------------------------------------------


def test_every_row_of_the_specification_stands_once():
    """48 of the trader and eleven of the venue, in their order."""
    wanted = [*map(str, range(1, 49)), *(f"E{number}" for number in range(1, 12))]
    assert [mutant.number for mutant in MUTANTS] == wanted


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.number)
def test_each_is_planted_or_says_why_not(mutant):
    """A row of words alone would be no evidence."""
    assert mutant.plants or (mutant.tested and mutant.not_here)
    assert mutant.rules
    assert all(RULE.fullmatch(rule) for rule in mutant.rules)
    masked = [plant for plant in mutant.plants if plant.masked_by]
    pairs = [plant for plant in mutant.plants if plant.name.startswith(tuple(f"{each.name}-and-" for each in masked))]
    assert len(pairs) >= len(masked), "what is masked needs a pair that takes the mask away, too"
    assert all(plant.by for plant in pairs)


def test_names_are_their_own():
    names = [each.name for each in (*PLANTS, *TESTED)]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []


@pytest.mark.parametrize("plant", PLANTS, ids=name_of)
def test_its_world_is_shipped_and_takes_its_overrides(plant):
    """And what it says of who finds it is one of the two: a rule or expectation, or another layer."""
    assert plant.scenario in library()
    load(plant.scenario, (*plant.given, *(plant.off if isinstance(plant.off, tuple) else ())))
    assert bool(plant.by) is not bool(plant.masked_by)


@pytest.mark.parametrize("each", [p for p in (*PLANTS, *TESTED) if isinstance(p.off, Sabotage)], ids=name_of)
def test_its_patches_do_not_undo_each_other(each):
    """Two patches of one attribute in a pair would leave the later one alone."""
    places = [(patch.owner, patch.name) for patch in each.off.patches]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("each", TESTED, ids=name_of)
def test_the_test_that_shows_it_is_there(each):
    path, _, name = each.test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


# --- what finds them ----------------------------------------------------------------------------

FAST = ("early-fills-dropped", "no-settlement", "limit-of-orders-alone", "cancelled-twice", "lost-end")


def test_five_of_them_are_found_and_so_is_the_canary(capsys):
    """By the rules that the table names, each on its best seed; every world holds without its bug."""
    code, out, err = call(capsys, *FAST, "--json")
    rows = {row["plant"]: row for row in json_of(out)["plants"]}
    assert code == ExitCode.OK, out
    assert list(rows) == ["canary", *FAST[:2], FAST[2], FAST[4], FAST[3]]
    for name, row in rows.items():
        assert row["found_by"] == plant_named(name).by
        assert row["holds_without"]
        assert row["is_as_told"]
    assert f"early-fills-dropped: found by {plant_named('early-fills-dropped').by}, seed 0" in err


def test_one_that_is_masked_is_not_found_and_its_pair_is(capsys):
    """A kill that nobody looks at: the monitor that killed lets nothing be opened, until it is taken away, too."""
    code, out, _ = call(capsys, "45", "--json")
    found = {row["plant"]: (row["found_by"], bool(row["masked_by"])) for row in json_of(out)["plants"]}
    assert code == ExitCode.OK, out
    assert found["kill-unseen"] == (None, True)
    assert found["kill-unseen-and-positions-may-grow"] == ("S23", False)


def test_a_canary_that_is_not_found_fails_the_command(capsys, canary_as):
    """The point of a canary: a search that finds nothing may be blind."""
    canary_as(sabotage("nothing is wrong", Patch(Shutdown, "request", lambda original: original)))
    code, out, _ = call(capsys, "lost-end")
    assert code == ExitCode.FAILED
    assert "the canary is NOT found" in " ".join(out.split())
    assert "canary: nothing finds it" in out


def test_one_that_nothing_finds_fails_the_command(capsys, monkeypatch):
    """A hole in the rules must not look like a table that is shorter."""
    harmless = Plant(
        name="harmless",
        off=sabotage("nothing is wrong", Patch(Shutdown, "request", lambda original: original)),
        scenario="eth-volatile",
        by="S1",
        given=("duration_s=30", "expect.fills_min=0"),
    )
    row = Mutant(number="1", bug="", rules=("S1",), plants=(harmless,))
    monkeypatch.setattr(planting, "MUTANTS", (row,))
    code, out, _ = call(capsys)
    assert code == ExitCode.FAILED
    assert "harmless: nothing finds it" in out
    assert "1 planted: 0 found, 0 masked by another layer, 1 not found" in " ".join(out.split())


def test_one_that_does_not_fit_is_no_proof(monkeypatch):
    """Its run ends by its own mistake: red for that would say nothing of the rules."""

    def without_arguments(self):
        raise AssertionError

    wrong = sabotage("wrong", Patch(OrderTracker, "on_update", instead(without_arguments)))
    plant = Plant(name="wrong", off=wrong, scenario="eth-volatile", by="S1", given=("duration_s=60",))
    monkeypatch.setattr(planting, "plant_named", lambda name: plant)
    with pytest.raises(Misfit, match="wrong, seed 0: core_failed: TypeError"):
        try_out(Trial("wrong", (0,), is_without=True))


def test_one_that_another_rule_finds_first_is_said(capsys, monkeypatch):
    """As good as told, for it is found; but the row is worth a look."""
    plant = CANARY.plants[0]
    found = [
        Shown(each, Verdict(None, "", "", 0.1), Verdict(0, "S1", "", 0.1)) for each in (plant, replace(plant, by="S9"))
    ]
    assert [(each.is_as_told, each.is_by_another) for each in found] == [(True, False), (True, True)]
    monkeypatch.setattr(command, "mutant_of", lambda _: CANARY)
    command._print(result_console(), found, [])
    assert "canary: found by S1 first; the table says by S9" in capsys.readouterr().out


# --- the command --------------------------------------------------------------------------------


def test_mutants_are_named_by_number_or_by_plant():
    chosen, unknown = mutants_named(("E1", "lost-end", "1", "49"))
    assert [plant.name for plant in chosen] == [
        "silence-is-refusal",
        "partial-fill-goes-last",
        "last-in-first-out",
        "lost-end",
    ]
    assert unknown == ["49"]
    assert mutants_named(("canary",)) == ([], []), "it goes with every call"
    assert len(mutants_named(())[0]) == len(PLANTS) - 1


def test_every_mistake_is_named_before_anything_runs(capsys):
    """One line a mistake, what may have been meant, and where to look for what no run shows."""
    code, out, err = call(capsys, "lost-ned", "zzz", "E10", "--jobs", "0")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert "did you mean lost-end?" in err
    assert "'zzz'" in err
    assert "tests/sim/venue/test_reduce_only.py" in err
    assert "--jobs" in err
    assert "[1/" not in err


# --- nobody else can reach them -----------------------------------------------------------------


def test_no_live_process_can_reach_them():
    """Whatever else makerlab does, no patch is loaded there: only the commands about them import one.

    `swarm`, which `shrink` repeats, plants its canary; `study` looks into the quotes of its runs by a patch. That
    nothing below `studies` imports them, the contract of the rooms says.
    """
    about_them = {"makerlab.ablate", "makerlab.mutants", "makerlab.swarm", "makerlab.shrink", "makerlab.study"}
    others = sorted({line.target.split(":")[0] for line in COMMANDS} - about_them)
    code = (
        "import importlib, sys\n"
        f"for name in {others!r}: importlib.import_module(name)\n"
        "print([n for n in sys.modules if n.startswith(('studies.sabotage', 'studies.mutants', 'studies.mechanisms'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_does_nothing_is_not_what_most_of_them_do():
    """A table of parts taken out would be the other one; most of these do something wrong instead."""
    makers = [patch.make for plant in PLANTS if isinstance(plant.off, Sabotage) for patch in plant.off.patches]
    assert sum(make is does_nothing for make in makers) < len(makers) / 3
