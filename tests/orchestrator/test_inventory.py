"""Position and money: an identity that holds to the micro-dollar, against a plain average-cost twin."""

from fractions import Fraction
from math import copysign

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.events import Adjustment, RestoredLedger
from domain.units import Ns, Pos, Side, Usd
from orchestrator.desk import inventory as inventory_module
from orchestrator.desk.inventory import Inventory
from tests.orchestrator.messages import BUY, ETH, SELL, fill

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
    inventory.restate(Pos(5), Ns(9), 33.5)
    for name in ("position", "cash_flow", "fees", "cost", "volume", "cash", "realized"):
        assert type(getattr(inventory, name)) is int, name


# --- corrections --------------------------------------------------------------------------------


@given(deals, st.integers(-500, 500), marks)
def test_a_correction_is_no_profit_or_loss(trades, position, mark):
    """EL-03, RU-07: the venue's position becomes ours at the mark; what we are worth does not jump."""
    inventory = booked(trades)
    before = inventory.realized + inventory.unrealized(mark)
    correction = position - inventory.position
    assert inventory.restate(Pos(position), Ns(99), mark) == correction
    after = inventory.realized + inventory.unrealized(mark)
    assert inventory.position == position
    assert abs(after - before) <= 0.5
    assert inventory.restatements == (correction != 0)
    assert (inventory.opening_position, inventory.adjusted_lots) == (0, correction)


@given(deals, st.integers(-500, 500), marks)
def test_a_correction_closes_and_opens_like_a_trade_at_the_mark(trades, position, mark):
    """What is flat has no open cost, and an open part that did not change keeps its price."""
    twin = AverageCost()
    for side, sz, px, _ in trades:
        twin.trade(side * sz, Fraction(px))
    inventory = booked(trades)
    twin.trade(position - inventory.position, Fraction(mark))
    inventory.restate(Pos(position), Ns(99), mark)
    assert abs(inventory.realized - twin.realized) <= len(trades) + 1
    if not position:
        assert (inventory.cost, inventory.unrealized(mark)) == (0, 0)


@given(st.integers(-500, 500), deals, marks)
def test_a_correction_without_a_mark_is_priced_by_the_first_price_seen(position, trades, mark):
    """A position taken over before any data, and perhaps traded before any: never a cost without a position."""
    inventory = Inventory()
    inventory.open(Pos(position), None)
    assert inventory.opening_unpriced == position
    booked(trades, inventory)
    inventory.price(mark)
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
    assert inventory.restate(Pos(3), Ns(9), 200.0) == 0
    assert (inventory.adjustments, inventory.restatements, inventory.realized) == ([], 0, 0)


def test_pricing_twice_prices_once():
    inventory = Inventory()
    inventory.restate(Pos(10), Ns(9), None)
    inventory.price(100.0)
    inventory.price(500.0)
    assert (inventory.cash_flow, inventory.cost) == (-1_000, 1_000)


# --- late fills ---------------------------------------------------------------------------------


def late(tid, side, sz, px, at, fee=0):
    return fill(tid, side, sz, px, at=at, fee=fee)


def test_a_late_fill_takes_the_place_of_the_correction():
    """Architecture 7: the position stays the venue's; cash and fees become those of the fill, not of the mark."""
    inventory = Inventory()
    inventory.restate(Pos(10), Ns(50), 300.0)
    assert (inventory.position, inventory.cash) == (10, -3_000)
    inventory.apply(late(1, BUY, 10, 290, at=40, fee=7))
    assert (inventory.position, inventory.cash, inventory.fees) == (10, -2_907, 7)
    assert (inventory.adjusted_lots, inventory.undone_lots) == (0, 10)
    assert (inventory.cost, inventory.realized) == (2_900, 0)


def test_a_late_fill_of_a_part_leaves_the_rest_at_its_own_mark():
    inventory = Inventory()
    inventory.restate(Pos(10), Ns(50), 300.5)
    inventory.apply(late(1, BUY, 4, 290, at=50))
    assert inventory.adjustments == [Adjustment(Ns(50), Pos(6), 300.5)]
    assert (inventory.position, inventory.cash_flow) == (10, -4 * 290 - 1_803)


