"""The journal: what is written comes back, and what cannot come back is said."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Alert, Cancel, Connect, Disconnect, Modify, Place, QueryPositions, Request, Route, Severity
from domain.errors import JournalError
from domain.events import Feed, StopRequested, Woke
from domain.instrument import Instrument
from domain.units import InstrumentId, Ns, Side, Tif
from runtime.journal import Journal, must_survive
from runtime.journal_format import MAGIC, Decided, Header, Opened, Rescued, Took
from runtime.journal_reader import Reader
from runtime.log import FileLog, MemoryLog
from tests.runtime.strategies import commands, events, times
from tests.runtime.toy import ToyRun

HEADER = Header(
    seed=7,
    life=2,
    life_seed=2**64 - 1,
    scenario="calm",
    config={"desk": {"gamma": 0.1, "levels": [1, 2]}, "flag": None},
    instruments=(Instrument(id=InstrumentId("ETH"), sz_decimals=4),),
    makerlab="0.1.0",
    commit=None,
    python="3.11",
    packages={"numpy": "2.4"},
)
PLACE = Place("BTC", "0x1", Side.BUY, 100, 5, Tif.ALO)


def small_log():
    """A header and six records."""
    log = MemoryLog()
    journal = Journal(log)
    journal.begin(HEADER)
    for i in range(3):
        journal.took(Ns(10 * i), StopRequested(f"reason {i}"))
        journal.decided(Ns(10 * i), [Alert(Severity.INFO, "stopped", "")])
    return log


def request(*actions):
    return Request(1, Route.SOCKET, 1, None, actions)


# --- round trips --------------------------------------------------------------------------------


@given(st.lists(st.tuples(times, events), max_size=5), st.lists(commands, max_size=5), times)
def test_every_event_and_command_comes_back(taken, decided, now):
    """Protects replay: a field that is lost or changed on the way through the journal would be a lie."""
    log = MemoryLog()
    journal = Journal(log)
    journal.begin(HEADER)
    for time, event in taken:
        journal.took(time, event)
    journal.decided(now, decided)
    journal.rescued(now, decided)
    assert list(journal.records()) == [
        Opened(HEADER),
        *(Took(time, event) for time, event in taken),
        Decided(now, tuple(decided)),
        Rescued(now, tuple(decided)),
    ]
    assert journal.count == len(taken) + 3


def test_numpy_scalars_are_refused():
    """Protects the rule that no numpy scalar enters a message: it would compare equal and encode differently."""
    with pytest.raises(TypeError, match="numpy"):
        Journal(MemoryLog()).took(np.int64(5), Woke())


# --- ends ---------------------------------------------------------------------------------------


def test_truncated_at_every_byte():
    """Protects recovery: wherever a crash tears the file, all whole records before it are read, and no more."""
    whole = small_log().read()
    all_records = list(Reader(whole))
    ends = [Reader(whole).end.offset]
    reader = Reader(whole)
    ends += [reader.end.offset for _ in reader]
    for size in range(len(whole)):
        reader = Reader(whole[:size])
        records = list(reader)
        count = sum(end <= size for end in ends) - 1
        assert records == all_records[: max(count, 0)]
        assert reader.end.records == len(records)
        assert reader.end.offset + reader.end.torn == size
        assert reader.end.last_time == (None if len(records) < 2 else records[-1].now)
    assert str(Reader(whole[:-1]).end).startswith("torn")


def test_a_new_writer_cuts_off_a_torn_tail():
    """Protects the next life: what it appends behind a torn record would be unreadable for ever."""
    whole = small_log().read()
    log = MemoryLog(whole[:-5])
    journal = Journal(log)
    journal.took(Ns(99), Woke())
    assert list(Reader(log.read())) == [*list(Reader(whole))[:-1], Took(Ns(99), Woke())]
    assert journal.count == 7


@pytest.mark.parametrize("size", range(len(MAGIC) + 1))
def test_a_journal_torn_in_its_first_line_starts_over(size):
    """Protects the first start: a crash while the file is created must not need a person."""
    log = MemoryLog(MAGIC[:size])
    Journal(log).took(Ns(1), Woke())
    assert list(Reader(log.read())) == [Took(Ns(1), Woke())]


def test_damage_in_the_middle_is_named():
    """Protects against silently losing what follows: damage is not a torn tail if records stand behind it."""
    whole = small_log().read()
    reader = Reader(whole)
    next(iter(reader))
    begin = reader.end.offset
    for place in range(begin, begin + 20):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        reader = Reader(bytes(damaged))
        with pytest.raises(JournalError, match=f"record 1 at byte {begin} .* readable records follow from byte"):
            list(reader)
        assert reader.end.records == 1


@given(st.data())
def test_no_flipped_bit_gives_other_records(data):
    """Protects against believing damage: any flip is noticed, or is in the last record and shortens the journal."""
    whole = small_log().read()
    place = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    reader, read = Reader(bytes(damaged)), []
    with suppress(JournalError):
        read.extend(reader)
    assert read == list(Reader(whole))[: len(read)]
    assert len(read) < 7


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04 something else entirely", "not a makerlab journal"),
        (b"makerlab-journal 999\n", "format version 999"),
        (b"makerlab-journal\n", "not a makerlab journal"),
    ],
)
def test_what_is_no_journal_is_refused(data, says):
    """Protects the user from a stack trace, and the file from being overwritten."""
    with pytest.raises(JournalError, match=says):
        Reader(data)
    with pytest.raises(JournalError, match=says):
        Journal(MemoryLog(data))


def test_an_unknown_event_is_named():
    """Protects old readers: a journal of a newer makerlab is refused with a reason, not misread."""
    log = small_log()
    text = log.read().replace(b"StopRequested", b"StopReQuested")
    reader = Reader(text)
    with pytest.raises(JournalError):
        list(reader)


# --- digests ------------------------------------------------------------------------------------


def test_the_digest_covers_the_body_only():
    """Protects comparisons across machines: header facts (versions, commit) are not part of what happened."""

    def digest(header, now):
        journal = Journal(MemoryLog())
        journal.begin(header)
        journal.took(Ns(now), Woke())
        return journal.digest()

    other = Header(seed=1, commit="abc")
    assert digest(HEADER, 1) == digest(other, 1)
    assert digest(HEADER, 1) != digest(HEADER, 2)


def test_digest_is_the_same_however_it_was_written(tmp_path):
    """Protects resumed journals: written in one go, in two lives, to memory or to a file, asked often or once."""
    run = ToyRun(seed=3).start().run(2)
    data = run.journal._log.read()
    assert Journal(MemoryLog(data)).digest() == run.journal.digest() == run.journal.digest()
    path = tmp_path / "journal"
    path.write_bytes(data[: len(data) // 2])
    log = FileLog(path)
    resumed = Journal(log)
    for record in list(Reader(data))[resumed.count :]:
        if isinstance(record, Took):
            resumed.took(record.now, record.event)
        else:
            resumed.decided(record.now, record.commands)
    assert resumed.digest() == run.journal.digest()
    log.close()
    assert path.read_bytes() == data


SCRIPT = "from tests.runtime.toy import ToyRun; r = ToyRun(seed=5).start().run(2); print(r.journal.digest())"


def test_digests_are_equal_in_processes_with_other_hash_seeds():
    """Protects determinism: nothing in driver or journal may follow the order of a set or an address."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert digests == {ToyRun(seed=5).start().run(2).journal.digest().encode() + b"\n"}


