"""Liquidation: into the book, a part of what is large, the rest to the liquidator, losses against winners."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import LiquidationMark, LiquidationMethod, OrderStatus, PositionsReported, Reason
from domain.instrument import Instrument
from domain.units import AccountId, FeeRate, InstrumentId, Ns, Px, Sz, Usd
from sim.venue.accounts import LIQUIDATOR
from sim.venue.config import LiquidationConfig, MarginTerms
from sim.venue.mark import MarkConfig
from tests.sim.venue.exchange import ALO, ANN, BUY, GTC, SELL, Exchange, place

EVE, ZOE = AccountId("eve"), AccountId("zoe")
COIN = Instrument(InstrumentId("COIN"), sz_decimals=0, asset=7, min_notional=Usd(0), max_leverage=10)
GOLD = Instrument(InstrumentId("GOLD"), sz_decimals=0, asset=8, min_notional=Usd(0), max_leverage=10)
MARKET, BACKSTOP, ADL = LiquidationMethod.MARKET, LiquidationMethod.BACKSTOP, LiquidationMethod.ADL


class Story(Exchange):
    """An exchange whose marks the test sets, and accounts that need margin; no fees."""

    def __init__(self, *instruments, **config):
        super().__init__(
            *(instruments or (COIN,)),
            mark=MarkConfig(interval=Ns(10**18)),
            liquidation=LiquidationConfig(**config),
            funding=None,
        )
        self.venue.tell_prices(lambda _: 100.0)
        self.block()

    def open(self, name, cash, **terms):
        zero = {"maker_fee": 0, "taker_fee": 0}
        return self.venue.open_account(name, Usd(cash), margin=MarginTerms(**terms), **zero)

    def hold(self, account, lots, px=100, instrument=COIN.id):
        side = BUY if lots > 0 else SELL
        account.trade(instrument, side, Px(px), Sz(abs(lots)), Usd(0), leverage=10)
        self.venue.ledger.crowd.trade(instrument, side.opposite, Px(px), Sz(abs(lots)), Usd(0))

    def mark(self, px, instrument=COIN.id):
        """A new mark, and the block that looks at it."""
        prices = self.venue.prices(instrument)
        prices.last_mark, prices.mark = prices.mark, Px(px)
        return self.block()

    def forced(self, account):
        """(price, lots, method, mark) of an account's fills by force."""
        return [
            (fill.px, fill.sz, fill.liquidation.method, fill.liquidation.mark_px)
            for who, fill in self.fills
            if who == account and fill.liquidation is not None
        ]

    def worth(self, account):
        return self.venue.margins.value(account)


def test_below_maintenance_the_position_is_sold_into_the_book():
    """Protects the trigger, to the micro-USD, and what the account sees: orders gone, one fill with its mark."""
    ex = Story()
    eve = ex.open(EVE, 1_000)
    ex.hold(eve, 100)
    ex.run(EVE, place(SELL, 120, 10), place(SELL, 121, 1))
    ex.block((BUY, 94, 30, ALO), (BUY, 93, 500, ALO), (SELL, 106, 500, ALO))
    ex.mark(95)  # value 500, maintenance 475
    assert ex.position(EVE) == 100
    since = len(ex.updates)
    published = ex.mark(94)  # value 400, maintenance 470
    assert ex.position(EVE) == 0
    assert ex.forced(EVE) == [(94, 30, MARKET, 94), (93, 70, MARKET, 94)]
    gone = [(oid, status, reason) for _, oid, status, _, reason in ex.said(since)]
    assert gone == [
        (1, "canceled", "liquidated"),
        (2, "canceled", "liquidated"),
        (3, "open", None),
        (3, "filled", None),
    ]
    assert ex.resting(EVE) == []
    assert eve.cash == 1_000 - 10_000 + 30 * 94 + 70 * 93 == 330
    assert ex.venue.order(EVE, 3).status is OrderStatus.FILLED
    fills = [fill for who, fill in ex.fills if who == EVE]
    assert all(fill.is_taker and fill.cloid is None for fill in fills)
    (stated,) = [
        event for p in published if p.account == EVE for event in p.events if isinstance(event, PositionsReported)
    ]
    assert (stated.positions, stated.cash, stated.transfers) == ((), 330, ())


def test_at_maintenance_nothing_happens():
    """Protects the edge: the account must be worth less than its maintenance margin, not just as much."""
    for cash, is_gone in ((1_000 - 25, False), (1_000 - 26, True)):
        ex = Story()
        eve = ex.open(EVE, cash)
        ex.hold(eve, 100)
        ex.block((BUY, 94, 500, ALO), (SELL, 96, 500, ALO))
        ex.mark(95)  # maintenance 475, value 500 - 25
        assert (ex.position(EVE) == 0) is is_gone


