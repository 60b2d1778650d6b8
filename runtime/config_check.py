"""Checking a config tree against typed, frozen tables: every problem at once, each with its path.

pydantic does the checking and is imported when the first tree is checked; the dataclasses know nothing
of it. What pydantic cannot say is found here: which key was meant, which member of a union, and texts
with a unit (see `config_types`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from difflib import get_close_matches
from math import inf
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from domain.errors import ConfigError, Problem
from runtime.config_structs import teach
from runtime.config_types import OFF, fields_of, is_table, members_of, quantity_of, tags_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")
Path = tuple[str | int, ...]

_ADAPTERS: "dict[type, TypeAdapter[Any]]" = {}
_MAX_NUMBER = 10**18
"""Numbers go into the journal as 64 bits, and nothing that can be simulated is so large."""
_SHOWN = 60
"""Characters shown of a wrong value."""
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")
"""How Python shows a member of an enumeration."""
_LISTED = 8
"""Choices listed in a message; of more only the nearest."""

FIT = "values that fit together"
"""How a message begins that is about several values: another one could make them fit."""

_WANTS = {
    "missing": "a value",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "dataclass_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "list_type": "a list",
    "frozen_set_type": "a list",
    "none_required": f'"{OFF}"',
    "finite_number": "a finite number",
    "greater_than": "> {gt}",
    "greater_than_equal": ">= {ge}",
    "less_than": "< {lt}",
    "less_than_equal": "<= {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "a text of at least {min_length} characters",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "value_error": FIT + ": {error}",
    "unexpected_keyword_argument": "a key that exists",
}


def check(kind: type[T], tree: Mapping[str, Any], origins: Mapping[Path, str] | None = None) -> T:
    """Build a config from plain values, or raise ConfigError with every problem.

    ``origins`` says which file a path came from; it is put before the path.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - slow to import, and only the edge needs it

    findings = _Findings(tree)
    converted = _convert(kind, tree, (), findings)
    text = json.dumps([converted], default=str)
    try:
        config: T = adapter_of(kind).validate_json(text)[0]
    except ValidationError as error:
        findings.take(error.errors(include_url=False))
    if findings.wants:
        raise ConfigError(findings.problems(origins or {}))
    return config


def adapter_of(kind: type) -> "TypeAdapter[Any]":
    """Return the one adapter at the edge; the tuple around the type is what lets it carry settings."""
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 - as above

    if kind not in _ADAPTERS:
        teach(kind)
        settings = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
        _ADAPTERS[kind] = TypeAdapter(tuple[kind], config=settings)  # type: ignore[valid-type]
    return _ADAPTERS[kind]


# --- problems -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Findings:
    """Problems by path, those found here before those that pydantic finds at the same place."""

    tree: Mapping[str, Any]
    wants: dict[Path, list[str]] = field(default_factory=dict)
    variants: dict[Path, str | None] = field(default_factory=dict)
    """Which member of a union a table means, by its tag; None if the tag says none of them."""

    def add(self, path: Path, want: str) -> None:
        self.wants.setdefault(path, []).append(want)

    def take(self, errors: "list[ErrorDetails]") -> None:
        ours = set(self.wants)
        for error in errors:
            located = self._locate(error)
            if located is None or located in ours or _only_spoilt(error):
                continue
            context = {name: _shortest(value) for name, value in error.get("ctx", {}).items()}
            want = _WANTS.get(error["type"], error["msg"]).format_map(context)
            if want not in self.wants.setdefault(located, []):
                self.wants[located].append(want)

    def _locate(self, error: "ErrorDetails") -> Path | None:
        """Where in the tree; None if it is about a member of a union that is not meant.

        pydantic puts the name of the union's member into the path; no key of the tree is called so.
        """
        path: Path = ()
        value: Any = self.tree
        steps = error["loc"][1:]
        for i, step in enumerate(steps):
            is_last = i == len(steps) - 1
            if _has(value, step):
                value = value[step]
                path += (step,)
            elif is_last and error["type"] == "missing":
                path += (step,)
            elif path in self.variants and step != self.variants[path]:
                return None
        return path

    def problems(self, origins: Mapping[Path, str]) -> list[Problem]:
        return [
            Problem(_origin(path, origins) + spell(path), self._found(path), " or ".join(wants))
            for path, wants in sorted(self.wants.items(), key=lambda entry: spell(entry[0]))
        ]

    def _found(self, path: Path) -> str:
        value: Any = self.tree
        for step in path:
            if not _has(value, step):
                return "nothing"
            value = value[step]
        return show(value)


