"""Refused orders: one classifier, and a wait for each side (RL-03..06, RL-11, RL-23, C-21)."""

import pytest

from domain.events import Reason, Refused
from domain.units import NS_PER_S, Ns, Side
from orchestrator.budget.backoff import Backoff, BackoffConfig
from orchestrator.budget.rejection import (
    CLOSED,
    KIND_OF,
    RejectionConfig,
    RejectionKind,
    RejectionRateLimiter,
    classify,
)

S = NS_PER_S
BUY, SELL = Side.BUY, Side.SELL
MARGIN = Refused(Reason.MARGIN, "Insufficient margin to place order. asset=1")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("PerpMaxPosition", "position"),
        ("PERPMAXPOSITION", "position"),
        ("Order would exceed max position", "position"),
        ("Insufficient margin to place order. asset=1", "margin"),
        ("insufficient MARGIN", "margin"),
        ("Leverage too high", "margin"),
        ("BadAloPx", "price"),
        ("badalopx", "price"),
        ("Post only order would have immediately matched, bbo was 1@2. asset=1", "price"),
        ("Price must be divisible by tick size. asset=1", "price"),
        ("HTTP 429: null", "rate_limit"),
        ("Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0.0.", "rate_limit"),
        ("Too Many Requests", "rate_limit"),
        ("Who knows", "other"),
        ("", "other"),
    ],
)
def test_texts_of_venues_whatever_their_case(text, kind):
    """RL-04, T-15: where the adapter knew no reason the text decides."""
    assert classify(Refused(Reason.OTHER, text)) == kind


@pytest.mark.parametrize("reason", list(KIND_OF))
def test_a_reason_that_says_it_all_needs_no_text(reason):
    assert classify(Refused(reason, "")) is KIND_OF[reason]
    assert classify(Refused(reason, "insufficient margin, PerpMaxPosition")) is KIND_OF[reason]


def test_the_leg_of_a_modify_is_classified_by_its_text():
    assert classify(Refused(Reason.MODIFY_NEW_LEG, "Insufficient margin")) is RejectionKind.MARGIN


