"""A taker races every cancel: between its leaving the trader and its block, the order is hit.

The venue runs cancels before takers inside a batch, so a taker wins only in an earlier block than the
cancel's. The fault sees the cancel leave and puts its taker into the very next block. Where the
cancel is faster than the next block the race is lost, and counted so.
"""

from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal

from annotated_types import Interval

from domain.commands import AnyAction, AnyCommand, Cancel, Modify, Request
from domain.events import Fill, OpenOrder, OrderStatus
from domain.units import AccountId, Ns, Oid, Sz, Tif
from sim.faults.base import Injected, arm
from sim.feed import Session
from sim.liquidity.base import Op, OpKind
from sim.venue.orders import OwnOrder
from sim.world import World

_ALL_LEVELS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRace:
    """Hits orders whose cancel, or modify, is on its way."""

    kind: Literal["cancel_race"] = "cancel_race"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=600)] = 10.0
    """How long cancels and modifies are raced, in seconds of their sending."""
    share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of the orders being cancelled that are raced."""
    fill: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of what remains of the order that the taker is meant to take."""

    def install(self, world: World, session: Session) -> Injected:
        """Counts `cancels` seen, `not_resting`, `aimed`, and of those `filled`, `partly_filled`, `missed`."""
        injected = arm(self, world, lambda _: None, lambda _: None)
        race = _Race(self, world, session, injected)
        session.on_send.append(race.on_send)
        world.venue.taps.on_fill.append(race.on_fill)
        world.venue.taps.on_terminal.append(race.on_terminal)
        return injected


class _Race:
    """The races against one session."""

    def __init__(self, config: CancelRace, world: World, session: Session, injected: Injected) -> None:
        self.config = config
        self.world = world
        self.account = session.account
        self.injected = injected
        self.uniforms = world.streams.uniforms(f"fault/{config.kind}/{session.name}")
        self.aimed: dict[Oid, int] = {}
        """Lots taken so far of each order in a race."""

    def on_send(self, command: AnyCommand, _now: Ns) -> None:
        """Race the orders whose cancel or modify leaves the trader now."""
        if not self.injected.is_active or not isinstance(command, Request):
            return
        resting = self.world.venue.resting(self.account)
        for action in command.actions:
            if not isinstance(action, Cancel | Modify):
                return
            self.injected.counts["cancels"] += 1
            order = next((order for order in resting if _means(action, order)), None)
            if order is None:
                self.injected.counts["not_resting"] += 1
            elif order.oid not in self.aimed and next(self.uniforms) < self.config.share:
                self._aim(order)

    def _aim(self, order: OpenOrder) -> None:
        """Send a taker that is large enough for what trades before the order, and for its share of it."""
        own = self.world.venue.order(self.account, order.oid)
        assert own is not None  # noqa: S101 - it was listed as resting
        book = self.world.venue.liquidity(order.instrument)
        side = order.side.opposite
        better = sum(sz for px, sz, _ in book.levels(order.side, _ALL_LEVELS) if (px - order.px) * order.side > 0)
        lots = better + book.depth_ahead(own.book_oid) + ceil(order.remaining * self.config.fill)

        def taker(oid: Oid, account: AccountId) -> Op:
            return (OpKind.PLACE, oid, account, side, order.px, Sz(lots), Tif.IOC)

        self.world.inject(order.instrument, taker)
        self.aimed[order.oid] = 0
        self.injected.counts["aimed"] += 1

    def on_fill(self, account: AccountId, fill: Fill) -> None:
        """Note what was taken of an order in a race."""
        if account == self.account and fill.oid in self.aimed:
            self.aimed[fill.oid] += fill.sz

    def on_terminal(self, order: OwnOrder) -> None:
        """A race is over."""
        if order.account != self.account or order.oid not in self.aimed:
            return
        taken = self.aimed.pop(order.oid)
        if order.status is OrderStatus.FILLED:
            self.injected.counts["filled"] += 1
        else:
            self.injected.counts["partly_filled" if taken else "missed"] += 1


def _means(action: AnyAction, order: OpenOrder) -> bool:
    if not isinstance(action, Cancel | Modify):
        return False
    return order.oid == action.oid if action.oid is not None else order.cloid == action.cloid
