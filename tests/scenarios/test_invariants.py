"""Each invariant is green on a sound state and red once that state is broken by hand.

The states are made of the trader's own ledger classes and of a small hand-written venue, so that a rule
that never looks, or looks at the wrong side, is found here and not by an incident.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from domain.commands import Cancel, Modify, Place, Request, Route
from domain.events import (
    ChannelKind,
    InstrumentLimits,
    OrderStatus,
    PositionEntry,
    PositionsReported,
    PublicTrade,
    Reason,
    Refused,
    Replied,
    Restored,
    RestoredLedger,
)
from domain.orders import PATH_KEPT, Certainty, InFlight, OrderState
from domain.units import USD, Ns, Side, Tif
from orchestrator.desk.churn import CycleRecord
from orchestrator.desk.inventory import Inventory
from scenarios.invariants import INVARIANTS
from scenarios.invariants.base import Step
from scenarios.invariants.limits import HardLimits
from scenarios.invariants.venue import INSIDE_EVERY
from strategy.ladder import LadderLevel
from tests.scenarios.bench import DECISION, ETH, Bench, S, answer, fill, order_truth, resting, update


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
    """Two ledgers that are each consistent, but not with each other: seen when the last fill is handed over."""
    first, second = fill(tid=1, t=1), fill(tid=2, start=2, t=2)
    for one in (first, second):
        bench.happen(one)
    bench.truth.positions[ETH] += 1
    bench.block(updates=(update(),), fills=(first, second))
    bench.believe(first)
    bench.step(first)
    assert "S1" not in bench.broken, "a fill is under way: the books may differ"
    bench.believe(second)
    bench.step(second)
    assert "S1" in bench.broken


def test_s1_position_at_the_venue_moves_behind_our_back(bench):
    """Nothing is under way, so the very next event sees it."""
    bench.trade(fill(t=1))
    bench.truth.positions[ETH] += 1
    bench.step()
    assert "S1" in bench.broken


def test_s1_a_correction_stands_for_a_fill_until_it_lands(bench):
    """The venue's statement is taken as ours while its fill is lost, and nothing is wrong before or after it lands."""
    bench.truth.rest = [resting()]
    one = fill(t=1)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    bench.desk.inventory.restate(2, Ns(5), 100.0)
    bench.step()
    bench.believe(one)
    bench.step(one)
    assert not bench.broken
    assert bench.desk.inventory.adjusted_lots == 0


def test_s1_a_correction_cannot_hide_a_fill_that_was_dropped(bench):
    """Handed over, not booked, and then "corrected" into the position: the venue agrees, the ledger does not."""
    one = fill(t=1)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    bench.fills.applied += 1
    bench.desk.inventory.restate(2, Ns(5), 100.0)
    bench.step(one)
    assert "S1" in bench.broken


def test_s1_the_opening_moves(bench):
    """What the account had before us is stated once: a ledger that rebases on it can explain anything."""
    bench.trade(fill(t=1))
    inventory = bench.desk.inventory
    inventory.opening_position += 1
    inventory.position += 1
    bench.truth.positions[ETH] += 1
    bench.step()
    assert "S1" in bench.broken


def test_s1_fills_of_before_the_opening_are_in_it(bench):
    """What was handed over before the first statement waits for it, and then counts on one side only."""
    bench.truth.rest = [resting()]
    early, late = fill(tid=1, t=3), fill(tid=2, start=2, t=8)
    bench.fills.is_holding, bench.fills.opening_as_of = True, -1
    for one in (early, late):
        bench.happen(one)
    bench.block(updates=(update(),), fills=(early, late))
    bench.step(early, late)
    bench.desk.inventory.open(2, 100.0)
    bench.fills.is_holding, bench.fills.opening_as_of = False, 5
    bench.believe(late)
    bench.step()
    assert bench.checker.violations == []


def test_s2_fill_applied_twice(bench):
    """A repetition by another channel must not count again."""
    one = fill(t=1)
    bench.trade(one)
    bench.believe(one)
    bench.step(one)
    assert "S2" in bench.broken


def test_s2_what_a_life_was_told_it_knows(bench):
    """Over all lives: a fill that the journal kept must not be booked again by the next life."""
    bench.truth.rest = [resting()]
    one = fill(t=1)
    bench.trade(one)
    bench.desk.inventory, bench.fills.applied = Inventory(), 0
    ledger = RestoredLedger(ETH, 2, -201, 1)
    bench.desk.inventory.continue_from(ledger)
    bench.bind()
    bench.truth.rest = []
    bench.step(event=Restored(2, 0, (), (ledger,), (1,), Ns(1)))
    bench.step(one)
    assert not bench.broken
    bench.believe(one)
    bench.step(one)
    assert "S2" in bench.broken


