"""Each invariant is green on a sound state and red once that state is broken by hand.

The states are made of the trader's own ledger classes and of a small hand-written venue, so that a rule
that never looks, or looks at the wrong side, is found here and not by an incident.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from domain.commands import Alert, Severity
from domain.events import Fill, OpenOrder, OrderStatus, OrderUpdate, PublicTrade, Reason, Woke
from domain.instrument import Instrument
from domain.orders import InFlight, OrderState, TrackedOrder
from domain.units import InstrumentId, Ns, Side, Tif
from scenarios.invariants import INVARIANTS
from scenarios.invariants.base import Block, Scope, Step
from scenarios.invariants.checker import Checker

ETH = InstrumentId("ETH")
S = 1_000_000_000
DECISION = (Alert(Severity.INFO, "decided", ""),)


def fill(tid=1, oid=10, side=Side.BUY, px=100, sz=2, *, fee=1, start=0, t=1 * S, taker=False, cloid="c10"):
    return Fill(ETH, t, t, tid, oid, cloid, side, px, sz, fee, taker, start, 0)


def update(oid=10, status=OrderStatus.OPEN, reason=None, cloid="c10", remaining=5):
    return OrderUpdate(ETH, S, 0, oid, cloid, Side.BUY, 100, 5, remaining, status, reason)


def resting(oid=10, side=Side.BUY, px=100, remaining=5, *, cloid="c10", reduce_only=False):
    return OpenOrder(ETH, oid, cloid, side, px, remaining, remaining, Tif.ALO, reduce_only, Ns(0))


def order_truth(oid=10, *, filled=0, status=OrderStatus.OPEN, tif=Tif.ALO, reduce_only=False, px=100, cloid="c10"):
    return SimpleNamespace(
        oid=oid,
        cloid=cloid,
        side=Side.BUY,
        px=px,
        sz=5,
        filled=filled,
        tif=tif,
        reduce_only=reduce_only,
        status=status,
    )


@dataclass
class HandMadeTruth:
    positions: dict = field(default_factory=dict)
    cash_now: int = 1_000
    rest: list = field(default_factory=list)
    orders: dict = field(default_factory=dict)
    fills: dict = field(default_factory=dict)
    top: tuple = (99, 101)
    ahead: dict = field(default_factory=dict)
    anybody: set = field(default_factory=set)
    sums: list = field(default_factory=list)
    structure: str | None = None

    def position(self, instrument):
        return self.positions.get(instrument, 0)

    def cash(self):
        return self.cash_now

    def resting(self):
        return self.rest

    def order(self, oid):
        return self.orders.get(oid)

    def order_of(self, cloid):
        return next((o for o in self.orders.values() if o.cloid == cloid), None)

    def fill(self, tid, oid):
        return self.fills.get((tid, oid))

    def best(self, instrument):
        return self.top

    def queue_ahead(self, instrument, oid):
        return self.ahead.get(oid, ())

    def rests(self, instrument, oid):
        return oid in self.anybody

    def imbalance(self):
        return self.sums

    def faults_in_structure(self, instrument):
        return self.structure


class Bench:
    """A trader and a venue that agree, and the checker that looks at both."""

    def __init__(self, **options):
        inventory = SimpleNamespace(
            position=0, opening_position=0, cash_flow=0, fees=0, fills=0, adjustments=0, opening_unpriced=0
        )
        self.tracker = SimpleNamespace(orders={}, completed={}, find=self._find)
        self.desk = SimpleNamespace(tracker=self.tracker, inventory=inventory, limit=SimpleNamespace(lots=10))
        self.fills = SimpleNamespace(applied=0, before_opening=0, opening_as_of=0)
        self.truth = HandMadeTruth()
        self.checker = Checker(full_every=1, **options)
        belief = SimpleNamespace(desks={ETH: self.desk}, fills=self.fills)
        self.scope = Scope({ETH: Instrument(ETH, 4)}, self.truth, belief, self.checker.report, healthy_since=Ns(0))
        self.checker.bind(self.scope, story=lambda keys: "story of " + ", ".join(keys))
        self.t = 0
        self.before = {}

    def _find(self, cloid, oid):
        return self.tracker.orders.get(cloid) or self.tracker.completed.get(cloid)

    def step(self, *fills, commands=()):
        self.t += 1
        self.checker.step(Step(Ns(self.t), None if commands else Woke(), commands, fills))

    def block(self, now=None, *, updates=(), fills=(), trades=()):
        self.t = self.t + 1 if now is None else now
        after = {order.oid: order for order in self.truth.rest}
        by_market = {ETH: trades} if trades else {}
        self.checker.block(Block(Ns(self.t), updates, fills, by_market, self.before, after))
        self.before = after

    def believe(self, one):
        """Book a fill in the trader's ledger."""
        inventory = self.desk.inventory
        signed = one.side * one.sz
        inventory.position += signed
        inventory.cash_flow -= signed * one.px
        inventory.fees += one.fee
        self.fills.applied += 1

    def happen(self, one):
        """Book a fill at the venue."""
        self.truth.fills[one.tid, one.oid] = one
        self.truth.positions[ETH] = self.truth.position(ETH) + one.side * one.sz
        self.truth.cash_now -= one.side * one.sz * one.px + one.fee

    def trade(self, one):
        """Let a fill happen and be believed, and look at both."""
        self.happen(one)
        self.block(updates=(update(one.oid),), fills=(one,))
        self.believe(one)
        self.step(one)

    def order(self, cloid="c10", side=Side.BUY, px=100, sz=5):
        order = TrackedOrder(ETH, cloid, side, px, sz, Tif.ALO, Ns(0))
        self.tracker.orders[cloid] = order
        return order

    @property
    def broken(self):
        return {violation.name for violation in self.checker.violations}


