"""The venue's limits from outside: what is turned away, in which words, and that nothing of it happens."""

from dataclasses import replace

import pytest

from domain.commands import Place, QueryFills, QueryPositions, QueryQuota, Request, Route
from domain.events import Cancelled, FillsReport, PositionsReport, QuotaReport, Reason, Refused, Resting
from domain.limits import AddressLimits, IpLimits, OpenOrderLimits, VenueLimits
from domain.units import AccountId, Epoch, Ns, RequestId, Usd
from tests.sim.venue.exchange import ALO, ANN, BOB, BUY, COIN, GTC, IOC, SELL, Exchange, cancel, cloid, modify, place

IP = "10.1.1.1"
POOR = VenueLimits(address=AddressLimits(initial=4))


# --- the account's actions ----------------------------------------------------------------------


def test_an_exhausted_account_hears_the_recorded_text():
    """Protects the words by which clients know it: used, the cap less one, the volume in cents, no asset."""
    ex = Exchange()
    zoe = AccountId("zoe")
    ex.venue.open_account(zoe, Usd(0), traded=Usd(5_856_560_000), actions_used=15_965)
    ex.run(zoe, place(BUY, 100, 1))
    (refused,) = ex.run(zoe, place(BUY, 100, 1))
    assert refused.reason is Reason.QUOTA_EXHAUSTED
    assert refused.text == (
        "Too many cumulative requests sent (15966 > 15855) for cumulative volume traded $5856.56. "
        "Place taker orders to free up 1 request per USDC traded."
    )


def test_what_is_refused_for_the_quota_leaves_no_trace():
    """Protects that such a refusal means nothing happened: no order, no id, no status, one result for the batch."""
    ex = Exchange(limits=POOR)
    ex.run(ANN, place(BUY, 90, 1), place(BUY, 91, 1), place(BUY, 92, 1), place(BUY, 93, 1))
    ex.run(ANN, place(BUY, 94, 1))  # the first beyond it
    resting, oid, said = ex.resting(ANN), ex.venue.next_oid, len(ex.updates)
    number = ex.send(ANN, place(BUY, 95, 1), place(BUY, 96, 1))
    (reply,) = ex.venue.drain()
    assert reply.events[0].request_id == number, "the answer does not wait for a block"
    assert [result.reason for result in reply.events[0].results] == [Reason.QUOTA_EXHAUSTED]
    ex.block()
    assert (ex.resting(ANN), ex.venue.next_oid, len(ex.updates)) == (resting, oid, said)


def test_cancels_pass_where_orders_do_not():
    """Protects the withdrawal of an exhausted account; cancels count, too, and end at twice the allowance."""
    ex = Exchange(limits=POOR)
    ex.run(ANN, *(place(BUY, 90 + n, 1) for n in range(5)))
    ex.run(ANN, place(BUY, 80, 1))
    assert ex.run(ANN, place(BUY, 80, 1))[0].reason is Reason.QUOTA_EXHAUSTED
    assert ex.run(ANN, cancel(1), cancel(2)) == (Cancelled(), Cancelled())
    assert ex.run(ANN, cancel(3))[0].reason is Reason.QUOTA_EXHAUSTED, "eight are used"
    assert ex.run(ANN, modify(3, BUY, 80, 1))[0].reason is Reason.QUOTA_EXHAUSTED


def test_rejected_orders_count_and_both_sides_of_a_trade_earn():
    """Protects the account's figures: a batch of n counts n whatever becomes of it, volume counts for both sides."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 40_000))
    ex.run(BOB, place(BUY, 100, 30_000, IOC), place(BUY, 100, 1, ALO))
    assert ex.ask(BOB, QueryQuota()) == QuotaReport(Ns(ex.now + 1), Usd(3_000_000), 2, 10_003)
    assert ex.ask(ANN, QueryQuota()) == QuotaReport(Ns(ex.now + 1), Usd(3_000_000), 1, 10_003)


def test_a_position_that_was_given_earns_nothing():
    """Protects the volume from what is no trade."""
    ex = Exchange()
    ex.endow(ANN, 50_000)
    assert ex.ask(ANN, QueryQuota()).traded == 0


def test_an_action_that_came_too_late_counts_five_times():
    """Protects the price of a stale expiresAfter."""
    ex = Exchange()
    (expired,) = ex.run(ANN, place(BUY, 100, 1), place(BUY, 101, 1), expires_at=Ns(2))
    assert expired.reason is Reason.EXPIRED
    assert ex.ask(ANN, QueryQuota()).used == 10
    ex.run(ANN, place(BUY, 100, 1))
    assert ex.ask(ANN, QueryQuota()).used == 11


# --- the IP address -----------------------------------------------------------------------------


def test_rest_weighs_and_the_socket_does_not():
    """Protects what each route costs; undocumented for the socket, so it is a setting."""
    for posts_weigh in (False, True):
        ex = Exchange(limits=VenueLimits(ip=IpLimits(weight=20, posts_weigh=posts_weigh)))
        assert isinstance(ex.ask(ANN, QueryFills(Ns(0)), route=Route.REST, ip=IP), FillsReport)
        refused = ex.ask(ANN, QueryPositions(), route=Route.REST, ip=IP)
        assert refused == Refused(Reason.RATE_LIMITED, "HTTP 429: null")
        assert isinstance(ex.ask(ANN, QueryPositions(), ip=IP), Refused) is posts_weigh
        assert isinstance(ex.ask(ANN, QueryPositions(), route=Route.REST, ip="10.1.1.2"), PositionsReport)
        assert isinstance(ex.ask(ANN, QueryPositions(), route=Route.REST), PositionsReport), "nobody's address"


def test_accounts_behind_one_address_share_its_weight():
    """Protects the shared bucket: another bot's questions are ours to pay (passivbot#567)."""
    ex = Exchange(limits=VenueLimits(ip=IpLimits(weight=4)))
    assert isinstance(ex.ask(ANN, QueryPositions(), route=Route.REST, ip=IP), PositionsReport)
    assert isinstance(ex.ask(BOB, QueryPositions(), route=Route.REST, ip=IP), PositionsReport)
    assert ex.ask(ANN, QueryPositions(), route=Route.REST, ip=IP).reason is Reason.RATE_LIMITED


