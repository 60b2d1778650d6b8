"""Funding: the documented numbers, whole micro-USD, and one side's loss the other's gain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import QueryPositions
from domain.events import PositionsReported, Transfers
from domain.instrument import Instrument
from domain.units import NS_PER_S, USD, InstrumentId, Ns, Pos, Px, Usd
from sim.liquidity.book import Book
from sim.venue.config import MarginTerms
from sim.venue.funding import (
    RATE_SCALE,
    FundingConfig,
    FundingMeter,
    impact_price,
    payment,
    premium,
    rate_of_eight_hours,
    rate_of_hour,
)
from sim.venue.mark import MarkConfig
from tests.sim.venue.exchange import ALO, ANN, BOB, BUY, COIN, SELL, Exchange

CONFIG = FundingConfig()
HOURLY = 3_600 * NS_PER_S


def test_the_worked_example():
    """Protects the documentation's own numbers: impact bid 10100, oracle 10000: 1 %, less 0.05 %, is 0.95 %."""
    found = premium(10_100.0, 10_101.0, Px(10_000))
    assert found == pytest.approx(0.01, rel=1e-12)
    assert rate_of_eight_hours(found, CONFIG) == pytest.approx(0.0095, rel=1e-12)
    assert rate_of_hour(found, CONFIG) == pytest.approx(0.0095 / 8, rel=1e-12)


@pytest.mark.parametrize(
    ("average", "hourly"),
    [
        (0.0, 0.0000125),  # the baseline
        (0.0003, 0.0000125),  # within the clamp only interest is paid
        (0.0006, 0.0000125),
        (-0.0004, 0.0000125),
        (0.0014, (0.0014 - 0.0005) / 8),
        (-0.0014, (-0.0014 + 0.0005) / 8),
        (0.5, 0.04),
        (-0.5, -0.04),
    ],
)
def test_the_rate(average, hourly):
    """Protects interest, clamp and cap, either sign."""
    assert rate_of_hour(average, CONFIG) == pytest.approx(hourly, rel=1e-12)


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [(100.0, 101.0, 0.0), (102.0, 103.0, 0.02), (97.0, 98.0, -0.02), (99.0, 101.0, 0.0)],
)
def test_the_premium_is_the_distance_of_the_book_from_the_oracle(bid, ask, expected):
    """Protects its sign, and that an oracle inside the impact prices means none."""
    assert premium(bid, ask, Px(100)) == pytest.approx(expected)


def test_the_impact_price_is_an_average_by_size():
    """Protects the walk: 600 of value at 100 and 400 at 80 are 6 + 5 lots for 1000."""
    levels = [(Px(100), 6, 1), (Px(80), 50, 2)]
    assert impact_price(levels, Usd(1_000)) == pytest.approx(1_000 / 11)
    assert impact_price(levels, Usd(600)) == 100
    assert impact_price(levels, Usd(5_000)) is None


@given(position=st.integers(-(10**9), 10**9), oracle=st.integers(1, 10**7), rate=st.integers(-(10**8), 10**8))
def test_payments_are_whole_and_cut_toward_zero(position, oracle, rate):
    """Protects the arithmetic: a long pays a positive rate, a short gets as much, nobody a fraction."""
    paid = payment(Pos(position), Px(oracle), rate)
    assert type(paid) is int
    assert paid == -payment(Pos(-position), Px(oracle), rate)
    exact = -position * oracle * rate / RATE_SCALE
    assert abs(paid) <= abs(exact) * (1 + 1e-12)
    assert abs(paid - exact) < 1 + abs(exact) * 1e-12


def test_the_premium_is_averaged_over_the_samples():
    """Protects the samples every five seconds, and that a book too thin for the impact price gives none."""
    config = replace(CONFIG, impact_usd=Usd(1_000), sample_every=Ns(5 * NS_PER_S))
    meter, thin, rich = FundingMeter(config, COIN.id), Book(), Book()
    rich.add(1, "crowd", BUY, Px(110), 100)
    rich.add(2, "crowd", SELL, Px(111), 100)
    thin.add(1, "crowd", BUY, Px(110), 1)
    for now, liquidity, oracle in (
        (1, rich, 100),
        (4, rich, 1),
        (5, rich, 105),
        (10, thin, 1),
        (15, rich, None),
        (16, rich, 110),
    ):
        meter.watch(liquidity, oracle, Ns(now * NS_PER_S))
    assert meter.n_samples == 3
    assert meter.hourly == pytest.approx(((10 / 100 + 5 / 105) / 3 - 0.0005) / 8)


