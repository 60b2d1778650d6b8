"""What happens to the account by other hands: signers, the owner, the venue's risk engine, its operators."""

from dataclasses import replace

import pytest

from domain.commands import Cancel, Place, QueryLimits, QueryOpenOrders, QueryPositions, Request, Route
from domain.events import (
    ContextReported,
    Executed,
    Feed,
    Fill,
    LiquidationMethod,
    OpenOrdersReport,
    OrderStatus,
    OrderUpdate,
    PositionsReported,
    Reason,
    Refused,
    Replied,
    Resting,
    TradesPrinted,
    Transfers,
)
from domain.transfers import OWNER
from domain.units import NS_PER_S, USD, Cloid, Ns, Px, RequestId, Side, Sz, Tif
from sim.faults import (
    Adl,
    AgentExpiry,
    CancelOnly,
    Delist,
    ForeignFills,
    FundingRate,
    LeverageChange,
    Limit429,
    OpenInterestCap,
    OwnerTransfers,
    RequestRepeated,
    SharedIp,
    SignatureFailures,
    TickChange,
    VenueDown,
)
from sim.faults.timing import THROUGHOUT, Poisson
from sim.venue.funding import FundingConfig
from sim.world import ETH, WorldConfig
from tests.sim.fault_trader import ME, QUIET, Trader


def far(n, tif=Tif.ALO, *, px=290_000, sz=10_000, side=Side.BUY):
    return Place(ETH.id, Cloid(f"0x{n:032x}"), side, Px(px), Sz(sz), tif)


def reason(results):
    """The reason of the first refusal; None where it was none."""
    return results[0].reason if isinstance(results[0], Refused) else None


def position(trader):
    return trader.world.venue.accounts[ME].position(ETH.id)


def buy(trader, n, sz=10_000):
    """Take so many lots of what is offered."""
    (result,) = trader.ask(far(n, Tif.IOC, px=400_000, sz=sz))
    assert isinstance(result, Executed)
    trader.wait(1)
    return result


# --- who signs ------------------------------------------------------------------------------------


def test_an_expired_agent():
    """Protects the fault: nothing that is signed goes, what rests stays, questions are answered, and it heals."""
    trader = Trader(AgentExpiry(duration_s=20), start=9)
    (order,) = trader.ask(far(1))
    trader.until(11)
    assert reason(trader.ask(far(2))) is Reason.UNKNOWN_SIGNER
    assert reason(trader.ask(Cancel(ETH.id, oid=order.oid))) is Reason.UNKNOWN_SIGNER
    (listed,) = trader.ask(QueryOpenOrders())
    assert [open_order.oid for open_order in listed.orders] == [order.oid]
    trader.until(31)
    assert reason(trader.ask(Cancel(ETH.id, oid=order.oid))) is None
    assert trader.injected[0].counts == {"expiries": 1, "refused": 2}


def test_signatures_fail_now_and_then():
    """Protects the fault: its share, texts with strangers' addresses, and that nothing of those requests happened."""
    trader = Trader(SignatureFailures(duration_s=60, share=0.5))
    answers = [trader.ask(far(n))[0] for n in range(40)]
    strangers = [answer.text for answer in answers if isinstance(answer, Refused)]
    assert 10 < len(strangers) < 30
    assert len(set(strangers)) == len(strangers)
    assert trader.injected[0].injected == len(strangers)
    assert len(trader.world.venue.resting(ME)) == 40 - len(strangers)
    trader.until(71)
    assert isinstance(trader.ask(far(99))[0], Resting)


@pytest.mark.parametrize("route", Route)
def test_a_request_that_comes_twice(route):
    """Protects E6 by whichever way: one order rests, and there are two answers, one of them about the nonce."""
    trader = Trader(RequestRepeated(duration_s=20, share=1.0))
    trader.adapter.submit(Request(RequestId(1), route, trader.session.epoch(Feed.USER), None, (far(1),)))
    trader.wait(3)
    results = [reply.results[0] for reply in trader.of(Replied)]
    assert sorted(type(result).__name__ for result in results) == ["Refused", "Resting"]
    (refused,) = (result for result in results if isinstance(result, Refused))
    assert refused.reason is Reason.INVALID_NONCE
    assert refused.text.startswith("Invalid nonce: duplicate nonce ")
    assert len(trader.world.venue.resting(ME)) == 1
    assert trader.injected[0].counts == {"copies": 1, "place": 1}
    assert isinstance(trader.ask(QueryOpenOrders())[0], OpenOrdersReport)
    assert trader.injected[0].counts["copies"] == 1, "queries are left alone"


