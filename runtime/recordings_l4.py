"""Reads recorded blocks of one exchange, every order of them, from the folder ``hl_l4``.

Two loaders, because two must not know the same. `load_feed` gives what goes to the venue: the book at the
start, what was submitted, and the inputs that the submissions do not hold (listed in `L4Inputs`).
`load_truth` gives what came of it, for the checker alone. However many blocks the files hold.

What a submission was is read from the order fields of the status log. A row ``open`` or ``...Rejected`` is a
placement; ``canceled`` is a cancel, or, right behind a placement of the same account in the same class, the
old leg of its modify; other ends (``filled``, ``selfTradeCanceled``, the rest of an IOC) nobody submitted.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from domain.commands import AnyAction, Cancel, Modify, Place
from domain.errors import ConfigError, Problem
from domain.instrument import Instrument
from domain.units import NS_PER_MS, NS_PER_S, AccountId, Cloid, InstrumentId, Ns, Oid, Pos, Px, Side, Sz, Tif
from runtime.recordings_l4_check import Row, read_checked
from sim.venue.config import ActionClass

FOLDER = "hl_l4"
BTC = Instrument(InstrumentId("BTC"), sz_decimals=5, asset=0, max_leverage=40)
NO_CLOID = Cloid("")
LEFT_OUT = frozenset(
    (
        "perpMarginRejected",
        "minTradeNtlRejected",
        "reduceOnlyRejected",
        "oracleRejected",
        "tooManyOpenOrdersRejected",
        "perpMaxPositionRejected",
        "insufficientSpotBalanceRejected",
        "openInterestIncreaseRejected",
        "positionIncreaseAtOpenInterestCapRejected",
        "positionFlipAtOpenInterestCapRejected",
        "tooAggressiveAtOpenInterestCapRejected",
        "rejected",
    )
)
"""Rejections that need state of the account or the venue which the files do not hold."""
COMPUTED_ENDS = frozenset(("filled", "selfTradeCanceled"))
"""Ends that follow from the submissions."""


class Submission(NamedTuple):
    """One request of one action, and the id that the exchange gave to what it placed."""

    account: AccountId
    action: AnyAction
    oid: Oid | None
    action_class: ActionClass


class Slice(NamedTuple):
    """Part of a time-weighted order: an IOC at the start of a block that no status log shows."""

    account: AccountId
    place: Place
    oid: Oid


class SnapshotOrder(NamedTuple):
    """A resting order of the book at the start, in queue order."""

    account: AccountId
    oid: Oid
    place: Place
    """As it was placed: ``sz`` is the original size."""
    resting: Sz
    placed_at: Ns


class PositionInput(NamedTuple):
    """A position at the start, and where it comes from."""

    account: AccountId
    position: Pos
    source: str


@dataclass(frozen=True, slots=True)
class L4Inputs:
    """What the venue is told because the submissions do not hold it."""

    oids: int = 0
    """Order ids, of every placement."""
    batch_boundaries: int = 0
    """Blocks that hold more than one batch, by the order of classes in the status log."""
    slices: tuple[tuple[int, Slice], ...] = ()
    """(block, slice) from the fills that carry a TWAP id."""
    positions: tuple[PositionInput, ...] = ()
    """From the start positions of fills and the rested sizes of clipped orders."""
    imposed_cancels: tuple[tuple[int, Oid, str], ...] = ()
    """(block, order, status): ends that the exchange imposed for reasons outside the files; fed as cancels."""


@dataclass(frozen=True, slots=True)
class FeedBlock:
    """What reached one block: slices, then batches, each in the order of the status log."""

    number: int
    time: Ns
    slices: tuple[Slice, ...]
    batches: tuple[tuple[Submission, ...], ...]


@dataclass(frozen=True, slots=True)
class L4Feed:
    """Everything that the venue gets."""

    instrument: Instrument
    snapshot: tuple[SnapshotOrder, ...]
    blocks: tuple[FeedBlock, ...]
    inputs: L4Inputs
    left_out: Mapping[str, int]
    """Submissions that were not fed, by status."""

    def accounts(self) -> list[AccountId]:
        """Everybody in it, in order of appearance."""
        seen = dict.fromkeys(order.account for order in self.snapshot)
        seen.update(dict.fromkeys(each.account for each in self.inputs.positions))
        for block in self.blocks:
            seen.update(dict.fromkeys(each.account for each in block.slices))
            seen.update(dict.fromkeys(each.account for batch in block.batches for each in batch))
        return list(seen)


class StatusRow(NamedTuple):
    """A status of an order as the exchange logged it; ``remaining`` in lots."""

    oid: Oid
    status: str
    remaining: Sz


class FillRow(NamedTuple):
    """One side of a match; trade ids, fees and profits are not reproducible and not here."""

    account: AccountId
    oid: Oid
    side: Side
    px: Px
    sz: Sz
    is_taker: bool
    start_position: Pos


@dataclass(frozen=True, slots=True)
class TruthBlock:
    """What one block did."""

    number: int
    statuses: tuple[StatusRow, ...]
    """In the order of the log, without what was left out of the feed."""
    fills: tuple[FillRow, ...]
    top: tuple[tuple[Px, Sz, int], tuple[Px, Sz, int]]
    """Best bid and ask: price, size, orders."""
    resting: int
    sha256: str
    """Over the whole book."""


@dataclass(frozen=True, slots=True)
class L4Truth:
    """Everything that the checker compares with."""

    snapshot: TruthBlock
    """The book before the first block."""
    blocks: tuple[TruthBlock, ...]


def load_feed(folder: Path) -> L4Feed:
    """What goes to the venue. Raises ConfigError naming what cannot be read."""
    tables = read_checked(folder, BTC)
    with _reading(folder):
        statuses, fills = _by_block(tables["statuses"]), _by_block(tables["fills"])
        expected = tables["expected"]
        snapshot = [_snapshot_order(row) for row in tables["snapshot"]]
        known = _positions_from_fills(fills)
        clipped = _positions_from_rests(statuses, known, snapshot)
        builder = _FeedBuilder(frozenset(each.account for each in known))
        times = _times(expected)
        blocks = [
            builder.block(number, times[number], statuses.get(number, []), fills.get(number, []))
            for number in sorted(times)
        ]
    return L4Feed(
        BTC, tuple(snapshot), tuple(blocks), builder.inputs((*known, *clipped)), dict(sorted(builder.left_out.items()))
    )


def load_truth(folder: Path) -> L4Truth:
    """What the checker compares with. Raises ConfigError naming what cannot be read."""
    tables = read_checked(folder, BTC)
    with _reading(folder):
        statuses, fills = _by_block(tables["statuses"]), _by_block(tables["fills"])
        expected = tables["expected"]
        blocks = [
            _truth_block(row, statuses.get(int(row["block"]), []), fills.get(int(row["block"]), [])) for row in expected
        ]
    blocks.sort(key=lambda block: block.number)
    return L4Truth(blocks[0], tuple(blocks[1:]))


# --- files ---------------------------------------------------------------------------------------


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Turn what the rows say together and cannot be into one ConfigError."""
    try:
        yield
    except (KeyError, ValueError, IndexError) as error:
        problem = Problem(str(folder), f"{type(error).__name__}: {error}", "whole files of recorded blocks")
        raise ConfigError([problem]) from error


