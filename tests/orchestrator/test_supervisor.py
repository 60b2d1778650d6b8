"""Feeds that are up and bring nothing: what the checks read, when they act, and that looking changes nothing."""

from dataclasses import replace
from itertools import pairwise

import pytest

from domain.commands import Alert, Connect, Severity, Subscribe
from domain.events import Channel, ChannelKind, Feed, FeedDown, FeedUp, Reason, Subscribed
from domain.units import NS_PER_S, Epoch, Ns
from orchestrator.connectivity.feeds import FeedMachine, FeedsConfig, FeedState
from orchestrator.connectivity.supervisor import ConnectionSupervisor, SupervisorConfig, SupervisorEvent
from orchestrator.desk.market import Market
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.risk.ladder import StalenessConfig, fresh_for
from tests.orchestrator.messages import BTC, ETH, bbo, book, ms, s, trades
from tests.orchestrator.tiny_venue import QUICK, quoting

E = SupervisorEvent
PRICES = ChannelKind.BBO, ChannelKind.BOOK
MARKET = tuple(Channel(kind, i.id) for i in (ETH, BTC) for kind in (*PRICES, ChannelKind.TRADES))
STEP = ms(500)
LADDER = StalenessConfig()


class Watched:
    """Both feeds, two instruments, and a venue that sends what the test says, every half second."""

    def __init__(self, config: SupervisorConfig | None = None, ladder: StalenessConfig | None = LADDER):
        self.alerts: list[Alert] = []
        self.market_feed = FeedMachine(Feed.MARKET, MARKET, FeedsConfig())
        self.user_feed = FeedMachine(Feed.USER, (), FeedsConfig())
        self.markets = {i.id: Market(DataQualityConfig()) for i in (ETH, BTC)}
        self.polls: list[float] = []
        self.supervisor = ConnectionSupervisor(
            config or SupervisorConfig(),
            ladder,
            self.market_feed,
            self.user_feed,
            self.markets,
            lambda now: self.polls.append(now / NS_PER_S),
            self.alerts.append,
        )
        self.now, self.epoch = Ns(0), 0
        self.speaking = set(MARKET)
        self.answers_connects = True
        self.lost: list[float] = []
        self.told: list[tuple[float, str]] = []
        """What each check found."""

    def run(self, seconds: float) -> "Watched":
        end = self.now + s(seconds)
        while self.now < end:
            self.step()
            self.now = Ns(self.now + STEP)
        return self

    def step(self):
        out: list = []
        for feed in (self.market_feed, self.user_feed):
            feed.decide(self.now, out)
        checks = sum(self.supervisor.events.values())
        for feed in self.supervisor.decide(self.now, out):
            self.lost.append(self.now / NS_PER_S)
            if feed is self.market_feed:
                self.forget()
        if sum(self.supervisor.events.values()) != checks:
            self.told.append((self.now / NS_PER_S, self.supervisor.event.value))
        for command in out:
            self.obey(command)
        if self.market_feed.is_live:
            for channel in sorted(self.speaking, key=str):
                self.speak(channel)

    def speak(self, channel: Channel) -> None:
        instrument = next(i for i in (ETH, BTC) if i.id == channel.instrument)
        market, number = self.markets[instrument.id], self.now // STEP
        if channel.kind is ChannelKind.BBO:
            market.on_bbo(bbo(1_000, 1_001 + number % 2, self.now, instrument=instrument))
        elif channel.kind is ChannelKind.BOOK:
            market.on_book(book([1_000], [1_001 + number % 2], self.now, instrument=instrument))
        else:
            market.new_trades(trades((number, 1_000, self.now), time=self.now, instrument=instrument))

    def obey(self, command) -> None:
        if isinstance(command, Connect) and command.feed is Feed.USER:
            self.user_feed.on_up(FeedUp(Feed.USER, Epoch(1), self.now), self.now)
        elif isinstance(command, Connect) and not self.answers_connects:
            self.market_feed.on_down(
                FeedDown(Feed.MARKET, Epoch(self.epoch), Reason.CONNECT_FAILED, self.now), self.now
            )
        elif isinstance(command, Connect):
            self.epoch += 1
            self.market_feed.on_up(FeedUp(Feed.MARKET, Epoch(self.epoch), self.now), self.now)
            asked: list = []
            self.market_feed.decide(self.now, asked)
            for each in asked:
                assert isinstance(each, Subscribe)
                self.market_feed.on_subscribed(Subscribed(each.channel, Epoch(self.epoch), False, self.now))

    def forget(self) -> None:
        for market in self.markets.values():
            market.forget()

    def cut(self) -> None:
        """The venue closes the market feed."""
        self.market_feed.on_down(FeedDown(Feed.MARKET, Epoch(self.epoch), Reason.CLOSED_BY_VENUE, self.now), self.now)
        self.forget()

    def silence(self, *instruments) -> None:
        self.speaking -= {Channel(kind, i.id) for i in instruments or (ETH, BTC) for kind in PRICES}

    def waits(self):
        return [round(later - earlier) for earlier, later in zip(self.lost, self.lost[1:], strict=False)]

    @property
    def names(self):
        return [alert.name for alert in self.alerts]


