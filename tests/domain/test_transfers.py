"""Money that no fill brings is booked once, whatever is lost or said twice."""

from hypothesis import given
from hypothesis import strategies as st

from domain.events import Transfers
from domain.transfers import TransferBook
from domain.units import InstrumentId, Ns, Usd

A, B = InstrumentId("A"), InstrumentId("B")


def said(**totals):
    return tuple(Transfers(InstrumentId(name), Usd(total)) for name, total in totals.items())


def test_the_first_statement_is_where_we_begin():
    """Protects our own profit from what the account paid before us."""
    book = TransferBook()
    book.take(said(A=-50), Ns(5))
    assert book.booked == {}
    book.take(said(A=-57, B=3), Ns(6))
    assert book.booked == {A: -7, B: 3}
    book.take(said(A=-57, B=3), Ns(6))
    assert book.booked == {A: -7, B: 3}


def test_an_older_statement_says_nothing_new():
    """Protects against answers that overtake each other."""
    book = TransferBook()
    book.take((), Ns(1))
    book.take(said(A=10), Ns(9))
    book.take(said(A=4), Ns(8))
    assert book.booked == {A: 10}


def test_a_later_life_goes_on():
    """Protects sums over lives: what moved while nobody listened is ours."""
    book = TransferBook()
    book.restore(said(A=-3), said(A=-53), Ns(7))
    book.take(said(A=-60, B=1), Ns(8))
    assert book.booked == {A: -10, B: 1}
    fresh = TransferBook()
    fresh.restore((), None, Ns(-1))
    fresh.take(said(A=-60), Ns(8))
    assert fresh.booked == {}


@given(
    totals=st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), min_size=2, max_size=12),
    heard=st.lists(st.integers(0, 11), max_size=20),
)
def test_what_is_lost_is_made_good_by_the_last(totals, heard):
    """Protects against loss, repetition and disorder: after the last statement all is booked."""
    book = TransferBook()
    book.take(said(A=totals[0][0], B=totals[0][1]), Ns(0))
    for i in heard:
        if i < len(totals):
            book.take(said(A=totals[i][0], B=totals[i][1]), Ns(i))
    book.take(said(A=totals[-1][0], B=totals[-1][1]), Ns(len(totals)))
    assert [book.booked.get(name, 0) for name in (A, B)] == [totals[-1][i] - totals[0][i] for i in (0, 1)]
