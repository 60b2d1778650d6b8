"""Shrinking what a drawn world has besides its faults: instruments, trials, an order of ties, a failure that stays."""

from pathlib import Path

import pytest

from makerlab.swarm import silence
from orchestrator.risk.kill_switch import KillSwitch
from scenarios.failure import read_failure
from scenarios.shrink import Shrinker
from scenarios.swarm import look_at

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
