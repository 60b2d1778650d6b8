"""The terms on which the venue trades one instrument, and whether they are those that we reckon with (EL-04)."""

from collections.abc import Callable
from enum import StrEnum

from domain.commands import Alert, Severity
from domain.events import InstrumentLimits
from domain.instrument import Instrument
from domain.units import Sz
from orchestrator.risk.exchange_limits import ExpectedMargin


class LimitsGate(StrEnum):
    """Why an instrument is not traded although its limits were read (EL-04)."""

    MISMATCH = "limits_mismatch"
    """The venue enforces other numbers than those that prices and sizes are made with."""
    DOUBTED = "limits_doubted"
    """The venue refused an order for its form: its terms are asked for before anything else is placed."""
    BELOW_LOT = "limit_below_lot"
    """The position limit is less than one lot."""


class Terms:
    """Those of one desk."""

    def __init__(self, instrument: Instrument, alert: Callable[[Alert], None]) -> None:
        """Nothing was read yet."""
        self.expected = ExpectedMargin()
        """How the instrument should be set up at the venue."""
        self.max_position: Sz | None = None
        """As the venue states it; nothing is quoted before it is known."""
        self.gate: LimitsGate | None = None
        """Why they allow no order at all."""
        self._instrument = instrument
        self._alert = alert

    def on_limits(self, limits: InstrumentLimits) -> None:
        """What the venue enforces. Where that is not what we reckon with, this instrument is not traded."""
        ours = self._instrument
        pairs = (
            ("size decimals", ours.sz_decimals, limits.sz_decimals),
            ("least notional in micro-USD", ours.min_notional, limits.min_notional),
            ("largest leverage", ours.max_leverage, limits.max_leverage),
            ("leverage", self.expected.leverage or limits.leverage, limits.leverage),
            ("margin mode", self.expected.mode or limits.mode, limits.mode),
            ("price step in ticks", 1, limits.px_step),
            ("size step in lots", 1, limits.sz_step),
        )
        differing = [f"{name} {mine}, the venue's {theirs}" for name, mine, theirs in pairs if mine != theirs]
        self.max_position = limits.max_position
        if not differing:
            if self.gate in (LimitsGate.MISMATCH, LimitsGate.DOUBTED):
                self.gate = None
        elif self.gate is not LimitsGate.MISMATCH:
            self.gate = LimitsGate.MISMATCH
            text = f"{ours.id}: our " + "; our ".join(differing)
            self._alert(Alert(Severity.CRITICAL, LimitsGate.MISMATCH, text))

    def doubt(self) -> None:
        """They may not be what we have read: nothing is placed until they are read again."""
        if self.gate is None:
            self.gate = LimitsGate.DOUBTED

    def on_limit(self, lots: Sz, wanted: int) -> None:
        """Our position limit; one of no lot at all is a reason of its own, not a start that never ends.

        ``wanted``: lots that our settings allow, whatever the venue does.
        """
        if lots:
            if self.gate is LimitsGate.BELOW_LOT:
                self.gate = None
        elif self.gate is None:
            self.gate = LimitsGate.BELOW_LOT
            name, size = self._instrument.id, self._instrument.format_size
            text = f"{name}: ours is {size(wanted)}, the venue's {size(self.max_position or 0)}"
            self._alert(Alert(Severity.WARNING, LimitsGate.BELOW_LOT, text))
