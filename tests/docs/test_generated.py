"""The generated parts of the reference: complete, and in tables that hold together."""

import sys

import pytest

from makerlab.commands import COMMANDS
from makerlab.exit_codes import ExitCode
from scenarios.invariants import INVARIANTS
from scenarios.loader import library
from scenarios.result import RunResult
from sim.faults import FAULTS
from tests.docs.pages import ROOT, pages
from tests.sim.test_flow_facts import RANGES

sys.path.insert(0, str(ROOT / "docs"))
import generate

sys.path.pop(0)

MEANINGS = ("meaning", "rule", "what happens")
"""Heads of the columns that say in words what a row is."""


@pytest.mark.parametrize("name", sorted(generate.PARTS))
def test_a_part_is_used_and_its_tables_hold(name):
    """A stray bar in a docstring would shift every cell behind it."""
    assert any(f"<!-- generated: {name} -->" in page.read_text(encoding="utf-8") for page in pages())
    text = generate.PARTS[name]()
    width = 0
    for line in text.splitlines():
        cells = line.replace("\\|", "").count("|")
        if not cells:
            width = 0
        elif line.startswith("|"):
            width = width or cells
            assert cells == width, line


@pytest.mark.parametrize("name", sorted(generate.PARTS))
def test_every_row_has_a_meaning(name):
    """A field without a docstring would be a blank in the reference, and in what editors show."""
    blank, at = [], None
    for line in generate.PARTS[name]().splitlines():
        cells = [cell.strip() for cell in line.replace("\\|", "/").split("|")[1:-1]]
        if not cells:
            at = None
        elif at is None:
            at = next((i for i, cell in enumerate(cells) if cell in MEANINGS), -1)
        elif at >= 0 and not cells[at]:
            blank.append(cells[0])
    assert blank == []


def test_every_mark_names_a_part():
    """A typo in a mark would leave the page empty."""
    for page in pages():
        for found in generate.MARK.finditer(page.read_text(encoding="utf-8")):
            assert found[1] in generate.PARTS


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("command_line", [f"makerlab {command.name}" for command in COMMANDS]),
        ("exit_codes", [f"| {code.value} |" for code in ExitCode]),
        ("faults", [f"`{fault().kind}`" for fault in FAULTS]),
        ("invariants", [f"| {rule.id} |" for rule in INVARIANTS]),
        ("library", [f"`{name}`" for name in library()]),
        ("result", [f"`{key}`" for key in RunResult("name", 0).document()]),
    ],
)
def test_nothing_is_left_out(part, names):
    """What the code has, the reference has."""
    text = generate.PARTS[part]()
    assert [name for name in names if name not in text] == []


def test_every_key_of_the_result_is_explained():
    """The document is what other programs read."""
    assert set(RunResult("name", 0).document()) == set(generate.RESULT_NOTES)


def test_the_market_facts_of_the_page_are_those_of_the_tests():
    """The table of explanation/markets.md is written by hand; its numbers are not its own."""
    page = (ROOT / "docs/explanation/markets.md").read_text(encoding="utf-8")
    for name, digits in (("ret1s_std_bps", 2), ("spread_bps_mean", 2), ("one_tick_share", 2), ("trades_per_min", 0)):
        september, december, (low, high), _ = RANGES[name]
        assert f"| {september:.{digits}f} | {december:.{digits}f} | {low} to {high} |" in page, name