def test_one_copy_that_was_too_much_is_no_answer():
    """Seed 3020 of a search: one copy met a 429 and the other one rested; who asks has one answer, and it is true."""
    trader = Trader(RequestRepeated(duration_s=100, share=1.0), Limit429(duration_s=100, share=0.6))
    told = []
    for n in range(40):
        known = len(trader.of(Replied))
        trader.adapter.submit(Request(RequestId(n), Route.REST, trader.session.epoch(Feed.USER), None, (far(n),)))
        trader.wait(2)
        told.append({reason(reply.results) for reply in trader.of(Replied)[known:]})
        rests = far(n).cloid in {order.cloid for order in trader.world.venue.resting(ME)}
        assert rests is (Reason.RATE_LIMITED not in told[-1])
    assert told.count({Reason.RATE_LIMITED}) > 5, "both were too much"
    assert told.count({None}) > 5, "one was, and nothing is told of it"
    assert told.count({None, Reason.INVALID_NONCE}) > 2, "none was: both are answered"
    assert len(trader.of(Replied)) == sum(map(len, told)), "and nothing twice"


# --- other hands on the account -------------------------------------------------------------------


def test_auto_deleveraging_closes_a_share_at_the_mark():
    """Protects the fault: no fee, the mark's price, a fill that says why; and it waits until there is a position."""
    trader = Trader(Adl(duration_s=60, share=0.25))
    trader.until(15)
    assert trader.injected[0].injected == 0
    buy(trader, 1, sz=1_001)
    trader.wait(4)
    (fill,) = (fill for fill in trader.of(Fill) if fill.liquidation is not None)
    assert (fill.liquidation.method, fill.px, fill.fee) == (LiquidationMethod.ADL, fill.liquidation.mark_px, 0)
    assert (fill.side, fill.sz, fill.cloid) == (Side.SELL, 251, None)
    assert position(trader) == 750
    assert trader.injected[0].counts["closed"] == 1
    trader.world.venue.check()


@pytest.mark.parametrize("rests", [False, True])
def test_somebody_else_trades_on_the_account(rests):
    """Protects the fault: orders without an id of ours, whose fills move our position."""
    trader = Trader(ForeignFills(duration_s=30, usd=100.0, rests=rests))
    trader.until(50)
    injected = trader.injected[0]
    updates = trader.of(OrderUpdate)
    assert {update.cloid for update in updates} == {None}
    assert injected.injected == len({update.oid for update in updates if update.status is OrderStatus.OPEN}) > 0
    taken = [fill for fill in trader.of(Fill) if fill.is_taker]
    assert (len(taken) > 0) != rests
    assert injected.counts["filled"] == len({fill.oid for fill in taken})
    assert sum(fill.side * fill.sz for fill in trader.of(Fill)) == position(trader)


def test_what_the_owner_rests_may_stand_behind_the_touch():
    """Protects the fault: on the grid, as far from the touch as asked for, and so nobody takes it."""
    trader = Trader(ForeignFills(duration_s=30, usd=100.0, rests=True, away_bps=50.0))
    trader.until(50)
    book = trader.world.liquidity[ETH.id]
    opened = [update for update in trader.of(OrderUpdate) if update.status is OrderStatus.OPEN]
    assert opened
    for update in opened:
        touch = book.best_bid() if update.side is Side.BUY else book.best_ask()
        assert ETH.is_on_grid(update.px)
        assert 40 < update.side * (touch - update.px) / touch * 1e4 < 60
    assert trader.of(Fill) == []


@pytest.mark.parametrize("usd", [-1_000.0, 1_000.0])
def test_the_owner_moves_money(usd):
    """Protects the fault: a statement tells it under nobody's name, sums still add up, no position changes."""
    trader = Trader(OwnerTransfers(duration_s=1, usd=usd, when=THROUGHOUT), start=9)
    before = trader.world.venue.accounts[ME].cash
    trader.until(12)
    told = trader.of(PositionsReported)[-1]
    assert told.cash == before + round(usd * USD)
    assert told.transfers == (Transfers(OWNER, round(usd * USD)),)
    assert trader.injected[0].counts["transfers"] == 1
    trader.world.venue.check()


