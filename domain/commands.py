"""What can be asked: everything the trader may send, as a frozen message.

Commands are imperative and give durations, never absolute times. A trading request holds actions of
one kind; a query travels the same way and is answered or lost in the same way.
"""

from enum import StrEnum

import msgspec

from domain.events import Adjustment, Channel, Feed
from domain.units import Cloid, Epoch, InstrumentId, Ns, Oid, Px, RequestId, Side, Sz, Tif, Usd


class Route(StrEnum):
    """How a request travels."""

    SOCKET = "socket"
    REST = "rest"


class Severity(StrEnum):
    """How loudly an alert should be heard."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Command(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Root of all commands."""


class Connect(Command, frozen=True):
    """Open a feed; answered by FeedUp or FeedDown."""

    feed: Feed


class Disconnect(Command, frozen=True):
    """Close a feed; answered by FeedDown."""

    feed: Feed


class Subscribe(Command, frozen=True):
    """Subscribe on the feed that carries the channel; answered by Subscribed."""

    channel: Channel


class Alert(Command, frozen=True):
    """Tell people; ``name`` is stable, ``text`` is for reading."""

    severity: Severity
    name: str
    text: str


class RecordAdjustments(Command, frozen=True):
    """Keep in the journal what of an instrument's ledger its fills do not tell; nothing is sent."""

    instrument: InstrumentId
    adjustments: tuple[Adjustment, ...]
    """Outstanding corrections."""
    opening_value: Usd | None = None
    """At what the position of before the first life was valued; None: it has not met a mark."""


class RecordForgiven(Command, frozen=True):
    """Keep in the journal from which result on losses count since a person lifted a kill; nothing is sent."""

    pnl: Usd
    """What the account had won since the first life, negative for a loss."""


class Action(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Root of what a request may hold."""


class Place(Action, frozen=True):
    """Place a limit order."""

    instrument: InstrumentId
    cloid: Cloid
    side: Side
    px: Px
    sz: Sz
    tif: Tif
    reduce_only: bool = False


class Cancel(Action, frozen=True):
    """Cancel by client id, or by the venue's id where that is all we know."""

    instrument: InstrumentId
    cloid: Cloid | None = None
    oid: Oid | None = None


class Modify(Action, frozen=True):
    """Cancel the old generation and place a new one, atomically at the venue."""

    cloid: Cloid
    """Client id of the generation that goes."""
    oid: Oid
    place: Place


class ScheduleCancel(Action, frozen=True):
    """Set the venue's dead-man switch: all orders of the account are cancelled so long from now.

    Each one replaces the one before; ``after`` None takes it back. One stands alone in its request.
    """

    after: Ns | None


class QueryOpenOrders(Action, frozen=True):
    """Ask for all resting orders of the account."""


class QueryFills(Action, frozen=True):
    """Ask for fills whose exchange time is not before ``since``."""

    since: Ns


class QueryPositions(Action, frozen=True):
    """Ask for positions and cash of the account."""


class QueryOrder(Action, frozen=True):
    """Ask for the status of one order."""

    cloid: Cloid


class QueryLimits(Action, frozen=True):
    """Ask what the venue enforces for the instruments."""

    instruments: tuple[InstrumentId, ...]


class QueryQuota(Action, frozen=True):
    """Ask how much of its allowance of actions the account has used."""


AnyAction = (
    Place
    | Cancel
    | Modify
    | ScheduleCancel
    | QueryOpenOrders
    | QueryFills
    | QueryPositions
    | QueryOrder
    | QueryLimits
    | QueryQuota
)
TRADING = (Place, Cancel, Modify, ScheduleCancel)
"""Actions that change something at the venue."""


class Request(Command, frozen=True):
    """Send actions of one kind, or one query, on a route.

    ``epoch`` is that of the USER feed when the request was decided: on the SOCKET route a request
    of an older epoch is NotSent. ``expires_in``: the venue must refuse it later than that.
    """

    request_id: RequestId
    route: Route
    epoch: Epoch
    expires_in: Ns | None
    actions: tuple[AnyAction, ...]


AnyCommand = Connect | Disconnect | Subscribe | Alert | RecordAdjustments | RecordForgiven | Request
