"""A jump of the price: the market follows, the mark follows, and it may come back."""

import pytest

from domain.units import NS_PER_S, AccountId, Ns
from sim.faults import PriceShock
from sim.world import World, WorldConfig


def shocked(**config):
    """Fair price, middle of the book and mark before, within and after a jump from 10 s to 20 s."""
    world = World(WorldConfig(), 5)
    session = world.attach(AccountId("trader"))
    injected = PriceShock(at_s=10, duration_s=10, **config).install(world, session)
    name = next(iter(world.instruments))
    seen = []
    for at in (9.9, 14.0, 24.0):
        world.run(Ns(round(at * NS_PER_S)))
        book = world.liquidity[name]
        seen.append((world.flows[name].fair, (book.best_bid() + book.best_ask()) / 2, world.venue.prices(name).mark))
    return seen, injected


@pytest.mark.parametrize("move", [-300.0, 200.0])
@pytest.mark.parametrize("returns", [0.0, 0.5, 1.0])
def test_the_market_jumps_and_comes_back_as_far_as_it_should(move, returns):
    """Protects size and sign of the jump; 20 bps of the market's own noise are allowed."""
    (before, within, after), injected = shocked(move_bps=move, returns=returns)
    assert injected.counts["jumps"] == injected.injected == 1
    for there, back, start in zip(within, after, before, strict=True):
        assert there / start - 1 == pytest.approx(move * 1e-4, abs=20e-4)
        assert back / start - 1 == pytest.approx(move * 1e-4 * (1 - returns), abs=20e-4)


def test_only_the_named_instruments_jump():
    """Protects the choice: of one that does not exist nothing is moved, and the count says so."""
    (before, within, _), injected = shocked(move_bps=-500.0, instruments=("SOL",))
    assert injected.injected == 0
    assert within[0] / before[0] == pytest.approx(1, abs=20e-4)
