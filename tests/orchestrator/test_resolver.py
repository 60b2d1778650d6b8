"""Orders whose fate is unclear: asked about until evidence settles them, and never guessed."""

import pytest

from domain.commands import (
    Cancel,
    Modify,
    Place,
    QueryFills,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
    Request,
)
from domain.events import (
    Feed,
    Fill,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Refused,
    Replied,
    Restored,
    RestoredOrder,
)
from domain.orders import Certainty, OrderState
from domain.units import Px, Sz
from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, cloid, ms, s
from tests.orchestrator.tiny_venue import Stage, VenueOrder, heal, quoting

EXACT = TraderConfig(desk=DeskConfig(engine=AT_ONCE, size_tolerance=0.0))


def only(kind: type, fate: str, times: int = 1, *, drops_updates: bool = False):
    """A stage whose next requests of a kind meet a fate; user updates may be lost with them."""

    def apply(stage: Stage) -> None:
        left = [times]

        def decide(request):
            if isinstance(request.actions[0], kind) and left[0]:
                left[0] -= 1
                return fate
            return None

        stage.venue.faults.fate = decide
        if drops_updates:
            stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)

    return apply


def move(stage: Stage, ticks: int = 30) -> None:
    """The market moves, so that the trader has to do something."""
    stage.venue.quote(MID + ticks * TICK)


def unknown(stage: Stage) -> list:
    return [o for o in stage.desk.tracker.orders.values() if o.certainty is Certainty.UNKNOWN]


# --- placements ---------------------------------------------------------------------------------


@pytest.mark.parametrize("drops_updates", [False, True])
@pytest.mark.parametrize("fate", ["mute", "lost"])
def test_a_placement_without_an_answer_is_settled(fate, drops_updates):
    """S9, S14, reliability 24: applied or not, in the end both sides agree and nothing was placed twice."""
    stage = Stage()
    only(Place, fate, drops_updates=drops_updates)(stage)
    stage.begin().run_for(s(2))
    before = len(stage.actions(Place))
    assert stage.desk.tracker.fillable_exposure() != (0, 0)
    stage.run_for(s(2.2))
    stage.venue.faults.drops = lambda event: False
    stage.run_for(s(20))
    assert unknown(stage) == []
    assert stage.is_agreed()
    assert stage.is_two_sided()
    applied = fate == "mute"
    assert (len(stage.actions(Place)) == before) is applied


def test_an_unknown_placement_keeps_its_slot_and_its_exposure():
    """S11, S15, reliability 23: while nobody knows, nothing is placed in its stead."""
    stage = Stage()
    only(Place, "lost")(stage)
    only_status = stage.venue.faults.fate
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryOrder) else only_status(r)
    stage.begin().run_for(s(60))
    assert len({action.cloid for action in stage.actions(Place)}) == len(stage.actions(Place)) == 6
    assert len(unknown(stage)) == 6
    assert stage.venue.resting() == []


def test_not_found_is_not_gone():
    """S9, reliability 36: a venue that forgets an order for a while makes it neither dead nor placed again."""
    stage = Stage()
    only(Place, "mute", drops_updates=True)(stage)
    stage.venue.faults.answers = lambda action: (
        OrderStatusReport(stage.now, None) if isinstance(action, QueryOrder) and stage.now < s(4.8) else None
    )
    stage.begin().run_for(s(30))
    assert {o.status for o in stage.venue.orders.values()} == {OrderStatus.OPEN}
    assert len(stage.actions(Place)) == 6
    assert unknown(stage) == []


def test_absence_counts_only_after_the_placement_can_no_longer_arrive():
    """S9: answers from before the expiry prove nothing, however many; two in a row after it do."""
    stage = Stage()
    only(Place, "lost")(stage)
    stage.begin().run_for(s(60))
    placements = [at for at, e in stage.story if isinstance(e, Request) and isinstance(e.actions[0], Place)]
    placed_at = placements[0]
    expiry = placed_at + s(3) + s(2)
    asked = [
        at
        for at, entry in stage.story
        if isinstance(entry, Replied)
        and entry.results
        and isinstance(entry.results[0], OrderStatusReport)
        and entry.results[0].update is None
    ]
    given_up = next(at for at in placements if at > placed_at)
    assert len({at for at in asked if expiry < at <= given_up}) >= 2


def test_a_placement_sent_with_a_long_expiry_is_not_judged_by_a_short_one():
    """S9: the time-out adapts; what counts is the expiry that the placement itself carried."""
    stage = Stage()
    only(Place, "lost")(stage)
    stage.begin().run_for(s(1))
    order = next(iter(stage.desk.tracker.orders.values()))
    sent = next(entry for _, entry in stage.story if getattr(entry, "expires_in", None))
    stage.core.ledger._timeout = ms(500)  # answers have been fast since
    stage.venue.cut(Feed.USER)  # silence at once
    stage.run_until(lambda: order.is_terminal)
    assert stage.now > order.placed_at + sent.expires_in + s(2)


