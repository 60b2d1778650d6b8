"""How old market data may be, in one place: the ladder from careful to halted (C-04).

Each rung is acted on by whoever it concerns: risk (`caution_s`, `halt_s`), the desk's data gate (`gate_s`), the
supervisor of the connections (`reading_s`, `user_s`). What counts is the age of the book that would be quoted on, by
the venue's stamps where its clock is known (`orchestrator.desk.market`).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from annotated_types import Interval

FRESH_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StalenessConfig:
    """The rungs, in seconds; each one is above those before it."""

    caution_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 5.0
    """On data older than this, in seconds, quotes stand wider, are smaller, and no level is added."""
    reading_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 10.0
    """Each check of the supervisor that finds data older than this, in seconds, is a stale reading."""
    gate_s: Annotated[float, Interval(gt=0, le=1e6)] | None = FRESH_S
    """On data older than this, in seconds, the desk cancels and does not quote."""
    halt_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 30.0
    """Data older than this, in seconds, is an anomaly of its own, and halts, unless we are about to connect anew."""
    user_s: Annotated[float, Interval(gt=0, le=1e6)] | None = 60.0
    """No order update and no fill for so long, in seconds: people are told, and the account is read. Nothing else:
    a quiet market has none."""
    grace_attempts: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 5
    """So many failed attempts to get a connection with data are waited for before that halt."""
    invalid_messages: Annotated[int, Interval(ge=1, le=1_000_000_000)] | None = 10
    """So many messages in a row that cannot be true make as careful as data older than `caution_s`."""
    spread_factor: Annotated[float, Interval(ge=1, le=1e6)] = 1.5
    """How much wider."""
    size_factor: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """How much smaller."""
    adds_levels: bool = False
    """Whether a level that has no order yet gets one while careful."""

    def __post_init__(self) -> None:
        """Refuse a ladder whose rungs are not in order."""
        rungs = [(name, value) for name in RUNGS if (value := getattr(self, name)) is not None]
        for (lower, low), (upper, high) in pairwise(rungs):
            if low >= high:
                raise ValueError(f"{upper} {high:g} is not above {lower} {low:g}")


RUNGS = ("caution_s", "reading_s", "gate_s", "halt_s")
"""Ages of market data, from the first to the last."""


def fresh_for(ladder: StalenessConfig | None) -> float:
    """Age in seconds up to which figures call data fresh: that of the gate; where there is none, of the usual one."""
    gate = None if ladder is None else ladder.gate_s
    return FRESH_S if gate is None else gate
