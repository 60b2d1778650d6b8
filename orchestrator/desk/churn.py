"""How much a desk moves its orders for each fill (layer 6; CH-34..40).

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
from domain.units import InstrumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnConfig:
    """When people are told that orders move for nothing."""

    window: Annotated[int, Interval(ge=1, le=10_000)] = 100
    """Cycles that are looked at together."""
    ratio: Annotated[float, Interval(gt=0, le=1e3)] = 10.0
    """Cancels per fill above this are too many."""
    cycles: Annotated[int, Interval(ge=1, le=10_000)] = 50
    """After so many cycles in a row with too many people are told, once until it is over."""


class CycleWork(NamedTuple):
    """What one cycle sent."""

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

    def on_cycle(self, work: CycleWork) -> None:
        """A cycle is over."""
        oldest, fills_of_oldest = (NOTHING, 0)
        if len(self._cycles) == self._config.window:
            oldest, fills_of_oldest = self._cycles[0]
        fills, self._fills_since = self._fills_since, 0
        self._cycles.append((work, fills))
        self._work = CycleWork(*(have + new - old for have, new, old in zip(self._work, work, oldest, strict=True)))
        self._fills += fills - fills_of_oldest
        self._too_many = self._too_many + 1 if self.cancel_fill_ratio > self._config.ratio else 0
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

    @property
    def skip_rate(self) -> float:
        """Share of the cycles that sent nothing (CH-38); 1 before the first."""
        if not self._cycles:
            return 1.0
        return sum(work == NOTHING for work, _ in self._cycles) / len(self._cycles)
