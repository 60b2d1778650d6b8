"""Channels promise no order between each other: every order of arrival must end in the same belief.

A story is what the venue did, told as facts. Each fact is delivered in every permutation with the
others, once and again with each fact repeated, and the outcome must be one.
"""

from collections.abc import Callable
from itertools import permutations

import pytest

from domain.commands import Modify, Place
from domain.events import Cancelled, Executed, OrderStatus, Reason, Refused, Resting
from domain.orders import OrderState, TrackedOrder
from domain.units import Cloid, Ns, Oid, Px, Sz, Tif
from orchestrator.analytics import Analytics
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.order_tracker import OrderTracker, TrackerConfig
from orchestrator.fills import FillProcessor, FillsConfig, Priority
from tests.orchestrator.messages import BUY, ETH, MID, cloid, fill_of, update

S = OrderState
OPEN, FILLED, CANCELED, REJECTED = OrderStatus
OLD, NEW = cloid(1), cloid(2)


def placement(number: Cloid, sz: int = 10) -> Place:
    return Place(ETH.id, number, BUY, Px(MID), Sz(sz), Tif.ALO)


class Stage:
    """A tracker and an inventory behind the gate of all fills, as the core wires them."""

    named = True
    """Whether fills carry the client id of their order."""

    def __init__(self) -> None:
        self.tracker = OrderTracker(TrackerConfig())
        self.inventory = Inventory()
        self.fills = FillProcessor(FillsConfig(), Analytics(lambda alert: None))
        self.fills.subscribe(lambda fill, now: self.inventory.apply(fill), Priority.POSITION)
        self.fills.subscribe(self.tracker.on_fill, Priority.ORDERS)
        self.known: dict[Cloid, TrackedOrder] = {OLD: self.tracker.on_place_sent(placement(OLD), Ns(0))}
        self.now = Ns(0)

    def outcome(self) -> tuple:
        """Everything that later decisions could depend on; of what is settled, no longer who was asked."""
        orders = tuple(
            (o.cloid, o.state, o.certainty, o.filled, o.final_filled, o.fillable)
            + (() if o.is_settled else (o.oid, o.in_flight))
            for o in self.known.values()
        )
        held = (tuple(sorted(self.tracker.orders)), tuple(sorted(self.tracker.completed)))
        tracker = self.tracker
        return orders, held, tracker.pending_exposure(), tracker.fillable_exposure(), self.inventory.position


Fact = Callable[[Stage], object]


# --- the facts ----------------------------------------------------------------------------------


def replied(result) -> Fact:
    return lambda stage: stage.tracker.on_place_result(OLD, result, stage.now)


def status(which: Cloid, kind: OrderStatus, oid: int, remaining: int | None = None) -> Fact:
    return lambda stage: stage.tracker.on_update(update(stage.known[which], kind, oid, remaining=remaining), stage.now)


def filled(which: Cloid, tid: int, sz: int, oid: int) -> Fact:
    def happen(stage: Stage) -> None:
        name = which if stage.named else None
        told = fill_of(stage.known[which], tid, sz, oid=oid, at=100 + tid, cloid=name)
        stage.fills.process(told, stage.now)

    return happen


def cancel_replied(result) -> Fact:
    return lambda stage: stage.tracker.on_cancel_result(stage.known[OLD], result, stage.now)


def modify_replied(result) -> Fact:
    return lambda stage: stage.tracker.on_modify_result(stage.known[OLD], NEW, result, stage.now)


def silence(kind: str) -> Fact:
    def happen(stage: Stage) -> None:
        tracker, order = stage.tracker, stage.known[OLD]
        if kind == "place":
            tracker.on_place_silence(OLD)
        elif kind == "cancel":
            tracker.on_cancel_silence(order)
        else:
            tracker.on_modify_silence(order, NEW)

    return happen


# --- where the stories begin --------------------------------------------------------------------


def placed(stage: Stage) -> None:
    """The placement is under way."""


def cancelling(stage: Stage) -> None:
    """The order rests and its cancel is under way."""
    stage.tracker.on_place_result(OLD, Resting(Oid(1), OLD), stage.now)
    stage.tracker.on_cancel_sent(stage.known[OLD], stage.now)


def cancelling_blindly(stage: Stage) -> None:
    """Placement and cancel are both under way."""
    stage.tracker.on_cancel_sent(stage.known[OLD], stage.now)


def modifying(stage: Stage) -> None:
    """The order rests and its modify is under way."""
    stage.tracker.on_place_result(OLD, Resting(Oid(1), OLD), stage.now)
    modify = Modify(OLD, Oid(1), placement(NEW, 20))
    stage.tracker.on_modify_sent(stage.known[OLD], modify, stage.now)
    stage.known[NEW] = stage.tracker.orders[NEW]


