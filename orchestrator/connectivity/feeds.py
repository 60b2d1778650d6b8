"""When to connect, subscribe and try again: one small machine per feed.

The adapter only does as it is told; a feed that does not answer in time is closed and retried with
growing, jittered delays, and so is one that is up and silent (see `silence`).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Gt, Interval

from domain.commands import Alert, AnyCommand, Connect, Disconnect, Severity, Subscribe
from domain.events import Channel, ChannelKind, Feed, FeedDown, FeedUp, Reason, Subscribed
from domain.ids import uniform
from domain.lifecycle import step
from domain.units import Epoch, InstrumentId, Ns, millis
from orchestrator.connectivity.silence import SilenceConfig, SilenceWatch


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
    """Each delay is drawn from U(1 - jitter, 1 + jitter) times its nominal value; where that is beyond the
    longest wait, from U(1 - jitter, 1) times the longest."""
    silence: SilenceConfig | None = field(default_factory=SilenceConfig)
    """When a feed that is up and says nothing is connected anew; off: only one that the adapter finds dead."""


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
        self.silences = 0
        """How often it was lost because it was silent: a pong did not come, or we gave it up."""
        self.attempts = 0
        """Failed attempts in a row."""
        self.life_seed = 0
        self._missing: list[Channel] = []
        self._to_subscribe = False
        self._deadline: Ns | None = Ns(0)
        self._wanted = True
        self._watch = None if config.silence is None else SilenceWatch(channels, config.silence)

    @property
    def is_live(self) -> bool:
        """Connected, and every channel acknowledged."""
        return self.state is FeedState.LIVE

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
        if self._watch is not None:
            self._watch.begin()
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
            if self._watch is not None:
                self._watch.on_acknowledged(event.channel, event.recv_time)
        if self._missing or self._to_subscribe:
            return False
        self._go(FeedState.LIVE)
        self.attempts = 0
        self._deadline = None if self._watch is None else self._watch.due()
        return True

    def on_message(self, kind: ChannelKind, instrument: InstrumentId, now: Ns) -> None:
        """Data of an instrument came on this feed."""
        if self._watch is not None:
            self._watch.on_message(kind, instrument, now)

    def on_answer(self, epoch: Epoch, now: Ns) -> None:
        """A request that was sent on the connection of this number was answered."""
        if self._watch is not None and epoch == self.epoch:
            self._watch.on_answer(now)

    def on_unanswered(self, epoch: Epoch, sent_at: Ns, now: Ns) -> None:
        """Nobody answered a request that was sent on the connection of this number, and its time is up."""
        if self._watch is None or epoch != self.epoch or not self.is_live:
            return
        self._watch.on_unanswered(sent_at, now)
        if self._watch.answers_nothing:
            self._deadline = now

    def on_down(self, event: FeedDown, now: Ns) -> bool:
        """Lost or never came; True when an established connection was lost."""
        if self.state is FeedState.DOWN or event.epoch < self.epoch:
            return False
        was_up = self.state in (FeedState.SUBSCRIBING, FeedState.LIVE)
        self._fall(now)
        self.downs += was_up
        self.silences += was_up and event.reason is Reason.NO_PONG
        return was_up

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns, out: list[AnyCommand]) -> bool:
        """Connect, subscribe or give up, as the state and the time say; True when a live feed was given up."""
        if not self._wanted:
            if self.state is not FeedState.DOWN:
                out.append(Disconnect(self.feed))
                self._go(FeedState.DOWN)
            return False
        if self._deadline is None or now < self._deadline:
            return False
        if self._watch is not None and self.is_live:
            return self._listen(self._watch, now, out)
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
        return False

    def _listen(self, watch: SilenceWatch, now: Ns, out: list[AnyCommand]) -> bool:
        """Whoever has been silent for too long is told of, once until it speaks, and the feed is given up."""
        dead = watch.dead(now)
        if not dead and not watch.answers_nothing:
            self._deadline = watch.due()
            return False
        fresh = watch.on_given_up(dead)
        if fresh:
            text = ", ".join(f"{kind or 'prices'} of {instrument}" for kind, instrument in fresh)
            out.append(Alert(Severity.WARNING, "feed_silent", f"{self.feed}: no {text} on a live connection"))
        elif not dead:
            out.append(Alert(Severity.WARNING, "feed_silent", f"{self.feed}: requests are not answered"))
        out.append(Disconnect(self.feed))
        self._fall(now)
        self.downs += 1
        self.silences += 1
        return True

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
        lowest = min(nominal, config.backoff_max_ms) * (1 - config.jitter)
        highest = min(nominal * (1 + config.jitter), config.backoff_max_ms)
        return millis(lowest + (highest - lowest) * share)

    def _go(self, to: FeedState) -> None:
        self.state = step(TRANSITIONS, self.state, to, f"feed {self.feed}")
