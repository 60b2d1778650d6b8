"""One of our orders as we believe it to be: lifecycle table, fills, exposure.

An order at the venue that is modified becomes a new order there. Here both are *generations* of one
chain: each generation is a TrackedOrder with its own cloid and later its oid. An order is ours
until the venue says that it is gone, and its exposure is released only when the fills that we
applied equal the final filled size that the venue states.
"""

from enum import StrEnum

from domain.lifecycle import step
from domain.units import Cloid, InstrumentId, Ns, Oid, Px, Side, Sz, Tid, Tif, Usd


class OrderState(StrEnum):
    """The ten states of catalogue C-03."""

    PENDING_NEW = "pending_new"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCEL_PENDING = "cancel_pending"
    CANCEL_CONFIRMED = "cancel_confirmed"
    FILLED = "filled"
    FILLED_DURING_CANCEL = "filled_during_cancel"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


_S = OrderState
TERMINAL = frozenset((_S.FILLED, _S.FILLED_DURING_CANCEL, _S.CANCELLED, _S.EXPIRED, _S.REJECTED))
"""States that nothing leaves."""

RESTING = frozenset((_S.OPEN, _S.PARTIALLY_FILLED))
"""States of an order that the venue confirmed and that we did not ask to cancel."""

TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    # NEW -> CANCEL_PENDING: cancelled by cloid before the venue answered (shutdown, kill).
    # NEW -> CANCELLED: the venue ended it and its `open` was lost.
    _S.PENDING_NEW: frozenset(
        (
            _S.OPEN,
            _S.PARTIALLY_FILLED,
            _S.FILLED,
            _S.REJECTED,
            _S.EXPIRED,
            _S.CANCEL_PENDING,
            _S.CANCELLED,
        )
    ),
    _S.OPEN: frozenset((_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCEL_PENDING, _S.EXPIRED, _S.CANCELLED)),
    _S.PARTIALLY_FILLED: frozenset((_S.FILLED, _S.CANCEL_PENDING, _S.EXPIRED, _S.CANCELLED)),
    # CANCEL_PENDING -> REJECTED, EXPIRED: the order that we cancelled blindly never rested.
    _S.CANCEL_PENDING: frozenset(
        (
            _S.CANCEL_CONFIRMED,
            _S.FILLED_DURING_CANCEL,
            _S.OPEN,
            _S.PARTIALLY_FILLED,
            _S.REJECTED,
            _S.EXPIRED,
        )
    ),
    _S.CANCEL_CONFIRMED: frozenset((_S.CANCELLED, _S.FILLED_DURING_CANCEL)),
} | {state: frozenset() for state in TERMINAL}
"""Legal steps. A partial fill in CANCEL_PENDING or CANCEL_CONFIRMED is not a step (T-11)."""

ALIASES: dict[str, OrderState] = {
    "Pending": _S.PENDING_NEW,
    "Placed": _S.PENDING_NEW,
    "Open": _S.OPEN,
    "Resting": _S.OPEN,
    "PartialFill": _S.PARTIALLY_FILLED,
    "PartialFilled": _S.PARTIALLY_FILLED,
    "PartiallyFilled": _S.PARTIALLY_FILLED,
    "CancelPending": _S.CANCEL_PENDING,
    "CancelConfirmed": _S.CANCEL_CONFIRMED,
    "Filled": _S.FILLED,
    "FilledDuringCancel": _S.FILLED_DURING_CANCEL,
    "Cancelled": _S.CANCELLED,
    "Expired": _S.EXPIRED,
    "Rejected": _S.REJECTED,
}
"""The names of the three vocabularies in use for these states."""

_BY_NAME = {state.value.replace("_", ""): state for state in _S} | {name.lower(): s for name, s in ALIASES.items()}


def state_named(name: str) -> OrderState | None:
    """Return the state that a person means by a name of any vocabulary, ours included; None if none has it."""
    return _BY_NAME.get(name.replace("_", "").lower())


class InFlight(StrEnum):
    """Which request of ours about this order is unanswered."""

    NONE = "none"
    PLACE = "place"
    CANCEL = "cancel"
    MODIFY = "modify"


