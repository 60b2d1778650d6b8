"""Reading recorded blocks: which rows were submissions, and of which kind."""

import gzip
import re

import pytest

from domain.commands import Cancel, Modify
from domain.errors import ConfigError
from runtime.recordings_l4 import load_feed, load_truth
from sim.venue.config import ActionClass

PASSIVE, CANCEL, TAKER = ActionClass

SNAPSHOT = """side,pos,oid,user,px,sz,orig_sz,ts_ms,tif,order_type,reduce_only
B,0,11,ann,100.0,0.5,1.0,1000,Alo,Limit,0
A,0,12,bob,101.0,0.7,0.7,1000,,Limit,1
"""
STATUSES_HEAD = "block,i,status,user,oid,side,px,sz,orig_sz,tif,reduce_only,order_ts_ms,cloid,rested_sz"
FILLS_HEAD = "block,i,user,oid,side,px,sz,crossed,dir,start_position,closed_pnl,fee,fee_token,tid,twap_id,time_ms"
EXPECTED_COLUMNS = "block,block_time,node_local_time,n_statuses,n_diffs,n_fills,{},resting_orders,book_sha256"
EXPECTED = (
    EXPECTED_COLUMNS.format("bid_px,bid_sz,bid_n,ask_px,ask_sz,ask_n")
    + """
1,,,0,0,0,100.0,0.5,1,101.0,0.7,1,2,aa
2,2026-05-05T17:39:13.024084407,x,0,0,0,100.0,0.5,1,101.0,0.7,1,2,bb
3,2026-05-05T17:39:14.1,x,0,0,0,100.0,0.5,1,101.0,0.7,1,2,cc
"""
)


def folder_of(path, statuses, fills=()):
    rows = [
        f"2,{i},{s},{u},{o},{side},100.0,1.0,1.0,{tif},{ro},0,{c},{rested}"
        for i, (s, u, o, side, tif, ro, c, rested) in enumerate(statuses)
    ]
    for name, text in (
        ("snapshot_1.csv.gz", SNAPSHOT),
        ("statuses.csv.gz", "\n".join([STATUSES_HEAD, *rows, ""])),
        ("fills.csv.gz", "\n".join([FILLS_HEAD, *fills, ""])),
    ):
        (path / name).write_bytes(gzip.compress(text.encode()))
    (path / "blocks_expected.csv").write_text(EXPECTED)
    return path


def told(feed):
    """The batches of block 2, each submission in short."""
    shown = {Cancel: "cancel", Modify: "modify"}
    return [
        [(s.account, shown.get(type(s.action), "place"), s.action_class, s.oid or s.action.oid) for s in batch]
        for batch in feed.blocks[0].batches
    ]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param(
            [
                ("open", "ann", 20, "B", "Alo", 0, "0x1", "1.0"),
                ("badAloPxRejected", "bob", 21, "B", "Alo", 0, "", ""),
                ("canceled", "ann", 11, "B", "Alo", 0, "", ""),
                ("iocCancelRejected", "cid", 22, "B", "Ioc", 0, "", ""),
                ("open", "cid", 23, "B", "Alo", 0, "", "1.0"),
            ],
            [
                [
                    ("ann", "place", PASSIVE, 20),
                    ("bob", "place", PASSIVE, 21),
                    ("ann", "cancel", CANCEL, 11),
                    ("cid", "place", TAKER, 22),
                ],
                [("cid", "place", PASSIVE, 23)],
            ],
            id="an earlier class begins a batch",
        ),
        pytest.param(
            [
                ("open", "ann", 20, "B", "Alo", 0, "0x1", "1.0"),
                ("canceled", "ann", 11, "B", "Alo", 0, "0x1", ""),
                ("canceled", "ann", 10, "B", "Alo", 0, "0x1", ""),
                ("canceled", "bob", 12, "A", "Gtc", 1, "", ""),
            ],
            [[("ann", "modify", PASSIVE, 20), ("ann", "cancel", CANCEL, 10), ("bob", "cancel", CANCEL, 12)]],
            id="a cancel behind a placement of the same account is the old leg of a modify",
        ),
        pytest.param(
            [
                ("perpMarginRejected", "ann", 20, "B", "Alo", 0, "", ""),
                ("canceled", "ann", 11, "B", "Alo", 0, "", ""),
                ("open", "bob", 21, "B", "Alo", 0, "", "1.0"),
            ],
            [[("ann", "cancel", CANCEL, 11), ("bob", "place", PASSIVE, 21)]],
            id="a left-out new leg leaves a cancel and no boundary",
        ),
        pytest.param(
            [
                ("open", "ann", 20, "B", "Ioc", 0, "", ""),
                ("selfTradeCanceled", "ann", 11, "B", "Alo", 0, "", ""),
                ("filled", "bob", 12, "A", "Gtc", 0, "", ""),
                ("canceled", "ann", 20, "B", "Ioc", 0, "", ""),
            ],
            [[("ann", "place", TAKER, 20)]],
            id="computed ends are not submissions",
        ),
        pytest.param(
            [
                ("reduceOnlyCanceled", "bob", 12, "A", "Gtc", 1, "", ""),
                ("scheduledCancel", "ann", 11, "B", "Alo", 0, "", ""),
            ],
            [[("bob", "cancel", CANCEL, 12), ("ann", "cancel", CANCEL, 11)]],
            id="ends for reasons outside the files are fed as cancels",
        ),
    ],
)
def test_rows_become_submissions(tmp_path, statuses, expected):
    """Protects the reading of the status log, row kind by row kind."""
    assert told(load_feed(folder_of(tmp_path, statuses))) == expected


