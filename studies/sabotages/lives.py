"""One life and the next: what is forgotten between them, and how a life begins and ends."""

from collections.abc import Callable, Iterator

from msgspec import structs

from domain.commands import AnyCommand
from domain.errors import JournalError
from domain.events import OpenOrdersReport, Restored
from domain.ids import draw
from domain.units import Ns
from orchestrator.desk.desk import Desk
from orchestrator.desk.inventory import Inventory
from orchestrator.gate import TradingGate
from orchestrator.risk.aggregator import AggregatedRisk
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.sync.shutdown import Shutdown
from orchestrator.sync.startup import StartUp
from runtime import fold as fold_module
from runtime.fold import Fold
from runtime.journal import Journal
from runtime.journal_format import Record
from runtime.journal_reader import Reader
from studies.sabotage import Patch, does_nothing, instead, sabotage, says_no

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


# --- what is handed on --------------------------------------------------------------------------


def _whole_again(original: Callable[..., Restored]) -> Callable[..., Restored]:
    def restored(self: Fold, seed: int | None = None) -> Restored:
        told = original(self, seed)
        return structs.replace(told, orders=tuple(structs.replace(order, fills=()) for order in told.orders))

    return restored


REMAINDER_FORGOTTEN = sabotage(
    "a new life knows its fills, and takes the orders that they filled for unfilled",
    Patch(Fold, "restored", _whole_again),
)


def _whole_or_nothing(original: Callable[[Reader], Iterator[Record]]) -> Callable[[Reader], Iterator[Record]]:
    def read(self: Reader) -> Iterator[Record]:
        yield from original(self)
        if self.end.torn:
            raise JournalError(f"the journal ends with {self.end.torn} bytes that are no record")

    return read


TORN_TAIL_IS_FATAL = sabotage(
    "a journal whose last record is not whole cannot be read at all",
    Patch(Reader, "__iter__", _whole_or_nothing),
)


def _first_seed(seed: int, life: int) -> int:
    del life
    return draw(seed, "life", 1)


SAME_NAMES = sabotage(
    "each life names its orders as the one before did",
    Patch(fold_module, "life_seed_of", instead(_first_seed)),
)

# --- a kill -------------------------------------------------------------------------------------

KILL_FORGOTTEN = sabotage(
    "a new life does not know of the kill of the one before",
    Patch(KillSwitch, "restore", does_nothing),
)


def _not_looked_at(original: Callable[..., str | None]) -> Callable[..., str | None]:
    def reason(self: TradingGate, now: Ns) -> str | None:
        found = original(self, now)
        return None if found == "kill" else found

    return reason


KILL_UNSEEN = sabotage(
    "a kill is noted, and what is sent does not look at it",
    Patch(TradingGate, "reason", _not_looked_at),
)


def _never(self: AggregatedRisk) -> bool:
    del self
    return False


NO_REDUCING_ALONE = sabotage(
    "whatever the monitors find, the position may grow",
    Patch(AggregatedRisk, "reduce_only", instead(property(_never))),
)


def _lifts(original: Callable[..., None]) -> Callable[..., None]:
    def decide(self: KillSwitch, out: list[AnyCommand]) -> None:
        is_news = self._to_announce
        original(self, out)
        if is_news:
            self.reason = None

    return decide


KILL_LIFTED = sabotage(
    "a kill is lifted by what it does: an error on its way unlatches it",
    Patch(KillSwitch, "decide", _lifts),
)
