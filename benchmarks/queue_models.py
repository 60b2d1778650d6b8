"""Queue models against the truth: prints the tables of docs/explanation/queue-models.md.

An order-by-order record knows for each real resting order when it was filled. From the same record this makes
what a subscriber of levels sees (tops after each change, books every half second, trades), takes the real order
out of it, puts an order of ours in its place and asks each model when that one would have been filled.
The row "orders" is the exact model, fed with the single orders: what it misses is the record's own noise.

Reads ``bitstamp_l3``, ``lobster`` and ``hl_l4`` below MAKERLAB_DATA (default ``../shared/data``).
"""

import argparse
import csv
import gzip
import io
import lzma
import os
import sys
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.events import BboChanged, BookReported, PublicTrade
from domain.units import NS_PER_MS, NS_PER_S, AccountId, InstrumentId, Ns, Oid, Px, Side, Sz, Tid
from sim.liquidity.book import Book
from sim.liquidity.queue_models import EstimatedPlace, FrontFirst, OrderChanged, OrderQueues, PowerShare, RiskAverse
from sim.liquidity.recorded_side import BOOK_DEPTH, UNKNOWN_DEPTH
from sim.liquidity.shadow import Shadow

COIN = InstrumentId("COIN")
US = AccountId("us")
OURS = Oid(-1)
BOOK_EVERY = 500 * NS_PER_MS
WARM_UP = 0.1
"""Share of the record in which no order is sampled: its first orders join a book that is not all known."""
COARSE_TICK = 50
"""Half a dollar, where the record has a cent: the spread is one tick and three orders stand at the best price."""
AFTER = 600 * NS_PER_S
"""How long after its real end an order may still be filled by a model."""


class Change(NamedTuple):
    """One step of an order-by-order record: an order has `sz` lots now, `traded` of the fall were a trade."""

    time: int
    oid: int
    side: int
    px: int
    sz: int
    traded: int


@dataclass
class Life:
    """A real resting order."""

    oid: int
    side: int
    px: int
    sz: int
    born: int
    """Index of the change that placed it."""
    died: int = -1
    """Index of the change that ended it, or of the record's last one."""
    is_ended: bool = False
    fills: list[tuple[int, int]] = field(default_factory=list)
    """(index, lots) of each trade that it made."""

    @property
    def filled(self) -> int:
        return sum(lots for _, lots in self.fills)


# --- the two sources ----------------------------------------------------------------------------


class Source(NamedTuple):
    """A record; what rests before it begins are its first `start` changes."""

    name: str
    changes: list[Change]
    start: int
    has_queues: bool = False
    """Those first ones are single orders in the order of their queues, so their places are known as well."""


def bitstamp(root: Path) -> Source:  # noqa: C901 - one pass over rows with four peculiarities
    """Five hours of BTC/USD, 2015. A trade is a pair of falls of equal size on the two sides; the older order made it.

    Orders whose end is missing are left out: they would cross the book for hours.
    """
    path = root / "bitstamp_l3" / "btcusd_20150501_5h_orders.csv.xz"
    with lzma.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    sizes: dict[int, int] = {}
    born: dict[int, int] = {}
    falls: dict[tuple[int, int], list[int]] = defaultdict(list)  # (side, lots) -> rows
    parsed = []
    for i, row in enumerate(rows):
        oid, side = int(row["id"]), 1 if row["direction"] == "bid" else -1
        px, lots = round(float(row["price"]) * 100), int(row["volume"])
        gone = row["action"] == "deleted"
        traded = 0
        if row["action"] == "created":
            born[oid] = i
        elif oid in sizes and (lots < sizes[oid] or (gone and lots == 0)):
            traded = sizes[oid] - lots if lots else sizes[oid]
            falls[side, traded].append(i)
        sizes[oid] = lots
        parsed.append([int(row["timestamp"]) * NS_PER_MS, oid, side, px, 0 if gone else lots, traded])
    makers: set[int] = set()
    takers: set[int] = set()
    for (side, lots), indices in falls.items():
        if side < 0:
            continue
        others = list(falls.get((-1, lots), ()))
        for i in indices:
            near = [j for j in others if abs(parsed[i][0] - parsed[j][0]) <= 5 * NS_PER_S]
            if near:
                j = min(near, key=lambda j: abs(parsed[i][0] - parsed[j][0]))
                others.remove(j)
                older, newer = (i, j) if parsed[i][1] < parsed[j][1] else (j, i)
                makers.add(older)
                takers.add(newer)
    taker_orders = {parsed[i][1]: i for i in sorted(takers)}  # the last row in which it took
    early = {row[1] for row in parsed if row[1] not in born}
    last = {row[1]: row[4] for row in parsed}
    parsed = [row if not last[row[1]] else None for row in parsed]
    changes: list[Change] = []
    began = next(row[0] for row in parsed if row)
    known: set[int] = set()
    for row in filter(None, parsed):  # orders from before the record that end in it: there from the start
        if row[1] in early and row[1] not in known:
            known.add(row[1])
            changes.append(Change(began, row[1], row[2], row[3], max(row[4] + row[5], 1), 0))
    start = len(changes)
    for i, row in enumerate(parsed):
        if row is None:
            continue
        time, oid, side, px, sz, traded = row
        if i <= taker_orders.get(oid, -1):
            sz, traded = (sz if i == taker_orders[oid] else 0), 0  # it rests after it has taken
        changes.append(Change(time, oid, side, px, sz, traded if i in makers else 0))
    return Source("bitstamp BTC/USD, 5 h", changes, start)


