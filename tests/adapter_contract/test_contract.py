"""The numbered contract of the port, `exchange_adapters.base`. Every adapter passes every number.

What differs between venues is read from the adapter's `capabilities`; what the suite needs besides the
adapter is in `harness.py`. The numbers never change their meaning: a test that goes leaves a gap.
"""

import pytest
from msgspec.structs import asdict

from domain.commands import (
    Cancel,
    Connect,
    Disconnect,
    Modify,
    Place,
    QueryFills,
    QueryLimits,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    QueryQuota,
    Request,
    Route,
    ScheduleCancel,
    Subscribe,
)
from domain.events import (
    BboChanged,
    BookReported,
    Cancelled,
    ChannelKind,
    ClockSync,
    Executed,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    NotSent,
    OpenOrdersReported,
    OrderStatus,
    OrderUpdate,
    PositionEntry,
    PositionsReported,
    Reason,
    Refused,
    Replied,
    Resting,
    Scheduled,
    Subscribed,
    TradesPrinted,
)
from domain.units import Epoch, Px, RequestId, Side, Sz, Tif, millis, seconds
from tests.adapter_contract.harness import ASK, BID, is_sorted

LOW, HIGH = Px(298_000), Px(302_000)
"""Far from the market on either side."""
INSIDE = Px(300_000)
TENTH = Sz(1_000)
ACCOUNT = (ChannelKind.ORDER_UPDATES, ChannelKind.FILLS, ChannelKind.POSITIONS, ChannelKind.OPEN_ORDERS)


def place(trader, px, *, side=Side.BUY, sz=TENTH, tif=Tif.ALO, instrument=None, **more):
    return Place(instrument or trader.harness.instrument, trader.cloid(), side, px, sz, tif, **more)


def rest(trader, px=INSIDE, *, side=Side.BUY, sz=TENTH):
    """Place an order that rests; the action and the venue's id."""
    action = place(trader, px, side=side, sz=sz)
    (result,) = trader.ask(action)
    assert isinstance(result, Resting)
    return action, result.oid


def trade_once(trader, sz=TENTH):
    """Rest a bid inside the spread and have it hit."""
    action, oid = rest(trader)
    trader.harness.trade(Side.SELL, INSIDE, sz)
    trader.harness.advance(trader.harness.until_answered)
    return action, oid


# --- life and connections -----------------------------------------------------------------------


def test_ac01_submit_returns_before_the_sink_is_called(trader):
    """Protects the core: an event inside a submit would change state in the middle of a decision."""
    trader.start()
    trader.up(*Feed)
    for command in (
        Connect(Feed.MARKET),
        Subscribe(trader.channel(ChannelKind.BBO)),
        Request(RequestId(90), Route.SOCKET, Epoch(999), None, (QueryPositions(),)),
        Request(RequestId(91), Route.REST, Epoch(0), None, (QueryPositions(),)),
        Disconnect(Feed.USER),
        Request(RequestId(92), Route.SOCKET, Epoch(1), None, (QueryPositions(),)),
        Disconnect(Feed.MARKET),
    ):
        trader.submit(command)  # `take` fails when it is called meanwhile
        trader.harness.advance(trader.harness.until_answered)


def test_ac02_each_connect_brings_the_next_epoch_of_its_feed(trader):
    """Protects the sorting of late messages: a number tells which connection they belong to."""
    trader.start()
    for _ in range(3):
        trader.up(*Feed)
        for feed in Feed:
            trader.submit(Disconnect(feed))
        trader.harness.advance(trader.harness.until_answered)
    for feed in Feed:
        assert [event.epoch for event in trader.of(FeedUp) if event.feed is feed] == [1, 2, 3]


def test_ac03_a_failed_connect_is_one_feed_down(trader):
    """Protects back-off: the trader hears of a failure, once, and decides itself when to try again."""
    trader.start()
    trader.harness.refuse_connections(Feed.USER, refuse=True)
    trader.submit(Connect(Feed.USER))
    trader.harness.advance(60.0)
    (down,) = trader.events
    assert isinstance(down, FeedDown)
    assert (down.feed, down.epoch, down.reason) == (Feed.USER, 0, Reason.CONNECT_FAILED)
    trader.harness.refuse_connections(Feed.USER, refuse=False)
    trader.up(Feed.USER)
    assert trader.of(FeedUp)[0].epoch == 1


