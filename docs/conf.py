"""Sphinx configuration: `tox -e docs` builds these pages with warnings as errors."""

project = "makerlab"
author = "makerlab contributors"
project_copyright = "2026, makerlab contributors"

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "makerlab"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