def rematched(source: Source, tick: int) -> Source:
    """The same orders, cancels and takers at a coarser tick, matched by the reference book: longer queues.

    Prices are rounded away from the other side. A trade of the record is a market order of its size here, so
    who is filled follows from the queue at the coarse price. Nobody stays longer than in the record.
    """
    book = Book()
    changes: list[Change] = []
    start = 0
    for i, (time, oid, side, px, sz, traded) in enumerate(source.changes):
        if i == source.start:
            start = len(changes)
        if traded:
            for maker, at, _ in book.match(Side(-side), None, Sz(traded)).executions:
                lots = next(change.sz for change in reversed(changes) if change.oid == maker.oid) - maker.sz
                changes.append(Change(time, maker.oid, side, at, maker.sz, lots))
        order = book.get(Oid(oid))
        if order is None and sz and not traded and px > 0:
            coarse = px // tick * tick if side > 0 else -(-px // tick) * tick
            if coarse > 0 and not book.would_cross(Side(side), Px(coarse)):
                book.add(Oid(oid), US, Side(side), Px(coarse), Sz(sz))
                changes.append(Change(time, oid, side, coarse, sz, 0))
        elif order is not None and sz < order.sz and not (traded and sz):
            left = book.reduce(order.oid, Sz(order.sz - sz)).sz
            changes.append(Change(time, oid, side, order.px, left, 0))
    return Source(f"{source.name}, matched again at a tick of {tick / 100:.2f}", changes, start)


def lobster(root: Path, name: str, levels: int, rows: str) -> Source:
    """LOBSTER messages; what the first book holds before them is one order a level, the first in its queue."""
    stem = root / "lobster" / f"{name}_2012-06-21"
    messages = [line.split(",") for line in _lines(Path(f"{stem}_message_{levels}_{rows}.csv.gz"))]
    first = [int(cell) for cell in next(_lines(Path(f"{stem}_orderbook_{levels}_{rows}.csv.gz"))).split(",")]
    time = round(float(messages[0][0]) * NS_PER_S)
    sizes: dict[int, int] = {}
    changes = []
    for k in range(levels):
        for side, at in ((-1, 4 * k), (1, 4 * k + 2)):
            if first[at + 1]:
                changes.append(Change(time, -first[at] * side, side, first[at], first[at + 1], 0))
                sizes[-first[at] * side] = first[at + 1]
    start = len(changes)
    for stamp, kind, oid_text, size, price, direction in messages[1:]:
        oid, side, px, lots = int(oid_text), int(direction), int(price), int(size)
        if kind == "5":
            continue
        if kind == "1":
            sizes[oid] = lots
        else:
            if oid not in sizes:
                oid = -px * side
            if oid not in sizes:
                continue
            lots = min(lots, sizes[oid])
            sizes[oid] -= lots
        traded = lots if kind == "4" else 0
        changes.append(Change(round(float(stamp) * NS_PER_S), oid, side, px, sizes[oid], traded))
    return Source(f"LOBSTER {name}, {(changes[-1].time - time) / NS_PER_S:.0f} s", changes, start)


