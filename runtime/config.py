"""Configs from files: layers of TOML, typed and checked as one tree before anything starts.

Layers, later ones win: a profile or file named by ``extends``, the file, ``--set a.b=value``. Tables
are merged key by key, anything else is replaced; a table with another ``kind`` is another thing and
replaces too. What the types mean in a file stands in ``config_check``.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from domain.errors import ConfigError, Problem
from runtime.config_check import adapter_of, check, show, suggestion

T = TypeVar("T")

EXTENDS = "extends"
_KIND = "kind"
_SET = "--set"
_BARE_WORD = re.compile(r"(?<=[=\[,{\s])(?!(?:true|false)\b)[A-Za-z_][\w.-]*(?=\s*[,\]}])")
"""A value within a list or a table that could only be a text."""
_UNPARSED = (ValueError, RecursionError)
"""What the parsers raise: wrong syntax, numbers of thousands of digits, brackets nested too deep."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Plain values, and which file each came from."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    def __or__(self, over: "Tree") -> "Tree":
        """Lay another tree over this one."""
        return Tree(_merge(self.data, over.data), self.origins | over.origins)


def load(kind: type[T], *sources: Path | str, overrides: Iterable[str] = ()) -> T:
    """Build a config from files (or names of profiles) and ``a.b=value`` overrides.

    Raises ConfigError with every problem of the whole tree.
    """
    tree = Tree()
    for source in sources:
        tree |= read(source)
    return build(kind, tree | override(overrides))


def build(kind: type[T], tree: Tree | Mapping[str, Any]) -> T:
    """Build a config from a tree; a mapping such as ``resolved`` gives is one, too."""
    return check(kind, tree.data, tree.origins) if isinstance(tree, Tree) else check(kind, tree)


def resolved(config: object) -> dict[str, Any]:
    """The whole config as plain JSON values, defaults included: for headers and manifests."""
    values: dict[str, Any] = adapter_of(type(config)).dump_python((config,), mode="json")[0]
    return values


# --- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of shipped files, which are named without ``.toml``."""

    room: str
    folder: str
    what: str
    """What messages call one of them."""

    def names(self) -> list[str]:
        """Names of all files."""
        return sorted(e.name.removesuffix(".toml") for e in self._entries.iterdir() if e.name.endswith(".toml"))

    def file(self, name: str) -> Traversable:
        """The file of a name."""
        return self._entries / f"{name}.toml"

    @property
    def _entries(self) -> Traversable:
        return files(self.room) / self.folder


PROFILES = Shelf("runtime", "profiles", "profile")


def read(source: Path | str, shelf: Shelf = PROFILES, lost: list[Problem] | None = None) -> Tree:
    """A file with what it extends, or a shipped one (a name without ``.toml``).

    ``lost`` takes what is wrong with what it extends, so that the rest of the file can be looked at all the same.
    """
    return _read(_find(source, Path(), shelf.what, shelf), (), shelf, lost)


def read_tree(data: Mapping[str, Any], name: str, shelf: Shelf = PROFILES, lost: list[Problem] | None = None) -> Tree:
    """What would be read from a file with this content; ``name`` is what messages call it."""
    own = dict(data)
    tree = _bases(own.pop(EXTENDS, []), name, Path(), (name,), shelf, lost)
    return tree | Tree(own, dict.fromkeys(_leaves(own), name))


def override(assignments: Iterable[str], wrong: list[Problem] | None = None) -> Tree:
    """``a.b=value`` as TOML would read it; a bare word is a text. ``wrong``, if given, takes what cannot be read."""
    tree = Tree()
    problems: list[Problem] = [] if wrong is None else wrong
    for assignment in assignments:
        try:
            data = _assignment(assignment)
        except ConfigError as error:
            problems += error.problems
        else:
            tree |= Tree(data, dict.fromkeys(_leaves(data), _SET))
    if problems and wrong is None:
        raise ConfigError(problems)
    return tree


