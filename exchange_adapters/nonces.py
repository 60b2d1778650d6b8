"""Nonces of one signer: strictly increasing over all of its lives, and near the wall clock (S12).

The venue wants a number that is new and about the present time in milliseconds. So the next one is the larger of the
time and the last plus one: two actions of one millisecond differ, and a clock that is set back repeats nothing. What
must survive a death is a bound, not each number: it is reserved ahead, and the next life begins there.
"""

LEAD = 2_000
"""So many nonces are reserved beyond the present one: two seconds, so that the bound is written once a second at most.

What is left of the last one must do for a life that cannot write the next, and signs its withdrawal all the same. One
that could never write any signs by the clock: those of the next are larger unless the clock is set back between."""

SPREAD = 60_000
"""Lives that can write no bound begin within so many beyond the last one, where the clock has not reached that."""


class NonceSource:
    """One life's nonces."""

    def __init__(self, first: int = 0) -> None:
        """``first``: where the lives before have ended."""
        self._first = first
        self.last = max(first - 1, 0)
        self.below = 0
        """The bound that the next life knows."""

    def reserve(self, now_ms: int) -> int:
        """A bound for what is signed next; a new one where half of the last is used up. It holds once confirmed."""
        following = max(self.last + 1, now_ms)
        return following + LEAD if following + LEAD // 2 > self.below else self.below

    def confirm(self, below: int) -> None:
        """The next life will know this bound."""
        self.below = max(self.below, below)

    def next(self, now_ms: int) -> int:
        """The next nonce: below the bound, as long as one is left there, however long the process stood still.

        So one that cannot write new bounds takes its orders back with what is left of the last one: from the time of
        that reservation on, since the venue wants numbers near the present, and a life between may have used others.
        One that never had a bound, and whose clock is behind where it begins, begins somewhere beyond: lives before it
        may have found the same bound and the same disk. It goes no further ahead than its clock is behind.
        """
        following = max(self.last + 1, now_ms)
        if self.last + 1 < self.below <= following:
            following = max(self.last + 1, self.below - LEAD)
        elif not self.below and now_ms < following == self._first:
            following += now_ms % min(following - now_ms, SPREAD)
        self.last = following
        return following