def test_s1_what_a_life_wrote_down_as_it_died_is_known(bench):
    """It never took the fill in, its journal kept it: the next one holds the position, and hears of it again."""
    bench.truth.rest = [resting()]
    one = fill(t=1)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    ledger = RestoredLedger(ETH, 2, -201, 1)
    bench.desk.inventory, bench.fills.applied = Inventory(), 0
    bench.desk.inventory.continue_from(ledger)
    bench.bind()
    bench.truth.rest = []
    bench.step(event=Restored(2, 0, (), (ledger,), (1,), Ns(1)))
    bench.step(one)
    assert not bench.broken
    bench.believe(one)
    bench.step(one)
    assert "S2" in bench.broken


def test_s1_what_a_journal_lost_is_under_way_again(bench):
    """A fill of which a torn journal knows nothing has to be learned once more, and then counts."""
    bench.truth.rest = [resting()]
    one = fill(t=1)
    bench.trade(one)
    bench.desk.inventory, bench.fills.applied = Inventory(), 0
    bench.bind()
    bench.truth.rest = []
    bench.step(event=Restored(2, 0))
    assert not bench.broken
    bench.believe(one)
    bench.step(one)
    assert not bench.broken
    bench.desk.inventory.position += 1
    bench.step()
    assert "S1" in bench.broken


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


def test_s4_fill_that_has_not_arrived_by_the_end(bench):
    """Once all is quiet nothing is under way, however short the run was."""
    one = fill(t=1)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    assert "S4" not in bench.broken
    bench.checker.end(Ns(bench.t))
    assert bench.says("S4", "never reached")


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


def test_s5_our_cash_while_a_fill_is_under_way(bench):
    """Then the venue cannot be compared, but our own books add up at every moment."""
    bench.trade(fill(tid=1, t=1))
    late = fill(tid=2, start=2, t=2)
    bench.happen(late)
    bench.block(fills=(late,))
    bench.desk.inventory.cash_flow += 1
    bench.step()
    assert bench.says("S5", "the fills say")


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


def test_s5_our_cash_is_not_the_venues(bench):
    """Both books add up by themselves, and differ by one micro-USD: seen when nothing is under way."""
    bench.step()
    bench.truth.cash_now -= 1
    bench.step()
    assert "S5" in bench.broken


def test_s5_waits_for_what_is_under_way(bench):
    """The venue has booked a fill that we have not heard of."""
    bench.truth.rest = [resting()]
    one = fill(t=1)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    bench.step()
    assert not bench.broken


def test_s5_a_corrections_value_is_no_money(bench):
    """Priced at a mark that is not the fill's, a correction changes our cash flow, not what the fills add up to."""
    bench.truth.rest = [resting()]
    one = fill(t=1, px=100)
    bench.happen(one)
    bench.block(updates=(update(),), fills=(one,))
    bench.desk.inventory.restate(2, Ns(5), 103.5)
    bench.step()
    bench.believe(one)
    bench.step(one)
    assert not bench.broken
    bench.desk.inventory.restate(0, Ns(9), 103.5)
    bench.desk.inventory.cash_flow += 1
    bench.step()
    assert "S5" in bench.broken


def test_s5_transfers_are_no_fills(bench):
    """Funding moves the venue's cash and is told as such; what is not told so is money out of nowhere."""
    bench.block()
    bench.truth.cash_now, bench.truth.moved = 993, -7
    bench.block()
    bench.step()
    bench.desk.inventory.transfers = -7
    bench.checker.end(Ns(bench.t))
    assert not bench.broken
    bench.truth.cash_now -= 2
    bench.truth.moved -= 1
    bench.block()
    assert bench.says("S5", "its fills say")


def test_s5_transfers_must_be_booked_by_the_end(bench):
    """One micro-USD of funding that never reached our books."""
    bench.block()
    bench.truth.cash_now, bench.truth.moved = 993, -7
    bench.block()
    bench.desk.inventory.transfers = -6
    bench.step()
    assert not bench.broken
    bench.checker.end(Ns(bench.t))
    assert bench.says("S5", "booked transfers")


def test_s5_the_opening_has_a_value(bench):
    """What the account had before us is booked at the first mark, and is no cash of ours."""
    bench.truth.positions[ETH] = 4
    bench.desk.inventory.open(4, None)
    bench.step()
    bench.desk.inventory.price(99.5)
    bench.step()
    assert not bench.broken
    bench.desk.inventory.opening_value += 1
    bench.step()
    assert "S5" in bench.broken


