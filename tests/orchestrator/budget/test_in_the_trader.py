"""Budgets in the running trader: what is held back, counted, and let go again (RC-09, RC-10, RL-01, RL-11, MT-36)."""

from dataclasses import replace
from itertools import pairwise

import msgspec

from domain.commands import Cancel, Modify, Place, QueryQuota, Request, ScheduleCancel
from domain.events import OrderStatus, Reason, Refused, Replied
from domain.limits import AddressLimits, SocketLimits, VenueLimits
from domain.units import Ns, RequestId
from orchestrator.budget.proactive import BudgetConfig
from orchestrator.budget.rejection import RejectionConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.desk.outcomes import HEARD_KEPT
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import BUY, MID, SELL, TICK, ms, replied, s, update
from tests.orchestrator.tiny_venue import QUICK, Stage, quoting

MARGIN = Refused(Reason.MARGIN, "Insufficient margin to place order. asset=1")


def refusing_bids(action):
    return MARGIN if isinstance(action, Place) and action.side is BUY else None


def with_limits(limits: VenueLimits | None, **changes) -> Stage:
    budget = None if limits is None else BudgetConfig(limits=limits, **changes)
    return Stage(config=replace(QUICK, budget=budget)).begin()


def test_a_side_that_is_refused_waits_and_the_other_one_is_quoted():
    """RC-09: three refusals of bids, then none is sent for 5 s, and asks stand all the time."""
    stage = Stage(config=QUICK)
    stage.venue.faults.answers = refusing_bids
    stage.begin().run_until(lambda: "side_waits" in stage.alerts)
    since, counts = stage.now, stage.desk.rejections.sides
    assert (counts[BUY].consecutive, counts[SELL].consecutive) == (3, 0)
    for _ in range(8):
        stage.run_for(ms(500))
        assert {order.place.side for order in stage.venue.resting()} == {SELL}
    assert [action for action in stage.actions(Place, since=since) if action.side is BUY] == []
    assert stage.desk.execution.actions_gated["rejections"] > 0
    assert stage.core.snapshot().desks[0].waiting_sides == ("buy",)


def test_the_side_comes_back_by_itself():
    """RL-11: at the end of the wait, without a restart and without waiting for anything else."""
    stage = Stage(config=QUICK)
    stage.venue.faults.answers = refusing_bids
    stage.begin().run_until(lambda: "side_waits" in stage.alerts)
    stage.venue.faults.answers = lambda action: None
    stage.venue.quote(MID + 3 * TICK)  # exactly the orders that were refused are left alone for longer (S25)
    until = stage.desk.rejections.sides[BUY].until
    stage.run(until)
    assert not stage.is_two_sided()
    stage.run_for(ms(250))
    assert stage.is_two_sided()
    assert stage.desk.rejections.sides[BUY].consecutive == 0


def test_without_the_limiter_every_cycle_is_refused_again():
    """The same venue, the limiter off."""
    bare, limited = (replace(QUICK, desk=replace(QUICK.desk, futile=None, **off)) for off in ({"rejections": None}, {}))
    stage = Stage(config=bare)
    stage.venue.faults.answers = refusing_bids
    stage.begin().run(s(60))
    other = Stage(config=limited)
    other.venue.faults.answers = refusing_bids
    other.begin().run(s(60))
    assert stage.desk.outcomes.refusals["margin"] > 3 * other.desk.outcomes.refusals["margin"]


def test_an_answer_speaks_once_of_each_side():
    """RC-10: five refused bids in one answer are one refusal of the side, and one accepted among them is a success."""
    bench = Bench(DeskConfig(engine=AT_ONCE, rejections=RejectionConfig()))
    bench.quote(0)
    bench.refuse(1, *[MARGIN] * len(bench.last[0].actions))
    counts = bench.desk.rejections.sides
    assert [(counts[side].total, counts[side].consecutive) for side in (BUY, SELL)] == [(1, 1), (1, 1)]


CLOSED = Refused(Reason.CANCEL_ONLY, "Only cancels are allowed.")


def tell_of_refusals(bench, at, request=None, *, block=None):
    """The news of what the last decision placed, or that request, of the block then; returns the request."""
    request = request or bench.last[0]
    for oid, place in enumerate(request.actions, start=1_000):
        order = bench.desk.tracker.find(place.cloid, None)
        event = update(order, OrderStatus.REJECTED, oid, remaining=place.sz, at=block or at)
        bench.desk.on_update(msgspec.structs.replace(event, reason=Reason.CANCEL_ONLY), at)
    return request


