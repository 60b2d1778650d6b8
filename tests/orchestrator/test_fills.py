"""The one gate of all fills: each counts once, whatever way and how often it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import FillsReport
from domain.units import NS_PER_MS, Ns, Tid
from orchestrator.analytics import Analytics
from orchestrator.fills import RECENT, FillDeduplicator, FillProcessor, FillsConfig, Priority, next_page
from tests.orchestrator.messages import BTC, BUY, ETH, SELL, fill


def gate(alerts: list | None = None, **config) -> FillProcessor:
    return FillProcessor(FillsConfig(**config), Analytics([].append if alerts is None else alerts.append))


def processor(capacity: int = 10_000) -> tuple[FillProcessor, list[int]]:
    made, booked = gate(capacity=capacity), []
    made.subscribe(lambda told, now: booked.append(told.tid), Priority.POSITION)
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
        fills.dedup.remember(Tid(tid), Ns(2))
    assert not fills.process(trade(1, at=999), Ns(0))
    assert fills.process(trade(7, at=5), Ns(0))
    assert (booked, len(fills.dedup)) == ([7], 3)


def test_memory_of_earlier_lives_is_bounded():
    """S27: a journal that restores more ids than fit does not raise the bound; the newest are kept."""
    fills, _ = processor(3)
    for tid in range(10):
        fills.dedup.remember(Tid(tid), Ns(4))
    assert len(fills.dedup) == 3
    assert not fills.process(trade(9, at=5), Ns(0))


def test_a_fill_of_an_earlier_life_is_refused_after_its_id_was_forgotten():
    """FL-04, S2: 5,000 ids of the life before, then 10,000 fills: an old one told again is not booked twice."""
    fills, booked = processor(10_000)
    for tid in range(5_000):
        fills.dedup.remember(Tid(tid), Ns(4_999))
    for tid in range(5_000, 15_000):
        assert fills.process(trade(tid), Ns(tid))
    assert [fills.process(trade(tid), Ns(20_000)) for tid in (0, 4_999)] == [False, False]
    assert booked == list(range(5_000, 15_000))


def test_ids_of_an_earlier_life_that_never_fit_are_refused_too():
    """S2: more ids are restored than there is room for: what falls out at once counts as known."""
    fills, booked = processor(3)
    for tid in range(10):
        fills.dedup.remember(Tid(tid), Ns(9))
    assert [fills.process(trade(tid), Ns(20)) for tid in (0, 9, 10)] == [False, False, True]
    assert booked == [10]


def test_the_watermark_never_falls():
    """FL-04: fills come out of order: what was forgotten first may be newer than what is forgotten next."""
    fills, booked = processor(2)
    for tid, at in ((1, 100), (2, 5), (3, 200), (4, 300)):
        fills.process(trade(tid, at=at), Ns(0))
    assert fills.dedup.watermark == 100
    assert not fills.process(trade(1, at=100), Ns(0))
    assert booked == [1, 2, 3, 4]


def test_a_page_goes_on_at_its_last_moment_and_leaves_only_a_full_moment_behind():
    """Reliability 19: by the venue's millisecond, for within it a query by time cannot tell two fills apart."""
    page = FillsReport(Ns(0), (trade(1, at=5 * NS_PER_MS), trade(2, at=7 * NS_PER_MS)), False)
    assert next_page(page, Ns(5 * NS_PER_MS)) == 7 * NS_PER_MS
    assert next_page(page, Ns(7 * NS_PER_MS)) == 8 * NS_PER_MS


# --- who hears of it ----------------------------------------------------------------------------


def test_consumers_hear_in_the_order_of_their_priority():
    """FL-06: position first, orders next, then the quotes, who looks on last; ties as they subscribed."""
    fills, heard = gate(), []
    for priority in (Priority.ANALYTICS, Priority.ORDERS, Priority.QUOTES, Priority.POSITION, Priority.ORDERS):
        name = f"{priority.name} {len(fills._consumers)}"
        fills.subscribe(lambda told, now, name=name: heard.append(name), priority)
    assert fills.process(trade(1), Ns(0))
    assert heard == ["POSITION 3", "ORDERS 1", "ORDERS 4", "QUOTES 2", "ANALYTICS 0"]