def test_fills_in_an_answer_weigh_on_top():
    """Protects the surcharge: an answer with 40 fills weighs two more."""
    ex = Exchange(limits=VenueLimits(ip=IpLimits(weight=23)))
    ex.run(ANN, place(SELL, 100, 40))
    ex.block(*[(BUY, 100, 1, IOC)] * 40)
    assert len(ex.ask(ANN, QueryFills(Ns(0)), route=Route.REST, ip=IP).fills) == 40
    assert ex.venue.usage(ANN, IP).rest_weight_peak == 22
    assert ex.ask(ANN, QueryPositions(), route=Route.REST, ip=IP).reason is Reason.RATE_LIMITED


def test_an_action_refused_for_the_weight_does_not_count_for_the_account():
    """Protects the order of the doors: what the address cannot pay for the account never sent."""
    ex = Exchange(limits=VenueLimits(ip=IpLimits(weight=1)))
    for _ in range(2):
        request = Request(RequestId(1), Route.REST, Epoch(1), None, (place(BUY, 100, 1),))
        ex.venue.submit(ANN, request, Ns(ex.now + 1), ip=IP)
    ex.block()
    assert ex.resting(ANN) == [(1, 1)]
    assert ex.ask(ANN, QueryQuota()).used == 1
    assert ex.venue.usage(ANN, IP).refused == {"ip_weight": 1}


# --- open orders --------------------------------------------------------------------------------


def test_one_order_too_many_is_rejected_and_a_place_that_is_freed_is_free():
    """Protects the cap on open orders: a reject like any other, with an id; modify and cancel make room."""
    ex = Exchange(limits=VenueLimits(open_orders=OpenOrderLimits(initial=2)))
    first = ex.run(ANN, place(BUY, 90, 1), place(BUY, 91, 1), place(BUY, 92, 1, GTC))
    assert [type(result) for result in first] == [Resting, Resting, Refused]
    assert (first[2].reason, first[2].text) == (Reason.TOO_MANY_OPEN_ORDERS, "Too many open orders. asset=7")
    assert ex.updates[-1] == (ANN, 3, "rejected", 1, "too_many_open_orders")
    assert isinstance(ex.run(ANN, modify(1, BUY, 93, 1))[0], Resting)
    assert ex.run(ANN, place(BUY, 94, 1, IOC))[0].reason is Reason.IOC_NO_MATCH, "what cannot rest is not too many"
    ex.run(ANN, cancel(2))
    assert isinstance(ex.run(ANN, place(BUY, 94, 1))[0], Resting)
    assert ex.venue.usage(ANN, IP).open_orders_peak == 2


def test_an_account_with_many_orders_cannot_reduce():
    """Protects the odd half of the rule: with 1,000 open, reduce-only orders are refused, an IOC, too."""
    ex = Exchange(limits=VenueLimits(open_orders=OpenOrderLimits(reduce_only_below=1)))
    ex.endow(ANN, 5)
    ex.run(BOB, place(BUY, 90, 9))
    ex.run(ANN, place(BUY, 80, 1))
    refused = ex.run(ANN, place(SELL, 90, 5, IOC, reduce_only=True))
    assert refused[0].reason is Reason.TOO_MANY_OPEN_ORDERS
    ex.run(ANN, cancel(2))
    ex.run(ANN, place(SELL, 90, 5, IOC, reduce_only=True))
    assert ex.position(ANN) == 0


# --- everything together ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 40, 100])
def test_a_batch_of_n_counts_n_and_weighs_little(n):
    """Protects the two currencies: n actions of the account, 1 + floor(n / 40) of the address (EX-08)."""
    ex = Exchange(limits=replace(VenueLimits(), open_orders=OpenOrderLimits(initial=n)))
    orders = tuple(Place(COIN.id, cloid(k), BUY, 50, 1, ALO, reduce_only=False) for k in range(n))
    request = Request(RequestId(1), Route.REST, Epoch(1), None, orders)
    ex.venue.submit(ANN, request, Ns(1), ip=IP)
    ex.block()
    usage = ex.venue.usage(ANN, IP)
    assert (usage.actions_used, usage.rest_weight_peak, usage.open_orders_peak) == (n, 1 + n // 40, n)
    assert (usage.actions_cap, usage.rest_weight_limit, usage.refused) == (10_000, 1_200, {})
