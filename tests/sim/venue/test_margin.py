"""Margin: tiers, cross and isolated, what an order may cost, and the documented liquidation price."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import QueryPositions
from domain.events import PositionEntry, Reason, Resting
from domain.instrument import Instrument, MarginTier
from domain.units import USD, AccountId, InstrumentId, Ns, Px, Sz, Usd
from sim.venue.config import MarginTerms
from sim.venue.mark import MarkConfig
from tests.sim.venue.exchange import ALO, BUY, GTC, IOC, SELL, Exchange, place

EVE = AccountId("eve")
TENFOLD = Instrument(InstrumentId("COIN"), sz_decimals=0, asset=7, min_notional=Usd(0), max_leverage=10)
BTC = Instrument(
    InstrumentId("BTC"),
    sz_decimals=5,
    max_leverage=40,
    margin_tiers=(MarginTier(lower_bound=Usd(150_000_000 * USD), max_leverage=20),),
)
TIERED = Instrument(
    InstrumentId("COIN"),
    sz_decimals=0,
    asset=7,
    min_notional=Usd(0),
    max_leverage=10,
    margin_tiers=(
        MarginTier(lower_bound=Usd(10_000), max_leverage=5),
        MarginTier(lower_bound=Usd(40_000), max_leverage=2),
    ),
)


def exchange(instrument=TENFOLD, cash=1_000, mark=100, **terms):
    """Eve with money at an exchange that marks at `mark`, now and at every block."""
    ex = Exchange(instrument, mark=MarkConfig(interval=Ns(1)))
    ex.outside = float(mark)
    ex.venue.tell_prices(lambda _: ex.outside)
    eve = ex.venue.open_account(EVE, Usd(cash), margin=MarginTerms(**terms))
    ex.block()
    return ex, eve


def hold(ex, account, lots, px=100):
    """Give a position with its margin."""
    account.trade(ex_name(ex), BUY if lots > 0 else SELL, Px(px), Sz(abs(lots)), Usd(0), leverage=leverage(ex, account))
    ex.venue.ledger.crowd.trade(ex_name(ex), SELL if lots > 0 else BUY, Px(px), Sz(abs(lots)), Usd(0))


def ex_name(ex):
    return next(iter(ex.books))


def leverage(ex, account):
    return ex.venue.margins.leverage(account, ex_name(ex))


# --- tiers ---------------------------------------------------------------------------------------


def test_tiers_of_btc():
    """Protects the documented table: 1.25 % up to 150M, 2.5 % less 1,875,000 beyond."""
    million = 1_000_000 * USD
    assert BTC.maintenance(100 * million) == 1_250_000 * USD
    assert BTC.maintenance(150 * million) == 1_875_000 * USD
    assert BTC.maintenance(200 * million) == 200 * million // 40 - 1_875_000 * USD
    assert [BTC.most_value(leverage) for leverage in (40, 21, 20, 1)] == [150 * million, 150 * million, None, None]


@given(value=st.integers(0, 200_000))
def test_maintenance_is_the_rate_of_the_tier_less_its_deduction(value):
    """Protects the equality of our sum over tiers with the venue's formula, but for rounding up."""
    deduction, rate = 0.0, 0.0
    for bound, most in TIERED.tiers:
        if value < bound:
            break
        deduction += bound * (1 / (2 * most) - rate) if bound else 0.0
        rate = 1 / (2 * most)
    exact = value * rate - deduction
    assert exact - 1e-6 <= TIERED.maintenance(value) < exact + 3


@pytest.mark.parametrize("tiers", [((5, 10),), ((5, 5), (5, 4)), ((9, 5), (5, 4)), ((5, 5), (9, 6))])
def test_tiers_get_stricter(tiers):
    """Protects the sums over tiers from a table that is not one."""
    rows = tuple(MarginTier(lower_bound=Usd(bound), max_leverage=most) for bound, most in tiers)
    with pytest.raises(ValueError, match="tiers"):
        Instrument(InstrumentId("X"), sz_decimals=0, max_leverage=10, margin_tiers=rows)


# --- the documented row --------------------------------------------------------------------------


