"""Market data: what is believed that should not be."""

from collections.abc import Callable

from domain.events import ChannelKind, Level
from domain.units import Ns
from orchestrator.desk.anomalies import Anomaly
from orchestrator.desk.desk import Desk
from orchestrator.desk.market import Market
from orchestrator.desk.sanity import Sanity
from orchestrator.risk.watch import DeskRisk
from studies.sabotage import Patch, does_nothing, instead, sabotage

Advance = Callable[[Market, ChannelKind, Level | None, Level | None, Ns, Ns], bool]


def _any_mid(original: Advance) -> Advance:
    def advance(
        self: Market, channel: ChannelKind, bid: Level | None, ask: Level | None, exch_time: Ns, recv_time: Ns
    ) -> bool:
        has_advanced = original(self, channel, bid, ask, exch_time, recv_time)
        if has_advanced and bid is not None and ask is not None:
            self.mid2 = bid[0] + ask[0]
        return has_advanced

    return advance


CROSSED_IS_SOUND = sabotage(
    "a crossed book has a mid like any other",
    Patch(Market, "_advance", _any_mid),
)


def _at_once(self: DeskRisk, mid: float, messages: int) -> None:
    del messages
    self._mark, self._doubts = mid, 0


ANYTHING_IS_SOUND = sabotage(
    "messages are used whatever their prices and sizes are, and one is enough to reckon with",
    Patch(Sanity, "_wrong", does_nothing),
    Patch(DeskRisk, "_believe", instead(_at_once)),
)

NO_CLOCK = sabotage(
    "the age of data counts from its receipt, whatever its stamp",
    Patch(Market, "on_clock", does_nothing),
)

GAP_FORGOTTEN = sabotage(
    "after a lost connection the last book counts until a new one comes",
    Patch(Desk, "on_market_gap", does_nothing),
)


def _dies_of_it(original: Callable[..., Anomaly | None]) -> Callable[..., Anomaly | None]:
    def wrong(
        self: Sanity, channel: ChannelKind, bid: Level | None, ask: Level | None, recv_time: Ns
    ) -> Anomaly | None:
        found = original(self, channel, bid, ask, recv_time)
        if found is not None:
            raise ValueError(f"{channel}: {found}")
        return None

    return wrong


GARBAGE_KILLS = sabotage(
    "a message that cannot be true ends whoever reads it",
    Patch(Sanity, "_wrong", _dies_of_it),
)