def test_ac04_disconnect_is_answered_by_feed_down(trader):
    """Protects orderly shutdown: the trader learns that the feed is closed, and that it did it itself."""
    trader.start()
    trader.up(Feed.MARKET)
    trader.events.clear()
    trader.submit(Disconnect(Feed.MARKET))
    trader.harness.advance(trader.harness.until_answered)
    (down,) = trader.events
    assert (down.feed, down.epoch, down.reason) == (Feed.MARKET, 1, Reason.CLOSED_BY_US)


def test_ac05_disconnect_gives_up_a_handshake(trader):
    """Protects the connect time-out: what was given up cannot come up later."""
    trader.start()
    trader.submit(Connect(Feed.USER))
    trader.submit(Disconnect(Feed.USER))
    trader.harness.advance(60.0)
    assert [type(event) for event in trader.events] == [FeedDown]


@pytest.mark.parametrize("feed", list(Feed))
def test_ac06_a_lost_feed_is_one_feed_down_of_its_epoch(trader, feed):
    """Protects recovery: the loss is told once, with the connection that was lost, and the other feed stays."""
    trader.start()
    trader.up(*Feed)
    trader.events.clear()
    trader.harness.cut(feed)
    trader.harness.advance(60.0)
    (down,) = trader.events
    assert isinstance(down, FeedDown)
    assert (down.feed, down.epoch) == (feed, 1)
    assert down.reason not in {Reason.CLOSED_BY_US, Reason.CONNECT_FAILED}


def test_ac07_nothing_is_reconnected_resubscribed_or_resent(trader):
    """Protects the split of policy and mechanics: an adapter that recovers by itself recovers twice."""
    trader.start(subscribe=ACCOUNT)
    trader.request(place(trader, LOW))
    for feed in Feed:
        trader.harness.cut(feed)
    trader.harness.advance(60.0)
    assert [type(event) for event in trader.events] == [FeedDown, FeedDown]
    trader.up(*Feed)
    trader.harness.advance(60.0)
    assert {type(event) for event in trader.events} == {FeedDown, FeedUp, ClockSync}
    assert len(trader.harness.resting()) <= 1


def test_ac08_after_stop_nothing_is_delivered(trader):
    """Protects the next life: a stopped trader is not told anything, whatever is still under way."""
    trader.start(subscribe=ACCOUNT)
    trader.request(place(trader, LOW))
    trader.request(QueryPositions(), route=Route.REST)
    trader.adapter.stop()
    trader.adapter.stop()
    trader.harness.advance(60.0)
    assert trader.events == []


def test_ac09_a_stop_inside_the_sink_is_the_end(trader):
    """Protects a trader that dies of the news: what would follow the event in the same breath is not delivered."""
    take = trader.take

    def take_and_stop(event):
        take(event)
        trader.adapter.stop()

    trader.take = take_and_stop
    trader.start()
    trader.submit(Connect(Feed.MARKET))
    trader.harness.advance(60.0)
    assert [type(event) for event in trader.events] == [FeedUp]


# --- subscriptions ------------------------------------------------------------------------------


def test_ac10_every_channel_is_acknowledged_as_the_capabilities_say(trader):
    """Protects start-up: the trader waits for state exactly where the acknowledgement promises it."""
    trader.start()
    trader.up(*Feed)
    capabilities = trader.adapter.capabilities
    for kind in capabilities.channels:
        trader.submit(Subscribe(trader.channel(kind)))
    trader.harness.advance(trader.harness.until_answered)
    acks = {event.channel: event for event in trader.of(Subscribed)}
    assert set(acks) == {trader.channel(kind) for kind in capabilities.channels}
    for channel, ack in acks.items():
        assert (ack.epoch, ack.has_snapshot) == (1, channel.kind in capabilities.snapshots)


def test_ac11_the_acknowledgement_comes_before_the_data(trader):
    """Protects the book-keeping of feeds: data of a channel never arrives before its subscription does."""
    trader.start(subscribe=ACCOUNT)
    trade_once(trader)
    for feed in Feed:
        trader.submit(Disconnect(feed))
    trader.up(*Feed)
    trader.events.clear()
    for kind, data in (
        (ChannelKind.FILLS, Fill),
        (ChannelKind.TRADES, TradesPrinted),
        (ChannelKind.BOOK, BookReported),
    ):
        trader.submit(Subscribe(trader.channel(kind)))
        trader.harness.advance(1.0)
        assert [type(event) for event in trader.of(Subscribed, data)][:2] == [Subscribed, data]
        trader.events.clear()


