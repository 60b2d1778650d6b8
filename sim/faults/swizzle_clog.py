"""Ways are stopped one after another and released in another order: what was held comes in a burst."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import Ns
from sim.envelope import Envelope, LinkName, Parcel
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import NOW_AND_THEN, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SwizzleClog:
    """In each strike a random part of the five ways is clogged: messages wait, none is lost.

    A way is stopped somewhere in the first third of the strike and released somewhere in the last, each for itself.
    """

    kind: Literal["swizzle_clog"] = "swizzle_clog"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 120.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = NOW_AND_THEN
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.6
    """Chance of each way to be clogged; at least one is."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.2, 1.0, is_log=False)}
    figures: ClassVar[tuple[str, ...]] = ("ways", "held")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `ways` clogged, and `held` messages."""
        injected = prepare(self, world, session, "ways")
        dice = injected.dice(world, "ways")
        clogged: dict[LinkName, tuple[Ns, Ns]] = {}

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            stopped_at, released_at = clogged[envelope.link]
            now = world.env.now
            if not stopped_at <= now < released_at:
                return None
            injected.counts["held"] += 1
            return (Parcel(Ns(released_at - now), envelope.payload),)

        def begin(_: Injected) -> None:
            start, length = world.env.now, injected.strike_ends_at - world.env.now
            names = [name for name in LinkName if dice() < self.share] or [list(LinkName)[dice.below(len(LinkName))]]
            for name in names:
                first, last = dice() / 3, 1 - dice() / 3
                clogged[name] = Ns(start + round(length * first)), Ns(start + round(length * last))
                session.links[name].tampers.append(judge)
            injected.counts["ways"] += len(names)

        def end(_: Injected) -> None:
            for name in clogged:
                session.links[name].tampers.remove(judge)
            clogged.clear()

        return launch(injected, world, begin, end, session=session, when=self.when)
