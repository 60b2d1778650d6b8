"""What leaves: names used once, intents written first, sound orders, known limits, nothing out of the blue (S12-S22).

A decision is looked at as it is made, a command once more as it leaves the process. What a rule knows of the outside
it has from the events that were handed to the trader, never from the venue: a fact counts from its delivery on.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from domain.commands import (
    AnyAction,
    AnyCommand,
    Cancel,
    Modify,
    Place,
    QueryFills,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    Request,
    Route,
)
from domain.events import (
    AnyEvent,
    AnyResult,
    Executed,
    Feed,
    FeedUp,
    Fill,
    FillsReport,
    InstrumentLimits,
    LimitsReport,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatusReport,
    OrderUpdate,
    PositionsReport,
    Replied,
    Resting,
    Restored,
)
from domain.instrument import Instrument
from domain.units import NS_PER_S, Cloid, Epoch, InstrumentId, Ns, Oid, RequestId
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.invariants.limits import price_of
from scenarios.invariants.views import ExpectedView
from scenarios.memory import keep

NAMES_KEPT = 200_000
"""Client ids remembered: those of a day."""
IDS_KEPT = 20_000
"""The venue's ids remembered: far more than rest at once."""
LATE = Ns(10 * NS_PER_S)
"""A placement that leaves so long after its decision was decided for another market (S22)."""
ANSWERS: dict[type, type] = {
    QueryOpenOrders: OpenOrdersReport,
    QueryPositions: PositionsReport,
    QueryFills: FillsReport,
}
"""What is to be read on a new connection of the account, each by its question (S22)."""
AT_FIRST = (QueryOpenOrders, QueryPositions)
"""Of that a trader that has placed nothing yet needs no fills."""
FIGURES = 5
"""Significant figures of a price that is no whole number."""


class Placed(NamedTuple):
    """A placement that is about to leave, by itself or as the new leg of a modify."""

    place: Place
    request: Request
    replaces: Cloid | None


def placements(commands: Sequence[AnyCommand]) -> Iterator[Placed]:
    """Every placement among some commands."""
    for command in commands:
        if type(command) is Request:
            for action in command.actions:
                if type(action) is Place:
                    yield Placed(action, command, None)
                elif type(action) is Modify:
                    yield Placed(action.place, command, action.cloid)


class OneName(Invariant):
    """S12: a client id names one order for ever, over lives and modifies; requests are numbered upwards in each life.

    What is signed has a nonce, and those of a signer ascend over all lives, whatever our clock does. But for one case:
    a life whose journal was lost before it could say where its nonces end takes its orders back all the same, and a
    later life whose clock is not yet there cannot know which numbers were used: smaller ones may follow, as the venue
    takes them, but never the same one again. Those of all lives that could write lie below even then.
    The core counts its requests from one, the safety net its own from far above.
    """

    id = "S12"
    rule = "client ids are never used twice and nonces ascend, over all lives; request numbers ascend within a life"

    def __init__(self, scope: Scope) -> None:
        """Nothing was named."""
        super().__init__(scope)
        self._used: OrderedDict[Cloid, None] = OrderedDict()
        self._last = RequestId(0)
        self._nonces: dict[str, int] = {}
        self._written: dict[str, int] = {}
        """The greatest of the lives that wrote where theirs end."""
        self._unwritten: OrderedDict[tuple[str, int], None] = OrderedDict()
        """What lives that could not have signed."""

    def on_life(self) -> None:
        """Numbers begin anew; names and nonces do not."""
        self._last = RequestId(0)

    def on_commands(self, step: Step) -> None:
        """Look at each new name."""
        used = self._used
        for place, _, _ in placements(step.commands):
            self.compared += 1
            if place.cloid in used or not place.cloid:
                self.fail(f"client id {place.cloid or 'none'} was used before", place.cloid)
            keep(used, place.cloid, None, NAMES_KEPT)

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """Look at the numbers in the order in which they leave."""
        if type(command) is not Request:
            return
        self.compared += 1
        if command.request_id <= self._last:
            self.fail(f"request {command.request_id} left after request {self._last}, at {now} ns")
        self._last = max(self._last, command.request_id)

    def on_block(self, block: Block) -> None:
        """Look at the nonces of what left since the block before."""
        run = self.scope.run
        unwritten = {} if run is None else run.unwritten_nonces
        for signer, nonce, clock_ms in block.signed:
            self.compared += 1
            last = self._nonces.get(signer, -1)
            life = unwritten.get((signer, last))
            is_hidden = life is not None and unwritten.get((signer, nonce)) != life and clock_ms < last
            if nonce <= (self._written.get(signer, -1) if is_hidden else last):
                self.fail(f"nonce {nonce} left after nonce {last}")
            elif (signer, nonce) in self._unwritten:
                self.fail(f"nonce {nonce} was used before, by a life that could not write it")
            self._nonces[signer] = nonce
            if (signer, nonce) in unwritten:
                keep(self._unwritten, (signer, nonce), None, NAMES_KEPT)
            else:
                self._written[signer] = nonce


