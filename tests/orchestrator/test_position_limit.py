"""The hard limit in the worst case (S15), and the kill switch (RK-19, RK-20)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Alert, Severity
from domain.units import Pos, Side, Sz
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.risk.position_limit import PositionLimit
from tests.orchestrator.messages import BUY, SELL


def limit_of(lots: int) -> PositionLimit:
    made = PositionLimit()
    made.lots = Sz(lots)
    return made


def test_an_unknown_limit_admits_nothing():
    """EL-04: uninitialised is zero is no orders."""
    limit = PositionLimit()
    assert [limit.capacity(side, Pos(0)) for side in Side] == [0, 0]
    assert not limit.admits(BUY, Sz(1), Pos(0), Sz(0))


@pytest.mark.parametrize(
    ("position", "bid", "ask"), [(0, 100, 100), (90, 10, 190), (-90, 190, 10), (100, 0, 200), (250, 0, 350)]
)
def test_each_side_has_its_own_capacity(position, bid, ask):
    """RC-14: long at 90 %: 10 % for bids, 190 % for asks; beyond the limit only the reducing side has any."""
    limit = limit_of(100)
    assert (limit.capacity(BUY, Pos(position)), limit.capacity(SELL, Pos(position))) == (bid, ask)


@given(
    st.integers(1, 200),
    st.integers(-150, 150),
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 90)), max_size=12),
)
def test_no_set_of_admitted_orders_can_exceed_it(lots, position, wanted):
    """S15: whatever fills of what was admitted, the limit holds if it held before; refusals are counted."""
    limit, pending, refused = limit_of(lots), {BUY: 0, SELL: 0}, 0
    for side, sz in wanted:
        if limit.admits(side, Sz(sz), Pos(position), Sz(pending[side])):
            pending[side] += sz
        else:
            refused += 1
    assert limit.refused == refused
    for side in Side:
        if pending[side]:
            assert side * position + pending[side] <= lots


def test_the_last_lot_fits_and_one_more_does_not():
    limit = limit_of(100)
    assert limit.admits(BUY, Sz(10), Pos(60), Sz(30))
    assert not limit.admits(BUY, Sz(11), Pos(60), Sz(30))
    assert limit.admits(SELL, Sz(160), Pos(60), Sz(0))


LEAVING = (
    # held, on its way out, share -> lots that bids may have, of a limit of 100 and a size of 30
    (0, 0, 0.9, 100),
    (0, 30, 0.9, 100),  # 60 in the worst case: far from the limit
    (50, 10, 0.9, 50),  # 90: not beyond
    (50, 11, 0.9, 39),  # 91: what is on its way out takes its room
    (50, 11, None, 50),
    (80, 15, 0.9, 5),
    (80, 40, 0.9, 0),
    (-50, 40, 0.9, 150),  # the reducing side is left alone
)


@pytest.mark.parametrize(("held", "leaving", "share", "room"), LEAVING)
def test_near_the_limit_what_is_on_its_way_out_takes_room(held, leaving, share, room):
    """RK-10: the next order is smaller from the start, instead of being held back; the worst case stays inside."""
    limit = limit_of(100)
    limit.proactive_share = share
    assert limit.room(BUY, Pos(held), Sz(30), Sz(leaving)) == room
    if share is not None and held >= 0 and held + leaving + 30 > 90:
        assert held + leaving + room <= max(100, held + leaving)


# --- the kill switch ----------------------------------------------------------------------------


def announced(switch: KillSwitch) -> list:
    out: list = []
    switch.decide(out)
    return out


def test_a_kill_is_announced_once_and_the_first_reason_stays():
    """RK-19: the announcement is what makes it durable, so it must not be lost nor repeated."""
    switch = KillSwitch()
    assert (switch.is_latched, announced(switch)) == (False, [])
    assert switch.latch("loss") is True
    assert switch.latch("drawdown") is False
    assert announced(switch) == [Alert(Severity.CRITICAL, "kill", "loss")]
    assert announced(switch) == []
    assert (switch.is_latched, switch.reason, switch.count) == (True, "loss", 1)


def test_a_kill_survives_a_restart_and_is_told_of_again():
    """The life that was killed may have died with its alert still on the way."""
    switch = KillSwitch()
    switch.restore("loss")
    assert (switch.is_latched, switch.reason, switch.count) == (True, "loss", 0)
    assert announced(switch) == [Alert(Severity.CRITICAL, "kill", "loss")]
    assert announced(switch) == []
    switch.restore(None)
    assert not switch.is_latched


def test_only_a_reset_lifts_it_and_it_can_latch_again():
    switch = KillSwitch()
    switch.latch("loss")
    switch.reset()
    assert (switch.is_latched, announced(switch)) == (False, [])
    assert switch.latch("runaway")
    assert switch.count == 2
    assert [alert.text for alert in announced(switch)] == ["runaway"]
