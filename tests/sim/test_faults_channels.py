"""Channels and connections: messages lost, repeated, overtaken; connections that are dead and do not say so."""

import pytest

from domain.commands import Connect, QueryOpenOrders, Request, Route, Subscribe
from domain.events import (
    BboChanged,
    Channel,
    ChannelKind,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    OrderStatus,
    OrderUpdate,
    PositionsReported,
    Reason,
    Replied,
    Subscribed,
)
from domain.units import NS_PER_S, RequestId
from sim.envelope import LinkName
from sim.faults import (
    Disconnect,
    Duplicate,
    FillBeforeAck,
    HalfOpen,
    MessageLoss,
    Reorder,
    Snapshots,
    SwizzleClog,
    TerminalBeforeFill,
    ZombieSubscription,
)
from sim.faults.half_open import Dead
from sim.faults.snapshots import Snapshot
from sim.faults.timing import Poisson
from tests.sim.fault_trader import ME, Trader

FILLS = Channel(ChannelKind.FILLS)


def filled(trader):
    order = trader.rest()
    trader.hit(order)
    trader.wait(1)
    return order


def test_lost_messages_are_those_of_their_channels():
    """Protects lost fills: the fill happened, only its message is missing, and nothing marks the gap."""
    trader = Trader(MessageLoss(share=1.0, channels=(ChannelKind.FILLS,), duration_s=10))
    order = filled(trader)
    assert trader.of(Fill) == []
    assert OrderStatus.FILLED in {update.status for update in trader.of(OrderUpdate) if update.oid == order.oid}
    assert trader.of(PositionsReported)[-1].positions
    assert trader.fills().fills
    assert trader.of(FeedDown) == []
    assert trader.injected[0].counts == {"lost": 1, "fills": 1}
    trader.until(21)
    trader.hit(trader.rest())
    trader.wait(1)
    assert len(trader.of(Fill)) == 1


def test_a_copy_comes_late_and_changes_nothing_else():
    """Protects idempotence: the same message again, out of order, after the end of its order."""
    trader = Trader(Duplicate(share=1.0, channels=(ChannelKind.ORDER_UPDATES,), mean_s=2.0, duration_s=60))
    ends = 0
    for _ in range(10):
        trader.cancel(trader.rest())
    trader.wait(6)
    updates = trader.of(OrderUpdate)
    assert len(updates) == 2 * 20 == 2 * trader.injected[0].injected
    for oid in {update.oid for update in updates}:
        statuses = [update.status for update in updates if update.oid == oid]
        assert sorted(statuses) == ["canceled"] * 2 + ["open"] * 2
        ends += statuses.index(OrderStatus.CANCELED) < len(statuses) - 1 - statuses[::-1].index(OrderStatus.OPEN)
    assert ends > 5  # an "open" after the end


def test_channels_overtake_each_other_and_keep_their_own_order():
    """Protects cross-channel races: fills and statuses come apart, each channel in its order."""
    trader = Trader(Reorder(share=0.5, mean_s=0.5, duration_s=100))
    for _ in range(15):
        filled(trader)
    trader.wait(6)
    for kind in (Fill, OrderUpdate, PositionsReported):
        times = [event.exch_time for event in trader.of(kind)]
        assert times == sorted(times)
    first = {}
    for event in trader.of(Fill, OrderUpdate):
        is_end = isinstance(event, Fill) or event.status is OrderStatus.FILLED
        if is_end:
            first.setdefault(event.oid, type(event))
    assert set(first.values()) == {Fill, OrderUpdate}
    counts = trader.injected[0].counts
    assert counts["held"] == counts["fills"] + counts["order_updates"] + counts["positions"] + counts["replies"]
    assert min(counts[name] for name in ("fills", "order_updates", "positions", "replies")) > 0


@pytest.mark.parametrize("route", Route)
def test_answers_by_rest_overtake_each_other_and_those_by_socket_do_not(route):
    """Protects against a trader that takes the answer that came last for the one that was given last."""
    trader = Trader(Reorder(share=0.5, mean_s=0.5, duration_s=100))
    for number in range(30):
        epoch = trader.session.epoch(Feed.USER)
        trader.adapter.submit(Request(RequestId(number), route, epoch, None, (QueryOpenOrders(),)))
        trader.wait(0.3)
    trader.wait(6)
    answers = trader.of(Replied)
    assert sorted(answer.request_id for answer in answers) == list(range(30))
    times = [answer.results[0].as_of for answer in answers]
    assert (times == sorted(times)) is (route is Route.SOCKET)


def test_an_order_is_filled_before_anybody_says_that_it_exists():
    """Protects the fill before the ack: fill first, then the answer and the first status."""
    trader = Trader(FillBeforeAck(share=1.0, fill=1.0, hold_ms=2_000.0, duration_s=60))
    for _ in range(5):
        trader.quote(sz=1_000)
        trader.wait(4)
    known, early = set(), 0
    for event in trader.of(Fill, OrderUpdate):
        if isinstance(event, Fill):
            early += event.oid not in known
        known.add(event.oid)
    counts = trader.injected[0].counts
    assert counts["orders"] == 5
    assert early == counts["overtaken"] >= 4
    assert counts["aimed"] >= 4
    took = [reply.recv_time / NS_PER_S for reply in trader.of(Replied)]
    assert len(took) == 5
    assert trader.injected[0].injected == early


