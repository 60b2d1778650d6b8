"""Writes the parts of the reference that the code knows best: one function for each part.

A page asks for a part with a line ``<!-- generated: NAME -->``; `conf.py` puts it there when the pages are
built, so it is never out of date and never committed. ``python docs/generate.py NAME`` prints a part.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from enum import Enum
from functools import cache
from inspect import getdoc, getsource
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any, get_args

import msgspec

from domain import commands as command_module
from domain import events as event_module
from domain.orders import ALIASES, TRANSITIONS, OrderState
from domain.units import NS_PER_MS, USD, Tif
from makerlab.app import build as build_app
from makerlab.exit_codes import ExitCode
from makerlab.scenarios import covering, simulated
from runtime import config, journal_format
from runtime.config_schema import schema as json_schema
from scenarios import figures
from scenarios import result as result_module
from scenarios.expectations import KINDS, Expect
from scenarios.incidents import GROUPS, NOT_REPEATED, NUMBERED, SITUATIONS, Incident
from scenarios.invariants import INVARIANTS
from scenarios.invariants.alerting import ALERTS, QUIET
from scenarios.invariants.without import WITHOUT
from scenarios.l4_replay import L4Result
from scenarios.loader import library as library_names
from scenarios.loader import load
from scenarios.schema import Scenario
from sim.faults import FAULTS
from sim.faults.timing import Moment, Timing
from sim.flow.synthetic import PROFILES, SyntheticFlowConfig
from sim.liquidity.order_file import Outcome, Refusal
from studies.diagnosis.diagnosis import PLAYBOOKS
from studies.mechanisms import MECHANISMS, Mechanism
from studies.mutants import MUTANTS, Plant
from studies.sabotage import Sabotage

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)

Row = tuple[str, ...]


def fill_in(text: str) -> str:
    """Put the generated parts into the text of a page."""
    return MARK.sub(lambda found: PARTS[found[1]](), text)


# --- words ---------------------------------------------------------------------------------------

_CODE = re.compile(r"(`+[^`]+`+)")
_REQUIREMENT = re.compile(r" \((?:catalogue )?(?:C|[A-Z]{2,3})-\d+[^)]*\)")
"""Comments in the code cite numbered requirements; they mean nothing to a reader of the reference."""
_LITERAL = re.compile(r"(\*{1,2}\w[^*]*\*{1,2})|([*<$\\|])")
"""Emphasis, which stays, or a sign that Markdown would take for something else."""


def prose(text: str) -> str:
    """Turn a docstring into Markdown: code spans in single backticks, everything else literal."""
    parts = _CODE.split(_REQUIREMENT.sub("", text))
    return "".join(_code(part) if i % 2 else _LITERAL.sub(_escape, part) for i, part in enumerate(parts))


def first_line(text: str | None) -> str:
    """Return the first paragraph of a docstring as one line."""
    return prose(" ".join((text or "").split("\n\n")[0].split()))


def paragraphs(text: str | None) -> str:
    """Return a whole docstring as paragraphs."""
    return prose(dedent(text or "").strip())


def code(value: str) -> str:
    """Return a code span that survives a table."""
    return "`" + value.replace("|", "\\|") + "`" if value else ""


def table(head: Row, rows: Iterable[Row]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(" ".join(cell.split()) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _code(span: str) -> str:
    return code(span.strip("`"))


def _escape(found: re.Match[str]) -> str:
    return found[1] or "\\" + found[2]


# --- what a class says of itself -----------------------------------------------------------------


@cache
def _body(cls: type) -> ast.ClassDef:
    node = ast.parse(dedent(getsource(cls))).body[0]
    assert isinstance(node, ast.ClassDef)  # noqa: S101
    return node


@cache
def notes(cls: type) -> dict[str, str]:
    """Docstrings below the attributes of a class, those of its bases included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.split(".")[0] not in ("builtins", "enum", "typing", "msgspec"):
            found |= dict(_notes_below(_body(base)))
    return found


