"""Bounds: nothing grows with time, in the trader or at the venue (S27)."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from domain.units import Ns
from scenarios.invariants.base import Invariant, Scope
from sim.feed import Session

FULL_LOOKS = 50
"""Full looks between two that walk through everything."""
ANYTHING = 1_200
"""A container that is not named below is small: a page of answers, the orders of a busy account."""
DEEP = 12

CAPS: Mapping[str, int] = {
    "AccountOrders": 20_000,
    "Client.fills": 20_000,
    "FillDeduplicator": 20_000,
    "Market._tids": 5_000,
    "OrderTracker._by_oid": 4_000,
    "OrderTracker.completed": 2_000,
    "OwnOrders": 20_000,
    "SlidingSum._entries": 4_000,
    "Window._entries": 20_000,
}
"""Most entries of a container, by class and attribute, or of all of a class.

Each is bounded by a number of its config, with room to spare; sums over a time by what may be sent within it.
"""

CONTAINERS = (dict, list, deque, set, frozenset, tuple)
ROOMS = frozenset(("domain", "exchange_adapters", "orchestrator", "runtime", "sim", "strategy"))
ELSEWHERE = (Session,)
"""It leads to the whole world: what of it is the account's, the truth names."""
SMALL = (str, bytes, int, float, bool, type(None), Enum, type)


class Bounded(Invariant):
    """S27: every map, list and queue of the trader, its safety net and the account at the venue stays below its cap."""

    id = "S27"
    rule = "every container of the trader, of its safety net and of the account at the venue stays below its cap"

    def __init__(self, scope: Scope) -> None:
        """Nothing was looked at."""
        super().__init__(scope)
        self._looks = 0

    def full(self, now: Ns) -> None:
        """Walk through everything that can be reached, now and then."""
        self._looks += 1
        if self._looks % FULL_LOOKS == 1:
            self._look(now)

    def at_end(self, now: Ns) -> None:
        """Once more."""
        self._look(now)

    def _look(self, now: Ns) -> None:
        run = self.scope.run
        for root in (self.scope.belief, *self.scope.truth.keepers(), *(() if run is None else run.memories)):
            for owner, name, size in containers(root):
                self.compared += 1
                most = CAPS.get(f"{owner}.{name}", CAPS.get(owner, ANYTHING))
                if size > most:
                    self.fail(f"{owner}.{name} has {size} entries at {now} ns, the cap is {most}", f"{owner}.{name}")


def containers(root: object) -> Iterator[tuple[str, str, int]]:
    """Every container below an object of ours: its owner's class, its name there, its size.

    Those within a container are named after it: `name[]`.
    """
    seen: set[int] = set()
    todo: list[tuple[object, int]] = [(root, 0)]
    while todo:
        found, depth = todo.pop()
        if id(found) in seen or depth > DEEP:
            continue
        seen.add(id(found))
        owner = type(found).__name__
        parts = [(name, value, depth) for name, value in _parts(found)]
        while parts:
            name, value, level = parts.pop()
            if isinstance(value, CONTAINERS):
                if not isinstance(value, tuple):
                    yield owner, name, len(value)
                if level < DEEP:
                    parts.extend((f"{name}[]", each, level + 1) for each in _few(value))
            elif is_ours(value):
                todo.append((value, level + 1))


def _parts(found: object) -> Iterator[tuple[str, Any]]:
    """Attributes of an object, from its slots and its dictionary."""
    for cls in type(found).__mro__:
        for name in getattr(cls, "__slots__", ()):
            if name not in ("__dict__", "__weakref__") and hasattr(found, name):
                yield name, getattr(found, name)
    yield from getattr(found, "__dict__", {}).items()


def _few(value: Iterable[object]) -> list[object]:
    """Some members of a container: those of one kind are alike."""
    members = value.values() if isinstance(value, dict) else value
    return [each for each, _ in zip(members, range(8), strict=False)]


def is_ours(value: object) -> bool:
    """Whether it is an object of the trader or of the venue that may hold containers."""
    module = type(value).__module__.partition(".")[0]
    return module in ROOMS and not isinstance(value, SMALL) and not isinstance(value, ELSEWHERE)
