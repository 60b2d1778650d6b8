"""The search: what holds, what fails, what is kept, how it goes on, and how small a failure gets."""

import dataclasses
import json
import signal
import tomllib
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from domain.errors import ConfigError
from domain.events import Woke
from domain.units import NS_PER_S, Ns
from makerlab.__main__ import dispatch
from makerlab.exit_codes import ExitCode
from makerlab.failure_page import _injected
from makerlab.output import result_console
from makerlab.swarm import ALL_ROOMS, SEEN, TWICE, Terms, _Book, _checked, _look, _write_pages, window
from makerlab.swarm_summary import FAILURES, Summary, _failures, _lines, print_summary
from orchestrator.fills import FillDeduplicator
from runtime.journal_format import MAGIC, Took, encode
from runtime.journal_reader import Reader
from runtime.log import MemoryLog
from runtime.provenance import code_digest
from scenarios.build import build
from scenarios.drawing import VERSION
from scenarios.failure import TAIL, Failed, failure_of, read_failure
from scenarios.figures import FaultFigures
from scenarios.invariants import INVARIANTS
from scenarios.loader import load
from scenarios.shrink import Shrinker
from scenarios.swarm import Seen, Task
from tests.makerlab.command import spawn

MINUTES = "3.2"
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
    assert summary["canary"] in {"S1", "S2"}
    assert summary["situations"]["of"]["fill_during_cancel"]["first_seed"] in {0, 1}
    assert summary["situations"]["of"]["duplicate_fill"]["worlds"] <= 2
    assert not (tmp_path / "runs/swarm" / TWICE).exists(), "what is the same twice is not kept"
    lines = (tmp_path / "runs/swarm" / SEEN).read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines[1:]] == [0, 1]


def test_two_processes_see_what_one_sees(capsys):
    """And a search goes on where it stopped: the second one here has nothing left to do but the gate."""
    _, one, _ = search(capsys, "1..2", "--out", "one")
    _, two, _ = search(capsys, "1..2", "--jobs", "2", "--out", "two")
    _, again, err = search(capsys, "1..2", "--out", "two")
    for text in (one, two, again):
        assert without_time(text) | {"folder": ""} == without_time(one) | {"folder": ""}
    assert "2 seeds of 2 seen before" in err


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
    assert len((path.parent / "before-1" / SEEN).read_text().splitlines()) == 3


@pytest.mark.usefixtures("forgetful")
def test_a_failure_is_kept_repeats_and_shrinks(capsys, tmp_path):
    """A bug in the trader is found; its file repeats it by `run`, and one fault is enough in the end."""
    code, out, err = search(capsys, "1..1")
    assert code == ExitCode.FAILED
    failed = json.loads(out)["failed"]
    assert failed
    seed = next(seed for seed, names in failed.items() if names[0] in ("S1", "S2"))
    artefact = tmp_path / "runs/swarm" / FAILURES / f"seed-{seed}.json"
    assert str(artefact.relative_to(tmp_path)) in err
    failure = read_failure(artefact)
    assert failure.seed == int(seed)
    assert 0 < len(failure.tail) <= TAIL
    assert any(line.startswith(f"#{failure.event} ") and " event: " in line for line in failure.tail)
    code, out, _ = call(capsys, *failure.repeat.split()[1:], "--json")
    assert code == ExitCode.FAILED
    assert json.loads(out)["journal_digest"] == failure.digest
    code, out, _ = call(capsys, "shrink", str(artefact), "--minutes", "0.2")
    assert code == ExitCode.OK
    small = load(str(artefact.with_suffix(".small.toml")))
    assert len(small.faults) < len(load(str(artefact.with_suffix(".toml"))).faults)
    code, out, _ = call(capsys, "run", str(artefact.with_suffix(".small.toml")), "--seed", seed, "--json")
    assert failure.name in {violation["name"] for violation in json.loads(out)["violations"]}


