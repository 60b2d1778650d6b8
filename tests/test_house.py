"""The lists of rooms agree with each other and with the tree, so that a new room is not left out of a check."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_ROOMS = {"tests", "benchmarks", "docs", "notebooks", "deploy"}

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOL = PYPROJECT["tool"]
LAYERS = next(contract for contract in TOOL["importlinter"]["contracts"] if contract["type"] == "layers")


@pytest.mark.parametrize(
    ("where", "rooms"),
    [
        ("tool.hatch.build.targets.wheel.packages", TOOL["hatch"]["build"]["targets"]["wheel"]["packages"]),
        ("tool.mypy.packages", TOOL["mypy"]["packages"]),
        ("tool.coverage.run.source", TOOL["coverage"]["run"]["source"]),
        ("tool.importlinter.root_packages", TOOL["importlinter"]["root_packages"]),
        ("tool.importlinter.contracts.layers", re.findall(r"\w+", " ".join(LAYERS["layers"]))),
    ],
)
def test_every_room_is_in_every_list(where, rooms):
    built = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_ROOMS
    assert built <= set(rooms), f"add the missing rooms to {where} in pyproject.toml"
    assert len(rooms) == len(set(rooms)), f"{where} names a room twice"


def test_the_pins_carry_versions_only():
    """An address or a hash of one index would break the installation everywhere else."""
    pins = (ROOT / "constraints.txt").read_text().split("\n")
    assert [pin for pin in pins if not re.fullmatch(r"([a-z0-9-]+==[\w.!+]+)?", pin)] == []


def test_every_dependency_is_pinned():
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().split()}
    project = PYPROJECT["project"]
    asked = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    names = {re.match(r"[\w-]+", requirement).group().lower() for requirement in asked} - {project["name"]}
    assert names - pinned == set()
