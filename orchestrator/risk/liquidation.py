"""A liquidation of our account kills: what we believed of our margin was wrong, and a person has to look (C-19).

Two facts tell of it, in either order: an order that the venue cancelled because the account fell below its maintenance
margin, and a fill by which it closed our position. Of auto-deleveraging there are two sides: the one that could not
pay, and those who had won against it. Only the first is a liquidation of ours.
"""

from collections.abc import Callable

from domain.commands import Alert, Severity
from domain.events import Fill, LiquidationMethod, OrderStatus, OrderUpdate, Reason
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

    def on_update(self, update: OrderUpdate) -> None:
        """A status of an order of ours."""
        if update.status is OrderStatus.CANCELED and update.reason is Reason.LIQUIDATED:
            self._latch(f"liquidation: {update.instrument} order {update.oid} cancelled for lack of margin")

    def on_fill(self, fill: Fill) -> None:
        """A new fill of ours."""
        mark = fill.liquidation
        if mark is None:
            return
        self.forced_fills += 1
        text = f"{fill.instrument} {fill.side.name} closed by force ({mark.method})"
        if is_ours(fill):
            self._latch(f"liquidation: {text}")
        else:
            self._alert(Alert(Severity.WARNING, "position_closed", text))

    def _latch(self, reason: str) -> None:
        """The first fact of several kills, and is told."""
        latches = self._kills and self._kill_switch.latch(reason)
        if latches or not self._is_told:
            self._is_told = True
            self._alert(Alert(Severity.CRITICAL, "liquidated", reason))


def is_ours(fill: Fill) -> bool:
    """Whether a forced fill closed a position of an account that could not carry it: ours.

    A settlement closes everybody's. In auto-deleveraging whoever was chosen for its profit made one, and whoever could
    not pay did not.
    """
    if fill.liquidation is None:
        return False
    match fill.liquidation.method:
        case LiquidationMethod.MARKET | LiquidationMethod.BACKSTOP:
            return True
        case LiquidationMethod.ADL:
            return fill.closed_pnl < 0
        case _:
            return False
