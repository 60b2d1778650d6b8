"""How much orders move for each fill: the window, the ratio, the alert (CH-34..40)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.desk.churn import NOTHING, ChurnConfig, ChurnTracker, CycleWork
from orchestrator.desk.desk import DeskConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import ETH, MID, TICK, s
from tests.orchestrator.test_desk import fill_of, quoting


def tracker(**config) -> tuple[ChurnTracker, list]:
    alerts = []
    return ChurnTracker(ChurnConfig(**config), ETH.id, alerts.append), alerts


def test_people_are_told_at_the_fiftieth_cycle_and_once():
    """CH-40: not at the 49th; again only after it was over."""
    churn, alerts = tracker()
    for cycle in range(1, 200):
        churn.on_cycle(CycleWork(2, 0, 2))
        assert len(alerts) == (cycle >= 50)
    assert alerts[0].name == "churn_spiral"
    assert alerts[0].text == (
        "ETH: 100 cancels, 0 modifies, 100 placements and 0 fills in 50 cycles, of which 0% sent nothing"
    )
    for _ in range(100):
        churn.on_fill()
        churn.on_cycle(NOTHING)
    for _ in range(200):
        churn.on_cycle(CycleWork(2, 0, 2))
    assert churn.spirals == len(alerts) == 2


@pytest.mark.parametrize(("fills", "ratio"), [(10, 10.0), (9, 100 / 9)])
def test_ten_cancels_a_fill_are_not_too_many(fills, ratio):
    """CH-40: above ten."""
    churn, alerts = tracker(cycles=1)
    for _ in range(fills):
        churn.on_fill()
    churn.on_cycle(CycleWork(100, 0, 100))
    assert churn.cancel_fill_ratio == ratio
    assert len(alerts) == (ratio > 10)


@given(
    st.integers(1, 8),
    st.lists(
        st.tuples(st.builds(CycleWork, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), st.integers(0, 3)),
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
    quiet = [work for work, _ in latest if work == NOTHING]
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
