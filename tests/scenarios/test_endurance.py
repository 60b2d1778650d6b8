"""Endurance: how soon quotes come back, what grows, and that an endurance run says both."""

import pytest

from domain.units import NS_PER_S
from scenarios.endurance import Looks, RecoveryTimes, resident_mb, state_bytes
from scenarios.figures import Growth
from scenarios.runner import run
from tests.scenarios.runs import result_of, running_of

S = NS_PER_S


def test_every_loss_is_timed_until_both_sides_rest():
    """Two connections that are lost apart and come back together took different times."""
    times = RecoveryTimes()
    times.quote(1 * S)
    assert times.figures() is None, "nothing was lost"
    times.lose(10 * S)
    times.lose(14 * S)
    times.quote(20 * S)
    times.quote(25 * S)
    times.lose(30 * S)
    times.quote(31 * S)
    times.lose(40 * S)
    figures = times.figures()
    assert (figures.count, figures.p50_s, figures.max_s) == (3, 6.0, 10.0)


@pytest.mark.parametrize(
    ("sizes", "growth"),
    [
        ([5.0] * 8, Growth(5.0, 5.0, 5.0)),
        ([0, 0, 10, 10, 10, 10, 30, 50], Growth(50, 10, 40, 300.0)),
        ([9, 0, 1, 1, 1, 1, 1, 1], Growth(9, 1, 1)),
        ([1, 2, 3], Growth(3, 2, 2)),
    ],
)
def test_growth_compares_the_end_with_the_time_after_the_begin(sizes, growth):
    """A peak at the start is no growth; a slope is."""
    looks = Looks()
    for size in sizes:
        looks.take({"queue": float(size)})
    assert looks.growth() == {"queue": growth}
    assert looks.figures().looks == len(sizes)


def test_the_state_of_a_trader_is_plain_data_that_can_be_weighed():
    """A trader that has lived longer, with bounded memories, weighs more only while they fill."""
    running = running_of("eth-volatile", 60)
    running.start()
    running.world.run(30 * S)
    early = running.sizes()
    running.world.run(60 * S)
    late = running.sizes()
    assert 1_000 < early["trader_bytes"] < late["trader_bytes"] < 1_000_000
    assert late["ended_orders"] > early["ended_orders"]
    assert late["trader_bytes"] == state_bytes(running.trader.core)
    assert early["orders"] > 0
    assert early["calls"] > 0
    running.driver.kill_trader()
    assert set(running.sizes()) == {"calls", "inbox"}


def test_an_endurance_run_tells_what_it_kept():
    """Two hundred looks; other runs are spared them, and the digests are the same."""
    soak = run(running_of("gap-no-snapshot", 241, "soak=true"), 7)
    plain = result_of("gap-no-snapshot", 241)
    assert soak.journal_digest == plain.journal_digest
    assert plain.metrics.endurance is None
    assert plain.wall.resident_mb is None
    assert soak.metrics.endurance.looks == 200
    assert soak.metrics.endurance.sizes["orders"].peak > 0
    assert soak.wall.resident_mb.peak >= soak.wall.resident_mb.late > 10
    assert soak.metrics.recoveries == plain.metrics.recoveries
    assert soak.metrics.recoveries.count == soak.metrics.feed_losses - 1, "the last one comes with the end"
    assert 0 < soak.metrics.recoveries.p50_s <= soak.metrics.recoveries.p90_s <= soak.metrics.recoveries.max_s


def test_memory_of_this_process_is_a_number_of_megabytes():
    assert 5 < resident_mb() < 10_000
