"""The process on a session is stalled, slowed, killed: here one that only notes what is done to it.

With the real driver and trader the same faults run in the scenarios `stalls`, `slow-handler`, `crash`.
"""

from domain.units import NS_PER_S
from sim.faults import Crash, SlowHandler, Stall
from sim.faults.timing import THROUGHOUT, Poisson
from tests.sim.fault_trader import ME, Trader


class Process:
    """Notes what happens to it, and when."""

    def __init__(self, world):
        self.world = world
        self.slowdowns = []
        self.is_running = True
        self.notes = []

    def note(self, *what):
        self.notes.append((round(self.world.env.now / NS_PER_S, 3), *what))

    def stall(self, duration):
        self.note("stall", duration / NS_PER_S)

    def kill_trader(self):
        self.is_running = False
        self.note("kill")

    def start_trader(self):
        self.is_running = True
        self.note("start")


def hurt(*faults, until=100):
    trader = Trader(*faults, start=9)
    process = trader.session.process = Process(trader.world)
    trader.until(until)
    return trader, process


def test_a_stall_lasts_as_long_as_its_strike():
    """Protects late timers: the process stands still from the begin of each strike to its end, not longer."""
    _, process = hurt(Stall(duration_s=5, when=THROUGHOUT))
    trader, poisson = hurt(Stall(duration_s=60, when=Poisson(per_minute=20, for_s=2)))
    assert process.notes == [(10.0, "stall", 5.0)]
    stalls = [(at, length) for at, _, length in poisson.notes]
    assert len(stalls) == trader.injected[0].counts["stalls"] > 3
    assert all(length == 2.0 or abs(at + length - 70.0) < 0.01 for at, length in stalls)


def test_slowness_comes_and_goes():
    """Protects healing: two at once multiply, and nothing is left of either."""
    first, second = SlowHandler(duration_s=10, factor=5), SlowHandler(at_s=15, duration_s=10, factor=3)
    trader, process = hurt(first, second, until=17)
    assert process.slowdowns == [5, 3]
    trader.until(22)
    assert process.slowdowns == [3]
    trader.until(26)
    assert process.slowdowns == []


def test_a_crash_leaves_orders_at_the_market_and_starts_again():
    """Protects restarts: dead from begin to end of the strike; what rested rests."""
    trader = Trader(Crash(at_s=12, duration_s=5))
    process = trader.session.process = Process(trader.world)
    order = trader.rest()
    trader.until(30)
    assert process.notes == [(12.0, "kill"), (17.0, "start")]
    assert trader.injected[0].counts == {"crashes": 1, "resting": 1}
    assert order.oid in {o.oid for o in trader.world.venue.resting(ME)}


def test_who_is_dead_is_not_killed_again():
    """Protects overlapping crashes: the first one to kill starts it again, and nobody starts what runs."""
    _, process = hurt(Crash(duration_s=10), Crash(at_s=15, duration_s=20), Stall(at_s=12, duration_s=2))
    assert process.notes == [(10.0, "kill"), (20.0, "start")]


def test_without_a_process_nothing_is_counted():
    """Protects reports: a world without a trader has nobody to hurt."""
    trader = Trader(Crash(duration_s=1), Stall(duration_s=1), SlowHandler(duration_s=1), start=30)
    assert [injected.injected for injected in trader.injected] == [0, 0, 0]
