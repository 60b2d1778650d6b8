"""What is known of the market, how old it is, and whether it may be quoted on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import BboChanged, ClockSync
from domain.units import InstrumentId, Ns, Px, Sz
from orchestrator.desk.data_quality import DataQuality, QuoteGateReason
from orchestrator.desk.market import TRADES_REMEMBERED, Market
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.risk.ladder import StalenessConfig
from tests.orchestrator.messages import bbo, book, ms, s, trades

GATE = DataQuality(StalenessConfig())
BELIEVING = DataQualityConfig(max_jump=None, max_deviation=None, frozen_ms=None)
"""Prices of these tests are small numbers: what jumps and what is too far is tested with `sanity`."""


def reason(market: Market, now: int) -> str | None:
    gate = GATE.should_gate_quotes(market, Ns(now))
    return None if gate is None else gate.reason


# --- the top ------------------------------------------------------------------------------------


def test_the_newer_of_snapshot_and_top_counts():
    """By the venue's clock, whichever channel is faster; what is older is counted and not used."""
    market = Market(BELIEVING)
    assert market.on_book(book([90], [110], 100))
    assert market.on_bbo(bbo(95, 105, 200))
    assert (market.mid, market.exch_time) == (100.0, 200)
    assert not market.on_book(book([80], [120], 150, recv=250))
    assert (market.best(bid=True), market.n_superseded) == (95, 1)
    assert (market.n_books, market.n_quotes) == (2, 1)


def test_mid_is_known_to_half_a_tick():
    market = Market(BELIEVING)
    market.on_bbo(bbo(100, 101, 1))
    assert (market.mid2, market.mid) == (201, 100.5)


@pytest.mark.parametrize(("bid", "ask"), [(100, 100), (101, 100), (None, 100), (100, None), (None, None)])
def test_there_is_no_mid_of_a_book_that_is_not_sound(bid, ask):
    """S21: crossed, locked, one-sided and empty books have no mid."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(90, 110, 1))
    market.on_bbo(bbo(bid, ask, 2))
    assert (market.mid, market.mid2) == (None, None)
    assert market.is_crossed is (bid is not None and ask is not None)


@pytest.mark.parametrize("level", [(0, 5), (-3, 5), (100, 0), (100, -1)])
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_impossible_prices_and_sizes_are_counted_and_not_used(level, side):
    """DQ-02, DQ-08: the state before stays, and such a message does not keep the data fresh."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(90, 110, 1))
    bad = {"bid": (Px(80), Sz(1), 1), "ask": (Px(120), Sz(1), 1)} | {side: (*level, 1)}
    assert not market.on_bbo(BboChanged(InstrumentId("ETH"), Ns(9), s(20), **bad))
    assert (market.mid, market.sanity.anomalies.total, market.age(s(20))) == (100.0, 1, s(20) - 1)


def test_a_repeated_time_is_not_fresh():
    """S20, reliability 66: restamped or non-advancing data counts as stale by the venue's clock."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(90, 110, 1, recv=5))
    for second in range(1, 20):
        market.on_bbo(bbo(90 + second, 120, 1, recv=s(second)))
    assert (market.mid, market.age(s(19))) == ((109 + 120) / 2, s(19) - 5)


def test_before_the_first_message_nothing_is_known():
    market = Market(BELIEVING)
    assert (market.age(s(5)), market.mid, market.best(bid=True), market.best(bid=False)) == (None, None, None, None)


def test_a_lost_feed_forgets_what_it_told():
    """S21: nothing is quoted on data from before a gap, however young; the next message counts, same time or not."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(90, 110, 5, recv=ms(1)))
    market.forget()
    assert (market.mid, reason(market, ms(2))) == (None, QuoteGateReason.NO_DATA_RECEIVED)
    assert market.on_bbo(bbo(90, 110, 5, recv=ms(3)))
    assert (market.mid, market.age(ms(3)), reason(market, ms(3))) == (100.0, 0, None)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 9), st.integers(-1, 9), st.booleans()), max_size=20))
def test_any_sequence_leaves_a_consistent_state(messages):
    """Time never goes back, and a mid means a sound two-sided book."""
    market, latest = Market(BELIEVING), -1
    for now, (time, bid, ask, is_book) in enumerate(messages):
        if is_book:
            market.on_book(book([bid] if bid else [], [ask] if ask else [], time, recv=now))
        else:
            market.on_bbo(bbo(bid or None, ask or None, time, recv=now))
        assert market.exch_time >= latest
        latest = market.exch_time
        if market.mid2 is not None:
            assert 0 < market.bid[0] < market.ask[0]
            assert market.mid2 == market.bid[0] + market.ask[0]


# --- the venue's clock ----------------------------------------------------------------------------


def synced(offset: int = 0, error: int = 0, *, tolerance_ms: float = 5_000.0) -> Market:
    """A market whose venue's clock is ahead of ours by ``offset``."""
    market = Market(replace(BELIEVING, max_future_ms=tolerance_ms))
    market.on_clock(ClockSync(Ns(offset), Ns(error)))
    return market


