"""The n-th failure loop: every single write and sync of a journal fails once, and each time all ends well.

After SQLite: fail the first operation, then the second, and so on, until a run completes because it has no n-th one.
The trader and the venue are the small ones; tests/scenarios/test_crashes.py does the same with the real ones.
"""

import errno
import os
import resource
from contextlib import contextmanager, suppress
from itertools import count

import pytest

from domain.commands import Modify, Place, Request
from domain.errors import JournalError
from domain.units import NS_PER_MS
from runtime.driver import JOURNAL_FAILED, JOURNAL_UNREADABLE, ORDERS_LEFT
from runtime.fold import fold
from runtime.journal import Journal
from runtime.journal_format import Decided, Opened, Took
from runtime.log import FileLog, MemoryLog
from sim.disk import Disk
from tests.runtime.toy import ToyRun

FIRST_S = 0.6
"""How long the first life has."""


class Failing(MemoryLog):
    """Fails at its n-th append or sync; an append that fails has written a part."""

    def __init__(self, operation, n):
        super().__init__()
        self.operation, self.left = operation, n

    def append(self, data):
        if self._is_the_one("append"):
            super().append(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(data)

    def sync(self):
        if self._is_the_one("sync"):
            raise OSError(errno.EIO, "Input/output error")
        super().sync()

    def _is_the_one(self, operation):
        self.left -= operation == self.operation
        return operation == self.operation and self.left == 0


def toy_on(store, seed=3):
    """A run on a disk that can lose what was not synced."""
    run = ToyRun(seed=seed)
    run.driver.disk = Disk(run.env, store)
    run.driver.journal = Journal(run.driver.disk)
    run.driver.start_trader()
    return run


def intents(records):
    """Client ids of everything that was ever decided to be placed."""
    decided = [command for record in records if isinstance(record, Decided) for command in record.commands]
    actions = [action for command in decided if isinstance(command, Request) for action in command.actions]
    return {a.place.cloid if isinstance(a, Modify) else a.cloid for a in actions if isinstance(a, Place | Modify)}


def assert_all_is_well(run, context):
    """Nothing rests, nothing is forgotten, nothing counts twice: in the journal as at the venue."""
    records = list(run.driver.journal.records())
    assert run.venue.resting() == [], context
    assert set(run.venue.orders) <= intents(records), context
    told = fold(records)
    fills = run.venue.fills
    (ledger,) = told.ledgers or (None,)
    if fills:
        assert ledger.position == run.venue.position, context
        assert ledger.cash == -sum(f.side * f.px * f.sz + f.fee for f in fills), context
        assert sorted(told.tids) == [fill.tid for fill in fills], context


def finish(run, until_s):
    """Go on until everything is told again, then stop; what the small trader leaves in doubt the net asks after."""
    run.run(until_s)
    assert run.driver.failure is None
    run.driver.request_stop("end")
    run.run(until_s + 15)
    assert not run.driver.is_running
    failure = run.driver.failure
    assert failure is None or failure.name == ORDERS_LEFT


@pytest.mark.parametrize("kept", [None, 0.0, 0.6])
@pytest.mark.parametrize("operation", ["append", "sync"])
def test_each_failure_of_the_journal_once(operation, kept):
    """Protects S13, S30: whichever write fails, with or without a power cut after it, the next life is right.

    The venue is left empty, the life ends by the failure, and the next one counts everything once.
    """
    failures = 0
    for n in count(1 if operation == "sync" else 2):  # the first append of all is the magic, before there is a trader
        run = toy_on(Failing(operation, n)).run(FIRST_S)
        if run.driver.failure is None:
            break
        failures += 1
        assert run.driver.failure.name == JOURNAL_FAILED, n
        run.run(FIRST_S + 12)
        assert not run.driver.is_running
        assert run.venue.resting() == [], f"{operation} {n}"
        assert run.driver.has_lost_journal
        if kept is not None:
            run.driver.disk.cut_power(kept)
        run.start()
        finish(run, FIRST_S + 14)
        assert_all_is_well(run, f"{operation} {n} kept {kept}")
    assert failures >= (12 if operation == "sync" else 60)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 1.0])
def test_a_power_cut_at_any_moment(kept):
    """Protects S30: with a torn record or without one, the next life asks for what the journal does not tell."""
    for at_ms in range(1, 1_000, 23):
        run = toy_on(MemoryLog(), seed=at_ms)
        run.driver.disk.sync_times.append(3 * NS_PER_MS)
        run.run(at_ms / 1_000)
        run.driver.kill_trader()
        run.driver.disk.cut_power(kept)
        run.run(at_ms / 1_000 + 0.4)
        run.start()
        finish(run, at_ms / 1_000 + 2)
        assert_all_is_well(run, f"{at_ms} ms")


