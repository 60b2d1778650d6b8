"""What every invariant sees: one step of the trader, one block of the venue, the truth, the belief.

Checks only read. A step is one event that the trader applied, or one decision; a block is everything
that the venue did at one time. What a step or block did not touch still holds from before,
so each check looks at what was touched; `full` looks at everything, every so often and at the end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from domain.commands import AnyCommand
from domain.events import (
    AnyEvent,
    ChannelKind,
    Fill,
    InstrumentLimits,
    Level,
    MarginMode,
    OpenOrder,
    OrderStatus,
    OrderUpdate,
    PublicTrade,
)
from domain.instrument import Instrument
from domain.limits import VenueLimits
from domain.orders import TrackedOrder
from domain.units import USD, Cloid, InstrumentId, Ns, Oid, Pos, Px, Side, Sz, Tif, Usd, millis, seconds
from scenarios.invariants.limits import HardLimits
from strategy.ladder import LadderLevel

# --- the trader's belief, as the checks read it (the orchestrator's own shape) -------------------


class TrackerView(Protocol):
    """Orders of one instrument as the trader knows them."""

    @property
    def orders(self) -> Mapping[Cloid, TrackedOrder]:
        """Live or unsettled, by client id."""
        ...

    @property
    def revision(self) -> int:
        """Grows with every fact about an order."""
        ...

    def find(self, cloid: Cloid | None, oid: Oid | None) -> TrackedOrder | None:
        """The order with either id."""
        ...


class InventoryView(Protocol):
    """The trader's ledger of one instrument."""

    position: Pos
    opening_position: Pos
    opening_cash_flow: Usd
    opening_fees: Usd
    opening_value: Usd
    cash_flow: Usd
    fees: Usd
    transfers: Usd

    @property
    def adjustments(self) -> Sized:
        """Corrections that no fill has explained yet."""
        ...

    @property
    def adjusted_lots(self) -> Pos:
        """Lots of these corrections."""
        ...

    @property
    def adjusted_value(self) -> Usd:
        """What they are booked at."""
        ...


class LimitView(Protocol):
    """The hard position limit; zero until it is known."""

    lots: Sz
    reduce_only: bool
    """Nothing may add to the position."""

    def capacity(self, side: Side, position: Pos) -> Sz:
        """Lots that a side may still add."""
        ...


class MarketView(Protocol):
    """The market as the trader has it."""

    bid: Level | None
    ask: Level | None
    exch_time: Ns
    recv_time: Ns | None


class ExpectedView(Protocol):
    """Settings of the account that the trader relies on; None: it takes what there is."""

    @property
    def leverage(self) -> int | None:
        """Position value over initial margin."""
        ...

    @property
    def mode(self) -> MarginMode | None:
        """Whose money answers for a position."""
        ...


class StanceView(Protocol):
    """What risk leaves a desk to do."""

    @property
    def must_shrink(self) -> bool:
        """Whether its position is too large."""
        ...


class ToleranceView(Protocol):
    """What bands an order may lag within."""

    @property
    def adverse_floor_bps(self) -> float:
        """What an order earns at least beyond the fee."""
        ...


class ModifyFirstView(Protocol):
    """How prices are modified."""

    @property
    def interval_ms(self) -> float:
        """Least time between two modifies of one order."""
        ...


class ReconcileView(Protocol):
    """When orders stay."""

    @property
    def modify_first(self) -> ModifyFirstView | None:
        """None: no modify waits."""
        ...

    @property
    def tolerance(self) -> ToleranceView | None:
        """None: no bands."""
        ...


class DeskConfigView(Protocol):
    """What is configured for an instrument."""

    @property
    def reconcile(self) -> ReconcileView:
        """When orders stay."""
        ...


class RecordView(Protocol):
    """The account of one quote cycle, in actions."""

    @property
    def time(self) -> Ns:
        """When it ran."""
        ...

    @property
    def cancels(self) -> int:
        """Sent."""
        ...

    @property
    def modifies(self) -> int:
        """Sent."""
        ...

    @property
    def places(self) -> int:
        """Sent."""
        ...

    @property
    def missing(self) -> int:
        """Wanted, and neither sent nor kept back."""
        ...


class ExecutionView(Protocol):
    """The way out of a desk."""

    actions_generated: int
    actions_sent: int
    actions_latched: int

    @property
    def actions_gated(self) -> Mapping[Any, int]:
        """What was kept back, by the gate, whose name is a text."""
        ...

    @property
    def record(self) -> RecordView | None:
        """What became of all that its latest quote cycle wanted; None before the first."""
        ...


class TargetsView(Protocol):
    """What a desk wants to have on the book."""

    def of(self, side: Side) -> Sequence[LadderLevel]:
        """The levels of one side, best first."""
        ...