@pytest.fixture
def bench():
    return Bench()


def test_a_sound_state_breaks_nothing(bench):
    """Protects all the red tests below: none of them may be red for another reason."""
    order = bench.order()
    bench.step(commands=DECISION)
    order.advance(OrderState.OPEN, Ns(1))
    bench.truth.orders[10] = order_truth()
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    one = fill(t=3)
    bench.truth.orders[10] = order_truth(filled=2)
    bench.truth.rest = [resting(remaining=3)]
    order.record_fill_with_price(1, 2, 100, Ns(3))
    order.advance(OrderState.PARTIALLY_FILLED, Ns(3))
    bench.trade(one)
    bench.checker.end(Ns(bench.t))
    assert bench.checker.violations == []


def test_s1_position_moved_without_a_fill(bench):
    """A position that no fill explains is seen at the next event, not at the end."""
    bench.step()
    bench.desk.inventory.position = 3
    bench.step()
    assert "S1" in bench.broken


def test_s1_position_differs_from_the_venue_when_all_has_arrived(bench):
    """Two ledgers that are each consistent, but not with each other."""
    bench.truth.rest = [resting()]
    bench.trade(fill(t=1))
    assert not bench.broken
    bench.truth.positions[ETH] += 1
    bench.block()
    assert "S1" in bench.broken


def test_s2_fill_applied_twice(bench):
    """A repetition by another channel must not count again."""
    one = fill(t=1)
    bench.trade(one)
    bench.believe(one)
    bench.step(one)
    assert "S2" in bench.broken


def test_s3_fill_that_the_venue_never_printed(bench):
    """An inferred or corrupted fill is no fill."""
    bench.believe(fill(tid=99))
    bench.step(fill(tid=99))
    assert "S3" in bench.broken


def test_s3_fill_with_another_price(bench):
    """Field by field."""
    bench.happen(fill(px=100))
    wrong = fill(px=101)
    bench.believe(wrong)
    bench.step(wrong)
    assert "S3" in bench.broken


def test_s4_fill_handed_over_and_not_applied(bench):
    """A fill may not be kept for later, or forgotten."""
    bench.happen(fill())
    bench.step(fill())
    assert "S4" in bench.broken


def test_s4_fill_that_never_arrives(bench):
    """On a sound connection every fill arrives within the bound."""
    one = fill(t=1)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    assert "S4" not in bench.broken
    bench.block(now=60 * S)
    assert "S4" in bench.broken


def test_s4_waits_while_the_connection_is_down(bench):
    """What cannot arrive is not late."""
    one = fill(t=1)
    bench.happen(one)
    bench.block(fills=(one,))
    bench.scope.healthy_since = None
    bench.block(now=60 * S)
    assert "S4" not in bench.broken


def test_s5_our_cash(bench):
    """One micro-USD is enough."""
    bench.trade(fill(t=1))
    bench.desk.inventory.cash_flow += 1
    bench.step()
    assert "S5" in bench.broken


def test_s5_our_fees(bench):
    """Fees are not part of the cash flow and are compared by themselves."""
    bench.trade(fill(t=1))
    bench.desk.inventory.fees -= 1
    bench.step()
    assert "S5" in bench.broken


def test_s5_cash_at_the_venue(bench):
    """The venue may not charge what it does not print."""
    bench.block()
    bench.truth.cash_now -= 7
    bench.block()
    assert "S5" in bench.broken


