"""How far a position may go: by the config at the venue's own price, and by the venue's terms.

What the trader reckons itself counts only where it is less than that: a limit that is ten times too high is no limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the config says of sizes: how much a side quotes, and from where on that shrinks to nothing (RK-22)."""

    side_usd: float
    """Value of all orders of a side where nothing limits them."""
    position_soft: float = 1.0
    """Soft limit on a position, as a share of the hard one."""
    gross_soft: float = 1.0
    """Soft limit on the value of all positions, as a share of the hard one."""


class HardLimits:
    """The hard limit of every instrument. It is set once a life, with the price of the moment in which the trader does.

    Kept over lives: a new one learns its limit late, and until then the one before holds.
    """

    def __init__(
        self, position_usd: float | None = None, gross_usd: float | None = None, sizes: Sizes | None = None
    ) -> None:
        """``position_usd``, ``gross_usd``, ``sizes``: what the config allows; None: nobody has said."""
        self._position_usd = position_usd
        self._gross_usd = gross_usd
        self._sizes = sizes
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

    def room(self, truth: TruthView, name: InstrumentId, held: int, capacity: int) -> int:
        """Lots that a side may still quote that holds ``held`` and may add ``capacity``: beyond a soft limit less.

        What reduces a position does not shrink.
        """
        price = price_of(truth, name)
        if self._sizes is None or not price or held < 0:
            return capacity
        share = _left(held, held + capacity, self._sizes.position_soft)
        if self._gross_usd is not None:
            share = min(share, _left(truth.gross(), self._gross_usd * USD, self._sizes.gross_soft))
        return capacity if share >= 1.0 else min(capacity, floor(share * self._sizes.side_usd * USD / price))


def _left(used: float, hard: float, soft_share: float) -> float:
    """Share of its size that a side keeps: all of it up to the soft limit, nothing at the hard one."""
    soft = soft_share * hard
    if used <= soft:
        return 1.0
    return 0.0 if used >= hard else (hard - used) / (hard - soft)


def price_of(truth: TruthView, name: InstrumentId) -> float | None:
    """The venue's price of now; None before the first."""
    bid, ask = truth.best(name)
    return truth.mark(name) if bid is None or ask is None else (bid + ask) / 2
