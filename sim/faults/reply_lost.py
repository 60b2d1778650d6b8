"""The venue does what is asked, and the answer never arrives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from sim.envelope import LinkName, RequestKind
from sim.faults.base import Injected, Range, lose, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLost:
    """Answers vanish on their way back. What was asked has been done; the feeds still tell of its effects."""

    kind: Literal["reply_lost"] = "reply_lost"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of the answers that are lost."""
    requests: Annotated[tuple[RequestKind, ...], MinLen(1)] = tuple(RequestKind)
    """What they answer: `place`, `cancel`, `modify`, `query`."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.005, 0.3)}
    figures: ClassVar[tuple[str, ...]] = ("lost", *RequestKind)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `lost` in all, and `place`, `cancel`, `modify`, `query` of them."""
        return lose(prepare(self, world, session, "lost"), world, session, (LinkName.REPLY,), self)
