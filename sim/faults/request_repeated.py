"""Something between us and the venue sends a signed request twice."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.commands import Request
from domain.events import Reason, Refused, Replied
from domain.units import Ns, RequestId, seconds
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.base import REQUEST_LINKS, Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World

TURNED_AWAY = frozenset((Reason.RATE_LIMITED, Reason.QUOTA_EXHAUSTED, Reason.TOO_MANY_IN_FLIGHT))
"""Refusals at the door, which use up no nonce: another copy may still be let in."""
KEPT = 1_000
"""Requests whose copies were not all answered; the oldest is forgotten first, since some answers never come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRepeated:
    """The same bytes arrive again: only the nonce tells the venue that it has carried them out already.

    The refusal of the copy may come before the answer to the original. But who sends a request again is after its
    answer: that one of the two was too much is passed on only where the other was, too. So "too many requests" still
    says that nothing happened, as it does wherever one request has one answer.
    """

    kind: Literal["request_repeated"] = "request_repeated"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of the requests that arrive twice; queries are left alone."""
    mean_s: Annotated[float, Interval(gt=0, le=10)] = 0.2
    """Mean time from a request to its copy, exponential, in seconds."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.01, 0.5), "mean_s": Range(0.01, 2.0)}
    figures: ClassVar[tuple[str, ...]] = ("copies", "place", "cancel", "modify")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `copies` in all, and `place`, `cancel`, `modify` of them."""
        injected = prepare(self, world, session, "copies")
        answers = _Answers(session)
        session.links[LinkName.REPLY].tampers.append(answers.judge)
        dice = injected.dice(world, "copies")
        delays = injected.dice(world, "delay")

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            if envelope.kind in (None, RequestKind.QUERY) or dice() >= self.share:
                return None
            injected.counts["copies"] += 1
            injected.counts[str(envelope.kind)] += 1
            delay = seconds(delays.exponential(self.mean_s))
            answers.expect(envelope.payload)
            return Parcel(Ns(0), envelope.payload), Parcel(delay, envelope.payload, keeps_order=False)

        return tamper(injected, world, session, REQUEST_LINKS, judge, self.when)


class _Answers:
    """What comes back to requests that went twice, from the venue's side of the way."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._missing: OrderedDict[tuple[int, RequestId], int] = OrderedDict()
        """Answers to come, by life and number of the request."""
        self._answered: set[tuple[int, RequestId]] = set()
        """Those of them of which an answer was passed on."""

    def expect(self, payload: object) -> None:
        """Two answers will come to this request, as far as they come."""
        if not isinstance(payload, Request):
            return
        self._missing[self._session.life, payload.request_id] = 2
        if len(self._missing) > KEPT:
            self._answered.discard(self._missing.popitem(last=False)[0])

    def judge(self, envelope: Envelope) -> tuple[Parcel, ...] | None:
        """Keep back that one copy was too much, while the other is under way and after it was answered."""
        events = envelope.payload
        reply = events[0] if isinstance(events, tuple) else None
        if not isinstance(reply, Replied):
            return None
        key = (self._session.life, reply.request_id)
        if key not in self._missing:
            return None
        left = self._missing[key] = self._missing[key] - 1
        passes = not _is_turned_away(reply) or not (left or key in self._answered)
        if passes:
            self._answered.add(key)
        if not left:
            del self._missing[key]
            self._answered.discard(key)
        return None if passes else ()


def _is_turned_away(reply: Replied) -> bool:
    return any(isinstance(result, Refused) and result.reason in TURNED_AWAY for result in reply.results)