def test_a_short_is_bought_back():
    """Protects the other side: the band above the mark is wide enough for what the book asks."""
    ex = Story()
    ex.hold(ex.open(EVE, 1_000), -100)
    ex.block((BUY, 94, 500, ALO), (SELL, 150, 500, ALO))
    ex.mark(107)
    assert ex.forced(EVE) == [(150, 100, MARKET, 107)]


def test_of_a_large_position_a_part_goes_first_and_within_the_cooldown_the_rest():
    """Protects 20 % above 100,000 USD, the 30 s after it, and that the part is sent once."""
    ex = Story(partial_above=Usd(7_000), cooldown=Ns(30_000), backstop_share=0.0)
    eve = ex.open(EVE, 1_000)
    ex.hold(eve, 101)
    ex.block((BUY, 94, 500, ALO), (SELL, 96, 500, ALO))
    ex.mark(94)
    assert ex.position(EVE) == 80  # 21 of 101: a fifth, rounded up
    assert ex.worth(eve) == 1_000 - 606
    eve.transfer(COIN.id, Usd(100))  # back above 376
    ex.venue.ledger.crowd.transfer(COIN.id, Usd(-100))
    ex.block()
    assert ex.position(EVE) == 80
    eve.transfer(COIN.id, Usd(-200))
    ex.venue.ledger.crowd.transfer(COIN.id, Usd(200))
    ex.block()
    assert [(lots, method) for _, lots, method, _ in ex.forced(EVE)] == [(21, MARKET), (80, MARKET)]


def test_after_the_cooldown_it_is_a_part_again():
    """Protects the end of the 30 s, and that all large positions of one block are sold in part."""
    ex = Story(COIN, GOLD, partial_above=Usd(3_000), cooldown=Ns(5_000), backstop_share=0.0)
    eve = ex.open(EVE, 1_000)
    ex.hold(eve, 50)
    ex.hold(eve, 50, instrument=GOLD.id)
    for name in (COIN.id, GOLD.id):
        ex.venue.run_block(Ns(ex.now + 1_000), {name: ex.flow((BUY, 90, 500, ALO), (SELL, 110, 500, ALO))})
    ex.mark(88, GOLD.id)
    assert [eve.position(name) for name in (COIN.id, GOLD.id)] == [40, 40]
    for px in (110, 110, 110, 110, 110, 80):
        ex.mark(px, GOLD.id)
    assert [eve.position(name) for name in (COIN.id, GOLD.id)] == [32, 32]


def test_what_the_book_does_not_take_goes_to_the_liquidator_with_the_margin():
    """Protects the backstop below two thirds of maintenance: at the mark, free, and nothing is left."""
    ex = Story()
    eve = ex.open(EVE, 1_000)
    ex.hold(eve, 100)
    eve.taker_fee = eve.maker_fee = FeeRate(450_000)
    published = ex.mark(93)  # value 300, two thirds of 465 are 310; there is no book
    assert ex.forced(EVE) == [(93, 100, BACKSTOP, 93)]
    assert (eve.cash, eve.positions[COIN.id], eve.transfers) == (0, 0, {COIN.id: -300})
    pool = ex.venue.accounts[LIQUIDATOR]
    assert (pool.cash, pool.position(COIN.id), pool.transfers) == (300 - 9_300, 100, {COIN.id: 300})
    (fill,) = [fill for who, fill in ex.fills if who == EVE]
    assert (fill.fee, fill.closed_pnl, fill.is_taker) == (0, -700, False)
    (stated,) = [
        event for p in published if p.account == EVE for event in p.events if isinstance(event, PositionsReported)
    ]
    assert (stated.cash, stated.transfers[0].total) == (0, -300)
    assert not [p for p in published if p.account is None and p.channel.kind == "trades"]


def test_above_two_thirds_the_liquidator_waits():
    """Protects the order of the means: between two thirds and the whole only the book is tried."""
    ex = Story()
    eve = ex.open(EVE, 1_015)
    ex.hold(eve, 100)
    ex.mark(93)  # value 315
    assert ex.forced(EVE) == []
    assert ex.position(EVE) == 100
    ex.block((BUY, 93, 500, ALO), (SELL, 94, 1, ALO))
    ex.block()
    assert ex.forced(EVE) == [(93, 100, MARKET, 93)]
    assert eve.cash == 315


def test_a_loss_beyond_the_margin_is_closed_against_those_who_gained():
    """Protects auto-deleveraging: at the mark before, by profit and leverage, the crowd last; debts are covered."""
    ex = Story()
    eve, zoe = ex.open(EVE, 1_000), ex.open(ZOE, 500)
    ex.hold(eve, 100)
    ex.hold(zoe, -30)
    ex.endow(ANN, -20)
    ann = ex.venue.accounts[ANN]
    ann.cash = Usd(ann.cash + 100_000)
    ann.deposited = Usd(100_000)
    ex.mark(95)
    ex.mark(85)
    assert ex.forced(EVE) == [(95, 30, ADL, 85), (95, 20, ADL, 85), (95, 50, ADL, 85)]
    assert ex.forced(ZOE) == [(95, 30, ADL, 85)]
    assert ex.forced(ANN) == [(95, 20, ADL, 85)]
    assert (eve.cash, zoe.cash) == (500, 500 + 150)
    assert [ex.position(who) for who in (EVE, ZOE, ANN)] == [0, 0, 0]
    assert LIQUIDATOR not in ex.venue.accounts


