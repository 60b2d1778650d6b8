"""What may be sent: limits that see only a part, prices and sizes that are rounded wrongly."""

from collections.abc import Callable
from math import floor

from msgspec import structs

from domain.commands import Place
from domain.instrument import Instrument
from domain.units import Ns, Pos, Px, Side, Sz
from orchestrator.desk.execution import Execution
from orchestrator.risk.position_limit import PositionLimit
from strategy.ladder import LadderLevel
from studies.sabotage import Patch, instead, sabotage


def _as_if_flat(original: Callable[..., Sz]) -> Callable[..., Sz]:
    def capacity(self: PositionLimit, side: Side, position: Pos) -> Sz:
        del position
        return original(self, side, Pos(0))

    return capacity


LIMIT_OF_ORDERS_ALONE = sabotage(
    "the limit is compared with the orders, not with the position that they add to",
    Patch(PositionLimit, "capacity", _as_if_flat),
)


def _as_before(original: Callable[..., int]) -> Callable[..., int]:
    def send_places(self: Execution, wanted: list[tuple[Side, LadderLevel]], now: Ns) -> int:
        before = self._tracker.fillable_exposure()
        self._tracker.fillable_exposure = lambda: before  # type: ignore[method-assign]
        try:
            return original(self, wanted, now)
        finally:
            del self._tracker.fillable_exposure

    return send_places


CHECKED_BEFORE_SENT = sabotage(
    "all orders of a decision are held against the limit before any of them counts",
    Patch(Execution, "_send_places", _as_before),
)

# --- rounding -----------------------------------------------------------------------------------


def _nearest(self: Instrument, px: float) -> Px:
    whole = floor(px)
    tick = self.tick_at(whole)
    return Px(max((whole + tick // 2) // tick * tick, tick))


ROUNDED_HALF_UP = sabotage(
    "prices are rounded to the nearest tick, bids upwards, too",
    Patch(Instrument, "snap_down", instead(_nearest)),
    Patch(Instrument, "snap_up", instead(_nearest)),
)

Placing = Callable[[Execution, Side, LadderLevel], Place]


def _whole_units(original: Placing) -> Placing:
    def place(self: Execution, side: Side, level: LadderLevel) -> Place:
        found, unit = original(self, side, level), self._instrument.sz_scale
        return structs.replace(found, sz=Sz(found.sz // unit * unit))

    return place


SIZE_ROUNDS_TO_NOTHING = sabotage(
    "sizes are rounded down to whole units",
    Patch(Execution, "_place", _whole_units),
)


def _drifting(original: Placing) -> Placing:
    def place(self: Execution, side: Side, level: LadderLevel) -> Place:
        found = original(self, side, level)
        return structs.replace(found, px=Px(int(found.px * 0.01 * 100.0 / 1.000_001)))

    return place


PRICES_DRIFT = sabotage(
    "prices go through floats, and what is lost on the way is cut off",
    Patch(Execution, "_place", _drifting),
)
