"""Order-level files: what is read, what is refused with all its problems, what each row reports."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ConfigError
from domain.units import Side, Sz, Tif
from sim.liquidity.base import NOBODY, MatchResult
from sim.liquidity.book import Book, Discipline
from sim.liquidity.order_file import (
    OrderFile,
    Outcome,
    Refusal,
    RowOp,
    parse,
    play,
    run_order_file,
    step_as_dict,
    unscaled,
)

HEADER = "t,op,id,side,px,sz,tif,user\n"


def outcomes(text):
    return [(step.row.id, step.reject or step.outcome) for step in run_order_file(HEADER + text).steps]


def test_a_session():
    """Every operation once, with what a reader wants to know of it."""
    report = run_order_file(
        HEADER
        + """\
1,limit,a1,S,101.5,10,,ann
2,limit,b1,S,101.5,4,Alo,bob
3.25,limit,a2,B,101.50,12,Ioc,ann
3.25,add,c1,B,101,0.5,,
4,reduce,b1,,,1,,
5,move,c1,,101.25,,,
6,execute,c1,B,101.25,0.25,,
7,cancel,b1,S,101.5,3,,
""",
        levels=1,
    )
    assert (report.file.px_decimals, report.file.sz_decimals) == (2, 2)
    shown = [step_as_dict(step, report.file) for step in report.steps]
    assert json.loads(json.dumps(shown)) == shown
    front = {"front": True, "ahead": "0"}
    assert [(row["id"], row["outcome"], row["fills"], row["expired"]) for row in shown] == [
        ("a1", "rests", [], []),
        ("b1", "rests", [], []),
        ("a2", "dropped", [{"maker": "b1", "taker": "a2", "px": "101.5", "sz": "4", **front}], ["a1"]),
        ("c1", "rests", [], []),
        ("b1", "rejected", [], []),
        ("c1", "rests", [], []),
        ("c1", "rests", [{"maker": "c1", "taker": "", "px": "101.25", "sz": "0.25", **front}], []),
        ("b1", "rejected", [], []),
    ]
    assert not any(row["crossed"] for row in shown)
    assert shown[1]["asks"] == [["101.5", "14", 2]]
    assert shown[6]["bids"] == [["101.25", "0.25", 1]]
    assert report.counts == {
        "rows": 8,
        "fills": 2,
        "at the front": 2,
        "expired": 1,
        "rests": 5,
        "dropped": 1,
        "rejected": 2,
        "unknown order": 2,
    }


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ("1,limit,x,S,10,5,Alo,", Refusal.WOULD_CROSS),
        ("1,limit,x,S,10,5,Ioc,", Outcome.FILLED),
        ("1,limit,x,S,11,5,Ioc,", Refusal.NO_MATCH),
        ("1,limit,x,S,10,9,Gtc,", Outcome.RESTS),
        ("1,limit,first,S,12,9,Gtc,", Refusal.DUPLICATE_ID),
        ("1,reduce,first,B,10,2,,", Outcome.RESTS),
        ("1,reduce,first,,,5,,", Outcome.DELETED),
        ("1,reduce,first,,,6,,", Refusal.TOO_LARGE),
        ("1,reduce,first,S,10,1,,", Refusal.DISAGREES),
        ("1,delete,first,B,11,,,", Refusal.DISAGREES),
        ("1,delete,nobody,,,,,", Refusal.UNKNOWN_ORDER),
        ("1,execute,first,,,5,,", Outcome.FILLED),
        ("1,execute,first,,,6,,", Refusal.TOO_LARGE),
        ("1,move,first,,9,7,,", Outcome.RESTS),
        ("1,move,first,S,9,7,,", Refusal.DISAGREES),
        ("1,delete,first,,,,,\n2,limit,first,S,10,5,,", Outcome.RESTS),
    ],
)
def test_what_becomes_of_a_row(rows, last):
    """One row after a resting bid of 5 at 10, for each way in which it can end."""
    assert outcomes(f"0,limit,first,B,10,5,,\n{rows}\n")[-1][1] is last


def test_a_refused_row_changes_nothing_but_a_refused_move():
    """As on the venue, a modify whose new order is refused has already canceled the old one."""
    before = "0,limit,b,B,10,5,,\n0,limit,s,S,11,5,,\n"
    for row, bids in (("1,limit,x,B,11,1,Alo,", ((10, 5, 1),)), ("1,move,b,,11,,Alo,", ())):
        last = run_order_file(HEADER + before + row).steps[-1]
        assert last.reject is Refusal.WOULD_CROSS
        assert (last.bids, last.asks) == (bids, ((11, 5, 1),))


def test_a_move_goes_to_the_end_of_its_queue():
    """Even at the same price, even to less."""
    steps = run_order_file(HEADER + "0,add,a,B,10,5,,\n0,add,b,B,10,5,,\n0,move,a,,,4,,\n0,limit,t,S,10,6,,\n").steps
    assert [(fill.maker, fill.sz) for fill in steps[-1].fills] == [("b", 5), ("a", 1)]


def test_executions_say_whether_they_met_the_front():
    """Ahead in the queue, or at a better price: both are out of order, and counted."""
    text = HEADER + "".join(f"0,add,{name},B,{px},5,,\n" for name, px in (("a", 10), ("b", 10), ("c", 9)))
    steps = run_order_file(text + "1,execute,b,,,1,,\n2,execute,c,,,1,,\n3,execute,a,,,1,,\n").steps[3:]
    places = [fill.place for step in steps for fill in step.fills]
    assert [(place.is_best, place.ahead, place.is_front) for place in places] == [
        (True, 5, False),
        (False, 0, False),
        (True, 0, True),
    ]
    lifo = list(play(parse(text + "1,execute,b,,,1,,\n").rows, Book(discipline=Discipline.LIFO)))
    assert lifo[-1].fills[0].place.is_front


def test_every_fill_of_a_match_says_whether_it_met_the_front():
    """Protects the check of the matching: a walk over two levels, past an order of the taker's own, and a move."""
    text = "0,add,a,B,10,5,,\n0,add,me,B,10,5,,u\n0,add,b,B,10,5,,\n0,add,c,B,9,5,,\n"
    steps = run_order_file(HEADER + text + "1,limit,t,S,9,7,,u\n2,add,s,S,11,4,,\n3,move,s,,9,,,\n").steps
    places = [(fill.maker, fill.sz, fill.place.is_front) for step in steps for fill in step.fills]
    assert places == [("a", 5, True), ("b", 2, True), ("b", 3, True), ("c", 1, True)]


