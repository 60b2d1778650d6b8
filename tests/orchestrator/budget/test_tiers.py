"""What a small allowance does to quoting, against the numbers of Q5 and RC-13, and as properties."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.budget.tiers import QuotaAwareConfig, band_factor, cycle_interval, levels
from orchestrator.desk.accumulator import AccumulatorConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.reconcile.band import ToleranceConfig
from orchestrator.reconcile.table import ReconcileConfig
from strategy.price_grid import PriceGridConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import BUY, MID, TICK, s
from tests.orchestrator.test_desk import quoting

CONFIG = QuotaAwareConfig()


@pytest.mark.parametrize(
    ("headroom", "factor"),
    [(0.5, 1.0), (0.30, 1.0), (0.25, 1.5), (0.20, 2.0), (0.15, 2.5), (0.10, 3.0), (0.07, 3.0), (0.03, 3.0), (0.0, 3.0)],
)
def test_the_factor_of_the_bands(headroom, factor):
    """Q5, CH-29."""
    assert band_factor(headroom, CONFIG) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("headroom", "wanted", "found"),
    [(0.25, 5, 5), (0.20, 5, 5), (0.10, 5, 4), (0.05, 5, 3), (0.10, 2, 2), (0.10, 1, 1), (0.04, 5, 1), (0.0, 5, 1)],
)
def test_the_levels_of_the_ladder(headroom, wanted, found):
    """RC-13, C-10: all, then fewer, at last the best bid and ask; never none."""
    assert levels(wanted, headroom, CONFIG) == found


@pytest.mark.parametrize(
    ("headroom", "seconds"), [(1.0, 1.0), (0.30, 1.0), (0.20, 2.0), (0.10, 3.0), (0.05, 5.0), (0.025, 7.5), (0.0, 10.0)]
)
def test_the_interval_between_cycles(headroom, seconds):
    """CH-33: 1, 3, 5 and 10 seconds, and between them no jump."""
    assert cycle_interval(headroom, CONFIG) == s(seconds)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.integers(1, 10))
def test_the_less_is_left_the_stiller(headrooms, wanted):
    """C-10: all three are monotone, and there is always something to quote."""
    for low, high in pairwise(sorted(headrooms)):
        assert band_factor(low, CONFIG) >= band_factor(high, CONFIG) >= 1
        assert 1 <= levels(wanted, low, CONFIG) <= levels(wanted, high, CONFIG) <= wanted
        assert cycle_interval(low, CONFIG) >= cycle_interval(high, CONFIG)


# --- in the desk --------------------------------------------------------------------------------


class Left:
    """A ledger's allowance, as a test wants it."""

    def __init__(self, bench, monkeypatch):
        self.share = 1.0
        monkeypatch.setattr(type(bench.ledger), "allowance_left", property(lambda _: self.share))


def test_the_market_waits_and_our_own_orders_do_not(monkeypatch):
    """CH-33: at half a tenth a move of the mid waits five seconds, an event of one of our orders does not."""
    bench = quoting(DeskConfig(engine=AT_ONCE, quota_aware=CONFIG))
    Left(bench, monkeypatch).share = 0.05
    for at in (1.0, 1.5, 2.0):  # until nothing of ours is left to be looked at
        bench.quote(s(at), MID + 60 * TICK)
        bench.answer(s(at + 0.05))
    last = bench.desk.accumulator.last_reconcile
    assert bench.quote(s(4), MID) == []
    assert bench.desk.accumulator.due_at() == last + s(5)
    bench.desk.accumulator.on_side_event(BUY, s(4.5))
    assert bench.decide(s(4.5))
    assert bench.desk.accumulator.last_reconcile == s(4.5)


def test_no_alarm_for_what_waits_by_intent(monkeypatch):
    """EA-08: with nothing left a cycle comes every ten seconds: quotes are not stale before that."""
    config = AccumulatorConfig(stale_quotes_ms=7_500.0)
    bench = quoting(DeskConfig(engine=AT_ONCE, quota_aware=CONFIG, accumulator=config))
    Left(bench, monkeypatch).share = 0.0
    bench.quote(s(1), MID + 60 * TICK)
    for at in range(2, 11):
        bench.quote(s(at), MID + at * TICK)
    assert bench.desk.stale_quote_alarms == 0


def test_the_ladder_the_bands_and_the_grid_follow_the_allowance(monkeypatch):
    """CH-14, CH-29, RC-13: fewer levels, wider bands, wider steps; all of it back when there is room again."""
    engine = AT_ONCE.__class__(warmup_timeout_s=0.0, grid=PriceGridConfig(max_share_of_half=1.0))
    reconcile = ReconcileConfig(tolerance=ToleranceConfig())
    bench = quoting(DeskConfig(engine=engine, quota_aware=CONFIG, reconcile=reconcile))
    left = Left(bench, monkeypatch)
    found = {}
    for step, share in enumerate((1.0, 0.04, 1.0), start=1):
        left.share = share
        bench.desk.accumulator.force(s(20 * step))
        bench.quote(s(20 * step), MID)
        targets = bench.desk.targets
        band = bench.desk.planner._bands.of(targets, BUY, share)[targets.bids[0].px]
        found[step] = len(targets.bids), round(band.away, 6), bench.desk.engine.grid.step
    assert found[1] == found[3]
    assert found[2][0] == 1 < found[1][0]
    assert found[2][1] == pytest.approx(3 * found[1][1])
    assert found[2][2] > 1.5 * found[1][2]
