"""A placement whose answer was lost: asked after, never sent again, exactly one order of it (EX-06)."""

from collections import Counter
from random import Random

import pytest

from domain.commands import Place, QueryOrder, Route
from domain.events import OrderStatus, OrderUpdate
from domain.units import Side
from tests.orchestrator.messages import BUY, s
from tests.orchestrator.tiny_venue import quoting

TRIALS = 1_000


@pytest.mark.parametrize("fate", ["mute", "lost", "either"])
def test_a_thousand_lost_answers_leave_one_order_each(fate):
    """EX-02, EX-06, T-11: whichever way it took, whether it arrived or not: one order rests, under one client id.

    Each trial takes the best bid away; the placement that follows is answered by nobody, and no update tells of it. So
    only the question by its client id can, and only its expiry allows another one.
    """
    trials = TRIALS if fate == "mute" else TRIALS // 50
    rng, stage = Random(3), quoting()
    levels = Counter(order.place.side for order in stage.venue.resting())
    hit: set[str] = set()

    def unanswered(request):
        place = request.actions[0]
        if not isinstance(place, Place) or stage.now < armed[0] or place.side is not BUY:
            return None
        armed[0] = s(1e9)
        hit.add(place.cloid)
        return rng.choice(("mute", "lost")) if fate == "either" else fate

    armed = [s(1e9)]
    stage.venue.faults.fate = unanswered
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate) and event.cloid in hit
    for number in range(trials):
        placed = len(stage.venue.orders)
        best = max((o for o in stage.venue.resting() if o.place.side is BUY), key=lambda order: order.place.px)
        armed[0] = stage.now
        stage.venue._end(best, best.status.CANCELED, None)
        stage.run_until(lambda asked=number: len(hit) == asked + 1 and is_whole(stage, levels), within=s(30))
        assert len(stage.venue.orders) == placed + 1, number
    assert stage.venue.violations == []
    assert {order.place.cloid for order in stage.venue.orders.values()} >= hit or fate != "mute"
    asked = {action.cloid for action in stage.actions(QueryOrder)}
    assert hit <= asked
    assert stage.is_agreed()


def is_whole(stage, levels: Counter[Side]) -> bool:
    """Every level has its order, at the venue and in our books, and nothing is unclear."""
    return Counter(order.place.side for order in stage.venue.resting()) == levels and stage.is_agreed()


def test_the_question_goes_the_other_way():
    """EX-02: after a silence on the socket the next requests, the question first of all, go by REST at once."""
    stage = quoting()
    stage.venue.faults.fate = lambda request: "mute" if request.route is Route.SOCKET else None
    best = max((o for o in stage.venue.resting() if o.place.side is BUY), key=lambda order: order.place.px)
    stage.venue._end(best, best.status.CANCELED, None)
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate) and event.status is OrderStatus.OPEN
    stage.run_until(lambda: stage.core.ledger.n_silent == 1, within=s(10))
    began = stage.now
    stage.run_until(lambda: any(isinstance(action, QueryOrder) for action in stage.actions(QueryOrder)), within=s(2))
    assert stage.now - began <= s(0.2)
    assert {request.route for request in requests_after(stage, began)} == {Route.REST}


def requests_after(stage, began):
    return [command for at, command in stage.story if at >= began and hasattr(command, "actions")]
