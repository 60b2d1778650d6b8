"""Requests in flight: routes, deadlines, silence, and answers that come late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Cancel, Modify, Place, QueryOpenOrders, Request, Route
from domain.events import Cancelled, NotSent, Reason, Replied
from domain.limits import SocketLimits, VenueLimits
from domain.units import Epoch, Ns, Oid, Px, RequestId, Sz, Tif
from orchestrator.budget.proactive import BudgetConfig, BudgetGate, ProactiveRateTracker
from orchestrator.connectivity.requests import MAX_OVERDUE, RequestLedger, RequestsConfig
from orchestrator.connectivity.routes import RoutesConfig
from tests.orchestrator.messages import BUY, ETH, cloid, live_feed, ms, s

PLACE = Place(ETH.id, cloid(1), BUY, Px(100), Sz(1), Tif.ALO)
CANCEL = Cancel(ETH.id, cloid(1))
MODIFY = Modify(cloid(1), Oid(1), PLACE)
QUERY = QueryOpenOrders()


class Diary:
    """An owner that writes down what it hears."""

    def __init__(self):
        self.heard = []

    def on_reply(self, pending, event, now):
        self.heard.append(("reply", pending.request.request_id, pending.is_overdue))

    def on_not_sent(self, pending, event, now):
        self.heard.append(("not_sent", pending.request.request_id))

    def on_silence(self, pending, now):
        self.heard.append(("silence", pending.request.request_id))


@pytest.fixture
def diary():
    return Diary()


def make(*, is_live=True, epoch=3, **config) -> RequestLedger:
    return RequestLedger(RequestsConfig(**config), live_feed(is_live=is_live, epoch=epoch))


def reply(number: int, at: Ns) -> Replied:
    return Replied(RequestId(number), at, (Cancelled(),))


def not_sent(number: int, at: Ns) -> NotSent:
    return NotSent(RequestId(number), Reason.FEED_DOWN, at)


def test_a_request_carries_route_epoch_and_expiry(diary):
    """Placements and modifies die with our patience, cancels and questions never (S14)."""
    ledger = make(timeout_ms=3_000)
    for action in (PLACE, MODIFY, CANCEL, QUERY):
        ledger.send((action,), diary, Ns(0))
    assert ledger.outbox == [
        Request(RequestId(1), Route.SOCKET, Epoch(3), s(3), (PLACE,)),
        Request(RequestId(2), Route.SOCKET, Epoch(3), s(3), (MODIFY,)),
        Request(RequestId(3), Route.SOCKET, Epoch(3), None, (CANCEL,)),
        Request(RequestId(4), Route.SOCKET, Epoch(3), None, (QUERY,)),
    ]
    assert (ledger.n_sent, ledger.n_actions, ledger.in_flight) == (4, 4, 4)


def test_without_the_socket_the_other_route_is_taken(diary):
    """L4: cancels keep working while the user feed is down."""
    ledger = make(is_live=False)
    assert ledger.send((CANCEL,), diary, Ns(0)).request.route is Route.REST


def test_a_socket_that_fell_silent_is_avoided_for_a_while(diary):
    """L4: it may be half-open. Silence by the other route says nothing about it."""
    ledger = make(timeout_ms=3_000, routes=RoutesConfig(distrust_ms=10_000))
    ledger.send((CANCEL,), diary, Ns(0))
    ledger.expire(s(3))
    routes = [ledger.send((CANCEL,), diary, s(at)).request.route for at in (3, 12.9, 13)]
    assert routes == [Route.REST, Route.REST, Route.SOCKET]
    ledger.expire(s(15.9))
    assert ledger.send((CANCEL,), diary, s(15.9)).request.route is Route.SOCKET


def test_an_answer_in_time_reaches_who_asked_once(diary):
    ledger = make()
    ledger.send((CANCEL,), diary, Ns(0))
    ledger.on_replied(reply(1, ms(20)), ms(20))
    ledger.on_replied(reply(1, ms(30)), ms(30))
    ledger.expire(s(60))
    assert diary.heard == [("reply", 1, False)]
    assert (ledger.n_replied, ledger.n_late, ledger.n_silent) == (1, 0, 0)


def test_silence_is_declared_at_the_deadline_and_the_late_answer_is_still_heard(diary):
    """S14: silence means unknown; an answer is evidence whenever it comes."""
    ledger = make(timeout_ms=3_000)
    ledger.send((CANCEL,), diary, Ns(0))
    assert ledger.deadline() == s(3)
    ledger.expire(Ns(s(3) - 1))
    assert diary.heard == []
    ledger.expire(s(3))
    ledger.expire(s(4))
    assert (diary.heard, ledger.deadline()) == ([("silence", 1)], None)
    ledger.on_replied(reply(1, s(9)), s(9))
    assert diary.heard[1:] == [("reply", 1, True)]
    assert (ledger.n_silent, ledger.n_late) == (1, 1)


def test_what_was_not_sent_is_said_so_even_late(diary):
    ledger = make()
    ledger.send((PLACE,), diary, Ns(0))
    ledger.send((PLACE,), diary, Ns(0))
    ledger.on_not_sent(not_sent(1, ms(1)), ms(1))
    ledger.expire(s(60))
    ledger.on_not_sent(not_sent(2, s(61)), s(61))
    assert diary.heard == [("not_sent", 1), ("silence", 2), ("not_sent", 2)]
    assert ledger.n_not_sent == 2


def test_answers_to_nobody_are_harmless_and_counted(diary):
    """Reliability: of an earlier life, of a request answered already, or a venue's mistake; never silent."""
    ledger = make()
    ledger.on_replied(reply(77, ms(1)), ms(1))
    ledger.on_not_sent(not_sent(78, ms(1)), ms(1))
    ledger.send((CANCEL,), diary, ms(1))
    for _ in range(2):
        ledger.on_replied(reply(1, ms(2)), ms(2))
    assert (ledger.n_replied, ledger.n_not_sent, ledger.n_unknown) == (1, 0, 3)
    assert diary.heard == [("reply", 1, False)]


