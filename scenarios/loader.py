"""Scenario files: names and paths to checked scenarios, every problem of a file at once.

Layers, later ones win: what the file ``extends``, the file, ``--set a.b=value``; below the trader's own
keys its profile, below a market's ``flow`` the profile of the market.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from domain.errors import ConfigError, Problem
from domain.units import Sz, seconds
from orchestrator.contradictions import allowance_problems, deaf_problems, limits_problems
from runtime import config
from runtime.config import EXTENDS, Shelf, Tree
from runtime.config_check import FIT, show, suggestion
from runtime.config_schema import schema as json_schema
from scenarios.build import markets_of
from scenarios.effect import (
    idle_keys,
    late_faults,
    passing_company,
    unjudged_healing,
    unknown_company,
    unknown_instruments,
)
from scenarios.figures_by_path import wrong_step
from scenarios.incidents import INCIDENTS
from scenarios.schema import DEFAULT_PROFILE, InstrumentSection, Scenario
from sim.faults import FAULTS
from sim.faults.base import STRIKES
from sim.faults.timing import THROUGHOUT, Throughout
from sim.flow.synthetic import PROFILES
from sim.links import LinksConfig

_MAX_NAME = 200
"""Bytes of a name of a scenario or an instrument; file systems take 255, and the seed or a word is added."""
_VENUE = "venue.limits"
_UNSAFE = '/\\<>:"|?*'
"""Signs that some file system takes for something else."""

SHELF = Shelf("scenarios", "library", "scenario")
"""The shipped scenarios."""

SCHEMA_LINE = "#:schema ../scenario.schema.json"
"""First line of each shipped scenario: editors complete and check by it."""


def load(source: str, overrides: Iterable[str] = ()) -> Scenario:
    """Read, lay over each other and check; raises ConfigError with every problem."""
    problems: list[Problem] = []
    over = config.override(overrides, problems)
    lost: list[Problem] = []
    try:
        given = config.read(source, SHELF, lost) | over
    except ConfigError as error:
        lost += error.problems
        given = over
    return _checked(given, source, problems, lost)


def load_tree(data: Mapping[str, Any], name: str) -> Scenario:
    """The same for what no file holds yet; ``name`` is what messages call it."""
    lost: list[Problem] = []
    given = Tree(config.read_tree(data, name, SHELF, lost).data)
    return _checked(given, name, [], lost)


def _checked(given: Tree, source: str, problems: list[Problem], lost: list[Problem]) -> Scenario:
    """``lost``: why some of it could not be read, which may hold what is missing, or what makes the rest fit."""
    is_part = bool(lost)
    tree = _with_defaults(given, problems)
    scenario: Scenario | None = None
    found: list[Problem] = []
    try:
        scenario = config.build(Scenario, tree)
    except ConfigError as error:
        found = error.problems
    known = [problem.path.rpartition(": ")[2] for problem in (*problems, *found)]
    more = (*_together(tree.data, is_part=is_part), *idle_keys(given.data))
    found += [p for p in more if not any(p.path == path or p.path.startswith(f"{path}.") for path in known)]
    problems += [p for p in found if not (is_part and _may_lie_below(p))]
    if scenario is not None and not is_part:
        problems += [
            *late_faults(scenario, seconds(scenario.duration_s)),
            *unjudged_healing(scenario, seconds(scenario.duration_s)),
            *passing_company(scenario, seconds(scenario.duration_s)),
            *_limits_without_a_lot(scenario),
            *_cycles_too_far_apart(scenario),
            *_contradictions(scenario),
            *_faults_of_nothing(scenario),
            *_unknown_figures(scenario),
        ]
    if problems or lost or scenario is None:
        raise ConfigError([*lost, *(_named(problem, source) for problem in problems)])
    return scenario


def _may_lie_below(problem: Problem) -> bool:
    """Whether what cannot be read might make this good: what is missing, or what does not fit to a default."""
    return problem.found in ("nothing", "neither") or problem.want.startswith(FIT)


def library() -> list[str]:
    """Names of the shipped scenarios."""
    return SHELF.names()


def schema_text() -> str:
    """The JSON schema of scenario files as text, as it is committed."""
    whole = json_schema(Scenario)
    required = whole.pop("required")
    whole["anyOf"] = [{"required": [EXTENDS]}, {"required": required}]
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


# --- messages -----------------------------------------------------------------------------------


def _named(problem: Problem, source: str) -> Problem:
    """Say which file, where a path does not."""
    prefix = f"{source}: "
    path = problem.path if problem.path.startswith((prefix, "--set")) else prefix + problem.path
    return Problem(path, problem.found, problem.want)


# --- what lies below ----------------------------------------------------------------------------


def _with_defaults(tree: Tree, problems: list[Problem]) -> Tree:
    """Lay the trader's profile below its keys, each market's below its flow, and the usual links below others.

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
    if "links" in tree.data:
        base["links"] = config.resolved(LinksConfig())
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