def _only_spoilt(error: "ErrorDetails") -> bool:
    """Whether a list is long enough, and too short only without its wrong entries, which are named themselves."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def spell(path: Path) -> str:
    """A path as people write it: ``desks[0].gamma``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text or "(top level)"


def show(value: object) -> str:
    """A value as it might stand in the file, shortened."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _shortest(value: object) -> object:
    """A bound or choices as people write them: 0 rather than 0.0, a member of an enumeration by its value."""
    if isinstance(value, str):
        return _MEMBER.sub(r"\1", value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def suggestion(word: str, known: list[str]) -> str:
    """What may have been meant."""
    near = get_close_matches(word, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _origin(path: Path, origins: Mapping[Path, str]) -> str:
    for length in range(len(path), -1, -1):
        if path[:length] in origins:
            return f"{origins[path[:length]]}: "
    return ""


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, Mapping):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


# --- what pydantic cannot say -------------------------------------------------------------------


def _convert(kind: object, value: object, path: Path, findings: _Findings) -> object:
    """Replace texts by what they stand for, and note what is wrong on the way."""
    if isinstance(value, str):
        return _from_text(kind, value, path, findings)
    if isinstance(value, Mapping):
        return _convert_table(members_of(kind), value, path, findings)
    if isinstance(value, list):
        entry = next((get_args(member)[0] for member in members_of(kind) if get_args(member)), object)
        return [_convert(entry, item, (*path, i), findings) for i, item in enumerate(value)]
    if isinstance(value, int | float) and _MAX_NUMBER < abs(value) < inf:
        findings.add(path, "a number of at most 18 digits")
    elif isinstance(value, date | time) and str in members_of(kind):  # it would pass for a text
        findings.add(path, "a text")
    return value


def _from_text(kind: object, text: str, path: Path, findings: _Findings) -> object:
    members = members_of(kind)
    if text == OFF and NoneType in members and str not in members:
        return None
    quantity = quantity_of(kind)
    if quantity is None:
        return text
    amount = quantity.read(text)
    if amount is None:
        findings.add(path, f'a whole number or a text such as "{quantity.example}"')
        return text
    if abs(amount) > _MAX_NUMBER:
        findings.add(path, "a smaller amount")
    return amount


def _convert_table(
    members: tuple[Any, ...], table: Mapping[str, Any], path: Path, findings: _Findings
) -> dict[str, object]:
    kinds = [member for member in members if is_table(member)]
    if not kinds:
        of_values = next((get_args(member)[1] for member in members if get_origin(member) in (dict, Mapping)), object)
        return {key: _convert(of_values, value, (*path, key), findings) for key, value in table.items()}
    kind = kinds[0] if len(kinds) == 1 else _choose(kinds, table, path, findings)
    if kind is None:
        return dict(table)
    types = fields_of(kind)
    for key in table:
        if key not in types:
            hint = suggestion(key, list(types)) or f" ({', '.join(types) or 'it has none'})"
            findings.add((*path, key), f"a key of this table{hint}")
    return {key: _convert(types.get(key, object), value, (*path, key), findings) for key, value in table.items()}


def _choose(kinds: list[type], table: Mapping[str, Any], path: Path, findings: _Findings) -> type | None:
    """Return the member of a union that a table means, by its tag: its keys would only be a guess."""
    tags = list(dict.fromkeys(tag for kind in kinds for tag in tags_of(kind)))
    given = [tag for tag in tags if tag in table]
    for kind in kinds:
        if given and all(table[tag] in tags_of(kind).get(tag, ()) for tag in given):
            findings.variants[path] = kind.__name__
            return kind
    findings.variants[path] = None
    for tag in given or tags:
        choices = [choice for kind in kinds for choice in tags_of(kind).get(tag, ())]
        findings.add((*path, tag), _one_of(choices, table.get(tag)))
    return None


def _one_of(choices: list[Any], found: object) -> str:
    """The choices in words; of many the nearest, and where to read of all."""
    if len(choices) <= _LISTED:
        return " or ".join(map(show, choices))
    hint = "" if found is None else suggestion(str(found), [str(choice) for choice in choices])
    return f"one of {len(choices)}{hint or ', listed by `makerlab schema`'}"