def test_the_time_out_has_a_ceiling(diary):
    """A venue that answers after a minute, time and again, does not make us wait three minutes for the next one."""
    ledger = make(timeout_max_ms=10_000)
    for number in range(1, 41):
        ledger.send((CANCEL,), diary, Ns(0))
        ledger.on_replied(reply(number, s(60)), s(60))
    assert ledger.timeout == s(10)
    assert make(timeout_ms=60_000, timeout_max_ms=5_000).timeout == s(5)


def test_a_lost_user_feed_silences_its_own_requests_at_once(diary):
    """Answers of the socket are lost with it; those of REST are not."""
    feed = live_feed()
    ledger = RequestLedger(RequestsConfig(), feed)
    ledger.send((PLACE,), diary, Ns(0))
    feed.is_live = False
    ledger.send((CANCEL,), diary, Ns(0))
    ledger.on_user_feed_down(ms(10))
    assert diary.heard == [("silence", 1)]
    assert ledger.in_flight == 1


@pytest.mark.parametrize(("latency_ms", "timeout_ms"), [(20, 500), (166, 500), (200, 600), (1_000, 3_000)])
def test_the_time_out_follows_what_was_measured(diary, latency_ms, timeout_ms):
    """max(500 ms, 3 x p99), from the twentieth answer on; until then as configured."""
    ledger = make(timeout_ms=3_000, timeout_min_ms=500, timeout_p99_factor=3)
    for number in range(1, 21):
        assert ledger.timeout == s(3)
        ledger.send((CANCEL,), diary, Ns(0))
        ledger.on_replied(reply(number, ms(latency_ms)), ms(latency_ms))
    assert ledger.timeout == ms(timeout_ms)
    assert ledger.send((PLACE,), diary, Ns(0)).request.expires_in == ms(timeout_ms)