def test_the_owner_takes_out_no_more_than_is_free():
    """Protects the account from a liquidation by its own owner: what positions tie up stays."""
    trader = Trader(OwnerTransfers(at_s=20, duration_s=1, usd=-1e9, when=THROUGHOUT))
    buy(trader, 1, sz=100_000)
    trader.until(23)
    account, margins = trader.world.venue.accounts[ME], trader.world.venue.margins
    assert account.cash < 0 < margins.value(account)
    assert margins.value(account) == pytest.approx(margins.initial(account), rel=1e-2)
    assert trader.world.venue.resting(ME) == ()


def test_a_payment_before_the_strike_is_none_of_it():
    """Protects the count: what was paid before the rate was dictated says nothing of it."""
    every = FundingConfig(interval=Ns(10 * NS_PER_S))
    config = replace(QUIET, venue=replace(QUIET.venue, funding=every))
    trader = Trader(FundingRate(at_s=41, duration_s=8), FundingRate(at_s=41, duration_s=30), start=5, config=config)
    buy(trader, 1)
    trader.until(80)
    assert trader.world.venue.accounts[ME].transfers[ETH.id]
    assert [injected.counts["payments"] for injected in trader.injected] == [0, 3]


@pytest.mark.parametrize("per_hour_pct", [4.0, -4.0])
def test_funding_at_an_extreme(per_hour_pct):
    """Protects the fault: the rate that is published, and its end."""
    trader = Trader(FundingRate(duration_s=20, per_hour_pct=per_hour_pct))
    trader.until(16)
    assert trader.of(ContextReported)[-1].funding == round(per_hour_pct / 100 * 10**10)
    trader.until(40)
    assert abs(trader.of(ContextReported)[-1].funding) < 10**8
    assert trader.injected[0].injected == 1


# --- the venue's terms ----------------------------------------------------------------------------


def test_wider_ticks_and_lots():
    """Protects the fault: the two refusals, what a question for the limits shows, and its end."""
    trader = Trader(TickChange(duration_s=20, px_step=10, sz_step=100))
    (report,) = trader.ask(QueryLimits((ETH.id,)))
    assert (report.limits[0].px_step, report.limits[0].sz_step) == (10, 100)
    (refused,) = trader.ask(far(1, px=290_010))
    assert (refused.reason, refused.text) == (Reason.OFF_TICK, "Price must be divisible by tick size. asset=1")
    assert reason(trader.ask(far(2, px=290_100, sz=10_050))) is Reason.INVALID_SIZE
    assert reason(trader.ask(far(3, px=290_100, sz=10_100))) is None
    trader.until(31)
    (report,) = trader.ask(QueryLimits((ETH.id,)))
    assert (report.limits[0].px_step, report.limits[0].sz_step) == (1, 1)
    assert reason(trader.ask(far(4, px=290_010, sz=10_050))) is None
    assert +trader.injected[0].counts == {"changes": 1, "refused": 1}


