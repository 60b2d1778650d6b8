"""Sabotages: there while their context is open, never before or after, and loud when what they take out has moved."""

import subprocess
import sys
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from pkgutil import iter_modules

import pytest

import studies.sabotages
from orchestrator.fills import FillDeduplicator
from studies.mechanisms import MECHANISMS
from studies.mutants import MUTANTS
from studies.sabotage import Patch, Sabotage, constant, installed, instead, sabotage

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = [import_module(f"studies.sabotages.{found.name}") for found in iter_modules(studies.sabotages.__path__)]
SABOTAGES = {
    name: value for family in FAMILIES for name, value in sorted(vars(family).items()) if isinstance(value, Sabotage)
}


class Lamp:
    watts = 40

    def shine(self):
        return f"{self.watts} W"


DARK = sabotage("it does not shine", Patch(Lamp, "shine", constant("nothing")))


def test_it_is_there_in_its_context_and_gone_afterwards():
    with installed(DARK):
        assert Lamp().shine() == "nothing"
    assert Lamp().shine() == "40 W"


def test_a_run_that_raises_leaves_nothing_behind():
    with pytest.raises(RuntimeError), installed(DARK):
        raise RuntimeError
    assert Lamp().shine() == "40 W"


def test_the_original_can_be_asked():
    """Most sabotages change a little of what a part does."""
    louder = sabotage("twice", Patch(Lamp, "shine", lambda original: lambda self: 2 * original(self)))
    with installed(louder):
        assert Lamp().shine() == "40 W40 W"


def test_sabotages_nest():
    """One in another: each takes away only its own."""
    other = sabotage("weak", Patch(Lamp, "watts", lambda watts: watts // 2), Patch(Lamp, "shine", instead(str)))
    with installed(DARK), installed(other):
        assert Lamp.watts == 20
    assert (Lamp.watts, Lamp().shine()) == (40, "40 W")


def test_what_is_no_longer_there_is_named_and_nothing_is_changed():
    """A part that was renamed must not make its row of the table green by accident."""
    moved = sabotage("moved", Patch(Lamp, "shine", constant("")), Patch(Lamp, "glow", constant("")))
    with pytest.raises(AttributeError, match=r"'moved': Lamp\.glow does not exist"), installed(moved):
        pass
    assert Lamp().shine() == "40 W"


def test_what_a_base_defines_is_not_there():
    """Else the patch would stay behind as an attribute of its own."""

    class Torch(Lamp):
        pass

    with pytest.raises(AttributeError, match=r"Torch\.shine"), installed(sabotage("", Patch(Torch, "shine", str))):
        pass


@pytest.mark.parametrize("name", SABOTAGES)
def test_each_replaces_what_it_names_and_puts_it_back(name):
    """Protects every other test of this process, and says at once which sabotage has lost its part."""
    patches = SABOTAGES[name].patches
    before = [vars(patch.owner)[patch.name] for patch in patches]
    with installed(SABOTAGES[name]):
        during = [vars(patch.owner)[patch.name] for patch in patches]
    after = [vars(patch.owner)[patch.name] for patch in patches]
    assert patches
    assert all(one is not other for one, other in zip(before, during, strict=True))
    assert all(one is other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("name", SABOTAGES)
def test_each_takes_what_the_original_takes(name):
    """One of another signature would end the run by its own error, and its row would be red for nothing."""
    for patch in SABOTAGES[name].patches:
        original = vars(patch.owner)[patch.name]
        replacement = patch.make(original)
        if isinstance(original, property):
            assert isinstance(replacement, property)
            continue
        kinds = {each.kind for each in signature(replacement).parameters.values()}
        if Parameter.VAR_POSITIONAL not in kinds:
            assert shape(replacement) == shape(original), patch.place


def shape(function):
    return [(each.name, each.kind, each.default) for each in signature(function).parameters.values()]


def test_each_is_used_by_a_mechanism_or_a_mutant():
    """One that no row of either table needs, by itself or in a pair, is dead code."""
    planted = [each for mutant in MUTANTS for each in (*mutant.plants, *mutant.tested)]
    offs = [each.off for each in (*MECHANISMS, *planted) if isinstance(each.off, Sabotage)]
    used = {id(patch) for off in offs for patch in off.patches}
    assert [name for name, each in SABOTAGES.items() if not used.issuperset(map(id, each.patches))] == []


def test_the_trader_that_runs_imports_none_of_it():
    """Nothing in a live process can reach a sabotage, because none of them is loaded there."""
    code = "import makerlab.run, sys; print([name for name in sys.modules if name.split('.')[0] == 'studies'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_sabotaged_deduplicator_counts_twice():
    """The patches reach the class that the trader is made of."""
    dedup = FillDeduplicator(10)
    assert dedup.mark_processed(7, 1)
    assert not dedup.mark_processed(7, 1)
    with installed(SABOTAGES["NO_DEDUPLICATION"]):
        assert dedup.mark_processed(7, 1)
