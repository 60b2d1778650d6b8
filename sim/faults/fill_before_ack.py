"""Orders are filled before anybody says that they exist."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen

from domain.commands import AnyCommand, Modify, Place, Request
from domain.events import AnyEvent, Channel, ChannelKind, Fill, OrderStatus, OrderUpdate, Replied
from domain.units import AccountId, Cloid, Ns, Oid, RequestId, millis
from sim.envelope import Envelope, LinkName, Parcel, RequestKind, kind_of
from sim.faults.aim import aim
from sim.faults.base import Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Dice, Timing
from sim.feed import Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBeforeAck:
    """The news of an order is held up, and a taker hits the order as soon as it rests.

    Held are the answer to the placement or modify and the first status; fills come as fast as ever. What is on
    the same channel behind the news waits with it.
    """

    kind: Literal["fill_before_ack"] = "fill_before_ack"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.3
    """Share of the placements and modifies whose news is held."""
    hold_ms: Annotated[float, Interval(ge=1, le=10_000)] = 1_500.0
    """For how long, in ms."""
    fill: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of the order that the taker is meant to take."""
    requests: Annotated[tuple[Literal[RequestKind.PLACE, RequestKind.MODIFY], ...], MinLen(1)] = (
        RequestKind.PLACE,
        RequestKind.MODIFY,
    )
    """Whose orders: `place`, `modify`; nothing else makes one."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.05, 0.5), "hold_ms": Range(100.0, 5_000.0)}
    figures: ClassVar[tuple[str, ...]] = ("overtaken", "orders", "aimed")
    needs_crowd: ClassVar[bool] = True

    def install(self, world: World, session: Session) -> Injected:
        """Counts orders `overtaken` by their first fill, `orders` whose news was held, those `aimed` at."""
        injected = prepare(self, world, session, "overtaken")
        early = _Early(self, world, session, injected)
        session.on_send.append(early.on_send)
        world.venue.taps.on_update.append(early.on_update)
        world.venue.taps.on_fill.append(early.on_fill)
        world.on_block.append(early.on_block)
        return tamper(injected, world, session, (LinkName.REPLY, LinkName.USER_DATA), early.judge, self.when)


class _Early:
    """The orders of one session whose news is held."""

    def __init__(self, config: FillBeforeAck, world: World, session: Session, injected: Injected) -> None:
        self._config = config
        self._world = world
        self._account = session.account
        self._injected = injected
        self._dice: Dice = injected.dice(world, "order")
        self._requests: dict[RequestId, None] = {}
        """Their answers are held."""
        self._orders: dict[Cloid, None] = {}
        """Their first status is held, and their first fill is waited for."""
        self._resting: list[Oid] = []
        """Those that came to rest in the block under way."""

    def on_send(self, command: AnyCommand, _now: Ns) -> None:
        """Choose among what is sent."""
        if not self._injected.is_striking or not isinstance(command, Request):
            return
        if kind_of(command) not in self._config.requests:
            return
        for action in command.actions:
            place = action.place if isinstance(action, Modify) else action
            if isinstance(place, Place) and self._dice() < self._config.share:
                self._orders[place.cloid] = None
                self._requests[command.request_id] = None
                self._injected.counts["orders"] += 1

    def on_update(self, account: AccountId, update: OrderUpdate) -> None:
        """Note that a chosen order rests."""
        if account == self._account and update.cloid in self._orders and update.status is OrderStatus.OPEN:
            self._resting.append(update.oid)

    def on_block(self, _block: int, _now: Ns) -> None:
        """Aim at what has come to rest, so that the next block hits it."""
        for oid in self._resting:
            own = self._world.venue.order(self._account, oid)
            if own is not None and aim(self._world, own, self._config.fill):
                self._injected.counts["aimed"] += 1
        self._resting.clear()

    def on_fill(self, account: AccountId, fill: Fill) -> None:
        """Count each chosen order once: its news is not out, or on its slow way."""
        if account == self._account and fill.cloid in self._orders:
            del self._orders[fill.cloid]
            self._injected.counts["overtaken"] += 1

    def judge(self, envelope: Envelope) -> tuple[Parcel, ...] | None:
        """Hold the answer and the statuses of chosen orders."""
        if not self._is_news(envelope):
            return None
        return (Parcel(millis(self._config.hold_ms), envelope.payload),)

    def _is_news(self, envelope: Envelope) -> bool:
        events = envelope.payload
        if not isinstance(events, tuple | list):
            return False
        if envelope.link is LinkName.REPLY:
            reply = events[0]
            return isinstance(reply, Replied) and self._requests.pop(reply.request_id, 0) is None
        channel = envelope.channel
        is_status = isinstance(channel, Channel) and channel.kind is ChannelKind.ORDER_UPDATES
        return is_status and any(self._is_first_status(event) for event in events)

    def _is_first_status(self, event: AnyEvent) -> bool:
        return isinstance(event, OrderUpdate) and event.cloid in self._orders
