"""What the venue states of our positions, against our ledger (RS-08), and when it was last heard. Asks nothing."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from domain.events import PositionEntry
from domain.orders import Certainty
from domain.units import InstrumentId, Ns, Pos
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor


class DriftCause(StrEnum):
    """Why our position was not the venue's, as far as can be told (RS-07)."""

    FILLS_MISSED = "fills_missed"
    """Fills that the streams had not brought: they were fetched, and nothing had to be corrected."""
    FILLS_UNTOLD = "fills_untold"
    """An order of ours ended with more than we booked, and no query shows those fills."""
    ORDER_IN_DOUBT = "order_in_doubt"
    """No fill explains it, and the fate of an order of ours is not known."""
    NO_FILL = "no_fill"
    """No fill explains it and every order is accounted for: somebody else moved the position."""


class LastHeard:
    """When the venue last stated something: a statement that is not newer than another proves nothing."""

    __slots__ = ("at", "newest")

    def __init__(self) -> None:
        """Nothing was heard."""
        self.newest = Ns(-1)
        """The venue's time of the newest statement."""
        self.at: Ns | None = None
        """When it came."""

    def note(self, as_of: Ns, now: Ns) -> None:
        """A statement came."""
        if as_of > self.newest:
            self.newest, self.at = as_of, now


def differing(
    desks: Mapping[InstrumentId, Desk], fills: FillProcessor, positions: Iterable[PositionEntry], as_of: Ns
) -> dict[InstrumentId, Pos] | None:
    """Where ours is not the stated position plus our fills of later than it: what it should be.

    The statement is complete: an instrument that it does not name is flat. It says nothing new of one that a
    statement not older than it has corrected. None: it is too old to compare with at all.
    """
    stated = {entry.instrument: entry.position for entry in positions}
    found = {}
    for instrument, desk in desks.items():
        if as_of <= desk.inventory.stated_at:
            continue
        moved = fills.moved_since(instrument, as_of)
        if moved is None:
            return None
        position = Pos(stated.get(instrument, 0) + moved)
        if desk.inventory.position != position:
            found[instrument] = position
    return found


def cause_of(desk: Desk) -> DriftCause:
    """What may be behind a difference that the fills, as the venue lists them, do not explain."""
    orders = desk.tracker.orders.values()
    if any(order.is_terminal and order.fillable for order in orders):
        return DriftCause.FILLS_UNTOLD
    if any(order.certainty is Certainty.UNKNOWN for order in orders):
        return DriftCause.ORDER_IN_DOUBT
    return DriftCause.NO_FILL
