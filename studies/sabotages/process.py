"""The process around the core: journal, nonces, safety net."""

from collections.abc import Callable, Sequence

from domain.commands import AnyCommand
from domain.units import Ns
from exchange_adapters.nonces import NonceSource
from runtime import driver as driver_module
from runtime.driver import Life
from runtime.safety_net import SafetyNet
from studies.sabotage import Patch, instead, sabotage, says_no


def _wall_clock(self: NonceSource, now_ms: int) -> int:
    self.last = now_ms
    return now_ms


NONCE_IS_TIME = sabotage(
    "a nonce is the time of the wall clock, whatever was used before",
    Patch(NonceSource, "next", instead(_wall_clock)),
)

NONCES_FORGOTTEN = sabotage(
    "a new life does not know which nonces the one before has used",
    Patch(Life, "_reserve_nonces", says_no),
)

NO_SYNC = sabotage(
    "placements leave before their decision is safe in the journal",
    Patch(driver_module, "must_survive", says_no),
)


def _as_if_now(original: Callable[..., None]) -> Callable[..., None]:
    def carry_out(self: Life, now: Ns, commands: Sequence[AnyCommand]) -> None:
        self._decided_at = now
        original(self, now, commands)

    return carry_out


OLD_DECISIONS_LEAVE = sabotage(
    "what had to wait for the journal leaves as if it were decided now",
    Patch(Life, "carry_out", _as_if_now),
)


def _ignores_errors(original: Callable[..., None]) -> Callable[..., None]:
    del original

    def write(self: Life, now: Ns, what: Callable[..., None], *args: object) -> None:
        del self, now
        try:
            what(*args)
        except OSError:
            return

    return write


GOES_ON_UNWRITTEN = sabotage(
    "a journal that cannot be written is no reason to stop",
    Patch(Life, "_write", _ignores_errors),
)


def _gives_up(self: SafetyNet, now: Ns) -> tuple[AnyCommand, ...]:
    del now
    self.is_done = True
    return tuple(self._alerts)


NO_SAFETY_NET = sabotage(
    "where the core is out nobody cancels its orders",
    Patch(SafetyNet, "decide", instead(_gives_up)),
)
