"""What the study says of its rows: promises kept and missed, what a layer carries, what is on the frontier."""

import pytest

from studies.churn.arms import ARMS, INCIDENT, LONG, Group
from studies.churn.rows import Study
from studies.churn.tables import sheets
from tests.studies.churn.rows import TERMS, a_row, timeline

GOOD = {
    "cancels_per_cycle": 0.1,
    "calls_per_min": 2.0,
    "zero_action_share": 0.9,
    "modify_share": 1.0,
    "queue_kept_share": 0.9,
    "cancel_fill_ratio": 1.0,
    "calls_per_fill": 6.0,
    "quote_error_beyond_bps": 0.1,
    "quote_error_bps": 4.0,
    "edge_least_bps": 2.5,
}
BAD = {
    "cancels_per_cycle": 2.0,
    "calls_per_min": 40.0,
    "zero_action_share": 0.0,
    "modify_share": 0.0,
    "queue_kept_share": 0.0,
    "quote_error_beyond_bps": 2.5,
    "quote_error_bps": 0.4,
    "edge_least_bps": -1.0,
}
SOURCE = timeline(*((row.placed, row.cancelled, row.filled) for row in INCIDENT))


def study(*rows):
    return Study(rows, (), TERMS)


def both(stable=GOOD, seeds=3):
    """Both profiles, in some seeds."""
    of_one = [
        (
            a_row("baseline", seed, timeline=SOURCE, digest=f"b{seed}", cycles=30, **BAD),
            a_row("stable", seed, timeline=timeline(*[(2, 0, 0)] * 5), digest=f"s{seed}", cycles=30, **stable),
        )
        for seed in range(seeds)
    ]
    return [row for pair in of_one for row in pair]


def sheet(title, *rows):
    """The table of a title; None where there is none."""
    return next((each for each in sheets(study(*rows)) if each.title == title), None)


def column(found, head, name):
    """The cell of a row by its first cell."""
    return next(row for row in found.rows if row[0] == name)[found.head.index(head)]


def test_every_row_is_as_long_as_its_head():
    """Of a study with everything in it."""
    rows = [
        a_row(arm.name, seed, cycles=10, by_mid_bps=9.0, by_kappa_bps=1.0, moved_bps=8.0, timeline=SOURCE, **GOOD)
        for arm in (*ARMS, *LONG)
        for seed in range(2)
    ]
    found = sheets(study(*rows))
    assert [each.title for each in found] == [
        "What was promised",
        "The rows of the incident",
        "Each layer alone",
        "Each layer left out",
        "One layer more each time",
        "By what targets move",
        "What it depends on",
        "Calls against nearness",
        "Money and allowance",
        "A day",
    ]
    assert [row for each in found for row in each.rows if len(row) != len(each.head)] == []


def test_a_study_without_runs_says_nothing():
    assert sheets(study()) == []


@pytest.mark.parametrize(
    ("figure", "missed"),
    [
        ("cancels_per_cycle", 0.5),
        ("calls_per_min", 5.01),
        ("zero_action_share", 0.8),
        ("modify_share", 0.8),
        ("queue_kept_share", 0.8),
        ("cancel_fill_ratio", 2.0),
        ("calls_per_fill", None),
        ("quote_error_beyond_bps", 2.0),
        ("edge_least_bps", 2.4),
    ],
)
def test_each_promise_holds_and_can_be_missed(figure, missed):
    """One figure at its bound: that promise is missed, and all others hold."""
    verdicts = [row[-1] for row in sheet("What was promised", *both()).rows]
    assert verdicts == ["holds"] * 9
    rows = sheet("What was promised", *both({**GOOD, figure: missed})).rows
    assert [row[-1] for row in rows].count("MISSED") == 1
    assert [row[-1] for row in rows].count("holds") == 8


def test_the_least_edge_is_of_the_worst_seed():
    """One order that gave its edge away is one too many, whatever the median says."""
    rows = [*both(), a_row("stable", 3, **{**GOOD, "edge_least_bps": 0.2})]
    found = sheet("What was promised", *rows)
    assert column(found, "stable", "least edge kept in any seed, bps") == "0.20"
    assert column(found, "the promise", "least edge kept in any seed, bps") == "MISSED"


