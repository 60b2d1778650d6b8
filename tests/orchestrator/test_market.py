"""What is known of the market, how old it is, and whether it may be quoted on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import BboChanged
from domain.units import InstrumentId, Ns, Px, Sz
from orchestrator.desk.data_quality import DataQuality, DataQualityConfig, QuoteGateReason
from orchestrator.desk.market import TRADES_REMEMBERED, Market
from tests.orchestrator.messages import bbo, book, ms, s, trades

GATE = DataQuality(DataQualityConfig())


def reason(market: Market, now: int) -> str | None:
    gate = GATE.should_gate_quotes(market, Ns(now))
    return None if gate is None else gate.reason


# --- the top ------------------------------------------------------------------------------------


def test_the_newer_of_snapshot_and_top_counts():
    """By the venue's clock, whichever channel is faster; what is older is counted and not used."""
    market = Market()
    assert market.on_book(book([90], [110], 100), ms(1))
    assert market.on_bbo(bbo(95, 105, 200), ms(2))
    assert (market.mid, market.exch_time) == (100.0, 200)
    assert not market.on_book(book([80], [120], 150), ms(3))
    assert (market.best(bid=True), market.n_superseded) == (95, 1)
    assert (market.n_books, market.n_quotes) == (2, 1)


def test_mid_is_known_to_half_a_tick():
    market = Market()
    market.on_bbo(bbo(100, 101, 1), Ns(1))
    assert (market.mid2, market.mid) == (201, 100.5)


@pytest.mark.parametrize(("bid", "ask"), [(100, 100), (101, 100), (None, 100), (100, None), (None, None)])
def test_there_is_no_mid_of_a_book_that_is_not_sound(bid, ask):
    """S21: crossed, locked, one-sided and empty books have no mid."""
    market = Market()
    market.on_bbo(bbo(90, 110, 1), Ns(1))
    market.on_bbo(bbo(bid, ask, 2), Ns(2))
    assert (market.mid, market.mid2) == (None, None)
    assert market.is_crossed is (bid is not None and ask is not None)


@pytest.mark.parametrize("level", [(0, 5), (-3, 5), (100, 0), (100, -1)])
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_impossible_prices_and_sizes_are_counted_and_not_used(level, side):
    """DQ-02, DQ-08: the state before stays, and such a message does not keep the data fresh."""
    market = Market()
    market.on_bbo(bbo(90, 110, 1), Ns(1))
    bad = {"bid": (Px(80), Sz(1), 1), "ask": (Px(120), Sz(1), 1)} | {side: (*level, 1)}
    assert not market.on_bbo(BboChanged(InstrumentId("ETH"), Ns(9), Ns(9), **bad), s(20))
    assert (market.mid, market.n_bad, market.age(s(20))) == (100.0, 1, s(20) - 1)


def test_a_repeated_time_is_not_fresh():
    """S20, reliability 66: restamped or non-advancing data counts as stale by the venue's clock."""
    market = Market()
    market.on_bbo(bbo(90, 110, 1), Ns(0))
    for second in range(1, 20):
        market.on_bbo(bbo(90 + second, 120, 1), s(second))
    assert (market.mid, market.age(s(19))) == ((109 + 120) / 2, s(19))


def test_before_the_first_message_nothing_is_known():
    market = Market()
    assert (market.age(s(5)), market.mid, market.best(bid=True), market.best(bid=False)) == (None, None, None, None)


def test_a_lost_feed_forgets_what_it_told():
    """S21: nothing is quoted on data from before a gap, however young; the next message counts, same time or not."""
    market = Market()
    market.on_bbo(bbo(90, 110, 5), ms(1))
    market.forget()
    assert (market.mid, reason(market, ms(2))) == (None, QuoteGateReason.NO_DATA_RECEIVED)
    assert market.on_bbo(bbo(90, 110, 5), ms(3))
    assert (market.mid, market.age(ms(3)), reason(market, ms(3))) == (100.0, 0, None)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 9), st.integers(-1, 9), st.booleans()), max_size=20))
def test_any_sequence_leaves_a_consistent_state(messages):
    """Time never goes back, and a mid means a sound two-sided book."""
    market, latest = Market(), -1
    for now, (time, bid, ask, is_book) in enumerate(messages):
        if is_book:
            market.on_book(book([bid] if bid else [], [ask] if ask else [], time), Ns(now))
        else:
            market.on_bbo(bbo(bid or None, ask or None, time), Ns(now))
        assert market.exch_time >= latest
        latest = market.exch_time
        if market.mid2 is not None:
            assert 0 < market.bid[0] < market.ask[0]
            assert market.mid2 == market.bid[0] + market.ask[0]


# --- trades -------------------------------------------------------------------------------------


def test_replayed_trades_are_recognised():
    """MS-08: the first frame after a subscribe repeats history; each trade reaches the estimators once."""
    market = Market()
    assert [t.tid for t in market.new_trades(trades((1, 100, 1), (2, 100, 2), time=2))] == [1, 2]
    assert [t.tid for t in market.new_trades(trades((1, 100, 1), (2, 100, 2), (3, 100, 3), time=3))] == [3]
    assert (market.n_trades, market.n_repeated_trades) == (3, 2)


def test_a_trade_repeated_within_a_frame_counts_once():
    assert len(Market().new_trades(trades((1, 100, 1), (1, 100, 1), time=1))) == 1


@pytest.mark.parametrize("px", [0, -5])
def test_impossible_trades_are_counted_and_not_used(px):
    market = Market()
    assert market.new_trades(trades((1, px, 1), time=1)) == []
    assert market.n_bad == 1


def test_memory_of_trades_is_bounded():
    """S27."""
    market = Market()
    for tid in range(TRADES_REMEMBERED + 500):
        market.new_trades(trades((tid, 100, tid), time=tid))
    assert len(market._tids) == TRADES_REMEMBERED


# --- whether to quote on it ---------------------------------------------------------------------


def test_stale_at_fifteen_seconds():
    """DQ-13: open at 15.0 s, shut after it, open again with fresh data; the moment is known in advance."""
    market = Market()
    market.on_bbo(bbo(90, 110, 1), s(1))
    assert reason(market, s(16)) is None
    assert reason(market, s(16) + 1) == QuoteGateReason.STALE_DATA
    assert reason(market, s(16.1)) == QuoteGateReason.STALE_DATA
    assert GATE.stale_at(market) == s(16) + 1
    market.on_bbo(bbo(90, 110, 2), s(17))
    assert reason(market, s(17)) is None


def test_a_gate_tells_the_numbers_behind_it():
    """DQ-11, DQ-12, DQ-14."""
    market = Market()
    assert reason(market, 0) == QuoteGateReason.NO_DATA_RECEIVED
    assert GATE.stale_at(market) is None
    market.on_bbo(bbo(110, 90, 1), s(1))
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
    market = Market()
    market.on_bbo(bbo(bid, ask, 1), Ns(1))
    assert reason(market, 1) == why
