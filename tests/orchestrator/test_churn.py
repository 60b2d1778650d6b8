"""What a cycle did, how much orders move for each fill, what each layer kept still (CH-34..40, MT-36)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import Ns
from orchestrator.desk.accumulator import AccumulatorConfig
from orchestrator.desk.churn import ChurnConfig, ChurnTracker, CycleRecord
from orchestrator.desk.desk import DeskConfig
from orchestrator.reconcile.table import ReconcileConfig
from orchestrator.report import desk_snapshot
from strategy.price_grid import PriceGridConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import ETH, MID, TICK, s
from tests.orchestrator.test_desk import MODIFYING, ONE_LEVEL, fill_of, quoting


def tracker(**config) -> tuple[ChurnTracker, list]:
    alerts = []
    return ChurnTracker(ChurnConfig(**config), ETH.id, alerts.append), alerts


def did(cancels: int = 0, modifies: int = 0, places: int = 0) -> CycleRecord:
    """A cycle that sent what it wanted."""
    return CycleRecord(Ns(0), ETH.id, cancels + modifies + places, cancels, modifies, places)


IDLE = did()


def test_people_are_told_at_the_fiftieth_cycle_and_once():
    """CH-40: not at the 49th; again only after it was over."""
    churn, alerts = tracker()
    for cycle in range(1, 200):
        churn.on_cycle(did(2, 0, 2))
        assert len(alerts) == (cycle >= 50)
    assert alerts[0].name == "churn_spiral"
    assert alerts[0].text == (
        "ETH: 100 cancels, 0 modifies, 100 placements and 0 fills in 50 cycles, of which 0% sent nothing"
    )
    for _ in range(100):
        churn.on_fill()
        churn.on_cycle(IDLE)
    for _ in range(200):
        churn.on_cycle(did(2, 0, 2))
    assert churn.spirals == len(alerts) == 2


@pytest.mark.parametrize(("modifies", "fills", "told"), [(2, 0, 1), (2, 30, 0), (1, 0, 0)])
def test_modifies_for_nothing_are_a_spiral_too(modifies, fills, told):
    """More than one a cycle and more than ten a fill: a place in a queue is lost by either."""
    churn, alerts = tracker()
    for cycle in range(100):
        for _ in range(cycle < fills):
            churn.on_fill()
        churn.on_cycle(did(0, modifies, 0))
    assert len(alerts) == told


@pytest.mark.parametrize(("fills", "ratio"), [(10, 10.0), (9, 100 / 9)])
def test_ten_cancels_a_fill_are_not_too_many(fills, ratio):
    """CH-40: above ten."""
    churn, alerts = tracker(cycles=1)
    for _ in range(fills):
        churn.on_fill()
    churn.on_cycle(did(100, 0, 100))
    assert churn.cancel_fill_ratio == ratio
    assert len(alerts) == (ratio > 10)


@given(
    st.integers(1, 8),
    st.lists(
        st.tuples(st.builds(did, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), st.integers(0, 3)),
        max_size=40,
    ),
)
def test_only_the_latest_cycles_count(window, cycles):
    """CH-35: a window, whatever was before it; fills come from those that were booked (T-14)."""
    churn, _ = tracker(window=window)
    for work, fills in cycles:
        for _ in range(fills):
            churn.on_fill()
        churn.on_cycle(work)
    latest = cycles[-window:]
    cancels, fills = sum(work.cancels for work, _ in latest), sum(fills for _, fills in latest)
    assert churn.cancel_fill_ratio == (cancels / fills if fills else float("inf") if cancels else 0.0)
    quiet = [work for work, _ in latest if work == IDLE]
    assert churn.skip_rate == (len(quiet) / len(latest) if latest else 1.0)


def test_the_desk_counts_what_it_sends_and_what_was_filled():
    """CH-35, T-14: cycles that move everything, and a fill, in the desk itself."""
    bench = quoting(DeskConfig(engine=AT_ONCE, churn=ChurnConfig(window=4, cycles=3)))
    for step in range(1, 5):
        bench.quote(s(step), MID + step * 60 * TICK)
        bench.answer(s(step + 0.05))
    assert bench.desk.churn.spirals == 1
    assert [alert.name for alert in bench.alerts] == ["churn_spiral"]
    order = bench.resting()[0]
    fill = fill_of(order, 1, order.remaining, oid=order.oid, at=5)
    bench.book(fill, s(5))
    bench.desk.on_fill(fill, s(5))
    bench.quote(s(5.5), MID)
    assert bench.desk.churn.cancel_fill_ratio < float("inf")


# --- what each layer kept still -----------------------------------------------------------------


def test_an_account_names_what_is_in_no_count():
    """MT-36: sent, latched, suppressed and gated are together what was generated; anything else shows."""
    whole = CycleRecord(Ns(0), ETH.id, 15, 1, 2, 3, latched=4, queued=2, debounced=1, paced=1, gated=3)
    assert (whole.sent, whole.suppressed, whole.missing) == (6, 2, 0)
    assert [whole._replace(**{name: 0}).missing for name in ("cancels", "modifies", "places")] == [1, 2, 3]
    assert [whole._replace(**{name: 0}).missing for name in ("latched", "debounced", "paced", "gated")] == [4, 1, 1, 3]


def kept(bench, now):
    return desk_snapshot(bench.desk, now).kept_by_layer


def test_a_move_within_a_step_of_the_grid_is_counted_and_costs_nothing():
    """CH-18: the formula's price goes on to another legal one, and the order stays; without a grid it moves."""
    every_move = AccumulatorConfig(mid_move_bps=0.01)
    sent, spared = {}, {}
    for grid in (PriceGridConfig(max_share_of_half=1.0), None):
        bench = quoting(DeskConfig(engine=replace(ONE_LEVEL, grid=grid), accumulator=every_move))
        sent[grid] = [action for step in range(1, 4) for action in bench.quote(s(step), MID + (step % 2) * TICK)]
        spared[grid] = kept(bench, s(4)).pop("grid")
        assert not any(count for layer, count in kept(bench, s(4)).items() if layer != "grid")
    assert [bool(sent[grid]) for grid in spared] == [False, True]
    assert [count > 0 for count in spared.values()] == [True, False]


