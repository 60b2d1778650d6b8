"""The venue as everybody meets it: requests in, blocks, publications out; and its truth, for checks.

A trading request waits in the mempool for its block; a query is answered at once. ``run_block`` carries
out what arrived, class by class, background flow in between, and then publishes.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from msgspec import msgpack

from domain.commands import TRADING, Place, Request, ScheduleCancel
from domain.errors import InvariantViolation
from domain.events import (
    AnyEvent,
    AnyResult,
    Channel,
    ChannelKind,
    Fill,
    InstrumentLimits,
    OpenOrder,
    Reason,
    Scheduled,
)
from domain.instrument import Instrument
from domain.limits import VenueLimits
from domain.units import AccountId, FeeRate, InstrumentId, Ns, Oid, Pos, Px, Sz, Usd
from sim.liquidity.base import Liquidity, Op
from sim.venue import queries, texts
from sim.venue.accounts import Account, Ledger
from sim.venue.batches import Arrival, Mempool, Schedule, Window
from sim.venue.checks import payload_error
from sim.venue.clearinghouse import Clearinghouse, Outside
from sim.venue.config import ClassOrder, MarginTerms, VenueConfig
from sim.venue.engine import Engine, OidSource
from sim.venue.hands import Hands
from sim.venue.intake import Intake
from sim.venue.margin import Margins
from sim.venue.mark import Prices
from sim.venue.market import Market
from sim.venue.meters import AddressMeter, Usage, Wire
from sim.venue.orders import OwnOrder
from sim.venue.publications import (
    Publication,
    PublicChannels,
    account_frame,
    market_frame,
    publish_account,
)
from sim.venue.reports import Client, Reports, Taps
from sim.venue.signers import Signature, Signers
from sim.venue.switches import Switches

FlowOp = Op
"""One operation of background flow, with an id that no other order of the venue has."""

NO_FLOW: Mapping[InstrumentId, Sequence[FlowOp]] = MappingProxyType({})


class PrimedOrder(NamedTuple):
    """An order that rests when the run begins."""

    account: AccountId
    oid: Oid
    place: Place
    resting: Sz
    placed_at: Ns = Ns(0)


class Venue:
    """One exchange: some instruments, its accounts, one counter of order ids for all of them.

    ``liquidity`` holds the queues of each instrument. Who opens an account is watched: every action of
    it is checked, booked and reported. Everybody else is the crowd, and comes as ``flow``.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        config: VenueConfig,
        liquidity: Mapping[InstrumentId, Liquidity],
        limits: VenueLimits | None = None,
        class_order: ClassOrder = ClassOrder.VENUE,
    ) -> None:
        self.config = config
        self.limits = limits or VenueLimits()
        self.block = 0
        self.time = Ns(0)
        """Time of the last block."""
        self.outbox: list[Publication] = []
        self.ledger = Ledger()
        self._markets = {i.id: Market(i, liquidity[i.id], self.limits, config) for i in instruments}
        self._channels = [(market, PublicChannels(name)) for name, market in self._markets.items()]
        self._mempool = Mempool(config)
        self._schedule = Schedule(class_order.classes)
        self._reports = Reports(config.fills_kept)
        self.switches = Switches()
        """States of the venue that faults throw."""
        self._intake = Intake(self.limits)
        self._engine = Engine(config, self._markets, self.ledger, self._reports, self.switches, self.limits.price_band)
        self._clearinghouse = Clearinghouse(config, self._markets, self._engine, self.ledger, self._reports)
        self.signers = Signers(self.limits.nonces)
        """Who may act for which account."""
        self.hands = Hands(self._engine, self._markets, self.ledger, self._reports)
        """What others do to accounts and instruments."""
        self._clients = self._engine.clients
        self._encode = msgpack.Encoder().encode
        self._digest = blake2b(digest_size=32)
        self._to_clear: dict[InstrumentId, None] = {}
        """Instruments whose orders go in the next block."""

    # --- accounts -------------------------------------------------------------------------------

    def open_account(
        self,
        account: AccountId,
        cash: Usd,
        *,
        maker_fee: FeeRate | None = None,
        taker_fee: FeeRate | None = None,
        max_position: Mapping[InstrumentId, Sz] | None = None,
        traded: Usd = Usd(0),
        actions_used: int = 0,
        margin: MarginTerms | None = None,
    ) -> Account:
        """Open an account and watch it from now on; ValueError if there is one of that name.

        Without ``margin`` it has credit without end.
        ``traded`` and ``actions_used`` are what it did before: its allowances depend on both.
        """
        opened = Account(
            account,
            cash,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            max_position=max_position,
            traded=traded,
            margin=margin,
        )
        self.ledger.open(opened)
        self._clients[account] = Client(opened, self.config.orders_kept, self.limits, actions_used)
        for market in self._markets.values():
            market.liquidity.watch(account)
        return opened

    @property
    def accounts(self) -> dict[AccountId, Account]:
        """The money of every watched account."""
        return self.ledger.accounts

    # --- in -------------------------------------------------------------------------------------

    def submit(
        self,
        account: AccountId,
        request: Request,
        now: Ns,
        expires_at: Ns | None = None,
        *,
        sent_at: Ns | None = None,
        ip: str | None = None,
        signature: Signature | None = None,
    ) -> None:
        """A request has arrived. Trading actions wait for a block, queries are answered at once.

        Without a ``signature`` nobody asks who sent a trading request, nor whether it came before.

        ``expires_at`` is the request's ``expires_in`` as a moment, counted from ``sent_at``; where the way
        here did not say when that was, both count from the arrival. What comes from an ``ip`` is weighed there.
        Raises ValueError for a mixed request.
        """
        client = self._clients[account]
        actions = request.actions
        kinds = {isinstance(action, TRADING) for action in actions}
        if len(kinds) > 1:
            raise ValueError(f"a request holds actions or queries, not both: {request}")
        if len(actions) > 1 and any(isinstance(action, ScheduleCancel) for action in actions):
            raise ValueError(f"a scheduled cancel stands alone: {request}")
        if kinds == {False}:
            signature = None  # questions are not signed
        signature = self.signers.recovered(signature)
        refusal = self.signers.error(signature, account) or self._intake.refusal(client, request, now, ip)
        if refusal is not None:
            self.outbox.append(client.news.reply(account, request.request_id, (refusal,)))
        elif kinds == {False}:
            results = tuple(queries.answer(action, client, self._markets, self.limits, now) for action in actions)
            self._intake.answered(request, results, now, ip)
            self.outbox.append(client.news.reply(account, request.request_id, results))
        else:
            sent_at = now if sent_at is None else sent_at
            if expires_at is None and request.expires_in is not None:
                expires_at = Ns(sent_at + request.expires_in)
            self._mempool.add(account, request, now, expires_at, sent_at, signature)

    def run_block(
        self,
        now: Ns,
        flow: Mapping[InstrumentId, Sequence[FlowOp]] = NO_FLOW,
        n_batches: int | None = None,
    ) -> None:
        """Run the block of ``now``: what arrived since the last one, then the publications.

        Arrivals and background flow count as spread over the time since the last block, of which each
        consensus batch takes an equal part. A batch runs class by class, and the flow is sorted like
        everything else; so a request meets the flow before it, not the flow after it.
        """
        if now <= self.time:
            raise ValueError(f"a block at {now} cannot follow one at {self.time}")
        window = Window(self.time, now, n_batches or self.config.batches_per_block)
        self.block += 1
        self.time = self._engine.now = now
        arrivals = self._mempool.take(now)
        self._cancel_on_our_own(now)
        self._clearinghouse.begin_block(now)
        self.hands.run()
        if not self.switches.is_everyday:
            admits = self.switches.admits
            flow = {name: [op for op in ops if admits(name, op)] for name, ops in flow.items()}
        if arrivals:
            self._run(arrivals, flow, window)
        elif flow:
            for name, ops in flow.items():
                if not ops:
                    continue
                runs = self._schedule.of_ops(ops, window.n_batches)
                self._engine.run_flow(self._markets[name], [op for run in runs for op in run])
        self._publish(now)

    # --- out ------------------------------------------------------------------------------------

    def drain(self) -> list[Publication]:
        """What is to be sent since the last call, which is the caller's from now on."""
        outbox, self.outbox = self.outbox, []
        return outbox

    def snapshot(self, account: AccountId, channel: Channel, now: Ns) -> tuple[AnyEvent, ...]:
        """The first frame after a subscription; order updates have none."""
        if channel.instrument is not None:
            return (market_frame(self._markets[channel.instrument], channel.kind, now),)
        client = self._clients[account]
        if channel.kind is ChannelKind.FILLS:
            return tuple(client.fills[-self.limits.fills_page :])
        return account_frame(client.account, client.orders, self.margins, channel.kind, now)

    # --- the start, as an input -----------------------------------------------------------------

    def prime(self, orders: Iterable[PrimedOrder]) -> None:
        """Let orders rest without checks, statuses or publications, each behind those before it."""
        for account, oid, place, resting, placed_at in orders:
            client = self._clients.get(account)
            if client is not None:
                self._engine.prime(client, place, oid, resting, placed_at)
                continue
            market = self._markets[place.instrument]
            market.is_touched = True
            market.liquidity.add(oid, account, place.side, place.px, resting)

    def endow(self, account: AccountId, instrument: InstrumentId, position: Pos, px: Px) -> None:
        """Give an account a position at a price; the crowd takes the other side, so all still sums up."""
        self.ledger.endow(self.accounts[account], instrument, position, px)

    def tell_prices(self, source: Outside) -> None:
        """Take the price of each instrument in the rest of the world from ``source``: it makes oracle and mark."""
        self._clearinghouse.outside = source

    # --- limits and unusual states ----------------------------------------------------------------

    def wire(self, ip: str) -> Wire:
        """The meters of an IP address."""
        return self._intake.wires.of(ip)

    def actions_of(self, account: AccountId) -> AddressMeter:
        """The meter of an account's actions."""
        return self._clients[account].actions

    def terms(self, account: AccountId, instrument: InstrumentId) -> InstrumentLimits:
        """What is enforced for an account in an instrument."""
        return queries.limits_of(self.accounts[account], self._markets[instrument])

    def scheduled_cancel(self, account: AccountId) -> Ns | None:
        """When the dead-man switch of an account fires; None: it is not set."""
        return self._clients[account].dead_man.at

    def usage(self, account: AccountId, ip: str) -> Usage:
        """What an account, trading from an IP address, has used of its allowances."""
        return self._intake.usage(self._clients[account], ip)

    def halt(self, instrument: InstrumentId, *, cancels: bool = False) -> None:
        """Stop trading in an instrument until `resume`; with ``cancels`` the next block withdraws its orders.

        Orders of the crowd rest on: it takes its own away as it always does.
        """
        self.switches.halted[instrument] += 1
        if cancels:
            self._to_clear[instrument] = None

    def resume(self, instrument: InstrumentId) -> None:
        """Undo one `halt`."""
        self.switches.halted[instrument] -= 1

    def tell_oids(self, source: OidSource) -> None:
        """Take the id of every placement of a watched account from ``source`` (replays of recordings)."""
        self._engine.oid_source = source

    # --- the truth, for those who check ---------------------------------------------------------

    @property
    def taps(self) -> Taps:
        """Callbacks at every status, fill and end of an order."""
        return self._reports.taps

    @property
    def next_oid(self) -> Oid:
        """The id that the next order gets."""
        return self._engine.next_oid

    @property
    def world_digest(self) -> str:
        """blake2b over every block so far: its number and time, own statuses and fills, public frames."""
        return self._digest.hexdigest()

    def liquidity(self, instrument: InstrumentId) -> Liquidity:
        """The queues of an instrument."""
        return self._markets[instrument].liquidity

    def resting(self, account: AccountId) -> tuple[OpenOrder, ...]:
        """The open orders of an account, oldest first."""
        return tuple(order.listed() for order in self._clients[account].orders.open.values())

    def order(self, account: AccountId, oid: Oid) -> OwnOrder | None:
        """The record of an order, open or ended, as long as it is kept. Not to be changed."""
        return self._clients[account].orders.by_oid(oid)

    def fills(self, account: AccountId) -> Sequence[Fill]:
        """The fills of an account, oldest first, as long as they are kept. Not to be changed."""
        return self._clients[account].fills

    def prices(self, instrument: InstrumentId) -> Prices:
        """Oracle and mark of an instrument. Not to be changed."""
        return self._markets[instrument].prices

    @property
    def margins(self) -> Margins:
        """What accounts are worth and tie up."""
        return self._engine.margins

    def records_of(self, account: AccountId) -> tuple[object, ...]:
        """What is kept of an account, for whoever measures it. Not to be changed."""
        return (self._clients[account],)

    def publications_of(self, account: AccountId) -> int:
        """How many publications were addressed to an account so far."""
        return self._clients[account].news.told

    def check(self) -> None:
        """Raise InvariantViolation unless money adds up (S6) and records and queues agree."""
        self.ledger.check()
        for client in self._clients.values():
            for order in client.orders.open.values():
                found = self.liquidity(order.instrument).get(order.book_oid)
                if found is None or found.sz != order.resting or order.is_ended:
                    raise InvariantViolation("E5", f"the record is {order}, the queue holds {found}")

    # --- a block --------------------------------------------------------------------------------

    def _run(self, arrivals: Sequence[Arrival], flow: Mapping[InstrumentId, Sequence[FlowOp]], window: Window) -> None:
        stretches = [
            Stretch(self._markets[name], self._schedule.of_ops(ops, window.n_batches))
            for name, ops in flow.items()
            if ops
        ]
        for k, run in enumerate(self._schedule.of_arrivals(arrivals, window)):
            for arrival in run:
                for stretch in stretches:
                    stretch.advance(self._engine, k, window.rank(arrival.effective, stretch.sizes[k]))
                self._execute(arrival)
        for stretch in stretches:
            stretch.finish(self._engine)

    def _cancel_on_our_own(self, now: Ns) -> None:
        """What the venue cancels before anything else: orders of a halted instrument, and by schedule."""
        for client in self._clients.values():
            for instrument in self._to_clear:
                self._engine.cancel_all(client, Reason.DELISTED, instrument)
            if client.dead_man.fires(now):
                self._engine.cancel_all(client, Reason.SCHEDULED)
        self._to_clear.clear()

    def _execute(self, arrival: Arrival) -> None:
        client, request = self._clients[arrival.account], arrival.request
        signature, signers = arrival.signature, self.signers
        results: tuple[AnyResult, ...]
        refusal = signers.error(signature, arrival.account) or signers.nonce_error(signature, self.time)
        if refusal is not None:
            self._reports.replied(client, request.request_id, (refusal,))
            return
        is_run = True
        if arrival.expires_at is not None and self.time > arrival.expires_at:
            client.actions.charge_stale(len(request.actions))
            results = (texts.EXPIRED,)
            is_run = False
            signers.use(signature)
        elif request.actions and isinstance(request.actions[0], ScheduleCancel):
            results = (self._set_dead_man(client, request.actions[0], arrival.sent_at),)
        elif error := payload_error(request.actions, self._markets, self.config, self.limits):
            results = (error,)
            is_run = False  # nobody ran it, so it uses no nonce
        else:
            results = tuple([self._engine.run(client, action) for action in request.actions])
        if is_run:
            signers.use(signature)
            for tap in self.taps.on_run:
                tap(client.account.id, signature, arrival.expires_at)
        self._reports.replied(client, request.request_id, results)

    def _set_dead_man(self, client: Client, action: ScheduleCancel, sent_at: Ns) -> AnyResult:
        at = None if action.after is None else Ns(sent_at + action.after)
        return client.dead_man.set(at, self.time, client.account.traded) or Scheduled()

    def _publish(self, now: Ns) -> None:
        reports, outbox = self._reports, self.outbox
        start = len(outbox)
        for market, channels in self._channels:
            channels.publish(market, self.ledger, now, outbox)
        public = [publication.events for publication in outbox[start:]]
        self._digest.update(self._encode((self.block, now, reports.statuses, reports.fills, public)))
        if reports.told:
            for client in reports.told.values():
                publish_account(client.account, client.orders, self.margins, client.news, now, outbox)
            reports.clear()


class Stretch:
    """The background flow of one instrument in the order in which it runs, of which a part has run."""

    def __init__(self, market: Market, runs: Sequence[Sequence[FlowOp]]) -> None:
        self.market = market
        self.sizes = [len(run) for run in runs]
        self._starts = [0, *accumulate(self.sizes)]
        self._ops = [op for run in runs for op in run]
        self._done = 0

    def advance(self, engine: Engine, run: int, n: int) -> None:
        """Run everything before operation ``n`` of a run."""
        self._run_to(engine, self._starts[run] + n)

    def finish(self, engine: Engine) -> None:
        """Run the rest."""
        self._run_to(engine, len(self._ops))

    def _run_to(self, engine: Engine, until: int) -> None:
        if until > self._done:
            engine.run_flow(self.market, self._ops[self._done : until])
            self._done = until
