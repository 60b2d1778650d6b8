"""What the venue has refused again and again for the same reason is left alone for a while (S25, CN-17).

The side as a whole waits by `rejection`; here it is exactly this order, at this price and of this size, whatever
its client id. Refusals that speak of the moment, the way or the key prove nothing of it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from annotated_types import Interval

from domain.commands import Place
from domain.events import Reason, Refused
from domain.units import Cloid, Ns, Px, Side, Sz, seconds
from orchestrator.budget.rejection import CLOSED, KIND_OF, SAYS_NOTHING, RejectionKind

OF_THE_MOMENT = (
    frozenset((Reason.POST_ONLY_WOULD_CROSS, Reason.IOC_NO_MATCH))
    | CLOSED
    | SAYS_NOTHING
    | {reason for reason, kind in KIND_OF.items() if kind is RejectionKind.RATE_LIMIT}
)
"""The same order may be right a moment later."""


def is_definite(result: object, but: frozenset[Reason] = frozenset()) -> bool:
    """Whether this is a refusal that the same request would meet again, and not for one of those reasons."""
    return isinstance(result, Refused) and result.reason not in OF_THE_MOMENT and result.reason not in but


KEPT = 256
"""Orders remembered; the oldest is forgotten first (S27)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FutileConfig:
    """When to stop asking for the same."""

    repeats: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 3
    """So many refusals of the same order for the same reason, each within `wait_s` of the one before."""
    wait_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """After them it is not sent for so long, in seconds."""


class _What(NamedTuple):
    side: Side
    px: Px
    sz: Sz
    reduce_only: bool


@dataclass(slots=True)
class _Refusals:
    reason: Reason
    orders: set[Cloid]
    """Those that were refused; each is told twice, by an update and by the answer."""
    told_at: Ns


class FutileRetries:
    """The refused orders of one instrument."""

    def __init__(self, config: FutileConfig) -> None:
        """Nothing was refused."""
        self._repeats = config.repeats
        self._wait = seconds(config.wait_s)
        self._refused: OrderedDict[_What, _Refusals] = OrderedDict()
        self.opened = 0
        """How often an order was found to be futile."""

    def on_refused(self, place: Place, refused: Refused, now: Ns) -> None:
        """The venue refused it; each order counts once, and the wait begins with the last news of it."""
        reason = refused.reason
        if not is_definite(refused):
            return
        what = _What(place.side, place.px, place.sz, place.reduce_only)
        found = self._refused.get(what)
        if found is None or found.reason is not reason or now - found.told_at > self._wait:
            self._refused[what] = _Refusals(reason, {place.cloid}, now)
            self._refused.move_to_end(what)
            if len(self._refused) > KEPT:
                self._refused.popitem(last=False)
            return
        found.told_at = now
        if place.cloid not in found.orders:
            found.orders.add(place.cloid)
            self.opened += len(found.orders) == self._repeats

    def on_accepted(self, place: Place) -> None:
        """The venue took it: what was before is history."""
        if self._refused:
            self._refused.pop(_What(place.side, place.px, place.sz, place.reduce_only), None)

    def is_futile(self, side: Side, px: Px, sz: Sz, now: Ns, *, reduce_only: bool) -> bool:
        """Whether to leave it alone now."""
        if not self._refused:
            return False
        found = self._refused.get(_What(side, px, sz, reduce_only))
        return found is not None and len(found.orders) >= self._repeats and now - found.told_at <= self._wait
