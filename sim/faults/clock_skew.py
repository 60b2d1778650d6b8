"""Our wall clock goes wrong, so that what we send expires too early, or too late."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.commands import AnyCommand, Request
from domain.units import NS_PER_S, Ns
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkew:
    """The clock by which an expiry becomes a moment jumps, drifts, and is set right at the end.

    Time inside the process is monotonic and not touched, nor is any stamp of the venue. A clock that is behind
    makes orders expire before they arrive, one that is ahead lets them arrive after we gave them up.
    """

    kind: Literal["clock_skew"] = "clock_skew"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=3_600)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    step_s: Annotated[float, Interval(ge=-120, le=120)] = -3.0
    """By how much the clock jumps at the begin, in seconds; negative is behind."""
    drift_ppm: Annotated[float, Interval(ge=-100_000, le=100_000)] = 0.0
    """How fast it goes on drifting, in microseconds per second."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "step_s": Range(-120.0, 120.0, is_log=False),
        "drift_ppm": Range(-200.0, 200.0, is_log=False),
    }

    def install(self, world: World, session: Session) -> Injected:
        """Counts `expiring` requests that left by the wrong clock."""
        injected = prepare(self, world, session, "expiring")
        skew, since = Ns(0), Ns(0)

        def set_clock() -> None:
            nonlocal skew
            drift = (world.env.now - since) * self.drift_ppm / 1e6
            now = Ns(round(self.step_s * NS_PER_S + drift)) if injected.is_striking else Ns(0)
            session.skew = Ns(session.skew + now - skew)
            skew = now

        def on_send(command: AnyCommand, _now: Ns) -> None:
            if injected.is_striking and isinstance(command, Request) and command.expires_in is not None:
                injected.counts["expiring"] += 1
                set_clock()

        def begin(_: Injected) -> None:
            nonlocal since
            since = world.env.now
            set_clock()

        session.on_send.append(on_send)
        return launch(injected, world, begin, lambda _: set_clock(), session=session, when=self.when)
