"""Sphinx configuration: `tox -e docs` builds these pages with warnings as errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "makerlab"
author = "makerlab contributors"
project_copyright = "2026, makerlab contributors"

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
smartquotes = False  # "--set" stays as it is typed

html_theme = "furo"
html_title = "makerlab"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "


def setup(app: Sphinx) -> None:
    """Fill the generated parts in, anew in each build."""
    app.connect("source-read", fill_in)
    app.connect("env-get-outdated", outdated)


def fill_in(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Replace the marks of a page by what the code says."""
    source[0] = generate.fill_in(source[0])


def outdated(_app: Sphinx, env: BuildEnvironment, *_changes: set[str]) -> list[str]:
    """Name the pages with marks: they change with the code, not only with their own text."""
    return [page for page in env.found_docs if generate.MARK.search(Path(env.doc2path(page)).read_text())]
