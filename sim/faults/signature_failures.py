"""Now and then a signature is over other bytes than those that arrive: the venue recovers another address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.ids import draw
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFailures:
    """A share of the signed requests is taken for a stranger's, and certainly not carried out (HLPY#54, #133)."""

    kind: Literal["signature_failures"] = "signature_failures"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.1
    """Share of the signed requests that is misread."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.005, 0.3)}
    figures: ClassVar[tuple[str, ...]] = ("misread",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `misread` requests."""
        injected = prepare(self, world, session, "misread")
        dice = injected.dice(world, "misread")
        misreads = world.venue.signers.misreads

        def misread(signer: str) -> str | None:
            if signer != session.signer or dice() >= self.share:
                return None
            injected.counts["misread"] += 1
            return f"0x{draw(world.seed, 'stranger', injected.counts['misread'], 20):040x}"

        def begin(_: Injected) -> None:
            misreads.append(misread)

        def end(_: Injected) -> None:
            misreads.remove(misread)

        return launch(injected, world, begin, end, session=session, when=self.when)