class Unfair(Book):
    """A book whose takers meet the youngest order of the worst price first, whatever `orders` says."""

    def match(self, side, px_limit, sz, taker_account=NOBODY, admit=None):
        maker = list(self.orders(side.opposite))[-1]
        self.reduce(maker.oid, sz)
        return MatchResult(Sz(0), [(maker, maker.px, sz)], [], [])


@pytest.mark.parametrize(("last", "is_best", "ahead"), [("10", True, 8), ("9", False, 3)])
def test_a_matching_that_is_wrong_shows(last, is_best, ahead):
    """Protects the check itself: were the places asked of the matching, they would always be right."""
    rows = f"0,add,a,B,10,5,,\n0,add,b,B,{last},3,,\n0,add,c,B,{last},2,,\n1,limit,t,S,9,1,,\n"
    (fill,) = list(play(parse(HEADER + rows).rows, Unfair()))[-1].fills
    assert (fill.maker, fill.place.is_best, fill.place.ahead, fill.place.is_front) == ("c", is_best, ahead, False)


def test_a_book_that_an_add_has_crossed_is_marked():
    """Protects the reader of a recording: what rests across the other side was never matched."""
    steps = run_order_file(HEADER + "0,add,a,B,10,5,,\n0,add,b,S,10,5,,\n1,delete,a,,,,,\n").steps
    assert [step.is_crossed for step in steps] == [False, True, False]