def hyperliquid(root: Path) -> Source:
    """BTC, 2026-05-05, 18 blocks: the first 60 levels a side of the snapshot, then every change of the book."""
    rows = {
        name: list(csv.DictReader(_lines(root / "hl_l4" / f"{name}.csv.gz")))
        for name in ("snapshot_985148181", "diffs", "fills")
    }
    sides = {"B": 1, "A": -1}
    first = int(rows["diffs"][0]["block"]) - 1
    prices = {
        side: sorted({float(row["px"]) for row in rows["snapshot_985148181"] if row["side"] == side}) for side in "AB"
    }
    near = {"A": prices["A"][:60], "B": prices["B"][-60:]}
    changes = [
        Change(0, int(row["oid"]), sides[row["side"]], round(float(row["px"]) * 10), _lots(row["sz"]), 0)
        for row in rows["snapshot_985148181"]
        if near[row["side"]][0] <= float(row["px"]) <= near[row["side"]][-1]
    ]
    start = len(changes)
    traded = {(row["block"], row["oid"]): _lots(row["sz"]) for row in rows["fills"] if row["crossed"] == "0"}
    for row in rows["diffs"]:
        time = (int(row["block"]) - first) * 67 * NS_PER_MS
        sz = 0 if row["op"] == "remove" else _lots(row["new_sz"])
        lots = traded.get((row["block"], row["oid"]), 0)
        changes.append(Change(time, int(row["oid"]), sides[row["side"]], round(float(row["px"]) * 10), sz, lots))
    return Source("Hyperliquid BTC, 1.2 s", changes, start, has_queues=True)


def _lots(size: str) -> int:
    return round(float(size) * 1e5)


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        yield from io.StringIO(file.read())


# --- what a subscriber of levels sees -----------------------------------------------------------


class Levels:
    """Total size by price, and the queue of each price."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int, int]] = {}
        self.queues: dict[tuple[int, int], dict[int, int]] = {}
        self.keys: dict[int, list[int]] = {1: [], -1: []}

    def apply(self, change: Change) -> None:
        old = self.orders.pop(change.oid, None)
        if old is not None and (old[1] != change.px or change.sz > old[2] or not change.sz):
            side, px, _ = old
            del self.queues[side, px][change.oid]
            if not self.queues[side, px]:
                del self.queues[side, px]
                self.keys[side].remove(px)
        if change.sz:
            key = (change.side, change.px)
            if key not in self.queues:
                self.queues[key] = {}
                insort(self.keys[change.side], change.px)
            self.queues[key][change.oid] = change.sz
            self.orders[change.oid] = (change.side, change.px, change.sz)

    def best(self, side: int, n: int, without: tuple[int, int, int] | None = None) -> tuple[tuple[Px, Sz, int], ...]:
        """The best levels; `without` = (side, px, lots) of the order that is taken out."""
        keys = self.keys[side]
        found = []
        for px in reversed(keys) if side > 0 else keys:
            size = sum(self.queues[side, px].values())
            if without is not None and without[:2] == (side, px):
                size -= without[2]
            if size > 0:
                found.append((Px(px), Sz(size), 0))
            if len(found) == n:
                break
        return tuple(found)


def is_crossed(levels: Levels) -> bool:
    bids, asks = levels.keys[1], levels.keys[-1]
    return bool(bids and asks and bids[-1] >= asks[0])


@dataclass
class Seen:
    """What one change shows: the top two levels of each side where they moved, the book where it is due."""

    tops: tuple[tuple[tuple[Px, Sz, int], ...], tuple[tuple[Px, Sz, int], ...]] | None
    book: tuple[tuple[tuple[Px, Sz, int], ...], tuple[tuple[Px, Sz, int], ...]] | None


def view(source: Source) -> tuple[list[Seen], dict[int, Life]]:
    """The subscriber's view after each change (of several at one time, after the last), and the life of each order."""
    changes = source.changes
    levels = Levels()
    seen, lives = [], {}
    last_tops, last_book = None, -BOOK_EVERY
    for i, change in enumerate(changes):
        life = lives.get(change.oid)
        if life is None and change.sz and not change.traded:
            lives[change.oid] = Life(change.oid, change.side, change.px, change.sz, i, len(changes) - 1)
        elif life is not None and not life.is_ended:
            if change.traded:
                life.fills.append((i, change.traded))
            if not change.sz or change.px != life.px:
                life.died, life.is_ended = i, True
        levels.apply(change)
        tops = book = None
        is_last = i + 1 == len(changes) or changes[i + 1].time > change.time
        if i >= source.start and is_last and not is_crossed(levels):
            pair = levels.best(1, 2), levels.best(-1, 2)
            if pair != last_tops:
                tops = last_tops = pair
            if change.time - last_book >= BOOK_EVERY:
                book = levels.best(1, BOOK_DEPTH + 1), levels.best(-1, BOOK_DEPTH + 1)
                last_book = change.time
        seen.append(Seen(tops, book))
    return seen, lives


