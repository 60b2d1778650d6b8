"""Lists of fills come in small pages that overlap."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from msgspec.structs import replace

from domain.events import Fill, FillsReport, Replied
from domain.units import Ns
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.base import Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Answers to questions for fills are cut into pages, and a page begins with rows from before what was asked for.

    Rows that were not asked for are no part of the page's size, so every page makes progress.
    """

    kind: Literal["paging"] = "paging"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    page: Annotated[int, Interval(ge=2, le=2_000)] = 10
    """Fills of a page."""
    overlap: Annotated[int, Interval(ge=0, le=2_000)] = 5
    """Fills of before that a page begins with."""

    ranges: ClassVar[Mapping[str, Range]] = {"page": Range(2, 100), "overlap": Range(1, 200)}
    figures: ClassVar[tuple[str, ...]] = ("answers", "cut", "repeated")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `answers` changed, `cut` ones, and fills `repeated`."""
        injected = prepare(self, world, session, "answers")
        venue, account = world.venue, session.account

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            events = envelope.payload
            if envelope.kind is not RequestKind.QUERY or not isinstance(events, tuple | list):
                return None
            reply = events[0]
            if not isinstance(reply, Replied) or not reply.results:
                return None
            report = reply.results[0]
            if not isinstance(report, FillsReport):
                return None
            paged = self._page(report, venue.fills(account))
            if paged == report:
                return None
            injected.counts["answers"] += 1
            injected.counts["cut"] += paged.is_complete != report.is_complete
            injected.counts["repeated"] += len(paged.fills) - min(len(report.fills), self.page)
            return (Parcel(Ns(0), (replace(reply, results=(paged,)),)),)

        return tamper(injected, world, session, (LinkName.REPLY,), judge, self.when)

    def _page(self, report: FillsReport, all_fills: Sequence[Fill]) -> FillsReport:
        asked = report.fills
        first = asked[0].exch_time if asked else report.as_of
        end = bisect_left(all_fills, first, key=lambda fill: fill.exch_time)
        before = all_fills[max(end - self.overlap, 0) : end]
        return FillsReport(report.as_of, (*before, *asked[: self.page]), report.is_complete and len(asked) <= self.page)