def test_s6_money_from_nowhere(bench):
    """All accounts together."""
    bench.truth.sums = [("ETH positions", 0), ("cash and fees", 1)]
    bench.block()
    assert "S6" in bench.broken


def test_s8_illegal_step(bench):
    """An open order cannot become pending again."""
    order = bench.order()
    order.advance(OrderState.OPEN, Ns(0))
    bench.step()
    order.state = OrderState.PENDING_NEW
    bench.step()
    assert "S8" in bench.broken


def test_s8_filled_shrinks(bench):
    """A filled size never goes back."""
    order = bench.order()
    order.filled = 3
    bench.step()
    order.filled = 2
    bench.step()
    assert "S8" in bench.broken


def test_s8_filled_beyond_the_size(bench):
    """No order fills more than was asked."""
    bench.order().filled = 6
    bench.step()
    assert "S8" in bench.broken


def test_s8_back_from_the_dead(bench):
    """An ended order stays ended."""
    order = bench.order()
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.tracker.completed["c10"] = bench.tracker.orders.pop("c10")
    bench.step()
    assert not bench.broken
    bench.order()
    bench.step()
    assert "S8" in bench.broken


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param(order_truth(status=OrderStatus.OPEN), id="still rests"),
        pytest.param(order_truth(filled=2, status=OrderStatus.CANCELED), id="a fill is missing"),
    ],
)
def test_s10_let_go_too_early(bench, truth):
    """Exposure is released by evidence, not by a status or a time-out."""
    order = bench.order()
    bench.truth.orders[10] = truth
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.tracker.completed["c10"] = bench.tracker.orders.pop("c10")
    bench.step()
    assert "S10" in bench.broken


def test_s11_order_that_we_believe_ended(bench):
    """The worst kind of unknown order: one that we think is gone."""
    order = bench.order()
    order.advance(OrderState.REJECTED, Ns(0))
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    assert "S11" in bench.broken


def test_s11_order_that_we_never_knew(bench):
    """An orphan is given some time to be found, and no more."""
    bench.truth.rest = [resting(cloid="stranger")]
    bench.block(updates=(update(),))
    assert "S11" not in bench.broken
    bench.block(now=60 * S)
    assert "S11" in bench.broken


def test_s15_at_the_venue(bench):
    """Resting orders of a side fit into the limit together with the position."""
    bench.order()
    bench.truth.positions[ETH] = 6
    bench.truth.rest = [resting(remaining=5)]
    bench.block(updates=(update(),))
    assert "S15" in bench.broken


def test_s15_unknown_order_counts_in_full(bench):
    """An order whose fate is unknown may still fill."""
    bench.order(sz=6).in_flight = InFlight.NONE
    bench.step(commands=DECISION)
    assert "S15" not in bench.broken
    bench.order("c11", sz=6)
    bench.step(commands=DECISION)
    assert "S15" in bench.broken


def test_s15_selling_side(bench):
    """The limit is on the absolute position."""
    bench.order(side=Side.SELL, sz=11)
    bench.step(commands=DECISION)
    assert "S15" in bench.broken


def test_s16_reduce_only_order_that_adds(bench):
    """A reduce-only fill must bring the position nearer to zero."""
    bench.truth.orders[10] = order_truth(reduce_only=True)
    one = fill(start=0)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    assert "S16" in bench.broken


def test_s16_reduce_only_orders_larger_than_the_position(bench):
    """Resting reduce-only orders are trimmed when the position shrinks."""
    bench.order()
    bench.truth.positions[ETH] = -3
    bench.desk.inventory.position = bench.desk.inventory.opening_position = -3
    bench.truth.rest = [resting(remaining=5, reduce_only=True)]
    bench.block(updates=(update(),))
    assert "S16" in bench.broken


def test_s17_own_bid_above_own_ask(bench):
    """Orders in flight are part of our book."""
    bench.order("buy", Side.BUY, 101, 1)
    bench.order("sell", Side.SELL, 101, 1)
    bench.step(commands=DECISION)
    assert "S17" in bench.broken


def test_s17_self_trade_prevention(bench):
    """The venue's help counts as our failure."""
    bench.block(updates=(update(status=OrderStatus.CANCELED, reason=Reason.SELF_TRADE),))
    assert "S17" in bench.broken


def test_e1_overtaking_in_the_queue(bench):
    """Somebody who stood before us still rests when we are filled."""
    bench.order()
    bench.truth.ahead[10] = (7, 8)
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    bench.truth.anybody = {8}
    one = fill(t=2)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    assert "E1" in bench.broken


