"""Notices that somebody else trades on our account: its owner by hand, or another program with the same key (T16).

Orders of ours all carry a client id, so a fill without one, which the venue did not make by force, is somebody
else's. It is part of our position all the same. People are told, and we step aside for a moment: two that quote at
the same time meet each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, Severity
from domain.events import Fill
from domain.instrument import Instrument
from domain.units import USD, Ns, Usd, seconds

GATE = "foreign_hand"
TELL_AGAIN = seconds(60)
"""Fills with no longer pauses than this are one affair: one alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignConfig:
    """What we do about it."""

    hold_s: Annotated[float, Interval(ge=0, le=1e6)] = 10.0
    """After each such fill nothing is quoted for so many seconds; 0: people are told, and we go on."""


class ForeignHand:
    """One account."""

    def __init__(self, config: ForeignConfig, alert: Callable[[Alert], None]) -> None:
        """Nobody else was seen."""
        self.fills = 0
        """Fills of orders that nobody of ours has placed."""
        self._hold = seconds(config.hold_s)
        self._alert = alert
        self._until = Ns(-1)
        self._told_until = Ns(-1)

    def on_unmatched_fill(self, fill: Fill, instrument: Instrument, now: Ns) -> None:
        """A fill of an order that we do not know."""
        if fill.cloid is not None or fill.liquidation is not None:
            return
        self.fills += 1
        self._until = Ns(now + self._hold)
        if now >= self._told_until:
            size, price = instrument.format_size(fill.sz), instrument.format_price(fill.px)
            text = f"{fill.instrument} {fill.side.name} {size} at {price} by order {fill.oid}, which is not ours"
            self._alert(Alert(Severity.CRITICAL, "foreign_fill", text))
        self._told_until = Ns(now + TELL_AGAIN)

    def on_owner(self, amount: Usd) -> None:
        """Money came into the account, or left it, and it is nobody's profit."""
        self._alert(Alert(Severity.INFO, "owner_transfer", f"the owner moved {amount / USD:+,.2f} USD"))

    def gate(self, now: Ns) -> str | None:
        """Why nothing may be quoted; None where it may."""
        return GATE if now < self._until else None

    def deadline(self, now: Ns) -> Ns | None:
        """When we go on; None where nothing holds us."""
        return self._until if now < self._until else None
