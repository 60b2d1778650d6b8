"""Says so when what rests could take the position beyond its limit (RS-31, RS-32).

No order of ours is sent that could; but a limit may shrink, and a position may move by what is no fill of ours.
"""

from collections.abc import Callable

from domain.commands import Alert, Severity
from domain.units import InstrumentId, Ns, Pos, Side
from orchestrator.desk.desk import Desk


def check_pending_exposure_risk(desk: Desk) -> dict[Side, str]:
    """Which limits the worst case breaches, in words by the side whose orders would do it; empty where none."""
    limit = desk.limit.lots
    if not limit:
        return {}
    low, high = desk.tracker.worst_case_positions(desk.inventory.position)
    worst = {Side.BUY: ("long", high), Side.SELL: ("short", low)}
    name, size = desk.instrument.id, desk.instrument.format_size
    return {
        side: f"{name}: {way} {size(Pos(abs(end)))} if every {side.name} fills, the limit is {size(limit)}"
        for side, (way, end) in worst.items()
        if side * end > limit
    }


class ExposureWarning:
    """Tells people, each side of an instrument once in a while."""

    def __init__(self, every: Ns, alert: Callable[[Alert], None]) -> None:
        """Nothing was told."""
        self.told = 0
        self._every = every
        self._alert = alert
        self._next: dict[tuple[InstrumentId, Side], Ns] = {}

    def log_pending_exposure_warning(self, desk: Desk, found: dict[Side, str], now: Ns) -> None:
        """Alert what was found, unless it was told lately."""
        for side, text in found.items():
            key = (desk.instrument.id, side)
            if now >= self._next.get(key, now):
                self._next[key] = Ns(now + self._every)
                self.told += 1
                self._alert(Alert(Severity.WARNING, "pending_exposure", text))
