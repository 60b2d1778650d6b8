"""Every risk monitor, and the budget, is met by a scenario that is red without it."""

import pytest

from orchestrator.risk.monitors import MONITORS
from scenarios.result import Ended
from tests.scenarios.runs import outcome, result_of

SECONDS = {
    "risk-flash": 400,
    "risk-loss": 600,
    "risk-stale": 150,
    "risk-refusals": 150,
    "risk-rate": 600,
    "quota-exhausted": 150,
    "stuck-reduce-only": 300,
}
MET_IN = {
    "velocity": "risk-flash",
    "cascade": "risk-flash",
    "loss": "risk-loss",
    "drawdown": "risk-loss",
    "position": "risk-loss",
    "staleness": "risk-stale",
    "rate_limit": "risk-rate",
    "margin": "stuck-reduce-only",
}


def test_no_monitor_is_forgotten():
    assert set(MET_IN) == {monitor.name for monitor in MONITORS}


@pytest.mark.parametrize("name", SECONDS)
def test_the_scenario_holds(name):
    """With everything switched on; nothing that must hold is broken on the way."""
    result = result_of(name, SECONDS[name])
    assert [each.name for each in result.expectations if not each.holds] == []
    assert result.violations == []


@pytest.mark.parametrize("monitor", MET_IN)
def test_without_its_monitor_a_scenario_is_red(monitor):
    """Switched off by `--set`, as a user would."""
    name = MET_IN[monitor]
    result = result_of(name, SECONDS[name], f'trader.risk.{monitor}="off"')
    alerted = outcome(result, "alerted")
    assert not alerted.holds
    assert f"risk_{monitor}" in alerted.measured


def test_a_loss_ends_the_run_and_where_one_layer_is_off_the_next_one_does():
    """RK-16, RK-24: the loss limit kills, without it the drawdown does, without both nothing is left to."""
    result = result_of("risk-loss", 600)
    assert result.ended is Ended.HALTED
    assert result.reason.startswith("loss of 5.")
    assert result.metrics.resting_orders_at_end == 0
    next_layer = result_of("risk-loss", 600, 'trader.risk.loss="off"')
    assert "below the best" in next_layer.reason
    bare = result_of("risk-loss", 600, 'trader.risk.loss="off"', 'trader.risk.drawdown="off"')
    assert bare.ended is Ended.COMPLETED
    assert result.metrics.pnl_usd.total > next_layer.metrics.pnl_usd.total > bare.metrics.pnl_usd.total


def test_quotes_are_pulled_by_name_and_come_back():
    """QE-03: the time without quotes is told by the monitor that keeps them away; afterwards both sides stand again.

    The speed of the fall is over at once, how deep it went is not.
    """
    result = result_of("risk-flash", 400)
    gated = result.metrics.quoting.gated_s
    assert {name for name in gated if not name.startswith("warming: ")} == {"starting", "velocity", "cascade"}
    assert 0 < gated["velocity"] < 30 < gated["cascade"]
    assert result.metrics.trader.halts == 2
    assert result.metrics.quoting.two_sided_of_fresh_pct > 30


@pytest.mark.parametrize(("override", "is_refused"), [("checks.every=50", False), ('trader.budget="off"', True)])
def test_with_a_budget_the_venue_never_has_to_say_no(override, is_refused):
    """RL-01: the allowance is used up within a minute; the trader knows, and does not ask for more than there is."""
    result = result_of("quota-exhausted", 150, override)
    assert ("quota_exhausted" in result.metrics.trader.actions_refused) is is_refused
    assert ("quota" in result.metrics.trader.actions_gated) is not is_refused
    assert result.metrics.trader.actions_generated == result.metrics.trader.actions_sent + sum(
        result.metrics.trader.actions_gated.values()
    )


def test_what_the_trader_says_of_its_fills_is_what_the_venue_shows():
    """C-16, FL-13: the trader's markouts from its own data are near those of the truth."""
    result = result_of("cancel-fill-race", 120)
    belief = result.metrics.markets["ETH"].belief
    truth = result.metrics.markouts_usd[1]
    assert belief.markouts_known_pct == pytest.approx(100, abs=3)
    assert belief.adverse_pct == pytest.approx(truth.adverse_pct, abs=10)
    assert belief.net_markout_bps is not None
    assert 0 < belief.fill_latency_p50_ms <= belief.fill_latency_p99_ms
    assert 0 < belief.fill_rate < 1