def test_a_placement_that_lands_after_all_is_found_and_cancelled():
    """S11: given up with good reason, and yet it rests (a venue that ignores the expiry): it does not stay."""
    stage = Stage()
    only(Place, "lost", drops_updates=False)(stage)
    stage.begin().run_for(s(30))
    assert stage.is_two_sided()
    given_up = next(o for o in stage.desk.tracker.completed.values() if o.state is OrderState.REJECTED)
    stage.venue.stray(given_up.side, given_up.px - 50 * TICK * given_up.side, given_up.sz, cloid=given_up.cloid)
    stage.run_for(s(5))
    assert stage.is_agreed()
    assert stage.core.sync.orphans.cancelled == 1


def test_a_placement_unacknowledged_for_five_seconds_is_asked_about():
    """OL-05: flagged at 5.0 s although its own deadline is later, and told; resolved by the status query."""
    stage = Stage()
    stage.core.ledger._timeout = s(20)
    only(Place, "mute", drops_updates=True)(stage)
    stage.begin().run_for(s(4))
    placed_at = next(iter(stage.desk.tracker.orders.values())).placed_at
    assert stage.actions(QueryOrder) == []
    assert stage.core.snapshot().desks[0].stuck == 0
    stage.run(placed_at + s(5) + ms(200))
    assert [at - placed_at for at, entry in stage.story if getattr(entry, "name", "") == "order_stuck"] == [s(5)]
    assert stage.told("order_stuck")[0].text.startswith("6 unacknowledged for 5 s (6 so far), the first: <")
    assert stage.core.snapshot().desks[0].stuck == 6
    assert len(stage.actions(QueryOrder)) == 6
    assert {o.state for o in stage.desk.tracker.orders.values()} == {OrderState.OPEN}


# --- cancels and modifies -----------------------------------------------------------------------


@pytest.mark.parametrize("drops_updates", [False, True])
@pytest.mark.parametrize("fate", ["mute", "lost"])
def test_a_cancel_without_an_answer_is_settled(fate, drops_updates):
    """Reliability 23, 34: the order is gone or rests on; either way the book is right again."""
    stage = quoting()
    only(Cancel, fate, drops_updates=drops_updates)(stage)
    move(stage)
    stage.run_for(s(5))
    stage.venue.faults.drops = lambda event: False
    stage.run_for(s(25))
    assert unknown(stage) == []
    assert stage.is_agreed()
    assert stage.is_two_sided()


@pytest.mark.parametrize("drops_updates", [False, True])
@pytest.mark.parametrize("fate", ["mute", "lost"])
def test_a_modify_without_an_answer_is_settled(fate, drops_updates):
    """Reliability 28-31: applied or not, one generation is left, and it is the one that we believe in."""
    stage = quoting(config=EXACT)
    only(Modify, fate, drops_updates=drops_updates)(stage)
    stage.venue.take(SELL, 3)
    stage.run_for(s(5))
    assert stage.actions(Modify)
    stage.venue.faults.drops = lambda event: False
    stage.run_for(s(30))
    assert unknown(stage) == []
    assert stage.is_agreed()
    assert stage.is_two_sided()
    assert stage.desk.inventory.position == 3


def test_a_modify_of_an_order_not_found_becomes_cancel_and_place():
    """OL-09: cancel, then place; both are never live; counted."""
    stage = quoting(config=EXACT)
    both = []

    def answers(action):
        if isinstance(action, Modify):
            return Refused(Reason.NOT_OPEN, "Order was never placed, already canceled, or filled.")
        if isinstance(action, Place):
            both.extend(o for o in stage.venue.resting() if (o.place.side, o.place.px) == (action.side, action.px))
        return None

    stage.venue.faults.answers = answers
    start = stage.now
    stage.venue.take(SELL, 3)
    stage.run_for(s(5))
    refused = [action.cloid for action in stage.actions(Modify, since=start)]
    asked = stage.actions((Modify, Cancel), since=start)
    for old in refused:
        assert [type(action) for action in asked if action.cloid == old] == [Modify, Cancel]
    assert stage.core.snapshot().desks[0].modify_fallback == len(refused) > 0
    assert both == []
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_a_modify_of_an_order_that_ended_asks_first():
    """OL-09, T-24: "canceled or filled" does not say which: nothing takes its place before the answer."""
    stage = quoting(config=EXACT)
    stage.venue.faults.answers = lambda action: (
        Refused(Reason.CANNOT_MODIFY, "Cannot modify canceled or filled order") if isinstance(action, Modify) else None
    )
    start = stage.now
    stage.venue.take(SELL, 3)
    stage.run_until(lambda: stage.actions(QueryOrder, since=start))
    refused = {action.cloid: action.place.px for action in stage.actions(Modify, since=start)}
    assert refused
    assert {action.cloid for action in stage.actions(Cancel, since=start)}.isdisjoint(refused)
    assert {action.px for action in stage.actions(Place, since=start)}.isdisjoint(refused.values())
    assert stage.core.snapshot().desks[0].modify_fallback == 0


