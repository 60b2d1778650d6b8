"""Who may sign for an account, and which nonces each signer has used.

An agent (API wallet) signs in an account's name until it is replaced, expires or is pruned. A signature over other
bytes is somebody else's: the venue says that it does not know that address. Nonces belong to the signer, not to the
account; an action whose nonce is good is carried out at most once (E6).
"""

from collections.abc import Callable
from hashlib import blake2b
from heapq import heappush, heappushpop
from typing import NamedTuple

from domain.events import Refused
from domain.limits import NonceLimits
from domain.units import NS_PER_MS, AccountId, Ns
from sim.venue import texts


class Signature(NamedTuple):
    """What the venue makes of the signature of a request."""

    signer: str
    """The address that it recovers."""
    nonce: int


def address_of(name: str) -> str:
    """The address of an agent of that name."""
    return "0x" + blake2b(name.encode(), digest_size=20).hexdigest()


class Nonces:
    """The highest nonces that one signer has used."""

    def __init__(self, limits: NonceLimits) -> None:
        """None was used."""
        self.limits = limits
        self._lowest_first: list[int] = []
        self._used: set[int] = set()

    def error(self, nonce: int, now: Ns) -> Refused | None:
        """Why that nonce is not good in a block of now."""
        limits, kept = self.limits, self._lowest_first
        if nonce in self._used:
            return texts.duplicate_nonce(nonce)
        oldest = (now - limits.behind) // NS_PER_MS
        if len(kept) == limits.kept:
            oldest = max(oldest, kept[0])
        if nonce <= oldest:
            return texts.nonce_too_low(nonce, oldest)
        newest = -(-(now + limits.ahead) // NS_PER_MS)
        return None if nonce < newest else texts.nonce_too_high(nonce, newest)

    def use(self, nonce: int) -> None:
        """It was carried out."""
        self._used.add(nonce)
        if len(self._lowest_first) < self.limits.kept:
            heappush(self._lowest_first, nonce)
        else:
            self._used.discard(heappushpop(self._lowest_first, nonce))


class Signers:
    """The agents of all accounts."""

    def __init__(self, limits: NonceLimits) -> None:
        """Nobody may sign yet."""
        self.limits = limits
        self.misreads: list[Callable[[str], str | None]] = []
        """What faults make of a signature of that address: the one that is recovered in its stead, or None."""
        self._account_of: dict[str, AccountId] = {}
        self._nonces: dict[str, Nonces] = {}

    def approve(self, signer: str, account: AccountId) -> None:
        """Let a signer act for an account; what it has used so far stays used."""
        self._account_of[signer] = account

    def revoke(self, signer: str, *, prunes: bool) -> None:
        """It may sign no longer; with ``prunes`` the nonces that it has used are forgotten, too."""
        self._account_of.pop(signer, None)
        if prunes:
            self._nonces.pop(signer, None)

    def recovered(self, signature: Signature | None) -> Signature | None:
        """The signature as the venue reads it."""
        if signature is not None:
            for misread in self.misreads:
                if (other := misread(signature.signer)) is not None:
                    return signature._replace(signer=other)
        return signature

    def error(self, signature: Signature | None, account: AccountId) -> Refused | None:
        """Why a request is not this account's; without a signature (tests, recordings) nobody asks."""
        if signature is None or self._account_of.get(signature.signer) == account:
            return None
        return texts.unknown_signer(signature.signer)

    def nonce_error(self, signature: Signature | None, now: Ns) -> Refused | None:
        """Why its nonce is not good in a block of now."""
        return None if signature is None else self._of(signature.signer).error(signature.nonce, now)

    def use(self, signature: Signature | None) -> None:
        """Its action runs."""
        if signature is not None:
            self._of(signature.signer).use(signature.nonce)

    def _of(self, signer: str) -> Nonces:
        if signer not in self._nonces:
            self._nonces[signer] = Nonces(self.limits)
        return self._nonces[signer]
