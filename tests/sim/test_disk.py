"""The disk below a journal: what a power cut takes, and what whoever writes gets to see."""

import errno

import pytest

from domain.units import NS_PER_MS, NS_PER_S
from sim.disk import Disk
from sim.environment import Environment


class Bytes:
    """A store in memory."""

    def __init__(self, data=b""):
        self.data = data
        self.syncs = 0

    def append(self, data):
        self.data += data

    def sync(self):
        self.syncs += 1

    def read(self):
        return self.data

    def truncate(self, size):
        self.data = self.data[:size]


def safe(disk):
    """What a power cut could not take now."""
    assert disk.is_safe is (disk._safe == len(disk.read()))
    return disk.read()[: disk._safe]


def disk_of(data=b""):
    env = Environment()
    store = Bytes(data)
    return env, store, Disk(env, store)


@pytest.mark.parametrize(
    ("kept", "left"), [(0.0, b"old,abc"), (0.2, b"old,abcd"), (0.5, b"old,abcde"), (1.0, b"old,abcdefgh")]
)
def test_a_power_cut_takes_the_end_of_what_was_not_synced(kept, left):
    """Protects the write-ahead rule: what `sync` returned for is there afterwards, of the rest a first part."""
    _, store, disk = disk_of(b"old,")
    disk.append(b"abc")
    disk.sync()
    disk.append(b"defgh")
    assert safe(disk) == b"old,abc"
    assert disk.cut_power(kept) == len(b"old,abcdefgh") - len(left)
    assert disk.read() == safe(disk) == store.data == left
    assert disk.cut_power(0.0) == 0, "what was found after a cut is on the disk"


def test_a_full_disk_takes_what_fits_and_says_so():
    """Protects against believing in half a record: the writer hears ENOSPC, and the torn part stands there."""
    _, store, disk = disk_of()
    disk.room = 5
    disk.append(b"abc")
    with pytest.raises(OSError, match="No space left") as caught:
        disk.append(b"def")
    assert caught.value.errno == errno.ENOSPC
    assert store.data == b"abcde"
    disk.room = None
    disk.append(b"ghi")
    assert (store.data, disk.counts) == (b"abcdeghi", {"full": 1})


def test_a_failed_sync_promises_nothing():
    """Protects the order of things: after an error the bytes are as unsafe as before."""
    _, store, disk = disk_of()
    disk.append(b"abc")
    disk.sync_failures = 1
    with pytest.raises(OSError, match="Input/output"):
        disk.sync()
    assert (safe(disk), store.syncs, disk.counts) == (b"", 0, {"sync_failed": 1})
    disk.sync_failures = 0
    disk.sync()
    assert (safe(disk), store.syncs) == (b"abc", 1)


def test_a_slow_sync_is_safe_when_it_is_done():
    """Protects crashes while a write is pending: half a sync is no sync."""
    env, _, disk = disk_of()
    disk.sync_times += [10 * NS_PER_MS, 5 * NS_PER_MS]
    disk.append(b"abc")
    disk.sync()
    assert (disk.free_at, safe(disk)) == (15 * NS_PER_MS, b"")
    env.run(until=14 * NS_PER_MS)
    assert safe(disk) == b""
    env.run(until=15 * NS_PER_MS)
    assert safe(disk) == b"abc"
    disk.append(b"de")
    disk.sync()
    assert disk.free_at == 30 * NS_PER_MS
    disk.cut_power(0.0)
    assert (disk.read(), disk.free_at, disk.counts) == (b"abc", 15 * NS_PER_MS, {"slow": 2})
    env.run(until=40 * NS_PER_MS)
    assert safe(disk) == b"abc", "the sync that was cut off does not end later"


def test_writing_waits_for_a_lock_once():
    """Protects the trader's time: a lock delays everything to its end, however much is written meanwhile."""
    env, _, disk = disk_of()
    disk.locked_until = NS_PER_S
    disk.append(b"abc")
    disk.append(b"def")
    disk.sync()
    assert (disk.free_at, disk.counts) == (NS_PER_S, {"locked": 1})
    assert safe(disk) == b""
    env.run(until=NS_PER_S)
    assert safe(disk) == b"abcdef"
    disk.append(b"g")
    assert disk.free_at == NS_PER_S


def test_cutting_off_a_torn_record_makes_nothing_else_unsafe():
    """Protects a new writer, which begins by cutting: what stays is as safe as it was."""
    _, _, disk = disk_of(b"abc")
    disk.append(b"def")
    disk.truncate(4)
    assert (disk.read(), safe(disk)) == (b"abcd", b"abc")
    disk.truncate(2)
    assert (disk.read(), safe(disk)) == (b"ab", b"ab")