@pytest.mark.slow
def test_a_planted_bug_is_found_and_its_world_shrinks(capsys, tmp_path):
    """Would the search find it? What it keeps fails with the bug alone, and so does what is left of it."""
    planted = ("--planted", "no-deduplication")
    code, out, _ = call(capsys, "swarm", "--seeds", "1..1", "--minutes", MINUTES, *planted)
    assert code == ExitCode.OK, "that it is found is what was asked"
    assert "no-deduplication is planted, and found in 1 of 1" in out
    assert "makerlab shrink runs/swarm/failures/seed-1.json" in out
    artefact = tmp_path / "runs/swarm" / FAILURES / "seed-1.json"
    failure = read_failure(artefact)
    assert failure.planted == "no-deduplication"
    assert failure.repeat == "makerlab shrink runs/swarm/failures/seed-1.json"
    code, out, _ = call(capsys, "shrink", str(artefact), "--minutes", "0.2")
    assert code == ExitCode.OK
    assert f"fails for {failure.name} with no-deduplication planted, not without it" in out
    assert "plants nothing, so that it holds there; makerlab shrink " in out
    small = artefact.with_suffix(".small.toml")
    assert len(load(str(small)).faults) < len(load(str(artefact.with_suffix(".toml"))).faults)
    _, _, err = call(capsys, "swarm", "--seeds", "1..1", "--minutes", MINUTES)
    assert "of other worlds" in err, "what was seen with a bug is nothing seen of makerlab as it is"
    assert (tmp_path / "runs/swarm/before-1" / FAILURES / "seed-1.json").exists()
    assert not artefact.exists()


@pytest.mark.parametrize(
    ("name", "hint"), [("no-dedup", "no-deduplication"), ("no-budget", ""), ("3", ": 3 has no-deduplication")]
)
def test_a_bug_that_nobody_can_plant_is_refused(capsys, name, hint):
    """Unknown, or a switch of the scenario, which anybody can write into one."""
    code, _, err = call(capsys, "swarm", "--seeds", "1..1", "--planted", name)
    assert code == ExitCode.WRONG_INPUT
    assert f"--planted: found '{name}', want the name of a mutant that is planted in the code" in err
    assert hint in err


@pytest.mark.slow
@pytest.mark.usefixtures("forgetful")
def test_a_page_for_each_failing_seed(capsys, tmp_path):
    """What was injected when, what each side believed, where they parted."""
    code, _, err = call(capsys, "swarm", "--seeds", "1..1", "--minutes", MINUTES, "--html")
    assert code == ExitCode.FAILED
    path = tmp_path / "runs/swarm" / FAILURES / "seed-1.html"
    assert str(path.relative_to(tmp_path)) in err
    page = path.read_text()
    for part in ("Where they parted", "What was injected", "What each side believed", "fills applied", "stall", "S2"):
        assert part in page, part