def test_s6_money_from_nowhere(bench):
    """All accounts together."""
    bench.truth.sums = [("ETH positions", 0), ("cash and fees", 1)]
    bench.block()
    assert "S6" in bench.broken


@pytest.mark.parametrize("rule", ["S6", "E5"])
def test_s6_and_e5_what_the_venue_finds_in_its_own_records(bench, rule):
    """Fees against the pool, records against queues: said under the rule that is broken, and no other."""
    bench.truth.records = (rule, "fees paid are 1, the pool holds 2")
    bench.block()
    assert bench.broken == {rule}


def test_s8_state_without_a_step(bench):
    """An open order cannot become pending again, and no state is set but by a step."""
    order = bench.order()
    order.advance(OrderState.OPEN, Ns(0))
    bench.step()
    order.state = OrderState.PENDING_NEW
    bench.step()
    assert "S8" in bench.broken


def take(order, *states):
    """Steps without the order's own guard."""
    for state in states:
        order.state = state
        order.path = (*order.path, state)
        order.n_steps += 1


@pytest.mark.parametrize(
    "states",
    [
        pytest.param((OrderState.CANCEL_CONFIRMED,), id="its end could have been reached by other steps"),
        pytest.param((OrderState.CANCELLED, OrderState.OPEN), id="back from an end"),
        pytest.param((OrderState.FILLED, OrderState.CANCELLED), id="two ends"),
        pytest.param((OrderState.CANCEL_PENDING, OrderState.CANCELLED), id="one left out"),
    ],
)
def test_s8_single_steps(bench, states):
    """Each step by itself is legal: from OPEN all of these end in a state that legal steps can reach, or nearly."""
    order = bench.order()
    order.advance(OrderState.OPEN, Ns(0))
    bench.step()
    assert not bench.broken
    take(order, *states)
    bench.step()
    assert "S8" in bench.broken


def test_s8_an_illegal_step_before_the_first_look(bench):
    """An order that is new to us has a past, too."""
    take(bench.order(), OrderState.CANCEL_CONFIRMED)
    bench.step()
    assert "S8" in bench.broken


def test_s8_another_order_under_the_same_id(bench):
    """A client id is one order for ever."""
    bench.order()
    bench.step()
    bench.order()
    bench.step()
    assert bench.says("S8", "took the place of")


def test_s8_a_history_that_is_rewritten(bench):
    """The steps begin where the order was at the last look."""
    order = bench.order()
    order.advance(OrderState.OPEN, Ns(0))
    bench.step()
    order.path = (OrderState.CANCEL_PENDING,)
    order.advance(OrderState.PARTIALLY_FILLED, Ns(1))
    bench.step()
    assert bench.says("S8", "its steps say it was cancel_pending")


def test_s8_let_go_before_its_end(bench):
    """Whatever leaves the live orders has ended."""
    order = bench.order()
    order.advance(OrderState.OPEN, Ns(0))
    bench.step()
    del bench.tracker.orders["c10"]
    bench.step()
    assert bench.says("S8", "let go before it ended")


def test_s8_many_legal_steps_at_once(bench):
    """One event may take several; all of them are looked at and none is wrong."""
    order = bench.order()
    bench.step()
    for state in (OrderState.OPEN, OrderState.CANCEL_PENDING, OrderState.CANCEL_CONFIRMED):
        order.advance(state, Ns(1))
    bench.step()
    for _ in range(PATH_KEPT):
        fresh = bench.order("c11")
        for state in (OrderState.OPEN, *(OrderState.CANCEL_PENDING, OrderState.OPEN) * PATH_KEPT):
            fresh.advance(state, Ns(1))
        del bench.tracker.orders["c11"]
    bench.order("c11")
    bench.step()
    assert not bench.broken


def test_s8_an_order_changes_behind_the_trackers_back(bench):
    """The trader's own revision does not move: the next look at everything sees it all the same."""
    order = bench.order()
    bench.step()
    type(bench.tracker).revision, kept = 1, type(bench.tracker).revision
    try:
        bench.step()
        order.filled = -1
        bench.step()
        assert not bench.broken
        bench.block()
    finally:
        type(bench.tracker).revision = kept
    assert "S8" in bench.broken


def test_s8_late_fill_beyond_the_size(bench):
    """Also an order that has ended and was let go fills no more than was asked."""
    order = bench.order()
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.tracker.completed["c10"] = bench.tracker.orders.pop("c10")
    bench.step()
    one = fill(sz=6, t=4)
    bench.happen(one)
    bench.believe(one)
    order.filled = 6
    bench.step(one)
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


