"""Taking a part out of the trader for the length of one run: what no config of a live process can switch off.

A sabotage replaces attributes of classes or modules. It exists only while its context is open, and nothing below
this room imports it, so no live process can come upon one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any


class Misfit(Exception):
    """A sabotage does not fit the code that it patches (any more): what it shows is its own mistake."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One attribute, and what makes its replacement out of the original."""

    owner: type | ModuleType
    name: str
    make: Callable[[Any], object]

    @property
    def place(self) -> str:
        """The attribute as people write it."""
        return f"{self.owner.__name__}.{self.name}"


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A part that is missing: in words, and as patches."""

    text: str
    """What the trader does instead."""
    patches: tuple[Patch, ...]


def sabotage(text: str, *patches: Patch) -> Sabotage:
    """Return a sabotage of these patches."""
    return Sabotage(text, patches)


@contextmanager
def installed(what: Sabotage) -> Iterator[None]:
    """Do without the part; afterwards everything is as it was.

    Raises AttributeError, and changes nothing, where an attribute is not defined by its owner (any more).
    """
    gone = [patch.place for patch in what.patches if patch.name not in vars(patch.owner)]
    if gone:
        raise AttributeError(f"sabotage {what.text!r}: {', '.join(gone)} does not exist")
    originals = [(patch, vars(patch.owner)[patch.name]) for patch in what.patches]
    try:
        for patch, original in originals:
            setattr(patch.owner, patch.name, patch.make(original))
        yield
    finally:
        for patch, original in reversed(originals):
            setattr(patch.owner, patch.name, original)


def constant(value: object) -> Callable[[object], object]:
    """Return a maker of functions that return ``value`` whatever they are told."""

    def make(original: object) -> Callable[..., object]:
        del original

        def answer(*args: object, **kwargs: object) -> object:
            del args, kwargs
            return value

        return answer

    return make


def instead(replacement: object) -> Callable[[object], object]:
    """Return a maker that uses ``replacement``, a function or a property, and forgets the original."""

    def make(original: object) -> object:
        del original
        return replacement

    return make


says_yes = constant(value=True)
says_no = constant(value=False)
does_nothing = constant(None)
