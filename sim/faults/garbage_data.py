"""Market data with impossible numbers: no price, a negative size, a price ten times too high."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from msgspec.structs import replace

from domain.events import AnyEvent, BboChanged, BookReported, Level, TradesPrinted
from domain.units import Px, Sz
from sim.faults.base import Injected, Range, distort, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class Garbage(StrEnum):
    """What is wrong with the numbers."""

    NO_PRICE = "no_price"
    """Prices are zero."""
    NEGATIVE_SIZE = "negative_size"
    """Sizes are negative."""
    ABSURD_PRICE = "absurd_price"
    """Prices are `factor` times what they are, on both sides: by itself the message looks sound."""
    ABSURD_SIZE = "absurd_size"
    """Sizes are `factor` times what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageData:
    """Some tops, books and trades carry numbers that cannot be."""

    kind: Literal["garbage_data"] = "garbage_data"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    garbage: Garbage = Garbage.NO_PRICE
    """What is wrong: `no_price`, `negative_size`, `absurd_price`, `absurd_size`."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.1
    """Share of the messages of market data that are wrong."""
    factor: Annotated[float, Interval(ge=0.001, le=1_000)] = 10.0
    """Of the absurd ones."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.0001, 0.05), "factor": Range(0.1, 10.0)}
    figures: ClassVar[tuple[str, ...]] = ("messages",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `messages` that are wrong."""
        injected = prepare(self, world, session, "messages")
        return distort(injected, world, session, self.share, self._spoil, self.when)

    def _spoil(self, event: AnyEvent) -> AnyEvent:
        match event:
            case BboChanged(bid=bid, ask=ask):
                return replace(event, bid=bid and self._level(bid), ask=ask and self._level(ask))
            case BookReported(bids=bids, asks=asks):
                return replace(event, bids=tuple(map(self._level, bids)), asks=tuple(map(self._level, asks)))
            case TradesPrinted(trades=trades):
                spoilt = tuple(replace(t, px=self._px(t.px), sz=self._sz(t.sz)) for t in trades)
                return replace(event, trades=spoilt)
            case _:
                return event

    def _level(self, level: Level) -> Level:
        px, sz, n = level
        return self._px(px), self._sz(sz), n

    def _px(self, px: Px) -> Px:
        match self.garbage:
            case Garbage.NO_PRICE:
                return Px(0)
            case Garbage.ABSURD_PRICE:
                return Px(round(px * self.factor))
            case _:
                return px

    def _sz(self, sz: Sz) -> Sz:
        match self.garbage:
            case Garbage.NEGATIVE_SIZE:
                return Sz(-sz)
            case Garbage.ABSURD_SIZE:
                return Sz(round(sz * self.factor))
            case _:
                return sz