def test_a_fill_that_made_the_cancel_fail_is_booked_once():
    """Reliability 16, 38: NOT_OPEN, then the fill: no second order in its place before that."""
    stage = quoting()
    only(Cancel, "mute")(stage)
    bids = sorted((o for o in stage.venue.resting() if o.place.side is BUY), key=lambda o: -o.place.px)
    sz = bids[0].place.sz
    stage.venue.faults.delay = lambda message: s(1) if isinstance(message, Fill | OrderUpdate) else 0
    stage.venue.take(SELL, sz)
    move(stage)
    stage.run_for(s(20))
    assert stage.desk.inventory.position == stage.venue.position()
    assert stage.is_agreed()


def test_a_cancel_refused_as_not_open_asks_what_happened():
    """S9: the refusal is no verdict. Here the venue refuses although the order rests: it is cancelled later."""
    stage = quoting()
    first = [True]

    def answers(action):
        if isinstance(action, Cancel) and first[0]:
            first[0] = False
            return Refused(Reason.NOT_OPEN, "Order was never placed, already canceled, or filled.")
        return None

    stage.venue.faults.answers = answers
    start = stage.now
    move(stage)
    stage.run_for(s(10))
    assert stage.actions(QueryOrder, since=start)
    assert stage.is_agreed()
    assert stage.is_two_sided()


# --- ended, and not all fills are here ----------------------------------------------------------


def test_an_end_without_its_fills_fetches_them():
    """Reliability 6, S10: `filled` came, the fill did not: the fills query brings it, not a status query."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, Fill)
    best = max((o for o in stage.venue.resting() if o.place.side is BUY), key=lambda o: o.place.px)
    start = stage.now
    stage.venue.take(SELL, best.place.sz)
    stage.run_for(s(6))
    assert stage.desk.inventory.position == best.place.sz
    assert stage.actions(QueryFills, since=start)
    assert stage.is_agreed()


def test_a_confirmed_cancel_whose_end_is_lost_is_settled_by_a_question():
    """C-03: the reply said cancelled, the final size never came."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    move(stage)
    stage.run_for(s(1))
    waiting = [o for o in stage.desk.tracker.orders.values() if o.state is OrderState.CANCEL_CONFIRMED]
    assert waiting
    stage.run_for(s(4))
    assert all(o.is_settled for o in waiting)
    heal(stage)
    stage.run_for(s(5))
    assert stage.is_agreed()


