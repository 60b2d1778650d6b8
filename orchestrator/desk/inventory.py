"""Position, cash and P&L of one instrument, in whole lots and micro-USD.

Three identities hold at every moment, exactly:
``position == opening_position + fills + adjusted_lots``,
``cash_flow == opening_cash_flow - value of the fills - opening_value - adjusted_value`` and
``realized + unrealized == cash_flow + position * mark`` (catalogue OL-25). The cost of the open part
is kept instead of an average price, so nothing is rounded until the position is flat.
"""

from dataclasses import dataclass, field

from domain.events import Adjustment, Fill, RestoredLedger
from domain.units import Ns, Pos, Usd

MAX_ADJUSTMENTS = 100
"""Outstanding corrections kept apart; of more, the two oldest become one."""


@dataclass(slots=True)
class Inventory:
    """What our fills add up to, and what the venue says that they do not explain."""

    position: Pos = Pos(0)
    opening_position: Pos = Pos(0)
    """What this life began with: the venue's first statement, or what earlier lives handed on."""
    opening_unpriced: Pos = Pos(0)
    """Part of the opening position that no mark has valued yet."""
    opening_value: Usd = Usd(0)
    """At what the opening position was valued by the first mark."""
    opening_cash_flow: Usd = Usd(0)
    """Cash flow of the fills of earlier lives."""
    opening_fees: Usd = Usd(0)
    """Fees of earlier lives."""
    cash_flow: Usd = Usd(0)
    """Minus the signed value of all fills, of the opening and of the adjustments; fees not included."""
    fees: Usd = Usd(0)
    transfers: Usd = Usd(0)
    """What moved our cash other than fills: funding received less paid, less what liquidations took."""
    cost: Usd = Usd(0)
    """Signed cost of the open position."""
    volume: Usd = Usd(0)
    fills: int = 0
    adjustments: list[Adjustment] = field(default_factory=list)
    """Corrections that no fill has explained yet, oldest first. The last one stays when it is explained:
    its time says which fills the venue's statement contained."""
    restatements: int = 0
    """How often the venue's statement differed from our ledger and replaced it."""
    undone_lots: int = 0
    """Lots of corrections that a late fill has explained."""
    awaits_mark: bool = False
    """Whether something waits for the first mark to be valued."""
    has_news: bool = False
    """Whether the adjustments, or the value of the opening, changed since they were last recorded."""

    # --- what follows from it -------------------------------------------------------------------

    @property
    def cash(self) -> Usd:
        """Cash change since the first life began, fees and transfers included."""
        return Usd(self.cash_flow - self.fees + self.transfers)

    @property
    def realized(self) -> Usd:
        """P&L of what was closed, before fees."""
        return Usd(self.cash_flow + self.cost)

    @property
    def adjusted_lots(self) -> Pos:
        """Lots that we hold because the venue says so, not because of fills."""
        return Pos(sum(adjustment.lots for adjustment in self.adjustments))

    @property
    def adjusted_value(self) -> Usd:
        """What those of them are booked at that have met a mark."""
        return Usd(sum(map(_value, self.adjustments)))

    @property
    def opening_valued(self) -> Usd | None:
        """At what the opening is booked; None: it waits for a mark."""
        return None if self.opening_unpriced else self.opening_value

    @property
    def stated_at(self) -> Ns:
        """Moment of the newest statement of the venue that corrected us; -1 before any."""
        return self.adjustments[-1].as_of if self.adjustments else Ns(-1)

    def unrealized(self, mark: float) -> float:
        """P&L of what is open at a mark in base ticks, in micro-USD."""
        return self.position * mark - self.cost

    # --- how it begins --------------------------------------------------------------------------

    def open(self, position: Pos, mark: float | None) -> None:
        """The venue's first statement: what the account had before us; no fill of ours is booked yet."""
        self.position = self.opening_position = self.opening_unpriced = position
        self.awaits_mark = bool(position)
        if mark is not None:
            self.price(mark)

    def continue_from(self, ledger: RestoredLedger) -> None:
        """Take over what earlier lives added up to; what has no price yet is valued at the first mark.

        The opening keeps its first value: another one would be a profit or a loss that nobody made.
        """
        self.adjustments = list(ledger.adjustments)
        self.position = ledger.position
        self.opening_position = Pos(ledger.position - self.adjusted_lots)
        self.opening_unpriced = ledger.opening if ledger.opening_value is None else Pos(0)
        self.opening_value = ledger.opening_value or Usd(0)
        self.fees = self.opening_fees = ledger.fees
        self.opening_cash_flow = Usd(ledger.cash + ledger.fees)
        self.cash_flow = Usd(self.opening_cash_flow - self.opening_value - self.adjusted_value)
        unpriced = self.opening_unpriced + sum(a.lots for a in self.adjustments if a.px is None)
        self.cost = Usd(-self.cash_flow) if self.position != unpriced else Usd(0)
        self.awaits_mark = bool(self.opening_unpriced) or any(a.px is None for a in self.adjustments)

    # --- what happens to it ---------------------------------------------------------------------

    def apply(self, fill: Fill) -> None:
        """Book one fill; the caller has made sure that it is new.

        A fill of before a statement that corrected us is in the position already: it takes the place
        of as much of the correction, and the position stays as the venue stated it.
        """
        self.price(fill.px)
        signed = fill.side * fill.sz
        index = self._explained_by(fill.exch_time)
        if index is not None:
            self._undo(index, signed)
        self._move(signed, signed * fill.px)
        self.fees = Usd(self.fees + fill.fee)
        self.volume = Usd(self.volume + fill.px * fill.sz)
        self.fills += 1

    def restate(self, position: Pos, as_of: Ns, mark: float | None) -> Pos:
        """Take the position that the venue stated as of a moment as ours; returns the correction (EL-03, RU-07).

        The correction enters at the mark, so that it is no profit or loss by itself; without a mark
        it waits for the first one.
        """
        correction = Pos(position - self.position)
        if correction:
            self.position = position
            lots = correction
            if self.adjustments and self.adjustments[-1].px is None:
                lots = Pos(lots + self.adjustments.pop().lots)  # both will be valued by the same mark
            self.adjustments = [adjustment for adjustment in self.adjustments if adjustment.lots]
            self.adjustments.append(Adjustment(as_of, lots, None))
            self.restatements += 1
            self.awaits_mark = self.has_news = True
            if mark is not None:
                self.price(mark)
            if len(self.adjustments) > MAX_ADJUSTMENTS:
                self._merge_oldest()
        return correction

    def price(self, mark: float) -> None:
        """Value what waits for it at the first price that we see, as if it were traded there."""
        if not self.awaits_mark:
            return
        self.awaits_mark = False
        waiting = [index for index, adjustment in enumerate(self.adjustments) if adjustment.px is None]
        opening = self.opening_unpriced
        self.position = Pos(self.position - opening - sum(self.adjustments[index].lots for index in waiting))
        if opening:
            self.opening_unpriced = Pos(0)
            value = round(opening * mark)
            self.opening_value = Usd(self.opening_value + value)
            self._move(opening, value)
            self.has_news = True
        for index in waiting:
            old = self.adjustments[index]
            self.adjustments[index] = priced = Adjustment(old.as_of, old.lots, float(mark))
            self._move(old.lots, _value(priced))
            self.has_news = True

    # --- inside ---------------------------------------------------------------------------------

    def _explained_by(self, exch_time: Ns) -> int | None:
        """The first statement that contained what happened at a moment."""
        for index, adjustment in enumerate(self.adjustments):
            if exch_time <= adjustment.as_of:
                return index
        return None

    def _undo(self, index: int, signed: int) -> None:
        """Take lots out of a correction at its own mark.

        More than it holds turns it around: the venue's statement stands, so what is then missing is
        a fill of the other side.
        """
        old = self.adjustments[index]
        new = Adjustment(old.as_of, Pos(old.lots - signed), old.px)
        self.adjustments[index] = new
        self._move(-signed, _value(new) - _value(old))
        self.undone_lots += abs(signed)
        self.has_news = True
        if not new.lots and len(self.adjustments) > index + 1:
            del self.adjustments[index]  # a later statement knows what this one knew

    def _merge_oldest(self) -> None:
        """The two oldest become one at the mark of the newer; what that changes in value counts as opening."""
        first, second, *rest = self.adjustments
        both = Adjustment(second.as_of, Pos(first.lots + second.lots), second.px)
        self.opening_value = Usd(self.opening_value + _value(first) + _value(second) - _value(both))
        self.adjustments = [both, *rest]

    def _move(self, signed: int, value: int) -> None:
        """Trade ``signed`` lots for ``value``: cost grows with the position and shrinks in proportion."""
        before = self.position
        after = before + signed
        if before * signed >= 0:
            self.cost = Usd(self.cost + value)
        elif before * after >= 0:
            self.cost = Usd(self.cost - self.cost * abs(signed) // abs(before) if after else 0)
        else:
            self.cost = Usd(value * after // signed)
        self.position = Pos(after)
        self.cash_flow = Usd(self.cash_flow - value)


def _value(adjustment: Adjustment) -> int:
    """Micro-USD at which a correction is booked; nothing before it met a mark."""
    return 0 if adjustment.px is None else round(adjustment.lots * adjustment.px)