class IntentFirst(Invariant):
    """S13: nothing is placed or modified before the journal says so durably: a crash can not forget an order."""

    id = "S13"
    rule = "a placement or modify leaves only when its decision is safe in the journal"

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """Look at the journal as the request leaves."""
        if type(command) is not Request or self.scope.run is None:
            return
        if type(command.actions[0]) is Place or type(command.actions[0]) is Modify:
            self.compared += 1
            if not self.scope.run.is_durable:
                keys = [place.cloid for place, _, _ in placements((command,))]
                self.fail(f"request {command.request_id} left at {now} ns and its decision could be forgotten", *keys)


class WellFormed(Invariant):
    """S18: what is placed has a price on the grid near a second reference, a whole size, and enough value.

    The grid is judged here by the digits of the price, not by the instrument's own arithmetic. The second reference
    is the venue's mark: it is made of prices elsewhere, not of the messages that the trader sees. While nobody may
    place anything the book stands still, and the mark goes on with the prices elsewhere: there, and for as long after
    it as data may be quoted on, a price near the venue's own book will do as well.
    """

    id = "S18"
    rule = "prices have at most 5 significant figures or are whole, sizes are whole and positive, value >= minimum"

    def __init__(self, scope: Scope) -> None:
        """No book stood still."""
        super().__init__(scope)
        self._stood: dict[InstrumentId, tuple[Ns, float]] = {}
        """When a book was seen to stand still last, and its price."""

    def on_second(self, now: Ns) -> None:
        """Note the books that stand still."""
        truth = self.scope.truth
        for name in self.scope.instruments:
            if truth.is_still(name) and (price := price_of(truth, name)):
                self._stood[name] = now, price

    def on_commands(self, step: Step) -> None:
        """Look at every placement as it is decided."""
        for place, _, _ in placements(step.commands):
            self.compared += 1
            fault = self._fault(place, step.now)
            if fault is not None:
                text = f"{place.side.name} {place.sz} lots at {place.px} ticks of {place.instrument}: {fault}"
                self.fail(text, place.cloid)

    def _fault(self, place: Place, now: Ns) -> str | None:
        instrument = self.scope.instruments.get(place.instrument)
        px, sz = place.px, place.sz
        if instrument is None:
            return "nobody trades that"
        if type(px) is not int or type(sz) is not int:
            return "price and size are no whole numbers"
        if px <= 0 or sz <= 0:
            return "price and size are not above zero"
        if px % 10**instrument.px_decimals and len(str(px).rstrip("0")) > FIGURES:
            return f"more than {FIGURES} significant figures"
        if px * sz < instrument.min_notional and not place.reduce_only:
            return f"a value of {px * sz} micro-USD, the least is {instrument.min_notional}"
        return self._too_far(place, now) or self._too_big(place)

    def _too_far(self, place: Place, now: Ns) -> str | None:
        mark = self.scope.truth.mark(place.instrument)
        collar = self.scope.bounds.collar
        if mark is None or abs(place.px - mark) <= collar * mark:
            return None
        stood_at, stood = self._stood.get(place.instrument, (None, 0.0))
        is_recent = stood_at is not None and now - stood_at <= self.scope.bounds.stale
        if is_recent and abs(place.px - stood) <= collar * stood:
            return None
        return f"the mark is {mark} ticks, more than {collar:.0%} away"

    def _too_big(self, place: Place) -> str | None:
        desk = self.scope.belief.desks.get(place.instrument)
        most = 0 if desk is None else 2 * min(desk.limit.lots, self.scope.limits.of(place.instrument, desk))
        return f"the largest size that can be meant is {most} lots" if place.sz > most else None