@pytest.mark.parametrize("offset", [0, s(100), -s(100)])
@pytest.mark.parametrize(("error", "delay"), [(0, s(30)), (ms(200), s(29.8)), (s(40), 0)])
def test_what_was_long_on_its_way_is_old_when_it_arrives(offset, error, delay):
    """C-04: 30 s late is 30 s old, whatever the two clocks show; what their error can explain is no delay."""
    market = synced(offset, error)
    market.on_bbo(bbo(90, 110, s(1_000) + offset, recv=s(1_030)))
    assert market.delay == delay
    assert market.age(s(1_031)) == s(1) + delay
    assert (reason(market, s(1_030)) == QuoteGateReason.STALE_DATA) is (delay > 0)


def test_the_gate_of_late_data_tells_its_age_and_is_known_in_advance():
    """DQ-12, DQ-13: ten seconds late leaves five; and a gate names the age, not the time since receipt."""
    market = synced()
    market.on_bbo(bbo(90, 110, s(100), recv=s(110)))
    assert GATE.stale_at(market) == s(115) + 1
    assert reason(market, s(115)) is None
    assert GATE.should_gate_quotes(market, s(116)).age_ms == 16_000.0


def test_without_the_venues_clock_the_receipt_counts():
    """Nobody can say how old a stamp of an unknown clock is, nor whether it lies in the future."""
    market = Market(BELIEVING)
    assert market.on_bbo(bbo(90, 110, s(9_999), recv=s(1)))
    assert (market.age(s(2)), market.delay, market.n_future) == (s(1), 0, 0)


@pytest.mark.parametrize(
    ("offset", "error", "is_taken"),
    [
        (0, ms(50), True),
        (ms(30), ms(50), True),
        (0, ms(100), True),  # as good, and newer
        (ms(30), s(20), False),
        (-s(15), s(20), False),
        (ms(10) - s(20.05), s(20), False),
        (-s(21), s(20), True),
        (s(5), s(4), True),
    ],
)
def test_the_better_comparison_stays_while_both_can_be_true(offset, error, is_taken):
    """A handshake of 40 s would call 20 s late fresh; one that contradicts says that a clock was set."""
    market = synced(ms(10), ms(100))
    market.on_clock(ClockSync(Ns(offset), Ns(error)))
    assert market.clock == (ClockSync(Ns(offset), Ns(error)) if is_taken else ClockSync(ms(10), ms(100)))


def test_a_new_comparison_of_the_clocks_judges_what_comes_after_it():
    market = synced()
    market.on_bbo(bbo(90, 110, s(100), recv=s(101)))
    market.on_clock(ClockSync(s(1), Ns(0)))
    assert market.delay == s(1)
    market.on_bbo(bbo(90, 110, s(102), recv=s(102)))
    assert market.delay == s(1)  # 102 of the venue's clock was 101 of ours


# --- stamps in the future -----------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, s(100), -s(100)])
@pytest.mark.parametrize(("ahead", "is_used"), [(ms(700), True), (ms(700) + 1, False), (s(3_600), False)])
def test_a_stamp_in_the_future_is_counted_and_not_used(offset, ahead, is_used):
    """Beyond the error of the clocks (200 ms here) and a tolerance (500 ms): tops, books and trades alike."""
    market = synced(offset, ms(200), tolerance_ms=500.0)
    now = s(1_000)
    market.on_bbo(bbo(90, 110, now + offset, recv=now))
    stamp = now + offset + ahead
    assert market.on_bbo(bbo(80, 120, stamp, recv=now)) is is_used
    assert market.on_book(book([80], [120], stamp, recv=now)) is is_used
    assert bool(market.new_trades(trades((1, 100, stamp), time=now))) is is_used
    assert market.n_future == (0 if is_used else 3)
    assert market.mid == 100.0
    assert market.on_bbo(bbo(95, 115, now + offset + 1, recv=now)) is not is_used  # it superseded nothing


def test_ten_messages_from_the_future_act_like_silence():
    """DQ-10: what is not used does not keep the data fresh."""
    market = synced()
    market.on_bbo(bbo(90, 110, s(1)))
    for second in range(2, 22):
        market.on_bbo(bbo(90, 110, s(500), recv=s(second)))
    assert (market.n_future, reason(market, s(21))) == (20, QuoteGateReason.STALE_DATA)