class DeskView(Protocol):
    """One instrument of the trader."""

    gate: str | None
    """Why it does not want to quote; None where it does."""

    @property
    def config(self) -> DeskConfigView:
        """How it is set up."""
        ...

    @property
    def targets(self) -> TargetsView | None:
        """What it wants; None: nothing."""
        ...

    @property
    def execution(self) -> ExecutionView:
        """What it sent, and what it could not."""
        ...

    @property
    def expected(self) -> ExpectedView:
        """How its margin should be set."""
        ...

    @property
    def stance(self) -> StanceView:
        """What risk leaves it to do."""
        ...

    @property
    def market(self) -> MarketView:
        """What it knows of the market."""
        ...

    @property
    def tracker(self) -> TrackerView:
        """Its orders."""
        ...

    @property
    def inventory(self) -> InventoryView:
        """Its ledger."""
        ...

    @property
    def limit(self) -> LimitView:
        """Its hard limit."""
        ...


class FillsView(Protocol):
    """The gate of all fills."""

    applied: int
    opening_as_of: Ns
    is_holding: bool


class BeliefView(Protocol):
    """The trader, read from outside."""

    @property
    def halt_reason(self) -> str | None:
        """Why its kill switch is latched; None where it is not."""
        ...

    @property
    def phase(self) -> str:
        """The name of what it is doing."""
        ...

    def next_deadline(self) -> Ns | None:
        """When it wants to be woken even if nothing happens."""
        ...

    @property
    def desks(self) -> Mapping[InstrumentId, DeskView]:
        """By instrument."""
        ...

    @property
    def fills(self) -> FillsView:
        """Where fills are deduplicated."""
        ...


# --- the venue's truth ---------------------------------------------------------------------------


class OrderTruth(Protocol):
    """What the venue knows of one of our orders, live or ended (the venue's own record of it)."""

    oid: Oid
    cloid: Cloid | None
    side: Side
    px: Px
    sz: Sz
    filled: Sz
    tif: Tif
    reduce_only: bool
    status: OrderStatus | None


class TruthView(Protocol):
    """The venue, read from outside, for one account."""

    def position(self, instrument: InstrumentId) -> int:
        """Position in lots."""
        ...

    def cash(self) -> int:
        """Cash in micro-USD, fees paid."""
        ...

    def transfers(self) -> int:
        """Part of it that no fill brought: funding received less paid, less what liquidations took."""
        ...

    def resting(self) -> Sequence[OpenOrder]:
        """Every resting order of ours."""
        ...

    def order(self, oid: Oid) -> OrderTruth | None:
        """An order of ours by the venue's id."""
        ...

    def order_of(self, cloid: Cloid) -> OrderTruth | None:
        """An order of ours by client id."""
        ...

    def fill(self, tid: int, oid: Oid) -> Fill | None:
        """One of our fills."""
        ...

    def best(self, instrument: InstrumentId) -> tuple[Px | None, Px | None]:
        """Best bid and ask."""
        ...

    def queue_ahead(self, instrument: InstrumentId, oid: Oid) -> tuple[Oid, ...]:
        """Orders that came to its price before ours; empty where the liquidity has no single orders."""
        ...

    def place_of(self, instrument: InstrumentId, oid: Oid) -> tuple[Sz, Sz] | None:
        """Lots ahead of an order of ours and lots of its level; None where it does not rest, or nobody knows."""
        ...

    def rests(self, instrument: InstrumentId, oid: Oid) -> bool:
        """Whether any order (of anybody) rests."""
        ...

    def imbalance(self) -> Iterable[tuple[str, int]]:
        """Sums over all accounts that must be zero, with what they are."""
        ...

    def faults_in_structure(self, instrument: InstrumentId) -> str | None:
        """What is wrong inside the book, looking at all of it; None when it is sound."""
        ...

    def faults_in_records(self) -> tuple[str, str]:
        """The venue's own look at its records, as the id of the rule that is broken and text; empty where none is."""
        ...

    def digest(self) -> str:
        """Hash of everything that the venue did and said so far."""
        ...

    def mark(self, instrument: InstrumentId) -> Px | None:
        """Mark price, which is not made of what the trader sees; None before the first."""
        ...

    def is_still(self, instrument: InstrumentId) -> bool:
        """Whether nobody may place anything in it, so that its book cannot follow prices elsewhere."""
        ...

    def terms(self, instrument: InstrumentId) -> InstrumentLimits:
        """What the venue enforces for the account."""
        ...

    def gross(self) -> Usd:
        """Value of all positions at their marks."""
        ...

    def margin_use(self) -> float:
        """Initial margin of cross positions over the value that stands behind them; 0 where they need none."""
        ...

    def refusals(self) -> Mapping[str, int]:
        """What the meters of the account and of its IP address turned away so far, by limit."""
        ...

    def is_squeezed(self) -> bool:
        """Whether somebody else uses up some of these limits now."""
        ...

    def actions(self) -> tuple[int, int]:
        """Actions of the account that were counted, and how many its volume allows."""
        ...

    def scheduled(self) -> Ns | None:
        """When the dead-man switch of the account cancels everything; None: it is not set."""
        ...

    @property
    def limits(self) -> VenueLimits:
        """The numbers of these meters."""
        ...

    def keepers(self) -> Iterable[object]:
        """Whatever keeps something of the account at the venue, and on the way to it."""
        ...


