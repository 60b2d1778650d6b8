"""Chance by name: every consumer of randomness has its own stream, so that none shifts another's.

Two kinds. `stream(name)` is a sequence: what it gives depends on how often it was asked. `block(name,
index)` is keyed: the draws of an index are the same whatever happened before, which is what lets
two runs with different traders see the same background flow. No global state, no clock.
"""

from collections.abc import Iterator
from hashlib import blake2b

from numpy.random import Generator, Philox

_CHUNK = 512


class Streams:
    """All randomness of a world, from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, Generator] = {}

    def stream(self, name: str) -> Generator:
        """The sequence of that name; asked again, the same one where it stands."""
        generator = self._streams.get(name)
        if generator is None:
            generator = self._streams[name] = Generator(Philox(key=self._key(f"stream/{name}")))
        return generator

    def block(self, name: str, index: int) -> Generator:
        """A fresh generator that only the seed, the name and the index decide; about 8 µs each.

        Draw for many blocks at once and keep the rows where that matters (`sim.flow.synthetic`).
        """
        # The index is the highest of the four counter words: each index has 2^192 draws of its own.
        return Generator(Philox(key=self._key(f"block/{name}"), counter=[0, 0, 0, index]))

    def uniforms(self, name: str) -> Iterator[float]:
        """Floats in [0, 1) of that stream, without end, as Python floats."""
        generator = self.stream(name)
        while True:
            yield from generator.random(_CHUNK).tolist()

    def _key(self, name: str) -> int:
        return int.from_bytes(blake2b(f"{self.seed}/{name}".encode(), digest_size=16).digest())