# --- one order under one model ------------------------------------------------------------------


@dataclass
class Outcome:
    """What a model said of one order, and what was true."""

    life: Life
    at_start: int
    """Lots ahead when it came to rest."""
    share: float = 0.0
    """Predicted filled share at the order's real end."""
    filled_at: int | None = None
    """Predicted time of the whole fill."""
    ahead: int = 0
    """Predicted lots ahead at the order's real end."""
    true_ahead: int = 0

    @property
    def true_share(self) -> float:
        return min(self.life.filled / self.life.sz, 1.0)

    @property
    def is_whole(self) -> bool:
        return self.life.is_ended and self.life.filled >= self.life.sz


class Truth:
    """The queue at one price as the record has it, without the order itself."""

    def __init__(self, queue: dict[int, int], life: Life) -> None:
        self.queues = OrderQueues()
        for oid, sz in queue.items():
            if oid == life.oid:
                break
            self.tell(life, oid, sz)
        self.place = self.queues.join(Side(life.side), Px(life.px), 0)

    def tell(self, life: Life, oid: int, sz: int) -> None:
        self.queues.apply(OrderChanged(Side(life.side), Px(life.px), Oid(oid), Sz(sz)))


def without(levels: tuple[tuple[Px, Sz, int], ...], px: int, lots: int, n: int) -> tuple[tuple[Px, Sz, int], ...]:
    """Levels without the real order whose place ours takes."""
    out = []
    for at, size, count in levels:
        left = size - lots if at == px else size
        if left > 0:
            out.append((at, Sz(left), count))
    return tuple(out[:n])


class Follower:
    """Ours in the place of a real order, under one model."""

    def __init__(self, life: Life, source: Source, levels: Levels, model) -> None:
        """`levels` is the book right after the real order was placed (or at the record's start)."""
        self.life = life
        self.truth = Truth(levels.queues[life.side, life.px], life)
        self.rest = life.sz
        self.began = source.changes[life.born].time
        self.shadow = Shadow(self.truth.queues if model is None else model, watched=[US])
        out = (life.side, life.px, life.sz)
        self.shadow.see(BookReported(COIN, Ns(0), Ns(0), levels.best(1, 20, out), levels.best(-1, 20, out)))
        self.shadow.add(OURS, US, Side(life.side), Px(life.px), Sz(life.sz))
        self.outcome = Outcome(life, self.truth.place.ahead)
        place = self.truth.place if model is None else EstimatedPlace(model, self.truth.place.ahead)
        self.shadow._orders[OURS].place = place  # noqa: SLF001 - joined where the real order did

    def step(self, i: int, change: Change, seen: Seen, *, is_alive: bool) -> int:
        """Take in one change; returns the lots of ours that were filled."""
        life, shadow = self.life, self.shadow
        time = Ns(change.time - self.began)
        executions = []
        if change.traded:
            trade = PublicTrade(Side(-change.side), Px(change.px), Sz(change.traded), Tid(i), time)
            executions += shadow.trade(trade).executions
        if change.oid == life.oid:
            self.rest = change.sz if change.px == life.px else 0
        elif (change.side, change.px) == (life.side, life.px):
            self.truth.tell(life, change.oid, change.sz)
        rest = self.rest if is_alive else 0
        if seen.tops is not None:
            bid, ask = (next(iter(without(each, life.px, rest, 1)), None) for each in seen.tops)
            executions += shadow.see(BboChanged(COIN, time, time, bid, ask)).executions
        if seen.book is not None:
            bids, asks = (without(each, life.px, rest, BOOK_DEPTH) for each in seen.book)
            executions += shadow.see(BookReported(COIN, time, time, bids, asks)).executions
        return sum(sz for _, _, sz in executions)


