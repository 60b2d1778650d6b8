"""What several hands have set over what was there before."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Layers(Generic[T]):
    """The latest value that is still set counts; whoever takes its own away leaves those of the others."""

    def __init__(self, base: T) -> None:
        """Nothing is set over ``base``."""
        self.base = base
        self._set: dict[object, T] = {}

    @property
    def top(self) -> T:
        """What counts now."""
        return next(reversed(self._set.values()), self.base)

    def put(self, by: object, value: T) -> None:
        """Somebody sets another value, over those of all others."""
        self.take(by)
        self._set[by] = value

    def take(self, by: object) -> None:
        """Somebody's value goes; nothing happens where there is none."""
        self._set.pop(by, None)
