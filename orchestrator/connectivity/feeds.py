"""When to connect, subscribe and try again: one small machine per feed.

The adapter only does as it is told; a feed that does not answer in time is closed and retried with
growing, jittered delays.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Interval

from domain.commands import AnyCommand, Connect, Disconnect, Subscribe
from domain.events import Channel, Feed, FeedDown, FeedUp, Subscribed
from domain.ids import uniform
from domain.units import Epoch, Ns, millis


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsConfig:
    """How patient we are with connections."""

    connect_timeout_ms: Annotated[float, Gt(0)] = 10_000.0
    """A connection that is not up after this, in ms, is given up and tried again."""
    subscribe_timeout_ms: Annotated[float, Gt(0)] = 10_000.0
    """The same for its subscriptions: all must be acknowledged in time, in ms."""
    backoff_ms: Annotated[float, Gt(0)] = 1_000.0
    """Wait before the first new attempt, in ms; doubled with every failure until the feed is live."""
    backoff_max_ms: Annotated[float, Gt(0)] = 60_000.0
    """No wait is longer than this, in ms."""
    jitter: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    """Each delay is drawn from U(1 - jitter, 1 + jitter) times its nominal value, then capped."""


class FeedState(StrEnum):
    """DOWN -> CONNECTING -> SUBSCRIBING -> LIVE; from all of them back to DOWN."""

    DOWN = "down"
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    LIVE = "live"


_S = FeedState
TRANSITIONS: dict[FeedState, frozenset[FeedState]] = {
    _S.DOWN: frozenset((_S.CONNECTING,)),
    _S.CONNECTING: frozenset((_S.SUBSCRIBING, _S.LIVE, _S.DOWN)),
    _S.SUBSCRIBING: frozenset((_S.LIVE, _S.DOWN)),
    _S.LIVE: frozenset((_S.DOWN,)),
}
"""CONNECTING -> LIVE: a feed without channels has nothing to subscribe to."""


class FeedMachine:
    """One feed and the channels that we want on it."""

    def __init__(self, feed: Feed, channels: tuple[Channel, ...], config: FeedsConfig) -> None:
        """Begin down, allowed to connect at once."""
        self.feed = feed
        self.channels = channels
        self.config = config
        self.state = FeedState.DOWN
        self.epoch = Epoch(0)
        self.downs = 0
        """How often the feed was lost after it had been up."""
        self.attempts = 0
        """Failed attempts in a row."""
        self.life_seed = 0
        self._missing: list[Channel] = []
        self._to_subscribe = False
        self._deadline: Ns | None = Ns(0)
        self._wanted = True

    @property
    def is_live(self) -> bool:
        """Connected, and every channel acknowledged."""
        return self.state is FeedState.LIVE

    @property
    def is_down(self) -> bool:
        """Neither connected nor connecting."""
        return self.state is FeedState.DOWN

    def close(self) -> None:
        """Stop wanting this feed: it is disconnected and not tried again."""
        self._wanted = False

    def deadline(self) -> Ns | None:
        """When this machine wants to be asked again."""
        if not self._wanted and self.state is FeedState.DOWN:
            return None
        return self._deadline

    # --- events ---------------------------------------------------------------------------------

    def on_up(self, event: FeedUp, now: Ns) -> None:
        """Connected: subscribe at the next decision. An older epoch than ours is history."""
        if event.epoch <= self.epoch or self.state is not FeedState.CONNECTING:
            return
        self.epoch = event.epoch
        self._missing = list(self.channels)
        self._to_subscribe = bool(self.channels)
        self._go(FeedState.SUBSCRIBING if self.channels else FeedState.LIVE)
        self._deadline = now if self.channels else None

    def on_subscribed(self, event: Subscribed) -> bool:
        """One channel acknowledged; True when that made the feed live."""
        if event.epoch != self.epoch or self.state is not FeedState.SUBSCRIBING:
            return False
        if event.channel in self._missing:
            self._missing.remove(event.channel)
        if self._missing or self._to_subscribe:
            return False
        self._go(FeedState.LIVE)
        self.attempts = 0
        self._deadline = None
        return True

    def on_down(self, event: FeedDown, now: Ns) -> bool:
        """Lost or never came; True when an established connection was lost."""
        if self.state is FeedState.DOWN or event.epoch < self.epoch:
            return False
        was_up = self.state in (FeedState.SUBSCRIBING, FeedState.LIVE)
        self._fall(now)
        self.downs += was_up
        return was_up

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns, out: list[AnyCommand]) -> None:
        """Connect, subscribe or give up, as the state and the time say."""
        if not self._wanted:
            if self.state is not FeedState.DOWN:
                out.append(Disconnect(self.feed))
                self._go(FeedState.DOWN)
            return
        if self._deadline is None or now < self._deadline:
            return
        if self.state is FeedState.DOWN:
            out.append(Connect(self.feed))
            self._go(FeedState.CONNECTING)
            self._deadline = Ns(now + millis(self.config.connect_timeout_ms))
        elif self._to_subscribe:
            out.extend(Subscribe(channel) for channel in self.channels)
            self._to_subscribe = False
            self._deadline = Ns(now + millis(self.config.subscribe_timeout_ms))
        else:
            out.append(Disconnect(self.feed))
            self._fall(now)

    def _fall(self, now: Ns) -> None:
        self._go(FeedState.DOWN)
        self._missing = []
        self._to_subscribe = False
        self._deadline = Ns(now + self._backoff())
        self.attempts += 1

    def _backoff(self) -> Ns:
        config = self.config
        nominal = config.backoff_ms * 2 ** min(self.attempts, 30)
        site = f"reconnect/{self.feed}"
        share = uniform(self.life_seed, site, self.downs * 1_000 + self.attempts)
        factor = 1 + config.jitter * (2 * share - 1)
        return millis(min(nominal * factor, config.backoff_max_ms))

    def _go(self, to: FeedState) -> None:
        assert to in TRANSITIONS[self.state], (self.feed, self.state, to)  # noqa: S101
        self.state = to


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsConfig:
    """How long a reply may take."""

    timeout_ms: Annotated[float, Gt(0)] = 3_000.0
    """Until enough replies were measured."""
    timeout_min_ms: Annotated[float, Gt(0)] = 500.0
    """The time-out never falls below this, in ms, however fast replies are."""
    timeout_p99_factor: Annotated[float, Ge(1)] = 3.0
    """Time-out = max(timeout_min_ms, factor x measured p99)."""
    distrust_ms: Annotated[float, Ge(0)] = 10_000.0
    """After a request on the socket fell silent, requests go by REST for so long: it may be half-open."""