def test_the_documented_liquidation_price():
    """Protects the formula: the documented ETH position would go at 2866.26936529, and here does to 1e-4."""
    eth = Instrument(InstrumentId("ETH"), sz_decimals=4, max_leverage=50)
    ex, eve = exchange(eth, cash=13_109_482_328, mark=eth.parse_price("2985.9"), leverage=20, isolated=("ETH",))
    eve.trade(eth.id, BUY, eth.parse_price("2986.3"), eth.parse_size("0.0335"), Usd(0), leverage=20)
    eve.isolated[eth.id] = Usd(-95_059_824)
    margins = ex.venue.margins
    assert margins.isolated_value(eve, eth.id) == 4_967_826
    assert margins.maintenance_of(eve, eth.id) == 1_000_277
    assert eth.price(margins.liquidation_price(eve, eth.id)) == pytest.approx(2866.26936529, abs=1e-4)


@pytest.mark.parametrize("isolated", [(), ("COIN",)])
@pytest.mark.parametrize(("lots", "cash"), [(50, 900), (-50, 900), (450, 15_000), (-450, 15_000), (900, 60_000)])
def test_at_the_liquidation_price_the_margin_is_just_enough(lots, cash, isolated):
    """Protects its meaning, through tiers and on both sides: there value equals maintenance."""
    ex, eve = exchange(TIERED, cash=cash, leverage=2, isolated=isolated)
    hold(ex, eve, lots)
    margins, name = ex.venue.margins, ex_name(ex)
    price = margins.liquidation_price(eve, name)
    money = eve.isolated[name] if isolated else eve.cash
    if price is None:
        assert lots > 0
        assert money >= 0
        return
    value = abs(lots) * price
    bound, most, deduction, rate = 0, 10, 0.0, 0.0
    for bound, most in TIERED.tiers:
        if value < bound:
            break
        deduction += bound * (1 / (2 * most) - rate) if bound else 0.0
        rate = 1 / (2 * most)
    assert money + lots * price == pytest.approx(value * rate - deduction, abs=3)


def test_a_statement_of_the_positions_says_where_each_would_be_liquidated():
    """Protects what a client reads: the price where there is one, None for accounts without terms."""
    ex, eve = exchange()
    hold(ex, eve, 100)
    ex.endow("ann", 3)
    name = ex_name(ex)
    price = ex.venue.margins.liquidation_price(eve, name)
    assert price == pytest.approx(90 / 0.95)
    assert ex.ask(EVE, QueryPositions()).positions == (PositionEntry(name, 100, price),)
    assert ex.ask("ann", QueryPositions()).positions == (PositionEntry(name, 3),)


# --- at the placement ----------------------------------------------------------------------------


def test_an_order_needs_initial_margin():
    """Protects the check: 1,000 at 10x carry 100 lots at 100, not one more; the text is the venue's."""
    ex, _ = exchange()
    (refused,) = ex.run(EVE, place(BUY, 100, 101))
    assert (refused.reason, refused.text) == (Reason.MARGIN, "Insufficient margin to place order. asset=7")
    (taken,) = ex.run(EVE, place(BUY, 100, 100))
    assert isinstance(taken, Resting)
    assert ex.said()[0][2:] == ("rejected", 101, "margin")


def test_resting_orders_reserve_nothing():
    """Protects what the documents suggest: only the position and this order count."""
    ex, _ = exchange()
    for n in range(3):
        (taken,) = ex.run(EVE, place(BUY, 100 - n, 90, n=n))
        assert isinstance(taken, Resting)


@pytest.mark.parametrize(
    ("holds", "side", "lots", "is_taken"),
    [
        (100, BUY, 1, False),
        (100, SELL, 100, True),
        (100, SELL, 200, True),
        (100, SELL, 201, False),  # beyond zero it is a new position
        (-100, BUY, 200, True),
        (-100, BUY, 201, False),
        (50, BUY, 50, True),
    ],
)
def test_what_shrinks_a_position_is_always_taken(holds, side, lots, is_taken):
    """Protects reductions at full use of the margin, and that turning around is not one (T-23)."""
    ex, eve = exchange()
    hold(ex, eve, holds)
    (result,) = ex.run(EVE, place(side, 100, lots, GTC))
    assert isinstance(result, Resting) is is_taken


