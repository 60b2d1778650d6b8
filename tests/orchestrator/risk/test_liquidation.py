"""A liquidation of our account waits for a person (C-19); what the venue does to winners does not."""

import pytest

from domain.events import LiquidationMark, LiquidationMethod, OrderStatus, OrderUpdate, Reason
from domain.units import Oid, Px, Sz, Usd
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.risk.liquidation import LiquidationWatch
from tests.orchestrator.messages import BUY, ETH, MID, SELL, fill, s


class Bench:
    def __init__(self, *, kills: bool = True) -> None:
        self.alerts = []
        self.switch = KillSwitch()
        self.watch = LiquidationWatch(self.switch, self.alerts.append, kills=kills)

    def force(self, method: LiquidationMethod | None, pnl: int = 0) -> None:
        mark = None if method is None else LiquidationMark(method, Px(MID))
        self.watch.on_fill(fill(1, SELL, 10, MID, closed_pnl=Usd(pnl), liquidation=mark))

    def end(self, status: OrderStatus, reason: Reason | None) -> None:
        told = OrderUpdate(ETH.id, s(1), s(1), Oid(7), None, BUY, Px(MID), Sz(10), Sz(10), status, reason)
        self.watch.hear(told)

    @property
    def told(self) -> list[str]:
        return [alert.name for alert in self.alerts]


FILLS = (
    # how it was closed, profit -> kills, alert
    (LiquidationMethod.MARKET, -5, True, "liquidated"),
    (LiquidationMethod.MARKET, 5, True, "liquidated"),
    (LiquidationMethod.BACKSTOP, 0, True, "liquidated"),
    (LiquidationMethod.ADL, -5, True, "liquidated"),  # we could not pay
    (LiquidationMethod.ADL, 5, False, "position_closed"),  # somebody else could not
    (LiquidationMethod.SETTLEMENT, -5, False, "position_closed"),
    (None, -5, False, None),
)


@pytest.mark.parametrize(("method", "pnl", "kills", "alert"), FILLS)
def test_which_forced_fill_kills(method, pnl, kills, alert):
    """C-19: what closed a position of ours that we could not carry; everything else is only told."""
    bench = Bench()
    bench.force(method, pnl)
    assert bench.switch.is_latched is kills
    assert bench.told == ([alert] if alert else [])
    assert bench.watch.forced_fills == (method is not None)
    if kills:
        assert bench.switch.reason == f"liquidation: ETH SELL closed by force ({method})"


@pytest.mark.parametrize(
    ("status", "reason", "kills"),
    [
        (OrderStatus.CANCELED, Reason.LIQUIDATED, True),
        (OrderStatus.CANCELED, Reason.MARGIN, False),
        (OrderStatus.CANCELED, Reason.REQUESTED, False),
        (OrderStatus.OPEN, None, False),
    ],
)
def test_an_order_cancelled_for_lack_of_margin_kills(status, reason, kills):
    """The cancels come before the fills, and where the book took nothing they are all that comes."""
    bench = Bench()
    bench.end(status, reason)
    assert bench.switch.is_latched is kills


def test_all_facts_of_one_liquidation_are_one_alert():
    bench = Bench()
    for _ in range(3):
        bench.end(OrderStatus.CANCELED, Reason.LIQUIDATED)
    bench.force(LiquidationMethod.MARKET)
    assert bench.told == ["liquidated"]
    bench.switch.reset()
    bench.force(LiquidationMethod.MARKET)
    assert (bench.told, bench.switch.count) == (["liquidated"] * 2, 2)


def test_a_trader_that_is_told_not_to_only_tells():
    bench = Bench(kills=False)
    bench.end(OrderStatus.CANCELED, Reason.LIQUIDATED)
    bench.force(LiquidationMethod.MARKET)
    assert (bench.told, bench.switch.is_latched) == (["liquidated"], False)