# --- the run around both -------------------------------------------------------------------------


class FaultView(Protocol):
    """One fault of the run."""

    kind: str
    starts_at: Ns
    ends_at: Ns

    @property
    def is_active(self) -> bool:
        """Whether it strikes, or what it has done still holds."""
        ...

    @property
    def injected(self) -> int:
        """How often it did what it is for."""
        ...

    @property
    def tally(self) -> Mapping[str, int]:
        """All its counts so far."""
        ...


class RunView(Protocol):
    """What goes on around trader and venue."""

    @property
    def faults(self) -> Sequence[FaultView]:
        """All faults of the run, those that have not begun included."""
        ...

    @property
    def alerts(self) -> Mapping[str, int]:
        """Alerts that people got, by name."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether the trader's process lives."""
        ...

    @property
    def is_between_lives(self) -> bool:
        """Whether a fault has killed it and will start it again."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether the run is over and the trader was asked to stop."""
        ...

    @property
    def failure(self) -> str | None:
        """Name of the failure by which the safety net took over; None where it did not."""
        ...

    @property
    def is_durable(self) -> bool:
        """Whether everything that the trader wrote to its journal would survive."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether the market is a record, which may have gaps of its own."""
        ...

    @property
    def memories(self) -> Sequence[object]:
        """What the trader's process keeps beside its core."""
        ...

    @property
    def has_lost_user_feed(self) -> bool:
        """Whether the account's connection cannot come up, and the trader has to live with that."""
        ...

    @property
    def unwritten_nonces(self) -> Mapping[tuple[str, int], int]:
        """Nonces, with their signer, of lives that could never write where theirs end; and which life it was."""
        ...


# --- what happened -------------------------------------------------------------------------------


class Step(NamedTuple):
    """The trader took in an event, or decided."""

    now: Ns
    event: AnyEvent | None = None
    """None: it decided."""
    commands: Sequence[AnyCommand] = ()
    fills: Sequence[Fill] = ()
    """Fills handed over by this event, by stream or by query."""
    cycled: Sequence[InstrumentId] = ()
    """Instruments that looked at both of their sides in this decision."""
    looked: Sequence[InstrumentId] = ()
    """Those that looked at one side, too: all for which a quote cycle ran."""


class Published(NamedTuple):
    """What left the venue for our account: on a channel, or as a reply (no channel)."""

    channel: ChannelKind | None
    events: Sequence[AnyEvent]
    number: int
    """Counts what is addressed to the account, without a gap."""


class Ran(NamedTuple):
    """A trading request that the venue carried out."""

    signer: str
    """Empty where it was not signed."""
    nonce: int | None
    expires_at: Ns | None
    """By the venue's clock; None: never."""


class Signed(NamedTuple):
    """What left the trader with a signature."""

    signer: str
    nonce: int
    clock_ms: int
    """What the trader's wall clock showed then."""


