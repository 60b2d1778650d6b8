"""What moved an account's cash other than fills, booked from statements of its sums.

A statement is complete and says sums over the account's whole life. So one that was lost is made good by the
next, and one that comes twice changes nothing. What had moved before the first statement is not ours.
"""

from collections.abc import Sequence

from domain.events import Transfers
from domain.units import InstrumentId, Ns, Usd

OWNER = InstrumentId("")
"""Stands in statements for money that the owner paid in or took out: it belongs to no instrument."""


class TransferBook:
    """Sums since the first statement, over all lives of a trader."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.booked: dict[InstrumentId, Usd] = {}
        """What came in by instrument since the first statement; negative was paid."""
        self.stated: dict[InstrumentId, Usd] | None = None
        """The latest statement; None before the first."""
        self.as_of = Ns(-1)

    def take(self, transfers: Sequence[Transfers], as_of: Ns) -> None:
        """Book a statement, unless there was a newer one."""
        if as_of < self.as_of:
            return
        self.as_of = as_of
        totals = {entry.instrument: entry.total for entry in transfers}
        if self.stated is not None:
            for name in dict.fromkeys((*self.stated, *totals)):
                moved = totals.get(name, 0) - self.stated.get(name, 0)
                if moved:
                    self.booked[name] = Usd(self.booked.get(name, 0) + moved)
        self.stated = totals

    def restore(self, booked: Sequence[Transfers], stated: Sequence[Transfers] | None, as_of: Ns) -> None:
        """Go on where an earlier life ended."""
        self.booked = {entry.instrument: entry.total for entry in booked}
        self.stated = None if stated is None else {entry.instrument: entry.total for entry in stated}
        self.as_of = as_of
