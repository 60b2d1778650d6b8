"""How far the venue lets a position of one instrument go: worked out from its own reports, read at no cost (MG-06).

What a report says is believed in full for a while, then by half, then not at all: an old report adds nothing to a
position. It never takes away what reduces one (T-23).
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from annotated_types import Interval

from domain.events import InstrumentLimits, MarginMode
from domain.units import Ns, Pos, Side, Sz, Usd, seconds

CAUTION = 0.99
"""Of the value at which less leverage begins, as it is judged at a mark that we do not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingConfig:
    """How long a report of the venue's limits counts."""

    full_s: Annotated[float, Interval(gt=0, le=1e6)] = 120.0
    """Up to this age, in seconds, in full."""
    partial_s: Annotated[float, Interval(gt=0, le=1e6)] = 300.0
    """Up to this age, in seconds, by `partial_share`; older than that nothing may be added to a position."""
    partial_share: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """What of it counts in between."""

    def __post_init__(self) -> None:
        """Refuse stages in the wrong order."""
        if self.partial_s < self.full_s:
            raise ValueError(f"partial_s {self.partial_s:g} is below full_s {self.full_s:g}")


class ExpectedMargin(NamedTuple):
    """How an instrument should be set up at the venue; None: any way."""

    leverage: int | None = None
    mode: MarginMode | None = None


class ExchangePositionLimits:
    """The bound that the venue sets to one instrument of the account."""

    def __init__(self, config: AgeingConfig) -> None:
        """Nothing is known, so nothing may be added (EL-04)."""
        self.size_share = 1.0
        self.limits: InstrumentLimits | None = None
        """As last reported."""
        self._config = config
        self._full, self._partial = seconds(config.full_s), seconds(config.partial_s)
        self._told_at = Ns(0)
        self._reach = {side: Sz(0) for side in Side}

    @property
    def leverage(self) -> int | None:
        """Position value over initial margin; None where positions need no margin, or nothing is known."""
        return None if self.limits is None else self.limits.leverage

    @property
    def is_isolated(self) -> bool:
        """Whether its position has money of its own."""
        return self.limits is not None and self.limits.mode is MarginMode.ISOLATED

    def take(self, limits: InstrumentLimits, now: Ns) -> None:
        """The venue reported them; their age counts from here, on our clock."""
        self.limits = limits
        self._told_at = now

    def share(self, now: Ns) -> float:
        """What of the report still counts at its age."""
        age = now - self._told_at
        if age <= self._full:
            return 1.0
        return self._config.partial_share if age <= self._partial else 0.0

    def most(self, mid: float) -> Sz:
        """Largest position that the venue allows at all at that price: its own limit, and that of the leverage."""
        limits = self.limits
        if limits is None:
            return Sz(0)
        value = most_value(limits.leverage, limits.tiers)
        return limits.max_position if value is None else Sz(min(limits.max_position, int(CAUTION * value / mid)))

    def update(self, position: Pos, mid: float, addable: float, openable: float, now: Ns) -> None:
        """Work out the reach of both sides, so that reading it costs nothing.

        ``addable`` and ``openable`` are values, in micro-USD, that the account's money carries: on top of the position,
        and of a new one the other way round once this one is closed.
        """
        most, share = self.most(mid), self.share(now)
        for side in Side:
            held = side * position
            base, money = (held, addable) if held >= 0 else (0, openable)
            free = min(max(most - base, 0), money / mid)
            self._reach[side] = Sz(base + int(free * share))

    def reach(self, side: Side) -> Sz:
        """Lots up to which a position may grow on that side."""
        return self._reach[side]


def most_value(leverage: int | None, tiers: tuple[tuple[Usd, int], ...]) -> Usd | None:
    """Value beyond which a position may not have that leverage; None: there is none (MG-04)."""
    if leverage is None:
        return None
    return next((bound for bound, most in tiers if most < leverage), None)
