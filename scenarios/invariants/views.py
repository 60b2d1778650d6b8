"""What the rules see of a run: the trader's belief, the venue's truth, and the run around both, as protocols.

Nothing here is asked of the trader beyond what it has for itself, and nothing is written.
"""

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, Protocol

from domain.events import (
    Fill,
    InstrumentLimits,
    Level,
    MarginMode,
    OpenOrder,
    OrderStatus,
)
from domain.limits import VenueLimits
from domain.orders import TrackedOrder
from domain.units import Cloid, InstrumentId, Ns, Oid, Pos, Px, Side, Sz, Tif, Usd
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


class TermsView(Protocol):
    """The terms of one instrument, as the trader reckons with them."""

    @property
    def expected(self) -> ExpectedView:
        """How its margin should be set."""
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
    def terms(self) -> TermsView:
        """On what terms it trades."""
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
