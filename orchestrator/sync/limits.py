"""What the venue enforces, handed to every desk, whoever asked for it.

Answers overtake each other: one that is older than the newest says nothing.
"""

from collections.abc import Mapping

from domain.events import LimitsReport
from domain.units import InstrumentId, Ns
from orchestrator.desk.desk import Desk


class VenueLimits:
    """One account."""

    def __init__(self, desks: Mapping[InstrumentId, Desk]) -> None:
        """Nothing was stated."""
        self._desks = desks
        self._as_of = Ns(-1)

    def take(self, report: LimitsReport) -> None:
        """The venue answered; of instruments that are not traded here it may say what it likes."""
        if report.as_of < self._as_of:
            return
        self._as_of = report.as_of
        for limits in report.limits:
            desk = self._desks.get(limits.instrument)
            if desk is not None:
                desk.terms.on_limits(limits)