def test_every_consumer_hears_each_fill_once():
    """FL-07."""
    fills, diaries = gate(), [[], [], []]
    for diary in diaries:
        fills.subscribe(lambda told, now, diary=diary: diary.append(told.tid), Priority.ANALYTICS)
    for tid in (1, 2, 1, 3, 2, 1):
        fills.process(trade(tid), Ns(0))
    assert diaries == [[1, 2, 3]] * 3


def broken(told, now):
    raise ZeroDivisionError("a mean of nothing")


def test_analytics_that_fail_stop_nobody():
    """FL-06, EL-14: the next one still hears, the failures are counted, people are told once."""
    alerts, booked = [], []
    fills = gate(alerts)
    fills.subscribe(broken, Priority.ANALYTICS)
    fills.subscribe(lambda told, now: booked.append(told.tid), Priority.ANALYTICS)
    assert [fills.process(trade(tid), Ns(0)) for tid in (1, 2)] == [True, True]
    assert booked == [1, 2]
    assert fills._analytics.errors == {"fill": 2}
    assert [(alert.name, alert.text) for alert in alerts] == [
        ("analytics_failed", "fill: ZeroDivisionError: a mean of nothing")
    ]


@pytest.mark.parametrize("priority", [Priority.POSITION, Priority.ORDERS, Priority.QUOTES])
def test_a_bug_in_what_trades_is_not_swallowed(priority):
    """A position that missed a fill is worse than a stop: our bug raises."""
    fills = gate()
    fills.subscribe(broken, priority)
    with pytest.raises(ZeroDivisionError):
        fills.process(trade(1), Ns(0))


# --- against a stated position ------------------------------------------------------------------


def test_what_moved_since_a_moment():
    """By the venue's time, whatever the order of arrival, and by instrument."""
    fills, _ = processor()
    for tid, side, sz, at in ((1, BUY, 5, 10), (2, SELL, 3, 30), (3, BUY, 1, 20)):
        fills.process(fill(tid, side, sz, 100, at=at), Ns(99))
    assert [fills.moved_since(ETH.id, Ns(at)) for at in (9, 10, 20, 30)] == [3, -2, -3, 0]
    assert fills.moved_since(BTC.id, Ns(0)) == 0


def test_a_statement_of_before_what_is_remembered_cannot_be_compared():
    """Bounded memory must not turn into a false difference: no verdict instead of a wrong sum."""
    fills, _ = processor()
    for tid in range(RECENT + 10):
        fills.process(trade(tid, at=tid), Ns(0))
    assert fills.moved_since(ETH.id, Ns(8)) is None
    assert fills.moved_since(ETH.id, Ns(9)) == RECENT


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


def test_what_waits_is_bounded_and_the_oldest_is_history():
    """S27: a venue that replays without end before its first statement does not fill the memory."""
    fills, booked = gate(held_max=3), []
    fills.subscribe(lambda told, now: booked.append(told.tid), Priority.POSITION)
    fills.is_holding = True
    for tid in (1, 2, 3, 2, 4, 5):
        fills.process(trade(tid, at=tid), Ns(0))
    assert (fills.crowded_out, fills.duplicates) == (2, 1)
    fills.open(Ns(2), Ns(0))
    assert booked == [3, 4, 5]
    fills.process(trade(1, at=1), Ns(0))
    assert (booked, fills.before_opening) == ([3, 4, 5], 1)


def test_of_what_waits_only_as_much_as_there_is_room_for_is_booked():
    fills, booked = gate(held_max=2), []
    fills.subscribe(lambda told, now: booked.append(told.tid), Priority.POSITION)
    fills.is_holding = True
    for tid in range(1, 6):
        fills.process(trade(tid, at=tid), Ns(0))
    fills.open(Ns(0), Ns(0))
    assert booked == [4, 5]


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