def test_ac12_a_new_connection_carries_nothing_until_it_is_subscribed(trader):
    """Protects resync: no stale subscription survives a connection."""
    trader.start(subscribe=ACCOUNT)
    trader.harness.cut(Feed.USER)
    trader.harness.advance(trader.harness.until_answered)
    trader.up(Feed.USER)
    trader.events.clear()
    trader.ask(place(trader, LOW), epoch=Epoch(2))
    assert [type(event) for event in trader.events] == [Replied]


def test_ac13_trades_of_the_past_are_replayed_on_every_subscribe(trader):
    """Protects estimators: history comes again with the trade ids it had, so that it can be dropped."""
    trader.start(subscribe=(ChannelKind.TRADES,))
    for _ in range(3):
        trader.harness.trade(Side.BUY, ASK, TENTH)
        trader.harness.advance(0.1)
    trader.harness.advance(trader.harness.until_answered)
    live = [trade for event in trader.of(TradesPrinted) for trade in event.trades]
    assert len({trade.tid for trade in live}) == 3
    trader.harness.cut(Feed.MARKET)
    trader.harness.advance(trader.harness.until_answered)
    trader.up(Feed.MARKET)
    trader.events.clear()
    trader.submit(Subscribe(trader.channel(ChannelKind.TRADES)))
    trader.harness.advance(trader.harness.until_answered)
    assert [list(event.trades) for event in trader.of(TradesPrinted)] == [live]


def test_ac14_order_updates_have_no_snapshot(trader):
    """Protects recovery: what happened to orders during a gap is found by queries, never on this channel."""
    trader.start(subscribe=ACCOUNT)
    rest(trader, LOW)
    trader.harness.cut(Feed.USER)
    trader.harness.advance(trader.harness.until_answered)
    trader.up(Feed.USER)
    trader.events.clear()
    trader.submit(Subscribe(trader.channel(ChannelKind.ORDER_UPDATES)))
    trader.harness.advance(60.0)
    assert [type(event) for event in trader.events] == [Subscribed]


def test_ac15_past_fills_follow_a_subscribe(trader):
    """Protects the ledger: a fill that happened while the feed was down arrives with the snapshot."""
    trader.start(subscribe=ACCOUNT)
    action, oid = rest(trader)
    trader.harness.cut(Feed.USER)
    trader.harness.trade(Side.SELL, INSIDE, TENTH)
    trader.harness.advance(trader.harness.until_answered)
    trader.up(Feed.USER)
    trader.events.clear()
    trader.submit(Subscribe(trader.channel(ChannelKind.FILLS)))
    trader.harness.advance(trader.harness.until_answered)
    (fill,) = trader.of(Fill)
    assert (fill.oid, fill.cloid, fill.px, fill.sz, fill.is_taker) == (oid, action.cloid, INSIDE, TENTH, False)


def test_ac16_positions_and_open_orders_come_complete(trader):
    """Protects reconciliation: these two are whole states, also right after a subscribe."""
    trader.start(subscribe=ACCOUNT)
    trade_once(trader)
    _, low = rest(trader, LOW)
    _, high = rest(trader, HIGH, side=Side.SELL)
    trader.harness.advance(1.0)
    pushed = trader.of(OpenOrdersReported)[-1]
    trader.submit(Disconnect(Feed.USER))
    trader.up(Feed.USER)
    trader.events.clear()
    for kind in (ChannelKind.POSITIONS, ChannelKind.OPEN_ORDERS):
        trader.submit(Subscribe(trader.channel(kind)))
    trader.harness.advance(trader.harness.until_answered)
    (positions,), (orders,) = trader.of(PositionsReported), trader.of(OpenOrdersReported)
    assert positions.positions == (PositionEntry(trader.harness.instrument, TENTH),)
    assert {order.oid: order.remaining for order in orders.orders} == {low: TENTH, high: TENTH}
    assert orders.orders == pushed.orders


def test_ac17_a_second_subscribe_changes_nothing(trader):
    """Protects against doubled data: a channel asked for twice is acknowledged and sent once."""
    trader.start(subscribe=ACCOUNT)
    for kind in ACCOUNT:
        trader.submit(Subscribe(trader.channel(kind)))
    trader.harness.advance(trader.harness.until_answered)
    assert [(type(event), event.has_snapshot) for event in trader.events] == [(Subscribed, False)] * len(ACCOUNT)
    trade_once(trader)
    assert len(trader.of(Fill)) == 1