def test_an_order_ends_before_its_fill_is_known():
    """Protects settling: the status says filled and the position moves seconds before the fill comes."""
    trader = Trader(TerminalBeforeFill(share=1.0, hold_ms=2_000.0, duration_s=60))
    order = filled(trader)
    assert [update.status for update in trader.of(OrderUpdate)][-1] is OrderStatus.FILLED
    assert trader.of(PositionsReported)[-1].positions
    assert trader.of(Fill) == []
    trader.wait(2)
    assert [fill.oid for fill in trader.of(Fill)] == [order.oid]
    assert trader.injected[0].counts == {"held": 1}


@pytest.mark.parametrize(
    ("dead", "hears", "lands"), [(Dead.BOTH, False, False), (Dead.TO_US, False, True), (Dead.TO_VENUE, True, False)]
)
def test_a_half_open_connection_lives_until_it_is_closed(dead, hears, lands):
    """Protects watchdogs: no close, no answer; which way is dead decides what still happens at the venue."""
    trader = Trader(HalfOpen(at_s=11, dead=dead, feeds=(Feed.USER, Feed.MARKET)))
    trader.until(12)
    trader.events.clear()
    order = trader.quote()
    pongs = []
    for feed in Feed:
        trader.session.ping(feed, lambda: pongs.append(trader.world.env.now))
    trader.wait(60)
    assert trader.of(FeedDown, Replied, OrderUpdate) == []
    assert pongs == []  # whichever way is dead
    assert bool(trader.of(BboChanged)) == hears
    assert (order is not None) == lands
    assert trader.injected[0].is_active
    assert trader.injected[0].counts == {"connections": 2}
    trader.connect()
    assert not trader.injected[0].is_active
    assert trader.ask(QueryOpenOrders()) is not None
    assert trader.of(BboChanged)
    trader.session.ping(Feed.USER, lambda: pongs.append(trader.world.env.now))
    asked_at = trader.world.env.now
    trader.wait(1)
    assert pongs == [asked_at + 2 * NS_PER_S // 10]


@pytest.mark.parametrize("dead", Dead)
def test_a_dead_connection_may_be_given_up(dead):
    """Protects the slow notice: the operating system closes it in the end."""
    trader = Trader(HalfOpen(at_s=11, dead=dead, given_up_after_s=30))
    trader.until(40.9)
    assert trader.of(FeedDown) == []
    trader.until(41.1)
    assert [(down.feed, down.reason) for down in trader.of(FeedDown)] == [(Feed.USER, Reason.CLOSED_BY_VENUE)]


def test_a_connection_that_is_new_is_not_given_up():
    """Protects recovery: who has connected anew is not closed for the sins of the old connection."""
    trader = Trader(HalfOpen(at_s=11, dead=Dead.TO_VENUE, given_up_after_s=30))
    trader.until(20)
    trader.adapter.submit(Connect(Feed.USER))
    trader.until(45)
    assert [down.reason for down in trader.of(FeedDown)] == [Reason.CLOSED_BY_US]


def test_a_zombie_is_acknowledged_and_silent_until_its_connection_ends():
    """Protects against subscriptions that lie: Subscribed comes, data do not, also long after the fault."""
    trader = Trader(ZombieSubscription(at_s=11, duration_s=3, channels=(ChannelKind.BBO,)))
    trader.until(11.5)
    trader.events.clear()
    trader.connect()
    trader.until(40)
    made = {event.channel.kind for event in trader.of(Subscribed)}
    assert {ChannelKind.BBO, ChannelKind.BOOK} <= made
    assert trader.of(BboChanged) == []
    assert trader.injected[0].is_active
    assert trader.injected[0].counts["subscriptions"] == 1
    assert trader.injected[0].counts["lost"] > 10
    trader.connect()
    trader.wait(2)
    assert trader.of(BboChanged)
    assert not trader.injected[0].is_active


SNAPSHOTS = {
    # policy: (what the acknowledgement says, fills at once, fills after two seconds)
    Snapshot.NONE: (False, [], []),
    Snapshot.MISSING: (True, [], []),
    Snapshot.UNANNOUNCED: (False, [0, 1, 2], [0, 1, 2]),
    Snapshot.LATE: (True, [], [0, 1, 2]),
    Snapshot.SHORT: (True, [2], [2]),
    Snapshot.TWICE: (True, [0, 1, 2], [0, 1, 2, 0, 1, 2]),
    Snapshot.REVERSED: (True, [2, 1, 0], [2, 1, 0]),
}


@pytest.mark.parametrize("policy", Snapshot)
def test_a_snapshot_keeps_no_promise(policy):
    """Protects resubscribes: what follows the acknowledgement is what the policy says, and only there."""
    trader = Trader(Snapshots(at_s=20, policy=policy, kept=1, late_s=1.5, channels=(ChannelKind.FILLS,), duration_s=9))
    while len(trader.world.venue.fills(ME)) < 3:
        filled(trader)
    tids = [fill.tid for fill in trader.world.venue.fills(ME)]
    assert len(tids) == 3
    trader.until(21)
    trader.adapter.submit(Connect(Feed.USER))
    trader.wait(0.5)
    trader.events.clear()
    trader.adapter.submit(Subscribe(FILLS))
    trader.adapter.submit(Subscribe(Channel(ChannelKind.POSITIONS)))
    trader.wait(0.5)
    promised, at_once, later = SNAPSHOTS[policy]
    (made,) = [event for event in trader.of(Subscribed) if event.channel == FILLS]
    assert made.has_snapshot == promised
    assert [tids.index(fill.tid) for fill in trader.of(Fill)] == at_once
    trader.wait(2)
    assert [tids.index(fill.tid) for fill in trader.of(Fill)] == later
    assert len(trader.of(PositionsReported)) == 1
    assert trader.injected[0].counts["subscriptions"] == 1
    assert trader.injected[0].counts["events"] == (2 if policy is Snapshot.SHORT else 3)


@pytest.mark.parametrize("policy", Snapshot)
def test_a_rule_that_makes_no_difference_is_not_counted(policy):
    """Protects `injected_min`: a channel without state, or with as much as is kept, meets no fault."""
    channels = (ChannelKind.ORDER_UPDATES,)
    trader = Trader(Snapshots(at_s=20, policy=policy, kept=2_000, channels=channels, duration_s=9), start=21)
    filled(trader)
    trader.adapter.submit(Connect(Feed.USER))
    trader.wait(0.5)
    trader.adapter.submit(Subscribe(Channel(ChannelKind.ORDER_UPDATES)))
    trader.wait(3)
    assert +trader.injected[0].tally == {}


def test_what_is_kept_whole_is_no_short_snapshot():
    """Protects the count: one position of one event, of which more would be kept."""
    trader = Trader(Snapshots(at_s=20, policy=Snapshot.SHORT, kept=2_000, duration_s=9), start=21)
    trader.adapter.submit(Connect(Feed.USER))
    trader.wait(0.5)
    trader.events.clear()
    trader.adapter.submit(Subscribe(Channel(ChannelKind.POSITIONS)))
    trader.wait(1)
    assert len(trader.of(PositionsReported)) == 1
    assert trader.injected[0].injected == 0


def test_clogged_ways_hold_and_release_in_any_order():
    """Protects against bursts: nothing is lost, ways are held alone or together, a channel keeps its order."""
    trader = Trader(SwizzleClog(duration_s=120, when=Poisson(per_minute=30, for_s=6)))
    for _ in range(40):
        trader.ask(QueryOpenOrders(), wait=3)
    trader.until(150)
    counts = trader.injected[0].counts
    assert len(trader.of(Replied)) == 40
    times = [event.exch_time for event in trader.of(BboChanged)]
    assert times == sorted(times)
    late = [event for event in trader.of(BboChanged) if event.recv_time - event.exch_time > NS_PER_S]
    assert len(late) > 20
    assert counts["held"] > 100
    assert counts["strikes"] <= counts["ways"] <= 5 * counts["strikes"]
    assert all(trader.session.links[name].tampers == [] for name in LinkName)


def test_a_storm_cuts_all_or_one():
    """Protects reconnects: many cuts, some of both connections at once, some of one alone."""
    storm = Disconnect(duration_s=120, when=Poisson(per_minute=20, for_s=0.5), together=0.5)
    trader = Trader(storm)
    while trader.world.env.now < 130 * NS_PER_S:
        trader.wait(0.5)
        for feed in Feed:
            if not trader.session.is_up(feed):
                trader.adapter.submit(Connect(feed))
    cuts = [down for down in trader.of(FeedDown) if down.reason is Reason.CLOSED_BY_VENUE]
    at = {feed: {down.recv_time for down in cuts if down.feed is feed} for feed in Feed}
    assert at[Feed.USER] & at[Feed.MARKET]
    assert at[Feed.USER] - at[Feed.MARKET]
    assert at[Feed.MARKET] - at[Feed.USER]
    counts = trader.injected[0].counts
    assert counts["cuts"] == sum(map(len, at.values()))
    assert 10 < counts["strikes"] < 40
    trader.until(140)
    assert all(trader.session.is_up(feed) for feed in Feed)
    assert len(trader.of(FeedUp)) > 10


def test_the_venue_does_not_know_of_faults_on_the_way():
    """Protects the oracle: none of these faults changes the venue's world, only what is heard of it."""
    digests = set()
    for faults in ((), (MessageLoss(share=1.0),), (Reorder(),), (Duplicate(),), (SwizzleClog(),)):
        trader = Trader(*faults)
        trader.until(60)
        assert trader.world.venue.resting(ME) == ()
        digests.add(trader.world.venue.world_digest)
    assert len(digests) == 1
