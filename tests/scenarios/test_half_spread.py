"""In a market whose spread is many ticks the half-spread is the formula's, and a run shows what goes into it.

In the ETH scenarios rebate and tick leave the formula little to say: nearly every quote stands at its floor there.
"""

from dataclasses import replace

import pytest

import orchestrator.desk.quote_engine
from scenarios.expectations import Expect, evaluate
from scenarios.runner import run
from strategy.glft import compute_quote
from tests.scenarios.runs import outcome, result_of, running_of

SECONDS = 90
PRIOR_OF_500 = ("trader.desk.engine.kappa.prior_trades=500", "trader.desk.engine.kappa.prior_depth_sum=0.5")
"""A prior that 90 seconds do not outweigh: half of kappa's usual value."""


def belief_of(result):
    (market,) = result.metrics.markets.values()
    return market.belief


def test_the_formula_quotes_in_the_thin_market():
    """And it is seen not to in ETH, where the table must not offer kappa as the reason."""
    thin, eth = result_of("alt-thin", SECONDS), result_of("eth-quiet", SECONDS)
    assert outcome(thin, "at_floor_pct").holds
    assert (belief_of(thin).at_floor_pct, belief_of(thin).kappa_capped_pct) == (0.0, 0.0)
    assert belief_of(thin).half_spread_bps > 2 * 0.22
    assert belief_of(eth).at_floor_pct > 90
    capped = belief_of(result_of("alt-thin", SECONDS, "trader.desk.engine.max_kappa=1000"))
    assert (capped.kappa, capped.kappa_capped_pct) == (1_000, 100.0)
    assert not evaluate(Expect(at_floor_pct_max=5), eth)[-1].holds


@pytest.mark.parametrize(
    ("wider", "least", "most"),
    [(PRIOR_OF_500, 0.5, 5.0), (("venue.maker_fee_pct=0.045",), 2.0, 4.0)],
    ids=["kappa", "fee"],
)
def test_what_goes_into_the_half_spread_comes_out_in_the_run(wider, least, most):
    """Deeper fills (delta* about 1/kappa), or 3 bps more of fee: wider quotes, another history of the world."""
    base, other = result_of("alt-thin", SECONDS), result_of("alt-thin", SECONDS, *wider)
    assert least < belief_of(other).half_spread_bps - belief_of(base).half_spread_bps < most
    assert base.world_digest != other.world_digest


def test_a_strategy_without_the_formula_is_found_out(monkeypatch):
    """The mutant "half-spread = floor": the world takes another course."""

    def at_the_floor(params, config):
        floor = compute_quote(params, config).floor
        return compute_quote(params, replace(config, min_half_spread=floor, max_half_spread=floor))

    honest = result_of("alt-thin", SECONDS)
    monkeypatch.setattr(orchestrator.desk.quote_engine, "compute_quote", at_the_floor)
    mutant = run(running_of("alt-thin", SECONDS), 7)
    assert belief_of(mutant).half_spread_bps < belief_of(honest).half_spread_bps - 1.0
    assert mutant.world_digest != honest.world_digest
