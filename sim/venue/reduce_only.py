"""Reduce-only orders that rest may never add up to more than the position that they would close."""

from collections.abc import Sequence

from domain.units import Pos, Sz
from sim.venue.orders import OwnOrder


def cuts(orders: Sequence[OwnOrder], position: Pos) -> list[tuple[OwnOrder, Sz]]:
    """Which of an account's resting reduce-only orders of one instrument lose how many lots.

    ``orders`` come oldest first, and the oldest pay for an excess over the position. An order on the side
    that would add to the position goes altogether.
    """
    lost: list[tuple[OwnOrder, Sz]] = []
    closing: list[OwnOrder] = []
    for order in orders:
        if order.side * position < 0:
            closing.append(order)
        else:
            lost.append((order, order.resting))
    excess = sum(order.resting for order in closing) - abs(position)
    for order in closing:
        if excess <= 0:
            break
        lots = min(order.resting, excess)
        lost.append((order, Sz(lots)))
        excess -= lots
    return lost
