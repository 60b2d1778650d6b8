"""Other people's order-book test cases: QuantCup, the Kraken exercise, Gemini's take-home, a textbook book."""

import json

import pytest

from domain.units import AccountId, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import OpKind
from sim.liquidity.book import Book, Discipline
from sim.liquidity.order_file import parse, play

SIDES = {"B": Side.BUY, "S": Side.SELL}
COUNT = 19


@pytest.fixture(scope="module")
def vectors(data_dir):
    return json.loads((data_dir / "matching" / "vectors.json").read_text())


def through_order_file(ops, discipline=Discipline.FIFO):
    """What the scenario is asked for, from its rows as an order file. Users stay out: these venues let one trade
    with himself."""
    lines = [",".join(str(op.get(key, "")) for key in ("op", "id", "side", "px", "qty", "tif")) for op in ops]
    file = parse("op,id,side,px,sz,tif\n" + "\n".join(lines))
    book = Book(discipline=discipline)
    steps = list(play(file.rows, book, levels=1))
    trades = [(f.taker, f.maker, f.px, f.sz) for step in steps for f in step.fills]
    rejects = [step.row.id for step in steps if step.reject]
    return trades, rejects, tob_changes([(step.bids, step.asks) for step in steps]), depth(book)


def through_execute(ops):
    """The same, one operation at a time down the path of background flow."""
    names = list(dict.fromkeys(str(op["id"]) for op in ops))
    book, crowd = Book(), AccountId("crowd")
    trades, rejects, tops = [], [], []
    for op in ops:
        oid = Oid(names.index(str(op["id"])))
        if op["op"] == "limit":
            tif = Tif(op.get("tif", "Gtc").lower())
            one = (OpKind.PLACE, oid, crowd, SIDES[op["side"]], Px(op["px"]), Sz(op["qty"]), tif)
        else:
            one = (OpKind.CANCEL, oid, crowd, Side.BUY, Px(0), Sz(0), Tif.GTC)
        stop = book.execute([one])
        trades += [(names[oid], names[maker], px, sz) for _, maker, px, sz in stop.trades]
        rejects += [names[oid] for _ in stop.rejects]
        tops.append((book.levels(Side.BUY, 1), book.levels(Side.SELL, 1)))
    return trades, rejects, tob_changes(tops), depth(book)


def tob_changes(tops):
    """Each change of price or size of a best level, as the Kraken exercise prints it."""
    best = {"B": [None, None], "S": [None, None]}
    changes = []
    for top in tops:
        for side, levels in zip("BS", top, strict=True):
            new = list(levels[0][:2]) if levels else [None, None]
            if new != best[side]:
                changes.append([side, *new])
            best[side] = new
    return changes


def depth(book):
    return {name: [[px, sz] for px, sz, _ in book.levels(side, 100)] for name, side in SIDES.items()}


def wanted(vector):
    return [tuple(map(str, trade[:2])) + tuple(trade[2:]) for trade in vector["trades"]]


@pytest.mark.parametrize("number", range(COUNT))
@pytest.mark.parametrize("way", [through_order_file, through_execute])
def test_scenario(vectors, number, way):
    """Trades (who, with whom, price, size), rejects, top-of-book changes and the final book, where given."""
    vector = vectors[number]
    trades, rejects, changes, book = way(vector["ops"])
    assert trades == wanted(vector), vector["name"]
    assert rejects == vector.get("rejects", []), vector["name"]
    assert changes == vector.get("tob_changes", changes), vector["name"]
    assert book == vector.get("book", book), vector["name"]


def test_there_are_no_more_scenarios(vectors):
    """A scenario added to the file must not stay unplayed."""
    assert len(vectors) == COUNT


def test_a_lifo_book_fails_some(vectors):
    """The scenarios must be able to tell who of a queue traded."""
    failed = [v["name"] for v in vectors if through_order_file(v["ops"], Discipline.LIFO)[0] != wanted(v)]
    assert failed == ["qc11 queue position"]