def test_inside_an_epoch_nothing_is_compared():
    """CH-16: 100 cycles whose targets stay on their points send nothing, by the fast path; a real move does not."""
    every_second = AccumulatorConfig(fallback_ms=900)
    bench = quoting(
        DeskConfig(engine=replace(ONE_LEVEL, grid=PriceGridConfig(max_share_of_half=1.0)), accumulator=every_second)
    )
    for step in range(1, 31):  # until sigma is estimated
        bench.quote(s(step), MID + step % 2)
    before = desk_snapshot(bench.desk, s(30))
    assert [action for step in range(31, 131) for action in bench.quote(s(step), MID + step % 2)] == []
    after = desk_snapshot(bench.desk, s(130))
    assert (after.cycles_untouched - before.cycles_untouched, after.grid_epochs - before.grid_epochs) == (100, 0)
    assert bench.quote(s(131), MID + 400 * TICK)
    assert desk_snapshot(bench.desk, s(131)).cycles_untouched == after.cycles_untouched


@pytest.mark.parametrize(
    ("reconcile", "layer"),
    [(ReconcileConfig(latch_bps=5.0), "latch"), (MODIFYING, "debounce"), (ReconcileConfig(), None)],
    ids=["latch", "debounce", "none"],
)
def test_each_layer_counts_what_it_kept_still_and_nothing_else(reconcile, layer):
    """CH-34: the latch, the wait of a modify, or nothing at all."""
    bench = quoting(DeskConfig(engine=ONE_LEVEL, reconcile=reconcile, accumulator=AccumulatorConfig(mid_move_bps=0.1)))
    for at, ticks in ((1.0, 4), (1.2, 8)):
        bench.quote(s(at), MID + ticks * TICK)
        bench.answer(s(at + 0.05))
    assert {name for name, count in kept(bench, s(2)).items() if count} == ({layer} if layer else set())
