"""Modifies whose answer, statuses and fills arrive in every order: nothing lost, left or counted twice (OL-07..09).

A modify gives four messages: the answer, `open` of the new order, `canceled` of the old one, and a fill of either. They
travel apart here, so that each order of arrival comes about, also those that a venue with one socket never shows.
"""

from collections import Counter
from itertools import permutations
from random import Random

import pytest

from domain.commands import Modify, Request
from domain.events import Fill, OrderStatus, OrderUpdate, Reason, Refused, Replied, Resting
from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.desk.quote_engine import QuoteEngineConfig
from orchestrator.reconcile.table import ModifyFirstConfig, ReconcileConfig
from strategy.ladder import LadderConfig
from tests.orchestrator.messages import BUY, MID, SELL, TICK, ms, s
from tests.orchestrator.tiny_venue import Faults, Stage, quoting

ENGINE = QuoteEngineConfig(warmup_timeout_s=0.0, ladder=LadderConfig(levels=2))
MODIFYING = ReconcileConfig(modify_first=ModifyFirstConfig(interval_ms=50))
CONFIG = TraderConfig(
    desk=DeskConfig(engine=ENGINE, reconcile=MODIFYING, size_tolerance=0.0), budget=None, dead_man=None, margin=None
)
NEWS = ("answer", "open", "canceled", "fill")
ORDERS = tuple(permutations(NEWS))
APART = ms(25)


def kind_of(message):
    """Which of the four it is; None: something else."""
    match message:
        case Replied(results=(Resting() | Refused(), *_)):
            return "answer"
        case OrderUpdate(status=OrderStatus.OPEN):
            return "open"
        case OrderUpdate():
            return "canceled"
        case Fill():
            return "fill"
    return None


def in_order(order):
    """Delays that let the four arrive like this."""
    return lambda message: APART * (order.index(kind) if (kind := kind_of(message)) else 0)


def accounts_agree(stage):
    """Each fill of the venue was booked once, no order traded more than its size, both sides know the same orders."""
    venue, desk, tracker = stage.venue, stage.desk, stage.desk.tracker
    assert stage.is_agreed(), "an order that one side does not know, or another position"
    assert desk.inventory.fills == len(venue.fills)
    assert desk.inventory.volume == sum(fill.px * fill.sz for fill in venue.fills)
    assert desk.inventory.restatements == 0
    assert tracker.counters.overfilled == 0
    assert all(order.filled <= order.place.sz for order in venue.orders.values())
    assert stage.core.snapshot().unmatched_fills == 0


@pytest.mark.parametrize("when", [5, 21], ids=["the old order", "the new one"])
@pytest.mark.parametrize("lots", [3, 1_000], ids=["partly", "whole"])
def test_every_order_of_arrival(when, lots):
    """The fill strikes before the modify arrives or after it; what it takes whole cannot be modified any more."""
    stage = quoting(config=CONFIG, max_position=4_000)
    for number, order in enumerate(ORDERS, start=1):
        before, since = len(stage.venue.fills), stage.now
        stage.venue.faults.delay = in_order(order)
        stage.venue.quote(MID - (number % 2) * 10 * TICK)
        stage.run_until(lambda: stage.actions(Modify, since=since), step=ms(1))  # noqa: B023 - called here
        stage.at(stage.now + ms(when), stage.venue.take, SELL if number % 2 else BUY, lots)
        stage.run_for(s(2))
        assert len(stage.venue.fills) > before, order
        accounts_agree(stage)
        stage.story.clear()


class Disorder:
    """What becomes of each modify is drawn: in which order it is told, whether it arrives, whether it is answered."""

    def __init__(self, rng: Random) -> None:
        """Nothing is drawn yet."""
        self.rng = rng
        self.fates = Counter()
        self.orders = Counter()
        self._order = NEWS

    def draw(self) -> None:
        """Another order of arrival from now on."""
        self._order = self.rng.choice(ORDERS)
        self.orders[self._order] += 1

    def fate(self, request: Request) -> str | None:
        """Some modifies never arrive, and of some the answer is lost."""
        if not isinstance(request.actions[0], Modify):
            return None
        fate = self.rng.choices((None, "lost", "mute"), (90, 5, 5))[0]
        self.fates[fate] += len(request.actions)
        return fate

    def answer(self, action):
        """The venue refuses the new price for a reason of its own, and the old order rests on."""
        if not isinstance(action, Modify) or self.rng.random() > 0.03:
            return None
        self.fates["refused"] += 1
        return Refused(self.rng.choice((Reason.CANNOT_MODIFY, Reason.NOT_OPEN)), "")

    def doubles(self, event) -> bool:
        """Some messages come twice."""
        return self.rng.random() < 0.1

    def delay(self, message):
        return in_order(self._order)(message)


def modified_at_random(wanted: int, seed: int) -> tuple[Stage, Disorder]:
    """Move the market until so many modifies have left, and let takers meet both generations."""
    rng = Random(seed)
    stage = quoting(config=CONFIG, max_position=4_000, beat=s(2))
    disorder, venue, rounds = Disorder(rng), stage.venue, 0
    while stage.desk.tracker.counters.modified < wanted:
        rounds += 1
        disorder.draw()
        venue.faults = Faults(
            fate=disorder.fate, delay=disorder.delay, answers=disorder.answer, doubles=disorder.doubles
        )
        venue.quote(MID + rng.randrange(-12, 13) * TICK)
        for _ in range(rng.randrange(3)):
            side = SELL if venue.position() > 0 else BUY if venue.position() < 0 else rng.choice((BUY, SELL))
            stage.at(stage.now + ms(rng.randrange(1, 120)), venue.take, side.opposite, rng.randrange(1, 40))
        stage.run_for(ms(rng.randrange(60, 220)))
        if not rounds % 100:
            venue.faults = Faults()
            stage.run_for(s(12))
            accounts_agree(stage)
            stage.story.clear()
            stage.commands.clear()
    venue.faults = Faults()
    stage.run_for(s(12))
    return stage, disorder


SLOW = [pytest.param(1_000, seed, marks=pytest.mark.slow) for seed in range(10)]
"""Ten thousand modifies."""


@pytest.mark.parametrize(("wanted", "seed"), [(400, 5), *SLOW])
def test_modifies_in_every_disorder(wanted, seed):
    """OL-07..09, OL-20..24: lost, refused, unanswered, overtaken by fills: no orphan, no overfill, no fill twice."""
    stage, disorder = modified_at_random(wanted, seed)
    accounts_agree(stage)
    counters = stage.desk.tracker.counters
    assert counters.modified >= wanted
    assert set(disorder.orders) == set(ORDERS)
    assert min(disorder.fates[fate] for fate in ("lost", "mute", "refused")) >= wanted // 100
    assert len(stage.venue.fills) > wanted // 4
    assert counters.races > wanted // 8
    assert counters.modify_fallback > 0
    assert counters.illegal == 0
