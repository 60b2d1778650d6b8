"""Orders that the venue refuses again and again for the same reason are left alone (S25)."""

import pytest

from domain.commands import Place
from domain.events import Reason, Refused
from domain.units import Px, Sz, Tif
from orchestrator.budget.futile import KEPT, OF_THE_MOMENT, FutileConfig, FutileRetries, is_definite
from orchestrator.desk.desk import DeskConfig
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import BUY, ETH, SELL, cloid, s

NO = Refused(Reason.INVALID_SIZE, "Order has invalid size.")


def place(number=1, *, side=BUY, px=100, sz=5, reduce_only=False) -> Place:
    return Place(ETH.id, cloid(number), side, Px(px), Sz(sz), Tif.ALO, reduce_only)


def is_futile(made: FutileRetries, at: float, order: Place | None = None) -> bool:
    order = order or place()
    return made.is_futile(order.side, order.px, order.sz, s(at), reduce_only=order.reduce_only)


def refused(times: int, *, every: float = 1.0, because: Refused = NO) -> FutileRetries:
    made = FutileRetries(FutileConfig())
    for number in range(times):
        made.on_refused(place(number), because, s(number * every))
    return made


@pytest.mark.parametrize(("times", "futile"), [(2, False), (3, True), (4, True)])
def test_three_refusals_of_the_same_close_it(times, futile):
    """S25: whatever their client ids."""
    assert is_futile(refused(times), 10) is futile


def test_it_opens_a_minute_after_the_last():
    made = refused(3)
    assert is_futile(made, 62)
    assert not is_futile(made, 62.001)


@pytest.mark.parametrize(
    "other", [place(side=SELL), place(px=101), place(sz=6), place(reduce_only=True)], ids=lambda order: str(order)[:60]
)
def test_another_order_is_not_meant(other):
    assert not is_futile(refused(3), 10, other)


def test_refusals_far_apart_or_for_other_reasons_are_not_counted_together():
    assert not is_futile(refused(5, every=61), 244.5)
    made = refused(2)
    made.on_refused(place(), Refused(Reason.INVALID_PRICE, ""), s(3))
    assert not is_futile(made, 4)


@pytest.mark.parametrize("reason", sorted(OF_THE_MOMENT))
def test_a_refusal_of_the_moment_proves_nothing(reason):
    assert not is_futile(refused(9, because=Refused(reason, "")), 10)
    assert not is_definite(Refused(reason, ""))


def test_an_acceptance_forgets():
    made = refused(2)
    made.on_accepted(place())
    made.on_refused(place(), NO, s(3))
    assert not is_futile(made, 4)


def test_memory_is_bounded():
    """S27."""
    made = FutileRetries(FutileConfig())
    for number in range(KEPT + 50):
        made.on_refused(place(px=100 + number), NO, s(1))
    assert len(made._refused) == KEPT


@pytest.mark.parametrize(("futile", "attempts"), [(FutileConfig(), 3), (None, 12)])
def test_a_desk_stops_asking_for_what_is_refused(futile, attempts):
    """S25: the same ladder is wanted every few seconds; after three refusals only what has another price is sent."""
    config = DeskConfig(engine=AT_ONCE, futile=futile, rejections=None)
    bench = Bench(config)
    sent = []
    for at in range(0, 60, 5):
        sent += [(a.side, a.px, a.sz) for a in bench.quote(s(at)) if isinstance(a, Place)]
        bench.refuse(s(at), *[NO] * 6)
    assert max(sent.count(what) for what in set(sent)) == attempts
    if futile is not None:
        assert bench.desk.execution.actions_gated["futile"] > 0
        assert bench.desk.futile.opened == len(set(sent))


def test_an_order_that_is_told_twice_was_refused_once():
    """An update and an answer say the same; two orders, four tellings, in any order, are two refusals."""
    made = FutileRetries(FutileConfig())
    for number in (1, 2, 1, 2):
        made.on_refused(place(number), NO, s(number))
    assert not is_futile(made, 5)
    made.on_refused(place(3), NO, s(3))
    assert is_futile(made, 5)
