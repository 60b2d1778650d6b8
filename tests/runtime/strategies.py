"""Hypothesis strategies for whatever the domain's types say: a new event or command is covered at once."""

import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from domain.commands import AnyCommand
from domain.events import AnyEvent

INT64 = st.integers(-(2**63), 2**63 - 1)
UNSIGNED = st.integers(0, 2**64 - 1)


def strategy_of(kind: Any) -> st.SearchStrategy:  # noqa: PLR0911 - a table of kinds of types
    """Values of a type expression as the messages use them."""
    if hasattr(kind, "__supertype__"):
        return strategy_of(kind.__supertype__)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([strategy_of(part) for part in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(strategy_of(args[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(strategy_of, args))
    if issubclass(kind, msgspec.Struct):
        fields = get_type_hints(kind)
        return st.builds(
            kind, **{name: UNSIGNED if name == "life_seed" else strategy_of(of) for name, of in fields.items()}
        )
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


events = strategy_of(AnyEvent)
commands = strategy_of(AnyCommand)
times = st.integers(0, 2**63 - 1)
