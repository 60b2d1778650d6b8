"""Which of the venue's statements about the allowance are believed, and what people hear of the others."""

from dataclasses import replace

import pytest

from domain.commands import QueryQuota
from domain.events import QuotaReport, Reason, Refused
from domain.limits import AddressLimits
from domain.units import NS_PER_S, USD, Ns, Usd
from orchestrator.budget.proactive import BudgetConfig
from orchestrator.budget.quota_state import CumulativeQuotaState
from tests.orchestrator.messages import ms, s
from tests.orchestrator.tiny_venue import QUICK, Stage

LIMITS = AddressLimits()


def report(at, used, traded=0, cap=None, surplus=0):
    """What a venue says at that second; ``traded`` in USD, the allowance that of the volume."""
    cap = LIMITS.initial + traded if cap is None else cap
    return QuotaReport(Ns(at * NS_PER_S), Usd(traded * USD), used, cap, surplus)


def state(*reports, sent=0):
    quota = CumulativeQuotaState(LIMITS)
    for each in reports:
        quota.take(each)
    quota.on_sent(sent, Ns(10**12))
    quota.on_asked(Ns(10**13))  # all of it has arrived by then
    return quota


BASE = report(1, 5_000, 2_000)


@pytest.mark.parametrize(
    ("told", "doubt"),
    [
        (report(2, 4_999, 2_000), "4999 actions used, and 5000 before"),
        (report(2, -1, 2_000), "-1 actions used, 2000000000 traded"),
        (report(2, 5_000, 2_000, 9_999), "9999 actions allowed, of 10000 at first"),
        (report(2, 5_000, 2_000, 12_121), "12121 actions allowed, where the volume makes it 12000"),
        (report(2, 5_000, 1_999), "1999000000 micro-USD traded, and 2000000000 before"),
        (report(2, 5_000 + 5 * 20 + 1_201, 2_000), "6301 actions used, where we count 5020"),
    ],
)
def test_a_report_that_cannot_be_true_is_kept_out(told, doubt):
    """It changes nothing: our own count goes on."""
    quota = state(BASE, sent=20)
    quota.take(told)
    assert quota.doubt == doubt
    assert (quota.used, quota.traded, quota.cap) == (5_020, 2_000 * USD, 12_000)
    assert (quota.reports, quota.kept_out) == (1, 1)


@pytest.mark.parametrize(
    "told",
    [
        report(2, 5_020, 2_000),
        report(2, 5_000, 2_000, 11_999),  # recorded allowances are one lower
        report(2, 5_000, 2_000, 12_120),
        report(2, 5_000, 2_000, 15_000, surplus=3_000),  # bought
        report(2, 5_000 + 5 * 20 + 1_200, 2_000),  # all that we sent came too late, and somebody else sent some
    ],
)
def test_what_may_be_true_replaces_our_count(told):
    """A count of ours that is too high or too low is put right."""
    quota = state(BASE, sent=20)
    quota.take(told)
    assert quota.doubt is None
    assert quota.used == told.used


def test_a_report_that_was_overtaken_is_no_lie():
    """An answer of before the last one says nothing, and nobody is told."""
    quota = state(report(5, 5_000))
    quota.take(report(4, 4_000))
    assert (quota.doubt, quota.kept_out, quota.used) == (None, 0, 5_000)


def test_a_count_far_above_ours_is_believed_when_the_next_report_says_so_too():
    """Somebody else uses the account: to doubt that for good would run into the venue's refusals."""
    quota = state(report(1, 5_000))
    quota.take(report(2, 9_000))
    assert (quota.doubt is None, quota.used) == (False, 5_000)
    quota.take(report(3, 9_100))
    assert (quota.doubt, quota.used) == (None, 9_100)


def test_two_different_stories_are_both_doubted():
    """A lie that is another one each time is never believed."""
    quota = state(report(1, 5_000))
    for at, used in ((2, 90_000), (3, 50_000), (4, 700_000)):
        quota.take(report(at, used))
        assert quota.doubt is not None
    assert (quota.used, quota.kept_out) == (5_000, 3)
    quota.take(report(5, 5_001))
    assert (quota.doubt, quota.used) == (None, 5_001)


def test_a_first_report_beyond_everything_is_doubted():
    """Twice the number at which even cancels are stopped: nobody gets there."""
    quota = state(report(1, 40_001))
    assert (quota.doubt is None, quota.used) == (False, 0)
    assert state(report(1, 40_000)).used == 40_000


# --- in the trader ------------------------------------------------------------------------------


def asking(every_s=20):
    """A trader that asks every so many seconds, and the alerts that it gave about the answers."""
    return Stage(config=replace(QUICK, budget=BudgetConfig(ask_every_s=every_s))).begin()


def told(stage):
    return stage.alerts.count("quota_report")


def test_people_hear_once_of_a_burst_of_lies_and_the_count_goes_on():
    """Kept out, alerted once, asked again sooner; true again, the next burst is told of again."""
    stage = asking()
    stage.run(s(5))
    stage.venue.faults.answers = lambda action: another_lie(stage.now) if isinstance(action, QueryQuota) else None
    stage.run(s(100))
    assert told(stage) == 1
    assert stage.core.budget.used < 1_000
    assert stage.core.snapshot().quota_reports_kept_out >= 3
    lies, stage.venue.faults.answers = stage.venue.faults.answers, lambda action: None
    stage.run(s(150))
    assert told(stage) == 1
    stage.venue.faults.answers = lies
    stage.run(s(200))
    assert told(stage) == 2


def another_lie(now):
    """A count far above everything, a lower one each time."""
    return QuotaReport(now, Usd(0), 10**7 - now // NS_PER_S * 10**4, LIMITS.initial)


def test_people_hear_that_no_report_comes():
    """After twice the interval, once; not while answers come."""
    stage = asking()
    stage.run(s(120))
    assert told(stage) == 0
    refused = Refused(Reason.HALTED, "")
    stage.venue.faults.answers = lambda action: refused if isinstance(action, QueryQuota) else None
    last = stage.now
    stage.run_until(lambda: told(stage) == 1)
    assert s(20) <= stage.now - last <= s(40) + ms(100)
    stage.run_for(s(200))
    assert told(stage) == 1
