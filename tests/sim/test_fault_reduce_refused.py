"""The venue refuses reducing orders that would rest, for a while; what takes goes, and so does everything else."""

import msgspec

from domain.commands import Place
from domain.events import Executed, Reason, Resting
from domain.units import Side, Tif
from sim.faults import ReduceRefused
from tests.sim.fault_trader import Trader
from tests.sim.test_faults_account import buy, far, position, reason


def reducing(number: int, tif: Tif, px: int) -> Place:
    ordinary = far(number, side=Side.SELL, px=px, sz=2_000)
    return Place(ordinary.instrument, ordinary.cloid, ordinary.side, ordinary.px, ordinary.sz, tif, reduce_only=True)


def test_reducing_orders_are_refused_where_they_would_rest():
    """Protects the fault: only those, only in its time, with the venue's words; and it is counted."""
    trader = Trader(ReduceRefused(at_s=20, duration_s=20))
    buy(trader, 1, sz=10_000)
    far_ask, far_bid = 310_000, far(3).px
    trader.until(21)
    (refused,) = trader.ask(reducing(4, Tif.ALO, far_ask))
    assert refused.reason is Reason.REDUCE_ONLY_WOULD_INCREASE
    assert refused.text == "Reduce only order would increase position. asset=1"
    assert isinstance(trader.ask(far(5))[0], Resting)
    (taken,) = trader.ask(reducing(6, Tif.IOC, far_bid))
    assert isinstance(taken, Executed)
    assert position(trader) == 8_000
    adding = msgspec.structs.replace(reducing(8, Tif.IOC, 310_000), side=Side.BUY)
    assert reason(trader.ask(adding)) is Reason.REDUCE_ONLY_WOULD_INCREASE, "the venue's own rule"
    trader.until(41)
    assert reason(trader.ask(reducing(7, Tif.ALO, far_ask))) is None
    assert +trader.injected[0].counts == {"windows": 1, "refused": 1}
