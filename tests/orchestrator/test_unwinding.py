"""A desk whose position may only shrink: marked orders on one side, and taking where the venue refuses them."""

from itertools import pairwise

import pytest

from domain.commands import Cancel, Modify, Place
from domain.events import Executed, OrderStatus, Reason, Refused
from domain.instrument import Instrument
from domain.units import USD, Ns, Oid, Sz, Tif, Usd
from orchestrator.desk.desk import DeskConfig
from orchestrator.risk.recovery import RecoveryState
from orchestrator.risk.stance import FREE, Stance
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import BUY, ETH, MID, SELL, fill, fill_of, ms, replied, s, update

REDUCE = Stance(reduce_only=True)
SHRINK = Stance(reduce_only=True, must_shrink=True)
NO = Refused(Reason.REDUCE_ONLY_WOULD_INCREASE, "Reduce only order would increase position. asset=1")


def holding(lots: int, **changes) -> Bench:
    """A desk that holds lots (of 20 USD) and quotes both sides at its ordinary limit."""
    bench = Bench(DeskConfig(engine=AT_ONCE, **changes))
    side = BUY if lots > 0 else SELL
    bench.quote(0)
    bench.answer(ms(20))
    bench.book(fill(1, side, abs(lots), MID), ms(30))
    return bench


def placed(actions) -> list[Place]:
    return [a.place if isinstance(a, Modify) else a for a in actions if isinstance(a, Place | Modify)]


def venue(bench: Bench, now: int, no: Refused | None = None) -> None:
    """What a venue does with the last requests: cancels work at once; orders rest, or are refused with that answer."""
    for request in bench.last:
        if isinstance(request.actions[0], Cancel):
            bench.answer(now, [request])
            for action in request.actions:
                gone(bench, action, now)
        elif no is None:
            bench.answer(now, [request])
            for action in request.actions:
                if isinstance(action, Modify):
                    gone(bench, action, now)
        else:
            bench.ledger.on_replied(replied(request, *[no] * len(request.actions), at=now), Ns(now))


def gone(bench: Bench, action: Cancel | Modify, now: int) -> None:
    """The channel says so, too."""
    order = bench.desk.tracker.find(action.cloid, action.oid)
    if order is not None and not order.is_terminal and order.oid is not None:
        bench.desk.on_update(update(order, OrderStatus.CANCELED, order.oid, remaining=order.remaining), Ns(now))


def settle(bench: Bench, at: float, *, until: float, no: Refused | None = None) -> list[Place]:
    """Decide four times a second against such a venue; the orders that were placed."""
    sent = []
    while at <= until:
        sent += placed(bench.decide(s(at)))
        venue(bench, s(at) + ms(20), no)
        at += 0.25
    return sent


@pytest.mark.parametrize(("lots", "side"), [(400, SELL), (-400, BUY)])
def test_only_the_reducing_side_stands_marked_and_within_the_position(lots, side):
    """RK-23, QM-19, S16: unmarked orders from before are replaced; together they never exceed what is held."""
    bench = holding(lots)
    bench.desk.take_stance(REDUCE, s(1))
    sent = settle(bench, 1, until=4)
    assert sent
    assert {(place.side, place.reduce_only, place.tif) for place in sent} == {(side, True, Tif.ALO)}
    resting = bench.resting()
    assert {(order.side, order.reduce_only) for order in resting} == {(side, True)}
    assert sum(order.remaining for order in resting) <= abs(lots)


def test_the_marked_orders_shrink_with_the_position():
    """S16: clamped at every change of the position, also where another order or another hand changed it."""
    bench = holding(400)
    bench.desk.take_stance(REDUCE, s(1))
    settle(bench, 1, until=3)
    assert sum(order.remaining for order in bench.resting()) > 30
    bench.book(fill(2, SELL, 370, MID, at=s(3)), s(3.1))
    settle(bench, 3.1, until=6)
    assert 0 < sum(order.remaining for order in bench.resting()) <= 30
    bench.book(fill(3, SELL, 30, MID, at=s(6)), s(6.1))
    settle(bench, 6.1, until=8)
    assert bench.resting() == []


def test_afterwards_both_sides_stand_unmarked():
    bench = holding(400)
    bench.desk.take_stance(REDUCE, s(1))
    settle(bench, 1, until=3)
    bench.desk.take_stance(FREE, s(3.1))
    settle(bench, 3.1, until=6)
    assert {(order.side, order.reduce_only) for order in bench.resting()} == {(BUY, False), (SELL, False)}