def test_one_slow_answer_in_a_hundred_is_not_the_rule_but_three_are(diary):
    """The 99th percentile of the last 256 answers."""
    ledger = make()

    def answer(latency):
        pending = ledger.send((CANCEL,), diary, Ns(0))
        ledger.on_replied(reply(pending.request.request_id, latency), latency)

    for _ in range(259):
        answer(ms(200))
    answer(s(2))
    assert ledger.timeout == ms(600)
    for _ in range(18):
        answer(ms(200))
    answer(s(2))
    answer(s(2))
    assert ledger.timeout == s(6)


def test_the_earliest_deadline_is_not_that_of_the_oldest_request(diary):
    """The time-out adapts, so a later request may be due first."""
    ledger = make(timeout_ms=10_000)
    ledger.send((QUERY,), diary, Ns(0))
    for number in range(2, 22):
        ledger.send((CANCEL,), diary, Ns(0))
        ledger.on_replied(reply(number, ms(10)), ms(10))
    ledger.send((QUERY,), diary, s(1))
    assert ledger.deadline() == s(1.5)
    ledger.expire(s(1.5))
    assert diary.heard[-1] == ("silence", 22)
    assert ledger.deadline() == s(10)


def test_quotes_wait_while_the_socket_has_as_much_under_way_as_the_venue_takes(diary):
    """RL-02: eight of ten; the rest is for cancels and questions, which always go. REST is counted by weight alone."""
    limits = VenueLimits(socket=SocketLimits(posts_in_flight=10))
    budget = ProactiveRateTracker(BudgetConfig(limits=limits, share=0.8))
    ledger = RequestLedger(RequestsConfig(timeout_ms=3_000), live_feed(is_live=True, epoch=3), budget)
    for at in range(8):
        assert ledger.gate(1, ms(at)) is None
        ledger.send((CANCEL if at % 2 else PLACE,), diary, ms(at))
    assert ledger.gate(1, ms(8)) is BudgetGate.RATE_LIMIT
    assert ledger.opens_at(ms(8)) == s(3)
    assert ledger.send((CANCEL,), diary, ms(8)).request.route is Route.SOCKET
    ledger.on_replied(reply(1, ms(9)), ms(9))
    assert ledger.gate(1, ms(9)) is BudgetGate.RATE_LIMIT
    ledger.on_replied(reply(2, ms(10)), ms(10))
    assert ledger.gate(1, ms(10)) is None


def test_memory_of_silent_requests_is_bounded(diary):
    """S27: a venue that never answers does not fill the memory; the oldest are forgotten."""
    ledger = make()
    for _ in range(MAX_OVERDUE + 10):
        ledger.send((CANCEL,), diary, Ns(0))
    ledger.expire(s(60))
    ledger.on_replied(reply(1, s(61)), s(61))
    assert ledger.n_replied == 0
    ledger.on_replied(reply(11, s(61)), s(61))
    assert ledger.n_replied == 1
    assert len(ledger._overdue) == MAX_OVERDUE - 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "reply", "not_sent", "down", "expire"]), st.integers(1, 12)), max_size=60
    )
)
def test_every_request_ends_once(sequence):
    """Each is answered, or not sent, or silent; after silence at most one answer more."""
    feed = live_feed()
    ledger, diary, now = RequestLedger(RequestsConfig(), feed), Diary(), Ns(0)
    for what, number in sequence:
        now = Ns(now + ms(400))
        if what == "send":
            feed.is_live = number % 2 == 0
            ledger.send((CANCEL,), diary, now)
        elif what == "reply":
            ledger.on_replied(reply(number, now), now)
        elif what == "not_sent":
            ledger.on_not_sent(not_sent(number, now), now)
        elif what == "down":
            ledger.on_user_feed_down(now)
        else:
            ledger.expire(now)
    ledger.expire(Ns(now + s(600)))
    assert ledger.in_flight == 0
    for number in range(1, ledger.n_sent + 1):
        heard = [entry[0] for entry in diary.heard if entry[1] == number]
        assert heard in (["reply"], ["not_sent"], ["silence"], ["silence", "reply"], ["silence", "not_sent"])