def test_s10_fills_of_an_order_that_the_venue_never_had(bench):
    """A fill makes an order: one that never was has none."""
    order = bench.order()
    order.filled = 2
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.tracker.completed["c10"] = bench.tracker.orders.pop("c10")
    bench.step()
    assert bench.says("S10", "the venue never had it")


@pytest.mark.parametrize("filled", [0, 2])
def test_s10_an_order_that_the_trader_has_forgotten_already(bench, filled):
    """How many ended orders a trader keeps is its own business: what it let go is judged all the same."""
    order = bench.order()
    bench.truth.orders[10] = order_truth(filled=filled, status=OrderStatus.CANCELED)
    bench.step()
    order.advance(OrderState.CANCELLED, Ns(1))
    del bench.tracker.orders["c10"]
    bench.step()
    assert bench.broken == ({"S10"} if filled else set())


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


def test_s11_a_strangers_order_is_found_by_the_next_list(bench):
    """It has no id of ours, and nobody tells of it: more time, and an end of it."""
    bench.truth.rest = [resting(cloid=None)]
    bench.block(updates=(update(),))
    answer(bench, 60)
    assert "S11" not in bench.broken
    answer(bench, 70)
    assert bench.says("S11", "rests at the venue and we do not know it")


@pytest.mark.parametrize("why", ["dead", "stands still", "not answered", "turned away", "taken for a stranger"])
def test_s11_who_can_take_nothing_out_has_more_time_for_a_strangers_order(bench, why):
    """Seeds 3028, 3098 and 3141 of a search: a crash, a stall, a ban. Time goes on when it can act again."""
    bench.truth.rest = [resting(cloid=None)]
    bench.block(updates=(update(),))
    answer(bench, 20)
    bench.run.is_running = why != "dead"
    if why == "stands still":
        bench.belief.next_deadline = lambda: Ns(22 * S)
    refused = {"turned away": Reason.RATE_LIMITED, "taken for a stranger": Reason.UNKNOWN_SIGNER}.get(why)
    for second in range(25, 205, 5):
        if why != "not answered":
            bench.hear(Replied(0, 0, () if refused is None else (Refused(refused, ""),)))
        bench.pass_time(second, deciding=why not in {"dead", "stands still"})
        bench.t = second * S
    assert "S11" not in bench.broken
    bench.run.is_running, bench.belief.next_deadline = True, lambda: None
    answer(bench, 203, every=1, results=(Refused(Reason.NOT_OPEN, ""),))
    assert "S11" not in bench.broken
    answer(bench, 270)
    assert "S11" in bench.broken


def test_s15_at_the_venue(bench):
    """Resting orders of a side fit into the limit together with the position."""
    bench.order()
    bench.truth.positions[ETH] = 6
    bench.truth.rest = [resting(remaining=5)]
    bench.block(updates=(update(),))
    assert "S15" in bench.broken


def test_s15_at_the_venue_with_what_is_on_its_way(bench):
    """An order that the venue has not seen yet may still arrive and fill."""
    bench.order(sz=5)
    bench.step(commands=DECISION)
    bench.truth.positions[ETH] = bench.desk.inventory.position = bench.desk.inventory.opening_position = 1
    bench.truth.rest = [resting(oid=11, remaining=5, cloid="c11")]
    bench.block(updates=(update(11, cloid="c11"),))
    assert "S15" in bench.broken


def test_s15_fills_that_a_correction_contains_are_not_counted_twice(bench):
    """The venue's statement has the fill, the order does not yet: no breach, unless something more is placed."""
    bench.order(sz=6)
    bench.desk.inventory.restate(6, Ns(5), 100.0)
    bench.truth.positions[ETH] = 6
    bench.step(commands=DECISION)
    assert "S15" not in bench.broken
    bench.step(commands=(Request(1, Route.SOCKET, 1, None, (Place(ETH, "c11", Side.BUY, 100, 1, Tif.ALO),)),))
    assert "S15" in bench.broken


def test_s15_what_others_did_to_the_position(bench):
    """A settlement takes a short away while bids are on their way: over by that much, and no more."""
    settled = fill(tid=77, oid=0, cloid=None, side=Side.BUY, sz=3)
    bench.truth.rest = [resting(remaining=13)]
    bench.block(updates=(update(),), fills=(settled,))
    assert "S15" not in bench.broken
    bench.truth.rest = [resting(remaining=14)]
    bench.block(updates=(update(),))
    assert "S15" in bench.broken


