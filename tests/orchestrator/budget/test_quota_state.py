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
        (report(2, 5_020, 3_201), "3201000000 micro-USD traded, where we count 2000000000"),
        (report(2, 9_300, 10_000_000), "9300 actions used, where we count 5020"),
        (report(2, 5_020, 10_000_000), "10000000000000 micro-USD traded, where we count 2000000000"),
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
        report(2, 5_020, 3_200),  # fills that we have not heard of yet
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


def after(quota, *reports):
    """Which of the reports were believed."""
    believed = []
    for each in reports:
        quota.take(each)
        believed.append(quota.doubt is None)
    return believed


def test_a_first_report_that_was_a_lie_does_not_last():
    """39,000 used is believed of an account that we know nothing of: three true reports put it right."""
    quota = state(report(1, 39_000))
    assert quota.used == 39_000
    assert after(quota, *(report(at, 9_300 + at) for at in range(2, 6))) == [False, False, True, True]
    assert (quota.used, quota.kept_out) == (9_305, 2)


def test_a_volume_far_above_ours_is_doubted_and_what_is_true_afterwards_believed():
    """Ten million that nobody traded would be ten million actions."""
    quota = state(report(1, 9_300))
    rich = [report(at, 9_300, 10_000_000) for at in (2, 3, 4)]
    assert after(quota, *rich) == [False, False, True]
    assert after(quota, *(report(at, 9_310) for at in (5, 6, 7))) == [False, True, True]
    assert (quota.used, quota.traded, quota.cap) == (9_310, 0, 10_000)


def test_a_rich_story_that_is_another_one_each_time_is_never_believed():
    """And the truth between two lies ends each of them."""
    quota = state(report(1, 9_300))
    lies = [report(at, 9_300, 10_000_000 + at % 2 * 5_000_000) for at in range(2, 9)]
    assert not any(after(quota, *lies))
    mixed = [report(at, 9_300, 0 if at % 3 == 0 else 10**7) for at in range(9, 16)]
    assert after(quota, *mixed) == [True, False, False, True, False, False, True]
    assert (quota.used, quota.cap) == (9_300, 10_000)


def test_a_lower_count_that_lacks_what_we_sent_meanwhile_is_never_believed():
    """The same number again and again, while we send: nobody has counted that."""
    quota = state(report(1, 9_300))
    for at in range(2, 12):
        quota.take(report(at, 0))
        quota.on_sent(5, Ns(at * 10**12))
        quota.on_asked(Ns((at + 1) * 10**12))
        assert quota.doubt is not None
    assert quota.used == 9_350
    quota.take(report(20, 9_345))
    assert (quota.doubt, quota.used) == (None, 9_345)


def test_a_lower_count_is_believed_where_it_holds_what_we_sent_meanwhile():
    """The other way round: an account that has fewer actions behind it than we were told."""
    quota = state(report(1, 9_300))
    for at in range(2, 5):
        assert quota.used > 9_000
        quota.take(report(at, 1_000 + at * 5))
        quota.on_sent(5, Ns(at * 10**12))
        quota.on_asked(Ns((at + 1) * 10**12))
    assert (quota.doubt, quota.used, quota.kept_out) == (None, 1_025, 2)


def test_our_own_fills_make_no_report_far():
    """What we have traded since is ours."""
    quota = state(report(1, 9_300))
    quota.on_traded(Usd(10**6 * USD))
    quota.take(report(2, 9_300, 10**6))
    assert (quota.doubt, quota.cap) == (None, 10**6 + 10_000)


def test_a_volume_that_was_told_too_large_does_not_last():
    """A small lie is no doubt; the next report puts it right, but for fills that it may not hold."""
    quota = state(report(1, 9_300), report(2, 9_300, 500))
    assert quota.cap == 10_500
    quota.on_traded(Usd(2_000 * USD))
    quota.on_asked(Ns(10**13))
    quota.on_traded(Usd(7 * USD))
    quota.take(report(3, 9_300, 2_000))
    assert (quota.doubt, quota.cap) == (None, 12_007)
    quota.on_asked(Ns(10**13))
    quota.take(report(4, 9_300, 2_007))
    assert quota.cap == 12_007


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
