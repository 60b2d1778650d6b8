"""What the venue says of the account's allowance is not so."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from msgspec.structs import replace

from domain.events import QuotaReport, Replied
from domain.units import Ns, Usd
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.base import Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class FalseQuotaKind(StrEnum):
    """What is wrong with an answer."""

    TOO_MANY = "too_many"
    """Far more actions were used, another number each time."""
    BACKWARDS = "backwards"
    """Fewer actions were used than before: `by` fewer than there were."""
    CAP = "cap"
    """The allowance is not that of the volume."""
    MISSING = "missing"
    """No answer comes."""
    TOO_RICH = "too_rich"
    """More was traded, as much each time, and the allowance goes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseQuota:
    """Answers about the account's allowance are not true, or do not come. The venue itself counts rightly."""

    kind: Literal["false_quota"] = "false_quota"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 120.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    what: FalseQuotaKind = FalseQuotaKind.TOO_MANY
    """What is wrong: `too_many`, `backwards`, `cap`, `missing`, `too_rich`."""
    by: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 1_000_000
    """Actions by which a count or an allowance is wrong."""

    ranges: ClassVar[Mapping[str, Range]] = {"by": Range(10, 1_000_000_000), "duration_s": Range(10.0, 600.0)}
    figures: ClassVar[tuple[str, ...]] = ("reports",)

    def install(self, world: World, session: Session) -> Injected:
        """Counts `reports` that were not true, or did not come."""
        injected = prepare(self, world, session, "reports")
        worth = self.by * world.config.limits.address.usd_per_action

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            events = envelope.payload
            if envelope.kind is not RequestKind.QUERY or not isinstance(events, tuple | list):
                return None
            reply = events[0]
            if not isinstance(reply, Replied) or not any(isinstance(each, QuotaReport) for each in reply.results):
                return None
            injected.counts["reports"] += 1
            if self.what is FalseQuotaKind.MISSING:
                return ()
            turn = injected.counts["reports"]
            results = tuple(
                self._falsify(each, turn, Usd(worth)) if isinstance(each, QuotaReport) else each
                for each in reply.results
            )
            return (Parcel(Ns(0), (replace(reply, results=results),)),)

        return tamper(injected, world, session, (LinkName.REPLY,), judge, self.when)

    def _falsify(self, report: QuotaReport, turn: int, worth: Usd) -> QuotaReport:
        """``worth``: volume that earns as many actions as it is wrong by, in micro-USD."""
        match self.what:
            case FalseQuotaKind.TOO_MANY:
                return replace(report, used=report.used + (self.by * 2 if turn % 2 else self.by))
            case FalseQuotaKind.BACKWARDS:
                return replace(report, used=max(report.used - self.by, 0))
            case FalseQuotaKind.TOO_RICH:
                return replace(report, traded=Usd(report.traded + worth), cap=report.cap + self.by)
            case _:
                return replace(report, cap=report.cap + self.by)