def test_a_confirmed_cancel_that_nobody_remembers_ends_after_the_window():
    """C-03: five seconds, with a living user feed, and only where the final size cannot be had."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    stage.venue.faults.answers = lambda action: (
        OrderStatusReport(stage.now, None) if isinstance(action, QueryOrder) else None
    )
    move(stage)
    stage.run_for(s(4.5))
    waiting = [o for o in stage.desk.tracker.orders.values() if o.state is OrderState.CANCEL_CONFIRMED]
    assert waiting
    stage.run_for(s(15))
    assert {o.state for o in waiting} == {OrderState.CANCELLED}


# --- bounds -------------------------------------------------------------------------------------


def test_a_venue_that_never_answers_is_not_flooded():
    """S25, S27, EX-03: one question at a time for each order, with growing pauses up to the maximum."""
    stage = quoting()
    only(Place, "lost", times=1_000)(stage)
    inner = stage.venue.faults.fate
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryOrder) else inner(r)
    move(stage)
    stage.run_for(s(600))
    questions = stage.actions(QueryOrder)
    by_order = {cloid: sum(q.cloid == cloid for q in questions) for cloid in {q.cloid for q in questions}}
    assert by_order
    assert max(by_order.values()) <= 600 / 30 + 10
    assert len(stage.core.ledger._overdue) <= 1_000


@pytest.mark.parametrize("how", ["refused", "empty"])
def test_answers_that_prove_nothing_settle_nothing(how):
    """L6: resting orders that the venue cannot say anything about stay in doubt, and count."""
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    if how == "empty":
        stage.venue.faults.fate = lambda r: "empty" if isinstance(r.actions[0], QueryOrder) else None
    told = Refused(Reason.OTHER, "busy")
    hidden = {o.oid for o in stage.venue.resting()}

    def answers(action):
        if isinstance(action, QueryOrder) and how != "empty":
            return told
        if isinstance(action, QueryOpenOrders):
            report = stage.venue._execute(action)
            return type(report)(report.as_of, tuple(o for o in report.orders if o.oid not in hidden))
        return None

    stage.venue.faults.answers = answers
    stage.core.resync.request(stage.now, gap=False)
    stage.run_for(s(60))
    assert len(unknown(stage)) == len(hidden) == len(stage.venue.resting())
    heal(stage)
    stage.run_for(s(40))
    assert stage.is_agreed()


def forgotten(stage: Stage) -> VenueOrder:
    """An order ends unheard, and the venue keeps nothing of it."""
    order = min(stage.venue.resting(), key=lambda o: o.place.px)
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    stage.venue._cancel(Cancel(ETH.id, None, order.oid))
    del stage.venue.orders[order.oid], stage.venue.by_cloid[order.place.cloid]
    heal(stage)
    stage.core.resync.request(stage.now, gap=False)
    return order


def test_an_order_that_the_venue_forgot_is_settled_by_all_the_evidence_there_is():
    """L6, C-03, decision 0011: unknown by status for 30 s, then not in fills, orders or position either."""
    stage = quoting()
    lost = stage.desk.tracker.find(forgotten(stage).place.cloid, None)
    since = stage.now
    stage.run_for(s(30))
    assert lost.certainty is Certainty.UNKNOWN
    assert lost.fillable == lost.sz
    stage.run_until(lambda: lost.is_settled, within=s(60))
    runs = [
        (at, type(entry.actions[0])) for at, entry in stage.story if isinstance(entry, Request) and at > since + s(30)
    ]
    asked = [kind for _, kind in runs if kind in (QueryFills, QueryOpenOrders, QueryPositions)]
    assert asked[:3] == [QueryFills, QueryOpenOrders, QueryPositions]
    assert (lost.state, stage.alerts) == (OrderState.CANCELLED, ["order_vanished"])
    assert stage.core.snapshot().orders_vanished == 1
    stage.run_for(s(5))
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_a_forgotten_order_is_not_settled_while_the_position_cannot_be_asked():
    """Evidence means all of it: with one answer missing the order stays in doubt, and counts."""
    stage = quoting()
    lost = stage.desk.tracker.find(forgotten(stage).place.cloid, None)
    stage.run_until(lambda: stage.core.resync.state == "idle", step=ms(1))
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryPositions) else None
    stage.run_for(s(120))
    assert (lost.certainty, lost.fillable) == (Certainty.UNKNOWN, lost.sz)
    heal(stage)
    stage.run_for(s(60))
    assert lost.is_settled


def test_a_forgotten_order_is_settled_though_the_account_is_not_heard_again():
    """L6, storm, seed 1158: the evidence was given up with the feed that was lost; it is asked for anew, by REST."""
    stage = quoting()
    lost = stage.desk.tracker.find(forgotten(stage).place.cloid, None)
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryPositions) else None
    stage.run_until(lambda: stage.core.resync.state == "position", within=s(60))
    stage.run_for(s(32))
    assert stage.core.resync.state == "position"
    stage.venue.faults.refuses_connections = {Feed.USER}
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: stage.core.resync.state == "idle", step=ms(1))
    stage.venue.faults.fate = lambda r: None
    stage.run_until(lambda: lost.is_settled, within=s(40))
    assert not stage.core.user_feed.is_live


def test_an_order_that_was_only_hidden_is_cancelled_when_it_shows():
    """S11: the venue denied it in every way, and yet it rests: taken for gone, it is an orphan now."""
    stage = quoting()
    order = min(stage.venue.resting(), key=lambda o: o.place.px)

    def answers(action):
        if isinstance(action, QueryOrder):
            return OrderStatusReport(stage.now, None)
        if isinstance(action, QueryOpenOrders):
            report = stage.venue._execute(action)
            return type(report)(report.as_of, tuple(o for o in report.orders if o.oid != order.oid))
        return None

    stage.venue.faults.answers = answers
    stage.core.resync.request(stage.now, gap=False)
    stage.run_for(s(100))
    assert [name for name in stage.alerts if name != "user_events_stale"] == ["order_vanished"]
    assert order in stage.venue.resting()
    heal(stage)
    stage.venue._publish_order(order)
    stage.run_for(s(5))
    assert order not in stage.venue.resting()
    told = [name for name in stage.alerts if name.startswith("or")]
    assert told == ["order_vanished", "orphan_order"]
    assert stage.is_agreed()


def test_a_doubt_at_the_beginning_of_time_is_settled():
    """A virtual clock starts at zero: an intent restored there is asked about like any other."""
    intent = RestoredOrder(ETH.id, cloid(71), BUY, Px(MID - 5 * TICK), Sz(10), s(3))
    stage = Stage().begin(Restored(2, 8, (intent,)))
    stage.run_for(s(30))
    assert unknown(stage) == []
    assert stage.is_agreed()
