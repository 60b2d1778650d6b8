"""Market data that comes late: the whole trader in a world, judged by the venue's stamps."""

import pytest

from domain.units import millis
from scenarios.runner import run
from tests.scenarios.runs import result_of, running_of

SPIKE = (
    'faults=[{kind="latency_spike", at_s=50, duration_s=40, factor=1.0, extra_ms=30000, links=["market_data"]}]',
    "expect.rejected_pct_max=100",
    "trader.supervisor=off",
    "trader.risk.staleness.halt_s=3600",
    "links.ping_every_ms=off",
)
"""What the venue publishes from 50 to 90 s arrives 30 s late: so the trader sees nothing until 80 s, and then until
120 s a steady stream of what was. The watchdog, which would connect anew meanwhile, is not what is looked at here."""


@pytest.fixture(scope="module")
def running():
    made = running_of("eth-quiet", 150, *SPIKE)
    made.result = run(made, 7)
    return made


def test_late_data_gates_as_long_as_it_is_late(running):
    """C-04, DQ-13: by its receipt the data would be fresh from 80 s on; by the venue's stamps it is from 120 s on."""
    (span,) = [span for span in running.trace.gates if span.name == "stale_data"]
    assert span.start == pytest.approx(65, abs=1)
    assert span.end == pytest.approx(120, abs=1)
    assert running.result.holds
    assert running.result.metrics.quoting.gated_s["stale_data"] == pytest.approx(55, abs=2)


def test_the_figures_call_fresh_what_the_trader_may_quote_on(running):
    """Both count from the stamps: nothing is fresh while the gate is closed, and the trader quotes when it is."""
    quoting = running.result.metrics.quoting
    assert quoting.fresh_s == pytest.approx(quoting.observed_s - 55, abs=2)
    assert quoting.two_sided_of_fresh_pct > 98
    assert running.result.metrics.data_gaps == 1
    assert running.result.metrics.longest_data_gap_s == pytest.approx(70, abs=1)


def test_the_adapters_clock_is_what_the_trader_counts_with(running):
    """Each connection that comes up brings a comparison of the clocks, and it reaches the market of the desk."""
    (market,) = (desk.market for desk in running.trader.core.desks.values())
    assert market.clock is not None
    assert abs(market.clock.offset) <= market.clock.error < millis(200)
    assert market.n_future == 0


def test_what_a_dying_connection_still_tells_is_not_quoted_on():
    """stale-book, seed 1: given up, the old connection told prices for a second; the new one quoted on them (S21)."""
    result = result_of("stale-book", 110, seed=1)
    assert result.metrics.checks["S21"] > 50
    assert result.violations == []


FUTURE = (
    'faults=[{kind="restamped", at_s=50, duration_s=40, stamp="future", by_s=60.0}]',
    "expect.rejected_pct_max=100",
    "trader.supervisor=off",
    "trader.risk.staleness.halt_s=3600",
    "trader.risk.staleness.invalid_messages=off",
    "trader.desk.data_quality.frozen_ms=off",
)
"""From 50 to 90 s everything of the market is stamped a minute too late. Nobody connects anew for it, and nobody
counts trades without a change of the top: the age of the data alone is what closes the gate."""


def test_stamps_from_the_future_do_not_blind_the_trader():
    """They are not used, so the data grows stale; when they cease quoting goes on at once, on the same connection."""
    running = running_of("eth-quiet", 120, *FUTURE)
    result = run(running, 7)
    (span,) = [span for span in running.trace.gates if span.name == "stale_data"]
    assert span.start == pytest.approx(65, abs=1)
    assert span.end == pytest.approx(90, abs=1)
    (market,) = (desk.market for desk in running.trader.core.desks.values())
    assert market.n_future > 100
    assert running.alerts["future_data"] == 1
    assert result.metrics.feed_losses == 0
    assert result.metrics.data_gaps == 1
    assert result.metrics.quoting.two_sided_of_fresh_pct > 98
