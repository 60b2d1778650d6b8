"""The venue in its unusual states: halted, post-only, squeezed; alone, over one another, and healed."""

import pytest

from domain.commands import Place, QueryOpenOrders, QueryQuota
from domain.events import BboChanged, Cancelled, OpenOrdersReport, Reason, Refused, Resting, TradesPrinted
from domain.units import Cloid, InstrumentId, Px, Side, Sz, Tif
from sim.faults import Halt, PostOnlyMode, RateLimitSqueeze
from sim.world import ETH
from tests.sim.fault_trader import ME, Trader
from tests.sim.venue.exchange import ALO, ANN, BOB, BUY, COIN, CROWD, GTC, IOC, SELL, Exchange, cancel, modify, place

OTHER = InstrumentId("OTHER")


# --- the front ----------------------------------------------------------------------------------


def test_a_halted_market_takes_nothing_but_cancels():
    """Protects the halt: orders of every kind are rejected, the crowd does not trade, cancels work."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 5), place(SELL, 101, 5))
    ex.block((BUY, 98, 1, ALO), (BUY, 98, 2, ALO))
    ex.venue.halt(COIN.id)
    for tif in (ALO, GTC, IOC):
        (refused,) = ex.run(BOB, place(BUY, 100, 1, tif))
        assert (refused.reason, refused.text) == (Reason.HALTED, "Trading is halted. asset=7")
    ex.block((BUY, 100, 3, IOC), (BUY, 99, 3, ALO), ex.flow_oid - 1)
    assert (ex.fills, ex.queue(BUY, 99), ex.queue(BUY, 98)) == ([], [], [(CROWD, 2)])
    assert ex.run(ANN, cancel(1)) == (Cancelled(),)
    ex.venue.resume(COIN.id)
    ex.block((BUY, 101, 3, IOC))
    assert ex.resting(ANN) == [(2, 2)]


def test_a_market_stands_still_while_nobody_may_place():
    """Protects the word of the venue: an instrument that is halted, or cancels alone; each as often as it was begun."""
    switches = Exchange().venue.switches
    switches.halted[COIN.id] += 1
    assert (switches.is_still(COIN.id), switches.is_still(OTHER)) == (True, False)
    switches.halted[COIN.id] -= 1
    switches.post_only += 1
    assert not switches.is_still(COIN.id)
    switches.cancel_only += 1
    assert switches.is_still(COIN.id)


def test_a_halt_may_cancel_what_rests():
    """Protects the halt that settles: every order of the market goes at the next block, with a reason of its own."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 5))
    ex.run(BOB, place(BUY, 90, 5))
    ex.venue.halt(COIN.id, cancels=True)
    ex.block()
    assert [(u[0], u[2], u[4]) for u in ex.updates[-2:]] == [
        (ANN, "canceled", "delisted"),
        (BOB, "canceled", "delisted"),
    ]
    ex.venue.resume(COIN.id)
    ex.run(ANN, place(SELL, 100, 5))
    ex.block()
    assert len(ex.resting(ANN)) == 1, "once"


def test_a_halt_is_of_one_market():
    """Protects the other instruments of the venue."""
    other = type(COIN)(OTHER, sz_decimals=0, asset=8, min_notional=COIN.min_notional)
    ex = Exchange(COIN, other)
    ex.run(ANN, place(BUY, 90, 1, instrument=OTHER))
    ex.venue.halt(COIN.id, cancels=True)
    assert isinstance(ex.run(ANN, place(BUY, 91, 1, instrument=OTHER))[0], Resting)
    assert ex.run(ANN, place(BUY, 91, 1))[0].reason is Reason.HALTED
    assert len(ex.resting(ANN)) == 2


def test_after_an_upgrade_only_post_only_orders_go():
    """Protects the recorded window (hummingbot#6730): its text, quotes that still can be made, a crowd that waits."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 5))
    ex.venue.switches.post_only += 1
    for tif in (GTC, IOC):
        (refused,) = ex.run(BOB, place(BUY, 100, 1, tif))
        assert refused.reason is Reason.POST_ONLY_MODE
        assert refused.text == "Only post-only orders allowed immediately after a network upgrade asset=7"
    ex.block((BUY, 100, 3, IOC), (BUY, 100, 3, GTC), (BUY, 99, 3, ALO))
    assert (ex.fills, len(ex.queue(BUY, 99))) == ([], 1)
    assert isinstance(ex.run(ANN, place(SELL, 101, 1))[0], Resting)
    assert isinstance(ex.run(ANN, modify(1, SELL, 102, 5))[0], Resting)
    assert ex.run(ANN, modify(5, SELL, 103, 5, GTC))[0].reason is Reason.MODIFY_NEW_LEG
    ex.venue.switches.post_only -= 1
    assert ex.run(BOB, place(BUY, 101, 1, IOC))[0].filled == 1


def test_two_that_hold_a_state_both_have_to_let_go():
    """Protects faults that overlap: the first one's end is not the end."""
    ex = Exchange()
    for _ in range(2):
        ex.venue.halt(COIN.id)
    ex.venue.resume(COIN.id)
    assert ex.run(ANN, place(BUY, 91, 1))[0].reason is Reason.HALTED
    ex.venue.resume(COIN.id)
    assert isinstance(ex.run(ANN, place(BUY, 91, 1))[0], Resting)
    assert ex.venue.switches.is_everyday


