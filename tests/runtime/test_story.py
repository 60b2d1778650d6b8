"""The story of one order, by whatever id it is known."""

import pytest

from domain.commands import Cancel, Modify, Place, QueryOrder, Request, Route
from domain.errors import ConfigError
from domain.events import (
    Cancelled,
    Fill,
    FillsReport,
    NotSent,
    OpenOrder,
    OpenOrdersReported,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Resting,
    Restored,
    RestoredOrder,
)
from domain.instrument import Instrument
from domain.units import NS_PER_MS, Side, Tif
from runtime.journal_format import Decided, Header, Opened, Rescued, Took
from runtime.story import story
from tests.runtime.toy import ToyRun

MS = NS_PER_MS
A, B, C = (f"0x{letter * 32}" for letter in "abc")
ETH = Instrument(id="ETH", sz_decimals=4)


def place(cloid):
    return Place("ETH", cloid, Side.BUY, 300_010, 15_000, Tif.ALO)


def request(number, *actions, expires_in=None):
    return Request(number, Route.SOCKET, 1, expires_in, actions)


def update(cloid, oid, status, remaining=15_000, reason=None):
    return OrderUpdate("ETH", 0, 0, oid, cloid, Side.BUY, 300_010, 15_000, remaining, status, reason)


def fill(cloid, oid, tid):
    return Fill("ETH", 0, 0, tid, oid, cloid, Side.BUY, 300_010, 5_000, 225_007, False, 0, 0)


RECORDS = [
    Opened(Header(seed=1, instruments=(ETH,))),
    Decided(1 * MS, (request(1, place(A), place(C), expires_in=3_000 * MS),)),
    Took(
        2 * MS, Replied(1, 0, (Resting(77, A), Refused(Reason.MIN_NOTIONAL, "Order must have minimum value of $10.")))
    ),
    Took(2 * MS, update(A, 77, OrderStatus.OPEN)),
    Took(3 * MS, fill(A, 77, 501)),
    Decided(4 * MS, (request(2, Modify(A, 77, place(B))),)),
    Took(5 * MS, fill(None, 77, 502)),
    Took(6 * MS, update(A, 77, OrderStatus.CANCELED, 5_000, Reason.REQUESTED)),
    Took(6 * MS, Replied(2, 0, (Resting(78, B),))),
    Decided(7 * MS, (request(3, Cancel("ETH", B)),)),
    Took(8 * MS, NotSent(3, Reason.FEED_DOWN, 0)),
    Took(8 * MS, Replied(9, 0, (FillsReport(0, (), True),))),
    Rescued(9 * MS, (request(4, Cancel("ETH", B, 78)),)),
    Took(9 * MS, Replied(4, 0, (Cancelled(),))),
    Opened(Header(seed=1, life=2)),
    Took(9 * MS, Restored(2, 5, (RestoredOrder("ETH", B, Side.BUY, 300_010, 15_000),))),
    Decided(9 * MS, (request(1, QueryOrder(B)),)),
    Took(10 * MS, Replied(1, 0, (OrderStatusReport(0, update(B, 78, OrderStatus.CANCELED)),))),
    Took(10 * MS, OpenOrdersReported(0, 0, (OpenOrder("ETH", 90, None, Side.BUY, 1, 2, 2, Tif.GTC, False, 0),))),
    Took(11 * MS, fill(A, 77, 501)),
]

STORY = f"""\
#1            0.001000 s  decide  place buy 1.5 ETH @ 3000.1 alo {A} (request 1 by socket, expires in 3000 ms)
#2            0.002000 s  reply   resting, oid 77 (request 1)
#3            0.002000 s  update  open, 1.5 of 1.5 remaining @ 3000.1, oid 77
#4            0.003000 s  fill    buy 0.5 @ 3000.1 as maker, fee 0.225007 USD, tid 501, oid 77
#5            0.004000 s  decide  modify {A} into buy 1.5 ETH @ 3000.1 alo {B} (request 2 by socket)
#6            0.005000 s  fill    buy 0.5 @ 3000.1 as maker, fee 0.225007 USD, tid 502, oid 77
#7            0.006000 s  update  canceled (requested), 0.5 of 1.5 remaining @ 3000.1, oid 77
#8            0.006000 s  reply   resting, oid 78 (request 2)
#9            0.007000 s  decide  cancel {B} (request 3 by socket)
#10           0.008000 s  notsent request 3: feed_down
#12           0.009000 s  rescue  cancel {B} (request 4 by socket)
#13           0.009000 s  reply   cancelled (request 4)
#15           0.009000 s  life 2  begins with {B} of an earlier life unresolved
#16           0.009000 s  decide  ask for the status of {B} (request 1 by socket)
#17           0.010000 s  reply   status: canceled, 1.5 of 1.5 remaining @ 3000.1, oid 78 (request 1)
#19           0.011000 s  fill    again buy 0.5 @ 3000.1 as maker, fee 0.225007 USD, tid 501, oid 77"""


