"""What every invariant sees: one step of the trader, one block of the venue, the truth, the belief.

Checks only read. A step is one event that the trader applied, or one decision; a block is everything
that the venue did at one time. What a step or block did not touch still holds from before,
so each check looks at what was touched; `full` looks at everything, every so often and at the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.commands import AnyCommand
from domain.events import (
    AnyEvent,
    ChannelKind,
    Fill,
    OpenOrder,
    OrderUpdate,
    PublicTrade,
)
from domain.instrument import Instrument
from domain.units import USD, InstrumentId, Ns, Oid, Side, millis, seconds
from scenarios.invariants.limits import HardLimits
from scenarios.invariants.views import BeliefView, RunView, TruthView

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
