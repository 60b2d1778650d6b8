"""The venue does what is asked, and what comes back is an error page or half an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen
from msgspec.structs import replace

from domain.events import Replied
from domain.units import Ns
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.base import Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class Left(StrEnum):
    """What can still be read of an answer."""

    NOTHING = "nothing"
    """An error page, a body that cannot be parsed: no result at all."""
    FIRST_HALF = "first_half"
    """Fewer results than actions: those of the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAlthoughApplied:
    """Answers come without their results, as a 502 or a cut-off body does. It is never a refusal.

    A refusal is a statement about one order; an answer without a result states nothing.
    """

    kind: Literal["error_although_applied"] = "error_although_applied"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of the answers that are spoilt."""
    requests: Annotated[tuple[RequestKind, ...], MinLen(1)] = tuple(RequestKind)
    """What they answer: `place`, `cancel`, `modify`, `query`."""
    left: Left = Left.NOTHING
    """What can still be read of them; an answer to one action has no half, and is left alone then."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.005, 0.3)}
    figures: ClassVar[tuple[str, ...]] = ("spoilt", *RequestKind)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `spoilt` in all, and `place`, `cancel`, `modify`, `query` of them."""
        injected = prepare(self, world, session, "spoilt")
        dice = injected.dice(world, "spoilt")

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            events = envelope.payload
            reply = events[0] if isinstance(events, tuple | list) else None
            if not isinstance(reply, Replied) or envelope.kind not in self.requests:
                return None
            kept = 0 if self.left is Left.NOTHING else len(reply.results) // 2
            if (self.left is Left.FIRST_HALF and not kept) or dice() >= self.share:
                return None
            injected.counts["spoilt"] += 1
            injected.counts[str(envelope.kind)] += 1
            return (Parcel(Ns(0), (replace(reply, results=reply.results[:kept]),)),)

        return tamper(injected, world, session, (LinkName.REPLY,), judge, self.when)
