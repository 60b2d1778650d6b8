"""Figures of the churn study: each shows what the rows say, and what was not run is not drawn."""

import pytest

from scenarios.plots import DARK, LIGHT
from studies.churn.arms import ARMS, INCIDENT, LONG, ROLLOUT, Group
from studies.churn.figures import (
    CAPTIONS,
    _allowance,
    _attribution,
    _frontier,
    _layers,
    _rollout,
    _timeline,
    draw_all,
)
from studies.churn.rows import Mark, Study
from studies.churn.tables import sheets
from tests.studies.churn.rows import TERMS, a_row, marks, timeline

PNG = b"\x89PNG"
CALLS = {
    "baseline": 32.0,
    "stable": 2.0,
    "latch-0": 40.0,
    "latch-2": 20.0,
    "latch-4": 9.0,
    "band-2": 8.0,
    "band-6": 3.0,
}
ERRORS = {"baseline": 0.4, "stable": 4.0, "latch-0": 0.3, "latch-2": 0.8, "latch-4": 1.9, "band-2": 1.5, "band-6": 5.0}
BEST = [(2.0, 4.0), (8.0, 1.5), (20.0, 0.8), (32.0, 0.4), (40.0, 0.3)]
"""Of these the ones that no other beats in both."""


def study_of(*rows):
    return Study(rows, [], TERMS)


def whole(seeds=4):
    """A run of every arm, in which something moved."""
    rows = []
    for place, arm in enumerate((*ARMS, *LONG)):
        for seed in range(1 if arm.group is Group.LONG else seeds):
            figures = {
                "calls_per_min": (2.0 if arm.is_stable else 30.0) + place / 10 + seed / 7,
                "quote_error_bps": (4.0 if arm.is_stable else 0.4) + place / 50 + seed / 11,
                "cycles": 38,
                "moved_bps": 100.0,
                "by_mid_bps": 90.0,
                "by_kappa_bps": 10.0,
                "timeline": timeline((0, 0, 0), (8 + seed, 6, 0), (26, 24, 0)),
                "path": marks(0.07, 0.069, 0.068),
            }
            rows.append(a_row(arm.name, seed, **figures))
    return study_of(*rows)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_a_whole_study_has_every_figure(theme):
    drawn = draw_all(whole(), theme)
    assert list(drawn) == list(CAPTIONS)
    assert all(png.startswith(PNG) for png in drawn.values())


def test_what_was_not_run_is_not_drawn():
    """A study that was stopped has a page, too."""
    assert draw_all(study_of()) == {}
    assert draw_all(study_of(a_row("tick"))) == {}
    one = a_row("baseline", timeline=timeline((0, 0, 0)), path=marks(0.07))
    assert list(draw_all(study_of(one))) == ["timeline", "allowance"]


def test_the_frontier_leads_over_what_nothing_beats():
    """Each rule stands at the medians of its seeds; the chosen one is marked."""
    rows = [
        a_row(name, seed, calls_per_min=CALLS[name] * factor, quote_error_bps=ERRORS[name] * factor)
        for name in CALLS
        for seed, factor in enumerate((0.5, 1.0, 3.0))
    ]
    axes = _frontier(study_of(*rows), LIGHT).axes[0]
    assert [tuple(point) for point in axes.lines[0].get_xydata()] == BEST
    points = {tuple(each.get_offsets()[0]): each for each in axes.collections}
    assert set(points) == {(CALLS[name], ERRORS[name]) for name in CALLS}
    assert points[2.0, 4.0].get_label() == "stable: chosen"
    assert points[2.0, 4.0].get_sizes()[0] > points[32.0, 0.4].get_sizes()[0]
    named = {text.get_text(): text.xy for text in axes.texts}
    assert named["latch 4 bps"] == (9.0, 1.9)


def test_a_layer_that_no_rule_beats_is_named():
    """It says that the profile would do better without it; what is where a rule is already says nothing."""
    at = {
        "baseline": (32.0, 0.4),
        "stable": (2.0, 4.0),
        "without-grid": (2.1, 2.9),
        "without-tolerance": (9.0, 5.0),
        "alone-quota_aware": (32.0, 0.4),
    }
    rows = [a_row(name, calls_per_min=calls, quote_error_bps=error) for name, (calls, error) in at.items()]
    axes = _frontier(study_of(*rows), LIGHT).axes[0]
    assert {text.get_text() for text in axes.texts} == {"without grid"}


def test_figure_and_table_have_the_same_frontier():
    """A rule that sent nothing is near to nothing, and one whose orders never rested has no distance."""
    points = {arm.name: (CALLS[arm.name], ERRORS[arm.name]) for arm in ARMS if arm.name in CALLS}
    points |= {"band-1": (0.0, 0.0), "band-4": (0.0, 9.0), "latch-6": (1.0, None), "latch-9": (None, None)}
    found = study_of(*(a_row(name, calls_per_min=x, quote_error_bps=y) for name, (x, y) in points.items()))
    abouts = {arm.about: arm.name for arm in ARMS if arm.group in (Group.PROFILES, Group.FRONTIER)}
    (sheet,) = (each for each in sheets(found) if each.title == "Calls against nearness")
    assert sorted(points[abouts[row[0]]] for row in sheet.rows if row[-2] == "yes") == BEST
    line = _frontier(found, LIGHT).axes[0].lines[0]
    assert [tuple(point) for point in line.get_xydata()] == BEST
    assert len(sheet.rows) == len(points)
    assert {abouts[row[0]] for row in sheet.rows[-4:]} == {"band-1", "band-4", "latch-6", "latch-9"}


