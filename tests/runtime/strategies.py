"""Hypothesis strategies for whatever the domain's types say: a new event or command is covered at once."""

import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from domain.commands import AnyCommand
from domain.events import AnyEvent

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMED = {"life_seed": st.integers(0, 2**64 - 1)}


def strategy_of(kind: Any, named: Mapping[str, st.SearchStrategy] = NAMED) -> st.SearchStrategy:  # noqa: PLR0911 - a table of kinds of types
    """Values of a type expression as the messages use them; ``named``: of all fields of these names."""
    if hasattr(kind, "__supertype__"):
        return strategy_of(kind.__supertype__, named)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([strategy_of(part, named) for part in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(strategy_of(args[0], named), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*(strategy_of(part, named) for part in args))
    if issubclass(kind, msgspec.Struct):
        fields = get_type_hints(kind)
        return st.builds(kind, **{name: _of_field(name, of, named) for name, of in fields.items()})
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    plain = {
        int: INT64,
        float: st.floats(allow_nan=False),
        str: st.text(max_size=40),
        bool: st.booleans(),
        type(None): st.none(),
    }
    return plain[kind]


def _of_field(name: str, kind: Any, named: Mapping[str, st.SearchStrategy]) -> st.SearchStrategy:
    if name not in named:
        return strategy_of(kind, named)
    return st.one_of(st.none(), named[name]) if type(None) in get_args(kind) else named[name]


events = strategy_of(AnyEvent)
commands = strategy_of(AnyCommand)
times = st.integers(0, 2**63 - 1)
