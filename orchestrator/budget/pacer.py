"""How fast the account's allowance of actions may be spent, and by what first (the third tier; RL-17..22, CH-31, C-11).

The allowance is a stock: spent at the pace at which it would last for the horizon, plus the pace at which fills earn.
The more urgent an action, the more of the window's budget it may use; danger is always let through. Cancels have a
cap of their own at the venue, and one here (C-27). Knows nothing of orders: who asks says how urgent it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from math import exp, log
from typing import Annotated, NamedTuple

from annotated_types import Interval

from domain.commands import Cancel, Modify, Place, Request
from domain.limits import VenueLimits
from domain.units import NS_PER_S, Ns, Usd, seconds
from orchestrator.budget.bucket import ImpulseConfig, TokenBucket
from orchestrator.budget.sliding import SlidingSum

MINUTE = seconds(60)
MOST_PER_MINUTE = 600
NEVER = Ns(-(10**18))


class OperationPriority(IntEnum):
    """How urgent an action is (RL-18): the lower, the sooner."""

    EMERGENCY = 0
    """Danger: it always goes."""
    HIGH = 1
    """A side without its best level, or an order that is far off."""
    NORMAL = 2
    """An order that serves no target, a gap further out, a drift that is not small."""
    LOW = 3
    """A small drift."""


class Operation(StrEnum):
    """What is counted apart (CH-31)."""

    MODIFY = "modify"
    PLACE = "place"
    CANCEL = "cancel"


OPERATIONS: Mapping[type, Operation] = {
    Modify: Operation.MODIFY,
    Place: Operation.PLACE,
    Cancel: Operation.CANCEL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingConfig:
    """How the allowance is spread over time and over what it is wanted for."""

    per_minute: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    """Most actions a minute, however large the allowance; off: 600, or as many as the venue takes messages."""
    reserve: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    """Share of the budget that is kept from what is urgent; from what is less urgent two and three times as much."""
    horizon_s: Annotated[float, Interval(gt=0, le=1e6)] = 86_400.0
    """What is left has to last so long, in seconds, if nothing is earned."""
    window_s: Annotated[float, Interval(gt=0, le=1e6)] = 1_800.0
    """The budget is that of so long a stretch, in seconds; of a minute where `per_minute` binds. Long enough that a
    small allowance is some actions (700 are 15 in half an hour), no longer than what fills earned is remembered:
    nothing is spent that was not earned."""
    earn_half_life_s: Annotated[float, Interval(gt=0, le=1e6)] = 1_800.0
    """Half-life of the memory of what fills have earned, in seconds."""
    modify_share: Annotated[float, Interval(ge=0, le=1)] = 0.4
    """Of the budget."""
    place_share: Annotated[float, Interval(ge=0, le=1)] = 0.4
    """The same for placements."""
    cancel_share: Annotated[float, Interval(ge=0, le=1)] = 0.2
    """The same for cancels, of a budget by their own cap."""
    lendable: Annotated[float, Interval(ge=0, le=1)] = 0.8
    """Of the shares that others have not used, what one may use beyond its own."""
    survival_s: Annotated[float, Interval(gt=0, le=1e6)] = 300.0
    """While anything is left, a side without an order gets its best level so often at least, in seconds, and one that
    is far off moves; sooner where the pace would bear that for both sides, if nothing else went."""
    impulse: ImpulseConfig | None = field(default_factory=ImpulseConfig)
    """How much may go at once; off: whatever the window's budget holds."""

    @property
    def shares(self) -> Mapping[Operation, float]:
        """Of each kind of action."""
        return {
            Operation.MODIFY: self.modify_share,
            Operation.PLACE: self.place_share,
            Operation.CANCEL: self.cancel_share,
        }


class Allowance(NamedTuple):
    """What the account has left of its actions."""

    left: int
    """For placements and modifies."""
    cancels: int
    """For cancels, which have a cap of their own."""


class Pace(NamedTuple):
    """What a window holds."""

    per_second: float
    cancels_per_second: float
    length: Ns

    def budget(self, operation: Operation | None = None) -> float:
        """Actions of a whole window: of all kinds, or by the cap of one."""
        rate = self.cancels_per_second if operation is Operation.CANCEL else self.per_second
        return rate * self.length / NS_PER_S