def test_a_study_without_a_choice_has_no_frontier():
    assert _frontier(study_of(a_row("baseline", calls_per_min=32.0, quote_error_bps=0.4)), LIGHT) is None


def test_the_time_line_stands_beside_the_log():
    rows = [
        a_row("baseline", seed, timeline=timeline((0, 0, 0), (placed, placed - 2, 0)))
        for seed, placed in enumerate((6, 10, 12))
    ]
    placed, cancelled = _timeline(study_of(*rows), LIGHT).axes
    ours, source = placed.lines
    assert [tuple(point) for point in ours.get_xydata()] == [(0, 0), (60, 0), (120, 10)]
    assert [tuple(point) for point in source.get_xydata()] == [(row.t_s, row.placed) for row in INCIDENT]
    assert [point[1] for point in cancelled.lines[0].get_xydata()] == [0, 0, 8]
    assert [point[1] for point in cancelled.lines[1].get_xydata()] == [row.cancelled for row in INCIDENT]
    (band,) = placed.collections
    heights = [y for x, y in band.get_paths()[0].vertices if x == 120]
    assert (min(heights), max(heights)) == (6, 12)


def test_each_bar_is_what_its_layer_changes():
    """A step stands on the one before it; the chosen profile stands on the ground again."""
    first = next(arm for arm in ARMS if arm.group is Group.ALONE and arm.about == ROLLOUT[0])
    steps = [first, *(arm for arm in ARMS if arm.group is Group.ROLLOUT)]
    calls = [30.0, *(24.0 - 4 * place for place in range(len(steps))), 3.0]
    names = ["baseline", *(arm.name for arm in steps), "stable"]
    rows = [a_row(name, calls_per_min=value, quote_error_bps=1.0) for name, value in zip(names, calls, strict=True)]
    axes = _rollout(study_of(*rows), LIGHT).axes[0]
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    bottoms = [bar.get_y() for bar in axes.patches]
    assert tops == pytest.approx(calls)
    assert bottoms == pytest.approx([0.0, *calls[:-2], 0.0])
    assert [label.get_text() for label in axes.get_xticklabels()][::7] == ["baseline", "stable"]


def test_layers_are_judged_seed_by_seed():
    """A layer that helps in every seed is sure; one whose sign changes is grey."""
    rows = []
    for seed, level in enumerate((10.0, 50.0, 20.0, 40.0)):
        wobble = (-1.0, 1.0, -2.0, 2.0)[seed]
        rows += [
            a_row("baseline", seed, calls_per_min=level, quote_error_bps=1.0),
            a_row("alone-smoother", seed, calls_per_min=level - 5 - seed / 8, quote_error_bps=1.0),
            a_row("alone-grid", seed, calls_per_min=level + wobble, quote_error_bps=1.0),
        ]
    axes = _layers(study_of(*rows), LIGHT).axes[0]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    at = [tuple(line.get_xydata()[0]) for line in points]
    assert at == [(pytest.approx(-5.1875), 0), (pytest.approx(0.0), 1)]
    assert [line.get_color() for line in points] == [LIGHT.bid, LIGHT.quiet]


def test_bars_add_up_to_what_moved():
    rows = [a_row("baseline", seed, cycles=10, by_mid_bps=30.0, by_kappa_bps=10.0 * seed) for seed in (0, 1)]
    axes = _attribution(study_of(*rows), LIGHT).axes[0]
    widths = {group.get_label(): [bar.get_width() for bar in group] for group in axes.containers}
    assert widths["mid"] == [60 / 40]
    assert widths["kappa"] == [10 / 40]
    starts = {group.get_label(): group[0].get_x() for group in axes.containers}
    assert starts["kappa"] == widths["mid"][0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["baseline"]


def test_moments_of_a_run_belong_to_those_of_the_others():
    """No two seeds look at the allowance at exactly the same time; a run that ended early has fewer moments."""
    paths = [((60.0, 0.07), (120.001, 0.06)), ((60.002, 0.05), (120.0, 0.04)), ((60.001, 0.06),)]
    rows = [a_row("baseline", seed, path=tuple(Mark(*mark) for mark in path)) for seed, path in enumerate(paths)]
    line = _allowance(study_of(*rows), LIGHT).axes[0].lines[0]
    assert [tuple(point) for point in line.get_xydata()] == [(60.001, pytest.approx(6)), (120.0005, pytest.approx(5))]


def test_a_day_has_a_panel_of_its_own():
    short = [a_row(name, path=marks(0.07, 0.06)) for name in ("baseline", "stable")]
    assert len(_allowance(study_of(*short), LIGHT).axes) == 1
    days = [a_row(arm.name, path=marks(0.07, 0.05)) for arm in LONG]
    five_minutes, day = _allowance(study_of(*short, *days), LIGHT).axes
    assert [tuple(point) for point in five_minutes.lines[0].get_xydata()] == [(60, pytest.approx(7)), (120, 6)]
    assert len(day.lines) == len(LONG)
    assert [tuple(point) for point in day.lines[0].get_xydata()] == [(1 / 60, pytest.approx(7)), (2 / 60, 5)]
    colours = {line.get_label(): line.get_color() for line in day.lines}
    assert colours["stable, 4 % left"] == LIGHT.total
    assert colours["baseline, nothing left"] == LIGHT.ask
    styles = {line.get_label(): line.get_linestyle() for line in day.lines}
    assert styles["stable, 4 % left"] == styles["baseline, 4 % left"] != styles["stable, 7 % left"]
