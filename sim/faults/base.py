"""What every fault is: a frozen config with bounds, whose `install` makes it happen to one session.

A fault changes the world only through what sessions, links and the world offer to faults. It counts what it
injected, so that a report can say whether the scenario met what it was written for. It knows no trader.

Adding one: a file here with a frozen dataclass (`kind`, `at_s`, `duration_s`, bounds within which a
random search may draw, a docstring below each field) and `install`; its name in `FAULTS`, in `AnyFault`
and in `__all__` of this package; then `makerlab schema > scenarios/scenario.schema.json`.
"""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from domain.units import Ns, seconds
from sim.feed import Session
from sim.world import World


class Injected:
    """What a fault did to a session; for the report."""

    __slots__ = ("counts", "ends_at", "is_active", "kind", "starts_at")

    def __init__(self, kind: str, starts_at: Ns, ends_at: Ns) -> None:
        self.kind = kind
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.is_active = False
        self.counts: Counter[str] = Counter()


class Fault(Protocol):
    """A fault's config."""

    @property
    def kind(self) -> str:
        """Its name in scenario files."""
        ...

    @property
    def at_s(self) -> float:
        """When it begins, in seconds of the world."""
        ...

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        ...

    def install(self, world: World, session: Session) -> Injected:
        """Arm it; what is past already begins at once."""
        ...


def arm(fault: Fault, world: World, begin: Callable[[Injected], None], end: Callable[[Injected], None]) -> Injected:
    """Schedule a fault's two ends."""
    starts_at = Ns(max(seconds(fault.at_s), world.env.now))
    injected = Injected(fault.kind, starts_at, Ns(starts_at + seconds(fault.duration_s)))

    def start() -> None:
        injected.is_active = True
        begin(injected)

    def stop() -> None:
        injected.is_active = False
        end(injected)

    world.env.call_at(injected.starts_at, start)
    world.env.call_at(injected.ends_at, stop)
    return injected