def test_another_leverage():
    """Protects the fault: the account's leverage and the instrument's, as a question shows them, and what they were."""
    trader = Trader(LeverageChange(duration_s=20, leverage=3, most=10))
    (report,) = trader.ask(QueryLimits((ETH.id,)))
    assert (report.limits[0].leverage, report.limits[0].max_leverage) == (3, 10)
    account = trader.world.venue.accounts[ME]
    buy(trader, 1, sz=30_000)
    margins = trader.world.venue.margins
    assert margins.initial(account) == -(-margins.notional(account, ETH.id) // 3)
    trader.until(31)
    (report,) = trader.ask(QueryLimits((ETH.id,)))
    assert (report.limits[0].leverage, report.limits[0].max_leverage) == (25, 25)
    assert trader.injected[0].counts == {"changes": 2}


def test_leverage_that_two_hands_set_is_as_it_was_in_the_end():
    """Protects overlapping strikes: each takes its own away, in whatever order they end."""
    trader = Trader(
        LeverageChange(at_s=20, duration_s=15, leverage=5, most=8),
        LeverageChange(at_s=25, duration_s=20, leverage=3, most=4),
        LeverageChange(at_s=30, duration_s=10, leverage=5, most=8),
    )
    account, instrument = trader.world.venue.accounts[ME], trader.world.instruments[ETH.id]
    seen = []
    for second in (19, 22, 27, 32, 37, 42, 47):
        trader.until(second)
        (report,) = trader.ask(QueryLimits((ETH.id,)))
        seen.append((report.limits[0].leverage, report.limits[0].max_leverage))
    usual = (ETH.max_leverage, ETH.max_leverage)
    assert seen == [usual, (5, 8), (3, 4), (5, 8), (5, 8), (3, 4), usual]
    assert account.margin == WorldConfig().margin
    assert instrument == ETH


def test_open_interest_at_its_cap():
    """Protects the fault: nothing may add, what reduces goes, and afterwards everything does."""
    trader = Trader(OpenInterestCap(at_s=20, duration_s=20))
    buy(trader, 1, sz=10_000)
    trader.until(21)
    (refused,) = trader.ask(far(2))
    assert refused.reason is Reason.OPEN_INTEREST
    assert refused.text == "Order would increase open interest while open interest is capped asset=1"
    assert reason(trader.ask(far(3, side=Side.SELL, px=310_000, sz=10_000))) is None
    trader.until(41)
    assert reason(trader.ask(far(4))) is None
    assert +trader.injected[0].counts == {"caps": 1, "refused": 1}


# --- the venue as a whole -------------------------------------------------------------------------


def test_nothing_but_cancels():
    """Protects the fault: orders are refused, cancels work, nothing trades, and afterwards all of it goes."""
    trader = Trader(CancelOnly(duration_s=20), start=9)
    (order,) = trader.ask(far(1))
    trader.until(12)
    trades = len(trader.of(TradesPrinted))
    (refused,) = trader.ask(far(2))
    assert (refused.reason, refused.text) == (Reason.CANCEL_ONLY, "Only cancels are allowed. asset=1")
    assert reason(trader.ask(Cancel(ETH.id, oid=order.oid))) is None
    trader.until(29)
    assert len(trader.of(TradesPrinted)) == trades
    trader.until(60)
    assert len(trader.of(TradesPrinted)) > trades
    assert isinstance(trader.ask(far(3))[0], Resting)
    assert +trader.injected[0].counts == {"windows": 1, "refused": 1}


def test_a_delisted_instrument_is_settled():
    """Protects the fault: orders gone, the position closed at the mark without a fee, no trading until it is listed."""
    trader = Trader(Delist(at_s=20, duration_s=20))
    buy(trader, 1, sz=10_000)
    trader.ask(far(2))
    trader.until(21)
    (fill,) = (fill for fill in trader.of(Fill) if fill.liquidation is not None)
    assert (fill.liquidation.method, fill.sz, fill.fee) == (LiquidationMethod.SETTLEMENT, 10_000, 0)
    assert fill.px == fill.liquidation.mark_px
    assert position(trader) == 0
    assert trader.world.venue.resting(ME) == ()
    assert trader.of(OrderUpdate)[-1].reason in (None, Reason.DELISTED)
    assert Reason.DELISTED in {update.reason for update in trader.of(OrderUpdate)}
    assert reason(trader.ask(far(3))) is Reason.HALTED
    trader.until(41)
    assert reason(trader.ask(far(4))) is None
    assert trader.injected[0].counts == {"delisted": 1, "settled": 1}
    trader.world.venue.check()


def test_the_whole_venue_is_down():
    """Protects the fault: no block, no connection, no answer; orders rest, and what was asked is lost for good."""
    trader = Trader(VenueDown(duration_s=20), start=9)
    (order,) = trader.ask(far(1))
    trader.until(10.5)
    block = trader.world.block
    assert not any(trader.session.is_up(feed) for feed in Feed)
    replies = len(trader.of(Replied))
    trader.adapter.submit(Request(RequestId(99), Route.REST, trader.session.epoch(Feed.USER), None, (far(2),)))
    trader.connect()
    trader.until(29)
    assert trader.world.block == block
    assert not any(trader.session.is_up(feed) for feed in Feed)
    assert [resting.oid for resting in trader.world.venue.resting(ME)] == [order.oid]
    trader.until(31)
    assert trader.world.block > block
    trader.connect()
    assert all(trader.session.is_up(feed) for feed in Feed)
    assert len(trader.of(Replied)) == replies
    assert isinstance(trader.ask(far(3))[0], Resting)
    assert trader.injected[0].counts == {"outages": 1, "lost": 1}


# --- others behind our address --------------------------------------------------------------------


def by_rest(trader, number):
    """The answer to a question by REST, None if none came."""
    trader.adapter.submit(
        Request(RequestId(number), Route.REST, trader.session.epoch(Feed.USER), None, (QueryPositions(),))
    )
    trader.wait(0.5)
    answers = [reply for reply in trader.of(Replied) if reply.request_id == number]
    return answers[0].results[0] if answers else None


def test_four_clients_and_one_bucket():
    """Protects the fault: what they ask for in a minute decides what is left for us, and a minute later all is well."""
    trader = Trader(SharedIp(duration_s=90, weight_per_minute=3_000), start=60)
    wire = trader.world.venue.wire(trader.session.ip)
    assert wire.ip.window.used(trader.world.env.now) > 1_150
    answers = [by_rest(trader, 1_000 + n) for n in range(60)]
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) > 0
    assert {answer.reason for answer in refused} == {Reason.RATE_LIMITED}
    trader.until(165)
    assert not isinstance(by_rest(trader, 2_000), Refused)
    assert trader.injected[0].injected > 50
    assert trader.injected[0].counts["refused"] >= len(refused)