def test_ac18_books_and_tops_are_well_formed(trader):
    """Protects pricing: best level first, positive sizes and counts, bid below ask, the crowd where it is."""
    trader.start(subscribe=(ChannelKind.BBO, ChannelKind.BOOK))
    rest(trader, INSIDE)
    trader.harness.advance(1.0)
    top, book = trader.of(BboChanged)[-1], trader.of(BookReported)[-1]
    assert [px for px, _, _ in book.bids] == [INSIDE, BID]
    assert [px for px, _, _ in book.asks] == [ASK]
    assert (top.bid, top.ask) == (book.bids[0], book.asks[0])
    assert all(sz > 0 and n > 0 for _, sz, n in (*book.bids, *book.asks))


# --- orders -------------------------------------------------------------------------------------


def test_ac20_a_post_only_order_rests(trader):
    """Protects quoting: reply and order update name the order by both ids."""
    trader.start(subscribe=ACCOUNT)
    action, oid = rest(trader)
    (update,) = trader.of(OrderUpdate)
    seen = (update.oid, update.cloid, update.side, update.px, update.sz, update.remaining, update.status)
    assert seen == (oid, action.cloid, Side.BUY, INSIDE, TENTH, TENTH, OrderStatus.OPEN)
    assert trader.harness.resting() == {oid: TENTH}


def test_ac21_a_post_only_order_that_would_trade_is_rejected(trader):
    """Protects against taking by accident: the refusal is structured and nothing rests or trades."""
    trader.start(subscribe=ACCOUNT)
    action = place(trader, ASK)
    (result,) = trader.ask(action)
    assert isinstance(result, Refused)
    assert result.reason is Reason.POST_ONLY_WOULD_CROSS
    assert result.text
    (update,) = trader.of(OrderUpdate)
    assert (update.cloid, update.status, update.reason, update.remaining) == (
        action.cloid,
        OrderStatus.REJECTED,
        Reason.POST_ONLY_WOULD_CROSS,
        TENTH,
    )
    assert trader.harness.resting() == {}


def test_ac22_a_limit_order_takes_what_it_can_and_rests_with_the_rest(trader):
    """Protects the ledger of takers: what was executed is answered, what is left is an open order."""
    trader.start(subscribe=ACCOUNT)
    (result,) = trader.ask(place(trader, ASK, sz=Sz(100_500), tif=Tif.GTC))
    assert isinstance(result, Executed)
    assert (result.filled, result.avg_px) == (100_000, ASK)
    assert trader.harness.resting() == {result.oid: 500}
    (fill,) = trader.of(Fill)
    assert (fill.oid, fill.sz, fill.px, fill.is_taker) == (result.oid, 100_000, ASK, True)


def test_ac23_an_immediate_order_never_rests(trader):
    """Protects against a forgotten rest: what an IOC does not take is gone, and the order has ended."""
    trader.start(subscribe=ACCOUNT)
    (result,) = trader.ask(place(trader, ASK, sz=Sz(100_500), tif=Tif.IOC))
    assert isinstance(result, Executed)
    assert result.filled == 100_000
    assert trader.harness.resting() == {}
    last = trader.of(OrderUpdate)[-1]
    assert (last.oid, last.status, last.remaining) == (result.oid, OrderStatus.FILLED, 500)


def test_ac24_an_immediate_order_without_a_match_is_rejected(trader):
    """Protects the difference between nothing done and something done."""
    trader.start(subscribe=ACCOUNT)
    (result,) = trader.ask(place(trader, INSIDE, tif=Tif.IOC))
    assert isinstance(result, Refused)
    assert result.reason is Reason.IOC_NO_MATCH
    assert trader.of(Fill) == []


def test_ac25_a_batch_has_one_result_for_each_action_in_order(trader):
    """Protects matching of results to actions: a refusal in the middle shifts nothing."""
    trader.start(subscribe=ACCOUNT)
    first, crossing, last = place(trader, LOW), place(trader, ASK), place(trader, HIGH, side=Side.SELL)
    results = trader.ask(first, crossing, last)
    assert [type(result) for result in results] == [Resting, Refused, Resting]
    assert [results[0].cloid, results[2].cloid] == [first.cloid, last.cloid]
    cancels = trader.ask(
        Cancel(trader.harness.instrument, cloid=trader.cloid()),
        *(Cancel(trader.harness.instrument, cloid=action.cloid) for action in (first, last)),
    )
    assert [type(result) for result in cancels] == [Refused, Cancelled, Cancelled]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [({"sz": Sz(0)}, Reason.ZERO_SIZE), ({"instrument": "NOPE"}, Reason.UNKNOWN_INSTRUMENT)],
)
def test_ac26_a_broken_payload_is_refused_once_and_whole(trader, broken, reason):
    """Protects exposure: one Refused for the batch means that none of it was placed."""
    trader.start(subscribe=ACCOUNT)
    results = trader.ask(place(trader, LOW), place(trader, LOW, **broken), place(trader, LOW))
    assert [(type(result), result.reason) for result in results] == [(Refused, reason)]
    assert trader.harness.resting() == {}


