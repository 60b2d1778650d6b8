"""Every worked example of the venue's documentation, by the section of the page that it stands on.

Where a number is printed it is compared to its last digit; where the page rounds, to what it prints.
"""

from decimal import Decimal
from math import exp, floor

import pytest

from domain.commands import Place, QueryFills, QueryOrder, QueryPositions
from domain.events import Reason
from domain.instrument import Instrument, MarginTier
from domain.limits import AddressLimits, IpLimits, NonceLimits, OpenOrderLimits, ScheduleLimits, VenueLimits
from domain.units import (
    NS_PER_MS,
    NS_PER_S,
    USD,
    AccountId,
    Cloid,
    FeeRate,
    InstrumentId,
    Ns,
    Pos,
    Px,
    RequestId,
    Side,
    Sz,
    Tif,
    Usd,
    fee_of,
)
from sim.venue import texts
from sim.venue.accounts import Account
from sim.venue.config import ActionClass, MarginTerms, VenueConfig
from sim.venue.dead_man import DeadMan
from sim.venue.funding import FundingConfig, FundingMeter, payment, premium, rate_of_eight_hours, rate_of_hour
from sim.venue.mark import Average, MarkConfig, median
from sim.venue.meters import AddressMeter
from sim.venue.signers import Nonces
from sim.venue.texts import too_many_actions, too_many_in_flight
from tests.sim.venue.exchange import BUY, Exchange, place

BTC = Instrument(
    InstrumentId("BTC"),
    sz_decimals=5,
    asset=0,
    max_leverage=40,
    margin_tiers=(MarginTier(lower_bound=Usd(150_000_000 * USD), max_leverage=20),),
)


# --- 3.2 price and size ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sz_decimals", "text", "is_valid"),
    [
        (0, "1234.5", True),
        (0, "0.001234", True),
        (1, "0.01234", True),
        (0, "123456", True),
        (0, "1234.56", False),
        (0, "0.0012345", False),
        (1, "0.012345", False),
        (0, "12345.6", False),
    ],
)
def test_3_2_prices(sz_decimals, text, is_valid):
    """Five significant figures and 6 - szDecimals decimals; whole prices always."""
    instrument = Instrument(InstrumentId("X"), sz_decimals=sz_decimals)
    try:
        found = instrument.is_on_grid(instrument.parse_price(text))
    except ValueError:
        found = False
    assert found is is_valid


# --- 3.6 fees -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "size", "pct", "fee"),
    [
        ("25372", "0.0353", "0.003", "0.026868"),
        ("66653", "0.001", "0.015", "0.009997"),
        ("79146", "0.001", "0.015", "0.011871"),
        ("79146", "0.001", "0.010", "0.007914"),
    ],
)
def test_3_6_fees_of_recorded_fills(price, size, pct, fee):
    """Cut toward zero at the sixth decimal; the builder's part by itself, so that the whole is 0.019785."""
    notional = Usd(int(Decimal(price) * Decimal(size) * USD))
    rate = FeeRate(int(Decimal(pct) * 10_000_000))
    assert fee_of(notional, rate) == int(Decimal(fee) * USD)


# --- 3.8 texts ------------------------------------------------------------------------------------


def test_3_8_the_text_of_a_post_only_order_that_would_take():
    """The top stands in it, and the asset behind it."""
    refused = texts.would_cross(BTC, BTC.parse_price("64143"), BTC.parse_price("64144"))
    assert refused.text == "Post only order would have immediately matched, bbo was 64143@64144. asset=0"


def test_3_8_the_texts_of_nonces_and_strangers():
    """As the table prints them."""
    assert texts.duplicate_nonce(5).text == "Invalid nonce: duplicate nonce 5"
    assert texts.nonce_too_low(5, 7).text == "Invalid nonce: nonce too low 5 < 7"
    assert texts.unknown_signer("0xab").text == "User or API Wallet 0xab does not exist."
    assert texts.EXPIRED.text == "Action already expired"


