"""Figures by their path: what a scenario may ask for, what is measured, what is named as wrong."""

import pytest

from domain.errors import ConfigError
from scenarios.expectations import Expect, evaluate
from scenarios.figures_by_path import measure, wrong_step
from scenarios.loader import load
from scenarios.result import FaultFigures, Metrics, OrderCounts, RunResult, TraderFigures
from tests.scenarios.runs import outcome

METRICS = Metrics(
    fills=3,
    healed_after_s=None,
    orders=OrderCounts(modified=5, rejected_by_reason={"margin": 2}),
    trader=TraderFigures(),
    faults=[
        FaultFigures("crash", 0.0, 1.0, 2, {"crashes": 2, "resting": 7}),
        FaultFigures("crash", 5.0, 6.0, 1, {"crashes": 1}),
    ],
)


@pytest.mark.parametrize(
    ("path", "figure"),
    [
        ("fills", 3),
        ("orders.modified", 5),
        ("orders.rejected_by_reason.margin", 2),
        ("orders.rejected_by_reason.halted", 0),
        ("faults.crash.injected", 3),
        ("faults.crash.resting", 7),
        ("faults.crash.strikes", 0),
        ("faults.stall.stalls", None),
        ("healed_after_s", None),
        ("orders", None),
    ],
)
def test_a_figure_is_found_by_its_path(path, figure):
    """Counts of nothing are 0; what was not measured is no number, and faults of a kind are added up."""
    assert measure(METRICS, path) == figure


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("orders.modified", None),
        ("trader.actions_refused.not_open", None),
        ("markets.ETH.inventory.end_usd", None),
        ("healed_after_s", None),
        ("recoveries.max_s", None),
        ("faults.crash.resting", None),
        ("faults.stall.stalls", "stall: no fault of the scenario (crash)"),
        ("faults.crash", "faults: a kind of fault and one of its counts"),
        ("orders.modifed", "modifed: none of"),
        ("orders.modified.more", "more: nothing is below orders.modified"),
        ("orders", "orders: no number"),
    ],
)
def test_a_path_without_a_figure_is_named(path, wrong):
    """A typo would be an expectation that never holds, or one that always does."""
    found = wrong_step(path, {"crash"})
    assert found is None if wrong is None else found.startswith(wrong)


def test_least_and_most_are_expectations_of_their_own():
    """Each path is a line of the table with its own bound; on the bound it holds, without a figure it does not."""
    result = RunResult("name", 0, metrics=METRICS)
    least = {"orders.modified": 5, "fills": 4, "healed_after_s": 0}
    evaluated = evaluate(Expect(least=least, most={"orders.rejected_by_reason.margin": 1}), result)
    result.expectations = evaluated
    found = {name: (outcome(result, name).bound, outcome(result, name).holds) for name in least}
    assert found == {
        "orders.modified": (">= 5", True),
        "fills": (">= 4", False),
        "healed_after_s": (">= 0", False),
    }
    most = outcome(result, "orders.rejected_by_reason.margin")
    assert (most.bound, most.measured, most.holds) == ("<= 1", 2, False)


def test_a_file_with_a_wrong_path_does_not_load():
    """All of them are named, before anything runs."""
    with pytest.raises(ConfigError) as caught:
        load("eth-quiet", ['expect.least={"orders.modifed"=1,"faults.crash.crashes"=1}', 'covers=["A99"]'])
    lines = [str(problem) for problem in caught.value.problems]
    assert len(lines) == 3
    assert any("expect.least: found modifed: none of" in line for line in lines)
    assert any("crash: no fault of the scenario (none)" in line for line in lines)
    assert any('covers[0]: found "A99"' in line for line in lines)
