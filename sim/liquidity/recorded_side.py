"""One side of a recorded book, and the orders of ours that stand in its queues.

Parts of `sim.liquidity.shadow`, which says what is assumed. Nothing here knows time or the other side.
"""

from collections.abc import Sequence

from domain.events import Level
from domain.limits import VenueLimits
from domain.units import Oid, Px, Side, Sz
from sim.liquidity.base import Admit, Execution, MatchResult, RestingOrder
from sim.liquidity.queue_models import QueueModel, QueuePlace

UNKNOWN_DEPTH = Sz(1 << 62)
"""Lots ahead of an order whose level the record does not show."""

BOOK_DEPTH = VenueLimits().book_levels
"""Levels a side of a full recorded book: a shorter one shows the whole side."""


class Standing:
    """One order of ours and what is known of its recorded level."""

    __slots__ = ("level", "order", "place", "traded")

    def __init__(self, order: RestingOrder) -> None:
        self.order = order
        self.place: QueuePlace | None = None
        """None: the record has not shown the level since the order rests."""
        self.level = 0
        """Size of the level when the record stated it last."""
        self.traded = 0
        """Lots that traded there since."""

    @property
    def ahead(self) -> int:
        """Recorded lots that trade before us."""
        return UNKNOWN_DEPTH if self.place is None else self.place.ahead

    def pass_by(self, ahead: int, traded: int) -> None:
        """A trade at our price took `ahead` lots before us and `traded` lots of the record."""
        if self.place is not None:
            self.place.pass_by(ahead)
            self.traded += traded

    def see_level(self, size: int, model: QueueModel) -> None:
        """The record states the size of our level."""
        if self.place is None:
            self.place = model.join(self.order.side, self.order.px, size)
        else:
            self.place.resize(max(self.level - self.traded, 0), size)
        self.level = size
        self.traded = 0


class RecordedSide:
    """Recorded levels, what takers of ours took of them, and our resting orders."""

    __slots__ = ("levels", "own", "reach", "side", "taken")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.levels: dict[Px, int] = {}
        self.reach: Px | None = None
        """Price of the last level of a full book; None: the whole side is known."""
        self.taken: dict[Px, int] = {}
        """Lots from the front of a recorded queue that we had."""
        self.own: dict[Oid, Standing] = {}
        """By arrival."""

    # --- looking --------------------------------------------------------------------------------

    def is_better(self, px: int, other: int) -> bool:
        """Whether a taker meets `px` before `other`."""
        return px * self.side > other * self.side

    def recorded_best(self) -> Px | None:
        """Best recorded price."""
        pick = max if self.side > 0 else min
        return pick(self.levels, default=None)

    def best(self) -> Px | None:
        """Best price at which something is left: recorded lots that no taker of ours has had, or an order of ours."""
        return next((px for px in self.prices() if self.available(px) or self.queue_at(px)), None)

    def prices(self) -> list[Px]:
        """Prices with recorded lots or orders of ours, in the order in which takers meet them."""
        prices = set(self.levels)
        prices.update(standing.order.px for standing in self.own.values())
        return sorted(prices, reverse=self.side > 0)

    def size_at(self, px: Px) -> int | None:
        """Recorded lots at a price; None where the record does not reach."""
        if px in self.levels:
            return self.levels[px]
        return None if self.reach is not None and self.is_better(self.reach, px) else 0

    def available(self, px: Px) -> int:
        """Recorded lots that no taker of ours has had."""
        return max(self.levels.get(px, 0) - self.taken.get(px, 0), 0)

    def queue_first(self) -> list[Standing]:
        """Our orders as takers meet them: best price first, then by arrival."""
        return sorted(self.own.values(), key=lambda standing: -standing.order.px * self.side)

    def queue_at(self, px: Px) -> list[Standing]:
        """Our orders at a price, by arrival."""
        return [standing for standing in self.own.values() if standing.order.px == px]

    # --- what the record says -------------------------------------------------------------------

    def note_book(self, levels: Sequence[Level], model: QueueModel) -> None:
        """All recorded levels, best first."""
        self.levels = {px: int(sz) for px, sz, _ in levels}
        self.reach = levels[-1][0] if len(levels) >= BOOK_DEPTH else None
        self._clip_taken()
        for standing in self.own.values():
            size = self.size_at(standing.order.px)
            if size is not None:
                standing.see_level(size, model)

    def note_top(self, level: Level | None, model: QueueModel) -> None:
        """The best level; what was better is gone, what is worse is as it was."""
        if level is None:
            self.levels = {}
        else:
            px, sz, _ = level
            self.levels = {at: lots for at, lots in self.levels.items() if self.is_better(px, at)}
            self.levels[px] = int(sz)
        self._clip_taken()
        for standing in self.own.values():
            if level is None or self.is_better(standing.order.px, level[0]):
                standing.see_level(0, model)
            elif standing.order.px == level[0]:
                standing.see_level(level[1], model)

    def note_trade(self, px: Px, lots: int) -> None:
        """A trade took lots from the front of a level."""
        if px in self.levels:
            self.levels[px] -= lots
            if self.levels[px] <= 0:
                del self.levels[px]
        if px in self.taken:
            self.taken[px] = max(self.taken[px] - lots, 0)

    # --- what we take ---------------------------------------------------------------------------

    def mark_taken(self, limit: Px, lots: int) -> None:
        """We met so many recorded lots, from the best price on up to a limit: nobody gets those again."""
        for px in self.prices():
            if lots <= 0 or self.is_better(limit, px):
                break
            used = min(lots, self.available(px))
            if used:
                self.taken[px] = self.taken.get(px, 0) + used
                lots -= used

    def _clip_taken(self) -> None:
        """Of lots that are gone nothing is taken."""
        for px, lots in list(self.taken.items()):
            size = self.size_at(px)
            if size is not None:
                self.taken[px] = min(lots, size)
            if not self.taken[px]:
                del self.taken[px]


class Walk:
    """Lots that are handed out one maker after another: none of them twice."""

    __slots__ = ("_admit", "executions", "expired", "left", "refused")

    def __init__(self, lots: int, admit: Admit | None) -> None:
        self.left = lots
        self.executions: list[Execution] = []
        self.expired: list[RestingOrder] = []
        self.refused: list[RestingOrder] = []
        self._admit = admit

    def offer(self, maker: RestingOrder, lots: int) -> int:
        """Let a maker have up to so many of the lots that are left; returns how many it took."""
        asked = Sz(min(lots, maker.sz, self.left))
        if not asked:
            return 0
        admitted = asked if self._admit is None else self._admit(maker, maker.px, asked)
        if admitted:
            maker.sz = Sz(maker.sz - admitted)
            self.left -= admitted
            self.executions.append((maker, maker.px, Sz(admitted)))
        if admitted < asked:
            self.refused.append(maker)
        return admitted

    def result(self) -> MatchResult:
        """The walk as the front wants to know it."""
        return MatchResult(Sz(self.left), self.executions, self.expired, self.refused)