def test_waits_of_nine_refusals_in_a_row_and_the_other_side_is_free():
    """RL-03."""
    limiter = RejectionRateLimiter(RejectionConfig())
    waits = [limiter.record_rejection(BUY, MARGIN, Ns(n)) // S for n in range(9)]
    assert waits == [0, 0, 5, 10, 20, 40, 80, 120, 120]
    assert limiter.should_skip(BUY, Ns(9))
    assert not limiter.should_skip(SELL, Ns(9))


def test_one_success_and_the_next_refusal_is_a_first_one():
    """RL-06."""
    limiter = RejectionRateLimiter(RejectionConfig())
    for n in range(5):
        limiter.record_rejection(SELL, MARGIN, Ns(n))
    limiter.record_success(SELL, Ns(5))
    assert limiter.record_rejection(SELL, MARGIN, Ns(100)) == 0
    counts = limiter.sides[SELL]
    assert (counts.consecutive, counts.total, counts.successes) == (1, 6, 1)


def test_what_reduces_says_nothing_of_capped_open_interest():
    """S25 (drawn world 31): between two refusals a small order that reduced was taken, and the row began anew."""
    limiter = RejectionRateLimiter(RejectionConfig())
    capped, waits = Refused(Reason.OPEN_INTEREST, ""), []
    for n in range(6):
        waits.append(limiter.record_rejection(SELL, capped, Ns(n * S)) // S)
        limiter.record_success(SELL, Ns(n * S)) if n > 2 else None
    assert waits == [0, 0, 5, 10, 20, 20]
    limiter.record_success(SELL, Ns(64 * S))
    assert limiter.sides[SELL].consecutive == 6
    limiter.record_success(SELL, Ns(65 * S))
    assert limiter.record_rejection(SELL, capped, Ns(66 * S)) == 0


@pytest.mark.parametrize(
    ("reason", "counts"),
    [
        (Reason.MARGIN, True),
        (Reason.TOO_MANY_OPEN_ORDERS, True),
        (Reason.HALTED, True),
        (Reason.OTHER, True),
        (Reason.POST_ONLY_WOULD_CROSS, False),
        (Reason.OFF_TICK, False),
        (Reason.RATE_LIMITED, False),
        (Reason.QUOTA_EXHAUSTED, False),
        (Reason.EXPIRED, True),
        (Reason.CANNOT_MODIFY, False),
    ],
)
def test_what_speaks_against_a_side(reason, counts):
    """C-21: position, margin and other, what comes too late included; a price is made anew, a limit has its own way."""
    limiter = RejectionRateLimiter(RejectionConfig())
    for n in range(9):
        limiter.record_rejection(BUY, Refused(reason, ""), Ns(n))
    assert limiter.should_skip(BUY, Ns(9)) is counts
    assert sum(limiter.by_kind.values()) == 9


@pytest.mark.parametrize("reason", sorted(CLOSED))
def test_what_ends_by_itself_is_tried_again_soon(reason):
    """A halt ends and a clock is set right: from the third refusal on 5 s, 10 s, and then every 20 s."""
    limiter = RejectionRateLimiter(RejectionConfig())
    waits = [limiter.record_rejection(SELL, Refused(reason, ""), Ns(n)) // S for n in range(7)]
    assert waits == [0, 0, 5, 10, 20, 20, 20]


def test_a_wait_ends_by_itself_and_says_so_once():
    """RL-11."""
    limiter = RejectionRateLimiter(RejectionConfig())
    for n in range(3):
        limiter.record_rejection(BUY, MARGIN, Ns(n))
    end = 5 * S + 2
    assert limiter.deadline() == end
    assert (limiter.should_skip(BUY, Ns(end - 1)), limiter.should_skip(BUY, Ns(end))) == (True, False)
    assert [limiter.resumed(Ns(at)) for at in (end - 1, end, end)] == [[], [BUY], []]
    assert limiter.deadline() is None


# --- after limits -------------------------------------------------------------------------------


def waits_of(config, n):
    backoff, now, waits = Backoff(config, "x"), 0, []
    for _ in range(n):
        backoff.hit(Ns(now))
        waits.append((backoff.until - now) / S)
        now = backoff.until
    return waits


def test_waits_after_http_429():
    """RL-15."""
    assert waits_of(BackoffConfig(), 6) == pytest.approx([10, 15, 22.5, 33.75, 50.625, 60])


def test_waits_after_the_allowance_is_gone_never_exceed_their_bound():
    """RL-14, T-16: the cap holds after the jitter; without it the waits double."""
    assert waits_of(BackoffConfig(first_s=30, factor=2, max_s=600), 6) == [30, 60, 120, 240, 480, 600]
    jittered = waits_of(BackoffConfig(first_s=30, factor=2, max_s=600, jitter=0.5), 40)
    assert max(jittered) <= 600
    assert all(0.5 * n <= wait <= 1.5 * n for n, wait in zip((30, 60, 120, 240), jittered, strict=False))
    assert len(set(jittered)) > 10


def test_a_second_no_while_waiting_was_sent_before_the_first():
    backoff = Backoff(BackoffConfig(), "x")
    assert backoff.hit(Ns(0))
    assert not backoff.hit(Ns(5 * S))
    assert (backoff.until, backoff.hits) == (10 * S, 1)


def test_a_yes_begins_anew_but_ends_no_wait():
    backoff = Backoff(BackoffConfig(), "x")
    backoff.hit(Ns(0))
    backoff.success(Ns(S))
    backoff.hit(Ns(10 * S))
    assert backoff.until == 25 * S
    backoff.success(Ns(25 * S))
    backoff.hit(Ns(30 * S))
    assert backoff.until == 40 * S