# --- the table of CN-08 ---------------------------------------------------------------------------


def test_one_silent_feed_is_told_of_at_its_times():
    """CN-08, CN-09, C-04: no data from 0 s on; 15 s stale, 20 s a new connection, 35 s critical."""
    watched = Watched().run(0.5)
    watched.speaking = set()
    watched.run(40)
    assert watched.told == [
        (5.0, E.HEALTHY),
        (10.0, E.HEALTHY),
        (15.0, E.MARKET_DATA_STALE),
        (20.0, E.RECONNECT_RECOMMENDED),
        (25.0, E.MARKET_DATA_STALE),
        (30.0, E.MARKET_DATA_STALE),
        (35.0, E.CRITICAL),
        (40.0, E.CRITICAL),
    ]
    assert [(alert.name, alert.severity) for alert in watched.alerts] == [
        ("feed_silent", Severity.WARNING),
        ("feed_critical", Severity.CRITICAL),
    ]
    assert watched.alerts[0].text == "market: no prices of ETH, prices of BTC on a live connection"
    assert watched.lost == [20.0]


@pytest.mark.parametrize(("age", "is_stale"), [(9.9, False), (10.0, False), (10.1, True)])
def test_where_a_reading_is_stale(age, is_stale):
    """CN-06."""
    watched = Watched().run(1)
    for market in watched.markets.values():
        market.known_at = market.recv_time = Ns(s(15) - s(age))
    watched.now = s(15)
    watched.speaking = set()
    watched.step()
    assert watched.told == [(15.0, E.MARKET_DATA_STALE if is_stale else E.HEALTHY)]


@pytest.mark.parametrize(("readings", "at"), [(1, 15.0), (2, 20.0), (3, 25.0)])
def test_how_many_readings_recommend(readings, at):
    """CN-08: the least is one, the usual two."""
    watched = Watched(SupervisorConfig(stale_readings=readings)).run(0.5)
    watched.speaking = set()
    assert watched.run(29).lost == [at]


def test_data_clears_what_was_counted():
    """CN-05, CN-15: a single stale reading, then data: the next silence begins at nothing."""
    watched = Watched().run(2.5)
    watched.speaking = set()
    watched.run(14)
    assert watched.supervisor.stats(watched.now).stale_readings == 1
    watched.speaking = set(MARKET)
    watched.run(4)
    assert watched.supervisor.stats(watched.now).stale_readings == 0
    assert watched.told[-1] == (20.0, E.HEALTHY)
    assert watched.lost == []


# --- connecting anew -----------------------------------------------------------------------------


def test_a_market_that_speaks_is_left_alone():
    """CN-06: whatever the top does, books go on; an hour of it brings no reconnect and no alert."""
    watched = Watched().run(5)
    watched.speaking = {Channel(ChannelKind.BOOK, i.id) for i in (ETH, BTC)}  # no trades, no new tops
    watched.run(3_600)
    assert (watched.lost, watched.alerts, watched.market_feed.silences) == ([], [], 0)
    assert set(watched.supervisor.events) == {E.HEALTHY}