def _notes_below(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, below in zip(node.body, [*node.body[1:], ast.Pass()], strict=True):
        match statement, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, text


def written_types(cls: type) -> dict[str, str]:
    """Types of the fields as they stand in the source."""
    return {
        statement.target.id: ast.unparse(statement.annotation)
        for statement in _body(cls).body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def place_of(cls: type) -> str:
    """Return the file in which a class stands, from the root of the repository."""
    return cls.__module__.replace(".", "/") + ".py"


# --- command line --------------------------------------------------------------------------------


def command_line() -> str:
    """Return every command with its arguments and options, as the parser knows them."""
    text = build_app().generate_docs(heading_level=1)
    commands = text[text.index("\n## makerlab ") + 1 :]
    commands = commands.replace(" *[default: False]*", "").replace(" *[default: ()]*", "")
    return commands.replace("```console", "```text")


def exit_codes() -> str:
    """Return what the exit code of a command says."""
    return table(
        ("code", "name", "meaning"),
        ((str(each.value), code(each.name.lower()), prose(notes(ExitCode)[each.name])) for each in ExitCode),
    )


# --- scenario files ------------------------------------------------------------------------------


class Schema:
    """The JSON schema of scenario files, told as tables."""

    def __init__(self) -> None:
        self.root = json_schema(Scenario)
        self.nodes: dict[str, dict[str, Any]] = self.root["$defs"]
        self.defaults = _defaults()
        self._told: set[str] = set()

    def tables_below(self, path: str, *, without: tuple[str, ...] = ()) -> str:
        """Return the table at a path and all tables in it, each under a heading."""
        node = self.root
        for key in path.split(".") if path else ():
            node = self._tables_of(node["properties"][key])[0]
        return "\n".join(self._tell(path, node, without))

    def rows(self, node: dict[str, Any], path: str | None = None) -> str:
        """Return the keys of one table; ``path`` is where its defaults are found."""
        required = node.get("required", [])
        rows = (
            (
                code(key),
                self.kind(entry),
                "**required**" if key in required else self._default(_join(path, key), entry),
                self._note(entry),
            )
            for key, entry in node["properties"].items()
        )
        return table(("key", "value", "default", "meaning"), rows)

    def _tell(self, path: str, node: dict[str, Any], without: tuple[str, ...]) -> Iterator[str]:
        yield f"\n## {_HEADINGS.get(path, f'`[{path}]`')}\n"
        yield paragraphs(node.get("description")) + "\n"
        yield self.rows(node, path)
        for key, entry in node["properties"].items():
            below = self._tables_of(entry)
            fresh = [each for each in below if each["title"] not in self._told]
            if key in without or not fresh:
                continue
            self._told |= {each["title"] for each in fresh}
            for each in fresh:
                if len(below) > 1:
                    yield f'\n### `{key}` with `kind = "{each["properties"]["kind"]["const"]}"`\n'
                    yield paragraphs(each.get("description")) + "\n"
                    yield self.rows(each)
                else:
                    yield from self._tell(_join(path, key) or key, each, without)

    # --- one entry ------------------------------------------------------------------------------

    def _tables_of(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for option in entry.get("anyOf", [entry]):
            inner = option.get("items", option)
            for each in inner.get("anyOf", [inner]):
                node = self._node(each)
                if "properties" in node:
                    found.append(node)
        return found

    def _node(self, entry: dict[str, Any]) -> dict[str, Any]:
        return self.nodes.get(entry.get("$ref", "").rpartition("/")[2], {})

    def _note(self, entry: dict[str, Any]) -> str:
        tables = self._tables_of(entry)
        other = tables[0] if len(tables) == 1 else self._node(entry)
        return first_line(entry.get("description") or other.get("description"))

    def kind(self, entry: dict[str, Any]) -> str:
        """Return what may be written for a key."""
        options = entry.get("anyOf", [entry])
        words = [word for option in options if (word := self._option(option))]
        return " or ".join(dict.fromkeys(words))

    def _option(self, option: dict[str, Any]) -> str:
        if "$ref" in option:
            node = self._node(option)
            return "table" if "properties" in node else self._option(node)
        if "enum" in option:
            return ", ".join(code(_toml(value)) for value in option["enum"])
        if "const" in option:
            return code(_toml(option["const"]))
        if "pattern" in option:
            return "text such as " + code('"25 USD"' if "USD" in option["pattern"] else '"500 ms"')
        if option.get("type") in ("array", "object"):
            return self._many(option)
        return _WORDS[option["type"]] + _bounds(option)

    def _many(self, option: dict[str, Any]) -> str:
        if option["type"] == "object":
            return f"table of: {self.kind(option['additionalProperties'])}"
        items = self.kind(option["items"]) if "items" in option else self.kind(option["prefixItems"][0])
        least = f", at least {option['minItems']}" if option.get("minItems") == 1 else ""
        return f"list of: {items}{least}"

    def _default(self, path: str | None, entry: dict[str, Any]) -> str:
        value: Any = _ABSENT if path is None else self.defaults
        for step in path.split(".") if path is not None else ():
            value = value.get(step, _ABSENT) if isinstance(value, dict) else _ABSENT
        if value is _ABSENT:
            value = entry.get("default", _ABSENT)
        is_shown_below = isinstance(value, dict) and len(self._tables_of(entry)) == 1 and not _is_link(path)
        if value is _ABSENT or is_shown_below:
            return ""
        return "none" if value is None else code(_with_unit(value, entry))


_ABSENT = object()
_WORDS = {"number": "number", "integer": "whole number", "boolean": "true or false", "string": "text", "null": ""}
_HEADINGS = {
    "": "Top level",
    "market.more": "`[[market.more]]`",
    "links.market_data": "`[links.market_data]` and the other four links",
}


def _join(path: str | None, key: str) -> str | None:
    return f"{path}.{key}" if path else (key if path == "" else None)


def _is_link(path: str | None) -> bool:
    """Whether the default is worth a line of its own: each of the five links has another one."""
    return path is not None and path.startswith("links.")


def _bounds(option: dict[str, Any]) -> str:
    signs = {"exclusiveMinimum": "&gt;", "minimum": "≥", "exclusiveMaximum": "&lt;", "maximum": "≤"}
    found = [f"{sign} {option[key]:.10g}" for key, sign in signs.items() if key in option]
    return " " + ", ".join(found) if found else ""


def _with_unit(value: object, entry: dict[str, Any]) -> str:
    patterns = " ".join(option.get("pattern", "") for option in entry.get("anyOf", ()))
    if isinstance(value, int) and patterns.strip():
        return f'"{value / USD:.10g} USD"' if "USD" in patterns else f'"{value / NS_PER_MS:.10g} ms"'
    return _toml(value)


def _toml(value: object) -> str:
    match value:
        case dict():
            return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items() if v is not None) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case float():
            return f"{value:.10g}"
        case _:
            return msgspec.json.encode(value).decode()


def _defaults() -> dict[str, Any]:
    """Return the whole tree of a scenario that says nothing, the trader's default profile included."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "least.toml"
        file.write_text('name = "least"\nduration_s = 1\nmarket.profile = "eth-volatile"\n', encoding="utf-8")
        tree = config.resolved(load(str(file)))
    tree["market"] |= {"profile": None, "flow": None}
    return tree


def scenario_file() -> str:
    """Return every table of a scenario file but trader, faults and expectations."""
    return Schema().tables_below("", without=("trader", "faults", "expect"))


def trader() -> str:
    """Return every table of the trader's configuration."""
    return Schema().tables_below("trader")


def faults() -> str:
    """Return every fault with its keys and what it counts."""
    schema = Schema()
    out = []
    for fault in FAULTS:
        node = schema.nodes[fault.__name__]
        out.append(f"\n## `{node['properties']['kind']['const']}`\n")
        out.append(paragraphs(getdoc(fault)) + "\n")
        out.append(schema.rows(node))
        out.append(f"{paragraphs(getdoc(fault.install))} Source: `{place_of(fault)}`.\n")
    return "\n".join(out)


def timings() -> str:
    """Return when a fault can strike, with the moments that can be aimed at."""
    schema = Schema()
    out = []
    for timing in get_args(Timing):
        node = schema.nodes[timing.__name__]
        out.append(f"\n### `{node['properties']['kind']['const']}`\n")
        out.append(paragraphs(getdoc(timing)) + "\n")
        out.append(schema.rows(node))
    moments = ((code(each.value), prose(notes(Moment)[each.name])) for each in Moment)
    return "\n".join(out) + "\n" + table(("moment", "meaning"), moments)


def expectations() -> str:
    """Return what a scenario may ask of its run."""
    senses = {kind.field: kind.sense.value for kind in KINDS}
    schema = Schema()
    rows = []
    for key, entry in schema.nodes["Expect"]["properties"].items():
        suffix = key.removesuffix("_min").removesuffix("_max")
        sense = senses.get(key, "=")
        rows.append((code(key), code(suffix), sense, schema.kind(entry), prose(notes(Expect).get(key, ""))))
    return table(("key", "name in results", "measured", "bound", "meaning"), rows)


def invariants() -> str:
    """Return every rule that is checked in every run."""

    def when(rule: type) -> str:
        hooks = {
            "on_step": "each step of the trader",
            "on_fills": "each step with fills",
            "on_decision": "each decision",
            "on_commands": "each decision that sends something",
            "on_sent": "as a command leaves",
            "on_data": "each state of a market",
            "on_news": "each event about us",
            "on_move": "each new state of an order",
            "on_end": "each end of an order",
            "on_release": "each order let go",
            "on_ours": "each block with something of ours",
            "on_block": "each block",
            "on_second": "each second",
            "full": "full look",
            "at_end": "end",
        }
        return ", ".join(text for hook, text in hooks.items() if hook in vars(rule))

    ordered = sorted(INVARIANTS, key=lambda rule: ("SLE".index(rule.id[0]), int(rule.id[1:])))
    rows = ((rule.id, prose(rule.rule), when(rule), f"`{rule.__name__}` in `{place_of(rule)}`") for rule in ordered)
    return table(("id", "rule", "checked at", "where"), rows)


def invariants_without() -> str:
    """Return what the specification asks for and no run can check."""
    return table(("id", "what", "why not, or where instead"), ((w.id, prose(w.what), prose(w.why)) for w in WITHOUT))


def alerts_of_faults() -> str:
    """Return what people are told of each kind of fault, or why not."""
    rows = [
        (code(kind), f"{' or '.join(map(code, told.names))}, where it lasts {told.after_s:g} s or longer")
        for kind, told in ALERTS.items()
    ]
    rows += [(code(kind), f"none: {prose(why)}") for kind, why in QUIET.items()]
    return table(("fault", "alert"), sorted(rows))


def library() -> str:
    """Return the scenarios that are shipped."""
    rows = []
    for name in library_names():
        scenario = load(name)
        what = ", ".join(code(fault.kind) for fault in scenario.faults) or "none"
        rows.append((code(name), prose(scenario.market.title), simulated(scenario), what, prose(scenario.description)))
    return table(("name", "market", "simulated", "faults", "what happens"), rows)


def mechanisms() -> str:
    """Return what the trader survives by, and the scenario that goes red without each."""

    def off(each: Mechanism) -> str:
        return prose(each.off.text) if isinstance(each.off, Sabotage) else ", ".join(map(code, each.off))

    rows = (
        (code(each.name), prose(each.does), off(each), ", ".join(map(code, (each.scenario, *each.given))))
        for each in MECHANISMS
    )
    return table(("mechanism", "meaning", "switched off", "scenario"), rows)


def mutants() -> str:
    """Return the planted bugs, and what finds each."""

    def found(plant: Plant) -> str:
        where = ", ".join(map(code, (plant.scenario, *plant.given)))
        if plant.masked_by:
            return f"{where}: nothing, masked by {prose(plant.masked_by)}"
        return f"{where}, seed {plant.seed}: {code(plant.by)}"

    rows = []
    for mutant in MUTANTS:
        number, asked = mutant.number, ", ".join(mutant.rules)
        for plant in mutant.plants:
            rows.append((number, prose(mutant.bug), code(plant.name), asked, found(plant)))
            number = ""
        rows += [
            (number, prose(mutant.bug), code(each.name), asked, f"a test: {code(each.test)}") for each in mutant.tested
        ]
        if mutant.not_here:
            rows.append(("", "", "not planted", "", prose(mutant.not_here)))
    return table(("number", "bug", "planted as", "asked of", "where it is looked for, and what finds it first"), rows)


def playbooks() -> str:
    """Return the playbooks of `makerlab diagnose`: what each step asks, and what to do where it is the cause."""
    out = []
    for playbook in PLAYBOOKS:
        out.append(f"\n### `{playbook.name}`: {playbook.title}\n\n")
        rows = (
            (step.id, step.name, prose(step.question), " ".join(map(prose, step.resolution))) for step in playbook.steps
        )
        out.append(table(("step", "name", "question", "what to do"), rows))
    return "".join(out)


def incidents() -> str:
    """Return what has gone wrong in real systems, and which scenarios repeat it."""
    scenarios = covering(load(name) for name in library_names())
    out = []
    groups = {"Situations": SITUATIONS, **{title: _group(letter) for letter, title in GROUPS.items()}}
    for title, group in groups.items():
        rows = (
            (
                code(name),
                prose(incident.what),
                ", ".join(map(code, scenarios[name])) or prose("none: " + NOT_REPEATED[name]),
                prose(incident.source),
            )
            for name, incident in group.items()
        )
        out.append(f"\n### {title}\n\n" + table(("id", "what happens", "scenarios", "met by"), rows))
    return "\n".join(out)


def _group(letter: str) -> dict[str, Incident]:
    return {name: incident for name, incident in NUMBERED.items() if name[0] == letter}


def flows() -> str:
    """Return the synthetic markets."""
    keys = [field.name for field in fields(SyntheticFlowConfig)]
    rows = (
        (
            code(key),
            *(_number(getattr(profile, key)) for profile in PROFILES.values()),
            prose(notes(SyntheticFlowConfig).get(key, "")),
        )
        for key in keys
    )
    return table(("key of `market.flow`", *map(code, PROFILES), "meaning"), rows)


def _number(value: float | None) -> str:
    return "off" if value is None else f"{value:.10g}"


# --- results -------------------------------------------------------------------------------------

RESULT_NOTES = {
    "schema_version": "version of this shape; keys are added without a new version, none changes its meaning",
    "scenario": "name of the scenario",
    "seed": "seed of the run",
    "overrides": "texts of the `--set` options, in their order",
    "recording": "name of the recorded market; null for a synthetic one",
    "journal_digest": "hash of every event that the trader took in and every decision it made; null without a trader",
    "world_digest": "hash of every block of the venue: statuses and fills of the trader, public frames",
    "events": "events that the trader took in",
    "ended": "how the run ended, see below",
    "reason": "why, where it did not complete",
    "traceback": "where in our code it failed, where an exception was the cause; null otherwise",
    "holds": "whether every expectation holds",
    "expectations": "list of Outcome",
    "violations": "list of Violation; the first 50, the first five of them with their story",
    "metrics": "Metrics; without a trader (recorded blocks) the figures of that check, also at the top level",
    "wall": "Wall",
    "files": "paths of what was written, by kind: journal, result, report and the figures",
}


def result() -> str:
    """Return the result document, field by field."""
    document = result_module.RunResult("name", 0).document()
    out = ["\n## Top level\n", table(("key", "meaning"), ((code(key), RESULT_NOTES.get(key, "")) for key in document))]
    out.append("`ended` is one of:\n")
    out.append(
        table(
            ("value", "meaning"),
            (
                (code(e.value), prose(notes(result_module.Ended).get(e.name, "everything was simulated")))
                for e in result_module.Ended
            ),
        )
    )
    parts = (
        *(result_module.Outcome, result_module.Violation, result_module.Metrics),
        *(figures.Pnl, figures.Markout, figures.OrderCounts, figures.TimelineRow, figures.AllowanceFigures),
        *(figures.TraderFigures, figures.Quoting, figures.MarketFigures, figures.Belief, figures.InventoryStats),
        *(figures.FaultFigures, figures.Recoveries, figures.EnduranceFigures, figures.Growth, result_module.Wall),
    )
    for cls in parts:
        out.append(f"\n## {cls.__name__}\n")
        out.append(first_line(getdoc(cls)) + "\n")
        out.append(_fields_of(cls))
    return "\n".join(out)


def record_check() -> str:
    """Return the figures of a check against recorded blocks."""
    said = notes(L4Result)
    rows = [
        (code(name), first_line(said.get(name)))
        for name in written_types(L4Result)
        if name not in ("mismatches", "n_mismatches", "world_digest")
    ]
    rows += [("`mismatches`", "How many differences there are."), ("`differences`", first_line(said["mismatches"]))]
    return table(("key", "meaning"), rows)


def _fields_of(cls: type) -> str:
    said = notes(cls)
    rows = ((code(name), code(_plain(kind)), first_line(said.get(name))) for name, kind in written_types(cls).items())
    return table(("field", "type", "meaning"), rows)


def _plain(kind: str) -> str:
    return kind.replace("InstrumentId | None", "text or null").replace(" | None", " or null").replace("str", "text")


# --- the port ------------------------------------------------------------------------------------


def events() -> str:
    """Return every event, and every result of a request."""
    return (
        _structs(event_module.AnyEvent.__args__)
        + "\n## Results inside `Replied`\n\n"
        + _structs(event_module.AnyResult.__args__)
    )


def commands() -> str:
    """Return every command and every action that a request may hold."""
    return (
        _structs(command_module.AnyCommand.__args__)
        + "\n## Actions inside `Request`\n\n"
        + _structs(command_module.AnyAction.__args__)
    )


def message_parts() -> str:
    """Return what messages are made of."""
    parts = (
        event_module.PublicTrade,
        event_module.OpenOrder,
        event_module.PositionEntry,
        event_module.InstrumentLimits,
        event_module.AccountMargin,
        event_module.Channel,
        event_module.RestoredOrder,
        event_module.RestoredLedger,
        event_module.Adjustment,
    )
    return _structs(parts)


def port_words() -> str:
    """Return the closed sets of words that events and commands use."""
    out = []
    for cls in (
        event_module.Feed,
        event_module.ChannelKind,
        event_module.OrderStatus,
        event_module.Reason,
        command_module.Route,
        Tif,
    ):
        words = ", ".join(_word(cls, each) for each in cls)
        out.append(f"**{cls.__name__}**: {first_line(getdoc(cls))} {words}.\n")
    return "\n".join(out)


def order_states() -> str:
    """Return the lifecycle of an order with the other names of its states."""
    rows = []
    for state, targets in TRANSITIONS.items():
        names = ", ".join(name for name, meant in ALIASES.items() if meant is state)
        rows.append((code(state.value), names, ", ".join(code(each.value) for each in OrderState if each in targets)))
    return table(("state", "also called", "what may follow"), rows)


def _word(cls: type[Enum], member: Enum) -> str:
    note = notes(cls).get(member.name)
    return code(str(member.value)) + (f" ({prose(' '.join(note.split())).rstrip('.')})" if note else "")


def _structs(classes: Iterable[type]) -> str:
    rows = []
    for cls in classes:
        said, types = notes(cls), written_types(cls)
        parts = [
            code(f"{name}: {kind}") + (f" ({first_line(said[name]).rstrip('.')})" if name in said else "")
            for name, kind in types.items()
        ]
        rows.append((code(cls.__name__), first_line(getdoc(cls)), ", ".join(parts)))
    return table(("message", "meaning", "fields"), rows)


# --- files ---------------------------------------------------------------------------------------


def order_files() -> str:
    """Return the words of order files."""
    out = ["An order's outcome after its row:\n"]
    out.append(table(("outcome", "meaning"), ((code(e.value), prose(notes(Outcome).get(e.name, ""))) for e in Outcome)))
    out.append(paragraphs(getdoc(Refusal)) + "\n")
    out.append(", ".join(code(e.value) for e in Refusal) + "\n")
    return "\n".join(out)


def journal_records() -> str:
    """Return the kinds of records of a journal."""
    rows = []
    for cls in (journal_format.Opened, journal_format.Took, journal_format.Decided, journal_format.Rescued):
        tag = cls.__struct_config__.tag
        rows.append((code(tag), code(cls.__name__), ", ".join(map(code, written_types(cls))), first_line(getdoc(cls))))
    return table(("kind", "in the code", "after the kind", "meaning"), rows)


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        command_line,
        exit_codes,
        scenario_file,
        trader,
        faults,
        timings,
        expectations,
        invariants,
        invariants_without,
        alerts_of_faults,
        library,
        mechanisms,
        mutants,
        playbooks,
        incidents,
        flows,
        result,
        record_check,
        events,
        commands,
        message_parts,
        port_words,
        order_states,
        order_files,
        journal_records,
    )
}

if __name__ == "__main__":
    sys.stdout.write("\n".join(PARTS[name]() for name in sys.argv[1:] or PARTS))
