"""Messages take longer for a while; none is lost, and a channel keeps its order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.units import millis
from sim.envelope import LinkName
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.links import Slowdown
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySpike:
    """Latency of some links becomes `factor` times what it is, plus `extra_ms`.

    What was sent before the spike is not held up. At its end later messages of a channel still wait
    for the slow ones before them, as on a real connection.
    """

    kind: Literal["latency_spike"] = "latency_spike"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """How long it lasts, in seconds of sending: what is sent inside is slow, even if it arrives later."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    links: Annotated[tuple[LinkName, ...], MinLen(1)] = tuple(LinkName)
    """The ways that become slow; all five unless some are named."""
    factor: Annotated[float, Interval(ge=0, le=100)] = 5.0
    """What the latency of each message is multiplied by; 1 leaves it as it is."""
    extra_ms: Annotated[float, Interval(ge=0, le=60_000)] = 0.0
    """Added to the latency of each message after the factor, in ms."""

    ranges: ClassVar[Mapping[str, Range]] = {"factor": Range(1.5, 50.0), "extra_ms": Range(1.0, 10_000.0)}
    figures: ClassVar[tuple[str, ...]] = ("messages",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `messages`, those sent into the spike."""
        slowdown = Slowdown(self.factor, millis(self.extra_ms))
        links = [session.links[name] for name in self.links]

        injected = prepare(self, world, session, "messages")
        injected.follow("messages", lambda: sum(link.sent for link in links))

        def begin(_: Injected) -> None:
            for link in links:
                link.slowdowns.append(slowdown)

        def end(_: Injected) -> None:
            for link in links:
                link.slowdowns.remove(slowdown)

        return launch(injected, world, begin, end, session=session, when=self.when)
