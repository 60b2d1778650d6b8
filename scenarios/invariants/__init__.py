"""What must hold, checked at every event of every run: one file a family, every rule in one tuple."""

from scenarios.invariants.accounting import AppliedAtOnce, AppliedOnce, Cash, NothingInvented, Position, ZeroSum
from scenarios.invariants.alerting import Alerted
from scenarios.invariants.base import Invariant, Scope
from scenarios.invariants.bounded import Bounded
from scenarios.invariants.control import CrashSafe, Killed, NamedState, NoSilentDeath
from scenarios.invariants.cycles import Accounted
from scenarios.invariants.data import SaneBook, StaleMeansWithdrawn
from scenarios.invariants.edges import KeptEdge
from scenarios.invariants.evidence import Ambiguity, DoubtsEnd, NoFalseEnd
from scenarios.invariants.exposure import Exposure, ExposureLimit, NoSelfCross, ReduceOnly
from scenarios.invariants.liveness import Agreement, CancelSucceeds, NothingInLimbo, Shrinks, TwoSided
from scenarios.invariants.orders import Lifecycle, NoUnknownOrders, SettleBeforeRelease
from scenarios.invariants.rates import MetersNeverMet, NoDeathSpiral, NoFutileRetry, SpacedAttempts
from scenarios.invariants.sending import Causal, IntentFirst, LimitsRead, OneName, WellFormed
from scenarios.invariants.signing import RunOnce
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
from scenarios.invariants.ways import Ways

INVARIANTS: tuple[type[Invariant], ...] = (
    AppliedOnce,
    AppliedAtOnce,
    Position,
    NothingInvented,
    Cash,
    ZeroSum,
    Lifecycle,
    NoFalseEnd,
    SettleBeforeRelease,
    NoUnknownOrders,
    OneName,
    IntentFirst,
    Ambiguity,
    ExposureLimit,
    ReduceOnly,
    NoSelfCross,
    WellFormed,
    LimitsRead,
    SaneBook,
    StaleMeansWithdrawn,
    Causal,
    Killed,
    MetersNeverMet,
    NoFutileRetry,
    SpacedAttempts,
    Bounded,
    NoSilentDeath,
    CrashSafe,
    TwoSided,
    Agreement,
    NothingInLimbo,
    CancelSucceeds,
    Shrinks,
    DoubtsEnd,
    NoDeathSpiral,
    NamedState,
    Alerted,
    Accounted,
    FirstInFirstOut,
    PostOnlyNeverTakes,
    NoTradeThrough,
    NotCrossed,
    OneEnd,
    RunOnce,
    CancelOnce,
    Conserved,
    OneHistory,
    KeptEdge,
)
"""Every rule. The order is that of their work: S2 advances the ledger that S4, S1 and S5 read, S8 follows the
orders that S9, S10, S11, S14, S15, S17, L2, L3 and L6 look at, S21 the market that S20 and L1 judge by, L1 the sides
that L8 looks for, L4 lets the time go on that S11 counts, too."""


def build_all(scope: Scope) -> tuple[Invariant, ...]:
    """Make one of each, giving each the others whose findings it reads."""
    once = AppliedOnce(scope)
    lives = Lifecycle(scope)
    exposure = Exposure(lives)
    sane = SaneBook(scope)
    sides = TwoSided(scope, sane.delivered)
    ways = Ways()
    shared: dict[type[Invariant], Invariant] = {
        AppliedOnce: once,
        AppliedAtOnce: AppliedAtOnce(scope, once.ledger),
        Position: Position(scope, once.ledger),
        Cash: Cash(scope, once.ledger),
        Lifecycle: lives,
        SettleBeforeRelease: SettleBeforeRelease(scope, lives),
        NoUnknownOrders: NoUnknownOrders(scope, lives, ways),
        ExposureLimit: ExposureLimit(scope, exposure, lives),
        ReduceOnly: ReduceOnly(scope, exposure),
        NoSelfCross: NoSelfCross(scope, exposure, lives),
        NoFalseEnd: NoFalseEnd(scope, lives),
        Ambiguity: Ambiguity(scope, lives),
        SaneBook: sane,
        StaleMeansWithdrawn: StaleMeansWithdrawn(scope, sane.delivered),
        TwoSided: sides,
        Agreement: Agreement(scope, lives),
        CancelSucceeds: CancelSucceeds(scope, ways),
        NothingInLimbo: NothingInLimbo(scope, lives),
        DoubtsEnd: DoubtsEnd(scope, lives),
        NamedState: NamedState(scope, sides),
    }
    return tuple(shared.get(kind) or kind(scope) for kind in INVARIANTS)


__all__ = ["INVARIANTS", "Invariant", "Scope", "build_all"]
