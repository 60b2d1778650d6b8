"""Tells people of market data that cannot be true, or takes the quotes away: once a burst (DQ-12, DQ-14, DQ-16)."""

from collections.abc import Callable

from domain.commands import Alert, Severity
from domain.instrument import Instrument
from domain.units import Ns, seconds
from orchestrator.desk.anomalies import HINTS, Anomaly
from orchestrator.desk.data_quality import SHAPES, QuoteGate, QuoteGateReason
from orchestrator.desk.market import Market

BURST = seconds(60)
"""Troubles of one kind with no longer pauses than this are one burst: one alert."""
NO_NEWS = frozenset(
    (
        Anomaly.STALE_DATA,
        Anomaly.CROSSED_BOOK,
        Anomaly.PRICE_JUMP,
        Anomaly.FROZEN_BOOK,
        Anomaly.TIMESTAMP_REGRESSION,
    )
)
"""What is wrong with data and closes the gate, which people are told of with its numbers; or is late, and no more."""


class DataNews:
    """Of one instrument."""

    def __init__(self, instrument: Instrument, market: Market, alert: Callable[[Alert], None]) -> None:
        """Nothing was told."""
        self._instrument = instrument
        self._market = market
        self._alert = alert
        self._future_until = self._bad_until = Ns(-1)
        self._gated_until: dict[QuoteGateReason, Ns] = {}
        self._n_anomalies = 0

    def look(self, now: Ns) -> None:
        """Data came: was there something in it that cannot be true?"""
        found = self._market.sanity.anomalies
        if found.total == self._n_anomalies:
            return
        self._n_anomalies = found.total
        if found.latest is None or found.latest[1] in NO_NEWS:
            return
        channel, kind = found.latest
        if kind is Anomaly.FUTURE_STAMP:
            self._tell_of_the_future(now)
            return
        if now > self._bad_until:
            text = f"{self._instrument.id} {channel}: {kind} ({found.counts[found.latest]} so far); {HINTS[kind]}"
            self._alert(Alert(Severity.WARNING, "bad_data", text))
        self._bad_until = Ns(now + BURST)

    def _tell_of_the_future(self, now: Ns) -> None:
        """A clock is wrong, here or there."""
        if now > self._future_until:
            n = self._market.n_future
            text = f"{self._instrument.id}: market data stamped in the future is not used ({n} so far)"
            self._alert(Alert(Severity.WARNING, "future_data", text))
        self._future_until = Ns(now + BURST)

    def on_closed(self, closed: QuoteGate, now: Ns) -> None:
        """The gate takes quotes away."""
        if now > self._gated_until.get(closed.reason, -1):
            self._alert(Alert(Severity.WARNING, closed.reason, closed.text(self._instrument)))
        self._gated_until[closed.reason] = Ns(now + BURST)

    def on_shape(self, closed: QuoteGate | None, now: Ns) -> None:
        """A book that cannot be, or with one side, is told of although no quotes stand: it keeps them away."""
        if closed is not None and closed.reason in SHAPES:
            self.on_closed(closed, now)
