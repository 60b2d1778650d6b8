"""Orderly shutdown: no quote, every own order cancelled and confirmed gone, then the end.

Bounded: after ``timeout_s`` it ends all the same and says what it left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.alerts import STOPPED
from domain.commands import Alert, Cancel, QueryOpenOrders, Severity
from domain.events import NotSent, OpenOrdersReport, Replied
from domain.lifecycle import step
from domain.units import InstrumentId, Ns, millis, seconds
from orchestrator.connectivity.requests import Pending, RequestLedger, first_result
from orchestrator.desk.desk import Desk
from orchestrator.risk.dead_man import DeadMan


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownConfig:
    """Patience of the shutdown (OP-08)."""

    timeout_s: Annotated[float, Interval(gt=0, le=1e6)] = 10.0
    """After this many seconds the shutdown ends with an alert, even if orders are not known to be gone."""
    retry_ms: Annotated[float, Interval(gt=0, le=1e9)] = 500.0
    """Between two questions whether any order still rests, in ms."""


class ShutdownState(StrEnum):
    """The steps, in order."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    CONFIRMING = "confirming"
    RELEASING = "releasing"
    """Nothing rests: the dead-man switch has nothing to watch over any more."""
    STOPPED = "stopped"


_S = ShutdownState
TRANSITIONS: dict[ShutdownState, frozenset[ShutdownState]] = {
    _S.RUNNING: frozenset((_S.CANCELLING,)),
    _S.CANCELLING: frozenset((_S.CONFIRMING, _S.STOPPED)),
    _S.CONFIRMING: frozenset((_S.RELEASING, _S.STOPPED)),
    _S.RELEASING: frozenset((_S.STOPPED,)),
    _S.STOPPED: frozenset(),
}


class Shutdown:
    """The end of one life."""

    def __init__(
        self,
        config: ShutdownConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        dead_man: DeadMan | None,
        alert: Callable[[Alert], None],
    ) -> None:
        """Running."""
        self.config = config
        self.state = ShutdownState.RUNNING
        self.reason: str | None = None
        self.is_clean = False
        """The venue said that nothing of ours rests."""
        self._ledger = ledger
        self._desks = desks
        self._dead_man = dead_man
        self._alert = alert
        self._is_waiting = False
        self._retry_at = Ns(0)
        self._ends_at = Ns(0)

    @property
    def is_stopping(self) -> bool:
        """Whether quoting has ended for good."""
        return self.state is not ShutdownState.RUNNING

    @property
    def is_stopped(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state is ShutdownState.STOPPED

    def request(self, reason: str, now: Ns) -> None:
        """Begin; a second request changes nothing."""
        if self.state is _S.RUNNING:
            self.reason = reason
            self._ends_at = Ns(now + seconds(self.config.timeout_s))
            self._go(_S.CANCELLING)

    def decide(self, now: Ns) -> None:
        """The desks cancel by themselves; here we watch, confirm by a query, and give up in time."""
        if self.state in (_S.RUNNING, _S.STOPPED):
            return
        if self.state is _S.RELEASING:
            # Not told in time that it is taken back, it fires once, and finds nothing.
            if self._dead_man is None or self._dead_man.is_clear or now >= self._ends_at:
                self._stop(Alert(Severity.INFO, STOPPED, self.reason or ""))
            return
        left = sum(len(desk.tracker.orders) for desk in self._desks.values())
        if now >= self._ends_at:
            text = f"{left} orders not known to be gone after {self.config.timeout_s} s"
            self._stop(Alert(Severity.CRITICAL, "shutdown_incomplete", text))
            return
        if self.state is _S.CANCELLING and left == 0:
            self._go(_S.CONFIRMING)
        if self.state is _S.CONFIRMING and not self._is_waiting and now >= self._retry_at:
            self._is_waiting = True
            self._ledger.send((QueryOpenOrders(),), self, now)

    def deadline(self) -> Ns | None:
        """When to look again."""
        if self.state in (_S.RUNNING, _S.STOPPED):
            return None
        if self.state is _S.CONFIRMING and not self._is_waiting:
            return min(self._retry_at, self._ends_at)
        return self._ends_at

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """The list is empty: done. It is not: cancel what it shows and look again."""
        result = first_result(event)
        if isinstance(pending.request.actions[0], Cancel) or self.state is not _S.CONFIRMING:
            return
        self._is_waiting = False
        self._retry_at = Ns(now + millis(self.config.retry_ms))
        if not isinstance(result, OpenOrdersReport):
            return
        ours = [order for order in result.orders if order.instrument in self._desks]
        if not ours:
            self.is_clean = True
            self._go(_S.RELEASING)
            if self._dead_man is not None:
                self._dead_man.end()
            return
        cancels = tuple(Cancel(order.instrument, None, order.oid) for order in ours)
        self._ledger.send(cancels, self, now)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Ask again after a while."""
        del event
        self.on_silence(pending, now)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Ask again after a while."""
        if not isinstance(pending.request.actions[0], Cancel):
            self._is_waiting = False
            self._retry_at = Ns(now + millis(self.config.retry_ms))

    def _stop(self, last_word: Alert) -> None:
        self._alert(last_word)
        self._go(_S.STOPPED)

    def _go(self, to: ShutdownState) -> None:
        self.state = step(TRANSITIONS, self.state, to, "shutdown")
