"""The book against LOBSTER: after every recorded message its levels must be those that the file shows.

One book is carried from the first row to the last. The files start in the middle of a trading day and show no more
than their best levels, so there is volume that no message created. It is *adopted*, when and only when it comes into
view, and every adoption is counted by its reason:

- ``start``: it stands in the first row;
- ``entered``: a deeper level that was never in view comes into view because a nearer one vanished;
- ``changed``: a level comes back into view and is not what it was when it left: messages beyond the view are not
  in the file.

A difference at a price that was in view before the message and after it has no such excuse. There must be none.
"""

import csv
import gzip
from collections import Counter, defaultdict

import pytest

from domain.units import Oid, Px, Side, Sz
from sim.liquidity.base import NOBODY
from sim.liquidity.book import Book, Discipline

NEW, REDUCE, DELETE, EXECUTE, HIDDEN = "12345"
SAMPLES = {"AAPL": ("50", "672", 10), "AMZN": ("5", "1000", 5)}


@pytest.fixture(scope="module", params=SAMPLES)
def sample(request, data_dir):
    """(name, messages, rows of the book, levels to compare)."""
    depth, n, compared = SAMPLES[request.param]
    kinds = ("message", "orderbook")
    files = [data_dir / "lobster" / f"{request.param}_2012-06-21_{kind}_{depth}_first{n}rows.csv.gz" for kind in kinds]
    messages, books = (list(csv.reader(gzip.decompress(file.read_bytes()).decode().splitlines())) for file in files)
    assert len(messages) == len(books) == int(n)
    return request.param, messages, books, compared


def shown(row, side):
    """The levels of one row and how far down they show everything: to the last of them, or all if one is empty."""
    first = 0 if side < 0 else 2
    levels = [(int(row[i]), int(row[i + 1])) for i in range(first, len(row), 4) if row[i + 1] != "0"]
    return levels, side * levels[-1][0] if len(levels) * 4 == len(row) else float("-inf")


class Replay:
    """A book fed with messages and compared with what the file shows; `by_id` says where adopted orders queue.

    Without it, adopted volume is one nameless order in front of whatever comes later. With it, adopted orders get the
    ids under which later messages execute or delete them, and a level is kept in the order of ids: LOBSTER
    assigns them as orders enter, and an order that waited for the opening auction keeps the id it entered with.
    """

    def __init__(self, messages, *, by_id, discipline=Discipline.FIFO):
        self.book = Book(discipline=discipline)
        self.by_id = by_id
        self.counts = Counter()
        self.unexplained = []
        self.nameless = 0
        self.adopted = defaultdict(list)
        self.seen = set()
        self.horizon = dict.fromkeys(Side)
        submitted = {message[2] for message in messages if message[1] == NEW}
        self.named = defaultdict(Counter)
        for _, kind, oid, sz, px, side in messages:
            if kind in {REDUCE, DELETE, EXECUTE} and oid not in submitted:
                self.named[int(side), int(px)][int(oid)] += int(sz)

    def apply(self, message):
        _, kind, oid, sz, px, side = message
        oid, sz, px, side = Oid(int(oid)), Sz(int(sz)), Px(int(px)), Side(int(side))
        self.counts["hidden"] += kind == HIDDEN
        if kind == NEW:
            if self.book.would_cross(side, px):
                self.unexplained.append(("a new order would cross", message))
            self.book.add(oid, NOBODY, side, px, sz)
            self.in_order_of_ids(side, px)
        elif kind in {REDUCE, DELETE, EXECUTE}:
            if oid not in self.book:  # never submitted, so of the adopted volume
                self.counts[f"never submitted, {'executed' if kind == EXECUTE else 'deleted'}"] += 1
                oid = next(lump for lump in self.adopted[side, px] if lump in self.book)
            if kind == EXECUTE:
                self.execute(oid, side, px, sz, message)
            else:
                if kind == DELETE and oid > 0 and self.book.get(oid).sz != sz:
                    self.unexplained.append(("deleted another size than rests", message))
                self.book.reduce(oid, sz)

    def execute(self, oid, side, px, sz, message):
        """The book, asked to match a taker of this size, should pick the order that the file names."""
        queue = self.book.orders_at(side, px)
        ahead = [order.oid for order in queue[: [order.oid for order in queue].index(oid)]]
        if not ahead and px == self.book.best(side):
            self.counts["executed at the front"] += 1
            result = self.book.match(side.opposite, px, sz)
            if [(maker.oid, at, lots) for maker, at, lots in result.executions] != [(oid, px, sz)]:
                self.unexplained.append(("the book trades with others", message))
        else:
            if px != self.book.best(side) or any(other > 0 for other in ahead):
                self.unexplained.append(("executed before older orders", message))
            self.counts["executed behind adopted volume only"] += 1
            self.book.reduce(oid, sz)

    def compare(self, row, message):
        """Differences in view are errors; what just came into view is taken from the file."""
        for side in Side:
            levels, horizon = shown(row, side)
            theirs = dict(levels)
            ours = {px: total for px, total, _ in self.book.levels(side, len(self.book)) if side * px >= horizon}
            before, self.horizon[side] = self.horizon[side], horizon
            for px in ours.keys() | theirs.keys():
                if ours.get(px, 0) == theirs.get(px, 0):
                    continue
                if before is not None and side * px >= before:
                    self.unexplained.append((side, px, ours.get(px), theirs.get(px), message))
                    continue
                self.counts["start" if before is None else "changed" if (side, px) in self.seen else "entered"] += 1
                self.adopt(side, Px(px), theirs.get(px, 0) - ours.get(px, 0))
            self.seen |= {(side, px) for px in theirs}

    def adopt(self, side, px, sz):
        """Bring a level to what the file shows."""
        if sz < 0:
            queue = self.book.orders_at(side, px)
            leaving = queue if sum(order.sz for order in queue) == -sz else [order for order in queue if order.oid < 0]
            assert sum(order.sz for order in leaving) >= -sz, "orders left that the file names later"
            for order in leaving:
                gone = min(order.sz, -sz)
                sz += gone
                if gone:
                    self.book.reduce(order.oid, Sz(gone))
            return
        names = dict(self.named[side, px]) if self.by_id else {}
        for oid, named in sorted(names.items()):
            if oid not in self.book and named <= sz:
                self.book.add(Oid(oid), NOBODY, side, px, Sz(named))
                sz -= named
        if sz:
            self.nameless += 1
            self.adopted[side, px].append(Oid(-self.nameless))
            self.book.add(Oid(-self.nameless), NOBODY, side, px, Sz(sz))
        self.in_order_of_ids(side, px)

    def in_order_of_ids(self, side, px):
        """Put a level into the order of entry; nameless volume, which the file never touches, goes last."""
        queue = self.book.orders_at(side, px)
        wanted = sorted(queue, key=lambda order: (order.oid < 0, order.oid))
        if self.by_id and queue != wanted:
            for order in queue:
                self.book.remove(order.oid)
            for order in wanted:
                self.book.add(order.oid, order.account, side, px, order.sz)