def test_ac27_a_cancel_takes_effect(trader):
    """Protects the end of an order: by either id it is answered and told once, with what was left."""
    trader.start(subscribe=ACCOUNT)
    for by in ("oid", "cloid"):
        action, oid = rest(trader)
        key = {"oid": oid} if by == "oid" else {"cloid": action.cloid}
        trader.events.clear()
        assert trader.ask(Cancel(trader.harness.instrument, **key)) == (Cancelled(),)
        (update,) = trader.of(OrderUpdate)
        seen = (update.oid, update.status, update.reason, update.remaining)
        assert seen == (oid, OrderStatus.CANCELED, Reason.REQUESTED, TENTH)
        assert trader.harness.resting() == {}


def test_ac28_a_cancel_of_what_is_not_there_is_refused_without_a_why(trader):
    """Protects the race of cancel and fill: the refusal does not say which of the two it was."""
    trader.start(subscribe=ACCOUNT)
    action, oid = trade_once(trader)
    unknown = Cancel(trader.harness.instrument, cloid=trader.cloid())
    filled = Cancel(trader.harness.instrument, oid=oid)
    for result in trader.ask(unknown, filled, Cancel(trader.harness.instrument, cloid=action.cloid)):
        assert isinstance(result, Refused)
        assert result.reason is Reason.NOT_OPEN


def test_ac29_a_modify_is_a_new_order_and_the_end_of_the_old_one(trader):
    """Protects the chain of generations: a new id, `open` of the new, `canceled` of the old, in any order."""
    trader.start(subscribe=ACCOUNT)
    action, oid = rest(trader)
    trader.events.clear()
    successor = place(trader, Px(INSIDE - 100))
    (result,) = trader.ask(Modify(action.cloid, oid, successor))
    assert isinstance(result, Resting)
    assert result.oid != oid
    seen = {(update.oid, update.cloid, update.status) for update in trader.of(OrderUpdate)}
    assert seen == {
        (result.oid, successor.cloid, OrderStatus.OPEN),
        (oid, action.cloid, OrderStatus.CANCELED),
    }
    assert trader.harness.resting() == {result.oid: TENTH}


def test_ac30_a_modify_of_what_is_gone_places_nothing(trader):
    """Protects against overfilling: the new leg does not come to life when the old one was filled."""
    trader.start(subscribe=ACCOUNT)
    action, oid = trade_once(trader)
    (result,) = trader.ask(Modify(action.cloid, oid, place(trader, LOW)))
    assert isinstance(result, Refused)
    assert result.reason is Reason.CANNOT_MODIFY
    assert trader.harness.resting() == {}


def test_ac31_a_modify_with_a_refused_new_leg_has_ended_the_old_one(trader):
    """Protects the belief of what rests: after that refusal there is no order at all."""
    trader.start(subscribe=ACCOUNT)
    action, oid = rest(trader)
    (result,) = trader.ask(Modify(action.cloid, oid, place(trader, ASK)))
    assert isinstance(result, Refused)
    assert result.reason is Reason.MODIFY_NEW_LEG
    assert trader.harness.resting() == {}


def test_ac32_each_match_is_one_fill_with_its_own_trade_id(trader):
    """Protects inventory: partial fills add up, and their ids are those of the public tape."""
    trader.start(subscribe=(*ACCOUNT, ChannelKind.TRADES))
    action, oid = rest(trader)
    for lots in (300, 300, 400):
        trader.harness.trade(Side.SELL, INSIDE, Sz(lots))
        trader.harness.advance(0.1)
    trader.harness.advance(trader.harness.until_answered)
    fills = trader.of(Fill)
    assert [(fill.oid, fill.cloid, fill.sz, fill.start_position) for fill in fills] == [
        (oid, action.cloid, 300, 0),
        (oid, action.cloid, 300, 300),
        (oid, action.cloid, 400, 600),
    ]
    printed = [trade.tid for event in trader.of(TradesPrinted) for trade in event.trades]
    assert [fill.tid for fill in fills] == printed
    assert len(set(printed)) == 3
    last = trader.of(OrderUpdate)[-1]
    assert (last.oid, last.status, last.remaining) == (oid, OrderStatus.FILLED, 0)