def answer(bench, request, at, result=CLOSED):
    """The same answer to each action of a request."""
    bench.ledger.on_replied(replied(request, *[result] * len(request.actions), at=at), at)


def totals(bench):
    """Refusals that counted, of each side."""
    return [bench.desk.rejections.sides[side].total for side in (BUY, SELL)]


def limited():
    """A desk that has sent its first quotes, and limits what is refused."""
    bench = Bench(DeskConfig(engine=AT_ONCE, rejections=RejectionConfig()))
    bench.quote(0)
    return bench


def test_the_news_of_a_refusal_counts_before_the_answer_and_the_answer_not_again():
    """Protects the venue from a request a block while answers take long, each refused (S25, found by seed 1314)."""
    bench = Bench(DeskConfig(engine=AT_ONCE, rejections=RejectionConfig()))
    counts = bench.desk.rejections.sides
    bench.quote(0)
    requests = []
    for block in (1, 2, 3):
        requests.append(tell_of_refusals(bench, ms(100 * block)))
        assert [(counts[side].total, counts[side].consecutive) for side in (BUY, SELL)] == [(block, block)] * 2
        bench.quote(ms(100 * block), MID + 30 * block * TICK)
    assert bench.last == [], "both sides wait after the third"
    for request in requests:
        answer(bench, request, ms(600))
    assert [counts[side].total for side in (BUY, SELL)] == [3, 3]


def test_news_of_a_refusal_after_the_answer_do_not_count():
    """The other order of the two: nothing counts twice."""
    bench = Bench(DeskConfig(engine=AT_ONCE, rejections=RejectionConfig()))
    counts = bench.desk.rejections.sides
    bench.quote(0)
    (request,) = bench.last
    bench.ledger.on_replied(replied(request, *[MARGIN] * len(request.actions), at=ms(50)), ms(50))
    tell_of_refusals(bench, ms(100))
    assert [counts[side].total for side in (BUY, SELL)] == [1, 1]


def test_a_refusal_that_is_told_three_times_counts_once_and_is_forgotten():
    """S27: news, answer, and a copy of the news: nobody answers that copy, and so nothing may wait for it."""
    bench = limited()
    request = tell_of_refusals(bench, ms(100))
    answer(bench, request, ms(150))
    tell_of_refusals(bench, ms(200), request, block=ms(100))
    assert totals(bench) == [1, 1]
    assert not bench.desk.outcomes._heard


def test_an_answer_that_comes_too_late_does_not_count_what_the_news_counted():
    """A side waits after three refusals in a row, and not after two of which one is told late."""
    bench = limited()
    request = tell_of_refusals(bench, ms(100))
    bench.ledger.expire(s(30))
    answer(bench, request, s(31))
    assert totals(bench) == [1, 1]


def test_refusals_whose_answer_never_comes_are_remembered_within_a_bound():
    """S27: placements without an answer that are being cancelled, and then turn out to have been refused."""
    bench = limited()
    for turn in range(1, HEARD_KEPT):
        bench.desk.tracker.orders.clear()
        bench.desk.rejections.sides[BUY].until = bench.desk.rejections.sides[SELL].until = Ns(0)
        bench.quote(s(100 * turn), MID + 30 * turn * TICK)
        (request,) = (each for each in bench.last if isinstance(each.actions[0], Place))
        bench.ledger.expire(s(100 * turn + 50))
        for place in request.actions:
            bench.desk.tracker.on_cancel_sent(bench.desk.tracker.orders[place.cloid], s(100 * turn + 51))
        tell_of_refusals(bench, s(100 * turn + 52), request)
    assert totals(bench) == [HEARD_KEPT - 1] * 2
    assert len(bench.desk.outcomes._heard) == HEARD_KEPT