def _together(data: Mapping[str, Any], *, is_part: bool) -> list[Problem]:
    """Values that do not fit together, and names that nothing has; of a part what no other part could make good."""
    problems = [*_names(data), *_twice(data), *_unknown_incidents(data), *unknown_company(data, is_part=is_part)]
    market = _table(data, "market")
    profile, recording = market.get("profile"), market.get("recording")
    if "market" in data and (profile is None) == (recording is None):
        found = "neither" if profile is None else "both"
        problems.append(Problem("market", found, "one of profile and recording"))
    if profile is not None and "duration_s" not in data:
        problems.append(Problem("duration_s", "nothing", "a value: only a recording has an end of its own"))
    entries = [("market", market), *((f"market.more[{i}]", entry) for i, entry in enumerate(_list(market, "more")))]
    for path, entry in entries:
        name = entry.get("profile") if isinstance(entry, dict) else None
        if isinstance(name, str) and name not in PROFILES:
            known = suggestion(name, list(PROFILES)) or f" ({', '.join(PROFILES)})"
            problems.append(Problem(f"{path}.profile", show(name), f"a synthetic market{known}"))
    return problems + _faults(data, recording)


def _faults(data: Mapping[str, Any], recording: object) -> list[Problem]:
    """Faults that this market cannot have."""
    if recording is None:
        return []
    want = "a fault that needs no crowd: over a recording nobody else trades"
    crowded = [kind().kind for kind in FAULTS if getattr(kind, "needs_crowd", False)]
    kinds = [fault.get("kind") if isinstance(fault, dict) else None for fault in _list(data, "faults")]
    return [Problem(f"faults[{i}].kind", show(kind), want) for i, kind in enumerate(kinds) if kind in crowded]


def _names(data: Mapping[str, Any]) -> list[Problem]:
    """Names that cannot be used: of the scenario and its instruments as files, of two instruments at once."""
    market = _table(data, "market")
    default = InstrumentSection().name
    names = {"name": data.get("name"), "market.instrument.name": _table(market, "instrument").get("name", default)}
    for i, entry in enumerate(_list(market, "more")):
        instrument = _table(entry, "instrument").get("name", default) if isinstance(entry, dict) else None
        names[f"market.more[{i}].instrument.name"] = instrument
    problems = []
    seen: list[object] = []
    for path, name in names.items():
        if not isinstance(name, str) or not name:
            continue
        if not _names_a_file(name):
            want = f"a text that can name a file: printable, none of {_UNSAFE}, at most {_MAX_NAME} bytes"
            problems.append(Problem(path, show(name), want))
        if path != "name":
            if name in seen:
                problems.append(Problem(path, show(name), f"{FIT}: a name that no other market of this scenario has"))
            seen.append(name)
    return problems


def _names_a_file(name: str) -> bool:
    """Whether a name is one file below the results and no way out of them, on every system."""
    fits = len(name.encode(errors="replace")) <= _MAX_NAME and name.isprintable() and name == name.strip()
    return fits and name not in {".", ".."} and not set(name) & set(_UNSAFE)


