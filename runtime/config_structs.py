"""Lets pydantic check the domain's msgspec structs where a config holds them, such as an instrument."""

from dataclasses import field, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from runtime.config_types import tables_in

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_HOOK = "__get_pydantic_core_schema__"
"""The method by which pydantic asks a foreign class how to check it."""


def teach(kind: type) -> None:
    """Give every struct in a config type the hook; the domain itself knows no pydantic."""
    for table in tables_in(kind):
        if issubclass(table, msgspec.Struct) and not hasattr(table, _HOOK):
            setattr(table, _HOOK, classmethod(_schema_of))


def _schema_of(_cls: type, source: type[msgspec.Struct], handler: "GetCoreSchemaHandler") -> "CoreSchema":
    """Check a dataclass with the same fields, then build the struct from it."""
    from pydantic import AfterValidator, PlainSerializer  # noqa: PLC0415 - only where pydantic is in use

    infos = msgspec.structs.fields(source)
    twin = make_dataclass(source.__name__, map(_field, infos), kw_only=True)

    def build(values: object) -> msgspec.Struct:
        return source(**{info.name: getattr(values, info.name) for info in infos})

    return handler.generate_schema(Annotated[twin, AfterValidator(build), PlainSerializer(msgspec.to_builtins)])


def _field(info: msgspec.structs.FieldInfo) -> tuple[str, Any, Any]:
    if info.default is not msgspec.NODEFAULT:
        return info.name, info.type, field(default=info.default)
    if info.default_factory is not msgspec.NODEFAULT:
        return info.name, info.type, field(default_factory=info.default_factory)
    return info.name, info.type, field()