@pytest.mark.parametrize("is_smaller", [True, False])
def test_ctrl_c_keeps_the_smallest_so_far(capsys, tmp_path, monkeypatch, is_smaller):
    """Minutes of work are not lost; where nothing could be left out yet there is nothing to keep."""
    path = tmp_path / "seed-1.json"
    scenario = {"extends": "eth-quiet", "name": "x", "duration_s": 200.0, "faults": []}
    failed = [{"name": "S1", "text": "wrong"}]
    path.write_text(json.dumps(json.loads(OTHER_FORMAT) | {"format": 1, "scenario": scenario, "failed": failed}))

    def interrupted(shrinker):
        shrinker.tree = {**scenario, "duration_s": 50.0} if is_smaller else scenario
        raise KeyboardInterrupt

    monkeypatch.setattr(Shrinker, "shrink", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call(capsys, "shrink", str(path))
    small = path.with_suffix(".small.toml")
    assert small.exists() is is_smaller
    assert ("stopped: the smallest so far is" in capsys.readouterr().err) is is_smaller
    assert not is_smaller or load(str(small)).duration_s == 50


def test_a_failure_that_is_gone_says_so(capsys, tmp_path, monkeypatch):
    """Once the bug is mended there is nothing to shrink, and no file is written."""
    with monkeypatch.context() as broken:
        broken.setattr(FillDeduplicator, "mark_processed", lambda *_: True)
        _, out, _ = search(capsys, "1..1")
    seed = next(iter(json.loads(out)["failed"]))
    artefact = tmp_path / "runs/swarm" / FAILURES / f"seed-{seed}.json"
    artefact.write_text(json.dumps(json.loads(artefact.read_text()) | {"commit": "abc", "drawing": 1}))
    code, out, err = call(capsys, "shrink", str(artefact))
    assert code == ExitCode.FAILED
    assert out == ""
    assert "of commit abc, this is" in err
    assert f"drawn by version 1 of the drawing, this is {VERSION}" in err
    assert "does not fail here any more" in err
    assert not artefact.with_suffix(".small.toml").exists()


def test_a_harness_that_raises_is_a_failure_too(capsys, monkeypatch):
    """An exception in the simulated world is reported with its seed, and the search goes on."""

    def raise_(*_):
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("scenarios.swarm.run", raise_)
    code, out, _ = search(capsys, "1..2")
    assert code == ExitCode.FAILED
    assert json.loads(out)["canary"] == "", "an exception is not what was planted"
    assert json.loads(out)["failed"] == {"1": ["exception ZeroDivisionError"], "2": ["exception ZeroDivisionError"]}


def test_a_search_that_cannot_see_is_red(capsys, monkeypatch):
    """The planted bug must be reported: a checker that looks away makes every search green."""
    monkeypatch.setattr("scenarios.invariants.checker.Checker.report", lambda *_: None)
    code, out, _ = call(capsys, "swarm", "--seeds", "1..1", "--minutes", MINUTES)
    assert code == ExitCode.FAILED
    assert "BLIND: the world with a planted bug was not reported" in out


def test_too_little_met_is_red_where_it_is_asked_for(capsys):
    """One world meets a few situations; the table names each with the first seed that met it."""
    code, out, _ = call(
        capsys, "swarm", "--seeds", "1..1", "--minutes", MINUTES, "--need-sometimes", "99", "--situations"
    )
    assert code == ExitCode.FAILED
    assert "TOO LITTLE MET" in out
    assert "fill_during_cancel" in out
    assert "never " in out


def test_the_gate_names_the_first_event_that_differs(capsys, tmp_path):
    """A world that came out differently before: the record, and what it was in both."""
    search(capsys, "0..0")
    folder = tmp_path / "runs/swarm"
    lines = (folder / SEEN).read_text().splitlines()
    digest = json.loads(lines[1])["digests"][0]
    (folder / SEEN).write_text("\n".join(lines).replace(digest, "0" * len(digest)) + "\n")
    code, out, _ = search(capsys, "0..0")
    assert code == ExitCode.FAILED
    assert "are the same; the digests were 0000" in json.loads(out)["differing"][0]
    kept = folder / TWICE / "seed-0.mlj"
    kept.write_bytes(with_other_event(kept.read_bytes(), 100))
    code, out, _ = search(capsys, "0..0")
    assert code == ExitCode.FAILED
    (line,) = json.loads(out)["differing"]
    assert line.startswith("seed 0: record 100 (after ")
    assert "s event Woke() | " in line


def seeds_of(text):
    """The seeds that an option means."""
    wanted, _ = _checked(text, 10, 1, 0, Path("out"), Terms(VERSION, 600))
    return wanted


def with_other_event(journal, index):
    """The journal with another event at its n-th record, if that is one, else at the next one that is."""
    log = MemoryLog()
    log.append(journal[: len(MAGIC)])
    for i, record in enumerate(Reader(journal)):
        log.append(encode(Took(record.now, Woke()) if i == index else record))
    return log.read()


@pytest.mark.parametrize("text", ["3@abc", "3@abe"])
def test_a_window_of_seeds_from_a_text(text):
    """Each commit has seeds of its own, and always the same ones."""
    wanted = seeds_of(text)
    assert len(wanted) == 3
    assert wanted[0] == window(text[2:])
    assert window("abc") != window("abe")


@pytest.mark.parametrize(
    "seeds",
    ["0", "5@", "@x", "x@y", "-1", "x", "5..3", "1..", "..2", "1...2", "1.5", "100001", "0..99999999999999999999"],
)
def test_impossible_seeds_are_named(seeds):
    """One line, and nothing starts."""
    with pytest.raises(ConfigError, match=r"--seeds: found .*, want a number of seeds"):
        seeds_of(seeds)


@pytest.mark.parametrize("form", ["{}", "{}@x", "0..{}", "{}..9"])
def test_a_number_of_thousands_of_digits_is_named_too(form):
    """Python reads no such number."""
    with pytest.raises(ConfigError, match=r"--seeds: found .*, want a number of seeds"):
        seeds_of(form.format("9" * 5_000))


def test_all_wrong_numbers_come_together(capsys, tmp_path):
    """Three mistakes, three lines, exit code 2, nothing written."""
    code, out, err = call(
        capsys, "swarm", "--seeds", "none", "--minutes", "1", "--jobs", "0", "--need-sometimes", "101"
    )
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    wrong = [line.partition(":")[0] for line in err.splitlines()]
    assert wrong == ["--seeds", "--minutes", "--jobs", "--need-sometimes"]
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


def test_an_artefact_of_no_world_is_named(capsys, tmp_path):
    """A world that cannot be built does not fail any more, and that is not what was asked."""
    path = tmp_path / "seed-1.json"
    scenario = {"extends": "eth-quiet", "faults": [{"kind": "flood"}]}
    failed = [{"name": "S1", "text": "wrong"}]
    path.write_text(json.dumps(json.loads(OTHER_FORMAT) | {"format": 1, "scenario": scenario, "failed": failed}))
    code, out, err = call(capsys, "shrink", str(path))
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert f"{path}: scenario: faults[0].kind: found" in err


def test_an_artefact_of_no_seed_is_named_with_the_place(capsys, tmp_path):
    """What would come up after minutes of work comes up at once, and all of it."""
    path = tmp_path / "seed-1.json"
    strange = {"format": 1, "seed": -1, "failed": [], "scenario": {"extends": "eth-quiet"}}
    path.write_text(json.dumps(json.loads(OTHER_FORMAT) | strange))
    code, out, err = call(capsys, "shrink", str(path), "--out", ".")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert [line.partition(": found")[0] for line in err.splitlines()] == ["--out", f"{path}: seed", f"{path}: failed"]


def test_a_missing_artefact_and_folder_are_named(capsys):
    """Before anything runs."""
    code, _, err = call(capsys, "shrink", "no.json")
    assert code == ExitCode.WRONG_INPUT
    assert "no.json: found No such file or directory" in err
    code, _, err = call(capsys, "shrink", "no.json", "--out", "nowhere/x.toml", "--minutes", "nan")
    assert [line.partition(":")[0] for line in err.splitlines()] == ["--minutes", "--out", "no.json"]
    assert code == ExitCode.WRONG_INPUT


def test_a_corrupt_file_of_seeds_is_named_with_the_rest(capsys, tmp_path):
    """Nothing is changed by a call that does not start: neither the file nor the folder it is in."""
    path = tmp_path / "found" / SEEN
    path.parent.mkdir()
    path.write_text('{"drawing": 1}\n')
    code, out, err = call(capsys, "swarm", "--seeds", "1", "--jobs", "0", "--out", "found")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert [line.partition(": found")[0] for line in err.splitlines()] == ["--jobs", f"found/{SEEN}:1"]
    assert [(each.name, each.read_text()) for each in path.parent.iterdir()] == [(SEEN, '{"drawing": 1}\n')]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_says_what_is_seen_and_leaves_no_empty_folder(tmp_path, jobs):
    """The same line whatever the number of processes; the next call goes on from there."""
    process = spawn("swarm", "--seeds", "1..40", "--minutes", MINUTES, "--jobs", jobs, "--out", "o", cwd=tmp_path)
    path = tmp_path / "o" / SEEN
    while not (path.exists() and path.read_bytes().count(b"\n") > 1):
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    seen = path.read_bytes().count(b"\n") - 1
    assert f"stopped: {seen} of 40 seeds seen, the same command goes on from there" in err
    assert "Traceback" not in err
    assert not [each for each in (tmp_path / "o").iterdir() if each.is_dir() and not list(each.iterdir())]


# --- what is lost by no call ----------------------------------------------------------------------

TERMS = Terms(VERSION, float(MINUTES) * 60)
LINE = Seen(seed=1, world="eth-quiet", ended="completed", digests=("a", "b"))


def book_of(folder, terms=TERMS):
    book = _Book(folder, terms)
    return book, book.read()


def test_notes_of_somebody_else_are_not_written_over(tmp_path):
    """A file of one line without an end is no torn one of ours."""
    (tmp_path / SEEN).write_text("my notes")
    _, problems = book_of(tmp_path)
    assert [problem.path for problem in problems] == [str(tmp_path / SEEN) + ":1"]


def test_every_other_search_is_kept(tmp_path):
    """Three searches of other terms in one folder: what the first two found is all there, and so are failures alone."""
    for name in ("a", "b", "c"):
        book, problems = book_of(tmp_path, Terms(VERSION, 600, name))
        assert problems == []
        book.begin()
        (tmp_path / FAILURES).mkdir()
        (tmp_path / FAILURES / "seed-1.json").write_text(name)
    (tmp_path / SEEN).unlink()
    book_of(tmp_path)[0].begin()
    kept = [(tmp_path / f"before-{i}" / FAILURES / "seed-1.json").read_text() for i in (1, 2, 3)]
    assert kept == ["a", "b", "c"]
    assert [(tmp_path / f"before-{i}" / SEEN).exists() for i in (1, 2, 3)] == [True, True, False]
    assert not (tmp_path / FAILURES).exists()


def test_a_changed_file_makes_another_search(tmp_path, monkeypatch):
    """Whatever git knows of it: two trees that are both changed are not the same one."""
    assert _rooms_of_the_wheel() == {*ALL_ROOMS}
    assert code_digest(ALL_ROOMS) == code_digest(ALL_ROOMS)
    monkeypatch.setattr("runtime.provenance._ROOT", tmp_path)
    (tmp_path / "domain").mkdir()
    digests = []
    for text in ("x = 1", "x = 2"):
        (tmp_path / "domain" / "a.py").write_text(text)
        digests.append(code_digest(ALL_ROOMS))
    assert digests[0] != digests[1]


def _rooms_of_the_wheel():
    """The packages that are makerlab."""
    pyproject = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    return set(pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"met": {"no_such": 1}}, "situations no_such"),
        ({"seed": -5}, "seed -5"),
        ({"run_s": -1.0}, "run_s -1"),
        ({"digests": ("", "")}, "no digests of a world that completed"),
    ],
)
def test_a_line_that_cannot_be_is_named_with_its_number(tmp_path, more, found):
    """What comes up after the search as a KeyError, or never, comes up before it."""
    lines = (TERMS, LINE, msgspec.structs.replace(LINE, **more))
    (tmp_path / SEEN).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    _, problems = book_of(tmp_path)
    assert [(problem.path, problem.found) for problem in problems] == [(f"{tmp_path / SEEN}:3", found)]


