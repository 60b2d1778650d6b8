"""A desk on its own: real parts, a real ledger, no connection behind it."""

from domain.commands import Alert, AnyAction, Cancel, Modify, Place, Request
from domain.events import Cancelled, Fill, Resting, Result
from domain.instrument import Instrument
from domain.units import Ns, Oid, Sz
from orchestrator.analytics import Analytics
from orchestrator.connectivity.requests import RequestLedger, RequestsConfig
from orchestrator.desk.desk import Desk, DeskConfig
from orchestrator.desk.execution import IdSource
from orchestrator.desk.quote_engine import QuoteEngineConfig
from tests.orchestrator.messages import ETH, MID, TICK, bbo, live_feed, replied

AT_ONCE = QuoteEngineConfig(warmup_timeout_s=0.0)
"""Quotes on the first sound mid, with the priors."""


class Bench:
    """A desk, its ledger and a venue's answers written by the test."""

    def __init__(self, config: DeskConfig | None = None, *, max_position: int = 100_000, instrument: Instrument = ETH):
        self.alerts: list[Alert] = []
        self.feed = live_feed()
        self.ledger = RequestLedger(RequestsConfig(), self.feed)
        analytics = Analytics(self.alerts.append)
        config = config or DeskConfig(engine=AT_ONCE)
        self.desk = Desk(config, instrument, self.ledger, IdSource(), analytics, self.alerts.append)
        self.desk.terms.max_position = Sz(max_position)
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

    def book(self, fill: Fill, now: int) -> None:
        """A new fill, in the order of the core's consumers."""
        self.desk.inventory.apply(fill)
        self.desk.tracker.on_fill(fill, Ns(now))
        self.desk.on_fill(fill, Ns(now))

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