def test_an_instrument_without_prices_brings_a_new_connection():
    """CN-08, CN-13, CN-15: the other one and its own trades go on; once it is back all is as new."""
    watched = Watched().run(10)
    watched.silence(ETH)
    watched.run(15)
    assert watched.lost == []
    watched.run(1)
    assert watched.lost == [25.0]  # the last was heard at 9.5 s
    assert [alert.text for alert in watched.alerts] == ["market: no prices of ETH on a live connection"]
    assert (watched.market_feed.downs, watched.market_feed.silences) == (1, 1)
    watched.speaking = set(MARKET)
    watched.run(14)
    assert watched.market_feed.is_live
    watched.silence(ETH)
    watched.run(21)
    assert len(watched.lost) == 2  # no more patience than the first time: it had spoken
    assert watched.names == ["feed_silent"] * 2  # another episode


def test_a_market_that_stands_still_brings_no_storm():
    """CN-07, CN-13: a connection that brought nothing doubles the wait for the next; told once."""
    watched = Watched().run(10)
    watched.speaking = set()
    watched.run(260)
    assert watched.waits() == [45, 85]
    watched.run(3 * 3_600)
    assert max(watched.waits()) in range(600, 610)  # longest_s, the back-off and the next check
    assert watched.names == ["feed_silent", "feed_critical"]
    assert len(watched.lost) < 30


def test_late_data_do_not_count_as_fresh():
    """C-04: what arrives 20 s late is stale however steadily it arrives; a new connection may be faster."""
    watched = Watched().run(3)
    watched.speaking = set()
    while watched.now < s(30) and not watched.lost:
        for market in watched.markets.values():
            market.recv_time, market.delay = watched.now, s(20)
            market.known_at = Ns(watched.now - s(20))
        watched.run(0.5)
    assert watched.lost == [15.0]  # the connection is live for longer than a reading only at the second of them


@pytest.mark.parametrize("kind", [*PRICES, ChannelKind.TRADES])
def test_a_channel_that_was_acknowledged_and_never_spoke_is_dead(kind):
    """Reliability 59: the connection lives, everything else comes. Who spoke once may be silent."""
    watched = Watched()
    watched.speaking.remove(Channel(kind, BTC.id))
    watched.run(65)
    assert watched.lost == []
    watched.run(0.5)
    assert watched.lost == [65.0]
    assert [alert.text for alert in watched.alerts] == [f"market: no {kind} of BTC on a live connection"]
    watched.speaking = set(MARKET)
    watched.run(5)
    watched.speaking.remove(Channel(kind, BTC.id))
    watched.run(3_600)
    assert watched.lost == [65.0]
    watched.cut()
    watched.run(70)
    assert len(watched.lost) == 2  # what it said on the last connection does not count on this one


def test_a_connection_that_is_down_is_not_given_up_and_turns_critical():
    """CN-09: the venue is away for a minute; nobody closes what is closed, people are told once."""
    watched = Watched().run(10)
    watched.answers_connects = False
    watched.cut()
    watched.run(60)
    assert (watched.lost, watched.names) == ([], ["feed_critical"])
    stats = watched.supervisor.stats(watched.now)
    assert (stats.event, stats.is_reconnecting, stats.attempts) == (E.CRITICAL, True, 7)
    watched.answers_connects = True
    watched.run(60)
    stats = watched.supervisor.stats(watched.now)
    assert (stats.event, stats.is_reconnecting, stats.attempts) == (E.HEALTHY, False, 0)


@pytest.mark.parametrize(
    ("config", "ladder"),
    [
        (SupervisorConfig(), None),
        (SupervisorConfig(), StalenessConfig(reading_s=None)),
        (SupervisorConfig(critical_factor=None, stale_readings=1_000), StalenessConfig()),
    ],
)
def test_what_is_off_does_nothing(config, ladder):
    watched = Watched(config, ladder).run(10)
    watched.silence()
    watched.run(600)
    assert (watched.lost, watched.names) == ([], [])


def test_a_trader_without_a_supervisor_stays_on_a_silent_feed():
    stage = quoting(config=replace(QUICK, supervisor=None))
    go_silent(stage)
    stage.run_for(s(300))
    assert (stage.venue.epochs[Feed.MARKET], stage.alerts.count("feed_silent")) == (1, 0)


# --- the account ---------------------------------------------------------------------------------


