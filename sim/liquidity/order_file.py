"""Order-level files: one operation a row, played through the reference book.

A file is comma-separated text with a header line. The columns, in any order; `t`, `tif` and `user` may be absent::

    t     a number that never goes back, kept as it is written; may be empty
    op    limit    an order: matches what crosses, then rests, is dropped or is refused, by its tif
          add      rests as it is, without matching (for recordings that list executions themselves)
          reduce   partial cancel by sz; the rest keeps its place in the queue
          delete   cancel (also written: cancel)
          move     delete and limit in one: the px and sz given, an empty one as before; the place in the queue
                   is lost, and the order too if its tif refuses the new one
          execute  a recorded execution of sz of the resting order `id`: reported with its place in the queue
    id    any text; free again once the order is gone
    side  B, or S (also A for ask); needed by limit and add
    px    decimal text; needed by limit and add
    sz    decimal text; needed by all but delete and move
    tif   Gtc (or empty), Ioc, Alo; for limit and move
    user  an incoming order that meets an order of its own user expires it and goes on; empty is nobody

A reduce, delete or execute may say side and px all the same, as LOBSTER does: they must then be the order's.
Numbers become integers by the scale of the file: as many decimals as its most precise price has, and likewise sizes.

Nothing here opens a file or prints. For a command this is all::

    report = run_order_file(text, levels=5)  # ConfigError: every problem, "line 7, px: found '1e5', want ..."
    for step in report.steps: ...            # step.fills, step.bids, ...; as JSON: step_as_dict(step, report.file)
    report.counts                            # {"rows": 672, "filled": 3, "would cross": 1, ...}
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile

from domain.errors import ConfigError, Problem
from domain.units import AccountId, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import Execution, RestingOrder
from sim.liquidity.book import Book


class RowOp(StrEnum):
    """What a row does."""

    LIMIT = "limit"
    ADD = "add"
    REDUCE = "reduce"
    DELETE = "delete"
    MOVE = "move"
    EXECUTE = "execute"


class Outcome(StrEnum):
    """What became of the order that a row names, once the row is done."""

    RESTS = "rests"
    """What is left of it is in the book."""
    FILLED = "filled"
    """Nothing is left: it traded in full."""
    DROPPED = "dropped"
    """Immediate-or-cancel, in part filled: the remainder is gone."""
    DELETED = "deleted"
    """It was taken out of the book."""
    REJECTED = "rejected"
    """It was refused; the reasons are below."""


class Refusal(StrEnum):
    """Why a row was rejected. It changed nothing, except that a refused move has deleted the order."""

    WOULD_CROSS = "would cross"
    NO_MATCH = "no match"
    DUPLICATE_ID = "duplicate id"
    UNKNOWN_ORDER = "unknown order"
    TOO_LARGE = "larger than the order"
    DISAGREES = "side or px is not the order's"


@dataclass(frozen=True, slots=True)
class Row:
    """One row, with integers; None where it says nothing."""

    line: int
    t: str
    op: RowOp
    id: str
    side: Side | None
    px: Px | None
    sz: Sz | None
    tif: Tif
    user: AccountId


@dataclass(frozen=True, slots=True)
class OrderFile:
    """A parsed file: its rows, and how many decimals one tick and one lot have."""

    rows: tuple[Row, ...]
    px_decimals: int
    sz_decimals: int


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where an execution found its resting order."""

    is_best: bool
    """At the best price of its side."""
    ahead: Sz
    """Lots of its level that should have traded before it."""

    @property
    def is_front(self) -> bool:
        """Price and time priority both held."""
        return self.is_best and not self.ahead


@dataclass(frozen=True, slots=True)
class Fill:
    """One pair of a match, or one recorded execution (without a taker)."""

    maker: str
    taker: str
    px: Px
    sz: Sz
    place: QueuePlace
    """Looked up in the book as it stood before the row: the matching itself is not asked."""


