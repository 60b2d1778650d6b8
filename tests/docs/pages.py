"""The documentation as a test sees it: pages, fenced blocks, and what a mark says about a block.

A mark is an HTML comment on the line before a fence; `docs/how-to/write-docs.md` lists them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
PAGE_MARK = re.compile(r"\A(?:<!-- (?P<mark>[^\n]*?) -->)")
MARKS = ("not run", "exit", "needs", "file", "edit", "output", "generated")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``mark`` is what stands before the colon of its comment, ``value`` what follows."""

    language: str
    body: str
    mark: str
    value: str
    line: int
    start: int


def pages():
    """Every page that people read, but for those that only include a file."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    found = [ROOT / "README.md", *(path for path in docs if "_build" not in path.parts)]
    return [path for path in found if "```{include}" not in path.read_text(encoding="utf-8")]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def page_mark(text: str) -> str:
    found = PAGE_MARK.match(text)
    return found["mark"] if found else ""


def blocks_of(text: str) -> list[Block]:
    blocks = []
    for found in FENCE.finditer(text):
        mark, _, value = (found["mark"] or "").partition(":")
        line = text.count("\n", 0, found.start("body"))
        language = found["language"].strip()
        blocks.append(Block(language, found["body"], mark.strip(), value.strip(), line, found.start("body")))
    return blocks
