"""Ids and jitter without a random generator: a hash of (life seed, site, counter).

The same three give the same draw in every process and under every hash seed, and a draw at one site
never shifts those at another.
"""

from hashlib import blake2b

from domain.units import Cloid


def draw(life_seed: int, site: str, counter: int, n_bytes: int = 8) -> int:
    """An unsigned integer of ``n_bytes`` bytes that only these three decide."""
    key = f"{life_seed}/{site}/{counter}".encode()
    return int.from_bytes(blake2b(key, digest_size=n_bytes).digest())


def uniform(life_seed: int, site: str, counter: int) -> float:
    """A float in [0, 1)."""
    return draw(life_seed, site, counter) / 2**64


def cloid_of(life_seed: int, counter: int) -> Cloid:
    """The client order id number ``counter`` of a life: 128 bits, unique across lives."""
    return Cloid(f"0x{draw(life_seed, 'cloid', counter, 16):032x}")
