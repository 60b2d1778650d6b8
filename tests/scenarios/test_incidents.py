"""The library against the list of incidents, and the storms against the list of faults."""

import tomllib
from dataclasses import replace
from importlib.resources import files

import pytest

from makerlab.scenarios import covering
from scenarios.incidents import GROUPS, INCIDENTS, NOT_REPEATED, SITUATIONS
from scenarios.loader import library, load
from sim.faults import FAULTS
from sim.faults.timing import Poisson, Throughout

LIBRARY = files("scenarios") / "library"

NOT_IN_A_STORM = {
    # the trader ends by design, and a person has to look
    "fsync_failure": "no journal, no trader",
    "journal_full": "no journal, no trader",
    "delist": "an instrument that is settled does not come back to the only market",
    "false_quota": "the allowance of a storm is far from used up: what is said of it there decides nothing",
}
"""Faults that a storm of everything leaves out, and why."""


def texts():
    return {name: tomllib.loads((LIBRARY / f"{name}.toml").read_text(encoding="utf-8")) for name in library()}


def test_every_incident_is_repeated_or_there_is_a_reason():
    """Protects the claim of the reference: no row without a scenario, none with both."""
    found = covering(load(name) for name in library())
    assert [name for name in INCIDENTS if not found[name] and name not in NOT_REPEATED] == []
    assert [name for name in NOT_REPEATED if found[name]] == []
    assert set(NOT_REPEATED) <= set(INCIDENTS)


def test_every_situation_has_a_scenario():
    """A situation that a report spells out is not excused."""
    assert set(NOT_REPEATED) & set(SITUATIONS) == set()
    assert all(incident.must_hold for incident in SITUATIONS.values())


@pytest.mark.parametrize("group", GROUPS)
def test_numbers_of_a_group_run_on(group):
    """Protects references to them: 72 in all, counted through from group to group."""
    numbers = [int(name[1:]) for name in INCIDENTS if name[0] == group]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert sum(name[0] in GROUPS for name in INCIDENTS) == 72


def test_what_a_scenario_covers_stands_in_its_own_file():
    """Who is built on another scenario repeats other incidents, and says which."""
    given = texts()
    inherited = [
        name for name in given if "covers" not in given[name] and load(name).covers and given[name].get("extends")
    ]
    assert inherited == []


def test_storms_have_every_kind_of_fault():
    """A fault that is added belongs into the storm, or there is a reason."""
    kinds = {fault().kind for fault in FAULTS}
    struck = {fault.kind for fault in load("storm").faults}
    assert struck | set(NOT_IN_A_STORM) == kinds
    assert struck & set(NOT_IN_A_STORM) == set()


def test_the_long_storm_is_the_short_one_with_more_time():
    """The same faults with the same severity, each of them by chance; only the pace differs."""
    short, long = load("storm"), load("storm-24h")

    def severity(scenario):
        assert all(isinstance(fault.when, Poisson) for fault in scenario.faults)
        return [
            (fault.when.for_s, replace(fault, at_s=0.0, duration_s=1.0, when=Throughout())) for fault in scenario.faults
        ]

    assert severity(short) == severity(long)
    assert long.duration_s == 24 * 3_600
    assert [name for name in library() if load(name).soak] == ["storm-24h"]
