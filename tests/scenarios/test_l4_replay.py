"""The venue against recorded blocks of a real exchange: the same statuses, fills and whole books."""

import gzip
import shutil
from collections import Counter
from dataclasses import replace

import pytest

from domain.limits import OpenOrderLimits
from domain.units import Usd
from runtime.recordings_l4 import FOLDER, load_feed, load_truth
from scenarios.l4_replay import PAST_VOLUME, replay_blocks
from sim.liquidity.book import Discipline
from sim.venue.config import ClassOrder


@pytest.fixture(scope="module")
def folder(data_dir):
    if not (data_dir / FOLDER).is_dir():
        pytest.skip(f"no recorded blocks in {data_dir / FOLDER}")
    return data_dir / FOLDER


@pytest.fixture(scope="module")
def feed(folder):
    return load_feed(folder)


@pytest.fixture(scope="module")
def truth(folder):
    return load_truth(folder)


def first(feed, truth, n):
    """The first blocks only: enough to turn red, and quick."""
    return replace(feed, blocks=feed.blocks[:n]), replace(truth, blocks=truth.blocks[:n])


def test_open_orders_on_record_keep_to_the_documented_cap(feed):
    """Protects the cap on open orders from being too tight: who has more than 1,000 has them by volume, up to 5,000."""
    limits = OpenOrderLimits()
    most = max(Counter(order.account for order in feed.snapshot).values())
    assert limits.cap(Usd(0)) < most <= limits.cap(PAST_VOLUME)


def test_every_recorded_block_comes_out_as_recorded(feed, truth):
    """Protects the venue's whole ordinary path: checks, class order, queue order, modifies, ids, matching."""
    result = replay_blocks(feed, truth)
    assert result.mismatches == ()
    assert result.n_mismatches == 0
    blocks = len(truth.blocks)
    assert blocks == len(feed.blocks) > 0
    assert (result.blocks, result.digests_equal, result.tops_equal, result.sequences_equal) == (blocks,) * 4
    assert result.statuses_equal == result.statuses_total == sum(len(block.statuses) for block in truth.blocks) > 0
    assert result.fills_equal == result.fills_total == sum(len(block.fills) for block in truth.blocks) > 0


def test_another_interleaving_of_the_classes_gives_the_same(feed, truth):
    """Protects the sorting by class: the order of submission across classes must not matter."""
    assert replay_blocks(*first(feed, truth, 6), seed=2).n_mismatches == 0


def test_youngest_first_queues_turn_it_red(feed, truth):
    """Proves that the record would notice LIFO queues: another maker gets the fill, the book differs."""
    result = replay_blocks(*first(feed, truth, 1), discipline=Discipline.LIFO)
    assert result.n_mismatches > 0
    assert result.digests_equal == 0
    assert result.fills_equal < result.fills_total


def test_cancels_before_post_only_orders_turn_it_red(feed, truth):
    """Proves that the record would notice another class order: what was placed and cancelled in one batch stays."""
    result = replay_blocks(*first(feed, truth, 3), class_order=ClassOrder.CANCELS_FIRST)
    assert result.n_mismatches > 0
    assert result.digests_equal == 0
    assert result.statuses_equal < result.statuses_total


def test_what_was_told_and_left_out_is_listed(feed, truth):
    """Protects the honesty of the score: every input and everything left out is counted in the report."""
    result = replay_blocks(*first(feed, truth, 1))
    assert result.left_out == feed.left_out
    assert result.inputs["order ids"] == feed.inputs.oids > 0
    assert sum(n for name, n in result.inputs.items() if name.startswith("positions")) == len(feed.inputs.positions)
    rows = sum(len(block.statuses) for block in truth.blocks)
    assert rows > 0


def test_the_feed_knows_nothing_of_what_came_of_it(folder, feed, tmp_path):
    """Protects the split: digests, diffs and who was filled how do not reach what is fed to the venue."""
    for path in folder.iterdir():
        if path.name != "diffs.csv.gz":
            shutil.copyfile(path, tmp_path / path.name)
    expected = (tmp_path / "blocks_expected.csv").read_text().splitlines()
    blinded = [expected[0], *(",".join([*line.split(",")[:3], *"0" * 10, "x"]) for line in expected[1:])]
    (tmp_path / "blocks_expected.csv").write_text("\n".join(blinded) + "\n")
    fills = gzip.decompress((folder / "fills.csv.gz").read_bytes()).decode().splitlines()
    columns = fills[0].split(",")
    without = []
    for line in fills[1:]:
        row = dict(zip(columns, line.split(","), strict=True))
        if not row["twap_id"]:
            row |= {"oid": "1", "px": "1", "sz": "1", "crossed": "0"}
        without.append(",".join(row.values()))
    (tmp_path / "fills.csv.gz").write_bytes(gzip.compress("\n".join([fills[0], *without, ""]).encode()))
    assert load_feed(tmp_path) == feed
