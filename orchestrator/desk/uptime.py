"""How long a desk was two-sided, one-sided or gated, and why (time-weighted, in nanoseconds)."""

from domain.units import Ns

TWO_SIDED = "two_sided"
ONE_SIDED = "one_sided"
EMPTY = "empty"


class Uptime:
    """Sums the time spent under each label; the current one runs until it is replaced."""

    def __init__(self) -> None:
        """No label yet: time before the first counts for none."""
        self.by_label: dict[str, Ns] = {}
        self._label: str | None = None
        self._since = Ns(0)

    def note(self, label: str, now: Ns) -> None:
        """From ``now`` on the desk is in this state."""
        if label != self._label:
            self.by_label = self.totals(now)
            self._label, self._since = label, now

    def totals(self, now: Ns) -> dict[str, Ns]:
        """Time under each label up to ``now``."""
        if self._label is None:
            return dict(self.by_label)
        return self.by_label | {self._label: Ns(self.by_label.get(self._label, 0) + now - self._since)}