def test_ac33_a_request_is_not_carried_out_after_its_time(trader):
    """Protects against late placements: the duration counts from the sending, whatever the way takes."""
    trader.start(subscribe=ACCOUNT)
    (result,) = trader.ask(place(trader, LOW), expires_in=millis(1))
    assert isinstance(result, Refused)
    assert result.reason is Reason.EXPIRED
    assert trader.harness.resting() == {}
    sent_at = {}
    duration = seconds(0.6 * trader.harness.until_executed)
    for _ in range(20):
        action = place(trader, LOW)
        sent_at[action.cloid] = trader.harness.now()
        trader.request(action, expires_in=duration)
        trader.harness.advance(0.013)
    trader.harness.advance(trader.harness.until_answered)
    opened = trader.of(OrderUpdate)
    assert 0 < len(opened) < len(sent_at)
    assert all(update.exch_time <= sent_at[update.cloid] + duration for update in opened)


def test_ac34_a_scheduled_cancel_takes_everything_unless_it_is_put_off(trader):
    """Protects the last line of defence: the time counts from the sending, the later one holds, and it cancels all."""
    trader.start(subscribe=ACCOUNT)
    rest(trader, LOW)
    (too_early,) = trader.ask(ScheduleCancel(seconds(1)))
    assert too_early.reason is Reason.SCHEDULE_TOO_EARLY
    assert trader.ask(ScheduleCancel(seconds(8))) == (Scheduled(),)
    trader.harness.advance(5)
    put_off_at = trader.harness.now()
    assert trader.ask(ScheduleCancel(seconds(8))) == (Scheduled(),)
    trader.harness.advance(7)
    assert len(trader.harness.resting()) == 1
    trader.harness.advance(1 + trader.harness.until_answered)
    assert trader.harness.resting() == {}
    update = trader.of(OrderUpdate)[-1]
    assert (update.status, update.reason) == (OrderStatus.CANCELED, Reason.SCHEDULED)
    assert 0 <= update.exch_time - (put_off_at + seconds(8)) <= seconds(trader.harness.until_executed)
    rest(trader, LOW)
    assert trader.ask(ScheduleCancel(seconds(8))) == (Scheduled(),)
    assert trader.ask(ScheduleCancel(None)) == (Scheduled(),)
    trader.harness.advance(10)
    assert len(trader.harness.resting()) == 1


# --- requests and routes ------------------------------------------------------------------------


def test_ac40_on_a_dead_feed_nothing_is_sent(trader):
    """Protects the certainty of NotSent: no byte left, nothing happened, and it is said once."""
    trader.start(subscribe=ACCOUNT)
    trader.harness.cut(Feed.USER)
    trader.harness.advance(trader.harness.until_answered)
    request_id = trader.request(place(trader, LOW), epoch=Epoch(1))
    trader.harness.advance(60.0)
    (not_sent,) = trader.of(NotSent, Replied)
    assert isinstance(not_sent, NotSent)
    assert (not_sent.request_id, not_sent.reason) == (request_id, Reason.FEED_DOWN)
    assert trader.harness.resting() == {}


def test_ac41_a_request_of_an_older_connection_is_not_sent(trader):
    """Protects decisions made before a gap: they do not reach the venue after it."""
    trader.start(subscribe=ACCOUNT)
    trader.submit(Disconnect(Feed.USER))
    trader.up(Feed.USER)
    request_id = trader.request(place(trader, LOW), epoch=Epoch(1))
    trader.harness.advance(60.0)
    (not_sent,) = trader.of(NotSent, Replied)
    assert isinstance(not_sent, NotSent)
    assert (not_sent.request_id, not_sent.reason) == (request_id, Reason.STALE_EPOCH)
    assert trader.harness.resting() == {}


def test_ac42_rest_works_while_the_socket_is_down(trader):
    """Protects the emergency exit: with both feeds dead, orders can still be listed and cancelled."""
    trader.start(subscribe=ACCOUNT)
    action, oid = rest(trader, LOW)
    for feed in Feed:
        trader.harness.cut(feed)
    trader.harness.advance(trader.harness.until_answered)
    (report,) = trader.ask(QueryOpenOrders(), route=Route.REST)
    assert [order.oid for order in report.orders] == [oid]
    assert trader.ask(Cancel(trader.harness.instrument, cloid=action.cloid), route=Route.REST) == (Cancelled(),)
    assert trader.harness.resting() == {}


