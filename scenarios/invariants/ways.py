"""Time in which the trader could have taken an order out: its process acts, and some way to the venue works (L4, S11).

Nobody cancels anything with a process that is dead or stands still, while nothing is answered, or while the venue takes
the trader's key for a stranger's. A way works that has answered lately, unless it was asked again and is silent; of two
one is enough. How long such times may last is for other rules to say.
"""

from collections import OrderedDict
from typing import NamedTuple

from domain.commands import AnyCommand, Request, Route
from domain.events import AnyEvent, Cancelled, Executed, Reason, Refused, Replied, Resting
from domain.units import NS_PER_S, Ns, RequestId
from scenarios.invariants.base import Scope
from scenarios.invariants.rates import is_too_much
from scenarios.memory import keep

ANSWERS = 5
"""Answers that prove, after something was to be done, that some way to the venue works."""
WORKS = Ns(30 * NS_PER_S)
"""So long after an answer a way still counts as working: a trader in doubt asks no less often."""
SILENT = Ns(10 * NS_PER_S)
"""On a way that was asked, and on which nothing has been answered for longer since, nothing can be done."""
ROUTES_KEPT = 5_000
SIGNS_AGAIN = Ns(90 * NS_PER_S)
"""Longer than any pause between two tries of a trader whose signature is not taken."""
AWAKE = Ns(5 * NS_PER_S)
"""Who has not decided for longer, although it wanted to be woken, stands still."""


class Mark(NamedTuple):
    """A moment, by what counts."""

    worked: Ns
    answers: int


class Ways:
    """How much time has counted so far. L4 lets it go on, once a second, and S11 reads it, too."""

    def __init__(self) -> None:
        """Nothing was answered."""
        self._answers = 0
        self._answered_at: dict[Route | None, Ns] = {}
        """When each way showed last that it works; None: an answer to nothing that was seen to leave."""
        self._asked_at: dict[Route | None, Ns] = {}
        """The first request on each way since something was answered there."""
        self._routes: OrderedDict[RequestId, Route] = OrderedDict()
        self._stranger_at: Ns | None = None
        """When an answer last did not know who signs; None: what was signed since was taken for ours."""
        self._worked = Ns(0)
        self._looked_at = Ns(0)

    def begin_life(self) -> None:
        """Another process waits for no answer."""
        self._asked_at.clear()

    def send(self, command: AnyCommand, now: Ns) -> None:
        """Note what asks for an answer, and on which way."""
        if type(command) is Request:
            self._asked_at.setdefault(command.route, now)
            keep(self._routes, command.request_id, command.route, ROUTES_KEPT)

    def hear(self, event: AnyEvent | None, now: Ns) -> None:
        """Count answers; that too much was asked is none, but it is not silence."""
        if type(event) is not Replied:
            return
        route = self._routes.get(event.request_id)
        self._asked_at.pop(route, None)
        if any(map(is_too_much, event.results)):
            return
        self._answers += 1
        self._answered_at[route] = now
        for result in event.results:
            if isinstance(result, Refused | Cancelled | Resting | Executed):
                is_strange = isinstance(result, Refused) and result.reason is Reason.UNKNOWN_SIGNER
                self._stranger_at = now if is_strange else None

    def look(self, scope: Scope, now: Ns) -> None:
        """Time went by, and counts if a cancel could have worked in it."""
        elapsed, self._looked_at = now - self._looked_at, now
        if scope.run is None or not scope.run.is_running:
            return
        has_way = any(self._works(route, now) for route in self._answered_at)
        has_key = self._stranger_at is None or now - self._stranger_at > SIGNS_AGAIN
        if has_way and has_key and is_awake(scope, now):
            self._worked = Ns(self._worked + elapsed)

    def _works(self, route: Route | None, now: Ns) -> bool:
        """Whether a way has answered lately, and does not leave us without an answer since."""
        is_silent = now - self._asked_at.get(route, now) > SILENT
        return not is_silent and now - self._answered_at[route] <= WORKS

    def mark(self) -> Mark:
        """The present moment."""
        return Mark(self._worked, self._answers)

    def is_longer(self, since: Mark, bound: Ns) -> bool:
        """Whether more time than ``bound`` has counted since a moment."""
        return self._worked - since.worked > bound and self._answers - since.answers >= ANSWERS


def is_awake(scope: Scope, now: Ns) -> bool:
    """Whether it decided lately, or nothing is overdue: some want to be woken every five seconds, some never."""
    if now - scope.decided_at <= AWAKE:
        return True
    deadline = scope.belief.next_deadline()
    return deadline is None or now <= deadline