def test_a_quiet_account_is_read_and_nothing_else():
    """CN-07: no order update and no fill for a minute: one note, no warning, and one look at the account a minute."""
    watched = Watched().run(4)
    watched.supervisor.on_user_event(watched.now)
    watched.run(60)
    assert (watched.polls, watched.names) == ([], [])
    watched.run(1.5)
    assert (watched.polls, watched.names, watched.supervisor.event) == ([65], ["user_events_stale"], E.USER_EVENT_STALE)
    assert watched.alerts[0].severity is Severity.INFO, "quotes that stay where they are cause no news"
    watched.run(130)
    assert (watched.polls, len(watched.alerts), watched.lost) == ([65, 130, 195], 1, [])
    watched.supervisor.on_user_event(watched.now)
    watched.run(10)
    assert watched.supervisor.event is E.HEALTHY


def test_a_quiet_account_of_the_trader_is_compared_with_the_venues():
    """CN-07 in the whole trader: the poll asks for fills, orders and position; quotes stand."""
    stage = quoting()
    before = stage.core.snapshot().resyncs
    stage.core.supervisor._user_event_at = stage.now
    stage.mid_after = lambda mid: mid
    stage.run_for(s(70))
    assert stage.core.snapshot().resyncs > before
    assert stage.alerts.count("user_events_stale") == 1
    assert stage.is_two_sided()


def test_a_socket_that_answers_nothing_is_given_up_at_once():
    """CN-13: data come and requests fall silent, three times in a row: a new connection; one alert."""
    watched = Watched().run(6)
    feed = watched.user_feed
    for at in (6, 9, 12):
        assert watched.lost == []
        feed.on_unanswered(Epoch(1), s(at), s(at + 1))
        watched.step()
    assert watched.lost == [6.0]
    assert [alert.text for alert in watched.alerts] == ["user: requests are not answered"]
    assert (feed.is_live, feed.silences) == (False, 1)


def test_a_venue_that_answers_nothing_brings_no_storm_of_connections():
    """CN-13, S26: each mute connection doubles what is waited for with the next; told once until one answers."""
    watched = Watched().run(6)
    feed, rounds, lost = watched.user_feed, [], 0
    for number in range(200):
        feed.state = FeedState.LIVE
        at = Ns(s(10) + number * s(2))
        feed.on_unanswered(feed.epoch, at, Ns(at + s(1)))
        watched.step()
        if len(watched.lost) > lost:
            lost = len(watched.lost)
            rounds.append(number)
    assert [b - a for a, b in pairwise(rounds)][:4] == [6, 12, 24, 48]
    assert watched.names.count("feed_silent") == 1
    feed.state = FeedState.LIVE
    feed.on_answer(feed.epoch, s(900))
    for number in range(3):
        feed.on_unanswered(feed.epoch, s(901 + number), s(901.5 + number))
    watched.step()
    assert watched.names.count("feed_silent") == 2  # it had answered: three are enough again, and that is news


# --- looking -------------------------------------------------------------------------------------


def test_looking_changes_nothing():
    """CN-11, T-18: a thousand looks at the statistics bring no reconnect."""
    watched, looked = Watched().run(10), Watched().run(10)
    for each in (watched, looked):
        each.silence()
    for _ in range(100):
        watched.run(0.5)
        looked.run(0.5)
        for _ in range(10):
            looked.supervisor.stats(looked.now)
            looked.supervisor.deadline()
    assert (watched.told, watched.lost) == (looked.told, looked.lost)


def test_the_statistics_say_how_old_everything_is():
    """CN-10, CN-11."""
    watched = Watched().run(10)
    watched.supervisor.on_user_event(s(8))
    stats = watched.supervisor.stats(watched.now)
    assert (stats.since_market_data, stats.since_user_event) == (ms(500), s(2))
    assert (stats.attempts, stats.is_reconnecting) == (0, False)
    watched.cut()
    assert watched.supervisor.stats(watched.now).is_reconnecting


