"""A bench for rules: a hand-written venue, the trader's own ledger classes, and the checker that looks at both."""

from dataclasses import dataclass, field
from types import SimpleNamespace

from domain.commands import Alert, QueryFills, QueryOpenOrders, QueryPositions, Request, Route, Severity
from domain.events import (
    ChannelKind,
    Fill,
    FillsReport,
    InstrumentLimits,
    OpenOrder,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatus,
    OrderUpdate,
    PositionsReport,
    Replied,
)
from domain.instrument import Instrument
from domain.limits import VenueLimits
from domain.orders import TrackedOrder
from domain.units import InstrumentId, Ns, Side, Tif
from orchestrator.desk.inventory import Inventory
from scenarios.invariants.base import Block, Published, Scope, Step
from scenarios.invariants.checker import Checker

ETH = InstrumentId("ETH")
S = 1_000_000_000
TERMS = InstrumentLimits(ETH, 4, 100, 20, 1_000)
"""Those of the bench's instrument, and a largest position of 1,000 lots."""
DECISION = (Alert(Severity.INFO, "decided", ""),)
NEWS = OpenOrdersReported(0, 0, ())
"""An event that says something of every order."""


def fill(tid=1, oid=10, side=Side.BUY, px=100, sz=2, *, fee=1, start=0, t=1 * S, taker=False, cloid="c10"):
    return Fill(ETH, t, t, tid, oid, cloid, side, px, sz, fee, taker, start, 0)


def update(oid=10, status=OrderStatus.OPEN, reason=None, cloid="c10", remaining=5):
    return OrderUpdate(ETH, S, 0, oid, cloid, Side.BUY, 100, 5, remaining, status, reason)


def resting(oid=10, side=Side.BUY, px=100, remaining=5, *, cloid="c10", reduce_only=False):
    return OpenOrder(ETH, oid, cloid, side, px, remaining, remaining, Tif.ALO, reduce_only, Ns(0))


def order_truth(oid=10, *, filled=0, status=OrderStatus.OPEN, tif=Tif.ALO, reduce_only=False, px=100, cloid="c10"):
    return SimpleNamespace(
        oid=oid,
        cloid=cloid,
        side=Side.BUY,
        px=px,
        sz=5,
        filled=filled,
        tif=tif,
        reduce_only=reduce_only,
        status=status,
    )


@dataclass
class HandMadeTruth:
    positions: dict = field(default_factory=dict)
    cash_now: int = 1_000
    moved: int = 0
    rest: list = field(default_factory=list)
    orders: dict = field(default_factory=dict)
    fills: dict = field(default_factory=dict)
    top: tuple = (99, 101)
    ahead: dict = field(default_factory=dict)
    anybody: set = field(default_factory=set)
    sums: list = field(default_factory=list)
    structure: str | None = None
    records: tuple = ("", "")
    hashed: int = 0
    mark_px: int | None = 100
    refused: dict = field(default_factory=dict)
    squeezed: bool = False
    counted: tuple = (0, 10_000)
    due: int | None = None
    kept: list = field(default_factory=list)
    stated: InstrumentLimits = TERMS
    still: bool = False
    worth: int = 0
    tied_up: float = 0.0
    limits: VenueLimits = field(default_factory=VenueLimits)

    def position(self, instrument):
        return self.positions.get(instrument, 0)

    def cash(self):
        return self.cash_now

    def transfers(self):
        return self.moved

    def resting(self):
        return self.rest

    def order(self, oid):
        return self.orders.get(oid)

    def order_of(self, cloid):
        return next((o for o in self.orders.values() if o.cloid == cloid), None)

    def fill(self, tid, oid):
        return self.fills.get((tid, oid))

    def best(self, instrument):
        return self.top

    def queue_ahead(self, instrument, oid):
        return self.ahead.get(oid, ())

    def rests(self, instrument, oid):
        return oid in self.anybody

    def imbalance(self):
        return self.sums

    def faults_in_structure(self, instrument):
        return self.structure

    def faults_in_records(self):
        return self.records

    def digest(self):
        return f"hash of {self.hashed} blocks"

    def mark(self, instrument):
        return self.mark_px

    def is_still(self, instrument):
        return self.still

    def terms(self, instrument):
        return self.stated

    def gross(self):
        return self.worth

    def margin_use(self):
        return self.tied_up

    def refusals(self):
        return self.refused

    def is_squeezed(self):
        return self.squeezed

    def actions(self):
        return self.counted

    def scheduled(self):
        return self.due

    def keepers(self):
        return self.kept


class HandMadeTracker:
    """Orders that tests change by hand, so every look finds another revision."""

    def __init__(self):
        self.orders, self.completed, self.looks = {}, {}, 0

    @property
    def revision(self):
        self.looks += 1
        return self.looks

    def find(self, cloid, oid):
        return self.orders.get(cloid) or self.completed.get(cloid)


class Limit:
    """A position limit that tests set."""

    def __init__(self):
        self.lots, self.reduce_only = 10, False

    def capacity(self, side, position):
        return max((0 if self.reduce_only else self.lots) - side * position, 0)


@dataclass
class HandMadeRun:
    """What goes on around trader and venue."""

    faults: list = field(default_factory=list)
    alerts: dict = field(default_factory=dict)
    is_running: bool = True
    is_between_lives: bool = False
    is_stopping: bool = False
    failure: str | None = None
    is_durable: bool = True
    is_recorded: bool = False
    memories: tuple = ()
    has_lost_user_feed: bool = False
    unwritten_nonces: dict = field(default_factory=dict)