def test_the_disk_is_still_full_when_the_next_life_begins():
    """Protects what rests: a life that cannot even write that it begins cancels what the last one left."""
    run = toy_on(MemoryLog()).run(0.5)
    run.driver.kill_trader()
    assert run.venue.resting()
    run.driver.disk.room = 0
    run.start().run(13)
    assert [end.how for end in run.driver.ends] == ["killed", "failed"]
    assert run.driver.failure.name == JOURNAL_FAILED
    assert run.driver.failure.text == "No space left on device"
    assert run.alerts[0].text == "No space left on device"
    assert run.venue.resting() == []
    run.driver.disk.room = None
    run.start()
    finish(run, 15)
    assert_all_is_well(run, "after that")


def test_who_is_killed_while_it_withdraws_is_its_killers_to_start_again():
    """Protects a world with two faults: both would start it, the second one while it runs."""
    run = toy_on(MemoryLog()).run(0.5)
    run.driver.disk.room = 0
    run.run(0.51)
    assert (run.driver.is_running, run.driver.failure.name) == (True, JOURNAL_FAILED)
    assert run.driver.has_lost_journal, "whoever makes room waits for its end"
    run.driver.kill_trader()
    assert (run.driver.ends[-1].how, run.driver.failure.name) == ("killed", JOURNAL_FAILED)
    assert not run.driver.has_lost_journal


def test_a_journal_that_fails_at_the_very_end_is_told():
    """Protects the exit code: what could not be made safe was no clean stop."""
    run = toy_on(MemoryLog()).run(0.5)
    run.driver.request_stop("end")
    run.driver.taps.append(lambda *_: setattr(run.driver.disk, "sync_failures", int(run.cores[-1].is_stopped)))
    run.run(5)
    assert run.driver.ends[-1].how == "failed"
    assert [alert.name for alert in run.alerts][-1] == JOURNAL_FAILED
    assert run.venue.resting() == []


def test_a_journal_that_cannot_be_read_starts_no_life():
    """Protects the account from a trader that does not know what it did: no life, an alert, and no stack trace."""
    log = MemoryLog()
    run = toy_on(log).run(0.5)
    run.driver.kill_trader()
    log._data[100] ^= 0x55
    run.driver.start_trader()
    assert not run.driver.is_running
    assert run.driver.failure.name == JOURNAL_UNREADABLE
    assert run.driver.failure.error is JournalError
    assert "readable records follow" in run.alerts[-1].text
    assert not run.driver.has_lost_journal


# --- a real file --------------------------------------------------------------------------------


@contextmanager
def files_limited_to(size):
    """The operating system refuses to let a file grow beyond this: as real as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_grow_at_any_size(tmp_path):
    """Protects the real log: a write that the system cuts off anywhere costs the life, and no record before it."""
    path = tmp_path / "journal"
    refused = 0
    for size in count(331, 331):
        path.unlink(missing_ok=True)
        log = FileLog(path)
        run = ToyRun(seed=3, log=log)
        with files_limited_to(size):
            run.start().run(FIRST_S)
            run.run(FIRST_S + 12) if run.driver.failure else None
            with suppress(OSError):
                log.close()
        if run.driver.failure is None:
            break
        refused += 1
        assert run.driver.failure.name == JOURNAL_FAILED
        assert path.stat().st_size <= size
        assert run.venue.resting() == []
        log = FileLog(path)  # another process
        run.driver.journal = Journal(log)
        run.start()
        finish(run, FIRST_S + 14)
        assert_all_is_well(run, f"{size} bytes")
        log.close()
    assert refused > 20


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
def test_a_file_that_cannot_be_made_safe(tmp_path, monkeypatch, n):
    """Protects S13 on a real file: when `fsync` fails, what would have been placed never leaves."""
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == n + 1:  # the first one is that of the folder
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    log = FileLog(tmp_path / "journal", durable=True)
    run = ToyRun(seed=3, log=log).start().run(13)
    assert run.driver.failure.name == JOURNAL_FAILED
    assert run.driver.failure.text == "Input/output error"
    assert run.venue.resting() == []
    places = [c for _, c in run.venue.received if isinstance(c, Request) and isinstance(c.actions[0], Place | Modify)]
    assert len(places) <= 2 * (n - 1), "each pair of quotes had a sync of its own"
    with suppress(OSError):
        log.close()
    log = FileLog(tmp_path / "journal")
    run.driver.journal = Journal(log)
    run.start()
    finish(run, 15)
    assert_all_is_well(run, n)
    log.close()


def test_records_of_a_failed_life_stay_in_order():
    """Protects readers: behind what was torn the next life begins with its header, and every record is whole."""
    run = toy_on(Failing("append", 40)).run(13)
    assert run.driver.failure.name == JOURNAL_FAILED
    run.start()
    finish(run, 15)
    records = list(run.driver.journal.records())
    begins = [i for i, record in enumerate(records) if isinstance(record, Opened)]
    assert [records[i].header.life for i in begins] == [1, 2]
    assert all(isinstance(records[i + 1], Took) for i in begins)
    assert len(records) == run.driver.journal.count