def test_an_account_short_of_initial_margin_may_still_get_out():
    """Protects the way out after a loss: 600 do not carry 90 lots at 96, but 100 may become 90."""
    ex, eve = exchange()
    hold(ex, eve, 100)
    ex.outside = 96.0
    ex.block()
    assert ex.run(EVE, place(BUY, 96, 1))[0].reason is Reason.MARGIN
    assert isinstance(ex.run(EVE, place(SELL, 97, 10))[0], Resting)


def test_an_isolated_position_that_turns_around_brings_its_own_margin():
    """Protects the flip: what the old position frees carries the new one."""
    ex, eve = exchange(isolated=("COIN",))
    hold(ex, eve, 90)
    assert isinstance(ex.run(EVE, place(SELL, 100, 190))[0], Resting)
    assert ex.run(EVE, place(SELL, 100, 191))[0].reason is Reason.MARGIN


def test_cross_positions_share_the_money():
    """Protects the sum over instruments: what gold ties up coin can not have."""
    gold = Instrument(InstrumentId("GOLD"), sz_decimals=0, min_notional=Usd(0), max_leverage=5)
    ex = Exchange(TENFOLD, gold, mark=MarkConfig(interval=Ns(1)))
    ex.venue.tell_prices(lambda _: 100.0)
    eve = ex.venue.open_account(EVE, Usd(1_000), margin=MarginTerms())
    eve.trade(gold.id, BUY, Px(100), Sz(20), Usd(0))  # 2,000 at 5x
    ex.venue.ledger.crowd.trade(gold.id, SELL, Px(100), Sz(20), Usd(0))
    ex.block()
    assert ex.run(EVE, place(BUY, 100, 61))[0].reason is Reason.MARGIN
    assert isinstance(ex.run(EVE, place(BUY, 100, 60))[0], Resting)


def test_a_price_worse_than_the_mark_is_a_loss_at_once():
    """Protects takers at silly prices: 10 lots at 190 lose 900 of 1,000 and need 100 more at the mark."""
    ex, _ = exchange()
    assert isinstance(ex.run(EVE, place(BUY, 190, 10, GTC))[0], Resting)
    assert ex.run(EVE, place(BUY, 191, 10, GTC))[0].reason is Reason.MARGIN
    assert isinstance(ex.run(EVE, place(BUY, 10, 100, GTC))[0], Resting), "a better price is no gain either"
    assert ex.run(EVE, place(BUY, 10, 101, GTC))[0].reason is Reason.MARGIN


def test_profit_carries_new_positions_only_in_cross():
    """Protects both modes: unrealised profit of a cross position is margin for more, that of an isolated is not."""
    for isolated, room in (((), 100), (("COIN",), 45)):
        ex, eve = exchange(isolated=isolated)
        hold(ex, eve, 50)
        ex.outside = 110.0
        ex.block()
        ex.outside = 110.0
        assert ex.venue.margins.mark(ex_name(ex)) == 110
        ok, too_much = (ex.venue.margins.error(eve, ex_name(ex), BUY, Px(110), Sz(n)) for n in (room - 14, room + 60))
        assert ok is None
        assert too_much.reason is Reason.MARGIN


def test_isolated_margin_moves_in_and_out():
    """Protects the ring fence: opening ties up initial margin, closing frees its share with profit or loss."""
    ex, eve = exchange(isolated=("COIN",))
    name = ex_name(ex)
    hold(ex, eve, 40)  # 4,000 at 10x
    assert (eve.free_cash, ex.venue.margins.isolated_value(eve, name)) == (600, 400)
    eve.trade(name, SELL, Px(110), Sz(10), Usd(0), leverage=10)  # a quarter: 100 of margin, 100 of profit
    assert (eve.free_cash, eve.isolated[name]) == (800, 300 - 3_000)
    eve.trade(name, SELL, Px(100), Sz(60), Usd(0), leverage=10)  # the rest, and 30 short
    assert (eve.free_cash, eve.isolated[name]) == (800 + 300 - 300, 300 + 3_000)
    eve.trade(name, BUY, Px(100), Sz(30), Usd(0), leverage=10)
    assert (eve.free_cash, eve.isolated) == (1_100, {})
    assert eve.cash == 1_100