REST, NOT_OPEN = Resting(Oid(1), OLD), Refused(Reason.NOT_OPEN, "")
RENEWED = Resting(Oid(2), NEW)

STORIES = {
    # name: beginning, facts, states at the end (old, new), position
    "place, rests": (placed, [replied(REST), status(OLD, OPEN, 1)], [S.OPEN], 0),
    "place, partly filled": (
        placed,
        [replied(REST), status(OLD, OPEN, 1), filled(OLD, 1, 4, 1), filled(OLD, 2, 3, 1)],
        [S.PARTIALLY_FILLED],
        7,
    ),
    "place, filled": (
        placed,
        [replied(REST), status(OLD, OPEN, 1), filled(OLD, 1, 4, 1), filled(OLD, 2, 6, 1), status(OLD, FILLED, 1)],
        [S.FILLED],
        10,
    ),
    "place, matched at once": (
        placed,
        [replied(Executed(Oid(1), OLD, Sz(10), 1.0)), filled(OLD, 1, 10, 1), status(OLD, FILLED, 1)],
        [S.FILLED],
        10,
    ),
    "place, partly filled, ended by the venue": (
        placed,
        [replied(REST), status(OLD, OPEN, 1), filled(OLD, 1, 4, 1), status(OLD, CANCELED, 1, 6)],
        [S.CANCELLED],
        4,
    ),
    "place, refused": (
        placed,
        [replied(Refused(Reason.POST_ONLY_WOULD_CROSS, "")), status(OLD, REJECTED, 1)],
        [S.REJECTED],
        0,
    ),
    "place, rests, the reply is lost": (placed, [silence("place"), status(OLD, OPEN, 1)], [S.OPEN], 0),
    "place, filled, the reply is lost": (
        placed,
        [silence("place"), status(OLD, OPEN, 1), filled(OLD, 1, 10, 1), status(OLD, FILLED, 1)],
        [S.FILLED],
        10,
    ),
    "place, rests, the reply is late": (
        placed,
        [silence("place"), replied(REST), status(OLD, OPEN, 1), filled(OLD, 1, 4, 1)],
        [S.PARTIALLY_FILLED],
        4,
    ),
    "cancel works": (cancelling, [cancel_replied(Cancelled()), status(OLD, CANCELED, 1)], [S.CANCELLED], 0),
    "cancel works after a part": (
        cancelling,
        [filled(OLD, 1, 4, 1), filled(OLD, 2, 1, 1), cancel_replied(Cancelled()), status(OLD, CANCELED, 1, 5)],
        [S.CANCELLED],
        5,
    ),
    "cancel comes too late": (
        cancelling,
        [
            filled(OLD, 1, 4, 1),
            filled(OLD, 2, 6, 1),
            cancel_replied(NOT_OPEN),
            status(OLD, FILLED, 1),
            status(OLD, OPEN, 1),
        ],
        [S.FILLED_DURING_CANCEL],
        10,
    ),
    "cancel works, the reply is lost": (
        cancelling,
        [silence("cancel"), filled(OLD, 1, 4, 1), status(OLD, CANCELED, 1, 6)],
        [S.CANCELLED],
        4,
    ),
    "blind cancel works": (
        cancelling_blindly,
        [replied(REST), status(OLD, OPEN, 1), cancel_replied(Cancelled()), status(OLD, CANCELED, 1)],
        [S.CANCELLED],
        0,
    ),
    "blind cancel of a refused placement": (
        cancelling_blindly,
        [replied(Refused(Reason.MARGIN, "")), cancel_replied(NOT_OPEN), status(OLD, REJECTED, 1)],
        [S.REJECTED],
        0,
    ),
    "blind cancel comes too late": (
        cancelling_blindly,
        [replied(REST), filled(OLD, 1, 10, 1), cancel_replied(NOT_OPEN), status(OLD, FILLED, 1)],
        [S.FILLED_DURING_CANCEL],
        10,
    ),
    "modify works": (
        modifying,
        [modify_replied(RENEWED), status(OLD, CANCELED, 1, 7), status(NEW, OPEN, 2), filled(OLD, 1, 3, 1)],
        [S.CANCELLED, S.OPEN],
        3,
    ),
    "modify works and both were hit": (
        modifying,
        [
            modify_replied(RENEWED),
            status(OLD, CANCELED, 1, 7),
            status(NEW, OPEN, 2),
            filled(OLD, 1, 3, 1),
            filled(NEW, 2, 5, 2),
        ],
        [S.CANCELLED, S.PARTIALLY_FILLED],
        8,
    ),
    "modify works and the new order is filled": (
        modifying,
        [
            modify_replied(RENEWED),
            status(OLD, CANCELED, 1),
            status(NEW, OPEN, 2),
            filled(NEW, 2, 20, 2),
            status(NEW, FILLED, 2),
        ],
        [S.CANCELLED, S.FILLED],
        20,
    ),
    "modify comes too late": (
        modifying,
        [modify_replied(Refused(Reason.CANNOT_MODIFY, "")), filled(OLD, 1, 10, 1), status(OLD, FILLED, 1)],
        [S.FILLED, S.REJECTED],
        10,
    ),
    "modify loses its new leg": (
        modifying,
        [
            modify_replied(Refused(Reason.MODIFY_NEW_LEG, "")),
            status(OLD, CANCELED, 1, 9),
            filled(OLD, 1, 1, 1),
            status(NEW, REJECTED, 2),
        ],
        [S.CANCELLED, S.REJECTED],
        1,
    ),
    "modify works, the reply is lost": (
        modifying,
        [silence("modify"), status(OLD, CANCELED, 1, 7), status(NEW, OPEN, 2), filled(OLD, 1, 3, 1)],
        [S.CANCELLED, S.OPEN],
        3,
    ),
    "modify works, the reply is late": (
        modifying,
        [silence("modify"), modify_replied(RENEWED), status(OLD, CANCELED, 1, 7), status(NEW, OPEN, 2)],
        [S.CANCELLED, S.OPEN],
        0,
    ),
}


