"""What a modify did is told in pieces: the end of the old order first, or the begin of the new one never."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from domain.commands import AnyCommand, Modify, Request
from domain.events import AnyEvent, Channel, ChannelKind, OrderStatus, OrderUpdate, Replied
from domain.units import Cloid, Ns, RequestId, millis
from sim.envelope import Envelope, LinkName, Parcel
from sim.faults.base import Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World

_KEPT = 1_000
"""Modifies remembered: the news of older ones has long come, or never will."""


class News(StrEnum):
    """What of the news is in trouble."""

    NEW_LATE = "new_late"
    """`canceled` of the old order comes at once, `open` of the new one and the answer later."""
    OLD_LATE = "old_late"
    """`open` of the new order comes at once, `canceled` of the old one later."""
    NEW_LOST = "new_lost"
    """`open` of the new order and the answer never come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyNews:
    """The two statuses that a modify gives, `open` of the new order and `canceled` of the old one, are torn apart.

    The venue tells both at once. What is on the same channel behind a held status waits with it.
    """

    kind: Literal["modify_news"] = "modify_news"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of the modifies whose news is torn apart."""
    news: News = News.NEW_LATE
    """What comes late, or never."""
    hold_ms: Annotated[float, Interval(ge=1, le=10_000)] = 1_500.0
    """How much later, in ms."""

    ranges: ClassVar[Mapping[str, Range]] = {"share": Range(0.05, 1.0), "hold_ms": Range(100.0, 5_000.0)}
    figures: ClassVar[tuple[str, ...]] = ("torn", "answers")

    def install(self, world: World, session: Session) -> Injected:
        """Counts modifies whose news was `torn` apart, and `answers` of them that were held or lost."""
        injected = prepare(self, world, session, "torn")
        tearing = _Tearing(self, injected)
        dice = injected.dice(world, "modify")

        def on_send(command: AnyCommand, _now: Ns) -> None:
            if not injected.is_striking or not isinstance(command, Request):
                return
            for action in command.actions:
                if isinstance(action, Modify) and dice() < self.share:
                    tearing.choose(command.request_id, action)

        session.on_send.append(on_send)
        links = (LinkName.REPLY, LinkName.USER_DATA)
        return tamper(injected, world, session, links, tearing.judge, self.when)


class _Tearing:
    """The modifies of one session whose news is torn apart."""

    def __init__(self, config: ModifyNews, injected: Injected) -> None:
        self._config = config
        self._injected = injected
        self._requests: OrderedDict[RequestId, None] = OrderedDict()
        """Their answers come as the status of the new order does."""
        self._torn: OrderedDict[Cloid, None] = OrderedDict()
        """Orders whose status is late or lost."""

    def choose(self, request: RequestId, modify: Modify) -> None:
        """Tear the news of a modify that leaves now."""
        is_old_late = self._config.news is News.OLD_LATE
        cloid = modify.cloid if is_old_late else modify.place.cloid
        if cloid is None:
            return
        self._torn[cloid] = None
        if not is_old_late:
            self._requests[request] = None
        for memory in (self._torn, self._requests):
            while len(memory) > _KEPT:
                memory.popitem(last=False)

    def judge(self, envelope: Envelope) -> tuple[Parcel, ...] | None:
        """Hold or lose the status of chosen orders, and answers; let the rest of a message pass."""
        events = envelope.payload
        if not isinstance(events, tuple | list):
            return None
        if envelope.link is LinkName.REPLY:
            return self._judge_reply(events[0], envelope)
        channel = envelope.channel
        if not isinstance(channel, Channel) or channel.kind is not ChannelKind.ORDER_UPDATES:
            return None
        torn = [event for event in events if self._is_torn(event)]
        if not torn:
            return None
        self._injected.counts["torn"] += len(torn)
        rest = [event for event in events if event not in torn]
        passed = (Parcel(Ns(0), rest),) if rest else ()
        return (*passed, *self._late(torn))

    def _judge_reply(self, reply: object, envelope: Envelope) -> tuple[Parcel, ...] | None:
        if not isinstance(reply, Replied) or reply.request_id not in self._requests:
            return None
        del self._requests[reply.request_id]
        self._injected.counts["answers"] += 1
        return self._late(envelope.payload)

    def _late(self, payload: object) -> tuple[Parcel, ...]:
        if self._config.news is News.NEW_LOST:
            return ()
        return (Parcel(millis(self._config.hold_ms), payload),)

    def _is_torn(self, event: AnyEvent) -> bool:
        """The first status of a new order that rests, or the end of an old one."""
        wanted = OrderStatus.CANCELED if self._config.news is News.OLD_LATE else OrderStatus.OPEN
        if not isinstance(event, OrderUpdate) or event.status is not wanted or event.cloid is None:
            return False
        return self._torn.pop(event.cloid, 0) is None