class Bench:
    """A trader and a venue that agree, and the checker that looks at both."""

    def __init__(self, **options):
        self.tracker = HandMadeTracker()
        self.market = SimpleNamespace(bid=None, ask=None, exch_time=Ns(-1), recv_time=None)
        self.desk = SimpleNamespace(
            tracker=self.tracker,
            inventory=Inventory(),
            limit=Limit(),
            market=self.market,
            gate=None,
            stance=SimpleNamespace(must_shrink=False),
            terms=SimpleNamespace(expected=SimpleNamespace(leverage=None, mode=None)),
        )
        self.run = HandMadeRun()
        self.fills = SimpleNamespace(applied=0, opening_as_of=0, is_holding=False)
        self.truth = HandMadeTruth()
        self.checker = Checker(full_every=1, **options)
        self.bind()
        self.t = self.number = self.told = self.requests = 0
        self.before = {}

    def bind(self):
        """Begin a life of the trader."""
        self.belief = SimpleNamespace(
            desks={ETH: self.desk},
            fills=self.fills,
            halt_reason=None,
            phase="quoting",
            next_deadline=lambda: None,
        )
        instruments = {ETH: Instrument(ETH, 4, min_notional=100)}
        self.scope = Scope(instruments, self.truth, self.belief, self.checker.report, healthy_since=Ns(0), run=self.run)
        self.checker.bind(self.scope, story=lambda keys: "story of " + ", ".join(keys))

    def step(self, *fills, commands=(), event=None):
        self.t += 1
        self.checker.step(Step(Ns(self.t), None if commands else event or NEWS, commands, fills))

    def tell(self, channel, *events, number=None):
        """Something leaves the venue for us, with the next number."""
        self.told = self.told + 1 if number is None else number
        return Published(channel, events, self.told)

    def news(self, updates, fills):
        """What a sound venue publishes."""
        told = [(ChannelKind.ORDER_UPDATES, updates), (ChannelKind.FILLS, fills)]
        return [self.tell(channel, *events) for channel, events in told if events]

    def send(self, *actions, request_id=None, now=None, route=Route.SOCKET, epoch=0, leaves=True):
        """Decide on a request, and let it leave."""
        self.requests += 1
        number = self.requests if request_id is None else request_id
        request = Request(number, route, epoch, None, actions)
        self.t = self.t + 1 if now is None else now
        self.scope.now = self.scope.decided_at = Ns(self.t)
        self.checker.step(Step(Ns(self.t), None, (request,)))
        if leaves:
            self.leave(request)
        return request

    def read_account(self, epoch=1):
        """Ask for all that a new connection is to be asked for, and be told."""
        for question, answer in (
            (QueryOpenOrders(), OpenOrdersReport(0, ())),
            (QueryPositions(), PositionsReport(0, (), 0)),
            (QueryFills(Ns(0)), FillsReport(0, (), is_complete=True)),
        ):
            asked = self.send(question, epoch=epoch)
            self.hear(Replied(asked.request_id, 0, (answer,)))

    def leave(self, request, now=None):
        """A command leaves the process."""
        self.checker.sent(request, Ns(self.t if now is None else now))

    def hear(self, event, now=None):
        """The trader takes in an event."""
        self.t = self.t + 1 if now is None else now
        self.scope.now = Ns(self.t)
        self.checker.step(Step(Ns(self.t), event))

    def pass_time(self, until, *, deciding=True, **more):
        """Blocks and decisions, one a second, up to a second of the run."""
        while self.t < until * S:
            now = self.t - self.t % S + S
            self.scope.now = Ns(now)
            if deciding:
                self.t = now
                self.scope.decided_at = Ns(now)
                self.checker.step(Step(Ns(now)))
            self.block(now=now + 1, **more)

    def block(self, now=None, *, updates=(), fills=(), trades=(), published=None, **more):
        self.t = self.t + 1 if now is None else now
        self.number += 1
        self.truth.hashed += 1
        after = {order.oid: order for order in self.truth.rest}
        by_market = {ETH: trades} if trades else {}
        told = self.news(updates, fills) if published is None else published
        more = {"number": self.number, "published": told, "numbered": self.told} | more
        self.checker.block(Block(Ns(self.t), updates, fills, by_market, self.before, after, **more))
        self.before = after

    def believe(self, one):
        """Book a fill in the trader's ledger."""
        self.desk.inventory.apply(one)
        self.fills.applied += 1

    def happen(self, one):
        """Book a fill at the venue."""
        self.truth.fills[one.tid, one.oid] = one
        self.truth.positions[ETH] = self.truth.position(ETH) + one.side * one.sz
        self.truth.cash_now -= one.side * one.sz * one.px + one.fee

    def trade(self, one):
        """Let a fill happen and be believed, and look at both."""
        self.happen(one)
        self.block(updates=(update(one.oid),), fills=(one,))
        self.believe(one)
        self.step(one)

    def order(self, cloid="c10", side=Side.BUY, px=100, sz=5):
        order = TrackedOrder(ETH, cloid, side, px, sz, Tif.ALO, Ns(0))
        self.tracker.orders[cloid] = order
        return order

    def says(self, name, *words):
        """Whether a rule is broken for this reason, and not for another one."""
        return any(v.name == name and all(w in v.text for w in words) for v in self.checker.violations)

    @property
    def broken(self):
        return {violation.name for violation in self.checker.violations}


def answer(bench, until, *, every=10, results=()):
    """Some answer to something now and then, up to a second of the run."""
    while bench.t < until * S:
        bench.hear(Replied(0, 0, results))
        bench.pass_time(bench.t // S + every)