def test_imposed_ends_and_left_out_orders_are_listed(tmp_path):
    """Protects the list of inputs: nothing enters, and nothing is left out, without being counted."""
    statuses = [
        ("minTradeNtlRejected", "cid", 20, "B", "Alo", 0, "", ""),
        ("reduceOnlyCanceled", "bob", 12, "A", "Gtc", 1, "", ""),
    ]
    feed = load_feed(folder_of(tmp_path, statuses))
    assert feed.left_out == {"minTradeNtlRejected": 1}
    assert feed.inputs.imposed_cancels == ((2, 12, "reduceOnlyCanceled"),)
    assert [row.status for row in load_truth(tmp_path).blocks[0].statuses] == ["reduceOnlyCanceled"]


def test_a_trim_is_computed_where_the_position_is_on_file(tmp_path):
    """Protects that only what cannot be computed is told: an account with fills has a known position."""
    statuses = [("reduceOnlyCanceled", "bob", 12, "A", "Gtc", 1, "", "")]
    fills = ["2,0,bob,12,A,101.0,0.2,0,x,0.7,0,0,USDC,5,,0", "2,1,cid,30,B,101.0,0.2,1,x,-0.1,0,0,USDC,5,77,0"]
    feed = load_feed(folder_of(tmp_path, statuses, fills))
    assert feed.inputs.imposed_cancels == ()
    assert told(feed) == []
    assert [(p.account, p.position) for p in feed.inputs.positions] == [("bob", 70_000), ("cid", -10_000)]
    (slice_,) = feed.blocks[0].slices
    assert (slice_.account, slice_.oid, slice_.place.px, slice_.place.sz) == ("cid", 30, 1010, 20_000)


def test_positions_of_orders_that_rest_reduce_only(tmp_path):
    """Protects the position inputs: a clipped order tells the position, a whole one only that it is large enough."""
    statuses = [
        ("open", "ann", 20, "A", "Alo", 1, "", "0.4"),
        ("open", "bob", 21, "A", "Alo", 1, "", "1.0"),
    ]
    feed = load_feed(folder_of(tmp_path, statuses))
    assert [(p.account, p.position) for p in feed.inputs.positions] == [("ann", 40_000), ("bob", 170_000)]


def test_block_times_are_nanoseconds_apart(tmp_path):
    """Protects the block times: nine decimals, or fewer, of a second."""
    feed = load_feed(folder_of(tmp_path, []))
    assert feed.blocks[1].time - feed.blocks[0].time == 1_075_915_593
    assert feed.blocks[0].time > 0


def test_a_folder_without_the_files_is_one_config_error(tmp_path):
    """Protects the message to the user: what is missing, before anything runs."""
    with pytest.raises(ConfigError, match=r"statuses\.csv\.gz"):
        load_feed(tmp_path)
    folder_of(tmp_path, [])
    (tmp_path / "snapshot_1.csv.gz").unlink()
    with pytest.raises(ConfigError, match="snapshot"):
        load_feed(tmp_path)


@pytest.mark.parametrize(
    ("name", "line", "wrong", "problem"),
    [
        ("statuses.csv.gz", 1, "2,0,open,ann,x,B,100.0,1.0,1.0,Alo,0,0,,", "oid 'x', want a whole number"),
        ("statuses.csv.gz", 1, "2,0,open,ann,20,Q,nan,1.0,1.0,Alo,0,0,,", "px 'nan', want a number above 0"),
        ("statuses.csv.gz", 1, "2,0,open", "3 fields, want 14 as in the header"),
        ("snapshot_1.csv.gz", 1, "B,0,11,ann,-100.0,0.5,1.0,1000,Alo,Limit,0", "px '-100.0', want a number above 0"),
        ("snapshot_1.csv.gz", 1, "B,0,12,ann,100.0,0.5,1.0,1000,Alo,Limit,0", "oid '12' again, want each oid once"),
        ("blocks_expected.csv", 0, "block,block_time", "no column resting_orders, book_sha256"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path, name, line, wrong, problem):
    """Protects the message to the user: which file, which line, what is wanted; no run over half a file."""
    path = folder_of(tmp_path, [("open", "ann", 20, "B", "Alo", 0, "", "")]) / name
    lines = (gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()).split("\n")
    lines[line] = wrong
    text = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    with pytest.raises(ConfigError, match=re.escape(problem)) as caught:
        load_feed(tmp_path)
    assert all(str(tmp_path / name) in each.path for each in caught.value.problems)


def test_every_wrong_row_of_every_file_is_named_at_once(tmp_path):
    """Protects the user's time: one look at the list, not one fault a run."""
    folder_of(tmp_path, [("open", "ann", oid, "C", "Alo", 0, "", "") for oid in range(3)], ["2,0", "2,1"])
    with pytest.raises(ConfigError) as caught:
        load_feed(tmp_path)
    places = [problem.path.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]
    assert places == [*(f"statuses.csv.gz:{line}" for line in (2, 3, 4)), "fills.csv.gz:2", "fills.csv.gz:3"]


def test_a_record_without_blocks_is_no_record(tmp_path):
    """Protects the verdict: a check of nothing would hold."""
    folder_of(tmp_path, [])
    (tmp_path / "blocks_expected.csv").write_text("\n".join(EXPECTED.split("\n")[:2]))
    with pytest.raises(ConfigError, match="at least one block"):
        load_feed(tmp_path)
