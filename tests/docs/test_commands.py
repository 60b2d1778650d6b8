"""Every command that the documentation shows is run, page by page, in a folder of its own.

MAKERLAB_UPDATE_DOCS=1 writes what the commands print today into the blocks that show output.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks_of, name_of, page_mark, pages

COPIED = (
    "domain",
    "strategy",
    "orchestrator",
    "sim",
    "exchange_adapters",
    "runtime",
    "scenarios",
    "studies",
    "makerlab",
    "tests",
)
UPDATE = bool(os.environ.get("MAKERLAB_UPDATE_DOCS"))
NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")
HEX = re.compile(r"\b(?:0x)?[0-9a-f]{12,}\b")


def shape(line: str) -> str:
    """A line without its numbers, digests and spacing: what stays the same from version to version."""
    return " ".join(NUMBER.sub("N", HEX.sub("H", line)).split())


def missing(shown: list[str], printed: list[str]) -> str | None:
    """The first shown line that was not printed, in this order; ``...`` skips."""
    rest = iter(printed)
    for line in shown:
        if shape(line) not in ("", "...") and not any(shape(line) == shape(other) for other in rest):
            return line
    return None


def renewed(shown: list[str], printed: list[str]) -> list[str]:
    """The shown lines with what was printed in their place."""
    rest = iter(printed)
    return [
        line if shape(line) in ("", "...") else next((other for other in rest if shape(other) == shape(line)), line)
        for line in shown
    ]


class Page:
    """One page on its way through a shell."""

    def __init__(self, path: Path, folder: Path, data: Path | None):
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.folder = folder
        self.data = data
        self.printed: list[str] | None = None
        self.changes: list[tuple[int, str, str]] = []
        self.left_out = 0
        changes_output = ("CI", "COLUMNS", "FORCE_COLOR")
        self.environment = {name: value for name, value in os.environ.items() if name not in changes_output}
        self.environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
            "MAKERLAB_DATA": str(data or folder / "no data"),
        }
        if page_mark(self.text) == "in a copy of the repository":
            for name in COPIED:
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            for name in ("pyproject.toml", "run"):
                shutil.copy(ROOT / name, folder)
            self.environment["PYTHONPATH"] = str(folder)

    def follow(self) -> None:
        for block in blocks_of(self.text):
            self.where = f"{name_of(self.path)}:{block.line + 1}"
            if block.mark == "file":
                target = self.folder / block.value
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.body, encoding="utf-8")
            elif block.mark == "edit":
                self.edit(self.folder / block.value, block.body)
            elif block.mark == "output":
                self.compare(block)
            elif block.language == "sh" and block.mark != "not run":
                self.run(block)

    def run(self, block) -> None:
        if block.mark == "needs" and self.data is None:
            self.printed = None
            self.left_out += 1
            return
        code = re.search(r"\d+$", block.value) if block.mark in ("exit", "needs") else None
        wanted = int(code[0]) if code else 0
        done = subprocess.run(
            ["sh", "-eu", "-c", block.body],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        self.printed = (done.stderr + done.stdout).splitlines()
        assert done.returncode == wanted, (
            f"{self.where}: exit {done.returncode}\n{block.body}{done.stderr}{done.stdout}"
        )

    def compare(self, block) -> None:
        if self.printed is None:
            return
        shown = block.body.splitlines()
        is_sample = block.value == "sample"
        if UPDATE:
            new = self.printed if is_sample else renewed(shown, self.printed)
            self.changes.append((block.start, block.body, "".join(f"{line}".rstrip() + "\n" for line in new)))
            return
        lost = missing(shown[:1] if is_sample else shown, self.printed)
        told = "\n".join(self.printed)
        assert lost is None, f"{self.where}: this line is not printed\n{lost}\nbut this is\n{told}"

    def edit(self, target: Path, diff: str) -> None:
        """Replace the old lines of a diff by its new ones."""
        lines = [line for line in diff.splitlines(keepends=True) if not line.startswith("@@")]
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        text = target.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{self.where}: {target.name} has no such place\n{old}\n{text}"
        target.write_text(text.replace(old, new), encoding="utf-8")

    def renew(self) -> None:
        text = self.text
        for start, old, new in reversed(self.changes):
            text = text[:start] + new + text[start + len(old) :]
        if text != self.text:
            self.path.write_text(text, encoding="utf-8")


def needs_data(path: Path) -> bool:
    return any(block.mark == "needs" for block in blocks_of(path.read_text(encoding="utf-8")))


def runs(path: Path) -> bool:
    return any(block.language == "sh" and block.mark != "not run" for block in blocks_of(path.read_text("utf-8")))


@pytest.mark.timeout(600)  # a page runs many commands
@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in pages() if runs(path)])
def test_a_page_does_what_it_says(path, tmp_path, request):
    """A reader who copies every block of a page, from top to bottom, meets no surprise."""
    data = None
    if needs_data(path):
        folder = ROOT / (os.environ.get("MAKERLAB_DATA") or "../shared/data")
        data = folder.resolve() if folder.is_dir() else None
    page = Page(path, tmp_path, data)
    page.follow()
    if UPDATE:
        page.renew()
    if page.left_out:
        pytest.skip(f"{page.left_out} blocks need the recorded data (MAKERLAB_DATA); the others did what they say")
