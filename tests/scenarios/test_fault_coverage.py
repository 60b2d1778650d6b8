"""Every kind of fault is in a shipped scenario that asks for it, strikes there, and has to heal."""

from collections import defaultdict

import pytest

from domain.units import NS_PER_S
from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.effect import JUDGED_S
from scenarios.loader import library, load
from sim.faults import FAULTS

KINDS = tuple(fault().kind for fault in FAULTS)
HEALED = 60.0

DOES_NOT_HEAL = {
    "price_shock": "a market that jumped is not ill; what follows depends on what was held",
}
"""Kinds whose scenarios need not ask for both sides a minute later, and why."""


def shipped():
    """Scenarios by kind, the shortest first."""
    found = defaultdict(list)
    for name in library():
        scenario = load(name)
        if scenario.market.recording is None and not scenario.soak:
            for kind in {fault.kind for fault in scenario.faults}:
                found[kind].append((max(fault.at_s for fault in scenario.faults), name))
    return {kind: [name for _, name in sorted(rows)] for kind, rows in found.items()}


SHIPPED = shipped()


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_asked_for_and_has_to_heal(kind):
    """Protects the library: a fault that no scenario demands could stop striking, and nobody would know."""
    bounds = [(name, load(name).expect) for name in SHIPPED.get(kind, ())]
    asking = {name: expect for name, expect in bounds if _demands(expect, kind)}
    assert asking, f"no scenario asks for {kind}"
    healing = [
        name
        for name, expect in asking.items()
        if expect.healed_after_s_max is not None and expect.healed_after_s_max <= HEALED
    ]
    assert bool(healing) or kind in DOES_NOT_HEAL or any(expect.halted for expect in asking.values())


def test_every_run_is_long_enough_to_see_who_does_not_heal():
    """Protects L1, L2 and the bounds on healing: in a run that ends before their time is over they always hold."""
    short = {}
    for name in library():
        scenario = load(name)
        if scenario.faults and not scenario.soak and scenario.market.recording is None:
            left = scenario.duration_s - max(fault.at_s + fault.duration_s for fault in scenario.faults)
            if left < scenario.checks.heal_ms / 1_000 + JUDGED_S:
                short[name] = left
    assert short == {}


def _demands(expect, kind):
    """Whether a run fails where this kind has not struck."""
    return bool(expect.injected_min) or any(path.startswith(f"faults.{kind}.") for path in expect.least)


def test_what_does_not_heal_is_a_kind():
    """Protects the list of reasons from names that are gone."""
    assert set(DOES_NOT_HEAL) <= set(KINDS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_fires_in_a_shipped_scenario():
    """Protects what faults are for: every kind really strikes, in the scenario that comes to it first."""
    wanted, fired = set(KINDS), set()
    for kind in KINDS:
        for name in SHIPPED.get(kind, ()):
            if kind in fired:
                break
            fired |= _fired_in(name, wanted - fired)
    assert wanted - fired == set()


def _fired_in(name, wanted):
    """Kinds of a scenario that struck in it, with the seed 0; the run ends with the last of them."""
    scenario = load(name)
    mine = {fault.kind for fault in scenario.faults} & wanted
    running = build(scenario, 0, MemoryLog())
    running.start()
    now, found = 0.0, set()
    while now < scenario.duration_s and found != mine:
        now += 5.0
        running.world.run(round(now * NS_PER_S))
        found = {injected.kind for injected in running.injected if injected.injected} & mine
    return found
