"""The ways between a trader and the venue: latency that is alike at nearly the same time, and order.

A link draws its latency from *weather*: a function of time alone, keyed by the link's name, so that
a message more or less never changes what the others meet, and two runs with different traders can be
compared message by message. On top of it each message has a jitter of its own, which shuffles what
one block publishes on several channels. A channel is first in, first out, and channels are independent; requests
by REST and their answers have no order, as each has a connection of its own.

Behind a slow message the next ones of its channel wait. A recorded distribution contains those that waited, so
taking it as a model lengthens its far tail: with the defaults the median stays within 3 %, the 90 % quantile
is 10-15 % longer, the 99 % quantile half as long again.

A link does not know what it carries and by itself loses nothing: whether the connection still stands when
a message arrives is the session's business. Faults slow it down or tamper with what it carries.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import erfc, sqrt
from typing import Annotated

from annotated_types import Interval

from domain.commands import Route
from domain.units import NS_PER_MS, Ns, millis
from sim.envelope import Envelope, LinkName, Parcel, Tamper
from sim.environment import Environment
from sim.latency import Constant, Latency, LogNormal, Quantiles, Recording
from sim.rng import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """One way. Off is None: without `weather_ms` every message meets the model's median."""

    latency: Latency
    """How long a message travels: one of the models below."""
    weather_ms: Annotated[float, Interval(ge=0.001, le=1e6)] | None = 500.0
    """Time over which latency changes: its correlation is 0.3 after that, as on recorded feeds."""
    jitter_ms: Annotated[float, Interval(ge=0, le=1e6)] = 0.0
    """Each message is late by up to this much more."""