def follow(life: Life, source: Source, seen: list[Seen], levels: Levels, model) -> Outcome:
    """Place ours instead of the real order, and see what becomes of it up to the real one's end and after."""
    changes = source.changes
    ours = Follower(life, source, levels, model)
    outcome = ours.outcome
    end = changes[life.died].time
    filled = 0
    for i in range(max(life.born + 1, source.start), len(changes)):
        change = changes[i]
        if i == life.died:
            order = ours.shadow.get(OURS)
            outcome.ahead = ours.shadow.depth_ahead(OURS) if order else 0
            outcome.true_ahead = ours.truth.place.ahead
            if not outcome.is_whole:  # ours is cancelled at the moment at which the real one was
                outcome.share = filled / life.sz
                return outcome
        if change.time > end + AFTER:
            break
        filled += ours.step(i, change, seen[i], is_alive=i <= life.died)
        if change.time <= end + NS_PER_S:
            outcome.share = filled / life.sz
        if ours.shadow.get(OURS) is None and outcome.filled_at is None:
            outcome.filled_at = change.time
            if i > life.died:
                break
    return outcome


# --- the tables ---------------------------------------------------------------------------------

MODELS = {
    "risk averse": RiskAverse(),
    "power 1": PowerShare(1.0),
    "power 2": PowerShare(2.0),
    "power 3": PowerShare(3.0),
    "front first": FrontFirst(),
    "orders": None,
}


def near_trades(source: Source, lives: dict[int, Life]) -> list[Life]:
    """Orders that saw a trade at or through their price while they rested, after the warm-up."""
    changes = source.changes
    trades = [(i, change) for i, change in enumerate(changes) if change.traded]
    indices = [i for i, _ in trades]
    warm = changes[0].time + WARM_UP * (changes[-1].time - changes[0].time)
    picked = []
    for life in lives.values():
        if life.born < source.start or not life.is_ended or changes[life.born].time < warm:
            continue
        near = trades[bisect_right(indices, life.born) : bisect_right(indices, life.died)]
        if any(t.side == life.side and (t.px - life.px) * life.side <= 0 for _, t in near):
            picked.append(life)
    return picked