# --- files --------------------------------------------------------------------------------------


def test_two_writers_of_one_file_are_impossible(tmp_path):
    """Protects the journal from two processes that trade with the same key."""
    first = FileLog(tmp_path / "journal")
    with pytest.raises(JournalError, match="another process"):
        FileLog(tmp_path / "journal")
    first.close()
    FileLog(tmp_path / "journal").close()


@pytest.mark.parametrize("durable", [False, True])
def test_after_sync_everything_is_in_the_file(tmp_path, durable):
    """Protects the write-ahead rule: another process that reads the file sees what was synced."""
    path = tmp_path / "journal"
    log = FileLog(path, durable=durable)
    journal = Journal(log)
    journal.begin(HEADER)
    journal.took(Ns(1), Woke())
    journal.sync()
    assert list(Reader(path.read_bytes())) == [Opened(HEADER), Took(Ns(1), Woke())]
    assert path.stat().st_mode & 0o777 == 0o600
    log.close()
    log.close()


# --- what must be durable -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (request(PLACE), True),
        (request(Modify("0x0", 3, PLACE)), True),
        (request(Cancel("BTC", "0x1")), False),
        (request(QueryPositions()), False),
        (Alert(Severity.CRITICAL, "kill", "drawdown"), True),
        (Alert(Severity.CRITICAL, "other", "drawdown"), False),
        (Connect(Feed.USER), True),
        (Disconnect(Feed.USER), False),
    ],
)
def test_what_must_survive(command, expected):
    """Protects intent-first (S13, S26): what places, modifies, latches or connects is synced before it leaves."""
    assert must_survive([Disconnect(Feed.MARKET), command]) is expected
