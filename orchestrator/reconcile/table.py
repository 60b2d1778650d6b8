"""What becomes of an order and the target that it was matched with: one table, the first row that fits counts (C-02).

With every layer off it is the plain rule: same price and size, keep; same price, modify; anything else, cancel and
place. A latch keeps an order whose target has moved a little; with modify-first a price that has moved further is
changed by one request instead of two.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from annotated_types import Interval

from domain.orders import TrackedOrder
from domain.units import Bps, Ns, millis
from orchestrator.reconcile.band import FULL, NO_BAND, NO_CLAIM, Band, Claim, ToleranceConfig
from strategy.ladder import LadderLevel

BPS = 1e4


class Row(IntEnum):
    """The rows, in their order."""

    SAME = 1
    """Same price, and a size within the tolerance: it stays."""
    QUEUE = 2
    """A place in the queue that is worth more than a modify, a price within some latches, and a size within the
    tolerance: it stays."""
    LATCH = 3
    """A price within the latch, and a size within the tolerance: it stays, and keeps its place in the queue."""
    SIZE = 4
    """Same price, other size: modify."""
    PRICE = 5
    """A price within reach of a modify: modify price and size."""
    REPLACE = 6
    """Anything else: cancel and place."""


KEEPS = frozenset((Row.SAME, Row.QUEUE, Row.LATCH))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyFirstConfig:
    """A moved price is modified, and a modify that has to wait leaves its order where it is (CH-19..21)."""

    max_price_bps: Annotated[float, Interval(gt=0, le=1e4)] = 50.0
    """A price that has moved further than this, in bps, is cancelled and placed anew."""
    interval_ms: Annotated[float, Interval(ge=0, le=1e9)] = 500.0
    """Least time between two modifies of one order, in ms; until then it rests on, and is looked at again then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileConfig:
    """When an order that is not exactly its target stays; all of it is off by default."""

    latch_bps: Annotated[float, Interval(ge=0, le=1e4)] = 0.0
    """Without `tolerance`: an order whose target has moved by no more than this, in bps, stays."""
    modify_interval_ms: Annotated[float, Interval(ge=0, le=1e9)] = 0.0
    """Without `modify_first`: a modify that comes sooner than this after its order's last one, in ms, is not made."""
    modify_first: ModifyFirstConfig | None = None
    """Modify where it is possible, and wait with it rather than drop it."""
    tolerance: ToleranceConfig | None = None
    """A latch for each level from the half-spread, in the place of the plain one."""

    @property
    def latch(self) -> Band:
        """The plain one: as far either way."""
        return Band(Bps(self.latch_bps), Bps(self.latch_bps))


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds of the table, in the units of orders."""

    size_tolerance: float = 0.0
    """Share of the target's size."""
    latch: Band = NO_BAND
    """Where no level has a band of its own."""
    reach: Bps = Bps(0.0)
    """Furthest price that is modified."""
    interval: Ns = Ns(0)
    """Least time between two modifies of one order."""
    waits: bool = False
    """Whether a modify that comes too soon is looked at again as soon as it may go."""

    @classmethod
    def of(cls, config: ReconcileConfig, size_tolerance: float) -> "Rules":
        """What is configured."""
        first = config.modify_first
        if first is None:
            return cls(size_tolerance, config.latch, interval=millis(config.modify_interval_ms))
        return cls(size_tolerance, config.latch, Bps(first.max_price_bps), millis(first.interval_ms), waits=True)

    def row(self, order: TrackedOrder, target: LadderLevel, band: Band, claim: Claim = NO_CLAIM) -> Row:
        """The first row that fits; ``band``: how far from this target it may stay; ``claim``: what its place adds.

        The bonus and the value of a place are the same thing: they are not added up.
        """
        off = order.side * (order.px - target.px) / target.px * BPS
        if self.is_size_right(order, target):
            if not off:
                return Row.SAME
            if claim.queue_factor and self._is_inside(off, band.times(claim.queue_factor)):
                return Row.QUEUE
            if self._is_inside(off, band if claim.factor == FULL else band.times(claim.factor)):
                return Row.LATCH
        if not off:
            return Row.SIZE
        return Row.PRICE if abs(off) <= self.reach else Row.REPLACE

    def _is_inside(self, off: float, band: Band) -> bool:
        """Whether an order so far off its target (+: toward the market) may stay; beyond a modify's reach none may."""
        away = min(band.away, self.reach) if self.reach else band.away
        return -away <= off <= band.toward

    def is_size_right(self, order: TrackedOrder, target: LadderLevel) -> bool:
        """Whether what remains of an order is what its target wants, within the tolerance."""
        return abs(target.sz - order.remaining) <= self.size_tolerance * target.sz

    def may_modify_at(self, order: TrackedOrder) -> Ns:
        """When the next modify of an order may go."""
        last = order.modified_at
        return Ns(0) if last is None else Ns(last + self.interval)


def distance(order: TrackedOrder, target: LadderLevel) -> Bps:
    """How far an order stands from its target, either way."""
    return Bps(abs(order.px - target.px) / target.px * BPS)
