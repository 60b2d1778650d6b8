"""Books that cannot be: crossed, locked, with one side, or empty."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from msgspec.structs import replace

from domain.events import AnyEvent, BboChanged, BookReported, Level
from sim.faults.base import Injected, Range, distort, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class Shape(StrEnum):
    """What is wrong with a book."""

    CROSSED = "crossed"
    """The best bid stands above the best ask."""
    LOCKED = "locked"
    """Both stand at the same price."""
    NO_BIDS = "no_bids"
    NO_ASKS = "no_asks"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossedBook:
    """Tops and snapshots of the book are wrong in their shape; at the venue all is well."""

    kind: Literal["crossed_book"] = "crossed_book"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    shape: Shape = Shape.CROSSED
    """What is wrong with them: `crossed`, `locked`, `no_bids`, `no_asks`, `empty`."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of the messages that are wrong."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.01, 1.0), "duration_s": Range(1.0, 60.0)}
    figures: ClassVar[tuple[str, ...]] = ("messages",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `messages` that are wrong."""
        injected = prepare(self, world, session, "messages")
        return distort(injected, world, session, self.share, self._reshape, self.when)

    def _reshape(self, event: AnyEvent) -> AnyEvent:
        match event:
            case BboChanged(bid=bid, ask=ask):
                bids, asks = self._sides(() if bid is None else (bid,), () if ask is None else (ask,))
                return replace(event, bid=next(iter(bids), None), ask=next(iter(asks), None))
            case BookReported(bids=bids, asks=asks):
                bids, asks = self._sides(bids, asks)
                return replace(event, bids=bids, asks=asks)
            case _:
                return event

    def _sides(self, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        match self.shape:
            case Shape.NO_BIDS:
                return (), asks
            case Shape.NO_ASKS:
                return bids, ()
            case Shape.EMPTY:
                return (), ()
            case _ if not bids or not asks:
                return bids, asks
            case Shape.CROSSED:
                return (asks[0], *bids), (bids[0], *asks)
            case Shape.LOCKED:
                return (asks[0], *bids), asks