class LimitsRead(Invariant):
    """S19: an instrument is traded only after the venue has stated its terms in this life, and while they are ours.

    The terms that the port reports: size decimals, least value, largest leverage, wider steps of prices and sizes, and
    the leverage and the margin mode of the account where the config expects one.
    """

    id = "S19"
    rule = "no placement before the venue's terms were read in this life, nor while they are other than ours"

    def __init__(self, scope: Scope) -> None:
        """Nothing was read."""
        super().__init__(scope)
        self._told: dict[InstrumentId, InstrumentLimits] = {}
        self._told_as_of = Ns(-1)

    def on_life(self) -> None:
        """Another life reads for itself."""
        self._told.clear()
        self._told_as_of = Ns(-1)

    def on_news(self, step: Step) -> None:
        """Note what the venue says."""
        if type(step.event) is Replied:
            for result in step.event.results:
                if type(result) is LimitsReport and result.as_of >= self._told_as_of:  # a late one says what was
                    self._told_as_of = result.as_of
                    self._told.update((limits.instrument, limits) for limits in result.limits)

    def on_commands(self, step: Step) -> None:
        """Look at the terms of each instrument in which something is placed."""
        for place, _, _ in placements(step.commands):
            self.compared += 1
            ours, told = self.scope.instruments.get(place.instrument), self._told.get(place.instrument)
            if told is None:
                self.fail(f"placed in {place.instrument}, whose terms the venue has not stated", place.cloid)
            elif ours is not None and (other := self._difference(ours, told)):
                self.fail(f"placed in {place.instrument}, whose terms are not ours: {other}", place.cloid)

    def _difference(self, ours: Instrument, told: InstrumentLimits) -> str:
        """Where the venue's word and ours differ; what nobody has chosen may be anything."""
        desk = self.scope.belief.desks.get(ours.id)
        return differing_terms(ours, told, told if desk is None else desk.terms.expected)


def differing_terms(ours: Instrument, told: InstrumentLimits, wanted: ExpectedView) -> str:
    """Where the venue's terms and ours differ; what nobody has chosen may be anything."""
    pairs = {
        "size decimals": (told.sz_decimals, ours.sz_decimals),
        "least value": (told.min_notional, ours.min_notional),
        "largest leverage": (told.max_leverage, ours.max_leverage),
        "leverage": (told.leverage, wanted.leverage or told.leverage),
        "margin mode": (told.mode, wanted.mode or told.mode),
        "steps": ((told.px_step, told.sz_step), (1, 1)),
    }
    return ", ".join(f"{name} {theirs}, ours {mine}" for name, (theirs, mine) in pairs.items() if theirs != mine)


