"""Whether a long run wears out: how soon quotes come back after each lost connection, and what grows with time.

Sizes are looked at between slices of a run. What grows is told by comparing the last quarter of the looks with the
second one: the first quarter fills the memories that are bounded, and crashes empty some of them on the way.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from domain.units import NS_PER_S, Ns
from scenarios.figures import EnduranceFigures, Growth, Recoveries

SIZES = frozenset(("calls", "ended_orders", "inbox", "orders", "requests", "trader_bytes"))
"""What is looked at, by name."""
_LEAST = 8
"""Looks below which a quarter says nothing."""


class RecoveryTimes:
    """From each connection that is lost while the trader quotes until both sides rest again."""

    def __init__(self) -> None:
        """None yet."""
        self._lost_at: list[Ns] = []
        self._took: list[int] = []

    def lose(self, now: Ns) -> None:
        """A connection is lost."""
        self._lost_at.append(now)

    def quote(self, now: Ns) -> None:
        """Connections are up and both sides rest: everything that was lost is made good."""
        if self._lost_at:
            self._took += [now - at for at in self._lost_at]
            self._lost_at.clear()

    def figures(self) -> Recoveries | None:
        """How long it took; None where nothing was lost."""
        took = sorted(self._took)
        if not took:
            return None
        return Recoveries(
            count=len(took),
            p50_s=took[len(took) // 2] / NS_PER_S,
            p90_s=took[len(took) * 9 // 10] / NS_PER_S,
            max_s=took[-1] / NS_PER_S,
        )


class Looks:
    """Sizes at one time after the other, by name."""

    def __init__(self) -> None:
        """None yet."""
        self._sizes: dict[str, list[float]] = {}

    def take(self, sizes: Mapping[str, float]) -> None:
        """Look once more."""
        for name, size in sizes.items():
            self._sizes.setdefault(name, []).append(size)

    def growth(self) -> dict[str, Growth]:
        """What became of each."""
        return {name: _growth(sizes) for name, sizes in self._sizes.items()}

    def figures(self) -> EnduranceFigures:
        """All of them."""
        n = max((len(sizes) for sizes in self._sizes.values()), default=0)
        return EnduranceFigures(looks=n, sizes=self.growth())


def state_bytes(core: object) -> int:
    """How much the trader keeps: its whole state as plain data."""
    return len(pickle.dumps(core, protocol=pickle.HIGHEST_PROTOCOL))


def resident_mb() -> float:
    """Memory of this process now where the system says so (Linux), else the most so far."""
    from resource import RUSAGE_SELF, getpagesize, getrusage  # noqa: PLC0415 - not on every system, and for long runs only

    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * getpagesize() / 1e6
    return getrusage(RUSAGE_SELF).ru_maxrss / 1e6


def _growth(sizes: Sequence[float]) -> Growth:
    n = len(sizes)
    if n < _LEAST:
        return Growth(peak=max(sizes), early=fmean(sizes), late=fmean(sizes))
    early, late = fmean(sizes[n // 4 : n // 2]), fmean(sizes[3 * n // 4 :])
    grown = (late - early) / early if early else float(late > 0)
    return Growth(peak=max(sizes), early=early, late=late, grown_pct=100.0 * grown)
