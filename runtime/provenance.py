"""Which makerlab this is: version, commit, interpreter, packages. For headers and bug reports."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from domain.instrument import Instrument
from runtime.journal_format import Header
from runtime.version import makerlab_version, package_version

PACKAGES = ("msgspec", "numpy", "pydantic", "simpy")
"""Packages whose version may change what a run computes or how it is written down."""

ROOMS = ("domain", "strategy", "orchestrator", "sim", "exchange_adapters", "runtime", "scenarios")
"""All that decides what a run computes; the rooms above ask for runs and read them."""

_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = (".py", ".toml")
_TIMEOUT_S = 5


@cache
def git_commit(folder: Path = _ROOT) -> str | None:
    """Commit of the working tree that this code runs from, with ``+`` if it was changed.

    None outside a working tree of makerlab (an installed wheel, say inside another repository), before
    the first commit, or without git.
    """
    if not (folder / ".git").exists():
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return commit + ("+" if _git(folder, "status", "--porcelain") else "")


def code_digest(rooms: Sequence[str] = ROOMS) -> str:
    """Of every source file of these rooms as it stands on the disk, whatever git knows of it."""
    digest = blake2b(digest_size=16)
    for room in rooms:
        for path in sorted(path for path in (_ROOT / room).rglob("*") if path.suffix in _SOURCES):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def make_header(
    seed: int,
    config: Mapping[str, Any],
    instruments: Sequence[Instrument],
    scenario: str = "",
) -> Header:
    """A journal header for this process; each life adds its number and seed."""
    return Header(
        seed=seed,
        scenario=scenario,
        config=dict(config),
        instruments=tuple(instruments),
        makerlab=makerlab_version(),
        commit=git_commit(),
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := package_version(name))},
    )


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git from PATH, as everywhere
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
