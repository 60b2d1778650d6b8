"""A fill may come before anybody has said whose it is (hyperliquid 8.12): it waits for its order."""

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

import tests.orchestrator.tiny_venue as venue_of_tests
from domain.events import Fill, OrderStatus, OrderUpdate, Replied, Resting
from domain.orders import OrderState
from domain.units import Ns, Oid, Px, Sz
from orchestrator.desk import early_fills
from orchestrator.desk.early_fills import EarlyFills
from orchestrator.desk.order_tracker import OrderTracker, TrackerConfig
from orchestrator.sync.strangers import GRACE, Strangers
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, fill, fill_of, ms, s, update
from tests.orchestrator.test_order_tracker import resting, sent
from tests.orchestrator.tiny_venue import QUICK, Faults, Stage, quoting

CALM = replace(QUICK, supervisor=None)


def make() -> OrderTracker:
    return OrderTracker(TrackerConfig())


# --- the memory ---------------------------------------------------------------------------------


def test_each_fill_is_handed_out_once_to_its_order():
    early = EarlyFills()
    for tid, oid in ((1, 5), (2, 6), (3, 5)):
        early.keep(fill(tid, BUY, 1, MID, oid=oid))
    assert [each.tid for each in early.take(Oid(5))] == [1, 3]
    assert (early.take(Oid(5)), len(early)) == ((), 1)


def test_what_is_kept_is_bounded(monkeypatch):
    """S27: somebody else's fills do not fill the memory; the oldest order goes first, with all of its fills."""
    monkeypatch.setattr(early_fills, "MOST_FILLS", 4)
    early = EarlyFills()
    for tid, oid in enumerate((5, 5, 6, 7, 8)):
        early.keep(fill(tid, BUY, 1, MID, oid=oid))
    assert len(early) == 3
    assert [len(early.take(Oid(oid))) for oid in (5, 6, 7, 8)] == [0, 1, 1, 1]


# --- in the tracker -----------------------------------------------------------------------------


def test_a_fill_before_its_order_is_known_is_booked_when_it_is():
    """S10: partly filled, then told of, then cancelled: the order settles, and nothing of it stays as exposure."""
    tracker = make()
    order = sent(tracker, 1)
    assert tracker.on_fill(fill_of(order, 7, 4, oid=11, cloid=None), Ns(1)) is None
    tracker.on_place_result(order.cloid, Resting(Oid(11), order.cloid), Ns(2))
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, 4)
    assert tracker.take_caught_up() == [order]
    tracker.on_update(update(order, OrderStatus.CANCELED, 11, remaining=6), Ns(3))
    assert (order.is_settled, tracker.fillable_exposure(), tracker.take_caught_up()) == (True, (0, 0), [])


def test_a_status_that_ends_the_order_settles_it_with_its_early_fills():
    tracker = make()
    order = sent(tracker, 1)
    for tid in (1, 2):
        tracker.on_fill(fill_of(order, tid, 5, oid=11, cloid=None), Ns(1))
    tracker.on_update(update(order, OrderStatus.FILLED, 11), Ns(2))
    assert (order.state, order.fill_count(), order.is_settled) == (OrderState.FILLED, 2, True)
    assert tracker.orders == {}


def test_a_fill_that_names_its_order_brings_those_that_did_not():
    tracker = make()
    order = sent(tracker, 1)
    tracker.on_fill(fill_of(order, 1, 3, oid=11, cloid=None), Ns(1))
    tracker.on_fill(fill_of(order, 2, 7, oid=11), Ns(2))
    assert (order.state, order.filled, tracker.orders) == (OrderState.FILLED, 10, {})


NOT_ITS = {
    "other side": {"side": SELL},
    "beyond its price": {"px": Px(MID)},
    "more than its size": {"sz": Sz(11)},
}


