"""A taker races every cancel: between its leaving the trader and its block, the order is hit.

The venue runs cancels before takers inside a batch, so a taker wins only in an earlier block than the
cancel's. The fault sees the cancel leave and puts its taker into the very next block. Where the
cancel is faster than the next block the race is lost, and counted so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.commands import AnyAction, AnyCommand, Cancel, Modify, Request
from domain.events import Fill, OpenOrder, OrderStatus
from domain.units import AccountId, Ns, Oid
from sim.envelope import RequestKind, kind_of
from sim.faults.aim import aim
from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.venue.orders import OwnOrder
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRace:
    """Hits orders whose cancel, or modify, is on its way."""

    kind: Literal["cancel_race"] = "cancel_race"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 10.0
    """How long cancels and modifies are raced, in seconds of their sending."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of the orders being cancelled that are raced."""
    fill: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of what remains of the order that the taker is meant to take."""
    requests: Annotated[tuple[Literal[RequestKind.CANCEL, RequestKind.MODIFY], ...], MinLen(1)] = (
        RequestKind.CANCEL,
        RequestKind.MODIFY,
    )
    """What is raced: `cancel`, `modify`; nothing else leaves an order behind."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.05, 0.5), "fill": Range(0.1, 1.0)}
    figures: ClassVar[tuple[str, ...]] = ("aimed", "filled", "partly_filled", "missed", "cancels", "not_resting")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts `aimed`, of those `filled`, `partly_filled`, `missed`; and `cancels` seen, those `not_resting`."""
        injected = prepare(self, world, session, "aimed")
        race = _Race(self, world, session, injected)
        session.on_send.append(race.on_send)
        world.venue.taps.on_fill.append(race.on_fill)
        world.venue.taps.on_terminal.append(race.on_terminal)
        return launch(injected, world, lambda _: None, lambda _: None, session=session, when=self.when)


class _Race:
    """The races against one session."""

    def __init__(self, config: CancelRace, world: World, session: Session, injected: Injected) -> None:
        self.config = config
        self.world = world
        self.account = session.account
        self.injected = injected
        self.dice = injected.dice(world, "race")
        self.aimed: dict[Oid, int] = {}
        """Lots taken so far of each order in a race."""

    def on_send(self, command: AnyCommand, _now: Ns) -> None:
        """Race the orders whose cancel or modify leaves the trader now."""
        if not self.injected.is_striking or not isinstance(command, Request):
            return
        if kind_of(command) not in self.config.requests:
            return
        resting = self.world.venue.resting(self.account)
        for action in command.actions:
            if not isinstance(action, Cancel | Modify):
                return
            self.injected.counts["cancels"] += 1
            order = next((order for order in resting if _means(action, order)), None)
            if order is None:
                self.injected.counts["not_resting"] += 1
            elif order.oid not in self.aimed and self.dice() < self.config.share:
                self._aim(order)

    def _aim(self, order: OpenOrder) -> None:
        own = self.world.venue.order(self.account, order.oid)
        if own is not None and aim(self.world, own, self.config.fill):
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
