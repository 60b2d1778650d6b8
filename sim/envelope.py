"""What a fault sees of a message under way, and what it may make of it.

Domain messages and frames of the wire look alike from here: who sends what kind of thing on which way
and channel. The payload is opaque; a fault that opens it says for which payloads it is made.
"""

from collections.abc import Callable, Hashable, Sequence
from enum import StrEnum
from typing import NamedTuple

from domain.commands import AnyAction, Cancel, Modify, Place, Request, ScheduleCancel
from domain.units import AccountId, Ns


class LinkName(StrEnum):
    """The five ways. Subscribes and the closing of a feed travel like posts of the socket."""

    MARKET_DATA = "market_data"
    USER_DATA = "user_data"
    ORDER_SOCKET = "order_socket"
    ORDER_REST = "order_rest"
    REPLY = "reply"


class RequestKind(StrEnum):
    """What a request asks for; all of its actions are of one kind."""

    PLACE = "place"
    CANCEL = "cancel"
    """Cancels, and the schedule of one."""
    MODIFY = "modify"
    QUERY = "query"


class Envelope(NamedTuple):
    """A message as it leaves its sender."""

    link: LinkName
    channel: Hashable
    """What keeps its order among itself: a subscription or a socket; `Route.REST` keeps none."""
    kind: RequestKind | None
    """What a request asks for or a reply answers; None for published data and for subscriptions."""
    account: AccountId
    payload: object


class Parcel(NamedTuple):
    """What becomes of a message: it arrives ``delay`` later than it would have, with this payload."""

    delay: Ns
    payload: object
    keeps_order: bool = True
    """Whether later messages of its channel wait for it; a copy that comes by another way has no place among them."""


Tamper = Callable[[Envelope], Sequence[Parcel] | None]
"""Says what arrives instead of a message: nothing, once, several times. None: it is left alone."""


def kind_of(request: Request) -> RequestKind:
    """What a request asks for."""
    return _KINDS.get(type(request.actions[0]), RequestKind.QUERY)


_KINDS: dict[type[AnyAction], RequestKind] = {
    Place: RequestKind.PLACE,
    Cancel: RequestKind.CANCEL,
    ScheduleCancel: RequestKind.CANCEL,
    Modify: RequestKind.MODIFY,
}
