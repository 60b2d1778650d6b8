"""Others trade from our IP address: the weight of a minute is one bucket for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.units import Ns, seconds
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedIp:
    """Several clients ask by REST and write to their sockets, in bursts; what we may ask depends on how much they did.

    What they ask for beyond the limits is turned away like ours, and costs nothing.
    """

    kind: Literal["shared_ip"] = "shared_ip"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    weight_per_minute: Annotated[float, Interval(ge=0, le=1e6)] = 2_000.0
    """Weight that they ask for by REST in a minute; the venue allows 1200 to the address."""
    messages_per_minute: Annotated[float, Interval(ge=0, le=1e6)] = 0.0
    """Messages that they send by socket in a minute; the venue allows 2000."""
    every_s: Annotated[float, Interval(ge=0.01, le=60)] = 1.0
    """Mean time between two of their bursts, exponential, in seconds."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "weight_per_minute": Range(200.0, 5_000.0),
        "messages_per_minute": Range(100.0, 4_000.0),
    }
    figures: ClassVar[tuple[str, ...]] = ("bursts", "refused")

    def install(self, world: World, session: Session) -> Injected:
        """Counts their `bursts`, and what we were `refused` meanwhile."""
        injected = prepare(self, world, session, "bursts")
        wire, dice = world.venue.wire(session.ip), injected.dice(world, "bursts")
        env = world.env

        def refused() -> int:
            return wire.ip.refused + wire.sockets.refused_messages

        def burst(strike_ends_at: Ns) -> None:
            if not injected.is_striking or injected.strike_ends_at != strike_ends_at:
                return
            share = self.every_s / 60
            injected.counts["bursts"] += 1
            asked, free = round(self.weight_per_minute * share), wire.ip.weight - wire.ip.window.used(env.now)
            wire.ip.charge(min(asked, max(free, 0)), env.now)
            for _ in range(round(self.messages_per_minute * share)):
                wire.sockets.messages.add(1, env.now)
            wait()

        def wait() -> None:
            env.call_in(seconds(dice.exponential(self.every_s)), burst, injected.strike_ends_at)

        injected.follow("refused", refused)

        def begin(_: Injected) -> None:
            wire.ip.shares.append(_WHOLE)
            wire.sockets.shares.append(_WHOLE)
            wait()

        def end(_: Injected) -> None:
            wire.ip.shares.remove(_WHOLE)
            wire.sockets.shares.remove(_WHOLE)

        return launch(injected, world, begin, end, session=session, when=self.when)


_WHOLE = 1.0
"""The limits are as large as ever, but not ours alone."""