def _by_block(rows: Iterable[Row]) -> dict[int, list[Row]]:
    blocks: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        blocks[int(row["block"])].append(row)
    return dict(blocks)


_px: Callable[[str], Px] = lru_cache(maxsize=1 << 16)(BTC.parse_price)
_sz: Callable[[str], Sz] = lru_cache(maxsize=1 << 16)(BTC.parse_size)


def _pos(text: str) -> Pos:
    return Pos(-_sz(text[1:]) if text.startswith("-") else _sz(text))


def _side(letter: str) -> Side:
    return {"B": Side.BUY, "A": Side.SELL}[letter]


def _tif(text: str) -> Tif:
    """A few resting orders carry none: whatever rests may count as GTC."""
    return Tif(text.lower()) if text else Tif.GTC


def _place(row: Row) -> Place:
    cloid = Cloid(row.get("cloid", "")) or NO_CLOID
    side, px, sz = _side(row["side"]), _px(row["px"]), _sz(row["orig_sz"])
    return Place(BTC.id, cloid, side, px, sz, _tif(row["tif"]), row["reduce_only"] == "1")


def _snapshot_order(row: Row) -> SnapshotOrder:
    placed_at = Ns(int(row["ts_ms"]) * NS_PER_MS)
    return SnapshotOrder(AccountId(row["user"]), Oid(int(row["oid"])), _place(row), _sz(row["sz"]), placed_at)


