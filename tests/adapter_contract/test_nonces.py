"""The nonces of an adapter: increasing over its lives, near the clock, and bounded by what was reserved (S12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_adapters.nonces import LEAD, SPREAD, NonceSource


@pytest.mark.parametrize(
    ("first", "times", "nonces"),
    [
        (0, [5, 5, 5], [5, 6, 7]),
        (0, [5, 9, 9, 7], [5, 9, 10, 11]),
        (0, [0], [1]),
        (0, [-3_000, 4], [1, 4]),
        (100, [5, 200], [100, 200]),
        (100, [100, 101, 101], [100, 101, 102]),
    ],
)
def test_the_larger_of_the_time_and_the_last_plus_one(first, times, nonces):
    """Protects two actions of one millisecond, a clock that is set back, and a new life (hummingbot#7737)."""
    source = NonceSource(first)
    source.confirm(first + LEAD)
    assert [source.next(time) for time in times] == nonces


def test_a_bound_is_written_once_a_second():
    """Protects the journal from a note for each request."""
    source, bounds = NonceSource(), []
    for time in range(0, 6_000, 100):
        bounds.append(source.reserve(time))
        source.confirm(bounds[-1])
        source.next(time)
    assert len(set(bounds)) == 6


def test_a_process_that_stood_still_goes_on_inside_its_bound():
    """Protects the strictness: what was decided before the sleep leaves after it, and is reserved all the same.

    And the venue, which takes numbers near the present: not those from which this life, or one long ago, began.
    """
    source = NonceSource()
    bound = source.reserve(1_000)
    source.confirm(bound)
    assert source.next(1_000_000) == 1_000
    assert source.next(1_000_000) == 1_001
    source.confirm(source.reserve(1_000_000))
    assert source.next(1_000_000) == 1_000_000


def test_who_cannot_write_the_next_bound_goes_on_with_what_is_left_of_the_last():
    """Protects S12 under a full disk: a clock that is ahead then takes no nonce that the next life will use."""
    source = NonceSource()
    bound = source.reserve(1_000)
    source.confirm(bound)
    source.next(1_000)
    taken = []
    for _ in range(100):
        assert source.reserve(70_000) > bound
        taken.append(source.next(70_000))
    assert taken == list(range(1_001, 1_101))
    assert taken[-1] < bound
    following = NonceSource(bound)
    following.confirm(following.reserve(1_050))
    assert following.next(1_050) == bound


def test_a_life_between_that_could_write_no_bound_is_behind_us():
    """Protects S12 (found by seed 1070): the next life, which stood still over its first bound, began where the last
    written one had ended, and so below what the life between had signed by the clock."""
    silent, following = NonceSource(76_014), NonceSource(76_014)
    assert silent.next(85_445) == 85_445
    following.confirm(following.reserve(91_290))
    assert following.next(94_537) == 91_290


def test_lives_that_can_write_no_bound_share_no_nonce():
    """Protects S12 on a full disk (found by seed 481): a clock that had been ahead was set right.

    One life after the other began at the bound that it had left behind.
    """
    used = []
    for begins in (139_675, 152_290, 154_290, 164_505):
        silent = NonceSource(195_873)
        used += [silent.next(begins + 1_000 * step) for step in range(10)]
    assert len(set(used)) == len(used)
    assert min(used) >= 195_873


@given(st.integers(-(10**9), 10**9), st.integers(1, 2**45))
def test_who_begins_beyond_the_bound_stays_near_it(behind, first):
    """Protects the lives that follow: no further ahead than the clock is behind, nor than a minute; then one by one."""
    source, now = NonceSource(first), first - behind
    begins = source.next(now)
    assert max(first, now) <= begins <= max(first, now) + min(max(behind - 1, 0), SPREAD)
    assert source.next(now) == begins + 1


def test_a_life_with_a_bound_begins_where_the_last_one_ended():
    """Protects the order of numbers: only who could write nothing begins elsewhere."""
    source = NonceSource(195_873)
    source.confirm(source.reserve(139_675))
    assert [source.next(139_675), source.next(139_675)] == [195_873, 195_874]


@given(st.lists(st.lists(st.integers(-200_000, 200_000), max_size=30), min_size=1, max_size=5))
def test_they_increase_strictly_over_all_lives(lives):
    """Protects S12: any clock in any life, with nothing handed on but the bound that was reserved."""
    bound, last = 0, 0
    for steps in lives:
        source, time = NonceSource(bound), 0
        for step in steps:
            time += step
            bound = source.reserve(time)
            source.confirm(bound)
            nonce = source.next(time)
            assert last < nonce < bound
            last = nonce


def test_half_of_the_bound_is_always_left():
    """Protects requests that wait for the journal: their nonces are reserved, too."""
    source = NonceSource()
    for time in range(0, 200_000, 777):
        source.confirm(source.reserve(time))
        assert source.below >= time + LEAD // 2
