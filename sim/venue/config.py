"""The venue's settings: habits of one exchange that a study may want to turn."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Annotated

from annotated_types import Ge, Gt

from domain.units import Ns, Oid


class ActionClass(IntEnum):
    """The three classes into which a consensus batch is sorted; the value is the venue's order."""

    PASSIVE = 0
    """Sends no GTC and no IOC order to any book: post-only placements and modifies."""
    CANCEL = 1
    TAKER = 2
    """Holds at least one GTC or IOC order, and drags everything else in its request with it."""


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


FIRST_OID = Oid(1)
VENUE_ORDER = (ActionClass.PASSIVE, ActionClass.CANCEL, ActionClass.TAKER)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueConfig:
    """How this venue behaves. Every default is what is documented or recorded of Hyperliquid."""

    batches_per_block: Annotated[int, Ge(1)] = 1
    """Consensus batches in a block, where `run_block` is not told a number."""
    passive_delay: Annotated[Ns, Ge(0)] = Ns(0)
    """Mempool: effective time = arrival + delay of the class."""
    cancel_delay: Annotated[Ns, Ge(0)] = Ns(0)
    """The same for cancels; none is known of."""
    taker_delay: Annotated[Ns, Ge(0)] = Ns(0)
    """Speed bump of unpaid GTC and IOC. No figure is published; 360 ms fits what third parties measured."""
    class_order: tuple[ActionClass, ActionClass, ActionClass] = VENUE_ORDER
    """Any other order than the venue's is there so that tests can prove they would notice."""
    modify_keeps_place: ModifyPlace = ModifyPlace.NEVER
    reduce_only_minimum: ReduceOnlyMinimum = ReduceOnlyMinimum.UNLESS_CLOSING
    reference: Reference = Reference.MID
    partial_fill_updates: bool = True
    """Whether a fill that leaves a rest prints another `open` with what remains."""
    first_oid: Annotated[Oid, Gt(0)] = FIRST_OID
    """The first order id that the venue hands out to traders; the next order has the next number."""
    orders_kept: Annotated[int, Ge(1)] = 10_000
    """Ended orders that an account's status queries can still find; older ones are forgotten."""
    fills_kept: Annotated[int, Ge(1)] = 10_000
    """Fills of an account that queries and subscriptions can still find."""

    def __post_init__(self) -> None:
        """Refuse an order of classes that leaves one out."""
        if sorted(self.class_order) != list(VENUE_ORDER):
            raise ValueError(f"class_order must name each class once, found {self.class_order}")

    def delay_of(self, action_class: ActionClass) -> Ns:
        """What an action of that class waits in the mempool."""
        if action_class is ActionClass.TAKER:
            return self.taker_delay
        return self.cancel_delay if action_class is ActionClass.CANCEL else self.passive_delay