# --- the ladder ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"caution_s": 15}, "reading_s 10 is not above caution_s 15"),
        ({"reading_s": 15}, "gate_s 15 is not above reading_s 15"),
        ({"gate_s": 31}, "halt_s 30 is not above gate_s 31"),
        ({"reading_s": None, "caution_s": 20}, "gate_s 15 is not above caution_s 20"),
    ],
)
def test_the_rungs_are_in_order(changes, told):
    """C-04."""
    with pytest.raises(ValueError, match=told):
        StalenessConfig(**changes)


def go_silent(stage):
    """The connection lives, the data does not move; what brings it back."""
    quote, stage.venue.quote = stage.venue.quote, lambda *args, **named: None
    return quote


def test_what_is_fresh_for_figures():
    assert fresh_for(StalenessConfig()) == fresh_for(None) == fresh_for(StalenessConfig(gate_s=None)) == 15
    assert fresh_for(StalenessConfig(gate_s=12)) == 12


def test_the_whole_ladder_of_one_silent_feed():
    """C-04: careful at 5 s, no quotes at 15 s, an anomaly at 30 s and no halt, since we connect anew."""
    stage = quoting()
    stage.run_for(s(2.0))
    quote, tops = go_silent(stage), stage.venue.tops
    stage.run_for(ms(200))
    last = stage.desk.market.known_at
    seen: dict[str, float] = {}
    while stage.now < last + s(45):
        stage.run_for(ms(100))
        if "gated" in seen:
            stage.venue.tops = {}  # what a new subscription would show first
        state = {
            "careful": stage.desk.stance.spread_factor > 1,
            "gated": stage.desk.gate not in (None, "careful"),
            "anomaly": "book:stale_data" in stage.desk.market.sanity.anomalies.by_name(),
            "halted": stage.desk.halts > 0,
            "critical": stage.alerts.count("feed_critical") > 0,
            "reconnected": stage.venue.epochs[Feed.MARKET] > 1,
        }
        for name, holds in state.items():
            if holds:
                seen.setdefault(name, int((stage.now - last) // NS_PER_S))
    assert list(seen) == ["careful", "gated", "reconnected", "anomaly", "critical"]
    assert (seen["careful"], seen["gated"], seen["anomaly"]) == (5, 15, 30)
    assert seen["reconnected"] in range(16, 23)
    assert seen["critical"] in range(31, 36)
    stage.venue.quote, stage.venue.tops = quote, tops
    stage.run_for(s(60))
    assert stage.is_two_sided()
    assert stage.desk.halts == 0


def test_a_feed_that_does_not_come_back_halts_after_its_grace():
    """C-04, C-19: five attempts are waited for, the sixth halts; it lifts itself once data is back."""
    stage = quoting()
    stage.run_for(s(2))
    stage.venue.faults.refuses_connections.add(Feed.MARKET)
    stage.venue.cut(Feed.MARKET)
    stage.run_for(s(35))
    assert (stage.desk.halts, stage.core.market_feed.attempts) == (0, 6)
    stage.run_for(s(40))
    assert (stage.desk.halts, stage.desk.stance.gate) == (1, "staleness")
    stage.venue.faults.refuses_connections.clear()
    stage.run_for(s(110))
    assert stage.is_two_sided()


def test_no_level_is_added_while_careful():
    """C-04: what stands may move; a level that was taken is not filled up again before the data is fresh."""
    stage = quoting()
    stage.run_for(s(2))
    quote = go_silent(stage)
    stage.run_for(s(6))
    assert stage.desk.stance.adds_levels is False
    level = max(stage.venue.resting(), key=lambda order: order.place.px)
    stage.venue._end(level, level.status.CANCELED, None)
    stage.run_for(s(3))
    count = len(stage.venue.resting())
    assert stage.desk.execution.actions_gated.get("caution", 0) > 0
    stage.venue.quote = quote
    stage.run_for(s(3))
    assert len(stage.venue.resting()) > count


def test_a_process_that_stood_still_reads_what_waits_before_it_halts():
    """A stall of 45 s makes everything old; what is in the inbox is not."""
    stage = quoting()
    stage.run_for(s(2))
    watch, now = stage.core.risk, Ns(stage.now + s(45))
    watch.look(now)
    assert stage.desk.stance.gate is None
    assert watch.deadline() == now + s(1)
    watch.look(Ns(now + s(1)))
    assert stage.desk.stance.gate == "staleness"
