"""Our wall clock goes wrong, so that what we send expires too early, or too late, and its nonces go astray."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.commands import AnyCommand, Request
from domain.units import NS_PER_S, Ns, seconds
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class ClockShape(StrEnum):
    """What becomes of a clock after its first jump; with a step of zero and a drift it only drifts."""

    STEP = "step"
    """It stays where it is."""
    STROBE = "strobe"
    """It jumps back and forth: as far behind as it was ahead, and back."""
    BACKWARDS = "backwards"
    """It is set back by the step again and again."""


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
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    step_s: Annotated[float, Interval(ge=-120, le=120)] = -3.0
    """By how much the clock jumps at the begin, in seconds; negative is behind."""
    drift_ppm: Annotated[float, Interval(ge=-100_000, le=100_000)] = 0.0
    """How fast it goes on drifting, in microseconds per second."""
    shape: ClockShape = ClockShape.STEP
    """What the jump does then."""
    every_s: Annotated[float, Interval(ge=0.01, le=3_600)] = 1.0
    """How often it jumps again, in seconds, where the shape says that it does."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "step_s": Range(-120.0, 120.0, is_log=False),
        "drift_ppm": Range(-200.0, 200.0, is_log=False),
    }
    figures: ClassVar[tuple[str, ...]] = ("expiring",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `expiring` requests that left by the wrong clock."""
        injected = prepare(self, world, session, "expiring")
        since = Ns(0)

        def offset(now: Ns) -> Ns:
            return self._offset(Ns(now - since))

        def on_send(command: AnyCommand, _now: Ns) -> None:
            if injected.is_striking and isinstance(command, Request):
                injected.counts["expiring"] += command.expires_in is not None

        def begin(_: Injected) -> None:
            nonlocal since
            since = world.env.now
            session.skews.append(offset)

        def end(_: Injected) -> None:
            session.skews.remove(offset)

        session.on_send.append(on_send)
        return launch(injected, world, begin, end, session=session, when=self.when)

    def _offset(self, passed: Ns) -> Ns:
        """How far the clock is ahead so long after the begin of a strike."""
        jumps = passed // seconds(self.every_s)
        step = self.step_s
        match self.shape:
            case ClockShape.STROBE:
                step = -step if jumps % 2 else step
            case ClockShape.BACKWARDS:
                step = -abs(step) * (jumps + 1)
        return Ns(round(step * NS_PER_S + passed * self.drift_ppm / 1e6))