@pytest.mark.parametrize("key", [A, B, "0xaaaa", "BBBB", "77", "78", "502"])
def test_the_whole_chain_by_any_of_its_ids(key):
    """Protects the one question after an incident: everything about this order, in order, in decimals."""
    assert "\n".join(story(RECORDS, key)) == STORY
    assert "\n".join(story(iter(RECORDS), key)) == STORY


def test_an_order_of_somebody_else_is_known_by_its_oid():
    """Protects stories of orders without a client id."""
    assert story(RECORDS, "90") == ["#18           0.010000 s  listed  open, 0.0002 remaining, oid 90"]


def test_a_refused_order():
    """Protects the venue's own words."""
    assert story(RECORDS, C)[1].endswith(
        "reply   refused: min_notional (Order must have minimum value of $10.) (request 1)"
    )


def test_without_the_instrument_there_are_ticks_and_lots():
    """Protects against prices that look like decimals and are not."""
    line = story([Opened(Header(seed=1)), *RECORDS[1:]], A)[0]
    assert "buy 15000 lots ETH @ 300010 ticks" in line


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (f"{B[:-1]}d", f"want a cloid, oid or tid of this journal; near: {B}"),
        ("99999", "found '99999', want a cloid, oid or tid"),
        ("0x", f"the beginning of {A}, {C}, want one order"),
    ],
)
def test_an_id_that_names_nothing_or_too_much(key, says):
    """Protects the person who mistypes: what was meant is probably in the message."""
    with pytest.raises(ConfigError) as caught:
        story(RECORDS, key)
    assert says in str(caught.value)


def test_an_exact_number_wins_over_the_beginning_of_an_id():
    """Protects the short way: oid 77 and trade 501 are meant, not client ids that happen to begin so."""
    others = [f"0x{digits}{'e' * 29}" for digits in ("770", "501", "555")]
    records = [*RECORDS, Decided(12 * MS, (request(7, *map(place, others)),))]
    for key in ("77", "501"):
        assert "\n".join(story(records, key)) == STORY
    assert others[2] in story(records, "555")[0]


def test_a_number_of_two_kinds_is_said_to_be_both():
    """Protects the answer to an ambiguous number: it says which kinds of id it is, and of which orders."""
    records = [*RECORDS, Took(12 * MS, update(C, 501, OrderStatus.OPEN))]
    with pytest.raises(ConfigError) as caught:
        story(records, "501")
    assert str(caught.value) == f"order: found '501', the oid of {C} and the tid of a fill of {A}, want one order"


def test_an_ambiguous_beginning_names_the_ids_that_begin_so():
    """Protects against the id of an earlier generation, which may begin quite differently."""
    other = f"0xbb{'c' * 30}"
    with pytest.raises(ConfigError) as caught:
        story([*RECORDS, Decided(12 * MS, (request(7, place(other)),))], "bb")
    assert f"'bb', the beginning of {B}, {other}, want" in str(caught.value)


def test_every_order_of_a_run_has_a_story():
    """Protects completeness: each placement of a real run, and every fill, is told in exactly one chain."""
    run = ToyRun(seed=31).start().run(2)
    chains = {tuple(story(run.journal.records(), cloid)) for cloid in run.venue.orders}
    lines = [line for chain in chains for line in chain]
    assert len(lines) == len(set(lines))
    for fill in run.venue.fills:
        assert any(f"tid {fill.tid}," in line for line in lines) or fill.exch_time > run.env.now - 21 * MS
