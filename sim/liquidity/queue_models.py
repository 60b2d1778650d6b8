"""How much of a recorded queue stands ahead of an order of ours that the recording does not hold.

A level of an L2 record is one number. When it falls without a trade, somebody cancelled, and the
record does not say whether ahead of us or behind. Each model here is one answer:

============== ============================================================================
RiskAverse     always behind us, as long as there was anybody: only trades move us forward
PowerShare     behind us with probability back^n / (back^n + front^n)
FrontFirst     always ahead of us, as long as there was anybody
OrderQueues    what happened, from a record of single orders: the truth to measure with
============== ============================================================================

The power form is that of hftbacktest ("Probability Queue Models"), after E. Rigtorp's note of 2013.
A model knows lots of one level. It knows no trade rule, time or side: those are the shadow's.
"""

from dataclasses import dataclass, field
from math import ceil
from typing import Annotated, Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from annotated_types import Gt, Le

from domain.units import Oid, Px, Side, Sz


class QueuePlace(Protocol):
    """Where one order of ours stands in the recorded queue of its level."""

    @property
    def ahead(self) -> int:
        """Recorded lots that trade before us; a part of a lot counts as one."""
        ...

    def pass_by(self, lots: int) -> None:
        """Trades took `lots` from the front of the queue, all of them ahead of us."""
        ...

    def resize(self, before: int, after: int) -> None:
        """The level went from `before` to `after` lots, trades apart."""
        ...


class QueueModel(Protocol):
    """Makes places: the only thing that the shadow asks of a model."""

    def join(self, side: Side, px: Px, level: int) -> QueuePlace:
        """Stand at the back of a level of `level` recorded lots."""
        ...


class ShrinkRule(Protocol):
    """The one question in which the models for L2 data differ."""

    def remaining(self, ahead: float, before: int, after: int) -> float:
        """Lots ahead after a fall of the level from `before` to `after` lots without trades."""
        ...


class EstimatedPlace:
    """A place that sees only the size of its level. Never more lots ahead than the level has."""

    __slots__ = ("_ahead", "_rule")

    def __init__(self, rule: ShrinkRule, level: int) -> None:
        self._rule = rule
        self._ahead = float(level)

    @property
    def ahead(self) -> int:
        """Recorded lots that trade before us, rounded up."""
        return ceil(self._ahead)

    def pass_by(self, lots: int) -> None:
        """Trades took lots from the front."""
        self._ahead = max(self._ahead - lots, 0.0)

    def resize(self, before: int, after: int) -> None:
        """Ask the rule about a fall; a growth stands behind us."""
        ahead = self._ahead
        if after < before:
            ahead = max(self._rule.remaining(ahead, before, after), 0.0)
        self._ahead = min(ahead, float(after))


@dataclass(frozen=True, slots=True)
class RiskAverse:
    """Whoever cancels stood behind us: the queue ahead is never estimated too short."""

    kind: Literal["risk_averse"] = "risk_averse"
    """Names this model."""

    def join(self, side: Side, px: Px, level: int) -> QueuePlace:  # noqa: ARG002
        """Stand at the back of a level."""
        return EstimatedPlace(self, level)

    def remaining(self, ahead: float, before: int, after: int) -> float:  # noqa: ARG002
        """All that were ahead."""
        return ahead


@dataclass(frozen=True, slots=True)
class PowerShare:
    """Lots cancelled stood behind us in the proportion back^n : front^n.

    n = 1 shares by size; a larger n puts nearly everything on the longer part of the queue.
    """

    exponent: Annotated[float, Gt(0), Le(20)] = 2.0
    """The n of the formula."""
    kind: Literal["power"] = "power"
    """Names this model."""

    def join(self, side: Side, px: Px, level: int) -> QueuePlace:  # noqa: ARG002
        """Stand at the back of a level."""
        return EstimatedPlace(self, level)

    def remaining(self, ahead: float, before: int, after: int) -> float:
        """Share the fall. What is not there behind us leaves from ahead: the place sees to it."""
        back = max(before - ahead, 0.0)
        return ahead - (1.0 - self.share_behind(ahead, back)) * (before - after)

    def share_behind(self, front: float, back: float) -> float:
        """back^n / (back^n + front^n), with the smaller over the larger so that nothing overflows."""
        if back <= 0:
            return 0.0
        if front >= back:
            ratio = (back / front) ** self.exponent
            return float(ratio / (1.0 + ratio))
        return float(1.0 / (1.0 + (front / back) ** self.exponent))


@dataclass(frozen=True, slots=True)
class FrontFirst:
    """Whoever cancels stood ahead of us: the hopeful end of what L2 data allows."""

    kind: Literal["front_first"] = "front_first"
    """Names this model."""

    def join(self, side: Side, px: Px, level: int) -> QueuePlace:  # noqa: ARG002
        """Stand at the back of a level."""
        return EstimatedPlace(self, level)

    def remaining(self, ahead: float, before: int, after: int) -> float:
        """What the fall leaves of those ahead."""
        return ahead - (before - after)


LevelModel: TypeAlias = RiskAverse | PowerShare | FrontFirst
"""The models that a record of levels can feed: every one that a config can name."""


# --- order by order -----------------------------------------------------------------------------


class OrderChanged(msgspec.Struct, frozen=True):
    """One recorded order has `sz` lots now: new at the back, fewer in place, or gone at 0."""

    side: Side
    px: Px
    oid: Oid
    sz: Sz


class _Queued(NamedTuple):
    arrival: int
    sz: int


@dataclass(slots=True)
class OrderQueues:
    """The exact model: it is told every recorded order and so knows who stands ahead.

    An order whose size grows loses its place and joins the back again.
    """

    _levels: dict[tuple[Side, Px], dict[Oid, _Queued]] = field(default_factory=dict)
    _arrivals: int = 0

    def apply(self, change: OrderChanged) -> None:
        """Take in the new size of one order."""
        key = (change.side, change.px)
        level = self._levels.setdefault(key, {})
        known = level.get(change.oid)
        if not change.sz:
            level.pop(change.oid, None)
            if not level:
                del self._levels[key]
        elif known is None or change.sz > known.sz:
            level[change.oid] = _Queued(self._next_arrival(), change.sz)
        else:
            level[change.oid] = _Queued(known.arrival, change.sz)

    def size(self, side: Side, px: Px) -> int:
        """Recorded lots at a price."""
        return sum(queued.sz for queued in self._levels.get((side, px), {}).values())

    def ahead_of(self, side: Side, px: Px, arrival: int) -> int:
        """Recorded lots at a price that came before an arrival."""
        level = self._levels.get((side, px), {})
        return sum(queued.sz for queued in level.values() if queued.arrival < arrival)

    def join(self, side: Side, px: Px, level: int) -> QueuePlace:  # noqa: ARG002
        """Stand behind every order that rests at the price now."""
        return ExactPlace(self, side, px, self._next_arrival())

    def _next_arrival(self) -> int:
        self._arrivals += 1
        return self._arrivals


@dataclass(frozen=True, slots=True)
class ExactPlace:
    """A place that looks at the orders themselves, so that nobody needs to tell it anything."""

    queues: OrderQueues
    side: Side
    px: Px
    arrival: int

    @property
    def ahead(self) -> int:
        """Recorded lots that came before us and still rest."""
        return self.queues.ahead_of(self.side, self.px, self.arrival)

    def pass_by(self, lots: int) -> None:
        """Nothing: the order that was hit is reported by itself."""

    def resize(self, before: int, after: int) -> None:
        """Nothing: each order is reported by itself."""
