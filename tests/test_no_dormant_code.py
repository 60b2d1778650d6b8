"""No dormant component (architecture): whatever stands in a source room is named elsewhere in the source rooms.

By name only: a definition counts as reached where any other place of the source reads that name. So what is
found is surely dormant, and what has a common name may hide. Tests, benchmarks and docs reach nothing.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))

ALLOWED: dict[str, str] = {
    "sim.environment.Environment.peek": "simpy's own: its version would read our heap wrongly.",
    "studies.churn.folder.read_study": "For notebooks: `makerlab study` has what it writes in its hands.",
    "sim.links.constant_links": "For whoever tests a fault of his own, as the guide on faults does.",
}
"""Dormant by name, and why it may be."""

IMPORT_STRING = re.compile(r"[a-z_.]+:[a-z_]+")
CLASS_NAME = re.compile(r"\b[A-Z]\w*")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Found(NamedTuple):
    """A definition: its dotted place, and its own name."""

    place: str
    name: str


def sources(root: Path, rooms: list[str]) -> dict[str, ast.Module]:
    """Every module of the rooms, by its dotted name."""
    paths = [path for room in rooms for path in sorted((root / room).rglob("*.py"))]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
    }


def definitions(module: str, tree: ast.Module) -> Iterator[tuple[Found, Definition]]:
    """Functions and classes of a module, and the public methods and properties of its classes."""
    for node in tree.body:
        if isinstance(node, Definition):
            yield Found(f"{module}.{node.name}", node.name), node
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Definition) and not inner.name.startswith("_"):
                    yield Found(f"{module}.{node.name}.{inner.name}", inner.name), inner


def readings(node: ast.AST) -> Counter[str]:
    """How often each name is read below a node: as a name, as an attribute, or in a quoted annotation.

    Two more count: what is imported under another name, where that is read, and what an import string
    such as ``"makerlab.run:run"`` names.
    """
    found: Counter[str] = Counter()
    renamed: dict[str, str] = {}
    for each in ast.walk(node):
        if isinstance(each, ast.ImportFrom):
            renamed |= {alias.asname: alias.name for alias in each.names if alias.asname is not None}
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and IMPORT_STRING.fullmatch(each.value):
            found[each.value.partition(":")[2]] += 1
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            found[each.id] += 1
        elif isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Load):
            found[each.attr] += 1
        elif isinstance(each, ast.arg | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef):
            quoted = each.returns if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) else each.annotation
            for part in ast.walk(quoted) if quoted is not None else ():
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.update(CLASS_NAME.findall(part.value))
    for name, original in renamed.items():
        found[original] += found[name]
    return found


def dormant(modules: dict[str, ast.Module]) -> list[str]:
    """Places of definitions that nothing outside themselves reads."""
    everywhere: Counter[str] = Counter()
    for tree in modules.values():
        everywhere += readings(tree)
    return [
        found.place
        for module, tree in modules.items()
        for found, node in definitions(module, tree)
        if everywhere[found.name] <= readings(node)[found.name]
    ]


def test_nothing_is_dormant():
    """What nothing calls is either dead, or was meant to be connected and is not."""
    assert [place for place in dormant(sources(ROOT, ROOMS)) if place not in ALLOWED] == []


def test_what_is_allowed_is_still_dormant():
    """A reason for something that is reached by now, or gone, is a lie."""
    assert set(ALLOWED) <= set(dormant(sources(ROOT, ROOMS)))
    assert all(reason.endswith(".") for reason in ALLOWED.values())


PLANTED = {
    "def idle():\n    return idle()": ["room.planted.idle"],
    "class Idle:\n    def method(self):\n        return Idle": ["room.planted.Idle", "room.planted.Idle.method"],
    "class Used:\n    @property\n    def idle(self): ...\n\n\nUsed()": ["room.planted.Used.idle"],
    "def used(): ...\n\n\nx = used()": [],
    "class Used:\n    def called(self): ...\n\n\nUsed().called()": [],
    "class Used: ...\n\n\ndef f(x: 'Used | None'): ...\n\n\nf": [],
    "def _idle(): ...": ["room.planted._idle"],
    "def f(): ...\n\n\ntable = ('room.planted:f',)": [],
    "from room.planted import f as g\n\n\ndef f(): ...\n\n\ng()": [],
    "from room.planted import f as g\n\n\ndef f(): ...": ["room.planted.f"],
    "class Used:\n    def _own(self): ...\n    def __len__(self): ...\n\n\nUsed()": [],
}


@pytest.mark.parametrize("text", PLANTED)
def test_what_is_planted_is_found(tmp_path, text):
    """Protects the search itself: it must see functions, classes, methods and properties, and no more."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "planted.py").write_text(text)
    (tmp_path / "room" / "other.py").write_text("from room.planted import *  # an import alone is no use")
    assert dormant(sources(tmp_path, ["room"])) == PLANTED[text]
