"""What must hold, checked at every event of every run: one file a family, every rule in one tuple."""

from scenarios.invariants.accounting import AppliedAtOnce, AppliedOnce, Cash, NothingInvented, Position, ZeroSum
from scenarios.invariants.base import Invariant, Scope
from scenarios.invariants.exposure import Exposure, ExposureLimit, NoSelfCross, ReduceOnly
from scenarios.invariants.orders import Lifecycle, NoUnknownOrders, SettleBeforeRelease
from scenarios.invariants.venue import (
    CancelOnce,
    Conserved,
    FirstInFirstOut,
    NotCrossed,
    NoTradeThrough,
    OneEnd,
    OneHistory,
    PostOnlyNeverTakes,
)

INVARIANTS: tuple[type[Invariant], ...] = (
    AppliedOnce,
    AppliedAtOnce,
    Position,
    NothingInvented,
    Cash,
    ZeroSum,
    Lifecycle,
    SettleBeforeRelease,
    NoUnknownOrders,
    ExposureLimit,
    ReduceOnly,
    NoSelfCross,
    FirstInFirstOut,
    PostOnlyNeverTakes,
    NoTradeThrough,
    NotCrossed,
    OneEnd,
    CancelOnce,
    Conserved,
    OneHistory,
)
"""Every rule. The order is that of their work: S2 advances the ledger that S4, S1 and S5 read, S8 follows the
orders that S10, S11, S15 and S17 look at."""


def build_all(scope: Scope) -> tuple[Invariant, ...]:
    """Make one of each, giving each the others whose findings it reads."""
    once = AppliedOnce(scope)
    lives = Lifecycle(scope)
    exposure = Exposure(lives)
    shared: dict[type[Invariant], Invariant] = {
        AppliedOnce: once,
        AppliedAtOnce: AppliedAtOnce(scope, once.ledger),
        Position: Position(scope, once.ledger),
        Cash: Cash(scope, once.ledger),
        Lifecycle: lives,
        SettleBeforeRelease: SettleBeforeRelease(scope, lives),
        NoUnknownOrders: NoUnknownOrders(scope, lives),
        ExposureLimit: ExposureLimit(scope, exposure, lives),
        NoSelfCross: NoSelfCross(scope, exposure, lives),
    }
    return tuple(shared.get(kind) or kind(scope) for kind in INVARIANTS)


__all__ = ["INVARIANTS", "Invariant", "Scope", "build_all"]
