"""The table of mechanisms: every entry can be tried, and what it switches off is switched off by it."""

import re

import pytest

from runtime.config import resolved
from scenarios.loader import library, load
from studies.mechanisms import MECHANISMS, mechanism_named
from studies.sabotage import Sabotage

AT_LEAST = 35
BY_CONFIG = [mechanism for mechanism in MECHANISMS if not isinstance(mechanism.off, Sabotage)]


def name_of(mechanism):
    return mechanism.name


def test_there_are_many_and_each_has_its_own_name():
    names = [mechanism.name for mechanism in MECHANISMS]
    assert len(names) == len(set(names)) >= AT_LEAST
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []


def test_they_are_found_by_their_names():
    assert all(mechanism_named(mechanism.name) is mechanism for mechanism in MECHANISMS)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=name_of)
def test_its_scenario_is_shipped_and_takes_the_overrides_of_both_runs(mechanism):
    """An override of a key that was renamed would be found only when the whole table is made."""
    assert mechanism.scenario in library()
    assert load(mechanism.scenario, mechanism.given).name == mechanism.scenario
    assert mechanism.seed >= 0


@pytest.mark.parametrize("mechanism", BY_CONFIG, ids=name_of)
def test_what_switches_it_off_changes_the_scenario(mechanism):
    """One that says what is so already would switch nothing off."""
    on, off = mechanism.given, mechanism.off
    assert off
    for override in off:
        assert resolved(load(mechanism.scenario, (*on, override))) != resolved(load(mechanism.scenario, on))
    load(mechanism.scenario, (*on, *off))


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=name_of)
def test_it_says_what_it_does_in_words(mechanism):
    """The table is for people."""
    assert mechanism.does[0].islower()
    assert not mechanism.does.endswith(".")
    assert mechanism.how
    assert len(mechanism.does) < 120
