"""Reads recorded market data from files into `sim.recorded.Recording`, or says all that is wrong.

The folder layout of ``hl_l2_trades`` (three gzipped CSV files for each recording, named by their
prefix, ``ETH_20251210``)::

    PREFIX_orderbooks.csv.gz  timestamp, exchange_timestamp, bid_price_0, bid_size_0, ask_price_0, ...
    PREFIX_prices.csv.gz      timestamp, price, size, side, exchange_timestamp: rows in bid/ask pairs
    PREFIX_trades.csv.gz      timestamp, price, size, side, trade_id, exchange_timestamp

``timestamp`` is the receive time in seconds, ``exchange_timestamp`` milliseconds of the venue. This
module does not repair data: a fault anywhere stops the load before anything runs.
"""

import csv
import gzip
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import nan
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigError, Problem
from domain.events import BboChanged, BookReported, Level, PublicTrade, TradesPrinted
from domain.instrument import MAX_DECIMALS, Instrument
from domain.units import NS_PER_MS, NS_PER_S, InstrumentId, Ns, Px, Side, Sz, Tid
from sim.recorded import COUNT_UNKNOWN, RecordedTrade, Recording, gaps_between

FOLDER = "hl_l2_trades"
GAP_AFTER = Ns(3 * NS_PER_S)
"""A longer silence of books and tops together is a gap: books come every half second."""
REPLAY_SPAN = Ns(3 * NS_PER_S)
"""A frame whose trades span more exchange time than this replays history: a live one holds a block or two."""
FAULTS_SHOWN = 20

_PREFIX = re.compile(r"(?P<coin>[A-Za-z0-9]+)_\d{8}")
_SECONDS = re.compile(r"\d{1,10}(\.\d*)?", re.ASCII)
_MAX_NUMBER = 1e12
"""Of a price or size: in ticks or lots it still fits 64 bits."""
_SHOWN = 60
"""Characters shown of a wrong number."""
_KINDS = ("orderbooks", "prices", "trades")
_TRADE_SIDES = {"buy": Side.BUY, "sell": Side.SELL}

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]


def data_folder(root: str | Path | None = None) -> Path:
    """Where the recordings are: ``MAKERLAB_DATA`` (default ``../shared/data``), subfolder ``hl_l2_trades``."""
    return Path(root or os.environ.get("MAKERLAB_DATA") or "../shared/data") / FOLDER


def names_in(folder: Path) -> list[str]:
    """Names of the recordings in a folder."""
    names = (path.name.partition("_trades.")[0] for path in folder.glob("*_trades.csv.gz"))
    return sorted(name for name in names if _PREFIX.fullmatch(name))


def load_l2_trades(folder: Path, prefix: str, *, sz_decimals: int | None = None) -> Recording:
    """Load a recording, or raise one ConfigError that lists every fault of its files.

    ``sz_decimals`` None: the fewest decimals that hold every size of the recording.
    """
    coin = _check_place(folder, prefix)
    faults = _Faults()
    tables = {kind: _Table.read(folder / f"{prefix}_{kind}.csv.gz", faults) for kind in _KINDS}
    books, tops, trades = raw = (
        _read_books(tables["orderbooks"]),
        _read_tops(tables["prices"]),
        _read_trades(tables["trades"]),
    )
    decimals = sz_decimals if sz_decimals is not None else _decimals_of(raw)
    for each in raw:
        _check_grid(each, decimals)
    faults.raise_if_any()
    return _Builder(Instrument(InstrumentId(coin), decimals), prefix, books, tops, trades).build()


# --- faults -------------------------------------------------------------------------------------


class _Faults:
    """Collects faults; the first ones are shown, the rest only counted."""

    def __init__(self) -> None:
        self.count = 0
        self._shown: list[Problem] = []

    def add(self, path: str, found: object, want: str) -> None:
        self.count += 1
        if len(self._shown) < FAULTS_SHOWN:
            self._shown.append(Problem(path, str(found), want))

    def raise_if_any(self) -> None:
        if not self.count:
            return
        more = self.count - len(self._shown)
        if more:
            self._shown.append(Problem("...", f"{self.count} faults", f"none; the first {FAULTS_SHOWN} stand above"))
        raise ConfigError(self._shown)


