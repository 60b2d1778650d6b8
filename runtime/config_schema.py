"""The JSON schema of a config type, for editors and for checking files outside of makerlab."""

from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.config import EXTENDS
from runtime.config_check import adapter_of
from runtime.config_types import OFF, fields_of, members_of, quantity_of, tables_in

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
    texts = {"type": "string"}
    extends = {
        "description": "Files or shipped profiles that this one is laid over.",
        "anyOf": [texts, {"items": texts, "type": "array"}],
    }
    root["properties"] = {EXTENDS: extends, **root["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": nodes}


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
