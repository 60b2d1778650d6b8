"""What lies below the venue's front: the one interface that every kind of liquidity offers.

The front owns the rules (batches, checks, margin, fees, reports); liquidity owns queues and the
matching walk. Three things fit behind this interface: the reference book (`book.py`), the same on
arrays, compiled, and recorded or live books with a queue model. None of them knows time, money,
positions or what a venue calls a reject.

How the two share the work. The front *watches* some accounts. It takes every single action of
a watched account itself, with `match`, `add`, `remove` and `reduce`. Long stretches of background
flow go through `execute`, which runs them without asking anybody and stops in front of the first
operation that would touch a watched account::

    i = 0
    while True:
        stop = liquidity.execute(ops, i)
        publish(stop.trades)
        if stop.reason is StopReason.DONE:
            break
        take_with_checks(ops[stop.i])          # match(...), then add(...) what is left
        i = stop.i + 1

An unwatched account stands for a crowd and trades with itself, so the front matches its operations
with ``taker_account=NOBODY``.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, IntEnum
from typing import NamedTuple, Protocol, TypeAlias

from domain.units import AccountId, Oid, Px, Side, Sz, Tif

NOBODY = AccountId("")
"""Owner of orders that belong to nobody in particular: it may trade with itself."""


class RestingOrder:
    """One order in a queue. `sz` is what remains; only the liquidity changes it."""

    __slots__ = ("account", "oid", "px", "side", "sz")

    def __init__(self, oid: Oid, account: AccountId, side: Side, px: Px, sz: Sz) -> None:
        self.oid = oid
        self.account = account
        self.side = side
        self.px = px
        self.sz = sz

    def __repr__(self) -> str:
        name = "buy" if self.side > 0 else "sell"
        return f"<{self.oid} of {self.account!r}: {name} {self.sz} @ {self.px}>"


Admit: TypeAlias = Callable[[RestingOrder, Px, Sz], int]
"""``admit(maker, px, lots) -> lots admitted``: the owner's check at the moment of a match.

The answer is final: that many lots are executed at once, so the callback may book the fill before
it returns, and the next question about the same account sees it. An answer below the `lots` asked
for takes the rest of that maker out of the book (it shows in `MatchResult.refused`); the taker goes
on behind it. The callback may read the book, not change it. Inside one level it still sees makers
that are used up, with `sz` zero: they leave when the walk leaves the level.
"""

Execution: TypeAlias = tuple[RestingOrder, Px, Sz]
"""(maker, px, lots) of one pair of a match; the price is the maker's, whose `sz` is what it has left."""


class MatchResult(NamedTuple):
    """What a matching walk did, in the order in which it did it."""

    remaining: Sz
    executions: Sequence[Execution]
    expired: Sequence[RestingOrder]
    """Own resting orders taken out by self-trade prevention ("expire maker"); `sz` is what they had."""
    refused: Sequence[RestingOrder]
    """Makers that `admit` refused, wholly or in part; `sz` is what was taken out unfilled."""


class OpKind(IntEnum):
    """What an operation of background flow does. A modify is a cancel and a place."""

    PLACE = 0
    CANCEL = 1
    REDUCE = 2
    """Partial cancel by `sz` lots, or by what is left if that is less; the rest keeps its place."""


Op: TypeAlias = tuple[OpKind, Oid, AccountId, Side, Px, Sz, Tif]
"""(kind, oid, account, side, px, sz, tif); a cancel uses the first three, a reduce also `sz`."""


Trade: TypeAlias = tuple[int, Oid, Px, Sz]
"""(i, maker, px, lots): inside `execute` operation `i` took so many lots from order `maker`."""


class Reject(Enum):
    """Why an operation did nothing."""

    WOULD_CROSS = "would cross"
    """Post-only, but some part would match at once."""
    NO_MATCH = "no match"
    """Immediate-or-cancel, and nothing to match with inside its limit."""
    UNKNOWN_ORDER = "unknown order"
    """Never placed, already gone, or somebody else's."""


class StopReason(Enum):
    """Why `execute` returned."""

    DONE = "done"
    WATCHED_ACCOUNT = "watched account"
    """The operation itself comes from a watched account."""
    WATCHED_MAKER = "watched maker"
    """The operation would trade with an order of a watched account."""


class Stop(NamedTuple):
    """Where `execute` stopped: nothing of `ops[i]` was done, everything before it was."""

    i: int
    reason: StopReason
    trades: Sequence[Trade]
    rejects: Sequence[tuple[int, Reject]]


class Liquidity(Protocol):
    """Queues and the matching walk of one instrument."""

    @property
    def watched(self) -> AbstractSet[AccountId]:
        """Accounts whose every action and fill goes through the front."""

    def watch(self, account: AccountId) -> None:
        """Watch `account` from now on, with what it has resting."""

    def best_bid(self) -> Px | None:
        """Highest resting buy price."""

    def best_ask(self) -> Px | None:
        """Lowest resting sell price."""

    def levels(self, side: Side, n: int) -> list[tuple[Px, Sz, int]]:
        """The best `n` levels of a side, best first: price, total size, number of orders."""

    def get(self, oid: Oid) -> RestingOrder | None:
        """The resting order of that id."""

    def depth_ahead(self, oid: Oid) -> Sz:
        """Lots of the same level that trade before this order."""

    def would_cross(self, side: Side, px: Px) -> bool:
        """Whether an order at that price would match at once."""

    def add(self, oid: Oid, account: AccountId, side: Side, px: Px, sz: Sz) -> RestingOrder:
        """Rest an order at the end of its queue, without matching."""

    def remove(self, oid: Oid) -> RestingOrder:
        """Take an order out."""

    def reduce(self, oid: Oid, by: Sz) -> RestingOrder:
        """Take `by` lots off an order, which keeps its place; at zero it is gone."""

    def match(
        self,
        side: Side,
        px_limit: Px | None,
        sz: Sz,
        taker_account: AccountId = NOBODY,
        admit: Admit | None = None,
    ) -> MatchResult:
        """Let a taker of `sz` lots walk the other side up to `px_limit` (None: to its end).

        Its own orders in the way expire, unless it is `NOBODY`. What remains of it does not rest.
        """

    def execute(self, ops: Sequence[Op], i: int = 0) -> Stop:
        """Run background operations from `i` on until one would touch a watched account."""