def _check_place(folder: Path, prefix: str) -> str:
    """Refuse a missing folder, a name that is none, and a recording that is not there; returns the coin."""
    if not folder.is_dir():
        raise ConfigError([Problem(str(folder), "no such folder", "the recorded data (MAKERLAB_DATA names its root)")])
    match = _PREFIX.fullmatch(prefix)
    if match is None:
        raise ConfigError([Problem(f"{folder}/{prefix}", repr(prefix), "a name like ETH_20251210")])
    missing = [path for kind in _KINDS if not (path := folder / f"{prefix}_{kind}.csv.gz").is_file()]
    if missing:
        here = ", ".join(names_in(folder)) or "none"
        raise ConfigError(
            [Problem(str(path), "no such file", f"a recording of this folder ({here})") for path in missing]
        )
    return match["coin"]


# --- tables -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Table:
    """A CSV file as columns of text. Row i stands on line i + 2."""

    path: Path
    columns: dict[str, Sequence[str]]
    faults: _Faults
    bad: set[int] = field(default_factory=set)
    """Rows with a fault: what is wrong about one is said once."""

    @classmethod
    def read(cls, path: Path, faults: _Faults) -> "_Table":
        rows: list[list[str]] = []
        header: list[str] = []
        try:
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                reader = csv.reader(file)
                header = next(reader, [])
                rows.extend(reader)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            faults.add(f"{path}:{len(rows) + 2}", f"unreadable ({error})", "a complete gzipped CSV file")
        width = len(header)
        for line, row in enumerate(rows, start=2):
            if len(row) != width:
                faults.add(f"{path}:{line}", f"{len(row)} fields", f"{width} as in the header")
        rows = [row for row in rows if len(row) == width]
        if not rows:
            faults.add(str(path), "no rows", "at least one")
        columns = zip(*rows, strict=True) if rows else [()] * width
        return cls(path, dict(zip(header, columns, strict=True)), faults)

    def require(self, names: Iterable[str]) -> bool:
        missing = [name for name in names if name not in self.columns]
        if missing and self.columns:
            self.fault(-1, f"no column {', '.join(missing)}", f"the columns of {FOLDER}")
        return not missing

    def fault(self, row: int, found: object, want: str) -> None:
        self.bad.add(row)
        self.faults.add(f"{self.path}:{row + 2}", found, want)

    def fault_rows(self, rows: NDArray[np.bool_], found: str, want: str) -> None:
        """One fault for each marked row that has none yet."""
        for row in np.flatnonzero(rows).tolist():
            if row not in self.bad:
                self.fault(row, found, want)

    def floats(self, name: str, *, optional: bool = False) -> Numbers:
        """A column of positive numbers; NaN where `optional` and empty."""
        texts = self.columns[name]
        if optional:
            texts = [text or "nan" for text in texts]
        try:
            values = np.array(texts, dtype=np.float64)
        except ValueError:
            values = np.array([_float_or_nan(text) for text in texts])
        good = (values > 0) & (values < _MAX_NUMBER)
        if optional:
            good |= np.array([text == "nan" for text in texts], dtype=np.bool_)
        for row in np.flatnonzero(~good).tolist():
            bound = f" below {_MAX_NUMBER:g}" if values[row] > 0 else ""
            self.fault(row, f"{name} {_shown(texts[row])}", f"a positive number{bound}")
        return np.where(good, values, np.nan)

    def integers(self, name: str, digits: int = 18) -> list[int]:
        """A column of non-negative integers that fit 64 bits."""
        values = []
        for row, text in enumerate(self.columns[name]):
            if text.isascii() and text.isdigit() and len(text) <= digits:
                values.append(int(text))
            else:
                bound = f" of at most {digits} digits" if len(text) > digits else ""
                self.fault(row, f"{name} {_shown(text)}", f"a whole number{bound}")
                values.append(0)
        return values

    def recv_times(self) -> list[int]:
        """Receive times in ns since 1970, which never decrease."""
        times = []
        for row, text in enumerate(self.columns["timestamp"]):
            if _SECONDS.fullmatch(text):
                whole, _, part = text.partition(".")
                times.append(int(whole) * NS_PER_S + int(part[:9].ljust(9, "0")))
            else:
                self.fault(row, f"timestamp {_shown(text)}", "seconds since 1970")
                times.append(times[-1] if times else 0)
        self._check_order("timestamp", times)
        return times

    def exch_times(self, *, ordered: bool = True) -> list[int]:
        """Exchange times in ns since 1970."""
        times = [ms * NS_PER_MS for ms in self.integers("exchange_timestamp", 15)]
        if ordered:
            self._check_order("exchange_timestamp", times)
        return times

    def _check_order(self, name: str, times: list[int]) -> None:
        for row, (before, after) in enumerate(pairwise(times), start=1):
            if after < before:
                self.fault(
                    row,
                    f"{name} {self.columns[name][row]}",
                    f"not before {self.columns[name][row - 1]} of the line above",
                )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _float_or_nan(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


@dataclass(slots=True)
class _Raw:
    """A file's numbers before they are ticks and lots; prices and sizes are (rows, columns)."""

    table: _Table
    recv: list[int] = field(default_factory=list)
    exch: list[int] = field(default_factory=list)
    prices: Numbers = field(default_factory=lambda: np.empty((0, 0)))
    sizes: Numbers = field(default_factory=lambda: np.empty((0, 0)))
    sides: list[Side] = field(default_factory=list)
    tids: list[int] = field(default_factory=list)
    lines_per_row: int = 1


def _read_books(table: _Table) -> _Raw:
    raw = _Raw(table)
    depth = sum(name.startswith("bid_price_") for name in table.columns)
    prices, sizes = (
        [f"{side}_{what}_{k}" for side in ("bid", "ask") for k in range(max(depth, 1))] for what in ("price", "size")
    )
    if not table.require(["timestamp", "exchange_timestamp", *prices, *sizes]):
        return raw
    raw.recv, raw.exch = table.recv_times(), table.exch_times()
    raw.prices = np.column_stack([table.floats(name, optional=True) for name in prices])
    raw.sizes = np.column_stack([table.floats(name, optional=True) for name in sizes])
    _check_ladders(raw, depth)
    return raw


def _check_ladders(raw: _Raw, depth: int) -> None:
    """Best first on each side, price and size together, no holes, not crossed."""
    prices, table = raw.prices, raw.table
    bids, asks = prices[:, :depth], prices[:, depth:]
    holes = np.isnan(prices)
    mismatch = np.any(holes != np.isnan(raw.sizes), axis=1)
    table.fault_rows(mismatch, "a price without a size or a size without a price", "both or none")
    for name, side in (("bid", holes[:, :depth]), ("ask", holes[:, depth:])):
        below = np.any(side[:, :-1] & ~side[:, 1:], axis=1)
        table.fault_rows(below, f"a {name} level below an empty one", "levels without holes")
    with np.errstate(invalid="ignore"):
        table.fault_rows(np.any(bids[:, 1:] >= bids[:, :-1], axis=1), "bids that do not fall", "best bid first")
        table.fault_rows(np.any(asks[:, 1:] <= asks[:, :-1], axis=1), "asks that do not rise", "best ask first")
        table.fault_rows(bids[:, 0] >= asks[:, 0], "a crossed book", "bid below ask")


def _read_tops(table: _Table) -> _Raw:
    raw = _Raw(table, lines_per_row=2)
    if not table.require(["timestamp", "exchange_timestamp", "price", "size", "side"]):
        return raw
    recv, exch = table.recv_times(), table.exch_times()
    prices, sizes = table.floats("price"), table.floats("size")
    sides = table.columns["side"]
    for row, side in enumerate(sides):
        want = "ask" if row % 2 else "bid"
        if side != want:
            table.fault(row, f"side {side!r}", f"{want!r}: rows in bid/ask pairs")
        elif row % 2 and (recv[row], exch[row]) != (recv[row - 1], exch[row - 1]):
            table.fault(row, "other stamps than its bid", "the stamps of the line above")
        elif row % 2 and prices[row] <= prices[row - 1]:
            table.fault(row, f"ask {prices[row]} not above bid {prices[row - 1]}", "bid below ask")
    pairs = len(sides) // 2
    if len(sides) % 2:
        table.fault(len(sides) - 1, "a bid without its ask", "rows in bid/ask pairs")
    raw.recv, raw.exch = recv[: 2 * pairs : 2], exch[: 2 * pairs : 2]
    raw.prices, raw.sizes = prices[: 2 * pairs].reshape(-1, 2), sizes[: 2 * pairs].reshape(-1, 2)
    return raw


def _read_trades(table: _Table) -> _Raw:
    raw = _Raw(table)
    if not table.require(["timestamp", "exchange_timestamp", "price", "size", "side", "trade_id"]):
        return raw
    raw.recv, raw.exch = table.recv_times(), table.exch_times(ordered=False)
    raw.prices, raw.sizes = table.floats("price").reshape(-1, 1), table.floats("size").reshape(-1, 1)
    raw.tids = table.integers("trade_id")
    for row, text in enumerate(table.columns["side"]):
        side = _TRADE_SIDES.get(text)
        if side is None:
            table.fault(row, f"side {text!r}", "'buy' or 'sell'")
        raw.sides.append(side or Side.BUY)
    _check_repeats(raw)
    return raw


def _check_repeats(raw: _Raw) -> None:
    """A trade id may come again, but then with the same trade."""
    first: dict[int, int] = {}
    for row, tid in enumerate(raw.tids):
        other = first.setdefault(tid, row)
        clean = row not in raw.table.bad and other not in raw.table.bad
        if other != row and clean and _trade_at(raw, other) != _trade_at(raw, row):
            raw.table.fault(row, f"trade_id {tid} with another trade", f"the trade of line {other + 2}")


def _trade_at(raw: _Raw, row: int) -> tuple[int, float, float, Side]:
    return raw.exch[row], float(raw.prices[row, 0]), float(raw.sizes[row, 0]), raw.sides[row]


# --- ticks and lots -----------------------------------------------------------------------------


def _off_grid(values: Numbers, decimals: int) -> NDArray[np.bool_]:
    """Which numbers have more decimals; a text of 15 digits survives a float, so the margin is wide."""
    scaled = values * 10.0**decimals
    off: NDArray[np.bool_] = np.abs(scaled - np.rint(scaled)) > 1e-4  # noqa: PLR2004
    return off


def _decimals_of(raws: Iterable[_Raw]) -> int:
    sizes = np.concatenate([raw.sizes.ravel() for raw in raws])
    return next((d for d in range(MAX_DECIMALS) if not _off_grid(sizes, d).any()), MAX_DECIMALS)


def _check_grid(raw: _Raw, sz_decimals: int) -> None:
    px_decimals = MAX_DECIMALS - sz_decimals
    for name, values, decimals in (("size", raw.sizes, sz_decimals), ("price", raw.prices, px_decimals)):
        for row, column in np.argwhere(_off_grid(values, decimals)).tolist():
            line = row * raw.lines_per_row + (column if raw.lines_per_row > 1 else 0)
            raw.table.fault(line, f"{name} {values[row, column]}", f"at most {decimals} decimals")


def _as_integers(values: Numbers, decimals: int) -> list[list[int]]:
    """Whole ticks or lots, row by row; a missing level is 0."""
    integers: list[list[int]] = np.rint(np.nan_to_num(values) * 10.0**decimals).astype(np.int64).tolist()
    return integers


# --- the recording ------------------------------------------------------------------------------


def _level(px: int, sz: int) -> Level:
    return Px(px), Sz(sz), COUNT_UNKNOWN


@dataclass(slots=True)
class _Builder:
    instrument: Instrument
    name: str
    books: _Raw
    tops: _Raw
    trades: _Raw

    def build(self) -> Recording:
        began = min(self.books.exch[0], self.tops.exch[0])
        books, tops, received = self._books(began), self._tops(began), self._trades(began)
        unique: dict[int, RecordedTrade] = {}
        for each in received:
            unique.setdefault(each.trade.tid, each)
        stamps = sorted({each.exch_time for each in books} | {each.exch_time for each in tops})
        return Recording(
            name=self.name,
            instrument=self.instrument,
            began_at=Ns(began),
            books=books,
            tops=tops,
            frames=self._frames(received),
            trades=tuple(sorted(unique.values(), key=lambda each: each.trade.exch_time)),
            repeated_trades=len(received) - len(unique),
            gaps=gaps_between(stamps, GAP_AFTER),
        )

    def _integers(self, raw: _Raw) -> tuple[list[list[int]], list[list[int]]]:
        px_decimals, sz_decimals = self.instrument.px_decimals, self.instrument.sz_decimals
        return _as_integers(raw.prices, px_decimals), _as_integers(raw.sizes, sz_decimals)

    def _books(self, began: int) -> tuple[BookReported, ...]:
        raw, instrument = self.books, self.instrument.id
        depth = raw.prices.shape[1] // 2
        books = []
        for exch, recv, prices, sizes in zip(raw.exch, raw.recv, *self._integers(raw), strict=True):
            ladder = [_level(px, sz) for px, sz in zip(prices, sizes, strict=True)]
            bids = tuple(level for level in ladder[:depth] if level[0])
            asks = tuple(level for level in ladder[depth:] if level[0])
            books.append(BookReported(instrument, Ns(exch - began), Ns(recv - began), bids, asks))
        return tuple(books)

    def _tops(self, began: int) -> tuple[BboChanged, ...]:
        raw, instrument = self.tops, self.instrument.id
        return tuple(
            BboChanged(instrument, Ns(exch - began), Ns(recv - began), _level(*bid), _level(*ask))
            for exch, recv, (bid, ask) in zip(
                raw.exch,
                raw.recv,
                (zip(px, sz, strict=True) for px, sz in zip(*self._integers(raw), strict=True)),
                strict=True,
            )
        )

    def _trades(self, began: int) -> list[RecordedTrade]:
        """Every row, in the order of arrival."""
        raw = self.trades
        prices, sizes = self._integers(raw)
        rows = [
            (Ns(recv - began), PublicTrade(side, Px(px[0]), Sz(sz[0]), Tid(tid), Ns(exch - began)))
            for recv, exch, side, px, sz, tid in zip(
                raw.recv, raw.exch, raw.sides, prices, sizes, raw.tids, strict=True
            )
        ]
        received: list[RecordedTrade] = []
        for i, (recv, group) in enumerate(groupby(rows, key=lambda row: row[0])):
            trades = [trade for _, trade in group]
            times = [trade.exch_time for trade in trades]
            is_replayed = i == 0 or max(times) - min(times) > REPLAY_SPAN
            received.extend(RecordedTrade(trade, recv, is_replayed) for trade in trades)
        return received

    def _frames(self, received: list[RecordedTrade]) -> tuple[TradesPrinted, ...]:
        frames = []
        for recv, group in groupby(received, key=attrgetter("recv_time")):
            trades = tuple(each.trade for each in group)
            newest = max(trade.exch_time for trade in trades)
            frames.append(TradesPrinted(self.instrument.id, newest, recv, trades))
        return tuple(frames)
