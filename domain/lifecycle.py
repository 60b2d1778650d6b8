"""State machines as tables: a step that is not in the table is our bug and changes nothing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from domain.errors import IllegalTransition

State = TypeVar("State", bound=StrEnum)


def step(table: Mapping[State, frozenset[State]], state: State, to: State, who: str) -> State:
    """Return the state that follows; raise IllegalTransition where the table has no such step."""
    if to not in table[state]:
        msg = f"{who}: {state} -> {to} is not a legal step"
        raise IllegalTransition(msg)
    return to