def run(sample, **how):
    name, messages, books, compared = sample
    replay = Replay(messages, **how)
    for message, row in zip(messages, books, strict=True):
        replay.apply(message)
        replay.compare(row, message)
        replay.book.validate()
        for side in Side:
            assert [(px, sz) for px, sz, _ in replay.book.levels(side, compared)] == shown(row, side)[0][:compared]
    return name, replay


BY_ID = {
    # The first row shows 50 asks and all 40 bids there are; one of those the first message made.
    "AAPL": {"start": 89, "entered": 1, "hidden": 22, "executed at the front": 56},
    # Five levels in view are few: 13 deeper ones come up, 7 come back changed.
    "AMZN": {"start": 10, "entered": 13, "changed": 7, "hidden": 87, "executed at the front": 128},
}
NAMELESS = {
    "AAPL": BY_ID["AAPL"] | {"never submitted, deleted": 11},
    # All 26 are at 224.00. The 220 shares adopted there are three orders, as later messages show. At the opening
    # auction the file submits orders under ids from before it, and these go first: 3 of the 26 have ids below the
    # first of the three, the other 23 below the second. In the order of ids not one is left.
    "AMZN": BY_ID["AMZN"]
    | {
        "never submitted, deleted": 4,
        "never submitted, executed": 15,
        "executed at the front": 102,
        "executed behind adopted volume only": 26,
    },
}


@pytest.mark.parametrize(("by_id", "counts"), [(False, NAMELESS), (True, BY_ID)])
def test_every_level_after_every_message(sample, by_id, counts):
    """Adds, partial cancels, deletes and executions add up to the recorded book; hidden executions leave it alone."""
    name, replay = run(sample, by_id=by_id)
    assert replay.unexplained == []
    assert dict(+replay.counts) == counts[name]


def test_the_book_picks_the_order_that_was_executed(sample):
    """Price-time priority itself: a taker of the recorded size meets the recorded order, every time."""
    _, messages, *_ = sample
    _, replay = run(sample, by_id=True)
    assert replay.counts["executed at the front"] == sum(message[1] == EXECUTE for message in messages)
    assert replay.unexplained == []


def test_a_lifo_book_is_noticed(sample):
    """Levels would be the same; who of a queue trades would not."""
    _, replay = run(sample, by_id=False, discipline=Discipline.LIFO)
    assert replay.unexplained
    assert {what for what, _ in replay.unexplained} == {"executed before older orders"}


@pytest.mark.parametrize("kind", [NEW, DELETE, EXECUTE])
def test_a_lost_message_is_noticed(sample, kind):
    """The comparison must be able to fail: one message that never arrives leaves a difference in view."""
    _, messages, books, _ = sample
    lost = next(i for i, message in enumerate(messages) if message[1] == kind and i > 100)
    quiet = [*messages[lost][:1], HIDDEN, *messages[lost][2:]]
    replay = Replay(messages, by_id=False)
    for message, row in zip([*messages[:lost], quiet], books, strict=False):
        replay.apply(message)
        replay.compare(row, message)
    assert [problem[-1] for problem in replay.unexplained] == [quiet]
