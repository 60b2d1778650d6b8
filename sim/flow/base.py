"""What the world asks of a background flow."""

from collections.abc import Sequence
from typing import Protocol

from domain.units import AccountId, Ns, Oid, Px
from sim.liquidity.base import Op

FLOW = AccountId("flow")
"""Owner of background orders. The venue does not check it."""

FIRST_FLOW_OID = Oid(1 << 50)
"""Background orders carry their own ids from here on, far above those that the venue gives."""


class Flow(Protocol):
    """The rest of the market, for one instrument."""

    def seed(self) -> Sequence[Op]:
        """Orders that rest before the first block."""
        ...

    def ops(self, block: int, now: Ns, best_bid: Px | None, best_ask: Px | None) -> Sequence[Op]:
        """What reaches the venue with a block, given the top that the block before has left.

        Ordered by class: post-only orders, cancels, takers. Called once a block, in order.
        """
        ...
