"""Connections and requests: what is heard too late, too early or by one way only, and what is sent too often."""

from collections.abc import Callable

from msgspec import structs

from domain.commands import TRADING, AnyCommand, Request, Route, Subscribe
from domain.events import AnyResult, Feed, Reason, Refused
from domain.orders import TrackedOrder
from domain.units import Ns
from exchange_adapters.simulated import SimulatedAdapter
from orchestrator.budget.proactive import ProactiveRateTracker
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.desk.execution import Execution, GateReason
from orchestrator.gate import TradingGate
from orchestrator.sync.resync import Resync, ResyncState
from studies.sabotage import Patch, does_nothing, sabotage, says_no


def _without(gate: str) -> Callable[[Callable[..., str | None]], Callable[..., str | None]]:
    def make(original: Callable[..., str | None]) -> Callable[..., str | None]:
        def reason(self: TradingGate, now: Ns) -> str | None:
            found = original(self, now)
            return None if found == gate else found

        return reason

    return make


QUOTES_UNHEARD = sabotage(
    "quotes stand while the account's own connection is down",
    Patch(TradingGate, "reason", _without("user_feed_down")),
)

# --- after a gap --------------------------------------------------------------------------------


def _not_after_a_gap(original: Callable[..., None]) -> Callable[..., None]:
    def request(self: Resync, now: Ns, *, gap: bool, failures: int = 0, by: str = "order_in_doubt") -> None:
        if by != "reconnect":
            original(self, now, gap=gap, failures=failures, by=by)

    return request


NO_RESYNC = sabotage(
    "after a lost connection it goes on as if nothing had been missed",
    Patch(Resync, "request", _not_after_a_gap),
)


def _old_one_will_do(original: Callable[..., None]) -> Callable[..., None]:
    def request(self: Resync, now: Ns, *, gap: bool, failures: int = 0, by: str = "order_in_doubt") -> None:
        if self.state is ResyncState.IDLE:
            original(self, now, gap=gap, failures=failures, by=by)

    return request


OLD_RESYNC_COUNTS = sabotage(
    "a comparison that began before the connection was lost again counts for the one after",
    Patch(Resync, "on_user_feed_down", does_nothing),
    Patch(Resync, "request", _old_one_will_do),
)


def _queues(original: Callable[..., None]) -> Callable[..., None]:
    def submit(self: SimulatedAdapter, command: AnyCommand) -> None:
        feed, waiting = self.session.feeds[Feed.USER], vars(self).setdefault("waiting", [])
        if isinstance(command, Request) and command.route is Route.SOCKET and not feed.is_wired:
            waiting.append(command)
            return
        original(self, command)
        if isinstance(command, Subscribe) and command.channel.kind.feed is Feed.USER:
            while waiting:
                original(self, structs.replace(waiting.pop(0), epoch=feed.epoch))

    return submit


FLUSHED_LATER = sabotage(
    "what is sent on a connection that is dead waits, and leaves on the next one",
    Patch(SimulatedAdapter, "submit", _queues),
)

# --- limits of requests -------------------------------------------------------------------------


def _counts_requests(original: Callable[..., None]) -> Callable[..., None]:
    def on_sent(self: ProactiveRateTracker, request: Request, now: Ns) -> None:
        used = self.used
        original(self, request, now)
        self.quota.used = used + isinstance(request.actions[0], TRADING)

    return on_sent


REQUESTS_COUNT = sabotage(
    "requests are counted, not the actions in them",
    Patch(ProactiveRateTracker, "on_sent", _counts_requests),
)


def _in_the_queue(original: Callable[..., int]) -> Callable[..., int]:
    def send_cancels(self: Execution, orders: list[TrackedOrder], now: Ns) -> int:
        if self._ledger.gate(len(orders), now) is not None:
            for _ in orders:
                self._gated(GateReason.QUOTA)
            return 0
        return original(self, orders, now)

    return send_cancels


CANCELS_WAIT = sabotage(
    "cancels wait for the budget like everything else",
    Patch(Execution, "_send_cancels", _in_the_queue),
)


TOO_MUCH = frozenset((Reason.RATE_LIMITED, Reason.TOO_MANY_IN_FLIGHT, Reason.QUOTA_EXHAUSTED))


def _hears_no_limit(original: Callable[..., None]) -> Callable[..., None]:
    def on_result(self: ProactiveRateTracker, result: AnyResult, now: Ns) -> None:
        if not (isinstance(result, Refused) and result.reason in TOO_MUCH):
            original(self, result, now)

    return on_result


AT_ONCE_AGAIN = sabotage(
    "what the venue turned away for being too much is sent again at once",
    Patch(ProactiveRateTracker, "_on_result", _hears_no_limit),
)

POSTS_UNCOUNTED = sabotage(
    "as many requests are under way on the socket as there are to send",
    Patch(RequestLedger, "_is_full", says_no),
)
