"""Limits of the whole account in money: nothing soft, a share between, nothing at the hard one (RK-22, MG-09)."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import Ns, Pos, Side, Sz, Usd
from orchestrator.desk.inventory import Inventory
from orchestrator.risk.limits import LimitsConfig, RiskLimits
from orchestrator.risk.position_limit import PositionLimit
from tests.orchestrator.messages import BUY, SELL

NAMES = ("ETH", "SOL")


def desks(positions: tuple[int, ...], lots: int = 10**9) -> dict:
    """Desks of instruments whose mid is 1 USD a lot."""
    made = {}
    for name, position in zip(NAMES, positions, strict=False):
        limit = PositionLimit()
        limit.lots = Sz(lots)
        made[name] = SimpleNamespace(
            instrument=SimpleNamespace(id=name),
            market=SimpleNamespace(mid=1e6),
            inventory=Inventory(position=Pos(position)),
            limit=limit,
            engine=SimpleNamespace(order_value=None),
        )
    return made


def weighed(*positions: int, gross_usd: float = 1_000, **changes) -> dict:
    made = desks(positions)
    RiskLimits(LimitsConfig(gross_usd=gross_usd, **changes), made)
    for desk in made.values():
        desk.limit.weigh(Ns(0))
    return made


SHARES = (
    # position, what is left of the size of 100, lots that the adding side may have
    (0, 1.0, 1_000),
    (700, 1.0, 300),
    (-700, 1.0, 300),
    (850, 0.5, 50),
    (-850, 0.5, 50),
    (925, 0.25, 25),
    (1_000, 0.0, 0),
    (1_200, 0.0, 0),
)


@pytest.mark.parametrize(("position", "share", "room"), SHARES)
def test_the_size_multiplier(position, share, room):
    """RK-22: 1 up to the soft limit (70 %), 0 at the hard one, linear between; the reducing side is left alone."""
    limit = weighed(position)["ETH"].limit
    adding = BUY if position >= 0 else SELL
    assert limit.bounds[0].size_share == pytest.approx(share)
    assert limit.room(adding, Pos(position), Sz(100)) == room
    assert limit.room(adding.opposite, Pos(position), Sz(100)) >= abs(position)


def test_every_instrument_may_add_an_equal_part_of_what_is_free():
    """MG-09: 600 of 1,000 USD are held: each of two may add 200; closing gives back what it tied up."""
    made = weighed(400, -200)
    reach = {name: (desk.limit.effective(BUY), desk.limit.effective(SELL)) for name, desk in made.items()}
    assert reach == {"ETH": (600, 600), "SOL": (400, 400)}


@given(st.integers(-800, 800), st.integers(-800, 800))
def test_whatever_both_add_the_sum_stays_inside(eth, sol):
    """MG-09: the worst that can come of what both may add at once is the limit, or what was held before."""
    made = weighed(eth, sol)
    gross = abs(eth) + abs(sol)
    for sides in ((a, b) for a in Side for b in Side):
        after = sum(
            abs(p + s * made[n].limit.capacity(s, Pos(p))) for n, p, s in zip(NAMES, (eth, sol), sides, strict=True)
        )
        assert after <= max(gross, 1_000)


def test_without_a_gross_limit_nothing_is_bound_and_an_order_has_its_own():
    made = desks((0,))
    RiskLimits(LimitsConfig(), made)
    assert made["ETH"].limit.bounds == []
    assert made["ETH"].engine.order_value == Usd(10_000_000_000)
    made = desks((0,))
    RiskLimits(LimitsConfig(order_usd=None), made)
    assert made["ETH"].engine.order_value is None
