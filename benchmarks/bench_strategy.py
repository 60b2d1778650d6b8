"""What one quote costs, from the estimates to sized levels on the grid.

    python -m pytest benchmarks/bench_strategy.py --benchmark-only
    python benchmarks/bench_strategy.py          # p50 and p99 of each step, in microseconds

A run at 200 times real time with a cycle every 100 ms of the market has 500 us for everything a cycle does. Goal:
compute_quote under 20 us, a ladder of five levels a side under 60 us. The inputs change from call to call.
"""

import sys
from pathlib import Path
from random import Random
from time import perf_counter_ns

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.instrument import Instrument
from domain.units import Frac, InstrumentId, Ns, Sz
from strategy.glft import InventoryModel, QuoteConfig, QuoteParams, compute_quote, derive_gamma
from strategy.kappa import TradeKappa
from strategy.ladder import LadderConfig, build_ladder
from strategy.volatility import BipowerVolatility

CALLS = 5_000
ETH = Instrument(id=InstrumentId("ETH"), sz_decimals=4)
GAMMA = derive_gamma(3250.0, Frac(2e-4), 60.0)
RANDOM = Random(1)
PARAMS = [
    QuoteParams(
        fair=200_000.0 + RANDOM.uniform(-500, 500),
        q=RANDOM.uniform(-1, 1),
        gamma=GAMMA,
        kappa=RANDOM.uniform(1_500, 5_000),
        sigma=Frac(RANDOM.uniform(5e-5, 4e-4)),
        maker_fee=Frac(1.5e-4),
        tick=10,
        intensity=1.0,
        order_share=0.1,
    )
    for _ in range(CALLS)
]
QUOTES = [compute_quote(params, QuoteConfig()) for params in PARAMS]
MIDS = [(200_000.0 + RANDOM.gauss(0, 20), Ns(i * 100_000_000)) for i in range(CALLS)]


def quote_with(model):
    config = QuoteConfig(model=model)

    def play(i):
        return compute_quote(PARAMS[i], config)

    return play


def ladder_of(levels):
    config = LadderConfig(levels=levels)

    def play(i):
        ladder = build_ladder(QUOTES[i], config, ETH, size=Sz(20_000), bid_capacity=Sz(18_000), ask_capacity=Sz(22_000))
        assert ladder.bids[0].px < ladder.asks[0].px
        return ladder

    return play


def gamma(i):
    return derive_gamma(PARAMS[i].kappa, PARAMS[i].sigma, 60.0)


def estimators():
    """One trade and one mid into the estimators, and a reading of both."""
    kappa, volatility = TradeKappa(), BipowerVolatility()

    def play(i):
        mid, now = MIDS[i]
        kappa.observe(Frac(3e-4), now)
        volatility.observe(mid, now)
        return kappa.value(now), volatility.value()

    return play


STEPS = {
    "compute_quote, horizon": quote_with(InventoryModel.HORIZON),
    "compute_quote, stationary": quote_with(InventoryModel.STATIONARY),
    "ladder of 1": ladder_of(1),
    "ladder of 3": ladder_of(3),
    "ladder of 5": ladder_of(5),
    "ladder of 10": ladder_of(10),
    "derive_gamma": gamma,
}


@pytest.mark.parametrize("step", STEPS)
def test_one_quote(benchmark, step):
    play = STEPS[step]
    benchmark.pedantic(lambda: [play(i) for i in range(500)], rounds=10, warmup_rounds=1)


def test_estimators(benchmark):
    benchmark.pedantic(lambda play: [play(i) for i in range(500)], setup=lambda: ((estimators(),), {}), rounds=10)


if __name__ == "__main__":
    for name, play in {**STEPS, "kappa and volatility": estimators()}.items():
        took = []
        for i in range(CALLS):
            start = perf_counter_ns()
            play(i)
            took.append(perf_counter_ns() - start)
        took.sort()
        print(f"{name:26} p50 {took[CALLS // 2] / 1e3:6.1f} us   p99 {took[CALLS * 99 // 100] / 1e3:6.1f} us")