def cause_before_effect(facts: tuple[int, ...], story: list[Fact]) -> bool:
    """Silence is ours and comes before the late reply; everything else may come in any order."""
    silent = [i for i, fact in enumerate(story) if "silence" in fact.__qualname__]
    late = [i for i, fact in enumerate(story) if "replied" in fact.__qualname__]
    return not (silent and late) or facts.index(silent[0]) < facts.index(late[0])


def play(begin: Callable[[Stage], None], facts: list[Fact], *, twice: bool) -> tuple[Stage, tuple]:
    stage = Stage()
    begin(stage)
    stage.now = Ns(10)
    for fact in facts:
        fact(stage)
        if twice:
            fact(stage)
        assert min(*stage.tracker.fillable_exposure(), *stage.tracker.pending_exposure()) >= 0
    return stage, stage.outcome()


@pytest.mark.parametrize("name", STORIES)
def test_every_order_of_arrival_ends_the_same(name):
    """S8, S10, T-11: reply, status and fills of one story, in all permutations: one state, one exposure."""
    begin, story, states, position = STORIES[name]
    outcomes = {}
    for permutation in permutations(range(len(story))):
        if not cause_before_effect(permutation, story):
            continue
        stage, outcome = play(begin, [story[index] for index in permutation], twice=False)
        outcomes.setdefault(outcome, permutation)
    assert len(outcomes) == 1, outcomes
    assert [order.state for order in stage.known.values()] == states
    assert stage.inventory.position == position


@pytest.mark.parametrize("name", [name for name, (*_, position) in STORIES.items() if position])
def test_fills_that_name_no_order_end_the_same(name, monkeypatch):
    """S10, hyperliquid 8.12: a client id is optional; a fill that overtakes its order's venue id finds it."""
    begin, story, states, position = STORIES[name]
    _, expected = play(begin, story, twice=False)
    monkeypatch.setattr(Stage, "named", False)
    for permutation in permutations(range(len(story))):
        if not cause_before_effect(permutation, story):
            continue
        stage, outcome = play(begin, [story[index] for index in permutation], twice=False)
        assert outcome == expected, permutation
        assert [order.state for order in stage.known.values()] == states
        assert stage.inventory.position == position


@pytest.mark.parametrize("name", STORIES)
def test_repeated_facts_change_nothing(name):
    """S2, S8: snapshots after a reconnect, overlapping queries and late replies tell everything again."""
    begin, story, *_ = STORIES[name]
    once = play(begin, story, twice=False)[1]
    stage, twice = play(begin, story, twice=True)
    for fact in story:
        if "silence" not in fact.__qualname__:
            fact(stage)
    assert once == twice == stage.outcome()


@pytest.mark.parametrize("name", [name for name, (*_, position) in STORIES.items() if position])
def test_exposure_never_vanishes_before_the_fill(name):
    """S10, S15: at each moment position plus fillable lots cover the position of the end."""
    begin, story, _, position = STORIES[name]
    for permutation in permutations(range(len(story))):
        if not cause_before_effect(permutation, story):
            continue
        stage = Stage()
        begin(stage)
        for index in permutation:
            story[index](stage)
            assert stage.inventory.position + stage.tracker.fillable_exposure()[0] >= position
