"""How a recorded market drives a world: when its blocks are, what they hold, and when who hears of it.

Blocks are at the recorded exchange times. What a subscriber saw arrives at the recorded receive times,
so the way from the venue to the trader is the recorder's own and not a model; requests, replies and
account data take the world's links. Own orders and fills are not in the recorded books and trades.

To the world a replay is a `Flow`, whose operations only its `Shadow` understands.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Annotated, NamedTuple

from annotated_types import Interval

from domain.events import AnyEvent, BboChanged, BookReported, Channel, ChannelKind, TradesPrinted
from domain.units import Ns, Px
from sim.environment import Environment
from sim.latency import Constant
from sim.links import LinkConfig
from sim.liquidity.base import Op
from sim.liquidity.queue_models import LevelModel, RiskAverse
from sim.liquidity.shadow import Shadow
from sim.recorded import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayConfig:
    """What may be turned on top of a recording."""

    queue: LevelModel = field(default_factory=RiskAverse)
    """Whether recorded cancels were ahead of our order or behind; by default the answer that flatters us least."""
    extra_latency_ms: Annotated[float, Interval(ge=0, le=1e9)] = 0.0
    """Market data comes by so much later than recorded."""

    def market_link(self) -> LinkConfig:
        """The link for market data of a session: the record has its own latency already."""
        return LinkConfig(latency=Constant(ms=self.extra_latency_ms), weather_ms=None)


class Delivery(NamedTuple):
    """A recorded message at the time at which the recorder had it."""

    recv_time: Ns
    channel: Channel
    event: BboChanged | BookReported | TradesPrinted


class ReplayFeed:
    """One recorded instrument: the flow of its world and the source of its market data."""

    def __init__(self, recording: Recording, config: ReplayConfig | None = None) -> None:
        self.recording = recording
        self.config = config or ReplayConfig()
        self.shadow = Shadow(self.config.queue, recording.records(), gaps=recording.gaps)
        self.shadow.advance(Ns(0))
        name = recording.instrument.id
        self.bbo = Channel(ChannelKind.BBO, name)
        self.book = Channel(ChannelKind.BOOK, name)
        self.trades = Channel(ChannelKind.TRADES, name)
        self._block_times = recording.block_times()

    @property
    def channels(self) -> frozenset[Channel]:
        """What comes from the record and not from the venue."""
        return frozenset((self.bbo, self.book, self.trades))

    # --- blocks ---------------------------------------------------------------------------------

    def next_block(self, after: Ns) -> Ns | None:
        """The first recorded exchange time after a moment; None when the record is over."""
        i = bisect_right(self._block_times, after)
        return self._block_times[i] if i < len(self._block_times) else None

    def seed(self) -> Sequence[Op]:
        """Nothing: the book is there from the start."""
        return ()

    def ops(self, block: int, now: Ns, best_bid: Px | None, best_ask: Px | None) -> Sequence[Op]:  # noqa: ARG002
        """The record up to this block, for the shadow to run below the front."""
        return self.shadow.take_ops(now)

    # --- market data ----------------------------------------------------------------------------

    def deliveries(self) -> Iterable[Delivery]:
        """Every recorded message, as it was received: with history, repetitions and silences."""
        recording = self.recording
        tops = (Delivery(each.recv_time, self.bbo, each) for each in recording.tops)
        books = (Delivery(each.recv_time, self.book, each) for each in recording.books)
        frames = (Delivery(each.recv_time, self.trades, each) for each in recording.frames)
        return merge(frames, tops, books, key=lambda each: each.recv_time)

    def play(self, env: Environment, publish: Callable[[Channel, tuple[AnyEvent, ...]], None]) -> None:
        """Call ``publish(channel, events)`` at each recorded receive time from now on."""
        rest = iter(self.deliveries())

        def arrive(delivery: Delivery) -> None:
            publish(delivery.channel, (delivery.event,))
            wait()

        def wait() -> None:
            following = next(rest, None)
            if following is not None:
                env.call_at(max(following.recv_time, env.now), arrive, following)

        wait()

    def past_trades(self, now: Ns, n: int) -> TradesPrinted:
        """The last trades that the recorder had by now: what the first frame after a subscription replays."""
        known = [each.trade for each in self.recording.trades if each.recv_time <= now]
        return TradesPrinted(self.recording.instrument.id, now, Ns(0), tuple(known[-n:]))


def next_wake(now: Ns, following: Ns | None, gap: Ns) -> Ns:
    """When the maker of blocks looks up again: at the recorded block, if it is near, or after a regular gap.

    At a recorded time there is a block in any case, at any other only if actions wait for one. A recorded
    block within one and a half gaps is near: so nobody gets blocks closer to each other than the venue's.
    """
    if following is not None and following - now <= gap + gap // 2:
        return following
    return Ns(now + gap)
