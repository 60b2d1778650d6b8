"""When to run a quote cycle, and for which sides: buffer, scope, debounce, fallback (EA-01..08, EA-10).

The mid counts by its *net* displacement since both sides were last looked at, so noise that comes back does not
trigger (T-09). A cycle touches the sides that something happened to; what a cycle of one side leaves out is
looked at when the mid has moved, or by the fallback, which counts from the last cycle of both sides.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from math import inf
from typing import Annotated

from annotated_types import Interval

from domain.units import Bps, Ns, Side, millis


@dataclass(frozen=True, slots=True, kw_only=True)
class AccumulatorConfig:
    """Thresholds of the triggers."""

    mid_move_bps: Annotated[float, Interval(gt=0, le=1e4)] = 5.0
    """A cycle is due when the mid is further than this from where it was at the last one of both sides, in bps."""
    debounce_ms: Annotated[float, Interval(ge=0, le=1e9)] = 100.0
    """Least time between two cycles, in ms: a burst of events makes one. Only a gate that closes does not wait.
    Too long makes quotes stale; then `stale_quotes_ms` tells."""
    fallback_ms: Annotated[float, Interval(gt=0, le=1e9)] = 5_000.0
    """A cycle of both sides runs this long after the last one even if nothing happened, in ms."""
    buffer: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10
    """So many books in a row that find the mid displaced to the same side force a cycle, however small the move."""
    stale_quotes_ms: Annotated[float, Interval(gt=0, le=1e9)] = 7_500.0
    """Quotes of which a side was not looked at for longer than this, in ms, raise an alert."""


class Cause(StrEnum):
    """What made a cycle due."""

    FILL = "fill"
    MID_MOVE = "mid_move"
    SIDE_EVENT = "side_event"
    TRADE = "trade"
    BUFFER = "buffer"
    GATE = "gate"
    TIMER = "timer"
    FORCED = "forced"


class Priority(IntEnum):
    """Order of causes when several are due (EA-04, EA-09)."""

    FORCED = 110
    FULL_FILL = 100
    PARTIAL_FILL = 90
    GATE = 80
    MID_MOVE = 70
    SIDE_EVENT = 60
    TRADE = 30
    BUFFER = 20
    TIMER = 10


@dataclass(frozen=True, slots=True)
class ReconcileScope:
    """Which sides a cycle may touch, with all their orders; merging gives a superset (EA-07).

    Orders are not listed one by one: a side's orders serve the side's targets together, so the event of one order
    concerns its neighbours too, and an order belongs to one side for good (decision 0010).
    """

    sides: frozenset[Side] = frozenset()

    @property
    def is_full(self) -> bool:
        """Both sides."""
        return len(self.sides) == len(Side)

    def includes(self, side: Side) -> bool:
        """Whether orders of that side may be touched."""
        return side in self.sides

    def merge(self, other: "ReconcileScope") -> "ReconcileScope":
        """The smallest scope that includes both."""
        return ReconcileScope(self.sides | other.sides)


NO_SCOPE = ReconcileScope()
FULL_SCOPE = ReconcileScope(frozenset(Side))
OF_THE_MARKET = frozenset((Cause.MID_MOVE, Cause.BUFFER, Cause.TRADE, Cause.TIMER))
"""Causes that a small allowance makes wait."""
SIDE_SCOPE = {side: ReconcileScope(frozenset((side,))) for side in Side}


EVERYWHERE = (0.0, inf)


class AffectedTracker:
    """Remembers what events have touched since the last cycle (EA-06)."""

    def __init__(self) -> None:
        """Touch nothing."""
        self.scope = NO_SCOPE

    def on_price(self) -> None:
        """A price move that counts touches both sides."""
        self.scope = FULL_SCOPE

    def on_side(self, side: Side) -> None:
        """A fill, or another event of one side, touches that side."""
        if side not in self.scope.sides:
            self.scope = self.scope.merge(SIDE_SCOPE[side])

    def take(self) -> ReconcileScope:
        """What was touched; forget it."""
        scope, self.scope = self.scope, NO_SCOPE
        return scope


@dataclass(frozen=True, slots=True)
class QuoteUpdateTrigger:
    """A cycle is due: why, for what, when, how urgently (EA-09)."""

    cause: Cause
    scope: ReconcileScope
    time: Ns
    priority: Priority


@dataclass(slots=True)
class AccumulatorStats:
    """Plain counters, read by snapshots (EA-10)."""

    total: int = 0
    """Events seen."""
    reconciles: int = 0
    """Cycles that were due."""
    one_sided: int = 0
    """Cycles whose scope was one side."""
    filtered: int = 0
    """Events that were waiting when a cycle took them along."""
    max_priority: int = 0
    """The most urgent cause so far."""
    by_cause: dict[Cause, int] = field(default_factory=dict)


class EventAccumulator:
    """Buffers events of one desk and says when a cycle is due."""

    def __init__(self, config: AccumulatorConfig) -> None:
        """Nothing is due before the first event."""
        self.config = config
        self.affected = AffectedTracker()
        self.stats = AccumulatorStats()
        self.pending = 0
        """Events since the last cycle."""
        self.last_reconcile: Ns | None = None
        self.last_full: Ns | None = None
        """When both sides were last looked at in one cycle."""
        self.throttle = Ns(0)
        """Least time between two cycles that only the market or the clock asks for, where the allowance is small."""
        self.paying = EVERYWHERE
        """Between which mids none of our orders would lose by a fill: a move beyond is more than the market's wish."""
        self._is_urgent = False
        """Whether something of ours, or a gate, asks for the next cycle."""
        self._debounce = millis(config.debounce_ms)
        self._fallback = millis(config.fallback_ms)
        self._cause: Cause | None = None
        self._priority = Priority.TIMER
        self._since: Ns | None = None
        self._mid2 = 0
        self._reference_mid2 = 0
        """Where the mid was at the last cycle of both sides; 0 before the first mid."""
        self._reach = 0.0
        """A move beyond this from there triggers."""
        self._displaced = 0
        """Books in a row that found the mid displaced, signed by the direction."""

    @property
    def accumulated_bps(self) -> Bps:
        """Net displacement of the mid since the last cycle of both sides."""
        reference = self._reference_mid2
        return Bps(abs(self._mid2 - reference) / reference * 1e4) if reference else Bps(0.0)

    def since_last(self, now: Ns) -> Ns | None:
        """Time since the last cycle; None before the first."""
        return None if self.last_reconcile is None else Ns(now - self.last_reconcile)

    # --- events ---------------------------------------------------------------------------------

    def on_mid(self, mid2: int, now: Ns) -> None:
        """The book changed; twice its mid is now ``mid2``.

        It is a move of the price when it is far enough from the mid of the last cycle of both sides (EA-02), or when
        it stays away from it for a whole buffer of books (EA-01). What comes back counts for nothing.
        """
        self._count(now)
        self._mid2 = mid2
        net = mid2 - self._reference_mid2
        low, high = self.paying
        if not low <= mid2 / 2 <= high:
            self.affected.on_price()
            self._raise(Cause.MID_MOVE, Priority.MID_MOVE, now)
            self._is_urgent = True
            return
        if net == 0:
            self._displaced = 0
            return
        if net == mid2:
            self._refer_to(mid2)
            return
        step = 1 if net > 0 else -1
        self._displaced = displaced = self._displaced + step if self._displaced * step > 0 else step
        if net * step > self._reach:
            self.affected.on_price()
            self._raise(Cause.MID_MOVE, Priority.MID_MOVE, now)
        elif displaced * step == self.config.buffer:
            self.affected.on_price()
            self._raise(Cause.BUFFER, Priority.BUFFER, now)

    def on_trade(self, side: Side, now: Ns) -> None:
        """A public trade took from that side of the book. It is no move of the price: the mid tells of those."""
        self._count(now)
        self.affected.on_side(side)
        self._raise(Cause.TRADE, Priority.TRADE, now)

    def on_fill(self, side: Side, now: Ns, *, is_full: bool) -> None:
        """One of our orders was filled: due at once, subject to the debounce."""
        self._count(now)
        self.affected.on_side(side)
        priority = Priority.FULL_FILL if is_full else Priority.PARTIAL_FILL
        self._raise(Cause.FILL, priority, now)

    def on_side_event(self, side: Side, now: Ns) -> None:
        """One of our orders was refused, cancelled or became unclear."""
        self._count(now)
        self.affected.on_side(side)
        self._raise(Cause.SIDE_EVENT, Priority.SIDE_EVENT, now)

    def on_gate(self, now: Ns) -> None:
        """A gate opened, or has another reason: both sides, after the debounce, so that flicker does not quote."""
        self.affected.on_price()
        self._raise(Cause.GATE, Priority.GATE, now)

    def force(self, now: Ns) -> None:
        """A gate closed on quotes: both sides, without waiting for the debounce."""
        self.affected.on_price()
        self._raise(Cause.FORCED, Priority.FORCED, now)

    # --- decisions ------------------------------------------------------------------------------

    def due_at(self) -> Ns | None:
        """When the next cycle is due if nothing else happens."""
        if self._cause is Cause.FORCED or self.last_reconcile is None or self.last_full is None:
            return self._since  # before the first cycle any event makes one due, and that one is of both sides
        earliest = Ns(self.last_reconcile + (self._debounce if self._is_urgent else max(self._debounce, self.throttle)))
        if self._cause is not None:
            return earliest
        return max(earliest, Ns(self.last_full + self._fallback))

    def take(self, now: Ns) -> QuoteUpdateTrigger | None:
        """The trigger that is due, or None; taking it starts the next accumulation."""
        due = self.due_at()
        if due is None or now < due:
            return None
        touched = self.affected.take()
        is_timer = self._cause is None or self._is_overdue(now)
        scope = FULL_SCOPE if is_timer else touched
        cause = self._cause or Cause.TIMER
        trigger = QuoteUpdateTrigger(cause, scope, now, self._priority)
        stats = self.stats
        stats.reconciles += 1
        stats.filtered += max(self.pending - 1, 0)
        stats.by_cause[cause] = stats.by_cause.get(cause, 0) + 1
        self.last_reconcile = now
        if scope.is_full:
            self.last_full = now
            self._refer_to(self._mid2)
        else:
            stats.one_sided += 1
        self.pending = 0
        self._cause = self._since = None
        self._is_urgent = False
        self._priority = Priority.TIMER
        return trigger

    def _refer_to(self, mid2: int) -> None:
        self._reference_mid2 = mid2
        self._reach = self.config.mid_move_bps * mid2 / 1e4
        self._displaced = 0

    def _is_overdue(self, now: Ns) -> bool:
        """Whether the fallback is due too: then the cycle of one side becomes one of both."""
        return self.last_full is None or now >= self.last_full + self._fallback

    def _count(self, now: Ns) -> None:
        self.stats.total += 1
        self.pending += 1
        if self._since is None:
            self._since = now

    def _raise(self, cause: Cause, priority: Priority, now: Ns) -> None:
        self._is_urgent |= cause not in OF_THE_MARKET
        if self._cause is None or priority > self._priority:
            self._cause = cause
            self._priority = priority
            self._since = now
        self.stats.max_priority = max(self.stats.max_priority, priority)
