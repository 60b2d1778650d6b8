"""As after an upgrade of the network: for a while nothing but post-only orders is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import OrderStatus, OrderUpdate, Reason
from domain.units import AccountId
from sim.faults.base import Injected, Range, prepare, throw_switch
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
    figures: ClassVar[tuple[str, ...]] = ("windows", "placed", "refused")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts `windows`, and in them orders of the trader that were `placed`, or `refused` for the mode."""
        injected = prepare(self, world, session, "windows")
        switches = world.venue.switches

        def hold(more: int) -> None:
            switches.post_only += more

        def count(account: AccountId, update: OrderUpdate) -> None:
            if injected.is_striking and account == session.account:
                injected.counts["placed"] += update.status is OrderStatus.OPEN

        world.venue.taps.on_update.append(count)
        return throw_switch(injected, world, session, self.when, hold=hold, reason=Reason.POST_ONLY_MODE)
