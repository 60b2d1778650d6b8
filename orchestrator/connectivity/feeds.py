"""When to connect, subscribe and try again: one small machine per feed.

The adapter only does as it is told; a feed that does not answer in time is closed and retried with
growing, jittered delays. One that is up and silent the `supervisor` gives up.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import AnyCommand, Connect, Disconnect, Subscribe
from domain.events import Channel, Feed, FeedDown, FeedUp, Reason, Subscribed
from domain.ids import uniform
from domain.lifecycle import step
from domain.units import NS_PER_S, Epoch, Ns, millis

MINUTE = Ns(60 * NS_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsConfig:
    """How patient we are with connections."""

    connect_timeout_ms: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """A connection that is not up after this, in ms, is given up and tried again."""
    subscribe_timeout_ms: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """The same for its subscriptions: all must be acknowledged in time, in ms."""
    backoff_ms: Annotated[float, Interval(gt=0, le=1e9)] = 1_000.0
    """Wait before the first new attempt, in ms; doubled with every failure until the feed is live."""
    backoff_max_ms: Annotated[float, Interval(gt=0, le=1e9)] = 30_000.0
    """No wait is longer than this, in ms."""
    backoff_reached_ms: Annotated[float, Interval(gt=0, le=1e9)] = 8_000.0
    """Nor than this, in ms, after a connection that came up and whose subscriptions did not: the venue is there."""
    jitter: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    """Each delay is drawn from U(1 - jitter, 1 + jitter) times its nominal value; where that is beyond the
    longest wait, from U(1 - jitter, 1) times the longest."""
    connects_per_minute: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 24
    """Attempts to connect within a minute, of both feeds together; the venue takes 30 of an address."""


class ConnectPace:
    """How often we connect, over all feeds: the venue counts the new connections of an address (S26).

    Waits that begin anew with every success would let a storm of losses use up what the venue takes.
    """

    def __init__(self, most: int) -> None:
        """``most`` attempts within a minute."""
        self._tries: deque[Ns] = deque(maxlen=most)

    def free_at(self, now: Ns) -> Ns:
        """When the next attempt may be made."""
        tries = self._tries
        return now if len(tries) < (tries.maxlen or 0) else max(Ns(tries[0] + MINUTE), now)

    def note(self, now: Ns) -> None:
        """An attempt is made."""
        self._tries.append(now)

    def continue_from(self, ages: Iterable[Ns], now: Ns) -> None:
        """Attempts of earlier lives, by how long ago each was made: the venue does not know that we are another."""
        self._tries.extend(Ns(now - age) for age in ages if 0 <= age < MINUTE)


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

    def __init__(
        self, feed: Feed, channels: tuple[Channel, ...], config: FeedsConfig, pace: ConnectPace | None = None
    ) -> None:
        """Begin down, allowed to connect at once; ``pace`` is that of all feeds."""
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
        """Attempts in a row that failed, the loss of a live connection included; 0 while live."""
        self.life_seed = 0
        self.pace = ConnectPace(config.connects_per_minute) if pace is None else pace
        self._waits = 0
        """Waits of this life: each has a draw of its own."""
        self.acknowledged: dict[Channel, Ns] = {}
        """When each subscription of this connection was acknowledged."""
        self.unanswered = 0
        """Requests in a row that this connection took and did not answer; those under way together count once."""
        self.has_answered = False
        """Whether this connection answered any request."""
        self.was_live = False
        """Whether it was live at least once."""
        self._counts_from = Ns(0)
        """What was sent earlier was under way when another request was given up, or before an answer came."""
        self._missing: list[Channel] = []
        self._to_subscribe = False
        self._deadline: Ns | None = Ns(0)
        self._wanted = True

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
        self.acknowledged.clear()
        self.unanswered, self.has_answered = 0, False
        self._missing = list(self.channels)
        self._to_subscribe = bool(self.channels)
        self._go(FeedState.SUBSCRIBING if self.channels else FeedState.LIVE)
        self.was_live = self.was_live or self.is_live
        self._deadline = now if self.channels else None

    def on_subscribed(self, event: Subscribed) -> bool:
        """One channel acknowledged; True when that made the feed live."""
        if event.epoch != self.epoch or self.state is not FeedState.SUBSCRIBING:
            return False
        if event.channel in self._missing:
            self._missing.remove(event.channel)
            self.acknowledged[event.channel] = event.recv_time
        if self._missing or self._to_subscribe:
            return False
        self._go(FeedState.LIVE)
        self.attempts = 0
        self.was_live = True
        self._deadline = None
        return True

    def on_answer(self, epoch: Epoch, now: Ns) -> None:
        """A request that was sent on the connection of this number was answered, in time or late."""
        if epoch == self.epoch:
            self.unanswered, self.has_answered = 0, True
            self._counts_from = now

    def on_unanswered(self, epoch: Epoch, sent_at: Ns, now: Ns) -> None:
        """Nobody answered a request that was sent on the connection of this number, and its time is up."""
        if epoch == self.epoch and self.is_live and sent_at >= self._counts_from:
            self.unanswered += 1
            self._counts_from = now

    def on_down(self, event: FeedDown, now: Ns) -> bool:
        """Lost or never came; True when an established connection was lost.

        While we connect, only an attempt can fail: what else is down is the connection before, of which we read late.
        """
        if self.state is FeedState.DOWN or event.epoch < self.epoch:
            return False
        if self.state is FeedState.CONNECTING and event.reason is not Reason.CONNECT_FAILED:
            return False
        was_up = self.state in (FeedState.SUBSCRIBING, FeedState.LIVE)
        self._fall(now)
        self.downs += was_up
        self.silences += was_up and event.reason is Reason.NO_PONG
        return was_up

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns, out: list[AnyCommand]) -> None:
        """Connect, subscribe or give up, as the state and the time say."""
        if not self._wanted:
            if self.state is not FeedState.DOWN:
                out.append(Disconnect(self.feed))
                self._go(FeedState.DOWN)
        elif self._deadline is None or now < self._deadline:
            return
        elif self.state is FeedState.DOWN and (free_at := self.pace.free_at(now)) > now:
            self._deadline = free_at
        elif self.state is FeedState.DOWN:
            self.pace.note(now)
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

    def give_up(self, now: Ns, out: list[AnyCommand]) -> None:
        """Close a live connection that is of no use, and connect anew after the usual delay."""
        out.append(Disconnect(self.feed))
        self._fall(now)
        self.downs += 1
        self.silences += 1

    def failed_attempts(self) -> int:
        """Failed attempts in a row; for whoever wants to ask later."""
        return self.attempts

    def _fall(self, now: Ns) -> None:
        config = self.config
        has_reached = self.state is FeedState.SUBSCRIBING
        longest = min(config.backoff_max_ms, config.backoff_reached_ms) if has_reached else config.backoff_max_ms
        self._go(FeedState.DOWN)
        self._missing = []
        self._to_subscribe = False
        self.acknowledged.clear()
        self.unanswered = 0
        self._deadline = Ns(now + self._backoff(longest))
        self.attempts += 1

    def _backoff(self, longest_ms: float) -> Ns:
        config = self.config
        nominal = config.backoff_ms * 2 ** min(self.attempts, 30)
        site = f"reconnect/{self.feed}"
        self._waits += 1
        share = uniform(self.life_seed, site, self._waits)
        lowest = min(nominal, longest_ms) * (1 - config.jitter)
        highest = min(nominal * (1 + config.jitter), longest_ms)
        return millis(lowest + (highest - lowest) * share)

    def _go(self, to: FeedState) -> None:
        self.state = step(TRANSITIONS, self.state, to, f"feed {self.feed}")