def test_e2_post_only_order_takes(bench):
    """ALO means rejected whole rather than taking."""
    bench.truth.orders[10] = order_truth(tif=Tif.ALO)
    one = fill(taker=True)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    assert "E2" in bench.broken


def test_e3_trade_through(bench):
    """A seller may not get less than our resting bid offers."""
    bench.order()
    bench.truth.rest = [resting(px=100)]
    bench.block(updates=(update(),))
    bench.block(trades=(PublicTrade(Side.SELL, 99, 1, 5, Ns(1)),))
    assert "E3" in bench.broken


def test_e3_fill_beyond_the_limit(bench):
    """A buyer never pays more than its limit."""
    bench.truth.orders[10] = order_truth(px=100)
    one = fill(px=101)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    assert "E3" in bench.broken


def test_e3_fill_on_the_other_side(bench):
    """An order to buy does not sell; both ledgers would agree on it."""
    bench.truth.orders[10] = order_truth()
    one = fill(side=Side.SELL)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    assert "E3" in bench.broken


def test_e4_crossed_book(bench):
    """Also a locked book is one that should have traded."""
    bench.truth.top = (101, 101)
    bench.block()
    assert "E4" in bench.broken


def test_e4_broken_structure(bench):
    """What the top does not show."""
    bench.truth.structure = "level 100 sums up to 7, holds 8"
    bench.block()
    assert "E4" in bench.broken


def test_e5_two_ends(bench):
    """One terminal status per order."""
    bench.block(updates=(update(), update(status=OrderStatus.CANCELED)))
    bench.block(updates=(update(status=OrderStatus.FILLED),))
    assert "E5" in bench.broken


def test_e5_order_without_an_end(bench):
    """An accepted order that is gone was reported gone."""
    bench.block(updates=(update(),))
    bench.block()
    assert "E5" in bench.broken


def test_e5_gap_between_fills(bench):
    """Each fill starts from the position that the one before left."""
    first, second = fill(tid=1, start=0, t=1), fill(tid=2, start=1, t=2)
    bench.trade(first)
    bench.trade(second)
    assert "E5" in bench.broken


def test_e7_fill_after_cancel(bench):
    """What is cancelled does not trade."""
    bench.block(updates=(update(), update(status=OrderStatus.CANCELED)))
    one = fill(t=2)
    bench.happen(one)
    bench.block(fills=(one,))
    assert "E7" in bench.broken


def test_e7_cancelled_twice(bench):
    """A second cancel is refused and reported to nobody."""
    gone = update(status=OrderStatus.CANCELED)
    bench.block(updates=(update(), gone))
    bench.block(updates=(gone,))
    assert "E7" in bench.broken


def test_e8_position_without_a_fill(bench):
    """Positions at the venue come from fills."""
    bench.block()
    bench.truth.positions[ETH] = 1
    bench.block()
    assert "E8" in bench.broken


def test_e9_time_runs_back(bench):
    """One history."""
    bench.block(now=5)
    bench.block(now=5)
    assert "E9" in bench.broken


def test_e9_order_ids_run_back(bench):
    """Ids are given once, in the order of submission."""
    bench.block(updates=(update(oid=10), update(oid=9)))
    assert "E9" in bench.broken


def test_every_rule_of_the_tuple_is_red_in_a_test_above():
    """A rule added without a test that breaks it is found here."""
    tested = {name.split("_")[1].upper() for name in globals() if name.startswith("test_")}
    assert {rule.id for rule in INVARIANTS} <= tested


def test_the_same_finding_is_told_once_and_with_its_story(bench):
    """A rule that stays broken for an hour is one line, and it says what the journal knows of the keys."""
    bench.order("buy", Side.BUY, 101, 1)
    bench.order("sell", Side.SELL, 101, 1)
    for _ in range(10):
        bench.step(commands=DECISION)
    assert bench.checker.n_violations == 1
    bench.checker.tell()
    assert bench.checker.violations[0].story == "story of buy, sell"


def test_a_run_that_breaks_everything_is_stopped():
    """Otherwise a broken run would be as long as a sound one and say nothing more."""
    bench = Bench(stop_after=2)
    bench.step(fill(tid=1))
    bench.step(fill(tid=2))
    assert bench.checker.is_hopeless


def test_counts_say_how_often_each_rule_looked(bench):
    """Sampling shows in the result."""
    bench.step()
    bench.block()
    counts = bench.checker.counts()
    assert counts["S8"] == 1
    assert counts["E4"] == 2
