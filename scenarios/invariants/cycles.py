"""What became of all that a quote cycle wanted (S31)."""

from collections.abc import Sequence

from domain.commands import AnyCommand, Cancel, Modify, Place, Request
from domain.units import InstrumentId, Tif
from scenarios.invariants.base import Invariant, Step
from scenarios.invariants.views import RecordView


class Accounted(Invariant):
    """S31: sent, latched, suppressed and gated are together what was generated, and what was sent is what left.

    Looked at in each decision in which a quote cycle ran. Other parts of the trader cancel, too, always one order in a
    request or by its venue id: so many cancels may come beside those of the cycle. What takes is no quote.
    """

    id = "S31"
    rule = "each action that a quote cycle wanted was sent, latched, suppressed or gated"

    def on_decision(self, step: Step) -> None:
        """Look at the account of each cycle."""
        for name in step.looked:
            record = self.scope.belief.desks[name].execution.record
            self.compared += 1
            if record is None or record.time != step.now:
                self.fail(f"{name}: a quote cycle without an account")
                continue
            if record.missing:
                self.fail(f"{name}: {record.missing:+} of the wanted actions are in no count: {record}")
            self._compare(name, record, step.commands)

    def _compare(self, name: InstrumentId, record: RecordView, commands: Sequence[AnyCommand]) -> None:
        places = modifies = cancels = beside = 0
        for command in commands:
            if not isinstance(command, Request):
                continue
            for action in command.actions:
                if isinstance(action, Place):
                    places += action.instrument == name and action.tif is not Tif.IOC
                elif isinstance(action, Modify):
                    modifies += action.place.instrument == name
                elif isinstance(action, Cancel) and action.instrument == name and action.cloid is not None:
                    cancels += 1
                    beside += len(command.actions) == 1
        is_counted = (places, modifies) == (record.places, record.modifies)
        if not is_counted or not 0 <= cancels - record.cancels <= beside:
            left = f"{cancels} cancels, {modifies} modifies and {places} placements"
            self.fail(f"{name}: {left} left in a cycle that counts otherwise: {record}")