def test_nobody_owes_the_venue_money():
    """Protects the end of a debt: what even the mark before does not cover the liquidator pays."""
    ex = Story()
    eve = ex.open(EVE, 1_000)
    ex.hold(eve, 100)
    ex.mark(80)  # there is no book
    assert eve.cash == 1_000  # closed at the mark before, 100, against the crowd
    ex.block((BUY, 85, 500, ALO), (SELL, 86, 500, ALO))
    ex.hold(eve, 100)
    ex.block()
    assert ex.forced(EVE)[-1] == (85, 100, MARKET, 80)
    assert (eve.cash, eve.transfers) == (0, {COIN.id: 500})
    assert ex.venue.accounts[LIQUIDATOR].cash == -500


def test_the_liquidator_is_nobody_s_account():
    """Protects the pool from an account of its name."""
    with pytest.raises(ValueError, match="exists already"):
        Story().open(LIQUIDATOR, 1)


def test_an_isolated_position_falls_alone():
    """Protects the ring fence: its margin is lost, the money and the orders elsewhere are not."""
    ex = Story(COIN, GOLD)
    eve = ex.open(EVE, 10_000, isolated=("COIN",))
    ex.hold(eve, 100)
    ex.hold(eve, 10, instrument=GOLD.id)
    ex.run(EVE, place(BUY, 90, 1), place(BUY, 90, 1, instrument=GOLD.id))
    ex.mark(93)
    assert ex.forced(EVE) == [(93, 100, BACKSTOP, 93)]
    assert (eve.free_cash, eve.isolated) == (10_000 - 1_000 - 1_000, {})
    assert eve.position(GOLD.id) == 10
    assert [order.instrument for order in ex.venue.resting(EVE)] == [GOLD.id]


def test_while_trading_is_halted_nothing_is_sold():
    """Protects the halt from the venue itself: below maintenance and above two thirds the account waits."""
    ex = Story()
    eve = ex.open(EVE, 1_015)
    ex.hold(eve, 100)
    ex.block((BUY, 93, 500, ALO), (SELL, 94, 1, ALO))
    ex.venue.halt(COIN.id)
    ex.mark(93)
    assert ex.position(EVE) == 100
    ex.venue.resume(COIN.id)
    ex.block()
    assert ex.position(EVE) == 0


def test_only_accounts_with_terms_are_liquidated():
    """Protects recorded accounts: their money is not known."""
    ex = Story()
    ex.endow(ANN, 100)
    ex.block((BUY, 1, 500, ALO), (SELL, 94, 1, ALO))
    ex.mark(1)
    assert ex.position(ANN) == 100


def test_a_forced_fill_says_why():
    """Protects the field that a trader reads: other fills have none."""
    ex = Story()
    eve = ex.open(EVE, 1_000)
    ex.block((BUY, 93, 500, ALO), (SELL, 100, 100, ALO))
    ex.run(EVE, place(BUY, 100, 100, GTC))
    ex.mark(93)
    assert [fill.liquidation for who, fill in ex.fills if who == EVE] == [None, LiquidationMark(MARKET, Px(93))]
    assert ex.said()[-1][4] is None
    assert eve.cash == 300
    assert Reason.LIQUIDATED not in {said[4] for said in ex.said()}


@settings(max_examples=60, deadline=None)
@given(
    holdings=st.lists(st.integers(-80, 80), min_size=3, max_size=3),
    path=st.lists(st.integers(20, 300), min_size=1, max_size=12),
    depth=st.integers(0, 200),
    isolated=st.booleans(),
)
def test_whatever_happens_money_adds_up_and_nobody_is_in_debt(holdings, path, depth, isolated):
    """Protects S6 through every means of liquidation; each block checks it. And debts never last."""
    ex = Story(partial_above=Usd(3_000), cooldown=Ns(3_000))
    accounts = [ex.open(AccountId(f"a{n}"), 900, isolated=("COIN",) if isolated else ()) for n in range(3)]
    for account, lots in zip(accounts, holdings, strict=True):
        if lots:
            ex.hold(account, lots)
    for px in path:
        if depth:
            ex.block((BUY, px - 1 or 1, depth, GTC), (SELL, px + 1, depth, GTC))
        ex.mark(px)
        for account in accounts:
            is_open = any(account.positions.values())
            assert is_open or (account.cash >= 0 and not account.isolated)
            assert not isolated or account.free_cash >= 0
