"""Shrinking what a drawn world has besides its faults: instruments, trials, an order of ties, a failure that stays."""

from pathlib import Path

import pytest

from makerlab.swarm import silence
from orchestrator.risk.kill_switch import KillSwitch
from scenarios.crashes import Loss, Plan
from scenarios.failure import Failed, failure_of, read_failure
from scenarios.shrink import Shrinker
from scenarios.swarm import Seen, look_at
from sim.points import Point

WORLD = {
    "extends": "eth-volatile",
    "name": "big",
    "duration_s": 60.0,
    "ties": {"kind": "random"},
    "probes": ["stale_data", "kill", "restart", "leaks"],
    "market": {"more": [{"profile": "eth-quiet", "instrument": {"name": f"A{i}", "asset": i}} for i in (2, 3)]},
    "faults": [
        {"kind": "duplicate", "at_s": 30.0, "duration_s": 1e6, "when": {"kind": "throughout"}},
        {"kind": "paging", "at_s": 35.0, "duration_s": 5.0},
    ],
    "checks": {"despite": ["duplicate"]},
    "expect": {"fills_min": "off", "rejected_pct_max": "off", "two_sided_of_fresh_pct_min": "off"},
}


@pytest.mark.slow
def test_only_what_it_takes_is_left(monkeypatch, tmp_path: Path):
    """A kill that no life remembers takes a kill and a restart; the search ends by itself when nothing can go."""
    silence()
    monkeypatch.setattr(KillSwitch, "restore", lambda *_: None)
    seen, failure = look_at(WORLD, 7)
    assert [failed.name for failed in seen.failed] == ["S23"]
    assert failure is not None
    shrinker = Shrinker(read_failure(failure.write(tmp_path)), lambda *_: None, lambda: False)
    assert shrinker.shrink()
    assert shrinker.tree["faults"] == []
    assert shrinker.tree["probes"] == ["kill", "restart"]
    assert shrinker.tree.get("market", {}).get("more", []) == []
    assert shrinker.tree.get("checks", {}).get("despite", []) == []
    assert "ties" not in shrinker.tree
    assert shrinker.tree["duration_s"] < WORLD["duration_s"], "a trial needs no long run before it"


@pytest.mark.parametrize("entry", [("market", "more"), ("probes",)], ids=".".join)
def test_entries_go_one_by_one(entry, monkeypatch, tmp_path: Path):
    """Where one instrument, or one trial, is needed, the others go all the same."""
    silence()
    monkeypatch.setattr(KillSwitch, "restore", lambda *_: None)
    _, failure = look_at(WORLD, 7)
    assert failure is not None
    tried: list[object] = []
    shrinker = Shrinker(failure, lambda *_: None, lambda: False)
    for _, smaller in shrinker._smaller():
        here = smaller
        for key in entry:
            here = here.get(key, {})
        tried.append(here or [])
    whole = WORLD[entry[0]] if len(entry) == 1 else WORLD[entry[0]][entry[1]]
    for i in range(len(whole)):
        assert whole[:i] + whole[i + 1 :] in tried


def _failing(at_s, **more):
    """A failure seen at a moment, of a world with one fault that is over in time and one that stays."""
    faults = [{"kind": "paging", "at_s": 50.0, "duration_s": 300.0}, WORLD["faults"][0]]
    tree = {**WORLD, "duration_s": 600.0, "faults": faults, **more}
    return failure_of(tree, 7, [Failed("S3", "text", at_s)], "", b"")


def _runs(failure, monkeypatch):
    """The worlds that a search tries first; each of them fails as the whole one does."""
    tried: list[dict[str, object]] = []

    def look(tree, _seed):
        tried.append(tree)
        return Seen(seed=7, world="", failed=list(failure.failed)), None

    monkeypatch.setattr("scenarios.shrink.look_at", look)
    Shrinker(failure, lambda *_: None, lambda: len(tried) > 1).shrink()
    return tried


def test_a_failure_in_the_run_has_nothing_to_do_with_trials_after_it(monkeypatch):
    """They would begin in the middle of a fault, and fail for another reason under the same name."""
    _, cut = _runs(_failing(100.0), monkeypatch)
    assert cut["duration_s"] == 101.0
    assert "probes" not in cut
    assert [(fault["kind"], fault["duration_s"]) for fault in cut["faults"]] == [("paging", 51.0), ("duplicate", 1e6)]


def test_a_failure_on_trial_keeps_the_time_to_heal_before_it(monkeypatch):
    """A world that ends sooner has its faults sooner; only what stays for good lasts to the end."""
    _, cut = _runs(_failing(650.0), monkeypatch)
    assert (cut["duration_s"], cut["probes"]) == (150.0, WORLD["probes"])
    kept = [(fault["kind"], fault["at_s"], fault["duration_s"]) for fault in cut["faults"]]
    assert kept == [("duplicate", 30.0, 1e6)], "150 s less 120 s to heal are over before the first one begins"


@pytest.mark.parametrize(
    ("name", "at_s", "is_cut"), [("fills", None, False), ("ended", None, True), ("S3", 60.0, True), ("S3", 20.0, True)]
)
def test_a_bound_on_a_whole_run_keeps_its_time(name, at_s, is_cut, monkeypatch):
    """Any world has too few fills if it is short enough: that is no smaller failure."""
    failure = failure_of({**WORLD, "duration_s": 60.0}, 7, [Failed(name, "text", at_s)], "", b"")
    times = {tree["duration_s"] for tree in _runs(failure, monkeypatch)}
    assert (len(times) > 1) is is_cut


def test_a_world_of_a_crash_sweep_shrinks(monkeypatch):
    """It leaves its time and the faults of its scenario to what it extends."""
    plan = Plan(source="crash-everywhere", loss=Loss.TORN)
    tree = plan.tree(Point.WRITTEN, 812)
    assert "duration_s" not in tree
    tried = _runs(failure_of(tree, 0, [Failed("S3", "text", 30.0)], "", b""), monkeypatch)
    assert tried[-1]["duration_s"] == 31.0
    assert tried[-1]["faults"][-1]["kind"] == "torn_journal"


@pytest.mark.parametrize(
    ("tree", "faults"),
    [
        ({"extends": "eth-quiet"}, []),
        ({"extends": "duplicates"}, ["duplicate"]),
        ({"extends": "eth-quiet", "faults": [{"kind": "duplicate"}]}, ["duplicate"]),
    ],
)
def test_what_a_world_leaves_to_defaults_is_written_out(tree, faults, monkeypatch):
    """No `duration_s`, no `faults`, no `at_s`: each is legal in a scenario file."""
    (first, *_) = _runs(failure_of(tree, 0, [Failed("S3", "text", 30.0)], "", b""), monkeypatch)
    assert [fault["kind"] for fault in first["faults"]] == faults
    assert all(fault["duration_s"] > 0 <= fault["at_s"] for fault in first["faults"])
    assert first["duration_s"] > 0
