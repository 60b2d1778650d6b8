"""The price grid (X-01..03): legality, snapping, text, each against a plain decimal twin."""

import copy
import pickle
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.instrument import MAX_DECIMALS, Instrument
from domain.units import USD, InstrumentId

INSTRUMENTS = [Instrument(InstrumentId(f"D{d}"), sz_decimals=d) for d in range(MAX_DECIMALS + 1)]
instruments = st.sampled_from(INSTRUMENTS)
ticks = st.one_of(
    st.integers(1, 10**13),
    # round the powers of ten, where the effective tick changes
    st.builds(lambda n, d: max(10**n + d, 1), st.integers(0, 13), st.integers(-1_100, 1_100)),
)


def is_legal(instrument: Instrument, px: int) -> bool:
    """The rule as the venue words it: at most 5 significant figures, or an integer; at most so many decimals."""
    price = Decimal(px).scaleb(-(MAX_DECIMALS - instrument.sz_decimals))
    if price <= 0:
        return False
    if price == price.to_integral_value():
        return True
    return len(price.normalize().as_tuple().digits) <= 5


# --- legality -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sz_decimals", "price", "legal"),
    [
        (1, "1234.5", True),
        (1, "1234.56", False),
        (1, "123456", True),  # an integer of six figures
        (1, "1234567", True),
        (1, "0.01234", True),
        (1, "0.012345", False),  # six decimals where the size has one
        (5, "97123", True),
        (5, "97123.5", False),
        (5, "9712.3", True),
        (2, "2000.1", True),
        (2, "2000.01", False),
        (0, "0.001234", True),
        (0, "0.12345", True),
        (0, "0.123456", False),
        (0, "1.2345", True),
        (0, "1.23456", False),
        (6, "100001", True),
    ],
)
def test_prices_of_the_venues_rule_book(sz_decimals, price, legal):
    """Protects S18: the examples of the rule, read as text."""
    instrument = INSTRUMENTS[sz_decimals]
    try:
        px = instrument.parse_price(price)
    except ValueError:
        assert not legal
        return
    assert instrument.is_on_grid(px) is legal


@given(instruments, ticks)
def test_the_grid_is_the_venues_rule(instrument, px):
    """Protects S18 at every price: integer arithmetic agrees with counting decimal digits."""
    assert instrument.is_on_grid(px) is is_legal(instrument, px)


@given(instruments, st.integers(1, 10**9))
def test_whole_prices_are_always_legal(instrument, price):
    """X-01: an integer price may have any number of figures."""
    assert instrument.is_on_grid(price * instrument.px_scale)


@pytest.mark.parametrize("px", [0, -1, -1_000_000])
def test_no_price_at_or_below_zero_is_legal(px):
    assert not any(instrument.is_on_grid(px) for instrument in INSTRUMENTS)


def test_the_tick_changes_with_the_price():
    """Protects against one tick for all prices (T-29): ETH has 0.1 at 2000 and 0.01 at 200."""
    eth = INSTRUMENTS[2]
    found = {price: eth.tick_at(eth.parse_price(price)) / eth.px_scale for price in ("9.9999", "10", "200", "2000")}
    assert found == {"9.9999": 0.0001, "10": 0.001, "200": 0.01, "2000": 0.1}
    assert eth.tick_at(eth.parse_price("123456")) == eth.tick_at(eth.parse_price("1234567")) == eth.px_scale


# --- snapping -----------------------------------------------------------------------------------


@given(instruments, ticks.map(float))
@example(INSTRUMENTS[2], 99_999.5)
@example(INSTRUMENTS[2], 0.25)
def test_snapping_lands_on_the_grid_on_the_asked_side(instrument, px):
    """Protects S18: a snapped price is legal, and on the side that was asked for."""
    down, up = instrument.snap_down(px), instrument.snap_up(px)
    assert is_legal(instrument, down)
    assert is_legal(instrument, up)
    assert down <= max(px, 1)
    assert up >= px


@given(instruments, st.integers(5, 13), st.integers(-3_000, 3_000), st.floats(0, 1))
def test_nothing_legal_lies_between_a_price_and_its_snaps(instrument, power, offset, share):
    """The snaps are the *nearest* legal prices, also across a change of tick."""
    px = 10**power + offset
    down, up = instrument.snap_down(px), instrument.snap_up(px)
    between = down + round(share * (up - down))
    assert not is_legal(instrument, between) or between in (down, up)


