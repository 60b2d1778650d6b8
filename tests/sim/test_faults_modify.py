"""Faults about modifies: their news torn apart, and races and fills of nothing but them."""

import pytest

from domain.commands import Cancel, Modify, Place
from domain.events import Fill, OrderStatus, OrderUpdate, Replied
from domain.units import Cloid, Px, Side, Sz, Tif
from sim.envelope import RequestKind
from sim.faults import CancelRace, FillBeforeAck, ModifyNews
from sim.faults.modify_news import News
from sim.world import ETH
from tests.sim.fault_trader import Trader

NEW = Cloid("0xff")


def modify(trader, order, wait):
    """Twice the size; what was heard of both orders, in its order: their states and the answer."""
    trader.events.clear()
    place = Place(ETH.id, NEW, Side.BUY, Px(order.px), Sz(2 * order.sz), Tif.ALO)
    trader.request(Modify(order.cloid, order.oid, place))
    trader.wait(wait)
    heard = []
    for event in trader.of(OrderUpdate, Replied):
        if isinstance(event, Replied):
            heard.append("answer")
        else:
            heard.append(("new " if event.cloid == NEW else "old ") + event.status)
    return heard


@pytest.mark.parametrize(
    ("news", "early", "late"),
    [
        (News.NEW_LATE, ["old canceled"], ["old canceled", "new open", "answer"]),
        (News.OLD_LATE, ["new open", "answer"], ["new open", "answer", "old canceled"]),
        (News.NEW_LOST, ["old canceled"], ["old canceled"]),
    ],
)
def test_the_news_of_a_modify_comes_in_pieces(news, early, late):
    """Protects modifies that show as the venue shows them, in either order, or not at all."""
    for wait, expected in ((1.0, early), (4.0, late)):
        trader = Trader(ModifyNews(news=news, hold_ms=2_000.0, duration_s=60))
        heard = modify(trader, trader.rest(), wait)
        assert sorted(heard) == sorted(expected)
        assert heard[0] == expected[0]
        counts = trader.injected[0].counts
        assert counts["torn"] == 1
        assert counts["answers"] == (news is not News.OLD_LATE)


def test_without_the_fault_both_are_told_at_once():
    """The twin of the test above: what it tears apart."""
    trader = Trader(ModifyNews(at_s=1_000, duration_s=60))
    heard = modify(trader, trader.rest(), 1.0)
    assert sorted(heard) == ["answer", "new open", "old canceled"]
    assert trader.injected[0].counts == {}


def test_nothing_but_modifies_is_torn():
    """A placement, and the cancel of an order that has nothing to do with a modify, come as ever."""
    trader = Trader(ModifyNews(news=News.NEW_LOST, duration_s=60))
    order = trader.rest()
    trader.request(Cancel(ETH.id, order.cloid, order.oid))
    trader.wait(1)
    assert [update.status for update in trader.of(OrderUpdate)] == [OrderStatus.OPEN, OrderStatus.CANCELED]
    assert trader.injected[0].counts == {}


@pytest.mark.parametrize(("kind", "raced"), [(RequestKind.MODIFY, 1), (RequestKind.CANCEL, 0)])
def test_a_race_can_be_about_modifies_alone(kind, raced):
    """Protects the race of a partial fill with a modify: the taker takes a part of the old order."""
    trader = Trader(CancelRace(at_s=10, duration_s=60, requests=(kind,), fill=0.3))
    order = trader.quote(sz=100_000)
    modify(trader, order, 2.0)
    counts = trader.injected[0].counts
    assert counts["aimed"] == counts["partly_filled"] == raced
    taken = sum(fill.sz for fill in trader.of(Fill) if fill.oid == order.oid)
    assert (0 < taken < order.sz) == bool(raced)


def test_an_early_fill_can_be_of_modified_orders_alone():
    """The placement is told as ever; the order that replaces it trades before anybody says that it rests."""
    trader = Trader(FillBeforeAck(share=1.0, fill=0.5, hold_ms=2_000.0, duration_s=60, requests=(RequestKind.MODIFY,)))
    order = trader.rest()
    assert [update.status for update in trader.of(OrderUpdate)] == [OrderStatus.OPEN]
    modify(trader, order, 1.0)
    assert [fill.cloid for fill in trader.of(Fill)] == [NEW]
    counts = trader.injected[0].counts
    assert counts["orders"] == counts["overtaken"] == 1
