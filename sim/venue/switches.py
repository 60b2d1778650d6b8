"""Named states of the venue that are not its everyday ones; faults throw them, and several may hold one at a time."""

from collections import Counter

from domain.commands import Place
from domain.events import Refused
from domain.instrument import Instrument
from domain.units import InstrumentId, Tif
from sim.liquidity.base import Op, OpKind
from sim.venue import texts


class Switches:
    """Which orders the venue does not take at present. Cancels it always takes."""

    def __init__(self) -> None:
        self.halted: Counter[InstrumentId] = Counter()
        """How many hold each instrument: it does not trade, and takes no orders."""
        self.post_only = 0
        """How many hold the mode in which nothing but post-only orders is taken, as after an upgrade."""

    @property
    def is_everyday(self) -> bool:
        """Whether nothing holds."""
        return not self.post_only and not self.halted.total()

    def refusal(self, place: Place, instrument: Instrument) -> Refused | None:
        """Why an order is not taken now."""
        if self.halted[instrument.id]:
            return texts.halted(instrument)
        if self.post_only and place.tif is not Tif.ALO:
            return texts.post_only_mode(instrument)
        return None

    def admits(self, name: InstrumentId, op: Op) -> bool:
        """Whether an operation of the crowd happens: it is refused like everybody."""
        if op[0] is not OpKind.PLACE:
            return True
        return not self.halted[name] and (not self.post_only or op[6] is Tif.ALO)
