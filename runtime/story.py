"""The story of one order: every record about its chain of generations, in time order, for people.

Two passes over the records: the first learns which ids belong together, the second tells.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from domain.commands import AnyCommand, Cancel, Modify, Place, QueryOrder, Request
from domain.errors import ConfigError, Problem
from domain.events import (
    AnyEvent,
    AnyResult,
    Cancelled,
    Executed,
    Fill,
    FillsReport,
    NotSent,
    OpenOrder,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatusReport,
    OrderUpdate,
    Refused,
    Replied,
    Resting,
    Restored,
)
from domain.instrument import Instrument
from domain.units import NS_PER_MS, NS_PER_S, USD, Cloid, InstrumentId, Oid, RequestId, Side, Tid
from runtime.journal_format import Decided, Opened, Record, Rescued
from runtime.own_orders import spread

_MANY = 5
"""Candidates named in an error."""

_DIGITS = 20
"""Of the longest number that an id can be."""


def story(records: Iterable[Record], key: str, instruments: Sequence[Instrument] = ()) -> list[str]:
    """One line per record about the order that ``key`` names, and about its earlier and later generations.

    ``key`` is an oid, a tid, a cloid or a unique prefix of one, in this order. Instruments come from the journal's
    header; without one prices are ticks and sizes lots. Raises ConfigError if ``key`` names nothing,
    or more than one chain.
    """
    if iter(records) is records:
        records = list(records)
    teller = _Teller({instrument.id: instrument for instrument in instruments})
    teller.take_all(records)
    teller.chain = teller.chain_of(key)
    teller.take_all(records)
    return teller.lines


@dataclass(slots=True)
class _Teller:
    instruments: dict[InstrumentId, Instrument]
    chain: set[Cloid | Oid] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    parent: dict[Cloid, Cloid] = field(default_factory=dict)
    """The generation before; a first generation is its own."""
    cloid_of: dict[Oid, Cloid] = field(default_factory=dict)
    oids: set[Oid] = field(default_factory=set)
    oid_of_tid: dict[Tid, Oid] = field(default_factory=dict)
    told: set[Tid] = field(default_factory=set)
    requests: dict[RequestId, Request] = field(default_factory=dict)
    head: str = ""

    # --- collecting -----------------------------------------------------------------------------

    def take_all(self, records: Iterable[Record]) -> None:
        self.told.clear()
        for index, record in enumerate(records):
            self.take(index, record)

    def take(self, index: int, record: Record) -> None:
        if isinstance(record, Opened):
            self.instruments |= {instrument.id: instrument for instrument in record.header.instruments}
            return
        self.head = f"#{index:<6} {record.now / NS_PER_S:14.6f} s  "
        if isinstance(record, Decided | Rescued):
            who = "decide" if isinstance(record, Decided) else "rescue"
            for command in record.commands:
                self._command(who, command)
        else:
            self._event(record.event)

    def _say(self, text: str, cloid: Cloid | None, oid: Oid | None = None) -> None:
        if oid is not None:
            self.oids.add(oid)
        if cloid is not None:
            self.parent.setdefault(cloid, cloid)
            if oid is not None:
                self.cloid_of[oid] = cloid
        if self._known_as(cloid, oid) in self.chain:
            self.lines.append(self.head + text)

    def _known_as(self, cloid: Cloid | None, oid: Oid | None) -> Cloid | Oid | None:
        """The cloid where any record gave the order one, else its oid."""
        if cloid is None and oid is not None:
            return self.cloid_of.get(oid) or oid
        return cloid

    def _command(self, who: str, command: AnyCommand) -> None:
        if not isinstance(command, Request):
            return
        self.requests[command.request_id] = command
        expiry = "" if command.expires_in is None else f", expires in {command.expires_in / NS_PER_MS:g} ms"
        way = f"(request {command.request_id} by {command.route}{expiry})"
        for action in command.actions:
            match action:
                case Place():
                    self._say(f"{who:7} place {self._terms(action)} {way}", action.cloid)
                case Cancel():
                    self._say(f"{who:7} cancel {action.cloid or action.oid} {way}", action.cloid, action.oid)
                case Modify(cloid=old, oid=oid, place=place):
                    self.parent.setdefault(old, old)
                    self.parent.setdefault(place.cloid, old)
                    self._say(f"{who:7} modify {old} into {self._terms(place)} {way}", old, oid)
                case QueryOrder(cloid=cloid):
                    self._say(f"{who:7} ask for the status of {cloid} {way}", cloid)
                case _:
                    pass

    def _event(self, event: AnyEvent) -> None:
        match event:
            case OrderUpdate():
                self._say(f"update  {self._status(event)}", event.cloid, event.oid)
            case Fill():
                self._fill("fill", event)
            case OpenOrdersReported(orders=orders):
                self._listed(orders)
            case Replied():
                self._replied(event)
            case NotSent(request_id=request_id, reason=reason):
                for cloid in self._cloids(self.requests.get(request_id)):
                    self._say(f"notsent request {request_id}: {reason}", cloid)
            case Restored(life=life, orders=orders):
                for order in orders:
                    self._say(f"life {life:<2} begins with {order.cloid} of an earlier life unresolved", order.cloid)
            case _:
                pass

    def _replied(self, event: Replied) -> None:
        request = self.requests.get(event.request_id)
        if request is None:
            return
        results = spread(event.results, len(request.actions))
        for action, result in zip(request.actions, results, strict=False):
            where = f"(request {event.request_id})"
            match action:
                case Place(cloid=cloid) | Modify(place=Place(cloid=cloid)):
                    oid = result.oid if isinstance(result, Resting | Executed) else None
                    self._say(f"reply   {self._outcome(action, result)} {where}", cloid, oid)
                case Cancel(cloid=cloid, oid=oid):
                    self._say(f"reply   {self._outcome(action, result)} {where}", cloid, oid)
                case QueryOrder(cloid=cloid) if isinstance(result, OrderStatusReport):
                    update = result.update
                    known = "not known" if update is None else self._status(update)
                    self._say(f"reply   status: {known} {where}", cloid, None if update is None else update.oid)
                case _ if isinstance(result, OpenOrdersReport):
                    self._listed(result.orders)
                case _ if isinstance(result, FillsReport):
                    for fill in result.fills:
                        if fill.tid not in self.told:
                            self._fill("queried", fill)
                case _:
                    pass

    def _listed(self, orders: Sequence[OpenOrder]) -> None:
        for order in orders:
            rest = self._size(order.instrument, order.remaining)
            self._say(f"listed  open, {rest} remaining, oid {order.oid}", order.cloid, order.oid)

    def _fill(self, word: str, fill: Fill) -> None:
        """Queries repeat fills by the thousand: they are told by the first; a stream's repetition is news."""
        again = " again" if fill.tid in self.told else ""
        self.told.add(fill.tid)
        self.oid_of_tid[fill.tid] = fill.oid
        role = "taker" if fill.is_taker else "maker"
        size, price = self._size(fill.instrument, fill.sz), self._price(fill.instrument, fill.px)
        text = f"{word:7}{again} {_side(fill.side)} {size} @ {price} as {role}, fee {fill.fee / USD:g} USD"
        self._say(f"{text}, tid {fill.tid}, oid {fill.oid}", fill.cloid, fill.oid)

    @staticmethod
    def _cloids(request: Request | None) -> Iterator[Cloid]:
        for action in request.actions if request is not None else ():
            if isinstance(action, Place | Cancel | QueryOrder) and action.cloid is not None:
                yield action.cloid
            elif isinstance(action, Modify):
                yield action.place.cloid

    # --- finding --------------------------------------------------------------------------------

    def chain_of(self, key: str) -> set[Cloid | Oid]:
        root = self._root_of(key)
        return {root} | {cloid for cloid in self.parent if self._first(cloid) == root}

    def _first(self, cloid: Cloid) -> Cloid:
        while (earlier := self.parent[cloid]) != cloid:
            cloid = earlier
        return cloid

    def _root_of(self, key: str) -> Cloid | Oid:
        key = key.strip().lower()
        exact = self._numbered(key)
        if len(set(exact.values())) > 1:
            both = " and ".join(f"the {kind} of {root}" for kind, root in exact.items())
            raise ConfigError([Problem("order", f"{key!r}, {both}", "one order")])
        if exact:
            return next(iter(exact.values()))
        begun = self._begun(key)
        if len(begun) > 1:
            raise ConfigError([Problem("order", f"{key!r}, the beginning of {_some([*begun.values()])}", "one order")])
        if begun:
            return next(iter(begun))
        near = get_close_matches(key, self.parent, _MANY, 0.3)
        hint = f"; near: {_some(near)}" if near else ""
        raise ConfigError([Problem("order", repr(key), f"a cloid, oid or tid of this journal{hint}")])

    def _numbered(self, key: str) -> dict[str, Cloid | Oid]:
        """Whose oid or tid exactly this is: such a number wins over being the beginning of client ids."""
        if not key.isdecimal() or len(key) > _DIGITS:
            return {}
        oids = {"oid": Oid(int(key)), "tid of a fill": self.oid_of_tid.get(Tid(int(key)))}
        return {kind: self._root_of_oid(oid) for kind, oid in oids.items() if oid is not None and oid in self.oids}

    def _root_of_oid(self, oid: Oid) -> Cloid | Oid:
        cloid = self.cloid_of.get(oid)
        return oid if cloid is None else self._first(cloid)

    def _begun(self, key: str) -> dict[Cloid | Oid, Cloid]:
        """Chains with a client id that begins so, and the first such id of each."""
        found: dict[Cloid | Oid, Cloid] = {}
        prefix = key if key.startswith("0x") else f"0x{key}"
        for cloid in self.parent if key else ():
            if cloid.startswith(prefix):
                found.setdefault(self._first(cloid), cloid)
        return found

    # --- words ----------------------------------------------------------------------------------

    def _terms(self, place: Place) -> str:
        only = " reduce-only" if place.reduce_only else ""
        size, price = self._size(place.instrument, place.sz), self._price(place.instrument, place.px)
        return f"{_side(place.side)} {size} {place.instrument} @ {price} {place.tif}{only} {place.cloid}"

    def _status(self, update: OrderUpdate) -> str:
        why = f" ({update.reason})" if update.reason else ""
        rest, size = self._size(update.instrument, update.remaining), self._size(update.instrument, update.sz)
        price = self._price(update.instrument, update.px)
        return f"{update.status}{why}, {rest} of {size} remaining @ {price}, oid {update.oid}"

    def _outcome(self, action: Place | Modify | Cancel, result: AnyResult) -> str:
        match result:
            case Resting(oid=oid):
                return f"resting, oid {oid}"
            case Executed(oid=oid, filled=filled, avg_px=average):
                instrument = action.place.instrument if isinstance(action, Modify) else action.instrument
                price = self._price(instrument, round(average))
                return f"executed {self._size(instrument, filled)} @ {price}, oid {oid}"
            case Cancelled():
                return "cancelled"
            case Refused(reason=reason, text=text):
                return f"refused: {reason} ({text})"
            case _:
                return repr(result)

    def _price(self, name: InstrumentId, px: int) -> str:
        instrument = self.instruments.get(name)
        return f"{px} ticks" if instrument is None else instrument.format_price(px)

    def _size(self, name: InstrumentId, sz: int) -> str:
        instrument = self.instruments.get(name)
        return f"{sz} lots" if instrument is None else instrument.format_size(sz)


def _side(side: Side) -> str:
    return "buy" if side is Side.BUY else "sell"


def _some(ids: Sequence[object]) -> str:
    more = f" and {len(ids) - _MANY} more" if len(ids) > _MANY else ""
    return ", ".join(map(str, ids[:_MANY])) + more