@pytest.mark.parametrize("changes", [{}, *NOT_ITS.values()], ids=["its own", *NOT_ITS])
def test_whose_a_fill_may_be(changes):
    """Only an order without a venue id, that was on its way by then, of that side, price and size."""
    tracker = make()
    order = sent(tracker, 1, now=s(5))
    told = msgspec.structs.replace(fill_of(order, 1, 4, oid=11, cloid=None), **changes)
    assert tracker.may_be_ours(told, s(5)) is (not changes)
    assert not tracker.may_be_ours(told, Ns(s(5) - 1))
    tracker.on_update(update(order, OrderStatus.OPEN, 12), s(6))
    assert not tracker.may_be_ours(told, s(6))


# --- who is told --------------------------------------------------------------------------------


def strangers() -> tuple[OrderTracker, Strangers, list]:
    tracker, told = make(), []
    desks = {ETH.id: SimpleNamespace(tracker=tracker)}
    return tracker, Strangers(desks, lambda each, now: told.append((each.tid, now))), told


def test_a_fill_that_nobody_of_ours_waits_for_is_told_at_once():
    tracker, machine, told = strangers()
    resting(tracker, 1)
    machine.on_unmatched(fill(1, BUY, 3, MID - TICK, oid=99), s(1))
    assert (told, machine.deadline()) == ([(1, s(1))], None)


def test_a_fill_with_somebody_elses_client_id_is_told_at_once():
    tracker, machine, told = strangers()
    order = sent(tracker, 1)
    machine.on_unmatched(fill_of(order, 1, 3, oid=99, cloid="0x99"), s(1))
    assert told == [(1, s(1))]


def test_a_fill_that_turns_out_to_be_ours_is_never_told():
    tracker, machine, told = strangers()
    order = sent(tracker, 1)
    early = fill_of(order, 1, 3, oid=11, cloid=None)
    tracker.on_fill(early, s(1))
    machine.on_unmatched(early, s(1))
    tracker.on_place_result(order.cloid, Resting(Oid(11), order.cloid), s(2))
    machine.decide(s(2))
    machine.decide(s(100))
    assert (told, machine.deadline()) == ([], None)


def test_a_stranger_is_told_as_soon_as_no_order_of_ours_can_be_its():
    tracker, machine, told = strangers()
    order = sent(tracker, 1)
    machine.on_unmatched(fill_of(order, 1, 3, oid=99, cloid=None), s(1))
    machine.decide(s(1))
    assert told == []
    tracker.on_place_result(order.cloid, Resting(Oid(11), order.cloid), s(2))
    machine.decide(s(2))
    assert told == [(1, s(2))]


def test_nobody_waits_longer_than_the_grace():
    """An order whose fate is not known for minutes does not hide a stranger for as long."""
    tracker, machine, told = strangers()
    order = sent(tracker, 1)
    machine.on_unmatched(fill_of(order, 1, 3, oid=99, cloid=None), s(1))
    assert machine.deadline() is None
    machine.decide(s(4))  # before that nothing could be asked after
    end = machine.deadline()
    assert end == s(4) + GRACE
    machine.decide(Ns(end - 1))
    assert told == []
    machine.decide(end)
    assert (told, machine.deadline()) == ([(1, end)], None)


# --- in the trader ------------------------------------------------------------------------------


@pytest.fixture
def anonymous(monkeypatch):
    """A venue whose fills carry no client id."""
    as_sent = venue_of_tests._received

    def received(event, at):
        made = as_sent(event, at)
        return msgspec.structs.replace(made, cloid=None) if isinstance(made, Fill) else made

    monkeypatch.setattr(venue_of_tests, "_received", received)


def tells_of_orders(message) -> bool:
    """Whether a message names both ids of an order."""
    is_answer = isinstance(message, Replied) and isinstance(message.results[0], Resting)
    return is_answer or isinstance(message, OrderUpdate)