def _faults_of_nothing(scenario: Scenario) -> list[Problem]:
    """Faults of instruments that the scenario does not have; a recording says its own when it is read."""
    if scenario.market.profile not in PROFILES:
        return []
    return list(unknown_instruments(scenario, [market.instrument.id for market in markets_of(scenario)]))


def _unknown_figures(scenario: Scenario) -> list[Problem]:
    """Expected figures that no result has."""
    faults: dict[str, set[str]] = defaultdict(set)
    for fault in scenario.faults:
        faults[fault.kind].update(fault.figures)
        if not isinstance(getattr(fault, "when", THROUGHOUT), Throughout):
            faults[fault.kind].add(STRIKES)
    known = [market.instrument.id for market in markets_of(scenario)] if scenario.market.profile in PROFILES else None
    return [
        Problem(f"expect.{key}", wrong, "the path of a figure below `metrics` of a result")
        for key, paths in (("least", scenario.expect.least), ("most", scenario.expect.most))
        for path in paths
        if (wrong := wrong_step(path, faults, known, is_most=key == "most")) is not None
    ]


def _unknown_incidents(data: Mapping[str, Any]) -> list[Problem]:
    """Incidents that the list does not have."""
    return [
        Problem(f"covers[{i}]", show(name), f"an incident{suggestion(name, list(INCIDENTS))}")
        for i, name in enumerate(_list(data, "covers"))
        if isinstance(name, str) and name not in INCIDENTS
    ]


def _twice(data: Mapping[str, Any]) -> list[Problem]:
    """Names that stand in a list a second time."""
    lists = {
        "covers": _list(data, "covers"),
        "probes": _list(data, "probes"),
        "checks.despite": _list(_table(data, "checks"), "despite"),
        "expect.alerted": _list(_table(data, "expect"), "alerted"),
    }
    return [
        Problem(f"{path}[{i}]", show(name), "each of them once")
        for path, names in lists.items()
        for i, name in enumerate(names)
        if name in names[:i]
    ]


def _limits_without_a_lot(scenario: Scenario) -> list[Problem]:
    """A position limit or a level below one lot, where the price is known: nothing could ever be quoted."""
    if scenario.market.profile not in PROFILES:
        return []
    engine = scenario.trader.desk.engine
    amounts = {"max_position_usd": engine.max_position_usd, "level_notional_usd": engine.level_notional_usd}
    return [
        Problem(
            f"trader.desk.engine.{key}",
            f"{amount:g}",
            f"at least one lot: {lot:g} USD of {world.instrument.id} at its first price",
        )
        for world in markets_of(scenario)
        for key, amount in amounts.items()
        if world.flow is not None and amount < (lot := world.flow.fair_price * world.instrument.size(Sz(1)))
    ]


def _cycles_too_far_apart(scenario: Scenario) -> list[Problem]:
    """A least time between cycles that nothing which wants one in time can keep."""
    config = scenario.trader.desk.accumulator
    allowed, name = min((config.fallback_ms, "fallback_ms"), (config.stale_quotes_ms, "stale_quotes_ms"))
    if config.debounce_ms <= allowed:
        return []
    path = "trader.desk.accumulator.debounce_ms"
    return [Problem(path, f"{config.debounce_ms:g}", f"at most {name} ({allowed:g})")]


def _contradictions(scenario: Scenario) -> list[Problem]:
    """Limits that cannot be meant together: the trader's own, and the allowance of its account at the venue."""
    venue = scenario.venue
    found = limits_problems(scenario.trader, venue.limits, _VENUE)
    trader = [p if p.path.startswith(_VENUE) else Problem(f"trader.{p.path}", p.found, p.want) for p in found]
    known = {problem.path for problem in trader}
    deaf = [p for p in deaf_problems(_VENUE, venue.limits, 1 + len(scenario.market.more)) if p.path not in known]
    return [*trader, *deaf, *allowance_problems(_VENUE, venue.limits, venue.traded)]


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []
