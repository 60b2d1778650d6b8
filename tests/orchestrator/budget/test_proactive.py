"""What we count of the venue's limits before it does (RL-01, RL-02)."""

from random import Random

import pytest

from domain.commands import Cancel, Place, QueryFills, QueryOrder, QueryQuota, Request, Route
from domain.events import FillsReport, QuotaReport, Reason, Refused, Replied, Resting
from domain.limits import AddressLimits, IpLimits, SocketLimits, VenueLimits
from domain.units import NS_PER_S, USD, Epoch, Ns, Oid, Px, RequestId, Sz, Tif, Usd
from orchestrator.budget.proactive import BudgetConfig, BudgetGate, ProactiveRateTracker
from orchestrator.budget.sliding import SlidingSum
from sim.venue.meters import AddressMeter, IpMeter
from tests.orchestrator.messages import BUY, ETH, cloid

S = NS_PER_S
SOCKET, REST = Route.SOCKET, Route.REST
LIMITS = VenueLimits(
    ip=IpLimits(weight=100), socket=SocketLimits(messages=50), address=AddressLimits(initial=200, cancel_extra=50)
)


def request(n, route=SOCKET, action=None):
    place = Place(ETH.id, cloid(1), BUY, Px(1), Sz(1), Tif.ALO)
    return Request(RequestId(1), route, Epoch(1), None, (action or place,) * n)


def replied(*results):
    return Replied(RequestId(1), Ns(0), results)


def tracker(**changes) -> ProactiveRateTracker:
    return ProactiveRateTracker(BudgetConfig(limits=LIMITS, **changes))


def test_a_burst_is_held_back_before_the_venue_would():
    """RL-02: at 80 % of 50 messages a minute; and open again when the first is a minute old, to the nanosecond."""
    budget = tracker()
    for n in range(40):
        assert budget.gate(1, SOCKET, Ns(n)) is None
        budget.on_sent(request(1), Ns(n))
    assert budget.gate(1, SOCKET, Ns(40)) is BudgetGate.RATE_LIMIT
    end = budget.opens_at(SOCKET, Ns(40))
    assert end == 60 * S
    assert budget.gate(1, SOCKET, Ns(end - 1)) is BudgetGate.RATE_LIMIT
    assert budget.gate(1, SOCKET, Ns(end)) is None


def test_requests_by_rest_weigh_and_those_by_socket_are_messages():
    """Actions weigh 1 + n // 40, an order's status 2, other questions 20; both meters are apart."""
    budget = tracker()
    for each in (request(1, REST), request(80, REST), request(1, REST, QueryOrder(cloid(1)))):
        budget.on_sent(each, Ns(0))
    budget.on_sent(request(1, REST, QueryFills(Ns(0))), Ns(0))
    budget.on_replied(replied(FillsReport(Ns(0), (), is_complete=True)), Ns(0))
    assert budget._weight.used(Ns(0)) == 1 + 3 + 2 + 20
    assert budget._messages.used(Ns(0)) == 0
    budget.on_sent(request(1), Ns(0))
    assert (budget._weight.used(Ns(0)), budget._messages.used(Ns(0))) == (26, 1)
    for _ in range(3):
        budget.on_sent(request(1, REST, QueryFills(Ns(0))), Ns(0))
    assert budget.gate(1, REST, Ns(0)) is BudgetGate.RATE_LIMIT
    assert budget.gate(1, SOCKET, Ns(0)) is None


def test_what_never_left_is_not_used_up():
    """A night without a connection must not use up an allowance that the venue has not touched."""
    budget = tracker()
    for at in range(150):
        budget.on_sent(request(1), Ns(at * S))
        budget.on_not_sent(request(1), Ns(at * S))
    assert (budget.used, budget.headroom) == (0, 200)


def test_the_venues_count_replaces_ours_with_what_may_be_on_its_way_on_top():
    """Ours may be too high, of requests that were lost; what was sent around the question the answer may not hold."""
    budget = tracker()
    for at in range(100):
        budget.on_sent(request(1), Ns(at * S))
    budget.on_sent(request(1, REST, QueryQuota()), Ns(99 * S))
    budget.on_sent(request(2), Ns(99 * S))
    budget.on_replied(replied(QuotaReport(Ns(0), Usd(0), 40, 200)), Ns(100 * S))
    assert budget.used == 40 + 10 + 2
    budget.on_replied(replied(QuotaReport(Ns(0), Usd(0), 39, 200)), Ns(101 * S))  # an older answer that comes late
    assert budget.used == 40 + 10 + 2