def _times(expected: list[Row]) -> dict[int, Ns]:
    """Block times in nanoseconds from a moment shortly before the first block; the snapshot has none."""
    stamps = {int(row["block"]): _stamp(row["block_time"]) for row in expected if row["block_time"]}
    start = min(stamps.values(), default=0) - NS_PER_S
    return {number: Ns(stamp - start) for number, stamp in stamps.items()}


def _stamp(text: str) -> int:
    whole, _, fraction = text.partition(".")
    since = datetime.fromisoformat(whole) - datetime(2000, 1, 1)  # noqa: DTZ001 - only differences matter
    return (since.days * 86_400 + since.seconds) * NS_PER_S + int(fraction.ljust(9, "0")[:9])


# --- inputs: positions ---------------------------------------------------------------------------


def _positions_from_fills(fills: Mapping[int, list[Row]]) -> list[PositionInput]:
    """Every fill of the instrument is on file, so the first one of an account tells its position at the start."""
    first: dict[AccountId, PositionInput] = {}
    for number in sorted(fills):
        for row in fills[number]:
            account = AccountId(row["user"])
            first.setdefault(account, PositionInput(account, _pos(row["start_position"]), "start_position of a fill"))
    return list(first.values())


def _positions_from_rests(
    statuses: Mapping[int, list[Row]], known: Iterable[PositionInput], snapshot: Iterable[SnapshotOrder]
) -> list[PositionInput]:
    """Accounts without fills that let a reduce-only order rest: what rests of a clipped one is the position.

    Where nothing was clipped the position is only known to be large enough, and is taken so.
    """
    exact: dict[AccountId, PositionInput] = {}
    least: Counter[AccountId] = Counter()
    with_fills = {each.account for each in known}
    for rows in statuses.values():
        for row in rows:
            account = AccountId(row["user"])
            is_resting = row["status"] == "open" and row["reduce_only"] == "1" and row["rested_sz"]
            if not is_resting or account in with_fills:
                continue
            side, rested = _side(row["side"]), _sz(row["rested_sz"])
            if rested < _sz(row["orig_sz"]):
                exact.setdefault(account, PositionInput(account, Pos(-side * rested), "rested size of a clipped order"))
            least[account] -= side * rested
    for order in snapshot:
        if order.account in least and order.place.reduce_only:
            least[order.account] -= order.place.side * order.resting
    assumed = (PositionInput(a, Pos(size), "assumed: large enough") for a, size in least.items() if a not in exact)
    return [*exact.values(), *assumed]


# --- the feed ------------------------------------------------------------------------------------


class _FeedBuilder:
    """Gathers what all blocks have in common."""

    def __init__(self, with_position: frozenset[AccountId]) -> None:
        self.with_position = with_position
        """Accounts whose position is known from fills, so that trims of their orders are computed."""
        self.left_out: Counter[str] = Counter()
        self.imposed: list[tuple[int, Oid, str]] = []
        self._slices: list[tuple[int, Slice]] = []
        self._n_oids = 0
        self._n_split = 0

    def inputs(self, positions: tuple[PositionInput, ...]) -> L4Inputs:
        return L4Inputs(self._n_oids, self._n_split, tuple(self._slices), positions, tuple(self.imposed))

    def block(self, number: int, time: Ns, rows: list[Row], fills: list[Row]) -> FeedBlock:
        slices = _slices(fills)
        self._slices += [(number, each) for each in slices]
        builder = _BlockBuilder(number, self)
        for row in rows:
            builder.take(row)
        batches = tuple(tuple(batch) for batch in builder.batches if batch)
        self._n_oids += len(slices) + sum(each.oid is not None for batch in batches for each in batch)
        self._n_split += len(batches) > 1
        return FeedBlock(number, time, slices, batches)