def parse(text: str, name: str) -> dict[str, Any]:
    """TOML text as plain values; a syntax error says where."""
    try:
        return tomllib.loads(text)
    except _UNPARSED as error:
        raise ConfigError([Problem(name, str(error), "valid TOML")]) from error


def _read(source: Path | Traversable, seen: tuple[str, ...], shelf: Shelf, lost: list[Problem] | None) -> Tree:
    name = str(source)
    if name in seen:
        raise ConfigError([Problem(f"{name}: {EXTENDS}", " -> ".join((*seen, name)), "no circle")])
    folder = source.parent if isinstance(source, Path) else Path()
    data = _parse_file(source, name)
    tree = _bases(data.pop(EXTENDS, []), name, folder, (*seen, name), shelf, lost)
    return tree | Tree(data, dict.fromkeys(_leaves(data), source.name))


def _bases(
    bases: object, name: str, folder: Path, seen: tuple[str, ...], shelf: Shelf, lost: list[Problem] | None
) -> Tree:
    """What a file is laid over."""
    tree = Tree()
    where = f"{name}: {EXTENDS}"
    problems: list[Problem] = []
    if isinstance(bases, str):
        bases = [bases]
    if not (isinstance(bases, list) and all(isinstance(base, str) for base in bases)):
        problems, bases = [Problem(where, show(bases), f"a file or {shelf.what}, or a list of them")], []
    for base in bases:
        try:
            tree |= _read(_find(base, folder, where, shelf), seen, shelf, lost)
        except ConfigError as error:
            problems += error.problems
    if problems and lost is None:
        raise ConfigError(problems)
    if lost is not None:
        lost += problems
    return tree


def _find(source: Path | str, folder: Path, where: str, shelf: Shelf) -> Path | Traversable:
    path = Path(source)
    if path.suffix:
        return folder / path
    names = shelf.names()
    if str(source) not in names:
        known = suggestion(str(source), names) or f" ({', '.join(names)})"
        raise ConfigError([Problem(where, show(str(source)), f"a .toml file or a {shelf.what}{known}")])
    return shelf.file(str(source))


def _parse_file(source: Path | Traversable, name: str) -> dict[str, Any]:
    try:
        text = source.read_text(encoding="utf-8-sig")  # editors on Windows begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise ConfigError([Problem(name, reason, "a readable TOML file")]) from error
    if not name.endswith(".json"):
        return parse(text, name)
    try:
        data = json.loads(text)
    except _UNPARSED as error:
        raise ConfigError([Problem(name, str(error), "valid JSON")]) from error
    if not isinstance(data, dict):
        raise ConfigError([Problem(name, show(data), "an object")])
    return data


def _assignment(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or "\n" in text or "\r" in text:  # TOML would take an empty text, or a whole file
        raise ConfigError([Problem(_SET, show(text), "key.key=value with a TOML value")])
    for candidate in (value, json.dumps(value)) if value.strip().replace("-", "_").isidentifier() else (value,):
        try:
            return tomllib.loads(f"{key}{equals}{candidate}")
        except _UNPARSED:
            continue
    raise ConfigError([Problem(_SET, show(text), f"key.key=value with a TOML value{_hint(key, value)}")])


def _hint(key: str, value: str) -> str:
    """How to write an assignment whose texts lack their quotes, if that is what is wrong with it."""
    bare = value.strip()
    texts = _BARE_WORD.sub(r'"\g<0>"', bare) if bare.startswith(("[", "{")) else json.dumps(bare, ensure_ascii=False)
    try:
        tomllib.loads(f"{key}={texts}")
    except _UNPARSED:
        return ""
    return f"; a text stands in quotes: {_SET} {quote(f'{key}={texts}')}"


# --- layers -------------------------------------------------------------------------------------


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if (
            isinstance(below, dict)
            and isinstance(value, dict)
            and value.get(_KIND, below.get(_KIND)) == below.get(_KIND)
        ):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _leaves(data: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    leaves: list[tuple[str | int, ...]] = []
    for key, value in data.items():
        here = (*path, key)
        leaves.append(here)
        if isinstance(value, dict):
            leaves += _leaves(value, here)
    return leaves
