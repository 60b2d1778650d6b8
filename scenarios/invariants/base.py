"""What every invariant sees: one step of the trader, one block of the venue, the truth, the belief.

Checks only read. A step is one event that the trader applied, or one decision; a block is everything
that the venue did at one time. What a step or block did not touch still holds from before,
so each check looks at what was touched; `full` looks at everything, every so often and at the end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from domain.commands import AnyCommand
from domain.events import AnyEvent, ChannelKind, Fill, OpenOrder, OrderStatus, OrderUpdate, PublicTrade
from domain.instrument import Instrument
from domain.orders import TrackedOrder
from domain.units import USD, Cloid, InstrumentId, Ns, Oid, Pos, Px, Side, Sz, Tif, Usd, millis

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


class DeskView(Protocol):
    """One instrument of the trader."""

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


# --- what happened -------------------------------------------------------------------------------


class Step(NamedTuple):
    """The trader took in an event, or decided."""

    now: Ns
    event: AnyEvent | None = None
    """None: it decided."""
    commands: Sequence[AnyCommand] = ()
    fills: Sequence[Fill] = ()
    """Fills handed over by this event, by stream or by query."""


class Published(NamedTuple):
    """What left the venue for our account: on a channel, or as a reply (no channel)."""

    channel: ChannelKind | None
    events: Sequence[AnyEvent]
    number: int
    """Counts what is addressed to the account, without a gap."""


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

    @property
    def touched_us(self) -> bool:
        """Whether anything of ours changed."""
        return bool(self.updates or self.fills)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Times of reliability.md section 3."""

    fill_within: Ns = millis(10_000)
    """From a fill at the venue to us, while the way is sound (S4)."""
    in_flight: Ns = millis(10_000)
    """How long an order may rest that we do not know (S11)."""


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
        """Look at what one event of the trader touched."""

    def on_fills(self, step: Step) -> None:
        """Look at a step that handed over fills; called after every rule's ``on_step``."""

    def on_decision(self, step: Step) -> None:
        """Look at what the trader decided; called after every rule's ``on_step``."""

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