@pytest.mark.usefixtures("anonymous")
def test_fills_that_overtake_the_first_answer_settle_their_orders():
    """S10, L3 (review, item 5): three orders never settled, and the alarm was about our own fills.

    Their exposure stayed for ever, the account was read again and again for what had been booked, and the stop
    was incomplete.
    """
    stage = Stage(CALM).begin()
    stage.venue.faults.delay = lambda message: ms(300) * tells_of_orders(message)
    stage.run_until(lambda: bool(stage.venue.resting()), step=ms(1))
    stage.venue.take(SELL, 50)
    assert stage.venue.position() > 0
    stage.venue.faults = Faults()
    stage.run_for(s(20))
    assert stage.desk.inventory.position == stage.venue.position()
    assert (stage.alerts, stage.core.snapshot().unmatched_fills) == ([], 0)
    assert stage.is_agreed()
    assert stage.is_two_sided()
    stage.stop()
    stage.run_for(s(15))
    assert stage.alerts == ["stopped"]


@pytest.mark.usefixtures("anonymous")
def test_fills_of_an_order_whose_answer_is_lost_find_it_by_the_question():
    """S14: neither answer nor status came; the resolver asks, and the fills of before are the order's."""
    stage = quoting(config=CALM)
    stage.venue.faults.fate = lambda request: "mute" if type(request.actions[0]).__name__ == "Place" else None
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    stage.venue.quote(MID + 40 * TICK)
    stage.run_until(lambda: any(o.oid is None for o in stage.desk.tracker.orders.values()), step=ms(1))
    stage.run_for(ms(50))
    stage.venue.take(SELL, 50)
    stage.run_for(ms(100))
    stage.venue.faults = Faults()
    stage.run_for(s(20))
    assert stage.core.snapshot().unmatched_fills == 0
    assert "foreign_fill" not in stage.alerts
    assert stage.is_agreed()


@pytest.mark.usefixtures("anonymous")
def test_a_stranger_is_told_of_once_our_own_placements_are_answered():
    """T16: what looks as if it could be ours waits for the answers, and no longer."""
    stage = quoting(config=CALM)
    stage.venue.faults.delay = lambda message: ms(300) * tells_of_orders(message)
    stage.venue.quote(MID + 40 * TICK)
    orders = stage.desk.tracker.orders
    stage.run_until(lambda: any(o.oid is None and o.side is BUY for o in orders.values()), step=ms(1))
    stage.venue._fill(stage.venue.orders[stage.venue.stray(BUY, MID - 500 * TICK, 3)], 3)
    stage.run_for(ms(100))
    assert stage.desk.inventory.position == stage.venue.position()
    assert "foreign_fill" not in stage.alerts
    stage.run_for(s(1))
    assert "foreign_fill" in stage.alerts


def test_the_trader_wakes_when_nobody_waits_any_longer():
    stage = quoting(config=CALM)
    order = sent(stage.desk.tracker, 0x77, BUY, now=stage.now, px=MID - 90 * TICK)
    stage._take(fill_of(order, 10**9, 3, oid=10**6, cloid=None, at=stage.now))
    end = Ns(stage.now + GRACE)
    assert stage.core.strangers.deadline() == end
    stage.core.strangers.deadline = lambda: Ns(stage.now + 1)
    assert stage.core.next_deadline() == stage.now + 1


def test_what_is_caught_up_is_looked_at_again():
    """An early fill that turns out to have ended an order leaves a gap in the ladder: it is filled at once."""
    stage = quoting(config=CALM)
    desk = stage.desk
    tracker = desk.tracker
    order = sent(tracker, 0x77, BUY, now=stage.now, px=MID - 90 * TICK)
    tracker.on_fill(fill_of(order, 10**9, 10, oid=10**6, cloid=None), stage.now)
    cycles = desk.cycles
    desk.decide(None, stage.now)
    assert desk.cycles == cycles
    tracker.on_place_result(order.cloid, Resting(Oid(10**6), order.cloid), stage.now)
    assert order.is_filled
    stage.run_for(s(1))
    assert desk.cycles > cycles
    assert tracker.take_caught_up() == []
