"""The synthetic markets look like the recorded ones where a first flow can: broad ranges, and their sources.

Recorded (Hyperliquid ETH, `hl_l2_trades/stylized_facts.json`): 35 minutes of 2025-09-04 and 24 minutes of 2025-12-10.
`eth-volatile` has to come near both; `eth-quiet` is a calmer day of the same market, for which there is no recording.

What no range below asks for, because this flow does not have it: clustered volatility (recorded correlation of
absolute 1 s returns 0.13), correlation of returns (0.1 to 0.2), more buyers than sellers (0.6), a fat tail of the
spread.
"""

import json

import pytest
from msgspec.structs import replace

from domain.events import BboChanged, BookReported, TradesPrinted
from sim.flow.synthetic import PROFILES
from sim.world import ETH, MarketConfig, WorldConfig
from tests.sim.market_facts import facts, listen, quantile

# name: (2025-09, 2025-12, range of eth-volatile, range of eth-quiet)
RANGES = {
    "l2_gap_ms_p50": (540.0, 542.0, (520, 570), (520, 570)),
    "bbo_updates_per_s": (14.61, 13.99, (10, 15), (10, 15)),
    "one_tick_share": (0.9324, 0.9092, (0.88, 0.97), (0.95, 0.995)),
    "spread_bps_mean": (0.282, 0.384, (0.28, 0.45), (0.28, 0.4)),
    "top1_size_p50": (86.7469, 71.3512, (60, 100), (60, 110)),
    "depth20_bid_p50": (2374.4424, 1626.2607, (1_600, 2_500), (1_600, 2_600)),
    "trades_per_min": (196.9, 267.7, (160, 280), (100, 190)),
    "trade_ntl_usd_p50": (814.19, 500.56, (450, 1_000), (450, 1_000)),
    "trade_ntl_usd_mean": (11184.3, 6252.44, (5_500, 12_000), (3_500, 10_000)),
    "trade_ntl_usd_p99": (196087.39, 138918.12, (70_000, 220_000), (40_000, 200_000)),
    "buy_share": (0.598, 0.638, (0.42, 0.65), (0.4, 0.65)),
    "share_trades_same_ms_as_previous": (0.617, 0.708, (0.55, 0.72), (0.55, 0.72)),
    "ret1s_std_bps": (0.9119, 1.4308, (0.8, 1.5), (0.15, 0.5)),
    "ret1s_kurtosis": (40.22, 87.56, (10, 250), (10, 800)),
    "sign_acf1": (0.5683, 0.7004, (0.55, 0.75), (0.55, 0.8)),
    "levels_min": (20, 20, (10, 20), (10, 20)),
}


@pytest.fixture(scope="module", params=["eth-quiet", "eth-volatile"])
def market(request):
    config = WorldConfig(markets=(MarketConfig(flow=PROFILES[request.param]),))
    return request.param, facts(listen(config, seed=11, seconds=1_200), tick=10)


def test_the_market_is_within_the_recorded_facts(market):
    """Protects every study on these markets: what is learnt there must have a chance to hold elsewhere."""
    profile, found = market
    ranges = {name: row[2 if profile == "eth-volatile" else 3] for name, row in RANGES.items()}
    outside = {n: (found[n], low, high) for n, (low, high) in ranges.items() if not low <= found[n] <= high}
    assert outside == {}


def test_the_small_coin_has_a_spread_of_many_ticks_and_a_thin_book():
    """What `alt-thin` is for: room between tick and spread, and takers who reach past the touch (Q7a)."""
    instrument = replace(ETH, sz_decimals=3)
    config = WorldConfig(markets=(MarketConfig(instrument=instrument, flow=PROFILES["alt-thin"]),))
    events = listen(config, seed=11, seconds=600)
    tops = [event for event in events if isinstance(event, BboChanged)]
    spreads = sorted((top.ask[0] - top.bid[0]) / (top.ask[0] + top.bid[0]) * 2e4 for top in tops)
    assert 4 < spreads[0] < quantile(spreads, 0.95) < 8
    assert min(top.ask[0] - top.bid[0] for top in tops) >= 20 * instrument.tick_at(tops[0].bid[0])
    prints = [trade.px for event in events if isinstance(event, TradesPrinted) for trade in event.trades]
    assert min(min(len(book.bids), len(book.asks)) for book in events if isinstance(book, BookReported)) >= 5
    assert len(set(prints)) > 100


def test_the_recorded_facts_are_inside_the_ranges_of_the_volatile_market():
    """Protects the ranges: they were made around the recordings and not around the flow."""
    for name, (september, december, (low, high), _) in RANGES.items():
        assert low <= min(september, december), name
        assert max(september, december) <= high, name


def test_the_recorded_facts_are_those_of_the_recordings(data_dir):
    """Protects the source of the table above."""
    recorded = json.loads((data_dir / "hl_l2_trades/stylized_facts.json").read_text())
    for name, (september, december, _, _) in RANGES.items():
        if name in recorded["ETH"]:
            assert (recorded["ETH"][name], recorded["ETH_202512"][name]) == pytest.approx(
                (september, december), rel=1e-4
            )
