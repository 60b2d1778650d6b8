"""Somebody else uses up what the venue allows: a neighbour behind the same IP address, another bot on the account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitSqueeze:
    """Of the limits only a part is left; what exceeds it is turned away, and certainly did not happen."""

    kind: Literal["rate_limit_squeeze"] = "rate_limit_squeeze"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(ge=0, le=1)] = 0.05
    """What is left of the IP address's limits: weight by REST and messages by socket in a minute."""
    actions_left: Annotated[int, Interval(ge=0, le=100_000)] | None = None
    """Actions that the account has left when it begins, whatever it earns meanwhile; none: its own."""

    ranges: ClassVar[Mapping[str, Range]] = {
        "share": Range(0.001, 0.5),
        "actions_left": Range(1, 500),
        "duration_s": Range(10.0, 600.0),
    }
    figures: ClassVar[tuple[str, ...]] = ("squeezes", "refused")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `squeezes`, and what was `refused` in them: requests, messages, actions."""
        injected = prepare(self, world, session, "squeezes")
        wire, actions = world.venue.wire(session.ip), world.venue.actions_of(session.account)
        ceilings: list[int] = []

        def refused() -> int:
            return wire.ip.refused + wire.sockets.refused_messages + actions.refused

        injected.follow("refused", refused)

        def begin(_: Injected) -> None:
            wire.ip.shares.append(self.share)
            wire.sockets.shares.append(self.share)
            if self.actions_left is not None:
                ceilings.append(actions.used + self.actions_left)
                actions.ceilings.append(ceilings[-1])
            injected.counts["squeezes"] += 1

        def end(_: Injected) -> None:
            wire.ip.shares.remove(self.share)
            wire.sockets.shares.remove(self.share)
            if ceilings:
                actions.ceilings.remove(ceilings.pop())

        return launch(injected, world, begin, end, session=session, when=self.when)
