"""Figures: they are drawn for any run, also one in which nothing happened."""

import pytest

from scenarios.plots import DARK, LIGHT, _inventory, draw_all, write_all
from scenarios.trace import FillMark, Lifetime, MarketTrace, Span, Trace
from tests.scenarios.runs import result_of

PNG = b"\x89PNG"


def empty():
    return Trace("empty", 0, 10.0, markets={"ETH": MarketTrace("ETH")})


def test_figures_of_a_run(tmp_path):
    """One file for each claim."""
    paths = write_all(result_of("two-markets", 60).trace, tmp_path)
    assert sorted(path.name for path in paths) == [
        "inventory.png",
        "market-ETH.png",
        "market-SOL.png",
        "orders.png",
        "pnl.png",
    ]
    assert all(path.read_bytes().startswith(PNG) for path in paths)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_a_run_without_anything_is_drawn(theme):
    """A trader that never started must not break its own report."""
    assert set(draw_all(empty(), theme)) == {"market", "inventory", "pnl", "orders"}


def test_figures_reach_to_the_end_of_the_shutdown():
    """Protects the position in the figure from ending elsewhere than the one in the table."""
    result = result_of("eth-quiet", 60)
    axes = _inventory(result.trace, LIGHT).axes[0]
    (market,) = result.trace.markets.values()
    assert axes.get_xlim() == (0, market.t[-1])
    assert market.t[-1] > result.trace.stopped_s == result.metrics.duration_s == 60
    assert market.position[-1] == result.metrics.markets["ETH"].inventory.end_size


def test_a_run_without_quotes_is_drawn():
    """Prices are there, ours are not a number throughout."""
    trace = empty()
    market = trace.markets["ETH"]
    nan = float("nan")
    market.t, market.market_bid, market.market_ask = [0.0, 1.0], [99.0, 99.0], [101.0, 101.0]
    market.our_bid, market.our_ask, market.position = [nan, nan], [nan, nan], [0.0, 0.0]
    market.fills.append(FillMark(0.5, 99.0, 1.0, is_buy=True, is_taker=False))
    trace.gates.append(Span(0.0, 1.0, "starting"))
    trace.lifetimes += [Lifetime(0.0, "rejected"), Lifetime(0.0, "filled")]
    assert all(png.startswith(PNG) for png in draw_all(trace).values())
