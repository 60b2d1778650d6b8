"""What the venue enforces reaches every desk once, whoever asked, and nothing older replaces it (EL-04, RS-10)."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from msgspec import structs

from domain.commands import QueryLimits
from domain.events import Feed, InstrumentLimits, LimitsReport, Replied
from domain.units import Ns, Sz
from orchestrator.sync.limits import VenueLimits
from tests.orchestrator.messages import BTC, ETH, s, unknown_request
from tests.orchestrator.tiny_venue import QUICK, Stage, quoting


def report(at: int, most: int, *, of=ETH) -> LimitsReport:
    return LimitsReport(Ns(at), (InstrumentLimits(of.id, of.sz_decimals, of.min_notional, of.max_leverage, Sz(most)),))


def test_an_older_statement_says_nothing():
    """C-14: answers overtake each other; of one moment the later answer counts."""
    heard = []
    terms = SimpleNamespace(on_limits=lambda told: heard.append(told.max_position))
    limits = VenueLimits({ETH.id: SimpleNamespace(terms=terms)})
    for at, most in ((5, 10), (4, 20), (5, 30), (6, 40)):
        limits.take(report(at, most))
    limits.take(report(7, 50, of=BTC))
    assert heard == [10, 30, 40]


def lagging(stage: Stage, seconds: int) -> None:
    """The next answer about limits is of so long ago, when they were as we reckon with; those after it are new."""
    left = [1]

    def answers(action):
        if not isinstance(action, QueryLimits):
            return None
        told = stage.venue._execute(action)
        if left[0]:
            left[0] -= 1
            return structs.replace(told, as_of=Ns(told.as_of - s(seconds)))
        return LimitsReport(told.as_of, tuple(structs.replace(each, max_leverage=7) for each in told.limits))

    stage.venue.faults.answers = answers


def test_an_old_answer_after_a_gap_does_not_take_back_what_is_known_by_now():
    """EL-04 (review, item 18): the margin's question dropped older reports; that of the gap opened the gate."""
    stage = quoting()
    newest = report(stage.now, 400)
    changed = LimitsReport(newest.as_of, tuple(structs.replace(each, max_leverage=7) for each in newest.limits))
    stage._take(Replied(unknown_request(1), stage.now, (changed,)))
    stage.run_for(s(0.1))
    assert stage.core.phase == "limits_mismatch"
    lagging(stage, 2)
    stage.venue.cut(Feed.USER)
    stage.run_until(lambda: stage.core.resync.runs == 1 and not stage.core.resync.gates_quotes, within=s(9))
    assert stage.core.desks[ETH.id].terms.gate == "limits_mismatch"
    stage.run_for(s(20))
    assert stage.alerts.count("limits_mismatch") == 1


@pytest.mark.parametrize("is_heard", [False, True])
def test_what_a_gap_has_changed_is_known_without_a_margin_tracker(is_heard):
    """RS-10: the tracker is one that listens, not the way by which limits reach the desks."""
    stage = quoting(config=replace(QUICK, margin=None))
    if is_heard:
        lagging(stage, 0)
        stage.core.resync.request(stage.now, gap=True)
        stage.run_for(s(3))
    stage.venue.cut(Feed.USER)
    stage.run_for(s(8))
    assert stage.core.phase == ("limits_mismatch" if is_heard else "quoting")
