"""Recorded data from files: the real ones as their description says, broken ones with every fault named."""

import csv
import gzip

import pytest

from domain.errors import ConfigError
from domain.events import PublicTrade
from domain.units import NS_PER_S, Side
from runtime.recordings import FAULTS_SHOWN, FOLDER, load_l2_trades, names_in
from sim.recorded import RecordedTrade

REAL = {
    # name: (szDecimals, trades, repeated trades, whole seconds of each gap)
    "ETH_20251210": (4, 6_385, 0, [243, 43]),
    "SOL_20250904": (2, 4_427, 10, [18]),
    "WLFI_20250904": (0, 2_555, 8, [18]),
}


@pytest.fixture(scope="module")
def real(data_dir):
    folder = data_dir / FOLDER
    if not folder.is_dir():
        pytest.skip(f"no {folder} (MAKERLAB_DATA names another folder)")
    return {name: load_l2_trades(folder, name) for name in REAL}


# --- the real recordings ------------------------------------------------------------------------


def test_the_recordings_are_as_described(real):
    """Decimals inferred, repeated trades dropped, gaps found: the figures of the data's own description."""
    found = {
        name: (
            recording.instrument.sz_decimals,
            len(recording.trades),
            recording.repeated_trades,
            [round(gap.duration / NS_PER_S) for gap in recording.gaps],
        )
        for name, recording in real.items()
    }
    assert found == REAL


@pytest.mark.parametrize("name", REAL)
def test_the_top_of_the_book_is_the_top_wherever_stamps_are_equal(real, name):
    """Two files of one market must not contradict each other: then neither the pairing nor the columns are wrong."""
    recording = real[name]
    tops = {each.exch_time: (each.bid, each.ask) for each in recording.tops}
    both = [each for each in recording.books if each.exch_time in tops]
    assert len(both) > 1_000
    assert all((each.bids[0], each.asks[0]) == tops[each.exch_time] for each in both)


@pytest.mark.parametrize("name", REAL)
def test_the_first_frame_and_those_after_a_gap_are_history(real, name):
    """A trade that is told again minutes later must not look like news."""
    recording = real[name]
    first = recording.frames[0]
    assert len(first.trades) == 30
    replayed = {each.trade.tid for each in recording.trades if each.is_replayed}
    assert {trade.tid for trade in first.trades} <= replayed
    late = [each for each in recording.trades if each.recv_time - each.trade.exch_time > 5 * NS_PER_S]
    assert all(each.is_replayed for each in late)


@pytest.mark.parametrize("name", REAL)
def test_time_begins_with_the_first_record_and_only_moves_on(real, name):
    """Exchange time 0 is the first book or top; what is before it is history; records come in order of time."""
    recording = real[name]
    assert min(recording.books[0].exch_time, recording.tops[0].exch_time) == 0
    records = list(recording.records())
    times = [each.trade.exch_time if isinstance(each, RecordedTrade) else each.exch_time for each in records]
    assert times == sorted(times)
    assert times[0] == 0
    assert sorted(set(times)) == recording.block_times()
    live = [each for each in recording.tops if not recording.is_dark(each.exch_time)]
    assert len(live) == len(recording.tops), "a gap is where no top is"


# --- broken files -------------------------------------------------------------------------------

BOOK_HEADER = [
    "timestamp",
    "sequence",
    "exchange_timestamp",
    *(f"{side}_{what}_{k}" for k in range(2) for side in ("bid", "ask") for what in ("price", "size")),
]
GOOD = {
    "orderbooks": [
        BOOK_HEADER,
        ["100.5", "1", "100000", "10.1", "5", "10.2", "6", "10.0", "7", "10.3", "8.25"],
        ["101.5", "2", "101000", "10.1", "5", "10.2", "6", "", "", "10.3", "8"],
    ],
    "prices": [
        ["timestamp", "price", "size", "side", "exchange_timestamp"],
        ["100.5", "10.1", "5", "bid", "100000"],
        ["100.5", "10.2", "6", "ask", "100000"],
        ["100.75", "10.1", "4", "bid", "100300"],
        ["100.75", "10.2", "6", "ask", "100300"],
    ],
    "trades": [
        ["timestamp", "price", "size", "side", "trade_id", "exchange_timestamp"],
        ["100.5", "10.2", "1", "buy", "7", "99000"],
        ["100.8", "10.1", "1", "sell", "8", "100300"],
        ["101.0", "10.1", "1", "sell", "8", "100300"],
    ],
}


