"""What scenarios with faults found in the trader, each as the smallest story that shows it."""

import pytest

from domain.commands import Cancel, QueryFills, Request
from domain.events import Cancelled, Feed, Fill, FillsReport, OrderUpdate, Replied
from domain.orders import OrderState
from tests.orchestrator.messages import ETH, MID, SELL, TICK, ms, s
from tests.orchestrator.tiny_venue import heal, quoting


@pytest.mark.parametrize("lies", [1, 3, 7])
def test_a_cancel_that_was_confirmed_and_never_done_is_sent_again(lies):
    """S9, L3 (`lies-of-the-gateway`, seed 0): the venue said yes, the order rests on and fills; it has to go.

    The confirmation was believed for ever: the order could never settle, its side was blocked, and it was
    left at the venue by the shutdown. And (`silent-cancel`, seed 19): seven cancels came to nothing, and the wait for
    the next question had grown to half a minute while the venue showed the order at rest.
    """
    stage = quoting()
    order = min(stage.venue.resting(), key=lambda o: o.place.px)
    left = [lies]

    def answers(action):
        if isinstance(action, Cancel) and action.cloid == order.place.cloid and left[0]:
            left[0] -= 1
            return Cancelled()
        return None

    stage.venue.faults.answers = answers
    stage.venue.quote(MID + 40 * TICK)
    ours = stage.desk.tracker.find(order.place.cloid, None)
    stage.run_until(lambda: ours.state is OrderState.CANCEL_CONFIRMED, within=s(30))
    assert order in stage.venue.resting()
    stage.run_until(lambda: order not in stage.venue.resting(), within=s(30))
    assert stage.alerts == ["cancel_not_done"]
    stage.run_for(s(5))
    assert ours.is_settled
    assert stage.is_agreed()
    assert stage.is_two_sided()


@pytest.mark.parametrize("is_cut", [False, True])
def test_fills_in_an_answer_to_a_question_that_no_longer_stands_are_booked(is_cut):
    """S4 (`fills-in-pages`, seed 4): the question was given up while its answer was on its way; its fills are true.

    Given up because its deadline passed, or because the connection was lost and all is asked anew.
    """
    stage = quoting()
    stage.venue.faults.drops = lambda event: isinstance(event, Fill)
    stage.venue.faults.fate = lambda request: "lost" if isinstance(request.actions[0], QueryFills) else None
    stage.core.resync.request(stage.now, gap=False)
    stage.run_for(ms(100))
    asked = next(e for _, e in reversed(stage.story) if isinstance(e, Request) and isinstance(e.actions[0], QueryFills))
    stage.venue.take(SELL, 50)
    told = tuple(stage.venue.fills)
    assert told
    if is_cut:
        stage.venue.cut(Feed.USER)
    stage.run_for(ms(200) if is_cut else s(4))
    assert stage.core.fills.applied == 0
    reply = Replied(asked.request_id, stage.now, (FillsReport(stage.now, told, is_complete=True),))
    stage.core.apply(reply, stage.now)
    assert stage.core.fills.applied == len(told)


def test_an_order_that_never_was_is_settled_soon_after_it_counts_as_vanished():
    """L3, T_heal (`lies-of-the-gateway`, seed 10): it counted for more than a minute, and its side was not quoted.

    After 30 s of not being known the whole account is asked for, which takes a second; the next look at the order
    came 30 s later, by the back-off of its case.
    """
    stage = quoting()
    order = min(stage.venue.resting(), key=lambda o: o.place.px)
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    stage.venue._cancel(Cancel(ETH.id, None, order.oid))
    del stage.venue.orders[order.oid], stage.venue.by_cloid[order.place.cloid]
    heal(stage)
    ours = stage.desk.tracker.find(order.place.cloid, None)
    stage.core.resync.request(stage.now, gap=False)
    stage.run_until(lambda: ours.is_settled, within=s(40))
    assert stage.alerts == ["order_vanished"]
