"""Fills that no order of ours is known to have made: are they somebody else's, or have we only not heard yet?

A fill without a client id may belong to a placement whose venue id is still on its way. While there is one that it
could be of nobody is told, for a moment; the fill is part of the position all the same.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.events import Fill
from domain.units import InstrumentId, Ns, seconds
from orchestrator.desk.desk import Desk

GRACE = seconds(30)
"""So long at most: by then a placement without an answer was asked after several times."""
MOST_WAITING = 1_000
"""Of more, the oldest are told of at once."""


@dataclass(slots=True)
class _Unmatched:
    fill: Fill
    heard_at: Ns
    tell_at: Ns | None = None
    """None: what is in doubt could not be asked after yet."""


class Strangers:
    """One account."""

    def __init__(self, desks: Mapping[InstrumentId, Desk], tell: Callable[[Fill, Ns], None]) -> None:
        """No such fill yet; ``tell`` hears of each that is not ours, once."""
        self._desks = desks
        self._tell = tell
        self._waiting: deque[_Unmatched] = deque()

    def on_unmatched(self, fill: Fill, now: Ns) -> None:
        """A fill of an order that we do not know."""
        if not self._desks[fill.instrument].tracker.may_be_ours(fill, now):
            self._tell(fill, now)
            return
        self._waiting.append(_Unmatched(fill, now))
        if len(self._waiting) > MOST_WAITING:
            self._tell(self._waiting.popleft().fill, now)

    def decide(self, now: Ns) -> None:
        """Tell of those that no order of ours can have made any more; call it once doubts can be asked after."""
        for _ in range(len(self._waiting)):
            each = self._waiting.popleft()
            tracker = self._desks[each.fill.instrument].tracker
            if tracker.find(None, each.fill.oid) is not None:
                continue
            if each.tell_at is None:
                each.tell_at = Ns(now + GRACE)
            if now < each.tell_at and tracker.may_be_ours(each.fill, each.heard_at):
                self._waiting.append(each)
            else:
                self._tell(each.fill, now)

    def deadline(self) -> Ns | None:
        """When nobody waits any longer; None where nothing is waited for."""
        return min((each.tell_at for each in self._waiting if each.tell_at is not None), default=None)
