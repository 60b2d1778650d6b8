"""The account's own risk in whole runs: what a liquidation leaves behind, and how a stuck position comes down."""

import pytest

from domain.commands import Modify, Place, Request
from domain.events import Restored
from domain.units import Ns, Side, Tif
from orchestrator.core import Orchestrator
from runtime.fold import fold
from runtime.journal_format import Decided
from scenarios.result import Ended
from scenarios.runner import run
from tests.scenarios.runs import result_of, running_of


def test_a_liquidation_is_still_latched_in_the_next_life():
    """C-19, RK-19: the journal says so; the next life places nothing until a person has looked."""
    running = running_of("liquidation", 120)
    result = run(running, 7)
    assert result.ended is Ended.HALTED
    assert result.reason.startswith("liquidation: ETH")
    assert result.metrics.alerts["liquidated"] == result.metrics.alerts["kill"] == 1
    restored = fold(running.journal.records())
    assert isinstance(restored, Restored)
    assert restored.kill == result.reason
    core = Orchestrator(running.setup.trader, tuple(running.world.instruments.values()))
    core.apply(restored, Ns(0))
    assert core.gate.reason(core._now) == "kill"


def test_without_the_latch_it_goes_on_as_if_nothing_had_happened():
    """The same world: told all the same, and trading on the money that is left."""
    result = result_of("liquidation", 120, "trader.risk.liquidation_kills=false")
    assert result.ended is Ended.COMPLETED
    assert result.metrics.alerts["liquidated"] == 1
    assert result.metrics.trader.forced_fills_seen == result.metrics.forced_fills >= 1


def test_a_stuck_position_comes_down_step_by_step():
    """RS-14, T-21: each order that takes is on the reducing side; each fill of one leaves less and turns nothing."""
    running = running_of("stuck-reduce-only", 150)
    fills = []
    running.world.venue.taps.on_fill.append(lambda account, fill: fills.append(fill) if account == "trader" else None)
    result = run(running, 7)
    assert (result.ended, result.n_violations) == (Ended.COMPLETED, 0)
    sent = [
        action.place if isinstance(action, Modify) else action
        for record in running.journal.records()
        if isinstance(record, Decided)
        for command in record.commands
        if isinstance(command, Request)
        for action in command.actions
        if isinstance(action, Place | Modify)
    ]
    taking = {place.cloid: place for place in sent if place.tif is Tif.IOC}
    assert len(taking) == result.metrics.trader.recovery_iocs >= 1
    assert all(place.reduce_only and place.side is Side.SELL for place in taking.values())
    for fill in (fill for fill in fills if fill.cloid in taking):
        after = fill.start_position + fill.side * fill.sz
        assert abs(after) < abs(fill.start_position)
        assert after * fill.start_position >= 0
    assert result.metrics.checks["S16"] > 0


@pytest.mark.parametrize(
    ("name", "seconds", "off", "figure"),
    [
        ("margin-squeeze", 130, 'trader.margin="off"', lambda m: m.orders.rejected_by_reason.get("margin", 0)),
        ("gross-limit", 130, 'trader.risk.limits.gross_usd="off"', lambda m: m.gross_usd_max / 1_000),
        ("stuck-reduce-only", 178, 'trader.desk.recovery="off"', lambda m: m.short_of_margin_s),
    ],
)
def test_each_part_carries_something(name, seconds, off, figure):
    """MG-05, MG-09, RS-12: the same run without it is worse by far, in the figure that it is about."""
    with_it, without_it = (figure(result_of(name, seconds, *options).metrics) for options in ((), (off,)))
    assert without_it > 2 * with_it


def test_behind_every_layer_stands_another():
    """RK-24: a market that only falls: limits keep the loss small; without them the kill; without that the position."""
    no_limit = 'trader.risk.limits="off"'
    no_kill = ('trader.risk.loss="off"', 'trader.risk.drawdown="off"')
    whole, killed, bare = (result_of("gross-limit", 300, *off) for off in ((), (no_limit,), (no_limit, *no_kill)))
    assert [result.ended for result in (whole, killed, bare)] == [Ended.COMPLETED, Ended.HALTED, Ended.COMPLETED]
    losses = [-result.metrics.pnl_usd.total for result in (whole, killed, bare)]
    assert losses == sorted(losses)
    assert losses[0] < 50
    assert 150 <= losses[1] < 170  # its limit, and what the last look saw
    held = sum(market.inventory.max_abs_usd for market in bare.metrics.markets.values())
    assert held < 2 * 10_300  # each at its own limit
    assert losses[2] < held * 0.04  # the whole move against all that may be held
