"""The trader's own counters in the result: all of them, and summed rightly."""

from collections import Counter
from dataclasses import fields, replace

import pytest

from orchestrator.metrics import DeskSnapshot, Snapshot
from scenarios.expectations import Expect, evaluate
from scenarios.figures import TraderFigures
from scenarios.result import Metrics, RunResult
from scenarios.trader_figures import COUNTERS, trader_figures
from tests.scenarios.runs import PLAIN, outcome, result_of

ELSEWHERE = {
    "a state of the moment": """instrument mid position position_limit cash fees realized unrealized best_own_bid
        best_own_ask n_bids n_asks pending_bid pending_ask fillable_bid fillable_ask worst_case_min worst_case_max
        worst_case_usd is_book_balanced
        gate unknown_orders active_orders stale_orders net_pending resting_bid resting_ask orders requests_in_flight
        now phase kill life desks risk_level risk_reasons spread_factor size_factor position_utilization
        reach recovery account_value margin_used gross_usd
        connection circuits sequence_gap_max audit sync_score sync_state
        owner_moved waiting_sides quota_used quota_left dead_man""",
    "measured at the venue or on the wire": """volume fills taker_fills bought sold placed modified cancels_sent
        cancelled rejected filled two_sided_ns one_sided_ns""",
    "AllowanceFigures.prediction_off": "messages_counted weight_counted",
    "Quoting.gated_s": "gated_ns",
    "Metrics.cycles": "cycles",
    "TraderFigures.request_timeout_ms": "request_timeout",
    "Belief": """kappa kappa_sd sigma jump_ratio intensity intensity_sd half_spread_bps data_age since_last_cycle
        quotes quotes_at_floor quotes_kappa_capped
        accumulated_bps max_priority adjusted_lots fill_quality""",
    "TraderFigures.restatements, as events": "undone_lots",
}
"""Fields of the snapshots that are no counters of these figures, by where they are instead."""


def snapshot_fields():
    return [field.name for cls in (DeskSnapshot, Snapshot) for field in fields(cls)]


def test_every_counter_of_the_trader_reaches_the_result():
    """A counter that no table and no document shows counts for nobody."""
    elsewhere = {name for names in ELSEWHERE.values() for name in names.split()}
    told = {COUNTERS.get(field.name, field.name) for field in fields(TraderFigures)} - {"request_timeout_ms"}
    assert set(snapshot_fields()) - elsewhere - told == set()
    assert (told | elsewhere) - set(snapshot_fields()) == set()


def lives():
    """Two lives of two desks, in which counter number n of a desk is n, and mappings hold it."""
    desk = {field.name: i for i, field in enumerate(fields(DeskSnapshot))}
    whole = {field.name: 100 + i for i, field in enumerate(fields(Snapshot))}
    for name in (
        "cycles_by_cause",
        "inputs_suppressed",
        "stops_by_reason",
        "actions_gated",
        "kept_by_layer",
        "actions_paced",
        "actions_refused",
        "gated_ns",
        "side_rejections",
        "data_anomalies",
    ):
        desk[name] = {"a": desk[name], "b": 1}
    for name in (
        "analytics_errors",
        "supervisor_events",
        "circuits_opened",
        "requests_by_way",
        "sync_triggers",
        "drift_causes",
    ):
        whole[name] = {"x": 2}
    one = DeskSnapshot(**desk)
    life = Snapshot(**whole | {"desks": (one, replace(one, cycles_by_cause={"c": 5}))})
    return [life, replace(life, request_timeout=7_000_000)]


def test_desks_and_lives_are_summed():
    """Two instruments in two lives: four times the desk's counters, twice the account's; the patience is the last."""
    figures = trader_figures(lives())
    order = [field.name for field in fields(DeskSnapshot)]
    assert figures.events_total == 4 * order.index("events_total")
    assert figures.actions_sent == 4 * order.index("actions_sent")
    assert figures.requests_sent == 2 * (100 + [field.name for field in fields(Snapshot)].index("requests_sent"))
    assert figures.cycles_by_cause == {"a": 2 * order.index("cycles_by_cause"), "b": 2, "c": 10}
    assert figures.analytics_errors == {"x": 4}
    assert figures.request_timeout_ms == 7
    assert trader_figures([]) == TraderFigures()


@pytest.mark.parametrize(
    ("generated", "sent", "gated", "lost"),
    [(5, 3, {"self_cross": 2}, 0), (5, 3, {"self_cross": 1}, 1), (5, 6, {}, -1)],
)
def test_an_action_is_sent_or_counted_as_held_back(generated, sent, gated, lost):
    """MT-36: an action that the trader wanted and nobody sent or counted fails every scenario."""
    trader = TraderFigures(actions_generated=generated, actions_sent=sent, actions_gated=gated)
    (found,) = [o for o in evaluate(Expect(), RunResult("x", 0, metrics=Metrics(trader=trader))) if "lost" in o.name]
    assert (found.measured, found.holds) == (lost, not lost)


def test_a_spike_of_latency_shows_in_the_counters():
    """Answers after their deadline, cycles by cause, and why cycles ended early: what a trader looks for first."""
    result = result_of("latency-spike", 180)
    trader = result.metrics.trader
    assert outcome(result, "actions_lost").holds
    assert trader.requests_silent > 0
    assert 0 < trader.requests_late <= trader.requests_silent
    assert 0 <= result.metrics.requests - trader.requests_sent <= 5  # those of the shutdown
    assert sum(trader.cycles_by_cause.values()) == result.metrics.cycles > 0
    assert trader.stops_by_reason["reconcile:unchanged"] > 0
    gated = sum(trader.actions_gated.values())
    assert trader.actions_generated == trader.actions_sent + gated + trader.kept_by_layer["latch"] > 0
    assert trader.fills_applied == result.metrics.fills
    told = Counter(trader.actions_refused)
    assert told["post_only_would_cross"] == result.metrics.orders.rejected_by_reason["post_only_would_cross"]


def test_beliefs_are_those_of_the_desk():
    """Estimates with their doubts, for each instrument; the rate of trades only where the model reads it."""
    for name, reads_rate in (("eth-volatile", False), ("eth-stationary", True)):
        belief = result_of(name, 90).metrics.markets["ETH"].belief
        assert belief.kappa > belief.kappa_sd > 0
        assert 0 < belief.sigma_bps < 5
        assert belief.half_spread_bps > 0
        assert (belief.intensity is not None) is reads_rate
        assert belief.max_priority > 0


def test_the_stationary_model_quotes_otherwise():
    """The same market and seed: what the world does with other quotes is another history."""
    horizon, stationary = (result_of(name, 120, PLAIN) for name in ("eth-volatile", "eth-stationary"))
    assert horizon.world_digest != stationary.world_digest