def test_ac43_an_answer_that_was_under_way_at_the_cut_is_lost(trader):
    """Protects the state UNKNOWN: silence says nothing about the order, which is there and can be found."""
    trader.start(subscribe=ACCOUNT)
    action = place(trader, LOW)
    trader.request(action)
    trader.harness.advance(trader.harness.until_executed)
    trader.harness.cut(Feed.USER)
    trader.harness.advance(60.0)
    assert trader.of(Replied, NotSent, OrderUpdate) == []
    trader.up(Feed.USER)
    (report,) = trader.ask(QueryOrder(action.cloid))
    assert report.update.status is OrderStatus.OPEN
    assert trader.harness.resting() == {report.update.oid: TENTH}


@pytest.mark.parametrize("route", list(Route))
def test_ac44_queries_answer_the_truth(trader, route):
    """Protects reconciliation on both routes: orders, positions, fills, one order, limits, allowance."""
    if route not in trader.adapter.capabilities.routes:
        pytest.skip(f"no route {route}")
    trader.start(subscribe=ACCOUNT)
    filled, _ = trade_once(trader)
    resting, oid = rest(trader, LOW)
    (fill,) = trader.of(Fill)
    (orders,) = trader.ask(QueryOpenOrders(), route=route)
    assert [(o.oid, o.cloid, o.px, o.sz, o.remaining, o.tif) for o in orders.orders] == [
        (oid, resting.cloid, LOW, TENTH, TENTH, Tif.ALO)
    ]
    (positions,) = trader.ask(QueryPositions(), route=route)
    assert positions.positions == (PositionEntry(trader.harness.instrument, TENTH),)
    (fills,) = trader.ask(QueryFills(fill.exch_time), route=route)
    assert fills.is_complete
    assert [f.tid for f in fills.fills] == [fill.tid]
    for action, status in ((filled, OrderStatus.FILLED), (resting, OrderStatus.OPEN)):
        (order,) = trader.ask(QueryOrder(action.cloid), route=route)
        assert (order.update.cloid, order.update.status) == (action.cloid, status)
    (limits,) = trader.ask(QueryLimits((trader.harness.instrument,)), route=route)
    assert [entry.instrument for entry in limits.limits] == [trader.harness.instrument]
    (before,) = trader.ask(QueryQuota(), route=route)
    assert 0 < before.used < before.cap
    trader.ask(*(place(trader, LOW) for _ in range(3)), route=route)
    (after,) = trader.ask(QueryQuota(), route=route)
    assert (after.used - before.used, after.cap, after.traded) == (3, before.cap, before.traded)


def test_ac45_fills_since_a_time_include_that_time(trader):
    """Protects backfill: asking again from the last known fill never leaves one out."""
    trader.start(subscribe=ACCOUNT)
    for _ in range(3):
        trade_once(trader)
    times = [fill.exch_time for fill in trader.of(Fill)]
    assert is_sorted(times, strictly=True)
    for known, time in enumerate(times):
        (report,) = trader.ask(QueryFills(time))
        assert [fill.exch_time for fill in report.fills] == times[known:]


def test_ac46_an_order_that_the_venue_does_not_know_has_no_status(trader):
    """Protects the verdict on an unknown order: absence is an answer of its own, not a rejection."""
    trader.start(subscribe=ACCOUNT)
    (report,) = trader.ask(QueryOrder(trader.cloid()))
    assert report.update is None


def test_ac47_an_empty_or_mixed_request_is_our_bug(trader):
    """Protects the venue and us: what no correct trader sends raises at once and is never sent."""
    trader.start(subscribe=ACCOUNT)
    action = place(trader, LOW)
    for actions in ((), (action, Cancel(action.instrument, cloid=action.cloid)), (QueryPositions(), action)):
        with pytest.raises(ValueError, match="request"):
            trader.request(*actions)
    trader.harness.advance(60.0)
    assert trader.events == []
    assert trader.harness.resting() == {}


def test_ac48_a_request_is_answered_at_most_once(trader):
    """Protects correlation: many requests under way, on both routes, each with one answer of its own."""
    trader.start(subscribe=ACCOUNT)
    sent = {}
    for i in range(20):
        action = place(trader, Px(LOW - 100 * i))
        sent[trader.request(action, route=Route.REST if i % 3 == 0 else Route.SOCKET)] = action.cloid
        trader.harness.advance(0.01)
    trader.harness.advance(trader.harness.until_answered)
    replies = {event.request_id: event for event in trader.of(Replied)}
    assert len(trader.of(Replied)) == len(replies) == 20
    assert {request_id: reply.results[0].cloid for request_id, reply in replies.items()} == sent


# --- time and numbers ---------------------------------------------------------------------------


