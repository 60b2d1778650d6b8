"""What the venue answers to a question for limits: an account's terms, and what its money carries."""

import pytest

from domain.commands import QueryLimits
from domain.events import AccountMargin, InstrumentLimits, MarginMode
from domain.units import Usd
from sim.venue.accounts import NO_LIMIT
from tests.sim.venue.exchange import ANN, COIN, Exchange
from tests.sim.venue.test_margin import EVE, TENFOLD, TIERED, exchange, hold


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({}, (10, MarginMode.CROSS)),
        ({"leverage": 4}, (4, MarginMode.CROSS)),
        ({"leverage": 40}, (10, MarginMode.CROSS)),  # at most what the instrument allows
        ({"isolated": ("COIN",)}, (10, MarginMode.ISOLATED)),
    ],
)
def test_the_terms_of_an_account(terms, told):
    """MG-02, MG-03: leverage, mode and tiers, as they are enforced."""
    ex, _ = exchange(TIERED, **terms)
    (limits,) = ex.ask(EVE, QueryLimits((TIERED.id,))).limits
    assert (limits.leverage, limits.mode) == told
    assert limits.tiers == ((10_000, 5), (40_000, 2))


@pytest.mark.parametrize(
    ("terms", "mark", "margin"),
    [
        ({}, 100, (1_000, 50, 25)),  # 500 at 10x; half of it is maintenance
        ({"leverage": 5}, 100, (1_000, 100, 25)),
        ({}, 90, (950, 45, 23)),  # the loss counts at the mark; margin is rounded up
        ({"isolated": ("COIN",)}, 100, (1_000, 50, 25)),
        ({"isolated": ("COIN",)}, 96, (980, 30, 24)),  # its loss is borne by its own margin
    ],
)
def test_what_its_money_carries(terms, mark, margin):
    """MG-01: value, what is tied up, and below which value it is liquidated; what is free is the difference."""
    ex, eve = exchange(TENFOLD, **terms)
    hold(ex, eve, 5)
    ex.outside = float(mark)
    for _ in range(2_000):  # the mark is smoothed: let it arrive
        if ex.venue.prices(TENFOLD.id).mark == mark:
            break
        ex.block()
    assert ex.ask(EVE, QueryLimits((TENFOLD.id,))).margin == AccountMargin(*map(Usd, margin))


def test_who_has_credit_has_neither_leverage_nor_margin():
    report = Exchange().ask(ANN, QueryLimits((COIN.id,)))
    assert report.margin is None
    assert report.limits == (InstrumentLimits(COIN.id, 0, Usd(0), 20, NO_LIMIT),)
