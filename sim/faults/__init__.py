"""What can go wrong on purpose: one file each, and one tuple that lists them."""

from sim.faults.base import Fault, Injected
from sim.faults.cancel_race import CancelRace
from sim.faults.disconnect import Disconnect
from sim.faults.latency_spike import LatencySpike

FAULTS = (LatencySpike, Disconnect, CancelRace)
"""Every fault. Scenario files name them by `kind`; searches draw from their bounds."""

AnyFault = LatencySpike | Disconnect | CancelRace

__all__ = ["FAULTS", "AnyFault", "CancelRace", "Disconnect", "Fault", "Injected", "LatencySpike"]