def test_s15_what_others_did_is_no_excuse_for_ever(bench):
    """Once inside again, and a minute later, the limit is the limit."""
    settled = fill(tid=77, oid=0, cloid=None, side=Side.BUY, sz=3)
    bench.truth.rest = [resting(remaining=9)]
    bench.block(updates=(update(),), fills=(settled,))
    bench.block(now=120 * S, updates=(update(),))
    bench.truth.rest = [resting(remaining=12)]
    bench.block(now=121 * S, updates=(update(),))
    assert "S15" in bench.broken


def test_s15_a_strangers_order_is_not_ours(bench):
    """Somebody else's order on the account counts when it fills, as what others did."""
    bench.truth.rest = [resting(remaining=9), resting(oid=11, remaining=5, cloid=None)]
    bench.block(updates=(update(),))
    assert "S15" not in bench.broken


def test_s15_a_new_life_with_a_smaller_limit(bench):
    """What the life before left rests on: over by the difference, and not by more."""
    bench.truth.rest = [resting(remaining=10)]
    bench.block(updates=(update(),))
    bench.bind()
    bench.desk.limit.lots = 8
    bench.block(updates=(update(),))
    assert "S15" not in bench.broken
    bench.truth.rest = [resting(remaining=11)]
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


def limited_to(bench, usd):
    """The config allows so many micro-USD; the price is 100, so 1,000 of them are ten lots and a half."""
    bench.scope.limits = HardLimits(usd / USD)
    bench.scope.limits.look(bench.truth, bench.belief.desks)


def test_s15_a_limit_that_the_trader_has_reckoned_wrong(bench):
    """Ten times too high: what may fill is judged by the config at the venue's price, not by the trader's word."""
    bench.desk.limit.lots = 100
    limited_to(bench, 1_000)
    bench.truth.rest = [resting(remaining=11)]
    bench.block(updates=(update(),))
    assert bench.says("S15", "the limit is 0.001 ETH", "the venue")
    assert bench.says("S15", "the trader's limit is 0.01 ETH, config and venue allow 0.001 ETH")


def test_s15_a_limit_that_the_venue_sets(bench):
    """Whatever the config allows, the venue's own limit is not passed; the trader may keep less."""
    bench.truth.stated = InstrumentLimits(ETH, 4, 100, 20, 6)
    limited_to(bench, 1_000)
    bench.truth.rest = [resting(remaining=7)]
    bench.block(updates=(update(),))
    assert bench.says("S15", "the limit is 0.0006 ETH")


def test_s15_the_limit_is_reckoned_once_a_life(bench):
    """At the price of the moment in which the trader sets its own; another life does it anew."""
    limited_to(bench, 1_000)
    bench.truth.top = (199, 201)
    another = SimpleNamespace(limit=SimpleNamespace(lots=0))
    bench.scope.limits.look(bench.truth, {**bench.belief.desks, "SOL": another})
    assert (bench.scope.limits.reckoned(ETH), bench.scope.limits.reckoned("SOL")) == (10, None)
    bench.scope.limits.begin_life()
    bench.desk.limit.lots = 0
    bench.scope.limits.look(bench.truth, bench.belief.desks)
    assert (bench.scope.limits.reckoned(ETH), bench.scope.limits.of(ETH, bench.desk)) == (10, 10)
    bench.desk.limit.lots = 5
    bench.scope.limits.look(bench.truth, bench.belief.desks)
    assert (bench.scope.limits.reckoned(ETH), bench.scope.limits.of(ETH, bench.desk)) == (5, 5)


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


def test_s17_at_the_venue(bench):
    """Resting orders of ours that meet, whatever our books say."""
    bench.truth.rest = [resting(px=101), resting(oid=11, side=Side.SELL, px=101, cloid="c11")]
    bench.block(updates=(update(), update(11)))
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
    for _ in range(INSIDE_EVERY - 1):
        bench.block()
    assert not bench.broken
    bench.block()
    assert "E4" in bench.broken


def test_e4_broken_structure_at_the_end(bench):
    """However short the run was."""
    bench.truth.structure = "level 100 sums up to 7, holds 8"
    bench.checker.end(Ns(1))
    assert "E4" in bench.broken


def test_e5_two_ends(bench):
    """One terminal status per order."""
    bench.block(updates=(update(), update(status=OrderStatus.CANCELED)))
    bench.block(updates=(update(status=OrderStatus.FILLED),))
    assert "E5" in bench.broken


def test_e5_order_without_an_end(bench):
    """An accepted order that is gone was reported gone."""
    bench.block(updates=(update(),))
    assert bench.says("E5", "neither rests nor was reported")