def _feed() -> LinkConfig:
    latency = Quantiles(table=Recording.FEED_BTC_2025_09, median_ms=120.0)
    return LinkConfig(latency=latency, jitter_ms=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinksConfig:
    """A trader's connection.

    The defaults are a client near the venue. Shapes are recorded; the levels were chosen so that
    data is 100-200 ms behind and a post-only order is answered after about 0.4 s, the published figures.
    """

    market_data: LinkConfig = field(default_factory=_feed)
    user_data: LinkConfig = field(default_factory=_feed)
    order_socket: LinkConfig = LinkConfig(latency=LogNormal(median_ms=100.0, sigma=0.35, floor_ms=20.0))
    order_rest: LinkConfig = LinkConfig(latency=LogNormal(median_ms=180.0, sigma=0.45, floor_ms=40.0))
    reply: LinkConfig = field(default_factory=_feed)
    handshake_ms: Annotated[float, Interval(ge=0, le=1e6)] = 300.0
    """From Connect to FeedUp, or to the news that it failed."""
    ping_every_ms: Annotated[float, Interval(ge=100, le=3.6e6)] | None = 10_000.0
    """The trader's end pings each connection so often, in ms; off: nobody notices one that is half-open."""
    pong_within_ms: Annotated[float, Interval(ge=100, le=3.6e6)] = 10_000.0
    """A connection whose pong takes longer, in ms, counts as lost."""
    numbered: bool = False
    """Whether the venue numbers its tops, books and trades, from 1 on each channel and connection, so that a gap can be
    seen. Hyperliquid does not; others do."""

    def of(self, name: LinkName) -> LinkConfig:
        """The config of one link."""
        config: LinkConfig = getattr(self, name.value)
        return config


def constant_links(ms: float, *, rest_ms: float | None = None, handshake_ms: float | None = None) -> LinksConfig:
    """Every message takes the same time; for tests and for studies of one latency."""

    def link(ms: float) -> LinkConfig:
        return LinkConfig(latency=Constant(ms=ms), weather_ms=None)

    return LinksConfig(
        market_data=link(ms),
        user_data=link(ms),
        order_socket=link(ms),
        order_rest=link(ms if rest_ms is None else rest_ms),
        reply=link(ms),
        handshake_ms=3 * ms if handshake_ms is None else handshake_ms,
    )


@dataclass(slots=True, eq=False)
class Slowdown:
    """What a fault does to a link while it lasts: latency times `factor`, plus `extra`."""

    factor: float = 1.0
    extra: Ns = Ns(0)


class Weather:
    """A standard normal process of time, random access, the same in every run of a seed.

    Linear between independent normal knots and scaled back to variance one, so that its marginal is
    normal at every moment and its correlation is gone after two knot distances.
    """

    _KNOTS = 256

    def __init__(self, streams: Streams, name: str, spacing: Ns) -> None:
        self._streams = streams
        self._name = name
        self._spacing = spacing
        self._chunks: dict[int, list[float]] = {}

    def __call__(self, now: Ns) -> float:
        """The level at a time."""
        k, rest = divmod(now, self._spacing)
        w = rest / self._spacing
        return ((1 - w) * self._knot(k) + w * self._knot(k + 1)) / sqrt(1 - 2 * w + 2 * w * w)

    def _knot(self, k: int) -> float:
        chunk, i = divmod(k, self._KNOTS)
        knots = self._chunks.get(chunk)
        if knots is None:
            if len(self._chunks) > 1:
                self._chunks.pop(min(self._chunks))
            knots = self._chunks[chunk] = self._streams.block(self._name, chunk).standard_normal(self._KNOTS).tolist()
        return knots[i]


class Link:
    """One way of one session."""

    def __init__(self, env: Environment, streams: Streams, name: str, config: LinkConfig) -> None:
        self.env = env
        self.name = name
        self.config = config
        self.slowdowns: list[Slowdown] = []
        """In force now; faults append theirs and remove it."""
        self.tampers: list[Tamper] = []
        """The same for faults that lose, delay, repeat or change messages; each sees what those before it left."""
        self.sent = 0
        self._model: Callable[[float], Ns] = config.latency
        self._weather = None
        if config.weather_ms is not None:
            self._weather = Weather(streams, f"weather/{name}", millis(config.weather_ms))
        self._jitter = config.jitter_ms * NS_PER_MS
        self._uniforms = streams.uniforms(f"jitter/{name}")
        self._last: dict[Hashable, Ns] = {}

    def latency(self, now: Ns) -> Ns:
        """What the weather and the faults of this moment make of the model, without jitter."""
        u = 0.5 if self._weather is None else 0.5 * erfc(-self._weather(now) * _SQRT_HALF)
        latency = self._model(u)
        for slowdown in self.slowdowns:
            latency = Ns(round(latency * slowdown.factor) + slowdown.extra)
        return latency

    def send(self, channel: Hashable, fn: Callable[..., object], *args: object) -> Ns:
        """Have ``fn(*args)`` called when the message arrives; returns that time."""
        arrival = self._in_order(channel, self._arrival())
        self.env.call_in_line(self._line(channel), arrival, fn, *args)
        return arrival

    def send_enveloped(self, envelope: Envelope, fn: Callable[..., object], *args: object) -> None:
        """Let the tampers have the message, and ``fn(*args, payload)`` be called for whatever they leave of it.

        A message draws its latency once, whatever becomes of it, so that the others meet what they would have.
        """
        arrival = self._arrival()
        for delay, payload, keeps_order in self._tampered(envelope):
            at = arrival + delay
            line = None
            if keeps_order:
                at, line = self._in_order(envelope.channel, at), self._line(envelope.channel)
            self.env.call_in_line(line, at, fn, *args, payload)

    def _line(self, channel: Hashable) -> Hashable:
        """What has an order: the messages of one channel; None where each has a connection of its own."""
        return None if channel is Route.REST else (self.name, channel)

    def _in_order(self, channel: Hashable, arrival: int) -> Ns:
        """The arrival of a message, not before that of the one before it on its channel."""
        if channel is Route.REST:
            return Ns(arrival)
        at = self._last[channel] = Ns(max(arrival, self._last.get(channel, 0)))
        return at

    def _arrival(self) -> int:
        now = self.env.now
        arrival = now + self.latency(now)
        if self._jitter:
            arrival += int(next(self._uniforms) * self._jitter)
        self.sent += 1
        return arrival

    def _tampered(self, envelope: Envelope) -> list[Parcel]:
        parcels = [Parcel(Ns(0), envelope.payload)]
        for tamper in tuple(self.tampers):
            left: list[Parcel] = []
            for parcel in parcels:
                made = tamper(envelope._replace(payload=parcel.payload))
                if made is None:
                    left.append(parcel)
                    continue
                for new in made:
                    in_order = parcel.keeps_order and new.keeps_order
                    left.append(Parcel(Ns(parcel.delay + new.delay), new.payload, in_order))
            parcels = left
        return parcels


_SQRT_HALF = sqrt(0.5)
