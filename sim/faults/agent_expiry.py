"""The key that signs for the trader is no longer valid: it has expired, or somebody has replaced it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.events import AnyEvent, Reason, Refused, Replied
from domain.units import Ns
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentExpiry:
    """Whatever is signed is refused, cancels and the dead-man switch included, until the owner approves the agent anew.

    Questions are not signed and are answered as ever. What had been scheduled at the venue stays scheduled.
    """

    kind: Literal["agent_expiry"] = "agent_expiry"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    prunes: bool = True
    """Whether the venue also forgets which nonces it has used: what was signed before could be sent again."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(2.0, 600.0)}
    figures: ClassVar[tuple[str, ...]] = ("expiries", "refused")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `expiries`, and requests `refused` in them."""
        injected = prepare(self, world, session, "expiries")
        signers = world.venue.signers

        def begin(_: Injected) -> None:
            signers.revoke(session.signer, prunes=self.prunes)
            injected.counts["expiries"] += 1

        def end(_: Injected) -> None:
            signers.approve(session.signer, session.account)

        def count(event: AnyEvent, _now: Ns) -> None:
            if isinstance(event, Replied):
                answers = (result for result in event.results if isinstance(result, Refused))
                injected.counts["refused"] += any(result.reason is Reason.UNKNOWN_SIGNER for result in answers)

        session.on_deliver.append(count)
        return launch(injected, world, begin, end, session=session, when=self.when)
