"""What a config type is made of, and what may be written as text where TOML has no word for it.

- a moment or duration typed ``Ns`` may be ``"500 ms"`` (ns, us, ms, s, min, h); a bare integer is ns
- money typed ``Usd`` may be ``"25 USD"``; a bare integer is micro-USD
- ``"off"`` is None where None is allowed: TOML has no null

A field that is not typed so is a plain number and carries its unit in its name (``retry_ms``); the
component converts it once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeGuard, Union, get_args, get_origin, get_type_hints

import msgspec

from domain.units import NS_PER_MS, NS_PER_S, NS_PER_US, USD, Ns, Usd

OFF = "off"


class Quantity(NamedTuple):
    """A type that may be written as a number with a unit."""

    units: Mapping[str, int]
    example: str

    @property
    def pattern(self) -> str:
        """What such a text looks like."""
        return rf"^(-?[0-9]+(?:[.][0-9]+)?) ?({'|'.join(self.units)})$"

    def read(self, text: str) -> int | None:
        """The text as an integer of the type's own unit; None if it is not one, or not a whole one."""
        found = re.match(self.pattern, text)
        if found is None:
            return None
        amount = Decimal(found[1]) * self.units[found[2]]
        return int(amount) if amount == int(amount) else None


_TIMES = {"ns": 1, "us": NS_PER_US, "ms": NS_PER_MS, "s": NS_PER_S, "min": 60 * NS_PER_S, "h": 3_600 * NS_PER_S}

QUANTITIES: dict[object, Quantity] = {Ns: Quantity(_TIMES, "500 ms"), Usd: Quantity({"USD": USD}, "25 USD")}
"""Types that may be written with a unit."""


def quantity_of(kind: object) -> Quantity | None:
    """How a type may be written with a unit, if it may."""
    return next((QUANTITIES[member] for member in members_of(kind) if _is_quantity(member)), None)


def _is_quantity(member: object) -> bool:
    return not get_args(member) and member in QUANTITIES


def members_of(kind: object) -> tuple[Any, ...]:
    """Alternatives of a union; any other type has one: itself. Bounds are left off."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        return tuple(member for part in get_args(kind) for member in members_of(part))
    return (kind,)


def is_table(kind: object) -> TypeGuard[type]:
    """Whether a type is a table of named fields: a dataclass or a msgspec struct."""
    return isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, msgspec.Struct))


def fields_of(kind: type) -> dict[str, Any]:
    """Types of a table's fields by name; what belongs to the type itself is no field."""
    hints = get_type_hints(kind, include_extras=True).items()
    return {name: hint for name, hint in hints if get_origin(hint) is not ClassVar and hint is not ClassVar}


def tags_of(kind: type) -> dict[str, tuple[Any, ...]]:
    """Fields by which a member of a union is told from the others, and what they may be."""
    hints = fields_of(kind).items()
    return {name: get_args(of) for name, hint in hints for of in members_of(hint)[:1] if get_origin(of) is Literal}


def tables_in(kind: object, seen: set[type] | None = None) -> Iterator[type]:
    """Every table that a type is made of, once, itself included."""
    seen = set() if seen is None else seen
    for member in members_of(kind):
        if is_table(member) and member not in seen:
            seen.add(member)
            yield member
            for of in fields_of(member).values():
                yield from tables_in(of, seen)
        for part in get_args(member):
            yield from tables_in(part, seen)