class _BlockBuilder:
    """Reads the rows of one block in order. A class that comes again after a later one begins a batch."""

    def __init__(self, number: int, feed: _FeedBuilder) -> None:
        self.batches: list[list[Submission]] = [[]]
        self._number = number
        self._feed = feed
        self._stage = ActionClass.PASSIVE
        self._iocs: set[str] = set()
        self._placed: tuple[str, Submission | None] | None = None
        """Account of the row before, if that was a placement, and what was fed of it."""

    def take(self, row: Row) -> None:
        status = row["status"]
        if status == "open" or status.endswith("Rejected") or status == "rejected":
            self._placement(row)
        elif status == "canceled":
            self._cancel(row)
        elif status not in COMPUTED_ENDS and not self._is_computed_trim(row):
            self._feed.imposed.append((self._number, Oid(int(row["oid"])), status))
            self.batches[-1].append(_cancel_of(row))

    def _placement(self, row: Row) -> None:
        action_class = ActionClass.PASSIVE if row["tif"] == "Alo" else ActionClass.TAKER
        self._enter(action_class)
        submission = None
        if row["status"] in LEFT_OUT:
            self._feed.left_out[row["status"]] += 1
        else:
            submission = Submission(AccountId(row["user"]), _place(row), Oid(int(row["oid"])), action_class)
            self.batches[-1].append(submission)
        if row["tif"] == "Ioc":
            self._iocs.add(row["oid"])
        self._placed = (row["user"], submission)

    def _cancel(self, row: Row) -> None:
        if row["oid"] in self._iocs:
            return
        placed, self._placed = self._placed, None
        if placed is None or placed[0] != row["user"]:
            self._enter(ActionClass.CANCEL)
            self.batches[-1].append(_cancel_of(row))
        elif placed[1] is None:  # the old leg of a modify whose new leg was left out
            self.batches[-1].append(_cancel_of(row))
        else:
            account, place, oid, action_class = placed[1]
            assert isinstance(place, Place)  # noqa: S101 - made by _placement
            modify = Modify(Cloid(row["cloid"]), Oid(int(row["oid"])), place)
            self.batches[-1][-1] = Submission(account, modify, oid, action_class)

    def _enter(self, action_class: ActionClass) -> None:
        if action_class < self._stage:
            self.batches.append([])
        self._stage = action_class

    def _is_computed_trim(self, row: Row) -> bool:
        return row["status"] == "reduceOnlyCanceled" and AccountId(row["user"]) in self._feed.with_position


def _cancel_of(row: Row) -> Submission:
    return Submission(AccountId(row["user"]), Cancel(BTC.id, oid=Oid(int(row["oid"]))), None, ActionClass.CANCEL)


def _slices(fills: list[Row]) -> tuple[Slice, ...]:
    """The slices of a block, one for each order id: its lots, and the worst price that it paid."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in fills:
        if row["twap_id"] and row["crossed"] == "1":
            rows[row["oid"]].append(row)
    slices: list[Slice] = []
    for oid, parts in rows.items():
        side = _side(parts[0]["side"])
        px = max((_px(part["px"]) for part in parts), key=lambda px: side * px)
        sz = Sz(sum(_sz(part["sz"]) for part in parts))
        place = Place(BTC.id, NO_CLOID, side, px, sz, Tif.IOC)
        slices.append(Slice(AccountId(parts[0]["user"]), place, Oid(int(oid))))
    return tuple(slices)


# --- the truth -----------------------------------------------------------------------------------


def _truth_block(row: Row, statuses: list[Row], fills: list[Row]) -> TruthBlock:
    logged = (
        StatusRow(Oid(int(each["oid"])), each["status"], _sz(each["sz"]))
        for each in statuses
        if each["status"] not in LEFT_OUT
    )
    bid, ask = ((_px(row[f"{s}_px"]), _sz(row[f"{s}_sz"]), int(row[f"{s}_n"])) for s in ("bid", "ask"))
    return TruthBlock(
        int(row["block"]),
        tuple(logged),
        tuple(_fill_row(each) for each in fills),
        (bid, ask),
        int(row["resting_orders"]),
        row["book_sha256"],
    )


def _fill_row(row: Row) -> FillRow:
    return FillRow(
        AccountId(row["user"]),
        Oid(int(row["oid"])),
        _side(row["side"]),
        _px(row["px"]),
        _sz(row["sz"]),
        row["crossed"] == "1",
        _pos(row["start_position"]),
    )
