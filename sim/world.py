"""The world: an environment, a venue, everybody else's flow, and the links of whoever is attached.

A process makes blocks. Each block asks the flows what they do, lets the venue run it, and carries what
the venue says to the sessions. The world runs with no trader at all, and does not know what a trader is:
it knows sessions. Two worlds with the same config and seed differ only in what traders do.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from annotated_types import Interval, MinLen
from simpy.events import Event

from domain.commands import Request
from domain.events import AnyEvent, Channel, ChannelKind, Replied, TradesPrinted
from domain.instrument import Instrument
from domain.limits import VenueLimits
from domain.units import NS_PER_S, USD, AccountId, InstrumentId, Ns, Oid, RequestId, Usd
from sim.environment import Environment
from sim.feed import SNAPSHOTS, Sender, Session
from sim.flow.base import FIRST_FLOW_OID, FLOW, Flow
from sim.flow.synthetic import SyntheticFlow, SyntheticFlowConfig
from sim.latency import Latency, Quantiles, Recording
from sim.links import LinksConfig
from sim.liquidity.base import Liquidity, Op
from sim.liquidity.book import Book
from sim.replay_feed import ReplayFeed, next_wake
from sim.rng import Streams
from sim.ties import FIRST_COME, Ties, environment_of
from sim.venue import texts
from sim.venue.config import ClassOrder, MarginTerms, VenueConfig
from sim.venue.front import Venue
from sim.venue.meters import ConnectionMeter
from sim.venue.orders import NO_TIME
from sim.venue.publications import Publication
from sim.venue.signers import Signature

ETH = Instrument(id=InstrumentId("ETH"), sz_decimals=4, asset=1, max_leverage=25)
_FLOW_OIDS = 1 << 46
"""Ids that each flow may use; at 100 orders a second that lasts longer than anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConfig:
    """One instrument and who else trades it; without a flow its book starts and stays empty."""

    instrument: Instrument = ETH
    flow: SyntheticFlowConfig | None = field(default_factory=SyntheticFlowConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """Everything but the seed and the traders."""

    markets: Annotated[tuple[MarketConfig, ...], MinLen(1)] = (MarketConfig(),)
    venue: VenueConfig = field(default_factory=VenueConfig)
    limits: VenueLimits = field(default_factory=VenueLimits)
    class_order: ClassOrder = ClassOrder.VENUE
    """In which order a batch runs its classes."""
    block_gap: Latency = field(default_factory=lambda: Quantiles(table=Recording.BLOCK_GAPS))
    """Time from a block to the next, drawn for each."""
    two_batches: Annotated[float, Interval(ge=0, le=1)] = 3 / 18
    """Share of blocks with two consensus batches (3 of 18 recorded ones); the others have the venue config's."""
    cash: Usd = Usd(1_000_000 * USD)
    """Deposit of an account that `attach` has to open."""
    traded: Usd = Usd(0)
    """Volume that such an account has traded before."""
    actions_used: int = 0
    """Actions that it has sent before."""
    margin: MarginTerms | None = field(default_factory=MarginTerms)
    """On what terms it holds positions; None: it has credit without end."""
    ties: Ties = FIRST_COME
    """In which order happens what is due at the same nanosecond."""


class World:
    """Built from a config and a seed; `run` moves it on."""

    def __init__(
        self,
        config: WorldConfig,
        seed: int,
        *,
        liquidity: Mapping[InstrumentId, Liquidity] | None = None,
        flows: Mapping[InstrumentId, Flow] | None = None,
        replays: Mapping[InstrumentId, ReplayFeed] | None = None,
    ) -> None:
        """Build everything; `liquidity` and `flows` replace the reference book and the configured flow.

        `replays` make it a recorded world: all of its instruments or none.
        """
        self.config = config
        self.seed = seed
        self.env: Environment = environment_of(config.ties, seed)
        self.streams = Streams(seed)
        instruments = [market.instrument for market in config.markets]
        self.instruments = {instrument.id: instrument for instrument in instruments}
        self.liquidity: dict[InstrumentId, Liquidity] = {name: Book() for name in self.instruments}
        self.liquidity.update(liquidity or {})
        self.replays = dict(replays or {})
        if self.replays:
            if set(self.replays) != set(self.instruments):
                raise ValueError(f"a recorded world needs a recording of each of {sorted(self.instruments)}")
            self.liquidity.update({name: replay.shadow for name, replay in self.replays.items()})
            flows = dict(self.replays)
        self._recorded = {channel: replay for replay in self.replays.values() for channel in replay.channels}
        self.venue = Venue(instruments, config.venue, self.liquidity, config.limits, config.class_order)
        self.flows: dict[InstrumentId, Flow] = self._flows() if flows is None else dict(flows)
        self.venue.tell_prices(self._outside)
        for name, flow in self.flows.items():
            self.liquidity[name].execute(flow.seed())
        self.sessions: list[Session] = []
        self.block = 0
        self.down = 0
        """How many hold the venue: it makes no blocks. Not for recorded markets: those went on."""
        self.on_block: list[Callable[[int, Ns], None]] = []
        """Taps: called after each block, its publications already on their way."""
        self.on_publication: list[Callable[[Publication], None]] = []
        """Taps: everything that leaves the venue, at the moment at which it does."""
        self._attached = 0
        self._injected: dict[InstrumentId, list[Op]] = {}
        self._injected_oid: int = FIRST_FLOW_OID - _FLOW_OIDS
        self._waiting: dict[RequestId, Sender] = {}
        self._accepted = 0
        self.env.process(self._replay_blocks() if self.replays else self._make_blocks())
        for replay in self.replays.values():
            replay.play(self.env, self._publish_recorded)

    @property
    def unanswered(self) -> int:
        """Requests that the venue has taken and not answered."""
        return len(self._waiting)

    # --- time -----------------------------------------------------------------------------------

    def run(self, until: Ns) -> None:
        """Run until just before everything that is due at that time."""
        if until > self.env.now:
            self.env.run(until=until)

    # --- who takes part -------------------------------------------------------------------------

    def attach(self, account: AccountId, links: LinksConfig | None = None, ip: str = "10.0.0.1") -> Session:
        """A new session of an account, which is opened with the config's cash if it does not exist.

        Sessions are numbered in the order in which they are attached; the number names their streams.
        """
        if account not in self.venue.accounts:
            config = self.config
            self.venue.open_account(
                account, config.cash, traded=config.traded, actions_used=config.actions_used, margin=config.margin
            )
        links = links or LinksConfig()
        for replay in self.replays.values():
            links = replace(links, market_data=replay.config.market_link())
        session = Session(self, account, links, ip, f"session/{self._attached}")
        self.venue.signers.approve(session.signer, account)
        self._attached += 1
        self.sessions.append(session)
        return session

    def inject(self, instrument: InstrumentId, op: Callable[[Oid, AccountId], Op]) -> None:
        """Add an operation of the crowd to the next block; ``op(oid, account)`` makes it."""
        self._injected.setdefault(instrument, []).append(op(Oid(self._injected_oid), FLOW))
        self._injected_oid += 1

    # --- between sessions and venue -------------------------------------------------------------

    def accept(self, request: Request, sender: Sender, sent_at: Ns) -> None:
        """A request of a session has arrived. Under way it has a number of the world's own.

        So two sessions of one account may use the same request ids, and each gets its own answers.
        """
        session = sender.session
        if sender.epoch is not None and not session.sockets.post():
            refusal = texts.too_many_in_flight(sender.request_id)
            session.reply(sender, Replied(sender.request_id, NO_TIME, (refusal,)))
            return
        self._accepted += 1
        number = RequestId(self._accepted)
        self._waiting[number] = sender
        renumbered = _renumbered(request, number)
        signature = None if sender.nonce is None else Signature(session.signer, sender.nonce)
        now, ip = self.env.now, session.ip
        self.venue.submit(session.account, renumbered, now, sent_at=sent_at, ip=ip, signature=signature)
        self._carry_publications()

    def sockets(self, ip: str) -> ConnectionMeter:
        """What counts the sockets of an IP address."""
        return self.venue.wire(ip).sockets

    def snapshot(self, account: AccountId, channel: Channel) -> tuple[AnyEvent, ...]:
        """What follows the acknowledgement of a subscription."""
        if channel in self._recorded:
            past = self._recorded[channel].past_trades(self.env.now, self.config.limits.trades_replayed)
            return (past,) if channel.kind is ChannelKind.TRADES and past.trades else ()
        if channel.kind in SNAPSHOTS or channel.kind is ChannelKind.TRADES:
            events = self.venue.snapshot(account, channel, self.env.now)
            return tuple(e for e in events if not isinstance(e, TradesPrinted) or e.trades)
        return ()

    def _carry_publications(self) -> None:
        for publication in self.venue.drain():
            if publication.channel in self._recorded:
                continue
            for tap in self.on_publication:
                tap(publication)
            account, channel, events, _ = publication
            if channel is None:
                for reply in events:
                    self._answer(reply)
            else:
                for session in self.sessions:
                    if account is None or account == session.account:
                        session.publish(channel, events)

    def _publish_recorded(self, channel: Channel, events: tuple[AnyEvent, ...]) -> None:
        """Market data of a recording, at the time at which the recorder had it."""
        for tap in self.on_publication:
            tap(Publication(None, channel, events))
        for session in self.sessions:
            session.publish(channel, events)

    def _answer(self, reply: AnyEvent) -> None:
        assert isinstance(reply, Replied)  # noqa: S101 - the venue's contract
        sender = self._waiting.pop(reply.request_id)
        if sender.epoch is not None:
            sender.session.sockets.answered()
        sender.session.reply(sender, reply)

    # --- blocks ---------------------------------------------------------------------------------

    def _make_blocks(self) -> Generator[Event, None, None]:
        gaps = self.streams.uniforms("blocks/gaps")
        batches = self.streams.uniforms("blocks/batches")
        gap, two_batches = self.config.block_gap, self.config.two_batches
        while True:
            yield self.env.timeout(max(gap(next(gaps)), 1))
            n_batches = 2 if next(batches) < two_batches else None
            if not self.down:
                self._run_block(n_batches)

    def _replay_blocks(self) -> Generator[Event, None, None]:
        """Blocks at the recorded times, and in between where actions wait for one."""
        gaps = self.streams.uniforms("blocks/gaps")
        batches = self.streams.uniforms("blocks/batches")
        gap, two_batches = self.config.block_gap, self.config.two_batches
        while True:
            now = self.env.now
            times = [time for replay in self.replays.values() if (time := replay.next_block(now)) is not None]
            following = min(times, default=None)
            wake = next_wake(now, following, Ns(max(gap(next(gaps)), 1)))
            n_batches = 2 if next(batches) < two_batches else None
            yield self.env.timeout(wake - now)
            if wake == following or self._waiting:
                self._run_block(n_batches)

    def _run_block(self, n_batches: int | None) -> None:
        now = self.env.now
        self.block += 1
        ops: dict[InstrumentId, list[Op]] = {}
        for name, flow in self.flows.items():
            book = self.liquidity[name]
            ops[name] = list(flow.ops(self.block, now, book.best_bid(), book.best_ask()))
        if self._injected:
            for name, more in self._injected.items():
                ops[name] = more + ops.get(name, [])
            self._injected = {}
        self.venue.run_block(now, ops, n_batches)
        self._carry_publications()
        for tap in self.on_block:
            tap(self.block, now)

    def _outside(self, instrument: InstrumentId) -> float | None:
        """A synthetic market's fair price is what it costs elsewhere; a record shows its own book only."""
        flow = self.flows.get(instrument)
        return flow.fair if isinstance(flow, SyntheticFlow) else None

    def _flows(self) -> dict[InstrumentId, Flow]:
        gap = self.config.block_gap
        block_s = sum(gap((i + 0.5) / 100) for i in range(100)) / 100 / NS_PER_S
        flows: dict[InstrumentId, Flow] = {}
        for i, market in enumerate(self.config.markets):
            if market.flow is not None:
                first_oid = Oid(FIRST_FLOW_OID + i * _FLOW_OIDS)
                flows[market.instrument.id] = SyntheticFlow(
                    market.instrument, market.flow, self.streams, block_s=block_s, first_oid=first_oid
                )
        return flows


def _renumbered(request: Request, number: RequestId) -> Request:
    return Request(number, request.route, request.epoch, request.expires_in, request.actions)