class Causal(Invariant):
    """S22: a decision names only what was delivered or what we made; what leaves was decided just before.

    Ids of the venue must have come in an event. Client ids must be ours: of this life, or of one whose journal told
    this one. A placement leaves on the connection that it was decided for, and soon: what waited through an outage
    or a standstill must not be carried out as if nothing had been. Nor is anything opened on a new connection of the
    account before fills, orders and positions were asked for and told on it: what was asked before is history.
    """

    id = "S22"
    rule = (
        "commands name only delivered ids and our own; placements leave at once, on the connection of their decision, "
        "which the account was read on"
    )

    def __init__(self, scope: Scope) -> None:
        """Nothing was delivered."""
        super().__init__(scope)
        self._oids: OrderedDict[Oid, None] = OrderedDict()
        self._names: OrderedDict[Cloid, None] = OrderedDict()
        self._epoch = Epoch(0)
        self._decided: OrderedDict[RequestId, tuple[Ns, Epoch]] = OrderedDict()
        """When, and while which connection was the known one."""
        self._needed: tuple[type, ...] = tuple(ANSWERS)
        """What is to be read on the next connection."""
        self._unread: list[type] = []
        """What was not told yet on this one."""
        self._asked: OrderedDict[RequestId, type] = OrderedDict()
        """Questions after it that were sent on this one."""

    def on_life(self) -> None:
        """A new process knows what its journal tells it."""
        self._oids.clear()
        self._names.clear()
        self._decided.clear()
        self._unread.clear()
        self._asked.clear()

    # --- what is known --------------------------------------------------------------------------

    def on_news(self, step: Step) -> None:
        """Note the ids that an event brings."""
        event = step.event
        match event:
            case FeedUp(feed=Feed.USER, epoch=epoch):
                self._epoch = epoch
                self._unread = list(self._needed)
                self._asked.clear()
            case Restored(orders=orders):
                self._needed = AT_FIRST if event.is_opening else tuple(ANSWERS)
                for order in orders:
                    self._learn(None, order.cloid)
            case Replied(request_id=request_id, results=results):
                self._read(self._asked.pop(request_id, None), results)
        for oid, cloid in _ids(event):
            self._learn(oid, cloid)

    def _read(self, question: type | None, results: Sequence[AnyResult]) -> None:
        """Something was answered; a refusal is no answer."""
        if question in self._unread and results and isinstance(results[0], ANSWERS[question]):
            self._unread.remove(question)

    def _learn(self, oid: Oid | None, cloid: Cloid | None) -> None:
        if oid is not None:
            keep(self._oids, oid, None, IDS_KEPT)
        if cloid is not None:
            keep(self._names, cloid, None, IDS_KEPT)

    # --- what is said ---------------------------------------------------------------------------

    def on_commands(self, step: Step) -> None:
        """Look up every id that is named; then what is placed has a name, too."""
        for command in step.commands:
            if type(command) is Request:
                keep(self._decided, command.request_id, (step.now, self._epoch), IDS_KEPT)
                for action in command.actions:
                    self._look_up(action)
                    if type(action) in ANSWERS:
                        keep(self._asked, command.request_id, type(action), IDS_KEPT)
        for place, _, _ in placements(step.commands):
            self._needed = tuple(ANSWERS)
            if self._unread and not place.reduce_only:
                names = ", ".join(ANSWERS[each].__name__ for each in self._unread)
                self.fail(f"placed on connection {self._epoch}, on which this was not read: {names}", place.cloid)
                self._unread.clear()

    def _look_up(self, action: AnyAction) -> None:
        match action:
            case Place(cloid=cloid):
                keep(self._names, cloid, None, IDS_KEPT)
            case Modify(cloid=cloid, oid=oid, place=place):
                self._check(oid, cloid)
                keep(self._names, place.cloid, None, IDS_KEPT)
            case Cancel(cloid=cloid, oid=oid):
                self._check(oid, cloid)
            case QueryOrder(cloid=cloid):
                self._check(None, cloid)
            case _:
                pass

    def _check(self, oid: Oid | None, cloid: Cloid | None) -> None:
        self.compared += 1
        if oid is not None and oid not in self._oids:
            self.fail(f"order {oid} is named, and nobody has told us of it", cloid or str(oid))
        if cloid is not None and cloid not in self._names:
            self.fail(f"order {cloid} is named, and is neither ours nor told to us", cloid)

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """Look at when and where a placement leaves."""
        if type(command) is not Request:
            return
        decided = self._decided.pop(command.request_id, None)
        if not isinstance(command.actions[0], Place | Modify):
            return
        self.compared += 1
        keys, request = [place.cloid for place, _, _ in placements((command,))], f"request {command.request_id}"
        if decided is None:
            self.fail(f"{request} leaves and the trader did not decide it", *keys)
            return
        at, epoch = decided
        if now - at > LATE:
            self.fail(f"{request} leaves {(now - at) / NS_PER_S:.1f} s after its decision", *keys)
        if command.route is Route.SOCKET and command.epoch != epoch:
            self.fail(f"{request} is for connection {command.epoch}, decided on connection {epoch}", *keys)


def _ids(event: AnyEvent | None) -> Iterator[tuple[Oid | None, Cloid | None]]:
    """Ids of orders that an event tells."""
    match event:
        case OrderUpdate(oid=oid, cloid=cloid) | Fill(oid=oid, cloid=cloid):
            yield oid, cloid
        case OpenOrdersReported(orders=orders):
            yield from ((order.oid, order.cloid) for order in orders)
        case Replied(results=results):
            for result in results:
                yield from _ids_of(result)
        case _:
            pass


def _ids_of(result: AnyResult) -> Iterator[tuple[Oid | None, Cloid | None]]:
    match result:
        case Resting(oid=oid, cloid=cloid) | Executed(oid=oid, cloid=cloid):
            yield oid, cloid
        case OpenOrdersReport(orders=orders):
            yield from ((order.oid, order.cloid) for order in orders)
        case FillsReport(fills=fills):
            yield from ((fill.oid, fill.cloid) for fill in fills)
        case OrderStatusReport(update=OrderUpdate(oid=oid, cloid=cloid)):
            yield oid, cloid
        case _:
            pass