def test_e5_order_that_was_never_reported(bench):
    """The reverse: what rests was accepted, and we were told so."""
    bench.truth.rest = [resting()]
    bench.block()
    assert bench.says("E5", "was never reported open")


def test_e5_gap_between_fills(bench):
    """Each fill starts from the position that the one before left."""
    bench.truth.rest = [resting()]
    bench.trade(fill(tid=1, start=0, t=1))
    bench.trade(fill(tid=2, start=1, t=2))
    assert bench.says("E5", "starts from 1, the one before left 2")


def test_e5_fills_out_of_time(bench):
    """Fills come about in time order."""
    bench.truth.rest = [resting()]
    bench.trade(fill(tid=1, start=0, t=2))
    bench.trade(fill(tid=2, start=2, t=1))
    assert bench.says("E5", "older than the one before")


def test_e5_a_publication_is_lost_before_it_leaves(bench):
    """The venue numbered one more than ever left it."""
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    bench.block(numbered=bench.told + 1)
    assert bench.says("E5", "numbered 2")


@pytest.mark.parametrize("number", [1, 3], ids=["twice", "one left out"])
def test_e5_numbers_have_no_gap(bench, number):
    """Whatever is missing, or there twice, was lost or repeated by the venue."""
    bench.block(published=[bench.tell(None)])
    bench.block(published=[bench.tell(None, number=number)])
    assert bench.says("E5", f"publication {number} (reply) follows publication 1")


@pytest.mark.parametrize(
    "left",
    [
        pytest.param((), id="left out"),
        pytest.param((1, 1), id="told twice"),
        pytest.param((2, 1), id="in another order"),
    ],
)
def test_e5_each_fill_leaves_once_and_in_order(bench, left):
    """The channel of the fills holds what came about, no more and no less."""
    fills = {1: fill(tid=1, start=0, t=1), 2: fill(tid=2, start=2, t=2)}
    bench.truth.rest = [resting()]
    told = [bench.tell(ChannelKind.ORDER_UPDATES, update()), bench.tell(ChannelKind.FILLS, *(fills[t] for t in left))]
    came = tuple(fills.values()) if len(left) != 2 or left[0] != left[1] else (fills[1],)
    bench.block(updates=(update(),), fills=came, published=told)
    assert bench.says("E5", "fills of block", "came about")


def test_e5_a_status_that_nobody_is_told(bench):
    """An order's end that is kept to itself would leave us waiting for ever."""
    bench.block(updates=(update(), update(status=OrderStatus.CANCELED)), published=[])
    assert bench.says("E5", "order_updates of block 1: 2 came about, 0 left")


def test_e5_lost_between_the_venue_and_the_links(bench):
    """What leaves the venue enters the links of whoever is subscribed; only behind that point may it be lost."""
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),), owed=1, entered=0)
    assert bench.says("E5", "1 publications", "0 entered")


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


def test_e7_cancelled_and_still_resting(bench):
    """A cancel takes the order out of the book."""
    bench.truth.rest = [resting()]
    bench.block(updates=(update(), update(status=OrderStatus.CANCELED)))
    assert "E7" in bench.broken


def test_e8_position_without_a_fill(bench):
    """Positions at the venue come from fills."""
    bench.block()
    bench.truth.positions[ETH] = 1
    bench.block()
    assert "E8" in bench.broken


@pytest.mark.parametrize(("stated", "back", "is_wrong"), [(1, 0, False), (2, 0, True), (1, 2, True)])
def test_e8_a_statement_of_another_moment(bench, stated, back, is_wrong):
    """A position is what it was at the moment that is named: whoever adds newer fills to it counts none twice."""
    bench.block()
    bench.happen(one := fill(sz=1, t=2))
    report = PositionsReported(Ns(2 - back), Ns(0), (PositionEntry(ETH, stated),), 0)
    news = [*bench.news((), (one,)), bench.tell(ChannelKind.POSITIONS, report)]
    bench.block(fills=(one,), published=news)
    assert ("E8" in bench.broken) is is_wrong


def test_e9_time_runs_back(bench):
    """One history."""
    bench.block(now=5)
    bench.block(now=5)
    assert "E9" in bench.broken


def test_e9_order_ids_run_back(bench):
    """Ids are given once, in the order of submission."""
    bench.block(updates=(update(oid=10), update(oid=9)))
    assert "E9" in bench.broken


def test_e9_a_block_is_left_out(bench):
    """Blocks are numbered without a gap."""
    bench.block()
    bench.block(number=3)
    assert "E9" in bench.broken


