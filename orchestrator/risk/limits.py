"""Limits of the whole account in money: the size of one order, and the value of all positions together (RK-22, MG-09).

The limit of one instrument's position is its desk's own (`max_position_usd`); its soft part belongs to the position
monitor. Here stands what no instrument can know by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from annotated_types import Interval

from domain.units import USD, InstrumentId, Ns, Side, Sz
from orchestrator.desk.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """Hard limits in USD, and where the soft part begins."""

    order_usd: Annotated[float, Interval(gt=0, le=1e9)] | None = 10_000.0
    """Largest value of one order; what a level would have beyond it is left out."""
    gross_usd: Annotated[float, Interval(gt=0, le=1e9)] | None = None
    """Hard limit on the value of all positions, long and short added up; off: only each instrument's own limit."""
    soft_share: Annotated[float, Interval(gt=0, le=1)] = 0.7
    """Soft limit as a share of that one: from there to the hard limit what adds to a position shrinks in proportion,
    from its full size to nothing."""


class GrossBound:
    """What the limit of the whole account leaves to one instrument."""

    def __init__(self) -> None:
        """Before the first mid nothing may be added."""
        self.size_share = 1.0
        self._reach = {side: Sz(0) for side in Side}

    def update(self, held: Mapping[Side, int], free: float, opens: float, mid: float, size_share: float) -> None:
        """``free`` is what may be added to the position, ``opens`` to one the other way round, in micro-USD."""
        self.size_share = size_share
        for side in Side:
            adds = held[side] >= 0
            self._reach[side] = Sz(max(held[side], 0) + int(max(free if adds else opens, 0.0) / mid))

    def reach(self, side: Side) -> Sz:
        """Lots up to which a position may grow on that side."""
        return self._reach[side]


class RiskLimits:
    """Sets the limits of an account to its desks."""

    def __init__(self, config: LimitsConfig, desks: Mapping[InstrumentId, Desk]) -> None:
        """Every desk gets its bound, and what one of its orders may be worth."""
        self.config = config
        self._desks = desks
        self._mids: dict[InstrumentId, float] = {}
        for desk in desks.values():
            if config.order_usd is not None:
                desk.engine.order_value = config.order_usd * USD
            if config.gross_usd is not None:
                bound = GrossBound()
                desk.limit.bounds.append(bound)
                desk.limit.weighers.append(partial(self._weigh, desk, bound, config.gross_usd * USD))

    def look(self) -> None:
        """Take in the mids of all instruments."""
        for name, desk in self._desks.items():
            if desk.market.mid is not None:
                self._mids[name] = desk.market.mid

    def gross(self) -> float:
        """Value of all positions at the mids of the last look, in micro-USD."""
        return sum(abs(self._desks[name].inventory.position) * mid for name, mid in self._mids.items())

    def _weigh(self, desk: Desk, bound: GrossBound, hard: float, now: Ns) -> None:
        """What one desk asks before it quotes; every instrument may add an equal part of what is free."""
        del now
        self.look()
        soft, gross, position = self.config.soft_share * hard, self.gross(), desk.inventory.position
        mid = self._mids.get(desk.instrument.id)
        if mid is None:
            return
        share = 1.0
        if gross > soft:
            share = max(hard - gross, 0.0) / (hard - soft) if hard > soft else 0.0
        free = (hard - gross) / len(self._desks)
        bound.update({side: side * position for side in Side}, free, free + abs(position) * mid, mid, share)
