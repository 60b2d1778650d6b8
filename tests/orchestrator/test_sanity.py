"""Which market data is believed: what each anomaly counts as, what jumps and freezes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import ChannelKind, ClockSync
from domain.units import Ns
from orchestrator.desk.anomalies import HINTS, Anomaly
from orchestrator.desk.data_quality import HINT_OF, DataQuality, QuoteGateReason
from orchestrator.desk.market import Market
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.risk.ladder import StalenessConfig
from tests.orchestrator.desks import Bench
from tests.orchestrator.messages import ETH, MID, TICK, bbo, book, ms, s, trades
from tests.orchestrator.tiny_venue import quoting

PX = 100_000
CONFIG = DataQualityConfig()
GATE = DataQuality(StalenessConfig())


def top(at: int, px: int = PX, *, width: int = 10, **changes):
    return bbo(px - width, px + width, at, **changes)


def known(config: DataQualityConfig = CONFIG) -> Market:
    """A market with a mid of `PX`, and the venue's clock known."""
    market = Market(config)
    market.on_clock(ClockSync(Ns(0), Ns(0)))
    assert market.on_bbo(top(s(1)))
    return market


def reason(market: Market, now: int) -> str | None:
    gate = GATE.should_gate_quotes(market, Ns(now))
    return None if gate is None else gate.reason


def anomalies(market: Market) -> dict[str, int]:
    return market.sanity.anomalies.by_name()


# --- the table of DQ-09 ----------------------------------------------------------------------------

MADE_BY = {
    Anomaly.SEQUENCE_GAP: lambda m: [m.on_bbo(replace_seq(top(s(2 + n)), seq)) for n, seq in enumerate((1, 13))],
    Anomaly.TIMESTAMP_REGRESSION: lambda m: m.on_bbo(top(s(0.5))),
    Anomaly.STALE_DATA: lambda m: GATE.count_old(m, s(31.1)),
    Anomaly.CROSSED_BOOK: lambda m: m.on_bbo(bbo(PX, PX, s(2))),
    Anomaly.INVALID_PRICE: lambda m: m.on_bbo(bbo(0, PX, s(2))),
    Anomaly.INVALID_SIZE: lambda m: m.on_bbo(sized(-1, s(2))),
    Anomaly.PRICE_JUMP: lambda m: m.on_bbo(top(s(2), 111_000)),
    Anomaly.FUTURE_STAMP: lambda m: m.on_bbo(top(s(100), recv=s(2))),
    Anomaly.FROZEN_BOOK: lambda m: (freeze(m), GATE.count_old(m, s(4.5))),
}


def replace_seq(event, seq):
    return type(event)(*(getattr(event, name) for name in event.__struct_fields__[:-1]), seq)


def sized(size: int, at: int):
    event = top(at)
    return type(event)(event.instrument, event.exch_time, event.recv_time, (event.bid[0], size, 1), event.ask)


def freeze(market: Market, *, trades_printed: int = 3, until: float = 4.5):
    """The same top with newer stamps, and trades between them."""
    for number in range(trades_printed):
        market.new_trades(trades((number, PX, s(1.1) + number), time=s(1.2)))
    at = 1.5
    while at <= until:
        market.on_bbo(top(s(at)))
        at += 0.5


@pytest.mark.parametrize("kind", Anomaly)
def test_every_anomaly_can_be_met_is_counted_by_kind_and_has_a_hint(kind):
    """DQ-09, DQ-16, T-19: reachable, one counter each, and what a person should do."""
    market = known()
    MADE_BY[kind](market)
    assert {each for _, each in market.sanity.anomalies.counts} == {kind}
    assert HINTS[kind]


def test_the_gates_have_the_hints_of_their_anomalies():
    """DQ-16."""
    assert {reason.value for reason in HINT_OF} <= {kind.value for kind in Anomaly}
    assert set(QuoteGateReason) - set(HINT_OF) == {QuoteGateReason.NO_DATA_RECEIVED, QuoteGateReason.EMPTY_BOOK}


@pytest.mark.parametrize(("missing", "is_gap"), [(0, False), (10, False), (11, True)])
def test_how_much_may_be_missing(missing, is_gap):
    """DQ-06, T-19: the size is a figure, not a part of the key; each channel counts for itself."""
    market = known()
    for at, seq in ((2, 5), (3, 6 + missing)):
        market.on_bbo(replace_seq(top(s(at)), seq))
        market.on_book(replace_seq(book([PX - 10], [PX + 10], s(at)), at))
    assert anomalies(market) == ({"bbo:sequence_gap": 1} if is_gap else {})
    assert market.sanity.anomalies.largest_gap == missing


def test_duplicates_and_reordering_are_counted_apart_and_a_new_connection_counts_anew():
    """DQ-06."""
    market = known()
    for seq in (5, 6, 6, 3, 7):
        market.on_bbo(replace_seq(top(s(2)), seq))
    assert anomalies(market) == {"numbered:duplicate": 1, "numbered:reordered": 1}
    market.forget()
    market.on_bbo(replace_seq(top(s(3)), 1))
    market.on_bbo(replace_seq(top(s(4)), 2))
    assert anomalies(market) == {"numbered:duplicate": 1, "numbered:reordered": 1}