def run_all(source: Source, seen: list[Seen], picked: list[Life], limit: int) -> dict[str, list[Outcome]]:
    step = max(-(-len(picked) // limit), 1)
    results: dict[str, list[Outcome]] = {model: [] for model in MODELS}
    levels = Levels()
    at = 0
    for life in sorted(picked[::step], key=lambda life: life.born):
        while at <= max(life.born, source.start - 1):
            levels.apply(source.changes[at])
            at += 1
        if life.oid in levels.queues.get((life.side, life.px), {}):
            for label, model in MODELS.items():
                results[label].append(follow(life, source, seen, levels, model))
    return results


def measure(source: Source, limit: int) -> None:
    seen, lives = view(source)
    print(f"\n== {source.name}: {len(source.changes) - source.start} changes of orders")
    cancels_in_queues(source)
    results = run_all(source, seen, near_trades(source, lives), limit)
    for title, is_in in (
        ("alone at their price", lambda each: not each.at_start),
        ("behind others", lambda each: each.at_start),
    ):
        report_fills(title, source, {label: [each for each in all_ if is_in(each)] for label, all_ in results.items()})
    changes = source.changes
    waiting = [
        life
        for life in lives.values()
        if NS_PER_S <= changes[life.died].time - changes[life.born].time <= AFTER
        and life.died > source.start
        and (source.has_queues or life.born >= source.start)
    ]
    report_depth(
        {
            label: [each for each in all_ if each.at_start]
            for label, all_ in run_all(source, seen, waiting, 4 * limit).items()
        }
    )


def cancels_in_queues(source: Source) -> None:
    """Where in their queue cancelled lots stood: 0 the front, 1 the back, 0.5 on average if anywhere alike."""
    levels = Levels()
    positions, lots = [], []
    for i, change in enumerate(source.changes):
        old = levels.orders.get(change.oid)
        if i >= source.start and old is not None and not change.traded and change.sz < old[2]:
            queue = levels.queues[old[0], old[1]]
            ahead = sum(list(queue.values())[: list(queue).index(change.oid)])
            others = sum(queue.values()) - old[2]
            if len(queue) > 2 and others:
                positions.append(ahead / others)
                lots.append(old[2] - change.sz)
        levels.apply(change)
    if positions:
        weighted = sum(p * n for p, n in zip(positions, lots, strict=True)) / sum(lots)
        print(
            f"cancels with two or more others at the price: {len(positions)}, place in the queue "
            f"mean {fmean(positions):.2f}, by size {weighted:.2f} (0 front, 1 back)"
        )


def report_fills(title: str, source: Source, results: dict[str, list[Outcome]]) -> None:
    any_model = next(iter(results.values()))
    if not any_model:
        return
    whole = sum(each.is_whole for each in any_model)
    true_share = fmean(each.true_share for each in any_model)
    print(f"orders near a trade, {title}: {len(any_model)}, filled whole {whole}, true filled share {true_share:.3f}")
    row("model", "share", "error", "|error|", "missed", "invented", "dt p50", "|dt| p50", "|dt| p90")
    for label, outcomes in results.items():
        errors = [each.share - each.true_share for each in outcomes]
        filled = [each for each in outcomes if each.is_whole]
        none = [each for each in outcomes if not each.life.filled]
        late = [each.filled_at - source.changes[each.life.died].time for each in filled if each.filled_at is not None]
        off = sorted(map(abs, late)) or [0]
        row(
            label,
            f"{fmean(each.share for each in outcomes):.3f}",
            f"{fmean(errors):+.3f}",
            f"{fmean(map(abs, errors)):.3f}",
            f"{(len(filled) - len(late)) / max(len(filled), 1):.1%}",
            f"{sum(each.share > 0 for each in none) / max(len(none), 1):.1%}",
            *(f"{time / NS_PER_S:.2f} s" for time in (median(late or [0]), median(off), off[int(0.9 * len(off))])),
        )


def report_depth(results: dict[str, list[Outcome]]) -> None:
    any_model = next(iter(results.values()))
    if not any_model:
        return
    moved = sum(each.at_start - each.true_ahead for each in any_model)
    share = moved / sum(each.at_start for each in any_model)
    print(f"orders that waited behind others for 1 s or more: {len(any_model)}; {share:.0%} of the lots ahead went")
    row("model", "seen going", "bias", "|error|", "lots ahead at the end, per lot ahead at the start")
    for label, outcomes in results.items():
        known = [each for each in outcomes if each.ahead < UNKNOWN_DEPTH]
        errors = [(each.ahead - each.true_ahead) / each.at_start for each in known]
        seen = sum(each.at_start - each.ahead for each in known) / max(moved, 1)
        row(label, f"{seen:.0%}", f"{fmean(errors):+.3f}", f"{fmean(map(abs, errors)):.3f}")


def row(first: str, *cells: str) -> None:
    print(f"  {first:12}" + "".join(f" {cell:>10}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=500, help="most orders to follow in each source")
    limit = parser.parse_args().orders
    root = Path(os.environ.get("MAKERLAB_DATA") or "../shared/data")
    if not root.is_dir():
        sys.exit(f"no recorded data in {root.resolve()} (MAKERLAB_DATA names another folder)")
    measure(hyperliquid(root), limit)
    real = bitstamp(root)
    measure(real, limit)
    measure(rematched(real, COARSE_TICK), limit)
    measure(lobster(root, "AMZN", 5, "first1000rows"), limit)
    measure(lobster(root, "AAPL", 50, "first672rows"), limit)


if __name__ == "__main__":
    main()
