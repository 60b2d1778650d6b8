"""What a quote cycle did, and how much a desk moves its orders for each fill (layer 6; CH-34..40, MT-36).

Every cancel gives up a place in a queue and a piece of the allowance; what it may buy is a fill. Counted over the
latest cycles, from what was sent and from the fills that were booked (T-14).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Annotated, NamedTuple

from annotated_types import Interval

from domain.commands import Alert, Severity
from domain.units import InstrumentId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnConfig:
    """When people are told that orders move for nothing."""

    window: Annotated[int, Interval(ge=1, le=10_000)] = 100
    """Cycles that are looked at together."""
    ratio: Annotated[float, Interval(gt=0, le=1e3)] = 10.0
    """Cancels per fill above this are too many; so are cancels and modifies where they are `moves` a cycle, too."""
    moves: Annotated[float, Interval(gt=0, le=1e3)] = 1.0
    """Cancels and modifies a cycle, on average over the window: more of them is a desk that does not stand still."""
    cycles: Annotated[int, Interval(ge=1, le=10_000)] = 50
    """After so many cycles in a row with too many people are told, once until it is over."""


class CycleRecord(NamedTuple):
    """The account of one quote cycle: whatever its plan asked for is in one of the counts (MT-36, RU-11).

    Counts are actions; an order that is to be cancelled and placed anew asks for two of them.
    """

    time: Ns
    instrument: InstrumentId
    generated: int = 0
    """What the plan asked for, before anything was taken out of it; each order that the latch kept is one."""
    cancels: int = 0
    """Sent."""
    modifies: int = 0
    """Sent."""
    places: int = 0
    """Sent."""
    latched: int = 0
    """Orders that stayed although their targets had moved a little."""
    queued: int = 0
    """Those of them that stayed for the value of their place in the queue."""
    debounced: int = 0
    """Modifies that came too soon after the last one of their order."""
    paced: int = 0
    """Held back by the pace of the account."""
    gated: int = 0
    """Held back by any other gate."""

    @property
    def sent(self) -> int:
        """What left."""
        return self.cancels + self.modifies + self.places

    @property
    def suppressed(self) -> int:
        """What the layers against churn took out of the plan."""
        return self.debounced + self.paced

    @property
    def missing(self) -> int:
        """Generated, and in none of the other counts: always 0."""
        return self.generated - self.sent - self.latched - self.suppressed - self.gated


class CycleWork(NamedTuple):
    """What some cycles sent."""

    cancels: int = 0
    modifies: int = 0
    places: int = 0


NOTHING = CycleWork()


class ChurnTracker:
    """The latest cycles of one desk."""

    def __init__(self, config: ChurnConfig, instrument: InstrumentId, alert: Callable[[Alert], None]) -> None:
        """No cycle yet."""
        self.spirals = 0
        """How often people were told."""
        self._config = config
        self._instrument = instrument
        self._alert = alert
        self._cycles: deque[tuple[CycleWork, int]] = deque(maxlen=config.window)
        self._work = NOTHING
        self._fills = 0
        self._fills_since = 0
        self._too_many = 0
        """Cycles in a row with too many cancels per fill."""

    def on_fill(self) -> None:
        """One of our orders was filled, in part or in whole; it counts with the next cycle."""
        self._fills_since += 1

    def on_cycle(self, record: CycleRecord) -> None:
        """A cycle is over."""
        work = CycleWork(record.cancels, record.modifies, record.places)
        oldest, fills_of_oldest = (NOTHING, 0)
        if len(self._cycles) == self._config.window:
            oldest, fills_of_oldest = self._cycles[0]
        fills, self._fills_since = self._fills_since, 0
        self._cycles.append((work, fills))
        self._work = CycleWork(*(have + new - old for have, new, old in zip(self._work, work, oldest, strict=True)))
        self._fills += fills - fills_of_oldest
        self._too_many = self._too_many + 1 if self._is_too_much() else 0
        if self._too_many == self._config.cycles:
            self.spirals += 1
            work, n = self._work, len(self._cycles)
            text = (
                f"{self._instrument}: {work.cancels} cancels, {work.modifies} modifies, {work.places} placements and "
                f"{self._fills} fills in {n} cycles, of which {self.skip_rate:.0%} sent nothing"
            )
            self._alert(Alert(Severity.WARNING, "churn_spiral", text))

    @property
    def cancel_fill_ratio(self) -> float:
        """Cancels per fill; infinite where nothing was filled, 0 where nothing was cancelled either (CH-36)."""
        if self._fills:
            return self._work.cancels / self._fills
        return inf if self._work.cancels else 0.0

    def _is_too_much(self) -> bool:
        """Whether orders are cancelled again and again, or moved all the time, and hardly one is met."""
        moves, config = self._work.cancels + self._work.modifies, self._config
        if self.cancel_fill_ratio > config.ratio:
            return True
        return moves > config.moves * len(self._cycles) and moves > config.ratio * self._fills

    @property
    def skip_rate(self) -> float:
        """Share of the cycles that sent nothing (CH-38); 1 before the first."""
        if not self._cycles:
            return 1.0
        return sum(work == NOTHING for work, _ in self._cycles) / len(self._cycles)
