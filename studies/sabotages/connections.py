"""Connections and requests: what is heard too late, too early or by one way only."""

from collections.abc import Callable

from orchestrator.core import Orchestrator
from studies.sabotage import Patch, sabotage


def _without(gate: str) -> Callable[[Callable[..., str | None]], Callable[..., str | None]]:
    def make(original: Callable[..., str | None]) -> Callable[..., str | None]:
        def account_gate(self: Orchestrator) -> str | None:
            found = original(self)
            return None if found == gate else found

        return account_gate

    return make


QUOTES_UNHEARD = sabotage(
    "quotes stand while the account's own connection is down",
    Patch(Orchestrator, "account_gate", _without("user_feed_down")),
)
