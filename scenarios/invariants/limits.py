"""How far a position may go: by the config at the venue's own price, and by the venue's terms.

What the trader reckons itself counts only where it is less than that: a limit that is ten times too high is no limit.
"""

from collections.abc import Mapping
from typing import Protocol

from domain.events import InstrumentLimits
from domain.units import USD, InstrumentId, Px, Side, Sz, Usd

SLACK = 1.05
"""The trader reckons with the price that it was told last, which may be some seconds old."""
USED = 0.5
"""From this share of a limit on it may be what leaves a side no room: sizes shrink long before the limit itself."""


class LimitView(Protocol):
    """The trader's own limit; zero until it is known."""

    lots: Sz


class DeskView(Protocol):
    """One instrument of the trader."""

    @property
    def limit(self) -> LimitView:
        """Its own limit."""
        ...


class TruthView(Protocol):
    """The venue, as far as it says how far a position may go."""

    def position(self, instrument: InstrumentId) -> int:
        """Position in lots."""
        ...

    def best(self, instrument: InstrumentId) -> tuple[Px | None, Px | None]:
        """Best bid and ask."""
        ...

    def mark(self, instrument: InstrumentId) -> Px | None:
        """Mark price; None before the first."""
        ...

    def terms(self, instrument: InstrumentId) -> InstrumentLimits:
        """What the venue enforces."""
        ...

    def gross(self) -> Usd:
        """Value of all positions at their marks."""
        ...

    def margin_use(self) -> float:
        """Initial margin over what stands behind it."""
        ...


class HardLimits:
    """The hard limit of every instrument. It is set once a life, with the price of the moment in which the trader does.

    Kept over lives: a new one learns its limit late, and until then the one before holds.
    """

    def __init__(self, position_usd: float | None = None, gross_usd: float | None = None) -> None:
        """``position_usd``, ``gross_usd``: what the config allows; None: nobody has said."""
        self._position_usd = position_usd
        self._gross_usd = gross_usd
        self._known: set[InstrumentId] = set()
        """Instruments whose limit this life has set."""
        self._reckoned: dict[InstrumentId, Sz] = {}
        self._told: dict[InstrumentId, Sz] = {}

    def begin_life(self) -> None:
        """A new life sets its limits anew."""
        self._known.clear()

    def look(self, truth: TruthView, desks: Mapping[InstrumentId, DeskView]) -> None:
        """After each step of the trader: where it has set a limit just now, reckon what it should be."""
        if len(self._known) == len(desks):
            return
        for name, desk in desks.items():
            if desk.limit.lots and name not in self._known and price_of(truth, name):
                self._known.add(name)
                self._told[name] = desk.limit.lots
                allowed = self.allowed(truth, name)
                if allowed is not None:
                    self._reckoned[name] = allowed

    def allowed(self, truth: TruthView, name: InstrumentId) -> Sz | None:
        """Lots that config and venue allow at the price of now; None where nobody has said, or there is no price."""
        price = price_of(truth, name)
        if self._position_usd is None or not price:
            return None
        return Sz(min(int(self._position_usd * USD * SLACK / price), truth.terms(name).max_position))

    def reckoned(self, name: InstrumentId) -> Sz | None:
        """Lots that config and venue allow; None where nobody has said."""
        return self._reckoned.get(name)

    def of(self, name: InstrumentId, desk: DeskView) -> Sz:
        """The limit that holds: the trader's own, as last known, and never more than is allowed; 0 before the first."""
        told = self._told[name] = desk.limit.lots or self._told.get(name, Sz(0))
        return min(told, self._reckoned.get(name, told))

    def is_used(self, truth: TruthView, name: InstrumentId, side: Side) -> bool:
        """Whether the venue shows something that may leave a side no room: the position, the money, or all positions.

        Where nobody has said what is allowed the trader's word has to do.
        """
        reckoned = self._reckoned.get(name)
        if reckoned is None or side * truth.position(name) >= USED * reckoned or truth.margin_use() >= USED:
            return True
        return self._gross_usd is not None and truth.gross() >= USED * self._gross_usd * USD


def price_of(truth: TruthView, name: InstrumentId) -> float | None:
    """The venue's price of now; None before the first."""
    bid, ask = truth.best(name)
    return truth.mark(name) if bid is None or ask is None else (bid + ask) / 2
