"""What was asked of the venue, and what came back: from the record alone, whatever the trader knew."""

from dataclasses import dataclass, field

from domain.commands import AnyAction, AnyCommand, Cancel, Modify, Place, QueryOrder, Request, Route
from domain.events import (
    AnyEvent,
    AnyResult,
    Cancelled,
    Feed,
    FeedDown,
    Fill,
    NotSent,
    OpenOrdersReport,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
)
from domain.units import Cloid, Ns, RequestId, Side, millis
from orchestrator.budget.rejection import speaks_against

STUCK = millis(5_000.0)
"""A placement of which nothing was heard for so long is stuck (DG-10)."""
Moment = tuple[int, Ns]
"""Record and time."""


@dataclass(slots=True)
class Asked:
    """One request."""

    record: int
    at: Ns
    request: Request
    answer: Moment | None = None
    """Its answer, or that it was not sent."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One order that was refused."""

    record: int
    at: Ns
    side: Side | None
    reason: Reason
    text: str

    @property
    def speaks_against(self) -> bool:
        """Whether it counts against its side: not its price, nor its way."""
        return speaks_against(Refused(self.reason, self.text))


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A placement, and the first word about it."""

    cloid: Cloid
    sent: Moment
    heard: Moment | None

    @property
    def waited(self) -> Ns | None:
        """How long nothing was heard; None: for ever."""
        return None if self.heard is None else Ns(self.heard[1] - self.sent[1])


@dataclass(frozen=True, slots=True)
class Ending:
    """The first word that an order is over."""

    record: int
    at: Ns
    how: str
    """What it said."""


@dataclass(slots=True)
class Requests:
    """Every request of every life, and every order that was asked for."""

    asked: list[Asked] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    never_arrived: dict[Cloid, Moment] = field(default_factory=dict)
    """Placements without an answer that the venue did not know when it was asked, with the moment of its word."""
    told_when_asked: dict[Cloid, Moment] = field(default_factory=dict)
    """Placements that the venue had taken, of which the first word was the answer to a question, with its moment.
    Not those whose answer was lost with its connection."""
    ended: dict[Cloid, Ending] = field(default_factory=dict)
    """When we were first told that an order is over."""
    _open: dict[RequestId, Asked] = field(default_factory=dict)
    _unheard: dict[Cloid, Moment] = field(default_factory=dict)
    _cut_off: set[Cloid] = field(default_factory=set)
    _sides: dict[Cloid, Side] = field(default_factory=dict)

    def begin(self) -> None:
        """A new life numbers its requests anew, and waits for none of the life before."""
        self._open.clear()
        self._unheard.clear()
        self._cut_off.clear()

    def sent(self, record: int, now: Ns, command: AnyCommand) -> None:
        """A command was decided."""
        if not isinstance(command, Request):
            return
        self._open[command.request_id] = asked = Asked(record, now, command)
        self.asked.append(asked)
        for action in command.actions:
            place = action.place if isinstance(action, Modify) else action
            if isinstance(place, Place):
                self._sides[place.cloid] = place.side
                self._unheard[place.cloid] = (record, now)

    def take(self, record: int, now: Ns, event: AnyEvent) -> None:
        """An event came."""
        match event:
            case Replied():
                self._replied(record, now, event)
            case NotSent(request_id=request_id):
                asked = self._open.pop(request_id, None)
                if asked is not None:
                    asked.answer = (record, now)
                    for action in asked.request.actions:
                        self._hear(_cloid_of(action), record, now)
            case OrderUpdate():
                self._status(event, record, now)
            case FeedDown(feed=Feed.USER):
                self._cut_off.update(self._unheard)
            case Fill(cloid=cloid):
                self._hear(cloid, record, now)
            case _:
                pass

    def unanswered(self, route: Route) -> list[Asked]:
        """Requests by that way that nobody answered, of whatever kind."""
        return [each for each in self.asked if each.answer is None and each.request.route is route]

    def stuck(self, end: Ns) -> list[Acknowledged]:
        """Placements of which nothing was heard for too long; ``end`` is when the journal ends."""
        late = [each for each in self.acknowledged if each.waited is not None and each.waited > STUCK]
        silent = [Acknowledged(c, at, None) for c, at in self._unheard.items() if end - at[1] > STUCK]
        return late + silent

    # --- inside ---------------------------------------------------------------------------------

    def _replied(self, record: int, now: Ns, event: Replied) -> None:
        asked = self._open.pop(event.request_id, None)
        if asked is None:
            return
        asked.answer = (record, now)
        actions = asked.request.actions
        results = event.results if len(event.results) == len(actions) else event.results[:1] * len(actions)
        for action, result in zip(actions, results, strict=False):
            self._result(action, result, record, now)

    def _result(self, action: AnyAction, result: AnyResult, record: int, now: Ns) -> None:
        cloid = _cloid_of(action)
        match result:
            case OpenOrdersReport(orders=orders):
                for order in orders:
                    self._hear(order.cloid, record, now)
            case OrderStatusReport(update=None):
                if cloid in self._unheard:
                    self.never_arrived[cloid] = (record, now)
                self._hear(cloid, record, now)
            case OrderStatusReport(update=OrderUpdate() as update):
                if cloid in self._unheard and cloid not in self._cut_off:
                    self.told_when_asked[cloid] = (record, now)
                self._status(update, record, now)
            case Refused(reason=reason, text=text) if isinstance(action, Place | Modify):
                self._hear(cloid, record, now)
                side = None if cloid is None else self._sides.get(cloid)
                self.refusals.append(Refusal(record, now, side, reason, text))
            case Refused():
                pass
            case Cancelled() if isinstance(action, Cancel):
                if cloid is not None:
                    self.ended.setdefault(cloid, Ending(record, now, "its cancel was acknowledged"))
            case _:
                self._hear(cloid, record, now)

    def _status(self, update: OrderUpdate, record: int, now: Ns) -> None:
        self._hear(update.cloid, record, now)
        if update.cloid is not None and update.status is not OrderStatus.OPEN:
            self.ended.setdefault(update.cloid, Ending(record, now, f"it was told as {update.status}"))

    def _hear(self, cloid: Cloid | None, record: int, now: Ns) -> None:
        sent = None if cloid is None else self._unheard.pop(cloid, None)
        if cloid is not None and sent is not None:
            self.acknowledged.append(Acknowledged(cloid, sent, (record, now)))


def _cloid_of(action: AnyAction) -> Cloid | None:
    """Client id of the order that an action is about; None where it is about none."""
    match action:
        case Modify(place=Place(cloid=cloid)) | Place(cloid=cloid) | QueryOrder(cloid=cloid):
            return cloid
        case Cancel(cloid=named):
            return named
        case _:
            return None
