"""What a record costs: writing, syncing, reading, folding; and what the driver costs around a core.

    python -m pytest benchmarks/bench_journal.py --benchmark-only
    python benchmarks/bench_journal.py          # microseconds per record, as a table

Budgets: 3 us for a small record, 10 us for a book of 20 levels a side.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import repeat

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.commands import Place, Request, Route
from domain.events import BboChanged, BookReported, Restored, Woke
from domain.units import NS_PER_MS, NS_PER_S, InstrumentId, Ns, Px, Side, Sz, Tif
from exchange_adapters.base import Capabilities
from runtime.fold import fold
from runtime.journal import Journal
from runtime.journal_format import Header, Took
from runtime.journal_reader import Reader
from runtime.log import FileLog, MemoryLog
from runtime.virtual import VirtualDriver
from sim.environment import Environment

BTC = InstrumentId("BTC")
NOW = Ns(10**15)
N = 2_000


def levels(px, step):
    return tuple((Px(px + step * i), Sz(1_234 + i), 3) for i in range(20))


BBO = BboChanged(BTC, NOW, NOW, (Px(670_000), Sz(5), 1), (Px(670_001), Sz(7), 2))
BOOK = BookReported(BTC, NOW, NOW, levels(670_000, -1), levels(670_001, 1))
PLACE = Place(BTC, "0x" + "a" * 32, Side.BUY, Px(670_000), Sz(5), Tif.ALO)
REQUEST = Request(1, Route.SOCKET, 1, Ns(3 * NS_PER_S), (PLACE,))


def write(log, event):
    """N events, each with an empty decision, as on a quiet step."""
    journal = Journal(log)
    for i in range(N):
        journal.took(NOW + i, event)
    journal.digest()
    return journal


def decide(log, commands):
    journal = Journal(log)
    for i in range(N):
        journal.decided(NOW + i, commands)
    journal.digest()


def write_file(event):
    with TemporaryDirectory() as folder:
        log = FileLog(Path(folder) / "journal")
        write(log, event)
        log.close()


def write_synced():
    """Each placement synced to the operating system, as a simulation does."""
    with TemporaryDirectory() as folder:
        log = FileLog(Path(folder) / "journal")
        journal = Journal(log)
        for i in range(N):
            journal.decided(NOW + i, (REQUEST,))
            journal.sync()
        log.close()


def data_of(event):
    log = MemoryLog()
    journal = Journal(log)
    journal.begin(Header(seed=1))
    journal.took(NOW, Restored(1, 1))
    for i in range(N):
        journal.took(NOW + i, event)
    return log.read()


BBO_DATA, BOOK_DATA = data_of(BBO), data_of(BOOK)


def read(data):
    return sum(isinstance(record, Took) for record in Reader(data))


class Idle:
    """A core that does nothing: what is measured is the driver."""

    is_stopped = False

    def apply(self, event, now):
        pass

    def decide(self, _now):
        return ()

    def next_deadline(self):
        return None


class Silent:
    capabilities = Capabilities(
        name="silent", routes=frozenset(), channels=frozenset(), snapshots=frozenset(), max_actions=1
    )

    def reserve_nonces(self):
        return 0

    def confirm_nonces(self, below):
        """There are none."""

    def start(self, sink, _nonces_from):
        self.sink = sink

    def stop(self):
        pass


def drive():
    """N events through inbox, journal, safety net and an idle core, one step each."""
    env, adapter = Environment(), Silent()
    driver = VirtualDriver(env, adapter, Idle, Journal(MemoryLog()), Header(seed=1))
    driver.start_trader()
    for i in range(1, N + 1):
        env.call_at(i * NS_PER_MS, adapter.sink, BBO)
    env.run(until=(N + 1) * NS_PER_MS)
    assert driver.counters.events == N + 1


CASES = {
    "write bbo, memory": lambda: write(MemoryLog(), BBO),
    "write bbo, file": lambda: write_file(BBO),
    "write wake, memory": lambda: write(MemoryLog(), Woke()),
    "write book 20x2, memory": lambda: write(MemoryLog(), BOOK),
    "write book 20x2, file": lambda: write_file(BOOK),
    "write empty decision": lambda: decide(MemoryLog(), ()),
    "write placement": lambda: decide(MemoryLog(), (REQUEST,)),
    "write placement, synced to the OS": write_synced,
    "read bbo": lambda: read(BBO_DATA),
    "read book 20x2": lambda: read(BOOK_DATA),
    "fold bbo": lambda: fold(Reader(BBO_DATA)),
    "driver, one event a step": drive,
}


@pytest.mark.parametrize("case", CASES)
def test_bench_journal(benchmark, case):
    benchmark(CASES[case])


if __name__ == "__main__":
    for name, case in CASES.items():
        best = min(repeat(case, number=1, repeat=15)) / N
        print(f"{name:36} {best * 1e6:7.2f} us")
