"""Time under each label: complete, and not changed by being looked at."""

from hypothesis import given
from hypothesis import strategies as st

from domain.units import Ns
from orchestrator.desk.uptime import Uptime


def test_time_counts_for_the_label_that_holds():
    uptime = Uptime()
    uptime.note("a", Ns(10))
    uptime.note("b", Ns(30))
    uptime.note("b", Ns(35))
    uptime.note("a", Ns(40))
    assert uptime.totals(Ns(45)) == {"a": 25, "b": 10}


def test_before_the_first_label_time_counts_for_none():
    uptime = Uptime()
    assert uptime.totals(Ns(99)) == {}
    uptime.note("a", Ns(100))
    assert uptime.totals(Ns(100)) == {"a": 0}


steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans()), min_size=1, max_size=20)


@given(steps)
def test_looking_changes_nothing_and_no_time_is_lost(sequence):
    """T-18: a desk that is watched reports the same as one that is not; all time since the first label counts."""
    watched, alone, now = Uptime(), Uptime(), Ns(0)
    for label, gap, look in sequence:
        watched.note(label, now)
        alone.note(label, now)
        now = Ns(now + gap)
        if look:
            assert sum(watched.totals(now).values()) == now
    assert watched.totals(now) == alone.totals(now)
    assert sum(alone.totals(now).values()) == now
