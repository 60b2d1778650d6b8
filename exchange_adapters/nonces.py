"""Nonces of one signer: strictly increasing over all of its lives, and near the wall clock (S12).

The venue wants a number that is new and about the present time in milliseconds. So the next one is the larger of the
time and the last plus one: two actions of one millisecond differ, and a clock that is set back repeats nothing. What
must survive a death is a bound, not each number: it is reserved ahead, and the next life begins there.
"""

LEAD = 2_000
"""So many nonces are reserved beyond the present one: two seconds, so that the bound is written once a second at most.

A life that cannot write the next bound signs its withdrawal all the same, from the last bound on. The life after it
begins at that bound, too: its nonces are others only if the clock has passed it by then."""


class NonceSource:
    """One life's nonces."""

    def __init__(self, first: int = 0) -> None:
        """``first``: where the lives before have ended."""
        self.last = max(first - 1, 0)
        self.below = 0
        """The bound that was reserved."""

    def reserve(self, now_ms: int) -> int:
        """A bound for what is signed next; a new one where half of the last is used up."""
        following = max(self.last + 1, now_ms)
        if following + LEAD // 2 > self.below:
            self.below = following + LEAD
        return self.below

    def next(self, now_ms: int) -> int:
        """The next nonce: below the bound, as long as one is left there, however long the process stood still."""
        following = max(self.last + 1, now_ms)
        if self.last + 1 < self.below <= following:
            following = self.last + 1
        self.last = following
        return following
