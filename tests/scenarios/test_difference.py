"""Where two journals part: the first record that differs, and what it was in both."""

import pytest

from domain.events import KillReset, StopRequested, Woke
from domain.units import Ns
from runtime.journal_format import MAGIC, Decided, Header, Opened, Took, encode
from scenarios.difference import SHOWN, first_difference

RECORDS = [
    Opened(Header(seed=1, commit="one")),
    Took(Ns(1_000_000_000), Woke()),
    Decided(Ns(1_000_000_000), ()),
    Took(Ns(2_000_000_000), KillReset("ann")),
]


def journal(*records):
    return MAGIC + b"".join(encode(record) for record in records)


def test_the_same_is_the_same_whatever_its_header_says():
    other = [Opened(Header(seed=1, commit="other")), *RECORDS[1:]]
    assert first_difference(journal(*RECORDS), journal(*other)) is None


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            [*RECORDS[:3], Took(Ns(2_000_000_000), KillReset("bob"))],
            (
                "record 3 (after 1 events): 2.000000000 s event KillReset(by='ann') | "
                "2.000000000 s event KillReset(by='bob')"
            ),
        ),
        (RECORDS[:3], "record 3 (after 1 events): 2.000000000 s event KillReset(by='ann') | nothing: it ends"),
        (
            [*RECORDS[:2], *RECORDS[3:]],
            "record 2 (after 1 events): 1.000000000 s commands [] | 2.000000000 s event KillReset(by='ann')",
        ),
        ([RECORDS[0], RECORDS[0]], "record 1 (after 0 events): 1.000000000 s event Woke() | life 0 begins"),
    ],
)
def test_the_first_record_that_differs(other, says):
    assert first_difference(journal(*RECORDS), journal(*other)) == says


def test_a_long_record_is_cut():
    """A line for people."""
    long = Took(Ns(1), StopRequested("x" * 1_000))
    said = first_difference(journal(long), journal(RECORDS[1]))
    assert "xxx... | " in said
    assert len(said) < 2 * SHOWN
