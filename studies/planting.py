"""Planting the bugs of `studies.mutants`: by name, for as long as something runs, and what came of each.

A search plants one in every world that it draws, a search for what is smallest plants it again, and a trial compares
the same world with it and without.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from studies.ablation import Trial, Verdict, carry_out, pairs_of
from studies.mutants import CANARY, MUTANTS, Mutant, Plant
from studies.sabotage import Sabotage, installed


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of one plant."""

    plant: Plant
    sound: Verdict
    """Of its world without it."""
    planted: Verdict
    """Of the same world with it."""

    @property
    def is_killed(self) -> bool:
        """Whether something found it."""
        return self.planted.red_seed is not None

    @property
    def is_as_told(self) -> bool:
        """Its world holds without it, and it is found; or nothing finds it, and the table says why."""
        return self.sound.red_seed is None and self.is_killed is not bool(self.plant.masked_by)

    @property
    def is_by_another(self) -> bool:
        """Whether something else found it first than the table says: as good, and worth a look at the row."""
        return self.is_as_told and self.is_killed and self.planted.what != self.plant.by


def mutants_named(names: Sequence[str]) -> tuple[list[Plant], list[str]]:
    """The plants of these numbers, or of these names, in the order of the table, and the names that are neither.

    The canary is one of the names; it goes with every run, whether it is asked for or not.
    """
    wanted = dict.fromkeys(names)
    rows = [(mutant, plant) for mutant in MUTANTS for plant in mutant.plants]
    known = {CANARY.number, *(key for mutant, plant in rows for key in (mutant.number, plant.name))}
    chosen = [plant for mutant, plant in rows if not wanted or mutant.number in wanted or plant.name in wanted]
    return chosen, [name for name in wanted if name not in known]


def plant_named(name: str) -> Plant:
    """Return the plant of a name; StopIteration if there is none."""
    rows = (*MUTANTS, CANARY)
    return next(plant for mutant in rows for plant in mutant.plants if plant.name == name)


def patches_named(name: str) -> Sabotage | None:
    """What plants a mutant of the table in the code; None where it is unknown, or planted by settings alone."""
    rows = {plant.name: plant.off for mutant in (*MUTANTS, CANARY) for plant in mutant.plants}
    off = rows.get(name)
    return off if isinstance(off, Sabotage) else None


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant a mutant that `patches_named` knows, for as long as this is open; nothing where the name is empty."""
    off = patches_named(name)
    with nullcontext() if off is None else installed(off):
        yield


def mutant_of(plant: Plant) -> Mutant:
    """The row of a plant."""
    return next(mutant for mutant in (*MUTANTS, CANARY) if plant in mutant.plants)


def try_out(trial: Trial) -> Verdict:
    """Carry out a trial of a plant. Raises Misfit where its sabotage does not fit the code."""
    plant = plant_named(trial.mechanism)
    return carry_out(plant, trial, plant.by)


def shown(plants: Sequence[Plant], trials: Sequence[Trial], verdicts: Sequence[Verdict]) -> list[Shown]:
    """Put the verdicts of the trials together, one finding for each plant."""
    pairs = pairs_of(plants, None, trials, verdicts)
    return [Shown(plant, *pair) for plant, pair in zip(plants, pairs, strict=True)]
