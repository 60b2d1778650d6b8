"""The inbox and its conflation rule."""

from hypothesis import given
from hypothesis import strategies as st

from domain.events import BboChanged, BookReported, Fill, Woke
from domain.units import Side
from runtime.inbox import Inbox


def bbo(instrument, time):
    return BboChanged(instrument, time, 0, None, None)


def book(instrument, time):
    return BookReported(instrument, time, 0, (), ())


def fill(tid):
    return Fill("BTC", 0, 0, tid, 1, None, Side.BUY, 1, 1, 0, False, 0, 0)


def test_a_newer_state_takes_the_place_of_an_unseen_one():
    """Protects against working through history: only the newest state of each kind and instrument is looked at."""
    inbox = Inbox()
    events = [bbo("BTC", 1), fill(1), book("BTC", 1), bbo("ETH", 1), bbo("BTC", 2), fill(2), bbo("BTC", 3)]
    for event in events:
        inbox.put(event)
    assert len(inbox) == 5
    assert inbox.take() == (fill(1), book("BTC", 1), bbo("ETH", 1), fill(2), bbo("BTC", 3))
    assert inbox.superseded == {"BboChanged": 2}
    assert inbox.peak == 5
    assert not len(inbox)


def test_nothing_is_superseded_across_a_look():
    """Protects the record: what was handed out is gone, and the next state stands for itself."""
    inbox = Inbox()
    inbox.put(bbo("BTC", 1))
    assert inbox.take() == (bbo("BTC", 1),)
    inbox.put(bbo("BTC", 2))
    assert inbox.take() == (bbo("BTC", 2),)
    assert inbox.superseded.total() == 0


def test_old_data_that_arrives_late_is_seen():
    """Protects the data-quality checks: time going backwards in a feed is a fact, not something to tidy away."""
    inbox = Inbox()
    inbox.put(book("BTC", 5))
    inbox.put(book("BTC", 4))
    assert inbox.take() == (book("BTC", 5), book("BTC", 4))


ANY = st.one_of(
    st.builds(bbo, st.sampled_from(["BTC", "ETH"]), st.integers(0, 5)),
    st.builds(book, st.sampled_from(["BTC", "ETH"]), st.integers(0, 5)),
    st.builds(fill, st.integers(0, 9)),
    st.just(Woke()),
)


@given(st.lists(ANY))
def test_only_states_are_dropped_and_order_is_kept(events):
    """Protects everything that is not a state: whatever comes out is a subsequence, with the newest states in it."""
    inbox = Inbox()
    for event in events:
        inbox.put(event)
    taken = inbox.take()
    rest = iter(events)
    assert all(any(event == other for other in rest) for event in taken)
    kept = [event for event in events if not isinstance(event, BboChanged | BookReported)]
    assert [event for event in taken if not isinstance(event, BboChanged | BookReported)] == kept
    for kind in (bbo, book):
        for instrument in ("BTC", "ETH"):
            like = [e for e in events if type(e) is type(kind("", 0)) and e.instrument == instrument]
            if like:
                assert like[-1] in taken
    assert len(taken) + inbox.superseded.total() == len(events)