# --- stuck --------------------------------------------------------------------------------------


def stuck(lots: int = 400, **changes) -> tuple[Bench, float]:
    """The venue refuses every reducing order until the desk takes it for stuck; when that is."""
    bench, at = holding(lots, rejections=None, **changes), 1.0
    bench.desk.take_stance(SHRINK, s(1))
    recovery = bench.desk.unwinding.recovery
    while at < 9 and (recovery is None or not recovery.skips_quoting):
        at += 0.25
        bench.decide(s(at))
        venue(bench, s(at) + ms(20), NO)
    return bench, at


def take(bench: Bench, at: float, *, until: float) -> list[tuple[float, Place]]:
    """Decide without answering: what takes, and when."""
    sent = []
    while at <= until:
        sent += [(at, place) for place in placed(bench.decide(s(at))) if place.tif is Tif.IOC]
        at = round(at + 0.25, 2)
    return sent


@pytest.mark.parametrize("lots", [400, -400])
def test_after_three_refusals_a_quarter_is_taken_within_the_slippage(lots):
    """RS-13, RS-14, EX-09, C-26: reduce-only, immediate or cancel, 50 bps beyond the best of the other side."""
    bench, at = stuck(lots)
    assert bench.desk.unwinding.recovery.state is RecoveryState.TAKING
    sent = take(bench, at + 0.25, until=at + 1)
    assert bench.desk.gate == "recovery"
    ((_, place),) = sent
    market = bench.desk.market
    best = market.bid[0] if lots > 0 else market.ask[0]
    assert (place.side, place.sz, place.reduce_only) == (SELL if lots > 0 else BUY, 100, True)
    assert abs(place.px - best) / best == pytest.approx(0.005, abs=1e-4)
    assert place.side * (place.px - best) > 0
    assert bench.resting() == []  # RS-16


def test_a_fill_comes_once_and_the_quotes_are_back_two_seconds_later():
    """RS-15, RS-17, T-21: the answer says that it traded; only the fill moves the position."""
    bench, at = stuck()
    when, place = at, None
    while place is None or place.tif is not Tif.IOC:
        when += 0.25
        (place,) = placed(bench.decide(s(when))) or (None,)
        venue(bench, s(when), NO) if place is None else None
    traded = Executed(Oid(900), place.cloid, Sz(100), float(place.px))
    bench.ledger.on_replied(replied(bench.last[-1], traded), s(when + 0.1))
    assert bench.desk.inventory.position == 400
    order = bench.desk.tracker.find(place.cloid, None)
    bench.book(fill_of(order, 77, 100, oid=900, px=MID), s(when + 0.2))
    bench.desk.on_update(update(order, OrderStatus.FILLED, 900), s(when + 0.2))
    assert bench.desk.inventory.position == 300
    bench.desk.take_stance(FREE, s(when + 0.3))
    recovery = bench.desk.unwinding.recovery
    bench.decide(s(when + 0.3))
    venue(bench, s(when + 0.4))
    assert (recovery.state, bench.desk.gate) == (RecoveryState.COOLDOWN, None)
    settle(bench, when + 0.5, until=when + 3)
    assert recovery.state is RecoveryState.NORMAL
    assert {order.side for order in bench.resting()} == {BUY, SELL}


def test_attempts_without_an_answer_end_all_the_same():
    """T-21, RS-16: nobody answers at all; after the last attempt the quotes are back, and half a minute passes."""
    bench, at = stuck()
    sent = take(bench, at + 0.25, until=at + 35)
    assert [place.sz for _, place in sent] == [100] * 3  # any of them may still fill: a fourth part each, not more
    recovery = bench.desk.unwinding.recovery
    assert (recovery.runs, recovery.exhausted) == (1, 1)
    assert not recovery.skips_quoting


def test_refused_attempts_are_three_five_seconds_apart():
    """RS-14: what the venue refuses is certainly not under way."""
    bench, at = stuck()
    end, times = at + 16, []
    while at < end:
        at += 0.25
        times += [at for place in placed(bench.decide(s(at))) if place.tif is Tif.IOC]
        venue(bench, s(at) + ms(20), Refused(Reason.IOC_NO_MATCH, "Order could not immediately match"))
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([5, 5])
    assert bench.desk.unwinding.recovery.exhausted == 1