class Certainty(StrEnum):
    """Whether we know what the venue holds."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    """A reply is overdue, lost or ambiguous: counts as exposure in full until proven otherwise."""


PATH_KEPT = 16
"""Steps of an order that are remembered."""


class TrackedOrder:
    """One generation of one of our orders. ``chain`` is the cloid of its first generation."""

    __slots__ = (
        "_settled_final",
        "cancel_refused_at",
        "cancel_sent_at",
        "cancels_in_vain",
        "certainty",
        "chain",
        "cloid",
        "expires_at",
        "fill_tids",
        "fill_value",
        "filled",
        "in_flight",
        "instrument",
        "is_cancel_blind",
        "is_presumed_gone",
        "is_stuck",
        "is_unmodifiable",
        "last_fill_at",
        "n_steps",
        "oid",
        "path",
        "placed_at",
        "px",
        "reduce_only",
        "side",
        "state",
        "state_changed_at",
        "successor",
        "sz",
        "tif",
    )

    def __init__(  # noqa: PLR0913 - the placement, field by field
        self,
        instrument: InstrumentId,
        cloid: Cloid,
        side: Side,
        px: Px,
        sz: Sz,
        tif: Tif,
        now: Ns,
        *,
        reduce_only: bool = False,
        chain: Cloid | None = None,
    ) -> None:
        """Start as a placement in flight: exposure counts from before it is sent."""
        self.instrument = instrument
        self.cloid = cloid
        self.chain = chain or cloid
        self.oid: Oid | None = None
        self.side = side
        self.px = px
        self.sz = sz
        self.tif = tif
        self.reduce_only = reduce_only
        self.placed_at = now
        self.expires_at: Ns | None = None
        """After this moment a placement that has not arrived cannot arrive any more; None: not known."""
        self.state = OrderState.PENDING_NEW
        self.state_changed_at = now
        self.path: tuple[OrderState, ...] = (self.state,)
        """The latest states, oldest first."""
        self.n_steps = 0
        self.in_flight = InFlight.PLACE
        self.certainty = Certainty.KNOWN
        self.cancel_sent_at: Ns | None = None
        self.is_cancel_blind = False
        """The last cancel left before the venue acknowledged the order: it may have come first and found nothing."""
        self.cancels_in_vain = 0
        """Cancels in a row that the venue found nothing for; an order that shows itself begins anew."""
        self.cancel_refused_at: Ns | None = None
        """When it said so last."""
        self.is_stuck = False
        """Flagged as unacknowledged for too long (OL-05)."""
        self.is_unmodifiable = False
        """The venue refused a modify although we believe the order to rest: it is cancelled and placed anew (OL-09)."""
        self.is_presumed_gone = False
        """Its end is our conclusion from several absences, not the venue's word."""
        self.successor: Cloid | None = None
        self.filled = Sz(0)
        self.fill_value = Usd(0)
        self.fill_tids: list[Tid] = []
        self.last_fill_at: Ns | None = None
        self._settled_final: Sz | None = None

    # --- steps ----------------------------------------------------------------------------------

    def advance(self, to: OrderState, now: Ns) -> None:
        """Take a legal step, or raise IllegalTransition and change nothing."""
        self.state = step(TRANSITIONS, self.state, to, self.cloid)
        self.state_changed_at = now
        self.path = (*self.path[-PATH_KEPT:], to)
        self.n_steps += 1

    def record_fill_with_price(self, tid: Tid, amount: Sz, price: Px, now: Ns) -> bool:
        """Add a fill at its true price; False and no change if this trade id is known."""
        if tid in self.fill_tids:
            return False
        self.fill_tids.append(tid)
        self.filled = Sz(self.filled + amount)
        self.fill_value = Usd(self.fill_value + price * amount)
        self.last_fill_at = now
        return True

    def conclude(self, final_filled: Sz) -> None:
        """Note the final filled size that the venue stated with the order's end."""
        self._settled_final = final_filled

    # --- what follows from it -------------------------------------------------------------------

    @property
    def final_filled(self) -> Sz | None:
        """Filled size with which the venue ended the order, where it said so."""
        return self._settled_final

    @property
    def remaining(self) -> Sz:
        """Lots not filled, by the fills that we applied."""
        return Sz(self.sz - self.filled)

    @property
    def fillable(self) -> Sz:
        """Lots that may still change our position.

        After the end of the order: the fills that the venue counted and that we have not seen.
        """
        final = self._settled_final
        if final is None:
            return Sz(0) if self.state is OrderState.REJECTED else Sz(max(self.sz - self.filled, 0))
        return Sz(max(final - self.filled, 0))

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow in the lifecycle."""
        return self.state in TERMINAL

    @property
    def is_settled(self) -> bool:
        """Terminal, and every fill that the venue counted is applied."""
        return self.state in TERMINAL and self.fillable == 0

    @property
    def is_resting(self) -> bool:
        """Confirmed on the book, and no cancel of ours under way."""
        return self.state in RESTING

    @property
    def is_filled(self) -> bool:
        """Nothing remains, by the fills that we applied."""
        return self.filled >= self.sz

    def average_fill_price(self) -> float:
        """Average price of the fills in base ticks; the placement price when there is none."""
        return self.fill_value / self.filled if self.filled else float(self.px)

    def fill_count(self) -> int:
        """Number of distinct fills."""
        return len(self.fill_tids)

    @property
    def modified_at(self) -> Ns | None:
        """When its last modify left, also one that made it what it is; None: never."""
        if self.successor is not None:
            return self.cancel_sent_at
        return self.placed_at if self.chain != self.cloid else None

    def age(self, now: Ns) -> Ns:
        """Time since the placement was decided."""
        return Ns(now - self.placed_at)

    def time_since_last_fill(self, now: Ns) -> Ns | None:
        """Time since the latest fill; None when there is none."""
        return None if self.last_fill_at is None else Ns(now - self.last_fill_at)

    def __repr__(self) -> str:
        """Short form for stories and test failures."""
        return (
            f"<{self.side.name} {self.sz}@{self.px} {self.state} filled={self.filled} "
            f"{self.in_flight}/{self.certainty} oid={self.oid} {self.cloid[:10]}>"
        )
