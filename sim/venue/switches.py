"""Named states of the venue that are not its everyday ones; faults throw them, and several may hold one at a time."""

from collections import Counter

from domain.commands import Place
from domain.events import Reason, Refused
from domain.instrument import Instrument
from domain.units import AccountId, InstrumentId, Tif
from sim.liquidity.base import Op, OpKind
from sim.venue import texts


class Switches:
    """Which orders the venue does not take at present. Cancels it always takes."""

    def __init__(self) -> None:
        self.cancel_only = 0
        """How many hold the mode in which nothing but cancels is taken."""
        self.capped: Counter[InstrumentId] = Counter()
        """How many hold each instrument at its cap of open interest, whatever the configured one is."""
        self.halted: Counter[InstrumentId] = Counter()
        """How many hold each instrument: it does not trade, and takes no orders."""
        self.no_reduce_only = 0
        """How many hold the mode in which no reduce-only order is taken that would rest."""
        self.post_only = 0
        """How many hold the mode in which nothing but post-only orders is taken, as after an upgrade."""
        self.refused: Counter[tuple[AccountId, InstrumentId, Reason]] = Counter()
        """Orders of each account that were not taken for one of these, and for nothing else."""

    @property
    def is_everyday(self) -> bool:
        """Whether nothing holds."""
        return not self.post_only and not self.cancel_only and not self.halted.total()

    def is_still(self, name: InstrumentId) -> bool:
        """Whether nobody may place anything in an instrument."""
        return self.cancel_only > 0 or self.halted[name] > 0

    def refusal(self, place: Place, instrument: Instrument) -> Refused | None:
        """Why an order is not taken now."""
        if self.halted[instrument.id]:
            return texts.halted(instrument)
        if self.cancel_only:
            return texts.cancel_only(instrument)
        if self.post_only and place.tif is not Tif.ALO:
            return texts.post_only_mode(instrument)
        if self.no_reduce_only and place.reduce_only and place.tif is not Tif.IOC:
            return texts.would_increase(instrument)
        return None

    def note(self, account: AccountId, place: Place, instrument: Instrument, error: Refused) -> None:
        """An order was not taken, for one of these or for another reason."""
        is_capped = error.reason is Reason.OPEN_INTEREST and self.capped[instrument.id] > 0
        if is_capped or self.refusal(place, instrument) is not None:
            self.refused[account, instrument.id, error.reason] += 1

    def admits(self, name: InstrumentId, op: Op) -> bool:
        """Whether an operation of the crowd happens: it is refused like everybody."""
        if op[0] is not OpKind.PLACE:
            return True
        if self.is_still(name):
            return False
        return not self.post_only or op[6] is Tif.ALO
