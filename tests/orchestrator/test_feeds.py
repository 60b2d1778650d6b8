"""One feed: when it connects, subscribes, gives up and tries again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Connect, Disconnect, Subscribe
from domain.events import Channel, ChannelKind, Feed, FeedDown, FeedUp, Reason, Restored, Subscribed
from domain.units import NS_PER_S, Epoch, Ns
from orchestrator.connectivity.feeds import TRANSITIONS, ConnectPace, FeedMachine, FeedsConfig, FeedState
from tests.orchestrator.messages import ms, s
from tests.orchestrator.tiny_venue import Stage

S = FeedState
CHANNELS = (Channel(ChannelKind.ORDER_UPDATES), Channel(ChannelKind.FILLS))


def machine(channels=CHANNELS, life_seed=7, **config) -> FeedMachine:
    made = FeedMachine(Feed.USER, channels, FeedsConfig(**config))
    made.life_seed = life_seed
    return made


def decide(feed: FeedMachine, now: Ns) -> list:
    out: list = []
    feed.decide(now, out)
    return out


def up(epoch: int) -> FeedUp:
    return FeedUp(Feed.USER, Epoch(epoch), Ns(0))


def down(epoch: int, reason: Reason = Reason.CLOSED_BY_VENUE) -> FeedDown:
    return FeedDown(Feed.USER, Epoch(epoch), reason, Ns(0))


def acked(channel: Channel, epoch: int) -> Subscribed:
    return Subscribed(channel, Epoch(epoch), False, Ns(0))


def go_live(feed: FeedMachine, epoch: int, now: Ns) -> None:
    """From DOWN, at a time when it may connect."""
    assert decide(feed, now) == [Connect(Feed.USER)]
    feed.on_up(up(epoch), now)
    decide(feed, now)
    for channel in feed.channels:
        feed.on_subscribed(acked(channel, epoch))
    assert feed.is_live


def test_the_table_reaches_every_state_and_leaves_none_for_ever():
    """Protects CN-01: from every state back to DOWN, and from DOWN only by connecting."""
    assert set(TRANSITIONS) == set(S)
    assert TRANSITIONS[S.DOWN] == {S.CONNECTING}
    assert all(S.DOWN in targets for state, targets in TRANSITIONS.items() if state is not S.DOWN)


def test_the_whole_way_up_and_down():
    """A feed is live when every channel is acknowledged, not before; each step is asked for once."""
    feed = machine()
    assert decide(feed, Ns(0)) == [Connect(Feed.USER)]
    assert decide(feed, Ns(0)) == []
    feed.on_up(up(1), ms(5))
    assert (feed.state, feed.epoch) == (S.SUBSCRIBING, 1)
    assert decide(feed, ms(5)) == [Subscribe(channel) for channel in CHANNELS]
    assert decide(feed, ms(5)) == []
    assert feed.on_subscribed(acked(CHANNELS[0], 1)) is False
    assert not feed.is_live
    assert feed.on_subscribed(acked(CHANNELS[0], 1)) is False  # repeated
    assert feed.on_subscribed(acked(CHANNELS[1], 1)) is True
    assert (feed.is_live, feed.deadline()) == (True, None)
    assert feed.on_subscribed(acked(CHANNELS[1], 1)) is False  # late
    assert feed.on_down(down(1), s(9)) is True
    assert (feed.state, feed.downs) == (S.DOWN, 1)


def test_a_feed_without_channels_is_live_when_it_is_up():
    feed = machine(channels=())
    decide(feed, Ns(0))
    feed.on_up(up(1), Ns(0))
    assert feed.is_live


@pytest.mark.parametrize("life_seed", range(5))
def test_delays_double_to_the_cap_with_jitter(life_seed):
    """CN-02, T-17: 1, 2, 4 .. 30 s, each within +/- 20 % and never above the cap; the first is not doubled."""
    feed, now, delays = machine(life_seed=life_seed), Ns(0), []
    for _ in range(9):
        assert decide(feed, now) == [Connect(Feed.USER)]
        feed.on_down(down(0, Reason.CONNECT_FAILED), now)
        due = feed.deadline()
        assert due is not None
        assert decide(feed, Ns(due - 1)) == []
        delays.append((due - now) / NS_PER_S)
        now = due
    for delay, nominal in zip(delays, (1, 2, 4, 8, 16, 32, 64, 128, 256), strict=True):
        assert 0.8 * min(nominal, 30) <= delay <= min(1.2 * nominal, 30)


def test_clients_that_lose_their_feeds_together_come_back_apart():
    """CN-02: twenty traders with seeds of their own do not knock at one moment."""
    dues = set()
    for life_seed in range(20):
        feed = machine(life_seed=life_seed)
        go_live(feed, 1, Ns(0))
        feed.on_down(down(1), s(1))
        dues.add(feed.deadline())
    assert len(dues) == 20
    assert max(dues) - min(dues) > ms(200)


def test_at_the_longest_delay_they_still_come_back_apart():
    """CN-02: a cap that cuts the jitter off would make all of them knock together, for as long as the venue is away."""
    delays = set()
    for life_seed in range(20):
        feed, now = machine(life_seed=life_seed), Ns(0)
        for _ in range(12):
            decide(feed, now)
            feed.on_down(down(0, Reason.CONNECT_FAILED), now)
            last, now = now, feed.deadline()
        delays.add(now - last)
    assert len(delays) == 20
    assert max(delays) - min(delays) > s(4)
    assert max(delays) <= s(30)


def test_delays_are_the_same_in_a_replay():
    def delays(life_seed):
        feed = machine(life_seed=life_seed)
        decide(feed, Ns(0))
        feed.on_down(down(0, Reason.CONNECT_FAILED), Ns(0))
        return feed.deadline()

    assert delays(3) == delays(3) != delays(4)


def test_success_forgets_the_failures():
    """CN-05: after a good connection the next delay starts at one second again; being up alone is not success."""
    feed = machine()
    for _ in range(4):
        decide(feed, feed.deadline())
        feed.on_down(down(0, Reason.CONNECT_FAILED), Ns(0))
    assert feed.attempts == 4
    decide(feed, s(100))
    feed.on_up(up(1), s(100))
    assert feed.attempts == 4  # nothing works yet
    decide(feed, s(100))
    for channel in CHANNELS:
        feed.on_subscribed(acked(channel, 1))
    assert feed.attempts == 0
    feed.on_down(down(1), s(200))
    assert s(200.8) <= feed.deadline() <= s(201.2)


def test_a_connection_that_never_comes_is_given_up():
    """No wait without a deadline: close what may yet come, then try again later."""
    feed = machine(connect_timeout_ms=10_000)
    decide(feed, Ns(0))
    assert feed.deadline() == s(10)
    assert decide(feed, Ns(s(10) - 1)) == []
    assert decide(feed, s(10)) == [Disconnect(Feed.USER)]
    assert feed.state is S.DOWN
    assert s(10.8) <= feed.deadline() <= s(11.2)


def test_a_subscription_that_is_not_acknowledged_closes_the_feed():
    """A dead subscription on a living connection heals (reliability 59)."""
    feed = machine(subscribe_timeout_ms=4_000)
    decide(feed, Ns(0))
    feed.on_up(up(1), s(1))
    decide(feed, s(1))
    feed.on_subscribed(acked(CHANNELS[0], 1))
    assert feed.deadline() == s(5)
    assert decide(feed, s(5)) == [Disconnect(Feed.USER)]
    assert feed.state is S.DOWN
    assert feed.on_down(down(1, Reason.CLOSED_BY_US), s(5)) is False  # the answer to our own Disconnect


@pytest.mark.parametrize("reason", [Reason.CLOSED_BY_US, Reason.CLOSED_BY_VENUE, Reason.NO_PONG])
def test_the_end_of_the_connection_before_is_no_failed_attempt(reason):
    """Seed 526: read late, it ended the attempt, whose connection was put aside, and ended the next one: for ever."""
    feed = machine()
    go_live(feed, 1, Ns(0))
    out: list = []
    feed.give_up(s(10), out)
    assert decide(feed, feed.deadline()) == [Connect(Feed.USER)]
    assert feed.on_down(down(1, reason), s(12)) is False
    assert feed.state is S.CONNECTING
    feed.on_up(up(2), s(13))
    assert feed.state is S.SUBSCRIBING
    assert (feed.attempts, feed.downs) == (1, 1)


def test_a_connection_that_came_up_is_tried_again_sooner():
    """Protects the time to heal: the venue is there, so what was lost on the way is asked for again soon.

    A connection that never came up waits as long as before, and the failures count on.
    """
    feed = machine()
    feed.attempts = 7
    decide(feed, Ns(0))
    feed.on_up(up(1), Ns(0))
    decide(feed, Ns(0))
    assert decide(feed, s(10)) == [Disconnect(Feed.USER)]
    assert s(10 + 6.4) <= feed.deadline() <= s(10 + 8)
    assert feed.attempts == 8
    at = feed.deadline()
    decide(feed, at)
    feed.on_down(down(1, Reason.CONNECT_FAILED), at)
    assert feed.deadline() >= at + s(24)


def test_messages_of_older_connections_are_ignored():
    """Protects against a late FeedDown of the last connection that closes this one, and against its acks."""
    feed = machine()
    go_live(feed, 1, Ns(0))
    feed.on_down(down(1), s(1))
    go_live(feed, 2, s(10))
    assert feed.on_down(down(1), s(11)) is False
    assert feed.is_live
    feed.on_down(down(2), s(12))
    decide(feed, s(20))
    feed.on_up(up(2), s(20))  # the old one again
    assert feed.state is S.CONNECTING
    feed.on_up(up(3), s(20))
    decide(feed, s(20))
    for channel in CHANNELS:
        feed.on_subscribed(acked(channel, 2))
    assert feed.state is S.SUBSCRIBING


def test_an_acknowledgement_before_we_asked_does_not_make_the_feed_live():
    feed = machine(channels=CHANNELS[:1])
    decide(feed, Ns(0))
    feed.on_up(up(1), Ns(0))
    assert feed.on_subscribed(acked(CHANNELS[0], 1)) is False
    assert not feed.is_live


def test_a_feed_that_is_not_wanted_is_closed_once_and_stays_down():
    feed = machine()
    go_live(feed, 1, Ns(0))
    feed.close()
    assert decide(feed, s(1)) == [Disconnect(Feed.USER)]
    assert decide(feed, s(1)) == []
    assert (feed.state, feed.deadline()) == (S.DOWN, None)
    assert decide(feed, s(1_000)) == []


# --- up, and silent -----------------------------------------------------------------------------


def asked(feed: FeedMachine, at: Ns, *, epoch: int = 1, patience: Ns = s(3)) -> Ns:
    """A request on the socket falls silent."""
    feed.on_unanswered(Epoch(epoch), at, Ns(at + patience))
    return Ns(at + patience)


def test_rounds_of_silence_are_counted_until_an_answer_comes():
    """Lost replies and bursts of silence are no dead connection: what was under way together counts once."""
    feed = machine()
    go_live(feed, 1, Ns(0))
    for at in range(10, 20):
        feed.on_unanswered(Epoch(1), s(5), s(at))  # ten at once
    assert feed.unanswered == 1
    feed.on_answer(Epoch(1), s(20))
    assert feed.unanswered == 0
    feed.on_unanswered(Epoch(1), s(19), s(22))  # it was under way when the answer came
    assert feed.unanswered == 0
    for at in (30, 40):
        asked(feed, s(at), epoch=0)  # of an older connection
    assert feed.unanswered == 0
    for at in (50, 60):
        asked(feed, s(at))
        feed.on_answer(Epoch(0), s(at + 4))
    assert feed.unanswered == 2


def test_a_connection_that_is_given_up_is_tried_again_and_forgets():
    """CN-15: what an old connection did not answer says nothing of the new one."""
    feed, out = machine(), []
    go_live(feed, 1, Ns(0))
    asked(feed, s(10))
    assert set(feed.acknowledged) == set(CHANNELS)
    feed.give_up(s(20), out)
    assert out == [Disconnect(Feed.USER)]
    assert (feed.state, feed.silences, feed.downs, feed.unanswered) == (S.DOWN, 1, 1, 0)
    assert feed.acknowledged == {}
    assert ms(800) <= feed.deadline() - s(20) <= ms(1_200)
    asked(feed, s(15))
    assert feed.unanswered == 0  # told when the connection is gone
    go_live(feed, 2, s(60))
    assert feed.unanswered == 0


def test_a_missing_pong_is_counted_as_silence():
    feed = machine()
    go_live(feed, 1, Ns(0))
    assert feed.on_down(down(1, Reason.NO_PONG), s(1)) is True
    go_live(feed, 2, s(10))
    feed.on_down(down(2), s(11))
    assert (feed.downs, feed.silences) == (2, 1)


happenings = st.lists(
    st.tuples(st.sampled_from(["up", "down", "ack0", "ack1", "wait", "deadline"]), st.integers(0, 6)), max_size=40
)


@given(happenings)
def test_no_sequence_of_messages_breaks_it(sequence):
    """Any order of ups, downs and acks of any epoch: no error, epochs only grow, never stuck without a deadline."""
    feed, now = machine(), Ns(0)
    for what, number in sequence:
        before = feed.epoch
        if what == "up":
            feed.on_up(up(number), now)
        elif what == "down":
            feed.on_down(down(number), now)
        elif what == "wait":
            now = Ns(now + s(number))
        elif what == "deadline":
            now = max(now, feed.deadline() or now)
        else:
            feed.on_subscribed(acked(CHANNELS[int(what[-1])], number))
        decide(feed, now)
        assert decide(feed, now) == []
        assert feed.epoch >= before
        assert feed.is_live == (feed.deadline() is None)
        assert feed.is_live or feed.deadline() > now


def test_a_storm_of_losses_uses_up_what_the_venue_takes_no_faster():
    """S26: every attempt succeeds and is lost at once, on two feeds; no minute sees more attempts than are allowed."""
    pace = ConnectPace(24)
    feeds = [FeedMachine(feed, (), FeedsConfig(), pace) for feed in Feed]
    tried = []
    for now in range(0, 300 * NS_PER_S, NS_PER_S // 10):
        for feed in feeds:
            out = []
            feed.decide(Ns(now), out)
            if out:
                tried.append(now)
                epoch = Epoch(feed.epoch + 1)
                feed.on_up(FeedUp(feed.feed, epoch, Ns(now)), Ns(now))
                feed.attempts = 0
                feed.on_down(FeedDown(feed.feed, epoch, Reason.CLOSED_BY_VENUE, Ns(now)), Ns(now))
    most = max(sum(at <= other < at + 60 * NS_PER_S for other in tried) for at in tried)
    assert most == 24


def test_attempts_of_earlier_lives_count():
    """S26, storm, seed 1158: the venue counts the connections of an address, whichever process makes them."""
    pace = ConnectPace(4)
    feeds = [FeedMachine(feed, (), FeedsConfig(), pace) for feed in Feed]
    pace.continue_from([Ns(-s(5)), s(70), s(40), s(10), s(5)], s(1))
    assert decide(feeds[0], s(1)) == [Connect(feeds[0].feed)]
    assert decide(feeds[1], s(1)) == []
    assert feeds[1].deadline() == s(21), "a minute after the first of four"
    assert decide(feeds[1], s(21)) == [Connect(feeds[1].feed)]


def test_a_new_life_goes_on_with_the_count_of_the_last():
    """S26: the journal tells of a minute that is used up, so the trader waits for room."""
    stage = Stage().begin(Restored(2, 7, connects=(s(50),) * 24))
    stage.run_for(s(9))
    assert [entry for _, entry in stage.story if isinstance(entry, Connect)] == []
    stage.run_for(s(2))
    assert len([entry for _, entry in stage.story if isinstance(entry, Connect)]) == len(Feed)


def test_no_wait_is_drawn_twice():
    """A connection that fails, comes and is lost again waits with a chance of its own each time."""
    feed = FeedMachine(Feed.USER, (), FeedsConfig())
    waits, now = [], 0
    for epoch in range(1, 6):
        feed.decide(Ns(now), [])
        feed.on_up(FeedUp(Feed.USER, Epoch(epoch), Ns(now)), Ns(now))
        feed.attempts = 0
        feed.on_down(FeedDown(Feed.USER, Epoch(epoch), Reason.CLOSED_BY_VENUE, Ns(now)), Ns(now))
        waits.append(feed.deadline() - now)
        now = feed.deadline()
    assert len(set(waits)) == 5
