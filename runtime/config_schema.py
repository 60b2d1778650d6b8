"""The JSON schema of a config type, for editors and for checking files outside of makerlab."""

from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from runtime.config import EXTENDS
from runtime.config_check import adapter_of
from runtime.config_types import OFF, fields_of, is_table, members_of, quantity_of, tables_in, tags_of

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema

_ANNOTATIONS = ("default", "description", "title")


def schema(kind: type) -> dict[str, Any]:
    """JSON schema of a file that ``runtime.config`` reads as this type."""
    whole = adapter_of(kind).json_schema(schema_generator=_generator())
    nodes: dict[str, Any] = whole.get("$defs", {})
    root = nodes.pop(kind.__name__)
    for of in tables_in(kind):
        node = root if of is kind else nodes.get(of.__name__)
        if node is not None:
            _allow_texts(of, node["properties"])
    for name, tags in _told_by_tag(kind).items():
        if name in nodes:
            nodes[name]["required"] = [*tags, *(key for key in nodes[name].get("required", ()) if key not in tags)]
    texts = {"type": "string"}
    extends = {
        "description": "Files or shipped profiles that this one is laid over.",
        "anyOf": [texts, {"items": texts, "type": "array"}],
    }
    root["properties"] = {EXTENDS: extends, **root["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": nodes}


def _told_by_tag(kind: type) -> dict[str, list[str]]:
    """Tables that are always one of several, and the keys that must say which."""
    told: dict[str, list[str]] = {}
    alone: set[str] = set()
    for of in tables_in(kind):
        for hint in fields_of(of).values():
            entries = [part for member in members_of(hint) for part in get_args(member)]
            for group in (hint, *entries):
                tables = [member for member in members_of(group) if is_table(member)]
                if len(tables) > 1:
                    told |= {table.__name__: list(tags_of(table)) for table in tables}
                else:
                    alone |= {table.__name__ for table in tables}
    return {name: tags for name, tags in told.items() if tags and name not in alone}


def _generator() -> "type[GenerateJsonSchema]":
    from pydantic.json_schema import GenerateJsonSchema  # noqa: PLC0415 - slow to import

    class Generator(GenerateJsonSchema):
        def encode_default(self, dft: object) -> object:
            """Structs among the defaults are values, too."""
            return msgspec.json.decode(msgspec.json.encode(dft))

    return Generator


def _allow_texts(kind: type, properties: dict[str, Any]) -> None:
    """Add what may be written as text: quantities with a unit, and ``off``."""
    for name, of in fields_of(kind).items():
        texts: list[dict[str, Any]] = []
        quantity = quantity_of(of)
        if quantity is not None:
            texts.append({"type": "string", "pattern": quantity.pattern})
        members = members_of(of)
        if NoneType in members and str not in members:
            texts.append({"const": OFF})
        if texts and name in properties:
            properties[name] = _widen(properties[name], texts)


def _widen(entry: dict[str, Any], texts: list[dict[str, Any]]) -> dict[str, Any]:
    notes = {key: value for key, value in entry.items() if key in _ANNOTATIONS}
    rest = {key: value for key, value in entry.items() if key not in _ANNOTATIONS}
    return {**notes, "anyOf": [*rest.get("anyOf", [rest]), *texts]}