# --- 4.1 latency, 4.2 the order inside a block ----------------------------------------------------


def test_4_1_the_speed_bump_of_what_takes():
    """8 bp at 45 ms each are 360 ms, on takers and on nobody else."""
    config = VenueConfig(taker_delay=Ns(8 * 45 * NS_PER_MS))
    assert [config.delay_of(each) // NS_PER_MS for each in ActionClass] == [0, 0, 360]


# --- 4.5 oracle and mark --------------------------------------------------------------------------


def test_4_5_the_average_of_150_seconds():
    """num = num exp(-t/tau) + sample t, den likewise: two samples three seconds apart."""
    average = Average(MarkConfig().basis_window_s)
    average.add(10.0, 3.0)
    decay = exp(-3 / 150)
    assert average.add(4.0, 3.0) == pytest.approx((30 * decay + 12) / (3 * decay + 3), rel=1e-12)
    assert median([101.0, 99.0, 100.0]) == 100.0
    assert MarkConfig().interval == 3 * NS_PER_S


# --- 4.6 funding ----------------------------------------------------------------------------------


def test_4_6_the_worked_funding_row():
    """Impact bid 10100, oracle 10000: premium 1 %, clamp -0.05 %, 0.95 % in eight hours; a long pays an eighth."""
    config = FundingConfig()
    found = premium(10_100.0, 10_101.0, Px(10_000))
    assert found == pytest.approx(0.01, rel=1e-12)
    assert rate_of_eight_hours(found, config) == pytest.approx(0.0095, rel=1e-12)
    hourly = round(rate_of_hour(found, config) * 10**10)
    assert hourly == 11_875_000
    assert payment(Pos(1_000), Px(10_000), hourly) == -11_875
    assert payment(Pos(-1_000), Px(10_000), hourly) == 11_875


def test_4_6_baseline_and_cap():
    """0.0000125 an hour without a premium, 4 % an hour at most."""
    assert FundingMeter(FundingConfig(), InstrumentId("X")).hourly == pytest.approx(0.0000125, rel=1e-12)
    assert rate_of_hour(10.0, FundingConfig()) == 0.04
    assert FundingConfig().impact_of(InstrumentId("BTC")) == 20_000 * USD
    assert FundingConfig().impact_of(InstrumentId("DOGE")) == 6_000 * USD


# --- 5.1 the address on the net -------------------------------------------------------------------


@pytest.mark.parametrize(("n", "weight"), [(1, 1), (39, 1), (40, 2), (79, 2), (80, 3)])
def test_5_1_a_batch_weighs_one_and_a_fortieth_of_its_length(n, weight):
    """1 + floor(n / 40)."""
    order = Place(InstrumentId("X"), Cloid("0x1"), Side.BUY, Px(1), Sz(1), Tif.ALO)
    assert IpLimits().weight_of((order,) * n) == weight


def test_5_1_a_full_answer_of_fills_weighs_120():
    """2000 rows cost 20 and one more for each twenty."""
    limits = IpLimits()
    assert limits.weight_of((QueryFills(Ns(0)),)) + limits.surcharge(2_000) == 120
    assert limits.weight_of((QueryOrder(Cloid("0x1")),)) == limits.weight_of((QueryPositions(),)) == 2
    assert limits.weight == 1_200


def test_5_1_the_text_of_too_many_posts():
    """Recorded: the id is the post's, and there is no asset behind it."""
    refused = too_many_in_flight(RequestId(1234))
    assert (refused.reason, refused.text) == (Reason.TOO_MANY_IN_FLIGHT, "too many pending post requests id=1234")
    assert texts.IP_WEIGHT.text == "HTTP 429: null"
    assert VenueLimits().socket.posts_in_flight == 100


# --- 5.2 the account's actions --------------------------------------------------------------------


def test_5_2_the_recorded_text_of_too_many_actions():
    """15965 sent, 5856.56 USD traded: the printed cap is floor(10000 + volume) - 1."""
    traded = Usd(5_856_560_000)
    meter = AddressMeter(AddressLimits(), used=15_965)
    assert meter.cap(traded) - 1 == floor(10_000 + 5_856.56) - 1 == 15_855
    assert too_many_actions(15_965, meter.cap(traded), traded).text == (
        "Too many cumulative requests sent (15965 > 15855) for cumulative volume traded $5856.56. "
        "Place taker orders to free up 1 request per USDC traded."
    )


def test_5_2_who_is_out_of_actions_hears_it_from_the_venue():
    """The same through the front: the second one within ten seconds."""
    exchange, zoe = Exchange(), AccountId("zoe")
    exchange.venue.open_account(zoe, Usd(0), traded=Usd(5_856_560_000), actions_used=15_964)
    exchange.run(zoe, place(BUY, 100, 1))
    (refused,) = exchange.run(zoe, place(BUY, 100, 1))
    assert refused.text.startswith(
        "Too many cumulative requests sent (15965 > 15855) for cumulative volume traded $5856.56"
    )


@pytest.mark.parametrize(
    ("traded", "orders", "cancels"),
    [(0, 10_000, 20_000), (5_856, 15_856, 31_712), (1_000_000, 1_010_000, 1_110_000)],
)
def test_5_2_cancels_have_an_allowance_of_their_own(traded, orders, cancels):
    """min(limit + 100000, 2 x limit)."""
    limits = AddressLimits()
    assert (limits.cap(Usd(traded * USD)), limits.cancel_cap(Usd(traded * USD))) == (orders, cancels)


def test_5_2_a_stale_action_costs_five():
    """What had expired when its block came."""
    meter = AddressMeter(AddressLimits())
    meter.admits(3, Usd(0), Ns(0), is_cancel=False)
    meter.charge_stale(3)
    assert meter.used == 15


def test_5_2_what_a_maker_needs_to_trade():
    """Orders of 100 USD, two requests a cycle: at one fill in a hundred requests the allowance never shrinks."""
    meter, limits = AddressMeter(AddressLimits()), AddressLimits()
    traded = 0
    for request in range(1, 10_001):
        assert meter.admits(1, Usd(traded * USD), Ns(request), is_cancel=request % 2 == 0)
        traded += 100 * (request % 100 == 0)
    assert limits.cap(Usd(traded * USD)) - meter.used == 10_000


# --- 5.3 others -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("millions", "most"), [(0, 1_000), (4, 1_000), (5, 1_001), (100, 1_020), (90_000, 5_000)])
def test_5_3_how_many_orders_may_rest(millions, most):
    """1000, one more per 5 million traded, 5000 at most; from 1000 on nothing that only reduces."""
    limits = OpenOrderLimits()
    assert limits.cap(Usd(millions * 1_000_000 * USD)) == most
    assert limits.reduce_only_below == 1_000


def test_5_3_the_scheduled_cancel():
    """Five seconds ahead, ten firings a day, a million traded."""
    limits = ScheduleLimits()
    assert (limits.lead, limits.triggers_per_day, limits.min_traded) == (5 * NS_PER_S, 10, 1_000_000 * USD)
    refused = DeadMan(limits).set(Ns(10 * NS_PER_S), Ns(0), Usd(3 * USD + 140_000))
    assert refused.text.endswith("Required: $1000000. Traded: $3.14.")


# --- 6.5 nonces -----------------------------------------------------------------------------------


def test_6_5_the_window_and_the_hundred_highest():
    """Two days back, one day ahead, each once, above the smallest of a hundred."""
    limits = NonceLimits()
    day = 86_400_000
    assert (limits.kept, limits.behind // NS_PER_MS, limits.ahead // NS_PER_MS) == (100, 2 * day, day)
    nonces, now = Nonces(limits), Ns(5 * day * NS_PER_MS)
    for nonce in range(4 * day, 4 * day + 100):
        nonces.use(nonce)
    good = [nonce for nonce in (4 * day - 1, 4 * day + 50, 4 * day + 100) if nonces.error(nonce, now) is None]
    assert good == [4 * day + 100]


# --- 7 margin -------------------------------------------------------------------------------------


def test_7_2_initial_margin():
    """|size| x mark / leverage: at twenty times 0.0335 ETH at 2985.9 tie up 5.001383 USD."""
    exchange, account = at_mark(ETH50, "2985.9", MarginTerms(leverage=20))
    hold(account, ETH50, "0.0335", "2985.9")
    assert exchange.venue.margins.initial(account) == 5_001_383


def test_7_3_the_tiers_of_bitcoin():
    """1.25 % up to 150 million, 2.5 % less 1,875,000 beyond."""
    assert BTC.maintenance(100_000_000 * USD) == 1_250_000 * USD
    assert BTC.maintenance(200_000_000 * USD) == (0.025 * 200_000_000 - 1_875_000) * USD
    assert BTC.most_value(40) == 150_000_000 * USD
    assert BTC.most_value(20) is None


ETH50 = Instrument(InstrumentId("ETH"), sz_decimals=4, max_leverage=50)


def test_7_4_the_documented_liquidation_price_of_eth():
    """Size 0.0335, position value 100.02765, margin 4.967826, 50 times: 2866.26936529 is served."""
    _, account = exchange_of_margin = at_mark(ETH50, "2985.9", MarginTerms(leverage=20, isolated=("ETH",)))
    hold(account, ETH50, "0.0335", "2985.9")
    account.isolated[ETH50.id] = Usd(4_967_826 - 100_027_650)
    margins = exchange_of_margin[0].venue.margins
    assert margins.notional(account, ETH50.id) == 100_027_650
    assert margins.maintenance_of(account, ETH50.id) == 1_000_277
    assert ETH50.price(margins.liquidation_price(account, ETH50.id)) == pytest.approx(2866.26936529, abs=1e-4)


def test_7_6_entry_price():
    """Weighted by size over what opens; unchanged by what closes; begun anew where it turns around."""
    account, name = Account(AccountId("a")), InstrumentId("X")
    entries = []
    for side, px, sz in ((1, 100, 1), (1, 103, 2), (-1, 110, 1), (-1, 90, 5)):
        account.trade(name, Side(side), Px(px), Sz(sz), Usd(0))
        entries.append(account.entry_price(name))
    assert entries == [100, 102, 102, 90]


# --- help -----------------------------------------------------------------------------------------


def at_mark(instrument, price, terms):
    """An exchange whose book stands around a price, which is the mark, and an account with credit for nothing."""
    exchange = Exchange(instrument)
    eve = exchange.venue.open_account(AccountId("eve"), Usd(100 * USD), margin=terms)
    prices = exchange.venue.prices(instrument.id)
    prices.oracle = prices.mark = instrument.parse_price(price)
    return exchange, eve


def hold(account, instrument, size, price):
    """Buy so much, without a fee."""
    px, sz = instrument.parse_price(price), instrument.parse_size(size)
    account.trade(instrument.id, BUY, px, sz, Usd(0), leverage=20)


def test_the_page_is_covered():
    """Protects completeness: each section of the page with a worked example has a test that is named after it."""
    sections = {
        name.split("_")[1] + "." + name.split("_")[2]
        for name in globals()
        if name.startswith("test_") and name[5].isdigit()
    }
    assert sections == {
        "3.2",
        "3.6",
        "3.8",
        "4.1",
        "4.5",
        "4.6",
        "5.1",
        "5.2",
        "5.3",
        "6.5",
        "7.2",
        "7.3",
        "7.4",
        "7.6",
    }