def test_ac50_events_carry_the_time_of_their_arrival_in_order(trader):
    """Protects every deadline: receive times never go back, and nothing arrives before it happened."""
    trader.start()
    trader.up(*Feed)
    for kind in ChannelKind:
        trader.submit(Subscribe(trader.channel(kind)))
    for _ in range(3):
        trade_once(trader)
        rest(trader, LOW)
    trader.harness.advance(1.0)
    assert is_sorted([event.recv_time for event in trader.events if not isinstance(event, ClockSync)])
    assert trader.events[-1].recv_time <= trader.harness.now()
    dated = [event for event in trader.events if hasattr(event, "exch_time")]
    assert dated
    assert all(0 < event.exch_time <= event.recv_time for event in dated)


@pytest.mark.parametrize("kind", [BboChanged, BookReported, TradesPrinted, OrderUpdate, Fill, PositionsReported])
def test_ac51_a_channel_keeps_its_order(trader, kind):
    """Protects state that is overwritten: inside one channel a later message is never overtaken."""
    trader.start(subscribe=tuple(ChannelKind))
    rest(trader)
    for _ in range(20):
        trader.harness.trade(Side.SELL, INSIDE, Sz(10))
        trader.harness.advance(0.05)
    trader.harness.advance(1.0)
    times = [event.exch_time for event in trader.of(kind)]
    assert times
    assert is_sorted(times)


def test_ac52_prices_sizes_and_times_are_plain_integers(trader):
    """Protects determinism: no float and no numpy scalar enters a message."""
    trader.start(subscribe=tuple(ChannelKind))
    trade_once(trader)
    rest(trader, LOW)
    trader.harness.advance(1.0)

    def leaves(value):
        if isinstance(value, tuple):
            for item in value:
                yield from leaves(item)
        elif hasattr(value, "__struct_fields__"):
            for item in asdict(value).values():
                yield from leaves(item)
        else:
            yield value

    for event in trader.events:
        for leaf in leaves(event):
            assert (
                leaf is None
                or type(leaf) in {int, str, bool}
                or type(leaf).__module__ == "domain.events"
                or (type(leaf).__module__ == "domain.units")
            ), (event, leaf)


def test_ac53_the_clocks_are_compared_at_each_connect(trader):
    """Protects the age of data: after each FeedUp one ClockSync, whose error contains the venue's true clock."""
    trader.start()
    for _ in range(2):
        for feed in Feed:
            trader.events.clear()
            trader.submit(Connect(feed))
            began = trader.harness.now()
            trader.harness.advance(60.0)
            trader.events = [event for event in trader.events if not isinstance(event, FeedDown)]
            up, sync = trader.events
            assert isinstance(up, FeedUp)
            assert isinstance(sync, ClockSync)
            assert 0 <= sync.error <= up.recv_time - began
            assert abs(sync.offset - trader.harness.clock_offset) <= sync.error


@pytest.mark.parametrize("feed", list(Feed))
def test_ac54_a_connection_that_answers_no_ping_is_one_feed_down(trader, feed):
    """Protects against half-open sockets: nothing comes and nobody says so; one that is merely quiet stays up."""
    trader.start()
    trader.up(*Feed)
    trader.events.clear()
    trader.harness.advance(3 * trader.harness.until_missed)  # nothing is subscribed: the quietest feed there is
    assert trader.events == []
    trader.harness.go_silent(feed)
    trader.harness.advance(trader.harness.until_missed)
    (down,) = trader.events
    assert (type(down), down.feed, down.epoch, down.reason) == (FeedDown, feed, 1, Reason.NO_PONG)
    trader.harness.advance(60.0)  # it is not connected again
    assert trader.events == [down]
    trader.up(feed)
    assert trader.of(FeedUp)[-1].epoch == 2


def test_ac55_nonces_ascend_over_lives_and_clocks(trader):
    """Protects against a replay of ourselves: below the bound that was reserved, and from there on in the next life."""
    harness, adapter = trader.harness, trader.adapter
    trader.start(subscribe=ACCOUNT)
    harness.set_clock(100)
    first = adapter.reserve_nonces()
    assert adapter.reserve_nonces() == first, "asking changes nothing"
    adapter.confirm_nonces(first)
    for _ in range(3):
        trader.request(place(trader, LOW))
        trader.request(QueryPositions())
    n_first = len(harness.nonces)
    adapter.stop()
    harness.set_clock(-100)
    adapter.start(trader.take, first)
    trader.request(place(trader, LOW), route=Route.REST)
    assert n_first == 3, "questions are not signed"
    assert len(harness.nonces) == 4
    assert harness.nonces == sorted(set(harness.nonces))
    assert harness.nonces[2] < first <= harness.nonces[3] < adapter.reserve_nonces()