def test_one_bad_stamp_cannot_blind_us_for_ever():
    """Believed before anybody knew the venue's clock: the next connection starts the venue's time over."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(90, 110, s(9_999), recv=s(1)))
    assert not market.on_bbo(bbo(91, 111, s(2)))
    market.forget()
    assert market.on_bbo(bbo(92, 112, s(3)))
    assert market.on_bbo(bbo(93, 113, s(4)))
    assert not market.on_bbo(bbo(94, 114, s(3.5), recv=s(4)))
    assert (market.mid, market.exch_time, market.n_superseded) == (103.0, s(4), 2)


def test_the_time_of_the_estimators_goes_on_and_never_back():
    """Kappa forgets by it: after a stamp that was too high it must neither go back nor stand still."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(90, 110, s(9_999), recv=s(1)))
    assert market.time == s(9_999)
    market.forget()
    market.on_bbo(bbo(90, 110, s(3)))
    assert market.time == s(9_999)
    market.on_bbo(bbo(90, 110, s(7)))
    assert (market.time, market.estimator_time(s(8))) == (s(10_003), s(10_004))
    market.forget()
    market.on_bbo(bbo(90, 110, s(20_000)))
    assert (market.time, market.estimator_time(s(20_000))) == (s(20_000), s(20_000))


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(-60, 60), st.sampled_from(["", "gap", "clock"])), max_size=30)
)
def test_times_hold_together_whatever_the_stamps_are(messages):
    """Estimators see a clock that never goes back, no future is believed, and no delay is negative."""
    market, now, latest, is_synced = Market(replace(BELIEVING, max_future_ms=5e-6)), 1_000, -1, False
    for gap, ahead, what in messages:
        now += gap
        if what == "gap":
            market.forget()
        elif what == "clock":
            market.on_clock(ClockSync(Ns(0), Ns(2)))
            is_synced = True
        else:
            used = market.on_bbo(bbo(90, 110, now + ahead, recv=now))
            assert not (used and is_synced and ahead > 7)
        assert market.time >= latest
        latest = market.time
        age = market.age(Ns(now))
        assert age is None or age >= 0
        assert market.delay >= 0


# --- trades -------------------------------------------------------------------------------------


def test_replayed_trades_are_recognised():
    """MS-08: the first frame after a subscribe repeats history; each trade reaches the estimators once."""
    market = Market(BELIEVING)
    assert [t.tid for t in market.new_trades(trades((1, 100, 1), (2, 100, 2), time=2))] == [1, 2]
    assert [t.tid for t in market.new_trades(trades((1, 100, 1), (2, 100, 2), (3, 100, 3), time=3))] == [3]
    assert (market.n_trades, market.n_repeated_trades) == (3, 2)


def test_a_trade_repeated_within_a_frame_counts_once():
    assert len(Market(BELIEVING).new_trades(trades((1, 100, 1), (1, 100, 1), time=1))) == 1


@pytest.mark.parametrize("px", [0, -5])
def test_impossible_trades_are_counted_and_not_used(px):
    market = Market(BELIEVING)
    assert market.new_trades(trades((1, px, 1), time=1)) == []
    assert market.sanity.anomalies.by_name() == {"trades:invalid_price": 1}


def test_memory_of_trades_is_bounded():
    """S27."""
    market = Market(BELIEVING)
    for tid in range(TRADES_REMEMBERED + 500):
        market.new_trades(trades((tid, 100, tid), time=tid))
    assert len(market._tids) == TRADES_REMEMBERED


# --- whether to quote on it ---------------------------------------------------------------------


def test_stale_at_fifteen_seconds():
    """DQ-13: open at 15.0 s, shut after it, open again with fresh data; the moment is known in advance."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(90, 110, 1, recv=s(1)))
    assert reason(market, s(16)) is None
    assert reason(market, s(16) + 1) == QuoteGateReason.STALE_DATA
    assert reason(market, s(16.1)) == QuoteGateReason.STALE_DATA
    assert GATE.stale_at(market) == s(16) + 1
    market.on_bbo(bbo(90, 110, 2, recv=s(17)))
    assert reason(market, s(17)) is None


def test_a_gate_tells_the_numbers_behind_it():
    """DQ-11, DQ-12, DQ-14."""
    market = Market(BELIEVING)
    assert reason(market, 0) == QuoteGateReason.NO_DATA_RECEIVED
    assert GATE.stale_at(market) is None
    market.on_bbo(bbo(110, 90, 1, recv=s(1)))
    gate = GATE.should_gate_quotes(market, s(1))
    assert (gate.reason, gate.best_bid, gate.best_ask) == (QuoteGateReason.CROSSED_BOOK, 110, 90)
    gate = GATE.should_gate_quotes(market, s(21.1))
    assert (gate.reason, gate.age_ms, gate.threshold_ms) == (QuoteGateReason.STALE_DATA, 20_100.0, 15_000.0)


@pytest.mark.parametrize(
    ("bid", "ask", "why"),
    [
        (100, 100, QuoteGateReason.CROSSED_BOOK),
        (101, 100, QuoteGateReason.CROSSED_BOOK),
        (None, 100, QuoteGateReason.EMPTY_BOOK),
        (100, None, QuoteGateReason.EMPTY_BOOK),
        (99, 100, None),
    ],
)
def test_an_unsound_book_gates_at_once(bid, ask, why):
    """DQ-05, DQ-14, S21."""
    market = Market(BELIEVING)
    market.on_bbo(bbo(bid, ask, 1))
    assert reason(market, 1) == why