def test_every_problem_of_a_file_at_once():
    """The user fixes a file in one go: line, column, what was found and what is wanted."""
    with pytest.raises(ConfigError) as caught:
        run_order_file(
            """\
t,op,id,side,px,sz,tif
2,limt,a,B,100.5,5,
1,limit,,X,1e5,,Foo

x,move,q,,,,
3,limit,b,B,0.00,-1,
1,2
3,add,"c
"""
        )
    number = "a positive decimal number, at most 15 digits before the point and 12 behind it"
    assert str(caught.value).splitlines() == [
        "line 8: found unexpected end of data, want comma-separated text",
        "line 2, op: found 'limt', want limit, add, reduce, delete, move, execute, cancel",
        "line 3, t: found 1, want a time that does not go back: 2 came before",
        "line 3, side: found 'X', want B or S",
        "line 3, tif: found 'Foo', want Gtc, Ioc, Alo or nothing",
        "line 3, id: found nothing, want the id of an order",
        f"line 3, px: found '1e5', want {number}",
        "line 3, sz: found nothing, want something: limit needs side, px, sz",
        "line 5, t: found 'x', want a number or nothing",
        "line 5, px: found nothing, and no sz either, want a new px, a new sz or both",
        f"line 6, px: found '0.00', want {number}",
        f"line 6, sz: found '-1', want {number}",
        "line 7: found 2 fields, want 7, as in the header",
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["line 1: found nothing, want a header with op, id, side, px, sz"]),
        (
            "op,id,id,side,price\nlimit,a,a,B,1\n",
            [
                "line 1, header: found id 2 times, want each column once",
                "line 1, header: found 'price', want columns out of t, op, id, side, px, sz, tif, user",
                "line 1, header: found no px, want at least op, id, side, px, sz",
                "line 1, header: found no sz, want at least op, id, side, px, sz",
            ],
        ),
    ],
)
def test_a_header_that_cannot_be_used(text, problems):
    """Nothing below a wrong header can be judged, so the header is all that is reported."""
    assert list(map(str, parse(text))) == problems


def test_spellings_that_are_all_right():
    """Columns in any order, optional ones absent, letters of any case, spaces, blank lines, a byte order mark."""
    file = parse("\ufeffSZ, px ,side,id,op\r\n\r\n 1.50,10,a, x,LIMIT\r\n2,9,b,y,Add\r\n")
    assert isinstance(file, OrderFile)
    assert [(row.line, row.op, row.id, row.side, row.px, row.sz, row.tif, row.user) for row in file.rows] == [
        (3, RowOp.LIMIT, "x", Side.SELL, 10, 15, Tif.GTC, ""),
        (4, RowOp.ADD, "y", Side.BUY, 9, 20, Tif.GTC, ""),
    ]
    assert parse("op,id,side,px,sz\n") == OrderFile((), 0, 0)


PRICES = st.decimals("0.000001", "999999999999", places=6)


@given(st.lists(PRICES, min_size=1, max_size=20))
def test_numbers_are_exact(prices):
    """No float on the way: the integers of a file, written out again, are its prices."""
    text = "op,id,side,px,sz\n" + "".join(f"limit,{i},B,{px:f},1\n" for i, px in enumerate(prices))
    file = parse(text)
    assert [Decimal(unscaled(row.px, file.px_decimals)) for row in file.rows] == prices
    assert file.px_decimals == max(0, *(-px.normalize().as_tuple().exponent for px in prices))


ROWS = st.lists(
    st.tuples(
        st.sampled_from([*RowOp, "cancel", "", "buy"]),
        st.sampled_from(["a", "b", "c", ""]),
        st.sampled_from(["B", "S", "", "?"]),
        st.sampled_from(["10", "10.5", "11", "", "-1", "nan"]),
        st.sampled_from(["1", "2.25", "5", "", "0", "1e1"]),
        st.sampled_from(["", "Gtc", "Ioc", "Alo"]),
        st.sampled_from(["", "u", "v"]),
    ),
    max_size=12,
)


@settings(max_examples=500)
@given(rows=ROWS, valid=st.booleans())
def test_a_file_is_played_to_its_end_or_refused_with_its_lines(rows, valid):
    """Nothing that a file says makes the player raise or leaves a broken book."""
    if valid:
        mended = {"": "limit", "buy": "limit"}, {"": "a"}, {"?": "S", "": "B"}, dict.fromkeys(["", "-1", "nan"], "10")
        rows = [
            (
                *(mend.get(cell, cell) for mend, cell in zip(mended, row, strict=False)),
                row[4].strip("0e") or "1",
                *row[5:],
            )
            for row in rows
        ]
    text = "op,id,side,px,sz,tif,user\n" + "".join(",".join(row) + "\n" for row in rows)
    file = parse(text)
    if isinstance(file, list):
        assert not valid or "1e1" in text
        assert file
        assert all(problem.path.startswith("line ") for problem in file)
        return
    book = Book()
    for step in play(file.rows, book):
        assert (step.outcome is Outcome.REJECTED) == (step.reject is not None)
        resting = {order.oid for side in Side for order in book.orders(side)}
        assert len(resting) == len(book)
        if step.outcome in {Outcome.FILLED, Outcome.DROPPED} and step.row.op is RowOp.LIMIT:
            assert step.fills or step.expired
        if "add" not in text:
            book.validate()
