"""The venue's own record of each order of a watched account, and its single end.

An order is open from the moment it rests or trades until one terminal status; a rejected order has
nothing but its terminal status. It knows neither money nor queues.
"""

from collections import deque

from domain.commands import Place
from domain.errors import IllegalTransition
from domain.events import LiquidationMark, OpenOrder, OrderStatus, OrderUpdate, Reason
from domain.units import AccountId, Cloid, InstrumentId, Ns, Oid, Sz

NO_TIME = Ns(0)
"""Receive time of what has not been sent yet: the session stamps it at delivery."""


class OwnOrder:
    """One order with its id. ``resting`` is what the book holds of it, ``sz`` what was asked for.

    ``remaining`` counts from ``sz``, also after a reduce-only order was clipped to the position: so it is
    recorded (an order of 0.92969 that rests 0.87714 prints 0.92969), and so ``sz - remaining`` is what
    was filled, whatever ended the order.
    """

    __slots__ = (
        "_listed",
        "account",
        "book_oid",
        "cloid",
        "filled",
        "instrument",
        "liquidation",
        "oid",
        "placed_at",
        "px",
        "reason",
        "reduce_only",
        "resting",
        "side",
        "status",
        "sz",
        "tif",
        "updated_at",
    )

    def __init__(self, account: AccountId, oid: Oid, place: Place, now: Ns) -> None:
        self.account = account
        self.oid = oid
        self.book_oid = oid
        """Id in the queue. It differs from `oid` only where a modify kept its place."""
        self.instrument = place.instrument
        self.cloid: Cloid | None = place.cloid or None
        self.side = place.side
        self.px = place.px
        self.sz = place.sz
        self.tif = place.tif
        self.reduce_only = place.reduce_only
        self.liquidation: LiquidationMark | None = None
        """Where the venue itself placed it, to close the position by force."""
        self.placed_at = now
        self.filled = Sz(0)
        self.resting = Sz(0)
        self.status: OrderStatus | None = None
        self.reason: Reason | None = None
        self.updated_at = now
        self._listed: OpenOrder | None = None

    @property
    def remaining(self) -> Sz:
        """Lots of the order as asked for that did not trade."""
        return Sz(self.sz - self.filled)

    @property
    def is_ended(self) -> bool:
        """Whether it has had its terminal status."""
        return self.status is not None and self.status is not OrderStatus.OPEN

    def open(self, now: Ns) -> None:
        """Accepted: it rests or trades."""
        self._move(OrderStatus.OPEN, None, now)

    def end(self, status: OrderStatus, reason: Reason | None, now: Ns) -> None:
        """Its one terminal status; IllegalTransition and no change if it has had one."""
        self._move(status, reason, now)
        self.resting = Sz(0)

    def rest(self, lots: Sz) -> None:
        """What the book holds of it from now on."""
        self.resting = lots
        self._listed = None

    def update(self, remaining: Sz | None = None) -> OrderUpdate:
        """Its present status, as the venue reports it; ``remaining`` where that is not the present one."""
        assert self.status is not None, f"order {self.oid} has no status yet"  # noqa: S101 - our own bug
        return OrderUpdate(
            self.instrument,
            self.updated_at,
            NO_TIME,
            self.oid,
            self.cloid,
            self.side,
            self.px,
            self.sz,
            self.remaining if remaining is None else remaining,
            self.status,
            self.reason,
        )

    def listed(self) -> OpenOrder:
        """Its line among the open orders; ``remaining`` there is what the book holds."""
        if self._listed is None:
            self._listed = OpenOrder(
                self.instrument,
                self.oid,
                self.cloid,
                self.side,
                self.px,
                self.sz,
                self.resting,
                self.tif,
                self.reduce_only,
                self.placed_at,
            )
        return self._listed

    def _move(self, status: OrderStatus, reason: Reason | None, now: Ns) -> None:
        if self.is_ended:
            raise IllegalTransition(f"order {self.oid} ended as {self.status}, so it cannot become {status}")
        self.status, self.reason, self.updated_at = status, reason, now

    def __repr__(self) -> str:
        return f"<{self.oid} {self.side.name} {self.filled}+{self.resting}/{self.sz} @ {self.px} {self.status}>"


class AccountOrders:
    """The orders of one account: the open ones by age, the ended ones as long as they are kept.

    Nothing is known of what the venue does with a client id that is open already. Here both orders
    stand, and the id means the younger: so a modify may pass its client id on, as clients do.
    """

    def __init__(self, kept: int) -> None:
        self.open: dict[Oid, OwnOrder] = {}
        self.n_reduce_only = 0
        """Open reduce-only orders, so that accounts without any pay nothing for the trimming."""
        self._ended: deque[OwnOrder] = deque()
        self._kept = kept
        self._by_oid: dict[Oid, OwnOrder] = {}
        self._by_cloid: dict[Cloid, OwnOrder] = {}

    def note(self, order: OwnOrder) -> None:
        """Make an order known by its ids."""
        self._by_oid[order.oid] = order
        if order.cloid is not None:
            self._by_cloid[order.cloid] = order

    def opened(self, order: OwnOrder) -> None:
        """It rests from now on."""
        self.open[order.oid] = order
        self.n_reduce_only += order.reduce_only

    def left(self, order: OwnOrder) -> None:
        """It no longer rests."""
        if self.open.pop(order.oid, None) is not None:
            self.n_reduce_only -= order.reduce_only

    def ended(self, order: OwnOrder) -> None:
        """It had its terminal status; the oldest of its kind may be forgotten for it."""
        self._ended.append(order)
        if len(self._ended) > self._kept:
            old = self._ended.popleft()
            del self._by_oid[old.oid]
            if old.cloid is not None and self._by_cloid.get(old.cloid) is old:
                del self._by_cloid[old.cloid]

    def by_oid(self, oid: Oid) -> OwnOrder | None:
        """The order of that id, open or ended."""
        return self._by_oid.get(oid)

    def by_cloid(self, cloid: Cloid) -> OwnOrder | None:
        """The youngest order of that client id, open or ended."""
        return self._by_cloid.get(cloid)

    def resting(self, instrument: InstrumentId, oid: Oid | None, cloid: Cloid | None) -> OwnOrder | None:
        """The open order that a cancel or modify means, by the oid if there is one."""
        if oid is not None:
            order = self.open.get(oid)
        else:
            order = None if cloid is None else self._by_cloid.get(cloid)
            if order is not None and order.oid not in self.open:
                order = next((o for o in reversed(self.open.values()) if o.cloid == cloid), None)
        return order if order is not None and order.instrument == instrument else None

    def reducing(self, instrument: InstrumentId) -> list[OwnOrder]:
        """Open reduce-only orders of an instrument, oldest first."""
        if not self.n_reduce_only:
            return []
        return [o for o in self.open.values() if o.reduce_only and o.instrument == instrument]
