"""What cannot be true of our account is left out and counted; everything else passes."""

import pytest
from msgspec.structs import replace

from domain.account_gate import MAX_LOTS, MAX_VALUE, AccountGate
from domain.events import (
    AccountMargin,
    Adjustment,
    BboChanged,
    ClockSync,
    Executed,
    Fill,
    FillsReport,
    InstrumentLimits,
    LimitsReport,
    OpenOrder,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    PositionsReported,
    QuotaReport,
    Replied,
    Restored,
    RestoredLedger,
    RestoredOrder,
    Transfers,
)
from domain.units import NS_PER_S, Side, Tif

HOUR = 3_600 * NS_PER_S
FILL = Fill("ETH", 5, 6, 1, 2, None, Side.BUY, 100, 3, 10, False, 0, 0)
UPDATE = OrderUpdate("ETH", 5, 6, 2, None, Side.BUY, 100, 3, 3, OrderStatus.OPEN)
OPEN = OpenOrder("ETH", 2, None, Side.BUY, 100, 3, 3, Tif.ALO, False, 0)
POSITIONS = PositionsReported(5, 6, (PositionEntry("ETH", -7),), 0, (Transfers("ETH", -3),))


def replied(*results):
    return Replied(1, 6, results)


def limits(margin=None, **changes):
    return replied(LimitsReport(5, (replace(InstrumentLimits("ETH", 2, 10, 20, 9), **changes),), margin))


SOUND = [
    FILL,
    replace(FILL, fee=-300),
    UPDATE,
    replace(UPDATE, remaining=0, status=OrderStatus.FILLED),
    POSITIONS,
    OpenOrdersReported(5, 6, (OPEN,)),
    replied(),
    replied(
        FillsReport(5, (FILL,), True),
        OpenOrdersReport(5, (OPEN,)),
        PositionsReport(5, POSITIONS.positions, 0),
        OrderStatusReport(5, None),
        OrderStatusReport(5, UPDATE),
        LimitsReport(5, (InstrumentLimits("ETH", 2, 10, 20, 0),)),
        LimitsReport(5, (InstrumentLimits("ETH", 2, 10, 20, 9, 20, tiers=((10**12, 5),)),), AccountMargin(-5, 3, 2)),
        QuotaReport(5, 0, 0, 10),
        Executed(3, None, 2, 100.0),
    ),
    BboChanged("ETH", -5, -5, (-1, -1, -1), None),
]


@pytest.mark.parametrize("event", SOUND)
def test_what_can_be_true_passes(event):
    """Protects the trading: no fact of the account may be lost here; market data is judged elsewhere."""
    told = []
    gate = AccountGate(told.append)
    assert gate.admits(event, 7)
    assert (gate.refused, told) == ({}, [])


