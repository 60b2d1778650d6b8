"""What a refused order means for its side: wait, longer each time, until one is accepted (RL-03..06, RL-11, RL-23).

One classifier serves everybody. A price that would have crossed says nothing against the side, and neither does a
request that came too often: those have their own ways.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.events import Reason, Refused
from domain.units import Ns, Side, seconds


class RejectionKind(StrEnum):
    """The kinds that are told apart (RL-04)."""

    RATE_LIMIT = "rate_limit"
    """Too much was asked."""
    POSITION = "position"
    """The venue's own limit on position or open orders."""
    MARGIN = "margin"
    PRICE = "price"
    """The next quote has another price."""
    OTHER = "other"


_K, _R = RejectionKind, Reason
KIND_OF: dict[Reason, RejectionKind] = {
    _R.RATE_LIMITED: _K.RATE_LIMIT,
    _R.QUOTA_EXHAUSTED: _K.RATE_LIMIT,
    _R.TOO_MANY_IN_FLIGHT: _K.RATE_LIMIT,
    _R.OPEN_INTEREST: _K.POSITION,
    _R.REDUCE_ONLY_WOULD_INCREASE: _K.POSITION,
    _R.TOO_MANY_OPEN_ORDERS: _K.POSITION,
    _R.MARGIN: _K.MARGIN,
    _R.POST_ONLY_WOULD_CROSS: _K.PRICE,
    _R.IOC_NO_MATCH: _K.PRICE,
    _R.OFF_TICK: _K.PRICE,
    _R.INVALID_PRICE: _K.PRICE,
    _R.PRICE_TOO_FAR: _K.PRICE,
}
"""Reasons that say it all; of the others the venue's text decides."""

TEXTS: tuple[tuple[str, RejectionKind], ...] = (
    ("too many requests", _K.RATE_LIMIT),
    ("too many cumulative requests", _K.RATE_LIMIT),
    ("rate limit", _K.RATE_LIMIT),
    ("429", _K.RATE_LIMIT),
    ("maxposition", _K.POSITION),
    ("max position", _K.POSITION),
    ("open interest", _K.POSITION),
    ("reduceonly", _K.POSITION),
    ("reduce only", _K.POSITION),
    ("margin", _K.MARGIN),
    ("leverage", _K.MARGIN),
    ("alopx", _K.PRICE),
    ("post only", _K.PRICE),
    ("immediately match", _K.PRICE),
    ("tick", _K.PRICE),
    ("price", _K.PRICE),
)
"""Parts of texts in lower case; the first that is found decides."""

SAYS_NOTHING = frozenset((Reason.CANNOT_MODIFY, Reason.NOT_OPEN, Reason.UNKNOWN_SIGNER, Reason.INVALID_NONCE))
"""Refusals that are about the way, the key or the old order, not about what was wanted."""


def classify(refused: Refused) -> RejectionKind:
    """The kind of a refusal, whatever the case of its text (T-15)."""
    kind = KIND_OF.get(refused.reason)
    if kind is not None:
        return kind
    text = refused.text.lower()
    return next((found for part, found in TEXTS if part in text), RejectionKind.OTHER)


CLOSED = frozenset((Reason.HALTED, Reason.CANCEL_ONLY, Reason.POST_ONLY_MODE, Reason.OPEN_INTEREST, Reason.EXPIRED))
"""Refusals for a state of the venue, or of the way to it, not for anything of ours. Once is bad luck; where a clock is
wrong everything comes too late, and each such request costs five times what another one does."""


CAPPED = seconds(60)
"""So long after it was refused for the open interest an order of that side that is taken is one that reduces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionConfig:
    """How long a side waits after refusals in a row."""

    tolerated: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 2
    """So many refusals in a row cost nothing; the next one waits."""
    backoff_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """The first wait, in seconds; each refusal after it doubles the wait."""
    backoff_max_s: Annotated[float, Interval(gt=0, le=1e6)] = 120.0
    """No wait is longer than this, in seconds."""
    closed_max_s: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """The same where the venue takes no such orders from anybody, or ours come too late: that ends by itself, and
    nobody tells us when."""


COUNTED = frozenset((RejectionKind.POSITION, RejectionKind.MARGIN, RejectionKind.OTHER))
"""Kinds that speak against the side (C-21)."""


def speaks_against(refused: Refused) -> bool:
    """Whether a refusal is about what was wanted: not about its price, its way, or how much was asked."""
    return classify(refused) in COUNTED and refused.reason not in SAYS_NOTHING


@dataclass(slots=True)
class SideRejections:
    """Plain counters of one side (RL-23)."""

    consecutive: int = 0
    total: int = 0
    successes: int = 0
    until: Ns = Ns(0)
    """When its wait ends, or ended."""
    capped_until: Ns = Ns(0)
    """So long what only reduces is taken, which says nothing of what increases: open interest is capped."""


class RejectionRateLimiter:
    """Both sides of one instrument, each on its own."""

    def __init__(self, config: RejectionConfig) -> None:
        """No refusal yet."""
        self.config = config
        self.sides = {side: SideRejections() for side in Side}
        self.by_kind: dict[RejectionKind, int] = {}
        self._waiting: list[Side] = []

    def should_skip(self, side: Side, now: Ns) -> bool:
        """Whether that side waits (RL-05)."""
        return now < self.sides[side].until

    def record_success(self, side: Side, now: Ns) -> None:
        """The venue accepted an order of that side: it counts anew. A wait that has begun goes on."""
        counts = self.sides[side]
        if now >= counts.capped_until:
            counts.consecutive = 0
        counts.successes += 1

    def record_rejection(self, side: Side, refused: Refused, now: Ns) -> Ns:
        """The venue refused one; how long the side waits now."""
        kind = classify(refused)
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        if not speaks_against(refused):
            return Ns(0)
        counts = self.sides[side]
        counts.consecutive += 1
        counts.total += 1
        beyond = counts.consecutive - self.config.tolerated
        if beyond <= 0:
            return Ns(0)
        most = self.config.closed_max_s if refused.reason in CLOSED else self.config.backoff_max_s
        wait = seconds(min(self.config.backoff_s * 2 ** min(beyond - 1, 30), most))
        counts.until = Ns(now + wait)
        if refused.reason is Reason.OPEN_INTEREST:
            counts.capped_until = Ns(now + CAPPED)
        if side not in self._waiting:
            self._waiting.append(side)
        return wait

    def resumed(self, now: Ns) -> list[Side]:
        """Sides whose wait is over, told once (RL-11)."""
        if not self._waiting:
            return []
        over = [side for side in self._waiting if now >= self.sides[side].until]
        self._waiting = [side for side in self._waiting if side not in over]
        return over

    def deadline(self) -> Ns | None:
        """When the next wait is over."""
        return min((self.sides[side].until for side in self._waiting), default=None)
