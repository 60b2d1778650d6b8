"""Scenario files: names and paths to checked scenarios, every problem of a file at once.

Layers, later ones win: what the file ``extends``, the file, ``--set a.b=value``; below the trader's own
keys its profile, below a market's ``flow`` the profile of the market.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from domain.errors import ConfigError, Problem
from runtime import config
from runtime.config import EXTENDS, Tree
from runtime.config_check import show, suggestion
from runtime.config_schema import schema as json_schema
from scenarios.schema import DEFAULT_PROFILE, InstrumentSection, Scenario
from sim.faults.cancel_race import CancelRace
from sim.flow.synthetic import PROFILES

_MAX_NAME = 200
"""Bytes of a scenario's name; file systems take 255, and the seed is appended."""

SCHEMA_LINE = "#:schema ../scenario.schema.json"
"""First line of each shipped scenario: editors complete and check by it."""


def load(source: str, overrides: Iterable[str] = ()) -> Scenario:
    """Read, lay over each other and check; raises ConfigError with every problem."""
    problems: list[Problem] = []
    tree = _with_profiles(_layers(source, overrides, problems), problems)
    scenario: Scenario | None = None
    try:
        scenario = config.build(Scenario, tree)
    except ConfigError as error:
        problems += error.problems
    known = {problem.path.rpartition(": ")[2] for problem in problems}
    problems += [problem for problem in _together(tree.data) if problem.path not in known]
    if problems or scenario is None:
        raise ConfigError([_named(problem, source) for problem in problems])
    return scenario


def library() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def load_library(name: str) -> Scenario:
    """A shipped scenario as it is."""
    return load(name)


def schema_text() -> str:
    """The JSON schema of scenario files as text, as it is committed."""
    whole = json_schema(Scenario)
    required = whole.pop("required")
    whole["anyOf"] = [{"required": [EXTENDS]}, {"required": required}]
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


# --- reading ------------------------------------------------------------------------------------


def _layers(source: str, overrides: Iterable[str], problems: list[Problem]) -> Tree:
    """The file below the overrides; a wrong override is no reason to keep silent about the file."""
    try:
        over = config.override(overrides)
    except ConfigError as error:
        problems += error.problems
        over = Tree()
    try:
        return _read(source, Path(), ()) | over
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error