@pytest.mark.parametrize("arrivals", [(1, 2), (2, 1)])
def test_more_than_was_corrected_turns_the_correction_around(arrivals):
    """Missed: +5 and -3, so the venue says +2. Whichever comes first, the position stays at the venue's 2."""
    missed = {1: late(1, BUY, 5, 100, at=10), 2: late(2, SELL, 3, 110, at=20)}
    inventory = Inventory()
    inventory.restate(Pos(2), Ns(50), 105.0)
    for tid in arrivals:
        inventory.apply(missed[tid])
        assert inventory.position == 2
    assert (inventory.adjusted_lots, inventory.cash_flow) == (0, -500 + 330)


def test_a_fill_after_the_statement_is_an_ordinary_one():
    inventory = Inventory()
    inventory.restate(Pos(10), Ns(50), 300.0)
    inventory.apply(late(1, BUY, 4, 290, at=51))
    assert (inventory.position, inventory.adjusted_lots, inventory.undone_lots) == (14, 10, 0)


def test_each_late_fill_explains_the_first_statement_that_contained_it():
    inventory = Inventory()
    inventory.restate(Pos(5), Ns(50), 100.0)
    inventory.restate(Pos(8), Ns(90), 200.0)
    inventory.apply(late(1, BUY, 3, 150, at=60))
    assert inventory.adjustments == [Adjustment(Ns(50), Pos(5), 100.0), Adjustment(Ns(90), Pos(0), 200.0)]
    inventory.apply(late(2, BUY, 5, 150, at=40))
    assert inventory.adjustments == [Adjustment(Ns(90), Pos(0), 200.0)]
    assert (inventory.position, inventory.cash_flow) == (8, -8 * 150)


def test_an_explained_statement_still_says_what_it_contained():
    """The pair +4 -4 was missed besides: no fill of before the statement may move the stated position."""
    inventory = Inventory()
    inventory.restate(Pos(5), Ns(50), 100.0)
    for tid, side, sz in ((1, BUY, 5), (2, SELL, 4), (3, BUY, 4)):
        inventory.apply(late(tid, side, sz, 100, at=tid))
        assert inventory.position == 5
    assert (inventory.adjusted_lots, inventory.restatements) == (0, 1)


def test_a_correction_without_a_mark_is_undone_at_the_fill():
    """Nothing has valued it: the fill is the first price, so there is no profit in between."""
    inventory = Inventory()
    inventory.restate(Pos(10), Ns(50), None)
    assert (inventory.adjusted_lots, inventory.adjusted_value, inventory.cash_flow) == (10, 0, 0)
    inventory.apply(late(1, BUY, 10, 290, at=40))
    assert (inventory.position, inventory.cash_flow, inventory.realized, inventory.adjusted_value) == (10, -2_900, 0, 0)


def test_corrections_without_a_mark_wait_as_one():
    inventory = Inventory()
    inventory.restate(Pos(10), Ns(50), None)
    inventory.restate(Pos(4), Ns(70), None)
    assert inventory.adjustments == [Adjustment(Ns(70), Pos(4), None)]
    inventory.price(100.0)
    assert (inventory.position, inventory.cash_flow, inventory.adjusted_value) == (4, -400, 400)


def test_corrections_are_bounded_and_nothing_is_lost_of_them(monkeypatch):
    """S27: the two oldest become one; position and cash stay exact."""
    monkeypatch.setattr(inventory_module, "MAX_ADJUSTMENTS", 3)
    inventory = Inventory()
    for number in range(1, 9):
        inventory.restate(Pos(number * number), Ns(number * 10), 100.0 + number)
        assert len(inventory.adjustments) <= 3
        assert inventory.position == inventory.adjusted_lots == number * number
        assert inventory.cash_flow == -inventory.adjusted_value - inventory.opening_value
    inventory.apply(late(1, BUY, 64, 50, at=5))
    assert (inventory.position, inventory.adjusted_lots) == (64, 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), sides, st.integers(1, 90), st.integers(1, 10**6), st.integers(-9, 99)),
        st.tuples(st.just("state"), st.integers(2, 10**6)),
        st.tuples(st.just("mark"), st.integers(2, 10**6)),
        st.tuples(st.just("arrive"), st.integers(0, 10**6)),
    ),
    max_size=40,
)