WRONG = [
    (replace(FILL, sz=0), "Fill: size"),
    (replace(FILL, sz=-1), "Fill: size"),
    (replace(FILL, sz=MAX_LOTS + 1), "Fill: size"),
    (replace(FILL, px=0), "Fill: price"),
    (replace(FILL, px=MAX_VALUE), "Fill: price"),
    (replace(FILL, fee=301), "Fill: fee"),
    (replace(FILL, exch_time=-1), "Fill: stamp"),
    (replace(FILL, exch_time=1 << 62), "Fill: stamp"),
    (replace(UPDATE, sz=0, remaining=0), "OrderUpdate: size"),
    (replace(UPDATE, remaining=4), "OrderUpdate: size"),
    (replace(UPDATE, remaining=-1), "OrderUpdate: size"),
    (replace(UPDATE, px=-1), "OrderUpdate: price"),
    (replace(POSITIONS, positions=(PositionEntry("ETH", -MAX_LOTS - 1),)), "PositionsReported: position"),
    (replace(POSITIONS, transfers=(Transfers("ETH", MAX_VALUE + 1),)), "PositionsReported: transfers"),
    (OpenOrdersReported(5, 6, (OPEN, replace(OPEN, sz=0))), "OpenOrdersReported: size"),
    (replied(FillsReport(5, (FILL, replace(FILL, sz=-1)), True)), "Replied: size"),
    (replied(OpenOrdersReport(-1, ())), "Replied: stamp"),
    (replied(OrderStatusReport(5, replace(UPDATE, px=0))), "Replied: price"),
    (replied(PositionsReport(1 << 62, (), 0)), "Replied: stamp"),
    (replied(LimitsReport(5, (InstrumentLimits("ETH", 2, 10, 20, -1),))), "Replied: limit"),
    (replied(QuotaReport(5, 0, -1, 10)), "Replied: allowance"),
    (replied(Executed(3, None, -1, 100.0)), "Replied: size"),
    (limits(leverage=0), "Replied: leverage"),
    (limits(leverage=-3), "Replied: leverage"),
    (limits(max_leverage=0), "Replied: leverage"),
    (limits(tiers=((10, 0),)), "Replied: leverage"),
    (limits(tiers=((-1, 3),)), "Replied: limit"),
    (limits(min_notional=-1), "Replied: limit"),
    (limits(px_step=0), "Replied: step"),
    (limits(sz_step=-1), "Replied: step"),
    (limits(AccountMargin(10**400, 0, 0)), "Replied: margin"),
    (limits(AccountMargin(5, -1, 0)), "Replied: margin"),
    (replied(LimitsReport(1 << 62, ())), "Replied: stamp"),
]


@pytest.mark.parametrize(("event", "wrong"), WRONG)
def test_what_cannot_be_true_is_counted_and_told_once_a_minute(event, wrong):
    """Protects position and exposure: one lie of a size would be traded on."""
    told = []
    gate = AccountGate(told.append)
    for second in range(61):
        assert not gate.admits(event, second * NS_PER_S)
    assert gate.refused == {wrong: 61}
    assert [alert.text for alert in told] == [f"not believed: {wrong}"] * 2
    assert gate.admits(FILL, 61 * NS_PER_S)


def test_the_future_is_judged_by_the_venue_s_clock():
    """Protects statements to come: one made "tomorrow" would hide all that follow. Unknown clocks may differ."""
    gate = AccountGate(lambda _: None)
    far = replace(FILL, exch_time=10 * HOUR)
    assert gate.admits(far, 0)
    gate.admits(ClockSync(-5 * NS_PER_S, 0), 0)
    assert not gate.admits(far, 0)
    assert gate.admits(far, 9 * HOUR + 5 * NS_PER_S)
    gate.admits(ClockSync(1 << 63, 0), 0)
    assert gate.admits(far, 9 * HOUR + 5 * NS_PER_S), "no clock is that far away"


def test_a_journal_hands_on_nothing_impossible():
    """Protects a life from a journal that anybody may have written: what is sound in it stays."""
    told = []
    order, ledger = RestoredOrder("ETH", "0x1", Side.BUY, 100, 5), RestoredLedger("ETH", 3, 10, 2)
    event = Restored(
        2,
        7,
        (order, replace(order, sz=0), replace(order, fills=((1, -1),)), replace(order, expires_in=-1)),
        (ledger, replace(ledger, position=1 << 60), replace(ledger, adjustments=(Adjustment(5, 1, float(10**19)),))),
        fills_since=-(1 << 63),
        opened_at=1 << 63,
        transfers=(Transfers("ETH", 1 << 62),),
        transfers_stated=(Transfers("ETH", 1 << 62),),
        forgiven=1 << 62,
    )
    sound = AccountGate(told.append).restored(event, 0)
    assert (sound.orders, sound.ledgers, sound.transfers, sound.transfers_stated) == ((order,), (ledger,), (), None)
    assert (sound.fills_since, sound.opened_at, sound.forgiven) == (-1, 1 << 62, 0)
    assert [alert.text for alert in told] == ["not believed: Restored: 5 orders and ledgers"]
    assert AccountGate(told.append).restored(sound, 0) == sound
