"""A taker for one order: large enough for what trades before it, and for its share of the order."""

from math import ceil

from domain.units import AccountId, Oid, Sz, Tif
from sim.liquidity.base import Op, OpKind
from sim.venue.orders import OwnOrder
from sim.world import World

_ALL_LEVELS = 10_000


def aim(world: World, order: OwnOrder, share: float) -> bool:
    """Send a taker into the next block; False where the order does not rest any more."""
    book = world.venue.liquidity(order.instrument)
    if order.is_ended or book.get(order.book_oid) is None:
        return False
    side = order.side.opposite
    better = sum(sz for px, sz, _ in book.levels(order.side, _ALL_LEVELS) if (px - order.px) * order.side > 0)
    lots = better + book.depth_ahead(order.book_oid) + ceil(order.resting * share)

    def taker(oid: Oid, account: AccountId) -> Op:
        return (OpKind.PLACE, oid, account, side, order.px, Sz(lots), Tif.IOC)

    world.inject(order.instrument, taker)
    return True
