"""One life and the next: what is forgotten between them, and how a life begins and ends."""

from collections.abc import Callable

from msgspec import structs

from domain.events import OpenOrdersReport
from domain.units import Ns
from orchestrator.desk.desk import Desk
from orchestrator.desk.inventory import Inventory
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.sync.shutdown import Shutdown
from orchestrator.sync.startup import StartUp
from runtime.journal import Journal
from studies.sabotage import Patch, does_nothing, sabotage, says_no

NO_INTENTS = sabotage(
    "decisions are not written down",
    Patch(Journal, "decided", does_nothing),
)

LEDGER_FORGOTTEN = sabotage(
    "a new life begins with no position and no cash flow",
    Patch(Inventory, "continue_from", does_nothing),
)


def _sees_nothing(original: Callable[..., None]) -> Callable[..., None]:
    def on_orders(self: StartUp, report: OpenOrdersReport, now: Ns) -> None:
        original(self, structs.replace(report, orders=()), now)

    return on_orders


ORDERS_FORGOTTEN = sabotage(
    "a new life neither knows the orders of the one before nor cancels what rests",
    Patch(Desk, "adopt", does_nothing),
    Patch(StartUp, "_on_orders", _sees_nothing),
)


NO_KILL = sabotage(
    "what should kill does not",
    Patch(KillSwitch, "latch", says_no),
)


def _stops_at_once(original: Callable[..., None]) -> Callable[..., None]:
    def request(self: Shutdown, reason: str, now: Ns) -> None:
        original(self, reason, now)
        self.is_clean = True
        self._go(type(self.state).STOPPED)

    return request


NO_ORDERLY_END = sabotage(
    "a trader that is told to stop stops, and leaves its orders",
    Patch(Shutdown, "request", _stops_at_once),
)