def _read(source: str, folder: Path, seen: tuple[str, ...]) -> Tree:
    """A file or a shipped scenario, laid over what it extends."""
    found = _find(source, folder, seen)
    name = str(found)
    if name in seen:
        raise ConfigError([Problem(f"{seen[-1]}: {EXTENDS}", " -> ".join((*seen, name)), "no circle")])
    data = _parse(found)
    bases = data.pop(EXTENDS, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not (isinstance(bases, list) and all(isinstance(base, str) for base in bases)):
        raise ConfigError([Problem(f"{name}: {EXTENDS}", show(bases), "a file or scenario, or a list of them")])
    tree = Tree()
    for base in bases:
        tree |= _read(base, found.parent if isinstance(found, Path) else Path(), (*seen, name))
    return tree | Tree(data)


def _find(source: str, folder: Path, seen: tuple[str, ...]) -> Path | Traversable:
    if Path(source).suffix:
        return folder / source
    names = library()
    if source not in names:
        where = f"{seen[-1]}: {EXTENDS}" if seen else "scenario"
        known = suggestion(source, names) or f" ({', '.join(names)})"
        raise ConfigError([Problem(where, show(source), f"a .toml file or a shipped scenario{known}")])
    return _folder() / f"{source}.toml"


def _parse(source: Path | Traversable) -> dict[str, Any]:
    try:
        text = source.read_text(encoding="utf-8-sig")  # editors on Windows begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise ConfigError([Problem(str(source), reason, "a readable TOML file")]) from error
    return config.parse(text, str(source))


def _folder() -> Traversable:
    return files("scenarios") / "library"


def _named(problem: Problem, source: str) -> Problem:
    """Say which file, where a path does not."""
    prefix = f"{source}: "
    path = problem.path if problem.path.startswith((prefix, "--set")) else prefix + problem.path
    return Problem(path, problem.found, problem.want)


# --- profiles -----------------------------------------------------------------------------------


def _with_profiles(tree: Tree, problems: list[Problem]) -> Tree:
    """Lay the trader's profile below its keys, and each market's below its flow.

    What a profile says of the driver goes to the driver.
    """
    base: dict[str, Any] = {}
    name = _table(tree.data, "trader").get("profile", DEFAULT_PROFILE)
    if isinstance(name, str):
        try:
            profile = config.read(name).data
        except ConfigError as error:
            problems += [Problem("trader.profile", problem.found, problem.want) for problem in error.problems]
        else:
            base = {"driver": profile.pop("driver", {}), "trader": profile}
    below = Tree(base) | tree
    data = dict(below.data)
    market = _table(data, "market")
    if market:
        data["market"] = _with_flow(market)
        more = market.get("more")
        if isinstance(more, list):
            data["market"]["more"] = [_with_flow(entry) if isinstance(entry, dict) else entry for entry in more]
    return Tree(data, below.origins)


def _with_flow(market: Mapping[str, Any]) -> dict[str, Any]:
    profile, flow = market.get("profile"), market.get("flow", {})
    if isinstance(profile, str) and profile in PROFILES and isinstance(flow, dict):
        return {**market, "flow": {**config.resolved(PROFILES[profile]), **flow}}
    return dict(market)


# --- what a type cannot say ---------------------------------------------------------------------


def _together(data: Mapping[str, Any]) -> list[Problem]:
    """Values that do not fit together."""
    problems = _names(data)
    market = _table(data, "market")
    profile, recording = market.get("profile"), market.get("recording")
    if "market" in data and (profile is None) == (recording is None):
        found = "neither" if profile is None else "both"
        problems.append(Problem("market", found, "one of profile and recording"))
    entries = [("market", market), *((f"market.more[{i}]", entry) for i, entry in enumerate(_list(market, "more")))]
    for path, entry in entries:
        name = entry.get("profile") if isinstance(entry, dict) else None
        if isinstance(name, str) and name not in PROFILES:
            known = suggestion(name, list(PROFILES)) or f" ({', '.join(PROFILES)})"
            problems.append(Problem(f"{path}.profile", show(name), f"a synthetic market{known}"))
    if recording is not None:
        idle = [key for key in ("instrument", "flow", "more") if key in market]
        problems += [Problem(f"market.{key}", show(market[key]), "nothing beside a recording") for key in idle]
    return problems + _faults(data, recording)


def _faults(data: Mapping[str, Any], recording: object) -> list[Problem]:
    """Faults that this market cannot have."""
    if recording is None:
        return []
    want = "a fault that needs no crowd: over a recording nobody else trades"
    kinds = [fault.get("kind") if isinstance(fault, dict) else None for fault in _list(data, "faults")]
    return [Problem(f"faults[{i}].kind", show(kind), want) for i, kind in enumerate(kinds) if kind == CancelRace().kind]


def _names(data: Mapping[str, Any]) -> list[Problem]:
    """Names that cannot be used: of the scenario as a folder, of two instruments at once."""
    problems = []
    name = data.get("name")
    if isinstance(name, str) and name and not _names_a_folder(name):
        want = f"a text that can name a folder: printable, no / or \\, at most {_MAX_NAME} bytes"
        problems.append(Problem("name", show(name), want))
    market = _table(data, "market")
    default = InstrumentSection().name
    seen = [_table(market, "instrument").get("name", default)]
    for i, entry in enumerate(_list(market, "more")):
        instrument = _table(entry, "instrument").get("name", default) if isinstance(entry, dict) else None
        if isinstance(instrument, str) and instrument in seen:
            path = f"market.more[{i}].instrument.name"
            problems.append(Problem(path, show(instrument), "a name that no other market of this scenario has"))
        seen.append(instrument)
    return problems


def _names_a_folder(name: str) -> bool:
    """Whether a name is one folder below the results and no way out of them."""
    fits = len(name.encode(errors="replace")) <= _MAX_NAME and name.isprintable() and name == name.strip()
    return fits and name not in {".", ".."} and not set(name) & set("/\\")


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []
