"""Expectations: each bound compares the right way round, and none is forgotten."""

from dataclasses import fields

import pytest

from scenarios.expectations import KINDS, Expect, evaluate
from scenarios.figures import Belief, InventoryStats, MarketFigures, OrderCounts, Quoting
from scenarios.result import Ended, Metrics, RunResult


def result_with(**figures):
    return RunResult("x", 0, metrics=Metrics(**figures))


def outcome_of(expect, result):
    return evaluate(expect, result)[-1]


@pytest.mark.parametrize(
    ("field", "figures", "held", "broken"),
    [
        ("two_sided_of_fresh_pct_min", {"quoting": Quoting(two_sided_of_fresh_pct=95.0)}, 95.0, 95.1),
        ("fresh_s_min", {"quoting": Quoting(fresh_s=10.0)}, 10.0, 11.0),
        ("fills_min", {"fills": 3}, 3, 4),
        ("fills_recovered_min", {"fills_recovered": 3}, 3, 4),
        ("races_min", {"races": 3}, 3, 4),
        ("feed_losses_min", {"feed_losses": 3}, 3, 4),
        ("requoted_after_s_max", {"requoted_after_s": 3.0}, 3.0, 2.9),
        ("resting_while_down_s_max", {"resting_while_down_s": 3.0}, 3.0, 2.9),
        ("pnl_usd_min", {}, 0.0, 0.1),
        ("requests_per_minute_max", {"requests_per_minute": 3.0}, 3.0, 2.0),
        ("forced_fills_min", {"forced_fills": 3}, 3, 4),
        ("margin_refusals_min", {"orders": OrderCounts(rejected_by_reason={"margin": 3, "off_tick": 9})}, 3, 4),
        (
            "rejected_pct_max",
            {"orders": OrderCounts(placed=3, modified=1, rejected=3, rejected_by_reason={"cannot_modify": 2})},
            25.0,
            24.0,
        ),
        (
            "at_floor_pct_max",
            {"markets": {"ETH": MarketFigures(belief=Belief(at_floor_pct=5.0)), "SOL": MarketFigures()}},
            5.0,
            4.0,
        ),
        (
            "inventory_of_limit_pct_max",
            {"markets": {"ETH": MarketFigures(inventory=InventoryStats(max_of_limit_pct=50.0))}},
            50.0,
            49.0,
        ),
    ],
)
def test_a_bound_holds_at_itself_and_not_beyond(field, figures, held, broken):
    """Off by one in an expectation would hide exactly what it is for."""
    result = result_with(**figures)
    assert outcome_of(Expect(**{field: held}), result).holds
    assert not outcome_of(Expect(**{field: broken}), result).holds


def test_mismatches_are_those_of_a_record_check():
    """And nothing to measure is not zero mismatches."""
    assert outcome_of(Expect(mismatches_max=0), RunResult("x", 0, metrics={"mismatches": 0})).holds
    assert not outcome_of(Expect(mismatches_max=0), RunResult("x", 0, metrics={"mismatches": 1})).holds
    assert not outcome_of(Expect(mismatches_max=0), result_with()).holds


def test_what_cannot_be_measured_does_not_hold():
    """No reconnect was seen: that quotes came back cannot be claimed."""
    outcome = outcome_of(Expect(requoted_after_s_max=10), result_with())
    assert outcome.measured is None
    assert not outcome.holds


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        ({"position_difference": {"ETH": 0.1}}, "position_and_cash"),
        ({"pnl_difference_usd": -1e-6}, "position_and_cash"),
        ({"resting_orders_at_end": 1}, "orders_left"),
        ({"unknown_orders_at_end": 1}, "orders_left"),
        ({"adjustments_left": {"ETH": -0.1}}, "adjustments_left"),
    ],
)
def test_both_views_must_agree_without_being_asked(figures, name):
    """One micro-USD or one order is enough."""
    failed = [outcome.name for outcome in evaluate(Expect(), result_with(**figures)) if not outcome.holds]
    assert failed == [name]


def test_corrections_may_be_left_where_the_scenario_says_so():
    """A fill that nobody can ever hear of again: the venue's statement is all that is left of it."""
    result = result_with(adjustments_left={"ETH": -0.1})
    assert all(outcome.holds for outcome in evaluate(Expect(adjustments_left=True), result))


def test_a_violation_fails_the_run():
    """Invariants are expected in every scenario."""
    result = result_with()
    result.n_violations = 1
    assert [outcome.name for outcome in evaluate(Expect(), result) if not outcome.holds] == ["invariants"]


@pytest.mark.parametrize(
    ("halted", "ended", "holds"),
    [
        (False, Ended.COMPLETED, True),
        (False, Ended.HALTED, False),
        (True, Ended.HALTED, True),
        (True, Ended.COMPLETED, False),
        (False, Ended.FAILED, False),
        (True, Ended.FAILED, False),
    ],
)
def test_a_kill_is_expected_or_not(halted, ended, holds):
    """A scenario that must end in a kill fails when it does not."""
    result = result_with()
    result.ended = ended
    assert evaluate(Expect(halted=halted), result)[0].holds is holds


def test_every_field_is_measured():
    """A new field without a line in the table would always hold."""
    assert {field.name for field in fields(Expect)} == {kind.field for kind in KINDS} | {
        "halted",
        "adjustments_left",
        "trials_left_out",
        "alerted",
        "least",
        "most",
    }
    assert len({kind.field for kind in KINDS}) == len(KINDS)
