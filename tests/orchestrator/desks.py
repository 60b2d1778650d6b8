"""A desk on its own: real parts, a real ledger, no connection behind it."""

from types import SimpleNamespace

from domain.commands import AnyAction, Cancel, Modify, Place, Request
from domain.events import Cancelled, Resting, Result
from domain.instrument import Instrument
from domain.units import Epoch, Ns, Oid, Sz
from orchestrator.connectivity.feeds import RequestsConfig
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.desk.desk import Desk, DeskConfig, IdSource
from orchestrator.desk.quote_engine import QuoteEngineConfig
from tests.orchestrator.messages import ETH, MID, TICK, bbo, replied

AT_ONCE = QuoteEngineConfig(warmup_timeout_s=0.0)
"""Quotes on the first sound mid, with the priors."""


class Bench:
    """A desk, its ledger and a venue's answers written by the test."""

    def __init__(self, config: DeskConfig | None = None, *, max_position: int = 100_000, instrument: Instrument = ETH):
        self.feed = SimpleNamespace(is_live=True, epoch=Epoch(1))
        self.ledger = RequestLedger(RequestsConfig(), self.feed)
        self.desk = Desk(config or DeskConfig(engine=AT_ONCE), instrument, self.ledger, IdSource())
        self.desk.exchange_max_position = Sz(max_position)
        self.oid = 100
        self.last: list[Request] = []

    def quote(self, now: int, mid: int = MID, *, gate: str | None = None, spread: int = 10) -> list[AnyAction]:
        """New top, then a decision."""
        self.desk.on_bbo(bbo(mid - spread * TICK // 2, mid + spread * TICK // 2, now), Ns(now))
        return self.decide(now, gate)

    def decide(self, now: int, gate: str | None = None) -> list[AnyAction]:
        """The actions decided."""
        self.ledger.expire(Ns(now))
        self.desk.decide(gate, Ns(now))
        self.last = list(self.ledger.outbox)
        self.ledger.outbox.clear()
        return [action for request in self.last for action in request.actions]

    def answer(self, now: int, requests: list[Request] | None = None) -> None:
        """Answer the requests of the last decision as a venue does where everything works."""
        for request in self.last if requests is None else requests:
            self.ledger.on_replied(replied(request, *map(self._good, request.actions), at=now), Ns(now))

    def refuse(self, now: int, *results: Result) -> None:
        """Answer each request of the last decision with these results."""
        for request in self.last:
            self.ledger.on_replied(replied(request, *results, at=now), Ns(now))

    def _good(self, action: AnyAction) -> Result:
        if isinstance(action, Cancel):
            return Cancelled()
        assert isinstance(action, Place | Modify)
        place = action.place if isinstance(action, Modify) else action
        self.oid += 1
        return Resting(Oid(self.oid), place.cloid)

    def resting(self) -> list:
        """Our resting orders as the desk sees them."""
        return [order for order in self.desk.tracker.orders.values() if order.is_resting]
