"""The venue's settings: habits of one exchange that a study may want to turn."""

from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.units import NS_PER_S, USD, Ns, Oid, Usd
from sim.venue.funding import FundingConfig
from sim.venue.mark import MarkConfig


class ActionClass(IntEnum):
    """The three classes into which a consensus batch is sorted; the value is the venue's order."""

    PASSIVE = 0
    """Sends no GTC and no IOC order to any book: post-only placements and modifies."""
    CANCEL = 1
    TAKER = 2
    """Holds at least one GTC or IOC order, and drags everything else in its request with it."""


class ClassOrder(StrEnum):
    """In which order a batch runs its classes."""

    VENUE = "venue"
    """Post-only, cancels, takers."""
    CANCELS_FIRST = "cancels_first"
    """Wrong on purpose: tests and the check against recorded blocks must notice."""

    @property
    def classes(self) -> tuple[ActionClass, ActionClass, ActionClass]:
        """The three classes, the first to run first."""
        passive, cancel, taker = ActionClass
        return (passive, cancel, taker) if self is ClassOrder.VENUE else (cancel, passive, taker)


class ModifyPlace(Enum):
    """When a modify keeps its place in the queue (catalogue C-23)."""

    NEVER = "never"
    """The venue's rule: a modify is a cancel and a new order."""
    SIZE_DOWN = "size down"
    """Same side and price, post-only or GTC, and not more lots than still rest. The id is new all the same."""


class ReduceOnlyMinimum(Enum):
    """Whether the least notional holds for reduce-only orders, too (no authoritative source)."""

    UNLESS_CLOSING = "unless closing"
    """It does, unless the order closes the whole position."""
    ALWAYS = "always"
    NEVER = "never"


class Reference(Enum):
    """The price around which the band of acceptable order prices lies."""

    MID = "mid"
    """Middle of the book; the last trade where a side is empty."""
    LAST = "last"
    """The last trade; the middle of the book before the first one."""
    MARK = "mark"
    """The mark price, as documented for perpetuals; like `mid` before there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTerms:
    """On what terms an account holds positions."""

    leverage: Annotated[int, Interval(ge=1, le=1_000)] | None = None
    """Position value over initial margin, at most what the instrument allows; `off`: just that."""
    isolated: tuple[str, ...] = ()
    """Instruments whose position has its own margin; the others share the account's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationConfig:
    """What happens to an account below its maintenance margin; every default is documented."""

    partial_above: Annotated[Usd, Interval(ge=0, le=10**18)] = Usd(100_000 * USD)
    """Of a position worth more, in micro-USD, only a part is sold at first. The test network has 10,000 USD."""
    partial_share: Annotated[float, Interval(gt=0, le=1)] = 0.2
    """That part."""
    cooldown: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(30 * NS_PER_S)
    """So long after such a part the account's next liquidation takes the whole of each position."""
    backstop_share: Annotated[float, Interval(ge=0, le=1)] = 2 / 3
    """Below this share of its maintenance margin what the book did not take goes to the liquidator."""


FIRST_OID = Oid(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueConfig:
    """How this venue behaves. Every default is what is documented or recorded of Hyperliquid."""

    batches_per_block: Annotated[int, Interval(ge=1, le=100)] = 1
    """Consensus batches in a block, where `run_block` is not told a number."""
    passive_delay: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(0)
    """Mempool: effective time = arrival + delay of the class."""
    cancel_delay: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(0)
    """The same for cancels; none is known of."""
    taker_delay: Annotated[Ns, Interval(ge=0, le=10**15)] = Ns(0)
    """Speed bump of unpaid GTC and IOC. No figure is published; 360 ms fits what third parties measured."""
    modify_keeps_place: ModifyPlace = ModifyPlace.NEVER
    reduce_only_minimum: ReduceOnlyMinimum = ReduceOnlyMinimum.UNLESS_CLOSING
    reference: Reference = Reference.MID
    requires_cloid: bool = True
    """Whether a placement must carry a client id (OL-27). The venue itself takes one without."""
    partial_fill_updates: bool = True
    """Whether a fill that leaves a rest prints another `open` with what remains."""
    first_oid: Annotated[Oid, Interval(gt=0, le=10**15)] = FIRST_OID
    """The first order id that the venue hands out to traders; the next order has the next number."""
    orders_kept: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10_000
    """Ended orders that an account's status queries can still find; older ones are forgotten."""
    fills_kept: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 10_000
    """Fills of an account that queries and subscriptions can still find."""
    mark: MarkConfig = field(default_factory=MarkConfig)
    """Oracle and mark price."""
    funding: FundingConfig | None = field(default_factory=FundingConfig)
    """What longs pay shorts; `off`: nothing is paid."""
    liquidation: LiquidationConfig = field(default_factory=LiquidationConfig)
    """Of accounts whose positions need margin."""
    open_interest_cap: Annotated[Usd, Interval(gt=0, le=10**18)] | None = None
    """Value of all long positions of accounts, in micro-USD an instrument, at which no order may add to them."""

    def delay_of(self, action_class: ActionClass) -> Ns:
        """What an action of that class waits in the mempool."""
        if action_class is ActionClass.TAKER:
            return self.taker_delay
        return self.cancel_delay if action_class is ActionClass.CANCEL else self.passive_delay
