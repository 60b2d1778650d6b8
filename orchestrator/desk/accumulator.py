"""When to run a quote cycle: buffered events, affected sides, debounce, fallback (EA-01..08, EA-10).

Book moves count by their *net* displacement since the last cycle, so noise that comes back does not
trigger (T-09).
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Annotated

from annotated_types import Ge, Gt

from domain.units import Bps, Ns, Oid, Side, millis


@dataclass(frozen=True, slots=True, kw_only=True)
class AccumulatorConfig:
    """Thresholds of the triggers."""

    mid_move_bps: Annotated[float, Gt(0)] = 5.0
    """A quote cycle is due when the mid is further than this from where it was at the last cycle, in bps."""
    debounce_ms: Annotated[float, Ge(0)] = 100.0
    """Least time between two cycles, in ms: a burst of events makes one. Gates that open or close do not wait."""
    fallback_ms: Annotated[float, Gt(0)] = 5_000.0
    """A cycle runs this long after the last one even if nothing happened, in ms."""
    buffer: Annotated[int, Ge(1)] = 10
    """This many buffered events force a cycle."""


class Cause(StrEnum):
    """What made a cycle due."""

    FILL = "fill"
    MID_MOVE = "mid_move"
    SIDE_EVENT = "side_event"
    TRADE = "trade"
    BUFFER = "buffer"
    TIMER = "timer"
    FORCED = "forced"


class Priority(IntEnum):
    """Order of causes when several are due (EA-04, EA-09)."""

    FORCED = 110
    FULL_FILL = 100
    PARTIAL_FILL = 90
    MID_MOVE = 70
    SIDE_EVENT = 60
    TRADE = 30
    BUFFER = 20
    TIMER = 10


@dataclass(frozen=True, slots=True)
class ReconcileScope:
    """Which sides and orders a cycle may touch; merging gives a superset (EA-07)."""

    sides: frozenset[Side] = frozenset()
    oids: frozenset[Oid] = frozenset()

    @property
    def is_full(self) -> bool:
        """Both sides."""
        return len(self.sides) == len(Side)

    @property
    def is_empty(self) -> bool:
        """Nothing at all."""
        return not self.sides and not self.oids

    def includes(self, side: Side, oid: Oid | None) -> bool:
        """Whether an order of that side and id may be touched."""
        return side in self.sides or (oid is not None and oid in self.oids)

    def merge(self, other: "ReconcileScope") -> "ReconcileScope":
        """The smallest scope that includes both."""
        return ReconcileScope(self.sides | other.sides, self.oids | other.oids)


NO_SCOPE = ReconcileScope()
FULL_SCOPE = ReconcileScope(frozenset(Side))
SIDE_SCOPE = {side: ReconcileScope(frozenset((side,))) for side in Side}


class AffectedTracker:
    """Remembers what events have touched since the last cycle (EA-06)."""

    def __init__(self) -> None:
        """Touch nothing."""
        self.scope = NO_SCOPE

    def on_price(self) -> None:
        """A price move touches both sides."""
        self.scope = FULL_SCOPE

    def on_fill(self, side: Side, oid: Oid) -> None:
        """A fill touches its side and its order."""
        if not self.scope.is_full:
            self.scope = self.scope.merge(ReconcileScope(frozenset((side,)), frozenset((oid,))))

    def on_side(self, side: Side) -> None:
        """An event of one side touches that side."""
        if not self.scope.is_full:
            self.scope = self.scope.merge(SIDE_SCOPE[side])

    def take(self) -> ReconcileScope:
        """What was touched; forget it."""
        scope, self.scope = self.scope, NO_SCOPE
        return scope


@dataclass(frozen=True, slots=True)
class QuoteUpdateTrigger:
    """A cycle is due: why, for what, since when, how urgently (EA-09)."""

    cause: Cause
    scope: ReconcileScope
    time: Ns
    priority: Priority


@dataclass(slots=True)
class AccumulatorStats:
    """Plain counters, read by snapshots (EA-10)."""

    total: int = 0
    reconciles: int = 0
    filtered: int = 0
    """Events that were waiting when a cycle took them along."""
    max_priority: int = 0
    by_cause: dict[Cause, int] = field(default_factory=dict)


class EventAccumulator:
    """Buffers events of one desk and says when a cycle is due."""

    def __init__(self, config: AccumulatorConfig) -> None:
        """Nothing is due before the first event."""
        self.config = config
        self.affected = AffectedTracker()
        self.stats = AccumulatorStats()
        self.pending = 0
        self.last_reconcile: Ns | None = None
        self._debounce = millis(config.debounce_ms)
        self._fallback = millis(config.fallback_ms)
        self._cause: Cause | None = None
        self._priority = Priority.TIMER
        self._since = Ns(0)
        self._mid2 = 0
        self._reference_mid2: int | None = None

    @property
    def accumulated_bps(self) -> Bps:
        """Net displacement of the mid since the last cycle."""
        if not self._reference_mid2:
            return Bps(0.0)
        return Bps(abs(self._mid2 - self._reference_mid2) / self._reference_mid2 * 1e4)

    # --- events ---------------------------------------------------------------------------------

    def on_mid(self, mid2: int, now: Ns) -> None:
        """The book changed; twice its mid is now ``mid2``."""
        self._mid2 = mid2
        if self._reference_mid2 is None:
            self._reference_mid2 = mid2
        self._count(now)
        self.affected.on_price()
        if self.accumulated_bps > self.config.mid_move_bps:
            self._raise(Cause.MID_MOVE, Priority.MID_MOVE, now)

    def on_trade(self, now: Ns) -> None:
        """A public trade."""
        self._count(now)
        self.affected.on_price()
        self._raise(Cause.TRADE, Priority.TRADE, now)

    def on_fill(self, side: Side, oid: Oid, now: Ns, *, is_full: bool) -> None:
        """One of our orders was filled: due at once, subject to the debounce."""
        self._count(now)
        self.affected.on_fill(side, oid)
        priority = Priority.FULL_FILL if is_full else Priority.PARTIAL_FILL
        self._raise(Cause.FILL, priority, now)

    def on_side_event(self, side: Side, now: Ns) -> None:
        """One of our orders was refused, cancelled or became unclear."""
        self._count(now)
        self.affected.on_side(side)
        self._raise(Cause.SIDE_EVENT, Priority.SIDE_EVENT, now)

    def force(self, now: Ns) -> None:
        """A gate opened or closed: both sides, without waiting for the debounce."""
        self.affected.on_price()
        self._raise(Cause.FORCED, Priority.FORCED, now)

    # --- decisions ------------------------------------------------------------------------------

    def due_at(self) -> Ns | None:
        """When the next cycle is due if nothing else happens."""
        if self._cause is Cause.FORCED:
            return self._since
        if self.last_reconcile is None:
            return self._since if self._cause is not None or self.pending else None
        if self._cause is not None:
            return Ns(self.last_reconcile + self._debounce)
        return Ns(self.last_reconcile + self._fallback)

    def take(self, now: Ns) -> QuoteUpdateTrigger | None:
        """The trigger that is due, or None; taking it starts the next accumulation."""
        due = self.due_at()
        if due is None or now < due:
            return None
        cause = self._cause or Cause.TIMER
        scope = FULL_SCOPE if cause is Cause.TIMER else self.affected.scope
        trigger = QuoteUpdateTrigger(cause, scope, now, self._priority)
        stats = self.stats
        stats.reconciles += 1
        stats.filtered += max(self.pending - 1, 0)
        stats.by_cause[cause] = stats.by_cause.get(cause, 0) + 1
        self.affected.take()
        self.last_reconcile = now
        self._reference_mid2 = self._mid2 or None
        self.pending = 0
        self._cause = None
        self._priority = Priority.TIMER
        return trigger

    def _count(self, now: Ns) -> None:
        self.stats.total += 1
        self.pending += 1
        if self.pending == self.config.buffer:
            self._raise(Cause.BUFFER, Priority.BUFFER, now)
        elif self._cause is None and self.pending == 1:
            self._since = now

    def _raise(self, cause: Cause, priority: Priority, now: Ns) -> None:
        if self._cause is None or priority > self._priority:
            self._cause = cause
            self._priority = priority
            self._since = now
        self.stats.max_priority = max(self.stats.max_priority, priority)