@given(instruments, ticks)
def test_snapping_twice_is_snapping_once(instrument, px):
    for snap in (instrument.snap_down, instrument.snap_up):
        once = snap(px)
        assert snap(once) == once
    if instrument.is_on_grid(px):
        assert instrument.snap_down(px) == instrument.snap_up(px) == px


def test_snapped_prices_are_integers():
    """Protects the journal and the wire: no float and no numpy scalar leaves the grid."""
    assert type(INSTRUMENTS[2].snap_down(20_000_123.7)) is type(INSTRUMENTS[2].snap_up(20_000_123.7)) is int


def test_bids_below_one_tick_stop_at_one_tick():
    assert [INSTRUMENTS[0].snap_down(px) for px in (0.9, 0.0, -5.0)] == [1, 1, 1]
    assert INSTRUMENTS[0].snap_up(0.0) == 1


@pytest.mark.parametrize("px", [float("nan"), float("inf"), float("-inf")])
def test_a_price_that_is_no_number_is_our_bug(px):
    """It raises instead of becoming an order."""
    for snap in (INSTRUMENTS[2].snap_down, INSTRUMENTS[2].snap_up):
        with pytest.raises((ValueError, OverflowError)):
            snap(px)


# --- text ---------------------------------------------------------------------------------------


@given(instruments, st.integers(-(10**15), 10**15))
def test_numbers_survive_the_way_through_text(instrument, number):
    """Protects the edge: what we send is what we meant, what we read is what was sent."""
    for parse, form in (
        (instrument.parse_price, instrument.format_price),
        (instrument.parse_size, instrument.format_size),
    ):
        text = form(number)
        assert parse(text) == number
        assert form(parse(text)) == text


@given(instruments, st.integers(1, 10**15))
def test_text_is_shortest_and_plain(instrument, number):
    """The venue hashes the text: no exponent, no trailing zero, no trailing point, no plus."""
    for text in (instrument.format_price(number), instrument.format_size(number)):
        assert set(text) <= set("0123456789.")
        assert not ("." in text and text[-1] in "0.")
        assert text == "0" or text[0] != "0" or text.startswith("0.")


@pytest.mark.parametrize("text", ["", "abc", "1,5", "NaN", "sNaN", "Infinity", "-Infinity", "0x10", "1.2.3"])
def test_text_that_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="price"):
        INSTRUMENTS[2].parse_price(text)


@pytest.mark.parametrize(
    "text",
    [
        "1.00001",
        "0.00000001",
        "1e-9",
        "1." + "0" * 40 + "1",  # beyond the precision of the decimal context
        "1e999999",
        "1e999999999",
        "1e-999999",
    ],
)
def test_text_that_is_not_a_whole_number_of_ticks_is_refused(text):
    """Protects against silent rounding and against a number that never ends being computed."""
    with pytest.raises(ValueError, match="price"):
        INSTRUMENTS[2].parse_price(text)


def test_trailing_zeros_are_no_decimals():
    assert INSTRUMENTS[2].parse_price("2000.100000") == 20_001_000
    assert INSTRUMENTS[2].parse_size("-0.25") == -25


# --- the value itself ---------------------------------------------------------------------------


@given(instruments, st.integers(1, 10**9), st.integers(1, 10**9))
def test_price_times_size_is_the_notional_in_micro_usd(instrument, px, sz):
    """Protects all money: ticks x lots is exact for every number of decimals."""
    price = Decimal(px).scaleb(-instrument.px_decimals)
    size = Decimal(sz).scaleb(-instrument.sz_decimals)
    assert instrument.notional(px, sz) == price * size * USD


@pytest.mark.parametrize("sz_decimals", [-1, 7])
def test_decimals_without_room_for_a_price_are_refused(sz_decimals):
    with pytest.raises(ValueError, match="sz_decimals"):
        Instrument(InstrumentId("X"), sz_decimals=sz_decimals)


def test_the_least_order_is_worth_ten_dollars():
    """X-03."""
    assert INSTRUMENTS[2].min_notional == 10 * USD


def test_instruments_can_be_copied_and_pickled():
    """The core holds them and must be forkable, with or without their cached figures."""
    for instrument in INSTRUMENTS:
        assert instrument.px_scale > 0
        for twin in (copy.deepcopy(instrument), pickle.loads(pickle.dumps(instrument))):
            assert twin == instrument
            assert twin.tick_at(20_000_000) == instrument.tick_at(20_000_000)
