"""The rules about evidence and about what leaves: green on what is sound, red once it is broken by hand."""

import pytest
from msgspec.structs import replace

from domain.commands import (
    Cancel,
    Modify,
    Place,
    QueryFills,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    Request,
    Route,
)
from domain.events import (
    BboChanged,
    BookReported,
    Cancelled,
    Feed,
    FeedDown,
    FeedUp,
    FillsReport,
    InstrumentLimits,
    LimitsReport,
    MarginMode,
    NotSent,
    OpenOrder,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatus,
    OrderStatusReport,
    PositionsReport,
    PositionsReported,
    Reason,
    Refused,
    Replied,
    Resting,
    Restored,
    RestoredOrder,
)
from domain.orders import InFlight, OrderState
from domain.units import Ns, Side, Tif
from tests.scenarios.bench import DECISION, ETH, Bench, S, answer, fill, order_truth, resting, update

TERMS = InstrumentLimits(ETH, 4, 100, 20, 10**9, leverage=20)
BID, ASK = (99, 5, 1), (101, 5, 1)
MARKET = BboChanged(ETH, 0, 0, BID, ASK)


@pytest.fixture
def bench():
    """A trader that has read the terms and its account, hears the account and sees the market."""
    bench = Bench()
    bench.hear(FeedUp(Feed.USER, 1, 0))
    bench.hear(FeedUp(Feed.MARKET, 1, 0))
    bench.hear(Replied(0, 0, (LimitsReport(0, (TERMS,)),)))
    bench.hear(MARKET)
    bench.read_account()
    return bench


def place(cloid="c1", px=100, sz=5, *, side=Side.BUY, name=ETH, tif=Tif.ALO, reduce_only=False):
    return Place(name, cloid, side, px, sz, tif, reduce_only)


def test_a_sound_placement_breaks_nothing(bench):
    """Protects the red tests below: none of them may be red for another reason."""
    bench.send(place(), epoch=1)
    bench.send(place("c2", 99), epoch=1)
    bench.hear(update(10, cloid="c1"))
    bench.send(Modify("c1", 10, place("c3", 98)), epoch=1)
    bench.send(Cancel(ETH, "c2"), epoch=1)
    assert bench.checker.violations == []
    counts = bench.checker.counts()
    assert [rule for rule in ("S12", "S13", "S18", "S19", "S20", "S21", "S22") if not counts[rule]] == []


# --- evidence -----------------------------------------------------------------------------------


def test_s9_taken_for_ended_while_it_rests(bench):
    """A refusal that was believed too early: the order can still fill."""
    order = bench.order()
    bench.truth.orders[10] = order_truth()
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.step()
    assert bench.says("S9", "rests at the venue")


def test_s9_written_off_and_then_it_came(bench):
    """What never came may still come: written off is only what cannot."""
    order = bench.order()
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.step()
    assert "S9" not in bench.broken
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    assert bench.says("S9", "after it had been written off")


@pytest.mark.parametrize(
    "event", [FeedDown(Feed.USER, 1, Reason.OTHER, 0), None], ids=["connection lost", "time, or a decision"]
)
def test_s14_concluded_from_silence(bench, event):
    """A time-out is not a rejection, and neither is a lost connection."""
    order = bench.order()
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    if event is None:
        bench.step(commands=DECISION)
    else:
        bench.hear(event)
    assert bench.says("S14", "says nothing of it")


def test_s14_given_up_while_it_may_arrive(bench):
    """Answers that do not know an order prove nothing as long as it may be on its way."""
    for cloid, expires_at in (("late", Ns(1)), ("early", Ns(100 * S)), ("for ever", None)):
        bench.order(cloid).expires_at = expires_at
    bench.step()
    bench.t = 10 * S
    for order in bench.tracker.orders.values():
        order.is_presumed_gone = True
        order.advance(OrderState.REJECTED, Ns(1))
    bench.hear(Replied(9, 0, (OpenOrdersReport(0, ()),)))
    found = {key for v in bench.checker.violations if v.name == "S14" for key in v.keys}
    assert found == {"early", "for ever"}


