"""The last line: knows our live orders from what crosses the driver, and cancels them without the core.

It listens from the first command on and shares no state with the core. When the core has failed it
alone decides: cancel what may be live, by alternating routes, until each order is known to be gone or
a bound has passed. A cancel that finds nothing proves little while the order may still be on its way,
so it is repeated.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, AnyCommand, Cancel, Connect, Request, Route, Severity
from domain.events import AnyEvent, Feed, FeedDown, FeedUp
from domain.units import Epoch, InstrumentId, Ns, RequestId, millis
from exchange_adapters.base import Capabilities
from runtime.own_orders import OwnOrder, OwnOrders

ORDERS_LEFT = "orders_left"
"""Alert: these orders may rest, and nobody looks after them any more."""

FIRST_REQUEST = 1 << 40
"""Number of the first request of the safety net: no core gets that far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyNetConfig:
    """How hard the safety net tries."""

    retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 1_000.0
    """Between two cancels of the same order."""
    bound_ms: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """After this it gives up and names what may be left."""


class SafetyNet:
    """Listens until ``take_over``, then decides."""

    def __init__(
        self,
        config: SafetyNetConfig,
        capabilities: Capabilities,
        instruments: Collection[InstrumentId] | None = None,
    ) -> None:
        """``instruments``: those that the trader trades; it touches no order of another. None: all."""
        self._config = config
        self._capabilities = capabilities
        self._orders = OwnOrders(instruments)
        self._epoch = Epoch(0)
        self._is_up = False
        self._alerts: list[AnyCommand] = []
        self._gives_up_at: Ns | None = None
        self._asked_at: dict[int, Ns] = {}
        self._rounds = 0
        self._next_request = FIRST_REQUEST
        self.is_done = False

    # --- listening ------------------------------------------------------------------------------

    def sent(self, command: AnyCommand, now: Ns) -> None:
        """A command is about to leave."""
        self._orders.sent(command, now)

    def seen(self, event: AnyEvent, now: Ns) -> None:
        """An event has arrived."""
        self._orders.seen(event, now)
        match event:
            case FeedUp(feed=Feed.USER, epoch=epoch):
                self._epoch, self._is_up = epoch, True
            case FeedDown(feed=Feed.USER, epoch=epoch) if epoch >= self._epoch:
                self._is_up = False
            case _:
                pass

    @property
    def live(self) -> list[OwnOrder]:
        """Orders that may rest at the venue."""
        return self._orders.live()

    # --- deciding -------------------------------------------------------------------------------

    def take_over(self, why: Alert, now: Ns) -> None:
        """The core is out; ``why`` is the first thing that we say."""
        if self._gives_up_at is None:
            self._gives_up_at = Ns(now + millis(self._config.bound_ms))
            self._alerts.append(why)

    def decide(self, now: Ns) -> tuple[AnyCommand, ...]:
        """Cancel what may be live and was not asked about lately."""
        out, self._alerts = self._alerts, []
        live = self.live
        if not live:
            self.is_done = True
        elif self._gives_up_at is not None and now >= self._gives_up_at:
            self.is_done = True
            out.append(Alert(Severity.CRITICAL, ORDERS_LEFT, f"not known to be gone: {_names(live)}"))
        elif due := [order for order in live if self._due_at(order) <= now]:
            out += self._cancel(due, now)
        return tuple(out)

    def next_deadline(self) -> Ns | None:
        """When to be asked again."""
        if self.is_done or self._gives_up_at is None:
            return None
        return min([self._gives_up_at, *map(self._due_at, self.live)])

    def _due_at(self, order: OwnOrder) -> Ns:
        asked = self._asked_at.get(order.number)
        return Ns(0) if asked is None else Ns(asked + millis(self._config.retry_ms))

    def _cancel(self, orders: list[OwnOrder], now: Ns) -> list[AnyCommand]:
        for order in orders:
            self._asked_at[order.number] = now
        route = self._route()
        self._rounds += 1
        if route is None:
            return [Connect(Feed.USER)]
        size = self._capabilities.max_actions
        return [self._request(route, orders[i : i + size]) for i in range(0, len(orders), size)]

    def _request(self, route: Route, orders: list[OwnOrder]) -> Request:
        request_id = RequestId(self._next_request)
        self._next_request += 1
        cancels = tuple(Cancel(order.instrument, order.cloid, order.oid) for order in orders)
        return Request(request_id, route, self._epoch, None, cancels)

    def _route(self) -> Route | None:
        """The socket where it is up, and every other time the other way: one of them may be dead."""
        routes = [
            route
            for route in (Route.SOCKET, Route.REST)
            if route in self._capabilities.routes and (route is Route.REST or self._is_up)
        ]
        return routes[self._rounds % len(routes)] if routes else None


def _names(orders: list[OwnOrder]) -> str:
    return ", ".join(f"{order.instrument} {order.side.name} {order.cloid or order.oid}" for order in orders)