@dataclass(slots=True)
class Block:
    """The venue executed a block and published."""

    now: Ns
    updates: Sequence[OrderUpdate] = ()
    """Statuses of our orders, as they left the venue."""
    fills: Sequence[Fill] = ()
    """Our fills, in the order in which they happened."""
    trades: Mapping[InstrumentId, Sequence[PublicTrade]] = field(default_factory=dict)
    resting_before: Mapping[Oid, OpenOrder] = field(default_factory=dict)
    resting: Mapping[Oid, OpenOrder] = field(default_factory=dict)
    """Our resting orders before and after the block."""
    number: int = 0
    published: Sequence[Published] = ()
    """What left the venue for us since the block before, answers to queries included."""
    numbered: int = 0
    """How many publications for us the venue has numbered so far."""
    owed: int = 0
    """Messages that our links should have taken over since the block before."""
    entered: int = 0
    """Messages that they did take over; what becomes of them there is not the venue's doing."""
    runs: Sequence[Ran] = ()
    """Requests of ours that were carried out."""
    signed: Sequence[Signed] = ()
    """What left the trader with a signature since the block before, in that order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Times of reliability.md section 3."""

    fill_within: Ns = millis(10_000)
    """From a fill at the venue to us, while the way is sound (S4)."""
    in_flight: Ns = millis(10_000)
    """How long an order may rest that we do not know (S11)."""
    stale: Ns = seconds(15)
    """Market data older than this is not quoted on (S20): the trader's own number."""
    withdraw: Ns = seconds(5)
    """Within this after that everything of ours is being cancelled (S20), and after a kill (S23) twice this."""
    heal: Ns = seconds(60)
    """After the last fault (L1, L2)."""
    limbo: Ns = seconds(60)
    """How long an order may be under way or in doubt while no fault is at work (L3, L6)."""
    settle: Ns = seconds(5)
    """After this long without news of an order both sides have heard all of it (L2)."""
    alert: Ns = seconds(60)
    """From the end of a fault to the alert about it (L9)."""
    collar: float = 0.1
    """Largest distance of a price from the mark, as a fraction of it (S18)."""


Report = Callable[[str, str, tuple[str, ...]], None]
"""``report(id, text, keys)``: a rule does not hold; keys are cloids and trade ids."""


@dataclass(slots=True)
class Scope:
    """Everything that a check may read, and how it says that something is wrong."""

    instruments: Mapping[InstrumentId, Instrument]
    truth: TruthView
    belief: BeliefView
    report: Report
    bounds: Bounds = field(default_factory=Bounds)
    now: Ns = Ns(0)
    healthy_since: Ns | None = None
    """Since when the user feed has been up and no fault at work; None while it is not so."""
    calm_since: Ns | None = Ns(0)
    """Since when no fault has been at work; None while one is."""
    decided_at: Ns = Ns(0)
    """When the trader decided last."""
    is_held_back: Callable[[InstrumentId, Side, Ns], bool] = lambda _name, _side, _now: False
    """Whether the venue's own refusals or its limits make the trader wait with a side."""
    is_limited: bool = True
    """Whether the trader keeps a budget, with the venue's numbers."""
    limits: HardLimits = field(default_factory=HardLimits)
    """How far a position may go."""
    run: RunView | None = None
    """None: nobody knows of faults, alerts or processes, and rules about them have nothing to do."""


class Invariant:
    """One rule. A subclass overrides the hooks that it needs; the checker calls no others."""

    id = ""
    rule = ""

    def __init__(self, scope: Scope) -> None:
        """Keep the scope."""
        self.scope = scope
        self.compared = 0
        """How often it really compared something: the rule itself counts, where it does so."""

    def on_life(self) -> None:
        """Forget what was known of the trader's belief: it begins a new life."""

    def on_step(self, step: Step) -> None:
        """Look at what a decision, or an event that tells of us, touched."""

    def on_fills(self, step: Step) -> None:
        """Look at a step that handed over fills; called after every rule's ``on_step``."""

    def on_decision(self, step: Step) -> None:
        """Look at what the trader decided; called after every rule's ``on_step``."""

    def on_commands(self, step: Step) -> None:
        """Look at a decision that sends something; called after every rule's ``on_decision``."""

    def on_data(self, step: Step) -> None:
        """Look at a step that took in a state of the market (BboChanged, BookReported)."""

    def on_news(self, step: Step) -> None:
        """Look at a step that took in anything but market data and the passing of time."""

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """Look at what leaves the trader's process, at that moment."""

    def on_second(self, now: Ns) -> None:
        """Look at what takes its time; called after the first block of each second, behind every ``on_block``."""

    def on_ours(self, block: Block) -> None:
        """Look at a block in which something of ours changed; called before any rule's ``on_block``."""

    def on_block(self, block: Block) -> None:
        """Look at what one block of the venue touched."""

    def full(self, now: Ns) -> None:
        """Look at everything."""

    def at_end(self, now: Ns) -> None:
        """Look at what must hold when all is quiet and every message has arrived."""

    def fail(self, text: str, *keys: str) -> None:
        """Say that the rule does not hold."""
        self.scope.report(self.id, text, keys)

    # --- the words of a finding -----------------------------------------------------------------

    def size(self, name: InstrumentId, lots: int) -> str:
        """Lots as people read them."""
        return f"{self.scope.instruments[name].size(lots):g} {name}"

    def price(self, name: InstrumentId, px: int) -> str:
        """A price in ticks as people read it."""
        return f"{self.scope.instruments[name].price(px):.10g}"


def usd(micro: int) -> str:
    """Micro-USD as people read them, to the last one."""
    return f"{micro / USD:,.6f} USD"