def test_news_that_were_overtaken_by_those_of_a_later_block_leave_their_refusal_to_the_answer():
    """Two orders one after the other are two refusals, in whatever order the news of them come."""
    bench = limited()
    (earlier,) = bench.last
    (order,) = [bench.desk.tracker.orders[a.cloid] for a in earlier.actions if a.side is BUY][:1]
    place = Place(order.instrument, bench.desk.execution._ids.next_cloid(), BUY, order.px, order.sz, order.tif)
    bench.desk.tracker.on_place_sent(place, ms(10))
    later = bench.ledger.send((place,), bench.desk.outcomes, ms(10)).request
    tell_of_refusals(bench, ms(300), later, block=ms(200))
    tell_of_refusals(bench, ms(300), earlier, block=ms(100))
    assert totals(bench) == [1, 1]
    answer(bench, later, ms(400))
    answer(bench, earlier, ms(400))
    assert totals(bench) == [2, 1]


def test_a_small_allowance_of_messages_is_kept_and_every_action_is_accounted_for():
    """RL-01, MT-36: the venue would take 30 a minute; we stay below, cancels go, nothing is lost without a reason."""
    stage = with_limits(VenueLimits(socket=SocketLimits(messages=30)))
    stage.mid_after = lambda mid: mid + (20 if int(stage.now // s(1)) % 2 else -20) * TICK
    stage.run(s(180))
    desk = stage.desk
    assert desk.execution.actions_gated["rate_limit"] > 0
    assert desk.execution.actions_generated == desk.execution.actions_sent + sum(desk.execution.actions_gated.values())
    times = [at for at, entry in stage.story if isinstance(entry, Request) and isinstance(entry.actions[0], Place)]
    busiest = max(sum(at <= later < at + s(60) for later in times) for at in times)
    assert busiest <= 24
    free = with_limits(None)
    free.mid_after = lambda mid: mid + (20 if int(free.now // s(1)) % 2 else -20) * TICK
    free.run(s(180))
    assert len(free.actions(Place)) > 2 * len(stage.actions(Place))


def test_beyond_the_allowance_both_best_levels_come_first():
    """C-10: one action every eleven seconds: a bid, then an ask, before any second level."""
    stage = with_limits(VenueLimits(address=AddressLimits(initial=0)))
    stage.run(s(30))
    assert [action.side for action in stage.actions(Place)][:2] == [BUY, SELL]
    assert stage.is_two_sided()
    assert "quota_low" in stage.alerts
    times = [at for at, entry in stage.story if isinstance(entry, Request) and isinstance(entry.actions[0], Place)]
    assert all(later - at >= s(11) for at, later in pairwise(times))


def test_what_was_held_back_goes_as_soon_as_it_may():
    """RL-15: after a refusal for frequency nothing is placed for 10 s; then at once, not with the next fallback."""
    stage = quoting()
    stage._take(Replied(RequestId(99_999), stage.now, (Refused(Reason.RATE_LIMITED, "HTTP 429"),)))
    opens, since = stage.core.budget.rate_limited.until, stage.now
    assert opens == since + s(10)
    stage.run(opens - s(6))
    stage.venue.quote(MID + 40 * TICK)
    stage.run(opens - 1)
    assert stage.actions((Place, Modify), since=since) == []
    assert stage.desk.execution.actions_gated["rate_limit"] > 0
    stage.run(opens + ms(150))
    assert {action.side for action in stage.actions(Place, since=since)} == {BUY, SELL}


def test_cancels_are_never_held_back():
    """RL-22: with nothing left at all, a kill still takes every order away."""
    stage = quoting()
    stage.core.budget.quota.used = 10**9
    stage.core.budget.rate_limited.hit(stage.now)
    stage.core.kill_switch.latch("test")
    stage.run_for(s(1))
    assert stage.venue.resting() == []


def test_the_venue_is_asked_what_it_counted():
    """RL-02: after the start-up and every ten minutes; what it knows of earlier lives holds back."""
    stage = Stage(config=replace(QUICK, budget=BudgetConfig(ask_every_s=20)))
    stage.begin().run(s(65))
    assert len(stage.actions(QueryQuota)) == 4
    assert stage.core.snapshot().quota_left == 10_000 - stage.core.budget.used


def test_what_is_sent_is_counted():
    """The tracker's count is the number of actions that left, its volume that of the fills."""
    stage = quoting()
    stage.mid_after = lambda mid: mid + 10 * TICK
    stage.run_for(s(20))
    sent = stage.actions((Cancel, Place, Modify, ScheduleCancel))
    assert len(sent) > 20
    assert stage.core.budget.used == len(sent)
    stage.venue.take(SELL, 5)
    stage.run_for(s(1))
    assert stage.core.budget.traded == sum(fill.px * fill.sz for fill in stage.venue.fills) > 0