class BudgetPacer:
    """The third tier of one account."""

    def __init__(self, config: PacingConfig, limits: VenueLimits) -> None:
        """Nothing was sent or earned."""
        self.config = config
        self.limits = limits
        impulse, per_action = config.impulse, limits.address.usd_per_action
        self.bucket = None if impulse is None else TokenBucket(impulse, per_action)
        self._memory_s = config.earn_half_life_s / log(2)
        self._earned = 0.0
        """Actions that fills have earned, each worth the less the older it is."""
        self._earned_at = Ns(0)
        self._lengths = sorted({MINUTE, seconds(config.window_s)})
        self._sent = {kind: {length: SlidingSum(length) for length in self._lengths} for kind in Operation}
        messages = limits.socket.messages * NS_PER_S / limits.socket.window
        most = MOST_PER_MINUTE if config.per_minute is None else config.per_minute
        self._most_per_second = min(most / 60, messages)
        self.survived_at = NEVER
        """When something left last only because a side has to stay alive, sooner than once in `survival_s`."""

    # --- facts ----------------------------------------------------------------------------------

    def on_sent(self, request: Request, now: Ns) -> None:
        """Count what leaves."""
        n = self._count(request, 1, now)
        if self.bucket is not None and not isinstance(request.actions[0], Cancel):
            self.bucket.spend(n)

    def on_not_sent(self, request: Request, now: Ns) -> None:
        """It never arrived; what it took of the purse is gone all the same, and fills up again."""
        self._count(request, -1, now)

    def on_traded(self, value: Usd, now: Ns) -> None:
        """A fill of ours."""
        self._earned = self._fading(now) + value / self.limits.address.usd_per_action
        self._earned_at = now
        if self.bucket is not None:
            self.bucket.reward(value)

    # --- the pace -------------------------------------------------------------------------------

    def earning(self, now: Ns) -> float:
        """Actions a second that fills earn, by an exponential memory of them."""
        return self._fading(now) / self._memory_s

    def pace(self, allowance: Allowance, now: Ns) -> Pace:
        """What may be spent now: R = min(most, left / horizon + earned), for cancels by what they have left."""
        earning, horizon, most = self.earning(now), self.config.horizon_s, self._most_per_second
        stock = allowance.left / horizon + earning
        cancels = min(most, allowance.cancels / horizon + earning)
        length = MINUTE if stock >= most else seconds(self.config.window_s)
        return Pace(min(most, stock), cancels, length)

    def spent(self, operation: Operation, length: Ns, now: Ns) -> int:
        """Actions of a kind in the latest stretch; what was taken back may have been older than it."""
        return max(self._sent[operation][length].used(now), 0)

    def draft(self, allowance: Allowance, now: Ns) -> "Draft":
        """A look at what one cycle may send."""
        pace = self.pace(allowance, now)
        if self.bucket is not None:
            self.bucket.refill(pace.per_second, now)
        return Draft(self, allowance, pace, {kind: self.spent(kind, pace.length, now) for kind in Operation})

    def _count(self, request: Request, sign: int, now: Ns) -> int:
        operation, n = OPERATIONS.get(type(request.actions[0])), len(request.actions)
        if operation is None:
            return 0
        for total in self._sent[operation].values():
            total.add(sign * n, now)
        return n

    def _fading(self, now: Ns) -> float:
        return self._earned * exp(-max(now - self._earned_at, 0) / NS_PER_S / self._memory_s)


class Draft:
    """What one cycle has asked for so far, and whether it may have more."""

    def __init__(self, pacer: BudgetPacer, allowance: Allowance, pace: Pace, spent: dict[Operation, int]) -> None:
        """Nothing was asked for."""
        self.allowance = allowance
        self.pace = pace
        self._pacer = pacer
        self._config = pacer.config
        self._n_early = 0
        """Sides that this look lets live sooner than they would have to."""
        self._shares = pacer.config.shares
        self._bucket = pacer.bucket
        self._spent = spent
        self._asked = dict.fromkeys(Operation, 0)

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left: one action goes every so often, and that is for the tier of the allowance to say."""
        return self.allowance.left <= 0

    def admits(self, priority: OperationPriority, operations: tuple[Operation, ...]) -> bool:
        """Whether these may go, all of them or none; those that may are counted."""
        if priority is not OperationPriority.EMERGENCY and not self._has_room(priority, operations):
            return False
        self.take(operations)
        return True

    def take(self, operations: tuple[Operation, ...]) -> None:
        """They go, whatever the budget."""
        for operation in operations:
            self._spent[operation] += 1
            self._asked[operation] += 1

    def may_survive(self, now: Ns) -> bool:
        """Whether the account, all its instruments together, bears one more action for a side to stay alive."""
        since = now - self._pacer.survived_at
        if since * self.pace.per_second < (self._n_early + 1) * NS_PER_S:
            return False
        self._n_early += 1
        return True

    def on_survived(self, now: Ns) -> None:
        """It leaves."""
        self._pacer.survived_at = now

    def threshold(self, priority: OperationPriority) -> float:
        """Placements and modifies of the window below which this may go (RL-17)."""
        return max(1.0 - priority * self._config.reserve, 0.0) * self.pace.budget()

    def share(self, operation: Operation) -> float:
        """What a kind may use of the window: its own share, and what it may borrow (CH-31)."""
        budget, spent, shares = self.pace.budget(), self._spent, self._shares
        unused = sum(shares[kind] * budget - spent[kind] for kind in Operation if kind is not operation)
        return shares[operation] * self.pace.budget(operation) + self._config.lendable * max(unused, 0.0)

    def _has_room(self, priority: OperationPriority, operations: tuple[Operation, ...]) -> bool:
        bucket, spent = self._bucket, self._spent
        if bucket is not None:
            kept = bucket.config.reserve if priority > OperationPriority.HIGH else 0.0
            if self._cost(bucket, operations) > bucket.available - kept:
                return False
        if any(operation is not Operation.CANCEL for operation in operations):
            used = spent[Operation.MODIFY] + spent[Operation.PLACE]
            if used >= self.threshold(priority):
                return False
        return all(spent[operation] < self.share(operation) for operation in operations)

    def _cost(self, bucket: TokenBucket, operations: tuple[Operation, ...]) -> float:
        """Of all that the cycle would have asked for: each kind is one request. Cancels cost nothing here (C-27)."""
        charged = (kind for kind in Operation if kind is not Operation.CANCEL)
        return sum(bucket.cost(self._asked[kind] + operations.count(kind)) for kind in charged)
