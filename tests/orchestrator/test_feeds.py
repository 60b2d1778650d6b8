"""One feed: when it connects, subscribes, gives up and tries again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Alert, Connect, Disconnect, Subscribe
from domain.events import Channel, ChannelKind, Feed, FeedDown, FeedUp, Reason, Subscribed
from domain.units import NS_PER_S, Epoch, InstrumentId, Ns
from orchestrator.connectivity.feeds import TRANSITIONS, FeedMachine, FeedsConfig, FeedState
from orchestrator.connectivity.silence import SilenceConfig
from tests.orchestrator.messages import ETH, ms, s

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
    """CN-02, T-17: 1, 2, 4 .. 60 s, each within +/- 20 % and never above the cap; the first is not doubled."""
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
        assert 0.8 * min(nominal, 60) <= delay <= min(1.2 * nominal, 60)


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
    assert max(delays) - min(delays) > s(6)
    assert max(delays) <= s(60)


def test_delays_are_the_same_in_a_replay():
    def delays(life_seed):
        feed = machine(life_seed=life_seed)
        decide(feed, Ns(0))
        feed.on_down(down(0), Ns(0))
        return feed.deadline()

    assert delays(3) == delays(3) != delays(4)


def test_success_forgets_the_failures():
    """CN-05: after a good connection the next delay starts at one second again; being up alone is not success."""
    feed = machine()
    for _ in range(4):
        decide(feed, feed.deadline())
        feed.on_down(down(0), Ns(0))
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

BTC_ID = InstrumentId("BTC")
PRICES = ChannelKind.BBO, ChannelKind.BOOK
MARKET = tuple(Channel(kind, name) for name in (ETH.id, BTC_ID) for kind in (*PRICES, ChannelKind.TRADES))
STEP = ms(500)


class Watched:
    """A market feed of two instruments whose venue sends what the test says, every half second."""

    def __init__(self, silence: SilenceConfig | None = None):
        self.feed = FeedMachine(Feed.MARKET, MARKET, FeedsConfig(silence=silence or SilenceConfig()))
        self.now, self.epoch = Ns(0), 0
        self.speaking = set(MARKET)
        self.lost, self.alerts = [], []

    def run(self, seconds: float) -> "Watched":
        end = self.now + s(seconds)
        while self.now < end:
            for command in self.decide():
                self.obey(command)
            if self.feed.is_live:
                for channel in sorted(self.speaking, key=str):
                    self.feed.on_message(channel.kind, channel.instrument, self.now)
            self.now = Ns(self.now + STEP)
        return self

    def decide(self):
        out: list = []
        if self.feed.decide(self.now, out):
            self.lost.append(self.now / NS_PER_S)
        return out

    def obey(self, command):
        if isinstance(command, Connect):
            self.epoch += 1
            self.feed.on_up(FeedUp(Feed.MARKET, Epoch(self.epoch), self.now), self.now)
            for subscribe in self.decide():
                self.feed.on_subscribed(Subscribed(subscribe.channel, Epoch(self.epoch), False, self.now))
        elif isinstance(command, Alert):
            self.alerts.append(command.text)

    def waits(self):
        return [round(later - earlier) for earlier, later in zip(self.lost, self.lost[1:], strict=False)]


def test_a_market_that_speaks_is_left_alone():
    """CN-06: whatever the top does, books go on; a day of it brings no reconnect and no alert."""
    watched = Watched().run(5)
    watched.speaking = {Channel(ChannelKind.BOOK, name) for name in (ETH.id, BTC_ID)}  # no trades, no new tops
    watched.run(3_600)
    assert (watched.lost, watched.alerts, watched.feed.silences) == ([], [], 0)


def test_an_instrument_without_prices_brings_a_new_connection():
    """CN-08, CN-13, CN-15: 20 s, though the other one and its own trades go on; once it is back all is as new."""
    watched = Watched().run(10)
    watched.speaking -= {Channel(kind, ETH.id) for kind in PRICES}
    watched.run(19)
    assert watched.lost == []
    watched.run(2)
    assert watched.lost == [29.5]  # the last was heard at 9.5 s
    assert watched.alerts == ["market: no prices of ETH on a live connection"]
    assert (watched.feed.downs, watched.feed.silences) == (1, 1)
    watched.speaking = set(MARKET)
    watched.run(10)
    assert watched.feed.is_live
    watched.speaking -= {Channel(kind, ETH.id) for kind in PRICES}
    watched.run(21)
    assert len(watched.lost) == 2  # not forty seconds: it had spoken
    assert len(watched.alerts) == 2  # another episode


def test_a_market_that_stands_still_brings_no_storm():
    """CN-07, CN-13: a gap of 243 s costs three connections and one alert: one that brought nothing doubles the wait."""
    watched = Watched().run(10)
    watched.speaking = set()
    watched.run(243)
    assert watched.waits() == [41, 81]
    assert len(watched.alerts) == 1
    watched.run(3 * 3_600)
    assert max(watched.waits()) in range(600, 605)  # longest_ms and the back-off
    assert len(watched.alerts) == 1
    assert len(watched.lost) < 30


@pytest.mark.parametrize("kind", [*PRICES, ChannelKind.TRADES])
def test_a_channel_that_was_acknowledged_and_never_spoke_is_dead(kind):
    """Reliability 59: the connection lives, everything else comes; a minute is enough. Who spoke once may be silent."""
    watched = Watched()
    watched.speaking.remove(Channel(kind, BTC_ID))
    watched.run(59.5)
    assert watched.lost == []
    watched.run(2)
    assert watched.lost == [60]
    assert watched.alerts == [f"market: no {kind} of BTC on a live connection"]
    watched.speaking = set(MARKET)
    watched.run(5)
    watched.speaking.remove(Channel(kind, BTC_ID))
    watched.run(3_600)
    assert watched.lost == [60]
    watched.feed.on_down(FeedDown(Feed.MARKET, Epoch(2), Reason.CLOSED_BY_VENUE, watched.now), watched.now)
    watched.run(70)
    assert len(watched.lost) == 2  # what it said on the last connection does not count on this one


def test_without_the_watch_silence_is_nothing():
    watched = Watched()
    watched.feed = FeedMachine(Feed.MARKET, MARKET, FeedsConfig(silence=None))
    watched.speaking = set()
    watched.run(600)
    assert (watched.lost, watched.feed.is_live) == ([], True)


def asked(feed: FeedMachine, at: Ns, *, epoch: int = 1, patience: Ns = s(3)) -> Ns:
    """A request on the socket falls silent."""
    feed.on_unanswered(Epoch(epoch), at, Ns(at + patience))
    return Ns(at + patience)


def test_a_socket_that_answers_nothing_is_given_up():
    """CN-13: data come and requests fall silent, three times in a row: a new connection; one alert."""
    feed = machine()
    go_live(feed, 1, Ns(0))
    for at in (10, 20):
        assert decide(feed, asked(feed, s(at))) == []
    now = asked(feed, s(30))
    alert, disconnect = decide(feed, now)
    assert (alert.name, disconnect) == ("feed_silent", Disconnect(Feed.USER))
    assert (feed.state, feed.silences, feed.downs) == (S.DOWN, 1, 1)
    go_live(feed, 2, s(60))
    assert decide(feed, asked(feed, s(70), epoch=2)) == []  # the count begins anew


def test_one_answer_is_enough_to_trust_the_socket():
    """Lost replies and bursts of silence are no dead connection: what was under way together counts once."""
    feed = machine()
    go_live(feed, 1, Ns(0))
    for at in range(10, 20):
        feed.on_unanswered(Epoch(1), s(5), s(at))  # ten at once
    assert decide(feed, s(20)) == []
    feed.on_answer(Epoch(1), s(20))
    for at in range(20, 200, 20):
        decide(feed, asked(feed, s(at)))
        decide(feed, asked(feed, s(at + 10)))
        feed.on_answer(Epoch(1), s(at + 14))
        feed.on_unanswered(Epoch(1), s(at + 13), s(at + 16))  # it was under way when the answer came
        assert feed.is_live
    for at in (300, 310, 320):
        asked(feed, s(at), epoch=0)  # of an older connection
    assert decide(feed, s(330)) == []
    for at in (340, 350, 360):
        asked(feed, s(at))
        feed.on_answer(Epoch(0), s(at + 4))
    assert decide(feed, s(370))[1:] == [Disconnect(Feed.USER)]
    due = feed.deadline()
    for at in (371, 372, 373):
        asked(feed, s(at), patience=ms(1))  # told when the connection is gone
    assert feed.deadline() == due


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
