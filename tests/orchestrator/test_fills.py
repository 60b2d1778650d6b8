"""The one gate of all fills: each counts once, whatever way and how often it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import Ns, Tid
from orchestrator.fills import FillDeduplicator, FillProcessor, FillsConfig
from tests.orchestrator.messages import BUY, fill


def processor(capacity: int = 10_000) -> tuple[FillProcessor, list[int]]:
    made, booked = FillProcessor(FillsConfig(capacity=capacity)), []
    made.subscribe(lambda told, now: booked.append(told.tid))
    return made, booked


def trade(tid: int, at: int | None = None):
    return fill(tid, BUY, 1, 100, at=tid if at is None else at)


def test_three_deliveries_of_fifty_thousand_fills():
    """FL-01: with room for 10,000, each repetition within the last 10,000 is refused and each fill is booked once."""
    fills, booked = processor(10_000)
    for tid in range(50_000):
        fills.process(trade(tid), Ns(tid))
        if tid >= 5_000:
            fills.process(trade(tid - 5_000), Ns(tid))
        if tid >= 9_999:
            fills.process(trade(tid - 9_999), Ns(tid))
    assert booked == list(range(50_000))
    assert (fills.applied, fills.duplicates) == (50_000, 45_000 + 40_001)
    assert len(fills.dedup) == 10_000


def test_a_fill_older_than_everything_remembered_is_refused():
    """FL-04: after its id was evicted only the watermark can know it."""
    fills, booked = processor(3)
    for tid in range(10):
        fills.process(trade(tid), Ns(tid))
    assert fills.dedup.watermark == 6
    for tid in range(10):
        fills.process(trade(tid), Ns(20))
    assert booked == list(range(10))


def test_new_fills_of_the_time_of_a_remembered_one_are_booked():
    """The watermark refuses what is older than the evicted, not what shares a block with the remembered."""
    fills, booked = processor(3)
    for tid in range(5):
        fills.process(trade(tid, at=100 + tid // 3), Ns(0))
    assert fills.process(trade(9, at=101), Ns(0))
    assert booked == [0, 1, 2, 3, 4, 9]


def test_asking_whether_a_fill_is_known_changes_nothing():
    """FL-02, FL-03."""
    dedup = FillDeduplicator(5)
    assert [dedup.is_duplicate(Tid(1), Ns(1)) for _ in range(3)] == [False] * 3
    assert len(dedup) == 0
    assert [dedup.mark_processed(Tid(1), Ns(1)) for _ in range(3)] == [True, False, False]
    assert dedup.is_duplicate(Tid(1), Ns(1))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50)), max_size=80),
    st.integers(1, 40),
)
def test_never_twice_and_within_capacity_never_missed(deliveries, capacity):
    """S2: no id is booked twice at any capacity; with room for all, none is refused the first time."""
    fills, booked = processor(capacity)
    times: dict[int, int] = {}
    for tid, at in deliveries:
        fills.process(trade(tid, at=times.setdefault(tid, at)), Ns(0))
        assert len(fills.dedup) <= capacity
    assert len(booked) == len(set(booked)) == fills.applied
    if capacity > len(times):
        assert set(booked) == set(times)


def test_what_earlier_lives_booked_is_not_booked_again():
    """S2 over all process lives."""
    fills, booked = processor(3)
    for tid in range(3):
        fills.dedup.remember(Tid(tid))
    assert not fills.process(trade(1, at=999), Ns(0))
    assert fills.process(trade(7, at=5), Ns(0))
    assert (booked, len(fills.dedup)) == ([7], 3)


def test_memory_of_earlier_lives_is_bounded():
    """S27: a journal that restores more ids than fit does not raise the bound; the newest are kept."""
    fills, _ = processor(3)
    for tid in range(10):
        fills.dedup.remember(Tid(tid))
    assert len(fills.dedup) == 3
    assert not fills.process(trade(9, at=5), Ns(0))


# --- who hears of it ----------------------------------------------------------------------------


def test_consumers_hear_in_the_order_of_their_priority():
    """FL-06: position first, P&L next, the rest after; ties as they subscribed."""
    fills, heard = FillProcessor(FillsConfig()), []
    for name, priority in (("screen", None), ("pnl", 10), ("late", None), ("position", 0), ("pnl 2", 10)):
        consumer = lambda told, now, name=name: heard.append(name)  # noqa: E731
        fills.subscribe(consumer) if priority is None else fills.subscribe(consumer, priority)
    assert fills.process(trade(1), Ns(0))
    assert heard == ["position", "pnl", "pnl 2", "screen", "late"]


def test_every_consumer_hears_each_fill_once():
    """FL-07."""
    fills, diaries = FillProcessor(FillsConfig()), [[], [], []]
    for diary in diaries:
        fills.subscribe(lambda told, now, diary=diary: diary.append(told.tid))
    for tid in (1, 2, 1, 3, 2, 1):
        fills.process(trade(tid), Ns(0))
    assert diaries == [[1, 2, 3]] * 3


# --- before the opening position ----------------------------------------------------------------


def test_fills_that_the_opening_position_contains_are_not_counted_on_top():
    """EL-03: a stray's fill that arrives after the position was read is in it; only its order hears."""
    fills, booked = processor()
    contained = []
    fills.subscribe_before_opening(lambda told, now: contained.append(told.tid))
    fills.open(Ns(100), Ns(0))
    assert [fills.process(trade(tid, at=at), Ns(0)) for tid, at in ((1, 99), (2, 100), (3, 101))] == [
        False,
        False,
        True,
    ]
    fills.process(trade(1, at=99), Ns(0))
    assert (booked, contained, fills.before_opening) == ([3], [1, 2], 2)


def test_an_earlier_statement_does_not_reopen_the_book():
    """The opening time never goes back: a lagging second reading cannot let a fill count twice."""
    fills, booked = processor()
    fills.open(Ns(100), Ns(0))
    fills.open(Ns(50), Ns(0))
    assert not fills.process(trade(1, at=80), Ns(0))
    assert booked == []


def test_in_a_first_life_history_waits_for_the_first_statement():
    """X-09: the snapshot after the subscribe repeats old fills. They are neither position nor profit of this life."""
    fills, booked = processor()
    fills.is_holding = True
    for tid in range(10):
        assert fills.process(trade(tid, at=tid * 10), Ns(0)) is False
    assert (booked, fills.applied) == ([], 0)
    fills.open(Ns(70), Ns(0))
    assert booked == [8, 9]
    assert (fills.before_opening, fills.applied, fills.is_holding) == (8, 2, False)
    for tid in range(10):
        fills.process(trade(tid, at=tid * 10), Ns(0))
    assert booked == [8, 9]


def test_the_cursor_is_the_latest_time_seen():
    """Recovery asks from here: it must not go back with a late fill."""
    fills, _ = processor()
    for tid, at in ((1, 50), (2, 90), (3, 70)):
        fills.process(trade(tid, at=at), Ns(0))
    assert fills.cursor == 90


@pytest.mark.parametrize("times", [1, 4])
def test_history_that_is_repeated_while_it_waits_is_booked_once(times):
    """Each reconnect during the start-up sends the snapshot again."""
    fills, booked = processor()
    fills.is_holding = True
    for _ in range(times):
        for tid in range(5):
            fills.process(trade(tid, at=tid + 1), Ns(0))
    fills.open(Ns(2), Ns(0))
    assert booked == [2, 3, 4]
