"""Watches what no closed connection tells: feeds that are up and bring nothing, sockets that answer nothing (CN-04).

A dead connection the adapter finds itself: its pong does not come. Here is what a pong cannot show. Every few seconds
the supervisor reads how old the data is; two stale readings in a row and it connects anew, longer silence is critical.
It reads counters that others keep, so looking costs nothing between two checks, and reading `stats` changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Protocol

from annotated_types import Interval

from domain.commands import Alert, AnyCommand, Severity
from domain.events import Channel, ChannelKind
from domain.units import NS_PER_S, InstrumentId, Ns, seconds
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.risk.ladder import StalenessConfig

PRICES = (ChannelKind.BBO, ChannelKind.BOOK)
WATCHED = (*PRICES, ChannelKind.TRADES)
"""Prices of the context are not watched: nothing is quoted on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorConfig:
    """How often to look, and when to act. From which age on a reading is stale the ladder says (`risk.staleness`)."""

    check_s: Annotated[float, Interval(ge=0.1, le=3_600)] = 5.0
    """Between two checks, in seconds."""
    stale_readings: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 2
    """So many stale readings of an instrument in a row close the market feed, to connect anew."""
    critical_factor: Annotated[float, Interval(gt=1, le=1e6)] | None = 3.0
    """Data that is so many times as old as a stale reading is critical: people are told that it does not heal."""
    first_s: Annotated[float, Interval(ge=1, le=3_600)] = 60.0
    """A single channel may be silent as long as nothing happens. Only one that has said nothing at all since it was
    acknowledged, for so long, in seconds, counts as dead."""
    longest_s: Annotated[float, Interval(ge=1, le=86_400)] = 600.0
    """A new connection that brought nothing doubles the patience with the next one, up to this, in seconds: the market
    itself may be silent."""
    unanswered: Annotated[int, Interval(ge=2, le=1_000_000_000)] | None = 3
    """So many requests in a row without an answer, each sent after the one before was given up, close the user feed;
    twice as many where the connection before has not answered either."""


class SupervisorEvent(StrEnum):
    """What a check found, from the best to the worst (CN-09)."""

    HEALTHY = "healthy"
    USER_EVENT_STALE = "user_event_stale"
    MARKET_DATA_STALE = "market_data_stale"
    RECONNECT_RECOMMENDED = "reconnect_recommended"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class SupervisorStats:
    """What there is to say at one moment; reading it changes nothing (CN-11)."""

    event: SupervisorEvent
    """What the last check found."""
    since_market_data: Ns | None
    """Age of the oldest instrument's data; None before the first."""
    since_user_event: Ns | None
    """Since the last order update or fill; None before the first."""
    stale_readings: int
    """In a row, of the instrument that has most of them."""
    attempts: int
    """Connections for market data that were tried, or lost, since the last data."""
    is_reconnecting: bool
    """Whether a feed that we had is not live."""


class WatchedMarket(Protocol):
    """What the supervisor reads of a market."""

    @property
    def gaps(self) -> int:
        """Connections that were lost since the last data."""
        ...

    def age(self, now: Ns) -> Ns | None:
        """Age of the data of this connection; None before the first."""
        ...

    def ladder_age(self, now: Ns) -> Ns | None:
        """The same across connections."""
        ...

    def heard(self, kind: ChannelKind) -> int:
        """Messages of a channel on this connection."""
        ...


@dataclass(slots=True)
class _Instrument:
    """What is remembered of one instrument's subscriptions."""

    readings: int = 0
    """Stale ones in a row; data clears them."""
    fruitless: int = 0
    """Connections in a row that were given up and had brought no fresh prices."""
    fruitless_channels: dict[ChannelKind, int] = field(default_factory=dict)
    """The same for each channel, by whether it had said anything."""

    def is_fresh(self, kind: ChannelKind | None) -> bool:
        """Whether a channel, or with None the prices, spoke on the connection before this one."""
        return not (self.fruitless if kind is None else self.fruitless_channels.get(kind, 0))


