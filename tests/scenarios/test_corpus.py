"""Worlds in which a search has found something once: they hold now, and go on to.

Each file of `tests/corpus` is a scenario with its whole drawn config, so that it outlives the drawing; the number at
the end of its name is the seed.
"""

import tomllib
from pathlib import Path

import pytest

from scenarios.loader import load
from scenarios.swarm import look_at

CORPUS = sorted((Path(__file__).resolve().parents[1] / "corpus").glob("*.toml"))


def test_there_is_something():
    """A folder that was moved would make the others pass."""
    assert len(CORPUS) >= 35


@pytest.mark.slow
@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_it_holds(path):
    """Loaded as a scenario file first: one that is corrupt is named."""
    name, _, seed = path.stem.rpartition("-")
    assert load(str(path)).name == name
    seen, _ = look_at(tomllib.loads(path.read_text(encoding="utf-8")), int(seed))
    assert seen.failed == []
    assert sum(seen.faults.values()) > 0, "what it was found with strikes"
