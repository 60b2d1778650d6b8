"""The purse of actions: nothing appears and nothing is lost (RL-08, T-30)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits import AddressLimits
from domain.units import NS_PER_S, USD, Ns, Usd
from orchestrator.budget.bucket import ImpulseConfig, TokenBucket

PER_ACTION = AddressLimits().usd_per_action
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("spend"), st.integers(1, 60)),
        st.tuples(st.just("reward"), st.integers(0, 400)),
        st.tuples(st.just("refill"), st.integers(0, 5_000)),
    ),
    max_size=60,
)


@given(steps=STEPS, start=st.integers(0, 700))
def test_what_came_in_less_what_went_out_is_what_is_left(steps, start):
    """RL-08: earned + initial - spent - capped = available, whatever happens, and never more than it holds."""
    bucket, now = TokenBucket(ImpulseConfig(start=start), PER_ACTION), 0
    for what, amount in steps:
        if what == "spend":
            bucket.spend(amount)
        elif what == "reward":
            bucket.reward(Usd(amount * USD))
        else:
            now += amount * NS_PER_S
            bucket.refill(0.1, Ns(now))
        assert bucket.available <= bucket.config.most
        assert bucket.earned + start - bucket.spent - bucket.capped == pytest.approx(bucket.available)


def test_a_fill_earns_as_many_actions_as_the_venue_allows_for_it():
    """T-30: one a dollar, not half of one for a thousand; where the venue is slower, so is the purse."""
    bucket = TokenBucket(ImpulseConfig(), PER_ACTION)
    bucket.reward(Usd(100 * USD))
    assert bucket.available == 200
    slow = TokenBucket(ImpulseConfig(), AddressLimits(usd_per_action=Usd(60 * USD)).usd_per_action)
    slow.reward(Usd(120 * USD))
    assert slow.available == 102


def test_it_holds_so_much_and_no_more():
    """100 at first, 500 at most; what runs over is counted."""
    bucket = TokenBucket(ImpulseConfig(), PER_ACTION)
    bucket.refill(1.0, Ns(1_000 * NS_PER_S))
    assert (bucket.available, bucket.capped) == (500, 600)
    bucket.refill(1.0, Ns(1_000 * NS_PER_S))
    assert bucket.capped == 600


def test_the_further_actions_of_a_request_are_cheaper():
    """One, and 0.8 for each more."""
    bucket = TokenBucket(ImpulseConfig(), PER_ACTION)
    assert [bucket.cost(n) for n in (0, 1, 2, 11)] == [0, 1, 1.8, 9]
    bucket.spend(11)
    assert bucket.available == 91
