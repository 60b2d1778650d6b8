"""Rates: the venue's meters are never met, nothing futile is repeated, attempts are spaced, scarcity is no spiral.

S24 to S26 and L7. The venue's meters are the truth here: what the trader counts itself is not asked.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from domain.commands import TRADING, AnyAction, AnyCommand, Cancel, Connect, Modify, Place, Request
from domain.events import (
    AnyResult,
    Feed,
    FeedDown,
    OpenOrdersReport,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
)
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, RequestId
from runtime.own_orders import spread
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.invariants.sending import placements

MINUTE = Ns(60 * NS_PER_S)
SETTLED = Ns(120 * NS_PER_S)
"""So long after somebody else has used up our limits the trader may still not know how much is left."""
SQUEEZES = frozenset(("rate_limit_squeeze", "shared_ip"))
"""Faults by which others use up our limits."""
METERS = frozenset(("ip_weight", "messages", "posts_in_flight", "connections", "subscriptions", "actions"))
"""Limits of how much may be asked. How many orders may rest is another matter: they are refused one by one."""
NOW_AND_THEN = Ns(5 * NS_PER_S)
REQUESTS_KEPT = 2_000
TOO_MUCH = frozenset((Reason.RATE_LIMITED, Reason.TOO_MANY_IN_FLIGHT, Reason.QUOTA_EXHAUSTED))
BREATH = Ns(NS_PER_S)
"""Whoever places again so soon after the venue said that it is too much has not waited (S26)."""
REPEATS = 3
"""Identical refusals of identical requests; one more within a minute is futile (S25)."""
SPIRAL = 6
"""Refusals for the used allowance within a minute: one action every ten seconds is what the venue grants (L7)."""

OF_THE_MOMENT = frozenset(
    (
        Reason.POST_ONLY_WOULD_CROSS,
        Reason.IOC_NO_MATCH,
        Reason.EXPIRED,
        Reason.RATE_LIMITED,
        Reason.QUOTA_EXHAUSTED,
        Reason.TOO_MANY_IN_FLIGHT,
        Reason.POST_ONLY_MODE,
        Reason.HALTED,
        Reason.CANCEL_ONLY,
        Reason.OPEN_INTEREST,
        Reason.UNKNOWN_SIGNER,
        Reason.INVALID_NONCE,
    )
)
"""Refusals that speak of the book, the way, the key or the minute, not of the request: the same one may be right a
moment later."""

OF_A_STATE = frozenset(
    (
        Reason.EXPIRED,
        Reason.POST_ONLY_MODE,
        Reason.HALTED,
        Reason.CANCEL_ONLY,
        Reason.OPEN_INTEREST,
        Reason.UNKNOWN_SIGNER,
        Reason.INVALID_NONCE,
    )
)
"""Those of them that will be met again by any request as long as a state lasts. How often the others may be met is the
business of the meters and of the budget (S24, L7), or, where they speak of a book that has moved since, of nobody."""
OF_THE_KEY = frozenset((Reason.UNKNOWN_SIGNER, Reason.INVALID_NONCE))
"""Those of them that are bad luck as soon as the venue takes another signature of ours."""
OF_THE_CLOCK = frozenset((Reason.EXPIRED,))
"""And as soon as it takes something that expires: a clock that is right now and then is no state."""
OF_THE_MARKET = frozenset((Reason.HALTED, Reason.CANCEL_ONLY))
"""And what is over in an instrument as soon as an order is taken there: it takes none in such a state. The next such
refusal is of another one, of which nobody could know."""
CROWD = 20
"""Requests about one instrument refused for one such reason; more within a minute are futile, whatever was asked. The
waits of both sides (5 s, 10 s, 20 s, each after three refusals that cost nothing) leave room for fourteen (S25)."""


class MetersNeverMet(Invariant):
    """S24: no request is turned away for being too many, while nobody else uses our limits and the trader knows them.

    And cancels never queue behind placements: of one instrument they leave first.
    """

    id = "S24"
    rule = "the venue's meters turn nothing of ours away; cancels leave before placements of the same decision"

    def __init__(self, scope: Scope) -> None:
        """Nothing was turned away."""
        super().__init__(scope)
        self._refused: dict[str, int] = {}
        self._squeezed_until = Ns(0)
        self._strikes = 0

    def on_block(self, block: Block) -> None:
        """Others may use up our limits for less than a second."""
        if self.scope.truth.is_squeezed():
            self._squeezed_until = Ns(block.now + SETTLED)

    def on_second(self, now: Ns) -> None:
        """Compare the counts of what was turned away, now and then: they only grow."""
        if now % NOW_AND_THEN >= NS_PER_S:
            return
        refused = {name: count for name, count in self.scope.truth.refusals().items() if name in METERS}
        before, self._refused = self._refused, refused
        if self._was_squeezed():
            self._squeezed_until = Ns(now + SETTLED)
        if now < self._squeezed_until or not self.scope.is_limited:
            return
        self.compared += 1
        for name, count in refused.items():
            if count > before.get(name, 0):
                self.fail(f"{count - before.get(name, 0)} requests met the limit of {name} before {now} ns")

    def _was_squeezed(self) -> bool:
        """Whether others have since the last look: between two blocks, or while the venue made none."""
        faults = () if self.scope.run is None else self.scope.run.faults
        strikes = sum(fault.injected for fault in faults if fault.kind in SQUEEZES)
        before, self._strikes = self._strikes, strikes
        return strikes > before

    def on_commands(self, step: Step) -> None:
        """Look at the order of requests."""
        placed: set[InstrumentId] = set()
        for command in step.commands:
            if type(command) is not Request:
                continue
            action = command.actions[0]
            if isinstance(action, Place | Modify):
                placed.add(action.instrument if isinstance(action, Place) else action.place.instrument)
            elif type(action) is Cancel:
                self.compared += 1
                if action.instrument in placed:
                    text = f"the cancels of request {command.request_id} wait behind placements in {action.instrument}"
                    self.fail(text, *(a.cloid for a in command.actions if type(a) is Cancel and a.cloid))


@dataclass(slots=True)
class Refusals:
    """The same refused for the same reason, again and again."""

    reason: Reason
    count: int
    told_at: Ns


@dataclass(slots=True)
class Crowd:
    """Whatever was refused in one market for one state."""

    told: deque[Ns] = field(default_factory=deque)
    """When, within a minute."""
    left_at: Ns = Ns(0)
    """When the latest of these requests had left."""


class NoFutileRetry(Invariant):
    """S25: what was refused three times in a row for the same reason is left alone for a minute.

    Where the reason is a state of the venue, of our clock or of our key, whatever is asked is the same question: then
    everything of an instrument counts.
    In a row: neither was it accepted in between, nor did the venue say that an order rests whose cancel it refuses.
    What left before the last refused request, and was taken, says nothing of the state since.
    """

    id = "S25"
    rule = (
        "an identical request is not sent a fourth time within a minute after three identical definite refusals; "
        "what a state forbids is asked for no more than 20 times a minute"
    )

    def __init__(self, scope: Scope) -> None:
        """Nothing was refused."""
        super().__init__(scope)
        self._sent: OrderedDict[RequestId, tuple[Ns, tuple[AnyAction, ...]]] = OrderedDict()
        self._refusals: OrderedDict[tuple[object, ...], Refusals] = OrderedDict()
        self._crowds: dict[tuple[InstrumentId | None, Reason], Crowd] = {}

    def on_life(self) -> None:
        """Another process asks for itself, and has to find out what is refused."""
        self._sent.clear()
        self._refusals.clear()
        self._crowds.clear()

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """Note what is asked."""
        if type(command) is Request:
            self._sent[command.request_id] = now, command.actions
            if len(self._sent) > REQUESTS_KEPT:
                self._sent.popitem(last=False)

    def on_news(self, step: Step) -> None:
        """Count what was refused."""
        event = step.event
        if type(event) is not Replied:
            return
        sent = self._sent.pop(event.request_id, None)
        if sent is None:
            return
        at, actions = sent
        states: dict[tuple[InstrumentId | None, Reason], None] = {}
        for action, result in zip(actions, spread(event.results, len(actions)), strict=False):
            if type(result) is Refused:
                if result.reason in OF_A_STATE:
                    states[_market(action), result.reason] = None
                elif result.reason not in OF_THE_MOMENT:
                    self._count(action, result.reason, at, step.now)
            else:
                self._forget(action, result, at)
        for name, reason in states:
            self._crowd(name, reason, at, step.now)

    def _forget(self, action: AnyAction, result: AnyResult, sent_at: Ns) -> None:
        """Accepted, or told to rest: a new refusal is the first one."""
        if self._crowds and isinstance(action, TRADING):
            is_order, market = isinstance(action, Place | Modify), _market(action)
            for (name, reason), crowd in tuple(self._crowds.items()):
                is_over = reason in OF_THE_KEY or (is_order and reason in OF_THE_CLOCK)
                is_open = is_order and reason in OF_THE_MARKET and name == market
                if (is_over or is_open) and sent_at > crowd.left_at:
                    del self._crowds[name, reason]
        self._refusals.pop(_what(action), None)
        match result:
            case OrderStatusReport(update=OrderUpdate(status=OrderStatus.OPEN, cloid=cloid)):
                self._refusals.pop(("cancel", cloid), None)
            case OpenOrdersReport(orders=orders):
                for order in orders:
                    self._refusals.pop(("cancel", order.cloid), None)
            case _:
                pass

    def _crowd(self, name: InstrumentId | None, reason: Reason, sent_at: Ns, now: Ns) -> None:
        """One more request for a reason that lasts."""
        self.compared += 1
        crowd = self._crowds.setdefault((name, reason), Crowd())
        crowd.left_at = max(crowd.left_at, sent_at)
        times = crowd.told
        times.append(now)
        while now - times[0] >= MINUTE:
            times.popleft()
        if len(times) > CROWD:
            self.fail(f"{len(times)} requests refused within a minute in {name or 'the account'}: {reason}")
            times.clear()

    def _count(self, action: AnyAction, reason: Reason, sent_at: Ns, now: Ns) -> None:
        self.compared += 1
        key = _what(action)
        found = self._refusals.get(key)
        if found is None or found.reason is not reason or sent_at - found.told_at > MINUTE:
            self._refusals[key] = Refusals(reason, 1, now)
            self._refusals.move_to_end(key)
            if len(self._refusals) > REQUESTS_KEPT:
                self._refusals.popitem(last=False)
        elif sent_at >= found.told_at:  # what was under way with the last one was asked before anybody knew
            found.count, found.told_at = found.count + 1, now
            if found.count > REPEATS:
                self.fail(f"refused {found.count} times within a minute each ({reason}): {action}", *_keys(action))


def _what(action: AnyAction) -> tuple[object, ...]:
    """What is asked, without what makes each request another one."""
    match action:
        case Place():
            return "place", action.instrument, action.side, action.px, action.sz, action.tif, action.reduce_only
        case Modify(cloid=cloid, place=place):
            return "modify", cloid, place.px, place.sz
        case Cancel(cloid=cloid, oid=oid):
            return "cancel", cloid or oid
        case _:
            return (type(action).__name__, str(action))


def _market(action: AnyAction) -> InstrumentId | None:
    """The instrument that an action is about; None: the account."""
    place = action.place if isinstance(action, Modify) else action
    return getattr(place, "instrument", None)


def _keys(action: AnyAction) -> tuple[Cloid, ...]:
    cloid = getattr(action, "cloid", None)
    return () if cloid is None else (cloid,)


def is_too_much(result: AnyResult) -> bool:
    """Whether a request was turned away because too much was asked."""
    return isinstance(result, Refused) and result.reason in TOO_MUCH


class SpacedAttempts(Invariant):
    """S26: connections are tried again after waits with chance in them, and no more often than the venue takes.

    Nor is anything opened at once after the venue has turned a request away for being too much.
    """

    id = "S26"
    rule = (
        "connections made within a minute stay below the venue's limit; waits between attempts are never alike; "
        "whoever was turned away for being too much waits"
    )

    def __init__(self, scope: Scope) -> None:
        """Nothing was tried."""
        super().__init__(scope)
        self._tries: deque[Ns] = deque()
        self._down: dict[Feed, Ns] = {}
        self._waited: dict[Feed, Ns] = {}
        self._turned_away: Ns | None = None
        """When this life was told so last."""

    def on_life(self) -> None:
        """The waits of another process."""
        self._down.clear()
        self._waited.clear()
        self._turned_away = None

    def on_news(self, step: Step) -> None:
        """Note when a connection is known to be down, and when something was turned away."""
        if type(step.event) is FeedDown:
            self._down[step.event.feed] = step.now
        elif type(step.event) is Replied and any(map(is_too_much, step.event.results)):
            self._turned_away = step.now

    def on_commands(self, step: Step) -> None:
        """Look at each attempt."""
        since = self._turned_away
        if since is not None and step.now - since < BREATH:
            for place, _, _ in placements(step.commands):
                self.compared += 1
                if not place.reduce_only:
                    passed = (step.now - since) / NS_PER_S
                    self.fail(f"placed {passed:.1f} s after a request was turned away for being too much", place.cloid)
                    self._turned_away = None  # once for each time that it did not wait
                    break
        for command in step.commands:
            if type(command) is Connect:
                self.compared += 1
                self._check_rate(step.now)
                self._check_wait(command.feed, step.now)

    def _check_rate(self, now: Ns) -> None:
        tries = self._tries
        tries.append(now)
        while now - tries[0] >= MINUTE:
            tries.popleft()
        most = self.scope.truth.limits.socket.new_connections
        if len(tries) > most:
            self.fail(f"{len(tries)} attempts to connect within a minute before {now} ns, the venue takes {most}")

    def _check_wait(self, feed: Feed, now: Ns) -> None:
        down = self._down.pop(feed, None)
        if down is None:
            return
        waited, before = Ns(now - down), self._waited.get(feed)
        self._waited[feed] = waited
        if waited == before:
            self.fail(f"two waits for {feed} in a row were {waited} ns to the last one: there is no chance in them")


class NoDeathSpiral(Invariant):
    """L7: with the account's allowance used up the trader goes on with what it is granted, and is not turned away.

    Progress is an action that the venue counts. Whoever has both sides at the market needs none.
    """

    id = "L7"
    rule = "with the allowance used up, refusals stay few, and quotes that are missing come back one by one"

    def __init__(self, scope: Scope) -> None:
        """The allowance is not used up."""
        super().__init__(scope)
        self._refused: deque[tuple[Ns, int]] = deque()
        self._last = (-1, Ns(0))
        """Actions counted, and when there was last one more or nothing to be done."""
        self._sides: set[tuple[InstrumentId, int]] = set()

    def on_ours(self, block: Block) -> None:
        """Which sides are at the market."""
        self._sides = {(order.instrument, int(order.side)) for order in block.resting.values()}

    def on_second(self, now: Ns) -> None:
        """Look while there is nothing left, now and then."""
        if now % NOW_AND_THEN >= NS_PER_S:
            return
        scope = self.scope
        used, cap = scope.truth.actions()
        calm, run = scope.calm_since, scope.run
        is_idle = len(self._sides) == 2 * len(scope.belief.desks) or scope.belief.phase != "quoting"
        if used < cap or calm is None or run is None or not run.is_running or run.is_stopping:
            self._refused.clear()
            self._last = used, now
            return
        self.compared += 1
        if used != self._last[0] or is_idle or any(desk.gate is not None for desk in scope.belief.desks.values()):
            self._last = used, now
        elif now - max(self._last[1], calm) > scope.bounds.heal:
            self.fail(f"no action for {(now - self._last[1]) / NS_PER_S:.0f} s with {used} of {cap} used at {now} ns")
        self._check_refused(now)

    def _check_refused(self, now: Ns) -> None:
        count = self.scope.truth.refusals().get("actions", 0)
        samples = self._refused
        samples.append((now, count))
        while now - samples[0][0] > MINUTE:
            samples.popleft()
        if count - samples[0][1] > SPIRAL:
            self.fail(f"{count - samples[0][1]} refusals of a used allowance within the minute before {now} ns")
