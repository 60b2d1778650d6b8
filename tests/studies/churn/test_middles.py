"""The middle of several seeds, and how sure a difference is."""

from math import inf, isinf

import pytest

from scenarios.medians import medians
from studies.churn.middles import Difference, Spread, difference_of, spread_of, values_of, written
from tests.studies.churn.rows import a_row


def arm(name, values, figure="calls_per_min"):
    return [a_row(name, seed, **{figure: value}) for seed, value in enumerate(values)]


def test_quartiles_are_values_that_occur():
    assert spread_of([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(2.0, 3.0, 4.0)
    assert spread_of([1.0, 2.0]) == Spread(1.0, 1.5, 2.0)
    assert spread_of([]) is None


def test_a_ratio_to_no_fill_is_more_than_every_number_and_a_missing_share_is_none():
    """Half of the seeds without fills: the median is infinite, and nothing is not a number."""
    ratios = values_of(arm("stable", [None, 6.0, None, 8.0], "calls_per_fill"), "calls_per_fill")
    assert sorted(ratios) == [6.0, 8.0, inf, inf]
    assert spread_of(ratios) == Spread(8.0, inf, inf)
    assert values_of(arm("stable", [None, 0.5], "modify_share"), "modify_share") == [0.5]


def test_several_runs_of_a_scenario_have_the_same_median():
    """One figure, two commands: what `run --seeds` says is what the study says."""
    for name in ("modify_share", "queue_kept_share", "calls_per_min", "cancel_fill_ratio", "calls_per_fill"):
        for values in ((None, 0.0, 1.0), (None, None, 4.0), (None, 2.0), (None,), (1.0, 5.0, 2.0)):
            ours = medians([{name: value} for value in values])[name]
            found = spread_of(values_of([a_row(seed=i, **{name: value}) for i, value in enumerate(values)], name))
            assert ours == (None if found is None or isinf(found.middle) else found.middle)


def test_a_difference_is_of_pairs_of_seeds():
    """What is common to both runs of a seed is no difference; a seed that one arm lacks says nothing."""
    noise = [3.0, 17.0, 40.0, 9.0, 28.0]
    found = difference_of(arm("a", noise), arm("b", [each - 2 for each in noise[:4]]), "calls_per_min")
    assert found == Difference(-2.0, -2.0, -2.0)
    assert found.is_sure


def test_an_interval_covers_the_median_and_is_the_same_in_every_call():
    base = arm("a", [0.0] * 9)
    after = arm("b", [-3.0, -1.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 9.0])
    found = difference_of(base, after, "calls_per_min")
    assert found == difference_of(base, after, "calls_per_min")
    assert found.middle == 1.5
    assert -3.0 <= found.low < 1.5 < found.high <= 9.0
    assert not found.is_sure
    assert difference_of(base, arm("b", [each / 10 + 5 for each in range(9)]), "calls_per_min").is_sure


@pytest.mark.parametrize(("values", "middle"), [([4.0], 4.0), ([4.0, 6.0], 5.0)])
def test_one_seed_or_two_have_no_interval(values, middle):
    found = difference_of(arm("a", [0.0, 0.0]), arm("b", values), "calls_per_min")
    assert found == Difference(middle, None, None)
    assert not found.is_sure


def test_without_pairs_there_is_no_difference():
    """A seed that has the figure in one arm alone is no pair."""
    assert difference_of(arm("a", [None, 1.0]), arm("b", [1.0, None]), "calls_per_min") is None


def test_numbers_are_written_for_people():
    assert [written(None), written(inf), written(1234.567), written(0.5, 0)] == ["-", "inf", "1,234.57", "0"]