@pytest.mark.parametrize(
    "channels",
    [
        pytest.param((ChannelKind.FILLS, ChannelKind.ORDER_UPDATES), id="fills first"),
        pytest.param((ChannelKind.ORDER_UPDATES, None, ChannelKind.POSITIONS), id="an answer among the news"),
        pytest.param((ChannelKind.POSITIONS, ChannelKind.POSITIONS), id="twice"),
    ],
)
def test_e9_news_leave_in_another_order(bench, channels):
    """Inside a block one order of what leaves is part of the one history."""
    answers = [bench.tell(None), bench.tell(None)]
    bench.block(published=[*answers, bench.tell(ChannelKind.ORDER_UPDATES), bench.tell(ChannelKind.FILLS)])
    assert not bench.broken
    bench.block(published=[bench.tell(channel) for channel in channels])
    assert "E9" in bench.broken


@pytest.mark.parametrize("hashed", [1, 7], ids=["stands still", "moves without a block"])
def test_e9_the_digest_moves_with_the_blocks(bench, hashed):
    """A block that the digest leaves out could differ between two runs that look the same."""
    bench.block()
    bench.truth.hashed = hashed - 1 if hashed == 1 else hashed
    if hashed == 1:
        bench.block()
    else:
        bench.checker.end(Ns(bench.t))
    assert "E9" in bench.broken


FLOOR = SimpleNamespace(adverse_floor_bps=1.0)
"""With the fee of the bench a kept order has to earn 2.5 bps."""


def lagging(bench, *bids, tolerance=FLOOR, unsent=0, now=Ns(1), **gated):
    """A desk that has looked at both sides and wants these bids."""
    levels = {Side.BUY: [LadderLevel(px, 5) for px in bids], Side.SELL: []}
    bench.desk.targets = SimpleNamespace(of=levels.__getitem__)
    first = SimpleNamespace(interval_ms=500.0)
    bench.desk.config = SimpleNamespace(reconcile=SimpleNamespace(tolerance=tolerance, modify_first=first))
    bench.desk.execution = SimpleNamespace(
        actions_generated=13 + unsent + sum(gated.values()), actions_sent=10, actions_latched=3, actions_gated=gated
    )
    bench.market.bid, bench.market.ask = (9_995, 1, 1), (10_005, 1, 1)
    bench.checker.step(Step(now, cycled=(ETH,)))


def rests_at(bench, px, side=Side.BUY, **state):
    order = bench.order(f"at{px}", side, px)
    order.state, order.in_flight = OrderState.OPEN, InFlight.NONE
    for name, value in state.items():
        setattr(order, name, value)
    return order


@pytest.mark.parametrize(("px", "side"), [(10_000, Side.BUY), (10_003, Side.BUY), (10_000, Side.SELL)])
def test_s32_an_order_stays_where_a_fill_does_not_pay(bench, px, side):
    """At the mid, beyond it, and on a side that wants nothing: all of it was left there by choice."""
    rests_at(bench, px, side)
    lagging(bench, 9_950)
    assert bench.says("S32", "was left where a fill earns", "not 2.50")


@pytest.mark.parametrize(
    ("px", "wanted", "state"),
    [
        (9_990, 9_950, {}),
        (10_000, 10_000, {}),
        (10_003, 9_950, {"in_flight": InFlight.CANCEL}),
        (10_003, 9_950, {"certainty": Certainty.UNKNOWN}),
    ],
    ids=["far enough", "as its target", "leaving", "in doubt"],
)
def test_s32_holds(bench, px, wanted, state):
    """What earns enough, or as much as it should, or is not the trader's to keep."""
    rests_at(bench, px, **state)
    lagging(bench, wanted)
    assert "S32" not in bench.broken


def test_s32_asks_only_where_bands_let_orders_lag_and_nothing_was_held_back(bench):
    """A plain rule has no floor; and what could not be sent is not kept by choice, in that cycle alone."""
    rests_at(bench, 10_000)
    lagging(bench, 9_950, tolerance=None)
    lagging(bench, 9_950, unsent=1)
    assert "S32" not in bench.broken
    lagging(bench, 9_950, unsent=1)
    assert "S32" in bench.broken


@pytest.mark.parametrize("gate", ["pacing", "debounce"])
def test_s32_the_pace_and_another_orders_wait_are_no_excuse(bench, gate):
    """Danger goes whatever the pace, and what waits for its next modify is that order alone."""
    rests_at(bench, 10_000)
    lagging(bench, 9_950, **{gate: 1})
    assert "S32" in bench.broken