def test_leverage_is_chosen_within_what_the_instrument_allows():
    """Protects the terms of an account: less leverage needs more margin, more than the largest is not to be had."""
    assert exchange(leverage=2)[0].run(EVE, place(BUY, 100, 21))[0].reason is Reason.MARGIN
    assert isinstance(exchange(leverage=2)[0].run(EVE, place(BUY, 100, 20))[0], Resting)
    (refused,) = exchange(leverage=50)[0].run(EVE, place(BUY, 100, 101))
    assert refused.text == "Insufficient margin to place order. asset=7"
    assert isinstance(exchange(leverage=50)[0].run(EVE, place(BUY, 100, 100))[0], Resting)


def test_a_tier_limits_the_leverage_of_a_position():
    """Protects the text of its own: at 10x no position beyond the tier that allows it, whatever money there is."""
    ex, _ = exchange(TIERED, cash=10**6)
    (refused,) = ex.run(EVE, place(BUY, 100, 101))
    assert refused.text == "Order would cause position to exceed margin tier limit at current leverage asset=7"
    assert isinstance(ex.run(EVE, place(BUY, 100, 100))[0], Resting)
    ex, _ = exchange(TIERED, cash=10**6, leverage=5)
    assert isinstance(ex.run(EVE, place(BUY, 100, 400))[0], Resting)


def test_without_terms_there_is_credit():
    """Protects recorded accounts and the crowd: nobody knows their money."""
    ex, _ = exchange()
    assert isinstance(ex.run("ann", place(BUY, 100, 10**6))[0], Resting)


def test_open_interest_has_a_cap():
    """Protects the cap: at it nobody may add, everybody may shrink."""
    ex = Exchange(TENFOLD, mark=MarkConfig(interval=Ns(1)), open_interest_cap=Usd(1_000))
    ex.venue.tell_prices(lambda _: 100.0)
    ex.block()
    ex.endow("ann", 9)
    assert isinstance(ex.run("bob", place(BUY, 99, 1))[0], Resting)
    ex.endow("bob", -1)
    ex.endow("ann", 1)
    (refused,) = ex.run("bob", place(SELL, 101, 1))
    assert refused.reason is Reason.OPEN_INTEREST
    assert refused.text == "Order would increase open interest while open interest is capped asset=7"
    assert isinstance(ex.run("ann", place(SELL, 101, 3))[0], Resting)


# --- at the match --------------------------------------------------------------------------------


def test_a_maker_without_margin_at_its_match_is_cancelled_and_the_taker_goes_on():
    """Protects the second check: the first of two orders fills and leaves nothing for the other."""
    ex, eve = exchange(cash=1_002)
    ex.run(EVE, place(BUY, 100, 90, n=1), place(BUY, 99, 20, n=2), place(BUY, 98, 10, n=3))
    ex.block((BUY, 97, 50, ALO))
    since = len(ex.updates)
    ex.block((SELL, 97, 130, IOC))
    assert ex.position(EVE) == 100
    assert [fill.sz for who, fill in ex.fills if who == EVE] == [90, 10]
    assert [said[1:] for said in ex.said(since)] == [
        (1, "filled", 0, None),
        (3, "filled", 0, None),
        (2, "canceled", 20, "margin"),
    ]
    assert ex.resting(EVE) == []
    assert ex.queue(BUY, 97) == [("crowd of others", 20)]
    assert eve.cash == 1_002 - 90 * 100 - 10 * 98 - eve.fees_paid


def test_a_maker_that_shrinks_is_never_cancelled_for_margin():
    """Protects reductions at the match: an account at its limit may still get out."""
    ex, eve = exchange()
    hold(ex, eve, 100)
    ex.run(EVE, place(SELL, 101, 100))
    ex.block((BUY, 101, 100, IOC))
    assert ex.position(EVE) == 0
