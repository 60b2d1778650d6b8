"""Position and money: an identity that holds to the micro-dollar, against a plain average-cost twin."""

from fractions import Fraction
from math import copysign

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.units import Pos, Side, Usd
from orchestrator.desk.inventory import Inventory
from tests.orchestrator.messages import BUY, SELL, fill

sides = st.sampled_from(Side)
deals = st.lists(st.tuples(sides, st.integers(1, 500), st.integers(1, 10**8), st.integers(-99, 999)), max_size=30)
marks = st.integers(1, 2 * 10**8).map(lambda mark2: mark2 / 2)


class AverageCost:
    """The textbook, in fractions: open at the average price, realise on the way back, flip at the fill's price."""

    def __init__(self):
        self.position = 0
        self.average = Fraction(0)
        self.realized = Fraction(0)

    def trade(self, signed: int, px: Fraction) -> None:
        after = self.position + signed
        if self.position * signed >= 0:
            self.average = (self.average * abs(self.position) + px * abs(signed)) / abs(after) if after else Fraction(0)
        else:
            closed = min(abs(signed), abs(self.position))
            self.realized += closed * (px - self.average) * (1 if self.position > 0 else -1)
            if abs(signed) > abs(self.position):
                self.average = px
        self.position = after
        if not after:
            self.average = Fraction(0)


def booked(trades, inventory: Inventory | None = None) -> Inventory:
    inventory = inventory or Inventory()
    for tid, (side, sz, px, fee) in enumerate(trades):
        inventory.apply(fill(tid, side, sz, px, fee=fee))
    return inventory


@given(deals, marks)
def test_realized_plus_unrealized_is_cash_plus_position_at_the_mark(trades, mark):
    """OL-25, S5: exact to the micro-dollar at every moment, flips and all; marks are whole or half ticks."""
    inventory = booked(trades)
    assert inventory.position == sum(side * sz for side, sz, _, _ in trades)
    assert inventory.cash_flow == -sum(side * sz * px for side, sz, px, _ in trades)
    assert inventory.cash == inventory.cash_flow - sum(fee for *_, fee in trades)
    assert inventory.realized + inventory.unrealized(mark) == inventory.cash_flow + inventory.position * mark


@given(deals, marks)
@example([(BUY, 10, 100, 0), (SELL, 25, 110, 0), (BUY, 15, 90, 0)], 100.0)
def test_what_is_realized_agrees_with_average_cost(trades, mark):
    """Protects the split: a micro-dollar of rounding for each partial close, and none once flat."""
    twin = AverageCost()
    for side, sz, px, _ in trades:
        twin.trade(side * sz, Fraction(px))
    inventory = booked(trades)
    assert abs(inventory.realized - twin.realized) <= len(trades)
    if not inventory.position:
        assert (inventory.cost, inventory.unrealized(mark)) == (0, 0)
        assert inventory.realized == twin.realized == inventory.cash_flow


def test_a_flip_realizes_the_old_side_and_opens_the_new_at_the_fill():
    inventory = booked([(BUY, 10, 100, 0), (SELL, 25, 110, 0)])
    assert (inventory.position, inventory.realized, inventory.cost) == (-15, 100, -15 * 110)
    assert inventory.unrealized(110) == 0


def test_figures_are_whole_numbers():
    """Money never becomes a float: it must journal, compare and add up exactly."""
    inventory = booked([(BUY, 3, 101, 1), (SELL, 1, 7, 1)])
    inventory.restate(Pos(5), 33.5)
    for name in ("position", "cash_flow", "fees", "cost", "volume", "cash", "realized"):
        assert type(getattr(inventory, name)) is int, name


# --- corrections --------------------------------------------------------------------------------


@given(deals, st.integers(-500, 500), marks)
def test_a_correction_is_no_profit_or_loss(trades, position, mark):
    """EL-03, RU-07: the venue's position becomes ours at the mark; what we are worth does not jump."""
    inventory = booked(trades)
    before = inventory.realized + inventory.unrealized(mark)
    correction = position - inventory.position
    assert inventory.restate(Pos(position), mark) == correction
    after = inventory.realized + inventory.unrealized(mark)
    assert inventory.position == position
    assert abs(after - before) <= 0.5
    assert inventory.adjustments == (correction != 0)
    assert inventory.opening_position == correction


@given(deals, st.integers(-500, 500), marks)
def test_a_correction_closes_and_opens_like_a_trade_at_the_mark(trades, position, mark):
    """What is flat has no open cost, and an open part that did not change keeps its price."""
    twin = AverageCost()
    for side, sz, px, _ in trades:
        twin.trade(side * sz, Fraction(px))
    inventory = booked(trades)
    twin.trade(position - inventory.position, Fraction(mark))
    inventory.restate(Pos(position), mark)
    assert abs(inventory.realized - twin.realized) <= len(trades) + 1
    if not position:
        assert (inventory.cost, inventory.unrealized(mark)) == (0, 0)


@given(st.integers(-500, 500), deals, marks)
def test_a_correction_without_a_mark_is_priced_by_the_first_price_seen(position, trades, mark):
    """A position taken over before any data, and perhaps traded before any: never a cost without a position."""
    inventory = Inventory()
    inventory.restate(Pos(position), None)
    assert inventory.opening_unpriced == position
    booked(trades, inventory)
    inventory.price_opening(mark)
    assert inventory.opening_unpriced == 0
    twin = AverageCost()
    twin.trade(position, Fraction(trades[0][2] if trades else mark))
    for side, sz, px, _ in trades:
        twin.trade(side * sz, Fraction(px))
    assert inventory.position == twin.position
    assert abs(inventory.realized - twin.realized) <= len(trades) + 1
    if not inventory.position:
        assert inventory.cost == 0


def test_agreement_is_no_correction():
    inventory = booked([(BUY, 3, 100, 0)])
    assert inventory.restate(Pos(3), 200.0) == 0
    assert (inventory.adjustments, inventory.realized) == (0, 0)


def test_pricing_twice_prices_once():
    inventory = Inventory()
    inventory.restate(Pos(10), None)
    inventory.price_opening(100.0)
    inventory.price_opening(500.0)
    assert (inventory.cash_flow, inventory.cost) == (-1_000, 1_000)


# --- later lives --------------------------------------------------------------------------------


@pytest.mark.parametrize(("position", "cash", "fees"), [(7, -700, 3), (-7, 700, 3), (0, 55, 5)])
def test_a_later_life_continues_the_ledger(position, cash, fees):
    """The fold of earlier lives: same position, cash and fees; what is open is carried at its cash."""
    inventory = Inventory()
    inventory.continue_from(Pos(position), Usd(cash), Usd(fees), Pos(0))
    assert (inventory.position, inventory.cash, inventory.fees) == (position, cash, fees)
    assert inventory.opening_position == position
    mark = copysign(101, 1)
    total = inventory.realized + inventory.unrealized(mark)
    assert total == inventory.cash_flow + position * mark
    assert inventory.realized == (0 if position else cash + fees)


def test_what_the_account_had_before_is_no_profit_of_a_later_life():
    """A position taken over without cash of ours is worth nothing until the first mark prices it."""
    inventory = Inventory()
    inventory.continue_from(Pos(10_000), Usd(0), Usd(0), Pos(10_000))
    inventory.price_opening(300_000.0)
    assert inventory.realized == 0
    assert inventory.unrealized(300_000.0) == pytest.approx(0.0)
    assert inventory.unrealized(300_010.0) == pytest.approx(100_000.0)
