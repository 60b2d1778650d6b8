"""Medians of several runs: the shape of one run's figures, and what a missing number means."""

import msgspec
import pytest

from scenarios.figures import TimelineRow
from scenarios.medians import medians
from scenarios.result import Metrics, RunResult, envelope


def test_every_number_is_the_middle_one_of_its_path():
    """Each figure by itself: the middle run of one is not that of another; of an even number the mean of two."""
    runs = [{"a": 1, "b": {"c": 9.0}}, {"a": 5, "b": {"c": 2.0}}, {"a": 3, "b": {"c": 4.0}}]
    assert medians(runs) == {"a": 3, "b": {"c": 4.0}}
    assert medians(runs[:2]) == {"a": 3, "b": {"c": 5.5}}


@pytest.mark.parametrize("ratio", ["cancel_fill_ratio", "calls_per_fill"])
def test_a_ratio_to_no_fill_is_more_than_any_number(ratio):
    """CH-36: without fills there are endlessly many cancels for each; half of such runs have no median."""
    ratios = [{ratio: value} for value in (7.0, None, 2.0)]
    assert medians(ratios) == {ratio: 7.0}
    assert medians([*ratios, {ratio: None}]) == {ratio: None}


def test_where_nothing_was_measured_a_run_says_nothing():
    """A share of nothing is neither a good nor a bad one: it must not pass what asks for more than 0.80."""
    assert medians([{"modify_share": share} for share in (None, 0.0, 1.0)]) == {"modify_share": 0.5}
    assert medians([{"queue_kept_share": share} for share in (None, 0.4, None)]) == {"queue_kept_share": 0.4}
    assert medians([{"edge_least_bps": None}] * 2) == {"edge_least_bps": None}
    assert medians([{"back": None}, {"back": {"max_s": 3.0}}, {"back": {"max_s": 1.0}}]) == {"back": {"max_s": 2.0}}


def test_what_was_not_counted_is_0():
    """Counts by name hold only what came up; names stand in the order in which they are met."""
    runs = [{"alerts": {"x": 4}}, {"alerts": {"y": 2, "x": 8}}, {"alerts": {}}]
    middle = medians(runs)
    assert middle == {"alerts": {"x": 4, "y": 0}}
    assert list(middle["alerts"]) == ["x", "y"]
    assert medians([{"gated": {"x": {"wait": 4}}}, {"gated": {}}]) == {"gated": {"x": {"wait": 2}}}


def test_rows_belong_together_by_their_place():
    """A minute is compared with the same minute; a run that ended early has no later ones."""
    long = {"rows": [{"t_s": 60, "placed": 2}, {"t_s": 120, "placed": 8}]}
    assert medians([long, {"rows": [{"t_s": 60, "placed": 4}]}, {"rows": []}]) == {
        "rows": [{"t_s": 60, "placed": 3}, {"t_s": 120, "placed": 8}]
    }


def test_a_text_stays_where_it_is_the_same():
    """Names of faults are no numbers."""
    runs = [{"kind": "crash", "why": "a"}, {"kind": "crash", "why": "b"}]
    assert medians(runs) == {"kind": "crash", "why": None}


def test_the_envelope_has_medians_where_one_run_has_figures():
    """One scenario: under `metrics`, as of one run; several: by name."""
    results = [
        RunResult("calm", seed, metrics=Metrics(fills=fills, timeline=[TimelineRow(60.0, 10 * fills, 0, fills)]))
        for seed, fills in enumerate((1, 7, 2))
    ]
    one = msgspec.json.decode(msgspec.json.encode(envelope(results)))
    assert "medians" not in one
    assert one["metrics"]["fills"] == 2
    assert one["metrics"]["timeline"] == [{"t_s": 60.0, "placed": 20, "cancelled": 0, "filled": 2}]
    assert set(one["metrics"]) == set(one["runs"][0]["metrics"])
    many = envelope([*results, RunResult("storm", 0, metrics=Metrics(fills=5))])
    assert "metrics" not in many
    assert {name: middle["fills"] for name, middle in many["medians"].items()} == {"calm": 2, "storm": 5}