@pytest.mark.parametrize(
    "event",
    [
        Replied(999, 0, ()),
        Replied(999, 0, (Resting(77, "c77"),)),
        NotSent(999, Reason.FEED_DOWN, Ns(0)),
        update(77, OrderStatus.CANCELED, cloid="c77"),
        fill(oid=77, cloid="c77"),
        Replied(999, 0, (OrderStatusReport(0, update(77, cloid="c77")),)),
        Replied(999, 0, (FillsReport(0, (fill(oid=77, cloid="c77"),), is_complete=True),)),
        PositionsReported(0, 0, (), 0),
        Restored(2, 0, (RestoredOrder(ETH, "c77", Side.BUY, 100, 5),)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_s14_by_what_speaks_of_another_order(bench, event):
    """It has to name this one, or to be the answer to a request that held it."""
    order = bench.order()
    order.oid = 10
    bench.step()
    order.advance(OrderState.CANCELLED, Ns(1))
    bench.hear(event)
    assert bench.says("S14", "says nothing of it")


@pytest.mark.parametrize(
    "results",
    [(Refused(Reason.OFF_TICK, ""),), (Refused(Reason.INVALID_NONCE, ""),) * 2],
    ids=["an answer to the other one", "an answer that says nothing"],
)
def test_s14_by_an_answer_with_a_hole(bench, results):
    """Of two actions in one request each has its own answer; some refusals say nothing of what may have come before."""
    asked = bench.send(place("c9"), place("c10"), epoch=1)
    order = bench.order()
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.hear(Replied(asked.request_id, 0, results))
    assert bench.says("S14", "says nothing of it")


@pytest.mark.parametrize(
    "event",
    [
        update(77),
        update(10, cloid=None),
        fill(oid=77),
        OpenOrdersReported(0, 0, ()),
        Replied(999, 0, (OpenOrdersReport(0, ()),)),
        Replied(999, 0, (OrderStatusReport(0, update(10, cloid=None)),)),
        Replied(999, 0, (FillsReport(0, (fill(),), is_complete=True),)),
        Restored(2, 0, (RestoredOrder(ETH, "c10", Side.BUY, 100, 5),)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_s14_by_what_names_it(bench, event):
    """By either id; a complete list names by leaving out."""
    order = bench.order()
    order.oid = 10
    bench.step()
    order.advance(OrderState.CANCELLED, Ns(1))
    bench.hear(event)
    assert "S14" not in bench.broken


@pytest.mark.parametrize(
    ("actions", "results"),
    [
        ((place("c9"), place("c10")), (Resting(9, "c9"), Refused(Reason.OFF_TICK, ""))),
        ((place("c9"), place("c10")), (Refused(Reason.RATE_LIMITED, ""),)),
        ((Cancel(ETH, "c10"),), (Refused(Reason.NOT_OPEN, ""),)),
        ((Cancel(ETH, None, 10),), (Cancelled(),)),
        ((Modify("c10", 10, place("c11")),), (Resting(11, "c11"),)),
        ((Modify("c9", 9, place("c10")),), (Refused(Reason.MODIFY_NEW_LEG, ""),)),
        ((QueryOrder("c10"),), (OrderStatusReport(0, None),)),
    ],
    ids=["place", "payload", "cancel", "cancel by oid", "modify of it", "modify to it", "status"],
)
def test_s14_by_the_answer_to_what_held_it(bench, actions, results):
    """Whatever was asked about it: an answer to that is an answer of it."""
    order = bench.order()
    order.oid = 10
    bench.step()
    asked = bench.send(*actions, epoch=1)
    order.advance(OrderState.REJECTED, Ns(1))
    bench.hear(Replied(asked.request_id, 0, results))
    assert "S14" not in bench.broken


def test_s14_by_a_request_that_never_left(bench):
    """Nothing of it happened."""
    asked = bench.send(place("c10"), epoch=1)
    order = bench.order()
    bench.step()
    order.advance(OrderState.REJECTED, Ns(1))
    bench.hear(NotSent(asked.request_id, Reason.FEED_DOWN, Ns(0)))
    assert "S14" not in bench.broken


# --- names and intents --------------------------------------------------------------------------


def test_s12_a_name_used_twice(bench):
    """Two orders of one name cannot be told apart after a lost answer; over lives, too."""
    bench.send(place("c1"), epoch=1)
    bench.bind()
    bench.send(Modify("c0", 9, place("c1")), epoch=1)
    assert bench.says("S12", "used before")


def test_s12_numbers_out_of_order(bench):
    """Answers find their requests by number: none comes twice in a life."""
    bench.send(place("c1"), request_id=7, epoch=1)
    bench.bind()
    bench.hear(FeedUp(Feed.USER, 1, 0))
    bench.send(place("c2"), request_id=1, epoch=1)
    assert "S12" not in bench.broken, "another life counts anew"
    bench.send(place("c3"), request_id=1, epoch=1)
    assert bench.says("S12", "left after request")


def test_s13_leaves_before_it_is_safe(bench):
    """An order that the journal could forget is an orphan after the next crash; a cancel may be forgotten."""
    bench.run.is_durable = False
    bench.send(Cancel(ETH, "c1"), epoch=1)
    assert "S13" not in bench.broken
    bench.send(place("c1"), epoch=1)
    assert bench.says("S13", "could be forgotten")


# --- what may be sent ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (place(px=-100), "not above zero"),
        (place(sz=0), "not above zero"),
        (place(px=100.0), "no whole numbers"),
        (place(sz=True), "no whole numbers"),
        (place(px=100_001, sz=1), "significant figures"),
        (place(px=20, sz=1), "the least is 100"),
        (place(px=111), "more than 10% away"),
        (place(px=89, sz=9), "more than 10% away"),
        (place(sz=21), "largest size"),
        (place(name="BTC"), "nobody trades that"),
    ],
)
def test_s18_not_well_formed(bench, order, words):
    """Seen where it is decided, not by the venue's refusal."""
    if order.px == 100_001:
        bench.truth.mark_px = order.px
    bench.send(order, epoch=1)
    assert bench.says("S18", words)


@pytest.mark.parametrize(
    ("still", "after_s", "px", "is_blamed"),
    [
        (True, 0, 101, False),
        (True, 15, 101, False),
        (True, 16, 101, True),
        (True, 0, 115, True),
        (True, 0, 139, False),
        (False, 0, 101, True),
    ],
)
def test_s18_a_book_that_stands_still(bench, still, after_s, px, is_blamed):
    """Seed 916 of a search: nobody could place anything, and the mark ran away with the prices elsewhere."""
    bench.pass_time(10)
    bench.truth.mark_px, bench.truth.still = 140, still
    bench.pass_time(20)
    bench.truth.still = False
    bench.pass_time(20 + after_s)
    bench.send(place(px=px), now=bench.t, epoch=1)
    assert ("S18" in bench.broken) is is_blamed


@pytest.mark.parametrize("px", [99_999, 100_010, 12_345_600])
def test_s18_five_figures_or_a_whole_number(bench, px):
    """A price of more figures is legal where it is whole: ETH here has two decimals."""
    bench.truth.mark_px = px
    bench.send(place(px=px, sz=1), epoch=1)
    assert "S18" not in bench.broken


def test_s18_a_small_order_that_only_reduces(bench):
    """The venue lets the rest of a position go, however small it is."""
    bench.desk.inventory.position = -1
    bench.send(place(px=95, sz=1, reduce_only=True), epoch=1)
    assert "S18" not in bench.broken


def test_s19_terms_that_nobody_has_read():
    """A life that places before it was told what the venue enforces places by hearsay."""
    bench = Bench()
    bench.send(place())
    assert bench.says("S19", "has not stated")


OTHER_TERMS = (
    {"sz_decimals": 3},
    {"min_notional": 10},
    {"max_leverage": 5},
    {"px_step": 10},
    {"sz_step": 10},
    {"leverage": 3},
    {"mode": MarginMode.ISOLATED},
)


@pytest.mark.parametrize("other", OTHER_TERMS)
def test_s19_terms_that_are_not_ours(bench, other):
    """The latest word counts; where it is another one nothing is placed."""
    bench.desk.terms.expected.leverage, bench.desk.terms.expected.mode = 20, MarginMode.CROSS
    bench.hear(Replied(0, 0, (LimitsReport(0, (replace(TERMS, **other),)),)))
    bench.send(place(), epoch=1)
    assert bench.says("S19", "whose terms are not ours")


@pytest.mark.parametrize("is_late", [True, False])
def test_s19_a_late_answer_says_what_was(bench, is_late):
    """Seed 1801: the terms went back, and an answer from before that came after the one that said so."""
    bench.hear(Replied(0, 0, (LimitsReport(9, (TERMS,)),)))
    bench.hear(Replied(0, 0, (LimitsReport(8 if is_late else 10, (replace(TERMS, px_step=10),)),)))
    bench.send(place(), epoch=1)
    assert ("S19" in bench.broken) is not is_late


def test_s19_what_another_life_read(bench):
    """Between two lives the venue may have changed its terms."""
    bench.bind()
    bench.send(place(), epoch=1)
    assert bench.says("S19", "has not stated")


def test_s16_adds_where_only_reducing_is_allowed(bench):
    """Seen at the decision: the limit and the order contradict each other."""
    bench.desk.limit.reduce_only = True
    bench.desk.inventory.position = 5
    bench.order("c1", Side.SELL, sz=5)
    bench.send(place("c1", side=Side.SELL, sz=5), epoch=1)
    assert "S16" not in bench.broken
    bench.order("c2", Side.SELL, sz=1)
    bench.send(place("c2", side=Side.SELL, sz=1), epoch=1)
    assert bench.says("S16", "only reducing is allowed")


def test_s16_what_adds_is_withdrawn(bench):
    """When risk says so, it is not enough to place nothing more."""
    bench.desk.inventory.position = 3
    order = bench.order()
    order.advance(OrderState.OPEN, Ns(1))
    order.in_flight = InFlight.NONE
    bench.desk.limit.reduce_only = True
    bench.pass_time(10)
    assert "S16" not in bench.broken, "it takes its time"
    bench.pass_time(20)
    assert bench.says("S16", "rests and adds to")


# --- data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BboChanged(ETH, 1, 0, (101, 5, 1), (101, 5, 1)), "not sound"),
        (BboChanged(ETH, 1, 0, None, ASK), "not sound"),
        (BookReported(ETH, 1, 0, (BID,), ()), "not sound"),
        (FeedDown(Feed.MARKET, 1, Reason.OTHER, 0), "nothing was heard"),
        (FeedUp(Feed.MARKET, 2, 0), "nothing was heard"),
    ],
)
def test_s21_quoted_on_an_unsound_book(bench, data, words):
    """The newest state decides, and it is none where it is of another connection."""
    bench.hear(data)
    bench.send(place(), epoch=1)
    assert bench.says("S21", words)


@pytest.mark.parametrize(
    "data",
    [
        BboChanged(ETH, -1, 0, None, None),
        BboChanged(ETH, 100 * S, 0, None, None),
        BboChanged(ETH, 1, 0, (0, 5, 1), ASK),
        BookReported(ETH, 1, 0, (BID,), ((101, -5, 1),)),
    ],
    ids=["older", "of the future", "no price", "no size"],
)
def test_s21_what_is_no_data_changes_nothing(bench, data):
    """The trader does not use it either."""
    bench.hear(data)
    bench.send(place(), epoch=1)
    assert "S21" not in bench.broken


def test_s20_placed_on_old_data(bench):
    """By the stamps of the data, however lately they came."""
    bench.hear(BboChanged(ETH, 1, 0, BID, ASK), now=30 * S)
    bench.send(place(), now=30 * S + 1, epoch=1)
    assert bench.says("S20", "s old")


def test_s20_placed_while_the_account_is_not_heard(bench):
    """Fills would not be heard either."""
    bench.hear(FeedDown(Feed.USER, 1, Reason.OTHER, 0))
    bench.send(place(), route=Route.REST, epoch=1)
    assert bench.says("S20", "connection is down")


def test_s20_rests_on_old_data(bench):
    """It must have been cancelled; where a cancel has left lately, its fate is another question."""
    bench.order()
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    bench.pass_time(20)
    assert "S20" not in bench.broken, "the time for it is not over"
    bench.send(Cancel(ETH, "c10"), epoch=1)
    bench.pass_time(30)
    assert "S20" not in bench.broken, "it was asked for"
    bench.pass_time(45)
    assert bench.says("S20", "nobody cancels it", "data are")


def test_s20_rests_without_the_account(bench):
    """The same for the account's own connection."""
    bench.order()
    bench.truth.rest = [resting()]
    bench.hear(FeedDown(Feed.USER, 1, Reason.OTHER, 0))
    bench.block(updates=(update(),))
    bench.pass_time(10)
    assert bench.says("S20", "nobody cancels it", "connection is down")


def test_s20_is_about_our_own_orders(bench):
    """Storm, seed 0: what somebody else rests on the account is a stranger, and the orphan rule's."""
    bench.truth.rest = [resting(oid=77, cloid=None)]
    bench.block(updates=(update(),))
    answer(bench, 80)
    assert "S20" not in bench.broken
    assert "S11" in bench.broken


def test_s20_who_stands_still_can_do_nothing(bench):
    """A process that is stalled is not judged before it has decided again."""
    bench.order()
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    bench.pass_time(60, deciding=False)
    assert "S20" not in bench.broken
    bench.pass_time(61)
    assert "S20" in bench.broken


def test_s20_who_stands_still_repeats_nothing(bench):
    """Seed 3185 of a search: its cancels were refused, the next one was due, and the process stood still."""
    bench.order()
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    bench.pass_time(21)
    bench.send(Cancel(ETH, "c10"), epoch=1)
    bench.pass_time(25)
    bench.belief.next_deadline = lambda: Ns(31 * S)
    bench.pass_time(80, deciding=False)
    assert "S20" not in bench.broken
    bench.belief.next_deadline = lambda: Ns(91 * S)
    bench.pass_time(81)
    assert bench.says("S20", "nobody cancels it"), "it decided, and did not repeat it"


@pytest.mark.parametrize("leaves", [True, False])
def test_s20_what_the_latest_decision_cancels_is_about_to_leave(bench, leaves):
    """Storm, seed 1003: a trader wakes up and cancels; the next second begins before that has left."""
    bench.order()
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    bench.pass_time(60, deciding=False)
    request = bench.send(Cancel(ETH, "c10"), now=61 * S, epoch=1, leaves=False)
    bench.block(now=61 * S + 1)
    assert "S20" not in bench.broken
    if leaves:
        bench.leave(request)
    bench.pass_time(62)
    assert ("S20" not in bench.broken) is leaves, "the next decision is made, so the last one is carried out"


def test_s20_what_has_left_is_about_to_leave_no_more(bench):
    """The excuse ends there: a cancel that came to nothing is repeated, also by whoever makes no other decision."""
    bench.order()
    bench.truth.rest = [resting()]
    bench.block(updates=(update(),))
    bench.pass_time(60, deciding=False)
    bench.leave(bench.send(Cancel(ETH, "c10"), now=61 * S, epoch=1, leaves=False))
    bench.pass_time(75, deciding=False)
    assert "S20" not in bench.broken, "it left lately"
    bench.pass_time(81, deciding=False)
    assert bench.says("S20", "nobody cancels it")


# --- causes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action",
    [Cancel(ETH, None, 77), Cancel(ETH, "c77"), Modify("c1", 77, place("c2")), QueryOrder("c77")],
    ids=["id of the venue", "name", "modify", "question"],
)
def test_s22_names_what_nobody_told(bench, action):
    """Knowledge that was not delivered is a leak from the venue's side of the world."""
    bench.send(place("c1"), epoch=1)
    bench.send(action, epoch=1)
    assert "S22" in bench.broken


@pytest.mark.parametrize(
    "event",
    [
        update(77, cloid="c77"),
        fill(oid=77, cloid="c77"),
        Restored(2, 0, (RestoredOrder(ETH, "c77", Side.BUY, 100, 5),)),
        Replied(1, 0, (Resting(77, "c77"),)),
        Replied(1, 0, (OpenOrdersReport(0, (OpenOrder(ETH, 77, "c77", Side.BUY, 100, 5, 5, Tif.ALO, False, 0),)),)),
        Replied(1, 0, (OrderStatusReport(0, update(77, cloid="c77")),)),
        Replied(1, 0, (FillsReport(0, (fill(oid=77, cloid="c77"),), True),)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_s22_what_was_told_may_be_named(bench, event):
    """By whatever way it came."""
    bench.hear(event)
    bench.send(Cancel(ETH, "c77", None if isinstance(event, Restored) else 77), epoch=1)
    assert "S22" not in bench.broken


def test_s22_leaves_long_after_its_decision(bench):
    """What waited out a standstill was decided for another market; a cancel is right at any time."""
    late = bench.send(place(), epoch=1, leaves=False)
    bench.leave(late, now=bench.t + 11 * S)
    assert bench.says("S22", "after its decision")
    assert len(bench.checker.violations) == 1
    cancel = bench.send(Cancel(ETH, "c1"), epoch=1, leaves=False)
    bench.leave(cancel, now=bench.t + 60 * S)
    assert len(bench.checker.violations) == 1


def test_s22_nobody_decided_it(bench):
    """A queue behind the trader's back that sends once more."""
    again = bench.send(place(), epoch=1)
    bench.leave(again)
    assert bench.says("S22", "did not decide it")


def test_s22_for_a_connection_that_is_not_known(bench):
    """The number of a connection is told by its FeedUp."""
    bench.send(place(), epoch=2)
    assert bench.says("S22", "for connection 2")


def test_s22_for_a_connection_of_before(bench):
    """What was kept for another connection is not carried out on this one; by the other way it has none."""
    bench.hear(FeedUp(Feed.USER, 2, 0))
    bench.read_account(epoch=2)
    bench.send(place("c1"), epoch=2)
    bench.send(place("c2"), epoch=0, route=Route.REST)
    assert "S22" not in bench.broken
    bench.send(place("c3"), epoch=1)
    assert bench.says("S22", "for connection 1")


def test_s22_the_connection_ends_on_the_way(bench):
    """It was decided for the connection of that moment; that it is over now is for the adapter to find."""
    slow = bench.send(place(), epoch=1, leaves=False)
    bench.hear(FeedUp(Feed.USER, 2, 0))
    bench.leave(slow)
    assert "S22" not in bench.broken


@pytest.mark.parametrize("answered", [(), ("orders",), ("orders", "positions"), ("orders", "refused", "fills")])
def test_s22_placed_before_the_account_was_read(bench, answered):
    """All three are asked for on the new connection, and told; a refusal tells nothing."""
    bench.send(place("c0"), epoch=1)
    early = bench.send(QueryPositions(), epoch=1)
    bench.hear(FeedUp(Feed.USER, 2, 0))
    bench.hear(Replied(early.request_id, 0, (PositionsReport(0, (), 0),)))
    answers = {
        "orders": (QueryOpenOrders(), OpenOrdersReport(0, ())),
        "positions": (QueryPositions(), PositionsReport(0, (), 0)),
        "refused": (QueryPositions(), Refused(Reason.RATE_LIMITED, "")),
        "fills": (QueryFills(Ns(0)), FillsReport(0, (), is_complete=True)),
    }
    for name in answered:
        question, answer = answers[name]
        bench.hear(Replied(bench.send(question, epoch=2).request_id, 0, (answer,)))
    bench.send(place("c1"), epoch=2)
    assert bench.says("S22", "was not read")


def test_a_query_is_judged_by_no_rule_of_placements(bench):
    """Rules that have nothing to compare count nothing."""
    before = bench.checker.counts()
    bench.leave(Request(99, Route.REST, 1, None, (QueryOrder("c1"),)))
    after = bench.checker.counts()
    assert [rule for rule in after if after[rule] != before[rule]] == ["S12"]