def test_each_interval_has_its_own_average():
    """Protects the reset: the premium of the last hour is not paid for twice; and each hour pays once."""
    meter, book = FundingMeter(replace(CONFIG, impact_usd=Usd(1_000)), COIN.id), Book()
    book.add(1, "crowd", BUY, Px(110), 100)
    book.add(2, "crowd", SELL, Px(111), 100)
    meter.watch(book, Px(100), Ns(HOURLY - 1))
    assert meter.take_due(Ns(HOURLY - 1)) is None
    assert meter.take_due(Ns(HOURLY)) == round((0.1 - 0.0005) / 8 * RATE_SCALE)
    assert meter.take_due(Ns(HOURLY + 1)) is None
    assert meter.take_due(Ns(2 * HOURLY)) == 125_000


def test_a_shorter_interval_pays_its_share():
    """Protects runs of minutes: a tenth of an hour costs a tenth."""
    meter = FundingMeter(replace(CONFIG, interval=Ns(HOURLY // 10)), COIN.id)
    assert meter.take_due(Ns(HOURLY // 10)) == 12_500


def test_majors_have_a_larger_impact_order():
    """Protects 20,000 USD for BTC and ETH, 6,000 for the others."""
    names = ("BTC", "ETH", "SOL")
    assert [CONFIG.impact_of(InstrumentId(name)) // USD for name in names] == [20_000, 20_000, 6_000]


def test_longs_pay_shorts_to_the_micro_usd():
    """Protects the payment: at the oracle, every interval, zero sum; the crowd is the other side of it all."""
    config = replace(CONFIG, interval=Ns(HOURLY))
    ex = Exchange(mark=MarkConfig(interval=Ns(1)), funding=config)
    ex.venue.tell_prices(lambda _: 123_457.0)
    ex.block((BUY, 123_000, 10, ALO), (SELL, 124_000, 10, ALO))
    ex.endow(ANN, 7, px=123_456)
    ex.endow(BOB, -3, px=123_456)
    before = {who: ex.venue.accounts[who].cash for who in (ANN, BOB)}
    ex.venue.run_block(Ns(HOURLY - 1))
    assert {who: ex.venue.accounts[who].cash for who in (ANN, BOB)} == before
    ex.venue.drain()
    ex.venue.run_block(Ns(HOURLY))
    # 7 x 123457 x 0.0000125 = 10.80, 3 x ... = 4.63
    moved = {who: ex.venue.accounts[who].cash - before[who] for who in (ANN, BOB)}
    assert moved == {ANN: -10, BOB: 4}
    assert ex.venue.ledger.crowd.transfers == {COIN.id: 6}
    ex.venue.check()
    told = [(p.account, e) for p in ex.venue.drain() for e in p.events if isinstance(e, PositionsReported)]
    assert [(who, event.transfers, event.cash) for who, event in told] == [
        (ANN, (Transfers(COIN.id, -10),), before[ANN] - 10),
        (BOB, (Transfers(COIN.id, 4),), before[BOB] + 4),
    ]
    assert ex.ask(ANN, QueryPositions()).transfers == (Transfers(COIN.id, -10),)
    ex.venue.run_block(Ns(2 * HOURLY + 5))
    assert ex.venue.accounts[ANN].transfers == {COIN.id: -20}


def test_funding_off_moves_nothing():
    """Protects the switch."""
    ex = Exchange(funding=None)
    ex.endow(ANN, 7, px=123_456)
    ex.venue.run_block(Ns(5 * HOURLY))
    assert ex.venue.accounts[ANN].transfers == {}


def test_funding_of_an_isolated_position_is_its_margin_s():
    """Protects the ring fence: the money outside the position does not pay for it."""
    coin = Instrument(InstrumentId("COIN"), sz_decimals=0, max_leverage=10)
    ex = Exchange(coin)
    eve = ex.venue.open_account("eve", Usd(10_000), margin=MarginTerms(isolated=("COIN",)))
    eve.trade(coin.id, BUY, Px(100), 10, Usd(0), leverage=10)
    assert (eve.free_cash, eve.isolated[coin.id]) == (9_900, -900)
    eve.transfer(coin.id, Usd(-7))
    assert (eve.free_cash, eve.isolated[coin.id], eve.cash) == (9_900, -907, 8_993)
