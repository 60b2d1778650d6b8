"""Money in whole micro-USD: fees, entry prices, closed profits, and that nothing is created."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvariantViolation
from domain.instrument import Instrument
from domain.units import AccountId, FeeRate, InstrumentId, Ns, Oid, Px, Side, Sz, Usd
from sim.liquidity.book import Book
from sim.venue.accounts import Account, Ledger
from sim.venue.config import VenueConfig
from sim.venue.front import Venue
from tests.sim.venue.exchange import ANN, BUY, COIN, IOC, SELL, Exchange, place

BTC = Instrument(InstrumentId("BTC"), sz_decimals=5)
TRADES = st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 999), st.integers(1, 40)), max_size=30)


@pytest.mark.parametrize(
    ("px", "sz", "rate", "fee"),
    [
        ("25372", "0.0353", 30_000, 26_868),
        ("66653", "0.001", 150_000, 9_997),
        ("79146", "0.001", 150_000, 11_871),
        ("100000", "0.001", -10_000, -1_000),
        ("99999", "0.00001", -10_000, -9),
    ],
)
def test_fees_are_truncated_at_a_micro_usd(px, sz, rate, fee):
    """Protects the fee of a fill: recorded ones, and rebates cut toward zero."""
    venue = Venue([BTC], VenueConfig(), {BTC.id: Book()})
    account = venue.open_account(ANN, Usd(10**9), maker_fee=FeeRate(rate), taker_fee=FeeRate(7))
    notional = Usd(BTC.parse_price(px) * BTC.parse_size(sz))
    assert venue.ledger.charge(account, BTC, notional, is_taker=False) == fee
    assert venue.ledger.fee_pool == fee


def test_entry_price_and_closed_profit():
    """Protects the arithmetic of a position: adding averages, closing keeps, crossing zero starts anew."""
    account = Account(ANN)
    steps = [
        (BUY, 100, 2, 0, 0, 100),
        (BUY, 103, 1, 2, 0, 101),
        (SELL, 111, 1, 3, 10, 101),
        (SELL, 91, 5, 2, -20, 91),
        (BUY, 90, 1, -3, 1, 91),
        (BUY, 93, 2, -2, -4, None),
    ]
    for side, px, sz, before, pnl, entry in steps:
        assert account.trade(COIN.id, side, Px(px), Sz(sz), Usd(0)) == (before, pnl)
        assert account.entry_price(COIN.id) == entry
    assert account.positions == {COIN.id: 0}
    assert account.closed_pnl == account.cash == -13


@given(trades=TRADES)
def test_closed_profits_of_a_round_trip_are_its_cash_flow(trades):
    """Protects the rounding rule: a closed share of the cost is cut down, what remains is not lost.

    And each closed profit is less than a micro-USD a lot away from the exact one.
    """
    account, exact = Account(ANN), (0, Fraction(0))
    for side, px, sz in trades:
        position, cost = exact
        before, pnl = account.trade(COIN.id, side, Px(px), Sz(sz), Usd(3))
        assert before == position
        closed = min(sz, abs(position)) if position * side < 0 else 0
        if closed:
            entry = cost / abs(position)
            assert abs(pnl + side * closed * (px - entry)) <= len(trades)
            cost -= entry * closed
        else:
            assert pnl == 0
        if sz > closed:
            cost += px * (sz - closed)
        exact = (position + side * sz, cost)
    position = account.position(COIN.id)
    if position:
        account.trade(COIN.id, Side.SELL if position > 0 else Side.BUY, Px(50), Sz(abs(position)), Usd(0))
    assert account.cash == account.closed_pnl - account.fees_paid


def test_value_is_cash_and_positions_at_their_marks():
    """Protects the meaning of cash: a buy pays its notional (raw cash), so value adds the position back."""
    ex = Exchange()
    ex.venue.tell_prices(lambda _: 110.0)
    eve = ex.venue.open_account(AccountId("eve"), Usd(1_000))
    eve.trade(COIN.id, BUY, Px(100), Sz(3), Usd(2))
    ex.venue.run_block(Ns(1))
    assert (eve.cash, ex.venue.margins.value(eve)) == (698, 1_028)


def test_everything_sums_to_nothing():
    """Protects S6 and its check: a lot or a micro-USD out of thin air is found."""
    ex = Exchange()
    ex.endow(ANN, 5)
    ex.block((BUY, 99, 9, IOC))
    ex.venue.ledger.check()
    for spoil in (
        lambda ledger: ledger.accounts[ANN].positions.update({COIN.id: 6}),
        lambda ledger: setattr(ledger.accounts[ANN], "cash", ledger.accounts[ANN].cash + 1),
        lambda ledger: setattr(ledger.accounts[ANN], "fees_paid", 1),
    ):
        ex = Exchange()
        ex.endow(ANN, 5)
        spoil(ex.venue.ledger)
        with pytest.raises(InvariantViolation, match="S6"):
            ex.venue.ledger.check()


def test_records_and_queues_are_compared():
    """Protects the second half of the check: a queue that lost an order is found."""
    ex = Exchange()
    ex.run(ANN, place(BUY, 99, 1))
    ex.book.remove(Oid(1))
    with pytest.raises(InvariantViolation, match="E5"):
        ex.venue.check()


def test_an_account_opens_once():
    """Protects the ledger: a second account of a name would hide the first one's money."""
    ledger = Ledger()
    ledger.open(Account(ANN))
    with pytest.raises(ValueError, match="exists"):
        ledger.open(Account(ANN))
    with pytest.raises(ValueError, match="exists"):
        ledger.open(Account(ledger.crowd.id))
