"""The venue's truth about one account, read from outside, and what each block did to it.

It only listens (taps) and looks. Everything kept is bounded: what is older is forgotten here as it is
at the venue.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from domain.errors import InvariantViolation
from domain.events import Channel, Feed, Fill, InstrumentLimits, OpenOrder, OrderUpdate, PublicTrade
from domain.instrument import Instrument
from domain.limits import VenueLimits
from domain.units import NS_PER_MS, AccountId, Cloid, InstrumentId, Ns, Oid, Px, Sz, Usd
from scenarios.invariants.base import Block, Published, Ran, Signed
from scenarios.invariants.views import OrderTruth
from scenarios.memory import keep
from sim.envelope import LinkName
from sim.feed import Session
from sim.liquidity.book import Book, Discipline
from sim.venue.front import Venue
from sim.venue.orders import OwnOrder
from sim.venue.publications import Publication
from sim.venue.signers import Signature

KEPT = 20_000

_OF_ACCOUNT = frozenset(("actions", "open_orders"))
"""Limits of the account, whatever address its requests come from."""

EndTap = Callable[[OwnOrder], None]


class VenueTruth:
    """Implements `scenarios.invariants.base.TruthView`."""

    def __init__(
        self,
        venue: Venue,
        account: AccountId,
        instruments: Mapping[InstrumentId, Instrument],
        sessions: Sequence[Session] = (),
    ) -> None:
        """Listen from now on; the account is open already. ``sessions``: all of the world, also those to come."""
        self.account = account
        self.on_end: list[EndTap] = []
        self._venue = venue
        self._own = venue.accounts[account]
        self._instruments = instruments
        self._books = {name: venue.liquidity(name) for name in instruments}
        self._updates: list[OrderUpdate] = []
        self._fills: list[Fill] = []
        self._resting: dict[Oid, OpenOrder] = {}
        self._oid_of: OrderedDict[Cloid, Oid] = OrderedDict()
        self._fill_of: OrderedDict[tuple[int, Oid], Fill] = OrderedDict()
        self._ended: OrderedDict[Oid, OwnOrder] = OrderedDict()
        self._sessions = sessions
        self._published: list[Published] = []
        self._owed = 0
        self._entered_before: int | None = None
        self._runs: list[Ran] = []
        self._signed: list[Signed] = []
        venue.taps.on_update.append(self._note_update)
        venue.taps.on_fill.append(self._note_fill)
        venue.taps.on_terminal.append(self._note_end)
        venue.taps.on_run.append(self._note_run)
        for session in sessions:
            if session.account == account:
                session.on_sign.append(partial(self._note_signed, session))

    # --- what a block did -----------------------------------------------------------------------

    def take_block(self, now: Ns, trades: Mapping[InstrumentId, Sequence[PublicTrade]], number: int = 0) -> Block:
        """Return what happened to this account since the last call."""
        before = self._resting
        updates, fills = self._updates, self._fills
        if updates or fills:
            self._updates, self._fills = [], []
            self._resting = {order.oid: order for order in self._venue.resting(self.account)}
        block = Block(now, updates, fills, trades, before, self._resting, number)
        if self._runs or self._signed:
            block.runs, block.signed = self._runs, self._signed
            self._runs, self._signed = [], []
        block.numbered = self._venue.publications_of(self.account)
        if self._published:
            block.published, self._published = self._published, []
            block.owed, block.entered = self._owed, self._entered()
            self._owed, self._entered_before = 0, None
        return block

    def hear(self, publication: Publication) -> None:
        """Something leaves the venue (a tap of the world, called before the links have it)."""
        account, channel, events, number = publication
        if account != self.account:
            return
        self._published.append(Published(None if channel is None else channel.kind, events, number))
        if channel is not None:
            self._note_owed(channel)

    def _note_owed(self, channel: Channel) -> None:
        """Whoever is subscribed should get it. Between the first of a block and its end nothing else is sent."""
        if self._entered_before is None:
            self._entered_before = 0
            self._entered_before = self._entered()
        for session in self._sessions:
            if session.account == self.account and channel in session.feeds[Feed.USER].channels:
                self._owed += 1

    def _entered(self) -> int:
        """Messages that the links to this account took over since the first publication of the block."""
        if self._entered_before is None:
            return 0
        sent = sum(s.links[LinkName.USER_DATA].sent for s in self._sessions if s.account == self.account)
        return sent - self._entered_before

    def _note_update(self, account: AccountId, update: OrderUpdate) -> None:
        if account == self.account:
            self._updates.append(update)
            if update.cloid is not None:
                keep(self._oid_of, update.cloid, update.oid, KEPT)

    def _note_fill(self, account: AccountId, fill: Fill) -> None:
        if account == self.account:
            self._fills.append(fill)
            keep(self._fill_of, (fill.tid, fill.oid), fill, KEPT)

    def _note_run(self, account: AccountId, signature: Signature | None, expires_at: Ns | None) -> None:
        if account == self.account:
            signer, nonce = ("", None) if signature is None else signature
            self._runs.append(Ran(signer, nonce, expires_at))

    def _note_signed(self, session: Session, nonce: int, _now: Ns) -> None:
        self._signed.append(Signed(session.signer, nonce, session.wall_clock // NS_PER_MS))

    def _note_end(self, order: OwnOrder) -> None:
        if order.account == self.account:
            keep(self._ended, order.oid, order, KEPT)
            for tap in self.on_end:
                tap(order)

    # --- looking --------------------------------------------------------------------------------

    def position(self, instrument: InstrumentId) -> int:
        """Position in lots."""
        return self._own.positions.get(instrument, 0)

    def cash(self) -> int:
        """Cash in micro-USD, fees paid; what the owner has moved since is not counted."""
        return self._own.cash - self._own.moved_by_owner

    def moved_by_owner(self) -> int:
        """What the owner paid in, less what was taken out."""
        return self._own.moved_by_owner

    def transfers(self) -> int:
        """Part of it that no fill brought."""
        return sum(self._own.transfers.values())

    def resting(self) -> Sequence[OpenOrder]:
        """Every resting order."""
        return self._venue.resting(self.account)

    def order(self, oid: Oid) -> OrderTruth | None:
        """An order by the venue's id; remembered here for longer than the venue does."""
        return self._venue.order(self.account, oid) or self._ended.get(oid)

    def order_of(self, cloid: Cloid) -> OrderTruth | None:
        """An order by client id."""
        oid = self._oid_of.get(cloid)
        return None if oid is None else self.order(oid)

    def fill(self, tid: int, oid: Oid) -> Fill | None:
        """One fill."""
        return self._fill_of.get((tid, oid))

    def best(self, instrument: InstrumentId) -> tuple[Px | None, Px | None]:
        """Best bid and ask."""
        book = self._books[instrument]
        return book.best_bid(), book.best_ask()

    def queue_ahead(self, instrument: InstrumentId, oid: Oid) -> tuple[Oid, ...]:
        """Orders that came to our order's price before it; empty where the liquidity has no single orders.

        By arrival, not by what the book thinks of it: a book with another discipline is to be found out.
        """
        book = self._books[instrument]
        order = book.get(oid)
        if order is None or not isinstance(book, Book):
            return ()
        ahead = []
        arrived = book.orders_at(order.side, order.px)
        for other in reversed(arrived) if book.discipline is Discipline.LIFO else arrived:
            if other.oid == oid:
                break
            ahead.append(other.oid)
        return tuple(ahead)

    def place_of(self, instrument: InstrumentId, oid: Oid) -> tuple[Sz, Sz] | None:
        """Lots ahead of an order of ours and lots of its level; None where it does not rest, or nobody knows."""
        book, order = self._books[instrument], self._venue.order(self.account, oid)
        if order is None or not isinstance(book, Book) or book.get(order.book_oid) is None:
            return None
        return book.depth_ahead(order.book_oid), book.level(order.side, order.px)[0]

    def rests(self, instrument: InstrumentId, oid: Oid) -> bool:
        """Whether any order (of anybody) rests."""
        return self._books[instrument].get(oid) is not None

    def imbalance(self) -> Iterable[tuple[str, int]]:
        """Sums over all accounts that must be zero (S6)."""
        ledger = self._venue.ledger
        everybody = [*ledger.accounts.values(), ledger.crowd]
        for name in self._instruments:
            yield f"position in {name}", sum(account.position(name) for account in everybody)
        deposits = sum(account.deposited for account in everybody)
        yield "cash and fees less deposits", sum(account.cash for account in everybody) + ledger.fee_pool - deposits

    def faults_in_structure(self, instrument: InstrumentId) -> str | None:
        """What is wrong inside a book, looking at all of it."""
        book = self._books[instrument]
        try:
            if isinstance(book, Book):
                book.validate()
        except InvariantViolation as violation:
            return violation.text
        return None

    def faults_in_records(self) -> tuple[str, str]:
        """The venue's own look at money, records and queues: rule and text; empty where all agrees."""
        try:
            self._venue.check()
        except InvariantViolation as violation:
            return violation.name, violation.text
        return "", ""

    def digest(self) -> str:
        """Hash of everything that the venue did and said so far."""
        return self._venue.world_digest

    def gross(self) -> Usd:
        """Value of all positions at their marks."""
        margins = self._venue.margins
        return Usd(sum(margins.notional(self._own, name) for name, position in self._own.positions.items() if position))

    def margin_use(self) -> float:
        """Initial margin of cross positions over the value that stands behind them; 0 where they need none."""
        if self._own.margin is None:
            return 0.0
        needed, value = self._venue.margins.initial(self._own), self._venue.margins.value(self._own)
        return needed / value if value > 0 else float(needed > 0) * 2

    def mark(self, instrument: InstrumentId) -> Px | None:
        """Mark price; None before the first."""
        return self._venue.prices(instrument).mark

    def is_still(self, instrument: InstrumentId) -> bool:
        """Whether nobody may place anything in it: its book only grows thinner."""
        return self._venue.switches.is_still(instrument)

    def terms(self, instrument: InstrumentId) -> InstrumentLimits:
        """What the venue enforces for the account."""
        return self._venue.terms(self.account, instrument)

    def refusals(self) -> Mapping[str, int]:
        """What the meters of the account and of its IP addresses turned away so far, by limit."""
        found: dict[str, int] = {}
        for ip in self._ips():
            for name, count in self._venue.usage(self.account, ip).refused.items():
                found[name] = max(found.get(name, 0), count) if name in _OF_ACCOUNT else found.get(name, 0) + count
        return found

    def is_squeezed(self) -> bool:
        """Whether somebody else uses up some of these limits now."""
        if self._venue.actions_of(self.account).ceilings:
            return True
        for session in self._sessions:  # asked at every block
            if session.account == self.account:
                wire = self._venue.wire(session.ip)
                if wire.ip.shares or wire.sockets.shares:
                    return True
        return False

    def actions(self) -> tuple[int, int]:
        """Actions of the account that were counted, and how many its volume allows."""
        meter = self._venue.actions_of(self.account)
        return meter.used, meter.cap(self._own.traded)

    def scheduled(self) -> Ns | None:
        """When the dead-man switch of the account cancels everything; None: it is not set."""
        return self._venue.scheduled_cancel(self.account)

    @property
    def limits(self) -> VenueLimits:
        """The numbers of the meters."""
        return self._venue.limits

    def keepers(self) -> Iterable[object]:
        """Whatever keeps something of the account at the venue, and on the way to it."""
        yield from self._venue.records_of(self.account)
        for session in self._sessions:
            if session.account == self.account:
                yield from session.links.values()
                yield from session.feeds.values()
                yield session.sockets

    def _ips(self) -> Sequence[str]:
        return list(dict.fromkeys(session.ip for session in self._sessions if session.account == self.account))
