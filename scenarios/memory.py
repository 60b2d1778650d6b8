"""Memories that do not grow with time: what is remembered up to so many, the newest of them."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def keep(memory: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Remember ``value``, and forget the oldest key where there are more than ``most``."""
    memory[key] = value
    if len(memory) > most:
        memory.popitem(last=False)
