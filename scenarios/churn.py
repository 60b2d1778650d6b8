"""How much of what was sent only replaced something: cycles that left all as it was, pairs, calls for each fill.

Measured from what the trader decided and sent, not from what it counts itself.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from domain.commands import Action, AnyCommand, Cancel, Modify, Place, Request
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, Side
from scenarios.figures import TimelineRow
from scenarios.memory import keep
from scenarios.traffic import KEPT, Traffic

ROWS = 60
"""Most rows of a time line."""
MINUTE = Ns(60 * NS_PER_S)


@dataclass(slots=True)
class ChurnFigures:
    """What `Metrics` says of it under the same names."""

    timeline: list[TimelineRow]
    zero_action_share: float | None
    modify_share: float | None
    cancel_fill_ratio: float | None
    calls_per_fill: float | None
    calls_per_min: float | None


class Churn:
    """One trader's, over all its lives, up to the shutdown."""

    def __init__(self, traffic: Traffic, duration: Ns) -> None:
        """Read the sums from ``traffic``; a row for each minute, or for so many of them that the rows suffice."""
        self._traffic = traffic
        self._rows: list[TimelineRow] = []
        self._interval = MINUTE * max(-(-duration // (MINUTE * ROWS)), 1)
        self._next_row = self._interval
        self._sides: OrderedDict[Cloid, Side] = OrderedDict()
        """Of what was placed, for the cancels."""
        self._first_quote: Ns | None = None
        self._cycles = self._idle = self._modifies = self._pairs = 0
        self._stopped: Ns | None = None
        self._calls = 0
        """Placements, modifies and cancels up to the shutdown."""

    def pass_to(self, now: Ns) -> None:
        """Write the rows of the moments that are over: to be called before anything is counted."""
        while self._next_row < now and self._stopped is None:
            self._write(Ns(self._next_row))
            self._next_row += self._interval

    def on_cycles(self, cycled: Collection[InstrumentId], commands: Sequence[AnyCommand], now: Ns) -> None:
        """Quote cycles ran for these instruments, none of them behind a gate, and this is what was decided."""
        if self._stopped is not None:
            return
        actions = [action for command in commands if isinstance(command, Request) for action in command.actions]
        for action in actions:
            place = action.place if isinstance(action, Modify) else action
            if isinstance(place, Place):
                keep(self._sides, place.cloid, place.side, KEPT)
                if self._first_quote is None:
                    self._first_quote = now
        if self._first_quote is None:
            return
        self._cycles += len(cycled)
        self._idle += len(cycled) - len({_instrument(action) for action in actions}.intersection(cycled))
        self._count_pairs(actions)

    def on_stop(self, now: Ns) -> None:
        """The orderly shutdown begins: what it cancels is no churn."""
        if self._stopped is not None:
            return
        self.pass_to(now)
        self._write(now)
        self._stopped = now
        counts = self._traffic.counts
        self._calls = counts.placed + counts.modified + counts.cancelled

    def figures(self) -> ChurnFigures:
        """All of it; call after the stop."""
        last = self._rows[-1] if self._rows else TimelineRow()
        exchanges = self._modifies + self._pairs
        quoted = 0 if self._first_quote is None or self._stopped is None else self._stopped - self._first_quote
        return ChurnFigures(
            timeline=list(self._rows),
            zero_action_share=_ratio(self._idle, self._cycles),
            modify_share=_ratio(self._modifies, exchanges),
            cancel_fill_ratio=_ratio(last.cancelled, last.filled),
            calls_per_fill=_ratio(self._calls, last.filled),
            calls_per_min=_ratio(self._calls * MINUTE, quoted),
        )

    def _count_pairs(self, actions: Sequence[Action]) -> None:
        """A cancel and a placement of one side in one decision; a modify does both in one."""
        placed: Counter[tuple[InstrumentId, Side]] = Counter()
        cancelled: Counter[tuple[InstrumentId, Side]] = Counter()
        for action in actions:
            if isinstance(action, Modify):
                self._modifies += 1
            elif isinstance(action, Place):
                placed[action.instrument, action.side] += 1
            elif isinstance(action, Cancel) and action.cloid is not None and action.cloid in self._sides:
                cancelled[action.instrument, self._sides[action.cloid]] += 1
        self._pairs += (placed & cancelled).total()

    def _write(self, at: Ns) -> None:
        counts = self._traffic.counts
        self._rows.append(TimelineRow(at / NS_PER_S, counts.placed, counts.cancelled, self._traffic.fills))


def _instrument(action: Action) -> InstrumentId | None:
    """Whose orders it changes; None: a question, or a matter of the account."""
    if isinstance(action, Modify):
        return action.place.instrument
    return action.instrument if isinstance(action, Place | Cancel) else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
