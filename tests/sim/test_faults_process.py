"""The process on a session is stalled, slowed, killed: here one that only notes what is done to it.

With the real driver and trader the same faults run in the scenarios `stalls`, `slow-handler`, `crash`.
"""

from domain.units import NS_PER_S
from runtime.log import MemoryLog
from sim.disk import Disk
from sim.faults import (
    Crash,
    FsyncFailure,
    JournalFull,
    JournalLocked,
    SlowHandler,
    SlowJournal,
    Stall,
    TornJournal,
)
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


# --- the journal of the process -----------------------------------------------------------------


class Keeper(Process):
    """A process whose journal stands on a disk; it writes ten bytes every 100 ms and gives up where it cannot."""

    def __init__(self, world):
        super().__init__(world)
        self.store = MemoryLog()
        self.disk = Disk(world.env, self.store)
        self.has_lost_journal = False
        world.env.call_at(9_000_000_000, self.write)

    ends_after_s = 0
    """It withdraws for so long."""

    def end(self):
        self.is_running = False
        self.write()

    def write(self):
        if self.is_running:
            try:
                self.disk.append(b"0123456789")
                if self.world.env.now // 100_000_000 % 10 == 0:
                    self.disk.sync()
            except OSError:
                self.note("lost")
                self.has_lost_journal = True
                self.world.env.call_in(round(self.ends_after_s * NS_PER_S), self.end)
                return
        self.world.env.call_in(100_000_000, self.write)

    def start_trader(self):
        super().start_trader()
        self.has_lost_journal = False


def keep(*faults, until=40):
    trader = Trader(*faults, start=8)
    process = trader.session.process = Keeper(trader.world)
    trader.until(until)
    return trader.injected, process


def test_a_torn_journal_loses_what_was_not_synced():
    """Protects S30 under a power cut: dead, its file shorter, and started again at the end."""
    (injected,), process = keep(TornJournal(at_s=12.55, duration_s=5, kept_max=0.0), until=13)
    assert process.notes == [(12.55, "kill")]
    assert injected.counts == {"crashes": 1, "torn": 1, "lost_bytes": 50, "resting": 0}
    (injected,), process = keep(TornJournal(at_s=12.55, duration_s=5))
    assert process.notes == [(12.55, "kill"), (17.55, "start")]
    assert 0 < injected.counts["lost_bytes"] < 50
    assert injected.counts["lost_bytes"] % 10, "a record is torn"


def test_a_full_disk_ends_a_process_and_room_brings_it_back():
    """Protects F-DISKFULL: so many bytes and no more; whoever ended over it is started when there is room."""
    (injected,), process = keep(JournalFull(at_s=12.05, duration_s=5, room_kb=0.035))
    assert process.notes == [(12.4, "lost"), (17.05, "start")]
    assert (injected.injected, injected.counts) == (1, {"refused": 1, "restarts": 1})
    assert process.disk.room is None
    injected, process = keep(
        JournalFull(at_s=12, duration_s=5, room_kb=9), JournalFull(at_s=14, duration_s=9, room_kb=0)
    )
    assert process.notes == [], "the first one to fill it says how much is left, and makes room"
    assert process.disk.room is None


def test_who_still_takes_its_orders_back_when_there_is_room_again_is_started_when_it_has_ended():
    """Protects short strikes: a process that lost its journal withdraws for seconds before it ends."""
    trader = Trader(JournalFull(at_s=12.05, duration_s=1, room_kb=0.035), start=8)
    process = trader.session.process = Keeper(trader.world)
    process.ends_after_s = 6
    trader.until(40)
    assert process.notes == [(12.4, "lost"), (19.05, "start")]
    assert trader.injected[0].counts["restarts"] == 1


def test_who_takes_long_to_end_is_waited_for():
    """Seed 3028 of a search: it stood still for a minute while it withdrew, and nobody ever started it again."""
    trader = Trader(JournalFull(at_s=12.05, duration_s=1, room_kb=0.035), start=8)
    process = trader.session.process = Keeper(trader.world)
    process.ends_after_s = 60
    trader.until(70)
    assert trader.injected[0].will_restart
    trader.until(80)
    assert process.notes == [(12.4, "lost"), (73.05, "start")]
    assert not trader.injected[0].will_restart


def test_who_has_not_lost_its_journal_is_not_waited_for():
    """Protects S28: what ends it later is another's to start again, or nobody's."""
    (injected,), process = keep(JournalFull(at_s=12.05, duration_s=1, room_kb=9), until=14)
    assert (process.notes, injected.will_restart) == ([], False)


def test_a_failing_sync_ends_a_process_and_the_last_fault_to_go_brings_it_back():
    """Protects F-FSYNC: two at once are one trouble, and who is started too early ends again."""
    first, second = FsyncFailure(at_s=12.05, duration_s=2), FsyncFailure(at_s=13.5, duration_s=3)
    injected, process = keep(first, second)
    assert process.notes == [(13.0, "lost"), (14.05, "start"), (15.0, "lost"), (16.5, "start")]
    assert [each.counts for each in injected] == [{"failed": 1, "restarts": 1}, {"failed": 1, "restarts": 1}]
    assert process.disk.sync_failures == 0


def test_a_slow_disk_takes_its_time_while_it_lasts():
    """Protects F-SLOW of the journal: each sync is later by as much, and none of it stays."""
    (injected,), process = keep(SlowJournal(at_s=12.05, duration_s=3, sync_ms=250), until=14.01)
    assert process.disk.free_at == 14_250_000_000
    assert injected.is_active
    (injected,), process = keep(SlowJournal(at_s=12.05, duration_s=3, sync_ms=250))
    assert (injected.counts, process.disk.sync_times, process.notes) == ({"slow": 3}, [], [])
    assert not injected.is_active


def test_what_a_strike_did_to_the_disk_lingers():
    """Protects the checks: a process that waits for a write is not idle, although the strike is over."""
    (injected,), _ = keep(SlowJournal(at_s=12.95, duration_s=0.2, sync_ms=4_000), until=15)
    assert (injected.is_striking, injected.is_active) == (False, True)


def test_a_lock_holds_up_what_is_written_meanwhile():
    """Protects F-DBLOCK: nothing fails, and whatever was written is done when the lock is gone."""
    (injected,), process = keep(JournalLocked(at_s=12.05, duration_s=6, when=THROUGHOUT), until=15)
    assert process.disk.free_at == 18_050_000_000
    (injected,), process = keep(JournalLocked(at_s=12.05, duration_s=6, when=THROUGHOUT))
    assert (injected.counts, process.notes) == ({"waits": 1}, [])


def test_a_disk_that_is_not_there_takes_no_harm():
    """Protects worlds without a journal: nobody to hurt, nothing counted."""
    faults = (TornJournal(), JournalFull(), FsyncFailure(), SlowJournal(), JournalLocked())
    trader = Trader(*faults, start=60)
    assert [each.injected for each in trader.injected] == [0] * 5
    trader, process = Trader(*faults, start=8), None
    process = trader.session.process = Process(trader.world)
    process.disk = None
    process.has_lost_journal = False
    trader.until(60)
    assert [each.injected for each in trader.injected] == [0] * 5