def test_the_rows_of_the_incident_are_laid_beside_the_source():
    rows = [
        a_row("baseline", seed, timeline=timeline((0, 0, 0), (12, 9, 0), (26, 24, 0), (21, 42, 0), (60, 58, seed)))
        for seed in range(3)
    ]
    found = sheet("The rows of the incident", *rows)
    assert column(found, "baseline", "120 s") == "12/9/0"
    assert [row[-1] for row in found.rows] == ["-, -", "+50 %, +50 %", "+0 %, +0 %", "-50 %, +0 %", "+0 %, +0 %"]
    assert column(found, "baseline", "300 s") == "60/58/1"
    assert column(found, "stable", "300 s") == "-/-/-"


def test_a_layer_is_judged_against_its_own_side():
    """Alone it is less the incident, left out less the cure; seed by seed."""
    alone = [a_row("alone-grid", seed, **{**BAD, "calls_per_min": 15.0 + seed % 2}) for seed in range(3)]
    without = [a_row("without-grid", seed, **{**GOOD, "pnl_total_usd": -0.02}) for seed in range(3)]
    rows = [*both(), *alone, *without]
    assert column(sheet("Each layer alone", *rows), "calls a minute", "grid") == "-25.0* [-25.0, -24.0]"
    left_out = sheet("Each layer left out", *rows)
    assert column(left_out, "calls a minute", "grid") == "+0.0 [0.0, 0.0]"
    assert column(left_out, "P&L, cents", "grid") == "-2.0* [-2.0, -2.0]"


def test_the_layer_that_only_counts_must_leave_the_journal_alone():
    rows = [*both(), a_row("alone-counting", 0, digest="b0"), a_row("alone-counting", 1, digest="other")]
    found = sheet("Each layer alone", *rows)
    assert column(found, "calls a minute", "counting") == "same journal in 1 of 2 seeds"


def test_attribution_shares_add_up_and_the_claim_is_measured():
    """By what is summed over cycles and sides; the smoother's part is beside the 80 % of the source."""
    parts = {"by_mid_bps": 90.0, "by_kappa_bps": 6.0, "by_grid_bps": 4.0}
    rows = [
        a_row("baseline", cycles=10, moved_bps=40.0, still_share=0.1, **parts),
        a_row("alone-smoother", cycles=10, moved_bps=30.0, by_mid_bps=30.0),
    ]
    found = sheet("By what targets move", *rows)
    assert "takes 25.0 % of it away; the source claims 80 %" in found.note
    assert found.rows[0] == ("baseline", "2.00", "90.0 %", "6.0 %", "0.0 %", "0.0 %", "4.0 %", "0.0 %", "0.10")


def test_the_frontier_has_what_nothing_beats_in_both():
    points = {"baseline": (40.0, 0.4), "stable": (2.0, 4.0), "band-4": (1.0, 6.0), "latch-4": (10.0, 5.0)}
    rows = [a_row(name, calls_per_min=calls, quote_error_bps=error) for name, (calls, error) in points.items()]
    found = sheet("Calls against nearness", *rows)
    assert [row[0] for row in found.rows] == ["band 4 bps", "all layers on", "plain latch 4 bps", "the incident"]
    assert [row[-2] for row in found.rows] == ["yes", "yes", "", "yes"]
    assert [row[-1] for row in found.rows] == ["", "chosen", "", ""]


def test_the_rollout_begins_with_the_incident_and_its_first_layer():
    names = ["baseline", "stable", *(arm.name for arm in ARMS if arm.group in (Group.ALONE, Group.ROLLOUT))]
    found = sheet("One layer more each time", *(a_row(name) for name in names))
    assert [row[0] for row in found.rows] == [
        "the incident",
        "smoother",
        "+ grid",
        "+ tolerance",
        "+ modify_first",
        "+ quota_aware",
        "+ pace",
    ]


def test_days_of_a_profile_differ_by_the_allowance_alone():
    days = sheet("A day", *(a_row(arm.name) for arm in LONG))
    assert [row[1] for row in days.rows] == 2 * ["7 % left", "4 % left", "nothing left"]


def test_both_profiles_stand_beside_each_other_for_what_is_left_open():
    rows = [*both(), a_row("baseline-sigma-2"), a_row("stable-sigma-2", calls_per_min=4.5)]
    found = sheet("What it depends on", *rows)
    assert [row[:3] for row in found.rows] == [
        ("the incident", "baseline", "40.0"),
        ("all layers on", "stable", "2.0"),
        ("sigma 2.0 bps", "baseline", "-"),
        ("sigma 2.0 bps", "stable", "4.5"),
    ]
