"""What the churn study runs: one thing changed at a time, and all the layers."""

import re
from pathlib import Path

import pytest

from domain.errors import ConfigError
from runtime import config
from scenarios.loader import library, load
from studies.churn.arms import (
    ARMS,
    BASELINE,
    INCIDENT,
    LAYERS,
    LONG,
    ROLLOUT,
    STABLE,
    Group,
    arm_named,
)
from studies.churn.run import tasks_of, terms_of_now, tree_digest

EVERY = (*ARMS, *LONG)
PAGE = Path(__file__).parents[3] / "docs/explanation/churn.md"


def tree(scenario, overrides=()):
    return config.resolved(load(scenario, overrides))


def differing(one, other, path=""):
    """Paths at which two trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in sorted(one.keys() | other.keys())
            for found in differing(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if one == other else [path]


@pytest.mark.parametrize("arm", EVERY, ids=[arm.name for arm in EVERY])
def test_an_arm_changes_what_it_says_and_no_more(arm):
    """Each override takes effect, and nothing else differs: else a difference between arms would have two causes."""
    keys = [override.partition("=")[0] for override in arm.overrides]
    changed = differing(tree(arm.scenario), tree(arm.scenario, arm.overrides))
    assert [path for path in changed if not any(f"{path}.".startswith(f"{key}.") for key in keys)] == []
    assert [key for key in keys if not any(f"{path}.".startswith(f"{key}.") for path in changed)] == []


def test_names_are_unique_and_name_files():
    names = [arm.name for arm in EVERY]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z0-9_.-]+", name)] == []
    assert all(arm_named(arm.name) is arm for arm in EVERY)


def test_no_two_arms_are_the_same():
    """The same world twice would be paid for twice."""
    digests = [tree_digest(arm) for arm in EVERY]
    assert len(set(digests)) == len(digests)


def test_the_layers_are_all_that_the_cure_turns_on():
    """A layer that is added to the cure and forgotten here would be carried by the others in every table."""
    changed = differing(tree(BASELINE)["trader"], tree(STABLE)["trader"])
    switches = [f"{path.removeprefix('trader.')}" for path in LAYERS.values()]
    others = [path for path in changed if not any(f"{path}.".startswith(f"{switch}.") for switch in switches)]
    assert others == ["desk.reconcile.latch_bps", "desk.reconcile.modify_interval_ms", "profile"]
    assert [switch for switch in switches if not any(path.startswith(switch) for path in changed)] == []


def test_every_layer_is_alone_and_left_out_and_has_its_turn():
    assert [arm.about for arm in ARMS if arm.group is Group.ALONE] == list(LAYERS)
    assert [arm.about for arm in ARMS if arm.group is Group.LEFT_OUT] == list(LAYERS)
    steps = [arm for arm in ARMS if arm.group is Group.ROLLOUT]
    assert [arm.about for arm in steps] == [f"+ {layer}" for layer in ROLLOUT[1:]]
    assert {*ROLLOUT, "counting"} == set(LAYERS)
    assert len(steps[-1].overrides) == len(ROLLOUT)


def test_the_page_of_parts_has_them_all():
    """A part that orders are held back by, and that the page does not name, cannot be turned off by its reader."""
    page = PAGE.read_text(encoding="utf-8")
    assert [switch for switch in LAYERS.values() if f"| `{switch}` |" not in page] == []


def test_what_the_source_leaves_open_is_changed_in_both_profiles():
    arms = [arm for arm in ARMS if arm.group is Group.SENSITIVITY]
    for scenario in (BASELINE, STABLE):
        ours = [(arm.about, arm.overrides) for arm in arms if arm.scenario == scenario]
        assert ours == [(arm.about, arm.overrides) for arm in arms if arm.scenario != scenario]
    assert {arm.is_stable for arm in arms} == {True, False}


def test_days_differ_by_the_allowance_alone():
    days = {arm.name: tree(arm.scenario, arm.overrides) for arm in LONG}
    for profile in ("baseline", "stable"):
        shares = [days[f"day-{profile}-{share}"] for share in (7, 4, 0)]
        assert [each["venue"]["actions_used"] for each in shares] == [9_300, 9_600, 10_000]
        assert {path for each in shares[1:] for path in differing(shares[0], each)} == {"venue.actions_used"}


def test_days_are_of_both_profiles_and_of_scenarios_that_ship():
    stable = [arm.about for arm in LONG if arm.is_stable]
    assert stable == [arm.about for arm in LONG if not arm.is_stable]
    assert {arm.scenario for arm in EVERY} <= set(library())
    assert {load(arm.scenario, arm.overrides).duration_s for arm in LONG} == {86_400}


def test_the_rows_of_the_incident_are_those_of_the_decision_note():
    assert [(row.t_s, row.placed, row.cancelled, row.filled) for row in INCIDENT][1:] == [
        (120, 8, 6, 0),
        (180, 26, 24, 0),
        (240, 42, 42, 0),
        (300, 60, 58, 0),
    ]


def test_runs_go_seed_by_seed_and_a_day_once():
    """A study that is stopped has some seeds of every arm, not every seed of some."""
    tasks = tasks_of((*ARMS[:2], *LONG[:1]), 2)
    assert [task.title for task in tasks] == [
        "baseline seed 0",
        "stable seed 0",
        "day-baseline-7 seed 0",
        "baseline seed 1",
        "stable seed 1",
    ]


def test_other_code_is_other_terms(monkeypatch, tmp_path):
    """One letter of what computes a run, or a file more, and nothing of before is the same study."""
    rooms = ("domain", "scenarios")
    monkeypatch.setattr("runtime.provenance._ROOT", tmp_path)
    for room in rooms:
        (tmp_path / room).mkdir()
        (tmp_path / room / "a.py").write_text("a = 1\n")
    seen = {terms_of_now().sources}
    (tmp_path / "domain/a.py").write_text("a = 2\n")
    seen.add(terms_of_now().sources)
    (tmp_path / "scenarios/b.toml").write_text("")
    seen.add(terms_of_now().sources)
    (tmp_path / "scenarios/notes.md").write_text("read by nobody")
    seen.add(terms_of_now().sources)
    assert len(seen) == 3


def test_a_scenario_that_cannot_be_is_no_digest():
    broken = arm_named("stable")
    object_ = type(broken)(
        name="x", group=broken.group, scenario=broken.scenario, overrides=("trader.nothing=1",), about=""
    )
    with pytest.raises(ConfigError, match=r"trader\.nothing"):
        tree_digest(object_)
