"""Reads the connections of an account into their frozen numbers."""

from typing import Any

from domain.units import Ns
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.connectivity.supervisor import ConnectionSupervisor


def connection_figures(
    market_feed: FeedMachine,
    user_feed: FeedMachine,
    supervisor: ConnectionSupervisor | None,
    ledger: RequestLedger,
    now: Ns,
) -> dict[str, Any]:
    """Feeds, checks, ways and requests at ``now``; reading them changes nothing."""
    breakers = {way: breaker for way, breaker in ledger.routes.breakers.items() if breaker is not None}
    return {
        "feed_downs": market_feed.downs + user_feed.downs,
        "feed_silences": market_feed.silences + user_feed.silences,
        "connection": None if supervisor is None else supervisor.stats(now),
        "supervisor_events": {} if supervisor is None else {str(k): n for k, n in supervisor.events.items()},
        "circuits": {str(way): breaker.state.value for way, breaker in breakers.items()},
        "circuits_opened": {str(way): breaker.opened for way, breaker in breakers.items()},
        "requests_by_way": {str(way): count for way, count in ledger.routes.sent.items()},
        "requests_sent": ledger.n_sent,
        "requests_held": ledger.n_held,
        "actions_sent": ledger.n_actions,
        "requests_silent": ledger.n_silent,
        "requests_late": ledger.n_late,
        "requests_not_sent": ledger.n_not_sent,
        "requests_in_flight": ledger.in_flight,
        "replies_unknown": ledger.n_unknown,
        "request_timeout": ledger.timeout,
    }