class ConnectionSupervisor:
    """Both feeds of an account."""

    def __init__(
        self,
        config: SupervisorConfig,
        ladder: StalenessConfig | None,
        market_feed: FeedMachine,
        user_feed: FeedMachine,
        markets: Mapping[InstrumentId, WatchedMarket],
        poll: Callable[[Ns], None],
        alert: Callable[[Alert], None],
    ) -> None:
        """``poll`` reads the account, for when it has not been heard of for long."""
        self.config = config
        self.event = SupervisorEvent.HEALTHY
        self.events: dict[SupervisorEvent, int] = {}
        """Checks by what they found."""
        self.reconnects = 0
        """How often a feed was closed for being silent."""
        self._market_feed = market_feed
        self._user_feed = user_feed
        self._markets = markets
        self._poll = poll
        self._alert = alert
        reading = None if ladder is None else ladder.reading_s
        user = None if ladder is None else ladder.user_s
        self._reading = None if reading is None else seconds(reading)
        self._user = None if user is None else seconds(user)
        self._check = seconds(config.check_s)
        self._next = self._check
        self._instruments = {name: _Instrument() for name in markets}
        self._user_event_at: Ns | None = None
        self._polled_at: Ns | None = None
        self._is_critical = False
        self._mute = 0
        """User feeds in a row that were given up and had answered nothing."""

    # --- facts ----------------------------------------------------------------------------------

    def on_user_event(self, now: Ns) -> None:
        """An order update or a fill came by its channel."""
        self._user_event_at = now
        self._polled_at = None

    # --- decisions ------------------------------------------------------------------------------

    def deadline(self) -> Ns:
        """When the next check is due."""
        return self._next

    def decide(self, now: Ns, out: list[AnyCommand]) -> list[FeedMachine]:
        """Check if it is time; returns the live feeds that were closed."""
        lost = []
        if self._is_mute():
            self._give_up(self._user_feed, None if self._mute else "requests are not answered", now, out)
            self._mute += 1
            lost.append(self._user_feed)
        if now < self._next:
            return lost
        self._next = Ns(now - now % self._check + self._check)
        event = self._check_user(now)
        found = self._check_market(now, out)
        if found is SupervisorEvent.RECONNECT_RECOMMENDED:
            lost.append(self._market_feed)
        self.event = event if found is SupervisorEvent.HEALTHY else found
        self.events[self.event] = self.events.get(self.event, 0) + 1
        return lost

    def stats(self, now: Ns) -> SupervisorStats:
        """The numbers of this moment."""
        ages = [age for market in self._markets.values() if (age := market.ladder_age(now)) is not None]
        feeds = (self._market_feed, self._user_feed)
        return SupervisorStats(
            self.event,
            max(ages, default=None),
            None if self._user_event_at is None else Ns(now - self._user_event_at),
            max((each.readings for each in self._instruments.values()), default=0),
            max(self._market_feed.attempts, *(market.gaps for market in self._markets.values())),
            any(feed.was_live and not feed.is_live for feed in feeds),
        )

    def _is_mute(self) -> bool:
        """Whether the user feed takes requests and answers none; more of them after one that never answered."""
        feed, limit = self._user_feed, self.config.unanswered
        if feed.has_answered:
            self._mute = 0
        return limit is not None and feed.is_live and feed.unanswered >= limit << min(self._mute, 4)

    # --- the account ----------------------------------------------------------------------------

    def _check_user(self, now: Ns) -> SupervisorEvent:
        """No news of the account for long: noted once, and read again each time that long goes by.

        No warning: quotes that stay where they are cause no news.
        """
        at, limit = self._user_event_at, self._user
        if limit is None or at is None or not self._user_feed.is_live or now - at <= limit:
            return SupervisorEvent.HEALTHY
        if self._polled_at is None:
            text = f"no order update and no fill for {(now - at) / NS_PER_S:.0f} s"
            self._alert(Alert(Severity.INFO, "user_events_stale", f"{text}: the account is read"))
        if self._polled_at is None or now - self._polled_at > limit:
            self._polled_at = now
            self._poll(now)
        return SupervisorEvent.USER_EVENT_STALE

    # --- market data ----------------------------------------------------------------------------

    def _check_market(self, now: Ns, out: list[AnyCommand]) -> SupervisorEvent:
        is_stale = is_critical = False
        dead: list[tuple[InstrumentId, ChannelKind | None]] = []
        for name, each in self._instruments.items():
            market = self._markets[name]
            if self._read(name, each, market, now):
                is_stale = True
                is_critical = is_critical or self._is_too_old(market, now)
                if each.readings >= self.config.stale_readings and self._is_overdue(name, each, market, now):
                    dead.append((name, None))
            dead.extend((name, kind) for kind in self._dead_channels(name, each, market, now))
        self._tell_critical(is_critical=is_critical)
        if dead and self._market_feed.is_live:
            self._on_dead(dead, now, out)
            return SupervisorEvent.RECONNECT_RECOMMENDED
        if is_critical:
            return SupervisorEvent.CRITICAL
        return SupervisorEvent.MARKET_DATA_STALE if is_stale else SupervisorEvent.HEALTHY

    def _read(self, name: InstrumentId, each: _Instrument, market: WatchedMarket, now: Ns) -> bool:
        """One reading of an instrument; True where it is stale. Fresh data clears what was counted (CN-15)."""
        age, limit = market.age(now), self._reading
        if limit is None:
            return False
        if age is not None and age <= limit:
            each.readings = each.fruitless = 0
            return False
        if age is None:
            age, since = market.ladder_age(now), self._acknowledged(name)
            if age is None and since is not None:
                age = Ns(now - since)
        is_stale = age is not None and age > limit
        each.readings += is_stale
        return is_stale

    def _is_overdue(self, name: InstrumentId, each: _Instrument, market: WatchedMarket, now: Ns) -> bool:
        """Whether this connection has had its time; after those that brought nothing, more and more of it."""
        since = self._acknowledged(name)
        if since is None or self._reading is None:
            return False
        age = market.age(now)
        silent = now - since if age is None else min(age, now - since)
        if not each.fruitless:
            return silent > self._reading
        return silent > self._patience(self._reading * self.config.stale_readings, each.fruitless)

    def _is_too_old(self, market: WatchedMarket, now: Ns) -> bool:
        age, factor = market.ladder_age(now), self.config.critical_factor
        return factor is not None and self._reading is not None and age is not None and age > factor * self._reading

    def _dead_channels(
        self, name: InstrumentId, each: _Instrument, market: WatchedMarket, now: Ns
    ) -> list[ChannelKind]:
        """Channels that were acknowledged long ago and have said nothing at all on this connection."""
        found = []
        for kind in WATCHED:
            since = self._market_feed.acknowledged.get(Channel(kind, name))
            if market.heard(kind):
                each.fruitless_channels.pop(kind, None)
            elif since is not None:
                patience = self._patience(seconds(self.config.first_s), each.fruitless_channels.get(kind, 0))
                if now - since > patience:
                    found.append(kind)
        return found

    def _patience(self, base: int, fruitless: int) -> int:
        return min(base << min(fruitless, 30), max(base, seconds(self.config.longest_s)))

    def _acknowledged(self, name: InstrumentId) -> Ns | None:
        """When the last subscription to prices was acknowledged; None: this connection has none."""
        known = self._market_feed.acknowledged
        return max((known[channel] for kind in PRICES if (channel := Channel(kind, name)) in known), default=None)

    def _on_dead(self, dead: list[tuple[InstrumentId, ChannelKind | None]], now: Ns, out: list[AnyCommand]) -> None:
        """Connect anew, and be more patient with whatever stayed silent; told once, until it speaks again."""
        fresh = [f"{kind or 'prices'} of {name}" for name, kind in dead if self._instruments[name].is_fresh(kind)]
        for name, each in self._instruments.items():
            market = self._markets[name]
            if (name, None) in dead or not any(market.heard(kind) for kind in PRICES):
                each.fruitless += 1
            for kind in WATCHED:
                if not market.heard(kind):
                    each.fruitless_channels[kind] = each.fruitless_channels.get(kind, 0) + 1
        text = f"no {', '.join(fresh)} on a live connection" if fresh else None
        self._give_up(self._market_feed, text, now, out)

    def _tell_critical(self, *, is_critical: bool) -> None:
        if is_critical and not self._is_critical:
            text = "market data has been away for long, and connecting anew has not helped"
            self._alert(Alert(Severity.CRITICAL, "feed_critical", text))
        self._is_critical = is_critical

    def _give_up(self, feed: FeedMachine, text: str | None, now: Ns, out: list[AnyCommand]) -> None:
        self.reconnects += 1
        if text is not None:
            self._alert(Alert(Severity.WARNING, "feed_silent", f"{feed.feed}: {text}"))
        feed.give_up(now, out)
