"""The pages themselves: links lead somewhere, files that they name exist, marks say what they may."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import MARKS, ROOT, blocks_of, name_of, pages

ALL = [*pages(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "tests/README.md"]
LANGUAGES = {"sh", "text", "toml", "python", "diff", "json", "{toctree}", "yaml"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`([a-z_.]+(?:/[\w.-]+)+/?|[a-z_]+/)`")
MADE_BY_COMMANDS = ("runs/",)
each_page = pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in ALL])


def prose(path: Path) -> str:
    """The text of a page without its fenced blocks."""
    text = path.read_text(encoding="utf-8")
    for block in reversed(blocks_of(text)):
        text = text[: block.start] + text[block.start + len(block.body) :]
    return text


def anchors(path: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(path):
    """Also where no documentation is built: on the pages of the repository."""
    broken = []
    for link in LINK.findall(prose(path)):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and "generated:" not in target.read_text() and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@each_page
def test_files_that_a_page_names_exist(path):
    """A page that says where something is must be right; what commands write is not meant."""
    named = {name for name in PATH.findall(prose(path)) if not name.startswith(MADE_BY_COMMANDS)}
    first = {entry.name for entry in ROOT.iterdir()}
    gone = sorted(
        name for name in named if name.split("/")[0] in first and not (ROOT / name).exists() and "NAME" not in name
    )
    assert gone == []


@each_page
def test_blocks_have_a_known_language_and_mark(path):
    """A shell block in another dress, or a mark with a typo, would never be run."""
    for block in blocks_of(path.read_text(encoding="utf-8")):
        assert block.language in LANGUAGES, f"{name_of(path)}:{block.line}: {block.language!r}"
        assert block.mark in ("", *MARKS), f"{name_of(path)}:{block.line}: {block.mark!r}"
        if block.mark in ("not run", "needs", "file", "edit", "exit"):
            assert block.value, f"{name_of(path)}:{block.line}: {block.mark} says nothing after the colon"


def test_every_page_is_reached_from_the_front_page():
    """A page that no list names is found by nobody."""
    listed = set()
    for path in (ROOT / "docs").rglob("*.md"):
        for block in blocks_of(path.read_text(encoding="utf-8")):
            if block.language == "{toctree}":
                names = [line for line in block.body.splitlines() if line and not line.startswith(":")]
                for name in names:
                    listed |= {found.resolve() for found in path.parent.glob(f"{name}.md")}
    front = (ROOT / "docs/index.md").resolve()
    every = {path.resolve() for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts}
    assert sorted(name_of(path) for path in every - listed - {front}) == []