@given(st.integers(-50, 50), steps, st.booleans(), st.randoms(use_true_random=False))
def test_any_interleaving_ends_with_the_cash_of_the_fills(opening, story, has_marks, random):
    """The venue trades, fills come late and in any order, its position replaces ours now and then.

    At every moment the identities hold; when every fill has come, cash is that of the fills alone.
    """
    inventory = Inventory()
    inventory.open(Pos(opening), 100.0)
    venue, missing, booked_fills = opening, [], []

    def check():
        value = sum(f.side * f.sz * f.px for f in booked_fills)
        held = sum(f.side * f.sz for f in booked_fills)
        assert inventory.position == opening + held + inventory.adjusted_lots
        assert inventory.cash_flow == -value - inventory.adjusted_value - inventory.opening_value
        assert inventory.fees == sum(f.fee for f in booked_fills)
        assert (inventory.adjusted_lots == 0) or inventory.restatements

    def arrive(index):
        booked_fills.append(missing.pop(index % len(missing)))
        inventory.apply(booked_fills[-1])
        check()

    for now, (what, *details) in enumerate(story):
        match what, details:
            case "trade", (side, sz, px, fee):
                venue += side * sz
                missing.append(late(now, side, sz, px, at=now, fee=fee))
            case "state", (mark2,):
                inventory.restate(Pos(venue), Ns(now), mark2 / 2 if has_marks else None)
                assert inventory.position == venue
            case "mark", (mark2,):
                inventory.price(mark2 / 2)
            case "arrive", (index,) if missing:
                arrive(index)
        check()
    while missing:
        arrive(random.randrange(len(missing)))
    assert (inventory.position, inventory.adjusted_lots) == (venue, 0)
    value = sum(f.side * f.sz * f.px for f in booked_fills)
    assert inventory.cash == -value - sum(f.fee for f in booked_fills) - inventory.opening_value


# --- later lives --------------------------------------------------------------------------------


@pytest.mark.parametrize(("position", "cash", "fees"), [(7, -700, 3), (-7, 700, 3), (0, 55, 5)])
def test_a_later_life_continues_the_ledger(position, cash, fees):
    """The fold of earlier lives: same position, cash and fees; what is open is carried at its cash."""
    inventory = Inventory()
    inventory.continue_from(RestoredLedger(ETH.id, Pos(position), Usd(cash), Usd(fees)))
    assert (inventory.position, inventory.cash, inventory.fees) == (position, cash, fees)
    assert inventory.opening_position == position
    mark = copysign(101, 1)
    total = inventory.realized + inventory.unrealized(mark)
    assert total == inventory.cash_flow + position * mark
    assert inventory.realized == (0 if position else cash + fees)


def test_a_later_life_continues_the_corrections():
    """What was outstanding stays outstanding, at its mark, and a late fill still undoes it."""
    outstanding = (Adjustment(Ns(50), Pos(6), 300.5), Adjustment(Ns(70), Pos(-1), None))
    inventory = Inventory()
    inventory.continue_from(RestoredLedger(ETH.id, Pos(15), Usd(-3_003), Usd(3), Pos(0), outstanding))
    assert (inventory.position, inventory.opening_position, inventory.adjusted_lots) == (15, 10, 5)
    assert inventory.cash == -3_003 - 1_803
    inventory.price(310.0)
    inventory.apply(late(1, BUY, 6, 290, at=45))
    inventory.apply(late(2, SELL, 1, 320, at=69))
    assert (inventory.position, inventory.adjusted_lots, inventory.cash) == (15, 0, -3_003 - 6 * 290 + 320)


def test_what_the_account_had_before_is_no_profit_of_a_later_life():
    """A position taken over without cash of ours is worth nothing until the first mark prices it."""
    inventory = Inventory()
    inventory.continue_from(RestoredLedger(ETH.id, Pos(10_000), Usd(0), Usd(0), Pos(10_000)))
    inventory.price(300_000.0)
    assert inventory.realized == 0
    assert inventory.unrealized(300_000.0) == pytest.approx(0.0)
    assert inventory.unrealized(300_010.0) == pytest.approx(100_000.0)
