"""Orders that only the venue knows: given time to turn out to be known, then cancelled until they are gone (RS-20)."""

from itertools import pairwise

import pytest

from domain.commands import Cancel, QueryOpenOrders
from domain.events import Cancelled, OpenOrdersReport, OrderStatus, OrderUpdate, Reason, Refused
from domain.units import Ns
from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.sync.auditor import AuditConfig
from orchestrator.sync.orphans import BATCH, OrphanConfig
from orchestrator.sync.watch import SyncConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, ms, s
from tests.orchestrator.tiny_venue import Stage, heal, quoting


def trader(**sync) -> TraderConfig:
    """A trader with these audits."""
    return TraderConfig(desk=DeskConfig(engine=AT_ONCE), budget=None, dead_man=None, sync=SyncConfig(**sync))


def strays_cancelled(stage: Stage) -> list[int]:
    """When an order was cancelled that no client id of ours names."""
    return [
        at
        for at, entry in stage.story
        if any(isinstance(a, Cancel) and a.cloid is None for a in getattr(entry, "actions", ()))
    ]


def unheard(stage: Stage) -> Stage:
    """Statuses are lost."""
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    return stage


def test_a_true_orphan_is_cancelled_after_the_grace():
    """RS-20, S11: seen by its own `open`, cancelled five seconds later, told once."""
    stage = quoting(config=trader(audit=None))
    seen_at = stage.now + ms(30)
    oid = stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(8))
    assert strays_cancelled(stage) == [seen_at + s(5)]
    assert stage.venue.orders[oid].status is OrderStatus.CANCELED
    assert len(stage.told("orphan_order")) == 1
    assert stage.core.snapshot().orphans_cancelled == 1
    assert stage.core.sync.orphans.overdue == 0


def test_an_orphan_that_no_message_tells_of_is_found_by_the_audit():
    """RS-25: nothing hints at it; the list of the open orders shows it."""
    stage = unheard(quoting(config=trader(audit=AuditConfig(list_s=10.0))))
    oid = stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(16))
    assert stage.venue.orders[oid].status is OrderStatus.CANCELED
    assert stage.is_agreed()


@pytest.mark.parametrize("off", ["audit", "orphans"])
def test_without_either_part_it_rests_on(off):
    """The counterparts of the two tests above."""
    stage = quoting(config=trader(**{off: None}))
    if off == "audit":
        unheard(stage)
    oid = stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(40))
    assert stage.venue.orders[oid].status is OrderStatus.OPEN


def first_orders(config: TraderConfig) -> tuple[Stage, list]:
    """The first orders rest, their answers are under way, and an `open` without a client id has come of each."""
    stage = Stage(config).begin()
    stage.run_until(lambda: bool(stage.venue.resting()), step=ms(1))
    new = stage.venue.resting()
    for order in new:
        told = stage.venue._status(order, stage.now)
        stage._take(OrderUpdate(*(None if f == "cloid" else getattr(told, f) for f in told.__struct_fields__)))
    return stage, new


def test_an_order_placed_a_second_before_an_audit_is_no_orphan():
    """RS-20, C-14: its `open` carries no client id and overtakes the answer that would say whose it is."""
    stage, new = first_orders(trader(audit=AuditConfig(every_s=1.0, list_s=1.0)))
    assert len(stage.core.sync.orphans._suspects) == len(new) > 0
    stage.run_for(s(8))
    told = stage.core.snapshot()
    assert {order.oid for order in new} & {order.oid for order in stage.venue.resting()}
    assert (told.orphans_cancelled, told.orphans_cleared) == (0, len(new))
    assert strays_cancelled(stage) == []
    assert stage.is_agreed()


def test_the_grace_is_what_saves_them():
    """The counterpart: without it an order of ours would be cancelled as a stranger's."""
    stage, _ = first_orders(trader(audit=None, orphans=OrphanConfig(grace_s=0.0)))
    assert strays_cancelled(stage)


def test_one_that_ends_in_time_is_forgotten():
    """Somebody else's order that comes and goes is nothing to cancel."""
    stage = quoting(config=trader(audit=None))
    oid = stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(2))
    stage.venue._cancel(Cancel(ETH.id, None, oid))
    stage.run_for(s(8))
    assert strays_cancelled(stage) == []
    assert stage.core.snapshot().orphans_cleared == 1


def test_one_that_is_not_listed_any_more_is_forgotten():
    """Its end was not heard; a list made after it was seen does not show it."""
    stage = quoting(config=trader(audit=AuditConfig(list_s=2.0)))
    stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(ms(100))
    unheard(stage).venue._cancel(Cancel(ETH.id, None, max(stage.venue.orders)))
    stage.run_for(s(8))
    assert strays_cancelled(stage) == []


def test_a_list_from_before_it_was_seen_does_not_clear_it():
    """Missing is not gone where the list is older than the sighting."""
    stage = quoting(config=trader(audit=None))
    old = stage.venue._execute(QueryOpenOrders())
    stage.core.desks[ETH.id].market.clock = None
    oid = stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(ms(100))
    asked_before = Ns(stage.now - s(1))
    stage.core.sync.orders.take(OpenOrdersReport(old.as_of, old.orders), asked_before, stage.now, s(2))
    stage.run_for(s(7))
    assert stage.venue.orders[oid].status is OrderStatus.CANCELED


@pytest.mark.parametrize(
    ("result", "tries"),
    [(Cancelled(), 1), (Refused(Reason.NOT_OPEN, ""), 1), (Refused(Reason.OTHER, "busy"), 5)],
)
def test_its_cancel_is_repeated_until_the_venue_says_that_it_is_gone(result, tries):
    """S11, S25: after 1, 2, 4, 8 seconds."""
    stage = unheard(quoting(config=trader(audit=None)))
    heal(stage)
    stage.venue.faults.answers = lambda a: result if isinstance(a, Cancel) and a.cloid is None else None
    stage.venue.stray(SELL, MID + 200 * TICK, 10)
    stage.run_for(s(5) + s(16))
    times = strays_cancelled(stage)
    assert [b - a for a, b in pairwise(times)] == [s(1), s(2), s(4), s(8)][: tries - 1]
    assert len(times) == tries


def test_many_go_in_few_requests():
    """S24: a hundred orders of somebody else are three requests, each with its own answers."""
    stage = quoting(config=trader(audit=None))
    for number in range(100):
        stage.venue.stray(BUY, MID - (300 + number) * TICK, 10)
    stage.run_for(s(8))
    assert len(strays_cancelled(stage)) == -(-100 // BATCH)
    assert stage.core.snapshot().orphans_cancelled == 100
    assert stage.is_agreed()


@pytest.mark.parametrize("how", ["lost", "empty"])
def test_a_batch_without_an_answer_is_sent_again(how):
    """Never arrived, or done and answered with nothing: neither is known, and a cancel may be repeated."""
    stage = quoting(config=trader(audit=None))
    left = [1]

    def fate(request):
        is_stray = isinstance(request.actions[0], Cancel) and request.actions[0].cloid is None
        if is_stray and left[0]:
            left[0] -= 1
            return how
        return None

    stage.venue.faults.fate = fate
    for number in range(3):
        stage.venue.stray(BUY, MID - (300 + number) * TICK, 10)
    stage.run_for(s(1))
    unheard(stage).run_for(s(9))
    first, second = strays_cancelled(stage)
    assert second - first == (s(3) if how == "lost" else s(1))  # its deadline passed, or the wait after a bad answer
    assert stage.core.sync.orphans.overdue == 0
    assert stage.is_agreed()