Levels = tuple[tuple[Px, Sz, int], ...]
"""Best first: price, total size, number of orders."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one row did, and the book after it."""

    row: Row
    outcome: Outcome
    reject: Refusal | None
    fills: tuple[Fill, ...]
    expired: tuple[str, ...]
    """Own resting orders that stood in the way of this one."""
    bids: Levels
    asks: Levels
    is_crossed: bool
    """The best bid is not below the best ask: after an `add`, which does not match."""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole file, played."""

    file: OrderFile
    steps: tuple[Step, ...]
    counts: dict[str, int]
    """rows, fills, how many of them met the front of the queue, crossed books, every outcome and refusal."""


# Reading.

COLUMNS = ("t", "op", "id", "side", "px", "sz", "tif", "user")
NEEDED = ("op", "id", "side", "px", "sz")
_OPS = {**{op.value: op for op in RowOp}, "cancel": RowOp.DELETE}
_SIDES = {"b": Side.BUY, "s": Side.SELL, "a": Side.SELL}
_TIFS = {"": Tif.GTC, **{tif.value: tif for tif in Tif}}
_MUST_SAY = {
    RowOp.LIMIT: ("side", "px", "sz"),
    RowOp.ADD: ("side", "px", "sz"),
    RowOp.REDUCE: ("sz",),
    RowOp.EXECUTE: ("sz",),
}
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?")
_TIME = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_WANT_NUMBER = "a positive decimal number, at most 15 digits before the point and 12 behind it"


def parse(text: str) -> OrderFile | list[Problem]:
    """The rows of a file, or every problem that it has."""
    problems: list[Problem] = []
    found = list(_lines(text, problems))
    if not found:
        return problems or [Problem("line 1", "nothing", f"a header with {', '.join(NEEDED)}")]
    (line, names), *lines = found
    header = [name.strip().lower() for name in names]
    if wrong_header := list(_header_problems(line, header)):
        return wrong_header
    cells: list[tuple[int, dict[str, str]]] = []
    latest = Decimal(0)
    for line, values in lines:
        if len(values) != len(header):
            problems.append(Problem(f"line {line}", f"{len(values)} fields", f"{len(header)}, as in the header"))
            continue
        cell = dict.fromkeys(COLUMNS, "") | dict(zip(header, map(str.strip, values), strict=True))
        cells.append((line, cell))
        problems += [Problem(f"line {line}, {column}", *what) for column, *what in _cell_problems(cell, latest)]
        if _TIME.fullmatch(cell["t"]):
            latest = max(latest, Decimal(cell["t"]))
    if problems:
        return problems
    px_decimals = max((_decimals(cell["px"]) for _, cell in cells), default=0)
    sz_decimals = max((_decimals(cell["sz"]) for _, cell in cells), default=0)
    return OrderFile(
        tuple(_row(line, cell, px_decimals, sz_decimals) for line, cell in cells), px_decimals, sz_decimals
    )


def _lines(text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        for values in reader:
            if any(map(str.strip, values)):
                yield reader.line_num, values
    except csv.Error as error:
        problems.append(Problem(f"line {reader.line_num}", str(error), "comma-separated text"))


def _header_problems(line: int, header: list[str]) -> Iterator[Problem]:
    for name, times in Counter(header).items():
        if name not in COLUMNS:
            yield Problem(f"line {line}, header", repr(name), f"columns out of {', '.join(COLUMNS)}")
        elif times > 1:
            yield Problem(f"line {line}, header", f"{name} {times} times", "each column once")
    for name in NEEDED:
        if name not in header:
            yield Problem(f"line {line}, header", f"no {name}", f"at least {', '.join(NEEDED)}")


def _cell_problems(cell: dict[str, str], latest: Decimal) -> Iterator[tuple[str, str, str]]:
    """(column, found, want) of whatever one row says wrong or fails to say; `latest` is the newest time before it."""
    if cell["t"] and not _TIME.fullmatch(cell["t"]):
        yield "t", repr(cell["t"]), "a number or nothing"
    elif cell["t"] and Decimal(cell["t"]) < latest:
        yield "t", cell["t"], f"a time that does not go back: {latest} came before"
    for column, choices, want in (
        ("op", _OPS, ", ".join(_OPS)),
        ("side", {"": None, **_SIDES}, "B or S"),
        ("tif", _TIFS, "Gtc, Ioc, Alo or nothing"),
    ):
        if cell[column].lower() not in choices:
            yield column, repr(cell[column]), want
    if not cell["id"]:
        yield "id", "nothing", "the id of an order"
    for column in ("px", "sz"):
        if cell[column] and not (_NUMBER.fullmatch(cell[column]) and cell[column].strip("0.")):
            yield column, repr(cell[column]), _WANT_NUMBER
    op = _OPS.get(cell["op"].lower())
    if op is None:
        return
    for column in _MUST_SAY.get(op, ()):
        if not cell[column]:
            yield column, "nothing", f"something: {op} needs {', '.join(_MUST_SAY[op])}"
    if op is RowOp.MOVE and not cell["px"] and not cell["sz"]:
        yield "px", "nothing, and no sz either", "a new px, a new sz or both"


def _row(line: int, cell: dict[str, str], px_decimals: int, sz_decimals: int) -> Row:
    return Row(
        line=line,
        t=cell["t"],
        op=_OPS[cell["op"].lower()],
        id=cell["id"],
        side=_SIDES[cell["side"].lower()] if cell["side"] else None,
        px=Px(_scaled(cell["px"], px_decimals)) if cell["px"] else None,
        sz=Sz(_scaled(cell["sz"], sz_decimals)) if cell["sz"] else None,
        tif=_TIFS[cell["tif"].lower()],
        user=AccountId(cell["user"]),
    )


def _decimals(number: str) -> int:
    return len(number.partition(".")[2].rstrip("0"))


def _scaled(number: str, decimals: int) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole + fraction.rstrip("0").ljust(decimals, "0"))


def unscaled(value: int, decimals: int) -> str:
    """An integer of the file as decimal text again, without trailing zeros."""
    if not decimals:
        return str(value)
    digits = str(value).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")


# Playing.


def play(rows: Iterable[Row], book: Book, levels: int = 5) -> Iterator[Step]:
    """Play rows through an empty book, and say after each what it did."""
    player = _Player(book)
    for row in rows:
        yield player.step(row, levels)


class _Refused(Exception):
    """A row that cannot be done; carries the reason."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