def test_s32_an_order_that_was_modified_just_now_waits(bench):
    """For half a second, and no longer."""
    rests_at(bench, 10_000, chain="c0")
    lagging(bench, 9_950, debounce=1)
    assert "S32" not in bench.broken
    lagging(bench, 9_950, debounce=1, now=Ns(500_000_001))
    assert "S32" in bench.broken


def cycled(bench, *actions, **counts):
    """A quote cycle with this account, and requests with one action each that left in the same decision."""
    bench.desk.execution = SimpleNamespace(record=CycleRecord(Ns(1), ETH, **counts))
    commands = [Request(i, Route.SOCKET, i, None, (action,)) for i, action in enumerate(actions, start=1)]
    bench.checker.step(Step(Ns(1), None, commands, looked=(ETH,)))


BID = Place(ETH, "c1", Side.BUY, 100, 5, Tif.ALO)
MOVED = Modify("c1", 10, Place(ETH, "c2", Side.BUY, 101, 5, Tif.ALO))
GONE = Cancel(ETH, "c2", 11)


@pytest.mark.parametrize(
    ("actions", "counts", "told"),
    [
        ((), {"generated": 2, "latched": 1}, "+1 of the wanted actions are in no count"),
        ((), {"generated": 1, "gated": 2}, "-1 of the wanted actions are in no count"),
        ((), {"generated": 1, "places": 1}, "0 cancels, 0 modifies and 0 placements left"),
        ((BID,), {"generated": 1, "gated": 1}, "0 cancels, 0 modifies and 1 placements left"),
        ((MOVED,), {"generated": 1, "places": 1}, "0 cancels, 1 modifies and 0 placements left"),
        ((), {"generated": 1, "cancels": 1}, "0 cancels, 0 modifies and 0 placements left"),
        ((replace(BID, tif=Tif.IOC),), {"generated": 1, "places": 1}, "0 cancels, 0 modifies and 0 placements left"),
    ],
)
def test_s31_an_action_is_in_no_count_or_in_a_wrong_one(bench, actions, counts, told):
    """What was wanted and lost, what was counted and did not leave, and what left and was not counted."""
    cycled(bench, *actions, **counts)
    assert bench.says("S31", told)


def test_s31_a_cycle_without_an_account(bench):
    """The account of an earlier cycle is none of this one; nor is that of no cycle."""
    bench.desk.execution = SimpleNamespace(record=CycleRecord(Ns(0), ETH))
    bench.checker.step(Step(Ns(1), None, (), looked=(ETH,)))
    assert bench.says("S31", "without an account")


def test_s31_holds(bench):
    """All counts together; others cancel beside the cycle, and what takes is no quote."""
    cycled(
        bench, BID, MOVED, GONE, generated=9, cancels=1, modifies=1, places=1, latched=2, debounced=1, paced=1, gated=2
    )
    cycled(bench, GONE)
    cycled(bench, Cancel(ETH, None, 11))
    cycled(bench, replace(BID, tif=Tif.IOC))
    cycled(bench, replace(BID, instrument="BTC"), replace(GONE, instrument="BTC"))
    assert "S31" not in bench.broken


def test_every_rule_of_the_tuple_is_red_in_a_test_above():
    """A rule added without a test that breaks it is found here."""
    texts = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py")]
    tested = {found.upper() for text in texts for found in re.findall(r"\ndef test_([a-z]\d+)_\w*\(bench", text)}
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


def test_a_rule_counts_what_it_compared_and_not_how_often_it_was_called(bench):
    """A count says that something was looked at: with nothing to compare it stays zero, and that shows."""
    bench.step()
    bench.block()
    counts = bench.checker.counts()
    idle = {"S3", "S4", "S8", "S10", "S11", "S15", "S16", "S17", "E1", "E2", "E3", "E7", "E8"}
    assert {name for name, count in counts.items() if not count} >= idle
    assert (counts["E4"], counts["E9"], counts["S2"]) == (1, 1, 1), "the top of a book; a block; a step"
    bench.order()
    bench.step(commands=DECISION)
    bench.trade(fill(t=9))
    counts = bench.checker.counts()
    assert (counts["S3"], counts["E8"]) == (1, 1)
    assert (counts["S4"], counts["S15"]) == (2, 2), "on its way and when it arrives; in our books and at the venue"


def test_counts_go_on_over_lives(bench):
    """What is known of the venue is known in the next life of the trader, too."""
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    before = bench.checker.counts()
    bench.bind()
    bench.block()
    assert bench.checker.violations == []
    assert all(count >= before[name] for name, count in bench.checker.counts().items())
    assert bench.checker.counts()["E9"] == before["E9"] + 2
