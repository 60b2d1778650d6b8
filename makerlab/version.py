"""What `makerlab --version` prints: the version, the interpreter, and which extras are here."""

import platform
from importlib.util import find_spec

from runtime.version import makerlab_version

EXTRAS = {"study": ("duckdb", "matplotlib", "scipy"), "docs": ("sphinx",), "dev": ("pytest", "hypothesis")}
"""Modules by which an extra is recognised; finding them imports nothing."""


def found_extras() -> list[str]:
    """Return the extras whose modules are all here."""
    return [name for name, modules in EXTRAS.items() if all(find_spec(module) for module in modules)]


def version_text() -> str:
    """Return one line for people and bug reports."""
    extras = ", ".join(found_extras()) or "none"
    return f"makerlab {makerlab_version()} (Python {platform.python_version()}, extras: {extras})"
