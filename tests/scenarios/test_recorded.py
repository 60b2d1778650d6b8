"""Recorded markets: the venue must repeat recorded blocks, and the trader must make markets on recorded books."""

import shutil

import pytest

from domain.units import NS_PER_S
from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.loader import load
from scenarios.result import Metrics
from scenarios.run import data_problems, run_scenario
from tests.scenarios.runs import outcome


@pytest.fixture(autouse=True)
def records(data_dir, monkeypatch):
    """The folder of recordings, in the way in which a user names it."""
    monkeypatch.setenv("MAKERLAB_DATA", str(data_dir))
    return data_dir


def result_of(name, *overrides, seed=7):
    return run_scenario(load(name, overrides), seed, MemoryLog())


@pytest.mark.parametrize(
    "overrides",
    [("market.recording=ETH_20251210",), ("market.recording=SOL_20250904",), ("market.recording=WLFI_20250904",)],
    ids=lambda overrides: overrides[0].removeprefix("market.recording="),
)
def test_makes_markets_on_any_liquid_recording(overrides):
    """Two-sided while the data is fresh, fills, both views equal, no rule broken; here the first minutes."""
    result = result_of("eth-recorded", "duration_s=200", *overrides)
    assert result.holds, result.expectations
    assert result.violations == []
    assert result.metrics.fills > 0
    assert result.metrics.quoting.two_sided_of_fresh_pct >= 95


def test_a_gap_of_the_recording_shows_and_heals():
    """The trader withdraws while nothing is known and comes back; its time is accounted for by reason."""
    result = result_of("eth-recorded", "duration_s=600")
    assert result.metrics.data_gaps == 1
    assert result.metrics.longest_data_gap_s > 200
    gated = result.metrics.quoting.gated_s
    assert gated["stale_data"] > 0, "until the supervisor connects anew; then nothing is known at all"
    assert gated["stale_data"] + gated["no_data"] > 200
    assert result.metrics.quoting.fresh_s < result.metrics.quoting.observed_s - 200
    assert result.holds, result.expectations


def test_a_short_recording_ends_the_run():
    """The duration of a recorded scenario is an upper bound."""
    running = build(load("eth-recorded"), 7, MemoryLog())
    assert 1_000 < running.setup.duration / NS_PER_S < 2_000
    assert running.trace.duration_s == running.setup.duration / NS_PER_S


def test_recorded_run_reads_only_its_own_folder(records, tmp_path, monkeypatch):
    """A user may have one folder of recordings and nothing else."""
    shutil.copytree(records / "hl_l2_trades", tmp_path / "hl_l2_trades")
    monkeypatch.setenv("MAKERLAB_DATA", str(tmp_path))
    assert result_of("eth-recorded", "duration_s=40", "expect.fills_min=0").metrics.fills >= 0


def test_recorded_blocks_come_out_as_recorded():
    """Every status, fill and whole-book digest equal; what was told and what was left out stands in the document."""
    result = result_of("hl-btc-l4")
    assert result.holds, result.metrics
    assert not isinstance(result.metrics, Metrics)
    document = result.document()
    assert document["mismatches"] == 0
    assert document["digests_equal"] == document["blocks"] > 0
    assert document["statuses_equal"] == document["statuses_total"] > 0
    assert document["fills_equal"] == document["fills_total"] > 0
    assert document["left_out"]
    assert {"order ids", "blocks split into batches"} <= set(document["inputs"])
    assert document["metrics"]["blocks"] == document["blocks"]
    assert (document["scenario"], document["recording"]) == ("hl-btc-l4", "hl_l4")


def test_a_fault_after_the_end_of_the_record_is_named():
    """The record is shorter than the scenario allows: what comes later never happens."""
    at_s = 'faults=[{kind="latency_spike", at_s=1424}, {kind="latency_spike", at_s=1426}]'
    (problem,) = data_problems(load("eth-recorded", [at_s]))
    assert str(problem).startswith("eth-recorded: faults[1].at_s: found 1426, want a start before the end of the run")


def test_a_fault_of_an_instrument_that_was_not_recorded_is_named():
    """The record says its own instrument; a fault of another would hit nobody."""
    tick_change = 'faults=[{{kind="tick_change", instruments=["{}"]}}]'
    assert data_problems(load("eth-recorded", [tick_change.format("ETH")])) == []
    (problem,) = data_problems(load("eth-recorded", [tick_change.format("BTC")]))
    want = 'faults[0].instruments: found "BTC", want an instrument of this scenario (ETH)'
    assert str(problem) == f"eth-recorded: {want}"


@pytest.mark.parametrize("wrong", ["venue.discipline=lifo", "venue.class_order=cancels_first"])
def test_a_wrong_venue_turns_the_record_check_red(wrong):
    """The check can fail: queues served from the back, and cancels run before post-only orders."""
    result = result_of("hl-btc-l4", wrong)
    assert not outcome(result, "mismatches").holds
    assert result.metrics["digests_equal"] < result.metrics["blocks"]
    assert result.metrics["differences"]