@pytest.fixture
def folder(tmp_path):
    def write(changes=()):
        files = {kind: [list(row) for row in rows] for kind, rows in GOOD.items()}
        for kind, line, column, value in changes:
            files[kind][line - 1][files[kind][0].index(column)] = value
        for kind, rows in files.items():
            with gzip.open(tmp_path / f"ABC_20250101_{kind}.csv.gz", "wt", newline="") as file:
                csv.writer(file).writerows(rows)
        return tmp_path

    return write


def faults_of(folder, name="ABC_20250101"):
    with pytest.raises(ConfigError) as caught:
        load_l2_trades(folder, name)
    return str(caught.value).replace(f"{folder}/ABC_20250101_", "").splitlines()


def test_a_small_recording(folder):
    """Ticks, lots, shifted times and an open-ended ladder, in numbers that can be checked by hand."""
    recording = load_l2_trades(folder(), "ABC_20250101")
    assert recording.instrument.id == "ABC"
    assert recording.instrument.sz_decimals == 2
    assert recording.began_at == 100 * NS_PER_S
    first, second = recording.books
    assert (first.exch_time, first.recv_time) == (0, NS_PER_S // 2)
    assert first.asks == ((102_000, 600, 0), (103_000, 825, 0))
    assert second.bids == ((101_000, 500, 0),)
    assert [each.trade for each in recording.trades] == [
        PublicTrade(Side.BUY, 102_000, 100, 7, -NS_PER_S),
        PublicTrade(Side.SELL, 101_000, 100, 8, 3 * NS_PER_S // 10),
    ]
    assert recording.repeated_trades == 1
    assert [len(frame.trades) for frame in recording.frames] == [1, 1, 1]
    assert recording.block_times() == [0, 300_000_000, NS_PER_S]


def test_decimals_can_be_said_instead_of_inferred(folder):
    """Round sizes hide the lot: then the scenario says it."""
    assert load_l2_trades(folder(), "ABC_20250101", sz_decimals=3).books[0].bids[0] == (10_100, 5_000, 0)
    with pytest.raises(ConfigError, match=r"orderbooks.csv.gz:2: found size 8.25, want at most 1 decimals"):
        load_l2_trades(folder(), "ABC_20250101", sz_decimals=1)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            ("orderbooks", 2, "bid_price_0", "ten"),
            "orderbooks.csv.gz:2: found bid_price_0 'ten', want a positive number",
        ),
        (("orderbooks", 2, "bid_size_0", "-1"), "orderbooks.csv.gz:2: found bid_size_0 '-1', want a positive number"),
        (
            ("orderbooks", 2, "bid_price_1", "10.1"),
            "orderbooks.csv.gz:2: found bids that do not fall, want best bid first",
        ),
        (("orderbooks", 2, "ask_price_0", "10.1"), "orderbooks.csv.gz:2: found a crossed book, want bid below ask"),
        (
            ("orderbooks", 3, "exchange_timestamp", "99999"),
            "orderbooks.csv.gz:3: found exchange_timestamp 99999, want not before 100000 of the line above",
        ),
        (
            ("orderbooks", 2, "bid_price_1", "10.00001"),
            "orderbooks.csv.gz:2: found price 10.00001, want at most 4 decimals",
        ),
        (("prices", 3, "side", "bid"), "prices.csv.gz:3: found side 'bid', want 'ask': rows in bid/ask pairs"),
        (
            ("prices", 5, "exchange_timestamp", "100301"),
            "prices.csv.gz:5: found other stamps than its bid, want the stamps of the line above",
        ),
        (("trades", 2, "side", "long"), "trades.csv.gz:2: found side 'long', want 'buy' or 'sell'"),
        (("trades", 2, "trade_id", "x"), "trades.csv.gz:2: found trade_id 'x', want a whole number"),
        (
            ("trades", 2, "trade_id", "9" * 19),
            f"trades.csv.gz:2: found trade_id '{'9' * 19}', want a whole number of at most 18 digits",
        ),
        (
            ("trades", 2, "exchange_timestamp", "9" * 5_000),
            f"trades.csv.gz:2: found exchange_timestamp '{'9' * 60}...', want a whole number of at most 15 digits",
        ),
        (("trades", 2, "size", "1e300"), "trades.csv.gz:2: found size '1e300', want a positive number below 1e+12"),
        (
            ("trades", 3, "timestamp", "yesterday"),
            "trades.csv.gz:3: found timestamp 'yesterday', want seconds since 1970",
        ),
        (
            ("trades", 4, "price", "10.2"),
            "trades.csv.gz:4: found trade_id 8 with another trade, want the trade of line 3",
        ),
    ],
)
def test_a_fault_is_named_with_its_line(folder, change, fault):
    """One line that says where, what is there, and what should be."""
    assert faults_of(folder([change])) == [fault]


