"""The venue's limits: the numbers of its documentation, and what follows from them."""

import pytest

from domain.commands import (
    Cancel,
    QueryFills,
    QueryLimits,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    QueryQuota,
    ScheduleCancel,
)
from domain.limits import AddressLimits, IpLimits, OpenOrderLimits, VenueLimits
from domain.units import NS_PER_S, USD, Cloid, InstrumentId, Ns, Usd

CANCEL = Cancel(InstrumentId("ETH"), Cloid("0x1"))


@pytest.mark.parametrize(
    ("actions", "weight"),
    [
        ((), 1),
        ((CANCEL,), 1),
        ((CANCEL,) * 39, 1),
        ((CANCEL,) * 40, 2),
        ((CANCEL,) * 79, 2),
        ((CANCEL,) * 80, 3),
        ((ScheduleCancel(None),), 1),
        ((QueryPositions(),), 2),
        ((QueryOrder(Cloid("0x1")),), 2),
        ((QueryOpenOrders(),), 20),
        ((QueryFills(Ns(0)),), 20),
        ((QueryLimits(()),), 20),
        ((QueryQuota(),), 20),
    ],
)
def test_weights_are_the_documented_ones(actions, weight):
    """Protects the table of weights: 1 + floor(n / 40) for actions, 2 or 20 for questions (ccxt#24100)."""
    assert IpLimits().weight_of(actions) == weight


def test_a_long_answer_weighs_more():
    """Protects the surcharge: 2,000 fills weigh 20 + 100 = 120, the documented example."""
    limits = IpLimits()
    assert limits.weight_of((QueryFills(Ns(0)),)) + limits.surcharge(2_000) == 120
    assert [limits.surcharge(n) for n in (0, 19, 20, 39)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("traded", "cap"),
    [
        (0, 10_000),
        (999_999, 10_000),
        (5_856_560_000, 15_856),  # recorded: "(15965 > 15855)", which prints one less
        (2_854_574_593_578, 2_864_574),  # recorded answer to userRateLimit
        (170_043_721_737_450_012, 170_043_731_737),  # recorded in the SDK's own tests
    ],
)
def test_the_allowance_grows_by_one_for_each_dollar(traded, cap):
    """Protects the address allowance: 10,000 + floor(volume in USD), as recorded three times."""
    assert AddressLimits().cap(Usd(traded)) == cap


@pytest.mark.parametrize(("cap", "cancel_cap"), [(0, 0), (10_000, 20_000), (100_000, 200_000), (300_000, 400_000)])
def test_cancels_are_stopped_later(cap, cancel_cap):
    """Protects the second allowance: min(cap + 100,000, 2 x cap)."""
    assert AddressLimits().cancel_cap_of(cap) == cancel_cap


@pytest.mark.parametrize(
    ("usd", "cap"), [(0, 1_000), (4_999_999, 1_000), (5_000_000, 1_001), (10**9, 1_200), (10**11, 5_000)]
)
def test_room_for_open_orders_grows_to_five_thousand(usd, cap):
    """Protects the open-order cap: 1,000 + 1 for each 5 million USD, at most 5,000."""
    assert OpenOrderLimits().cap(Usd(usd * USD)) == cap


def test_the_defaults_are_the_documented_numbers():
    """Protects the dated description itself: a changed default is a decision, not a slip."""
    limits = VenueLimits()
    assert (limits.ip.weight, limits.ip.window) == (1_200, 60 * NS_PER_S)
    sockets = limits.socket
    assert (sockets.connections, sockets.new_connections, sockets.subscriptions) == (10, 30, 1_000)
    assert (sockets.users, sockets.messages, sockets.posts_in_flight) == (10, 2_000, 100)
    assert (limits.address.stale_cost, limits.address.limited_interval) == (5, 10 * NS_PER_S)
    schedule = limits.schedule
    assert (schedule.lead, schedule.triggers_per_day, schedule.min_traded) == (5 * NS_PER_S, 10, 10**6 * USD)