def test_the_others_of_one_strike_are_gone_in_the_next():
    """Protects the rate of bursts: one in five seconds of strikes, however many strikes there were."""
    when = Poisson(per_minute=600, for_s=0.5)
    trader = Trader(SharedIp(duration_s=120, every_s=5.0, when=when), start=131)
    assert trader.injected[0].counts["strikes"] > 150
    assert 8 < trader.injected[0].injected < 40


def test_requests_by_rest_are_turned_away():
    """Protects the fault: an answer with nothing in it but the refusal, the socket untouched, and its end."""
    trader = Trader(Limit429(duration_s=20, share=1.0))
    refused = by_rest(trader, 1_000)
    assert (refused.reason, refused.text) == (Reason.RATE_LIMITED, "HTTP 429: null")
    assert isinstance(trader.ask(QueryOpenOrders())[0], OpenOrdersReport)
    trader.until(31)
    assert not isinstance(by_rest(trader, 1_001), Refused)
    assert +trader.injected[0].counts == {"refused": 1}


def test_who_insists_is_banned():
    """Protects the ban: after the third refusal no connection, no answer but 429, until it is over."""
    trader = Trader(Limit429(duration_s=5, share=1.0, ban_after=3, ban_s=30.0))
    for n in range(3):
        assert isinstance(by_rest(trader, 1_000 + n), Refused)
    assert not any(trader.session.is_up(feed) for feed in Feed)
    trader.until(20)
    assert isinstance(by_rest(trader, 1_010), Refused), "the strike is over, the ban is not"
    assert trader.injected[0].is_active
    trader.connect()
    assert not any(trader.session.is_up(feed) for feed in Feed)
    trader.until(42)
    assert not trader.injected[0].is_active
    trader.connect()
    assert all(trader.session.is_up(feed) for feed in Feed)
    assert not isinstance(by_rest(trader, 1_020), Refused)
    assert trader.injected[0].counts == {"refused": 4, "bans": 1}


def test_a_ban_counts_from_the_begin_of_a_strike():
    """Protects against a ban for what was asked in another strike: two refusals and two are no three."""
    when = Poisson(per_minute=600, for_s=2)
    trader = Trader(Limit429(duration_s=4.5, share=1.0, ban_after=3, when=when), start=10)
    for n in range(2):
        while not trader.injected[0].is_striking:
            trader.wait(0.01)
        for m in range(2):
            assert isinstance(by_rest(trader, 1_000 + 2 * n + m), Refused)
        while trader.injected[0].is_striking:
            trader.wait(0.01)
    assert trader.injected[0].counts == {"strikes": 2, "refused": 4}


def test_twins_of_a_fault_undo_their_own():
    """Protects overlapping strikes: what the second one set stands when the first one ends."""
    trader = Trader(
        TickChange(at_s=5, duration_s=20, px_step=10),
        TickChange(at_s=8, duration_s=30, px_step=100),
        CancelOnly(at_s=5, duration_s=10),
        CancelOnly(at_s=8, duration_s=20),
        start=20,
    )
    assert reason(trader.ask(far(1))) is Reason.CANCEL_ONLY
    trader.until(30)
    (report,) = trader.ask(QueryLimits((ETH.id,)))
    assert report.limits[0].px_step == 100
    trader.until(39)
    assert trader.world.env.now == 39 * NS_PER_S
    assert reason(trader.ask(far(2))) is None
