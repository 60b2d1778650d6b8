"""The import contracts hold for this tree, and each of them can fail.

A contract that nothing breaks may be one that nothing can break. So the rooms are copied, one forbidden import is
added, and the linter must name it.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
FORBIDDEN = next(contract for contract in LINTER["contracts"] if contract["type"] == "forbidden")


class Verdict(NamedTuple):
    kept: bool
    text: str


@pytest.fixture
def tree(tmp_path):
    """The rooms alone; a room or folder that a contract names and nobody has built yet is an empty package."""
    for room in LINTER["root_packages"]:
        if (ROOT / room).is_dir():
            for source in (ROOT / room).rglob("*.py"):
                copy = tmp_path / source.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)
    for module in [*LINTER["root_packages"], *FORBIDDEN["source_modules"]]:
        path = tmp_path / module.replace(".", "/")
        if not path.with_suffix(".py").exists():
            path.mkdir(parents=True, exist_ok=True)
            (path / "__init__.py").touch()
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def add(tree, module, source):
    path = tree / f"{module.replace('.', '/')}.py"
    assert not path.exists()
    path.write_text(source)


def lint(tree):
    # The linter looks in its working folder first, so it sees the copy, not the installed rooms.
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    assert "Contracts: " in text, text  # it ran to its end
    return Verdict(done.returncode == 0, text)


def test_the_rooms_as_they_are_keep_both_contracts(tree):
    verdict = lint(tree)
    assert verdict.kept, verdict.text


@pytest.mark.parametrize(
    ("module", "source", "named"),
    [
        # direction
        ("domain.intruder", "import strategy", "domain.intruder -> strategy"),
        ("strategy.intruder", "import orchestrator", "strategy.intruder -> orchestrator"),
        ("sim.intruder", "import orchestrator", "sim.intruder -> orchestrator"),
        ("orchestrator.intruder", "import sim", "orchestrator.intruder -> sim"),
        ("orchestrator.intruder", "import exchange_adapters", "orchestrator.intruder -> exchange_adapters"),
        ("runtime.intruder", "import scenarios", "runtime.intruder -> scenarios"),
        ("scenarios.intruder", "import studies", "scenarios.intruder -> studies"),
        ("orchestrator.intruder", "import studies.sabotage", "orchestrator.intruder -> studies.sabotage"),
        # purity
        ("orchestrator.intruder", "import time", "orchestrator.intruder -> time"),
        ("orchestrator.intruder", "from asyncio import sleep", "orchestrator.intruder -> asyncio"),
        ("orchestrator.intruder", "def f():\n    import random", "orchestrator.intruder -> random"),
        ("strategy.intruder", "import simpy", "strategy.intruder -> simpy"),
        ("domain.intruder", "from datetime import datetime", "domain.intruder -> datetime"),
        ("sim.venue.intruder", "import logging", "sim.venue.intruder -> logging"),
        ("sim.liquidity.intruder", "from simpy.events import Event", "sim.liquidity.intruder -> simpy"),
    ],
)
def test_a_forbidden_import_is_named(tree, module, source, named):
    add(tree, module, source + "\n")
    verdict = lint(tree)
    assert not verdict.kept
    assert named in verdict.text


def test_a_way_round_through_another_module_is_found(tree):
    add(tree, "sim.detour", "import time\n")
    add(tree, "sim.venue.intruder", "import sim.detour\n")
    verdict = lint(tree)
    assert not verdict.kept
    assert "sim.venue.intruder -> sim.detour" in verdict.text
    assert "sim.detour -> time" in verdict.text


def test_the_world_outside_venue_and_liquidity_may_use_simpy(tree):
    add(tree, "sim.agent", "import simpy\n")
    assert lint(tree).kept