@pytest.mark.parametrize("name", [FAILURES, TWICE])
def test_a_file_where_a_folder_must_be_is_named_at_once(tmp_path, name):
    """And not by the first seed that fails."""
    (tmp_path / name).write_text("")
    with pytest.raises(ConfigError, match=f"--out: found {tmp_path / name}"):
        _checked("1", 10, 1, 0, tmp_path, TERMS)


def test_pages_need_matplotlib_before_anything_runs(tmp_path, monkeypatch):
    """Not after a night of search."""
    monkeypatch.setattr("makerlab.swarm.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="--html: found no matplotlib"):
        _checked("1", 10, 1, 0, tmp_path, TERMS, html=True)


def test_a_page_that_cannot_be_made_is_a_line(tmp_path, monkeypatch, capsys):
    """The artefact is gone; or the harness itself dies in that world, and the page tells what is known without it."""
    tree = {"extends": "eth-quiet"}
    path = failure_of(tree, 2, [Failed("S1", "<wrong>")], "", b"").write(tmp_path)
    failure = read_failure(path)
    failure.planted = "no-deduplication"
    failure.write(tmp_path)

    def raise_(*_):
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("makerlab.failure_page.run", raise_)
    _write_pages([1, 2], tmp_path)
    err = capsys.readouterr().err
    assert f"seed 1: no page: {tmp_path / 'seed-1.json'}: found No such file" in err
    page = path.with_suffix(".html").read_text()
    for part in ("ZeroDivisionError: by hand", "&lt;wrong&gt;", "no-deduplication was planted", "Where they parted"):
        assert part in page, part


def test_a_tail_counts_as_stories_do():
    """One number for one record, on one page: that of the journal's record, from 0 on."""
    records = [Took(Ns(i * NS_PER_S), Woke()) for i in range(4)]
    log = MemoryLog()
    log.append(MAGIC)
    for record in records:
        log.append(encode(record))
    failure = failure_of({"extends": "eth-quiet"}, 1, [Failed("S1", "wrong", 2.0)], "", log.read())
    assert failure.event == 2
    assert [line.split()[0] for line in failure.tail] == ["#0", "#1", "#2"]


def test_the_page_shows_what_struck_and_only_names_the_rest():
    """Of eighteen faults that met nothing no row tells anything."""
    metrics = build(load("eth-quiet"), 1, MemoryLog()).observer.finish(0)
    faults = [
        FaultFigures(kind, 1.0, 2.0, injected, {}) for kind, injected in (("stall", 2), ("crash", 0), ("halt", 0))
    ]
    page = _injected(SimpleNamespace(metrics=dataclasses.replace(metrics, faults=faults)))
    assert page.count("<tr><td>") == 1
    assert "On, and met nothing: crash, halt" in page


def summary_of(*seen, **more):
    given = {"differing": [], "canary": "S2", "wanted_pct": 0.0, "took_s": 1.0, "out": Path("o o"), "planted": ""}
    return Summary.of(seen, **{**given, "run_twice": 0, **more})


FAILED = msgspec.structs.replace(LINE, seed=2, failed=[Failed("S1", "wrong")], faults={"stall": 3, "crash": 0})
MISFIT = msgspec.structs.replace(FAILED, seed=3, is_misfit=True)
BUG = {"planted": "no-deduplication"}


@pytest.mark.parametrize(
    ("seen", "more", "holds", "verdict"),
    [
        ([LINE], {}, True, "all hold"),
        ([LINE, FAILED], {}, False, "1 seed failed"),
        ([LINE], {"canary": ""}, False, "the search itself is at fault"),
        ([LINE], {"differing": ["x"]}, False, "the search itself is at fault"),
        ([LINE], {"wanted_pct": 50.0}, False, "the search itself is at fault"),
        ([FAILED], {"canary": ""}, False, "the search itself is at fault, and 1 seed failed"),
        ([LINE, FAILED], BUG, True, "no-deduplication is found"),
        ([LINE], BUG, False, "no-deduplication is not found in any of 1 world"),
        ([MISFIT], BUG, False, "no-deduplication is not found in any of 1 world"),
        ([FAILED, MISFIT], BUG, False, "the search itself is at fault"),
    ],
)
def test_the_verdict_says_what_was_asked(seen, more, holds, verdict, capsys):
    """Red and green mean the same with a planted bug as without: what was asked for is so, or it is not."""
    summary = summary_of(*seen, **more)
    assert summary.holds is holds
    print_summary(result_console(), summary, situations=False)
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == verdict
    assert ("MISFIT" in out) is (MISFIT in seen)


def test_a_fault_that_met_nothing_has_no_part_in_a_failure():
    """And rules that no world came to are named, the gate that did not open is, and a blank in a path is quoted."""
    summary = summary_of(FAILED)
    assert (summary.faults["stall"].failed, summary.faults["crash"].failed) == (1, 0)
    assert len(summary.never_checked) == len(INVARIANTS)
    lines = [*_lines(summary), *_failures(summary)]
    assert any("no world is run twice" in line for line in lines)
    assert any("1 world run twice" in line for line in _lines(summary_of(LINE, run_twice=1)))
    assert "  makerlab run 'o o/failures/seed-2.toml' --seed 2" in lines


def test_a_bug_that_ends_a_world_by_its_own_mistake_is_not_found(monkeypatch):
    """A patch that does not fit the code says nothing of the search."""
    error = 'Traceback:\n  File "x.py", line 1, in f\n    f()\n'
    for last, is_misfit in (("TypeError: f() takes 0", True), ("ValueError: 1 USD", False)):
        seen = Seen(seed=1, world="", ended="failed", failed=[Failed("ended", "")], traceback=f"{error}{last}\n")
        monkeypatch.setattr("makerlab.swarm.look", lambda _, seen=seen: (seen, None))
        assert _look(Task(1, 210.0, planted="no-deduplication"))[0].is_misfit is is_misfit
        assert not _look(Task(1, 210.0))[0].is_misfit or is_misfit


# --- shrink: wrong input ----------------------------------------------------------------------------


def test_every_problem_of_an_artefact_comes_at_once(capsys, tmp_path):
    """Another format hides neither a broken world nor a bug that nobody can plant; nor may it be written over."""
    path = tmp_path / "a.json"
    failed = [{"name": "journal", "text": "wrong"}]
    strange = {"scenario": {"extends": "nowhere"}, "planted": "no-such", "failed": failed}
    path.write_text(json.dumps(json.loads(OTHER_FORMAT) | strange))
    before = path.read_bytes()
    code, _, err = call(capsys, "shrink", "a.json", "--out", "a.json")
    assert code == ExitCode.WRONG_INPUT
    for part in ("--out: found a.json, want another file", "format", "failed: found journal", "nowhere", "planted"):
        assert part in err, part
    assert path.read_bytes() == before
    code, _, err = call(capsys, "shrink", ".")
    assert (code, err.count("\n")) == (ExitCode.WRONG_INPUT, 1)
