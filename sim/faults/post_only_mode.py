"""As after an upgrade of the network: for a while nothing but post-only orders is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import OrderUpdate, Reason
from domain.units import AccountId
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOnlyMode:
    """Nobody can take, so nothing trades; quotes can be placed and cancelled (hummingbot#6730)."""

    kind: Literal["post_only_mode"] = "post_only_mode"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 600.0)}

    def install(self, world: World, session: Session) -> Injected:
        """Counts `windows`, and orders of the trader `refused` in them."""
        injected = prepare(self, world, session, "windows")
        switches = world.venue.switches

        def begin(_: Injected) -> None:
            switches.post_only += 1
            injected.counts["windows"] += 1

        def end(_: Injected) -> None:
            switches.post_only -= 1

        def count(account: AccountId, update: OrderUpdate) -> None:
            if injected.is_striking and account == session.account:
                injected.counts["refused"] += update.reason is Reason.POST_ONLY_MODE

        world.venue.taps.on_update.append(count)
        return launch(injected, world, begin, end, session=session, when=self.when)