def test_the_venue_never_has_to_say_no():
    """RL-01: whatever we want and when, the venue's own meters refuse nothing that we let through."""
    rng, now = Random(3), 0
    budget = tracker(share=1.0)
    ip, address = IpMeter(LIMITS.ip), AddressMeter(LIMITS.address)
    let_through = 0
    for _ in range(5_000):
        now += rng.choice((0, 1, S // 100, S // 3, 4 * S))
        n = rng.choice((1, 1, 5, 40))
        if budget.gate(n, REST, Ns(now)) is not None:
            continue
        each = request(n, REST)
        budget.on_sent(each, Ns(now))
        let_through += 1
        assert ip.admits(LIMITS.ip.weight_of(each.actions), Ns(now))
        assert address.admits(n, Usd(0), Ns(now), is_cancel=False)
    assert let_through > 100
    assert address.used > LIMITS.address.cap(Usd(0))


def test_beyond_the_allowance_one_action_goes_every_ten_seconds():
    """C-10: little, but never nothing; volume earns more, one action a dollar."""
    budget = tracker()
    budget.quota.used = 199
    assert budget.gate(1, SOCKET, Ns(0)) is None
    assert budget.gate(2, SOCKET, Ns(0)) is BudgetGate.QUOTA
    budget.on_sent(request(1), Ns(0))
    assert budget.headroom == 0
    assert budget.gate(1, SOCKET, Ns(0)) is None
    budget.on_sent(request(1), Ns(0))
    assert budget.opens_at(SOCKET, Ns(0)) == 11 * S
    gates = [budget.gate(1, SOCKET, Ns(at * S)) for at in (0, 10, 11)]
    assert gates == [BudgetGate.QUOTA, BudgetGate.QUOTA, None]
    budget.on_traded(Usd(500 * USD), Ns(0))
    assert (budget.headroom, budget.gate(40, SOCKET, Ns(0))) == (499, None)
    assert budget.opens_at(SOCKET, Ns(0)) == 0


def test_cancels_have_an_allowance_of_their_own():
    """Six cancels beyond that of placements close nothing for a minute: the next placement goes at once."""
    budget = tracker()
    budget.quota.used = 200
    budget.on_sent(request(6, action=Cancel(ETH.id, cloid(1))), Ns(0))
    assert (budget.used, budget.headroom) == (206, 0)
    assert budget.gate(1, SOCKET, Ns(1)) is None
    budget.on_sent(request(1), Ns(1))
    assert budget.gate(1, SOCKET, Ns(9 * NS_PER_S)) is BudgetGate.QUOTA


def test_cancels_count_and_queries_do_not():
    budget = tracker()
    budget.on_sent(request(7, SOCKET, Cancel(ETH.id, cloid(1))), Ns(0))
    budget.on_sent(request(1, SOCKET, QueryOrder(cloid(1))), Ns(0))
    assert budget.used == 7


def test_what_the_venue_counted_replaces_less_of_ours():
    """Another life, or another program, has used the account before."""
    budget = tracker()
    budget.on_replied(replied(QuotaReport(Ns(0), Usd(100 * USD), 250, 300)), Ns(0))
    assert (budget.used, budget.cap, budget.headroom) == (250, 300, 50)
    assert budget.is_low
    budget.on_sent(request(5), Ns(0))
    budget.on_replied(replied(QuotaReport(Ns(0), Usd(100 * USD), 250, 300)), Ns(0))
    assert budget.used == 255


@pytest.mark.parametrize(
    ("reason", "gate", "wait"),
    [(Reason.RATE_LIMITED, BudgetGate.RATE_LIMIT, 10), (Reason.TOO_MANY_IN_FLIGHT, BudgetGate.RATE_LIMIT, 10)],
)
def test_a_refusal_for_being_too_many_waits(reason, gate, wait):
    """RL-15: whatever route, until the wait is over; the second in a row waits longer."""
    budget = tracker()
    budget.on_replied(replied(Refused(reason, "")), Ns(0))
    assert budget.gate(1, SOCKET, Ns(wait * S - 1)) is gate
    assert budget.opens_at(SOCKET, Ns(0)) == wait * S
    assert budget.gate(1, SOCKET, Ns(wait * S)) is None
    budget.on_replied(replied(Refused(reason, "")), Ns(wait * S))
    assert budget.opens_at(SOCKET, Ns(wait * S)) == 25 * S


def test_an_allowance_that_the_venue_calls_used_up_waits_longer():
    """RL-14: 30 s and twice as long each time, give or take a half; an order that it takes ends the row."""
    budget = tracker()
    budget.on_replied(replied(*[Refused(Reason.QUOTA_EXHAUSTED, "")] * 5), Ns(0))
    first = budget.opens_at(SOCKET, Ns(0))
    assert 15 * S <= first <= 45 * S
    assert budget.gate(1, SOCKET, Ns(0)) is BudgetGate.QUOTA
    budget.on_replied(replied(Refused(Reason.QUOTA_EXHAUSTED, "")), first)
    assert 30 * S <= budget.opens_at(SOCKET, first) - first <= 90 * S
    later = budget.opens_at(SOCKET, first)
    budget.on_replied(replied(Resting(Oid(1), cloid(1))), later)
    budget.on_replied(replied(Refused(Reason.QUOTA_EXHAUSTED, "")), later)
    assert budget.opens_at(SOCKET, later) - later <= 45 * S


def test_what_nobody_asks_about_does_not_grow():
    """S27: one sum is only asked for with each report of the venue, every ten minutes."""
    sliding = SlidingSum(Ns(1_000))
    for now in range(0, 100_000, 100):
        sliding.add(1, Ns(now))
    assert len(sliding._entries) == 10


def test_the_sliding_sum_against_a_naive_one():
    rng, kept, now, sliding = Random(1), [], 0, SlidingSum(Ns(1_000))
    for _ in range(2_000):
        now += rng.randrange(200)
        amount = rng.randrange(5)
        sliding.add(amount, Ns(now))
        kept.append((now, amount))
        naive = sum(a for t, a in kept if now - t < 1_000)
        assert sliding.used(Ns(now)) == naive
        room = rng.randrange(20)
        at = sliding.fits_at(room, Ns(now))
        assert sum(a for t, a in kept if at - t < 1_000) <= room
        assert at == now or sum(a for t, a in kept if at - 1 - t < 1_000) > room
