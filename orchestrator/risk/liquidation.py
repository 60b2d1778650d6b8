"""A liquidation of our account kills: what we believed of our margin was wrong, and a person has to look (C-19)."""

from collections.abc import Callable

from domain.commands import Alert, Severity
from domain.events import Fill, OrderUpdate, Replied
from domain.liquidation import closing, liquidation_in
from orchestrator.risk.kill_switch import KillSwitch


class LiquidationWatch:
    """Reads fills and updates for what the venue did to us by force."""

    def __init__(self, kill_switch: KillSwitch, alert: Callable[[Alert], None], *, kills: bool) -> None:
        """Nothing happened yet."""
        self.forced_fills = 0
        """Fills by which the venue closed a position of ours."""
        self._kill_switch = kill_switch
        self._alert = alert
        self._kills = kills
        self._is_told = False

    def begin(self, undecided: str | None) -> None:
        """What an earlier life heard of a liquidation, and did not live to decide on."""
        if undecided is not None:
            self._latch(undecided)

    def hear(self, event: OrderUpdate | Replied) -> None:
        """A status of an order of ours, told or asked for."""
        reason = liquidation_in(event)
        if reason is not None:
            self._latch(reason)

    def on_fill(self, fill: Fill) -> None:
        """A new fill of ours."""
        if fill.liquidation is None:
            return
        self.forced_fills += 1
        reason = liquidation_in(fill)
        if reason is not None:
            self._latch(reason)
        else:
            self._alert(Alert(Severity.WARNING, "position_closed", closing(fill)))

    def _latch(self, reason: str) -> None:
        """The first fact of several kills, and is told."""
        latches = self._kills and self._kill_switch.latch(reason)
        if latches or not self._is_told:
            self._is_told = True
            self._alert(Alert(Severity.CRITICAL, "liquidated", reason))
