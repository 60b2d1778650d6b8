"""Whether the trader as a whole may quote, and if not, the first reason that holds."""

from collections.abc import Mapping

from domain.units import InstrumentId, Ns
from orchestrator.budget.quota import QuotaQuestion
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.signer import SignerWatch
from orchestrator.desk.desk import STARTING, WARMING, Desk
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.sync.foreign import ForeignHand
from orchestrator.sync.shutdown import Shutdown
from orchestrator.sync.startup import StartUp
from orchestrator.sync.watch import SyncWatch


class TradingGate:
    """Asks the parts of one account; keeps nothing of its own."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts that it asks
        self,
        desks: Mapping[InstrumentId, Desk],
        feeds: tuple[FeedMachine, FeedMachine],
        start_up: StartUp,
        shutdown: Shutdown,
        sync: SyncWatch,
        kill_switch: KillSwitch,
        signer: SignerWatch | None,
        foreign: ForeignHand | None,
        quota: QuotaQuestion | None,
    ) -> None:
        """``feeds``: of the account, then of the markets; ``quota``: what is left of the allowance, if that counts."""
        self._desks = desks
        self._user_feed, self._market_feed = feeds
        self._start_up = start_up
        self._shutdown = shutdown
        self._sync = sync
        self._kill_switch = kill_switch
        self._signer = signer
        self._foreign = foreign
        self._quota = quota

    def reason(self, now: Ns) -> str | None:
        """Why no desk may quote; None when all may."""
        if self._shutdown.is_stopping:
            return "stopping"
        if self._kill_switch.is_latched:
            return "kill"
        if self._signer is not None and self._signer.gate is not None:
            return self._signer.gate
        is_warming = self._start_up.is_warming
        if not is_warming and not self._start_up.is_done:
            return STARTING
        return self._limits() or self._picture(now) or (WARMING if is_warming else self._allowance())

    def phase(self, now: Ns) -> str:
        """What the trader as a whole is doing."""
        if self._shutdown.is_stopping:
            return self._shutdown.state.value
        return self.reason(now) or "quoting"

    # --- inside ---------------------------------------------------------------------------------

    def _limits(self) -> str | None:
        """Why no desk at all may trade by its limits; None while one may."""
        gate = None
        for desk in self._desks.values():
            gate = desk.terms.gate
            if gate is None:
                return None
        return gate

    def _allowance(self) -> str | None:
        """The first quotes of a life wait until the venue was asked what is left: quotes depend on it."""
        return None if self._quota is None or self._quota.was_settled else STARTING

    def _picture(self, now: Ns) -> str | None:
        """Why our picture of the account and its markets may not be whole."""
        if not self._user_feed.is_live:
            return "user_feed_down"
        if not self._market_feed.is_live:
            return "market_feed_down"
        if self._sync.resync.gates_quotes:
            return "resync"
        return self._sync.gate or (None if self._foreign is None else self._foreign.gate(now))