def test_our_own_order_on_the_other_side_is_not_met():
    """S17: a bid whose cancel has no effect yet holds the attempt back; the venue never has to stop us."""
    bench = holding(400, rejections=None)
    orders = bench.resting()
    bench.desk.take_stance(SHRINK, s(1))
    bench.decide(s(1.25))  # cancels both sides, and hears nothing
    for _ in range(3):
        bench.desk.unwinding.recovery.record_rejection("no", s(1.3))
    assert take(bench, 1.5, until=4) == []
    for order in [order for order in bench.desk.tracker.orders.values() if order not in orders]:
        bench.desk.tracker.on_place_result(order.cloid, NO, s(4))
    sent = []
    for at, order in enumerate(orders, 4):
        bench.desk.on_update(update(order, OrderStatus.CANCELED, order.oid, remaining=order.remaining), s(at))
        sent += take(bench, at + 0.25, until=at + 0.75)
    assert [at for at, _ in sent] == [6.25]
    assert [order.side for order in orders[:3]] == [BUY] * 3


def test_nothing_is_taken_while_another_gate_is_closed():
    """A lost feed, a halt or a kill are stronger: no order leaves, and the affair ends by its deadline."""
    bench, at = stuck()
    while at < 40:
        at = round(at + 0.25, 2)
        assert placed(bench.decide(s(at), gate="user_feed_down")) == []
    assert bench.desk.unwinding.recovery.state is not RecoveryState.TAKING
    assert bench.desk.unwinding.recovery.iocs == 0


@pytest.mark.parametrize("gate", ["user_feed_down", "kill"])
def test_a_position_is_not_stuck_while_nothing_may_be_sent(gate):
    """RS-12, S25: an outage says nothing of the orders that wait; afterwards they get what was left of the patience."""
    bench = holding(400)
    bench.desk.take_stance(SHRINK, s(1))
    settle(bench, 1, until=10)
    for at in range(11, 200):
        assert placed(bench.decide(s(at), gate=gate)) == []
        venue(bench, s(at) + ms(20))
        assert bench.desk.next_deadline() == bench.desk.accumulator.due_at(), "no wake-up of its own"
    recovery = bench.desk.unwinding.recovery
    assert (recovery.state, recovery.runs) == (RecoveryState.NORMAL, 0)
    for at in range(200, 252):
        bench.quote(s(at))
        venue(bench, s(at) + ms(20))
        assert (bench.desk.gate == "recovery") is (at >= 250)
    assert [alert.text for alert in bench.alerts] == ["ETH: not smaller for 60 s"]


def test_a_position_too_small_for_an_order_is_closed_at_once():
    """RS-19: worth less than the venue takes as a quote, no level can be built: the whole is taken."""
    instrument = Instrument(ETH.id, sz_decimals=2, min_notional=Usd(100 * USD))
    bench = Bench(DeskConfig(engine=AT_ONCE), instrument=instrument)
    bench.quote(0)
    venue(bench, ms(20))
    bench.book(fill(1, BUY, 4, MID), ms(30))
    bench.desk.take_stance(SHRINK, s(1))
    settle(bench, 1.2, until=1.2)
    recovery = bench.desk.unwinding.recovery
    assert (recovery.escalations, recovery.cause) == (1, "no order can reduce the position of 0.04")
    assert [(place.side, place.sz) for _, place in take(bench, 1.45, until=3)] == [(SELL, 4)]


def test_a_side_that_waits_after_refusals_is_escalated():
    """RS-19: the limiter would have it wait for minutes; a position that must shrink does not."""
    bench = holding(400)
    for _ in range(5):
        bench.desk.rejections.record_rejection(SELL, NO, s(0.5))
    bench.desk.take_stance(SHRINK, s(1))
    settle(bench, 1.1, until=2)
    assert bench.desk.unwinding.recovery.escalations == 1
    assert bench.desk.unwinding.recovery.iocs == 1


def test_reducing_for_another_reason_is_no_reason_to_take():
    """A venue that is asked too much closes the adding side; the position itself is not too large."""
    bench = holding(400, rejections=None)
    bench.desk.take_stance(REDUCE, s(1))
    sent = settle(bench, 1.1, until=6, no=NO)
    assert len(sent) >= 9
    assert all(place.tif is Tif.ALO for place in sent)
    assert bench.desk.unwinding.recovery.runs == 0


def test_switched_off_nothing_is_ever_taken():
    bench, at = stuck(recovery=None)
    assert take(bench, at, until=at + 30) == []
    assert bench.desk.unwinding.deadline() is None