@pytest.mark.parametrize(
    ("bids", "asks", "is_used"),
    [
        ([PX, PX - 1], [PX + 1, PX + 2], True),
        ([PX, PX], [PX + 1], False),
        ([PX - 1, PX], [PX + 1], False),
        ([PX], [PX + 2, PX + 1], False),
        ([PX], [PX + 1, PX + 1], False),
        ([], [PX + 1], True),
    ],
)
def test_levels_run_away_from_the_top(bids, asks, is_used):
    """DQ-05."""
    market = known()
    assert market.on_book(book(bids, asks, s(2))) is is_used
    assert bool(anomalies(market)) is not is_used


@pytest.mark.parametrize(("half", "is_used"), [(19_900, True), (20_100, False)])
def test_a_side_too_far_from_the_middle_is_not_used(half, is_used):
    """DQ-04: 19.9 % and 20.1 %."""
    market = known()
    assert market.on_bbo(top(s(2), width=half // 2)) is True
    assert market.on_bbo(bbo(PX - half, PX + half, s(3))) is is_used if half > 20_000 else True
    assert market.on_bbo(bbo(PX - half * 10 // 10, PX + half, s(4))) is is_used


@pytest.mark.parametrize(("px", "is_used"), [(119_900, True), (120_100, False), (80_100, True), (79_900, False)])
def test_a_trade_too_far_from_the_mid_is_not_used(px, is_used):
    """DQ-04."""
    market = known()
    assert bool(market.new_trades(trades((1, px, s(2)), time=s(2)))) is is_used


# --- jumps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("px", "is_used"), [(109_000, True), (111_000, False), (91_000, True), (89_000, False)])
def test_a_jump_is_held_back_and_nothing_is_quoted(px, is_used):
    """DQ-03, C-06: 11 % in one source; what was known stays, and the gate closes at once."""
    market = known()
    assert market.on_bbo(top(s(2), px)) is is_used
    assert market.mid == (px if is_used else PX)
    assert reason(market, s(2)) == (None if is_used else QuoteGateReason.PRICE_JUMP)


def test_three_messages_in_a_row_make_it_true():
    """C-06."""
    market = known()
    assert [market.on_bbo(top(s(2 + n), 120_000 + n)) for n in range(3)] == [False, False, True]
    assert (market.mid, reason(market, s(4))) == (120_002, None)


def test_messages_that_do_not_agree_with_each_other_do_not():
    market = known()
    for number, px in enumerate((120_000, 130_000, 120_000, 130_000, 140_000)):
        assert market.on_bbo(top(s(2 + number), px)) is False
    assert market.mid == PX


def test_one_that_comes_back_was_nothing():
    """Garbage: the next message is as before, and the count begins anew."""
    market = known()
    for number in range(5):
        assert market.on_bbo(top(s(2 + 2 * number), 130_000)) is False
        assert market.on_bbo(top(s(3 + 2 * number), PX)) is True
        assert reason(market, s(3 + 2 * number)) is None
    assert anomalies(market) == {"bbo:price_jump": 5}


def test_trades_and_a_book_that_agree_make_it_true_at_once():
    """DQ-03: the two newest frames of trades say the same as the book."""
    market = known()
    for tid, px in ((1, 130_000), (2, 130_100)):
        assert market.new_trades(trades((tid, px, s(2)), time=s(2))) == []  # too far from the mid that we know
    assert market.on_bbo(top(s(2.5), 130_000)) is True
    assert market.mid == 130_000


@pytest.mark.parametrize(
    "printed", [[(1, 130_000, 2)], [(1, 130_000, 2), (2, PX, 2.1)], [(1, 130_000, 2), (2, 130_000, 2)]]
)
def test_one_wrong_trade_or_old_ones_confirm_nothing(printed):
    market = known()
    for tid, px, at in printed:
        market.new_trades(trades((tid, px, s(at)), time=s(at)))
    assert market.on_bbo(top(s(8), 130_000)) is False


def test_a_lost_connection_does_not_make_a_wrong_price_believable():
    """The first top of a new connection is compared with the last of the one before."""
    market = known()
    market.forget()
    assert market.on_bbo(top(s(3), 130_000)) is False
    assert market.age(s(3)) is None
    assert market.on_bbo(top(s(4), PX)) is True


def test_a_held_price_takes_the_quotes_away_and_gives_them_back():
    """In the desk: withdrawn within the cycle, quoted again with the next sound message."""
    bench = Bench()
    bench.quote(0)
    bench.answer(0)
    bench.desk.on_bbo(bbo(MID * 2, MID * 2 + TICK, ms(500)), ms(500))
    assert {type(action).__name__ for action in bench.decide(ms(500))} == {"Cancel"}
    assert bench.desk.gate == "price_jump"
    bench.answer(ms(600))
    assert {type(action).__name__ for action in bench.quote(s(1))} == {"Place"}


# --- frozen --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "until", "is_frozen"), [(3, 4.0, False), (3, 4.5, True), (2, 20.0, False), (0, 60.0, False)]
)
def test_a_top_that_does_not_move_while_trades_print_is_frozen(printed, until, is_frozen):
    """S20, reliability 66: newer stamps do not make it young; a quiet market without trades is just quiet."""
    market = known()
    freeze(market, trades_printed=printed, until=until)
    assert (reason(market, s(until)) == QuoteGateReason.FROZEN_BOOK) is is_frozen
    assert market.age(s(until)) == (s(until) - s(1) if is_frozen else 0)


def test_a_frozen_book_climbs_the_ladder():
    """Its age counts from its last change: stale after 15 s, whatever the stamps say; a change ends it."""
    market = known()
    freeze(market, until=17)
    assert reason(market, s(17)) == QuoteGateReason.STALE_DATA
    assert market.ladder_age(s(17)) == s(16)
    assert market.on_bbo(top(s(18), PX + 1))
    assert (reason(market, s(18)), market.age(s(18))) == (None, 0)


def test_channels_are_compared_with_themselves():
    """A frozen book and a frozen top that differ from each other are frozen all the same."""
    market = known()
    for number in range(10):
        at = 1.5 + number / 2
        market.on_book(book([PX - 20], [PX + 20], s(at)))
        market.on_bbo(top(s(at)))
        market.new_trades(trades((number, PX, s(at)), time=s(at)))
    assert reason(market, s(6.5)) == QuoteGateReason.FROZEN_BOOK


def test_trades_of_before_the_last_change_prove_nothing():
    """Replayed history after a subscribe; and many trades of one message are one."""
    market = known()
    for number in range(50):
        market.new_trades(trades((number, PX, number), time=s(2)))
    market.new_trades(trades(*((100 + number, PX, s(2) + number) for number in range(50)), time=s(2)))
    assert reason(market, s(10)) is None


# --- invalid messages ----------------------------------------------------------------------------


def test_ten_invalid_messages_in_a_row_make_careful():
    """DQ-10: risk is warned before the data is old, and lets go with the first that can be true."""
    stage = quoting()
    stage.run_for(s(2))
    quote, stage.venue.quote = stage.venue.quote, lambda *args, **named: None
    for number in range(10):
        stage._take(bbo(0, MID, stage.now + number))
        stage.now = Ns(stage.now + ms(60))
    stage.run_for(s(1))
    assert stage.desk.stance.spread_factor > 1
    assert "cannot be true" in stage.core.snapshot().desks[0].risk_reasons[0]
    assert stage.alerts.count("bad_data") == 1
    stage.venue.quote = quote
    stage.run_for(s(2))
    assert stage.desk.stance.spread_factor == 1


def test_a_sound_message_ends_the_row():
    market = known()
    for number in range(9):
        market.on_bbo(bbo(0, PX, s(2) + number))
    assert market.sanity.streak == 9
    market.on_bbo(top(s(3)))
    assert market.sanity.streak == 0


@pytest.mark.parametrize(
    ("off", "make"),
    [
        ({"max_jump": None}, lambda m: m.on_bbo(top(s(2), 200_000))),
        ({"max_deviation": None}, lambda m: m.on_bbo(bbo(PX // 2, PX * 3 // 2, s(2)))),
        ({"max_sequence_gap": None}, MADE_BY[Anomaly.SEQUENCE_GAP]),
        ({"frozen_ms": None}, freeze),
    ],
)
def test_what_is_off_finds_nothing(off, make):
    market = known(replace(CONFIG, **off))
    make(market)
    assert anomalies(market) == {}
    assert reason(market, s(4.5)) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bbo", "book", "trade", "gap"]),
            st.integers(-5, 5),
            st.integers(0, 4),
            st.integers(-2, 30),
            st.none() | st.integers(0, 40),
        ),
        max_size=40,
    )
)
def test_memory_is_bounded_and_the_mid_is_sound_whatever_comes(messages):
    """DQ-15, S27: no sequence breaks it, no counter grows without its kind."""
    market, now = Market(CONFIG), 1_000
    for number, (what, ahead, width, px, seq) in enumerate(messages):
        now += 1
        if what == "gap":
            market.forget()
        elif what == "trade":
            market.new_trades(replace_seq(trades((number % 7, px, now), time=now), seq))
        elif what == "bbo":
            market.on_bbo(replace_seq(bbo(px, px + width, now + ahead, recv=now), seq))
        else:
            market.on_book(replace_seq(book([px, px - 1], [px + width, px + 5], now + ahead, recv=now), seq))
        if market.mid2 is not None:
            assert 0 < market.bid[0] < market.ask[0]
    counts = market.sanity.anomalies.counts
    assert len(counts) <= len(ChannelKind) * len(Anomaly)
    assert market.sanity.anomalies.total == sum(counts.values())
    assert market.sanity.anomalies.latest is None or market.sanity.anomalies.latest in counts


def test_the_instrument_of_these_tests_has_a_tick():
    assert ETH.tick_at(MID) == TICK
