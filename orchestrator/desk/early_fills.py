"""Fills that came before we knew whose they are: no client id, and a venue id that nobody has told us yet.

A client id is optional on the wire, and channels promise no order: the fill of a placement may be here before its
answer and its status. Each is booked to its order as soon as that order's venue id is known. Judges nothing.
"""

from collections import OrderedDict
from collections.abc import Sequence

from domain.events import Fill
from domain.units import Oid

MOST_FILLS = 1_000
"""Fills kept at most: of more, those of the order that was seen first go. They were no order's of ours for long."""


class EarlyFills:
    """By venue id, in the order in which each id was first seen."""

    def __init__(self) -> None:
        """Start empty."""
        self._of: OrderedDict[Oid, list[Fill]] = OrderedDict()
        self._count = 0

    def keep(self, fill: Fill) -> None:
        """A fill of an order that is not known."""
        self._of.setdefault(fill.oid, []).append(fill)
        self._count += 1
        while self._count > MOST_FILLS:
            _, forgotten = self._of.popitem(last=False)
            self._count -= len(forgotten)

    def take(self, oid: Oid) -> Sequence[Fill]:
        """The fills of the order that has this venue id, in the order in which they came; they are kept no longer."""
        found = self._of.pop(oid, ())
        self._count -= len(found)
        return found

    def __len__(self) -> int:
        """Number of fills kept."""
        return self._count