class _Player:
    """One file against one book: ids of the file become numbers of the book by first appearance."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.oids: dict[str, Oid] = {}
        self.ids: list[str] = []

    def step(self, row: Row, levels: int) -> Step:
        self.fills: tuple[Fill, ...] = ()
        self.expired: tuple[str, ...] = ()
        reject = None
        try:
            outcome = self.do(row)
        except _Refused as refused:
            outcome, reject = Outcome.REJECTED, refused.reason
        bids, asks = (tuple(self.book.levels(side, levels)) for side in (Side.BUY, Side.SELL))
        bid, ask = self.book.best_bid(), self.book.best_ask()
        is_crossed = bid is not None and ask is not None and bid >= ask
        return Step(row, outcome, reject, self.fills, self.expired, bids, asks, is_crossed)

    def do(self, row: Row) -> Outcome:
        if row.op is RowOp.LIMIT or row.op is RowOp.ADD:
            return self.enter(row)
        order = self.order_of(row)
        if row.op is RowOp.DELETE:
            self.book.remove(order.oid)
            return Outcome.DELETED
        if row.op is RowOp.MOVE:
            self.book.remove(order.oid)
            px, sz = row.px or order.px, row.sz or order.sz
            return self.limit(order.oid, order.account, order.side, px, sz, row.tif)
        return self.shrink(order, row)

    def enter(self, row: Row) -> Outcome:
        assert row.side and row.px and row.sz  # noqa: PT018, S101 (`parse` demanded them; mypy cannot know)
        oid = self.oid_of(row.id)
        if oid in self.book:
            raise _Refused(Refusal.DUPLICATE_ID)
        if row.op is RowOp.LIMIT:
            return self.limit(oid, row.user, row.side, row.px, row.sz, row.tif)
        self.book.add(oid, row.user, row.side, row.px, row.sz)
        return Outcome.RESTS

    def shrink(self, order: RestingOrder, row: Row) -> Outcome:
        assert row.sz  # noqa: S101 (likewise)
        if row.sz > order.sz:
            raise _Refused(Refusal.TOO_LARGE)
        if row.op is RowOp.EXECUTE:
            place = QueuePlace(order.px == self.book.best(order.side), self.book.depth_ahead(order.oid))
            self.fills = (Fill(row.id, "", order.px, row.sz, place),)
        self.book.reduce(order.oid, row.sz)
        if order.sz:
            return Outcome.RESTS
        return Outcome.FILLED if row.op is RowOp.EXECUTE else Outcome.DELETED

    def limit(self, oid: Oid, user: AccountId, side: Side, px: Px, sz: Sz, tif: Tif) -> Outcome:
        crosses = self.book.would_cross(side, px)
        if crosses and tif is Tif.ALO:
            raise _Refused(Refusal.WOULD_CROSS)
        if not crosses and tif is Tif.IOC:
            raise _Refused(Refusal.NO_MATCH)
        met = takewhile(lambda order: side * (px - order.px) >= 0, self.book.orders(side.opposite))
        queue = [(order.oid, order.px, order.sz) for order in met]
        result = self.book.match(side, px, sz, user)
        gone = {order.oid for order in result.expired}
        self.fills = tuple(
            Fill(self.ids[maker.oid], self.ids[oid], at, lots, place)
            for (maker, at, lots), place in zip(result.executions, _places(queue, gone, result.executions), strict=True)
        )
        self.expired = tuple(self.ids[order.oid] for order in result.expired)
        if not result.remaining:
            return Outcome.FILLED
        if tif is Tif.IOC:
            return Outcome.DROPPED
        self.book.add(oid, user, side, px, result.remaining)
        return Outcome.RESTS

    def order_of(self, row: Row) -> RestingOrder:
        """The resting order that a row is about."""
        order = self.book.get(self.oid_of(row.id))
        if order is None:
            raise _Refused(Refusal.UNKNOWN_ORDER)
        if row.side not in {None, order.side} or (row.op is not RowOp.MOVE and row.px not in {None, order.px}):
            raise _Refused(Refusal.DISAGREES)
        return order

    def oid_of(self, text: str) -> Oid:
        if text not in self.oids:
            self.oids[text] = Oid(len(self.ids))
            self.ids.append(text)
        return self.oids[text]


def _places(
    queue: Iterable[tuple[Oid, Px, Sz]], gone: AbstractSet[Oid], executions: Iterable[Execution]
) -> Iterator[QueuePlace]:
    """Where each execution found its order, by the queue before the match, best first; ``gone`` is out of the way."""
    left = {oid: (px, int(sz)) for oid, px, sz in queue if oid not in gone}
    for maker, _, lots in executions:
        px, sz = left[maker.oid]
        before = list(takewhile(maker.oid.__ne__, left))
        ahead = sum(left[oid][1] for oid in before if left[oid][0] == px)
        yield QueuePlace(all(left[oid][0] == px for oid in before), Sz(ahead))
        left[maker.oid] = (px, sz - lots)
        if sz == lots:
            del left[maker.oid]


def run_order_file(text: str, levels: int = 5) -> Report:
    """Parse and play a file; ConfigError with every problem if it is not one."""
    file = parse(text)
    if isinstance(file, list):
        raise ConfigError(file)
    steps = tuple(play(file.rows, Book(), levels))
    counts = Counter(rows=len(steps))
    for step in steps:
        counts["fills"] += len(step.fills)
        counts["at the front"] += sum(fill.place.is_front for fill in step.fills)
        counts["expired"] += len(step.expired)
        counts[step.outcome.value] += 1
        if step.reject is not None:
            counts[step.reject.value] += 1
        if step.is_crossed:
            counts["crossed"] += 1
    return Report(file, steps, dict(counts))


def step_as_dict(step: Step, file: OrderFile) -> dict[str, object]:
    """A step as `json.dumps` takes it, prices and sizes as decimal text."""

    def price(px: Px) -> str:
        return unscaled(px, file.px_decimals)

    def size(sz: Sz) -> str:
        return unscaled(sz, file.sz_decimals)

    return {
        "line": step.row.line,
        "t": step.row.t,
        "op": step.row.op.value,
        "id": step.row.id,
        "outcome": step.outcome.value,
        "reject": step.reject and step.reject.value,
        "fills": [
            {
                "maker": fill.maker,
                "taker": fill.taker,
                "px": price(fill.px),
                "sz": size(fill.sz),
                "front": fill.place.is_front,
                "ahead": size(fill.place.ahead),
            }
            for fill in step.fills
        ],
        "expired": list(step.expired),
        "crossed": step.is_crossed,
        "bids": [[price(px), size(sz), n] for px, sz, n in step.bids],
        "asks": [[price(px), size(sz), n] for px, sz, n in step.asks],
    }