# --- the faults ---------------------------------------------------------------------------------


def far(trader, n, tif=Tif.ALO):
    return Place(ETH.id, Cloid(f"0x{n:032x}"), Side.BUY, Px(200_000), Sz(10_000), tif)


def test_two_halts_count_their_own():
    """Protects the report: what the second one refused is not said of the first."""
    trader = Trader(Halt(at_s=10, duration_s=2), Halt(at_s=20, duration_s=5), start=12.5)
    assert isinstance(trader.ask(far(trader, 1))[0], Resting)
    trader.until(21)
    assert trader.ask(far(trader, 2))[0].reason is Reason.HALTED
    assert [injected.counts["refused"] for injected in trader.injected] == [0, 1]


@pytest.mark.parametrize("cancels", [False, True])
def test_the_halt_fault(cancels):
    """Protects the fault: its counts, a market that stands still, and its end."""
    trader = Trader(Halt(duration_s=20, cancels=cancels), start=9)
    assert isinstance(trader.ask(far(trader, 1))[0], Resting)
    trader.until(12)
    seen = len(trader.of(TradesPrinted))
    assert trader.ask(far(trader, 2))[0].reason is Reason.HALTED
    trader.until(29)
    assert len(trader.of(TradesPrinted)) == seen
    assert len(trader.world.venue.resting(ME)) == (0 if cancels else 1)
    trader.until(60)
    assert len(trader.of(TradesPrinted)) > seen
    assert isinstance(trader.ask(far(trader, 3))[0], Resting)
    (injected,) = trader.injected
    assert +injected.counts == {"halts": 1, "refused": 1} | ({"cancelled": 1} if cancels else {})


def test_the_post_only_fault():
    """Protects the fault: quotes change, nothing trades, afterwards it does; what it counts, also while it lasts."""
    trader = Trader(PostOnlyMode(duration_s=20), start=11)
    trades, tops = len(trader.of(TradesPrinted)), len(trader.of(BboChanged))
    assert trader.ask(far(trader, 1, Tif.GTC))[0].reason is Reason.POST_ONLY_MODE
    assert isinstance(trader.ask(far(trader, 2))[0], Resting)
    trader.until(29)
    counted = {"windows": 1, "placed": 1, "refused": 1}
    assert +trader.injected[0].tally == counted
    assert len(trader.of(TradesPrinted)) == trades
    assert len(trader.of(BboChanged)) > tops
    trader.until(60)
    assert len(trader.of(TradesPrinted)) > trades
    assert isinstance(trader.ask(far(trader, 3, Tif.GTC))[0], Resting)
    assert +trader.injected[0].counts == counted


def test_the_squeeze_fault():
    """Protects the fault: what is left of the account's actions and of the messages, and all of it afterwards."""
    trader = Trader(RateLimitSqueeze(duration_s=60, share=0.01, actions_left=2))
    assert [type(trader.ask(far(trader, n))[0]) for n in range(4)] == [Resting, Resting, Resting, Refused]
    assert trader.last_reply().results[0].reason is Reason.QUOTA_EXHAUSTED
    (quota,) = trader.ask(QueryQuota())
    assert (quota.used, quota.cap) == (3, 2)
    answers = [trader.ask(QueryOpenOrders()) for _ in range(10)]
    assert [answer is not None for answer in answers].count(True) == 20 - 5 - 8, "20 messages, eight subscriptions"
    trader.until(71)
    assert isinstance(trader.ask(QueryOpenOrders())[0], OpenOrdersReport)
    assert isinstance(trader.ask(far(trader, 9))[0], Resting)
    assert +trader.injected[0].counts == {"squeezes": 1, "refused": 4}


def test_squeezes_over_one_another():
    """Protects overlapping squeezes: the tighter one counts, and each takes its own away."""
    first = RateLimitSqueeze(at_s=5, duration_s=20, share=0.5, actions_left=1)
    second = RateLimitSqueeze(at_s=8, duration_s=5, share=0.5, actions_left=0)
    trader = Trader(first, second, start=10)
    wire, actions = trader.world.venue.wire(trader.session.ip), trader.world.venue.actions_of(ME)
    assert (wire.ip.weight, actions.ceilings) == (600, [1, 0])
    trader.until(14)
    assert (wire.ip.weight, actions.ceilings) == (600, [1])
    trader.until(26)
    assert (wire.ip.weight, wire.sockets.shares, actions.ceilings) == (1_200, [], [])
