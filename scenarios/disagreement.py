"""For how long the trader's position was another than the venue's: from each fill until the trader has booked it."""

from collections.abc import Mapping

from domain.units import InstrumentId, Ns
from scenarios.invariants.views import DeskView, TruthView


class Disagreement:
    """The longest time at a stretch, in which fills may have been under way, lost, or met by a dead process."""

    def __init__(self, truth: TruthView) -> None:
        """Both agree."""
        self.longest = Ns(0)
        """So far, the present one included as of the last look."""
        self._truth = truth
        self._since: Ns | None = None

    @property
    def is_open(self) -> bool:
        """Whether both may differ: then every event of the trader is worth a look."""
        return self._since is not None

    def on_fill(self, now: Ns) -> None:
        """The venue's position moved."""
        if self._since is None:
            self._since = now

    def look(self, desks: Mapping[InstrumentId, DeskView], now: Ns) -> None:
        """Compare what both say now."""
        if self._since is None:
            return
        self.longest = max(self.longest, Ns(now - self._since))
        if all(desk.inventory.position == self._truth.position(name) for name, desk in desks.items()):
            self._since = None

    def end(self, now: Ns) -> None:
        """Count up to here."""
        if self._since is not None:
            self.longest = max(self.longest, Ns(now - self._since))
            self._since = None
