"""Connections that say nothing and are not closed: which silence is a fault, and what is just a quiet market.

A dead connection the adapter finds itself: its pong does not come. Here is what a pong cannot show: a subscription
that was acknowledged and is silent, and a socket that takes requests and never answers.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval

from domain.events import Channel, ChannelKind
from domain.units import InstrumentId, Ns, millis

_PRICES = (ChannelKind.BOOK, ChannelKind.BBO)
_WATCHED = (*_PRICES, ChannelKind.TRADES)
"""Prices of the context are not watched: nothing is quoted on them."""

Source = tuple[ChannelKind | None, InstrumentId]
"""One channel of an instrument; None: its prices, by whichever channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceConfig:
    """When a feed that is up and silent is closed and connected anew."""

    prices_ms: Annotated[float, Interval(ge=1_000, le=3.6e6)] = 20_000.0
    """Books come in a steady stream. An instrument with neither a book nor a top for so long, in ms, has dead
    subscriptions."""
    first_ms: Annotated[float, Interval(ge=1_000, le=3.6e6)] = 60_000.0
    """A single channel may be silent as long as nothing happens. Only one that has said nothing at all since it was
    acknowledged, for so long, in ms, counts as dead."""
    longest_ms: Annotated[float, Interval(ge=1_000, le=8.64e7)] = 600_000.0
    """A new connection that brought nothing doubles both times for the next one, up to this, in ms: the market itself
    may be silent."""
    unanswered: Annotated[int, Ge(2)] = 3
    """So many requests in a row without an answer, each sent after the one before was given up, close the user feed."""


class SilenceWatch:
    """How long the channels of one feed have been silent. Times are of receipt."""

    def __init__(self, channels: tuple[Channel, ...], config: SilenceConfig) -> None:
        """Watch those of the channels that belong to an instrument; the account may have nothing to say."""
        self._config = config
        self._sources: dict[Source, None] = {}
        for channel in channels:
            if channel.instrument is not None and channel.kind in _WATCHED:
                self._sources[channel.kind, channel.instrument] = None
                if channel.kind in _PRICES:
                    self._sources[None, channel.instrument] = None
        self._acknowledged: dict[Source, Ns] = {}
        self._heard: dict[Source, Ns] = {}
        self._fruitless: dict[Source, int] = {}
        """Connections in a row that were given up while the source had not spoken."""
        self._unanswered = 0
        self._counts_from = Ns(0)
        """What was sent earlier was under way when another request was given up, or before an answer came."""

    # --- what is heard --------------------------------------------------------------------------

    def begin(self) -> None:
        """A new connection: nothing is subscribed, nothing was asked."""
        self._heard.clear()
        self._unanswered = 0

    def on_acknowledged(self, channel: Channel, now: Ns) -> None:
        """From now on this channel owes us something."""
        if channel.instrument is not None:
            self._acknowledged[channel.kind, channel.instrument] = now
            if channel.kind in _PRICES:
                self._acknowledged[None, channel.instrument] = now

    def on_message(self, kind: ChannelKind, instrument: InstrumentId, now: Ns) -> None:
        """It speaks: whatever it failed to do before is forgotten."""
        self._note((kind, instrument), now)
        if kind in _PRICES:
            self._note((None, instrument), now)

    def on_answer(self, now: Ns) -> None:
        """A request on this connection was answered, in time or late."""
        self._unanswered = 0
        self._counts_from = now

    def on_unanswered(self, sent_at: Ns, now: Ns) -> None:
        """A request was given up. Those that were under way together count once; an answer speaks for them, too."""
        if sent_at >= self._counts_from:
            self._unanswered += 1
            self._counts_from = now

    # --- what it means --------------------------------------------------------------------------

    @property
    def answers_nothing(self) -> bool:
        """Whether the connection takes requests and does not answer them."""
        return self._unanswered >= self._config.unanswered

    def due(self) -> Ns | None:
        """When the first source has been silent for too long, if none speaks before; None: nothing is watched."""
        return min((due for source in self._sources if (due := self._due(source)) is not None), default=None)

    def dead(self, now: Ns) -> list[Source]:
        """What has been silent for too long."""
        return [source for source in self._sources if (due := self._due(source)) is not None and due <= now]

    def on_given_up(self, dead: list[Source]) -> list[Source]:
        """Be more patient with what stayed silent; returns those of the dead for which this is the first time."""
        fresh = [source for source in dead if source not in self._fruitless]
        for source in self._sources:
            if source in dead or source not in self._heard:
                self._fruitless[source] = self._fruitless.get(source, 0) + 1
        return fresh

    def _note(self, source: Source, now: Ns) -> None:
        self._heard[source] = now
        if self._fruitless:
            self._fruitless.pop(source, None)

    def _due(self, source: Source) -> Ns | None:
        since, heard = self._acknowledged.get(source), self._heard.get(source)
        if since is None:
            return None
        are_prices = source[0] is None
        if heard is not None:
            if not are_prices:
                return None
            since = max(since, heard)
        base = self._config.prices_ms if are_prices else self._config.first_ms
        patience = min(base * 2 ** min(self._fruitless.get(source, 0), 30), max(base, self._config.longest_ms))
        return Ns(since + millis(patience))
