"""The venue answers that it did what it never did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.commands import AnyAction, Cancel, Modify, Place, Request, Route, ScheduleCancel
from domain.events import AnyResult, Cancelled, Feed, Replied, Resting, Scheduled
from domain.units import Ns, Oid
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.base import REQUEST_LINKS, Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Sender, Session
from sim.world import World

_FIRST_OID = 1 << 60
"""No order of the venue has such an id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessAlthoughNotApplied:
    """Trading requests end at a server that says yes and forgets them.

    A placement is answered with an id that no order has, a cancel as done while the order still rests, a
    modify with the id of a successor that does not exist while the old order rests.
    """

    kind: Literal["success_although_not_applied"] = "success_although_not_applied"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.1
    """Share of the requests that are forgotten."""
    requests: Annotated[tuple[Literal[RequestKind.PLACE, RequestKind.CANCEL, RequestKind.MODIFY], ...], MinLen(1)] = (
        RequestKind.PLACE,
        RequestKind.CANCEL,
        RequestKind.MODIFY,
    )
    """What they ask for: `place`, `cancel`, `modify`; a query is never forgotten."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.005, 0.1)}
    figures: ClassVar[tuple[str, ...]] = ("forgotten", "place", "cancel", "modify")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `forgotten` in all, and `place`, `cancel`, `modify` of them."""
        injected = prepare(self, world, session, "forgotten")
        dice = injected.dice(world, "forgotten")
        liar = _Liar(session)

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            request = envelope.payload
            if not isinstance(request, Request) or envelope.kind not in self.requests or dice() >= self.share:
                return None
            injected.counts["forgotten"] += 1
            injected.counts[str(envelope.kind)] += 1
            liar.answer(request, envelope.kind)
            return ()

        return tamper(injected, world, session, REQUEST_LINKS, judge, self.when)


class _Liar:
    """Answers requests in the venue's stead, by the way on which they came."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._oid = _FIRST_OID

    def answer(self, request: Request, kind: RequestKind) -> None:
        session = self._session
        is_rest = request.route is Route.REST
        sender = Sender(session, request.request_id, None if is_rest else session.epoch(Feed.USER), session.life, kind)
        reply = Replied(request.request_id, Ns(0), self._results(request.actions))
        way = session.links[LinkName.ORDER_REST if is_rest else LinkName.ORDER_SOCKET]
        env = session.world.env
        env.call_in(way.latency(env.now), session.reply, sender, reply)

    def _results(self, actions: Sequence[AnyAction]) -> tuple[AnyResult, ...]:
        results: list[AnyResult] = []
        for action in actions:
            match action:
                case Place(cloid=cloid) | Modify(place=Place(cloid=cloid)):
                    self._oid += 1
                    results.append(Resting(Oid(self._oid), cloid))
                case Cancel():
                    results.append(Cancelled())
                case ScheduleCancel():
                    results.append(Scheduled())
        return tuple(results)
