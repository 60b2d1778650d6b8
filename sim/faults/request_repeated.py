"""Something between us and the venue sends a signed request twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import Ns, seconds
from sim.envelope import Envelope, Parcel, RequestKind
from sim.faults.base import REQUEST_LINKS, Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRepeated:
    """The same bytes arrive again: only the nonce tells the venue that it has carried them out already.

    The refusal of the copy may come before the answer to the original.
    """

    kind: Literal["request_repeated"] = "request_repeated"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of the requests that arrive twice; queries are left alone."""
    mean_s: Annotated[float, Interval(gt=0, le=10)] = 0.2
    """Mean time from a request to its copy, exponential, in seconds."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.01, 0.5), "mean_s": Range(0.01, 2.0)}
    figures: ClassVar[tuple[str, ...]] = ("copies", "place", "cancel", "modify")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `copies` in all, and `place`, `cancel`, `modify` of them."""
        injected = prepare(self, world, session, "copies")
        dice = injected.dice(world, "copies")
        delays = injected.dice(world, "delay")

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            if envelope.kind in (None, RequestKind.QUERY) or dice() >= self.share:
                return None
            injected.counts["copies"] += 1
            injected.counts[str(envelope.kind)] += 1
            delay = seconds(delays.exponential(self.mean_s))
            return Parcel(Ns(0), envelope.payload), Parcel(delay, envelope.payload, keeps_order=False)

        return tamper(injected, world, session, REQUEST_LINKS, judge, self.when)