def test_every_fault_is_named_at_once(folder):
    """Nobody wants to find the fifth fault in the fifth run."""
    changes = [
        ("orderbooks", 2, "bid_price_0", "ten"),
        ("orderbooks", 3, "ask_price_0", "10.1"),
        ("prices", 2, "size", ""),
        ("trades", 3, "side", ""),
        ("trades", 4, "size", "-1"),
    ]
    assert len(faults_of(folder(changes))) == len(changes)


def test_many_faults_are_counted(folder, tmp_path):
    """A file of another kind has one fault a line; the list stays readable."""
    folder()
    rows = [GOOD["trades"][0], *([f"{i}", "1", "1", "?", f"{i}", "1"] for i in range(100))]
    with gzip.open(tmp_path / "ABC_20250101_trades.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows(rows)
    faults = faults_of(tmp_path)
    assert len(faults) == FAULTS_SHOWN + 1
    assert faults[-1] == "...: found 100 faults, want none; the first 20 stand above"


def test_a_torn_file(folder):
    """A download that broke off must not pass for a short recording."""
    path = folder() / "ABC_20250101_prices.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert any("want a complete gzipped CSV file" in fault for fault in faults_of(path.parent))


def test_missing_columns_and_rows(folder, tmp_path):
    """A header without rows, and a table of other columns."""
    folder()
    headers = [(kind, GOOD[kind][:1]) for kind in ("orderbooks", "prices")]
    for kind, rows in (*headers, ("trades", [["time", "price"], ["1", "2"]])):
        with gzip.open(tmp_path / f"ABC_20250101_{kind}.csv.gz", "wt", newline="") as file:
            csv.writer(file).writerows(rows)
    columns = "timestamp, exchange_timestamp, size, side, trade_id"
    assert faults_of(tmp_path) == [
        "orderbooks.csv.gz: found no rows, want at least one",
        "prices.csv.gz: found no rows, want at least one",
        f"trades.csv.gz:1: found no column {columns}, want the columns of hl_l2_trades",
    ]


def test_an_empty_file(folder):
    """Not even a header."""
    path = folder() / "ABC_20250101_trades.csv.gz"
    path.write_bytes(gzip.compress(b""))
    assert faults_of(path.parent) == ["trades.csv.gz: found no rows, want at least one"]


def test_what_is_not_there_is_named(folder, tmp_path):
    """The folder that was looked for, or the recordings that could have been meant."""
    with pytest.raises(ConfigError, match=r"nowhere: found no such folder, want .*MAKERLAB_DATA"):
        load_l2_trades(tmp_path / "nowhere", "ABC_20250101")
    folder()
    assert names_in(tmp_path) == ["ABC_20250101"]
    with pytest.raises(ConfigError, match=r"XYZ_20250101_trades.csv.gz: found no such file.*\(ABC_20250101\)"):
        load_l2_trades(tmp_path, "XYZ_20250101")


@pytest.mark.parametrize("name", ["../secrets_20250101", "ABC", "/etc/passwd", ""])
def test_a_name_cannot_leave_the_folder(folder, name):
    """A scenario file names a recording, not a path."""
    with pytest.raises(ConfigError, match="want a name like ETH_20251210"):
        load_l2_trades(folder(), name)
